"""The demo upstream's process: `python -m durward.server.demo PAIR LISTENER`, both descriptors. The demo provider behind an edge."""

import asyncio
import socket
import sys

import uvloop

from durward.calls.errors import CallerError
from durward.config.log import log_to_stderr
from durward.server.bounds import Bounds
from durward.server.clock import SystemClock
from durward.server.edge import Edge
from durward.server.life import Life
from durward.server.pair import Message
from durward.upstreams.demo.app import Demo

SEED = b"durward"
"""The same words at the same pace in every demo."""


async def run(pair_end: socket.socket, listener: socket.socket) -> None:
    """Answer until it is time to leave. Nobody but the demo's gate calls, so no call is waited for."""
    clock = SystemClock()
    edge = Edge(Demo(clock, asyncio.sleep, SEED).answer, clock, Bounds(), lambda reason, peer: None)
    life = Life("demo", refuse)
    await life.start(edge, pair_end, listener)
    await life.drain(edge, (await life.leaving()).seconds)
    life.close()


async def refuse(message: Message) -> Message:
    """There is nothing to tell the demo."""
    raise CallerError(f"The demo has no command {message.get('do')!r}.")


def main() -> int:
    """Run on the descriptors of argv."""
    log_to_stderr()
    pair, listener = (int(word) for word in sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(socket.socket(fileno=pair), socket.socket(fileno=listener)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
