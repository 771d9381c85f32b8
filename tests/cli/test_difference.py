"""What a file would change is told by entries, and by what it means for which agents."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from durward.calls.principal import Principal
from durward.cli.difference import SHOWN_CHANGES, differences
from durward.config.compile import compile_file
from durward.config.settings import OutboundProxy, Settings, Tls
from tests.server.running import durward

KEYS = "keys: ['sha256:" + "0" * 63 + "%d']"
BASE = f"""
providers:
  one: {{protocol: openai, base_url: "http://127.0.0.1:1/v1"}}
models:
  small: {{provider: one}}
  "big-*": {{provider: one}}
apis: {{crm: {{base_url: "http://127.0.0.1:2"}}}}
agents:
  support: {{team: care, {KEYS % 1}}}
  night: {{team: care, {KEYS % 2}}}
  other: {{{KEYS % 3}}}
policies:
  - {{name: care, allow: {{teams: [care], resources: ["model/*"]}}}}
  - {{name: rest, allow: {{agents: [other]}}}}
"""


@pytest.fixture
def settings(tmp_path: Path) -> "Compiled":
    return Compiled(tmp_path / "durward.yaml")


class Compiled:
    """Makes settings of the base file with some of its text changed."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, *changes: tuple[str, str]) -> Settings:
        text = BASE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self._file.write_text(text)
        return compile_file(self._file)


def changed(settings: Compiled, *changes: tuple[str, str]) -> list[str]:
    return differences(settings(), settings(*changes), [])


def test_what_means_the_same_is_no_change(settings: Compiled) -> None:
    assert changed(settings) == []
    assert changed(settings, ("name: care", "name: care"), ("\nproviders:", "\n# providers\nproviders:")) == []


def test_a_rule_that_takes_something_away_is_told_with_whom_it_hits(settings: Compiled) -> None:
    rule = '  - {name: no small, deny: {resources: ["model/small"], actions: [generate]}}\n'
    told = changed(settings, ("  - {name: rest", rule + "  - {name: rest"))
    assert told == [
        "+ policies: no small",
        "night, support: may no longer generate model/small (denied by no small)",
        "other: may no longer generate model/small (denied by no small)",
    ]


def test_what_agents_may_do_from_then_on_is_told(settings: Compiled) -> None:
    told = changed(
        settings, ('teams: [care], resources: ["model/*"]', 'teams: [care], resources: ["model/*", "api/*"]')
    )
    assert told == [
        "~ policies: care (of)",
        *(f"night, support: may now request api/crm/{method}/*" for method in ("GET", "POST", "DELETE")),
    ]


def test_a_model_that_goes_is_gone_for_all(settings: Compiled) -> None:
    told = changed(settings, ("  small: {provider: one}\n", ""))
    assert told[0] == "- models: small"
    assert "night, support: may no longer generate model/small (it is gone)" in told
    assert "other: may no longer embed model/small (it is gone)" in told


def test_an_agent_that_changes_its_team_is_judged_as_what_it_will_be(settings: Compiled) -> None:
    told = changed(settings, ("night: {team: care", "night: {team: dusk"))
    assert told[0] == "~ agents: night (team)"
    assert "night: may no longer generate model/big-* (no rule allows it)" in told
    assert not any(line.startswith("support") for line in told)


def test_agents_made_by_command_are_told_of_too(settings: Compiled) -> None:
    old, new = settings(), settings(("name: care, allow: {teams: [care]", "name: care, allow: {teams: [dusk]"))
    told = differences(old, new, [Principal("made", team="dusk")])
    assert "made: may now generate model/small" in told


def test_what_needs_a_restart_comes_first(settings: Compiled) -> None:
    told = changed(
        settings, ("\nproviders:", "\nlisten: 127.0.0.1:1234\nmode: observe\ndrain: {delay: 1s}\nproviders:")
    )
    assert told[0] == "needs restart: listen: 127.0.0.1:7300 → 127.0.0.1:1234"
    assert told[1:3] == ["mode: enforce → observe", "drain: 5s, then 5m → 1s, then 5m"]
    assert "night, support: may now request api/crm/GET/*" in told


def test_what_is_kept_of_calls_is_told_in_words(settings: Compiled) -> None:
    told = changed(settings, ("\nproviders:", "\nidempotency: {retain: 1h, max_answer: 64KiB}\nproviders:"))
    before, after = "retain 24h, max_bytes 256MiB, max_answer 1MiB", "retain 1h, max_bytes 256MiB, max_answer 64KiB"
    assert told == [f"idempotency: {before} → {after}"]


def test_the_way_in_and_the_way_out_are_told_in_words(settings: Compiled) -> None:
    old = settings()
    tls = replace(old, tls=Tls("/c.pem", "/k.pem"), trusted_proxies=("10.0.0.0/8", "::1/128"))
    assert differences(old, tls, []) == [
        "tls: none → cert /c.pem, key /k.pem",
        "trusted_proxies: none → 10.0.0.0/8, ::1/128",
    ]
    proxied = replace(old, outbound_proxy=OutboundProxy("http://p:1", "${env:LOGIN}", (".corp",), True))
    said = "url http://p:1, login ${env:LOGIN}, exempt .corp, loopback True"
    assert differences(proxied, old, []) == [f"outbound_proxy: {said} → none"]


def test_entries_come_go_and_change(settings: Compiled) -> None:
    told = changed(
        settings, ("127.0.0.1:1/v1", "127.0.0.1:9/v1"), ("apis: {crm", "apis: {erp"), ("other: {", "else: {")
    )
    assert [line for line in told if line[0] in "+-~"] == [
        "~ providers: one (base_url)",
        "- apis: crm",
        "+ apis: erp",
        "- agents: other",
        "+ agents: else",
    ]


def test_the_order_of_rules_is_a_change(settings: Compiled) -> None:
    base = BASE.splitlines(keepends=True)
    told = changed(settings, (base[-2] + base[-1], base[-1] + base[-2]))
    assert told == ["~ policies: their order"]


def test_more_changes_than_anybody_reads_are_counted(settings: Compiled) -> None:
    many = "".join(f"  m{number}: {{provider: one}}\n" for number in range(200))
    told = changed(settings, ("  small: {provider: one}\n", "  small: {provider: one}\n" + many))
    assert told[-1] == f"… and {200 * 3 * 2 - SHOWN_CHANGES} more"


def test_the_file_is_held_against_what_runs(tmp_path: Path) -> None:
    with durward(tmp_path) as (running, _):
        assert running.command("check", "--diff").stdout == "The file means what is in force.\n"
        file = tmp_path / "durward.yaml"
        file.write_text(file.read_text().replace("allow: {agents", "deny: {agents"))
        done = running.command("check", "--diff")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("~ policies: all (verb)\nsupport: may no longer generate model/")
    done = running.command("check", "--diff")
    assert done.returncode == 2
    assert "No Durward runs on" in done.stderr


ANY_MODEL = ('models:\n  small: {provider: one}\n  "big-*": {provider: one}\n', "")
DENIED = "  - {name: no big, deny: {resources: [%s]}}\n"


@pytest.mark.parametrize(
    "rule,lost",
    [
        ('"model/gpt-4*"', "generate model/gpt-4*"),
        ('"model/one/gpt-4*"', "generate model/one/gpt-4*"),
        ('"api/crm/GET/contacts/*"', "request api/crm/GET/contacts/*"),
    ],
)
def test_a_rule_about_a_part_is_told_whether_or_not_the_file_names_models(
    settings: Compiled, rule: str, lost: str
) -> None:
    more = ("  - {name: rest", DENIED % rule + "  - {name: rest")
    for base in ([ANY_MODEL], [('"big-*"', '"gpt-*"')]):
        old, new = settings(*base), settings(*base, more)
        assert f"other: may no longer {lost} (denied by no big)" in differences(old, new, [])
        assert f"other: may now {lost}" in differences(new, old, [])
        assert not any("gone" in line for line in differences(new, old, []))


def test_a_rule_that_changes_nothing_for_anybody_is_told_as_a_rule_alone(settings: Compiled) -> None:
    more = ("  - {name: rest", '  - {name: again, allow: {agents: [other], resources: ["model/x"]}}\n  - {name: rest')
    assert differences(settings(ANY_MODEL), settings(ANY_MODEL, more), []) == ["+ policies: again"]


def test_an_effect_that_changes_is_told_by_what_it_lets_agents_do(settings: Compiled) -> None:
    reads = ('teams: [care], resources: ["model/*"]', "teams: [care], effects: [read]")
    override = (
        '{base_url: "http://127.0.0.1:2"}',
        '{base_url: "http://127.0.0.1:2", effects: {"POST /search/*": read}}',
    )
    told = differences(settings(reads), settings(reads, override), [])
    assert told == ["~ apis: crm (effects)", "night, support: may now request api/crm/POST/search/*"]
