"""Patterns of the selector: `*` matches anything including `/`, case-sensitive; everything else matches itself."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

Matcher = Callable[[str], object]


def matcher(patterns: Iterable[str]) -> Matcher | None:
    """One test for a list of patterns (OR); None where a pattern matches everything, so that nothing need be asked."""
    return _matcher(tuple(patterns))


@lru_cache(maxsize=1024)
def _matcher(patterns: tuple[str, ...]) -> Matcher | None:
    if "*" in patterns:
        return None
    if all("*" not in pattern for pattern in patterns):
        return frozenset(patterns).__contains__
    return re.compile("|".join(map(_expression, patterns)), re.DOTALL).fullmatch


def _expression(pattern: str) -> str:
    """Where a piece is found first, it is never looked for again: time grows with the value's length, however many `*` there are."""
    first, *inner = map(re.escape, pattern.split("*"))
    last = f".*{inner.pop()}" if inner else ""
    return first + "".join(f"(?>.*?{piece})" for piece in inner if piece) + last


def matches(patterns: Iterable[str] | None, value: str) -> bool:
    """True where no pattern is given, or one of them matches."""
    if patterns is None:
        return True
    test = matcher(patterns)
    return test is None or bool(test(value))
