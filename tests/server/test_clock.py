"""The real clock and randomness keep what their ports promise."""

from durward.server.clock import POOL, SystemClock, SystemRandom


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(100)]
    assert times == sorted(times)
    assert clock.time() > 1_700_000_000


def test_random_bytes_are_as_many_as_asked_and_given_once() -> None:
    random = SystemRandom()
    pieces = [random.bytes(10) for _ in range(POOL)]
    assert {len(piece) for piece in pieces} == {10}
    assert len(set(pieces)) == POOL
    assert [len(random.bytes(count)) for count in (0, 1, POOL - 1, POOL + 1)] == [0, 1, POOL - 1, POOL + 1]
