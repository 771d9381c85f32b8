"""From bytes to nodes: what YAML means here, what stands alone as a mistake, and every bound."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from durward.config.load import DEPTH_LIMIT, FILE_LIMIT, NODE_LIMIT, compose, read_document
from durward.config.mistakes import Mistakes, Source, Span
from durward.config.nodes import Node


def composed(text: str) -> Node:
    root = compose(Source("f", text), text)
    assert root is not None
    return root


def refused(text: str) -> str:
    """The one mistake, as `line:column: message`."""
    with pytest.raises(Mistakes) as caught:
        compose(Source("f", text), text)
    (mistake,) = caught.value.mistakes
    assert mistake.span is not None
    return f"{mistake.span.line + 1}:{mistake.span.column + 1}: {mistake.message}"


def test_values_and_their_places() -> None:
    root = composed("a: 1\nb: [x, 'yes', 0.5]\nc:\n  d: \"\"\n")
    assert root.value() == {"a": 1, "b": ["x", "yes", Decimal("0.5")], "c": {"d": ""}}
    quoted = root.get("b")
    assert quoted is not None
    assert quoted.span == Span(1, 3, 18)
    assert [item.span for item in quoted.items] == [Span(1, 4, 5), Span(1, 7, 12), Span(1, 14, 17)]
    assert root.entries["c"][0].span == Span(2, 0, 1)


def test_columns_count_characters_and_lines_end_as_the_parser_ends_them() -> None:
    root = composed("é: ü\r\nb: 'x\u2028 y'\nc: 1")
    value = root.get("é")
    assert value is not None
    assert value.span == Span(0, 3, 4)
    assert root.entries["c"][0].span.line == 3


def test_quotes_and_string_tags_make_text() -> None:
    assert composed("[1, '1', !!str 1, ! 1, !!int '1']").value() == [1, "1", "1", "1", 1]


def test_anchors_aliases_and_merges() -> None:
    text = "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: *x\nd: {<<: [*x, {m: 4}], k: 5}\n"
    assert composed(text).value() == {
        "a": {"k": 1, "l": 2},
        "b": {"l": 3, "k": 1},
        "c": {"k": 1, "l": 2},
        "d": {"k": 5, "l": 2, "m": 4},
    }


def test_an_empty_file_has_no_root() -> None:
    assert compose(Source("f"), "") is None
    assert compose(Source("f"), "# nothing\n") is None


@pytest.mark.parametrize(
    "text,mistake",
    [
        ("a: 1\nb: 2\na: 3", "3:1: the key `a` is written twice"),
        ("a: {b: 1, b: 2}", "1:11: the key `b` is written twice"),
        ("a: 1\n'a': 3", "2:1: the key `a` is written twice"),
        ("a: *b", "1:4: no anchor `&b` stands before this place"),
        ("a: &b [*b]", "1:8: no anchor `&b` stands before this place"),
        ("a: 1\n---\nb: 2", "2:1: the file holds more than one document"),
        (
            "a: !!python/object:os.system x",
            "1:4: the tag `tag:yaml.org,2002:python/object:os.system` means nothing here",
        ),
        ("a: !mine [x]", "1:4: the tag `!mine` means nothing here"),
        ("? [a]\n: 1", "1:3: a key is text, not a list or a mapping"),
        ("{<<: 1}", "1:6: `<<` takes a mapping, or a list of them"),
        ("a: b: c", "1:5: this is not YAML: mapping values are not allowed in this context"),
        (
            "a: [1",
            "2:1: this is not YAML: did not find expected ',' or ']', while parsing a flow sequence that began on line 1",
        ),
        ("a: é\x01", "1:5: a control character may not stand in YAML"),
    ],
)
def test_what_stands_alone(text: str, mistake: str) -> None:
    found = refused(text)
    assert found == mistake or found.startswith(mistake)


@pytest.mark.parametrize(
    "text,hint",
    [
        ("a:\n\tb: 1", "Indent with spaces"),
        ("a: @b", "needs quotes"),
        ("a: b: c", "needs quotes"),
        ("a: {b: ${C}}", "env:NAME, without `$`"),
        ("a: 1\na: 2", "line 1"),
    ],
)
def test_frequent_mistakes_come_with_a_way_out(text: str, hint: str) -> None:
    with pytest.raises(Mistakes) as caught:
        compose(Source("f", text), text)
    assert hint in caught.value.mistakes[0].hint


def test_depth_is_bounded() -> None:
    composed("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT)
    assert "nested deeper" in refused("[" * (DEPTH_LIMIT + 1) + "]" * (DEPTH_LIMIT + 1))
    # No more than a hundred levels are ever opened, however many there are.
    assert "nested deeper" in refused("- " * 100_000 + "a")


def test_depth_through_aliases_is_bounded() -> None:
    links = "".join(f"k{n}: &a{n} [*a{n - 1}]\n" for n in range(1, DEPTH_LIMIT + 2))
    assert "nested deeper" in refused("k0: &a0 x\n" + links)


def test_aliases_count_in_full() -> None:
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    laughs += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert f"more than {NODE_LIMIT:,} values" in refused(laughs)


def test_size_is_bounded_while_it_grows() -> None:
    assert f"more than {NODE_LIMIT:,} values" in refused("[" + "a," * (NODE_LIMIT + 1) + "]")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (FILE_LIMIT + 1))
    wide = tmp_path / "wide.yaml"
    wide.write_bytes("a: 1".encode("utf-16"))
    for name, message in [
        ("missing.yaml", "there is no such file"),
        ("", "this is a folder, not a file"),
        ("latin.yaml", "line 2 is not valid UTF-8"),
        ("wide.yaml", "line 1 is not valid UTF-8"),
        ("large.yaml", "the file is larger than 8 MiB"),
        ("nul\0.yaml", "the file cannot be read: embedded null byte"),
        ("latin.yaml/x", "the file cannot be read: Not a directory"),
    ]:
        with pytest.raises(Mistakes) as caught:
            read_document(tmp_path / name)
        assert [mistake.message for mistake in caught.value.mistakes] == [message]


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "d.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    root = read_document(path).root
    assert root is not None
    assert root.entries["a"][0].span == Span(0, 0, 1)


SCRAPS = "a·b: ·- ·\n·  ·[·]·{·}·,·: ·&x ·*x·<<: ·'·\"·#·|\n·>·!!str ·\t·é·\u2028·---·%·@·? ·1.5·~·\x85·\x00"
scraps = st.sampled_from(SCRAPS.split("·"))


@given(st.lists(scraps, max_size=40).map("".join))
@example("? a")
@example("- - - a\n-b")
def test_any_text_is_a_tree_or_one_mistake_with_a_place(text: str) -> None:
    source = Source("f", text)
    try:
        root = compose(source, text)
    except Mistakes as mistakes:
        found = mistakes.mistakes
        report = str(mistakes)
    else:
        found, report = [], "f:"
        if root is not None:
            root.value()
    assert len(found) <= 1
    assert all(mistake.span is not None for mistake in found)
    assert report.startswith("f:")
