"""What headers announce is read within bounds and never trusted."""

from durward.protocols.announced import read_announced, read_tags, read_trace

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_gates_own_session_header_wins_over_the_clients() -> None:
    fields = {b"session-id": b"codex", b"x-claude-code-session-id": b"claude", b"durward-session": b"mine"}
    assert read_announced(fields).session == "mine"
    del fields[b"durward-session"]
    assert read_announced(fields).session == "claude"


def test_a_trace_is_continued_only_if_it_is_one() -> None:
    assert read_trace({}) == ("", "")
    assert read_trace({b"traceparent": TRACE}) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    for broken in (
        TRACE + b"x",
        TRACE[:-1],
        TRACE.upper(),
        b"01" + TRACE[2:],
        b"00-" + b"0" * 32 + b"-" + b"1" * 16 + b"-01",
    ):
        assert read_trace({b"traceparent": broken}) == ("", "")


def test_tags_are_ten_at_most_and_64_characters_each() -> None:
    assert read_tags(b"team=blue, run = 7,bare,=x") == {"team": "blue", "run ": " 7"}
    assert len(read_tags(b",".join(b"k%d=v" % number for number in range(20)))) == 10
    assert read_tags(b"k=" + b"v" * 65) == {}


def test_long_values_are_cut() -> None:
    assert len(read_announced({b"user-agent": b"x" * 500}).client) == 128
