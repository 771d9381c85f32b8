"""One Durward takes another's place: nobody is refused, nothing is cut, and whoever fails on the way leaves all as it was."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, DurwardError, GateError
from durward.server import succession
from durward.server.control import Control
from durward.server.pair import Message
from durward.server.succession import Place, Succession, find_predecessor
from tests.server.running import Running, Upstream, calling, durward, lives, until, write_config

ELSEWHERE = "127.0.0.1:1"


@contextlib.contextmanager
def second(first: Running, *words: str) -> Iterator[Running]:
    running = Running(first.folder, [*words], log="log2")
    try:
        yield running
    finally:
        running.close()


def test_a_second_up_takes_over_and_the_first_ends_when_its_calls_have(tmp_path: Path) -> None:
    with durward(tmp_path) as (old, upstream):
        gate = old.child("gate")
        upstream.let.clear()
        with old.connection() as idle, calling(old) as statuses:
            assert upstream.asked.wait(30)
            idle.request("GET", "/readyz")
            idle.getresponse().read()
            with second(old) as new:
                new.wait_ready()
                assert new.lines[0] == f"Took over from pid {old.pid}, which finishes its calls.\n"
                assert new.port == old.port
                until(lambda: "has taken over" in old.log.read_text(), "the word of it")
                assert new.status()["pid"] == new.pid
                # Who kept a connection open is told on it, with an answer, that the next one is to be new. It is no less ready.
                until(lambda: not listens(gate), "the old gate's end of listening")
                idle.request("GET", "/readyz")
                answer = idle.getresponse()
                assert (answer.status, answer.headers["Connection"], answer.read()) == (200, "close", b"ok\n")
                upstream.let.set()
                assert old.process.wait(30) == 0
                assert new.chat() == 200
                assert "2 writers" in new.command("audit", "verify").stdout
                listed = new.command("calls", "--json").stdout.splitlines()
                assert [json.loads(line)["outcome"] for line in listed] == ["ok", "ok"]
        assert statuses == [200]


def listens(gate: int) -> bool:
    """Whether a process still has a listening socket."""
    sockets = set()
    for fd in Path(f"/proc/{gate}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(str(fd.readlink()))
    rows = [line.split() for line in Path(f"/proc/{gate}/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "0A" and f"socket:[{row[9]}]" in sockets for row in rows)


def test_the_offices_listener_is_taken_over_too(tmp_path: Path) -> None:
    with durward(tmp_path, "admin: {address: 127.0.0.1:0, metrics: open}\n") as (old, _):
        admin = old.status()["admin"]
        with second(old) as new:
            new.wait_ready()
            assert new.status()["admin"] == admin
            connection = http.client.HTTPConnection(admin, timeout=30)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics")
                assert connection.getresponse().status == 200
            assert old.process.wait(30) == 0


def test_one_that_cannot_start_leaves_the_first_as_it_was(tmp_path: Path) -> None:
    with durward(tmp_path) as (old, _):
        kept = tmp_path / ".durward" / "journal.key"
        content = kept.read_bytes()
        kept.write_bytes(b"no key")
        with second(old) as new:
            assert new.process.wait(30) == 1
            assert "is no Ed25519 key" in new.log.read_text()
        kept.write_bytes(content)
        office = old.child("office")
        assert old.chat() == 200
        assert old.command("agent", "add", "later").returncode == 0
        assert lives(office)


def test_one_that_is_to_listen_elsewhere_brings_its_own_socket(tmp_path: Path) -> None:
    with durward(tmp_path) as (old, _):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with second(old, "--listen", f"127.0.0.1:{port}") as new:
            new.wait_ready()
            assert new.port == port
            assert old.process.wait(30) == 0
            assert new.chat() == 200


def test_an_address_that_is_taken_changes_nothing(tmp_path: Path) -> None:
    with durward(tmp_path) as (old, _), socket.create_server(("127.0.0.1", 0)) as taken:
        with second(old, "--listen", f"127.0.0.1:{taken.getsockname()[1]}") as new:
            assert new.process.wait(30) == 1
            assert "is taken" in new.log.read_text()
        assert old.chat() == 200
        with second(old) as new:
            new.wait_ready()


def test_a_demo_is_not_taken_over_from(tmp_path: Path) -> None:
    demo = Running(tmp_path, ["--demo"])
    upstream = Upstream()
    try:
        until(lambda: demo.status().get("office"), "the demo")
        file = write_config(tmp_path, upstream.port)
        file.write_text(file.read_text() + f"data_dir: {demo.data_dir}\n")
        with second(demo) as new:
            assert new.process.wait(30) == 1
            assert "A demo runs here" in new.log.read_text()
    finally:
        demo.close()
        upstream.close()


def test_a_first_that_is_killed_meanwhile_is_succeeded_all_the_same(tmp_path: Path) -> None:
    with durward(tmp_path) as (old, _):
        gate = old.child("gate")
        with second(old) as new:
            os.kill(old.pid, signal.SIGKILL)
            new.wait_ready()
            assert new.chat() == 200
            until(lambda: not lives(gate), "the old gate's end")


# The talk itself, one side at a time.


class Old:
    """The side that is asked, with what became of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = Place(ELSEWHERE, self.lock, self.listener.fileno())
        self.left: list[bool] = []
        self.ends: asyncio.Queue[bool] = asyncio.Queue()
        self.control = Control(folder, self.answer, self.talk)

    async def answer(self, message: Message) -> Message:
        raise CallerError("There is no such command.")

    async def talk(self, message: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.put_nowait(await self.place.hand_over(message, reader, writer, self.leave))

    async def leave(self) -> None:
        self.left.append(True)


@contextlib.asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[Old]:
    old = Old(folder)
    await old.control.start()
    try:
        yield old
    finally:
        old.control.close()
        old.listener.close()
        os.close(old.lock)


async def test_the_descriptors_are_copies_and_the_old_one_waits_for_the_word(tmp_path: Path) -> None:
    async with listening(tmp_path) as old:
        found = await asyncio.to_thread(find_predecessor, tmp_path, ELSEWHERE)
        assert found is not None
        assert found.pid == os.getpid()
        assert found.listener is not None
        assert os.fstat(found.listener).st_ino == os.fstat(old.listener.fileno()).st_ino
        assert os.fstat(found.lock).st_ino == os.fstat(old.lock).st_ino
        assert not os.get_inheritable(found.lock)
        assert [old.place.promised] == [True]
        assert old.left == []
        new = Succession(found.connection)
        await new.relieve()
        assert old.left == [True]
        assert old.ends.empty()
        await new.taken()
        assert await old.ends.get()
        assert [old.place.promised] == [False]
        os.close(found.lock)
        os.close(found.listener)


async def test_another_address_gets_no_listener(tmp_path: Path) -> None:
    async with listening(tmp_path) as old:
        found = await asyncio.to_thread(find_predecessor, tmp_path, "127.0.0.1:2")
        assert found is not None
        assert found.listener is None
        os.close(found.lock)
        os.close(found.connection)
        assert not await old.ends.get()
        assert old.left == []


async def test_one_that_dies_after_the_office_has_ended_has_not_taken_over(tmp_path: Path) -> None:
    async with listening(tmp_path) as old:
        found = await asyncio.to_thread(find_predecessor, tmp_path, ELSEWHERE)
        assert found is not None
        assert found.listener is not None
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=found.connection))
        writer.write(succession.line({"do": "leave"}))
        assert json.loads(await reader.readline()) == {}
        writer.close()
        assert not await old.ends.get()
        os.close(found.lock)
        os.close(found.listener)


async def test_only_one_at_a_time(tmp_path: Path) -> None:
    async with listening(tmp_path) as old:
        found = await asyncio.to_thread(find_predecessor, tmp_path, "127.0.0.1:2")
        assert found is not None
        with pytest.raises(GateError, match="taking over already"):
            await asyncio.to_thread(find_predecessor, tmp_path, ELSEWHERE)
        os.close(found.lock)
        os.close(found.connection)
        await old.ends.get()


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(tmp_path) as old:
        monkeypatch.setattr(os, "getuid", lambda: 4_294_967)
        with pytest.raises(DurwardError, match="another user"):
            await asyncio.to_thread(find_predecessor, tmp_path, ELSEWHERE)
        assert [old.place.promised] == [False]


async def test_a_predecessor_that_is_gone_needs_no_relief() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    new = Succession(ours.detach())
    await new.relieve()
    await new.taken()


async def test_a_predecessor_that_does_not_leave_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(succession, "LEAVE_SECONDS", 0.0)
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(GateError, match="did not make room"):
        await Succession(ours.detach()).relieve()


def test_what_answers_nonsense_is_no_predecessor(tmp_path: Path) -> None:
    assert find_predecessor(tmp_path, ELSEWHERE) is None
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(tmp_path / "control.sock"))
        end.listen()

        def answer() -> None:
            with end.accept()[0] as asked:
                asked.recv(1024)
                asked.sendall(b"[]\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(GateError, match="did not make room"):
            find_predecessor(tmp_path, ELSEWHERE)
        thread.join()
