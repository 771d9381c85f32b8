"""One event a line, in UTC, with the process's name; nothing in it can pass for another line, or steer a terminal."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from durward.config.log import log_to_stderr

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def test_a_line_tells_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    logging.getLogger("gate").warning("told %d times", 2)
    logging.getLogger("gate").info("plain")
    logging.getLogger("gate").debug("not told")
    assert re.fullmatch(rf"{MOMENT}Z gate: warning: told 2 times\n{MOMENT}Z gate: plain\n", capsys.readouterr().err)


def test_nothing_passes_for_another_line(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    logging.getLogger("gate").info("%s", "a\r\n2026-11-27T00:00:00Z gate: forged\x1b[2J\x9b")
    told = capsys.readouterr().err
    assert told.endswith("gate: a\\x0d\n    2026-11-27T00:00:00Z gate: forged\\x1b[2J\\x9b\n")


def test_json_and_levels(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("json", "warning")
    log = logging.getLogger("office")
    log.info("not told")
    try:
        raise ValueError("bad\nline")
    except ValueError:
        log.exception("it failed", extra={"call": {"id": "x"}})
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert re.fullmatch(rf"{MOMENT}\.\d\d\dZ", told.pop("time"))
    assert "ValueError: bad\nline" in told.pop("exception")
    assert told == {"level": "error", "process": "office", "message": "it failed", "call": {"id": "x"}}
