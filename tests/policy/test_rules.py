"""Deny > allow, nothing matches = deny; deny sees every target, allow the name used; observe changes no verdict, only its force."""

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from durward.calls.principal import Principal
from durward.calls.resource import Action, Resource, Target
from durward.config.settings import Rule, Selector
from durward.policy.rules import Policy

CAROL = Principal("carol", "acme", "care", "desk")
MODEL = Resource("model/quick", "generate", "read", (Target("local", "qwen3"), Target("openai", "gpt-4o-mini")))


def rule(name: str, verb: Literal["allow", "deny"], **of: tuple[str, ...]) -> Rule:
    return Rule(name, verb, Selector(**of))


def test_nothing_matches_is_a_denial_that_names_agent_and_resource() -> None:
    decision = Policy([], "enforce").decide(CAROL, MODEL)
    assert not decision.allows
    assert decision.rule is None
    assert decision.message == "No rule allows carol to generate model/quick (read)."


def test_an_allow_rule_allows_and_is_named() -> None:
    decision = Policy([rule("work", "allow", agents=("carol",), resources=("model/*",))], "enforce").decide(
        CAROL, MODEL
    )
    assert decision.allows
    assert decision.rule == "work"


def test_deny_wins_whatever_the_order() -> None:
    rules = [rule("work", "allow"), rule("never", "deny", resources=("model/quick",))]
    for order in (rules, rules[::-1]):
        decision = Policy(order, "enforce").decide(CAROL, MODEL)
        assert not decision.allows
        assert decision.rule == "never"


def test_deny_matches_any_target_under_its_own_name_and_allow_does_not() -> None:
    hidden = ("model/openai/gpt-4o-mini",)
    denied = Policy([rule("work", "allow"), rule("no openai", "deny", resources=hidden)], "enforce")
    assert denied.decide(CAROL, MODEL).rule == "no openai"
    assert not Policy([rule("work", "allow", resources=hidden)], "enforce").decide(CAROL, MODEL).allows


def test_fields_are_joined_by_and_their_lists_by_or() -> None:
    policy = Policy([rule("r", "allow", teams=("care", "ops"), effects=("read",), actions=("generate",))], "enforce")
    assert policy.decide(CAROL, MODEL).allows
    assert not policy.decide(Principal("carol", "acme", "sales", "desk"), MODEL).allows
    assert not policy.decide(CAROL, Resource("model/quick", "embed", "read")).allows
    assert not policy.decide(CAROL, Resource("model/quick", "generate", "write")).allows


def test_observe_lets_a_denied_call_pass_and_still_says_denied() -> None:
    decision = Policy([rule("never", "deny")], "observe").decide(CAROL, MODEL)
    assert decision.allows
    assert (decision.verdict, decision.rule, decision.enforced) == ("deny", "never", False)


def test_a_listing_shows_what_any_of_the_actions_may_use() -> None:
    policy = Policy([rule("embeds", "allow", actions=("embed",))], "enforce")
    assert policy.lists(CAROL, MODEL, ("generate", "embed", "count"))
    assert not policy.lists(CAROL, MODEL, ("generate", "count"))


names = st.sampled_from(["a", "b", "c"])
maybe = st.none() | st.lists(names | st.just("*"), min_size=1, max_size=2).map(tuple)
selectors = st.builds(Selector, agents=maybe, teams=maybe, tenants=maybe, apps=maybe, resources=maybe)
rules = st.lists(st.builds(Rule, st.text("xyz", max_size=3), st.sampled_from(["allow", "deny"]), selectors), max_size=6)


@given(rules, st.builds(Principal, names, names, names, names), st.lists(names, min_size=1, max_size=3))
def test_decisions_are_those_of_the_plain_reading(written: list[Rule], who: Principal, asked: list[str]) -> None:
    policy = Policy(written, "enforce")
    for name in asked + asked:  # Twice: the second answer comes from the kept decisions.
        resource = Resource(name, "request", "read")
        matching = [one for one in written if covers(one.of, who, name)]
        expected = any(one.verb == "allow" for one in matching) and not any(one.verb == "deny" for one in matching)
        assert policy.decide(who, resource).allows is expected


def covers(of: Selector, who: Principal, resource: str) -> bool:
    def one(patterns: tuple[str, ...] | None, value: str) -> bool:
        return patterns is None or "*" in patterns or value in patterns

    agent = one(of.agents, who.agent) and one(of.teams, who.team) and one(of.tenants, who.tenant)
    action: Action = "request"
    return agent and one(of.apps, who.app) and one(of.resources, resource) and one(of.actions, action)


def test_kept_decisions_are_bounded() -> None:
    policy = Policy([rule("all", "allow")], "enforce")
    for number in range(20_000):
        assert policy.decide(CAROL, Resource(f"model/{number}", "generate", "read")).allows
    assert len(policy._decisions) <= 8_192
