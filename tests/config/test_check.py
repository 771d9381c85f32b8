"""What holds between members of the file: one row a mistake, with its place."""

import pytest

from durward.config.check import check
from durward.config.load import compose
from durward.config.mistakes import Source, ordered

PROVIDERS = "providers: {openai: {protocol: openai}, local: {protocol: openai}}\n"


def found(text: str) -> list[str]:
    root = compose(Source("f", text), text)
    assert root is not None
    mistakes = ordered(check(root))
    return [f"{m.span.line + 1}:{m.span.column + 1}: {m.message} = {m.hint}" for m in mistakes if m.span is not None]


@pytest.mark.parametrize(
    "text,start",
    [
        ("listen: 127.0.0.1:7\nadmin: 127.0.0.1:7", "2:8: agents connect at this address"),
        ("listen: 127.0.0.1:7\nadmin: {address: 127.0.0.1:7}", "2:18: agents connect at this address"),
        (
            "admin: {address: 0.0.0.0:7301, metrics: open}",
            "1:41: metrics may be open on a loopback address only",
        ),
        ("idempotency: {max_answer: 17MiB}", "1:27: one kept answer may have 16MiB at most"),
        ("idempotency: {max_bytes: 1MiB}", "1:15: `max_bytes` has no room for two answers"),
        ("idempotency: {max_bytes: 3MiB, max_answer: 2MiB}", "1:15: `max_bytes` has no room for two answers"),
        ("providers: {d: {protocol: demo, credential: env:X}}", "1:33: a demo provider takes no credential"),
        (
            "providers:\n  a: {protocol: gemini, default: true}\n  b: {protocol: gemini, default: true}",
            "3:25: the gemini wire has two defaults: `a` and `b`",
        ),
        (
            PROVIDERS + "models: {m: {provider: opnai}}",
            "2:24: there is no provider `opnai` = Did you mean `openai`? Allowed: openai, local.",
        ),
        ("models: {m: {provider: x}}", "1:24: there is no provider `x` = The file has no `providers`."),
        (
            PROVIDERS + "models: {m: {targets: [{provider: lokal}]}}",
            "2:35: there is no provider `lokal` = Did you mean `local`?",
        ),
        (
            PROVIDERS + "models: {m: {provider: local, targets: [{provider: local}]}}",
            "2:31: a model has a `provider` or `targets`",
        ),
        ("listen:\n  address: 127.0.0.1:1\n  tls:\n", "3:3: nothing stands behind `tls` = Write what it is to be"),
        ("listen: {tls: {cert: a, key: b, client_ca: }}", "1:33: nothing stands behind `client_ca`"),
        ("outbound_proxy: ~", "1:1: nothing stands behind `outbound_proxy`"),
        ("models: {m: {}}", "1:10: this model has no `provider` and no `targets`"),
        ("models:\n  m:", "2:3: this model has no `provider` and no `targets`"),
        (PROVIDERS + "models: {m: {model: x, targets: [{provider: local}]}}", "2:14: `model` belongs to a `provider`"),
        (PROVIDERS + "models: {m: {provider: local, strategy: ordered}}", "2:31: a `strategy` needs `targets`"),
        ("models: {m: {targets: []}}", "1:14: `targets` is empty"),
        ("models: {m: {targets: }}", "1:14: `targets` is empty"),
        (
            "policies:\n- {name: x, allow: {}}\n- {name: x, deny: {}}",
            "3:10: two rules are called `x` = The first stands on line 2.",
        ),
        ("policies: [{name: x}]", "1:12: this rule neither allows nor denies"),
        ("policies: [{name: x, allow: {}, deny: {}}]", "1:33: a rule allows or denies, not both"),
        ("policies: [{name: x, allow: }]", "1:22: nothing stands behind `allow`"),
        (
            "policies: [{name: x, deny: {resources: [api/crm/*]}}]",
            "1:41: `api/crm/*` can never match: there is no API `crm` = The file has no `apis`.",
        ),
        (
            "apis: {crm: {}}\npolicies: [{name: x, deny: {resources: [api/cmr/*]}}]",
            "2:41: `api/cmr/*` can never match: there is no API `cmr` = Did you mean `api/crm/*`?",
        ),
        (
            PROVIDERS + "policies: [{name: x, deny: {resources: [provider/zz/*]}}]",
            "2:41: `provider/zz/*` can never match: there is no provider `zz` = There are: openai, local.",
        ),
        (
            "agents: {a: {keys: ['sha256:AA']}, b: {keys: ['sha256:aa']}}",
            "1:47: this key belongs to the agent `a` already",
        ),
        ("prices: {model/x: {}}", "1:10: no price is stated for `model/x`"),
        ("prices: {model/x: {input: ~}}", "1:10: no price is stated for `model/x`"),
    ],
)
def test_mistakes(text: str, start: str) -> None:
    (mistake,) = found(text)
    assert mistake.startswith(start)


@pytest.mark.parametrize(
    "text",
    [
        "providers: {a: {protocol: gemini, default: true}, b: {protocol: openai, default: true}, c: {protocol: openai}}",
        PROVIDERS
        + "models: {m: {provider: local}, 'n*': {targets: [{provider: local, model: x}, {provider: openai}]}}",
        "apis: {crm: {}}\npolicies: [{name: x, allow: {resources: [api/crm/*, 'api/*', '*', model/x, tool/a/b, api]}}]",
        "policies: [{name: x, allow: {}}, {name: y, deny: {}}]",
        "agents: {a: {keys: ['sha256:aa', 'sha256:aa']}, b: {keys: []}, c: }",
        "prices: {model/x: {input: 0}}",
    ],
)
def test_what_is_right(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "providers: []\nmodels: x\npolicies: {}\nagents: 5\nprices: [x]",
        "providers: {a: [], b: x}\nmodels: {a: [], b: {targets: {a: b}}, c: {targets: [x, 5]}, d: {provider: [x]}}",
        "policies: [x, [], {name: [], allow: []}, {name: 5, deny: {resources: x}}, {name: y, allow: {resources: [5, [], api/]}}]",
        "agents: {a: {keys: x}, b: [], c: {keys: [5, []]}}\nprices: {a: [], b: x}",
        "x",
        "[]",
    ],
)
def test_what_has_the_wrong_shape_is_the_schemas_to_tell(text: str) -> None:
    assert found(text) == []
