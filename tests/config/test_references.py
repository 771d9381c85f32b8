"""References are kept, secrets are refused and never repeated."""

from pathlib import Path

import pytest

from durward.config.mistakes import Wrong
from durward.config.references import anchored, bare, header, references, template


@pytest.mark.parametrize(
    "value,read",
    [
        ("env:OPENAI_API_KEY", "${env:OPENAI_API_KEY}"),
        ("${env:X}", "${env:X}"),
        ("file:/run/secrets/x", "${file:/run/secrets/x}"),
        ("file:keys/x y", "${file:keys/x y}"),
        ("caller", "caller"),
    ],
)
def test_bare_references(value: str, read: str) -> None:
    assert bare(value) == read


@pytest.mark.parametrize("value", ["Bearer ${env:X}", "${env:A}${file:b}", "a: ${file:/x y}", "${env:_}"])
def test_templates(value: str) -> None:
    assert template(value) == value


SECRETS = [
    "hunter2-hunter2",
    "Bearer hunter2-hunter2",
    "sk-hunter2-hunter2",
    "env:hunter2-hunter2",
    "file:",
    "env:",
    "",
    "vault:hunter2-hunter2",
]
BROKEN = [
    "${env:X",
    "a ${env:X} ${",
    "${ENV:X}",
    "${env:}",
    "${env:1x}",
    "${file:~/x}",
    "${file: x}",
    "${}",
    "${hunter2-hunter2}",
    "é ${env:X}",
]
TOO_MUCH = ["hunter2-hunter2-hunter2-hunter2-hunter2 ${env:X}"]


@pytest.mark.parametrize("value", [*SECRETS, *BROKEN, *TOO_MUCH, "env:${env:X}", "Bearer ${env:X}", "${file:a}b}"])
def test_what_is_no_bare_reference(value: str) -> None:
    with pytest.raises(Wrong) as caught:
        bare(value)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("value,told", [("$OPENAI_API_KEY", True), ("${OPENAI_API_KEY}", True), ("sk-hunter2", False)])
def test_a_variable_as_a_shell_writes_it_is_told_how_it_is_written_here(value: str, told: bool) -> None:
    with pytest.raises(Wrong) as caught:
        bare(value)
    assert ("without `$`" in caught.value.hint) is told
    assert value not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("value", [*SECRETS, *BROKEN, *TOO_MUCH, 5, None, [], {"env": "X"}])
def test_what_is_no_template(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        template(value)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("value", ["Authorization", "x-api-key", "X_Y"])
def test_headers(value: str) -> None:
    assert header(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        "a:",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Durward-Key",
        "X-Forwarded-For",
        "x" * 65,
        5,
        None,
    ],
)
def test_headers_that_carry_no_credential(value: object) -> None:
    with pytest.raises(Wrong):
        header(value)


def test_references_of_a_template() -> None:
    assert list(references("Bearer ${env:A}${file:/b:c}")) == [("env", "A"), ("file", "/b:c")]
    assert list(references("")) == []


def test_paths_are_anchored_at_the_files_folder() -> None:
    assert (
        anchored("k ${file:a/b} ${env:X} ${file:/c}", Path("/etc/durward"))
        == "k ${file:/etc/durward/a/b} ${env:X} ${file:/c}"
    )
