"""Documents and variables that are wrong."""

from typing import Any

import pytest

from shopify.data.query import FOLDER, NAMES
from shopify.development_store.admin_api import GraphQLRequest, checked


def codes(text: str, variables: dict[str, Any] | None = None) -> list[str]:
    return [error["extensions"]["code"] for error in GraphQLRequest(text, variables or {}, None).errors()]


@pytest.mark.parametrize("name", NAMES)
def test_our_own_documents_are_fine(name: str) -> None:
    text = (FOLDER / f"{name}.graphql").read_text()
    assert codes(text, {"query": "", "current": ""}) == []
    assert checked(text) is checked(text), "parsed once"


def test_a_field_that_no_version_has_is_named_with_its_place() -> None:
    [error] = GraphQLRequest("{\n  shop { nope }\n}", {}, None).errors()
    assert error["message"].startswith("Cannot query field 'nope' on type 'Shop'.")
    assert error["locations"] == [{"line": 2, "column": 10}]
    assert error["extensions"] == {"code": "invalidDocument"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{ shop }", "invalidDocument"),
        ('{ orders(first: "ten") { nodes { id } } }', "invalidDocument"),
        ("{ orders(first: $n) { nodes { id } } }", "invalidDocument"),
        ("{ shop { ...Parts } }", "invalidDocument"),
        ("", "PARSE_ERROR"),
        ("{ shop { name }", "PARSE_ERROR"),
        ("{ shop { } }", "PARSE_ERROR"),
        ('mutation { tagsAdd(id: "1", tags: []) { node { id } } }', "NOT_IMPLEMENTED"),
    ],
)
def test_a_document_that_cannot_be_executed_is_refused_with_a_code(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize(
    "text", ["{a" * 5_000, "{a" * 5_000 + "}" * 5_000, "[" * 5_000, '"' * 999, "{" + "a " * 30_000 + "}"]
)
def test_a_monstrous_document_is_an_error_like_any_other(text: str) -> None:
    assert codes(text)


PAGE = """query Page($first: Int!, $key: OrderSortKeys = CREATED_AT) {
  orders(first: $first, sortKey: $key) { nodes { id } }
}"""


@pytest.mark.parametrize("given", [{}, {"first": "ten"}, {"first": 1.5}, {"first": None}, {"first": 1, "key": "AGE"}])
def test_values_that_do_not_fit(given: dict[str, Any]) -> None:
    assert codes(PAGE, given) == ["INVALID_VARIABLE"]


@pytest.mark.parametrize("given", [{"first": 5}, {"first": 5, "key": None, "unknown": 1}])
def test_values_that_fit(given: dict[str, Any]) -> None:
    assert codes(PAGE, given) == []
