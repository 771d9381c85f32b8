"""Rules compiled per principal, and the decision they lead to."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from durward.calls.decision import Decision
from durward.calls.patterns import Matcher, matcher, matches
from durward.calls.principal import Principal
from durward.calls.resource import Action, Resource
from durward.config.settings import Rule

KEPT_PRINCIPALS = 1_024
KEPT_DECISIONS = 8_192


class Slice(NamedTuple):
    """A rule as far as it concerns one principal: what is left to ask of a call."""

    name: str
    actions: Matcher | None
    effects: Matcher | None
    resources: Matcher | None

    def covers(self, action: str, effect: str, names: Iterable[str]) -> bool:
        return (
            (self.actions is None or bool(self.actions(action)))
            and (self.effects is None or bool(self.effects(effect)))
            and (self.resources is None or any(self.resources(name) for name in names))
        )


class Policy:
    """The rules of one snapshot. Decisions are pure, so both the slices and the decisions are kept, each in a bounded table."""

    def __init__(self, rules: Iterable[Rule], mode: Literal["enforce", "observe"]) -> None:
        self._rules = tuple(rules)
        self._observes = mode == "observe"
        self._slices: dict[Principal, tuple[list[Slice], list[Slice]]] = {}
        self._decisions: dict[tuple[Principal, Resource], Decision] = {}

    def decide(self, principal: Principal, resource: Resource) -> Decision:
        """Deny if a deny rule covers the name used or any target, else allow if an allow rule covers the name used, else deny."""
        key = (principal, resource)
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._judge(principal, resource)
            if len(self._decisions) >= KEPT_DECISIONS:
                self._decisions.clear()
            self._decisions[key] = decision
        return decision

    def lists(self, principal: Principal, resource: Resource, actions: Iterable[Action]) -> bool:
        """Whether this principal may use the resource for any of `actions`: what a listing shows is what a call is allowed."""
        return any(
            self._judge(principal, Resource(resource.name, action, resource.effect, resource.targets)).allows
            for action in actions
        )

    def _judge(self, principal: Principal, resource: Resource) -> Decision:
        denies, allows = self._slice(principal)
        everywhere = {resource.name, *(target.resource for target in resource.targets if target.model)}
        for rule in denies:
            if rule.covers(resource.action, resource.effect, everywhere):
                return self._denied(f"The rule {rule.name!r} denies {resource.action} of {resource.name}.", rule.name)
        for rule in allows:
            if rule.covers(resource.action, resource.effect, (resource.name,)):
                return Decision("allow", rule.name)
        return self._denied(
            f"No rule allows {principal.agent} to {resource.action} {resource.name} ({resource.effect}).", None
        )

    def _denied(self, message: str, rule: str | None) -> Decision:
        return Decision("deny", rule, message, enforced=not self._observes)

    def _slice(self, principal: Principal) -> tuple[list[Slice], list[Slice]]:
        found = self._slices.get(principal)
        if found is None:
            mine = [rule for rule in self._rules if concerns(rule, principal)]
            found = (
                [_left_to_ask(rule) for rule in mine if rule.verb == "deny"],
                [_left_to_ask(rule) for rule in mine if rule.verb == "allow"],
            )
            if len(self._slices) >= KEPT_PRINCIPALS:
                self._slices.clear()
            self._slices[principal] = found
        return found


def concerns(rule: Rule, principal: Principal) -> bool:
    """Whether a rule says anything of what this principal does."""
    of = rule.of
    return (
        matches(of.agents, principal.agent)
        and matches(of.teams, principal.team)
        and matches(of.tenants, principal.tenant)
        and matches(of.apps, principal.app)
    )


def _left_to_ask(rule: Rule) -> Slice:
    of = rule.of
    return Slice(
        rule.name,
        None if of.actions is None else matcher(of.actions),
        None if of.effects is None else matcher(of.effects),
        None if of.resources is None else matcher(of.resources),
    )
