"""What the schema refuses, said for people: every error of the validator becomes a mistake at its place in the file."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from durward.config.later import LATER
from durward.config.mistakes import Mistake, Span, Wrong, nearest, quoted, suggest
from durward.config.nodes import Node
from durward.config.schema import Credential, File, Section, members

Path = tuple[int | str, ...]

TYPES = {
    "bool_type": ("this must be true or false", "YAML 1.2 knows no yes, no, on or off."),
    "dict_type": ("this must be a mapping of names", "Write `name: {…}` under it."),
    "list_type": ("this must be a list", "Write [one, two], or one per line after `- `."),
    "model_type": ("this must be a mapping", "Write `key: value` under it."),
    "string_type": ("this must be text", "Put it in quotes."),
    "too_short": (
        "an empty list can never match",
        "Name something, or leave the key out: what is absent matches everything.",
    ),
}
"""The validator's own errors: what is wrong, and what to do."""
OTHERWISE = ("this is not valid here", "")


def explain(root: Node, error: ValidationError, limit: int) -> list[Mistake]:
    """Every error of the validator, as mistakes; at most `limit`."""
    return [_explained(root, details) for details in error.errors(include_url=False, include_input=False)[:limit]]


def _explained(root: Node, details: ErrorDetails) -> Mistake:
    kind, path = details["type"], details["loc"]
    if kind == "extra_forbidden":
        return unknown_key(root, path)
    if kind == "missing":
        return _missing(root, path)
    wrong = details.get("ctx", {}).get("error")
    message, hint = (wrong.message, wrong.hint) if isinstance(wrong, Wrong) else TYPES.get(kind, OTHERWISE)
    return Mistake(place(root, path), message, hint)


def unknown_key(root: Node, path: Path) -> Mistake:
    """A key that the schema has not: of a later version, of another place, or a slip."""
    key = str(path[-1])
    span = place(root, (*path, "[key]"))
    section = section_at(path[:-1])
    allowed = sorted(members(section)) if section else []
    if key in LATER and nearest(key, allowed) != key:
        return Mistake(
            span, f"{quoted(key)} ({LATER[key]}) is not in this version", f"Allowed here: {', '.join(allowed)}."
        )
    hint = suggest(key, allowed)
    if nearest(key, allowed) is None:
        hint = " ".join([*(f"`{key}` belongs under {where}." for where in owners(key)), hint])
    return Mistake(span, f"unknown key {quoted(key)}", hint)


def _missing(root: Node, path: Path) -> Mistake:
    section = section_at(path[:-1])
    field = members(section)[str(path[-1])] if section else None
    meaning = (field.description or "").partition("\n")[0] if field else ""
    return Mistake(place(root, path[:-1], key=True), f"`{path[-1]}` is missing here", meaning)


def place(root: Node, path: Path, key: bool = False) -> Span:
    """Where a path of the validator leads: the value, or the key where the path ends in `[key]` or `key` is asked for.

    The path may go deeper than the file does; then it is the last place that exists.
    """
    node, span, key_span = root, root.span, root.span
    for step in path:
        if step == "[key]":
            return key_span
        if isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            span = key_span = node.span
        elif isinstance(step, str) and step in node.entries:
            key_node, node = node.entries[step]
            span, key_span = node.span, key_node.span
            # `key:` with nothing behind it has no place of its own.
            span = key_span if node.empty and not node.text else span
    return key_span if key else span


def section_at(path: Path) -> type[Section] | None:
    """The section of the schema at a path of the file."""
    kind: Any = File
    for step in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = members(kind).get(str(step)) if issubclass(kind, Section) else None
            kind = sectioned(field.annotation) if field else None
        else:
            kind = sectioned(get_args(kind)[-1]) if get_origin(kind) in (dict, list) else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def sectioned(annotation: Any) -> Any:
    """An annotation without None and metadata; of several forms the mapping."""
    if hasattr(annotation, "__metadata__"):
        return sectioned(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        forms = [sectioned(form) for form in get_args(annotation) if form is not type(None)]
        return Credential if Credential in forms else forms[0]
    return annotation


def owners(key: str) -> Iterator[str]:
    """Places of the schema that have such a key."""
    for where, section in sections():
        if key in members(section):
            yield where


def sections() -> Iterator[tuple[str, type[Section]]]:
    """Every section with the path to it, `<name>` and `[]` for what the operator fills in."""
    waiting: list[tuple[str, Any]] = [("", File)]
    while waiting:
        where, kind = waiting.pop(0)
        if isinstance(kind, type) and issubclass(kind, Section):
            yield where or "the top", kind
            inner = members(kind).items()
            waiting += [(f"{where}.{name}".lstrip("."), sectioned(field.annotation)) for name, field in inner]
        elif get_origin(kind) is dict:
            waiting.append((f"{where}.<name>", sectioned(get_args(kind)[1])))
        elif get_origin(kind) is list:
            waiting.append((f"{where}[]", sectioned(get_args(kind)[0])))
