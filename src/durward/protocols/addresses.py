"""Addresses of the agent listener: which wire, route and upstream a request-target names.

A path is split raw and each segment decoded once (RFC 3986 §2.4), so that policy, upstream and record see the same thing. The verb of
Gemini's routes follows the last `:` of the last segment.
"""

from functools import lru_cache
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from durward.calls.errors import CallerError
from durward.calls.resource import Action
from durward.protocols.wire import Wire

Door = Literal["model", "models", "provider", "api", "health", "ready"]
Kind = Literal["inference", "listing", "entry", "other"]

KEPT_PATH = 512
VERSIONS = frozenset({"v1", "v1beta", "v1alpha"})
WIRES: dict[str, Wire] = {"openai": "openai", "anthropic": "anthropic", "gemini": "gemini"}


class Path(msgspec.Struct, frozen=True, gc=False):
    """A path's segments, decoded, and the same segments as they were sent."""

    decoded: tuple[str, ...]
    raw: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, gc=False):
    """A route of a model wire. `protocol` is empty unless `kind` is inference; `stream` None means that the body decides."""

    wire: Wire
    kind: Kind
    protocol: str = ""
    action: Action = "request"
    model: str = ""
    verb: str = ""
    stream: bool | None = None


class Address(msgspec.Struct, frozen=True, gc=False):
    """What a request-target names: the door it knocks at, the upstream it spells out (if any), and the path behind that.

    `version` is the API version segment that was cut off, empty where none was there.
    """

    door: Door
    upstream: str = ""
    wire: Wire | None = None
    version: str = ""
    path: Path = Path((), ())


class Query(msgspec.Struct, frozen=True, gc=False):
    """A query string without the `key` that carries an agent's key; `names` are its parameters' names, decoded."""

    text: str
    names: tuple[str, ...]
    keys: tuple[str, ...] = ()
    """The different values of `key`, where it carries an agent's key."""


NO_QUERY = Query("", ())


def split_target(target: bytes) -> tuple[str, str]:
    """The raw path and the raw query of an origin-form request-target, which the edge's grammar has found to be ASCII."""
    path, _, query = target.decode("ascii").partition("?")
    return path, query


def read_query(query: str, carries_key: bool) -> Query:
    """List the parameters' names; where `key` carries an agent's key (Gemini routes only), cut it out. Raises CallerError `bad_path`."""
    if not query:
        return NO_QUERY
    kept: list[str] = []
    names: list[str] = []
    keys: dict[str, None] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = _decode(name.replace("+", " "))
        if carries_key and name == "key":
            keys[_decode(value)] = None
            continue
        kept.append(pair)
        names.append(name)
    return Query("&".join(kept), tuple(names), tuple(keys))


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    if _bad_escape(text):
        raise CallerError("A percent sign is not followed by two hex digits.", reason="bad_path")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise CallerError("The address is not valid UTF-8.", reason="bad_path") from None


def _bad_escape(text: str) -> bool:
    hexadecimal = "0123456789abcdefABCDEF"
    return any(
        len(piece) < 2 or piece[0] not in hexadecimal or piece[1] not in hexadecimal for piece in text.split("%")[1:]
    )


def _segment(raw: str) -> str:
    text = _decode(raw)
    if (
        text in (".", "..")
        or "/" in text
        or "\\" in text
        or any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
    ):
        raise CallerError(f"The path segment {raw[:64]!r} could be read in two ways.", reason="bad_path")
    return text


def read_path(raw: str) -> Address:
    """The address of a raw path. Raises CallerError `bad_path`, or `not_found` for a path that no door answers.

    The cache is keyed by the path alone, never by a query, which may hold a key. Long paths are nobody's habit, and are not kept.
    """
    return read_path_once(raw) if len(raw) <= KEPT_PATH else read_path_once.__wrapped__(raw)


@lru_cache(maxsize=1024)
def read_path_once(raw: str) -> Address:
    """As `read_path`, and kept."""
    if not raw.startswith("/"):
        raise CallerError("The path does not begin with a slash.", reason="bad_path")
    pieces = tuple(raw[1:].split("/"))
    path = Path(tuple(_segment(piece) for piece in pieces), pieces)
    if any(not piece for piece in path.raw[:-1]):
        raise CallerError("The path holds an empty segment.", reason="bad_path")
    address = _door(path)
    if address is None:
        raise CallerError(f"No door answers {raw[:128]!r}.", reason="not_found")
    return address


def _door(path: Path) -> Address | None:
    first = path.decoded[0]
    if first in VERSIONS:
        return _versioned("model", "", None, path)
    if first in WIRES and len(path.raw) > 1:
        return _versioned("model", "", WIRES[first], _behind(path, 1))
    if first == "p" and len(path.raw) > 2 and path.decoded[1]:
        return _versioned("provider", path.decoded[1], None, _behind(path, 2))
    if first == "api" and len(path.raw) > 1 and path.decoded[1]:
        return Address("api", path.decoded[1], path=_behind(path, 2))
    if path.decoded in (("healthz",), ("readyz",)):
        return Address("health" if first == "healthz" else "ready")
    return None


def _behind(path: Path, count: int) -> Path:
    return Path(path.decoded[count:], path.raw[count:])


def _versioned(door: Door, upstream: str, wire: Wire | None, path: Path) -> Address | None:
    if path.decoded[0] in VERSIONS:
        if len(path.raw) < 2 or path.decoded[1] == "":
            return None
        return Address(door, upstream, wire, path.decoded[0], _behind(path, 1))
    return Address(door, upstream, wire, "", path)


OPENAI_POSTS: dict[tuple[str, ...], tuple[str, Action]] = {
    ("chat", "completions"): ("openai_chat", "generate"),
    ("responses",): ("openai_responses", "generate"),
    ("embeddings",): ("openai_embeddings", "embed"),
}
ANTHROPIC_POSTS: dict[tuple[str, ...], tuple[str, Action]] = {
    ("messages",): ("anthropic", "generate"),
    ("messages", "count_tokens"): ("anthropic_count", "count"),
}
GEMINI_VERBS: dict[str, tuple[str, Action, bool]] = {
    "generateContent": ("gemini", "generate", False),
    "streamGenerateContent": ("gemini", "generate", True),
    "countTokens": ("gemini_count", "count", False),
    "embedContent": ("gemini_embed", "embed", False),
    "batchEmbedContents": ("gemini_embed", "embed", False),
}


def read_route(method: str, address: Address, wire: Wire | None, fields: dict[bytes, bytes]) -> Route:
    """The model route behind an address: by path and verb first, then by the headers that tell the wires apart.

    `wire` is the one that the upstream or the address has already settled, None where all are possible.
    """
    path = address.path.decoded
    if len(path) > 1 and not path[-1]:
        # Servers answer `/chat/completions/` as `/chat/completions`: what is inference to them is inference to policy and meter.
        path = path[:-1]
    spoken = wire or _wire_of(path, address.version, fields)
    if path[0] == "models" and method in ("GET", "HEAD"):
        return _models_route(spoken, path)
    if method == "POST":
        found = _inference(spoken, path)
        if found is not None:
            return found
    return Route(spoken, "other")


def _wire_of(path: tuple[str, ...], version: str, fields: dict[bytes, bytes]) -> Wire:
    if path in OPENAI_POSTS:
        return "openai"
    if path[0] == "messages":
        return "anthropic"
    if version in ("v1beta", "v1alpha") or (
        len(path) == 2 and path[0] in ("models", "tunedModels") and ":" in path[1] and _gemini_verb(path[1])
    ):
        return "gemini"
    if b"anthropic-version" in fields:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in fields else "openai"


def _gemini_verb(segment: str) -> str:
    return verb if (verb := segment.rpartition(":")[2]) in GEMINI_VERBS else ""


def _models_route(wire: Wire, path: tuple[str, ...]) -> Route:
    if len(path) == 1:
        return Route(wire, "listing", action="list")
    return Route(wire, "entry", action="list", model="/".join(path[1:]))


def _inference(wire: Wire, path: tuple[str, ...]) -> Route | None:
    if wire == "gemini":
        return _gemini_inference(path)
    found = (OPENAI_POSTS if wire == "openai" else ANTHROPIC_POSTS).get(path)
    return Route(wire, "inference", found[0], found[1]) if found else None


def _gemini_inference(path: tuple[str, ...]) -> Route | None:
    if len(path) != 2 or path[0] not in ("models", "tunedModels"):
        return None
    name, _, verb = path[1].rpartition(":")
    if verb not in GEMINI_VERBS or not name:
        return None
    protocol, action, stream = GEMINI_VERBS[verb]
    model = name if path[0] == "models" else f"tunedModels/{name}"
    return Route("gemini", "inference", protocol, action, model, verb, stream)


def join(base_path: str, version: str, raw: tuple[str, ...]) -> str:
    """The path upstream: `/v1/x` is base + `/x` if the base ends in a version segment, else base + `/v1/x`."""
    base = base_path.rstrip("/")
    rest = "/".join(raw)
    if version and base.rpartition("/")[2] not in VERSIONS:
        return f"{base}/{version}/{rest}"
    return f"{base}/{rest}"


def gemini_segments(model: str, verb: str) -> tuple[str, ...]:
    """The raw segments of a Gemini route for a model's upstream name."""
    collection, _, name = model.rpartition("/")
    return (collection or "models", f"{quote(name, safe='-._~@')}:{verb}")
