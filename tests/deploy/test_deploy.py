"""What deploy/ holds agrees with the code and with itself: paths, ports, users, times, commands. Its health checks are run."""

import configparser
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from durward.cli.main import COMMANDS
from durward.config.compile import examine_file
from durward.config.schema import Drain
from tests.server.running import Running, Upstream, durward, write_config

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PYTHON = "/opt/durward/bin/python"
DATA_DIR, CONFIG, PORT = "/var/lib/durward", "/etc/durward/durward.yaml", 7300


def containerfile() -> list[tuple[str, str]]:
    """Instructions and their words."""
    text = "".join(
        line for line in (DEPLOY / "Containerfile").read_text("utf-8").splitlines(True) if not line.startswith("#")
    )
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def last(instruction: str) -> str:
    return [words for name, words in containerfile() if name == instruction][-1]


def listed(words: str) -> list[str]:
    found: list[str] = yaml.safe_load(words[words.index("[") :])
    return found


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return found


def unit(name: str) -> configparser.ConfigParser:
    class Repeated(dict[str, str]):
        """systemd lets a key stand several times."""

        def __setitem__(self, key: str, value: Any) -> None:
            old: Any = self.get(key)
            super().__setitem__(key, old + value if old is not None and isinstance(value, list) else value)

    parser = configparser.ConfigParser(strict=False, interpolation=None, dict_type=Repeated)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / name)
    return parser


def drain_seconds() -> float:
    settings = examine_file(DEPLOY / "durward.yaml", {}).settings
    return sum(settings.drain)


def test_the_configuration_is_valid_and_fits_the_container() -> None:
    settings = examine_file(DEPLOY / "durward.yaml", {}).settings
    assert (settings.listen, settings.data_dir) == (f"0.0.0.0:{PORT}", DATA_DIR)
    service = compose()["services"]["durward"]
    credential = settings.providers[0].credential
    assert credential is not None
    assert [f"${{file:/run/secrets/{name}}}" in credential.template for name in service["secrets"]] == [True]
    assert set(service["secrets"]) == set(compose()["secrets"])


def test_the_image_runs_as_nobody_in_particular_and_keeps_one_folder() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert (last("VOLUME"), last("EXPOSE"), last("STOPSIGNAL")) == (DATA_DIR, str(PORT), "SIGTERM")
    assert f"install -d -o {last('USER').split(':')[0]} " in last("RUN")
    words = listed(last("ENTRYPOINT")) + listed(last("CMD"))
    assert words == ["durward", "up", "-c", CONFIG]
    assert words[1] in COMMANDS
    second = containerfile()[[name for name, _ in containerfile()].index("FROM", 2) :]
    assert not any(word in words for name, words in second for word in ("gcc", "pip", "apt"))


def test_what_the_image_is_built_from_is_there_and_in_its_context() -> None:
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    for name, words in containerfile():
        if name == "COPY" and not words.startswith("--from"):
            for source in words.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored
    runs = " ".join(words for name, words in containerfile() if name == "RUN")
    assert "scripts/build" in runs
    assert "--require-hashes" in runs


def test_compose_takes_away_what_is_not_needed() -> None:
    service = compose()["services"]["durward"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert any(each.startswith("/tmp") for each in service["tmpfs"])
    targets = [each.split(":")[1] for each in service["volumes"]]
    assert targets == [DATA_DIR, CONFIG]
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_whoever_stops_it_by_force_waits_longer_than_it_drains() -> None:
    defaults = Drain()
    assert drain_seconds() == defaults.delay + defaults.timeout
    assert int(compose()["services"]["durward"]["stop_grace_period"].removesuffix("s")) > drain_seconds()
    assert int(unit("durward.service")["Service"]["TimeoutStopSec"]) > drain_seconds()
    assert f"| {int(drain_seconds()) + 5}:" in (ROOT / "docs" / "deploying.md").read_text("utf-8")


def test_the_units_fit_the_code() -> None:
    service, socket = unit("durward.service")["Service"], unit("durward.socket")["Socket"]
    words = shlex.split(service["ExecStart"])
    assert words == ["/opt/durward/bin/durward", "up", "-c", CONFIG]
    assert (service["Type"], service["NotifyAccess"], service["KillMode"]) == ("notify", "main", "mixed")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert Path("/var/lib") / service["StateDirectory"] == Path(DATA_DIR)
    assert socket["ListenStream"] == f"127.0.0.1:{PORT}"
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "DynamicUser", "ProtectHome", "RestrictSUIDSGID"):
        assert service[name] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("strict", "")
    # IPv4, IPv6 and Unix sockets (the control socket, pairs, systemd's own), and no others.
    assert service["RestrictAddressFamilies"].split() == ["AF_INET", "AF_INET6", "AF_UNIX"]


def checks() -> dict[str, list[str]]:
    return {
        "Containerfile": listed(last("HEALTHCHECK")),
        "compose.yaml": compose()["services"]["durward"]["healthcheck"]["test"][1:],
    }


def told_by(check: list[str], port: int) -> int:
    assert check[0] == PYTHON
    here = [sys.executable, *(word.replace(str(PORT), str(port)) for word in check[1:])]
    # A proxy of the environment is for other things.
    return subprocess.run(
        here, env={"http_proxy": "http://127.0.0.1:9"}, capture_output=True, check=False, timeout=30
    ).returncode


def test_the_health_checks_tell_a_gate_that_serves_from_none(tmp_path: Path) -> None:
    assert "/healthz" in checks()["Containerfile"][-1]
    assert "/readyz" in checks()["compose.yaml"][-1]
    with durward(tmp_path) as (running, _):
        assert {name: told_by(check, running.port) for name, check in checks().items()} == dict.fromkeys(checks(), 0)
    assert 0 not in {told_by(check, running.port) for check in checks().values()}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="process 1 is Linux's")
def test_it_writes_nowhere_but_where_it_is_told(tmp_path: Path) -> None:
    """As under a read-only root: no home, no place for temporary files, a working directory that cannot be written to."""
    (tmp_path / "etc").mkdir()
    upstream = Upstream()
    file = write_config(tmp_path / "etc", upstream.port)
    file.write_text(file.read_text() + f"data_dir: {tmp_path}/kept\n")
    before = sorted((tmp_path / "etc").iterdir())
    none = {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    running = Running(tmp_path / "etc", [], none, log="../log")
    running.data_dir = tmp_path / "kept"
    try:
        running.wait_ready()
        assert running.chat() == 200
        assert sorted((tmp_path / "etc").iterdir()) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["etc", "kept", "log"]
    finally:
        running.close()
        upstream.close()
