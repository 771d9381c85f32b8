"""One owner a data directory, one owner an address."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.server.claims import claim, holder, joined_address, listen, make_private, split_address


def test_a_data_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    make_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GateError, match="cannot be made") as caught:
        make_private(tmp_path / "file")
    assert caught.value.reason == "state_unavailable"


def test_a_lock_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(GateError, match="lock cannot be opened") as caught:
        claim(tmp_path)
    assert caught.value.reason == "state_unavailable"


def test_the_second_claim_names_the_first(tmp_path: Path) -> None:
    lock = claim(tmp_path)
    assert holder(tmp_path) == os.getpid()
    with pytest.raises(GateError, match=f"pid {os.getpid()}") as caught:
        claim(tmp_path)
    assert caught.value.reason == "already_running"
    os.close(lock)
    os.close(claim(tmp_path))


def test_an_inherited_lock_outlives_its_taker(tmp_path: Path) -> None:
    """A gate that still finishes calls holds the lock of a supervisor that is gone: a new start waits for it, but not for ever."""
    program = (
        "import os, sys; from pathlib import Path; from durward.server.claims import claim\n"
        "lock = claim(Path(sys.argv[1])); os.set_inheritable(lock, True)\n"
        "import subprocess; child = subprocess.Popen(['cat'], close_fds=False); print(child.pid, flush=True); os._exit(0)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as taker:
        assert taker.stdin is not None
        assert taker.stdout is not None
        assert int(taker.stdout.readline())
        taker.wait()
        with pytest.raises(GateError, match=rf"supervisor \(pid {taker.pid}\) is gone"):
            claim(tmp_path, patience=0.0)
        told: list[str] = []

        def waits(text: str) -> None:
            told.append(text)
            assert taker.stdin is not None
            taker.stdin.close()  # The child's input ends, so it does.

        os.close(claim(tmp_path, patience=30.0, told=waits))
        assert told == [f"Waiting for the gate of pid {taker.pid}, which is gone, to finish its calls."]


def test_a_taken_port_is_said_with_who_has_it() -> None:
    with listen("127.0.0.1:0") as first:
        port = first.getsockname()[1]
        with pytest.raises(GateError, match=f"port {port} is taken") as caught:
            listen(f"127.0.0.1:{port}")
        assert caught.value.reason == "address_in_use"
        if sys.platform == "linux":
            assert f"by pid {os.getpid()} " in caught.value.message


def test_an_address_that_is_not_ours_is_said() -> None:
    with pytest.raises(GateError, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1:0")
    with pytest.raises(GateError, match=r"cannot listen on no-such-host\.invalid:0"):
        listen("no-such-host.invalid:0")


def test_a_listener_serves_at_once() -> None:
    with listen("127.0.0.1:0") as listener, socket.create_connection(listener.getsockname(), 5):
        assert not listener.getblocking()


@pytest.mark.parametrize(
    "address,parts", [("127.0.0.1:7300", ("127.0.0.1", 7300)), ("[::1]:0", ("::1", 0)), ("h:1", ("h", 1))]
)
def test_addresses_split_and_join(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts
    assert joined_address(*parts) == address
