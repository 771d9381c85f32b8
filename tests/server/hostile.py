"""Requests that two servers could read in two ways, or that ask for what is not spoken here, and valid ones that look like them.

Every hostile request is followed by one for `/smuggled`, which nobody may ever see.
"""

from typing import NamedTuple

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: gate\r\n\r\n"
HOST = b"Host: gate"
BODY = b'{"a": 1}'
SIZED = b"Content-Length: 8"
CHUNKED = b"Transfer-Encoding: chunked"


class Hostile(NamedTuple):
    name: str
    raw: bytes
    status: int = 400


class Valid(NamedTuple):
    """A request, or several, that must pass: what the app sees of each, as method, target and body."""

    name: str
    raw: bytes
    seen: tuple[tuple[str, bytes, bytes], ...]
    closes: bool = False


def head(*lines: bytes, start: bytes = b"POST /v1/x HTTP/1.1") -> bytes:
    return b"".join(line + b"\r\n" for line in (start, *lines)) + b"\r\n"


def get(*lines: bytes, target: bytes = b"/v1/x") -> bytes:
    return head(*lines, start=b"GET %b HTTP/1.1" % target)


def sized(*lines: bytes, body: bytes = BODY) -> bytes:
    return head(HOST, b"Content-Length: %d" % len(body), *lines) + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    return head(HOST, CHUNKED, *lines) + body


def field(line: bytes) -> bytes:
    """A valid GET but for one line."""
    return get(HOST, line)


REQUEST_LINES = [
    Hostile("no version", head(HOST, start=b"GET /")),
    Hostile("two spaces before target", head(HOST, start=b"GET  / HTTP/1.1")),
    Hostile("two spaces before version", head(HOST, start=b"GET /  HTTP/1.1")),
    Hostile("tab instead of space", head(HOST, start=b"GET\t/ HTTP/1.1")),
    Hostile("space behind version", head(HOST, start=b"GET / HTTP/1.1 ")),
    Hostile("space before method", head(HOST, start=b" GET / HTTP/1.1")),
    Hostile("space in target", head(HOST, start=b"GET /a b HTTP/1.1")),
    Hostile("fragment in target", get(HOST, target=b"/a#b")),
    Hostile("control byte in target", get(HOST, target=b"/a\x01b")),
    Hostile("delete byte in target", get(HOST, target=b"/a\x7fb")),
    Hostile("byte above ASCII in target", get(HOST, target=b"/a\xe9")),
    Hostile("nul in target", get(HOST, target=b"/a\x00b")),
    Hostile("target is no path", get(HOST, target=b"v1/x")),
    Hostile("target is a host", get(HOST, target=b"gate:80")),
    Hostile("target is a query", get(HOST, target=b"?a=b")),
    Hostile("target empty", head(HOST, start=b"GET  HTTP/1.1")),
    Hostile("asterisk without OPTIONS", get(HOST, target=b"*")),
    Hostile("absolute target of no authority", get(HOST, target=b"http:/x")),
    Hostile("method in lower case", head(HOST, start=b"get / HTTP/1.1")),
    Hostile("method in mixed case", head(HOST, start=b"Delete / HTTP/1.1")),
    Hostile("method with a colon", head(HOST, start=b"GET: / HTTP/1.1")),
    Hostile("method of 40 letters", head(HOST, start=b"A" * 40 + b" / HTTP/1.1")),
    Hostile("method missing", head(HOST, start=b"/ HTTP/1.1")),
    Hostile("protocol in lower case", head(HOST, start=b"GET / http/1.1")),
    Hostile("protocol is another", head(HOST, start=b"GET / ICY/1.1")),
    Hostile("version of two digits", head(HOST, start=b"GET / HTTP/1.10")),
    Hostile("version without minor", head(HOST, start=b"GET / HTTP/1")),
    Hostile("version with comma", head(HOST, start=b"GET / HTTP/1,1")),
    Hostile("version 0.9", head(HOST, start=b"GET / HTTP/0.9"), 505),
    Hostile("version 1.2", head(HOST, start=b"GET / HTTP/1.2"), 505),
    Hostile("version 2.0", head(HOST, start=b"GET / HTTP/2.0"), 505),
    Hostile("version 9.9", head(HOST, start=b"GET / HTTP/9.9"), 505),
    Hostile("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Hostile("TLS instead of HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40),
    Hostile("empty line first", b"\r\n" + get(HOST)),
    Hostile("empty head", b"\r\n\r\n"),
    Hostile("CONNECT", head(b"Host: gate:443", start=b"CONNECT gate:443 HTTP/1.1"), 501),
    Hostile("CONNECT with a path", head(HOST, start=b"CONNECT /x HTTP/1.1"), 501),
    Hostile("TRACE", head(HOST, start=b"TRACE /v1/x HTTP/1.1"), 501),
    Hostile("absolute target of another host", get(HOST, target=b"http://other/v1/x"), 501),
    Hostile("absolute target of another port", get(HOST, target=b"http://gate:81/v1/x"), 501),
    Hostile("absolute target with a user", get(HOST, target=b"http://me@gate/v1/x"), 501),
    Hostile("absolute target of another scheme", get(HOST, target=b"ftp://gate/v1/x"), 501),
    Hostile("request line too long", get(HOST, target=b"/" + b"a" * 8200), 414),
    Hostile("request line that does not end", b"GET /" + b"a" * 9000, 414),
]

HOSTS = [
    Hostile("no host", get()),
    Hostile("no host in 1.0", head(start=b"GET / HTTP/1.0")),
    Hostile("two hosts", get(HOST, b"Host: other")),
    Hostile("the same host twice", get(HOST, HOST)),
    Hostile("the same host in another case", get(HOST, b"HOST: gate")),
    Hostile("host empty", get(b"Host:")),
    Hostile("host with a path", get(b"Host: gate/v1")),
    Hostile("host with a query", get(b"Host: gate?a")),
    Hostile("host with a fragment", get(b"Host: gate#a")),
    Hostile("host with a user", get(b"Host: me@gate")),
    Hostile("host with a space", get(b"Host: gate other")),
    Hostile("host list", get(b"Host: gate, other")),
    Hostile("host with a word for port", get(b"Host: gate:http")),
    Hostile("host with an empty port", get(b"Host: gate:")),
    Hostile("host with a port too large", get(b"Host: gate:65536")),
    Hostile("host with two ports", get(b"Host: gate:80:80")),
    Hostile("host above ASCII", get(b"Host: g\xc3\xa4te")),
    Hostile("host is half an IPv6 address", get(b"Host: [::1")),
    Hostile("host folded", get(b"Host:\r\n gate")),
]

FIELDS = [
    Hostile("space before colon", field(b"A : b")),
    Hostile("tab before colon", field(b"A\t: b")),
    Hostile("content-length with space before colon", head(HOST, b"Content-Length : 8") + BODY),
    Hostile("transfer-encoding with space before colon", head(HOST, b"Transfer-Encoding : chunked")),
    Hostile("line without colon", field(b"A")),
    Hostile("name empty", field(b": b")),
    Hostile("space before name", field(b" A: b")),
    Hostile("first header folded", b"GET / HTTP/1.1\r\n Host: gate\r\n\r\n"),
    Hostile("value folded with a space", field(b"A: b\r\n c")),
    Hostile("value folded with a tab", field(b"A: b\r\n\tc")),
    Hostile("framing folded", head(HOST, b"Transfer-Encoding:\r\n chunked")),
    Hostile("bare LF ends a line", b"GET / HTTP/1.1\r\nHost: gate\nA: b\r\n\r\n"),
    Hostile("bare LF ends the head", b"GET / HTTP/1.1\r\nHost: gate\r\n\n"),
    Hostile("bare LF everywhere", b"GET / HTTP/1.1\nHost: gate\n\n"),
    Hostile("bare CR in a value", field(b"A: b\rc")),
    Hostile("bare CR ends a line", field(b"A: b\rTransfer-Encoding: chunked")),
    Hostile("bare CR before CRLF", field(b"A: b\r")),
    Hostile("nul in a value", field(b"A: b\x00c")),
    Hostile("nul in a name", field(b"A\x00: b")),
    Hostile("control byte in a value", field(b"A: b\x0bc")),
    Hostile("delete byte in a value", field(b"A: b\x7f")),
    Hostile("byte above ASCII in a name", field(b"\xc3\x84: b")),
    Hostile("parentheses in a name", field(b"A(b): c")),
    Hostile("101 headers", get(HOST, *[b"A: b"] * 100), 431),
    Hostile("header line too long", field(b"A: " + b"b" * 8200), 431),
    Hostile("head too large", get(HOST, *[b"A: " + b"b" * 4000] * 9), 431),
    Hostile("head that does not end", get(HOST)[:-2] + (b"A: " + b"b" * 4000 + b"\r\n") * 9, 431),
    Hostile("content-type twice", sized(b"Content-Type: application/json", b"Content-Type: text/plain")),
    Hostile("authorization twice", field(b"Authorization: Bearer a\r\nAuthorization: Bearer b")),
    Hostile("key twice", field(b"Durward-Key: a\r\ndurward-key: b")),
    Hostile("content-encoding twice", sized(b"Content-Encoding: gzip", b"Content-Encoding: zstd")),
    Hostile("connection names the host", field(b"Connection: close, Host")),
    Hostile("connection names the framing", sized(b"Connection: Content-Length")),
    Hostile("connection names the key", field(b"Authorization: Bearer a\r\nConnection: authorization")),
    Hostile("expectation of something else", sized(b"Expect: 200-ok"), 417),
    Hostile("expectation of more", sized(b"Expect: 100-continue, 200-ok"), 417),
    Hostile("WebSocket", get(HOST, b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"), 426),
    Hostile("WebSocket without connection", get(HOST, b"Upgrade: WebSocket"), 426),
    Hostile("WebSocket among others", get(HOST, b"Connection: upgrade", b"Upgrade: h2c, websocket"), 426),
    Hostile("WebSocket with a body", sized(b"Connection: Upgrade", b"Upgrade: websocket")),
    Hostile(
        "h2c with a body", sized(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    ),
    Hostile("h2c with chunks", chunked(b"0\r\n\r\n", b"Connection: Upgrade", b"Upgrade: h2c")),
]

FRAMING = [
    Hostile("length and chunked", sized(CHUNKED)),
    Hostile("chunked and length", chunked(b"0\r\n\r\n", SIZED)),
    Hostile("length and chunked in other cases", sized(b"tRANSFER-eNCODING: cHUNKED")),
    Hostile("length and unknown coding", sized(b"Transfer-Encoding: identity")),
    Hostile("two lengths", sized(b"Content-Length: 9")),
    Hostile("the same length twice", sized(SIZED)),
    Hostile("length list", head(HOST, b"Content-Length: 8, 8") + BODY),
    Hostile("length signed", head(HOST, b"Content-Length: +8") + BODY),
    Hostile("length negative", head(HOST, b"Content-Length: -8") + BODY),
    Hostile("length hexadecimal", head(HOST, b"Content-Length: 0x8") + BODY),
    Hostile("length with underscore", head(HOST, b"Content-Length: 0_8") + BODY),
    Hostile("length with fraction", head(HOST, b"Content-Length: 8.0") + BODY),
    Hostile("length with inner space", head(HOST, b"Content-Length: 1 8") + BODY),
    Hostile("length with leading zero", head(HOST, b"Content-Length: 08") + BODY),
    Hostile("length empty", head(HOST, b"Content-Length:") + BODY),
    Hostile("length in other digits", head(HOST, "Content-Length: ٨".encode()) + BODY),
    Hostile("length that overflows", head(HOST, b"Content-Length: 18446744073709551624") + BODY),
    Hostile("chunked in 1.0", head(HOST, CHUNKED, start=b"POST / HTTP/1.0") + b"0\r\n\r\n"),
    Hostile("chunked twice", chunked(b"0\r\n\r\n", CHUNKED)),
    Hostile("chunked twice in one line", head(HOST, b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
    Hostile("chunked is not the last coding", head(HOST, b"Transfer-Encoding: chunked, gzip") + b"0\r\n\r\n"),
    Hostile("chunked behind gzip", head(HOST, b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n"),
    Hostile("chunked behind a comma", head(HOST, b"Transfer-Encoding: ,chunked") + b"0\r\n\r\n"),
    Hostile("chunked quoted", head(HOST, b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n"),
    Hostile("chunked with a parameter", head(HOST, b"Transfer-Encoding: chunked;a=b") + b"0\r\n\r\n"),
    Hostile("chunked misspelled", head(HOST, b"Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    Hostile("chunked behind a vertical tab", head(HOST, b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n"),
    Hostile("coding empty", head(HOST, b"Transfer-Encoding:") + b"0\r\n\r\n"),
    Hostile("coding identity", head(HOST, b"Transfer-Encoding: identity")),
]

CHUNKS = [
    Hostile("chunk size empty", chunked(b"\r\n\r\n")),
    Hostile("chunk size signed", chunked(b"+8\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size negative", chunked(b"-1\r\n\r\n0\r\n\r\n")),
    Hostile("chunk size with prefix", chunked(b"0x8\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size with underscore", chunked(b"0_8\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size with space before", chunked(b" 8\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size with space behind", chunked(b"8 \r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size of 17 digits", chunked(b"00000000000000008\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size that overflows", chunked(b"1000000000000000008\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size is no number", chunked(b"g\r\n\r\n0\r\n\r\n")),
    Hostile("chunk size line ends in bare LF", chunked(b"8\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk size line ends in bare CR", chunked(b"8\r" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk longer than its size", chunked(b"7\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk shorter than its size", chunked(b"9\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk data ends in bare LF", chunked(b"8\r\n" + BODY + b"\n0\r\n\r\n")),
    Hostile("chunk data ends in bare CR", chunked(b"8\r\n" + BODY + b"\r0\r\n\r\n")),
    Hostile("chunk extension too long", chunked(b"8;" + b"a" * 300 + b"\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk extension with bare LF", chunked(b"8;a\nb\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk extension with bare CR", chunked(b"8;a\rb\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk extension with nul", chunked(b"8;a\x00\r\n" + BODY + b"\r\n0\r\n\r\n")),
    Hostile("chunk extension unfinished", chunked(b'8;a="b\r\n' + BODY + b"\r\n0\r\n\r\n")),
    Hostile("last chunk ends in bare LF", chunked(b"0\n\n")),
    Hostile("trailer without colon", chunked(b"0\r\nA\r\n\r\n")),
    Hostile("trailer with space before colon", chunked(b"0\r\nA : b\r\n\r\n")),
    Hostile("trailer folded", chunked(b"0\r\nA: b\r\n c\r\n\r\n")),
    Hostile("trailer ends in bare LF", chunked(b"0\r\nA: b\n\r\n")),
    Hostile("trailers too long", chunked(b"0\r\n" + (b"A: " + b"b" * 2000 + b"\r\n") * 5 + b"\r\n")),
    Hostile("trailers too many", chunked(b"0\r\n" + b"A: b\r\n" * 200 + b"\r\n")),
    Hostile("body too large", head(HOST, b"Content-Length: 2000000"), 413),
]

HOSTILE = [*REQUEST_LINES, *HOSTS, *FIELDS, *FRAMING, *CHUNKS]

POSTED = ("POST", b"/v1/x", BODY)
GOT = ("GET", b"/v1/x", b"")
VALID = [
    Valid("plain", sized(), (POSTED,)),
    Valid("absolute target of this host", get(HOST, target=b"http://gate/v1/x"), (GOT,)),
    Valid("absolute target in capitals", get(HOST, target=b"HTTP://GATE/v1/x?a=b"), (("GET", b"/v1/x?a=b", b""),)),
    Valid("absolute target without path", get(HOST, target=b"http://gate?a"), (("GET", b"/?a", b""),)),
    Valid("OPTIONS of the server", head(HOST, start=b"OPTIONS * HTTP/1.1"), (("OPTIONS", b"*", b""),)),
    Valid("OPTIONS of the server, absolute", head(HOST, start=b"OPTIONS http://gate HTTP/1.1"), (("OPTIONS", b"*", b""),)),
    Valid("host is an IPv6 address", get(b"Host: [::1]:65535"), (GOT,)),
    Valid("no space behind colon", get(b"Host:gate"), (GOT,)),
    Valid("white space around a value", get(b"Host: \t gate\t "), (GOT,)),
    Valid("value above ASCII", get(HOST, b"A: \xc3\xa4 \x80"), (GOT,)),
    Valid("header of 8 KiB", get(HOST, b"A: " + b"b" * 8189), (GOT,)),
    Valid("100 headers", get(HOST, *[b"A: b"] * 99), (GOT,)),
    Valid("the same key twice", get(HOST, b"X-Api-Key: a", b"x-api-key: a"), (GOT,)),
    Valid("h2c without a body", get(HOST, b"Connection: Upgrade", b"Upgrade: h2c"), (GOT,)),
    Valid("head in the body", sized(body=SMUGGLED), (("POST", b"/v1/x", SMUGGLED),)),
    Valid("empty body, sized", sized(body=b""), (("POST", b"/v1/x", b""),)),
    Valid("empty body, chunked", chunked(b"0\r\n\r\n"), (("POST", b"/v1/x", b""),)),
    Valid("chunked in capitals", head(HOST, b"Transfer-Encoding: CHUNKED") + b"8\r\n" + BODY + b"\r\n0\r\n\r\n", (POSTED,)),
    Valid("chunk sizes in other digits", chunked(b"0000a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n"), (
        ("POST", b"/v1/x", b"01234567890123456789"),)),
    Valid("chunk extension", chunked(b'8;a=b;c="d\\"e"\r\n' + BODY + b"\r\n0;f\r\n\r\n"), (POSTED,)),
    Valid("chunk extension of 256 bytes", chunked(b"8;" + b"a" * 255 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"), (POSTED,)),
    Valid("chunk data like framing", chunked(b"8\r\n\r\n0\r\n\r\n\r\r\n0\r\n\r\n"), (("POST", b"/v1/x", b"\r\n0\r\n\r\n\r"),)),
    Valid("trailers", chunked(b"8\r\n" + BODY + b"\r\n0\r\nHost: other\r\nContent-Length: 5\r\n\r\n"), (POSTED,)),
    Valid("three in one go", sized() + get(HOST) + chunked(b"8\r\n" + BODY + b"\r\n0\r\n\r\n"), (POSTED, GOT, POSTED)),
    Valid("connection close", get(HOST, b"Connection: close") + SMUGGLED, (GOT,), closes=True),
    Valid("connection close among others", get(HOST, b"Connection: TE, Close", b"TE: trailers") + SMUGGLED, (GOT,), closes=True),
    Valid("version 1.0", head(HOST, b"Connection: keep-alive", start=b"GET /v1/x HTTP/1.0") + SMUGGLED, (GOT,), closes=True),
]  # fmt: skip
