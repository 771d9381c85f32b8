"""Blots out what looks like a secret in a line that is shown, whatever else is wrong with it.

It errs on the dark side: a line that stays legible but for one harmless word costs little, a key in a build log costs a key.
"""

import re
from collections.abc import Iterator

NAMED = re.compile(
    r"""(?ix) \b [\w-]* (?: credentials? | keys? | tokens? | secrets? | passw(?:or)?d | pwd | authorization | bearer | value ) ["']?
    \s* [:=] \s* (?P<value> "[^"]*"? | '[^']*'? | \[ [^\]]* \]? | [^\s,}\]{] [^,}\]]* )"""
)
"""A member by whose name its value may be secret: quoted, a list, or plain up to what ends it."""
WORD = re.compile(r"[^\s,{}\[\]\"']+")
PUBLIC = re.compile(r"caller|env:[A-Za-z_]\w*|file:\S*|\S*\$\{\S*|(?:Bearer|Basic|Token)|(?i:sha256:[0-9a-f]{64})")
"""Words that may stand there: references, digests, schemes (RFC 9110 §11.1)."""
SAFE = re.compile(
    r"(?i:sha256:[0-9a-f]{64})\b|\$\{(?:env:\w+|file:[^}]*)\}|(?<![\w/])(?:env:[A-Za-z_]\w*(?![\w+/=-])|file:[^\s,}\"']+)"
)
PREFIXED = re.compile(
    r"\b(?:dw_|sk-|rk-|pk-|AIza|gh[pousr]_|github_pat_|xox[a-z]-|glpat-|hf_|gsk_|AKIA|eyJ)[\w.+/=-]{4,}"
)
"""What well-known issuers begin their keys with."""
RANDOM = re.compile(r"[\w+/=-]*(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16,}[\w+/=-]*")
"""A long run of letters and digits mixed, with all that hangs on it: no word or model name that people write."""
UUID = re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]*@")
QUERY = re.compile(r"(?<=[?&])[\w.-]+=[^&\s'\"#,}]+")


SECRET_NAME = re.compile(
    r"(?i)[\w-]*(?:credentials?|keys?|tokens?|secrets?|passw(?:or)?d|pwd|authorization|bearer|value)"
)


def mask(line: str) -> str:
    """The line, each character of what looks like a secret replaced by `•`."""
    safe = [found.span() for found in SAFE.finditer(line)]
    shown = list(line)
    for start, end in suspects(line):
        if not any(first <= start and end <= last for first, last in safe):
            shown[start:end] = "•" * (end - start)
    return "".join(shown)


def suspects(line: str) -> Iterator[tuple[int, int]]:
    """Where something may be secret."""
    for named in NAMED.finditer(line):
        words = WORD.finditer(line, *named.span("value"))
        yield from (word.span() for word in words if not PUBLIC.fullmatch(word[0]))
    for pattern in (PREFIXED, RANDOM, UUID, USERINFO, QUERY):
        yield from (found.span() for found in pattern.finditer(line))
