"""CVE-2024-6587 (LiteLLM, and the same hole three times since): a caller named the host, and the gateway sent its own key there.

Here: no header, member of a body or parameter of a query moves a call to another host, and a credential that is asked for another origin
is refused before anything is sent.
"""

import pytest

from durward.calls.errors import GateError
from durward.calls.origin import Origin
from durward.config.settings import Api, Credential, Provider
from durward.credentials.presented import Presented
from tests.incidents.gate import CREDENTIAL
from tests.playbooks.world import Reply, World, settings

HOSTILE = "canary.attacker.example"
OWN = Credential(header="Authorization", template="Bearer ${env:SECRET}")
NAMES = [
    *(
        "api_base",
        "base_url",
        "baseUrl",
        "api_url",
        "endpoint",
        "url",
        "uri",
        "host",
        "hostname",
        "origin",
        "proxy",
        "target",
    ),
    *(
        "provider",
        "region_name",
        "aws_bedrock_runtime_endpoint",
        "azure_endpoint",
        "api_host",
        "callback",
        "webhook",
        "redirect",
    ),
    *(
        "redirect_uri",
        "next",
        "custom_host",
        "upstream",
        "forward_to",
        "server",
        "extra_body",
        "litellm_params",
        "config",
        "dest",
    ),
]
HEADERS = [
    *(
        "X-Forwarded-Host",
        "X-Host",
        "X-Original-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
        "X-Forwarded-Server",
    ),
    *(
        "X-Portkey-Custom-Host",
        "Helicone-Target-Url",
        "X-LiteLLM-Api-Base",
        "X-Base-Url",
        "X-Upstream",
        "X-Target",
        "Destination",
    ),
    *(
        "Proxy-Host",
        "Via",
        "Origin",
        "Referer",
        "X-Api-Base",
        "OpenAI-Base-Url",
        "Durward-Provider",
        "Durward-Upstream",
        "Location",
    ),
]
VALUES = [
    f"https://{HOSTILE}/v1",
    HOSTILE,
    f"//{HOSTILE}",
    f"https://api.openai.com@{HOSTILE}/",
    f"http://{HOSTILE}:80\\@x",
]
LINES: dict[str, dict[str, object]] = {
    "POST /v1/chat/completions": {"model": "gpt-4o", "messages": []},
    "POST /v1/messages": {"model": "claude", "max_tokens": 1, "messages": []},
    "POST /v1beta/models/gemini:generateContent": {"contents": []},
    "POST /p/openai/files": {"purpose": "x"},
    "POST /api/crm/x": {"a": 1},
}
ALLOWED = {"api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "crm.example.com"}


def world() -> World:
    written = settings(
        providers=(
            Provider("openai", "openai", "https://api.openai.com/v1", OWN),
            Provider("anthropic", "anthropic", "https://api.anthropic.com", OWN),
            Provider("gemini", "gemini", "https://generativelanguage.googleapis.com", OWN),
        ),
        apis=(Api("crm", "https://crm.example.com/v2", OWN),),
    )
    return World(written, {"SECRET": CREDENTIAL})


def hosts(played: World) -> set[str]:
    """Where everything was sent, by the connection and by the Host line."""
    connected = {event.rpartition(" to ")[2] for event in played.events if event.startswith("<< ") and " to " in event}
    named = {
        line[6:].decode()
        for head, _ in played.network.sent
        for line in head.split(b"\r\n")
        if line.startswith(b"Host: ")
    }
    return connected | named


@pytest.mark.parametrize("line", list(LINES))
async def test_nothing_that_a_caller_says_moves_the_credential(line: str) -> None:
    played = world()
    passed = 0
    for value in VALUES:
        for name in NAMES:
            for body, address in (({**LINES[line], name: value}, line), (LINES[line], f"{line}?{name}={value}")):
                asked = address.replace("\\", "%5C")
                passed += (await played.plays(asked, body, Reply(200, b"{}"))).status == 200
        for header in HEADERS:
            caller = await played.plays(line, LINES[line], Reply(200, b"{}"), **{header.replace("-", "_"): value})
            passed += caller.status == 200
    assert passed > 100, "calls did go up, so that something was looked at"
    assert hosts(played) <= ALLOWED
    assert all(CREDENTIAL.encode() in head for head, _ in played.network.sent)


@pytest.mark.parametrize(
    "model", [f"https://{HOSTILE}/m", f"{HOSTILE}/m", f"openai/https://{HOSTILE}", f"../../{HOSTILE}", "@" + HOSTILE]
)
async def test_a_models_name_is_no_address(model: str) -> None:
    played = world()
    await played.plays("POST /v1/chat/completions", {"model": model, "messages": []}, Reply(200, b"{}"))
    assert hosts(played) <= ALLOWED


@pytest.mark.parametrize(
    "path", [f"//{HOSTILE}/x", f"@{HOSTILE}/x", f"https://{HOSTILE}/x", f"/..//{HOSTILE}", f"%2f%2f{HOSTILE}"]
)
@pytest.mark.parametrize("prefix", ["/p/openai/", "/api/crm/", "/v1/"])
async def test_a_path_stays_a_path(prefix: str, path: str) -> None:
    played = world()
    await played.plays(f"GET {prefix}{path}", b"", Reply(200, b"{}"))
    assert hosts(played) <= ALLOWED


@pytest.mark.parametrize(
    "other",
    [
        Origin("https", HOSTILE, 443),
        Origin("http", "api.openai.com", 443),
        Origin("https", "api.openai.com", 8443),
        Origin("https", "api.openai.com.attacker.example", 443),
    ],
)
def test_a_credential_is_given_to_its_own_origin_only(other: Origin) -> None:
    own = Origin("https", "api.openai.com", 443)
    presented = Presented(OWN, own, {"SECRET": CREDENTIAL})
    assert CREDENTIAL.encode() in presented.lines(own, {})
    with pytest.raises(GateError) as raised:
        presented.lines(other, {})
    assert CREDENTIAL not in str(raised.value)
