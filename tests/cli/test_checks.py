"""What `durward doctor` finds out on this machine: each check well, and failing."""

import os
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from durward.cli import checks
from durward.cli.checks import (
    Finding,
    check_certificate,
    check_clients,
    check_data_dir,
    check_listener,
    check_load,
    check_secrets,
)
from durward.config.settings import Api, Credential, OutboundProxy, Provider, Settings, Tls
from tests.server.running import durward, until
from tests.upstreams.authority import Authority

LISTEN = "127.0.0.1:0"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(LISTEN, str(tmp_path / "data"))


def verdicts(findings: list[Finding]) -> list[str]:
    assert all(finding.remedy for finding in findings if finding.verdict != "ok")
    return [finding.verdict for finding in findings]


def test_a_free_address_is_well_a_taken_one_is_not(settings: Settings) -> None:
    assert check_listener(settings).verdict == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = check_listener(replace(settings, listen=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert found.verdict == "fail"
    assert "is taken" in found.said


def test_an_address_that_others_reach_is_doubtful(settings: Settings) -> None:
    found = check_listener(replace(settings, listen="0.0.0.0:0"))
    assert found.verdict == "warn"
    assert "reachable from other machines" in found.said


def test_an_address_with_tls_is_not_doubtful(settings: Settings, tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).pair("gate.test", days=90)
    secured = replace(settings, listen="0.0.0.0:0", tls=Tls(str(cert), str(key)))
    assert check_listener(secured).verdict == "ok"
    assert verdicts(list(check_certificate(secured))) == ["ok"]
    assert not list(check_certificate(settings))
    key.chmod(0o644)
    assert verdicts(list(check_certificate(secured))) == ["warn"]


def test_a_certificate_that_ends_soon_is_doubtful(settings: Settings, tmp_path: Path) -> None:
    for days, verdict in ((3, "warn"), (-1, "fail")):
        cert, key = Authority(tmp_path).pair("gate.test", days=days)
        assert verdicts(list(check_certificate(replace(settings, tls=Tls(str(cert), str(key)))))) == [verdict]


def test_the_login_of_the_outbound_proxy_is_looked_at(settings: Settings) -> None:
    proxied = replace(settings, outbound_proxy=OutboundProxy("http://p:1", "${env:LOGIN}"))
    assert verdicts(list(check_secrets(proxied, {}))) == ["fail"]
    assert list(check_secrets(proxied, {"LOGIN": "u:p"})) == [
        Finding("ok", "credential of the outbound proxy", "is there")
    ]
    assert not list(check_secrets(replace(settings, outbound_proxy=OutboundProxy("http://p:1")), {}))


def test_a_running_durward_is_told_of_and_a_file_that_it_did_not_take_over(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        settings = Settings(LISTEN, str(tmp_path / ".durward"))
        found = check_listener(settings)
        assert found.verdict == "ok"
        assert f"pid {running.pid}" in found.said
        assert verdicts(list(check_data_dir(settings))) == ["ok", "ok"]
        assert verdicts(list(check_load(settings))) == ["ok"]
        (tmp_path / "durward.yaml").write_text("moode: x\n")
        running.process.send_signal(1)
        until(lambda: check_listener(settings).verdict == "warn", "the file that is not taken over")
        assert "was not taken over" in check_listener(settings).said


def test_a_folder_that_is_to_be_made_is_well(settings: Settings) -> None:
    assert verdicts(list(check_data_dir(settings))) == ["ok", "ok"]
    assert not Path(settings.data_dir).exists()


def test_a_folder_that_is_a_file_is_not(settings: Settings) -> None:
    Path(settings.data_dir).write_text("in the way")
    (found,) = check_data_dir(settings)
    assert found.verdict == "fail"
    assert "is no folder" in found.said


def test_a_folder_that_cannot_be_written_is_not(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    (found,) = check_data_dir(settings)
    assert found.verdict == "fail"
    assert "cannot be written" in found.said


def test_what_others_may_read_is_not_well(settings: Settings) -> None:
    folder = Path(settings.data_dir)
    folder.mkdir(0o755)
    (folder / "journal.key").write_text("secret")
    (folder / "journal.key").chmod(0o644)
    found = list(check_data_dir(settings))
    assert verdicts(found) == ["warn", "fail", "ok"]
    assert [finding.remedy for finding in found[:2]] == [f"chmod 700 {folder}", f"chmod 600 {folder}/journal.key"]


def test_what_belongs_to_another_user_is_not_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(settings.data_dir).mkdir(0o700)
    monkeypatch.setattr("os.getuid", lambda: os.geteuid() + 1)
    found = list(check_data_dir(settings))
    assert found[0].verdict == "fail"
    assert "belongs to another user" in found[0].said


class Usage(NamedTuple):
    free: int


@pytest.mark.parametrize("free,verdict", [(2**40, "ok"), (500 * 2**20, "warn"), (2**20, "fail")])
def test_a_disk_needs_room(settings: Settings, monkeypatch: pytest.MonkeyPatch, free: int, verdict: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(free))
    assert verdicts(list(check_data_dir(settings)))[-1] == verdict


def test_a_disk_needs_inodes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nodes(NamedTuple):
        f_files: int
        f_favail: int

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(2**40))
    monkeypatch.setattr("os.statvfs", lambda _: Nodes(1000, 10))
    assert "inodes" in list(check_data_dir(settings))[-1].said


def test_secrets_are_there_or_not_or_for_everybody(settings: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    kept, gone = (Credential(header="X-Key", template=f"${{file:{path}}}") for path in (secret, tmp_path / "none"))
    held = Credential(header="X-Key", template="${env:HELD}")
    settings = replace(
        settings,
        providers=(
            Provider("kept", "openai", "http://h", kept),
            Provider("login", "openai", "http://h", Credential(caller=True)),
            Provider("open", "openai", "http://h"),
        ),
        apis=(Api("gone", "http://h", gone), Api("held", "http://h", held)),
    )
    found = list(check_secrets(settings, {"HELD": "x"}))
    assert verdicts(found) == ["ok", "fail", "ok"]
    assert [finding.about for finding in found] == [f"credential of {name}" for name in ("kept", "gone", "held")]
    assert "s3cret" not in str(found)
    secret.chmod(0o644)
    assert verdicts(list(check_secrets(settings, {"HELD": "x"}))) == ["warn", "fail", "ok"]


@pytest.mark.parametrize(
    "environment,said",
    [
        ({"ANTHROPIC_API_KEY": "a", "ANTHROPIC_AUTH_TOKEN": "b"}, "ANTHROPIC_API_KEY is set beside"),
        ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "GEMINI_API_KEY is set beside"),
        ({"OPENAI_BASE_URL": "https://u:p@api.example.com/v1"}, "leads past the gate: https://api.example.com"),
        ({"OPENAI_BASE_URL": "http://gate:abc"}, "leads past the gate: it is no URL"),
        ({"OPENAI_BASE_URL": "http://[::1"}, "leads past the gate: it is no URL"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "internal"}, "HTTPS_PROXY is set"),
    ],
)
def test_variables_that_lead_clients_past_the_gate(settings: Settings, environment: dict[str, str], said: str) -> None:
    (found,) = check_clients(replace(settings, listen="127.0.0.1:7300"), environment)
    assert found.verdict == "warn"
    assert said in found.said
    assert found.remedy


def test_a_variable_without_tls_leads_nowhere_where_the_gate_speaks_it(settings: Settings) -> None:
    secured = replace(settings, listen="127.0.0.1:7300", tls=Tls("/c.pem", "/k.pem"))
    (found,) = check_clients(secured, {"OPENAI_BASE_URL": "http://127.0.0.1:7300/v1"})
    assert (found.verdict, found.remedy) == ("warn", "Begin it with https://.")
    (found,) = check_clients(secured, {"OPENAI_BASE_URL": "https://127.0.0.1:7300/v1"})
    assert found.verdict == "ok"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ANTHROPIC_API_KEY": "a", "ANTHROPIC_AUTH_TOKEN": "a"},
        {"OPENAI_BASE_URL": "http://127.0.0.1:7300/v1"},
        {"http_proxy": "http://proxy:3128", "no_proxy": "localhost, internal"},
    ],
)
def test_variables_that_do_no_harm(settings: Settings, environment: dict[str, str]) -> None:
    assert verdicts(list(check_clients(replace(settings, listen="127.0.0.1:7300"), environment))) == ["ok"]


UPSTREAM = {
    "upstream": "openai",
    "state": "closed",
    "seconds": 0.0,
    "ejections": 0,
    "calls": 9,
    "failures": 0,
    "waits": {},
    "retries": {"calls": 9, "retries": 0, "refused": 0},
}
LOAD = {
    "lag_ms": 1.2,
    "memory": 10**9,
    "memory_share": 0.1,
    "steps": [],
    "turned_away": {"batch": 0, "interactive": 0},
    "calls": {"open": 3, "most": 100},
}


class Told(NamedTuple):
    """What a gate says, and what of it is a finding."""

    upstream: dict[str, object]
    load: dict[str, object]
    found: list[str]
    said: str


@pytest.mark.parametrize(
    "told",
    [
        Told({}, {}, ["ok"], "loop 1 ms late, memory 10% of 1000 MB, 3 calls in progress"),
        Told({"state": "open", "seconds": 12.0, "ejections": 2}, {}, ["fail", "ok"], "open, ejected 2 times"),
        Told({"state": "half-open"}, {}, ["fail", "ok"], "tried again with the next call"),
        Told({"waits": {"gpt-4o": 7.0}}, {}, ["warn", "ok"], "left alone with gpt-4o for 7 s more"),
        Told({"retries": {"calls": 1, "retries": 100, "refused": 5}}, {}, ["warn", "ok"], "5 further attempts"),
        Told({}, {"steps": ["saves"]}, ["warn"], "memory is short"),
        Told(
            {},
            {"steps": ["sheds"], "turned_away": {"batch": 3, "interactive": 0}},
            ["fail"],
            "calls are refused: loop 1 ms late, memory 10% of 1000 MB, 3 calls in progress; refused so far: 3 batch",
        ),
    ],
)
def test_what_a_running_gate_says_of_its_load(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    health = {"gates": [{"upstreams": [UPSTREAM | told.upstream], "overload": LOAD | told.load}]}
    monkeypatch.setattr(checks, "ask", lambda folder, message: health)
    findings = list(check_load(Settings(LISTEN, str(tmp_path))))
    assert verdicts(findings) == told.found
    assert any(told.said in finding.said for finding in findings)


def test_a_gate_that_does_not_answer_is_told_of_and_the_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = {"gates": [{"error": "it does not answer"}, {"upstreams": [UPSTREAM], "overload": LOAD}]}
    monkeypatch.setattr(checks, "ask", lambda folder, message: health)
    assert verdicts(list(check_load(Settings(LISTEN, str(tmp_path))))) == ["fail", "ok"]


def test_where_nothing_runs_there_is_no_load(settings: Settings) -> None:
    assert list(check_load(settings)) == []
