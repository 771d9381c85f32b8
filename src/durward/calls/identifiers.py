"""UUIDv7 identifiers (RFC 9562 §5.7) from a given time and given random bytes."""


def uuid7(time_ms: int, random: bytes) -> str:
    """The UUIDv7 of a Unix time in milliseconds and 10 random bytes, as 36 lower-case characters."""
    digits = (time_ms.to_bytes(6, "big") + random).hex()
    variant = "89ab"[random[2] >> 6]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
