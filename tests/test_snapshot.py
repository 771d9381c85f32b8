"""One configuration, compiled: courses, prices and worst cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward import snapshot as module
from durward.calls.principal import Principal
from durward.config.settings import Api, Model, ModelTarget, PriceOverride, Provider, Rule, Selector
from durward.protocols.arrival import Arrival, read_arrival
from durward.protocols.http1 import head_end, read_head
from durward.protocols.members import Body
from durward.protocols.wire import ModelRequest
from durward.snapshot import Course, Known, Snapshot
from tests.playbooks.world import Shelf, Still, settings

CAROL, OSCAR = Principal("carol", "acme"), Principal("oscar", "acme")
QUICK = Model("quick", (ModelTarget("openai", "house"), ModelTarget("spare", "cheap")))
TWO = settings(
    providers=(
        Provider("openai", "openai", "https://api.openai.com/v1"),
        Provider("spare", "openai", "https://spare.example.com/v1", stream_usage="as_is"),
    ),
    models=(QUICK, Model("gpt-*", (ModelTarget("openai"),))),
    prices=(
        PriceOverride("model/openai/house", input="1", output="10"),
        PriceOverride("model/spare/cheap", input="2", output="3"),
    ),
)


def made(written: object = None, **changes: object) -> Snapshot:
    return Snapshot(TWO if written is None else settings(**changes), {}, Shelf(), Still())


def arrive(snapshot: Snapshot, line: str = "POST /v1/chat/completions") -> Arrival:
    text = f"{line} HTTP/1.1\r\nHost: gate\r\n\r\n".encode()
    return read_arrival(read_head(text, head_end(text))[0], snapshot.catalog.wire_of)


def asks(model: str = "quick", **members: object) -> ModelRequest:
    request = ModelRequest(model, False, Body({}))
    for name, value in members.items():
        setattr(request, name, value)
    return request


def course(snapshot: Snapshot, request: ModelRequest | None = None, who: Principal = CAROL) -> Course:
    return snapshot.course(who, arrive(snapshot), "POST", request or asks())


def test_a_course_has_a_step_for_each_target() -> None:
    found = course(made())
    assert [(step.target.upstream, step.target.model) for step in found.steps] == [
        ("openai", "house"),
        ("spare", "cheap"),
    ]
    assert [step.way.asks_usage for step in found.steps] == [True, False]
    assert found.steps[1].line == b"POST /v1/chat/completions HTTP/1.1\r\nHost: spare.example.com\r\n"
    assert [step.target.upstream for step in found.within(frozenset({"spare"})).steps] == ["spare"]


def test_a_course_is_kept_for_the_same_question_only() -> None:
    snapshot = made()
    first = course(snapshot)
    assert course(snapshot) is first
    assert course(snapshot, asks("gpt-4")) is not first
    assert course(snapshot, who=OSCAR) is not first
    assert snapshot.course(CAROL, arrive(snapshot, "POST /v1/chat/completions?a=1"), "POST", asks()) is not first
    # What is offered beside the model is not part of the question, so such a course is not kept.
    assert course(snapshot, asks(further_models=("gpt-4",))) is not first
    assert course(snapshot) is first


def test_one_agents_decision_is_never_anothers() -> None:
    rule = Rule("carol", "allow", Selector(agents=("carol",)))
    snapshot = Snapshot(settings(policies=(rule,)), {}, Shelf(), Still())
    assert course(snapshot).decision.allows
    assert not course(snapshot, who=OSCAR).decision.allows


def test_kept_courses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_COURSES", 4)
    snapshot = made()
    for number in range(20):
        course(snapshot, asks(f"gpt-{number}"))
        assert len(snapshot._courses) <= 4


def test_the_course_of_an_address_of_any_length_is_not_kept() -> None:
    snapshot = made()
    found = snapshot.course(CAROL, arrive(snapshot, f"POST /v1/chat/completions?{'a' * 4_000}"), "POST", asks())
    assert found.decision.allows == course(snapshot).decision.allows
    assert len(snapshot._courses) == 1


def test_the_worst_case_is_the_dearest_candidates() -> None:
    snapshot = made()
    found = course(snapshot)
    assert snapshot.worst_case(found, asks(text_bytes=100, max_output=10)) == max(
        100 * 1000 + 10 * 10000, 100 * 2000 + 10 * 3000
    )
    spare = found.within(frozenset({"spare"}))
    assert snapshot.worst_case(spare, asks(text_bytes=1, max_output=10)) == 2000 + 10 * 3000


@pytest.mark.parametrize(
    "request_", [asks(), asks(max_output=1, bounded=False), asks(max_output=1, further_models=("gpt-4",))]
)
def test_what_has_no_bound_has_no_worst_case(request_: ModelRequest) -> None:
    snapshot = made()
    assert snapshot.worst_case(course(snapshot), request_) is None


def test_one_candidate_without_a_price_is_enough_to_know_nothing() -> None:
    snapshot = made()
    priced = course(snapshot, asks("gpt-4o", max_output=1))
    assert snapshot.worst_case(priced, asks("gpt-4o", max_output=1)) is not None
    unpriced = Snapshot(settings(models=(Model("x", (ModelTarget("openai", "nobody-knows"),)),)), {}, Shelf(), Still())
    assert unpriced.worst_case(course(unpriced, asks("x", max_output=1)), asks("x", max_output=1)) is None


def test_counting_costs_nothing_and_embedding_has_no_output() -> None:
    snapshot = made()
    count = Snapshot(settings(), {}, Shelf(), Still())
    arrival = arrive(count, "POST /v1/messages/count_tokens")
    assert count.worst_case(count.course(CAROL, arrival, "POST", asks("claude")), asks("claude")) == 0
    embedded = snapshot.course(CAROL, arrive(snapshot, "POST /v1/embeddings"), "POST", asks())
    assert snapshot.worst_case(embedded, asks(text_bytes=7)) == 7 * 2000
    assert snapshot.worst_case(embedded, None) is None


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**7), st.integers(0, 10**6))
def test_a_worst_case_never_falls_with_more_text_or_more_output(text: int, output: int, more: int, longer: int) -> None:
    small, large = asks(text_bytes=text, max_output=output), asks(text_bytes=text + more, max_output=output + longer)
    first, second = SNAPSHOT.worst_case(COURSE, small), SNAPSHOT.worst_case(COURSE, large)
    assert first is not None
    assert second is not None
    assert first <= second


SNAPSHOT = made()
COURSE = course(SNAPSHOT)


def test_other_prices_are_of_what_was_offered() -> None:
    (step, _) = COURSE.steps
    assert SNAPSHOT.other_prices(step, asks()) is None
    assert SNAPSHOT.other_prices(step, None) is None
    price = SNAPSHOT.other_prices(step, asks(further_models=("gpt-4.1",)))
    assert price is not None
    assert price("house") is not None
    assert price("gpt-4.1-2025-04-14") is not None
    assert price("o3") is None
    assert price("gpt-4o-mini") is None


def test_apis_have_their_own_limit_and_no_price() -> None:
    snapshot = Snapshot(settings(apis=(Api("crm", "https://crm.example.com", body_limit=7),)), {}, Shelf(), Still())
    found = snapshot.course(CAROL, arrive(snapshot, "PUT /api/crm/x"), "PUT", None)
    (step,) = found.steps
    assert (step.way.body_limit, snapshot.price(found.resource, step)) == (7, None)


def test_a_head_is_introduced_once_for_each_principal() -> None:
    text = b"POST /v1/responses?a=1 HTTP/1.1\r\nHost: gate\r\nCookie: a=b\r\nX-One: 1\r\nUser-Agent: sdk\r\nDurward-Session: s\r\n\r\n"
    head, _ = read_head(text, head_end(text))
    known = Known(SNAPSHOT, read_arrival(head, SNAPSHOT.catalog.wire_of))
    known.introduce(CAROL, head)
    opening = known.opening
    assert (opening.agent, opening.tenant, opening.protocol) == ("carol", "acme", "openai_responses")
    assert (opening.method, opening.query, opening.session, opening.client) == ("POST", "a", "s", "sdk")
    assert known.lines(head, opening) == b"X-One: 1\r\nUser-Agent: sdk\r\n"
    known.introduce(OSCAR, head)
    assert (known.principal, known.opening.agent) == (OSCAR, "oscar")
