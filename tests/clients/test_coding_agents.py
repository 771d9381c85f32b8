"""Claude Code, Codex and Gemini CLI through a gate, headless, with base URL and key alone changed: a turn with a tool call each.

The demo provider answers. Each has a home of its own, and a proxy for all but loopback, which nobody may ask for anything.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.clients.gate import DENIED, Gate, Record, cost_of, tokens
from tests.clients.processes import Ended, run
from tests.clients.upstream import Said, Upstream, serving

SECRET = "The river is called Elbe."


class Desk(NamedTuple):
    """Where a client works: its home, the folder with the file that it shall read, and the way to the rest of the world."""

    home: Path
    folder: Path
    elsewhere: Upstream

    @property
    def file(self) -> Path:
        return self.folder / "notes.txt"

    def run(self, words: list[str], more: dict[str, str]) -> Ended:
        proxy = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), self.elsewhere.url)
        loopback = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        ended = run(words, self.home, self.folder, proxy | loopback | more)
        assert [asked.target for asked in self.elsewhere.asked] == []
        return ended


@pytest.fixture
def desk(tmp_path: Path, peers: Path) -> Iterator[Desk]:
    home, folder = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    (folder / "notes.txt").write_text(SECRET + "\n")
    with serving(lambda asked: Said(502, [], b"")) as elsewhere:
        yield Desk(home, folder, elsewhere)


def claude(durward: Gate, desk: Desk, prompt: str, model: str = "claude-haiku-4-5") -> Ended:
    environment = {
        "ANTHROPIC_BASE_URL": durward.root,
        "ANTHROPIC_AUTH_TOKEN": durward.key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    words = ["claude", "-p", prompt, "--model", model, "--allowedTools", "Read", "--output-format", "json"]
    return desk.run(words, environment)


QUIET = """
check_for_update_on_startup = false
analytics.enabled = false
features = { plugins = false, apps = false, remote_plugin = false }
"""
OWN_PROVIDER = """
model_provider = "durward"
[model_providers.durward]
name = "Durward"
base_url = "{root}/v1"
env_key = "DURWARD_KEY"
wire_api = "responses"
"""
BUILT_IN_PROVIDER = """
openai_base_url = "{root}/v1"
"""


def codex(durward: Gate, desk: Desk, prompt: str, provider: str = OWN_PROVIDER, model: str = "gpt-5") -> Ended:
    (desk.home / ".codex").mkdir()
    head = f'model = "{model}"\n{QUIET}'
    (desk.home / ".codex" / "config.toml").write_text(head + provider.format(root=durward.root))
    words = ["codex", "exec", "--skip-git-repo-check", "--json", prompt]
    return desk.run(words, {"DURWARD_KEY": durward.key, "CODEX_API_KEY": durward.key})


def gemini(durward: Gate, desk: Desk, prompt: str, model: str = "gemini-2.5-flash") -> Ended:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    (desk.home / ".gemini").mkdir()
    (desk.home / ".gemini" / "settings.json").write_text(json.dumps(settings))
    words = ["gemini", "--skip-trust", "-y", "-m", model, "-p", prompt, "--output-format", "json"]
    return desk.run(words, {"GEMINI_API_KEY": durward.key, "GOOGLE_GEMINI_BASE_URL": durward.root})


def events(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]


def assert_turn(records: list[Record], protocol: str, model: str, client: str, session: str | None) -> None:
    """Two calls, one that asks for the tool and one with its result, are one session of one client."""
    assert len(records) == 2
    for record in records:
        assert (record["agent"], record["tenant"], record["team"]) == ("support", "acme", "care")
        assert (record["protocol"], record["model"], record["provider"]) == (protocol, model, "demo")
        assert (record["outcome"], record["status"], record["decision"]) == ("ok", 200, "allow")
        assert record["client"].startswith(client)
        assert record.get("session") == session
        assert record["tokens"]["input"] > 1_000
        assert record["cost_nano"] == cost_of(tokens(record))
        # What may go upstream at most was known before: no call cost more than was set aside.
        assert record.get("reserved_nano") is None or record["cost_nano"] <= record["reserved_nano"]
    first, second = records
    assert first["bytes_in"] < second["bytes_in"]


def test_claude_code_reads_a_file(durward: Gate, desk: Desk) -> None:
    with durward.recording() as records:
        ended = claude(durward, desk, f"Read the file {desk.file}")
    assert ended.code == 0, ended
    answer = json.loads(ended.out)
    assert not answer["is_error"]
    assert SECRET in answer["result"]
    assert_turn(records, "anthropic", "claude-haiku-4-5", "claude-cli/", answer["session_id"])
    assert answer["usage"]["input_tokens"] == sum(record["tokens"]["input"] for record in records)
    assert answer["usage"]["output_tokens"] == sum(record["tokens"]["output"] for record in records)
    # The user that it claims is recorded as claimed.
    assert all(record["claimed_user"] for record in records)


@pytest.mark.parametrize("provider", [OWN_PROVIDER, BUILT_IN_PROVIDER], ids=["own provider", "base url alone"])
def test_codex_runs_a_command(durward: Gate, desk: Desk, provider: str) -> None:
    """Its own provider tries a WebSocket first, and takes the refusal for what it says."""
    with durward.recording() as records:
        ended = codex(durward, desk, "Please run the command for me.", provider)
    assert ended.code == 0, ended
    told = events(ended)
    items = [event["item"] for event in told if event["type"] == "item.completed"]
    assert [item["exit_code"] for item in items if item["type"] == "command_execution"] == [0]
    assert "hello from the demo model" in items[-1]["text"]
    assert_turn(records, "openai_responses", "gpt-5", "codex_exec/", told[0]["thread_id"])
    usage = told[-1]["usage"]
    assert usage["input_tokens"] == sum(record["tokens"]["input"] for record in records)
    assert usage["output_tokens"] == sum(record["tokens"]["output"] for record in records)


def test_codex_calls_a_tool_in_a_namespace(durward: Gate, desk: Desk) -> None:
    with durward.recording() as records:
        ended = codex(durward, desk, "Please wait for agent agent-7")
    assert ended.code == 0, ended
    told = events(ended)
    # It knows the tool, by namespace and name, and finds only that there is no such agent.
    assert "The tool `wait_agent` answered: invalid agent id" in told[-2]["item"]["text"]
    assert_turn(records, "openai_responses", "gpt-5", "codex_exec/", told[0]["thread_id"])


def test_gemini_cli_reads_a_file(durward: Gate, desk: Desk) -> None:
    """It announces no session: what it tells is its name in the User-Agent."""
    with durward.recording() as records:
        ended = gemini(durward, desk, f"Read the file {desk.file}")
    assert ended.code == 0, ended
    answer = json.loads(ended.out)
    assert SECRET in answer["response"]
    assert answer["stats"]["tools"]["byName"]["read_file"]["success"] == 1
    assert_turn(records, "gemini", "gemini-2.5-flash", "GeminiCLI", None)
    counted = answer["stats"]["models"]["gemini-2.5-flash"]["tokens"]
    assert counted["prompt"] == sum(record["tokens"]["input"] for record in records)
    assert counted["candidates"] == sum(record["tokens"]["output"] for record in records)


def assert_refused(records: list[Record], shown: str, tries: int = 1) -> None:
    """Refused before anything went upstream; the user reads why, and the id of the call."""
    assert len(records) == tries
    for record in records:
        assert (record["outcome"], record["reason"], record["rule"]) == ("refused", "denied", "no forbidden model")
        assert record.get("attempts", []) == []
    assert records[-1]["id"] in shown


def test_claude_code_shows_a_refusal(durward: Gate, desk: Desk) -> None:
    with durward.recording() as records:
        ended = claude(durward, desk, "Say pong.", DENIED)
    assert ended.code != 0
    assert_refused(records, ended.out)


def test_codex_shows_a_refusal(durward: Gate, desk: Desk) -> None:
    """It tries again whatever a 403 says of that, as often as it is told to."""
    with durward.recording() as records:
        ended = codex(durward, desk, "Say pong.", OWN_PROVIDER + "stream_max_retries = 1\n", DENIED)
    assert ended.code != 0
    assert_refused(records, ended.out, tries=2)


def test_gemini_cli_shows_a_refusal(durward: Gate, desk: Desk) -> None:
    with durward.recording() as records:
        ended = gemini(durward, desk, "Say pong.", DENIED)
    assert ended.code != 0
    assert_refused(records, ended.out + ended.err)
