"""Reading what a call's body asks: media type, content coding, limit, members, the objects it names."""

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange, UpstreamAnswer
from durward.protocols.arrival import Arrival
from durward.protocols.encodings import decode
from durward.protocols.objects import Place, named_objects, read_place
from durward.protocols.wire import ModelRequest, ObjectId

MODEL_BODY_LIMIT = 32 * 2**20
OTHER_BODY_LIMIT = 10 * 2**20
MODEL_NAME_LIMIT = 256
FURTHER_MODELS_LIMIT = 16


class Asked:
    """What a call's body asks, as far as the gate reads it.

    `request`: of a model call. `place`: where a provider route stands among its stored objects; `body` then is the JSON that was read
    for the objects it names. An API's body is not read at all.
    """

    __slots__ = ("body", "objects", "place", "request")

    def __init__(
        self,
        request: ModelRequest | None = None,
        place: Place | None = None,
        body: bytes | None = None,
        objects: tuple[ObjectId, ...] = (),
    ) -> None:
        self.request = request
        self.place = place
        self.body = body
        self.objects = objects

    def reads_answer(self, answer: UpstreamAnswer) -> bool:
        """Whether the answer must be read whole: for usage, or for the objects that it brings to light."""
        if self.request is not None:
            return True
        if self.place is None or answer.status >= 400 or (answer.ended() and answer.length == 0):
            return False
        return is_json(answer.fields.get(b"content-type", b""))


async def read_asked(exchange: Exchange, arrival: Arrival) -> Asked:
    """Read the body, as far as this kind of call needs it read.

    Raises CallerError `wrong_media`, `wrong_encoding`, `too_large`, `malformed_json`, and what the protocol finds.
    """
    route = arrival.route
    if route is None:
        return Asked()
    if arrival.protocol is not None:
        body = await _read_json(exchange, MODEL_BODY_LIMIT)
        request = arrival.protocol.read(body, route.model, route.stream)
        _check_names(request)
        return Asked(request, objects=request.objects)
    place = read_place(route.wire, exchange.head.method, arrival.address.path.decoded)
    media = exchange.head.fields.get(b"content-type")
    # There are servers that take a body of no declared type for JSON; whatever it names must then be known here too.
    if exchange.head.length == 0 or (media is not None and not is_json(media)):
        return Asked(place=place)
    body = await _read_json(exchange, OTHER_BODY_LIMIT)
    return Asked(place=place, body=body, objects=named_objects(body))


def _check_names(request: ModelRequest) -> None:
    """Names are kept, in records and in bounded tables, so each is bounded too."""
    further = request.further_models
    if len(request.model) > MODEL_NAME_LIMIT or (further and max(map(len, further)) > MODEL_NAME_LIMIT):
        raise CallerError(f"A model's name has more than {MODEL_NAME_LIMIT} characters.", param="model")
    if len(further) > FURTHER_MODELS_LIMIT:
        raise CallerError(f"The body names more than {FURTHER_MODELS_LIMIT} further models.")


async def _read_json(exchange: Exchange, limit: int) -> bytes:
    fields = exchange.head.fields
    media = fields.get(b"content-type")
    if media is not None and not is_json(media):
        raise CallerError(f"The body is declared as {media[:64].decode('latin-1')!r}.", reason="wrong_media")
    body = await exchange.body(limit)
    if coding := fields.get(b"content-encoding"):
        body = decode(body, coding, limit)
    return body


def is_json(media: bytes) -> bool:
    """Whether a Content-Type is JSON (RFC 8259 §11, RFC 6839 §3.1)."""
    if media == b"application/json":
        return True
    kind = media.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))
