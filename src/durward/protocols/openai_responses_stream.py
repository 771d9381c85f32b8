"""A response as its answer tells it, whole or event by event: usage, fees, and the objects it brings to light."""

from collections.abc import Iterator
from typing import Final

import msgspec

from durward.calls.tokens import Tokens
from durward.calls.usage import Usage
from durward.protocols.event_reader import EventReader
from durward.protocols.likeness import length_of
from durward.protocols.members import UNREADABLE
from durward.protocols.openai_responses_shapes import Action, Event, Item, Told
from durward.protocols.openai_stream import error_name
from durward.protocols.openai_usage import SEARCH_FEE, loosely, read_usage, usage_of
from durward.protocols.openai_usage_shapes import NOTHING
from durward.protocols.sse import data_of, name_of
from durward.protocols.wire import ObjectId

__all__ = [
    "COMPLETE",
    "FEES",
    "LATER_FEE",
    "TERMINAL",
    "ResponseReader",
    "Told",
    "made_by",
    "made_with",
    "used_by",
    "used_later",
]

FEES = {"file_search_call": "file_search", "image_generation_call": "image_generation"}
"""Output items that are paid for each."""
LATER_FEE = "background_response"
"""What goes on after the answer will be paid for, and nobody tells how much: a fee without a price, so that no cost is guessed."""
TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled", "error"})
COMPLETE = ("response.completed", "response.incomplete")
_COMPLETE_NAMES: Final = tuple(f"event: {name}".encode() for name in COMPLETE)
_SOUND: Final = frozenset({"response.audio.delta", "response.output_audio.delta"})
_EVENT: Final = msgspec.json.Decoder(Event)
_ACTION: Final = msgspec.json.Decoder(Action)


def used_by(told: Told) -> Usage | None:
    """What a response used, the uses of the provider's own tools among it."""
    usage = read_usage(told.usage, told.service_tier) if told.usage is not NOTHING else None
    if usage is None:
        return None
    searches = told.tool_usage.web_search.num_requests if told.tool_usage and told.tool_usage.web_search else None
    if told.output or searches:
        _add_fees(usage.fees, told.output or [], searches)
    return usage


def used_later() -> Usage:
    """The usage of a response that goes on after its answer."""
    return Usage(Tokens(), fees={LATER_FEE: 1})


def _add_fees(fees: dict[str, int], items: list[Item], searches: int | None) -> None:
    for item in items:
        if fee := FEES.get(item.type):
            fees[fee] = fees.get(fee, 0) + 1
    if containers := {item.container_id for item in items if item.type == "code_interpreter_call"}:
        fees["code_execution"] = len(containers)
    if searches := searches or sum(map(_is_search, items)):
        fees[SEARCH_FEE] = searches


def _is_search(item: Item) -> bool:
    """Opening a page that was found is no further search."""
    if item.type != "web_search_call":
        return False
    try:
        kind = _ACTION.decode(item.action).type if item.action is not NOTHING else None
    except UNREADABLE:
        kind = None
    return kind is None or kind == "search"


def made_by(told: Told) -> Iterator[ObjectId]:
    """The objects that a response brings to light: itself, its items, the containers its code ran in."""
    stored = told.store is not False
    if stored and told.id:
        yield "response", told.id
    for item in told.output or ():
        yield from made_with(item, stored)


def made_with(item: Item, stored: bool) -> Iterator[ObjectId]:
    """The objects that one item brings to light."""
    if stored and item.id:
        yield "item", item.id
    if item.container_id:
        yield "container", item.container_id


class ResponseReader(EventReader):
    """Reads a Responses stream; `stored` False where the caller asked that nothing be kept.

    `background`: the response goes on without the caller, so that what was seen of a stream that is cut is not all.
    """

    __slots__ = ("_known", "_stored")

    def __init__(self, stored: bool, background: bool) -> None:
        super().__init__()
        if background:
            self._usage = used_later()
        self._stored = stored
        self._known: set[ObjectId] = set()

    def see(self, event: bytes) -> bool:
        """Read one event. The ends of a response and errors are terminal."""
        text = data_of(event)
        if not text:
            return True
        try:
            told = _EVENT.decode(text)
        except UNREADABLE:
            return self._see_loosely(event, text)
        if told.delta is not None:
            if told.type not in _SOUND:
                self.text_bytes += length_of(told.delta)
            return True
        if told.item is not None:
            self._note(made_with(told.item, self._stored))
            if told.type == "response.output_item.added":
                self.text_bytes += length_of(told.item.name)
        if told.response is not None:
            self._take(told.response)
        return not self._ends(told.type or name_of(event).decode("latin-1"), text)

    def weigh(self, event: bytes) -> int:
        """See `EventReader`."""
        try:
            told = _EVENT.decode(data_of(event))
        except UNREADABLE:
            return -1
        if told.delta is None:
            return -1
        return 0 if told.type in _SOUND else length_of(told.delta)

    def skim(self, piece: bytes) -> None:
        """A last event that echoes too much to be read still tells that the answer is complete."""
        if piece.startswith(_COMPLETE_NAMES):
            self.finished = True

    def _note(self, objects: Iterator[ObjectId]) -> None:
        for named in objects:
            if named not in self._known:
                self._known.add(named)
                self.objects.append(named)

    def _take(self, told: Told) -> None:
        if told.store is None:
            told.store = self._stored
        self._note(made_by(told))
        if told.model:
            self.model = told.model
        if told.usage is not NOTHING:
            self._usage = used_by(told) or self._usage

    def _ends(self, name: str, text: bytes) -> bool:
        if name not in TERMINAL and (name or not loosely(text).get("error")):
            return False
        self.ended = True
        self.finished = name in COMPLETE
        if not self.finished:
            self.error = _error_of(text)
        return True

    def _see_loosely(self, event: bytes, text: bytes) -> bool:
        """An event that is not as documented; `[DONE]`, with which some hosts end, is none."""
        if text.startswith(b"[DONE]"):
            self.ended = True
            return False
        told = loosely(text)
        response = told.get("response")
        if isinstance(response, dict):
            self._usage = usage_of(response) or self._usage
        elif isinstance(told.get("delta"), str):
            self.text_bytes += len(text)
        name = told.get("type")
        return not self._ends(name if isinstance(name, str) else name_of(event).decode("latin-1"), text)


def _error_of(text: bytes) -> str:
    """The code of an error event, of the error inside it, or of a failed response."""
    told = loosely(text)
    response = told.get("response")
    error = told.get("error") or (response.get("error") if isinstance(response, dict) else None)
    return error_name(error if error is not None else {"code": told.get("code")})
