"""Resources of APIs and of provider routes."""

import pytest

from durward.calls.errors import CallerError
from durward.calls.resource import Target
from durward.catalog.http import Apis, api_resource, method_effect, provider_resource
from durward.config.settings import Api, EffectOverride, Provider, Settings

CRM = Api(
    "crm",
    "https://crm.example.com",
    effects=(
        EffectOverride("POST", "/search", "read"),
        EffectOverride("*", "/admin/*", "destructive"),
        EffectOverride("GET", "admin/status", "read"),
    ),
)


@pytest.mark.parametrize(
    "method,path,effect",
    [
        ("GET", "orders", "read"),
        ("HEAD", "orders", "read"),
        ("OPTIONS", "", "read"),
        ("DELETE", "orders/1", "destructive"),
        ("PATCH", "orders/1", "write"),
        ("PURGE", "orders", "write"),
        ("POST", "search", "read"),
        ("PUT", "search", "write"),
        ("POST", "searches", "write"),
        ("POST", "Search", "write"),
        ("POST", "admin/", "destructive"),
        ("GET", "admin/status", "destructive"),
        ("GET", "admin", "read"),
    ],
)
def test_effects(method: str, path: str, effect: str) -> None:
    """The first override that covers a call decides, in the order of the file."""
    resource = api_resource(CRM, method, path)
    assert (resource.name, resource.action, resource.effect) == (f"api/crm/{method}/{path}", "request", effect)
    assert resource.targets == (Target("crm"),)


def test_provider_routes_have_effects_by_their_method() -> None:
    provider = Provider("openai", "openai", "https://api.openai.com/v1")
    resource = provider_resource(provider, "DELETE", "files/file-1")
    assert (resource.name, resource.effect) == ("provider/openai/DELETE/files/file-1", "destructive")
    assert method_effect("POST") == "write"


def test_apis_by_name() -> None:
    apis = Apis(Settings("", "", apis=(CRM,)))
    assert apis.named("crm") == CRM
    with pytest.raises(CallerError) as caught:
        apis.named("x" * 500)
    assert caught.value.reason == "not_found"
    assert len(caught.value.message) < 200
