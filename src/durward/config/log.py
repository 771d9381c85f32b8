"""Log lines of all our processes: on standard error, in UTC, one an event, as text or as JSON. Standard library only."""

import json
import logging
import sys
import time

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""What would steer a terminal is written out."""


class Text(logging.Formatter):
    """Time, process, level unless it is info, what happened. Further lines of one event are indented: none can pass for another event."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(name)s: %(told)s%(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.told = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return super().format(record).translate(CONTROL).replace("\n", "\n    ")


class Json(logging.Formatter):
    """An object a line: `time`, `level`, `process`, `message`; `call` and `exception` where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "process": record.name,
            "message": record.getMessage(),
        }
        call = getattr(record, "call", None)
        if call is not None:
            told["call"] = call
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def log_to_stderr(form: str = "text", level: str = "info") -> None:
    """Send every logger of this process to standard error."""
    output = logging.StreamHandler(sys.stderr)
    formatter = Json() if form == "json" else Text()
    formatter.converter = time.gmtime
    output.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level.upper())
