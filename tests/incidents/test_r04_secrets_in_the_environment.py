"""LiteLLM 1.82.8 (March 2026): what ran in the process read every key of its environment and sent them away.

Here: started with an empty environment everything works, with credentials from files, and no process has one in its environment.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.incidents.gate import CREDENTIAL, provider
from tests.server.running import Running, write_config


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_everything_works_without_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(CREDENTIAL + "\n")
    with provider() as seen:
        file = write_config(tmp_path, seen.port)
        local = f"{{protocol: openai, base_url: http://127.0.0.1:{seen.port}/v1, credential: file:{tmp_path}/secret}}"
        text = file.read_text()
        file.write_text(text.replace(text.split("providers: ")[1].split("\n")[0], f"{{local: {local}}}"))
        for name in list(os.environ):
            monkeypatch.delenv(name)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            assert running.chat() == 200
            assert f"Bearer {CREDENTIAL}".encode() in seen.head
            pids = (running.pid, running.child("gate"), running.child("office"))
            for pid in pids:
                assert CREDENTIAL.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
                assert CREDENTIAL.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            for words in (["agent", "list"], ["calls"], ["spend"], ["audit", "verify"], ["check"]):
                done = subprocess.run(
                    [sys.executable, "-m", "durward.cli.main", *words],
                    cwd=tmp_path,
                    env={},
                    capture_output=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr
                assert CREDENTIAL.encode() not in done.stdout + done.stderr
        finally:
            running.close()
