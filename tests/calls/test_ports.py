"""A request's head as doors make it and the app reads it."""

from durward.calls.ports import RequestHead


def test_a_head_begins_without_notes_of_the_app() -> None:
    head = RequestHead("POST", b"/v1/x", {b"host": b"gate"}, [b"Accept: */*"], None)
    assert (head.method, head.target, head.length, head.memo) == ("POST", b"/v1/x", None, None)
    head.memo = "seen"
    assert head.memo == "seen"
