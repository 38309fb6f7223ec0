"""The three formats in which problems are reported."""

import json

from workflows import problems as report
from workflows.problems import Problem, render

ERROR = Problem("a/b.yaml", 12, 5, "unknown key 'x'", "error", "    x: 1", 1)
WARNING = Problem("a,b:c.yaml", 3, 1, "100% wrong\nreally", "warning", "abc", 3)


def test_for_people() -> None:
    assert report.human([ERROR, WARNING], files=2) == (
        "a/b.yaml:12:5: unknown key 'x'\n"
        "     |\n"
        "  12 |     x: 1\n"
        "     |     ^\n"
        "\n"
        "a,b:c.yaml:3:1: warning: 100% wrong\nreally\n"
        "    |\n"
        "  3 | abc\n"
        "    | ^^^\n"
        "\n"
        "1 error and 1 warning in 2 files"
    )


def test_counts() -> None:
    assert report.human([], files=1) == "0 errors in 1 file"
    assert report.summary([ERROR, ERROR]) == "2 errors"
    assert report.summary([WARNING], files=3) == "1 warning in 3 files"
    assert report.exit_code([WARNING]) == 0
    assert report.exit_code([WARNING, ERROR]) == 1


def test_for_programs() -> None:
    first, second = json.loads(report.as_json([ERROR, WARNING]))
    assert first == {
        "file": "a/b.yaml",
        "line": 12,
        "col": 5,
        "end_col": 6,
        "severity": "error",
        "message": "unknown key 'x'",
        "source_line": "    x: 1",
    }
    assert (second["severity"], second["end_col"]) == ("warning", 4)
    assert json.loads(report.as_json([])) == []


def test_a_mark_stands_under_its_place_whatever_stands_before_it() -> None:
    wide = "\N{CJK UNIFIED IDEOGRAPH-5E97}\t: x"
    shown = render(Problem("f", 1, 5, "here", "error", wide, 1)).split("\n")
    assert shown[2] == "  1 | \N{CJK UNIFIED IDEOGRAPH-5E97} : x"
    assert shown[3] == "    |      ^"


def test_a_long_line_is_shown_around_the_place() -> None:
    shown = render(Problem("f", 1, 5001, "here", "error", "a" * 5000 + "b" + "c" * 5000, 1)).split("\n")
    assert len(shown[2]) < 160
    assert shown[2][shown[3].index("^")] == "b"


def test_without_a_source_line_there_is_only_the_message() -> None:
    assert render(Problem("folder", 1, 1, "there is no such folder")) == "folder:1:1: there is no such folder"
