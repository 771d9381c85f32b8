"""One line an event, in UTC, with the process's name."""

import logging
import re

import pytest

from durward.server.log import log_to_stderr


def test_a_line_tells_when_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log_to_stderr()
        logging.getLogger("gate").warning("told %d times", 2)
        logging.getLogger("gate").debug("not told")
    finally:
        root.handlers[:], root.level = before, level
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ gate: told 2 times\n", line)
