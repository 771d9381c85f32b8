"""The table as a file, names that match its lines, and prices that change with time."""

from datetime import UTC, datetime

import pytest

from durward.metering.table import TABLE, Conditional, Model, load_families, matches, next_change, prices_at
from tests.metering.generate import table


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_the_file_is_what_the_locked_source_gives() -> None:
    assert TABLE.read_text("utf-8") == table(), "run scripts/prices"


def test_only_what_is_asked_for_is_unpacked() -> None:
    assert load_families(["groq", "no such family"]).keys() == {"groq"}


def test_a_family_brings_those_it_falls_back_on() -> None:
    assert load_families(["google"]).keys() == {"google", "anthropic"}


@pytest.mark.parametrize(
    "match,name,found",
    [
        ("=gpt-4o", "gpt-4o", True),
        ("=gpt-4o", "gpt-4o-mini", False),
        ("^claude-3", "claude-3-opus", True),
        ("^claude-3", "a-claude-3", False),
        ("$-latest", "x-latest", True),
        ("$-latest", "x-latest-1", False),
        ("~embed", "text-embedding-3", True),
        ("~embed", "text", False),
        (r"/^a-\d{2}$", "a-12", True),
        (r"/^a-\d{2}$", "a-123", False),
        (["^a", "$z"], "abcz", True),
        (["^a", "$z"], "abc", False),
    ],
)
def test_matches(match: str | list[str], name: str, found: bool) -> None:
    assert matches(match, name) is found


def test_the_first_line_that_matches_wins_whether_exact_or_not() -> None:
    google = load_families(["google"])["google"]
    # `=gemini-2.5-flash` is an exact name, `gemini-2.5-pro` a prefix with an exception, both near wider names.
    flash, pro, speech = (
        google.find(name) for name in ("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-pro-preview-tts")
    )
    assert flash is not None
    assert "=gemini-2.5-flash" in flash.matches
    assert pro is not None
    assert speech is None or speech.matches != pro.matches


def test_a_compact_date_is_found_under_the_dashed_one() -> None:
    openai = load_families(["openai"])["openai"]
    assert openai.find("gpt-4o-20240806") == openai.find("gpt-4o-2024-08-06") is not None
    assert openai.find("gpt-4o-20249999") is None


def test_a_name_of_any_length_is_answered() -> None:
    assert load_families(["openai"])["openai"].find("gpt-" + "4" * 10_000) is None


DATED = Model([], [("", {"input": "1"}), ("2026-03-13", {"input": "2"})])
NIGHTLY = Model([], [("", {"input": "1"}), ("22:00-04:00", {"input": "3"}), ("06:00-10:00", {"input": "4"})])


@pytest.mark.parametrize(
    "model,moment,rate,change",
    [
        (DATED, "2026-03-12T23:59:59", "1", "2026-03-13"),
        (DATED, "2026-03-13T00:00:00", "2", None),
        (NIGHTLY, "2026-01-01T21:59:00", "1", "2026-01-01T22:00:00"),
        (NIGHTLY, "2026-01-01T22:00:00", "3", "2026-01-02T04:00:00"),
        (NIGHTLY, "2026-01-02T03:59:00", "3", "2026-01-02T04:00:00"),
        (NIGHTLY, "2026-01-02T04:00:00", "1", "2026-01-02T06:00:00"),
        (NIGHTLY, "2026-01-02T09:00:00", "4", "2026-01-02T10:00:00"),
    ],
)
def test_rates_hold_from_a_day_on_or_at_a_time_of_day(model: Model, moment: str, rate: str, change: str | None) -> None:
    assert prices_at(model, at(moment)) == ({"input": rate}, {})
    assert next_change(model, at(moment)) == (at(change) if change else None)


def test_the_first_price_holds_where_no_condition_does() -> None:
    early = Model([], [("2026-01-01", {"input": "1"}), ("2026-02-01", {"input": "2"})])
    assert prices_at(early, at("2025-01-01")) == ({"input": "1"}, {})


def test_a_tier_begins_on_its_day_and_its_first_variant_wins_by_word() -> None:
    variants: Conditional = [("2026-02-01", {"input": "5"}), ("", {"input": "6", "output": "7"})]
    model = Model([], [("", {"input": "1"})], {"flex": variants[:1], "batch": variants})
    assert prices_at(model, at("2026-01-31"))[1] == {"batch": {"input": "6", "output": "7"}}
    assert prices_at(model, at("2026-02-01"))[1] == {"flex": {"input": "5"}, "batch": {"input": "5", "output": "7"}}
    assert next_change(model, at("2026-01-31")) == at("2026-02-01")
