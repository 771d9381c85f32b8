"""What one gate lets the others know of an upstream, so that each of them knows how it stands without having found out by itself.

Times travel as durations: each process has a clock of its own.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from durward.calls.ports import UpstreamKey

Stands = Literal["", "closed", "ejected", "probed"]


class Word(NamedTuple):
    """All that is new of one upstream since the last word of it. What is said of its standing is the present state, not the way there."""

    upstream: UpstreamKey
    answered: bool
    """An answer has ended the run of failures …"""
    failed: int
    """… and so many calls have failed since."""
    stands: Stands
    """"" where nothing is new of it."""
    seconds: float
    """For how long it is ejected, or its probe has time, from now on."""
    ejections: int
    """Which ejection this is; of two words the one of the later ejection holds."""
    waits: dict[str, float]
    """For how long each of these models is to wait from now on; 0 for one that need not any more."""


class Untold:
    """What has not been told yet of one upstream; `on_news` is called with each news."""

    __slots__ = ("answered", "failed", "key", "on_news", "stands", "waits")

    def __init__(self, key: UpstreamKey, on_news: Callable[[UpstreamKey], None]) -> None:
        self.key = key
        self.on_news = on_news
        self.clear()

    def clear(self) -> None:
        """All is told."""
        self.answered = self.stands = False
        self.failed = 0
        self.waits: set[str] = set()

    def an_answer(self) -> None:
        """The run of failures has ended."""
        self.answered, self.failed = True, 0
        self.on_news(self.key)

    def a_failure(self) -> None:
        """One more failure running."""
        self.failed += 1
        self.on_news(self.key)

    def a_standing(self) -> None:
        """It was ejected, is probed, or is back."""
        self.stands = True
        self.on_news(self.key)

    def a_wait(self, model: str) -> None:
        """For this model it is to be left alone, or need not be any more."""
        self.waits.add(model)
        self.on_news(self.key)
