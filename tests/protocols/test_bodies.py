"""Reading bodies: media type, coding, limit, and the objects that are named."""

import gzip
import json

import pytest

from durward.calls.errors import CallerError
from durward.calls.ports import Exchange, UpstreamAnswer
from durward.protocols.arrival import read_arrival
from durward.protocols.bodies import (
    FURTHER_MODELS_LIMIT,
    MODEL_BODY_LIMIT,
    MODEL_NAME_LIMIT,
    OTHER_BODY_LIMIT,
    Asked,
    is_json,
    read_asked,
)
from durward.protocols.http1 import head_end, read_head
from durward.protocols.objects import Place
from tests.playbooks.world import Caller, Reply

CHAT = "POST /v1/chat/completions"


class Limited(Caller):
    """A caller whose body's limit is noted."""

    limit = 0

    async def body(self, limit: int) -> bytes:
        self.limit = limit
        return await super().body(limit)


def caller(line: str, body: bytes, **fields: str) -> Limited:
    lines = {"Host": "gate", "Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in fields.items()}}
    text = f"{line} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    head, _ = read_head(text.encode(), head_end(text.encode()))
    return Limited([], head, body)


async def read(one: Limited) -> Asked:
    exchange: Exchange = one
    return await read_asked(exchange, read_arrival(one.head, lambda name: None))


async def refused(one: Limited) -> tuple[str, str | None]:
    with pytest.raises(CallerError) as caught:
        await read(one)
    return caught.value.reason, caught.value.param


@pytest.mark.parametrize(
    "media,json_",
    [
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"application/json;charset=utf-8", True),
        (b"application/vnd.api+json", True),
        (b"text/json", False),
        (b"application/jsonl", False),
        (b"multipart/form-data; boundary=application/json", False),
        (b"", False),
        (b"application/x-ndjson", False),
    ],
)
def test_what_is_json(media: bytes, json_: bool) -> None:
    assert is_json(media) is json_


async def test_a_model_call_needs_no_declared_type_but_no_other_one() -> None:
    body = b'{"model": "m", "messages": []}'
    for fields in ({}, {"Content_Type": "application/json; charset=utf-8"}):
        one = caller(CHAT, body, **fields)
        asked = await read(one)
        assert asked.request is not None
        assert (asked.request.model, one.limit) == ("m", MODEL_BODY_LIMIT)
    assert await refused(caller(CHAT, body, Content_Type="text/plain")) == ("wrong_media", None)


async def test_a_body_that_grows_beyond_its_limit_is_too_large() -> None:
    bomb = gzip.compress(b" " * (OTHER_BODY_LIMIT + 1))
    one = caller("POST /v1/batches", bomb, Content_Encoding="gzip", Content_Type="application/json")
    assert await refused(one) == ("too_large", None)
    assert one.limit == OTHER_BODY_LIMIT


@pytest.mark.parametrize(
    "body,param",
    [
        ({"model": "m" * (MODEL_NAME_LIMIT + 1), "messages": []}, "model"),
        ({"model": "m", "messages": [], "models": ["m" * (MODEL_NAME_LIMIT + 1)]}, "model"),
        ({"model": "m", "messages": [], "models": [f"x{number}" for number in range(FURTHER_MODELS_LIMIT + 1)]}, None),
    ],
)
async def test_names_are_bounded(body: dict[str, object], param: str | None) -> None:
    assert await refused(caller(CHAT, json.dumps(body).encode())) == ("bad_request", param)
    assert (await read(caller(CHAT, json.dumps({"model": "m" * MODEL_NAME_LIMIT, "messages": []}).encode()))).request


async def test_a_provider_routes_json_is_read_for_what_it_names() -> None:
    body = b'{"a": [{"file_id": "file-abc"}], "input_file_id": "file-one1", "input_file_id": "file-two2"}'
    asked = await read(caller("POST /v1/batches", body, Content_Type="application/json"))
    assert asked.body == body
    assert set(asked.objects) == {("file", "file-abc"), ("file", "file-one1"), ("file", "file-two2")}
    assert asked.place == Place("batch", creates=True)


async def test_other_bodies_pass_unread() -> None:
    for fields in ({"Content_Type": "multipart/form-data; boundary=x"}, {"Content_Type": "application/octet-stream"}):
        asked = await read(caller("POST /v1/files", b'{"file_id": "file-abc"}', **fields))
        assert (asked.body, asked.objects) == (None, ())
    assert (await read(caller("GET /v1/files/file-1", b""))).body is None


async def test_a_body_of_no_declared_type_must_be_readable() -> None:
    assert await refused(caller("POST /v1/batches", b"a=b")) == ("malformed_json", None)


async def test_an_apis_body_is_not_read() -> None:
    one = caller("POST /api/crm/x", b'{"file_id": "file-abc"}', Content_Type="application/json")
    asked = await read(one)
    assert (asked.request, asked.place, asked.body, asked.objects) == (None, None, None, ())
    assert one.limit == 0


@pytest.mark.parametrize(
    "asked,status,media,reads",
    [
        (Asked(place=Place("file")), 200, b"application/json", True),
        (Asked(place=Place("file")), 404, b"application/json", False),
        (Asked(place=Place("file")), 200, b"application/octet-stream", False),
        (Asked(), 200, b"application/json", False),
    ],
)
def test_which_answers_are_read_whole(asked: Asked, status: int, media: bytes, reads: bool) -> None:
    answer: UpstreamAnswer = Reply(status, b"{}", media=media)
    assert asked.reads_answer(answer) is reads


def test_an_answer_without_a_body_is_not_read() -> None:
    assert not Asked(place=Place("file")).reads_answer(Reply(200))


async def test_a_model_calls_answer_is_always_read() -> None:
    asked = await read(caller(CHAT, b'{"model": "m", "messages": []}'))
    assert asked.reads_answer(Reply(500, b"no", media=b"text/html"))
