"""An answer's body: handed out in pieces or whole, at the reader's pace."""

import asyncio

import pytest

from durward.calls.errors import UpstreamError
from durward.protocols.http1_answer import AnswerHead
from durward.upstreams.answer import UNREAD_BYTES, Answer, Holding
from tests.upstreams.scripted import turns

CUT = UpstreamError("Cut.", reason="upstream_cut")


class Source:
    """The connection, as an answer sees it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.said: list[str] = []
        self.holding = Holding()

    def pause(self) -> None:
        self.said.append("pause")

    def resume(self) -> None:
        self.said.append("resume")

    def fail(self, error: BaseException) -> None:
        self.said.append("fail")


def answer_head(length: int | None) -> AnswerHead:
    head = AnswerHead(200, {b"content-type": b"x"}, b"A: b\r\n", True, 0)
    head.cookies = b"Set-Cookie: c\r\n"
    head.length = length
    return head


def opened(length: int | None = None) -> tuple[Answer, Source]:
    source = Source()
    head = answer_head(length)
    return Answer(head, source), source


async def test_the_head_is_told() -> None:
    answer, _ = opened(7)
    assert (answer.status, answer.fields, answer.length) == (200, {b"content-type": b"x"}, 7)
    assert (answer.forward, answer.cookies) == (b"A: b\r\n", b"Set-Cookie: c\r\n")


async def test_what_lies_ready_is_one_chunk() -> None:
    answer, _ = opened()
    answer.brought([b"a", b"b"])
    answer.brought([b"c"])
    assert await answer.chunk() == b"abc"
    answer.brought([b"d"])
    answer.finished()
    assert answer.ended(), "the rest lies complete in what comes next"
    assert [await answer.chunk() for _ in range(3)] == [b"d", b"", b""]


async def test_a_read_waits_for_bytes_the_end_or_a_failure() -> None:
    for bring in (lambda answer: answer.brought([b"x"]), Answer.finished):
        answer, _ = opened()
        waiting = asyncio.ensure_future(answer.chunk())
        await turns(1)
        assert not waiting.done()
        answer.brought([])
        await turns(1)
        assert not waiting.done(), "nothing came"
        bring(answer)
        assert await waiting in {b"x", b""}
    answer, _ = opened()
    waiting = asyncio.ensure_future(answer.chunk())
    await turns(1)
    answer.failed(CUT)
    with pytest.raises(UpstreamError):
        await waiting


async def test_a_read_that_is_cancelled_loses_nothing() -> None:
    answer, _ = opened()
    waiting = asyncio.ensure_future(answer.chunk())
    await turns(1)
    answer.brought([b"a"])
    waiting.cancel()
    await turns(1)
    assert waiting.cancelled()
    answer.brought([b"b"])
    assert await answer.chunk() == b"ab"
    waiting = asyncio.ensure_future(answer.chunk())
    await turns(1)
    waiting.cancel()
    answer.brought([b"c"])
    assert await answer.chunk() == b"c"


async def test_a_body_within_the_limit_is_read_whole() -> None:
    answer, source = opened()
    whole = asyncio.ensure_future(answer.whole(200_000))
    await turns(1)
    answer.brought([b"x" * 150_000])
    await turns(2)
    assert not whole.done()
    answer.brought([b"y" * 50_000])
    answer.finished()
    assert await whole == b"x" * 150_000 + b"y" * 50_000
    assert "pause" not in source.said
    assert await answer.chunk() == b""


@pytest.mark.parametrize("come", [0, 3])
async def test_a_body_known_to_be_too_large_is_not_waited_for(come: int) -> None:
    answer, source = opened(11)
    answer.brought([b"x" * come])
    assert await answer.whole(10) is None
    assert source.said == []


async def test_a_body_that_turns_out_too_large_still_comes_in_chunks() -> None:
    answer, source = opened()
    whole = asyncio.ensure_future(answer.whole(100_000))
    await turns(1)
    answer.brought([b"x" * 100_000])
    await turns(1)
    answer.brought([b"y"])
    assert await whole is None
    assert source.said[-1] == "pause"
    answer.brought([b"z"])
    assert await answer.chunk() == b"x" * 100_000 + b"yz"
    answer.finished()
    assert await answer.chunk() == b""


async def test_a_body_that_breaks_is_not_read_whole() -> None:
    answer, _ = opened()
    answer.brought([b"x"])
    answer.failed(CUT)
    with pytest.raises(UpstreamError):
        await answer.whole(10)
    assert await answer.chunk() == b"x", "what came is not lost"
    with pytest.raises(UpstreamError):
        await answer.chunk()


async def test_too_large_and_broken_is_too_large_first() -> None:
    answer, _ = opened()
    answer.brought([b"x" * 11])
    answer.failed(CUT)
    assert await answer.whole(10) is None


async def test_reading_whole_does_not_raise_the_mark_for_good() -> None:
    answer, source = opened()
    whole = asyncio.ensure_future(answer.whole(10 * UNREAD_BYTES))
    await turns(1)
    whole.cancel()
    await turns(1)
    answer.brought([b"x" * (UNREAD_BYTES + 1)])
    assert source.said[-1] == "pause"


async def test_an_answer_is_dropped_only_while_it_is_coming() -> None:
    answer, source = opened()
    answer.cancel()
    assert source.said == ["fail"]
    answer, source = opened()
    answer.finished()
    answer.cancel()
    assert source.said == []


async def test_a_body_is_poured_in_the_moment_it_comes() -> None:
    answer, _ = opened()
    poured: list[bytes] = []
    answer.brought([b"a", b"b"])

    def into(piece: bytes) -> bool:
        poured.append(piece)
        return True

    pouring = asyncio.ensure_future(answer.pour(into))
    await turns(1)
    assert poured == [b"ab"]
    answer.brought([b"c", b"d"])
    assert poured == [b"ab", b"cd"], "no task had to wake for it"
    answer.finished()
    assert await pouring is False


async def test_a_stop_keeps_what_follows_for_the_next() -> None:
    answer, _ = opened()
    poured: list[bytes] = []

    def into(piece: bytes) -> bool:
        poured.append(piece)
        return piece != b"stop"

    pouring = asyncio.ensure_future(answer.pour(into))
    await turns(1)
    answer.brought([b"a"])
    answer.brought([b"stop"])
    answer.brought([b"b"])
    answer.brought([b"c"])
    assert poured == [b"a", b"stop"]
    assert await pouring is True
    assert await answer.chunk() == b"bc"
    answer.brought([b"d"])
    answer.finished()
    assert await answer.pour(into) is False
    assert poured == [b"a", b"stop", b"d"]


async def test_a_failure_comes_behind_all_that_was_brought_before_it() -> None:
    answer, _ = opened()
    poured: list[bytes] = []

    def into(piece: bytes) -> bool:
        poured.append(piece)
        return True

    pouring = asyncio.ensure_future(answer.pour(into))
    await turns(1)
    answer.brought([b"a"])
    answer.failed(CUT)
    with pytest.raises(UpstreamError):
        await pouring
    assert poured == [b"a"]


async def test_a_pour_that_is_given_up_hands_nothing_more_out() -> None:
    answer, _ = opened()
    poured: list[bytes] = []

    def into(piece: bytes) -> bool:
        poured.append(piece)
        return True

    pouring = asyncio.ensure_future(answer.pour(into))
    await turns(1)
    pouring.cancel()
    await turns(1)
    answer.brought([b"a"])
    assert poured == []
    assert await answer.chunk() == b"a"


async def test_bodies_that_are_held_whole_are_bounded_in_all() -> None:
    one, source = opened()
    other, _ = opened()
    other._source = source
    source.holding.limit = 1000
    first = asyncio.ensure_future(one.whole(10_000))
    second = asyncio.ensure_future(other.whole(10_000))
    await asyncio.sleep(0)
    one.brought([b"x" * 600])
    other.brought([b"y" * 300])
    await asyncio.sleep(0)
    assert (source.holding.held, first.done(), second.done()) == (900, False, False)
    other.brought([b"y" * 200])
    assert await second is None, "there is no room to wait for the rest"
    assert source.holding.held == 600
    assert await other.chunk() == b"y" * 500, "it is passed on as it comes"
    one.brought([b"x" * 300])
    one.finished()
    assert await first == b"x" * 900
    assert source.holding.held == 0


async def test_a_body_that_is_given_up_is_held_no_more() -> None:
    answer, source = opened()
    whole = asyncio.ensure_future(answer.whole(10_000))
    await asyncio.sleep(0)
    answer.brought([b"x" * 600])
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert source.holding.held == 0
