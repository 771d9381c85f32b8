"""References are resolved from environment and files; what fails names the reference, never a value."""

from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.credentials.references import resolve


def test_text_around_a_reference_stays() -> None:
    assert resolve("Bearer ${env:TOKEN}!", {"TOKEN": "abc"}) == "Bearer abc!"


def test_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    assert resolve(f"${{file:{tmp_path}/token}}", {}) == "abc"


def test_a_value_is_not_expanded_again() -> None:
    assert resolve("${env:ONE}", {"ONE": "${env:TWO}", "TWO": "secret"}) == "${env:TWO}"


@pytest.mark.parametrize("value", ["", "two\r\nlines: x", "naïve", "a\x00b"])
def test_what_cannot_stand_in_a_header_is_missing(value: str) -> None:
    with pytest.raises(GateError) as caught:
        resolve("Bearer ${env:TOKEN}", {"TOKEN": value})
    assert caught.value.reason == "credential_missing"
    assert "env:TOKEN" in caught.value.message
    assert not value or value not in caught.value.message


def test_a_missing_file_is_missing_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(GateError) as caught:
        resolve(f"${{file:{tmp_path}/none}}", {})
    assert caught.value.reason == "credential_missing"
