"""Content blocks of the Anthropic wire."""

import msgspec
import pytest

from durward.calls.errors import CallerError
from durward.protocols.anthropic_blocks import Block, Content, blocks_of, files_of

read = msgspec.json.Decoder(list[Block]).decode


def test_blocks_stand_in_results_in_sources_and_in_single_results() -> None:
    blocks = read(
        b"""[
            {"type": "text", "text": "a file_id in the text is none"},
            {"type": "tool_use", "id": "t", "name": "n", "input": {"file_id": "file_of_the_caller"}},
            {"type": "tool_result", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
            {"type": "code_execution_tool_result",
             "content": {"type": "result", "content": [{"type": "output", "file_id": "file_2"}]}}
        ]"""
    )
    kinds = [block.type for block in blocks_of(blocks)]
    assert kinds == [
        *("text", "tool_use", "tool_result", "image", "file", "document", "content", "text"),
        *("code_execution_tool_result", "result", "output"),
    ]
    assert files_of(blocks) == [("file", "file_1"), ("file", "file_2")]


@pytest.mark.parametrize("content", [None, "text", []])
def test_text_has_no_blocks(content: Content) -> None:
    assert blocks_of(content) == []


def test_depth_is_bounded() -> None:
    nested = Block(content="x")
    for _ in range(60):
        nested = Block(content=[nested])
    assert len(blocks_of([nested])) == 61
    for _ in range(10):
        nested = Block(content=[nested])
    with pytest.raises(CallerError) as caught:
        blocks_of([nested])
    assert caught.value.reason == "malformed_json"
    assert files_of([nested]) == []
