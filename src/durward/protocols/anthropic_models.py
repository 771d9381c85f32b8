"""Lists of models in the Anthropic wire (`GET /v1/models`)."""

from typing import Any

import msgspec

from durward.calls.errors import UpstreamError
from durward.protocols.http import JSON
from durward.protocols.members import UNREADABLE
from durward.protocols.wire import ModelListing, Rendered

UNKNOWN_RELEASE = "1970-01-01T00:00:00Z"
"""What the wire documents for a model whose date of release is not known."""
LINES = b"Content-Type: %b\r\n" % JSON


class _Listed(msgspec.Struct, gc=False):
    id: str


class _List(msgspec.Struct, gc=False):
    data: list[_Listed]


_list = msgspec.json.Decoder(_List)


def write_models(models: list[ModelListing]) -> Rendered:
    """One page that holds all."""
    listed = {
        "data": [_entry(model) for model in models],
        "has_more": False,
        "first_id": models[0].name if models else None,
        "last_id": models[-1].name if models else None,
    }
    return Rendered(200, LINES, msgspec.json.encode(listed))


def write_model(model: ModelListing) -> Rendered:
    return Rendered(200, LINES, msgspec.json.encode(_entry(model)))


def read_models(body: bytes) -> list[str]:
    """The names in a provider's list. Raises UpstreamError `upstream_malformed`."""
    try:
        return [listed.id for listed in _list.decode(body).data]
    except UNREADABLE:
        raise UpstreamError("The provider's model list cannot be read.", reason="upstream_malformed") from None


def _entry(model: ModelListing) -> dict[str, Any]:
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": UNKNOWN_RELEASE}
