"""The head of an upstream's HTTP/1.1 response (RFC 9112 §4–6): one grammar, one pass, one decision where the body ends.

What two readers could read differently is refused as `upstream_malformed`: bare line feeds, folded lines, control bytes, a
Content-Length beside Transfer-Encoding, lengths that differ, any coding but `chunked`.
"""

import re
from itertools import compress
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
_status_line = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?+\r\n").match
_CONTROLS: Final = bytes((*range(9), *range(10, 32), 127))
_starts = bytes.startswith
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


class Recurring:
    """The names of a connection's last valid head, in their order, and what is to be done with each.

    An upstream's answers differ in values, hardly ever in names. A head with the same names in the same spelling is then valid if no
    control byte hides in it; any other is read in full. New names are learned only when the old ones have not been of use.
    """

    __slots__ = ("_cookies", "_framing", "_names", "_passes", "_read", "_use")

    MOST_USE: Final = 8

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._use = 0

    def learn(self, lines: list[bytes]) -> None:
        """Note the names of a head that was read in full and is valid."""
        if self._names and self._use:
            self._use -= 1
            return
        self._names = [line[: line.index(b":") + 1] for line in lines]
        lower = [name[:-1].lower() for name in self._names]
        self._cookies = [name == b"set-cookie" for name in lower]
        self._passes = [not (name == b"set-cookie" or name in _FRAMING or _is_dropped(name)) for name in lower]
        self._read = [(at, name, len(name) + 1) for at, name in enumerate(lower) if name in READ]
        self._framing = [(at, name, len(name) + 1) for at, name in enumerate(lower) if name in _FRAMING]

    def read(self, data: bytes, asked_head: bool) -> AnswerHead | None:
        """The head that `data` begins with; None where it is in any way different from the one before. Raises as `read_head`."""
        end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
        status = _status_line(data)
        if end < 0 or status is None or status.end() > end:
            return None
        block = data[status.end() : end]
        lines = block.split(b"\r\n")
        if len(lines) != len(self._names) or not all(map(_starts, lines, self._names)):
            return None
        if len(block) - len(block.translate(None, _CONTROLS)) != 2 * len(lines) - 2:
            return None  # a control byte besides the line ends
        if self._use < self.MOST_USE:
            self._use += 1
        fields: dict[bytes, bytes] = {}
        framing: dict[bytes, bytes] = {}
        for at, name, start in self._read:
            _combine(fields, name, lines[at][start:])
        for at, name, start in self._framing:
            _combine(framing, name, lines[at][start:])
        forward = list(compress(lines, self._passes))
        cookies = list(compress(lines, self._cookies))
        answer = AnswerHead(int(status[2]), fields, forward, cookies, None, False, status[1] == b"1", None, end + 4)
        _decide_framing(answer, framing, asked_head)
        _decide_persistence(answer, framing)
        return answer


def malformed(what: str) -> UpstreamError:
    """The error of an upstream that broke HTTP/1.1."""
    return UpstreamError(f"The upstream's answer is not valid HTTP/1.1: {what}.", reason="upstream_malformed")


def read_head(
    data: bytes, asked_head: bool, searched: int = 0, recurring: Recurring | None = None
) -> AnswerHead | None:
    """Read the response head that `data` begins with, None while it has not come whole.

    `asked_head`: the request was HEAD, so that no body follows. `searched`: how many bytes an earlier call saw in vain.
    Raises UpstreamError `upstream_malformed`, as soon as no valid head can come of what is there.
    """
    if recurring is not None and not searched and (alike := recurring.read(data, asked_head)) is not None:
        return alike
    whole = not searched or data.find(b"\r\n\r\n", max(0, searched - 3)) >= 0
    match = _head(data, 0, HEAD_BYTES) if whole else None
    if match is None:
        _refuse_unless_begun(data, searched)
        return None
    return _read_lines(match, asked_head, recurring)


def _is_dropped(name: bytes) -> bool:
    return name in _DROPPED or name.startswith(b"durward-")


def _read_lines(match: re.Match[bytes], asked_head: bool, recurring: Recurring | None) -> AnswerHead:
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
        elif not _is_dropped(name):
            forward.append(line)
            if len(_plain) < _PLAIN_BOUND:
                _plain.add(line[: len(name)])
    answer = AnswerHead(int(match[2]), fields, forward, cookies, None, False, match[1] == b"1", None, match.end())
    _decide_framing(answer, framing, asked_head)
    _decide_persistence(answer, framing)
    if recurring is not None:
        recurring.learn(lines)
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
