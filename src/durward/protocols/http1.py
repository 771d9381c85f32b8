"""Request heads of HTTP/1.1 (RFC 9112 §2–§6) in one strict reading, and what of them may travel on.

One compiled grammar covers a whole head; one pass over its lines sorts them. Whatever two readers could read in two ways is refused.
Bodies are framed by `framing`.
"""

import re
from typing import Final, NamedTuple

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.protocols.framing import FIELD_VALUE, TOKEN
from durward.protocols.trace import is_trace

HEAD_BYTES: Final = 32 * 1024
LINE_BYTES: Final = 8 * 1024
HEADERS: Final = 100
REPEATED_BYTES: Final = 8 * 1024
"""Larger heads are not kept to be compared with: an idle connection should hold little."""

# Methods are case-sensitive, and some servers fold case: `delete` must not pass as something that is not DELETE.
_METHOD = rb"[A-Z][A-Z-]{,31}+"
_TARGET = rb"[\x21\x22\x24-\x7e]++"  # visible, and no fragment
_FIELDS = rb"\r\n((?:%b:%b\r\n)*+)\r\n" % (TOKEN, FIELD_VALUE)
_origin_form = re.compile(rb"(%b) ((?=/)%b) HTTP/1\.([01])%b" % (_METHOD, _TARGET, _FIELDS)).fullmatch
_any_form = re.compile(rb"(%b) ((?!/)%b) HTTP/1\.([01])%b" % (_METHOD, _TARGET, _FIELDS)).fullmatch
_request_line = re.compile(rb"%b %b HTTP/1\.[01]" % (_METHOD, _TARGET)).fullmatch
_other_version = re.compile(rb"[!-~]+ [!-~]+ HTTP/[0-9]\.[0-9]").fullmatch
_field_line = re.compile(rb"%b:%b" % (TOKEN, FIELD_VALUE)).fullmatch
_head_begun = re.compile(rb"(?:[\t\x20-\x7e\x80-\xff]|\r\n)*+\r?").fullmatch
_PORT = rb"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_host = re.compile(rb"(?:[A-Za-z0-9_][A-Za-z0-9._-]{,254}+|\[[0-9A-Fa-f:.]{2,45}+\])%b" % _PORT).fullmatch
_varying = re.compile(rb"(?<=\r\n)(content-length|traceparent):[\t ]*+([!-~]++)(?=\r)", re.IGNORECASE).finditer
_VARYING_BYTES: Final = 64
_absolute_form = re.compile(rb"(?i:https?)://([^/?]*+)(.*+)").fullmatch

_DROPPED = frozenset(
    b"keep-alive te trailer http2-settings forwarded baggage"  # and everything that begins with `_DROPPED_PREFIXES`
    # What makes a server behind read another method or path than the one that rules have seen.
    b" x-http-method x-http-method-override x-method-override x-original-url x-rewrite-url".split()
)
_DROPPED_PREFIXES = (b"proxy-", b"x-forwarded-")
_OPTIONS = frozenset((b"", b"close", b"keep-alive", b"upgrade"))
"""What Connection may name that is no field to leave out, or one that never passes on."""
_READ = frozenset(
    b"host content-length transfer-encoding connection upgrade expect accept-encoding content-encoding traceparent"
    b" authorization x-api-key api-key x-goog-api-key".split()
)
_READ_PREFIX = b"durward-"
_READ_AND_PASSED = frozenset(
    b"content-type accept user-agent origin cookie anthropic-version anthropic-beta session-id session_id thread-id"
    b" x-client-request-id idempotency-key".split()
)
_READ_AND_PASSED_PREFIXES = (b"x-codex-", b"x-claude-code-")
_SINGLE = frozenset(
    b"content-type content-encoding anthropic-version authorization x-api-key api-key x-goog-api-key expect"
    b" idempotency-key".split()
)
"""Fields that the gate decides by: said twice with different values they are refused. All of `durward-` are such too."""
_ONCE = frozenset(b"host content-length transfer-encoding".split())
"""Fields that say where a message goes and ends: never twice, not even alike (RFC 9112 §3.2, §6.3)."""
_UNSPOKEN = frozenset((b"CONNECT", b"TRACE", b"TRACK"))
"""CONNECT would open a tunnel; TRACE would bring the caller the credential that the gate presents upstream."""


class Manner(NamedTuple):
    """What a request head says about its connection rather than about the call."""

    persistent: bool
    """The connection may serve another request after this one."""
    chunks: bool
    """The caller reads chunked answers (it speaks HTTP/1.1)."""
    expects: bool
    """The caller waits for `100 Continue` before it sends the body."""


_PLAIN: Final = Manner(True, True, False)
_KEEP_ALIVE: Final = (b"keep-alive", b"Keep-Alive")


class _Spellings(dict[bytes, tuple[bytes, bool] | None]):
    """A field name as it was spelled -> its lower-case name and whether it passes on too; None if it passes on unread.

    A field that is dropped unread has the name b"". Filled as spellings come, within bounds: looking up costs a tenth of finding out.
    """

    def __missing__(self, spelled: bytes) -> tuple[bytes, bool] | None:
        kind = _kind(spelled.lower())
        if len(spelled) <= 64:
            if len(self) >= 2048:
                self.clear()  # full of names that somebody made up
            self[spelled] = kind
        return kind


_spellings: Final = _Spellings()
_DROP: Final = (b"", False)


def _kind(name: bytes) -> tuple[bytes, bool] | None:
    if name in _READ_AND_PASSED or name.startswith(_READ_AND_PASSED_PREFIXES):
        return name, True
    if name in _READ or name.startswith(_READ_PREFIX):
        return name, False
    if name in _DROPPED or name.startswith(_DROPPED_PREFIXES):
        return _DROP
    if b"_" in name:
        # Servers behind CGI-like interfaces take `_` for `-`: what may not pass in one spelling may not pass in the other.
        twin = _kind(name.replace(b"_", b"-"))
        return None if twin is None or twin[1] else _DROP
    return None


def head_end(data: bytes, seen: int = 0) -> int:
    """Where the head that opens `data` ends, its blank line included; 0 while it has not come whole.

    `seen` bytes were looked at before. Raises CallerError for a head that can no longer become valid: `head_too_large`,
    `target_too_long`, `malformed_http`.
    """
    end = data.find(b"\r\n\r\n", seen - 3 if seen > 3 else 0) + 4
    if 4 <= end <= HEAD_BYTES:
        return end
    if data.find(b"\r\n", 0, LINE_BYTES + 2) < 0 and len(data) > LINE_BYTES + 1:
        raise CallerError(f"The request line has more than {LINE_BYTES} bytes.", reason="target_too_long")
    if len(data) >= HEAD_BYTES:
        raise CallerError(f"The head has more than {HEAD_BYTES} bytes.", reason="head_too_large")
    if seen and data[seen - 1] == 0x0D:
        seen -= 1
    if _head_begun(data, seen) is None:
        raise CallerError("The head holds a control byte, or a CR or LF that stands alone.", reason="malformed_http")
    return 0


def read_head(data: bytes, end: int) -> tuple[RequestHead, Manner]:
    """Read the request head that `data` opens with and that ends at `end`.

    Raises CallerError `malformed_http`, `target_too_long`, `head_too_large`, `method_not_spoken`, `version_not_spoken`,
    `expectation_failed`, `websocket`.
    """
    found = _origin_form(data, 0, end)
    if found is None:
        return _read_other_form(data, end)
    method, target, minor, block = found.groups()
    lines = _lines(block)
    if end > LINE_BYTES:
        _check_lines(data[: found.start(4) - 2], lines)
    return _read(method, target, minor, lines)


def _read_other_form(data: bytes, end: int) -> tuple[RequestHead, Manner]:
    """Absolute-form of this very host, or `OPTIONS *`; everything else has an error that fits."""
    found = _any_form(data, 0, end)
    if found is None:
        raise _malformed(data[: end - 4].split(b"\r\n"))
    method, target, minor, block = found.groups()
    lines = _lines(block)
    _check_lines(data[: found.start(4) - 2], lines)
    head, manner = _read(method, target, minor, lines)
    if target != b"*":
        head.target = _origin(target, head)
    elif method != b"OPTIONS":
        raise CallerError("The request-target `*` belongs to OPTIONS.", reason="malformed_http")
    return head, manner


def _origin(target: bytes, head: RequestHead) -> bytes:
    """The origin-form of an absolute-form that names the host of the request (RFC 9112 §3.2.2)."""
    found = _absolute_form(target)
    if found is None:
        if b"://" in target:
            raise CallerError("The request-target is a URL of a foreign scheme.", reason="method_not_spoken")
        raise CallerError("The request-target is neither a path nor a URL.", reason="malformed_http")
    authority, rest = found.groups()
    if authority.lower() != head.fields[b"host"].lower():
        raise CallerError("The request-target is a URL of another host.", reason="method_not_spoken")
    if rest.startswith(b"/"):
        return bytes(rest)
    return b"*" if head.method == "OPTIONS" and not rest else b"/" + rest


def _malformed(lines: list[bytes]) -> CallerError:
    """What is wrong with a head that is outside the grammar."""
    try:
        _check_lines(lines[0], lines[1:])
    except CallerError as error:
        return error
    if not _request_line(lines[0]):
        if _other_version(lines[0]) and lines[0][-3:] not in (b"1.0", b"1.1"):
            return CallerError("The request speaks another version of HTTP.", reason="version_not_spoken")
        return CallerError("The request line is not valid.", reason="malformed_http")
    wrong = next((at for at, line in enumerate(lines[1:], 1) if not _field_line(line)), 0)
    return CallerError(f"Header line {wrong} is not valid.", reason="malformed_http")


def _lines(block: bytes) -> list[bytes]:
    lines = block.splitlines()  # within the grammar every CR and LF is of a line end
    if len(lines) > HEADERS:
        raise CallerError(f"The head has more than {HEADERS} headers.", reason="head_too_large")
    return lines


def _check_lines(request_line: bytes, lines: list[bytes]) -> None:
    if len(request_line) > LINE_BYTES:
        raise CallerError(f"The request line has more than {LINE_BYTES} bytes.", reason="target_too_long")
    if len(lines) > HEADERS:
        raise CallerError(f"The head has more than {HEADERS} headers.", reason="head_too_large")
    if any(len(line) > LINE_BYTES for line in lines):
        raise CallerError(f"A header line has more than {LINE_BYTES} bytes.", reason="head_too_large")


def _read(method: bytes, target: bytes, minor: bytes, lines: list[bytes]) -> tuple[RequestHead, Manner]:
    fields, forward = _sort(lines)
    if b"host" not in fields or not _host(fields[b"host"]):
        raise CallerError("The head needs one valid Host header.", reason="malformed_http")
    if method in _UNSPOKEN:
        raise CallerError(f"The method {method.decode()} is not spoken here.", reason="method_not_spoken")
    length = _body_length(fields, minor)
    head = RequestHead(method.decode(), target, fields, forward, length)
    if minor == b"0" or b"expect" in fields or b"upgrade" in fields:
        return head, _manner(head, minor)
    if b"connection" in fields and fields[b"connection"] not in _KEEP_ALIVE:
        return head, _manner(head, minor)
    return head, _PLAIN


def _sort(lines: list[bytes]) -> tuple[dict[bytes, bytes], list[bytes]]:
    """The fields that are read, and the lines that may pass on."""
    fields: dict[bytes, bytes] = {}
    forward: list[bytes] = []
    for line in lines:
        spelled, _, value = line.partition(b":")
        kind = _spellings[spelled]
        if kind is None:
            forward.append(line)
            continue
        name, passes = kind
        if name in fields:
            passes = _join(fields, name, value.strip()) and passes
        elif name:
            fields[name] = value.strip()
        if passes:
            forward.append(line)
    return fields, forward


def _join(fields: dict[bytes, bytes], name: bytes, value: bytes) -> bool:
    """Add a further value of a field that has one. False if it says the same again, which then passes on once."""
    held = fields[name]
    if name in _ONCE:
        raise CallerError(f"The header {name.decode()} stands more than once.", reason="malformed_http")
    if held == value:
        return False
    if name in _SINGLE or name.startswith(_READ_PREFIX):
        raise CallerError(f"The header {name.decode()} stands twice with different values.", reason="malformed_http")
    fields[name] = held + (b"; " if name == b"cookie" else b", ") + value
    return True


def _body_length(fields: dict[bytes, bytes], minor: bytes) -> int | None:
    """How many bytes of body follow, None if they come chunked (RFC 9112 §6.3, and nothing of what it lets a server tolerate)."""
    size = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is None:
        if size is None:
            return 0
        # A sign, white space, a list or leading zeros are numbers to some readers and none, or others, to some.
        if not size.isdigit() or len(size) > 18 or (size[0] == 0x30 and size != b"0"):
            raise CallerError("The Content-Length is not a number as RFC 9110 §8.6 writes it.", reason="malformed_http")
        return int(size)
    if size is not None or minor == b"0":
        raise CallerError("Transfer-Encoding does not go with Content-Length or HTTP/1.0.", reason="malformed_http")
    if coding.lower() != b"chunked":
        raise CallerError("The only Transfer-Encoding that is read is `chunked`.", reason="malformed_http")
    return None


def _manner(head: RequestHead, minor: bytes) -> Manner:
    """What the head says of its connection; takes the lines that Connection nominates out of `forward`."""
    fields = head.fields
    if upgrade := fields.get(b"upgrade"):
        if head.length != 0:
            raise CallerError("A request that asks for an upgrade may have no body here.", reason="malformed_http")
        if b"websocket" in upgrade.lower():
            raise CallerError("The request asks for WebSocket.", reason="websocket")
    expect = fields.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise CallerError("The request has an expectation that is not met here.", reason="expectation_failed")
    options = {option.strip().lower() for option in fields.get(b"connection", b"").split(b",")}
    nominated = options - _OPTIONS
    for name in nominated:
        if (kind := _kind(name)) and kind[0]:
            raise CallerError(f"The header connection names {kind[0].decode()}.", reason="malformed_http")
    if nominated:
        head.forward = [line for line in head.forward if line.partition(b":")[0].lower() not in nominated]
    newest = minor == b"1"
    return Manner(newest and b"close" not in options, newest, newest and expect is not None and head.length != 0)


class Repeatable:
    """A head that a connection has had, ready for the next that differs from it in its length and its trace alone.

    Clients send the same head with every call, but for the length of its body, and where they trace, a new span; equal bytes need
    not be read twice.
    """

    __slots__ = ("_head", "_names", "_pieces", "_rest")

    def __init__(self, pieces: list[bytes], names: list[bytes], rest: bytes, head: RequestHead) -> None:
        """`pieces` are the bytes before each value that may differ, `names` the fields of these values, `rest` what follows."""
        self._pieces = pieces
        self._names = names
        self._rest = rest
        self._head = head

    def again(self, data: bytes) -> tuple[RequestHead, Manner, int] | None:
        """The head that `data` opens with, and where it ends, if it is this one with other values."""
        last = self._head
        fields = last.fields
        length = 0
        at = 0
        for place, piece in enumerate(self._pieces):
            start = at + len(piece)
            if data[at:start] != piece:
                return None
            at = data.find(b"\r", start, start + _VARYING_BYTES)
            if at < 0:
                return None
            value = data[start:at]
            if self._names[place] == b"content-length":
                if not value.isdigit() or value[0] == 0x30 or len(value) > 18:
                    return None
                length = int(value)
            elif value != fields[b"traceparent"]:
                if not is_trace(value):
                    return None
                fields = fields.copy()
                fields[b"traceparent"] = value
        end = at + len(self._rest)
        if data[at:end] != self._rest:
            return None
        self._head = head = RequestHead(last.method, last.target, fields, last.forward, length)
        head.memo = last.memo
        return head, _PLAIN, end


def repeatable(data: bytes, end: int, head: RequestHead, manner: Manner) -> Repeatable | None:
    """What the next head of the connection can be compared with; None where this one is large, has no length or is of a rare kind."""
    if manner is not _PLAIN or not head.length or end > REPEATED_BYTES:
        return None
    values = sorted(
        (match.start(2), match.end(2), match[1].lower())
        for match in _varying(data, 0, end)
        if match[1].lower() == b"content-length" or is_trace(match[2])
    )
    names = [name for _, _, name in values]
    if sorted(names) not in ([b"content-length"], [b"content-length", b"traceparent"]):
        return None
    if any(head.fields[name] != data[start:stop] for start, stop, name in values):
        return None  # said twice, once as no trace: the field is more than what stands here
    edges = [0, *[edge for start, stop, _ in values for edge in (start, stop)]]
    pieces = [data[edges[at] : edges[at + 1]] for at in range(0, len(edges) - 1, 2)]
    return Repeatable(pieces, names, data[edges[-1] : end], head)
