"""YAML becomes plain data that keeps the position of everything in it. (Faulty YAML: faulty/yaml_*.)"""

import textwrap
import time

import pytest
import yaml

from workflows import yaml_reader
from workflows.source import MAX_BYTES, Document, offsets


def read(text: str) -> Document:
    return Document("test.yaml", text)


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("2.50", 2.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2026-11-22", "2026-11-22"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 30, "9" * 30),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("-", "-"),
        ("text with spaces", "text with spaces"),
    ],
)
def test_scalars_are_what_yaml_1_2_says(scalar: str, expected: object) -> None:
    if scalar == "-":
        scalar = '"-"'
    document = read(f"a: {scalar}\n")
    assert document.problems == []
    assert document.data == {"a": expected}
    assert type(document.data["a"]) is type(expected)


def test_both_parsers_of_pyyaml_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, {b: 'x'}]\nc: |\n  one\n  two\nd:\n- e: f # comment\n  g: >-\n    h\n    i\n"
    fast = read(text)
    monkeypatch.setattr(yaml_reader, "_PARSER", yaml.SafeLoader)
    assert read(text).data == fast.data
    assert read("a: 'b'c'\n").problems == [
        *[problem for problem in read("a: 'b'c'\n").problems if problem.line == 1],
    ]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    document = read("\ufeffa: b\r\nc:\r\n  d: nme\r\n")
    assert document.data == {"a": "b", "c": {"d": "nme"}}
    document.at(("c", "d"), "here")
    assert (document.problems[0].line, document.problems[0].col, document.problems[0].source_line) == (3, 6, "  d: nme")


@pytest.mark.parametrize(
    ("path", "key", "place", "width"),
    [
        (("a",), True, (1, 1), 1),
        (("a",), False, (1, 4), 3),
        (("list", 0), False, (3, 5), 3),
        (("list", 1, "name"), True, (4, 5), 4),
        (("list", 1, "name"), False, (4, 11), 5),
        (("flow", "x", 1), False, (5, 15), 2),
        (("missing", "deeper"), False, (1, 1), 6),
        (("list", 9), False, (3, 3), 5),
    ],
)
def test_places(path: tuple[str | int, ...], key: bool, place: tuple[int, int], width: int) -> None:
    document = read('a: one\nlist:\n  - two\n  - name: "six"\nflow: {x: [y, zz]}\n')
    document.at(path, "here", key=key)
    (problem,) = document.problems
    assert ((problem.line, problem.col), problem.width) == (place, width)


@pytest.mark.parametrize(
    ("written", "style", "value"),
    [
        ("plain MARK text", "", "plain MARK text"),
        ("'single ''quoted'' MARK'", "'", "single 'quoted' MARK"),
        (r'"a \"b\" \t\u00e4\x41\\ MARK"', '"', 'a "b" \t\u00e4A\\ MARK'),
        ('"folded\n   over MARK"', '"', "folded over MARK"),
        ('"cut \\\n   here MARK"', '"', "cut here MARK"),
        ("'one\n\n   two MARK'", "'", "one\ntwo MARK"),
        ("plain\n   over lines MARK", "", "plain over lines MARK"),
        ("|\n   one\n     two\n   MARK\n", "|", "one\n  two\nMARK\n"),
        (">-\n   one\n   two\n\n   MARK", ">", "one two\nMARK"),
        ("|2-\n   one\n  MARK", "|", " one\nMARK"),
        ('"\N{CJK UNIFIED IDEOGRAPH-5E97} MARK"', '"', "\N{CJK UNIFIED IDEOGRAPH-5E97} MARK"),
    ],
)
def test_a_place_inside_a_text_is_found_in_every_style(written: str, style: str, value: str) -> None:
    document = read(f"key: {written}\n")
    assert (document.data["key"], document.node(("key",)).style) == (value, style)  # type: ignore[union-attr]
    at = value.index("MARK")
    document.within(("key",), at, at + 4, "here")
    (problem,) = document.problems
    line = document.text.split("\n")[problem.line - 1]
    assert line[problem.col - 1 : problem.col - 1 + problem.width] == "MARK"


def test_every_character_of_a_text_has_its_place() -> None:
    raw = textwrap.dedent("""\
        |
          first line
            deeper

          last""")
    value = "first line\n  deeper\n\nlast"
    places = offsets(raw, value, "|")
    assert len(places) == len(value) + 1
    assert all(raw[place] == char for place, char in zip(places, value, strict=False) if char not in " \n")


@pytest.mark.parametrize("line", [" " * 100_000 + "x: [", "x" + " " * 100_000 + "y: [", "a" * 100_000 + ": ["])
def test_a_long_line_that_cannot_be_parsed_is_explained_at_once(line: str) -> None:
    started = time.perf_counter()
    assert Document("x.yaml", f"name: x\n{line}\n").problems
    assert time.perf_counter() - started < 1.0


def test_the_size_is_limited() -> None:
    document = read("a: " + "x" * MAX_BYTES)
    assert [problem.message for problem in document.problems] == ["a workflow file has at most 256 KiB"]
    assert document.data is None


def test_deep_nesting_ends_early_and_without_recursion() -> None:
    for opening in ("[", "{a: ", "- "):
        document = read(opening * 60_000)
        assert [problem.message for problem in document.problems] == ["nested deeper than 40 levels"]


def test_a_key_is_always_text() -> None:
    assert read("1: a\ntrue: b\nnull: c\n").data == {"1": "a", "true": "b", "null": "c"}


def test_going_on_under_another_name() -> None:
    document = read("nmae: x\ntype: y\n")
    document.rename(("nmae",), "name")
    document.replace(("type",), "z")
    assert document.data == {"name": "x", "type": "z"}
    document.at(("name",), "here", key=True)
    assert (document.problems[0].line, document.problems[0].width) == (1, 4)


@pytest.mark.parametrize(
    ("text", "line", "col", "width", "message"),
    [
        ("a: ? b\n", 1, 4, 1, "text cannot begin with ? unless it is in quotes"),
        ("a: }\n", 1, 4, 1, "text cannot begin with } unless it is in quotes"),
        ("a: ,b\n", 1, 4, 1, "text cannot begin with , unless it is in quotes"),
        ("a: `b`\n", 1, 4, 1, "text cannot begin with ` unless it is in quotes"),
        ("a: %b\n", 1, 4, 1, "text cannot begin with % unless it is in quotes"),
        ("a: - b\n", 1, 4, 1, "a list begins on a line of its own, each item after '- '"),
        ("a: b: c\n", 1, 4, 4, "': ' in text without quotes; put the text in quotes"),
        ("a:\n  - b\n  c: d\n", 3, 3, 4, "this line does not fit those above it"),
        ("a: b\n- c\n", 2, 1, 3, "this line does not fit those above it"),
        ("a: |\n  x\n y\nb: c\n", 3, 2, 1, "this line does not fit those above it"),
        ("type:foo\nb: c\n", 1, 1, 5, "a space is missing after 'type:'"),
        ("b: c\ntype:foo\nd: e\n", 2, 1, 5, "a space is missing after 'type:'"),
        ("b: c\nfoo bar\nd: e\n", 2, 1, 7, "this line has no key and ': '"),
        ("a: {x: 1\nb: 3\n", 1, 4, 1, "this { is never closed: a ',' or a '}' is missing"),
        ("'a' 'b'\n", 1, 5, 1, "the YAML cannot be read from here on"),
        ("- 'a'b'\n", 1, 5, 1, "the text that began with ' ends here; put the whole value in double quotes"),
        ('a: "b" c\n', 1, 6, 1, 'the text that began with " ends here; put the whole value in single quotes'),
        ("a: !tag b\n", 1, 4, 4, "text cannot begin with ! unless it is in quotes; workflows have no anchors"),
        ("a: !!map\n  b: c\n", 1, 4, 5, "text cannot begin with ! unless it is in quotes; workflows have no anchors"),
        ("a: &x b\n", 1, 4, 2, "text cannot begin with & unless it is in quotes; workflows have no anchors"),
        ("a: &x\n  - b\n", 1, 4, 2, "text cannot begin with & unless it is in quotes; workflows have no anchors"),
        ("&x a: b\n", 1, 1, 2, "text cannot begin with & unless it is in quotes; workflows have no anchors"),
        ("a: *x\n", 1, 4, 2, "text cannot begin with * unless it is in quotes; workflows have no anchors"),
        ("a: &b and c: d\n", 1, 4, 11, "': ' in text without quotes; put the text in quotes"),
        ("a: b\n--- \nc: d\n", 2, 1, 3, "a second document begins here"),
        ("? [a]\n: b\n", 1, 3, 1, "a key is a word, not a list or a map"),
        ("{a: 1}: b\n", 1, 1, 1, "a key is a word, not a list or a map"),
        ("a: b\nc: d\na: e\n", 3, 1, 1, "key 'a' is repeated; it is already on line 1"),
        ("a: x\x07y\n", 1, 5, 1, "the character U+0007 is not allowed in YAML: remove it"),
        ("a: x\ud800", 1, 5, 1, "the character U+D800 is not allowed in YAML: remove it"),
        ("a: [{{x}}, b]\n", 1, 5, 5, 'a template must be in quotes: "{{x}}"'),
        ("- {{x}} y\n", 1, 3, 7, 'text with a template in it must be in quotes: "{{x}} y"'),
        ("a: b #c\n", 1, 6, 2, "this is a comment, not part of the text"),
        ("a:\n  b\n  d #c\ne: f\n", 3, 5, 2, "this is a comment, not part of the text"),
        ("", 1, 1, 1, "the file is empty"),
    ],
)
def test_what_a_colleague_would_say(text: str, line: int, col: int, width: int, message: str) -> None:
    (problem,) = read(text).problems
    assert message in problem.message
    assert (problem.line, problem.col, problem.width) == (line, col, width)


@pytest.mark.parametrize(
    "text", ["a: b # c\n", "a: 'b' #c\n", "a: 1 # c\n", "#c\na: b\n", "a: #c\n  b: c\n", "a: b#c\n"]
)
def test_comments_are_no_problem(text: str) -> None:
    assert read(text).problems == []
