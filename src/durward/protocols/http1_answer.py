"""The head of an upstream's HTTP/1.1 response (RFC 9112 §4–6): one grammar, one pass, one decision where the body ends.

What two readers could read differently is refused as `upstream_malformed`: bare line feeds, folded lines, control bytes, a
Content-Length beside Transfer-Encoding, lengths that differ, any coding but `chunked`.
"""

import re
from typing import Final

import msgspec

from durward.calls.errors import UpstreamError
from durward.protocols.framing import FIELD_VALUE, TOKEN

HEAD_BYTES: Final = 32 * 1024
HEAD_LINES: Final = 200
"""The most header lines; real providers send about 25."""
READ: Final = frozenset(
    {
        *(b"content-encoding", b"content-type", b"retry-after", b"retry-after-ms", b"x-should-retry"),
        *(b"apim-request-id", b"request-id", b"x-amzn-requestid", b"x-goog-request-id", b"x-request-id"),
    }
)
"""Fields that the gate reads; they pass on too."""

_FRAMING = frozenset({b"connection", b"content-length", b"keep-alive", b"transfer-encoding"})
_DROPPED = frozenset(
    {
        *(b"alt-svc", b"http2-settings", b"proxy-authenticate", b"proxy-authentication-info", b"proxy-connection"),
        *(b"te", b"trailer", b"upgrade"),
    }
)
_plain: set[bytes] = set()
"""Names, as they were spelled, that only pass on. Learned, since an upstream spells its names alike in every answer."""
_PLAIN_BOUND = 1024

_head = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?+\r\n((?:%b:%b\r\n)*+)\r\n" % (TOKEN, FIELD_VALUE)
).match
_head_begun = re.compile(rb"(?:[^\r\n\x00]|\r\n)*+\r?").fullmatch
_length = re.compile(rb"[0-9]{1,18}").fullmatch
_idle_seconds = re.compile(rb"(?:^|[,\t ])timeout=([0-9]{1,6})(?:$|[,\t ])").search


class AnswerHead(msgspec.Struct, gc=False):
    """A response head, valid by grammar, its framing decided.

    `fields`, `forward`, `cookies` and `length` are those of `UpstreamAnswer`; an answer without a body (to HEAD, 204, 304) that says
    a Content-Length has it in `fields`. `persistent` is False where the connection must not carry another exchange. `idle` is how
    many seconds the server says it keeps an idle connection (`Keep-Alive: timeout`), None where it does not say. The body begins at
    `end`.
    """

    status: int
    fields: dict[bytes, bytes]
    forward: list[bytes]
    cookies: list[bytes]
    length: int | None
    chunked: bool
    persistent: bool
    idle: int | None
    end: int


def malformed(what: str) -> UpstreamError:
    """The error of an upstream that broke HTTP/1.1."""
    return UpstreamError(f"The upstream's answer is not valid HTTP/1.1: {what}.", reason="upstream_malformed")


def read_head(data: bytes, asked_head: bool, searched: int = 0) -> AnswerHead | None:
    """Read the response head that `data` begins with, None while it has not come whole.

    `asked_head`: the request was HEAD, so that no body follows. `searched`: how many bytes an earlier call saw in vain.
    Raises UpstreamError `upstream_malformed`, as soon as no valid head can come of what is there.
    """
    whole = not searched or data.find(b"\r\n\r\n", max(0, searched - 3)) >= 0
    match = _head(data, 0, HEAD_BYTES) if whole else None
    if match is None:
        _refuse_unless_begun(data, searched)
        return None
    return _read_lines(match, asked_head)


def _read_lines(match: re.Match[bytes], asked_head: bool) -> AnswerHead:
    lines = match[3].splitlines()
    if len(lines) > HEAD_LINES:
        raise malformed(f"the head has more than {HEAD_LINES} lines")
    fields: dict[bytes, bytes] = {}
    framing: dict[bytes, bytes] = {}
    forward: list[bytes] = []
    cookies: list[bytes] = []
    for line in lines:
        name, _, value = line.partition(b":")
        if name in _plain:
            forward.append(line)
            continue
        name = name.lower()
        if name in READ:
            forward.append(line)
            _combine(fields, name, value)
        elif name in _FRAMING:
            _combine(framing, name, value)
        elif name == b"set-cookie":
            cookies.append(line)
        elif name not in _DROPPED and not name.startswith(b"durward-"):
            forward.append(line)
            if len(_plain) < _PLAIN_BOUND:
                _plain.add(line[: len(name)])
    answer = AnswerHead(int(match[2]), fields, forward, cookies, None, False, match[1] == b"1", None, match.end())
    _decide_framing(answer, framing, asked_head)
    _decide_persistence(answer, framing)
    return answer


def _refuse_unless_begun(data: bytes, searched: int) -> None:
    if data[:7] != b"HTTP/1."[: len(data)]:
        raise malformed("it does not begin with a status line")
    if data.find(b"\r\n\r\n", max(0, searched - 3), HEAD_BYTES) >= 0:
        raise malformed("the head breaks the grammar")
    if len(data) >= HEAD_BYTES:
        raise malformed(f"the head has more than {HEAD_BYTES} bytes")
    if not _head_begun(data, searched - 1 if data[searched - 1 : searched] == b"\r" else searched):
        raise malformed("the head has a bare line end or a NUL")


def _combine(fields: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    """Lines of one name are one list (RFC 9110 §5.3)."""
    value = value.strip()
    fields[name] = fields[name] + b", " + value if name in fields else value


def _decide_framing(answer: AnswerHead, framing: dict[bytes, bytes], asked_head: bool) -> None:
    """Where the body ends (RFC 9112 §6.3)."""
    coding = framing.get(b"transfer-encoding")
    said = framing.get(b"content-length")
    if coding is not None:
        if said is not None or coding.lower() != b"chunked" or not answer.persistent:
            raise malformed("its Transfer-Encoding is not `chunked` alone")
        answer.chunked = True
    elif said is not None:
        answer.length = _read_length(said)
    status = answer.status
    if asked_head or status < 200 or status == 204 or status == 304:
        # A body announced where none may be could still come: whatever follows would be read as the next answer.
        answer.persistent = answer.persistent and not (asked_head or answer.chunked or answer.length)
        if answer.length is not None:
            answer.fields[b"content-length"] = b"%d" % answer.length
        answer.length = 0
        answer.chunked = False
    elif said is None and coding is None:
        answer.persistent = False


def _read_length(said: bytes) -> int:
    """A Content-Length; the same length said more than once is one (RFC 9110 §8.6)."""
    if b"," in said:
        lengths = {part.strip() for part in said.split(b",")}
        said = lengths.pop() if len(lengths) == 1 else b""
    if not _length(said):
        raise malformed("its Content-Length is no number, or several")
    return int(said)


def _decide_persistence(answer: AnswerHead, framing: dict[bytes, bytes]) -> None:
    """Whether the connection may be used again (RFC 9112 §9.3), how long it may idle, and what its options take out."""
    alive = framing.get(b"keep-alive")
    if alive is not None:
        match = _idle_seconds(alive.lower())
        answer.idle = int(match[1]) if match else None
    options = framing.get(b"connection")
    if options is None or options == b"keep-alive":
        return
    named = {option.strip() for option in options.lower().split(b",")}
    if b"close" in named:
        answer.persistent = False
    named -= {b"close", b"keep-alive"}
    if named:
        answer.forward = [line for line in answer.forward if line.partition(b":")[0].lower() not in named]
        answer.cookies = [line for line in answer.cookies if b"set-cookie" not in named]
