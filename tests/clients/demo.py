"""The demo provider behind the gate's own edge, on a loop of its own thread, without the pauses of a model."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import uvloop

from durward.server.bounds import Bounds
from durward.server.clock import SystemClock
from durward.server.edge import Edge
from durward.upstreams.demo.app import Demo


@contextmanager
def demo_provider() -> Iterator[str]:
    """The URL of a demo provider that answers at once."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    stop: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        clock = SystemClock()
        edge = Edge(Demo(clock, lambda seconds: asyncio.sleep(0), b"tests").answer, clock, Bounds(), lambda *_: None)
        await edge.listen(listener)
        stopped = asyncio.Event()
        stop.set_result((asyncio.get_running_loop(), stopped))
        await stopped.wait()
        await edge.drain(0)

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    loop, stopped = stop.result(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
