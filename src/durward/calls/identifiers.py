"""UUIDv7 identifiers (RFC 9562 §5.7) and W3C trace ids, from an injected clock and random source."""


def uuid7(time_ms: int, random: bytes) -> str:
    """The UUIDv7 of a Unix time in milliseconds and 10 random bytes, as 36 lower-case characters."""
    tail = int.from_bytes(random, "big")
    high = 0x7000 | (tail >> 64) & 0x0FFF
    low = 0x8000 | (tail >> 48) & 0x3FFF
    return f"{time_ms >> 16:08x}-{time_ms & 0xFFFF:04x}-{high:04x}-{low:04x}-{tail & 0xFFFFFFFFFFFF:012x}"


def time_of(identifier: str) -> int:
    """The Unix time in milliseconds inside a UUIDv7."""
    return int(identifier[:8] + identifier[9:13], 16)
