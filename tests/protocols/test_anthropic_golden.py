"""Golden pairs of the Anthropic wire: what comes in, what is read from it, what goes out."""

import json
from random import Random

import pytest

from durward.calls.errors import DurwardError
from durward.protocols.anthropic import ANTHROPIC_COUNT, ANTHROPIC_MESSAGES
from durward.protocols.wire import ModelProtocol
from tests.protocols.irregular import respell
from tests.protocols.openai_golden import Pair, body_of, pairs, read_facts, told_facts
from tests.protocols.replay import SIZES, chunked, follow

PLAIN = [
    *(pytest.param(ANTHROPIC_MESSAGES, pair, id=pair.name) for pair in pairs("anthropic")),
    *(pytest.param(ANTHROPIC_COUNT, pair, id=f"count-{pair.name}") for pair in pairs("anthropic_count")),
]


@pytest.mark.parametrize("protocol,pair", PLAIN)
def test_plain_pairs(protocol: ModelProtocol, pair: Pair) -> None:
    facts = pair.facts
    request = protocol.read(body_of(facts["request"]), "", None)
    assert read_facts(request, facts["read"]) == facts["read"]
    assert list(request.further_models) == facts.get("further_models", [])
    assert json.loads(protocol.write(request, request.model, True)) == facts["request"]
    if upstream := facts.get("upstream"):
        assert json.loads(protocol.write(request, upstream["model"], True)) == upstream["body"]
    for body in (body_of(facts["answer"]), respell(facts["answer"], Random(pair.name), lines=True)):
        assert told_facts(protocol.answer(body), facts["told"]) == facts["told"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pair", pairs("anthropic_stream"), ids=lambda pair: pair.name)
def test_streamed_pairs(pair: Pair, size: int) -> None:
    request = ANTHROPIC_MESSAGES.read(body_of(pair.facts["request"]), "", None)
    reader = ANTHROPIC_MESSAGES.stream(request, True)
    followed = follow(reader, chunked(pair.stream, size))
    assert followed.all == pair.stream
    assert (followed.held + followed.after).decode() == pair.facts["held"]
    assert told_facts(reader, pair.facts["told"]) == pair.facts["told"]


@pytest.mark.parametrize("pair", pairs("anthropic_errors"), ids=lambda pair: pair.name)
def test_errors(pair: Pair) -> None:
    facts = pair.facts
    named = facts["error"]
    error = DurwardError(named["message"], reason=named["reason"], param=named["param"])
    error.retry_after = named["retry_after"]
    answer = ANTHROPIC_MESSAGES.write_error(error, facts["call"])
    assert answer.status == facts["status"]
    assert answer.lines.decode().split("\r\n") == [*facts["lines"], ""]
    assert json.loads(answer.body) == facts["body"]
    assert ANTHROPIC_MESSAGES.write_error_event(error, facts["call"]).decode().split("\n") == facts["event"]
