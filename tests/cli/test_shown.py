"""Values as people see them: exact where they must be, short where they can be, and harmless always."""

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import REASONS
from durward.calls.tokens import Tokens
from durward.cli import shown
from durward.records.lines import Began, Ended, Record, record


@pytest.mark.parametrize(
    "nano,text",
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (34_650, "$0.00003465"),
        (10**9, "$1.00"),
        (1_234_567_890_123_456_789, "$1,234,567,890.123456789"),
        (1_500_000_000, "$1.50"),
        (-20_000_000, "-$0.02"),
        (None, "–"),
    ],
)
def test_money_is_shown_to_the_nano_dollar(nano: int | None, text: str) -> None:
    assert shown.usd(nano) == text


@given(st.integers(-(2**70), 2**70))
def test_no_digit_of_money_is_lost(nano: int) -> None:
    assert Decimal(shown.usd(nano).replace("$", "").replace(",", "")).scaleb(9).normalize() == Decimal(nano).normalize()


@pytest.mark.parametrize(
    "ms,text",
    [
        (None, "–"),
        (0.04, "0.0 ms"),
        (9.94, "9.9 ms"),
        (9.96, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (65_000.0, "65.0 s"),
        (99_960.0, "1 m 40 s"),
        (3_599_400.0, "59 m 59 s"),
        (3_600_000.0, "1 h 00 m"),
        (90_061_000.0, "25 h 01 m"),
    ],
)
def test_durations_keep_the_digits_that_matter(ms: float | None, text: str) -> None:
    assert shown.duration(ms) == text


@pytest.mark.parametrize(
    "number,text",
    [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10.0k"),
        (99_949, "99.9k"),
        (99_951, "100k"),
        (999_499, "999k"),
        (1_200_000, "1.2M"),
        (10**12, "1.0T"),
    ],
)
def test_counts_are_short(number: int, text: str) -> None:
    assert shown.count(number) == text


@given(st.integers(0, 10**15 - 1))
def test_no_count_takes_more_than_five_characters(number: int) -> None:
    text = shown.count(number)
    assert len(text) <= 5
    factor = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}.get(text[-1], 1)
    assert float(text.rstrip("kMGT")) * factor == pytest.approx(number, rel=0.06, abs=0.5)


def test_things_are_counted_in_words() -> None:
    assert [shown.counted(number, "call") for number in (0, 1, 2_000)] == ["0 calls", "1 call", "2,000 calls"]


@given(st.text())
def test_nothing_that_a_terminal_would_obey_is_shown(text: str) -> None:
    safe = shown.plain(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in safe)
    assert len(safe) == max(1, len(text))


def test_text_stays_as_it_is_and_nothing_is_a_dash() -> None:
    assert shown.plain("Zoë [bold]x[/] 日本") == "Zoë [bold]x[/] 日本"
    assert shown.plain("a\x1b[31m\u202eb\n") == "a�[31m�b�"
    assert shown.plain("") == shown.plain(None) == "–"


def made(**members: object) -> Record:
    ended = Ended("id", **members)  # type: ignore[arg-type]
    return record(Began("id", model="m", action="generate"), ended if members else None)


@pytest.mark.parametrize(
    "members,text",
    [
        ({}, "open"),
        ({"outcome": "ok", "status": 200}, "ok"),
        ({"outcome": "refused", "reason": "denied"}, "denied"),
        ({"outcome": "failed", "reason": "upstream_error", "status": 429}, "failed 429"),
        ({"outcome": "failed", "reason": "upstream_silent", "status": 504}, "upstream_silent"),
        ({"outcome": "cut", "reason": "caller_gone"}, "caller_gone"),
        ({"outcome": "unknown"}, "unknown"),
    ],
)
def test_how_a_call_ended_is_a_word_or_two(members: dict[str, object], text: str) -> None:
    assert shown.result(made(**members)).plain == text


@pytest.mark.parametrize(
    "members,text",
    [
        ({"outcome": "ok", "cost_nano": 0}, "$0.00"),
        ({"outcome": "ok", "cost_nano": 5, "estimated": True}, "~$0.000000005"),
        ({"outcome": "unknown", "cost_nano": 5}, "~$0.000000005"),
        ({"outcome": "ok"}, "?"),
        ({"outcome": "refused", "reason": "denied"}, "–"),
    ],
)
def test_a_cost_says_how_sure_it_is(members: dict[str, object], text: str) -> None:
    assert shown.cost(made(**members)).plain == text


def test_every_reason_of_ours_has_its_remedy() -> None:
    for reason, facts in REASONS.items():
        assert shown.remedy(made(outcome="refused", reason=reason)) == facts.remedy
    assert shown.remedy(made(outcome="ok")) == ""
    assert shown.remedy(made(outcome="failed", reason="of a later version")) == ""


def test_tokens_of_all_kinds_are_read_or_written() -> None:
    assert shown.read_and_written(Tokens(1, 20, 300, 4_000, 50_000)) == "321→54.0k"
    assert shown.read_and_written(None) == "–"


def test_times_are_of_the_day_or_with_it() -> None:
    assert shown.clock_time("2026-11-21T07:43:12.042Z") == "07:43:12"
    assert shown.clock_time("2026-11-21T07:43:12.042Z", with_day=True) == "11-21 07:43"
    assert shown.short_id("01a1fd11-6a19-7000-a6c3-d1c427104c41") == "27104c41"
