"""Whatever we accept, h11 and httptools (llhttp) read in the same way: method, target, headers, body, and where the request ends.

The requests are valid but for a few slips, so that both answers are common; what we refuse is not compared, since we refuse more.
"""

from typing import NamedTuple

import h11
import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.protocols.framing import Chunks, FramingError
from durward.protocols.http1 import HEAD_BYTES, head_end, read_head

METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"HEAD", b"M-SEARCH"]
TARGETS = [b"/", b"/v1/x?a=b", b"//a", b"http://gate/x", b"/a%20b", b"/a|b"]
ODD_TARGETS = [b"*", b"/a#b", b"/\xe9", b"a", b"/a b", b""]
FRAMED = [
    (b"", b""),
    (b"Content-Length: 3\r\n", b"abc"),
    (b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    (b"transfer-encoding:Chunked \r\n", b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"),
]
ODD_BODIES = [b"abcd", b"3\nabc\r\n0\r\n\r\n", b"03\r\nabc\r\n00;a\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n"]
LINES = [
    *(b"Connection: close\r\n", b"Connection: X-A\r\n", b"TE: trailers\r\n", b"Expect: 100-continue\r\n"),
    *(b"Content-Type: application/json\r\n", b"Authorization: Bearer a\r\n", b"X-A: a \t b\t\r\n", b"X-A:\r\n"),
    *(b"x_b:a\xe9b\r\n", b"Content-Type:application/json\r\n", b"connection: keep-alive\r\n"),
]
ODD_LINES = [
    *(
        b"Host: gate\r\n",
        b"Host: other\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: 03\r\n",
        b"Content-Length: +3\r\n",
    ),
    *(b"Content-Length: 3, 3\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Transfer-Encoding : chunked\r\n", b"X-A: b\n", b"X-A: b\r", b" X-A: b\r\n", b"X A: b\r\n", b"X-A\r\n"),
    *(b"X-A: a\x00\r\n", b"X-A: b\r\n c\r\n", b": b\r\n", b"Content-Type: text/plain\r\n"),
]


class Reading(NamedTuple):
    """One request as a parser reads it; `rest` is what it leaves."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    rest: bytes


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request with at most two slips."""
    slips = draw(st.sets(st.sampled_from(["target", "version", "line", "host", "body", "byte"]), max_size=2))
    framing, body = draw(st.sampled_from(FRAMED))
    lines = [framing, *draw(st.lists(st.sampled_from(LINES), max_size=3))]
    if "host" not in slips:
        lines.append(b"Host: gate\r\n")
    if "line" in slips:
        lines.append(draw(st.sampled_from(ODD_LINES)))
    target = draw(st.sampled_from(ODD_TARGETS if "target" in slips else TARGETS))
    version = draw(st.sampled_from([b"1.0", b"1.2", b"2.0"])) if "version" in slips else b"1.1"
    start = draw(st.sampled_from(METHODS)) + b" " + target + b" HTTP/" + version + b"\r\n"
    raw = start + b"".join(draw(st.permutations(lines))) + b"\r\n"
    raw += draw(st.sampled_from(ODD_BODIES)) if "body" in slips else body
    if "byte" in slips:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.binary(max_size=2)) + raw[at + draw(st.integers(0, 2)) :]
    return raw


def as_we_read(raw: bytes) -> tuple[RequestHead, bytes, bytes] | None:
    """Head, body and rest; None if it is refused, or not whole."""
    try:
        end = head_end(raw)
        if not end:
            return None
        head, _ = read_head(raw, end)
        if head.length is not None:
            body = raw[end : end + head.length]
            return (head, body, raw[end + head.length :]) if len(body) == head.length else None
        chunks = Chunks()
        body = b"".join(chunks.feed(raw[end:]))
    except (CallerError, FramingError):
        return None
    return (head, body, chunks.rest) if chunks.ended else None


def as_h11_reads(raw: bytes) -> Reading:
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    server.receive_data(raw)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    headers = [(bytes(name).lower(), bytes(value)) for name, value in request.headers]
    return Reading(request.method, request.target, headers, body, server.trailing_data[0])


class Listener:
    """What httptools tells of one request; trailers come as headers behind the body."""

    def __init__(self) -> None:
        self.target = self.body = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.headers_ended = False
        self.ended = 0

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.headers_ended:
            self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.headers_ended = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


def as_httptools_reads(raw: bytes) -> Reading:
    """`raw` is one request by our reading: that httptools sees its end, and no second one, is the comparison of `rest`."""
    listener = Listener()
    parser = httptools.HttpRequestParser(listener)
    parser.feed_data(raw)
    assert listener.ended == 1
    return Reading(parser.get_method(), listener.target, listener.headers, listener.body, b"")


DROPPED = {b"host", b"content-length", b"transfer-encoding", b"connection", b"te", b"expect", b"authorization"}
READ = (DROPPED - {b"te"}) | {b"content-type"}


def forwarded(head: RequestHead) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.strip()) for line in head.forward for name, _, value in [line.partition(b":")]]


@settings(max_examples=1000)
@given(requests())
def test_others_read_what_we_accept_in_the_same_way(raw: bytes) -> None:
    ours = as_we_read(raw)
    if ours is None or ours[0].method.encode() not in METHODS:
        return  # httptools knows methods by name
    head, body, rest = ours
    nominated = {name.strip().lower() for name in head.fields.get(b"connection", b"").split(b",")}
    for theirs in (as_h11_reads(raw), as_httptools_reads(raw[: len(raw) - len(rest)])):
        assert theirs.method == head.method.encode()
        assert theirs.target.removeprefix(b"http://gate") == head.target
        assert theirs.body == body
        passed = [(name, value) for name, value in theirs.headers if name not in DROPPED | nominated]
        assert list(dict.fromkeys(forwarded(head))) == list(dict.fromkeys(passed))
        assert head.fields.keys() & READ == {name for name, _ in theirs.headers} & READ
        assert all(value.lower() in head.fields[name].lower() for name, value in theirs.headers if name in READ)
    assert as_h11_reads(raw).rest == rest


def test_many_of_the_compared_requests_are_accepted_and_many_refused() -> None:
    """The property above would hold of a reader that refuses everything."""
    accepted: list[bool] = []

    @settings(max_examples=200)
    @given(requests())
    def count(raw: bytes) -> None:
        accepted.append(as_we_read(raw) is not None)

    count()
    assert 0.2 < sum(accepted) / len(accepted) < 0.8
