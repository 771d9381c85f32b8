"""What a file would change of what is in force: its entries, and what that means for which agents."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from durward.calls.once import Idempotency
from durward.calls.principal import Principal
from durward.calls.resource import Action, Resource, Target
from durward.catalog.http import api_resource, provider_resource
from durward.catalog.models import Models
from durward.config.grammar import spell_duration, spell_size
from durward.config.settings import Drain, OutboundProxy, Overload, Settings, Tls
from durward.policy.rules import Policy, concerns
from durward.server.loader import FIXED

SECTIONS = ("providers", "models", "apis", "agents", "policies", "prices")
OF_THE_WHOLE = ("mode", "drain", "overload", "idempotency", "ca_file", "tls", "trusted_proxies", "outbound_proxy")
SHOWN_AGENTS = 5
SHOWN_CHANGES = 200
"""So many changes are told in full; of more, how many there are."""
MODEL_ACTIONS: tuple[Action, ...] = ("generate", "embed", "count")
METHODS = ("GET", "POST", "DELETE")
"""One of each effect."""


class Asked(NamedTuple):
    """Something that an agent may ask for, as a person reads it."""

    name: str
    action: Action


def differences(old: Settings, new: Settings, made: Sequence[Principal]) -> list[str]:
    """One line a change, most general first; none where the file means what is in force. `made`: the agents made by command."""
    lines = [f"needs restart: {name}: {_value(old, name)} → {_value(new, name)}" for name in _changed(old, new, FIXED)]
    lines += [f"{name}: {_value(old, name)} → {_value(new, name)}" for name in _changed(old, new, OF_THE_WHOLE)]
    for section in SECTIONS:
        lines += _of_section(section, _entries(old, section), _entries(new, section))
    return [*lines, *_for_agents(old, new, made)]


def _changed(old: Settings, new: Settings, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if isinstance(value, Drain):
        return f"{spell_duration(value.delay)}, then {spell_duration(value.timeout)}"
    if isinstance(value, Idempotency):
        sizes = f"max_bytes {spell_size(value.max_bytes)}, max_answer {spell_size(value.max_answer)}"
        return f"retain {spell_duration(value.retain)}, {sizes}"
    if isinstance(value, Overload):
        said = [f"{word} {count}" for word, count in value._asdict().items() if count]
        return ", ".join(said) or "as the machine allows"
    if isinstance(value, Tls | OutboundProxy):
        return ", ".join(f"{name} {_said(member)}" for name, member in msgspec.structs.asdict(value).items() if member)
    return _said(value)


def _said(value: Any) -> str:
    return (", ".join(value) if isinstance(value, tuple) else str(value or "")) or "none"


def _entries(settings: Settings, section: str) -> dict[str, Any]:
    entries = msgspec.to_builtins(getattr(settings, section) or ())
    return {entry.pop("name", None) or entry.pop("pattern"): entry for entry in entries}


def _of_section(section: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"- {section}: {name}"
    for name, entry in new.items():
        if name not in old:
            yield f"+ {section}: {name}"
        elif entry != old[name]:
            members = [each for each in {**old[name], **entry} if old[name].get(each) != entry.get(each)]
            yield f"~ {section}: {name} ({', '.join(members)})"
    kept = [name for name in new if name in old]
    if section == "policies" and kept != [name for name in old if name in new]:
        yield "~ policies: their order"


def _for_agents(old: Settings, new: Settings, made: Sequence[Principal]) -> list[str]:
    """What agents may do that they could not, and the reverse; agents for whom the same holds are told of together."""
    before, after = _principals(old, made), _principals(new, made)
    was, will = Policy(old.policies, old.mode), Policy(new.policies, new.mode)
    asked = _asked(old, new)
    groups: dict[tuple[Any, ...], list[str]] = {}
    shown: dict[tuple[Any, ...], tuple[Principal, Principal]] = {}
    for name in sorted(before.keys() & after.keys()):
        pair = before[name], after[name]
        key = (*_concerned(old, pair[0]), None, *_concerned(new, pair[1]))
        groups.setdefault(key, []).append(name)
        shown[key] = pair
    told: list[str] = []
    for key, names in groups.items():
        told += [f"{_named(names)}: {change}" for change in _changes(was, will, *shown[key], asked)]
    left = len(told) - SHOWN_CHANGES
    return told if left <= 0 else [*told[:SHOWN_CHANGES], f"… and {left} more"]


def _principals(settings: Settings, made: Sequence[Principal]) -> dict[str, Principal]:
    written = [Principal(agent.name, agent.tenant, agent.team, agent.app) for agent in settings.agents]
    return {principal.agent: principal for principal in (*made, *written)}


def _concerned(settings: Settings, principal: Principal) -> tuple[str, ...]:
    return tuple(rule.name for rule in settings.policies if concerns(rule, principal))


def _changes(
    was: Policy,
    will: Policy,
    before: Principal,
    after: Principal,
    asked: list[tuple[Asked, Resource | None, Resource | None]],
) -> Iterator[str]:
    for what, old, new in asked:
        could = old is not None and was.decide(before, old).allows
        can = new is not None and will.decide(after, new).allows
        if could == can:
            continue
        why = "" if can else " (it is gone)" if new is None else _because(will.decide(after, new).rule)
        yield f"{'may now' if can else 'may no longer'} {what.action} {what.name}{why}"


def _because(rule: str | None) -> str:
    return f" (denied by {rule})" if rule else " (no rule allows it)"


def _named(names: list[str]) -> str:
    if len(names) <= SHOWN_AGENTS:
        return ", ".join(names)
    return f"{', '.join(names[:SHOWN_AGENTS])} and {len(names) - SHOWN_AGENTS} more"


def _asked(old: Settings, new: Settings) -> list[tuple[Asked, Resource | None, Resource | None]]:
    """All that either knows or has a rule about, as resources of the one and of the other.

    A pattern stands for what it covers: as a name of its own, with its `*`, it is covered by just the patterns that cover all of it.
    """
    patterns = {name for settings in (old, new) for rule in settings.policies for name in rule.of.resources or ()}
    overrides = {
        f"api/{api.name}/{each.method}/{each.pattern.lstrip('/')}"
        for settings in (old, new)
        for api in settings.apis
        for each in api.effects
    }
    before, after = (_resources(settings, sorted(patterns | overrides)) for settings in (old, new))
    return [(what, before.get(what), after.get(what)) for what in {**before, **after}]


def _resources(settings: Settings, patterns: list[str]) -> dict[Asked, Resource]:
    found: dict[Asked, Resource] = {}
    models = Models(settings)
    for name in [*_models(settings), *(each for each in patterns if each.startswith("model/"))]:
        if (targets := _targets(models, settings, name)) is not None:
            for action in MODEL_ACTIONS:
                found[Asked(name, action)] = Resource(name, action, "read", targets)
    for api in settings.apis:
        for method, path in _routes(f"api/{api.name}/", patterns):
            resource = api_resource(api, method, path)
            found[Asked(resource.name, "request")] = resource
    for provider in settings.providers:
        for method, path in _routes(f"provider/{provider.name}/", patterns):
            resource = provider_resource(provider, method, path)
            found[Asked(resource.name, "request")] = resource
    return found


def _routes(place: str, patterns: list[str]) -> list[tuple[str, str]]:
    """Methods and paths to ask about: everything, and what patterns single out."""
    routes = [(method, "*") for method in METHODS]
    for pattern in patterns:
        method, slash, path = pattern.removeprefix(place).partition("/")
        if pattern.startswith(place) and slash and path:
            routes += [(each, path) for each in (METHODS if "*" in method else (method,))]
    return list(dict.fromkeys(routes))


def _models(settings: Settings) -> list[str]:
    """Models as rules name them."""
    names = [f"model/{each.name}/*" for each in settings.providers]
    return [*names, *(("model/*",) if settings.models is None else (f"model/{each.name}" for each in settings.models))]


def _targets(models: Models, settings: Settings, name: str) -> tuple[Target, ...] | None:
    """Where a model goes, None where nothing of this name can be asked for."""
    model = name.removeprefix("model/")
    upstream, slash, inner = model.partition("/")
    if slash and upstream in models.providers:
        return (Target(upstream, inner),)
    targets = models.candidates(model)
    return targets or (() if settings.models is None else None)
