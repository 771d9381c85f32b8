"""A real gate for the clients: a configuration, the processes of `durward up`, and the records that its calls leave in the journal."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.server.running import KEY, Running, until

DENIED = "forbidden-model"
CREDENTIAL = "sk-upstream-of-the-tests"
"""What `env:UPSTREAM_CREDENTIAL` of a configuration means."""
TOKEN_KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")
RATES = {"input": 1_000, "cached_input": 100, "cache_write": 1_250, "output": 4_000, "reasoning": 4_000}
"""Nano-dollars a token, as `PRICES` states them."""
PRICES = {"model/*": {"input": 1.0, "output": 4.0, "cached_input": 0.1, "cache_write": 1.25}}
Record = dict[str, Any]


class Gate:
    """A running gate, whose one agent `support` holds `key` and may do everything but ask for the model `forbidden-model`."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.key = KEY
        scheme = "https" if " on https://" in running.lines[-1] else "http"
        self.root = f"{scheme}://127.0.0.1:{running.port}"
        self.port = running.port

    def records(self) -> dict[str, Record]:
        """What the journal holds of every call so far, both halves joined, by id and in order."""
        found: dict[str, Record] = {}
        for segment in sorted((self.running.folder / ".durward" / "journal").glob("*/*.jsonl")):
            for line in segment.read_bytes().split(b"\n")[:-1]:
                half = json.loads(line)
                if half["type"] in ("intent", "settle", "refused", "unknown"):
                    found.setdefault(half["id"], {}).update(half)
        return found

    @contextmanager
    def recording(self) -> Iterator[list[Record]]:
        """The records of the calls that the block makes, once all of them have ended."""
        before = self.records().keys()
        made: list[Record] = []
        yield made

        def ended() -> bool:
            made[:] = [record for call, record in self.records().items() if call not in before]
            return all("outcome" in record for record in made)

        until(ended, "the end of every call")


@contextmanager
def gate(folder: Path, configuration: dict[str, Any]) -> Iterator[Gate]:
    """A gate with this configuration, for which address, agent, rules and prices are filled in."""
    digest = sha256(KEY.encode()).hexdigest()
    rules = [
        {"name": "all", "allow": {"agents": ["support"]}},
        {"name": "no forbidden model", "deny": {"resources": [f"model/{DENIED}"]}},
    ]
    file = {
        "version": 1,
        "listen": "127.0.0.1:0",
        "drain": {"delay": "0s"},
        "agents": {"support": {"tenant": "acme", "team": "care", "keys": [f"sha256:{digest}"]}},
        "policies": rules,
        "prices": PRICES,
    }
    # JSON is YAML.
    (folder / "durward.yaml").write_text(json.dumps(file | configuration))
    running = Running(folder, [], {"UPSTREAM_CREDENTIAL": CREDENTIAL})
    try:
        yield Gate(running.wait_ready())
    finally:
        running.close()


def tokens(record: Record) -> dict[str, int]:
    """A record's tokens, every kind."""
    counted = record.get("tokens") or {}
    return {kind: counted.get(kind, 0) for kind in TOKEN_KINDS}


def counts(**told: int) -> dict[str, int]:
    """Tokens of these kinds, none of the others."""
    return {kind: told.get(kind, 0) for kind in TOKEN_KINDS}


def cost_of(counted: dict[str, int]) -> int:
    """What so many tokens cost by `PRICES`, in nano-dollars."""
    return sum(RATES[kind] * count for kind, count in counted.items())
