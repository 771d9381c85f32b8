"""Which price list a provider's address follows: by host alone, never by wire or model name.

Only hosts with one list worldwide stand here. Regional endpoints (Azure, Bedrock, Vertex regions, OpenAI data residency) charge by
region, and lists kept in other currencies move with the exchange rate: there the operator says `price_as`, or writes `prices`.
"""

from urllib.parse import urlsplit

HOSTS = {
    "aiplatform.googleapis.com": "google",
    "api.anthropic.com": "anthropic",
    "api.arcee.ai": "arcee",
    "api.avian.io": "avian",
    "api.cerebras.ai": "cerebras",
    "api.cloudflare.com": "cloudflare",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.doubleword.ai": "doubleword",
    "api.fireworks.ai": "fireworks",
    "api.githubcopilot.com": "github-copilot",
    "api.groq.com": "groq",
    "api.meta.ai": "meta",
    "api.minimax.io": "minimax",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.novita.ai": "novita",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.typesafe.ai": "typesafe",
    "api.voyageai.com": "voyageai",
    "api.x.ai": "x-ai",
    "api.z.ai": "zai",
    "generativelanguage.googleapis.com": "google",
    "inference.baseten.co": "baseten",
    "oai.endpoints.kepler.ai.cloud.ovh.net": "ovhcloud",
    "openrouter.ai": "openrouter",
}
"""Host to table name."""


def family_of(base_url: str) -> str | None:
    """The table that the host of a base URL follows; None where none does."""
    return HOSTS.get(urlsplit(base_url).hostname or "")
