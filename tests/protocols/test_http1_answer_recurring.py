"""Heads whose names are known are walked by `_heads.c`: what it makes of any head is what a full reading makes of it."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durward.calls.errors import UpstreamError
from durward.protocols import http1_answer
from durward.protocols.http1_answer import HEAD_BYTES, LONGEST_NAME, MOST_USE, Recurring, read_head
from tests.protocols.built import built
from tests.protocols.test_http1_answer import FRAGMENTS, PROVIDER_HEAD, STATUS_LINES, head, told


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Heads are walked here as where everything is built."""
    installed = http1_answer.edges
    if installed is None:
        http1_answer.edges = built("_heads", tmp_path_factory.mktemp("built")).edges
    yield
    if installed is None:
        http1_answer.edges = None


def outcome(text: bytes, asked_head: bool, recurring: Recurring | None) -> object:
    """What comes of a head: all that was read of it, or why it was refused."""
    try:
        answer = read_head(text, asked_head, 0, recurring)
    except UpstreamError as error:
        return error.message
    return None if answer is None else told(answer)


@pytest.mark.usefixtures("walks")
@given(
    st.lists(st.tuples(STATUS_LINES, st.lists(FRAGMENTS, max_size=4), st.booleans()), min_size=2, max_size=6),
    st.binary(max_size=8),
)
def test_what_was_learned_of_one_head_changes_nothing_of_the_next(
    heads: list[tuple[bytes, list[bytes], bool]], behind: bytes
) -> None:
    recurring = Recurring()
    for status, lines, asked_head in heads:
        text = head(*lines, status=status) + behind
        for _ in range(3):
            assert outcome(text, asked_head, recurring) == outcome(text, asked_head, None)


@pytest.mark.usefixtures("walks")
@given(st.integers(0, len(PROVIDER_HEAD) - 1), st.integers(0, 255), st.sampled_from(["change", "add", "drop"]))
def test_no_byte_slips_into_a_head_whose_names_are_known(at: int, byte: int, how: str) -> None:
    recurring = Recurring()
    for _ in range(2):
        read_head(PROVIDER_HEAD, False, 0, recurring)
    assert recurring.read(PROVIDER_HEAD, False) is not None
    text = bytearray(PROVIDER_HEAD)
    if how == "change":
        text[at] = byte
    elif how == "add":
        text.insert(at, byte)
    else:
        del text[at]
    assert outcome(bytes(text), False, recurring) == outcome(bytes(text), False, None)


@given(st.binary(max_size=40), st.sampled_from([b"Server", b"Set-Cookie", b"Content-Type", b"Connection"]))
@pytest.mark.usefixtures("walks")
def test_a_value_of_any_bytes_is_read_as_in_a_head_of_new_names(value: bytes, name: bytes) -> None:
    recurring = Recurring()
    for known in (b"keep-alive", b"close"):
        read_head(head(b"A: 1", name + b":" + known, b"Content-Length: 0"), False, 0, recurring)
    text = head(b"A: 1", name + b":" + value, b"Content-Length: 0")
    assert outcome(text, False, recurring) == outcome(text, False, None)


@pytest.mark.parametrize("cut", range(len(PROVIDER_HEAD)))
@pytest.mark.usefixtures("walks")
def test_a_head_of_known_names_that_has_not_come_whole_is_none_yet(cut: int) -> None:
    recurring = Recurring()
    for _ in range(2):
        read_head(PROVIDER_HEAD, False, 0, recurring)
    assert recurring.read(PROVIDER_HEAD[:cut], False) is None


@pytest.mark.usefixtures("walks")
def test_new_names_are_learned_once_the_old_ones_are_of_no_more_use() -> None:
    recurring = Recurring()
    one, other = head(b"A: 1", b"Content-Length: 0"), head(b"B: 1", b"Content-Length: 0")
    for text in (one, one, one, *[other] * (MOST_USE + 2)):
        assert outcome(text, False, recurring) == outcome(text, False, None)
    assert recurring.read(other, False) is not None
    assert recurring.read(one, False) is None


@pytest.mark.usefixtures("walks")
def test_a_head_over_the_bound_is_refused_also_where_its_names_are_known() -> None:
    recurring = Recurring()
    for length in (1, HEAD_BYTES - len(head(b"A:")), HEAD_BYTES - len(head(b"A:")) + 1):
        text = head(b"A:" + b"x" * length)
        for _ in range(2):
            assert outcome(text, False, recurring) == outcome(text, False, None)


@pytest.mark.usefixtures("walks")
@pytest.mark.parametrize("length", [LONGEST_NAME, LONGEST_NAME + 1])
def test_names_of_any_length_are_read_alike(length: int) -> None:
    recurring = Recurring()
    text = head(b"a" * length + b": 1", b"Content-Length: 0")
    for _ in range(3):
        assert outcome(text, False, recurring) == outcome(text, False, None)
    assert (recurring.read(text, False) is not None) == (length == LONGEST_NAME)
