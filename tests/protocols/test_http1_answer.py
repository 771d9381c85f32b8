"""Response heads: what is accepted, h11 reads in the same way; the rest is refused."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import UpstreamError
from durward.protocols.framing import Chunks, FramingError
from durward.protocols.http1_answer import HEAD_BYTES, HEAD_LINES, AnswerHead, read_head

PROVIDER_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Sat, 01 Jan 2028 00:00:00 GMT\r\n"
    b"Content-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: 900\r\n"
    b"Connection: keep-alive\r\n"
    b"Keep-Alive: timeout=30, max=100\r\n"
    b"x-request-id:req_1 \t\r\n"
    b"X-RateLimit-Remaining-Tokens:  199000\r\n"
    b"Set-Cookie: a=1; HttpOnly\r\n"
    b"set-cookie: b=2\r\n"
    b'alt-svc: h3=":443"; ma=86400\r\n'
    b"Durward-Call: not-yours\r\n"
    b"dUrWaRd-Session: nor-this\r\n"
    b"Proxy-Authenticate: Basic\r\n"
    b"Server: caf\xe9\r\n"
    b"x-empty:\r\n"
    b"\r\n"
)


def read(head: bytes, asked_head: bool = False) -> AnswerHead:
    answer = read_head(head, asked_head)
    assert answer is not None
    assert answer.end == len(head)
    return answer


def told(answer: AnswerHead | None) -> object:
    """All that was read of a head, to be compared."""
    names = ("status", "fields", "forward", "cookies", "length", "chunked", "persistent", "idle", "end")
    return answer and {name: getattr(answer, name) for name in names}


def read_slowly(text: bytes) -> AnswerHead | None:
    """As it comes byte by byte."""
    answer = None
    for end in range(1, len(text) + 1):
        assert answer is None
        answer = read_head(text[:end], False, end - 1)
    return answer


def head(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *lines, b"", b""])


def test_a_providers_head_is_read_and_passes_on_byte_for_byte() -> None:
    answer = read(PROVIDER_HEAD)
    assert answer.status == 200
    assert answer.fields == {b"content-type": b"application/json; charset=utf-8", b"x-request-id": b"req_1"}
    assert answer.forward.splitlines() == [
        b"Date: Sat, 01 Jan 2028 00:00:00 GMT",
        b"Content-Type: application/json; charset=utf-8",
        b"x-request-id:req_1 \t",
        b"X-RateLimit-Remaining-Tokens:  199000",
        b"Server: caf\xe9",
        b"x-empty:",
    ]
    assert answer.cookies == b"Set-Cookie: a=1; HttpOnly\r\nset-cookie: b=2\r\n"
    assert (answer.length, answer.chunked, answer.persistent, answer.idle) == (900, False, True, 30)


def test_a_head_is_waited_for_until_its_blank_line() -> None:
    assert read_slowly(PROVIDER_HEAD[:-1]) is None
    assert told(read_slowly(PROVIDER_HEAD)) == told(read(PROVIDER_HEAD))
    answer = read_head(PROVIDER_HEAD + b"HTTP/1.1 500 next\r\n\r\n", False)
    assert answer is not None
    assert answer.end == len(PROVIDER_HEAD)


def test_what_is_learned_of_names_changes_nothing() -> None:
    first = read(PROVIDER_HEAD)
    assert told(read(PROVIDER_HEAD)) == told(first)
    odd = head(b"DATE: x", b"CONTENT-LENGTH: 3", b"Date2: y", b"DURWARD-X: z")
    assert read(odd).forward == b"DATE: x\r\nDate2: y\r\n"
    assert told(read(odd)) == told(read(odd))


def test_fields_of_one_name_are_one_list() -> None:
    answer = read(head(b"Content-Encoding: gzip", b"content-encoding: br", b"Content-Length: 0"))
    assert answer.fields[b"content-encoding"] == b"gzip, br"
    assert answer.forward == b"Content-Encoding: gzip\r\ncontent-encoding: br\r\n"


def test_fields_that_connection_names_do_not_pass_on() -> None:
    answer = read(head(b"X-Hop: 1", b"Connection: Keep-Alive, x-hop", b"X-End: 2", b"Content-Length: 0"))
    assert answer.forward == b"X-End: 2\r\n"
    assert answer.persistent
    assert read(head(b"Connection: set-cookie", b"Set-Cookie: a=1")).cookies == b""


# asked with HEAD, status, header lines -> length, chunked, persistent
FRAMINGS = [
    (False, 200, [b"Content-Length: 5"], 5, False, True),
    (False, 200, [b"Content-Length: 005"], 5, False, True),
    (False, 200, [b"Content-Length: 5", b"Content-Length: 5"], 5, False, True),
    (False, 200, [b"Content-Length: 5 , 5"], 5, False, True),
    (False, 200, [b"Transfer-Encoding: Chunked"], None, True, True),
    (False, 200, [], None, False, False),
    (False, 200, [b"Content-Length: 5", b"Connection: close"], 5, False, False),
    (False, 200, [b"Content-Length: 5", b"Connection: keep-alive, CLOSE"], 5, False, False),
    (False, 404, [b"Content-Length: 0"], 0, False, True),
    (True, 200, [b"Content-Length: 5"], 0, False, False),
    (True, 200, [b"Transfer-Encoding: chunked"], 0, False, False),
    (True, 200, [], 0, False, False),
    (False, 204, [], 0, False, True),
    (False, 204, [b"Content-Length: 0"], 0, False, True),
    (False, 204, [b"Content-Length: 5"], 0, False, False),
    (False, 204, [b"Transfer-Encoding: chunked"], 0, False, False),
    (False, 304, [], 0, False, True),
    (False, 304, [b"Content-Length: 5"], 0, False, False),
    (False, 103, [b"Link: </x>"], 0, False, True),
]


@pytest.mark.parametrize("asked_head,status,lines,length,chunked,persistent", FRAMINGS)
def test_where_the_body_ends(
    asked_head: bool, status: int, lines: list[bytes], length: int | None, chunked: bool, persistent: bool
) -> None:
    answer = read(head(*lines, status=b"HTTP/1.1 %d X" % status), asked_head)
    assert (answer.length, answer.chunked, answer.persistent) == (length, chunked, persistent)


def test_an_answer_to_head_still_says_the_length() -> None:
    assert read(head(b"Content-Length: 5, 5"), True).fields[b"content-length"] == b"5"
    assert b"content-length" not in read(head(), True).fields
    assert b"content-length" not in read(head(b"Content-Length: 5")).fields


def test_http_1_0_answers_are_read_and_their_connection_is_not_kept() -> None:
    answer = read(head(b"Content-Length: 5", b"Connection: keep-alive", status=b"HTTP/1.0 200 OK"))
    assert (answer.length, answer.persistent) == (5, False)


@pytest.mark.parametrize(
    "line,idle",
    [
        (b"timeout=5", 5),
        (b"max=3, Timeout=7", 7),
        (b"timeout=0", 0),
        (b"max=3", None),
        (b"timeout=-1", None),
        (b"timeout=5s", None),
        (b"xtimeout=5", None),
    ],
)
def test_how_long_the_server_keeps_an_idle_connection(line: bytes, idle: int | None) -> None:
    assert read(head(b"Content-Length: 0", b"Keep-Alive: " + line)).idle == idle


MALFORMED = [
    b"<html>",
    b"HTTP/0.9 200 OK\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.2 200 OK\r\n\r\n",
    b"http/1.1 200 OK\r\n\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    b" HTTP/1.1 200 OK\r\n\r\n",
    b"ICY 200 OK\r\n\r\n",
    b"HTTP/1.1  200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 099 OK\r\n\r\n",
    b"HTTP/1.1 600 OK\r\n\r\n",
    b"HTTP/1.1 200OK\r\n\r\n",
    b"HTTP/1.1 2x0 OK\r\n\r\n",
    b"HTTP/1.1 200 O\x00K\r\n\r\n",
    b"HTTP/1.1 200 OK\n\n",
    b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n\tfolded\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA(): b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA\xe9: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: \x0b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: \x7f\r\n\r\n",
    head(b"Content-Length: -5"),
    head(b"Content-Length: +5"),
    head(b"Content-Length: 0x5"),
    head(b"Content-Length: 5 5"),
    head(b"Content-Length: 5.0"),
    head(b"Content-Length: 1_0"),
    head(b"Content-Length:"),
    head(b"Content-Length: \xb2"),
    head(b"Content-Length: " + b"9" * 19),
    head(b"Content-Length: 5", b"Content-Length: 6"),
    head(b"Content-Length: 5, 6"),
    head(b"Content-Length: 5,"),
    head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    head(b"Transfer-Encoding: gzip"),
    head(b"Transfer-Encoding: gzip, chunked"),
    head(b"Transfer-Encoding: chunked, chunked"),
    head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    head(b"Transfer-Encoding: identity"),
    head(b"Transfer-Encoding: xchunked"),
    head(b"Transfer-Encoding:"),
    head(b"Transfer-Encoding: chunked", status=b"HTTP/1.0 200 OK"),
    b"HTTP/1.1 200 OK\r\nA: " + b"x" * HEAD_BYTES,
    head(*[b"A: b"] * (HEAD_LINES + 1)),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_head_is_refused_whole_and_byte_by_byte(text: bytes) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_head(text, False)
    assert caught.value.reason == "upstream_malformed"
    with pytest.raises(UpstreamError):
        read_slowly(text)


def test_the_largest_head_is_read() -> None:
    lines = [b"A: b"] * (HEAD_LINES - 1)
    room = HEAD_BYTES - len(head(*lines, b"A: "))
    assert read(head(*lines, b"A: " + b"x" * room)).status == 200
    with pytest.raises(UpstreamError, match="more than 32768 bytes"):
        read_head(head(*lines, b"A: " + b"x" * (room + 1)), False)


FRAGMENTS = st.sampled_from(
    [
        *(
            b"Content-Length: 5",
            b"Content-Length: 7",
            b"content-length:5,5",
            b"Content-Length: 5\t",
            b"Content-Length: 05",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"transfer-encoding:\tChunked "),
        *(
            b"Connection: close",
            b"Connection: keep-alive",
            b"X-A: b",
            b"X-B:",
            b"X-C: d e\xff",
            b" folded",
            b"X D: e",
            b"\n",
            b"\r",
        ),
        *(b"X-E: \x00", b"X-F: a\nX-G: b", b"Upgrade: websocket", b""),
    ]
)
STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.1 204 No",
        b"HTTP/1.1 304 ",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 404 \xff",
        b"HTTP/1.1 200\tOK",
    ]
)
BODY = b"5\r\nhello\r\n0\r\n\r\nrest"


def body_as_h11_reads(message: bytes, method: str) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool] | None:
    """Status, headers, body and whether its end was seen, from an independent parser; None where it refuses."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(message)
    body = b""
    response: h11.Response | None = None
    try:
        for _ in range(20):
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(b"")
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
    except h11.RemoteProtocolError:
        return None
    assert response is not None
    return response.status_code, list(response.headers), body, True


def body_as_read_here(text: bytes, answer: AnswerHead) -> bytes | None:
    rest = text[answer.end :]
    if answer.chunked:
        chunks = Chunks()
        try:
            body = b"".join(chunks.feed(rest))
        except FramingError:
            return None
        return body if chunks.ended else None
    if answer.length is None:
        return rest
    return rest[: answer.length] if len(rest) >= answer.length else None


@given(STATUS_LINES, st.lists(FRAGMENTS, max_size=4), st.sampled_from(["GET", "HEAD"]))
def test_what_is_accepted_is_read_as_h11_reads_it(status: bytes, lines: list[bytes], method: str) -> None:
    text = head(*lines, status=status) + BODY
    try:
        answer = read_head(text, method == "HEAD")
    except UpstreamError:
        return
    assert answer is not None
    body = body_as_read_here(text, answer)
    oracle = body_as_h11_reads(text, method)
    assert body is not None
    assert oracle is not None
    assert oracle[0] == answer.status
    assert oracle[2] == body
    values = dict(oracle[1])
    lines = answer.forward.splitlines()
    assert all(line.partition(b":")[2].strip() == values[line.partition(b":")[0].lower()] for line in lines)
