"""UUIDv7: the version, the variant, the time, the order."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from durward.calls.identifiers import uuid7


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_every_id_is_a_valid_uuid_of_version_7_that_tells_its_time(time_ms: int, random: bytes) -> None:
    identifier = uuid7(time_ms, random)
    parsed = UUID(identifier)
    assert str(parsed) == identifier
    assert parsed.variant == RFC_4122
    assert parsed.bytes[6] >> 4 == 7
    assert parsed.int >> 80 == time_ms


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_different_randomness_gives_different_ids(one: bytes, other: bytes) -> None:
    # Version and variant overwrite six of the eighty bits.
    def counted(random: bytes) -> bytes:
        return bytes([random[0] & 0x0F, random[1], random[2] & 0xC0 | random[2] & 0x0F, *random[3:]])

    assert (uuid7(1, one) == uuid7(1, other)) is (counted(one) == counted(other))


def test_a_later_id_sorts_behind() -> None:
    assert uuid7(1, b"\xff" * 10) < uuid7(2, b"\x00" * 10)
