"""Lists of models in the Gemini wire (`GET /v1beta/models`)."""

from typing import Any

import msgspec

from durward.calls.errors import UpstreamError
from durward.protocols.http import JSON
from durward.protocols.members import UNREADABLE
from durward.protocols.wire import ModelListing, Rendered

LINES = b"Content-Type: %b\r\n" % JSON
GENERATING = ["generateContent", "streamGenerateContent", "countTokens"]
EMBEDDING = ["embedContent", "batchEmbedContents", "countTokens"]


class _Listed(msgspec.Struct, gc=False):
    name: str


class _List(msgspec.Struct, gc=False):
    models: list[_Listed] = []


_list = msgspec.json.Decoder(_List)


def write_models(models: list[ModelListing]) -> Rendered:
    """One page that holds all."""
    return Rendered(200, LINES, msgspec.json.encode({"models": [_entry(model) for model in models]}))


def write_model(model: ModelListing) -> Rendered:
    return Rendered(200, LINES, msgspec.json.encode(_entry(model)))


def read_models(body: bytes) -> list[str]:
    """The names in a provider's list, without `models/`. Raises UpstreamError `upstream_malformed`."""
    try:
        return [listed.name.removeprefix("models/") for listed in _list.decode(body).models]
    except UNREADABLE:
        raise UpstreamError("The provider's model list cannot be read.", reason="upstream_malformed") from None


def _entry(model: ModelListing) -> dict[str, Any]:
    """What a model can do is told by its name alone: clients choose by it, the gate does not."""
    resource = model.name if "/" in model.name else f"models/{model.name}"
    methods = EMBEDDING if "embedding" in model.name else GENERATING
    return {"name": resource, "displayName": model.name, "supportedGenerationMethods": methods}
