"""Named changes of the real source, each of which breaks one promise. A simulation that stays green with one of them proves nothing.

`python -m tests.simulation.mutations NAME --seeds N` plays worlds over the changed source until one is red, and says what was wrong there.
"""

import argparse
import importlib.abc
import importlib.util
import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

SRC = Path(__file__).parent.parent.parent / "src"


class Mutation(NamedTuple):
    """One change: in which module, what stands in the place of what, and the invariant that must be found broken."""

    module: str
    old: str
    new: str
    invariant: str


MUTATIONS = {
    "settle after the terminal event": Mutation(
        "durward.upstreams.relay",
        """        if ends:
            if (waits := settle(reader.error)) is not None:
                await waits
            # From here on no error can be told any more.
            self.reader = None
        await self._release(released)
""",
        """        await self._release(released)
        if ends:
            await __import__("asyncio").sleep(0)
            if (waits := settle(reader.error)) is not None:
                await waits
            self.reader = None
""",
        "settle first",
    ),
    "what hangs on a line leaves before it": Mutation(
        "durward.server.turn",
        """        self.commit()
        waiting, self._waiting = self._waiting, []
        for batched in waiting:
            try:
                batched.write_out()
""",
        """        waiting, self._waiting = self._waiting, []
        asyncio.get_running_loop().call_soon(self.commit)
        for batched in waiting:
            try:
                batched.write_out()
""",
        "settle first",
    ),
    "no cancel upstream": Mutation(
        "durward.gateway",
        """            finally:
                answer.cancel()
""",
        """            finally:
                pass
""",
        "cancel",
    ),
    "no cancel before the answer": Mutation(
        "durward.upstreams.pool",
        """                connection.give_up(waiter)
                raise
""",
        """                raise
""",
        "cancel",
    ),
    "retry after the first byte": Mutation(
        "durward.gateway",
        """                await self._answer(known, outbound, relay, answer, meter, entry)
            finally:
""",
        """                held = request and request.body, outbound.lines
                await self._answer(known, outbound, relay, answer, meter, entry)
            except DurwardError as error:
                if error.reason == "upstream_cut":
                    if request:
                        request.body = held[0]
                    outbound.lines = held[1]
                    answer = await self._attempts.answer(snapshot, course, outbound, meter, entry)
                raise
            finally:
""",
        "no retry after the first byte",
    ),
    "a lost settle": Mutation(
        "durward.records.entry",
        """        self._journal.settle(closing)
""",
        """        if outcome != "cut":
            self._journal.settle(closing)
""",
        "one record",
    ),
    "two records for one call": Mutation(
        "durward.records.entry",
        """        if self.closed:
            return
        self.closed = True
        closing = self.closing
""",
        """        self.closed = True
        closing = self.closing
""",
        "one record",
    ),
    "a call on a mixed snapshot": Mutation(
        "durward.gateway",
        """        asked = await read_asked(exchange, arrival)
""",
        """        asked = await read_asked(exchange, arrival)
        snapshot = self._snapshot
""",
        "one snapshot",
    ),
    "a head keeps the snapshot of the one before": Mutation(
        "durward.gateway",
        "if not isinstance(known, Known) or known.snapshot is not self._snapshot:",
        "if not isinstance(known, Known):",
        "one snapshot",
    ),
    "a denied call goes up": Mutation(
        "durward.gateway",
        "        if not course.decision.allows:\n",
        "        if not course.decision.allows and course.resource.name == 'x':\n",
        "denied",
    ),
    "an intent after the request": Mutation(
        "durward.records.journal",
        """        if self._later is not None:
            self._park((kind, members, None, call))
            return
""",
        """        if kind == b"intent":
            __import__("asyncio").get_running_loop().call_later(0.05, self._writer.append, kind, members)
            return
        if self._later is not None:
            self._park((kind, members, None, call))
            return
""",
        "intent first",
    ),
    "what could not be written down leaves": Mutation(
        "durward.server.turn",
        "                    batched.lose()\n",
        "                    pass\n",
        "intent first",
    ),
    "those who died are looked after twice": Mutation(
        "durward.records.recovery",
        "            if call not in already\n",
        "",
        "one record",
    ),
    "what nobody knows costs nothing": Mutation(
        "durward.records.journal",
        'Closing(call, "unknown", cost_nano=reserved)',
        'Closing(call, "unknown", cost_nano=0)',
        "truth",
    ),
    "a body is held for ever": Mutation(
        "durward.server.body",
        """        self._memory.held -= self._held
        self._held = 0
        self._pieces.clear()
""",
        """        self._pieces.clear()
""",
        "left over",
    ),
    "an idle connection takes what nobody asked for": Mutation(
        "durward.upstreams.connection",
        "            self.abort()  # nothing was asked\n",
        "            pass  # nothing was asked\n",
        "unasked",
    ),
    "tried again where it may have acted": Mutation(
        "durward.routing.plan",
        'return error.reason == "upstream_unreachable"',
        "return bool(error.reason)",
        "no retry after the first byte",
    ),
    "a silent upstream is waited for": Mutation(
        "durward.upstreams.pool",
        "        for connection in [each for each in self._connections if each.deadline <= now]:\n",
        "        for connection in [each for each in self._connections if each.deadline <= now - 9]:\n",
        "deadline",
    ),
}


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module with the change in it."""

    def __init__(self, mutation: Mutation) -> None:
        self._module = mutation.module
        self._path = SRC / (mutation.module.replace(".", "/") + ".py")
        text = self._path.read_text("utf-8")
        if text.count(mutation.old) != 1:
            sys.exit(f"{self._path} has changed: what is to be replaced stands there {text.count(mutation.old)} times")
        self._text = text.replace(mutation.old, mutation.new)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self._path, "exec"), module.__dict__)


def main() -> int:
    parser = argparse.ArgumentParser(description="Plays worlds over a changed source until one is red.")
    parser.add_argument("name", choices=MUTATIONS)
    parser.add_argument("--seeds", type=int, default=300)
    options = parser.parse_args()
    sys.meta_path.insert(0, _Changed(MUTATIONS[options.name]))
    from tests.simulation.main import first_red

    world = first_red(range(options.seeds))
    found = [violation.invariant for violation in world.truth.violations] if world is not None else []
    print(json.dumps({"seed": world.seed if world is not None else None, "invariants": sorted(set(found))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
