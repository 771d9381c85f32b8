"""How a gate stands at this moment, for the metrics page: plain data, gathered only when it is asked for."""

from durward.server.edge import Edge
from durward.server.lag import BOUNDS, Lag
from durward.server.pair import Message
from durward.server.refusals import Refusals
from durward.upstreams.pool import PooledUpstreams


def measured(edge: Edge, upstreams: PooledUpstreams, refusals: Refusals, lag: Lag, *, available: bool) -> Message:
    """One answer of a gate; `available`: whether its journal takes lines."""
    counts = upstreams.counts
    return {
        "connections": edge.connections,
        "calls": edge.calls,
        "body_bytes": edge.body_bytes,
        "journal": available,
        "refused": dict(refusals.counts),
        "lag": {"bounds": BOUNDS, "counts": lag.counts, "sum": lag.total},
        "pools": upstreams.pools(),
        "exchanges": {name: getattr(counts, name) for name in ("opened", "reused", "retried", "refused")},
    }
