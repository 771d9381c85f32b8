"""What is doubtful and starts all the same."""

from pathlib import Path

import pytest

from durward.config.compile import examine_file

RULES = "policies: [{name: all, allow: {}}]\n"
OPENAI = "providers: {openai: {protocol: openai, base_url: 'https://api.openai.com/v1'}}\n"


def warned(folder: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    path = folder / "durward.yaml"
    path.write_text(text, "utf-8")
    found = examine_file(path, environment or {}).warnings
    return [f"{f'{m.span.line + 1}:{m.span.column + 1}: ' if m.span else ''}{m.message}" for m in found]


def test_a_sound_file_gives_no_warning(tmp_path: Path) -> None:
    text = OPENAI + RULES + f"agents: {{a: {{keys: ['sha256:{'a' * 64}']}}}}\n"
    assert warned(tmp_path, text) == []


@pytest.mark.parametrize(
    "text,warning",
    [
        (OPENAI, "there are no policies, so every call is denied"),
        (OPENAI + "policies:\n", "2:1: there are no policies, so every call is denied"),
        (RULES, "there are no providers and no APIs: nothing can be called"),
        (OPENAI + RULES + "models:\n", "3:1: `models` is empty: models can be named as <provider>/<model> only"),
        (OPENAI + RULES + "listen: 0.0.0.0:7300", "3:1: agents on other machines would send their keys unencrypted"),
        (OPENAI + RULES + "agents: {a: }", "3:10: the agent `a` has no key"),
        (OPENAI + "policies: [{name: x, allow: {agents: [ghost]}}]", "2:39: the file has no agent `ghost`"),
        (
            OPENAI + "policies: [{name: x, allow: {resources: [tool/a/*]}}]",
            "2:42: `tool/a/*` matches nothing yet: MCP tools are not in this version",
        ),
        (
            OPENAI + "policies: [{name: x, deny: {actions: [send]}}]",
            "2:39: nothing does `send` yet: remote agents are not in this version",
        ),
        (
            OPENAI + "models: {a: {provider: openai}}\npolicies: [{name: x, deny: {resources: [model/b]}}]",
            "3:41: no model of the file matches `model/b`",
        ),
        (
            "providers: {p: {protocol: openai, base_url: 'http://10.0.0.1', credential: env:SET}}\n" + RULES,
            "1:76: the credential of `p` travels unencrypted to `10.0.0.1`",
        ),
        (
            "providers: {p: {protocol: openai, base_url: 'https://h', credential: env:UNSET}}\n" + RULES,
            "1:70: the environment has no UNSET, so calls to `p` are answered with 503 credential_missing",
        ),
        (
            "apis: {p: {base_url: 'https://h', credential: {header: X-K, value: 'k ${env:EMPTY}'}}}\n" + RULES,
            "1:68: the environment has no EMPTY, so calls to `p` are answered with 503 credential_missing",
        ),
    ],
)
def test_warnings(tmp_path: Path, text: str, warning: str) -> None:
    assert warned(tmp_path, text, {"SET": "x", "EMPTY": ""}) == [warning]


def test_a_file_reference_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    text = "providers: {p: {protocol: openai, base_url: 'https://h', credential: 'file:p.key'}}\n" + RULES
    assert warned(tmp_path, text) == [
        f"1:70: the file {tmp_path / 'p.key'} cannot be read, so calls to `p` are answered with 503 credential_missing"
    ]
    (tmp_path / "p.key").write_text("x", "utf-8")
    assert warned(tmp_path, text) == []


def test_models_that_a_rule_can_reach_give_no_warning(tmp_path: Path) -> None:
    names = "model/gpt-4o, 'model/gpt*', 'model/*', 'model/openai/*', 'model/openai/x', '*4o', '*', 'model/claude-x'"
    models = "models: {gpt-4o: {provider: openai}, 'claude-*': {provider: openai}}\n"
    text = OPENAI + models + f"policies: [{{name: x, deny: {{resources: [{names}]}}}}]"
    assert warned(tmp_path, text) == []


def test_loopback_may_take_a_credential_unencrypted(tmp_path: Path) -> None:
    for host in ("127.0.0.1:1", "[::1]:1", "localhost"):
        text = f"providers: {{p: {{protocol: openai, base_url: 'http://{host}', credential: env:SET}}}}\n" + RULES
        assert warned(tmp_path, text, {"SET": "x"}) == []
