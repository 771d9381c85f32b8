"""Keys that Durward's language has and this version has not. They are mistakes, never accepted and ignored."""

LATER = {
    "a2a": "remote agents",
    "approvers": "people who approve calls",
    "ask": "calls that wait for a person's approval",
    "egress": "the forward proxy",
    "environments": "environments of agents",
    "guardrails": "what is looked for in requests and answers",
    "labels": "labels of sessions and data",
    "limits": "rates, quotas and budgets",
    "mcp": "MCP servers",
    "payload_retain": "how long payloads are kept",
    "retain": "how long records are kept",
    "roles": "roles of users",
    "users": "the users behind agents",
    "when": "conditions on arguments",
}
"""Key to what it is for."""
