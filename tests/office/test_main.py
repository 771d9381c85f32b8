"""The office between journal and supervisor: it indexes, answers, and leaves when it is told to or when nobody is left to tell it."""

import json
import socket
from collections.abc import Iterator

import pytest

from durward.calls.errors import GateError
from durward.office.main import Office


class Journal:
    """Steps that each take one line of those that are there. After `fails` steps one fails."""

    def __init__(self, lines: int, fails: int = -1) -> None:
        self.lines = lines
        self.steps = 0
        self._fails = fails

    def step(self) -> int:
        self.steps += 1
        if self.steps == self._fails:
            raise GateError("index.db cannot be used.", reason="state_unavailable")
        self.lines -= self.lines > 0
        return int(self.lines > 0)


class Nothing:
    """Nothing to do in spare time."""

    def step(self) -> bool:
        return False


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def said(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def heard(end: socket.socket) -> list[object]:
    return [json.loads(line) for line in end.recv(65536).splitlines()]


def test_it_answers_between_steps_and_catches_up_before_it_leaves(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(said({"do": "ping", "id": 7}, {"do": "drain", "seconds": 30}))
    journal = Journal(1_000)
    Office(ours, journal, Nothing()).run()
    assert heard(theirs) == [{"event": "ready"}, {"id": 7}]
    assert journal.lines == 0


def test_it_leaves_when_its_time_is_over(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(said({"do": "drain", "seconds": 0}))
    journal = Journal(1_000)
    Office(ours, journal, Nothing()).run()
    assert journal.lines >= 998


def test_it_leaves_with_the_supervisor(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()
    Office(ours, Journal(0), Nothing()).run()


def test_words_may_come_in_pieces(pair: Pair) -> None:
    ours, theirs = pair
    first, second = Office(ours, Journal(5), Nothing()), said({"do": "ping", "id": 1}, {"do": "drain", "seconds": 0})
    theirs.sendall(second[:9])
    first._listen(30)
    theirs.sendall(second[9:])
    first._listen(30)
    assert heard(theirs) == [{"id": 1}]
    first.run()


def test_an_index_that_cannot_be_used_is_said_once_and_tried_again(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    ours, _ = pair
    office = Office(ours, Journal(10, fails=2), Nothing())
    waits = [office._step() for _ in range(3)]
    assert waits == [0.0, 1.0, 0.0]
    (told,) = [record.message for record in caplog.records]
    assert told.startswith("index.db cannot be used. The index waits; Make the data directory readable")


class Spare:
    """Steps that note how many lines the index still lacked."""

    def __init__(self, journal: Journal, steps: int, end: socket.socket) -> None:
        self._journal = journal
        self._steps = steps
        self._end = end
        self.lacked: list[int] = []

    def step(self) -> bool:
        self.lacked.append(self._journal.lines)
        if len(self.lacked) == self._steps:
            self._end.sendall(said({"do": "drain", "seconds": 0}))
        return True


def test_what_can_wait_is_done_when_nothing_is_left_to_index(pair: Pair) -> None:
    ours, theirs = pair
    journal = Journal(20)
    spare = Spare(journal, 3, theirs)
    Office(ours, journal, spare).run()
    assert spare.lacked == [0, 0, 0]
