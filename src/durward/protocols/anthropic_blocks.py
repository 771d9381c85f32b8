"""Content blocks of the Anthropic wire: just the members that say whether a block is more than text, and which objects it names."""

import msgspec

from durward.calls.errors import CallerError
from durward.protocols.members import DEPTH
from durward.protocols.wire import ObjectId

NOTHING = msgspec.Raw()


class Block(msgspec.Struct, gc=False):
    """A content block, a block's source, or a result inside one."""

    type: str | None = None
    source: "Block | str | None" = None
    content: "str | list[Block] | Block | None" = None
    file_id: str | None = None
    data: msgspec.Raw = NOTHING


Content = str | list[Block] | Block | None


def blocks_of(content: Content, depth: int = 0) -> list[Block]:
    """Every block of a content, with those inside. Raises CallerError `malformed_json` beyond the bound on depth."""
    if content is None or isinstance(content, str):
        return []
    if depth > DEPTH:
        raise CallerError(f"Content blocks stand more than {DEPTH} deep in each other.", reason="malformed_json")
    found: list[Block] = []
    for block in content if isinstance(content, list) else (content,):
        found.append(block)
        if block.source is not None:
            found += blocks_of(block.source, depth + 1)
        if block.content is not None:
            found += blocks_of(block.content, depth + 1)
    return found


def files_of(content: Content) -> list[ObjectId]:
    """The files that a content names: those that code execution has made stand in its results."""
    try:
        return [("file", block.file_id) for block in blocks_of(content) if block.file_id is not None]
    except CallerError:
        return []
