"""What the gates of one Durward tell each other of their upstreams, by way of the supervisor, which does not understand it."""

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from durward.routing.health import Breakers
from durward.routing.word import Word

log = logging.getLogger("gate")

PERIOD_SECONDS: Final = 0.25
WORDS: Final = 100
"""So many words are told in one period. Further news wait for the next, and those of one upstream become one word."""

Later = Callable[[float, Callable[[], None]], Any]


class Heard(msgspec.Struct, omit_defaults=True):
    """What travels."""

    words: list[Word] = []
    asks: bool = False
    """Whether who tells has just begun, and wants to hear what it would know by now."""


class Telling:
    """Of one gate."""

    def __init__(self, health: Breakers, monotonic: Callable[[], float], tell: Callable[[Any], None]) -> None:
        self._health = health
        self._monotonic = monotonic
        self._tell = tell
        self._later: Later | None = None
        self._scheduled = False
        self._began = 0.0
        self._left = WORDS

    def begin(self, later: Later) -> None:
        """Tell from now on; `later` runs something after so many seconds. First ask the others."""
        self._later = later
        self._health.tell(self._schedule)
        self._tell(msgspec.to_builtins(Heard(asks=True)))

    def hear(self, what: Any) -> None:
        """What another gate tells. What cannot be understood comes of another release, and is passed over."""
        try:
            heard = msgspec.convert(what, Heard)
        except msgspec.ValidationError as error:
            log.warning("what another gate tells of its upstreams is not understood: %s", error)
            return
        now = self._monotonic()
        self._health.hear(heard.words, now)
        if heard.asks:
            self._health.retell(now)

    def _schedule(self, seconds: float = 0.0) -> None:
        if self._later is not None and not self._scheduled:
            self._scheduled = True
            self._later(seconds, self._send)

    def _send(self) -> None:
        self._scheduled = False
        now = self._monotonic()
        if now - self._began >= PERIOD_SECONDS:
            self._began, self._left = now, WORDS
        words = self._health.words(now, self._left)
        self._left -= len(words)
        if words:
            self._tell(msgspec.to_builtins(Heard(words)))
        if self._health.untold:
            self._schedule(max(0.001, self._began + PERIOD_SECONDS - now))
