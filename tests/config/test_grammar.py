from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.config import grammar
from durward.config.mistakes import Wrong


@pytest.mark.parametrize("text", ["a", "support", "A.b_c-9", "0", "x" * 64])
def test_names(text: str) -> None:
    assert grammar.name(text) == text


@pytest.mark.parametrize(
    "value", ["", " a", "a b", "-a", ".a", "a/b", "a*", "é", "x" * 65, "a\n", 5, True, None, ["a"]]
)
def test_what_is_no_name(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.name(value)


@pytest.mark.parametrize(
    "text,seconds",
    [("1ms", 0.001), ("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("5m", 300), ("2 h", 7200), ("24h", 86400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert grammar.duration(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", 5, Decimal("0.5"), "0s", "-1s", "0.5ms", "25h", "1d", "1S", "s", "1e3s", "9" * 99 + "s", None]
)
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.duration(value)


@pytest.mark.parametrize("text,seconds", [("0s", 0.0), ("0ms", 0.0), ("5s", 5.0)])
def test_a_pause_may_be_none(text: str, seconds: float) -> None:
    assert grammar.pause(text) == seconds
    assert grammar.pause(grammar.spell_duration(seconds)) == seconds


@pytest.mark.parametrize("value", [0, "0", "5", "25h", "-1s", None])
def test_what_is_no_pause_is_told_with_what_is_one(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        grammar.pause(value)
    assert "0s for none" in caught.value.hint


@given(st.integers(1, grammar.LONGEST))
def test_a_spelled_duration_reads_back(milliseconds: int) -> None:
    assert grammar.duration(grammar.spell_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    "text,count", [("1B", 1), ("10MiB", 10 * 2**20), ("1 KB", 1000), ("512KiB", 2**19), ("1024GiB", 2**40)]
)
def test_sizes(text: str, count: int) -> None:
    assert grammar.size(text) == count


@pytest.mark.parametrize(
    "value", ["", "10", 10, "0B", "-1B", "1.5MiB", "10mib", "1TiB", "1025GiB", "9" * 99 + "B", None]
)
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.size(value)


@given(st.integers(1, grammar.LARGEST))
def test_a_spelled_size_reads_back(count: int) -> None:
    assert grammar.size(grammar.spell_size(count)) == count


@pytest.mark.parametrize(
    "value,text",
    [
        (0, "0"),
        (3, "3"),
        (Decimal("0.10"), "0.10"),
        (Decimal("3e-1"), "0.3"),
        (Decimal("1e6"), "1000000"),
        (Decimal("1e-12"), "0.000000000001"),
    ],
)
def test_prices_keep_every_digit(value: object, text: str) -> None:
    assert grammar.price(value) == text


@pytest.mark.parametrize(
    "value",
    [
        -1,
        Decimal("-0.1"),
        10**6 + 1,
        10**400,
        Decimal("1e-13"),
        Decimal("1e999999"),
        Decimal("NaN"),
        True,
        "0.1",
        None,
        0.1,
    ],
)
def test_what_is_no_price(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.price(value)


def test_counts() -> None:
    assert (grammar.count(1), grammar.count(10**6)) == (1, 10**6)


@pytest.mark.parametrize("value", [0, -1, 10**6 + 1, True, 1.5, "7", None])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.count(value)


def test_digests_are_read_in_lower_case() -> None:
    assert grammar.digest("sha256:" + "aB" * 32) == "ab" * 32


@pytest.mark.parametrize(
    "value", ["", "sha256:", "sha256:" + "a" * 63, "sha256:" + "g" * 64, "a" * 64, "dw_" + "x" * 43, 5, None]
)
def test_what_is_no_digest_is_never_repeated(value: object) -> None:
    with pytest.raises(Wrong) as caught:
        grammar.digest(value)
    if isinstance(value, str) and len(value) > 10:
        assert value not in caught.value.message + caught.value.hint


def test_a_raw_key_is_told_from_other_slips() -> None:
    with pytest.raises(Wrong, match="agent key itself"):
        grammar.digest("dw_" + "x" * 43)


@pytest.mark.parametrize("value", [0, 2, "1", True, None, Decimal("1.5")])
def test_versions_that_this_one_does_not_read(value: object) -> None:
    assert grammar.version(1) == 1
    with pytest.raises(Wrong, match="version 1"):
        grammar.version(value)


def test_words_are_known_not_yet_or_not_at_all() -> None:
    assert grammar.one_of("read", ["read", "write"]) == "read"
    for value, message in [
        ("full", "not in this version"),
        ("raed", "not known"),
        (5, "must be a word"),
        (None, "must be a word"),
    ]:
        with pytest.raises(Wrong, match=message):
            grammar.one_of(value, ["read", "write"], ["full"])


@pytest.mark.parametrize("value", ["x", "support works", "x" * 256, "-", "größer"])
def test_labels(value: str) -> None:
    assert grammar.label(value) == value


@pytest.mark.parametrize("value", ["", " x", "x ", "a\nb", "a\x1b", "x" * 257, 1, None, {}])
def test_what_is_no_label(value: object) -> None:
    with pytest.raises(Wrong):
        grammar.label(value)


def test_effect_keys_have_a_method_and_a_path() -> None:
    assert grammar.effect_key("POST /search") == "POST /search"
    assert grammar.effect_key("*   /x*") == "* /x*"
    assert grammar.effect_key("DELETE *") == "DELETE *"
    for text in ["", "POST", "/search", "post /x", "POST x", "POST  ", "P()ST /x"]:
        with pytest.raises(Wrong):
            grammar.effect_key(text)


def test_paths_are_taken_as_written() -> None:
    assert grammar.path("/var/lib/x y") == "/var/lib/x y"
    for value in ["", "~/x", "a\0b", 5, None, []]:
        with pytest.raises(Wrong):
            grammar.path(value)
