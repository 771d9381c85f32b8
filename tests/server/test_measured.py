"""A gate tells plain data of how it stands."""

import json

from durward.server.bounds import Bounds
from durward.server.clock import SystemClock
from durward.server.edge import Edge
from durward.server.lag import Lag
from durward.server.measured import measured
from durward.server.refusals import Refusals
from durward.upstreams.pool import PooledUpstreams


async def nobody(_exchange: object) -> None:
    """An app that is never called."""


async def test_an_idle_gate() -> None:
    clock = SystemClock()
    refusals = Refusals(clock)
    refusals.note("key_unknown", "192.0.2.7")
    edge = Edge(nobody, clock, Bounds(), refusals.note)
    told = json.loads(
        json.dumps(measured(edge, PooledUpstreams(clock), refusals, Lag(clock.monotonic), available=True))
    )
    assert told["refused"] == {"key_unknown": 1}
    assert (told["connections"], told["calls"], told["body_bytes"], told["journal"]) == (0, 0, 0, True)
    assert told["pools"] == []
    assert set(told["exchanges"].values()) == {0}
