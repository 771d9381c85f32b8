"""The control socket: commands in, answers out, for the operator alone."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from durward.calls.errors import CallerError, GateError
from durward.server.control import NAME, Answer, Control, ask
from durward.server.pair import LINE_LIMIT, Message


@asynccontextmanager
async def control(folder: Path, answer: Answer) -> AsyncIterator[None]:
    served = Control(folder, answer)
    await served.start()
    try:
        yield
    finally:
        served.close()


async def echo(message: Message) -> Message:
    return {"heard": message}


async def refuse(message: Message) -> Message:
    raise CallerError("There is no agent x.", reason="agent_unknown", remedy="Look again.")


async def break_down(message: Message) -> Message:
    raise GateError("No room.", reason="state_unavailable")


async def test_a_question_gets_its_answer_whatever_the_path_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    before = Path.cwd()
    async with control(folder, echo):
        assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
        assert await asyncio.to_thread(ask, folder, {"do": "status"}) == {"heard": {"do": "status"}}
        assert Path.cwd() == before
    assert not (folder / NAME).exists()


async def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    assert ask(tmp_path, {}) is None
    assert ask(tmp_path / "nowhere", {}) is None
    async with control(tmp_path, echo):
        (tmp_path / "copy").symlink_to(tmp_path / NAME)
    (tmp_path / NAME).touch()
    assert ask(tmp_path, {}) is None  # A socket's leftover that nobody serves.


async def test_a_refusal_arrives_as_the_error_it_was(tmp_path: Path) -> None:
    async with control(tmp_path, refuse):
        with pytest.raises(CallerError, match=r"There is no agent x\.") as caught:
            await asyncio.to_thread(ask, tmp_path, {"do": "agent.rotate"})
    assert (caught.value.reason, caught.value.remedy) == ("agent_unknown", "Look again.")
    async with control(tmp_path, break_down):
        with pytest.raises(GateError, match="No room"):
            await asyncio.to_thread(ask, tmp_path, {"do": "agent.rotate"})


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"\xff\n", b"\n"])
async def test_what_is_no_command_is_refused(tmp_path: Path, line: bytes) -> None:
    async with control(tmp_path, echo):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
        writer.write(line)
        assert json.loads(await reader.readline())["error"]["reason"] in ("malformed_json", "bad_request")
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came before the other end closed, however it did."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_a_line_beyond_the_limit_is_closed_upon(tmp_path: Path) -> None:
    async with control(tmp_path, echo):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
        writer.write(b"x" * (LINE_LIMIT + 2))
        assert await closed(reader) == b""
        writer.close()
