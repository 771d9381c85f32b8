"""What several incidents need: a provider that keeps what it was sent, and requests written by hand."""

import contextlib
import socket
from collections.abc import Iterator

from tests.server.running import Upstream

CREDENTIAL = "sk-incident-canary-credential"


@contextlib.contextmanager
def provider() -> Iterator[Upstream]:
    """A provider that answers everything."""
    upstream = Upstream()
    try:
        yield upstream
    finally:
        upstream.close()


def answered(port: int, raw: bytes) -> bytes:
    """What a gate says to these bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", port), 30) as end:
        end.sendall(raw)
        said = b""
        while piece := end.recv(65536):
            said += piece
        return said


def statuses(said: bytes) -> list[int]:
    """The statuses of the answers in it."""
    return [int(line[9:12]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
