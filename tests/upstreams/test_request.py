"""The request to a target."""

import json

import pytest

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.calls.record import Opening
from durward.calls.resource import Target
from durward.protocols.arrival import read_arrival
from durward.protocols.bodies import Asked
from durward.protocols.http1 import head_end, read_head
from durward.protocols.objects import Place
from durward.protocols.openai_chat import OPENAI_CHAT
from durward.upstreams.endpoint import read_endpoint
from durward.upstreams.request import Outbound, passed_lines, request_line, trace_line
from tests.playbooks.world import Caller

BASE = read_endpoint("one", "https://one.example.com/v1", timeouts=None)  # type: ignore[arg-type]
GEMINI = read_endpoint("g", "https://g.example.com", timeouts=None)  # type: ignore[arg-type]


def head(line: str, *lines: str) -> RequestHead:
    text = "\r\n".join([f"{line} HTTP/1.1", "Host: gate", *lines, "", ""]).encode()
    return read_head(text, head_end(text))[0]


def outbound(line: str, *lines: str, asked: Asked | None = None, body: bytes = b"") -> Outbound:
    one = head(line, *lines)
    caller = Caller([], one, body)
    return Outbound(caller, read_arrival(one, lambda name: None), asked or Asked(), passed_lines(one, False))


@pytest.mark.parametrize(
    "line,model,sent",
    [
        ("POST /v1/responses?a=%20b", "m", b"POST /v1/responses?a=%20b HTTP/1.1\r\nHost: one.example.com\r\n"),
        ("GET /v1/files/a%2Db", "", b"GET /v1/files/a%2Db HTTP/1.1\r\nHost: one.example.com\r\n"),
        ("GET /p/one/files", "", b"GET /v1/files HTTP/1.1\r\nHost: one.example.com\r\n"),
    ],
)
def test_a_path_goes_up_as_it_came(line: str, model: str, sent: bytes) -> None:
    one = head(line)
    arrival = read_arrival(one, lambda name: None)
    assert request_line(BASE, one.method, arrival, Target("one", model)) == sent


def test_a_model_in_the_address_is_renamed_there() -> None:
    one = head("POST /v1beta/models/alias:streamGenerateContent?alt=sse&key=dw_x")
    arrival = read_arrival(one, lambda name: None)
    line = request_line(GEMINI, "POST", arrival, Target("g", "gemini-2.5-flash"))
    assert line.startswith(b"POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse HTTP/1.1\r\n")
    tuned = request_line(GEMINI, "POST", arrival, Target("g", "tunedModels/mine"))
    assert tuned.startswith(b"POST /v1beta/tunedModels/mine:streamGenerateContent?")


def test_lines_that_pass() -> None:
    one = head("GET /x", "Cookie: a=b", "X-One: 1", "cookie: c=d", "Cookies: 2")
    assert passed_lines(one, provider=True) == b"X-One: 1\r\nCookies: 2\r\n"
    assert passed_lines(one, provider=False) == b"Cookie: a=b\r\nX-One: 1\r\ncookie: c=d\r\nCookies: 2\r\n"
    assert passed_lines(head("GET /x"), provider=True) == b""


def test_our_span() -> None:
    opening = Opening("0199c000-0000-7000-8123-456789abcdef", "", "carol", trace="a" * 32)
    assert trace_line(opening) == b"traceparent: 00-" + b"a" * 32 + b"-8123456789abcdef-01\r\n"


def test_a_field_of_the_credential_is_left_out_in_every_spelling() -> None:
    call = outbound("GET /api/crm/x", "X-Token: 1", "x-token: 2", "X_TOKEN: 3", "X-Token-Of-Mine: 4", "Y: X-Token")
    call.leave_out(b"x-token")
    assert call.lines == b"X-Token-Of-Mine: 4\r\nY: X-Token\r\n"


def test_a_model_call_carries_its_body_and_nothing_of_the_callers_framing() -> None:
    request = OPENAI_CHAT.read(b'{"model": "m", "messages": [], "stream": true}', "", None)
    call = outbound("POST /v1/chat/completions", "Content-Length: 999", "X-One: 1", asked=Asked(request))
    sent, body = call.model_call(b"LINE\r\n", b"Authorization: k\r\n", "other", True)
    assert isinstance(body, bytes)
    assert b'"other"' in body
    assert b"include_usage" in body
    assert (
        sent
        == b"LINE\r\nAuthorization: k\r\nAccept-Encoding: identity\r\nContent-Length: %d\r\nX-One: 1\r\n\r\n"
        % len(body)
    )
    assert call.bytes_in == len(body)
    request.wants_usage = True
    unchanged = call.model_call(b"", b"", "m", True)[1]
    assert isinstance(unchanged, bytes)
    assert json.loads(unchanged) == {"model": "m", "messages": [], "stream": True}


@pytest.mark.parametrize(
    "lines,framing",
    [
        ((), b""),
        (("Content-Length: 0",), b"Content-Length: 0\r\n"),
        (("Content-Length: 5",), b"Content-Length: 5\r\n"),
        (("Transfer-Encoding: chunked",), b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_a_body_is_framed_as_it_came(lines: tuple[str, ...], framing: bytes) -> None:
    call = outbound("POST /api/crm/x", *lines)
    sent, body = call.other_call(b"LINE\r\n", b"", 10)
    assert sent == b"LINE\r\n" + framing + b"\r\n"
    assert (body == b"") is (framing in (b"", b"Content-Length: 0\r\n"))


def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(CallerError) as caught:
        outbound("POST /api/crm/x", "Content-Length: 11").other_call(b"", b"", 10)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("size,fits", [(10, True), (11, False)])
async def test_a_chunked_body_is_counted_as_it_passes(size: int, fits: bool) -> None:
    call = outbound("POST /api/crm/x", "Transfer-Encoding: chunked", body=b"x" * size)
    assert isinstance(call.exchange, Caller)
    call.exchange.piece = 4
    _, body = call.other_call(b"", b"", 10)
    assert not isinstance(body, bytes)
    passed = b""
    try:
        while piece := await body():
            passed += piece
    except CallerError as error:
        refused = error.reason
    else:
        refused = ""
    assert (refused, len(passed)) == (("", size) if fits else ("too_large", 8))
    assert call.bytes_in == size


def test_codings_are_the_callers_affair_only_where_nothing_is_read() -> None:
    lines = ("Accept-Encoding: br", "Content-Encoding: gzip", "Content-Length: 2")
    sent, _ = outbound("POST /api/crm/x", *lines).other_call(b"", b"", 10)
    assert b"accept-encoding: br\r\ncontent-encoding: gzip\r\n" in sent
    read = Asked(place=Place("file"), body=b"{}")
    sent, body = outbound("POST /v1/files", *lines, asked=read).other_call(b"", b"", 10)
    assert sent == b"Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\n"
    assert body == b"{}"
    unread = Asked(place=Place("file"))
    sent, _ = outbound("POST /v1/files", *lines, asked=unread).other_call(b"", b"", 10)
    assert b"Accept-Encoding: identity\r\ncontent-encoding: gzip\r\n" in sent
