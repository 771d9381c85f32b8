"""The demo upstream as a process: it says when it is ready, answers, and leaves when it is told to or is alone."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

CHAT = '{"model": "m", "stream": %s, "messages": [{"role": "user", "content": "Hello!"}]}'


@contextlib.contextmanager
def demo() -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket, int]]:
    ours, theirs = socket.socketpair()
    with ours, socket.create_server(("127.0.0.1", 0)) as listener:
        fds = (theirs.fileno(), listener.fileno())
        words = [sys.executable, "-m", "durward.server.demo", *map(str, fds)]
        with theirs:
            process = subprocess.Popen(words, pass_fds=fds)
        ours.settimeout(30)
        try:
            assert ours.recv(100) == b'{"event": "ready"}\n'
            yield process, ours, listener.getsockname()[1]
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def test_it_answers_models_and_api_on_one_port() -> None:
    with demo() as (process, pair, port):
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/customers/c-1")
            assert json.loads(connection.getresponse().read())["id"] == "c-1"
            connection.request("POST", "/v1/chat/completions", CHAT % "false")
            assert json.loads(connection.getresponse().read())["object"] == "chat.completion"
        pair.sendall(b'{"do": "fly", "id": 1}\n')
        assert json.loads(pair.recv(1000))["error"]["reason"] == "bad_request"
        pair.sendall(b'{"do": "drain", "seconds": 0}\n')
        assert process.wait(30) == 0


def test_it_leaves_with_the_supervisor() -> None:
    with demo() as (process, pair, _):
        pair.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_prompt_gets_the_same_words(stream: bool) -> None:
    told = set()
    with demo() as (_, _, port):
        for _ in range(2):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            with contextlib.closing(connection):
                connection.request("POST", "/v1/chat/completions", CHAT % json.dumps(stream))
                answer = connection.getresponse().read().decode()
                lines = answer.split("\n") if stream else [answer]
                bodies = [json.loads(line.removeprefix("data: ")) for line in lines if "{" in line]
                told.add(json.dumps([each.get("choices") for each in bodies]))
    assert len(told) == 1
