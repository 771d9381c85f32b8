"""The top level of a JSON body: read once into its members, duplicates gone, and joined again (RFC 8259).

Values keep their bytes; only what the gate governs is decoded. What is sent upstream is always the joined form, so that both
sides read the same members: of a repeated one the last, under the name that its escapes spell.
"""

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from durward.calls.errors import CallerError

T = TypeVar("T")
Members = dict[str, msgspec.Raw]

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

    def check(self, members: Members) -> None:
        """Raises CallerError `ambiguous_member`, `param` being the member as the caller spelled it."""
        if self._known.issuperset(members):
            return
        for name in members:
            meant = self._folded.get(name.casefold(), name)
            if meant != name and name not in self._known:
                raise CallerError(
                    f"The body's member `{name}` differs from `{meant}` only by case.",
                    reason="ambiguous_member",
                    param=name,
                )


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
