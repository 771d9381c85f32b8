"""What is wrong with a configuration, where, and what was probably meant; shown with the line and a caret, never with a secret."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from durward.config.masking import mask

SHOWN_COLUMNS = 110
LINE_LIMIT = 4_096
"""Characters; a longer line is not shown at all."""
WORD_LIMIT = 64
KNOWN_LIMIT = 200
CHOICES_LIMIT = 50
"""How many words a guess looks at, and how many a hint lists."""
LINE_ENDS = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line in YAML 1.1, which is how the parser counts."""


class Span(NamedTuple):
    """A place in the file: line and column from 0, `end` the column behind it, None where it goes on over the line's end."""

    line: int
    column: int
    end: int | None


class Mistake(NamedTuple):
    """One thing that is wrong (or, as a warning, doubtful). `span` None: it concerns the file as a whole."""

    span: Span | None
    message: str
    hint: str = ""


class Wrong(ValueError):
    """A value that its grammar refuses: what is wrong, what is allowed. The message never holds a value that may be secret."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Source:
    """A file as it is shown: its name, its lines, and the spans in it that hold secrets."""

    def __init__(self, name: str, text: str = "") -> None:
        self.name = name
        self._lines = LINE_ENDS.split(text)
        self._secrets: dict[int, list[Span]] = {}

    def hide(self, span: Span) -> None:
        """Never show what stands there."""
        self._secrets.setdefault(span.line, []).append(span)

    def line(self, number: int) -> str:
        """A line, secrets blotted out and control characters made visible, each by one character, so that columns stay."""
        raw = self._lines[number] if number < len(self._lines) else ""
        for span in self._secrets.get(number, ()):
            end = len(raw) if span.end is None else span.end
            raw = raw[: span.column] + "•" * len(raw[span.column : end]) + raw[end:]
        return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in mask(raw))

    def show(self, mistake: Mistake, kind: str = "") -> str:
        """A mistake as people read it: `file:line:col: what`, the line, a caret under the place, and what is allowed."""
        span = mistake.span
        said = f"{kind}{mistake.message}"
        hint = [f"{'':5} = {mistake.hint}"] if mistake.hint else []
        if span is None:
            return "\n".join([f"{self.name}: {said}", *hint])
        head = f"{self.name}:{span.line + 1}:{span.column + 1}: {said}"
        if span.line < len(self._lines) and len(self._lines[span.line]) > LINE_LIMIT:
            return "\n".join([head, *hint])
        gutter = f"{span.line + 1:5} | "
        line, caret = window(self.line(span.line), span)
        return "\n".join([head, f"{gutter}{line}".rstrip(), f"{'':5} | {caret}", *hint])


class Mistakes(Exception):
    """Every mistake of a file, in the order of their places. `str()` is the whole report."""

    def __init__(self, source: Source, mistakes: Iterable[Mistake]) -> None:
        self.source = source
        self.mistakes = ordered(mistakes)
        super().__init__(source.name)

    def __str__(self) -> str:
        return "\n\n".join(self.source.show(mistake) for mistake in self.mistakes)


def ordered(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """By place, each once: what an alias repeats is one mistake."""
    return sorted(set(mistakes), key=lambda mistake: (mistake.span or Span(-1, 0, None), mistake.message))


def window(line: str, span: Span) -> tuple[str, str]:
    """The part of a line around a span, and the caret line under it, as wide as a terminal shows them."""
    end = min(len(line.rstrip()) if span.end is None else span.end, len(line))
    first = max(0, min(span.column - SHOWN_COLUMNS // 3, len(line) - SHOWN_COLUMNS))
    last = min(len(line), first + SHOWN_COLUMNS)
    before = "…" if first else ""
    after = "…" if last < len(line) else ""
    pad = "".join("\t" if letter == "\t" else " " * columns(letter) for letter in before + line[first : span.column])
    width = sum(columns(letter) for letter in line[span.column : min(end, last)])
    return before + line[first:last] + after, pad + "^" * max(width, 1)


def columns(letter: str) -> int:
    """How many columns a terminal gives a character."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: the one with the fewest slips, if few enough for its length."""
    if not word or len(word) > WORD_LIMIT:
        return None
    slips, best = max(1, len(word) // 3) + 1, None
    for other in islice(known, KNOWN_LIMIT):
        if abs(len(other) - len(word)) < slips and len(other) > 1:
            found = distance(word.casefold(), other.casefold(), slips)
            if found < min(slips, len(other)):
                slips, best = found, other
    return best


def distance(one: str, other: str, bound: int = 1 << 30) -> int:
    """Slips between two words: a letter too many, too few, wrong, or two swapped (optimal string alignment).

    From `bound` on any number may come back that is not below it."""
    before: Sequence[int] = []
    row: Sequence[int] = range(len(other) + 1)
    for i, letter in enumerate(one):
        above, row = row, [i + 1]
        for j, wanted in enumerate(other):
            cost = min(above[j] + (letter != wanted), above[j + 1] + 1, row[j] + 1)
            if i and j and letter == other[j - 1] and one[i - 1] == wanted:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        before = above
        if min(row) >= bound and min(before) >= bound:
            return bound
    return row[-1]


def suggest(word: str, known: Iterable[str]) -> str:
    """`Did you mean …?` and what is allowed, as far as either can be said."""
    choices = list(known)
    meant = nearest(word, choices)
    parts = [f"Did you mean `{meant}`?"] if meant else []
    if choices:
        more = " …" if len(choices) > CHOICES_LIMIT else "."
        parts.append(f"Allowed: {', '.join(choices[:CHOICES_LIMIT])}{more}")
    return " ".join(parts)


def quoted(text: str) -> str:
    """A value as messages show it: short, on one line, and blotted out where it looks like a secret."""
    short = text if len(text) <= WORD_LIMIT else f"{text[:WORD_LIMIT]}…"
    return f"`{''.join(letter if letter.isprintable() else '�' for letter in mask(short))}`"


def unreadable(path: Path, message: str, hint: str = "") -> Mistakes:
    """The file could not even be read."""
    return Mistakes(Source(str(path)), [Mistake(None, message, hint)])
