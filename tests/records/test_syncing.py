"""Bringing files onto the disk in a thread: one word about each, in the loop's own thread, and no exit that waits for a disk."""

import asyncio
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from durward.records.syncing import SyncThread, entries_to_disk, to_disk


def inode(path: Path) -> int:
    return path.stat().st_ino


async def test_a_file_comes_before_the_folders_that_name_it_and_the_word_in_the_loops_thread(tmp_path: Path) -> None:
    synced: list[int] = []

    def sync(fd: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        synced.append(os.fstat(fd).st_ino)
        to_disk(fd)

    told: list[tuple[OSError | None, bool]] = []
    through = asyncio.Event()

    def done(error: OSError | None) -> None:
        told.append((error, threading.current_thread() is threading.main_thread()))
        through.set()

    thread = SyncThread(sync)
    with (tmp_path / "file").open("wb") as file:
        inodes = [os.fstat(file.fileno()).st_ino, inode(tmp_path)]
        for _ in range(3):
            file.write(b"x")
            file.flush()
            through.clear()
            thread.start(file.fileno(), [tmp_path], done)
            await through.wait()
    thread.close()
    assert synced == inodes * 3
    assert told == [(None, True)] * 3


async def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    def sync(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    told: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    thread = SyncThread(sync)
    thread.start(0, [], told.set_result)
    error = await told
    assert error is not None
    assert error.errno == errno.EIO
    thread.close()


async def test_it_is_waited_for_as_long_as_is_said_and_told_once() -> None:
    let = threading.Event()
    told: list[OSError | None] = []

    def sync(_: int) -> None:
        let.wait(30)

    thread = SyncThread(sync)
    assert thread.finish(0.0)
    thread.start(0, [], told.append)
    assert not thread.finish(0.0)
    assert told == []
    let.set()
    assert thread.finish(30.0)
    assert thread.finish(0.0)
    await asyncio.sleep(0)
    assert told == [None]
    thread.close()


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    entries_to_disk(tmp_path)
    with pytest.raises(FileNotFoundError):
        entries_to_disk(tmp_path / "none")


PROGRAM = """
import asyncio, threading
from durward.records.syncing import SyncThread
async def main():
    thread = SyncThread(lambda _: threading.Event().wait())
    thread.start(0, [], print)
    assert not thread.finish(0.05)
asyncio.run(main())
"""


def test_a_disk_that_never_answers_does_not_keep_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], timeout=30, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
