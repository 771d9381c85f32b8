"""Looks after the configuration of a running gate: a change of a file, or SIGHUP, has it loaded, checked and taken over as a whole.

A file that cannot be taken over changes nothing, and says why once. Standard library only.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from durward.calls.errors import DurwardError
from durward.server.children import Child
from durward.server.gates import Gates
from durward.server.launch import Launch, unnamed
from durward.server.notify import Notifier
from durward.server.pair import Message

log = logging.getLogger("supervisor")

LOOK_SECONDS = 1.0
STABLE_SECONDS = 0.5
"""A file that is being written is loaded once it has been left alone so long."""
MOST_WAITS = 20
"""A file that never comes to rest is loaded all the same."""
LOAD_SECONDS = 60.0
LONGEST_PAUSE = 60.0

Mark = tuple[int, int, int] | None
"""What tells one state of a file from another: its number, size, and time of change; None where there is none."""


class Watched:
    """Files, and what they were when they were last looked at."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._marks = {path: _mark(path) for path in paths}

    def look_at(self, paths: Sequence[Path]) -> None:
        """Watch these from now on; those that were watched already keep what they were."""
        self._marks = {path: self._marks[path] if path in self._marks else _mark(path) for path in paths}

    def changed(self) -> bool:
        """Whether any is another than at the last look."""
        before = self._marks
        self._marks = {path: _mark(path) for path in before}
        return self._marks != before


def _mark(path: Path) -> Mark:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class Reloading:
    """Brings changes of the configuration to the gates. `settings` is the descriptor of those in force."""

    def __init__(self, launch: Launch, gates: Gates, notifier: Notifier, *others: Child) -> None:
        """`others` start with the settings too, and need not know of new ones while they live."""
        self.settings = launch.settings
        self.drain = launch.drain
        self.times = 0
        """How often settings were taken over."""
        self.refused = ""
        """Why the file as it is now was not taken over; empty where it was."""
        self._file = Path(launch.config)
        self._listen = launch.listen
        self._version = launch.version
        self._gates = gates
        self._notifier = notifier
        self._others = others
        self._referred = [self._file, *map(Path, launch.watched)]
        self._watched = Watched(self._referred)
        self._asked = asyncio.Event()
        self._again: float | None = None
        """When to try anew what failed for no fault of the file's."""
        self._pause = LOOK_SECONDS

    def ask(self) -> None:
        """Load the file again, changed or not."""
        self._asked.set()

    async def watch(self) -> None:
        """Look at the files, and load them when they have changed, for as long as this task lives."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                if self._watched.changed():
                    await self._settled()
                elif self._again is None or time.monotonic() < self._again:
                    continue
            self._asked.clear()
            self._again = None
            try:
                await self._reload()
            except Exception:
                # A bug; the gate goes on with what it has, and the next change is looked at as well.
                log.exception("the configuration could not be looked after")

    async def _settled(self) -> None:
        for _ in range(MOST_WAITS):
            await asyncio.sleep(STABLE_SECONDS)
            if not self._watched.changed():
                return

    async def _reload(self) -> None:
        self._notifier.reloading()
        try:
            await self._load()
        finally:
            self._notifier.reloaded(self.refused)

    async def _load(self) -> None:
        new = unnamed(b"")
        try:
            refused = await self._take_over(new)
        except (OSError, TimeoutError, ValueError) as error:
            refused = f"It could not be loaded: {str(error) or type(error).__name__}."
            self._try_again()
        except DurwardError as error:
            refused = f"{error.message} {error.remedy}"
            if error.reason == "stopping":
                self._try_again()
        if refused:
            os.close(new)
            if refused != self.refused:
                log.error("the configuration is not taken over, nothing has changed:\n%s", refused)
        else:
            self._pause = LOOK_SECONDS
        self.refused = refused

    def _try_again(self) -> None:
        self._again = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    async def _take_over(self, new: int) -> str:
        """Have the file loaded, and its settings taken over by the gate. Why not, where that is not done."""
        loaded = await self._loaded(new)
        paths = [self._file, *map(Path, loaded.get("watched", ()))]
        if refused := loaded.get("refused"):
            # What is missing may come; what is in force goes on being watched.
            self._watched.look_at([*self._referred, *paths])
            return str(refused)
        await self._gates.take_over(self.settings, new, LOAD_SECONDS)
        old, self.settings = self.settings, new
        # Children that have to be started again start with what is in force.
        for child in self._others:
            child.replace(old, new)
        os.close(old)
        self.times += 1
        self.drain = tuple(loaded["drain"])
        self._referred = paths
        self._watched.look_at(paths)
        log.info("the configuration is taken over: %s", self._file)
        if warnings := loaded.get("warnings"):
            log.warning("%s", warnings)
        return ""

    async def _loaded(self, new: int) -> Message:
        """What the loader tells of the file. Raises TimeoutError, ValueError, OSError."""
        words = (sys.executable, "-P", "-m", "durward.server.loader", str(self._file), self._listen, self._version)
        fds = (self.settings, new)
        process = await asyncio.create_subprocess_exec(
            *words,
            *map(str, fds),
            pass_fds=fds,
            start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(LOAD_SECONDS):
                told, _ = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise OSError(f"the loader ended with exit code {process.returncode}")
        loaded = json.loads(told)
        if not isinstance(loaded, dict):
            raise ValueError("the loader told nothing")
        return loaded
