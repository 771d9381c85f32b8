"""What the validator finds, said for people: one row a mistake."""

import pytest
from pydantic import ValidationError

from durward.config.explain import explain, owners, section_at
from durward.config.load import compose
from durward.config.mistakes import Source, ordered
from durward.config.schema import File, Provider, Rule, Selector, Target


def explained(text: str) -> list[str]:
    """`line:column+width: message = hint` of every mistake."""
    root = compose(Source("f", text), text)
    assert root is not None
    with pytest.raises(ValidationError) as caught:
        File.model_validate(root.value())
    found = []
    for mistake in ordered(explain(root, caught.value, 100)):
        assert mistake.span is not None
        line, column, end = mistake.span
        found.append(
            f"{line + 1}:{column + 1}+{'' if end is None else end - column}: {mistake.message} = {mistake.hint}"
        )
    return found


@pytest.mark.parametrize(
    "text,start",
    [
        ("moode: x", "1:1+5: unknown key `moode` = Did you mean `mode`? Allowed: admin, agents, "),
        ("xyzzy: 1", "1:1+5: unknown key `xyzzy` = Allowed: admin, agents, "),
        ("timeouts: {}", "1:1+8: unknown key `timeouts` = `timeouts` belongs under providers.<name>. Allowed: "),
        (
            "limits: []",
            "1:1+6: `limits` (rates, quotas and budgets) is not in this version = Allowed here: admin, agents, ",
        ),
        (
            "records: {retain: 1d}",
            "1:11+6: `retain` (how long records are kept) is not in this version = Allowed here: payloads.",
        ),
        ("mode: enforse", "1:7+7: `enforse` is not known here = Did you mean `enforce`? Allowed: enforce, observe."),
        ("mode: [x]", "1:7+3: this must be a word = Allowed: enforce, observe."),
        ("records: {payloads: full}", "1:21+4: `full` is not in this version = Allowed: none."),
        ("policies: {}", "1:11+2: this must be a list = Write [one, two]"),
        ("providers: []", "1:12+2: this must be a mapping of names = "),
        ("providers: {a: x}", "1:16+1: this must be a mapping = "),
        ("providers:\n  a:", "2:3+1: `base_url` is missing here = Where it is, "),
        ("agents: {'a b': {}}", "1:10+5: `a b` is not a name = A name has "),
        ("policies: [{name: x, allow: {agents: []}}]", "1:38+2: an empty list can never match = "),
        ("policies: [{name: x, allow: {agents: a}}]", "1:38+1: this must be a list = "),
        ("apis: {a: {base_url: 'https://h', effects: {PUT: read}}}", "1:45+3: `PUT` is not a method and a path = "),
        ("listen: {address: x}", "1:19+1: this is not an address to listen on = "),
        ("listen: 7300", "1:9+4: this is not an address to listen on = "),
        ("listen: ['127.0.0.1:1']", "1:9+15: a list of listeners is not in this version = Write one."),
        ("outbound_proxy: {url: 'http://p:1', exempt: []}", "1:37+6: unknown key `exempt` = Did you mean `except`?"),
        ("[a]", "1:1+3: this must be a mapping = "),
    ],
)
def test_every_kind_of_mistake_has_its_place_and_its_words(text: str, start: str) -> None:
    found = explained(text)
    assert found[0].startswith(start)


def test_all_of_them_at_once() -> None:
    text = "version: 3\nproviders: {a: {protocol: x, base_url: y, timeouts: {connect: 1}, default: maybe, z: 1}}\nagents: []\n"
    assert [line.split(" ")[0] for line in explained(text)] == [
        "1:10+1:",
        "2:27+1:",
        "2:40+1:",
        "2:63+1:",
        "2:76+5:",
        "2:83+1:",
        "3:9+2:",
    ]


def test_sections_are_found_by_their_path() -> None:
    assert section_at(()) is File
    assert section_at(("providers", "x")) is Provider
    assert section_at(("policies", 3)) is Rule
    assert section_at(("policies", 3, "allow")) is Selector
    assert section_at(("models", "m", "targets", 0)) is Target
    assert section_at(("nope", "x")) is None
    assert section_at(("providers",)) is None


def test_owners_of_a_key() -> None:
    assert list(owners("body_limit")) == ["apis.<name>"]
    assert list(owners("nope")) == []
