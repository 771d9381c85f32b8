"""Golden pairs of the Gemini wire: what comes in, what is read from it, what goes out."""

import json
from random import Random

import pytest

from durward.calls.errors import DurwardError
from durward.protocols.gemini import GEMINI_COUNT, GEMINI_EMBED, GEMINI_GENERATE
from durward.protocols.wire import ModelProtocol
from tests.protocols.irregular import respell
from tests.protocols.openai_golden import GOLDEN, Pair, body_of, pairs, read_facts, told_facts
from tests.protocols.replay import SIZES, chunked, follow

PLAIN = [
    *(pytest.param(GEMINI_GENERATE, pair, id=pair.name) for pair in pairs("gemini")),
    *(pytest.param(GEMINI_COUNT, pair, id=f"count-{pair.name}") for pair in pairs("gemini_count")),
    *(pytest.param(GEMINI_EMBED, pair, id=f"embed-{pair.name}") for pair in pairs("gemini_embed")),
]
STREAMED = [
    *(pytest.param(pair, id=f"events-{pair.name}") for pair in pairs("gemini_stream")),
    *(
        pytest.param(
            pair._replace(stream=(GOLDEN / "gemini_array" / f"{pair.name}.array").read_bytes()), id=f"array-{pair.name}"
        )
        for pair in pairs("gemini_array")
    ),
]


@pytest.mark.parametrize("protocol,pair", PLAIN)
def test_plain_pairs(protocol: ModelProtocol, pair: Pair) -> None:
    facts = pair.facts
    request = protocol.read(body_of(facts["request"]), facts["model"], False)
    assert read_facts(request, facts["read"]) == facts["read"]
    assert json.loads(protocol.write(request, request.model, True)) == facts["request"]
    if upstream := facts.get("upstream"):
        assert json.loads(protocol.write(request, upstream["model"], True)) == upstream["body"]
    for body in (body_of(facts["answer"]), respell(facts["answer"], Random(pair.name), lines=True)):
        assert told_facts(protocol.answer(body), facts["told"]) == facts["told"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pair", STREAMED)
def test_streamed_pairs(pair: Pair, size: int) -> None:
    assert pair.stream
    request = GEMINI_GENERATE.read(body_of(pair.facts["request"]), pair.facts["model"], True)
    reader = GEMINI_GENERATE.stream(request, True)
    followed = follow(reader, chunked(pair.stream, size))
    assert followed.all == pair.stream
    assert (followed.held + followed.after).decode() == pair.facts["held"]
    assert told_facts(reader, pair.facts["told"]) == pair.facts["told"]


@pytest.mark.parametrize("pair", pairs("gemini_errors"), ids=lambda pair: pair.name)
def test_errors(pair: Pair) -> None:
    facts = pair.facts
    named = facts["error"]
    error = DurwardError(named["message"], reason=named["reason"], param=named["param"])
    error.retry_after = named["retry_after"]
    answer = GEMINI_GENERATE.write_error(error, facts["call"])
    assert answer.status == facts["status"]
    assert answer.lines.decode().split("\r\n") == [*facts["lines"], ""]
    assert json.loads(answer.body) == facts["body"]
    assert answer.body.decode() == facts["element"]
    assert GEMINI_GENERATE.write_error_event(error, facts["call"]).decode().split("\r\n") == facts["event"]
