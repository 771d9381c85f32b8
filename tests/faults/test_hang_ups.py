"""Callers that hang up, and upstreams that are slow, silent, cut or malformed: each call ends at once, and ends in the record."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.faults.caller import (
    CHAT,
    GEMINI,
    GEMINI_STREAM,
    MESSAGES,
    MESSAGES_STREAM,
    PLAIN,
    STREAM,
    STREAMS,
    Answer,
    Ask,
    Caller,
    trace_of,
)
from tests.faults.ledger import Line, open_calls, problems, read_ledger
from tests.faults.place import durward, until
from tests.faults.provider import events, tokens_of
from tests.server.running import Running

HANG_UPS = 200
CANCELLED_SECONDS = 1.0
"""A generous bound: what it is on a quiet machine, scripts/bench measures."""


async def ends_of(running: Running, count: int) -> list[Line]:
    """The ends of so many calls, none of which is `unknown` or recorded twice, in the order in which they began."""
    await until(lambda: len(read_ledger(running.data_dir).ends) == count, f"{count} ends")
    ledger = read_ledger(running.data_dir)
    assert open_calls(ledger) == []
    assert [len(lines) for lines in ledger.ends.values()] == [1] * count
    ends = [ledger.ends[call][0] for call in ledger.intents]
    assert {end["type"] for end in ends} == {"settle"}
    return ends


async def test_a_caller_that_hangs_up_has_its_call_cancelled_upstream(tmp_path: Path) -> None:
    seconds: list[float] = []
    async with durward(tmp_path) as (running, provider):
        for number in range(HANG_UPS):
            # Half of them before the provider has said anything, half in the middle of a stream.
            inside = number % 2 == 1
            ask = (STREAMS if inside else PLAIN)[number // 2 % 4]
            caller = Caller(running.port)
            await caller.begin(ask, trace_of(number), f"X-Manner: {'held-inside' if inside else 'silent'}\r\n")
            await provider.has(number + 1)
            if inside:
                await caller.read(Answer(ask), enough=events(provider.arrivals[-1])[0][-9:-2])
            arrival = provider.of(trace_of(number))
            assert not arrival.gone.is_set()
            hung_up = time.monotonic()
            await caller.close()
            await arrival.gone.wait()
            seconds.append(arrival.gone_at - hung_up)
        seconds.sort()
        print(f"hang-up to cancelled: median {seconds[100] * 1000:.1f} ms, p99 {seconds[197] * 1000:.1f} ms")
        assert seconds[int(HANG_UPS * 0.99) - 1] < CANCELLED_SECONDS
        ends = await ends_of(running, HANG_UPS)
        assert {(end["outcome"], end["reason"]) for end in ends[0::2]} == {("failed", "caller_gone")}
        assert {(end["outcome"], end["reason"]) for end in ends[1::2]} == {("cut", "caller_gone")}
        # Nothing of them is left: the same gate goes on, on fresh connections.
        assert (await _ask(running, CHAT, 1_000)).status == 200
        assert problems(running.data_dir) == []


async def test_a_provider_that_writes_byte_by_byte_is_passed_on_and_counted_to_the_byte(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, provider):
        for number, ask in enumerate((*PLAIN, *STREAMS)):
            answer = await _ask(running, ask, number, "bytes")
            assert (answer.status, answer.whole) == (200, True), ask.kind
            if ask in STREAMS:
                shown = [event for event in events(provider.arrivals[-1]) if b'"choices":[]' not in event]
                assert answer.body == b"".join(shown)
        ends = await ends_of(running, 8)
        for number, end in enumerate(ends):
            if number not in (3, 7):  # The API's calls count no tokens.
                assert (end["tokens"]["input"], end["tokens"]["output"]) == tokens_of(trace_of(number))


@pytest.mark.parametrize(
    "manner,status,reason",
    [
        ("silent", 504, "upstream_silent"),
        ("cut", 502, "upstream_cut"),
        ("malformed", 502, "upstream_malformed"),
    ],
)
async def test_a_provider_that_does_not_answer_is_told_in_the_callers_wire(
    tmp_path: Path, manner: str, status: int, reason: str
) -> None:
    asks = (CHAT, STREAM, MESSAGES, MESSAGES_STREAM, GEMINI, GEMINI_STREAM)
    async with durward(tmp_path, patience="1s") as (running, _):
        answers = await asyncio.gather(*(_ask(running, ask, number, manner) for number, ask in enumerate(asks)))
        for ask, answer in zip(asks, answers, strict=True):
            assert (answer.status, answer.whole) == (status, True), ask.kind
            told = json.loads(answer.body)["error"]
            assert answer.call in told["message"] or answer.call == json.loads(answer.body).get("request_id")
        assert json.loads(answers[0].body)["error"]["code"] == reason
        assert json.loads(answers[2].body)["type"] == "error"
        assert json.loads(answers[4].body)["error"]["details"][0]["reason"] == reason
        ends = await ends_of(running, len(asks))
        assert {(end["outcome"], end["status"], end["reason"]) for end in ends} == {("failed", status, reason)}


async def test_an_answer_that_breaks_off_ends_without_its_terminal_event(tmp_path: Path) -> None:
    async with durward(tmp_path) as (running, _):
        answers = [await _ask(running, ask, number, "cut-inside") for number, ask in enumerate(STREAMS)]
        assert [(answer.status, answer.whole, answer.complete) for answer in answers] == [(200, False, False)] * 4
        chat, messages, gemini, api = (answer.body for answer in answers)
        assert b"upstream_cut" in chat.split(b"data: ")[-1]
        assert b"event: error\n" in messages
        assert b'"reason":"upstream_cut"' in gemini
        assert api == b"line 0\nline 1\nline 2\nline 3\n"[: len(api)]
        whole = await _ask(running, CHAT, 9, "cut-inside")
        assert (whole.status, json.loads(whole.body)["error"]["code"]) == (502, "upstream_cut")
        ends = await ends_of(running, 5)
        assert [(end["outcome"], end["reason"]) for end in ends] == [("cut", "upstream_cut")] * 4 + [
            ("failed", "upstream_cut")
        ]


async def _ask(running: Running, ask: Ask, number: int, manner: str = "") -> Answer:
    caller = Caller(running.port)
    try:
        return await caller.call(ask, trace_of(number), f"X-Manner: {manner}\r\n" if manner else "")
    finally:
        await caller.close()
