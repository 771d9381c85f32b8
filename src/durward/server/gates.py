"""The gates of one Durward, which share its listening socket: what one of them learns the others must know. Standard library only."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from durward.calls.errors import DurwardError, GateError
from durward.server.children import Child, Program
from durward.server.control import accepted
from durward.server.pair import Message

log = logging.getLogger("supervisor")

Made = Callable[[Program], Child]


class Gates:
    """One or more. They are numbered from 0; the first does commands."""

    def __init__(self, programs: list[Program], made: Made = Child) -> None:
        self._gates = [made(program) for program in programs]
        self._first = self._gates[0]
        for gate in self._gates:
            gate.on_told = partial(self._pass_on, gate)

    @property
    def pids(self) -> list[int | None]:
        """In their order, None for one that is just being started again."""
        return [gate.pid for gate in self._gates]

    @property
    def lives(self) -> int:
        """How often one was started."""
        return sum(gate.lives for gate in self._gates)

    def start(self) -> list["asyncio.Task[None]"]:
        """As `Child.start`, each."""
        return [gate.start() for gate in self._gates]

    async def ready(self) -> None:
        """Wait until each has been ready."""
        for gate in self._gates:
            await gate.ready.wait()

    async def command(self, message: Message, seconds: float) -> Message:
        """Have a command done, and what came of it known to all when this returns. Raises GateError, TimeoutError as `Child.ask`."""
        answer = await self._first.ask(message, seconds)
        known = answer.pop("known", None)
        if known is not None:
            learn = {"do": "agent.know", "keys": known}
            await asyncio.gather(*(self._learn(gate, learn, seconds) for gate in self._gates[1:]))
        return answer

    async def ask_each(self, message: Message, seconds: float) -> list[Message]:
        """What each says, in their order; of one that does not answer its error."""

        async def asked(gate: Child) -> Message:
            try:
                return await gate.ask(message, seconds)
            except TimeoutError:
                return {"error": "it does not answer"}
            except GateError as error:
                return {"error": error.message}

        return list(await asyncio.gather(*map(asked, self._gates)))

    async def take_over(self, old: int, new: int, seconds: float) -> None:
        """Have new settings taken over, in place of the old ones' descriptor. Raises as `Child.give`, and nothing has changed then.

        The first one decides. One that cannot follow is started again, with the new ones.
        """
        accepted(await self._first.give(new, {"do": "reload"}, seconds))
        self.replace(old, new)
        await asyncio.gather(*(self._follow(gate, new, seconds) for gate in self._gates[1:]))

    def replace(self, old: int, new: int) -> None:
        """Start next lives with another descriptor."""
        for gate in self._gates:
            gate.replace(old, new)

    async def end(self, seconds: float, delay: float = 0.0, *, succeeded: bool = False) -> None:
        """As `Child.end`, each."""
        await asyncio.gather(*(gate.end(seconds, delay, succeeded=succeeded) for gate in self._gates))

    def _pass_on(self, teller: Child, what: Any) -> None:
        """What one gate tells, the others hear: those that are ready. One that begins later asks for it."""
        for gate in self._gates:
            if gate is not teller:
                gate.mention({"do": "hear", "what": what})

    async def _learn(self, gate: Child, message: Message, seconds: float) -> None:
        try:
            accepted(await gate.ask(message, seconds))
        except GateError as error:
            if error.reason != "stopping":  # Its next life begins with what there is to know.
                raise

    async def _follow(self, gate: Child, new: int, seconds: float) -> None:
        try:
            accepted(await gate.give(new, {"do": "reload"}, seconds))
        except (DurwardError, OSError, TimeoutError) as error:
            log.error("a gate (pid %s) did not take over the configuration: %s", gate.pid, _said(error))
            gate.kill()


def _said(error: Any) -> str:
    return error.message if isinstance(error, DurwardError) else str(error) or type(error).__name__
