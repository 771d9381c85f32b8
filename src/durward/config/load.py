"""Reads the file: bytes to nodes that know their place. No tags, nothing said twice, everything bounded.

The parser is libyaml's; the tree is built here from its events, so that depth, size and aliases are bounded while it grows. A file
that is no YAML, or says a key twice, is one mistake that stands alone: nothing behind it can be trusted.
"""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, NoReturn

import yaml

from durward.config.mistakes import LINE_ENDS, Mistake, Mistakes, Source, Span, quoted, unreadable
from durward.config.nodes import Node

DEFAULT_FILE = Path("durward.yaml")
FILE_LIMIT = 8 * 2**20
NODE_LIMIT = 100_000
DEPTH_LIMIT = 64

TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
STRING_TAG = "tag:yaml.org,2002:str"
MERGE = "<<"


class Document(NamedTuple):
    """A file that could be read. `root` None: there is nothing in it."""

    source: Source
    root: Node | None
    digest: str


def read_document(path: Path) -> Document:
    """Read the file. Raises Mistakes: missing, unreadable, too large, no UTF-8, no YAML, a key said twice."""
    content = read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(path, f"line {line} is not valid UTF-8", "Save the file as UTF-8.") from None
    source = Source(str(path), text)
    return Document(source, compose(source, text), sha256(content).hexdigest())


def read_bytes(path: Path) -> bytes:
    """The file's bytes, at most FILE_LIMIT. Raises Mistakes."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        raise unreadable(path, "there is no such file", "Name another one with `-c FILE`.") from None
    except IsADirectoryError:
        raise unreadable(path, "this is a folder, not a file", f"Name a file in it with `-c {path}/…`.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise unreadable(path, f"the file cannot be read: {why}") from None
    if len(content) > FILE_LIMIT:
        raise unreadable(path, f"the file is larger than {FILE_LIMIT // 2**20} MiB")
    return content


def compose(source: Source, text: str) -> Node | None:
    """The tree of the one document in `text`. Raises Mistakes with a single mistake."""
    composer = _Composer(source)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            composer.take(event)
    except yaml.reader.ReaderError as error:
        span = _position(text.encode()[: error.position].decode("utf-8", "replace"))
        stop(
            source,
            span,
            "a control character may not stand in YAML",
            "Remove it, or write it as an escape in double quotes.",
        )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        begun = f", {error.context} that began on line {error.context_mark.line + 1}" if error.context_mark else ""
        span = Span(mark.line, mark.column, mark.column + 1) if mark else Span(0, 0, 1)
        stop(
            source,
            span,
            f"this is not YAML: {error.problem}{begun}",
            _hint(error.problem or "", source.line(span.line)),
        )
    return composer.root


def stop(source: Source, span: Span, message: str, hint: str = "") -> NoReturn:
    """Give up with one mistake."""
    raise Mistakes(source, [Mistake(span, message, hint)])


def _position(before: str) -> Span:
    lines = LINE_ENDS.split(before)
    return Span(len(lines) - 1, len(lines[-1]), len(lines[-1]) + 1)


def _hint(problem: str, line: str) -> str:
    if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in problem:
        return "Indent with spaces: YAML takes no tabs there."
    if "mapping values are not allowed" in problem:
        return "A value that holds `: ` needs quotes; a key stands one level deeper than what it belongs to."
    if "expected ',' or" in problem:
        return "Inside {…} and […] a value with braces, brackets or commas needs quotes; a secret is env:NAME, without `$`."
    if "cannot start any token" in problem:
        return "A value that begins with @, ` or % needs quotes."
    return ""


class _Open(NamedTuple):
    """A list or mapping that is being read."""

    node: Node
    anchor: str | None
    key: list[Node]
    """The key whose value comes next, if one was read."""
    merged: list[Node]


class _Composer:
    """Builds the tree from events. An anchor counts from the end of its value on, so that no value can hold itself."""

    def __init__(self, source: Source) -> None:
        self.root: Node | None = None
        self._source = source
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """The next event. Raises Mistakes."""
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event)
            self._place(_scalar(event), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_tag(event)
            self._begin(
                Node("list" if isinstance(event, yaml.SequenceStartEvent) else "mapping", _span(event)), event.anchor
            )
        elif isinstance(event, yaml.CollectionEndEvent):
            self._finish(event)
        elif isinstance(event, yaml.AliasEvent):
            self._repeat(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                stop(
                    self._source,
                    _span(event),
                    "the file holds more than one document",
                    "Keep what stands before `---`.",
                )

    def _begin(self, node: Node, anchor: str | None) -> None:
        if len(self._open) == DEPTH_LIMIT:
            stop(self._source, node.span, f"this is nested deeper than {DEPTH_LIMIT} levels")
        self._open.append(_Open(node, anchor, [], []))

    def _finish(self, event: yaml.Event) -> None:
        node, anchor, _, merged = self._open.pop()
        end = event.end_mark
        if end is not None and end.line == node.span.line:
            node.span = node.span._replace(end=end.column)
        for other in merged:
            for key, pair in other.entries.items():
                node.entries.setdefault(key, pair)
        self._place(node, anchor)

    def _repeat(self, event: yaml.AliasEvent) -> None:
        node = self._anchors.get(event.anchor or "")
        if node is None:
            stop(self._source, _span(event), f"no anchor {quoted(f'&{event.anchor}')} stands before this place")
        self._place(node, None)

    def _place(self, node: Node, anchor: str | None) -> None:
        """Put a complete value where it belongs."""
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent, _, key, merged = self._open[-1]
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if parent.size > NODE_LIMIT:
            stop(self._source, parent.span, f"this stands for more than {NODE_LIMIT:,} values, aliases counted in full")
        if parent.depth > DEPTH_LIMIT:
            stop(self._source, node.span, f"this is nested deeper than {DEPTH_LIMIT} levels")
        if parent.kind == "list":
            parent.items.append(node)
        elif not key:
            key.append(self._key(parent, node))
        elif key[0].plain and key[0].text == MERGE:
            merged.extend(self._mergeable(node))
            key.clear()
        else:
            written = key.pop()
            parent.entries[written.text] = (written, node)

    def _key(self, parent: Node, node: Node) -> Node:
        if node.kind != "scalar":
            stop(self._source, node.span, "a key is text, not a list or a mapping")
        if node.text in parent.entries:
            first = parent.entries[node.text][0].span.line + 1
            stop(
                self._source,
                node.span,
                f"the key {quoted(node.text)} is written twice",
                f"It stands on line {first} already.",
            )
        return node

    def _mergeable(self, node: Node) -> list[Node]:
        merged = node.items if node.kind == "list" else [node]
        if any(each.kind != "mapping" for each in merged):
            stop(self._source, node.span, "`<<` takes a mapping, or a list of them")
        return merged

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None and event.tag not in TAGS and event.tag != "!":
            stop(self._source, _span(event), f"the tag {quoted(event.tag)} means nothing here", "Leave tags out.")


def _scalar(event: yaml.ScalarEvent) -> Node:
    # `!!str` and `!` make text of what looks like something else; the other tags only say what the looks say.
    plain = event.tag not in (STRING_TAG, "!") and (event.tag is not None or bool(event.implicit[0]))
    node = Node("scalar", _span(event), event.value, plain)
    if event.end_mark is not None:
        node.last_line = event.end_mark.line
    return node


def _span(event: yaml.Event) -> Span:
    start, end = event.start_mark, event.end_mark
    assert start is not None
    assert end is not None
    whole = end.line == start.line and isinstance(event, yaml.ScalarEvent | yaml.AliasEvent)
    return Span(start.line, start.column, max(end.column, start.column + 1) if whole else None)
