"""A whole Durward before a provider that keeps the truth, driven from a test's own event loop."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from durward.calls.errors import DurwardError
from durward.records import layout
from durward.server.control import ask
from tests.faults.provider import Provider, providing
from tests.server.running import KEY, SECONDS, Running, lives

Found = TypeVar("Found")

CREDENTIAL = "sk-credential-of-the-faults"
PRICES = {"model/*": {"input": 1.0, "output": 4.0, "cached_input": 0.1, "cache_write": 1.25}}


async def until(look: Callable[[], Found], what: str) -> Found:
    """The first true value of `look`; fails after SECONDS."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS
    while True:
        found = look()
        if found:
            return found
        assert loop.time() < deadline, f"waited too long for {what}"
        await asyncio.sleep(0.005)


def write_config(folder: Path, port: int, patience: str = "60s", **changes: Any) -> None:
    """Every wire and an API at one provider, an agent that may do everything but use the model `forbidden`.

    `patience` is how long a provider may be silent.
    """
    root = f"http://127.0.0.1:{port}"
    credential: dict[str, Any] = {"credential": "env:FAULTS_CREDENTIAL"}
    wire = credential | {"timeouts": {"first_byte": patience, "between_chunks": patience}}
    file: dict[str, Any] = {
        "version": 1,
        "listen": "127.0.0.1:0",
        "drain": {"delay": "0s", "timeout": "10s"},
        "providers": {
            "openai": {"protocol": "openai", "base_url": f"{root}/v1"} | wire,
            "anthropic": {"protocol": "anthropic", "base_url": root} | wire,
            "gemini": {"protocol": "gemini", "base_url": root} | wire,
        },
        "apis": {"crm": {"base_url": f"{root}/crm"} | credential},
        "agents": {"support": {"keys": [f"sha256:{sha256(KEY.encode()).hexdigest()}"]}},
        "policies": [
            {"name": "all", "allow": {"agents": ["*"]}},
            {"name": "not that one", "deny": {"resources": ["model/forbidden"]}},
        ],
        "prices": PRICES,
    }
    # JSON is YAML.
    (folder / "durward.yaml").write_text(json.dumps(file | changes))


async def started(folder: Path, **environment: str) -> Running:
    """`durward up` in a folder, ready."""
    running = Running(folder, [], {"FAULTS_CREDENTIAL": CREDENTIAL} | environment)
    try:
        return await asyncio.to_thread(running.wait_ready)
    except BaseException:
        running.close()
        raise


@asynccontextmanager
async def durward(
    folder: Path, seed: int = 0, patience: str = "60s", **changes: Any
) -> AsyncIterator[tuple[Running, Provider]]:
    """A Durward that is ready, and the provider behind it."""
    async with providing(seed) as provider:
        write_config(folder, provider.port, patience, **changes)
        running = await started(folder)
        try:
            yield running, provider
        finally:
            provider.let.set()
            await asyncio.to_thread(running.close)


async def next_child(running: Running, name: str, known: int) -> int:
    """The pid of a child that is started in place of a known one, as soon as there is one."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while True:
        assert asyncio.get_running_loop().time() < deadline, f"waited too long for another {name}"
        try:
            status = await asyncio.to_thread(ask, running.data_dir, {"do": "status"})
        except DurwardError:  # The supervisor was ended in the moment of the answer.
            status = None
        pid = (status or {}).get("gates", [None])[0] if name == "gate" else (status or {}).get(name)
        if pid and pid != known:
            running.known.add(pid)
            return int(pid)
        await asyncio.sleep(0.005)


def journal_files(data_dir: Path) -> list[Path]:
    """The segments of all writers."""
    return [
        layout.segment(writer, n)
        for writer in layout.writers(data_dir / layout.JOURNAL)
        for n in layout.segments(writer)
    ]


async def killed(pid: int) -> None:
    """End a process as a crash would, and see its end."""
    os.kill(pid, 9)
    await until(lambda: not lives(pid), f"the end of {pid}")
