"""From a file to settings, or to every mistake at once."""

from hashlib import sha256
from pathlib import Path

import pytest

from durward.calls.once import Idempotency
from durward.calls.origin import Timeouts
from durward.config.compile import TOLD_LIMIT, compile_file, examine_file
from durward.config.mistakes import Mistakes
from durward.config.printing import print_settings
from durward.config.settings import (
    Admin,
    Agent,
    Api,
    Credential,
    EffectOverride,
    Model,
    ModelTarget,
    Overload,
    PriceOverride,
    Provider,
    Rule,
    Selector,
    Settings,
)
from tests.upstreams.authority import Authority

DIGEST = "0123456789abcdef" * 4
WHOLE = f"""
version: 1
listen: "[::1]:7301"
data_dir: state
mode: observe
providers:
  openai:    {{protocol: openai, base_url: https://API.openai.com/v1/, credential: env:OPENAI_API_KEY, default: true}}
  anthropic: {{protocol: anthropic, base_url: https://api.anthropic.com, credential: env:ANTHROPIC_API_KEY, shared: true}}
  gemini:    {{protocol: gemini, base_url: https://generativelanguage.googleapis.com, credential: file:gemini.key}}
  own:       {{protocol: anthropic, base_url: https://api.anthropic.com, credential: caller}}
  local:     {{protocol: openai, base_url: http://127.0.0.1:1/v1, timeouts: {{connect: 2s}}, stream_usage: as_is, price_as: openai}}
models:
  gpt-4o-mini: {{provider: openai}}
  "claude-*": {{provider: anthropic, model: claude-sonnet-4-5}}
  quick: {{strategy: ordered, targets: [{{provider: local, model: qwen3}}, {{provider: openai}}]}}
apis:
  crm:
    base_url: https://crm.internal/api
    credential: {{header: X-Key, value: "k ${{env:CRM}}"}}
    body_limit: 1MiB
    effects: {{"POST /search": read, "* /drop*": destructive}}
  bare: {{base_url: https://h, credential: env:X}}
agents:
  support: {{tenant: acme, team: care, app: helpdesk, priority: batch, keys: ["sha256:{DIGEST.upper()}"]}}
policies:
  - {{name: works, allow: {{agents: [support], resources: ["model/*", "api/crm/*"], effects: [read]}}}}
  - {{name: no deletes, deny: {{effects: [destructive], actions: [request]}}}}
  - {{name: rest, deny: {{}}}}
prices: {{"model/qwen*": {{input: 0.10, output: 3e-1}}}}
records: {{payloads: none}}
overload: {{calls: 500, memory: 1GiB}}
idempotency: {{retain: 1h, max_bytes: 8MiB, max_answer: 64KiB}}
ca_file: ca.pem
"""


def written(folder: Path, text: str) -> Path:
    Authority(folder)
    path = folder / "durward.yaml"
    path.write_text(text, "utf-8")
    return path


def providers(folder: Path) -> tuple[Provider, ...]:
    return (
        Provider(
            "openai",
            "openai",
            "https://api.openai.com/v1",
            Credential(header="Authorization", template="Bearer ${env:OPENAI_API_KEY}"),
            default=True,
        ),
        Provider(
            "anthropic",
            "anthropic",
            "https://api.anthropic.com",
            Credential(header="x-api-key", template="${env:ANTHROPIC_API_KEY}"),
            shared=True,
        ),
        Provider(
            "gemini",
            "gemini",
            "https://generativelanguage.googleapis.com",
            Credential(header="x-goog-api-key", template=f"${{file:{folder / 'gemini.key'}}}"),
        ),
        Provider("own", "anthropic", "https://api.anthropic.com", Credential(caller=True)),
        Provider(
            "local",
            "openai",
            "http://127.0.0.1:1/v1",
            None,
            Timeouts(connect=2),
            stream_usage="as_is",
            price_as="openai",
        ),
    )


def test_a_whole_file(tmp_path: Path) -> None:
    assert compile_file(written(tmp_path, WHOLE)) == Settings(
        listen="[::1]:7301",
        data_dir=str(tmp_path / "state"),
        mode="observe",
        providers=providers(tmp_path),
        models=(
            Model("gpt-4o-mini", (ModelTarget("openai"),)),
            Model("claude-*", (ModelTarget("anthropic", "claude-sonnet-4-5"),)),
            Model("quick", (ModelTarget("local", "qwen3"), ModelTarget("openai"))),
        ),
        apis=(
            Api(
                "crm",
                "https://crm.internal/api",
                Credential(header="X-Key", template="k ${env:CRM}"),
                2**20,
                (EffectOverride("POST", "/search", "read"), EffectOverride("*", "/drop*", "destructive")),
            ),
            Api("bare", "https://h", Credential(header="Authorization", template="Bearer ${env:X}")),
        ),
        agents=(Agent("support", "acme", "care", "helpdesk", (DIGEST,), "batch"),),
        overload=Overload(calls=500, memory=2**30),
        idempotency=Idempotency(3600.0, 8 * 2**20, 65536),
        policies=(
            Rule(
                "works", "allow", Selector(agents=("support",), resources=("model/*", "api/crm/*"), effects=("read",))
            ),
            Rule("no deletes", "deny", Selector(effects=("destructive",), actions=("request",))),
            Rule("rest", "deny", Selector()),
        ),
        prices=(PriceOverride("model/qwen*", "0.10", "0.3"),),
        ca_file=str(tmp_path / "ca.pem"),
        digest=sha256(WHOLE.encode()).hexdigest(),
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}", "~", "version: 1"])
def test_an_empty_file_is_all_defaults(tmp_path: Path, text: str) -> None:
    settings = compile_file(written(tmp_path, text))
    assert settings == Settings("127.0.0.1:7300", str(tmp_path / ".durward"), digest=sha256(text.encode()).hexdigest())


def test_schema_and_relations_are_told_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "moode: x\nmodels: {m: {provider: p}}\nlisten: 1\npolicies: [{name: x}]\nca_file: nowhere.pem\n"
    with pytest.raises(Mistakes) as caught:
        compile_file(written(tmp_path, text))
    told = [(mistake.span.line + 1 if mistake.span else 0, mistake.message) for mistake in caught.value.mistakes]
    assert told == [
        (1, "unknown key `moode`"),
        (2, "there is no provider `p`"),
        (3, "this is not an address to listen on"),
        (4, "this rule neither allows nor denies"),
        (5, "this file cannot be read: No such file or directory"),
    ]


def test_a_ca_file_holds_certificates(tmp_path: Path) -> None:
    path = written(tmp_path, "ca_file: durward.yaml")
    with pytest.raises(Mistakes, match=r"durward\.yaml"):
        compile_file(path)
    with pytest.raises(Mistakes) as caught:
        compile_file(path)
    assert caught.value.mistakes[0].message == "there is no certificate in this file"


def test_a_mistake_that_an_alias_repeats_is_told_once(tmp_path: Path) -> None:
    text = "providers:\n  a: &a {protocol: openai, base_url: https://h, timeouts: {connect: 5}}\n  b: *a\n  c: {<<: *a, default: true}\n"
    with pytest.raises(Mistakes) as caught:
        compile_file(written(tmp_path, text))
    assert len(caught.value.mistakes) == 1


CANARIES = ["c4n4ryc4n4ryc4n4ryc4n4ry", "hunter2"]
"""One that looks like a key, one that only its place gives away."""
LEAKY = [
    "providers: {p: {protocol: openia, base_url: 'https://h', credential: CANARY}}",
    "providers: {p: {protocol: openia, base_url: 'https://h', credential: 'Bearer CANARY'}}",
    "providers: {p: {protocol: openia, base_url: 'https://u:CANARY@h', credential: env:CANARY-}}",
    "providers: {p: {protocol: openia, base_url: 'https://h?key=CANARY', credential: {header: X, value: CANARY}}}",
    "providers: {p: {protocol: openia, base_url: 'https://h', api_key: CANARY}}",
    "providers: {p: {protocol: openia, credential: [CANARY, {x: CANARY}]}}",
    "providers: {p: {protocol: openia, credential: CANARY: b}}",
    "providers: {p: {protocol: openia, credential: CANARY, credential: CANARY}}",
    "providers: {p: {credential: CANARY,\n\tprotocol: openia}}",
    "agents: {a: {keys: [dw_CANARY, CANARY], nope: 1}}",
    "agents: {a: {keys: dw_CANARY, nope: 1}}",
    "agents: {a: {keys: {dw_CANARY: 1}, nope: 1}}",
    'apis: {a: {base_url: 5, credential: {value: "CANARY\n  CANARY"}, nope: 1}}',
    "dw_CANARY: 1",
    "mode: sk-CANARY",
    "models: {m: {provider: sk-CANARY}}",
    "policies: [{name: x, allow: {agents: [dw_CANARY], nope: 1}}]",
]


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("text", LEAKY)
def test_no_report_holds_a_secret_that_was_written_into_the_file(tmp_path: Path, text: str, canary: str) -> None:
    with pytest.raises(Mistakes) as caught:
        compile_file(written(tmp_path, text.replace("CANARY", canary)))
    assert canary not in str(caught.value) + repr(caught.value) + repr(caught.value.mistakes)


def test_unset_references_are_doubts_and_no_mistakes(tmp_path: Path) -> None:
    examined = examine_file(written(tmp_path, WHOLE), {})
    assert len([doubt for doubt in examined.warnings if "credential_missing" in doubt.message]) == 5
    assert examined.settings.listen == "[::1]:7301"


def test_a_file_of_mistakes_is_told_up_to_a_bound(tmp_path: Path) -> None:
    text = "".join(f"unknown{number}: 1\n" for number in range(TOLD_LIMIT + 10))
    with pytest.raises(Mistakes) as caught:
        compile_file(written(tmp_path, text))
    assert len(caught.value.mistakes) == TOLD_LIMIT


@pytest.mark.parametrize(
    "text,admin",
    [
        ("", Admin()),
        ("admin:", Admin()),
        ("admin: off", Admin("")),
        ("admin: 127.0.0.1:9", Admin("127.0.0.1:9", required=True)),
        ("admin: {names: [Durward.internal]}", Admin(names=("durward.internal",), required=True)),
        ("admin: {address: '[::1]:9', metrics: open}", Admin("[::1]:9", open_metrics=True, required=True)),
    ],
)
def test_where_the_office_listens(tmp_path: Path, text: str, admin: Admin) -> None:
    (tmp_path / "durward.yaml").write_text(f"version: 1\n{text}\n")
    settings = compile_file(tmp_path / "durward.yaml")
    assert settings.admin == admin
    (tmp_path / "durward.yaml").write_text(print_settings(settings))
    assert compile_file(tmp_path / "durward.yaml").admin == admin
