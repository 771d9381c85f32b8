"""What responses are made of."""

import pytest

from durward.protocols.openai_responses_shapes import Told


@pytest.mark.parametrize(
    "status,settled",
    [("queued", False), ("in_progress", False), ("completed", True), ("failed", True), ("new", True), (None, True)],
)
def test_a_response_is_settled_unless_it_goes_on_in_the_background(status: str | None, settled: bool) -> None:
    assert Told(status=status).settled is settled
