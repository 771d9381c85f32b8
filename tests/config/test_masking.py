"""Lines are shown without what may be a secret, and legible otherwise."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.config.masking import mask

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "line",
    [
        "  openai: {protocol: openai, base_url: https://api.openai.com/v1, credential: env:OPENAI_API_KEY}",
        "credential: file:/run/secrets/key1234567890abcdef",
        'credential: {header: Authorization, value: "Bearer ${env:CRM_TOKEN}"}',
        "credential: caller",
        f'keys: ["{DIGEST}", "{DIGEST.upper().replace("SHA", "sha")}"]',
        "models: {claude-sonnet-4-5-20250929: {provider: anthropic}, gpt-4o-mini-2024-07-18: {provider: openai}}",
        'resources: ["model/*", "api/crm/GET/*"]',
        '- {name: refunds, ask: {resources: ["tool/billing/refund"]}, when: "args.amount > 50.0"}',
        "prices: {model/qwen*: {input: 0.1, output: 0.3}}",
    ],
)
def test_what_is_no_secret_stays_legible(line: str) -> None:
    assert mask(line) == line


@pytest.mark.parametrize(
    "line,secret",
    [
        ("credential: hunter2", "hunter2"),
        ("credential: 'my pass phrase'", "phrase"),
        ("credential: env:sk-live-abcdef", "abcdef"),
        ('{header: X-Key, value: "Bearer letmein"}', "letmein"),
        ("api_key: letmein", "letmein"),
        ("password=letmein", "letmein"),
        (f"keys: [{DIGEST}, letmein]", "letmein"),
        ("keys: [dw_Zm9vYmFy]", "Zm9vYmFy"),
        ("x: sk-proj-1234", "1234"),
        ("x: ghp_abcdef", "abcdef"),
        ("# was 9f86d081884c7d659a2feaa0c55ad015", "9f86d081"),
        ("x: 9f86d081-884c-4d65-9a2f-eaa0c55ad015", "9f86d081"),
        ("base_url: https://user:letmein@host/v1", "letmein"),
        ("base_url: https://host/v1?key=letmein&x=1", "letmein"),
    ],
)
def test_what_may_be_a_secret_is_blotted_out(line: str, secret: str) -> None:
    assert secret not in mask(line)
    assert len(mask(line)) == len(line)


@given(
    st.binary(min_size=32, max_size=32),
    st.sampled_from(["{}", "a: {}", "agents: {{x: {{keys: [{}]}}}}", "# {} was it"]),
)
def test_an_agent_key_is_never_shown_wherever_it_stands(key: bytes, line: str) -> None:
    text = "dw_" + base64.urlsafe_b64encode(key).decode().rstrip("=")
    shown = mask(line.format(text))
    assert not any(text[at : at + 8] in shown for at in range(3, len(text) - 8))


@given(st.text(max_size=200))
def test_columns_stay_where_they_are(line: str) -> None:
    assert len(mask(line)) == len(line)
