"""Secret references: `env:NAME`, `file:PATH`, `${env:NAME}` and `${file:PATH}` inside a value, and `caller`.

The file holds references, never secrets; what was written instead of one is never shown.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from durward.config.mistakes import Wrong

CALLER = "caller"
BARE = re.compile(r"(env|file):(.*)", re.DOTALL)
REFERENCE = re.compile(r"\$\{([^}]*)\}")
HOLDS_REFERENCE = r"\$\{(env|file):[^}]+\}"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
LITERAL = re.compile(r"[\x20-\x7e]{0,32}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
"""RFC 9110 §5.6.2, token."""
RULE = "Write a reference: env:NAME, file:PATH, caller (passes on the caller's own), or {header, value} with ${env:NAME} in the value."
LOGIN_RULE = "Write a reference to `user:password`: env:NAME or file:PATH."
NOT_CREDENTIALS = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("accept-encoding", "content-encoding", "content-length", "content-type", "expect", "forwarded", "host"),
        "proxy-authorization",
    }
)
"""Headers that frame a request or route it; the gate writes them itself."""


def bare(value: str) -> str:
    """The template of a credential that is one reference: `env:NAME` becomes `${env:NAME}`; `caller` stays."""
    if value == CALLER:
        return value
    if "${" in value and not REFERENCE.fullmatch(value):
        template(value)
        raise Wrong(
            "text around a reference needs its header", 'Write {header: Authorization, value: "Bearer ${env:NAME}"}.'
        )
    match = BARE.fullmatch(value.removeprefix("${").removesuffix("}") if value.startswith("${") else value)
    if match is None:
        shell = "An environment variable is env:NAME, without `$`. " if value.startswith("$") else ""
        raise Wrong("a secret is never written in this file", f"{shell}{RULE}")
    refuse_reference(match[1], match[2])
    return f"${{{match[0]}}}"


def login(value: object) -> str:
    """The template of a login that is one reference: `env:NAME` becomes `${env:NAME}`."""
    reference = bare(value) if isinstance(value, str) and value != CALLER else ""
    if not reference:
        raise Wrong("this is not a login", LOGIN_RULE)
    return reference


def template(value: object) -> str:
    """A value with at least one reference in it, and beside them only short plain text such as `Bearer `."""
    if not isinstance(value, str):
        raise Wrong("this must be text with a reference in it", RULE)
    pieces = REFERENCE.split(value)
    if len(pieces) == 1:
        if "${" in value:
            raise Wrong(
                "a reference is not closed", "Write `${env:NAME}` or `${file:PATH}`, with the brace at its end."
            )
        raise Wrong("a secret is never written in this file", RULE)
    for literal in pieces[::2]:
        if "${" in literal:
            raise Wrong(
                "a reference is not closed", "Write `${env:NAME}` or `${file:PATH}`, with the brace at its end."
            )
        if not LITERAL.fullmatch(literal):
            raise Wrong("beside its references a value holds at most a word or two, such as `Bearer `", RULE)
    for reference in pieces[1::2]:
        kind, _, target = reference.partition(":")
        refuse_reference(kind, target)
    return value


def refuse_reference(kind: str, target: str) -> None:
    """Raise Wrong unless `env` names a variable or `file` a path."""
    if kind not in ("env", "file"):
        raise Wrong("this is no reference that exists", "There are ${env:NAME} and ${file:PATH}.")
    if kind == "env" and not VARIABLE.fullmatch(target):
        raise Wrong(
            "this is not the name of an environment variable", "Write env: and a name of letters, digits and `_`."
        )
    path = target.isprintable() and target == target.strip() and not target.startswith("~") and "}" not in target
    if kind == "file" and not (target and path):
        raise Wrong(
            "this is not a path", "Write file: and a whole path, or one relative to this file, without `~` and braces."
        )


def header(value: object) -> str:
    """The name of the header that carries a credential."""
    if not isinstance(value, str) or not HEADER.fullmatch(value):
        raise Wrong("this is not the name of a header", "Write a header such as Authorization or X-Api-Key.")
    lower = value.lower()
    if lower in NOT_CREDENTIALS or lower.startswith(("durward-", "x-forwarded-")):
        raise Wrong(
            "this header carries no credential; the gate writes it itself",
            "Write a header such as Authorization or X-Api-Key.",
        )
    return value


def references(text: str) -> Iterator[tuple[str, str]]:
    """(kind, target) of every reference in a template."""
    for reference in REFERENCE.findall(text):
        kind, _, target = reference.partition(":")
        yield kind, target


def anchored(text: str, folder: Path) -> str:
    """The template with relative paths made absolute: a file is looked for beside the configuration, wherever the gate starts."""

    def absolute(found: re.Match[str]) -> str:
        kind, _, target = found[1].partition(":")
        return f"${{file:{folder / target}}}" if kind == "file" else found[0]

    return REFERENCE.sub(absolute, text)
