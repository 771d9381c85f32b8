"""`answers.db` from the event loop: bounded, opened when it is needed, and never left with a call that nobody ends."""

import asyncio
import threading
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, GateError
from durward.calls.once import Idempotency, KeptAnswer, Once
from durward.storage import answers_thread
from durward.storage.answers import Answers
from durward.storage.answers_thread import QUEUED, AnswersThread
from tests.playbooks.world import Still

ANSWER = KeptAnswer(200, b"", b"body", True)


def once(call: str = "c1", key: str = "k") -> Once:
    return Once(call, "acme", "carol", "POST /x?", key, b"digest", False)


class Place:
    """A thread over a folder; while it is `shut`, the folder cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shut = False
        self.clock = Still()
        self.thread = AnswersThread(self._open, lambda: "w", self.clock, Idempotency())

    def _open(self) -> Answers:
        if self.shut:
            raise GateError("No room.", reason="idempotency_unavailable")
        return Answers(self.folder, lambda writer: True)


async def test_it_touches_nothing_before_it_is_needed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.thread.tick()
    assert not (tmp_path / "answers.db").exists()
    assert await place.thread.begin(once()) is None
    await place.thread.keep(once(), ANSWER)
    assert await place.thread.begin(once("c2")) == ANSWER
    place.thread.close()


async def test_an_end_is_behind_its_beginning_also_where_nobody_waits(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for number in range(20):
        begun = asyncio.ensure_future(place.thread.begin(once(f"c{number}")))
        await asyncio.sleep(0)
        begun.cancel()
        place.thread.leave(once(f"c{number}"), unknown=False)
    assert await place.thread.begin(once("last")) is None
    place.thread.close()


async def test_what_cannot_be_opened_is_said_and_tried_again(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.shut = True
    with pytest.raises(GateError, match="No room"):
        await place.thread.begin(once())
    place.shut = False
    assert await place.thread.begin(once()) is None
    place.thread.close()


async def test_an_end_that_could_not_be_written_is_written_before_the_next_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    await place.thread.begin(once())
    with monkeypatch.context() as broken:
        broken.setattr(
            Answers, "keep", lambda *_: (_ for _ in ()).throw(GateError("x", reason="idempotency_unavailable"))
        )
        with pytest.raises(GateError):
            await place.thread.keep(once(), ANSWER)
        with pytest.raises(GateError):
            await place.thread.begin(once("c2"))
    place.thread.leave(once("c2"), unknown=False)
    assert place.thread._owed
    with monkeypatch.context() as mended:
        mended.setattr(Answers, "keep", Answers.keep)
        assert [await place.thread.begin(once("c3", "other"))] == [None]
    assert not place.thread._owed
    place.thread.close()


async def test_the_queue_is_bounded_and_the_wait_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_thread, "ANSWER_SECONDS", 0.01)
    place = Place(tmp_path)
    holds = threading.Event()
    place.thread._thread.submit(holds.wait)
    waiting = [asyncio.ensure_future(place.thread.begin(once(f"c{n}", f"k{n}"))) for n in range(QUEUED)]
    await asyncio.sleep(0)
    with pytest.raises(GateError) as raised:
        await place.thread.begin(once())
    assert raised.value.reason == "overloaded"
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {error.reason for error in ended if isinstance(error, GateError)} == {"idempotency_unavailable"}
    assert len(ended) == QUEUED
    holds.set()
    place.thread.close()


async def test_what_is_too_old_goes_by_itself(tmp_path: Path) -> None:
    place = Place(tmp_path)
    await place.thread.begin(once())
    await place.thread.keep(once(), ANSWER)
    place.clock.now += 86_400
    place.thread.tick()
    place.clock.now -= 86_400
    assert await place.thread.begin(once("c2")) is None
    with pytest.raises(CallerError):
        await place.thread.begin(once("c3"))
    place.thread.close()
