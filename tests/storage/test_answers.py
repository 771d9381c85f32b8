"""`answers.db`: one owner for all gates of a machine, sealed, bounded, erased on demand."""

import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from durward.calls.errors import CallerError, GateError
from durward.calls.once import Idempotency, KeptAnswer, Once
from durward.records.layout import JOURNAL, lives
from durward.storage.answers import Answers

NOW = 1_795_000_000.0
BOUNDS = Idempotency()
CANARY = "the canary sang at dawn"
ANSWER = KeptAnswer(200, b"Content-Type: text/plain\r\n", CANARY.encode(), True)


def once(call: str = "c1", key: str = "k", **changes: Any) -> Once:
    return Once(call, "acme", "carol", "POST /x?", key, b"digest", False)._replace(**changes)


def opened(folder: Path, *alive: str) -> Answers:
    return Answers(folder, lambda writer: writer in alive)


def reason(answers: Answers, call: Once, writer: str = "w", now: float = NOW) -> str:
    try:
        answers.begin(call, writer, now, BOUNDS)
    except CallerError as error:
        return error.reason
    return ""


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return opened(tmp_path, "w")


def test_an_answer_comes_back_byte_for_byte_until_its_time_is_over(answers: Answers) -> None:
    assert answers.begin(once(), "w", NOW, BOUNDS) is None
    assert reason(answers, once("c2")) == "idempotency_in_progress"
    answers.keep(once(), ANSWER, BOUNDS)
    assert answers.begin(once("c2"), "w", NOW + 86_399, BOUNDS) == ANSWER
    assert reason(answers, once("c3", digest=b"other")) == "idempotency_mismatch"
    assert answers.begin(once("c4"), "w", NOW + 86_400, BOUNDS) is None


def test_a_shorter_time_holds_for_what_was_kept_before(answers: Answers) -> None:
    answers.begin(once(), "w", NOW, BOUNDS)
    answers.keep(once(), ANSWER, BOUNDS)
    assert answers.begin(once("c2"), "w", NOW + 60, BOUNDS._replace(retain=60)) is None


@pytest.mark.parametrize(
    "other",
    [{"tenant": "b"}, {"agent": "b"}, {"address": "POST /y?"}, {"key": "b"}, {"tenant": "acmec", "agent": "arol"}],
)
def test_what_tells_calls_apart(answers: Answers, other: dict[str, Any]) -> None:
    answers.begin(once(), "w", NOW, BOUNDS)
    assert answers.begin(once("c2", **other), "w", NOW, BOUNDS) is None


def test_how_calls_end_otherwise(answers: Answers) -> None:
    answers.begin(once(), "w", NOW, BOUNDS)
    answers.leave(once(), unknown=False)
    assert reason(answers, once("c2")) == ""
    answers.leave(once("c1"), unknown=True)  # another call's
    answers.leave(once("c2"), unknown=True)
    assert reason(answers, once("c3")) == "idempotency_unknown"
    assert reason(answers, once("c4"), now=NOW + 86_400) == ""
    answers.keep(once("c4"), None, BOUNDS)
    answers.leave(once("c4"), unknown=False)  # too late
    assert reason(answers, once("c5"), now=NOW + 86_400) == "idempotency_not_kept"


def test_what_a_gate_that_died_has_left(tmp_path: Path) -> None:
    before = opened(tmp_path, "old")
    before.begin(once(), "old", NOW, BOUNDS)
    before.begin(once("r1", "r", reads=True), "old", NOW, BOUNDS)
    beside = opened(tmp_path, "old", "new")
    assert reason(beside, once("c2"), "new") == "idempotency_in_progress"
    assert reason(beside, once("r2", "r", reads=True), "new") == "idempotency_in_progress"
    after = opened(tmp_path, "new")
    assert reason(after, once("c3"), "new") == "idempotency_unknown"
    assert reason(after, once("r3", "r", reads=True), "new") == ""


def test_two_processes_on_one_file_and_one_that_is_killed(tmp_path: Path) -> None:
    """The writer's own lock says that it lives, and its end that it does not."""
    writer = tmp_path / JOURNAL / "host-1795000000000"
    writer.mkdir(parents=True)
    script = (
        "import fcntl, os, sys\n"
        "from pathlib import Path\n"
        "from durward.calls.once import Idempotency, Once\n"
        "from durward.storage.answers import Answers\n"
        "folder, lock = Path(sys.argv[1]), os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "once = Once('c1', 'acme', 'carol', 'POST /x?', 'k', b'digest', False)\n"
        f"Answers(folder, lambda name: True).begin(once, {writer.name!r}, {NOW}, Idempotency())\n"
        "print('begun', flush=True)\n"
        "sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(writer / "lock")],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdin is not None
    with other:
        assert other.stdout.readline() == "begun\n"
        answers = Answers(tmp_path, lambda name: lives(tmp_path / JOURNAL, name))
        assert reason(answers, once("c2"), "mine") == "idempotency_in_progress"
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert reason(answers, once("c3"), "mine") == "idempotency_unknown"


def test_nothing_stands_in_clear(tmp_path: Path, answers: Answers) -> None:
    names = once(tenant="tenant-canary", agent="agent-canary", address="POST /address-canary?", key="key-canary")
    answers.begin(names, "w", NOW, BOUNDS)
    answers.keep(names, ANSWER, BOUNDS)
    files = list(tmp_path.iterdir())
    assert {path.name for path in files} >= {"answers.db", "answers.key"}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"canary" not in path.read_bytes()
    assert len((tmp_path / "answers.key").read_bytes()) == 32


@pytest.mark.parametrize(
    "whose, gone", [({"tenant": "acme"}, 3), ({"agent": "carol"}, 2), ({"call": "c1"}, 1), ({"tenant": "none"}, 0)]
)
def test_what_is_erased_is_gone_and_never_done_again(
    tmp_path: Path, answers: Answers, whose: dict[str, str], gone: int
) -> None:
    calls = [once(), once("c2", "k2"), once("c3", "k3", agent="oscar")]
    for call in calls:
        answers.begin(call, "w", NOW, BOUNDS)
        answers.keep(call, ANSWER, BOUNDS)
    with_sealed = sealed(tmp_path)
    assert opened(tmp_path, "w").erase(**whose) == gone
    assert (tmp_path / "answers.db-wal").stat().st_size == 0
    left = sealed(tmp_path)
    assert len(left) == 3 - gone
    whole = (tmp_path / "answers.db").read_bytes()
    assert all(each not in whole for each in with_sealed if each not in left)
    assert answers.erase(**whose) == 0
    states = [reason(answers, call._replace(call=f"again {call.call}")) for call in calls]
    assert states.count("idempotency_not_kept") == gone
    assert states.count("") == 3 - gone


def sealed(folder: Path) -> set[bytes]:
    base = sqlite3.connect(folder / "answers.db")
    try:
        return {row[0] for row in base.execute("SELECT sealed FROM answers WHERE sealed IS NOT NULL")}
    finally:
        base.close()


@pytest.mark.parametrize("whose", [{"tenant": "acme"}, {"agent": "carol"}, {"call": "c1"}])
def test_the_answer_of_a_call_in_progress_is_erased_before_it_comes(answers: Answers, whose: dict[str, str]) -> None:
    answers.begin(once(), "w", NOW, BOUNDS)
    answers.erase(**whose)
    answers.begin(once("c2", "k2"), "w", NOW, BOUNDS)
    answers.keep(once(), ANSWER, BOUNDS)
    assert reason(answers, once("c3")) == "idempotency_not_kept"


def test_answers_of_reads_go_first_the_oldest_before_the_others_and_what_is_open_stays(answers: Answers) -> None:
    bounds = BOUNDS._replace(max_bytes=8_000)
    answers.begin(once("open", "open"), "w", NOW, bounds)
    answers.begin(once("unknown", "unknown"), "w", NOW, bounds)
    answers.leave(once("unknown"), unknown=True)
    answers.begin(once("write", "write"), "w", NOW, bounds)
    answers.keep(once("write", "write"), ANSWER, bounds)
    for number in range(20):
        call = once(f"c{number}", f"k{number}", tenant="other", reads=True)
        answers.begin(call, "w", NOW + number, bounds)
        answers.keep(call, ANSWER._replace(body=b"x" * 1000), bounds)
        assert answers._held() <= 8_000
    again = once("again", tenant="other", reads=True)
    assert answers.begin(again._replace(key="k19"), "w", NOW + 30, bounds) is not None
    assert answers.begin(again._replace(key="k0"), "w", NOW + 30, bounds) is None
    assert answers.begin(once("again", "write"), "w", NOW + 30, bounds) == ANSWER
    assert reason(answers, once("x", "open")) == "idempotency_in_progress"
    assert reason(answers, once("x", "unknown")) == "idempotency_unknown"


def test_of_writes_the_answers_alone_go_and_none_is_done_again(answers: Answers) -> None:
    bounds = BOUNDS._replace(max_bytes=8_000)
    for number in range(10):
        answers.begin(once(f"c{number}", f"k{number}"), "w", NOW + number, bounds)
        answers.keep(once(f"c{number}"), ANSWER._replace(body=b"x" * 1000), bounds)
    assert [reason(answers, once("x", f"k{number}")) for number in (0, 9)] == ["idempotency_not_kept", ""]
    with pytest.raises(GateError) as raised:
        for number in range(20):
            answers.begin(once(f"d{number}", f"d{number}"), "w", NOW + 40, bounds)
    assert raised.value.reason == "idempotency_unavailable"
    assert [reason(answers, once("x", f"k{number}")) for number in range(10)] == ["idempotency_not_kept"] * 10


def test_what_is_too_old_goes_also_where_there_is_too_much(answers: Answers) -> None:
    for number in range(500):
        answers.begin(once(f"c{number}", f"k{number}"), "w", NOW, BOUNDS)
        answers.leave(once(f"c{number}"), unknown=True)
    narrow = BOUNDS._replace(max_bytes=100 * 512)
    for _ in range(3):
        answers.tidy(NOW + 86_401, narrow)
    assert answers._held() == 0


def test_an_answer_that_is_too_large_keeps_no_key_of_a_read(answers: Answers) -> None:
    for reads, found in ((True, ""), (False, "idempotency_not_kept")):
        call = once(f"c{reads}", f"k{reads}", reads=reads)
        answers.begin(call, "w", NOW, BOUNDS)
        answers.keep(call, None, BOUNDS)
        assert reason(answers, call._replace(call=f"d{reads}")) == found


def test_tidying_takes_out_what_is_old_and_gives_the_room_back(tmp_path: Path, answers: Answers) -> None:
    for number in range(20):
        call = once(f"c{number}", f"k{number}")
        answers.begin(call, "w", NOW, BOUNDS)
        answers.keep(call, ANSWER._replace(body=b"x" * 50_000), BOUNDS)
    answers.begin(once("open", "open"), "w", NOW, BOUNDS)
    answers.begin(once("dead", "dead"), "dead", NOW, BOUNDS)
    answers.tidy(NOW + 86_399, BOUNDS)
    assert len(sealed(tmp_path)) == 20
    answers.tidy(NOW + 86_400, BOUNDS)
    assert answers._held() == 512
    answers._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert (tmp_path / "answers.db").stat().st_size < 100_000


@pytest.mark.parametrize("broken", ["answers.db", "answers.key"])
def test_a_file_that_is_none_is_said(tmp_path: Path, broken: str) -> None:
    (tmp_path / broken).write_bytes(b"not what it should be" * 100)
    with pytest.raises(GateError) as raised:
        opened(tmp_path)
    assert raised.value.reason == "idempotency_unavailable"


def test_without_the_key_nothing_is_known(tmp_path: Path, answers: Answers) -> None:
    answers.begin(once(), "w", NOW, BOUNDS)
    answers.keep(once(), ANSWER, BOUNDS)
    answers.close()
    (tmp_path / "answers.key").unlink()
    assert opened(tmp_path).begin(once("c2"), "w", NOW, BOUNDS) is None


def test_an_answer_that_was_moved_or_changed_does_not_open(tmp_path: Path, answers: Answers) -> None:
    for name in ("1", "2"):
        answers.begin(once(f"c{name}", name), "w", NOW, BOUNDS)
        answers.keep(once(f"c{name}", name), ANSWER, BOUNDS)
    answers._base.execute(
        "UPDATE answers SET sealed = (SELECT sealed FROM answers WHERE call = 'c1') WHERE call = 'c2'"
    )
    with pytest.raises(GateError):
        answers.begin(once("c3", "2"), "w", NOW, BOUNDS)
