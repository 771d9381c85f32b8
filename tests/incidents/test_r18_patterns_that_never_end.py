"""CVE-2026-0621 (MCP TypeScript SDK): a template of a URI became a regular expression that a caller's address kept busy for minutes.

Here: matching an operator's pattern takes time in proportion to the value, however many `*` it has. Each runs in a process that may be
ended: a pattern that takes polynomial time would not come back.
"""

import subprocess
import sys

import pytest

SECONDS = 30
LENGTH = 64 * 1024
MATCH = "import sys; from durward.calls.patterns import matches; print(matches([sys.argv[1]], {value}))"


@pytest.mark.parametrize(
    "pattern,value",
    [
        ("*a" * 12 + "*b", f"'a' * {LENGTH}"),
        ("model/" + "*a*" * 12 + "b", f"'model/' + 'a' * {LENGTH}"),
        ("*" * 40 + "b", f"'a' * {LENGTH}"),
        ("*ab" * 12 + "*c", f"'ab' * {LENGTH // 2}"),
        ("api/*/" * 10 + "end", f"'api/x/' * {LENGTH // 6}"),
    ],
)
def test_the_worst_value_for_a_pattern_is_judged_at_once(pattern: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MATCH.format(value=value), pattern],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
