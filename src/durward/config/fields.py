"""Types of the schema's members: each joins a grammar to what an editor's JSON Schema says of it."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args

from annotated_types import Len
from pydantic import BeforeValidator, WithJsonSchema

from durward.calls.resource import Action, Effect
from durward.config import grammar, places, references, resources
from durward.config.families import PRICE_TABLES
from durward.config.log import FORMATS, LEVELS
from durward.config.settings import ProtocolName


def said(read: Callable[[Any], Any], form: str, **schema: object) -> tuple[BeforeValidator, WithJsonSchema]:
    """The annotations of a member that a grammar reads; `form` is the word for it in the reference."""
    return BeforeValidator(read), WithJsonSchema({"type": "string", FORM: form, **schema})


class Short:
    """The annotation of a mapping that may be written short, as one word of this form. Its schema says both."""

    def __init__(self, form: str) -> None:
        self._form = form

    def __get_pydantic_json_schema__(self, core: Any, schema_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", FORM: self._form}, schema_of(core)]}


def word(allowed: Iterable[str], later: Iterable[str] = ()) -> BeforeValidator:
    """The annotation of a member that is one of some words, which its type says too."""
    choices, not_yet = tuple(allowed), tuple(later)
    return BeforeValidator(lambda value: grammar.one_of(value, choices, not_yet))


def whole(pattern: re.Pattern[str]) -> str:
    """A pattern as JSON Schema needs it, which searches."""
    return f"^(?:{pattern.pattern})$"


FORM = "x-form"
"""Member of our JSON Schema that only the reference uses; the published one is without it."""

ADMIN = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "address": {"type": "string"},
                "metrics": {"enum": ["token", "open"]},
                "names": {"type": "array", "items": {"type": "string"}},
            },
            "additionalProperties": False,
        },
    ],
    FORM: "address, `off`, or mapping, see below",
}
"""The schema of the office's listener, which may be written short or `off`."""

Name = Annotated[str, *said(grammar.name, "name", pattern=whole(grammar.NAME))]
Label = Annotated[str, *said(grammar.label, "text", minLength=1, maxLength=grammar.TEXT_LIMIT)]
Duration = Annotated[float, *said(grammar.duration, "duration", pattern=whole(grammar.DURATION))]
Pause = Annotated[float, *said(grammar.pause, "pause", pattern=whole(grammar.DURATION))]
Size = Annotated[int, *said(grammar.size, "size", pattern=whole(grammar.SIZE))]
Count = Annotated[int, *said(grammar.count, "count", type="integer", minimum=1, maximum=grammar.MOST)]
Usd = Annotated[str, *said(grammar.price, "number", type="number", minimum=0, maximum=grammar.DEAREST)]
Digest = Annotated[str, *said(grammar.digest, "digest", pattern=whole(grammar.DIGEST))]
Path = Annotated[str, *said(grammar.path, "path", minLength=1)]
KeyPath = Annotated[str, *said(grammar.path_of_key, "path", minLength=1)]
Listen = Annotated[str, *said(places.listen, "address")]
Network = Annotated[str, *said(places.network, "network")]
ProxyUrl = Annotated[str, *said(places.proxy_url, "proxy", pattern="^https?://")]
Direct = Annotated[str, *said(places.direct, "host or network")]
HostName = Annotated[str, *said(places.host_name, "host name", pattern=whole(places.HOST))]
BaseUrl = Annotated[str, *said(places.base_url, "URL", pattern="^https?://")]
Login = Annotated[str, *said(references.login, "login", pattern=r"^(?:(?:env|file):.+|\$\{(?:env|file):[^}]+\})$")]
HeaderName = Annotated[str, *said(references.header, "header name", pattern=whole(references.HEADER))]
Template = Annotated[str, *said(references.template, "text with references", pattern=references.HOLDS_REFERENCE)]
ResourcePattern = Annotated[str, *said(resources.resource_pattern, "resource pattern")]
PricePattern = Annotated[str, *said(resources.price_pattern, "resource pattern")]
NamePattern = Annotated[str, *said(resources.name_pattern, "name pattern")]
EffectKey = Annotated[str, *said(grammar.effect_key, "method and path")]

Version = Annotated[int, BeforeValidator(grammar.version), WithJsonSchema({"const": 1})]
Workers = Annotated[
    int,
    BeforeValidator(grammar.workers),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": grammar.MOST_WORKERS}),
]
Mode = Annotated[Literal["enforce", "observe"], word(("enforce", "observe"))]
Durability = Annotated[Literal["process", "disk"], word(("process", "disk"))]
LogFormat = Annotated[Literal["text", "json"], word(FORMATS)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], word(LEVELS)]
MetricsPage = Annotated[Literal["token", "open"], word(("token", "open"))]
Protocol = Annotated[ProtocolName, word(get_args(ProtocolName))]
StreamUsage = Annotated[Literal["ask", "as_is"], word(("ask", "as_is"))]
PriceTable = Annotated[
    str, word(PRICE_TABLES), WithJsonSchema({"enum": list(PRICE_TABLES), FORM: "name of a price list"})
]
Strategy = Annotated[
    Literal["ordered"], word(("ordered",), later=("weighted", "cheapest", "fastest", "least_busy", "random"))
]
Priority = Annotated[Literal["interactive", "batch"], word(("interactive", "batch"))]
Payloads = Annotated[Literal["none"], word(("none",), later=("redacted", "full"))]
EffectWord = Annotated[Effect, word(get_args(Effect))]
AnyEffect = Annotated[Effect | Literal["*"], word((*get_args(Effect), "*"))]
AnyAction = Annotated[Action | Literal["*"], word((*get_args(Action), "*"))]

Names = Annotated[list[NamePattern], Len(1)]
Resources = Annotated[list[ResourcePattern], Len(1)]
Effects = Annotated[list[AnyEffect], Len(1)]
Actions = Annotated[list[AnyAction], Len(1)]
