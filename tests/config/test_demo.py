"""The demo's configuration is one that an operator could have written."""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from durward.calls.tokens import Tokens
from durward.calls.usage import Cost, Usage
from durward.config.compile import compile_file
from durward.config.demo import AGENT, demo_settings
from durward.config.printing import print_settings
from durward.metering.prices import Prices

SETTINGS = demo_settings(4001, 4002, "ab" * 32, "127.0.0.1:7300", "/d/.durward/demo")


@dataclass
class Noon:
    def time(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


def test_it_reads_back_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "durward.yaml"
    path.write_text(print_settings(SETTINGS), "utf-8")
    assert replace(compile_file(path), digest="") == SETTINGS


def test_it_has_one_rule_each_way_about_its_one_agent() -> None:
    assert [(rule.verb, rule.of.agents) for rule in SETTINGS.policies] == [("allow", (AGENT,)), ("deny", (AGENT,))]
    assert SETTINGS.agents[0].keys == ("ab" * 32,)


def test_every_model_has_a_price() -> None:
    price = Prices(SETTINGS, Noon()).of("demo", "any", "model/any")
    assert price is not None
    assert price.cost(
        Usage(Tokens(input=1000, cached_input=1000, cache_write=1000, output=1000, reasoning=1000))
    ) == Cost(1_000_000 + 100_000 + 1_250_000 + 8_000_000)
