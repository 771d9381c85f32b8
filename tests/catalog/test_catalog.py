"""Which catalog entry an arrival names."""

import pytest

from durward.calls.errors import CallerError
from durward.calls.ports import RequestHead
from durward.calls.resource import Target
from durward.catalog.catalog import Catalog
from durward.config.settings import Api, Model, ModelTarget, Provider, Settings
from durward.protocols.arrival import Arrival, read_arrival
from durward.protocols.members import Body
from durward.protocols.wire import ModelRequest

SETTINGS = Settings(
    "",
    "",
    providers=(
        Provider("openai", "openai", "https://api.openai.com/v1"),
        Provider("anthropic", "anthropic", "https://api.anthropic.com"),
        Provider("demo", "demo", "http://127.0.0.1:1"),
    ),
    models=(Model("gpt-*", (ModelTarget("openai"),)), Model("alias", (ModelTarget("openai", "gpt-4o"),))),
    apis=(Api("crm", "https://crm.example.com"),),
)
CATALOG = Catalog(SETTINGS)


def arrive(line: str) -> tuple[Arrival, str]:
    method, target = line.split()
    return read_arrival(RequestHead(method, target.encode(), {}, [], 0), CATALOG.wire_of), method


def asked(model: str) -> ModelRequest:
    return ModelRequest(model, False, Body({}))


@pytest.mark.parametrize(
    "name,wire", [("openai", "openai"), ("anthropic", "anthropic"), ("demo", None), ("nobody", None)]
)
def test_the_wire_of_a_provider(name: str, wire: str | None) -> None:
    assert CATALOG.wire_of(name) == wire


@pytest.mark.parametrize(
    "line,model,resource,upstream",
    [
        ("POST /v1/chat/completions", "gpt-4o", "model/gpt-4o", "openai"),
        ("POST /p/openai/chat/completions", "any", "model/openai/any", "openai"),
        ("POST /p/demo/v1/messages", "any", "model/demo/any", "demo"),
        ("GET /v1/files/x", None, "provider/openai/GET/files/x", "openai"),
        ("POST /v1beta/files", None, "provider/demo/POST/files", "demo"),
        ("GET /p/anthropic/v1/files/x", None, "provider/anthropic/GET/files/x", "anthropic"),
        ("PUT /api/crm/a%20b", None, "api/crm/PUT/a b", "crm"),
        ("GET /api/crm", None, "api/crm/GET/", "crm"),
    ],
)
def test_resources(line: str, model: str | None, resource: str, upstream: str) -> None:
    arrival, method = arrive(line)
    found = CATALOG.resolve(arrival, method, None if model is None else asked(model))
    assert (found.name, found.targets[0].upstream) == (resource, upstream)


@pytest.mark.parametrize(
    "line,model,reason",
    [
        ("POST /v1/chat/completions", "claude", "model_unknown"),
        ("POST /v1/messages", "gpt-4o", "wrong_wire"),
        ("POST /p/nobody/chat/completions", "x", "not_found"),
        ("GET /p/nobody/files/x", None, "not_found"),
        ("GET /api/erp/x", None, "not_found"),
    ],
)
def test_what_is_not_there(line: str, model: str | None, reason: str) -> None:
    arrival, method = arrive(line)
    with pytest.raises(CallerError) as caught:
        CATALOG.resolve(arrival, method, None if model is None else asked(model))
    assert caught.value.reason == reason


def test_a_wire_without_a_provider() -> None:
    catalog = Catalog(Settings("", "", providers=SETTINGS.providers[:1]))
    arrival = read_arrival(RequestHead("GET", b"/v1beta/files/x", {}, [], 0), catalog.wire_of)
    with pytest.raises(CallerError) as caught:
        catalog.resolve(arrival, "GET", None)
    assert caught.value.reason == "not_found"


def test_a_further_model_is_what_it_stands_for_and_what_goes_up() -> None:
    arrival, method = arrive("POST /v1/chat/completions")
    resource = CATALOG.resolve(arrival, method, asked("gpt-4.1"))
    further = CATALOG.further(arrival, resource, "alias")
    assert further.name == "model/alias"
    assert set(further.targets) == {Target("openai", "alias"), Target("openai", "gpt-4o")}
    with pytest.raises(CallerError):
        CATALOG.further(arrival, resource, "o3")


def test_under_a_providers_address_a_further_model_is_the_providers() -> None:
    arrival, method = arrive("POST /p/openai/chat/completions")
    resource = CATALOG.resolve(arrival, method, asked("gpt-4.1"))
    further = CATALOG.further(arrival, resource, "o3")
    assert (further.name, further.targets) == ("model/openai/o3", (Target("openai", "o3"),))
