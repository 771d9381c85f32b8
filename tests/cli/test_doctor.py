"""`durward doctor` as it is typed: everything is looked at, what fails is told with its remedy, and nothing secret is shown."""

import socket
from pathlib import Path

from tests.server.running import command, durward, write_config


def test_a_well_durward_is_told_so(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, upstream):
        done = running.command("doctor")
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[0] == f"ok    listen: Durward runs: pid {running.pid}, http://127.0.0.1:{running.port}"
        assert f"ok    provider local: 127.0.0.1:{upstream.port} answers (200)" in lines
        assert not [line for line in lines if line.startswith("fail")]


def test_the_office_is_looked_at(tmp_path: Path) -> None:
    with durward(tmp_path, "admin: 127.0.0.1:0\n") as (running, _):
        admin = running.status()["admin"]
        lines = running.command("doctor").stdout.splitlines()
        assert f"ok    admin: http://{admin}/metrics answers" in lines
        assert "ok    index: it holds what the journal holds" in lines
        (running.data_dir / "admin-token").write_text("gone")
        done = running.command("doctor")
        assert (done.returncode, f"fail  admin: http://{admin}/metrics answers 401" in done.stdout) == (1, True)


def test_what_fails_is_told_with_its_remedy_and_ends_with_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    file = write_config(tmp_path, port)
    file.write_text(file.read_text().replace("/v1}", "/v1, credential: env:NOT_SET_ANYWHERE}"))
    done = command(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "fail  credential of local: The credential env:NOT_SET_ANYWHERE is not set" in done.stdout
    assert "      = Set it where Durward starts" in done.stdout
    assert f"fail  provider local: 127.0.0.1:{port} cannot be reached" in done.stdout


def test_a_file_with_mistakes_is_told_as_by_check(tmp_path: Path) -> None:
    (tmp_path / "durward.yaml").write_text("moode: x\n")
    done = command(tmp_path, "doctor")
    assert done.returncode == 2
    assert "durward.yaml:1:1: unknown key `moode`" in done.stderr
