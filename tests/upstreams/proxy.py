"""An HTTP proxy for tests that speaks CONNECT and nothing else. Every name is this machine to it."""

import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SECONDS = 30.0


class ConnectProxy:
    """`asked` holds the head of every request that came. `answer` is said in place of what it would say itself."""

    def __init__(self, login: str = "", answer: bytes | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.answer = answer
        self.heard = threading.Event()
        self.hung_up = threading.Event()
        """Set when a client has closed its connection."""
        self._login = b64encode(login.encode()).decode() if login else ""
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def close(self) -> None:
        # Who waits in accept keeps the socket open otherwise.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._serving.join()
        self._listener.close()
        for thread in self._threads:
            thread.join(SECONDS)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._answer, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(SECONDS)
        try:
            with self._tls.wrap_socket(client, server_side=True) if self._tls is not None else client as opened:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    more = opened.recv(1)
                    if not more:
                        return
                    head += more
                self._say(opened, head.decode())
        except OSError:
            pass
        finally:
            client.close()

    def _say(self, client: socket.socket, head: str) -> None:
        self.asked.append(head)
        self.heard.set()
        if self.answer is not None:
            client.sendall(self.answer)
            self._wait_for_end(client)
        elif self._login and f"Proxy-Authorization: Basic {self._login}\r\n" not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
            self._wait_for_end(client)
        else:
            self._tunnel(client, int(head.split(" ")[1].rpartition(":")[2]))

    def _wait_for_end(self, client: socket.socket) -> None:
        with suppress(OSError):
            while client.recv(65536):
                pass
        self.hung_up.set()

    def _tunnel(self, client: socket.socket, port: int) -> None:
        try:
            origin = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        back = threading.Thread(target=_pass_on, args=(origin, client), daemon=True)
        back.start()
        _pass_on(client, origin)
        self.hung_up.set()
        back.join()
        origin.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxying(login: str = "", answer: bytes | None = None, tls: ssl.SSLContext | None = None) -> Iterator[ConnectProxy]:
    proxy = ConnectProxy(login, answer, tls)
    try:
        yield proxy
    finally:
        proxy.close()
