"""`answers.db` for the gate's event loop: opened with the first call that needs it, by the one thread that then works on it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from durward.calls.errors import GateError
from durward.calls.once import Idempotency, KeptAnswer, Once
from durward.calls.ports import Clock
from durward.storage.answers import Answers

Result = TypeVar("Result")

ANSWER_SECONDS = 10.0
"""How long a call waits for the thread: longer than SQLite waits for another process."""
QUEUED = 1_024
"""How many calls may wait for their beginning. An end is always taken: there is one for each call that has begun."""
OWED = 4_096
"""How many ends that could not be written are tried again."""
TIDY_SECONDS = 60.0

log = logging.getLogger("answers")


class AnswersThread:
    """See `AnswerStore`. `bounds` may change at any time."""

    def __init__(
        self, opened: Callable[[], Answers], writer: Callable[[], str], clock: Clock, bounds: Idempotency
    ) -> None:
        """`writer` names this gate's journal writer, which lives as long as the gate does."""
        self.bounds = bounds
        self._opened = opened
        self._writer = writer
        self._clock = clock
        self._answers: Answers | None = None
        self._owed: list[Callable[[Answers], None]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._queued = 0
        self._tidy_at = 0.0

    async def begin(self, once: Once) -> KeptAnswer | None:
        """See `AnswerStore`."""
        if self._queued >= QUEUED:
            raise GateError("Too much waits for answers.db.", reason="overloaded")
        writer, now, bounds = self._writer(), self._clock.time(), self.bounds

        def begun(answers: Answers) -> KeptAnswer | None:
            self._pay(answers)
            return answers.begin(once, writer, now, bounds)

        return await self._wait(self._run(begun))

    async def keep(self, once: Once, answer: KeptAnswer | None) -> None:
        """See `AnswerStore`."""
        bounds = self.bounds
        await self._wait(self._run(self._end(lambda answers: answers.keep(once, answer, bounds))))

    def leave(self, once: Once, unknown: bool) -> None:
        """See `AnswerStore`."""
        self._run(self._end(lambda answers: answers.leave(once, unknown)))

    def tick(self) -> None:
        """Due every second: what is too old goes, also where no call comes. A gate that never kept an answer touches nothing."""
        now = self._clock.monotonic()
        if self._answers is None or now < self._tidy_at:
            return
        self._tidy_at = now + TIDY_SECONDS
        wall, bounds = self._clock.time(), self.bounds

        def tidied(answers: Answers) -> None:
            self._pay(answers)
            answers.tidy(wall, bounds)

        self._run(tidied)

    def close(self) -> None:
        """Finish what is queued, then close the file."""
        self._thread.shutdown()
        if self._answers is not None:
            self._answers.close()

    def _end(self, work: Callable[[Answers], None]) -> Callable[[Answers], None]:
        """An end that cannot be written now is written before the next beginning that can."""

        def ended(answers: Answers) -> None:
            try:
                work(answers)
            except GateError:
                if len(self._owed) < OWED:
                    self._owed.append(work)
                raise

        return ended

    def _pay(self, answers: Answers) -> None:
        while self._owed:
            self._owed[0](answers)
            del self._owed[0]

    def _run(self, work: Callable[[Answers], Result]) -> "asyncio.Future[Result]":
        def worked() -> Result:
            if self._answers is None:
                self._answers = self._opened()
            return work(self._answers)

        self._queued += 1
        running = asyncio.get_running_loop().run_in_executor(self._thread, worked)
        running.add_done_callback(self._done)
        return running

    async def _wait(self, running: "asyncio.Future[Result]") -> Result:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(running)
        except TimeoutError as error:
            raise GateError(
                f"answers.db did not answer within {ANSWER_SECONDS:g} s.", reason="idempotency_unavailable"
            ) from error

    def _done(self, running: "asyncio.Future[Result]") -> None:
        self._queued -= 1
        if not running.cancelled() and isinstance(error := running.exception(), GateError):
            log.error("%s", error.message)
