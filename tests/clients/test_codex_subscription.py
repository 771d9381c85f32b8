"""Codex with the login of a subscription, which goes on as it is, while `Durward-Key` says who calls; its bodies come in zstd."""

import http.client
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.gate import Gate, counts, gate, tokens
from tests.clients.processes import run
from tests.clients.upstream import Asked, Said, Upstream, serving

MESSAGE: Any = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "pong", "annotations": []}],
}
USAGE: Any = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 11,
}
RESPONSE: Any = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "status": "completed"}
EVENTS: Any = [
    {"type": "response.created", "response": RESPONSE | {"status": "in_progress", "output": []}},
    {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    {"type": "response.completed", "response": RESPONSE | {"output": [MESSAGE], "usage": USAGE}},
]
CONFIGURATION = """
model = "gpt-5"
model_provider = "durward"
chatgpt_base_url = "{root}/chatgpt"
check_for_update_on_startup = false
analytics.enabled = false
features = {{ plugins = false, apps = false, remote_plugin = false }}
[model_providers.durward]
name = "OpenAI"
base_url = "{root}/v1"
wire_api = "responses"
requires_openai_auth = true
env_http_headers = {{ "Durward-Key" = "DURWARD_KEY" }}
"""


def encoded(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


CLAIMS = {"exp": 4_000_000_000, "https://api.openai.com/auth": {"chatgpt_plan_type": "pro", "chatgpt_account_id": "a"}}
TOKEN = f"{encoded({'alg': 'none'})}.{encoded(CLAIMS)}.{encoded({})}"
"""A login that nobody has signed; only its form counts here."""


@pytest.fixture
def provider() -> Iterator[Upstream]:
    stream = b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in EVENTS)
    with serving(lambda asked: Said(200, [("Content-Type", "text/event-stream")], stream)) as upstream:
        yield upstream


@pytest.fixture
def durward(tmp_path: Path, provider: Upstream) -> Iterator[Gate]:
    own = {"protocol": "openai", "base_url": f"{provider.url}/v1", "credential": "caller"}
    with gate(tmp_path, {"providers": {"own": own}}) as running:
        yield running


def relay(durward: Gate, asked: Asked) -> Said:
    """Passes a request on to the gate as it came, so that the test sees what the client sent."""
    connection = http.client.HTTPConnection("127.0.0.1", durward.port, timeout=30)
    try:
        connection.request(asked.method, asked.target, asked.body, asked.fields)
        answer = connection.getresponse()
        kept = [each for each in answer.getheaders() if each[0].lower() in ("content-type", "durward-call")]
        return Said(answer.status, kept, answer.read())
    finally:
        connection.close()


def test_a_compressed_call_with_a_login_of_the_callers_own(
    tmp_path: Path, peers: Path, durward: Gate, provider: Upstream
) -> None:
    home = tmp_path / "home"
    (home / ".codex").mkdir(parents=True)
    login = {"id_token": TOKEN, "access_token": TOKEN, "refresh_token": "none", "account_id": "a"}
    written = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": login, "last_refresh": "2099-01-01T00:00:00Z"}
    (home / ".codex" / "auth.json").write_text(json.dumps(written))
    with serving(lambda asked: relay(durward, asked)) as between, serving(lambda _: Said(502, [], b"")) as elsewhere:
        (home / ".codex" / "config.toml").write_text(CONFIGURATION.format(root=between.url))
        more = {"DURWARD_KEY": durward.key, "HTTPS_PROXY": elsewhere.url, "NO_PROXY": "127.0.0.1"}
        with durward.recording() as records:
            ended = run(["codex", "exec", "--skip-git-repo-check", "--json", "Say pong."], home, tmp_path, more)
    assert ended.code == 0, ended
    assert elsewhere.asked == []
    assert '"text":"pong"' in ended.out
    (sent,) = [asked for asked in between.asked if asked.target == "/v1/responses"]
    assert sent.fields["content-encoding"] == "zstd"
    (came,) = [asked for asked in provider.asked if asked.method == "POST"]
    assert "content-encoding" not in came.fields
    assert json.loads(came.body)["model"] == "gpt-5"
    assert len(came.body) > len(sent.body)
    # The login goes to its provider; the agent's key stays here.
    assert came.fields["authorization"] == f"Bearer {TOKEN}"
    assert durward.key not in str(came)
    (record,) = [record for record in records if record["protocol"] == "openai_responses"]
    assert (record["agent"], record["outcome"], record["session"]) == ("support", "ok", sent.fields["session-id"])
    assert tokens(record) == counts(input=5, cached_input=4, output=1, reasoning=1)
    assert TOKEN not in str(durward.records())
