"""How errors inside streams are named."""

import pytest

from durward.protocols.openai_stream import error_name


@pytest.mark.parametrize(
    "error,name",
    [
        ({"type": "overloaded", "code": "x"}, "overloaded"),
        ({"type": None, "code": 502}, "502"),
        ({"type": "", "code": ""}, "error"),
        ({"message": "secret"}, "error"),
        ("secret", "error"),
        (None, "error"),
        ({"type": "t" * 90}, "t" * 64),
    ],
)
def test_errors_are_named_without_their_message(error: object, name: str) -> None:
    assert error_name(error) == name
