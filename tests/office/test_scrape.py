"""What is told is shown, in families that are documented; what nobody told is absent."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from durward.office.families import FAMILIES
from durward.office.scrape import Lags, Scrape, Told
from durward.office.tally import Tally
from durward.server.lag import BOUNDS
from tests.office.test_tally import Made

GATE = {
    "connections": 3,
    "calls": 2,
    "body_bytes": 5,
    "journal": True,
    "refused": {"key_unknown": 4},
    "lag": {"bounds": BOUNDS, "counts": [1] * (len(BOUNDS) + 1), "sum": 2.0},
    "pools": [{"origin": "127.0.0.1:9", "active": 1, "idle": 2, "connecting": 0, "waiting": 6}],
    "upstreams": [{"upstream": "openai", "state": "open", "ejections": 2}] * 2,
    "overload": {"turned_away": {"batch": 7}, "memory_share": 0.5},
    "exchanges": {"opened": 1, "reused": 0, "retried": 0, "refused": 0},
}
TOLD: Told = {
    "gates": [GATE, {"error": "it does not answer"}],
    "processes": [{"process": "gate", "pid": 7, "memory_bytes": 9, "cpu_seconds": 1.5}],
    "starts": {"gate": 1, "office": 2},
    "config": {"taken_over": 3, "refused": True},
}


def shown(tally: Tally, told: Told, lags: Lags) -> dict[str, dict[str, float]]:
    """Values by family and sample."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Scrape(tally, told, lags))
    parsed = text_string_to_metric_families(generate_latest(registry).decode())
    return {each.name: {f"{s.name}{sorted(s.labels.items())}": s.value for s in each.samples} for each in parsed}


def test_everything_there_is_to_tell_is_told_under_a_documented_name() -> None:
    tally = Tally()
    tally.take([Made().call(gate_ms=0.5, first_byte_ms=1.0, cost_nano=5)])
    told = shown(tally, TOLD, Lags(10, 2.0, 99))
    assert set(told) == {each.name for each in FAMILIES}
    assert told["durward_up"] == {"durward_up[('gate', '0')]": 1.0, "durward_up[('gate', '1')]": 0.0}
    assert told["durward_index_lag_seconds"] == {"durward_index_lag_seconds[]": 2.0}
    assert told["durward_config_current"] == {"durward_config_current[]": 0.0}
    assert told["durward_upstream_breaker"] == {
        "durward_upstream_breaker[('gate', '0'), ('state', 'open'), ('upstream', 'openai')]": 1.0
    }
    assert told["durward_cost_usd"] == {
        "durward_cost_usd_total[('agent', 'support'), ('provider', 'openai'), ('resource', 'model/m0')]": 5e-9
    }


def test_without_gates_and_supervisor_the_rest_is_still_told() -> None:
    told = shown(Tally(), {}, Lags(None, 2.0, None))
    assert "durward_calls" in told
    assert told["durward_up"] == {}
    assert "durward_connections" not in told
    assert "durward_index_lag_bytes" not in told


def test_an_index_that_holds_all_has_no_lag() -> None:
    assert shown(Tally(), {}, Lags(0, 0.2, None))["durward_index_lag_seconds"] == {"durward_index_lag_seconds[]": 0.0}
