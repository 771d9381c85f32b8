"""The master key, and what is sealed with it."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from durward.storage.sealing import Seal, load_seal

SEAL = Seal(b"m" * 32)


def test_what_is_sealed_opens_with_its_key_at_its_place_only() -> None:
    key = SEAL.new_key(b"owner")
    sealed = SEAL.seal(key, b"owner", b"a text", b"place")
    assert b"a text" not in sealed
    assert SEAL.open(key, b"owner", sealed, b"place") == b"a text"
    assert SEAL.seal(key, b"owner", b"a text", b"place") != sealed
    for key_, owner, place in (
        (key, b"owner", b"other"),
        (key, b"other", b"place"),
        (SEAL.new_key(b"owner"), b"owner", b"place"),
    ):
        with pytest.raises(ValueError, match="was not sealed"):
            SEAL.open(key_, owner, sealed, place)
    with pytest.raises(ValueError, match="was not sealed"):
        Seal(b"n" * 32).open(key, b"owner", sealed, b"place")
    with pytest.raises(ValueError, match="was not sealed"):
        SEAL.open(key, b"owner", sealed[:-1] + b"?", b"place")


def test_names_run_into_each_other_nowhere() -> None:
    names = [SEAL.name("a", "bc"), SEAL.name("ab", "c"), SEAL.name("a", "b", "c"), SEAL.name("a", b"bc", "")]
    assert len(set(names)) == 4
    assert SEAL.name("a", "bc") == SEAL.name("a", b"bc") == names[0]
    assert Seal(b"n" * 32).name("a", "bc") != names[0]


def test_the_key_file_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first = load_seal(tmp_path / "k")
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert load_seal(tmp_path / "k").name("x") == first.name("x")
    (tmp_path / "k").write_bytes(b"short")
    with pytest.raises(ValueError, match="5"):
        load_seal(tmp_path / "k")


def test_several_processes_make_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from durward.storage.sealing import load_seal;"
        "print(load_seal(Path(sys.argv[1])).name('x').hex())"
    )
    made = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "k")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in made}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["k"]
