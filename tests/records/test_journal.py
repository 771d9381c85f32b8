"""The journal: a line is on the disk when its method returns, and each is linked to the one before."""

import stat
from pathlib import Path

import msgspec
import pytest

from durward.calls.errors import GateError
from durward.calls.record import Closing
from durward.records import layout
from durward.records import writer as writers
from durward.records.heads import Head, holds
from tests.records.scribe import Calls, Watch, content, journal, kinds, lines


def test_each_method_has_written_its_line_when_it_returns(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        allowed, denied = calls.opening(tags={"team": "care"}), calls.opening(decision="deny", rule=None)
        written.intent(allowed)
        assert kinds(content(written)) == ["open", "intent"]
        written.settle(calls.closing(allowed))
        assert kinds(content(written)) == ["open", "intent", "settle"]
        written.refused(denied, calls.refusal(denied))
        assert kinds(content(written)) == ["open", "intent", "settle", "refused"]
    assert kinds(content(written)) == ["open", "intent", "settle", "refused", "close"]


def test_a_line_holds_what_was_told_and_nothing_else(tmp_path: Path) -> None:
    calls = Calls()
    envelope = {"v", "writer", "seq", "prev", "type", "hash"}
    with journal(tmp_path) as written:
        opening = calls.opening(tags={"team": "care"})
        closing = calls.closing(opening, usage=msgspec.Raw(b'{"total_tokens":18}'))
        denied = calls.opening(agent='quote " and \\ and \n', decision="deny")
        written.intent(opening)
        written.settle(closing)
        written.refused(denied, calls.refusal(denied))
    _, intent, settle, refusal, _ = lines(written)
    assert {k: v for k, v in intent.items() if k not in envelope} == msgspec.to_builtins(opening)
    assert {k: v for k, v in settle.items() if k not in envelope | {"time"}} == {
        **msgspec.json.decode(msgspec.json.encode(closing)),
        "usage": {"total_tokens": 18},
    }
    assert settle["time"] == "2026-11-18T11:06:40.000Z"
    both = {**msgspec.to_builtins(denied), **msgspec.to_builtins(calls.refusal(denied))}
    assert {k: v for k, v in refusal.items() if k not in envelope} == both
    assert list(settle)[:7] == ["v", "writer", "seq", "prev", "type", "time", "id"]
    assert list(settle)[-1] == "hash"


def test_a_usage_object_of_several_lines_stays_one_line(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening()
        written.intent(opening)
        written.settle(calls.closing(opening, usage=msgspec.Raw(b'{\r\n  "total_tokens": 18,\n  "note": "a\\nb"\n}')))
    assert kinds(content(written)) == ["open", "intent", "settle", "close"]
    assert lines(written)[2]["usage"] == {"total_tokens": 18, "note": "a\nb"}


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with journal(tmp_path, signed=True) as written:
        assert written.writer is not None
        folders = [tmp_path / layout.JOURNAL, written.writer]
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        assert {stat.S_IMODE(path.stat().st_mode) for path in written.writer.iterdir()} == {0o600}
        assert {path.name for path in written.writer.iterdir()} == {"1.jsonl", "lock", "reserve"}
    assert {path.name for path in written.writer.iterdir()} == {"1.jsonl", "lock"}


def test_two_that_begin_in_one_millisecond_are_two_writers(tmp_path: Path) -> None:
    with journal(tmp_path) as one, journal(tmp_path) as other:
        assert layout.writers(tmp_path / layout.JOURNAL) == [one.writer, other.writer]
        for writer in (one.writer, other.writer):
            assert writer is not None
            with layout.dead(writer) as gone:
                assert not gone
    assert one.writer is not None
    with layout.dead(one.writer) as gone:
        assert gone


def test_a_segment_begins_with_the_digest_of_the_one_before_and_the_open_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 2_000)
    calls = Calls()
    with journal(tmp_path) as written:
        long = calls.opening(reserved_nano=7)
        unpriced = calls.opening(reserved_nano=None)
        written.intent(long)
        written.intent(unpriced)
        for _ in range(10):
            short = calls.opening()
            written.intent(short)
            written.settle(calls.closing(short))
        written.settle(calls.closing(long))
        written.settle(calls.closing(unpriced))
    assert written.writer is not None
    numbers = layout.segments(written.writer)
    assert len(numbers) > 3
    kinds(content(written))
    for number in numbers[1:]:
        first = msgspec.json.decode(layout.segment(written.writer, number).read_bytes().splitlines()[0])
        last = msgspec.json.decode(layout.segment(written.writer, number - 1).read_bytes().splitlines()[-1])
        assert first["type"] == "open"
        assert first["segment"] == number
        assert first["digest"] == first["prev"] == last["hash"]
        assert first["open"][long.id] == 7
        assert first["open"][unpriced.id] is None
        assert layout.segment(written.writer, number - 1).stat().st_size < 3_500


def test_a_segment_that_cannot_be_followed_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "SEGMENT_BYTES", 1_000)
    calls = Calls()
    with journal(tmp_path) as written:
        assert written.writer is not None
        layout.segment(written.writer, 2).mkdir()
        for _ in range(10):
            opening = calls.opening()
            written.intent(opening)
            written.settle(calls.closing(opening))
        assert not written.unavailable()
        layout.segment(written.writer, 2).rmdir()
    assert layout.segments(written.writer) == [1]
    assert kinds(content(written)).count("settle") == 10


def test_a_head_is_signed_in_each_second_in_which_something_was_written(tmp_path: Path) -> None:
    calls, watch = Calls(), Watch()
    with journal(tmp_path, watch, signed=True) as written:
        written.tick()
        written.tick()
        opening = calls.opening()
        written.intent(opening)
        watch.now += 1
        written.tick()
        written.tick()
        written.settle(calls.closing(opening))
    assert kinds(content(written)) == ["open", "head", "intent", "head", "settle", "close"]
    for line in lines(written):
        if line["type"] in {"head", "close"}:
            seq = line["seq"]
            assert isinstance(seq, int)
            members = {"v": 1, "writer": line["writer"], "seq": seq - 1, "hash": line["prev"]}
            members |= {name: line[name] for name in ("time", "key", "signature")}
            assert holds(msgspec.convert(members, Head))


def test_without_a_key_there_are_no_heads(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        written.tick()
    assert kinds(content(written)) == ["open", "close"]


def test_what_others_post_is_written_at_the_next_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durward.records.journal.POSTED_A_TICK", 2)
    with journal(tmp_path) as written:
        first = written.post([(b"unknown", b'"id":"%d"' % number) for number in range(3)])
        second = written.post([(b"recovered", b'"of":"x"')])
        written.tick()
        assert (first.written.is_set(), second.written.is_set()) == (False, False)
        assert kinds(content(written)) == ["open", "unknown", "unknown"]
        written.tick()
        assert (first.written.is_set(), second.written.is_set()) == (True, True)
        assert kinds(content(written)) == ["open", "unknown", "unknown", "unknown", "recovered"]
        assert written.post([]).lines == written.post([]).lines


def test_calls_that_are_open_when_it_closes_become_unknown(tmp_path: Path) -> None:
    calls = Calls()
    with journal(tmp_path) as written:
        opening = calls.opening(reserved_nano=77)
        written.intent(opening)
    assert kinds(content(written)) == ["open", "intent", "unknown", "close"]
    line = lines(written)[2]
    assert (line["id"], line["outcome"], line["cost_nano"]) == (opening.id, "unknown", 77)
    assert written.unavailable()
    with pytest.raises(GateError, match="closed"):
        written.intent(calls.opening())


def test_a_closing_without_an_intent_is_written_all_the_same(tmp_path: Path) -> None:
    with journal(tmp_path) as written:
        written.settle(Closing("id", "ok"))
    assert kinds(content(written)) == ["open", "settle", "close"]
