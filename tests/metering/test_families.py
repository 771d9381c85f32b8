"""The host decides; genai-prices, which goes by the whole URL, agrees for every host in the list."""

import re

import pytest
from genai_prices.data import providers

from durward.metering.families import HOSTS, family_of


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_every_host_is_one_that_the_source_of_the_table_knows(host: str) -> None:
    urls = [f"https://{host}/", f"https://{host}/client/v4/accounts/a/ai/v1"]
    claimed = [provider.id for provider in providers for url in urls if re.match(provider.api_pattern, url)]
    assert claimed[0] == HOSTS[host]


@pytest.mark.parametrize(
    "base_url,family",
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.OpenAI.com:443/v1", "openai"),
        ("https://generativelanguage.googleapis.com", "google"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.openai.com.example/v1", None),
        ("https://example/api.openai.com", None),
        ("https://eu.api.openai.com/v1", None),
        ("https://example.openai.azure.com/openai/v1", None),
        ("http://127.0.0.1:11434/v1", None),
    ],
)
def test_a_table_follows_from_the_whole_host_alone(base_url: str, family: str | None) -> None:
    assert family_of(base_url) == family
