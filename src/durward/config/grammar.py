"""The small grammars of the file: names, durations, sizes, prices, digests, patterns. Each takes what was written or raises Wrong.

Functions take any object, because a value of the wrong type deserves the same answer as one of the wrong form.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

from durward.config.mistakes import Wrong, nearest, quoted, suggest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
NAME_RULE = "A name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with a letter or digit."
TEXT_LIMIT = 256
DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(ms|s|m|h)")
MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
LONGEST = 24 * 3_600_000
DURATION_RULE = "A duration is a number with its unit: 500ms, 2s, 5m; at least 1ms, at most 24h."
PAUSE_RULE = "A pause is a number with its unit: 500ms, 2s, 5m, or 0s for none; at most 24h."
SIZE = re.compile(r"([0-9]{1,15})\s?(B|KB|MB|GB|KiB|MiB|GiB)")
BYTES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}
LARGEST = 2**40
SIZE_RULE = "A size is a whole number with its unit: 512KiB, 10MiB; at least 1B, at most 1024GiB."
MOST = 10**6
COUNT_RULE = "A count is a whole number from 1 to 1000000."
PRICE_PLACES = 12
DEAREST = 10**6
PRICE_RULE = (
    f"A price is a number of USD per million tokens, from 0 to 1,000,000, with at most {PRICE_PLACES} decimals."
)
DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
DIGEST_RULE = "Write `sha256:` and the 64 hex digits of the whole key's SHA-256; `durward agent add` keeps it for you."
MOST_WORKERS = 64
METHOD = re.compile(r"[A-Z][A-Z-]{0,31}|\*")


def text_of(value: object, rule: str) -> str:
    """Text, or Wrong with a hint for what YAML took for something else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise Wrong("this must be text", rule)
    raise Wrong("this must be text: put it in quotes", rule)


def name(value: object) -> str:
    """A name of a provider, API, agent, tenant, team or app."""
    text = text_of(value, NAME_RULE)
    if not NAME.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a name" if text else "a name is missing", NAME_RULE)
    return text


def label(value: object) -> str:
    """Free text on one line: the name of a rule, of a model."""
    text = text_of(value, "")
    if not text or len(text) > TEXT_LIMIT or not text.isprintable() or text != text.strip():
        raise Wrong(
            f"{quoted(text)} cannot be used here",
            f"Write 1 to {TEXT_LIMIT} printable characters, no space at either end.",
        )
    return text


def workers(value: object) -> int:
    """How many processes: a whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
        raise Wrong("this is not a number of processes", f"Write a whole number from 1 to {MOST_WORKERS}.")
    return value


def duration(value: object) -> float:
    """Seconds of `2s`, `500ms`, `5m`."""
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong("this is not a duration", DURATION_RULE)
    milliseconds = Decimal(match[1]) * MILLISECONDS[match[2]]
    if milliseconds % 1 or not 1 <= milliseconds <= LONGEST:
        raise Wrong(f"{quoted(match[0])} is out of bounds, or no whole number of milliseconds", DURATION_RULE)
    return int(milliseconds) / 1000


def pause(value: object) -> float:
    """Seconds of a duration, or of `0s`."""
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None and not Decimal(match[1]):
        return 0.0
    try:
        return duration(value)
    except Wrong as wrong:
        raise Wrong(wrong.message, PAUSE_RULE) from None


def spell_duration(seconds: float) -> str:
    """The shortest way to write a duration that `duration` or `pause` has read."""
    milliseconds = round(seconds * 1000)
    if not milliseconds:
        return "0s"
    unit = next(unit for unit in ("h", "m", "s", "ms") if milliseconds % MILLISECONDS[unit] == 0)
    return f"{milliseconds // MILLISECONDS[unit]}{unit}"


def size(value: object) -> int:
    """Bytes of `10MiB`."""
    match = SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Wrong("this is not a size", SIZE_RULE)
    count = int(match[1]) * BYTES[match[2]]
    if not 1 <= count <= LARGEST:
        raise Wrong(f"{quoted(match[0])} is out of bounds", SIZE_RULE)
    return count


def spell_size(count: int) -> str:
    """The shortest way to write a size that `size` has read."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if count % BYTES[unit] == 0)
    return f"{count // BYTES[unit]}{unit}"


def count(value: object) -> int:
    """A whole number of things, at least one."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong("this is not a count", COUNT_RULE)
    if not 1 <= value <= MOST:
        raise Wrong(f"{value} is out of bounds", COUNT_RULE)
    return value


def price(value: object) -> str:
    """The exact decimal text of a price."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Wrong("this is not a number", PRICE_RULE)
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > PRICE_PLACES or not 0 <= exact <= DEAREST:
        raise Wrong("this price is out of bounds", PRICE_RULE)
    return format(exact, "f")


def digest(value: object) -> str:
    """The hex digits of an agent key's SHA-256. What was written instead may be the key itself, so it is never shown."""
    if not isinstance(value, str):
        raise Wrong("this is not a key's digest", DIGEST_RULE)
    match = DIGEST.fullmatch(value)
    if match is not None:
        return match[1].lower()
    if value.startswith("dw_"):
        raise Wrong(
            "this is an agent key itself; the file holds only its digest",
            f"{DIGEST_RULE} Make a new key: this one was seen.",
        )
    raise Wrong("this is not a key's digest", DIGEST_RULE)


def one_of(value: object, allowed: Iterable[str], later: Iterable[str] = ()) -> str:
    """One of some words; `later` are those that the design has and this version has not."""
    choices = list(allowed)
    if isinstance(value, str) and value in choices:
        return value
    hint = suggest(value if isinstance(value, str) else "", choices)
    if isinstance(value, str) and value in later:
        raise Wrong(f"{quoted(value)} is not in this version", hint)
    raise Wrong(f"{quoted(value)} is not known here" if isinstance(value, str) else "this must be a word", hint)


def version(value: object) -> int:
    """The version of the file's language."""
    if isinstance(value, bool) or value != 1:
        raise Wrong("this Durward reads version 1 of the file only", "Write `version: 1`.")
    return 1


def path(value: object) -> str:
    """A path of the file system."""
    text = text_of(value, "Write a path, absolute or relative to this file.")
    if not text or not text.isprintable():
        raise Wrong("this is not a path", "Write a path, absolute or relative to this file.")
    if text.startswith("~"):
        raise Wrong("`~` is not expanded here", "Write the whole path, or one relative to this file.")
    return text


def path_of_key(value: object) -> str:
    """The path of a private key, with or without `file:` before it. What was written instead may be the key, so it is never shown."""
    rule = "Write the path of a PEM file, absolute or relative to this file, with or without `file:` before it."
    if not isinstance(value, str):
        raise Wrong("this is not a path", rule)
    if value.startswith("env:") or "-----BEGIN" in value:
        raise Wrong("the private key stands in a file of its own", rule)
    return path(value.removeprefix("file:"))


def effect_key(value: str) -> str:
    """`POST /search`: a method and a path pattern, with one space between."""
    method, space, path = value.partition(" ")
    path = path.strip()
    if not space or not METHOD.fullmatch(method) or not (path.startswith("/") or path == "*"):
        meant = nearest(method.upper(), ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
        hint = "Write a method in capitals (or `*`), a space, and a path pattern: `POST /search`, `* /reports/*`."
        raise Wrong(
            f"{quoted(value)} is not a method and a path", f"Did you mean `{meant} …`? {hint}" if meant else hint
        )
    return f"{method} {path}"
