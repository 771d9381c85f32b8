"""An upstream of the tests' own: an HTTP server in threads that answers as it is told, in pieces as they are cut, and keeps what it got."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """A request as it came; names of fields in lower case."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes


class Said(NamedTuple):
    """An answer. Without pieces the body goes out at once with its length; else chunked, in just these writes."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    cut: Callable[[bytes], Iterable[bytes]] | None = None
    """Cuts the chunked body as it goes over the connection."""


class Upstream:
    """What an upstream was asked, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[Asked] = []
        self.left: list[Asked] = []
        """Whose answer the gate did not wait for."""


@contextmanager
def serving(answer: Callable[[Asked], Said]) -> Iterator[Upstream]:
    """An upstream that answers with `answer` while the block runs."""

    class Connected(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            fields = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, fields, self.rfile.read(int(fields.get("content-length", 0))))
            upstream.asked.append(asked)
            said = answer(asked)
            self.send_response_only(said.status)
            for name, value in said.fields:
                self.send_header(name, value)
            if said.cut is None:
                self.send_header("Content-Length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(b"" if asked.method == "HEAD" else said.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for piece in said.cut(said.body):
                    self.wfile.write(piece)
            except ConnectionError:
                upstream.left.append(asked)
                self.close_connection = True

        do_CONNECT = do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """The test's own output is enough."""

    class Threads(ThreadingHTTPServer):
        # A connection that the gate keeps open must not keep the test from ending.
        daemon_threads = True
        block_on_close = False

    server = Threads(("127.0.0.1", 0), Connected)
    upstream = Upstream(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
