"""What a wire's modules hand over begins empty, and belongs to one call."""

import pytest

from durward.protocols.members import Body
from durward.protocols.wire import Answer, ModelRequest, StreamReader


def test_a_request_begins_with_nothing_claimed_and_bounded() -> None:
    request = ModelRequest("m", False, Body({}))
    assert (request.bounded, request.wants_usage, request.further_models, request.objects) == (True, False, (), ())
    request.tags["a"] = "b"
    assert ModelRequest("m", False, Body({})).tags == {}


def test_an_answer_is_whole_unless_it_says_otherwise() -> None:
    assert Answer().finished
    assert not Answer(finished=False).finished


def test_a_reader_of_its_own_has_to_read() -> None:
    reader = StreamReader()
    assert (reader.usage, reader.ended, reader.objects) == (None, False, [])
    for missing in (lambda: reader.feed(b""), reader.take_held, reader.finish, reader.at_boundary):
        with pytest.raises(NotImplementedError):
            missing()
