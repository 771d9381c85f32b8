"""GHSA-g53w-w6mj-hrpp (Kuadrant mcp-gateway): an internal header was believed from anyone, under a secret that was the same everywhere.

Here: no secret has a default, keys are drawn anew, and no header makes a caller someone else; those of proxies and our own do not go up.
"""

import ast
from pathlib import Path

import pytest

from durward.cli.agent_key import draw
from tests.playbooks.world import Reply, World

SRC = Path(__file__).parent.parent.parent / "src" / "durward"
CLAIMS = [
    *(
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "Forwarded",
        "X-Forwarded-Client-Cert",
    ),
    *(
        "Durward-Agent",
        "Durward-Tenant",
        "Durward-Internal",
        "Durward-Role",
        "Durward-Anything",
        "Proxy-Authorization",
        "baggage",
    ),
]
BELIEVED_ELSEWHERE = [
    "X-User",
    "X-Remote-User",
    "Remote-User",
    "X-Authenticated-User",
    "X-Real-IP",
    "X-Internal",
    "X-Admin",
    "X-Api-User",
]


@pytest.mark.parametrize("name", [*CLAIMS, *BELIEVED_ELSEWHERE])
async def test_no_header_is_an_identity(name: str) -> None:
    world = World()
    header = {name.replace("-", "_"): "carol"}
    assert (await world.plays("GET /api/crm/x", b"", key=None, **header)).status == 401  # type: ignore[arg-type]
    assert world.network.sent == []


@pytest.mark.parametrize("name", CLAIMS)
async def test_what_proxies_and_we_say_to_each_other_does_not_go_up(name: str) -> None:
    world = World()
    header = {name.replace("-", "_"): "carol"}
    assert (await world.plays("GET /api/crm/x", b"", Reply(200, b"{}"), **header)).status == 200
    assert name.lower().encode() not in world.network.sent[0][0].lower()
    assert world.book.openings[0].agent == "carol"
    assert world.book.openings[0].tenant == "acme"


def test_keys_are_drawn_anew() -> None:
    assert len({draw().text for _ in range(100)}) == 100


def test_no_secret_is_written_in_the_source() -> None:
    """Nothing that is named like a secret is set to a text."""
    wrong = []
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg and secret(node.arg) and text(node.value):
                wrong.append(f"{path.relative_to(SRC)}:{node.value.lineno}: {node.arg}")
            if isinstance(node, ast.Assign) and text(node.value):
                wrong += [f"{path.relative_to(SRC)}:{node.lineno}" for to in node.targets if secret(ast.unparse(to))]
    assert wrong == []


def secret(name: str) -> bool:
    return any(
        word in name.lower()
        for word in ("secret", "password", "passwd", "token_value", "master_key", "private_key", "salt")
    )


def text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and len(node.value) > 3
