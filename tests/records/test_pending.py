"""Lines that wait: what was posted keeps its order and says when it is written."""

from durward.records.pending import ALL_KEPT, Kept, Posted


def test_posted_lines_keep_their_order_and_are_not_written_yet() -> None:
    posted = Posted((b"unknown", b'"id":"%d"' % number) for number in range(3))
    assert [members for _, members in posted.lines] == [b'"id":"0"', b'"id":"1"', b'"id":"2"']
    assert not posted.written.is_set()


def test_all_kept_means_beginnings_and_ends() -> None:
    assert Kept(beginnings=True, ends=True) == ALL_KEPT
    assert Kept(beginnings=True, ends=False) != ALL_KEPT
