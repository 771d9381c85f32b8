"""The top level of a JSON body: read once into its members, duplicates gone, and joined again (RFC 8259).

Values keep their bytes; only what the gate governs is decoded. What is sent upstream is either the body as it came, where its
top-level names are plain and there once each, or the joined form, so that both sides read the same members: of a repeated one the last,
under the name that its escapes spell.
"""

import re
from collections.abc import Collection, Iterable
from typing import TypeVar

import msgspec

from durward.calls.errors import CallerError
from durward.protocols.scanning import Scanned, Shape, scan

T = TypeVar("T")
Members = dict[str, msgspec.Raw]

SMALL = 4096
"""Up to so many bytes are copied faster than viewed."""
DEPTH = 64
"""How deep a value may be nested that is decoded as a whole."""
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What a decoder raises for bytes that somebody else wrote."""

_TOP = msgspec.json.Decoder(Members)
_ANY = msgspec.json.Decoder()
_PLACE = re.compile(r" \(byte (\d+)\)")
_PATH = re.compile(r"^(.*?)(?: - at `\$\.?([^.\[`]*).*`)?$", re.DOTALL)

join = msgspec.json.Encoder().encode
"""`join(members) -> bytes`: the object again, members in order, values byte for byte."""


class Governed:
    """The top-level members that a wire's module reads.

    A name that differs from one of them only by case is refused: there are servers that would take it for the member itself.
    `known` are further documented names, given only so that the ordinary body is checked by one set operation.
    """

    __slots__ = ("_folded", "_known")

    def __init__(self, names: Iterable[str], known: Iterable[str] = ()) -> None:
        self._folded = {name.casefold(): name for name in names}
        self._known = frozenset(self._folded.values()).union(known)
        assert all(self._folded.get(name.casefold(), name) == name for name in known), "known names are unambiguous"

    def check(self, names: Iterable[str]) -> None:
        """Raises CallerError `ambiguous_member`, `param` being the member as the caller spelled it."""
        if self._known.issuperset(names):
            return
        for name in names:
            meant = self._folded.get(name.casefold(), name)
            if meant != name and name not in self._known:
                raise CallerError(
                    f"The body's member `{name}` differs from `{meant}` only by case.",
                    reason="ambiguous_member",
                    param=name,
                )


class Body:
    """A request body that holds one JSON object, its values unread.

    `outline` is the body with null for the members of its shape, where all of them are as the shape describes: it can be decoded in
    place of the body. It is None where they are not, and where nobody has looked.
    """

    __slots__ = ("_members", "_places", "_text", "names", "outline")

    def __init__(self, members: Members, text: bytes | None = None, scanned: Scanned | None = None) -> None:
        """`text`: the body as it came, and what the scan told of it; the members are made of these when they are asked for."""
        self._members: Members | None = members
        self._text = text
        self._places: tuple[int, ...] = ()
        self.names: Collection[str] = members
        self.outline: bytes | None = None
        if scanned is not None:
            self._members = None
            self.names, self._places, self.outline = scanned

    @property
    def members(self) -> Members:
        """The top-level members in order, duplicates gone, values byte for byte. Not to be changed."""
        members = self._members
        if members is None:
            view = memoryview(self._text or b"")
            values = zip(self._places[::2], self._places[1::2], strict=True)
            members = {
                name: msgspec.Raw(view[start:stop]) for name, (start, stop) in zip(self.names, values, strict=True)
            }
            self._members = members
        return members

    def replace(self, name: str, value: msgspec.Raw) -> None:
        """Write a member anew."""
        self._members = {**self.members, name: value}
        self._text = None

    def get(self, name: str) -> msgspec.Raw | None:
        """One member, without a look at the others."""
        if self._members is not None:
            return self._members.get(name)
        return self.members[name] if name in self.names else None

    def says(self, text: bytes) -> bool:
        """Whether these bytes stand anywhere in it."""
        if self._text is not None:
            return self._text.find(text) >= 0
        return any(bytes(raw).find(text) >= 0 for raw in self.members.values())

    def written(self, changes: dict[str, bytes] | None = None) -> bytes:
        """The body for the upstream, the values of some members changed or added at the end."""
        text = self._text
        if text is not None and self.names:
            return self._spliced(text, changes) if changes else text
        return join({**self.members, **{name: msgspec.Raw(value) for name, value in (changes or {}).items()}})

    def _spliced(self, text: bytes, changes: dict[str, bytes]) -> bytes:
        names = tuple(self.names)
        cuts: list[tuple[int, int, bytes]] = []
        for name, value in changes.items():
            if name in names:
                place = 2 * names.index(name)
                cuts.append((self._places[place], self._places[place + 1], value))
            else:
                end = text.rindex(b"}")
                cuts.append((end, end, b',"%b":%b' % (name.encode(), value)))
        cuts.sort()
        pieces: list[bytes | memoryview] = []
        copied = 0
        for start, stop, value in cuts:
            pieces += (memoryview(text)[copied:start] if start - copied > SMALL else text[copied:start], value)
            copied = stop
        pieces.append(memoryview(text)[copied:] if len(text) - copied > SMALL else text[copied:])
        return b"".join(pieces)


def read_body(text: bytes, governed: Governed, shape: Shape) -> Body:
    """A body that holds one JSON object in UTF-8.

    Raises CallerError `malformed_json`, with the byte's position where it is known, and `ambiguous_member`.
    """
    scanned = None if scan is None else scan(text, shape.nodes, shape.words)
    if scanned is None:
        return Body(read_members(text, governed))
    body = Body({}, text, scanned)
    governed.check(body.names)
    return body


def read_members(body: bytes, governed: Governed) -> Members:
    """The members of a body that holds one JSON object in UTF-8, values unread.

    Raises CallerError `malformed_json`, with the byte's position where it is known, and `ambiguous_member`.
    """
    try:
        if not body.isascii():
            # Strings are skipped unread, and a server that decodes broken UTF-8 its own way could see them end elsewhere.
            body.decode()
        members = _TOP.decode(body)
    except UNREADABLE as error:
        raise malformed(error) from None
    governed.check(members)
    return members


def governed_members(text: bytes, body: Body, decoder: msgspec.json.Decoder[T]) -> T:
    """The governed members of a body, typed; those of its shape are absent where its outline tells all there is to know of them.

    Raises CallerError `bad_request`, naming the member, and `malformed_json`.
    """
    if body.outline is not None:
        try:
            return decoder.decode(body.outline)
        except UNREADABLE:
            pass  # What is wrong is told of the body, where the caller can find it.
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise wrong_type(error) from None
    except UNREADABLE as error:
        raise malformed(error) from None


def malformed(error: Exception, what: str = "The body") -> CallerError:
    """What a decoder's error tells the caller: what is wrong, and at which byte; nothing of the text itself."""
    if isinstance(error, RecursionError):
        said = "is nested too deeply"
    elif isinstance(error, UnicodeDecodeError):
        said = f"is not valid UTF-8: {error.reason} at byte {error.start}"
    elif isinstance(error, msgspec.ValidationError):
        said = "is not a JSON object"
    else:
        place = _PLACE.search(str(error))
        wrong = str(error).removeprefix("JSON is malformed: ").partition(" (byte")[0]
        said = f"is not valid JSON: {wrong} at byte {place[1]}" if place else "is not valid JSON: it ends too early"
    return CallerError(f"{what} {said}.", reason="malformed_json")


def wrong_type(error: msgspec.ValidationError, param: str = "") -> CallerError:
    """What a typed decoder's error tells the caller: the member and the type it must have; nothing of its value."""
    match = _PATH.match(str(error))
    said, name = (match[1], param or match[2]) if match else ("", param)
    said = said[:1].lower() + said[1:] if said.startswith("Expected") else "it has a wrong value"
    return CallerError(f"The body's member `{name}` is not usable: {said}.", reason="bad_request", param=name or None)


def typed(members: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """A member read by its decoder, None where it is absent. Raises CallerError `bad_request` or `malformed_json` with `param`."""
    raw = members.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    except UNREADABLE as error:
        # Positions inside a member would mislead: the caller counts from the start of the body.
        refusal = malformed(error, f"The body's member `{name}`")
        refusal.param = name
        raise refusal from None


def whole(members: Members, name: str) -> object:
    """A member decoded as a whole, whatever it is; at most `DEPTH` deep. Raises as `typed` does."""
    value = typed(members, name, _ANY)
    if not within_depth(value):
        text = f"The body's member `{name}` is nested more than {DEPTH} deep."
        raise CallerError(text, reason="malformed_json", param=name)
    return value


def within_depth(value: object, depth: int = DEPTH) -> bool:
    """Whether a decoded value has at most so many arrays and objects inside each other."""
    level = [value]
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return True
    return False


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def size(raw: msgspec.Raw) -> int:
    """The length of an unread value in bytes."""
    return memoryview(raw).nbytes
