"""What headers announce is read within bounds and never trusted."""

from durward.protocols.announced import read_announced, read_tags


def test_the_gates_own_session_header_wins_over_the_clients() -> None:
    fields = {b"session-id": b"codex", b"x-claude-code-session-id": b"claude", b"durward-session": b"mine"}
    assert read_announced(fields).session == "mine"
    del fields[b"durward-session"]
    assert read_announced(fields).session == "claude"


def test_tags_are_ten_at_most_and_64_characters_each() -> None:
    assert read_tags(b"team=blue, run = 7,bare,=x") == {"team": "blue", "run ": " 7"}
    assert len(read_tags(b",".join(b"k%d=v" % number for number in range(20)))) == 10
    assert read_tags(b"k=" + b"v" * 65) == {}


def test_long_values_are_cut() -> None:
    assert len(read_announced({b"user-agent": b"x" * 500}).client) == 128
