"""Resource patterns of rules and prices: what they may begin with, and whether two of them can mean the same thing."""

import re
from functools import lru_cache

from durward.config.mistakes import Wrong, nearest, quoted

KINDS = ("model", "api", "provider")
"""What this version has resources of."""
LATER_KINDS = {"tool": "MCP tools", "prompt": "MCP prompts", "a2a": "remote agents", "egress": "the forward proxy"}
RULE = "A resource is model/<name>, api/<name>/<METHOD>/<path> or provider/<name>/<METHOD>/<path>; `*` matches anything, `/` too."
PATTERN = re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,510}[^\x00-\x20\x7f])?")
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def resource_pattern(value: object) -> str:
    """A pattern that can match a resource, of this version or a later one."""
    if not isinstance(value, str) or not PATTERN.fullmatch(value):
        raise Wrong("this is not a resource pattern", RULE)
    kind, slash, rest = value.partition("/")
    if "*" in kind:
        if not any(meets(value, f"{each}/*") for each in (*KINDS, *LATER_KINDS)):
            raise Wrong(f"{quoted(value)} can never match", RULE)
        return value
    if kind not in KINDS and kind not in LATER_KINDS:
        meant = nearest(kind, (*KINDS, *LATER_KINDS)) if slash else None
        guess = f"{meant}/{rest}" if meant else f"model/{value}"
        raise Wrong(f"{quoted(value)} can never match", f"Did you mean {quoted(guess)}? {RULE}")
    if not rest:
        raise Wrong(f"{quoted(value)} can never match", f"Did you mean {quoted(f'{kind}/*')}? {RULE}")
    if kind in ("api", "provider"):
        _refuse_method(value)
    return value


def _refuse_method(value: str) -> None:
    """Raise Wrong where the place of the method holds what is none."""
    parts = value.split("/", 3)
    # A `*` may stand for any number of segments, so behind one nothing is known.
    if len(parts) < 3 or "*" in parts[1] or "*" in parts[2] or parts[2] in METHODS:
        return
    if parts[2].isupper() and len(parts) == 4:
        return
    if parts[2].upper() in METHODS:
        raise Wrong(f"{quoted(value)} can never match: methods are written in capitals", RULE)
    raise Wrong(f"{quoted(value)} can never match: {quoted(parts[2])} stands where the method belongs", RULE)


def price_pattern(value: str) -> str:
    """A pattern that can match a model."""
    resource_pattern(value)
    if not meets(value, "model/*"):
        raise Wrong(
            "only models have a price by tokens",
            "Write model/<name>, or model/<provider>/<name> as it is called there.",
        )
    return value


def name_pattern(value: object) -> str:
    """A pattern of agent, team, tenant or app names."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._*-]{1,128}", value):
        raise Wrong(
            "no name can match this", "Names are of letters, digits, `.`, `_` and `-`; `*` matches any part of one."
        )
    return value


@lru_cache(maxsize=4096)
def meets(one: str, other: str) -> bool:
    """Whether some text matches both patterns."""
    if "*" not in one and "*" not in other:
        return one == other
    # Reachable pairs of positions; a `*` may end or take one more character of the other side.
    reached = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        i, j = waiting.pop()
        steps = []
        if i < len(one) and one[i] == "*":
            steps += [(i + 1, j), (i, j + 1)] if j < len(other) else [(i + 1, j)]
        if j < len(other) and other[j] == "*":
            steps += [(i, j + 1), (i + 1, j)] if i < len(one) else [(i, j + 1)]
        if i < len(one) and j < len(other) and one[i] == other[j]:
            steps.append((i + 1, j + 1))
        new = [step for step in steps if step not in reached]
        reached.update(new)
        waiting.extend(new)
    return (len(one), len(other)) in reached
