"""The token is made once, for its owner alone, and nothing else opens."""

import stat
from pathlib import Path

import pytest

from durward.calls.errors import GateError
from durward.office import token


def test_it_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    token.ensure(tmp_path)
    made = (tmp_path / token.NAME).read_text()
    token.ensure(tmp_path)
    assert (tmp_path / token.NAME).read_text() == made
    assert len(made.strip().removeprefix("dwa_")) == 43
    assert stat.S_IMODE((tmp_path / token.NAME).stat().st_mode) == 0o600


def test_it_alone_opens_and_a_new_one_holds_at_once(tmp_path: Path) -> None:
    token.ensure(tmp_path)
    made = (tmp_path / token.NAME).read_text().strip()
    assert token.opens(tmp_path, f"Bearer {made}")
    assert token.opens(tmp_path, f"bearer {made}")
    assert not any(
        token.opens(tmp_path, wrong) for wrong in ("", "Bearer ", f"Basic {made}", made, f"Bearer {made}x", "Bearer é")
    )
    (tmp_path / token.NAME).write_text("n" * 40)
    assert not token.opens(tmp_path, f"Bearer {made}")
    assert token.opens(tmp_path, "Bearer " + "n" * 40)


@pytest.mark.parametrize("content", ["", "short", "é" * 40])
def test_a_file_that_holds_none_opens_to_nobody_and_stops_a_start(tmp_path: Path, content: str) -> None:
    (tmp_path / token.NAME).write_text(content, "utf-8")
    assert not token.opens(tmp_path, f"Bearer {content}")
    with pytest.raises(GateError, match="holds no token"):
        token.ensure(tmp_path)
