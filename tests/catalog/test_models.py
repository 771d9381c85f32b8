"""Model names: exact, then the longest wildcard, then `<provider>/<model>`, each within the wire of the call."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.patterns import matches
from durward.calls.resource import Target
from durward.catalog.models import Models, nearest, speaks, unknown_model
from durward.config.settings import Model, ModelTarget, Provider, Settings

OPENAI = Provider("openai", "openai", "https://api.openai.com/v1")
SPARE = Provider("spare", "openai", "https://spare.example.com/v1")
ANTHROPIC = Provider("anthropic", "anthropic", "https://api.anthropic.com")
DEMO = Provider("demo", "demo", "http://127.0.0.1:1")


def models(*entries: Model, providers: tuple[Provider, ...] = (OPENAI, SPARE, ANTHROPIC)) -> Models:
    return Models(Settings("", "", providers=providers, models=entries))


def to(provider: str, *names: str) -> Model:
    """Every name leads to this provider, under the name that was used."""
    (name,) = names
    return Model(name, (ModelTarget(provider),))


def reason(caught: pytest.ExceptionInfo[CallerError]) -> tuple[str, str | None]:
    return caught.value.reason, caught.value.param


@pytest.mark.parametrize(
    "order", list(permutations([to("openai", "gpt-4o"), to("spare", "gpt-*"), to("anthropic", "gpt-4*")]))
)
def test_exact_wins_then_the_longest_wildcard_in_whatever_order_they_stand(order: tuple[Model, ...]) -> None:
    known = models(*order)
    assert known.resolve("openai", "gpt-4o", "generate").targets == (Target("openai", "gpt-4o"),)
    assert known.resolve("anthropic", "gpt-4.1", "generate").targets == (Target("anthropic", "gpt-4.1"),)
    assert known.resolve("openai", "gpt-5", "generate").targets == (Target("spare", "gpt-5"),)


def test_a_name_of_its_own_goes_up_as_the_target_says() -> None:
    known = models(Model("quick", (ModelTarget("openai", "gpt-4o-mini"), ModelTarget("spare"))))
    resource = known.resolve("openai", "quick", "embed")
    assert (resource.name, resource.action, resource.effect) == ("model/quick", "embed", "read")
    assert resource.targets == (Target("openai", "gpt-4o-mini"), Target("spare", "quick"))


def test_only_targets_of_the_wire_are_candidates() -> None:
    known = models(Model("quick", (ModelTarget("anthropic", "claude"), ModelTarget("openai", "gpt"))))
    assert known.resolve("openai", "quick", "generate").targets == (Target("openai", "gpt"),)
    assert known.resolve("anthropic", "quick", "generate").targets == (Target("anthropic", "claude"),)
    with pytest.raises(CallerError) as caught:
        known.resolve("gemini", "quick", "generate")
    assert reason(caught) == ("wrong_wire", "model")


def test_a_providers_name_before_a_slash() -> None:
    known = models(to("openai", "x"))
    assert known.resolve("openai", "spare/meta/llama", "generate").targets == (Target("spare", "meta/llama"),)
    for name in ("spare/", "/x", "nobody/x", "spare"):
        with pytest.raises(CallerError) as caught:
            known.resolve("openai", name, "generate")
        assert reason(caught) == ("model_unknown", "model")
    with pytest.raises(CallerError) as caught:
        known.resolve("openai", "anthropic/claude", "generate")
    assert caught.value.reason == "wrong_wire"
    assert "/v1/messages" in caught.value.remedy


def test_without_entries_any_name_goes_to_the_wires_default() -> None:
    known = Models(Settings("", "", providers=(OPENAI, SPARE, ANTHROPIC)))
    assert known.resolve("openai", "spare/x", "generate").targets == (Target("openai", "spare/x"),)
    with pytest.raises(CallerError) as caught:
        known.resolve("gemini", "x", "generate")
    assert caught.value.reason == "model_unknown"


def test_entries_that_name_nothing_allow_nothing() -> None:
    with pytest.raises(CallerError):
        models().resolve("openai", "gpt-4o", "generate")


def test_the_default_is_said_or_the_first() -> None:
    said = Provider("said", "openai", "https://said.example.com", default=True)
    known = models(providers=(OPENAI, said, ANTHROPIC))
    assert known.default("openai") == said
    assert known.default("anthropic") == ANTHROPIC
    assert known.default("gemini") is None
    assert models(providers=(DEMO,)).default("gemini") == DEMO


def test_the_demo_speaks_every_wire() -> None:
    assert all(speaks(DEMO, wire) for wire in ("openai", "anthropic", "gemini"))
    assert not speaks(OPENAI, "anthropic")


def test_a_provider_by_name_and_wire() -> None:
    known = models()
    assert known.provider("openai", "openai") == OPENAI
    for name, wire in (("openai", "anthropic"), ("nobody", "openai")):
        with pytest.raises(CallerError) as caught:
            known.provider(name, wire)
        assert caught.value.reason == "not_found"
    assert known.resolve_at(OPENAI, "gpt-4o", "count").name == "model/openai/gpt-4o"


def test_what_a_listing_starts_from() -> None:
    known = models(to("openai", "gpt-4o"), to("spare", "gpt-*"), to("anthropic", "claude-*"), to("spare", "x*"))
    assert [resource.name for resource in known.named("openai")] == ["model/gpt-4o"]
    assert known.named("anthropic") == []
    assert known.wildcard_providers("openai") == [SPARE]
    assert known.wildcard_providers("anthropic") == [ANTHROPIC]
    assert Models(Settings("", "", providers=(OPENAI,))).wildcard_providers("gemini") == []


def test_the_nearest_names() -> None:
    known = ["gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "gpt-4.1", "gpt-4.1-mini"]
    assert nearest("gpt-4o-mni", known)[0] == "gpt-4o-mini"
    assert len(nearest("gpt-4", known)) == 3
    assert nearest("zzz", known) == []
    assert len(str(unknown_model("x" * 1000))) < 200


names = st.text(alphabet="ab*/", min_size=1, max_size=4)


@given(st.lists(names, max_size=5, unique=True), st.text(alphabet="ab/", min_size=1, max_size=5))
def test_whatever_is_written_a_name_resolves_by_the_most_exact_entry_that_covers_it(
    written: list[str], asked: str
) -> None:
    known = models(*(Model(name, (ModelTarget("openai", name),)) for name in written))
    covering = [name for name in written if (name == asked if "*" not in name else matches((name,), asked))]
    if not covering:
        with pytest.raises(CallerError):
            known.resolve("openai", asked, "generate")
        return
    ((_, chosen),) = {(target.upstream, target.model) for target in known.resolve("openai", asked, "generate").targets}
    exact = [name for name in covering if "*" not in name]
    assert chosen in (exact or [name for name in covering if len(name) == max(map(len, covering))])
