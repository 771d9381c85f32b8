"""Lists of models in the shape of OpenAI's API: written for callers, read from providers."""

from typing import Any

import msgspec

from durward.calls.errors import UpstreamError
from durward.protocols.members import UNREADABLE
from durward.protocols.wire import ModelListing, Rendered

NAMES = 10_000
"""How many names of a provider's list are read."""
NAME_LENGTH = 256
_LINES = b"Content-Type: application/json\r\n"


class _Named(msgspec.Struct, gc=False):
    id: str = ""


class _List(msgspec.Struct, gc=False):
    data: list[_Named] = []


_LIST = msgspec.json.Decoder(_List)
# Together answers with the bare array.
_ARRAY = msgspec.json.Decoder(list[_Named])


def write_models(models: list[ModelListing]) -> Rendered:
    """The answer to `GET /v1/models`."""
    body = msgspec.json.encode({"object": "list", "data": [_described(model) for model in models]})
    return Rendered(200, _LINES, body)


def write_model(model: ModelListing) -> Rendered:
    """The answer to `GET /v1/models/{model}`."""
    return Rendered(200, _LINES, msgspec.json.encode(_described(model)))


def _described(model: ModelListing) -> dict[str, Any]:
    # When a model was made is not known to the gate, and the SDKs want a number.
    return {"id": model.name, "object": "model", "created": 0, "owned_by": model.provider}


def read_models(body: bytes) -> list[str]:
    """The names in a provider's list, once each, at most 10,000 of at most 256 characters.

    Raises UpstreamError `upstream_malformed`.
    """
    try:
        named = _ARRAY.decode(body) if body.lstrip().startswith(b"[") else _LIST.decode(body).data
    except UNREADABLE:
        raise UpstreamError("The provider's list of models is not readable.", reason="upstream_malformed") from None
    names = dict.fromkeys(model.id for model in named if 0 < len(model.id) <= NAME_LENGTH)
    return list(names)[:NAMES]
