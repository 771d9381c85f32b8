"""The head of an upstream's HTTP/1.1 response (RFC 9112 §4–6): one grammar, one pass, one decision where the body ends.

What two readers could read differently is refused as `upstream_malformed`: bare line feeds, folded lines, control bytes, a
Content-Length beside Transfer-Encoding, lengths that differ, any coding but `chunked`.
"""

import re
from collections.abc import Callable
from typing import Final

from durward.calls.errors import UpstreamError
from durward.protocols.framing import FIELD_VALUE, TOKEN

edges: Callable[[bytes, bytes], tuple[int, ...] | None] | None
try:
    from durward.protocols._heads import edges
except ImportError:
    edges = None

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
_PLAIN_BOUND: Final = 1024
LONGEST_NAME: Final = 255
"""Longer names are not learned."""
MOST_USE: Final = 8
"""So many heads of other names, less those of the known ones between them, and the known names are forgotten."""

_STATUS_LINE = rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*+)?+\r\n"
_head = re.compile(rb"%b((?:%b:%b\r\n)*+)\r\n" % (_STATUS_LINE, TOKEN, FIELD_VALUE)).match
_head_begun = re.compile(rb"(?:[^\r\n\x00]|\r\n)*+\r?").fullmatch
_idle_seconds = re.compile(rb"(?:^|[,\t ])timeout=([0-9]{1,6})(?:$|[,\t ])").search


class AnswerHead:
    """A response head, valid by grammar, its framing decided.

    `fields`, `forward`, `cookies` and `length` are those of `UpstreamAnswer`; an answer without a body (to HEAD, 204, 304) that says
    a Content-Length has it in `fields`. `persistent` is False where the connection must not carry another exchange. `idle` is how
    many seconds the server says it keeps an idle connection (`Keep-Alive: timeout`), None where it does not say. The body begins at
    `end`.
    """

    __slots__ = ("chunked", "cookies", "end", "fields", "forward", "idle", "length", "persistent", "status")

    def __init__(self, status: int, fields: dict[bytes, bytes], forward: bytes, persistent: bool, end: int) -> None:
        self.status = status
        self.fields = fields
        self.forward = forward
        self.cookies = b""
        self.length: int | None = None
        self.chunked = False
        self.persistent = persistent
        self.idle: int | None = None
        self.end = end


class Recurring:
    """The names of a connection's last valid heads.

    An upstream's answers differ in values, hardly ever in names. Names that have come twice running become a shape: heads with just
    these names, in this order and spelling, are walked once, and what is read and what passes on is known beforehand; any other head is
    read in full. New names are learned only when the old ones have not been of use. Where `_heads.c` is not built, nothing is learned.
    """

    __slots__ = ("_names", "_shape", "_use")

    def __init__(self) -> None:
        self._names: list[bytes] = []
        self._shape: Shape | None = None
        self._use = 0

    def learn(self, lines: list[bytes]) -> None:
        """Note the names of a head that was read in full and is valid."""
        if self._use:
            self._use -= 1
            return
        if edges is None:
            return
        names = [line[: line.index(b":")] for line in lines]
        if names == self._names and all(len(name) <= LONGEST_NAME for name in names):
            self._shape = Shape(names)
            self._use = MOST_USE
        self._names = names

    def read(self, data: bytes, asked_head: bool) -> AnswerHead | None:
        """The head that `data` begins with; None where it is in any way different from those before. Raises as `read_head`."""
        shape = self._shape
        if shape is None:
            return None
        answer = shape.read(data, asked_head)
        if answer is not None and self._use < MOST_USE:
            self._use += 1
        return answer


class Shape:
    """All heads that have these names in this order, and what is to be done with each line.

    `_heads.c` tells two numbers, then where certain lines begin, the blank line last: lines are known here by their place in that list.
    """

    __slots__ = ("_cookies", "_forward", "_framing", "_names", "_read")

    def __init__(self, names: list[bytes]) -> None:
        lowered = [name.lower() for name in names]
        last = len(names)
        passing = [_passes_on(name) for name in lowered]
        changes = [at for at in range(last + 1) if (at < last and passing[at]) != (at > 0 and passing[at - 1])]
        looked_into = [
            at for at, name in enumerate(lowered) if name in READ or name in _FRAMING or name == b"set-cookie"
        ]
        told = sorted({last, *changes, *looked_into, *(at + 1 for at in looked_into)})
        place = {line: 2 + at for at, line in enumerate(told)}
        self._names = b"".join([bytes([len(name), at in place]) + name for at, name in enumerate(names)])
        self._forward = [(place[changes[at]], place[changes[at + 1]]) for at in range(0, len(changes), 2)]
        self._cookies = [(place[at], place[at + 1]) for at in looked_into if lowered[at] == b"set-cookie"]
        values = [(place[at], len(names[at]) + 1, lowered[at]) for at in looked_into]
        self._read = [value for value in values if value[2] in READ]
        self._framing = [value for value in values if value[2] in _FRAMING]

    def read(self, data: bytes, asked_head: bool) -> AnswerHead | None:
        """A head of this shape, None where it is none. Raises as `read_head`."""
        found = edges(data, self._names) if edges is not None else None
        if found is None or found[-1] > HEAD_BYTES - 2:
            return None
        fields: dict[bytes, bytes] = {}
        framing: dict[bytes, bytes] = {}
        for line, behind, name in self._read:
            _combine(fields, name, data[found[line] + behind : found[line + 1] - 2])
        for line, behind, name in self._framing:
            _combine(framing, name, data[found[line] + behind : found[line + 1] - 2])
        answer = AnswerHead(found[1], fields, _joined(data, found, self._forward), found[0] == 1, found[-1] + 2)
        if self._cookies:
            answer.cookies = _joined(data, found, self._cookies)
        _decide(answer, framing, asked_head)
        return answer


def _passes_on(name: bytes) -> bool:
    return name not in _FRAMING and name != b"set-cookie" and not _is_dropped(name)


def _joined(data: bytes, found: tuple[int, ...], spans: list[tuple[int, int]]) -> bytes:
    pieces = [data[found[first] : found[behind]] for first, behind in spans]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


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
    answer = AnswerHead(int(match[2]), fields, _lines(forward), match[1] == b"1", match.end())
    answer.cookies = _lines(cookies)
    _decide(answer, framing, asked_head)
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
    if searched and data[searched - 1] == 0x0D:
        searched -= 1
    if not _head_begun(data, searched):
        raise malformed("the head has a bare line end or a NUL")


def _combine(fields: dict[bytes, bytes], name: bytes, value: bytes) -> None:
    """Lines of one name are one list (RFC 9110 §5.3)."""
    value = value.strip()
    fields[name] = fields[name] + b", " + value if name in fields else value


def _lines(lines: list[bytes]) -> bytes:
    return b"\r\n".join([*lines, b""])


def _decide(answer: AnswerHead, framing: dict[bytes, bytes], asked_head: bool) -> None:
    _decide_framing(answer, framing, asked_head)
    if b"connection" in framing or b"keep-alive" in framing:
        _decide_persistence(answer, framing)


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
    if not said.isdigit():
        lengths = {part.strip() for part in said.split(b",")}
        said = lengths.pop() if len(lengths) == 1 else b""
    if not said.isdigit() or len(said) > 18:
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
        lines = answer.forward.splitlines(keepends=True)
        answer.forward = b"".join([line for line in lines if line.partition(b":")[0].lower() not in named])
        if b"set-cookie" in named:
            answer.cookies = b""
