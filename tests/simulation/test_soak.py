"""The long run: it plays every seed once, says how far it is, and tells what is red."""

from soak.worlds import simulation


def test_a_short_long_run() -> None:
    said: list[str] = []
    assert simulation(said.append, 30) == []
    assert said[-1].startswith("30 of 30 worlds, 0 red, ")
