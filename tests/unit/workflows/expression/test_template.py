"""Templates copy data in; they never interpret it."""

from typing import Any

import pytest

from workflows.errors import InvalidExpression
from workflows.expression.evaluate import BUDGET, MAX_TEXT
from workflows.expression.template import Template, compile_tree, fill_tree, single_braces

EVENT: dict[str, Any] = {
    "shop_domain": "a.myshopify.com",
    "success": True,
    "count": 3,
    "ratio": 2.50,
    "tags": ["a", 1, None],
    "shop": {"name": "A"},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{shop_domain}}", "a.myshopify.com"),
        ("  {{ success }} ", True),
        ("{{count}}", 3),
        ("{{tags}}", ["a", 1, None]),
        ("{{shop}}", {"name": "A"}),
        ("{{nothing}}", None),
        ("{{missing}}", None),
        ("{{missing or 'none'}}", "none"),
        ("{{ count > 2 }}", True),
        ("plain", "plain"),
        ("", ""),
        ("x{{success}}", "xtrue"),
        ("{{count}} and {{ratio}}", "3 and 2.5"),
        ("{{count}}{{count}}", "33"),
        ("tags {{tags}}, shop {{shop}}", 'tags ["a", 1, null], shop {"name": "A"}'),
        ("<{{nothing}}{{missing}}>", "<>"),
        ("{{ '{{' }}", "{{"),
        ("{{ missing or '}}' }}!", "}}!"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("{ {{count}} }", "{ 3 }"),
    ],
)
def test_values(source: str, expected: Any) -> None:
    found = Template.parse(source).value(EVENT)
    assert (found, type(found)) == (expected, type(expected))


def test_a_message_is_always_text() -> None:
    assert Template.parse("{{count}}").text(EVENT) == "3"
    assert Template.parse("{{success}}").text(EVENT) == "true"
    assert Template.parse("{{nothing}}").text(EVENT) == ""


@pytest.mark.parametrize(
    "hostile", ["{{count}}", "12345", "1e5", "null", "None", "[1, 2]", "true", "-" * 5000 + "1", "{{", "%s", "\x00"]
)
def test_data_stays_the_text_it_is(hostile: str) -> None:
    assert Template.parse("{{name}}").value({"name": hostile, "count": 3}) == hostile
    assert Template.parse("a {{name}}").value({"name": hostile, "count": 3}) == f"a {hostile}"


@pytest.mark.parametrize(
    ("source", "start", "end", "message"),
    [
        ("hi {{name", 3, 5, "this '{{' has no '}}'"),
        ("hi {{name}", 3, 5, "this '{{' has no '}}'"),
        ("hi {name}}", 3, 10, "this '}}' has no '{{'"),
        ("{{}}", 0, 4, "nothing between {{ and }}"),
        ("a {{  }} b", 2, 8, "nothing between {{ and }}"),
        ("a {{ b = c }}", 7, 8, "write '==' to compare"),
        ("a {{b}} {{ c.d() }}", 11, 15, "nothing can be called here"),
        ("{{ 'a }}", 3, 4, "this text has no closing '"),
        ("{{a}}" * 60, 0, 1, "more than 50 {{ }} in one text"),
        ("x" * (MAX_TEXT + 1), 0, 1, "longer than 16000 characters"),
    ],
)
def test_errors_have_their_place(source: str, start: int, end: int, message: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        Template.parse(source)
    assert message in refused.value.message
    assert (refused.value.start, refused.value.end) == (start, end)


def test_every_error_of_a_text_is_found() -> None:
    _, errors = Template.read("{{a = 1}} {{}} {b}} {{c")
    assert [error.start for error in errors] == [4, 10, 15, 20]


def test_trees_are_filled_where_there_is_text() -> None:
    tree = compile_tree({"a": "{{count}}", "b": ["{{success}}", 1, {"c": "x{{count}}"}], "d": None})
    assert fill_tree(tree, EVENT, [BUDGET]) == {"a": 3, "b": [True, 1, {"c": "x3"}], "d": None}


def test_a_filled_tree_shares_nothing_with_the_one_before() -> None:
    tree = compile_tree({"a": [1], "b": "{{tags}}"})
    first = fill_tree(tree, EVENT, [BUDGET])
    first["a"].append(2)
    first["b"].append(2)
    assert fill_tree(tree, EVENT, [BUDGET]) == {"a": [1], "b": ["a", 1, None]}


def test_a_filled_text_is_bounded() -> None:
    filled = Template.parse("{{a}}" * 50).text({"a": "x" * 8000})
    assert len(filled) == MAX_TEXT
    assert filled.endswith("…")


def test_what_takes_too_long_to_write_is_left_out() -> None:
    assert Template.parse("<{{a}}>").text({"a": [0] * 20_000}) == "<>"
    assert Template.parse("<{{a}}>").text({"a": 10**5000}) == "<>"
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert Template.parse("<{{a}}>").text({"a": deep}) == "<>"
    assert Template.parse("{{a}}").value({"a": deep}) is None


def test_single_braces_are_noticed() -> None:
    assert single_braces("a {name} {{other}} {a.b} { } {1}") == [(2, 8, "name"), (19, 24, "a.b")]
    assert single_braces("{error or 'unknown'} {{error or 1}} {or}") == [(0, 20, "error"), (36, 40, "or")]
