"""CVE-2018-1000518 (websockets: a zip bomb), CVE-2024-27454 (orjson: recursion), uvicorn CVE-2020-7694 (control bytes in its log).

Here: what is decoded is bounded in size and depth, whatever it claims; and what a caller sends reaches no log or terminal as control bytes.
"""

import json
import sys
import zlib
from pathlib import Path

import pytest

from durward.calls.errors import CallerError
from durward.protocols.encodings import decode
from tests.incidents.gate import answered, provider
from tests.playbooks.world import World
from tests.server.running import Running, write_config

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 1 << 20
GZIP = zlib.compressobj(9, wbits=31)
BOMB = GZIP.compress(bytes(64 * LIMIT)) + GZIP.flush()
BOMBS = {"gzip": BOMB, "deflate": zlib.compress(bytes(64 * LIMIT), 9), "zstd": zstd.compress(bytes(64 * LIMIT))}
DEEP = {
    "lists": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "unclosed": "[" * 100_000,
    "both": '[{"a":' * 50_000 + "1" + "}]" * 50_000,
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_is_not_unpacked(coding: str) -> None:
    assert len(BOMBS[coding]) < LIMIT
    with pytest.raises(CallerError) as raised:
        decode(BOMBS[coding], coding.encode(), LIMIT)
    assert raised.value.reason == "too_large"


@pytest.mark.parametrize("coding", BOMBS)
async def test_a_bomb_as_a_model_call_is_413(coding: str) -> None:
    world = World()
    caller = await world.plays("POST /v1/chat/completions", BOMBS[coding], Content_Encoding=coding)
    assert (caller.status, world.network.sent) == (413, [])


@pytest.mark.parametrize("member", ["messages", "metadata", "tools", "model", "stream", "unknown"])
@pytest.mark.parametrize("kind", DEEP)
async def test_depth_is_the_callers_fault_or_passes_unread(kind: str, member: str) -> None:
    world = World()
    said = {"model": '"m"', "messages": "[]"} | {member: DEEP[kind]}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in said.items()) + "}"
    caller = await world.plays("POST /v1/chat/completions", body.encode())
    assert caller.status in (400, 403, 413), "never an error of ours"
    assert json.loads(caller.received)["error"]
    assert world.network.sent == []


def test_no_control_byte_of_a_caller_reaches_log_or_terminal(tmp_path: Path) -> None:
    with provider() as seen:
        write_config(tmp_path, seen.port)
        running = Running(tmp_path, [])
        try:
            running.wait_ready()
            body = {"model": "m\x1b[2J\x07\r\n2026 forged line", "messages": [], "metadata": {"a": "\x1b]0;x\x07"}}
            running.ask("POST", "/v1/chat/completions", body)
            running.ask("GET", "/v1/%1b%5b2J%0d%0aforged", None)
            answered(running.port, b"GET /\x1b[2J HTTP/1.1\r\nHost: \x1b[2J\r\nConnection: close\r\n\r\n")
            shown = [
                running.command(*words).stdout for words in (["calls"], ["calls", "--json"], ["spend", "--by", "model"])
            ]
            for text in (*shown, running.log.read_text()):
                assert not any(letter < " " and letter != "\n" for letter in text), text
                assert "\n2026 forged" not in text
        finally:
            running.close()
