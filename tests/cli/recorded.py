"""A data directory with calls of every kind, and the command line over it."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from typer.testing import CliRunner

from durward.calls.errors import DurwardError
from durward.calls.record import Opening
from durward.calls.tokens import Attempt, Tokens
from durward.cli.main import command_line
from tests.records.scribe import BEGIN, Calls, Watch, journal

TRACE = "ab" * 16


class Story(NamedTuple):
    """The calls of `record_story`, by what became of them."""

    answered: Opening
    failed: Opening
    api: Opening
    denied: Opening
    unpriced: Opening
    cut: Opening
    unknown: Opening


def record_story(data_dir: Path) -> Story:
    """Write one call of each kind; the first three are one trace and session, the second and third within the first."""
    calls, watch = Calls(7), Watch()
    with journal(data_dir, watch, signed=True) as written:
        answered = calls.opening(session="sess-42", trace=TRACE, tags={"team": "care", "env": "prod"}, tenant="acme")
        inside: dict[str, Any] = {"session": "sess-42", "trace": TRACE, "parent": answered.id.replace("-", "")[-16:]}
        failed = calls.opening(**inside, agent="researcher")
        api_call: dict[str, Any] = {"model": "", "action": "request", "protocol": "http"}
        api = calls.opening(**inside, **api_call, resource="api/crm/GET/customers/123")
        denied = calls.opening(
            **api_call, resource="api/crm/DELETE/customers/1", effect="destructive", decision="deny", rule="no deletes"
        )
        unpriced, cut, unknown = calls.opening(agent="batch"), calls.opening(agent="batch"), calls.opening(agent="lost")
        unknown.reserved_nano = 5_000_000
        for opening in (answered, failed, api, unpriced, cut, unknown):
            written.intent(opening)
        written.settle(calls.closing(answered, cost_nano=1_234_567_890, tokens=Tokens(1_000, 200, 0, 300, 40)))
        attempts = [
            Attempt("openai", "mini", 429, "", 300.0),
            Attempt("backup", "big", 0, "upstream_unreachable", 900.0),
        ]
        told: dict[str, Any] = {"outcome": "failed", "status": 429, "reason": "upstream_error", "attempts": attempts}
        written.settle(calls.closing(failed, **told, tokens=None, cost_nano=0, duration_ms=1_200.5))
        written.settle(calls.closing(api, tokens=None, cost_nano=None, duration_ms=88.1, first_byte_ms=80.0))
        written.refused(denied, calls.refusal(denied))
        written.settle(calls.closing(unpriced, cost_nano=None, price_partial=True, duration_ms=65_000.0))
        ended: dict[str, Any] = {"outcome": "cut", "reason": "caller_gone", "estimated": True}
        written.settle(calls.closing(cut, **ended, cost_nano=7))
        watch.now = BEGIN + 1
        written.tick()
    return Story(answered, failed, api, denied, unpriced, cut, unknown)


class Said(NamedTuple):
    """What a command wrote, and how it ended."""

    lines: list[str]
    beside: str
    code: int

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.lines]


def durward(*words: str, width: int = 80) -> Said:
    """Run a command. Raises the DurwardError that the entry point would tell as a sentence."""
    done = CliRunner(env={"COLUMNS": str(width), "NO_COLOR": "1"}).invoke(command_line([*words]), words)
    if isinstance(done.exception, DurwardError):
        raise done.exception
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return Said(done.stdout.splitlines(), done.stderr, done.exit_code)
