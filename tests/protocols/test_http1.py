"""Request heads: what is read, what passes on, what is refused. The hostile table of the edge has more of the last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.protocols import http1
from durward.protocols.http1 import HEAD_BYTES, HEADERS, LINE_BYTES, Manner, Repeatable, head_end, read_head, repeatable

AGENT_HEAD = (
    b"POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: gate:7300\r\nAccept-Encoding: gzip, zstd\r\nConnection: keep-alive\r\n"
    b"Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: OpenAI/Python 3.52.0\r\n"
    b"X-Stainless-Lang: python\r\nAuthorization: Bearer key\r\ntraceparent: 00-0a-0b-01\r\nDurward-Tags: a=b\r\n"
    b"x-codex-window-id: w\r\nContent-Encoding:  zstd\t\r\nCookie: a=b\r\nIdempotency-Key:k\r\nContent-Length: 12\r\n\r\n"
)


def read(data: bytes) -> tuple[RequestHead, Manner]:
    end = head_end(data)
    assert end
    return read_head(data, end)


def head_of(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> RequestHead:
    return read(b"\r\n".join((start, b"Host: gate", *lines)) + b"\r\n\r\n")[0]


def manner_of(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> Manner:
    return read(b"\r\n".join((start, b"Host: gate", *lines)) + b"\r\n\r\n")[1]


def refusal(data: bytes) -> str:
    with pytest.raises(CallerError) as caught:
        read(data)
    return caught.value.reason


def test_head_is_read_and_sorted() -> None:
    head, manner = read(AGENT_HEAD + b'{"model": ""')

    assert (head.method, head.target, head.length) == ("POST", b"/v1/chat/completions?a=b", 12)
    assert head.fields == {
        b"host": b"gate:7300",
        b"accept-encoding": b"gzip, zstd",
        b"connection": b"keep-alive",
        b"accept": b"application/json",
        b"idempotency-key": b"k",
        b"content-type": b"application/json",
        b"user-agent": b"OpenAI/Python 3.52.0",
        b"authorization": b"Bearer key",
        b"traceparent": b"00-0a-0b-01",
        b"durward-tags": b"a=b",
        b"x-codex-window-id": b"w",
        b"content-encoding": b"zstd",
        b"cookie": b"a=b",
        b"content-length": b"12",
    }
    assert head.forward == [
        b"Accept: application/json",
        b"Content-Type: application/json",
        b"User-Agent: OpenAI/Python 3.52.0",
        b"X-Stainless-Lang: python",
        b"x-codex-window-id: w",
        b"Cookie: a=b",
        b"Idempotency-Key:k",
    ]
    assert manner == Manner(persistent=True, chunks=True, expects=False)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"Keep-Alive: a",
            b"TE: trailers",
            b"Trailer: a",
            b"Upgrade: h2c",
            b"HTTP2-Settings: a",
            b"Connection: close",
        ),
        *(b"Proxy-Authorization: a", b"Proxy-Connection: a", b"Proxy-Anything: a", b"Forwarded: for=a"),
        *(
            b"X-Forwarded-For: a",
            b"X-FORWARDED-ANYTHING: a",
            b"Baggage: a=b",
            b"Durward-Key: a",
            b"durward-anything: a",
        ),
        *(b"Authorization: a", b"X-Api-Key: a", b"Api-Key: a", b"X-Goog-Api-Key: a", b"Accept-Encoding: gzip"),
        *(b"Content-Encoding: gzip", b"Traceparent: a", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        *(b"X_Api_Key: a", b"Durward_Key: a", b"X-Forwarded_For: a", b"Content_Length: 5", b"Transfer_Encoding: a"),
    ],
)
def test_what_must_not_go_upstream_is_not_forwarded(line: bytes) -> None:
    assert head_of(line, b"A: b").forward == [b"A: b"]


@pytest.mark.parametrize(
    "line", [b"session_id: s", b"Content_Type: a", b"x_custom: a", b"OpenAI-Organization: a", b"A:"]
)
def test_other_lines_pass_byte_for_byte(line: bytes) -> None:
    assert head_of(line).forward == [line]


def test_name_in_another_spelling_is_not_read() -> None:
    fields = head_of(b"X_Api_Key: a", b"Content_Length: 5").fields
    assert fields == {b"host": b"gate"}


def test_connection_takes_what_it_names_out() -> None:
    head = head_of(b"Connection: X-Hop , close,,x-other", b"x-hop: 1", b"X-OTHER: 2", b"X-Kept: 3")
    assert head.forward == [b"X-Kept: 3"]


@pytest.mark.parametrize("named", [b"content-type", b"Host", b"authorization", b"cookie", b"durward-key"])
def test_connection_may_not_name_what_the_gate_reads(named: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: gate\r\nConnection: close, %b\r\n\r\n" % named) == "malformed_http"


def test_fields_said_more_than_once() -> None:
    head = head_of(
        b"Accept: a", b"Accept: b", b"Cookie: a=b", b"Cookie: c=d", b"X-Api-Key: k", b"X-Api-Key: k", b"B: 1", b"B: 2"
    )
    assert head.fields == {b"host": b"gate", b"accept": b"a, b", b"cookie": b"a=b; c=d", b"x-api-key": b"k"}
    assert head.forward == [b"Accept: a", b"Accept: b", b"Cookie: a=b", b"Cookie: c=d", b"B: 1", b"B: 2"]


def test_the_same_said_twice_passes_on_once() -> None:
    head = head_of(b"Content-Type: a", b"content-type: a")
    assert head.forward == [b"Content-Type: a"]


@pytest.mark.parametrize(
    "lines,start,manner",
    [
        ((), b"GET / HTTP/1.1", (True, True, False)),
        ((), b"GET / HTTP/1.0", (False, False, False)),
        ((b"Connection: keep-alive",), b"GET / HTTP/1.0", (False, False, False)),
        ((b"Connection: Close",), b"GET / HTTP/1.1", (False, True, False)),
        ((b"Connection: te", b"Connection: close"), b"GET / HTTP/1.1", (False, True, False)),
        ((b"Connection: Keep-Alive, TE",), b"GET / HTTP/1.1", (True, True, False)),
        ((b"Expect: 100-Continue", b"Content-Length: 1"), b"POST / HTTP/1.1", (True, True, True)),
        ((b"Expect: 100-continue", b"Transfer-Encoding: chunked"), b"POST / HTTP/1.1", (True, True, True)),
        ((b"Expect: 100-continue",), b"POST / HTTP/1.1", (True, True, False)),
        ((b"Expect: 100-continue", b"Content-Length: 1"), b"POST / HTTP/1.0", (False, False, False)),
    ],
)
def test_manner(lines: tuple[bytes, ...], start: bytes, manner: tuple[bool, bool, bool]) -> None:
    assert manner_of(*lines, start=start) == manner


@pytest.mark.parametrize(
    "target,origin",
    [
        (b"http://gate/a?b", b"/a?b"),
        (b"https://GATE/", b"/"),
        (b"http://gate", b"/"),
        (b"http://gate?b", b"/?b"),
        (b"http://gate//a", b"//a"),
    ],
)
def test_absolute_form_of_this_host_becomes_a_path(target: bytes, origin: bytes) -> None:
    assert head_of(start=b"GET %b HTTP/1.1" % target).target == origin


@pytest.mark.parametrize(
    "host", [b"gate", b"gate:0", b"gate:65535", b"a_b.c-d", b"127.0.0.1:80", b"[::1]", b"[2001:db8::1]:80", b"g."]
)
def test_valid_host(host: bytes) -> None:
    assert read(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)[0].fields[b"host"] == host


def test_bounds_are_exact() -> None:
    longest_line = b"A: " + b"b" * (LINE_BYTES - 3)
    longest_target = b"/" + b"a" * (LINE_BYTES - len(b"GET / HTTP/1.1"))
    assert head_of(longest_line, *[b"A: b"] * (HEADERS - 2)).forward[0] == longest_line
    assert head_of(start=b"GET %b HTTP/1.1" % longest_target).target == longest_target
    lines = [b"A: " + b"b" * 7000] * 4
    rest = HEAD_BYTES - sum(len(line) for line in [b"GET / HTTP/1.1", b"Host: gate", *lines]) - 8 * len(b"\r\n")
    last = b"A: " + b"b" * (rest - len(b"A: "))
    assert head_of(*lines, last).forward[4] == last

    start = b"GET / HTTP/1.1\r\nHost: gate\r\n"
    assert refusal(start + longest_line + b"b\r\n\r\n") == "head_too_large"
    assert refusal(start + b"A: b\r\n" * HEADERS + b"\r\n") == "head_too_large"
    assert refusal(start + b"\r\n".join([*lines, last]) + b"b\r\n\r\n") == "head_too_large"
    assert refusal(b"GET %ba HTTP/1.1\r\nHost: gate\r\n\r\n" % longest_target) == "target_too_long"


@pytest.mark.parametrize(
    "begun,reason",
    [
        (b"GET /" + b"a" * LINE_BYTES, "target_too_long"),
        (b"GET / HTTP/1.1\r\n" + b"a" * HEAD_BYTES, "head_too_large"),
        (b"GET / HTTP/1.1\n", "malformed_http"),
        (b"GET / HTTP/1.1\r\nA\rb", "malformed_http"),
        (b"\x16\x03\x01", "malformed_http"),
    ],
)
def test_hopeless_head_is_refused_before_its_end(begun: bytes, reason: str) -> None:
    with pytest.raises(CallerError) as caught:
        head_end(begun)
    assert caught.value.reason == reason


def test_refusal_does_not_repeat_what_it_refuses() -> None:
    with pytest.raises(CallerError, match=r"^Header line 2 is not valid\.$"):
        read(b"GET / HTTP/1.1\r\nHost: gate\r\nAuthorization : Bearer secret\r\n\r\n")


def test_made_up_names_do_not_fill_the_memory_of_names() -> None:
    spellings = http1._Spellings()
    for at in range(5000):
        assert spellings[b"X-%d" % at] is None
    assert spellings[b"X-" + b"a" * 100] is None
    assert spellings[b"X-Api-Key"] == (b"x-api-key", False)
    assert len(spellings) <= 2048
    assert b"X-Api-Key" in spellings, "real names are still remembered"
    assert max(map(len, spellings)) <= 64


SENT_AGAIN = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\ncontent-LENGTH:  %b\r\nAuthorization: Bearer k\r\n\r\n"


def sent(length: bytes, head: bytes = SENT_AGAIN) -> bytes:
    return head % length


def repeated(first: bytes) -> Repeatable:
    head, manner = read_head(first, head_end(first))
    found = repeatable(first, head_end(first), head, manner)
    assert found is not None
    return found


@given(st.integers(1, 10**17), st.integers(1, 10**17), st.binary(max_size=20))
def test_a_head_that_differs_in_its_length_alone_reads_as_the_whole_reading_does(
    one: int, other: int, body: bytes
) -> None:
    data = sent(b"%d" % other)
    again = repeated(sent(b"%d" % one)).again(data + body)
    head, manner = read_head(data, len(data))
    assert again is not None
    assert (again[0].length, again[0].forward, again[1], again[2]) == (head.length, head.forward, manner, len(data))
    assert {**again[0].fields, b"content-length": b""} == {**head.fields, b"content-length": b""}


@pytest.mark.parametrize(
    "length", [b"", b"0", b"00", b"01", b"+1", b"1 ", b"1,1", b"1" * 19, b"x", b"1\r\nX-B: 2", b"0x1"]
)
def test_any_other_difference_is_read_anew(length: bytes) -> None:
    assert repeated(sent(b"12")).again(sent(length)) is None


@given(st.integers(0, len(SENT_AGAIN) - 1), st.integers(1, 255))
def test_no_changed_byte_passes_for_the_same_head(at: int, change: int) -> None:
    data = bytearray(sent(b"12"))
    data[min(at, len(data) - 1)] ^= change
    again = repeated(sent(b"12")).again(bytes(data))
    if again is not None:
        head, _ = read_head(bytes(data), len(data))
        assert again[0].length == head.length
        assert again[0].forward == head.forward


TRACE = b"00-%032x-%016x-0%d"
TRACED = b"POST /v1/x HTTP/1.1\r\nHost: h\r\nTraceParent: %b\r\nX-A: 1\r\nContent-Length: %d\r\nA: b\r\n\r\n"
TRACED_LAST = b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\nHost: h\r\ntraceparent: %b\r\n\r\n"


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 9), st.integers(1, 10**17))
def test_a_head_with_another_trace_reads_as_the_whole_reading_does(
    trace: int, span: int, flags: int, length: int
) -> None:
    other = TRACE % (trace, span, flags)
    for first, data in (
        (TRACED % (TRACE % (1, 2, 1), 7), TRACED % (other, length)),
        (TRACED_LAST % (7, TRACE % (1, 2, 1)), TRACED_LAST % (length, other)),
    ):
        held = repeated(first)
        for _ in range(2):
            again = held.again(data)
            head, manner = read_head(data, len(data))
            assert again is not None
            assert (again[0].length, again[0].forward, again[1], again[2]) == (length, head.forward, manner, len(data))
            assert {**again[0].fields, b"content-length": b""} == {**head.fields, b"content-length": b""}


@pytest.mark.parametrize(
    "trace", [b"", b"x", b"00-" + b"0" * 52, (TRACE % (1, 2, 1)) + b" ", (TRACE % (1, 2, 1)).replace(b"-", b":")]
)
def test_what_is_no_trace_is_read_anew(trace: bytes) -> None:
    assert repeated(TRACED % (TRACE % (1, 2, 1), 7)).again(TRACED % (trace, 7)) is None


def test_no_changed_byte_of_a_traced_head_passes_for_the_same() -> None:
    first = TRACED % (TRACE % (1, 2, 1), 12)
    for at in range(len(first)):
        for change in (1, 2, 32, 128):
            data = bytearray(first)
            data[at] ^= change
            again = repeated(first).again(bytes(data))
            if again is not None:
                head, _ = read_head(bytes(data), len(data))
                assert (again[0].length, again[0].fields) == (head.length, {**head.fields, b"content-length": b"12"})


def test_what_the_app_noted_goes_on_to_the_next_equal_head() -> None:
    first = sent(b"1")
    head, manner = read_head(first, len(first))
    held = repeatable(first, len(first), head, manner)
    assert held is not None
    head.memo = "noted"
    again = held.again(sent(b"2"))
    assert again is not None
    assert again[0].memo == "noted"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 2\r\n\r\n",
        # The length's end is not to be found at once, or there are two traces to one field, one of which is none.
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\ntraceparent: %b\r\nTraceparent: junk\r\n\r\n"
        % (TRACE % (1, 2, 1)),
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2 \r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
        + b"traceparent: %b\r\n" % (TRACE % (1, 2, 1)) * 2
        + b"\r\n",
        # Kept as long as its connection idles, and there may be ten thousand.
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n" + b"A: %b\r\n" % (b"x" * 4_000) * 3 + b"\r\n",
    ],
)
def test_heads_without_a_length_or_of_a_rare_kind_are_always_read(head: bytes) -> None:
    read, manner = read_head(head, len(head))
    assert repeatable(head, len(head), read, manner) is None
