"""The check of the ledger is no check unless each wrong turns it red."""

import pytest

from tests.faults.ledger import Ledger, Line, Seen, wrongs

CALL, TRACE = "call-1", "trace-1"
SEEN = [Seen(CALL, (3, 4))]
INTENT = {"type": "intent", "trace": TRACE, "reserved_nano": 7}
UNKNOWN = {"type": "unknown", "outcome": "unknown", "cost_nano": 7}
SETTLED = {"type": "settle", "outcome": "ok", "tokens": {"input": 3, "output": 4}}


def told(**changes: list[Line]) -> Ledger:
    """One call as it should be; `changes` replace what stands of it under a type."""
    lines: dict[str, list[Line]] = {"intents": [INTENT], "ends": [SETTLED], "refused": []}
    lines |= changes
    return Ledger(*({CALL: lines[name]} if lines[name] else {} for name in Ledger._fields))


def test_what_is_right_is_not_blamed() -> None:
    assert wrongs(told(), SEEN, [TRACE]) == []
    assert wrongs(told(ends=[UNKNOWN]), [], [TRACE]) == []


@pytest.mark.parametrize(
    "ledger,seen,arrived,said",
    [
        (told(ends=[]), SEEN, [TRACE], "has the answer, the journal 0 ends"),
        (told(ends=[SETTLED, UNKNOWN]), SEEN, [TRACE], "has the answer, the journal 2 ends"),
        (told(ends=[UNKNOWN]), SEEN, [TRACE], "has the answer, the journal says unknown"),
        (told(ends=[SETTLED | {"outcome": "cut"}]), SEEN, [TRACE], "has the answer, the journal says settle cut"),
        (told(ends=[SETTLED | {"tokens": {"input": 3}}]), SEEN, [TRACE], "(3, 0) tokens"),
        (told(intents=[INTENT, INTENT]), SEEN, [TRACE], "2 intents"),
        (told(intents=[]), SEEN, [TRACE], "an end without an intent"),
        (told(intents=[]), SEEN, [TRACE], "at the provider without an intent"),
        (told(ends=[]), [], [], "0 ends"),
        (told(ends=[UNKNOWN, UNKNOWN]), [], [TRACE], "2 ends"),
        (told(ends=[UNKNOWN | {"cost_nano": 0}]), [], [TRACE], "reserved were 7"),
        (told(refused=[INTENT]), SEEN, [TRACE], "refused and served"),
        (told(), SEEN, [TRACE, TRACE], "sent twice"),
        (told(), [*SEEN, *SEEN], [TRACE], "one id for two answers"),
    ],
)
def test_every_wrong_is_found(ledger: Ledger, seen: list[Seen], arrived: list[str], said: str) -> None:
    assert any(said in wrong for wrong in wrongs(ledger, seen, arrived))
