"""A segment is read the same in both of its forms."""

from pathlib import Path

import pytest

from durward.records import layout
from durward.records.compressing import compress
from durward.records.stored import stored

LINES = [
    (b"", b"", b"", 0),
    (b"torn", b"", b"", 0),
    (b"a\n", b"a\n", b"a\n", 2),
    (b"a\nbb\ntorn", b"a\n", b"bb\n", 5),
    (b"a" * 200_000 + b"\n" + b"b" * 200_000 + b"\n", b"a" * 200_000 + b"\n", b"b" * 200_000 + b"\n", 400_002),
]


@pytest.mark.parametrize("content,first,last,whole", LINES)
@pytest.mark.parametrize("small", [False, True])
def test_ends_are_found(tmp_path: Path, content: bytes, first: bytes, last: bytes, whole: int, *, small: bool) -> None:
    layout.segment(tmp_path, 1).write_bytes(content)
    if small:
        list(compress(tmp_path, 1))
        assert not layout.segment(tmp_path, 1).exists()
    with stored(tmp_path, 1) as opened:
        assert (opened.size, opened.whole()) == (len(content), whole)
        assert (opened.first_line(), opened.last_line()) == (first, last)
        assert opened.read(3, 1) == content[1:4]


def test_the_plain_form_wins(tmp_path: Path) -> None:
    layout.segment(tmp_path, 1).write_bytes(b"kept\n")
    layout.compressed(tmp_path, 1).write_bytes(b"half a fi")
    with stored(tmp_path, 1) as opened:
        assert opened.first_line() == b"kept\n"


def test_a_form_that_changes_while_it_is_read_does_not_matter(tmp_path: Path) -> None:
    layout.segment(tmp_path, 1).write_bytes(b"one\ntwo\n")
    with stored(tmp_path, 1) as opened:
        list(compress(tmp_path, 1))
        assert opened.last_line() == b"two\n"


def test_one_that_is_gone_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), stored(tmp_path, 1):
        pass
