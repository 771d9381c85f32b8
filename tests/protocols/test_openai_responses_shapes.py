"""What is decoded of a response object."""

import msgspec
import pytest

from durward.protocols.openai_responses_shapes import Told


@pytest.mark.parametrize(
    "status,settled",
    [("queued", False), ("in_progress", False), ("completed", True), ("failed", True), ("incomplete", True)],
)
def test_a_response_in_the_background_is_not_settled(status: str, settled: bool) -> None:
    told = msgspec.json.decode(msgspec.json.encode({"id": "resp_1", "status": status}), type=Told)
    assert told.settled is settled
