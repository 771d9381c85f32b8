"""The chain: each line seals itself and names the one before; no byte can change unseen."""

import hashlib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from durward.records.chain import GENESIS, TAIL, Chain, Link, follows, read_link, sealed

members = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1).map(lambda name: f"m{name}"), st.integers())


def written(*each: dict[str, int]) -> list[bytes]:
    chain = Chain("host-1")
    lines = []
    for one in each:
        lines.append(chain.line(b"intent", msgspec.json.encode({"time": 0} | one)[1:-1]))
        chain.take()
    return lines


def test_a_line_is_json_whose_last_member_is_the_digest_of_all_before_it() -> None:
    (line,) = written({"a": 1})
    assert line == (
        b'{"v":1,"writer":"host-1","seq":1,"prev":"' + b"0" * 64 + b'","type":"intent","time":0,"a":1,"hash":"'
        b"" + hashlib.sha256(line[: line.index(b',"hash"')]).hexdigest().encode() + b'"}\n'
    )
    assert list(msgspec.json.decode(line)) == ["v", "writer", "seq", "prev", "type", "time", "a", "hash"]


def test_lines_name_the_one_before() -> None:
    first, second = (read_link(line) for line in written({}, {}))
    assert first is not None
    assert second is not None
    assert (first.seq, first.prev) == (1, GENESIS)
    assert second == Link("host-1", 2, first.hash, "intent", second.hash)


def test_a_line_that_is_not_taken_leaves_no_gap() -> None:
    chain = Chain("host-1")
    lost = chain.line(b"intent", b'"time":0')
    kept = chain.line(b"refused", b'"time":0')
    chain.take()
    after = chain.line(b"settle", b'"time":0')
    links = [read_link(line) for line in (lost, kept, after)]
    assert [link and link.seq for link in links] == [1, 1, 2]
    assert links[1] is not None
    assert links[2] is not None
    assert links[2].prev == links[1].hash


@given(members, st.data())
def test_any_changed_byte_breaks_the_seal(one: dict[str, int], data: st.DataObject) -> None:
    (line,) = written(one)
    assert sealed(line)
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[at]))
    assert not sealed(line[:at] + bytes([byte]) + line[at + 1 :])
    assert read_link(line[:at] + line[at + 1 :]) is None


@given(st.binary(max_size=200))
def test_what_is_no_line_is_none(junk: bytes) -> None:
    assert read_link(junk) is None
    assert read_link(junk + b',"hash":"' + hashlib.sha256(junk).hexdigest().encode() + b'"}\n') is None


def test_a_place_in_the_chain_is_told_without_reading_the_line() -> None:
    first, second = written({}, {})
    link = read_link(first)
    assert link is not None
    assert follows(first, b"host-1", 1, GENESIS)
    assert follows(second, b"host-1", 2, link.hash)
    assert not follows(second, b"host-1", 3, link.hash)
    assert not follows(second, b"host-2", 2, link.hash)
    assert not follows(second, b"host-1", 2, GENESIS)
    assert len(first) - first.index(b',"hash"') == TAIL
