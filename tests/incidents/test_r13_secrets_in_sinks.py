"""LiteLLM up to 1.71.1 sent the credentials of Bedrock to Langfuse with every trace; others wrote keys into logs and error pages.

Here: no sink holds a credential or a key: not journal, index, state, log, errors, listings, `check --print`, `doctor`. The whole crawl over
every route and refusal is tests/faults/test_canaries.py; this one goes over what an operator runs, `doctor` included.
"""

import base64
from pathlib import Path
from urllib.parse import quote

from tests.incidents.gate import CREDENTIAL, answered, provider
from tests.server.running import KEY, Running, write_config

WRONG = "dw_canary-that-nobody-knows-" + "w" * 18
SPELLINGS = [
    spelled
    for secret in (CREDENTIAL, KEY, WRONG)
    for spelled in (
        secret.encode(),
        base64.b64encode(secret.encode())[:-4],
        quote(secret).encode(),
        secret.encode().hex().encode(),
    )
]
COMMANDS = [
    ["doctor"],
    ["calls"],
    ["calls", "--json"],
    ["spend"],
    ["audit", "verify"],
    ["audit", "head"],
    ["agent", "list"],
    ["check", "--print"],
]


def sighted(content: bytes) -> bool:
    return any(spelled in content for spelled in SPELLINGS)


def test_no_sink_holds_a_secret(tmp_path: Path) -> None:
    with provider() as seen:
        (tmp_path / "secret").write_text(CREDENTIAL)
        file = write_config(tmp_path, seen.port)
        text = file.read_text()
        local = f"{{local: {{protocol: openai, base_url: http://127.0.0.1:{seen.port}/v1, credential: file:{tmp_path}/secret}}}}"
        file.write_text(text.replace(text.split("providers: ")[1].split("\n")[0], local))
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            assert running.chat() == 200
            assert CREDENTIAL.encode() in seen.head, "it does go up"
            told = [answered(running.port, raw.encode()) for raw in refused()]
            assert all(b"HTTP/1.1 4" in each for each in told)
            for words in COMMANDS:
                done = running.command(*words)
                told.append((done.stdout + done.stderr).encode())
                assert told[-1]
            # A mistake beside a secret is told without it.
            broken = file.read_text().replace("protocol: openai", "protocol: openai, nonsense: 1")
            (tmp_path / "broken.yaml").write_text(broken.replace(f"file:{tmp_path}/secret", f"'{CREDENTIAL}'"))
            done = running.command("check", "-c", "broken.yaml")
            assert done.returncode == 2
            told.append((done.stdout + done.stderr).encode())
        finally:
            running.close()
        told += [path.read_bytes() for path in running.data_dir.rglob("*") if path.is_file()]
        told += [running.log.read_bytes(), "".join(running.lines).encode()]
        assert [each for each in told if sighted(each)] == []
        assert any(b"support" in each for each in told), "the search looks where calls are recorded"


def refused() -> list[str]:
    """Requests that are refused, with a key in every place."""
    close = "Connection: close\r\n\r\n"
    return [
        f"GET /v1/models HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {WRONG}\r\n{close}",
        f"GET /v1beta/models?key={WRONG} HTTP/1.1\r\nHost: gate\r\n{close}",
        f"GET /v1/models HTTP/1.1\r\nHost: gate\r\nDurward-Key : {KEY}\r\n{close}",
        f"GET /nowhere HTTP/1.1\r\nHost: gate\r\nDurward-Key: {KEY}\r\n{close}",
        f"GET /v1/models HTTP/1.1\r\nHost: gate\r\nx-api-key: {KEY}\r\nAuthorization: Bearer {WRONG}\r\n{close}",
    ]


def test_the_search_sees_every_spelling() -> None:
    assert all(sighted(b"x" + spelled + b"y") for spelled in SPELLINGS)
    assert not sighted(b"nothing")
