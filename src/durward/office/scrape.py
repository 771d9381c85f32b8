"""One scrape: what the tally holds, what the gates say and what the disk shows, as Prometheus' metric families."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from durward.office import families
from durward.office.families import Family
from durward.office.tally import Cell, Labels, Spread, Tally

Keys = tuple[str, ...]
Told = dict[str, Any]
"""What the supervisor answered, empty where it did not."""

TOKEN_TYPES = ("input", "cached_input", "cache_write", "output", "reasoning")
NANO = 1e9


class Lags(NamedTuple):
    """How the index and its disk stand; None where that cannot be seen."""

    lag_bytes: int | None
    lag_seconds: float
    free_bytes: int | None


class Scrape(Collector):
    """What one page shows; made anew for each."""

    def __init__(self, tally: Tally, told: Told, lags: Lags) -> None:
        self._tally = tally
        self._told = told
        self._lags = lags

    def collect(self) -> Iterator[Metric]:
        """Every family that there is anything to say of."""
        with self._tally.lock:
            yield from list(_of_calls(self._tally))
        yield from _of_lags(self._lags)
        yield from _of_gates(self._told.get("gates", []))
        yield from _of_supervisor(self._told)


def _counter(family: Family, values: Iterable[tuple[Keys, float]]) -> Metric:
    metric = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
    for keys, value in values:
        metric.add_metric(keys, value)
    return metric


def _gauge(family: Family, values: Iterable[tuple[Keys, float]]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
    for keys, value in values:
        metric.add_metric(keys, value)
    return metric


def _histogram(
    family: Family, values: Iterable[tuple[Keys, Sequence[float], Sequence[int], float]]
) -> HistogramMetricFamily:
    metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    for keys, bounds, counts, total in values:
        below, buckets = 0, []
        for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
            below += count
            buckets.append((bound, float(below)))
        metric.add_metric(keys, buckets, total)
    return metric


def _of_calls(tally: Tally) -> Iterator[Metric]:
    cells = tally.cells
    yield _counter(
        families.CALLS,
        _summed(cells, lambda at: (at.action, at.agent, at.resource, at.outcome, at.reason), lambda cell: cell.calls),
    )
    yield _counter(families.TOKENS, _tokens(cells))
    used = {at: cell for at, cell in cells.items() if at.provider}
    yield _counter(families.COST, _summed(used, _who, lambda cell: cell.cost_nano / NANO))
    yield _counter(families.UNPRICED, _summed(used, _who, lambda cell: cell.unpriced))
    lost = {at: cell for at, cell in cells.items() if cell.unknown_nano}
    yield _counter(families.UNKNOWN, _summed(lost, _who, lambda cell: cell.unknown_nano / NANO))
    yield _histogram(families.DURATION, _spread(cells, lambda at: (at.action, at.outcome), lambda cell: cell.duration))
    yield _histogram(families.GATE, _spread(used, lambda at: (at.action,), lambda cell: cell.gate))
    yield _histogram(families.UPSTREAM, _spread(used, lambda at: (at.provider,), lambda cell: cell.upstream))
    yield _histogram(families.FIRST_BYTE, _spread(used, lambda at: (at.provider,), lambda cell: cell.first_byte))
    yield _counter(families.ATTEMPTS, tally.attempts.items())
    yield from _of_models({at: cell for at, cell in used.items() if at.action in ("generate", "embed")})
    yield _counter(families.FOLDED, [((), tally.folded)])


def _of_models(cells: dict[Labels, Cell]) -> Iterator[Metric]:
    """As OpenTelemetry names them."""
    yield _histogram(
        families.GEN_AI_DURATION, _spread(cells, lambda at: (*_gen_ai(at), at.reason), lambda cell: cell.gen_ai)
    )
    sides = [
        *_spread(cells, lambda at: (*_gen_ai(at), "input"), lambda cell: cell.input),
        *_spread(cells, lambda at: (*_gen_ai(at), "output"), lambda cell: cell.output),
    ]
    yield _histogram(families.GEN_AI_TOKENS, sides)


def _who(at: Labels) -> Keys:
    return at.agent, at.resource, at.provider


def _gen_ai(at: Labels) -> Keys:
    generates = "generate_content" if at.protocol.startswith("gemini") else "chat"
    return "embeddings" if at.action == "embed" else generates, at.provider, at.model


def _tokens(cells: dict[Labels, Cell]) -> Iterator[tuple[Keys, float]]:
    sums: dict[Keys, list[int]] = defaultdict(lambda: [0] * len(TOKEN_TYPES))
    for at, cell in cells.items():
        if any(cell.tokens):
            sums[_who(at)] = [mine + its for mine, its in zip(sums[_who(at)], cell.tokens, strict=True)]
    for keys, tokens in sums.items():
        for kind, count in zip(TOKEN_TYPES, tokens, strict=True):
            yield (*keys, kind), count


def _summed(
    cells: dict[Labels, Cell], key: Callable[[Labels], Keys], value: Callable[[Cell], float]
) -> Iterable[tuple[Keys, float]]:
    sums: dict[Keys, float] = defaultdict(float)
    for at, cell in cells.items():
        sums[key(at)] += value(cell)
    return sums.items()


def _spread(
    cells: dict[Labels, Cell], key: Callable[[Labels], Keys], spread: Callable[[Cell], Spread]
) -> Iterator[tuple[Keys, Sequence[float], Sequence[int], float]]:
    sums: dict[Keys, Spread] = {}
    for at, cell in cells.items():
        one = spread(cell)
        if any(one.counts):
            if key(at) not in sums:
                sums[key(at)] = Spread(one.bounds)
            sums[key(at)].add(one)
    for keys, one in sums.items():
        yield keys, one.bounds, one.counts, one.total


def _of_lags(lags: Lags) -> Iterator[Metric]:
    if lags.lag_bytes is not None:
        yield _gauge(families.LAG_BYTES, [((), lags.lag_bytes)])
        yield _gauge(families.LAG_SECONDS, [((), lags.lag_seconds if lags.lag_bytes else 0.0)])
    if lags.free_bytes is not None:
        yield _gauge(families.FREE, [((), lags.free_bytes)])


def _of_gates(answers: list[Told]) -> Iterator[Metric]:
    """What each gate says of itself; of one that did not answer only that."""
    yield _gauge(families.UP, [((str(number),), "error" not in told) for number, told in enumerate(answers)])
    gates = {str(number): told for number, told in enumerate(answers) if "error" not in told}
    if not gates:
        return
    for family, member in GAUGES.items():
        yield _gauge(family, [((gate,), told[member]) for gate, told in gates.items()])
    for family, member in COUNTERS.items():
        values = [((gate, name), count) for gate, told in gates.items() for name, count in told[member].items()]
        yield _counter(family, values)
    lags = [(gate, told["lag"]) for gate, told in gates.items()]
    yield _histogram(families.LOOP, [((gate,), lag["bounds"], lag["counts"], lag["sum"]) for gate, lag in lags])
    yield from _of_overload(gates)
    pools = [(gate, pool) for gate, told in gates.items() for pool in told["pools"]]
    states = ("active", "idle", "connecting")
    yield _gauge(families.POOL, [((gate, pool["origin"], at), pool[at]) for gate, pool in pools for at in states])
    yield _gauge(families.WAITING, [((gate, pool["origin"]), pool["waiting"]) for gate, pool in pools])


def _of_overload(gates: dict[str, Told]) -> Iterator[Metric]:
    """Breakers, and what is done about too much to do."""
    upstreams = [(gate, each) for gate, told in gates.items() for each in told["upstreams"]]
    # A provider and an API may have one name: no set of labels may be told twice.
    states = {(gate, each["upstream"], each["state"]): 1.0 for gate, each in upstreams}
    yield _gauge(families.BREAKER, states.items())
    ejections: dict[Keys, float] = defaultdict(float)
    for gate, each in upstreams:
        ejections[gate, each["upstream"]] += each["ejections"]
    yield _counter(families.EJECTIONS, ejections.items())
    loads = [(gate, told["overload"]) for gate, told in gates.items()]
    away = [((gate, name), count) for gate, load in loads for name, count in load["turned_away"].items()]
    yield _counter(families.TURNED_AWAY, away)
    yield _gauge(families.MEMORY_SHARE, [((gate,), load["memory_share"]) for gate, load in loads])


GAUGES = {
    families.CONNECTIONS: "connections",
    families.IN_PROGRESS: "calls",
    families.BODY_BYTES: "body_bytes",
    families.JOURNAL: "journal",
}
COUNTERS = {families.REFUSED: "refused", families.EXCHANGES: "exchanges"}


def _of_supervisor(told: Told) -> Iterator[Metric]:
    if not told:
        return
    yield _counter(families.STARTS, [((name,), count) for name, count in told["starts"].items()])
    processes = [((each["process"], str(each["pid"])), each) for each in told["processes"]]
    yield _gauge(families.MEMORY, [(keys, each["memory_bytes"]) for keys, each in processes])
    yield _counter(families.CPU, [(keys, each["cpu_seconds"]) for keys, each in processes])
    if told["config"] is not None:
        yield _counter(families.RELOADS, [((), told["config"]["taken_over"])])
        yield _gauge(families.CONFIG_OK, [((), not told["config"]["refused"])])
