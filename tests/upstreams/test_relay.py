"""Bringing an answer to the caller: what is settled, claimed and written in which order. With a gate around it: tests/playbooks."""

import asyncio
from collections.abc import Awaitable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import GateError, UpstreamError
from durward.calls.ports import RequestHead
from durward.protocols.members import Body
from durward.protocols.openai_responses import OPENAI_RESPONSES
from durward.protocols.wire import ModelRequest, ObjectId
from durward.upstreams.relay import QUIET_SECONDS, Pulse, Relay, answer_lines
from tests.playbooks.world import EVENTS, Caller, Reply, Still

CREATED = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1234567","model":"m"}}\n\n'
DELTA = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hi"}\n\n'
COMPLETED = b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_1234567","status":"completed"}}\n\n'


class Stage:
    """A relay, and everything it touches, in the order in which it does."""

    def __init__(self, full: bool = False) -> None:
        self.events: list[str] = []
        self.clock = Still()
        self.pulse = Pulse(self.clock)
        self.caller = Caller(self.events, RequestHead("POST", b"/", {}, [], 0), b"")
        self.relay = Relay(self.caller, self.pulse)
        self.reader = OPENAI_RESPONSES.stream(ModelRequest("m", True, Body({})), False)
        self.full = full

    def settle(self, stream_error: str = "") -> None:
        if self.full:
            raise GateError("Full.", reason="journal_unavailable")
        self.events.append(f"== settle {self.relay.bytes_out}")

    async def claim(self, objects: Iterable[ObjectId]) -> None:
        self.events.append("== claim " + " ".join(identifier for _, identifier in objects))

    async def stream(self, *pieces: bytes | Exception) -> None:
        reply = Reply(200, *pieces, media=EVENTS, length=False)
        await self.relay.stream(reply, b"", self.reader, self.settle, self.claim)


def test_lines_of_an_answer() -> None:
    reply = Reply(200)
    assert (
        answer_lines("c1", reply, cookies=False)
        == b"Durward-Call: c1\r\nContent-Type: application/json\r\nX-Request-Id: req-1\r\n"
    )
    assert answer_lines("c1", reply, cookies=True).endswith(b"\r\nSet-Cookie: a=b\r\n")


async def test_an_object_is_claimed_before_it_is_shown_and_before_the_call_is_settled() -> None:
    stage = Stage()
    await stage.stream(CREATED + DELTA + COMPLETED)
    whole = len(CREATED + DELTA + COMPLETED)
    assert stage.events == ["<< 200 …", "== claim resp_1234567", f"== settle {whole}", f"<< {whole} bytes", "<< end"]
    assert stage.relay.reader is None


async def test_the_terminal_event_waits_and_counts() -> None:
    stage = Stage()
    await stage.stream(DELTA, COMPLETED)
    assert stage.events[1] == f"<< {len(DELTA)} bytes"
    assert f"== settle {len(DELTA + COMPLETED)}" in stage.events[2:4]
    assert stage.caller.received == DELTA + COMPLETED


async def test_while_the_end_is_not_out_an_error_has_a_place() -> None:
    stage = Stage(full=True)
    with pytest.raises(GateError):
        await stage.stream(DELTA, COMPLETED)
    assert stage.caller.received == DELTA
    assert stage.relay.reader is stage.reader
    cut = Stage()
    with pytest.raises(UpstreamError) as caught:
        await cut.stream(DELTA)
    assert caught.value.reason == "upstream_cut"
    assert cut.relay.reader is cut.reader


@given(st.lists(st.integers(1, 40), max_size=8), st.booleans())
def test_any_reads_bring_the_same_bytes_and_settle_once(sizes: list[int], cut_behind: bool) -> None:
    whole = CREATED + DELTA + COMPLETED
    pieces: list[bytes | Exception] = []
    start = 0
    for size in [*sizes, len(whole)]:
        if start < len(whole):
            pieces.append(whole[start : start + size])
        start += size
    if cut_behind:
        pieces.append(UpstreamError("x", reason="upstream_cut"))
    stage = Stage()
    asyncio.run(stage.stream(*pieces))
    assert stage.caller.received == whole
    assert stage.relay.bytes_out == len(whole)
    assert sum(event.startswith("== settle") for event in stage.events) == 1
    settled = stage.events.index(f"== settle {len(whole)}")
    assert sum(int(event.split()[1]) for event in stage.events[:settled] if event.endswith("bytes")) < len(whole)


async def test_a_reader_that_is_slow_is_waited_for() -> None:
    stage = Stage()
    stage.caller.congested = True
    await stage.stream(DELTA, COMPLETED)
    assert not stage.caller.congested


@pytest.mark.parametrize("length", [True, False])
async def test_the_last_opaque_bytes_wait_for_the_record(length: bool) -> None:
    stage = Stage()
    await stage.relay.opaque(Reply(200, b"one", b"three", length=length), b"", stage.settle)
    assert stage.caller.received == b"onethree"
    settled = stage.events.index("== settle 8")
    assert stage.events[-1] == "<< end"
    if length:
        assert stage.events[settled + 1] == "<< 5 bytes"
    full = Stage(full=True)
    with pytest.raises(GateError):
        await full.relay.opaque(Reply(200, b"one", b"three", length=length), b"", full.settle)
    assert not full.caller.complete
    assert full.relay.reader is None


async def test_an_announced_length_is_told_where_no_body_comes() -> None:
    stage = Stage()
    await stage.relay.opaque(Reply(200).announcing(5), b"", stage.settle)
    assert (stage.caller.length, stage.events) == (5, ["== settle 0", "<< 200 …", "<< end"])


async def test_a_heartbeat_comes_only_after_silence_between_events_and_to_those_that_read() -> None:
    stage = Stage()
    waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    reply = Reply(200, DELTA, waiting, COMPLETED, media=EVENTS, length=False)
    stream = asyncio.create_task(stage.relay.stream(reply, b"", stage.reader, stage.settle, stage.claim))
    await stage.caller.shown.wait()
    stage.pulse.beat()
    stage.clock.now += QUIET_SECONDS - 0.001
    stage.pulse.beat()
    assert stage.caller.received == DELTA
    stage.clock.now += 0.001
    stage.caller.congested = True
    stage.pulse.beat()
    assert stage.caller.received == DELTA
    stage.caller.congested = False
    stage.pulse.beat()
    stage.pulse.beat()
    assert stage.caller.received == DELTA + b"\n"
    waiting.set_result(DELTA)
    await stream
    stage.clock.now += QUIET_SECONDS
    stage.pulse.beat()
    assert stage.caller.received == DELTA + b"\n" + DELTA + COMPLETED


@pytest.mark.parametrize("way", ["whole", "stream", "stream without an end", "opaque", "empty"])
async def test_where_the_end_is_still_on_its_way_to_the_disk_what_hangs_on_it_waits(way: str) -> None:
    stage = Stage()
    let = asyncio.Event()

    def settle(stream_error: str = "") -> Awaitable[None]:
        stage.settle(stream_error)
        return _until(let)

    async def answer() -> None:
        if way == "whole":
            waits = stage.relay.whole(200, b"", b"body", settle)
            assert waits is not None
            await waits
        elif way.startswith("stream"):
            pieces = (CREATED + DELTA, COMPLETED) if way == "stream" else (CREATED + DELTA, COMPLETED.rstrip())
            reply = Reply(200, *pieces, media=EVENTS, length=False)
            await stage.relay.stream(reply, b"", stage.reader, settle, stage.claim)
        else:
            await stage.relay.opaque(Reply(200, *([b"one", b"two"] if way == "opaque" else [])), b"", settle)

    answering = asyncio.create_task(answer())
    for _ in range(10):
        await asyncio.sleep(0)
    settled = max(at for at, event in enumerate(stage.events) if event.startswith("== settle"))
    assert settled == len(stage.events) - 1, "nothing leaves behind it"
    assert not answering.done()
    let.set()
    await answering
    assert len(stage.events) > settled + 1


async def _until(let: asyncio.Event) -> None:
    await let.wait()
