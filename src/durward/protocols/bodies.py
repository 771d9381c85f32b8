"""Reading the body of a model call: media type, content coding, limit, members."""

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange
from durward.protocols.arrival import Arrival
from durward.protocols.encodings import decode
from durward.protocols.wire import ModelRequest

MODEL_BODY_LIMIT = 32 * 2**20
OTHER_BODY_LIMIT = 10 * 2**20


async def read_model_request(exchange: Exchange, arrival: Arrival) -> ModelRequest:
    """Read the whole body of an inference route. Raises CallerError `wrong_media`, `wrong_encoding`, `too_large`, `malformed_json` …"""
    fields = exchange.head.fields
    media = fields.get(b"content-type")
    if media is not None and not _is_json(media):
        raise CallerError(f"The body is declared as {media[:64].decode('latin-1')!r}.", reason="wrong_media")
    body = await exchange.body(MODEL_BODY_LIMIT)
    if coding := fields.get(b"content-encoding"):
        body = decode(body, coding, MODEL_BODY_LIMIT)
    route = arrival.route
    assert arrival.protocol is not None
    assert route is not None
    return arrival.protocol.read(body, route.model, route.stream)


def _is_json(media: bytes) -> bool:
    if media == b"application/json":
        return True
    kind = media.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
