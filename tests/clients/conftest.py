"""What the clients' tests share: one gate before a demo provider and an upstream of their own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.demo import demo_provider
from tests.clients.gate import Gate, gate
from tests.clients.golden import golden
from tests.clients.upstream import Upstream, serving


@pytest.fixture(scope="session")
def own() -> Iterator[Upstream]:
    """The upstream that answers with the golden answers."""
    with serving(golden) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def durward(tmp_path_factory: pytest.TempPathFactory, own: Upstream) -> Iterator[Gate]:
    """The gate: the names that official samples use go to the demo provider, `golden-…` to the upstream of the tests."""
    with demo_provider() as demo:
        providers: dict[str, Any] = {"demo": {"protocol": "demo", "base_url": demo, "default": True}}
        models = {name: {"provider": "demo"} for name in ("gpt-*", "text-*", "claude-*", "gemini-*", "forbidden-*")}
        for wire in ("openai", "anthropic", "gemini"):
            providers[f"own_{wire}"] = {"protocol": wire, "base_url": own.url, "credential": "env:UPSTREAM_CREDENTIAL"}
            providers[f"locked_{wire}"] = {"protocol": wire, "base_url": own.url, "credential": "env:UPSTREAM_NOT_SET"}
            models[f"golden-{wire}-*"] = {"provider": f"own_{wire}"}
            models[f"locked-{wire}"] = {"provider": f"locked_{wire}"}
        with gate(tmp_path_factory.mktemp("gate"), {"providers": providers, "models": models}) as running:
            yield running
