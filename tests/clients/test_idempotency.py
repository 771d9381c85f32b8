"""`Idempotency-Key` through a whole Durward with two workers: an official SDK, an API, a restart, and what the disk holds."""

import http.client
import json
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from openai import OpenAI

from tests.cli.recorded import durward as command
from tests.clients.gate import Gate, gate
from tests.clients.upstream import Asked, Said, Upstream, serving
from tests.server.running import until

CANARY = "the canary sang at dawn"
JSON = [("Content-Type", "application/json")]


def answer(asked: Asked) -> Said:
    """A chat completion or what a refund was, different each time."""
    number = len(upstream_of[0].asked)
    if "held" in asked.target:
        HOLDS.wait(20)
    if "chat" in asked.target:
        message = {"role": "assistant", "content": CANARY}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {
            "id": f"chat-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": choices,
            "usage": usage,
        }
        return Said(200, JSON, json.dumps(body).encode())
    return Said(201, [*JSON, ("X-Number", str(number))], json.dumps({"refund": number, "note": CANARY}).encode())


upstream_of: list[Upstream] = []
HOLDS = threading.Event()


def refund(
    durward: Gate, key: str = "refund-key-canary", path: str = "refunds?x=1"
) -> tuple[int, str | None, str | None, bytes]:
    """On a connection of its own, so that either worker may get it."""
    connection = http.client.HTTPConnection("127.0.0.1", durward.port, timeout=20)
    fields = {"Authorization": f"Bearer {durward.key}", "Idempotency-Key": key, "Content-Type": "application/json"}
    connection.request("POST", f"/api/pay/{path}", b'{"amount": 5}', fields)
    told = connection.getresponse()
    body = told.read()
    connection.close()
    return told.status, told.getheader("X-Number"), told.getheader("Idempotent-Replayed"), body


def test_a_call_takes_effect_once_over_workers_restarts_and_until_it_is_erased(tmp_path: Path) -> None:
    with serving(answer) as upstream:
        upstream_of[:] = [upstream]
        file = {
            "workers": 2,
            "admin": "off",
            "providers": {"own": {"protocol": "openai", "base_url": upstream.url, "default": True}},
            "apis": {"pay": {"base_url": upstream.url}},
        }
        with gate(tmp_path, file) as durward:
            first = refund(durward)
            assert first[:3] == (201, "1", None)
            assert [refund(durward) for _ in range(6)] == [(201, "1", "true", first[3])] * 6
            with OpenAI(base_url=f"{durward.root}/v1", api_key=durward.key) as client:
                chats = [
                    client.chat.completions.create(
                        model="m",
                        messages=[{"role": "user", "content": CANARY}],
                        extra_headers={"Idempotency-Key": '"chat"'},
                    )
                    for _ in range(3)
                ]
            assert {(chat.id, chat.choices[0].message.content) for chat in chats} == {("chat-2", CANARY)}
        with gate(tmp_path, file) as durward:
            assert refund(durward) == (201, "1", "true", first[3])
            said = command("records", "erase", "--agent", "support", "-c", str(tmp_path / "durward.yaml"))
            assert said.lines == ["Destroyed: 2 kept answers."]
            status, _, _, body = refund(durward)
            assert (status, json.loads(body)["reason"]) == (409, "idempotency_not_kept")
        assert len(upstream.asked) == 2
    files = [path for path in (tmp_path / ".durward").rglob("*") if path.is_file()]
    assert any(path.name == "answers.db" for path in files)
    assert not [path for path in files if b"canary" in path.read_bytes()]


def test_after_a_gate_was_killed_a_write_is_not_repeated_in_silence(tmp_path: Path) -> None:
    HOLDS.clear()
    with serving(answer) as upstream:
        upstream_of[:] = [upstream]
        with gate(tmp_path, {"admin": "off", "apis": {"pay": {"base_url": upstream.url}}}) as durward:

            def held() -> None:
                with suppress(OSError, http.client.HTTPException):
                    refund(durward, path="held")

            first = threading.Thread(target=held)
            first.start()
            until(lambda: upstream.asked, "the call")
            status, _, _, body = refund(durward, path="held")
            assert (status, json.loads(body)["reason"]) == (409, "idempotency_in_progress")
            before = durward.running.child("gate")
            os.kill(before, signal.SIGKILL)
            first.join()
            durward.running.child("gate", before)

            def unknown() -> bool:
                # While its chain is being mended, the writer that died is still taken for alive.
                status, _, _, body = refund(durward, path="held")
                assert status == 409
                return bool(json.loads(body)["reason"] == "idempotency_unknown")

            until(unknown, "the end of what the gate has left")
            HOLDS.set()
            assert len(upstream.asked) == 1
