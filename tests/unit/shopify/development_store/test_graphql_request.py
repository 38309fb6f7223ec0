"""Documents and variables that are wrong, in Shopify's words.

The first group repeats recorded answers of real shops word for word.
"""

from typing import Any

import pytest
from graphql import OperationDefinitionNode

from shopify.data.query import FOLDER, NAMES
from shopify.development_store.graphql_request import check_document, variable_errors
from shopify.development_store.resolvers import executable_schema

Error = dict[str, Any]


def errors(text: str) -> list[Error]:
    return list(check_document(text).errors)


def only_error(text: str) -> Error:
    (error,) = errors(text)
    return error


def at(line: int, column: int) -> list[dict[str, int]]:
    return [{"line": line, "column": column}]


@pytest.mark.parametrize("name", NAMES)
def test_our_own_documents_are_fine(name: str) -> None:
    text = (FOLDER / f"{name}.graphql").read_text()
    assert errors(text) == []
    assert check_document(text) is check_document(text), "parsed once"


def test_recorded_end_of_file() -> None:
    assert only_error("query GraphqlBaseValidationInvalidSyntax {\n  shop {\n    id\n") == {
        "message": "syntax error, unexpected end of file at [3, 5]",
        "locations": at(3, 5),
        "extensions": {"code": "PARSE_ERROR"},
    }


def test_recorded_missing_subselection() -> None:
    assert only_error("query MissingSubselection {\n  shop\n}\n") == {
        "message": "Field must have selections (field 'shop' returns Shop but has no selections. "
        "Did you mean 'shop { ... }'?)",
        "locations": at(2, 3),
        "path": ["query MissingSubselection", "shop"],
        "extensions": {"code": "selectionMismatch", "nodeName": "field 'shop'", "typeName": "Shop"},
    }


def test_recorded_unknown_root() -> None:
    assert only_error("query UnknownQueryRoot {\n  definitelyNotAShopifyQueryRoot {\n    id\n  }\n}\n") == {
        "message": "Field 'definitelyNotAShopifyQueryRoot' doesn't exist on type 'QueryRoot'",
        "locations": at(2, 3),
        "path": ["query UnknownQueryRoot", "definitelyNotAShopifyQueryRoot"],
        "extensions": {
            "code": "undefinedField",
            "typeName": "QueryRoot",
            "fieldName": "definitelyNotAShopifyQueryRoot",
        },
    }


def test_recorded_unknown_field_deep_inside() -> None:
    text = "query UnknownOrderField {\n  orders(first: 1) {\n    nodes {\n      id\n      nope\n    }\n  }\n}\n"
    assert only_error(text) == {
        "message": "Field 'nope' doesn't exist on type 'Order'",
        "locations": at(5, 7),
        "path": ["query UnknownOrderField", "orders", "nodes", "nope"],
        "extensions": {"code": "undefinedField", "typeName": "Order", "fieldName": "nope"},
    }


def test_the_field_of_the_old_documents_is_named() -> None:
    error = only_error("{ orders(first: 1) { nodes { customer { ordersCount } } } }")
    assert error["message"] == "Field 'ordersCount' doesn't exist on type 'Customer'"
    assert error["path"] == ["query", "orders", "nodes", "customer", "ordersCount"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{ orders(first: "ten") { nodes { id } } }', "Int cannot represent non-integer value"),
        ("{ orders(first: 1, sortKey: AGE) { nodes { id } } }", "'AGE' does not exist in 'OrderSortKeys' enum"),
        ("{ mine: orders(first: 1, limit: 2) { nodes { id } } }", "Unknown argument 'limit'"),
        ("{ order { id } }", "of type 'ID!' is required"),
        ("{ shop { name { first } } }", "'name' must not have a selection since type 'String!' has no subfields"),
        ("query A($id: String) { order(id: $id) { id } }", "'$id' of type 'String' used in position expecting type"),
        ("query A($id: ID) { order(id: $id) { id } }", "'$id' of type 'ID' used in position expecting type 'ID!'"),
        ("query A($x: Int) { shop { name } }", "'$x' is never used"),
        ("{ orders(first: $n) { nodes { id } } }", "'$n' is not defined"),
        ("query A($x: Foo) { order(id: $x) { id } }", "Unknown type 'Foo'"),
        ("{ shop { ...Parts } }", "Unknown fragment 'Parts'"),
        ("{ shop { name } } fragment Parts on Shop { name }", "Fragment 'Parts' is never used"),
        ("{ shop { ... on Store { name } } }", "Unknown type 'Store'"),
        ("{ shop @loud { name } }", "Unknown directive '@loud'"),
    ],
)
def test_other_mistakes_are_told_in_the_words_of_graphql_core(text: str, words: str) -> None:
    error = next(error for error in errors(text) if words in error["message"])
    assert error["locations"]
    assert error["extensions"] == {"code": "invalidDocument"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{ mine: shop { nope } }", ["query", "mine", "nope"]),
        ("query A { shop { ... on Shop { nope } } }", ["query A", "shop", "... on Shop", "nope"]),
        ("{ shop { ...Parts } } fragment Parts on Shop { nope }", ["fragment Parts", "nope"]),
    ],
)
def test_a_path_leads_to_the_mistake(text: str, path: list[str]) -> None:
    assert only_error(text)["path"] == path


def test_mistakes_are_listed_once_each() -> None:
    found = errors("{ shop { nope nada } orders(first: 1) { nodes { id } } }")
    assert [error["extensions"]["fieldName"] for error in found] == ["nope", "nada"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "syntax error, unexpected end of file at [1, 1]"),
        ("{ shop { name }", "syntax error, unexpected end of file at [1, 15]"),
        ("{ shop { } }", "syntax error, expected Name, found '}' at [1, 10]"),
        ("{ orders(} }", "syntax error, expected Name, found '}' at [1, 10]"),
        ("{ shop(name: ) }", "syntax error, unexpected ')' at [1, 14]"),
        ('{ shop(name: "x) }', "syntax error, unterminated string at [1, 19]"),
    ],
)
def test_syntax_errors_say_where(text: str, message: str) -> None:
    error = only_error(text)
    assert error["message"] == message
    assert error["extensions"] == {"code": "PARSE_ERROR"}


def test_mutations_are_refused_by_name() -> None:
    error = only_error('mutation { tagsAdd(id: "1", tags: []) { node { id } } }')
    assert error["extensions"]["code"] == "NOT_IMPLEMENTED"


@pytest.mark.parametrize(
    "text", ["{a" * 5_000, "{a" * 5_000 + "}" * 5_000, "[" * 5_000, '"' * 999, "{" + "a " * 30_000 + "}"]
)
def test_a_monstrous_document_is_an_error_like_any_other(text: str) -> None:
    assert errors(text)


def variables(text: str, given: dict[str, Any]) -> list[Error]:
    operation = check_document(text).operation(None)
    assert isinstance(operation, OperationDefinitionNode)
    return variable_errors(executable_schema(), operation, given)


PAGE = """query Page($first: Int!, $key: OrderSortKeys = CREATED_AT) {
  orders(first: $first, sortKey: $key) { nodes { id } }
}"""


def test_recorded_missing_variable() -> None:
    (error,) = variables(PAGE, {})
    assert error == {
        "message": "Variable $first of type Int! was provided invalid value",
        "locations": at(1, 12),
        "extensions": {
            "code": "INVALID_VARIABLE",
            "value": None,
            "problems": [{"path": [], "explanation": "Expected value to not be null"}],
        },
    }


def test_recorded_missing_property_of_an_input() -> None:
    text = """query Picture($t: ImageTransformInput) {
      products(first: 1) { nodes { featuredMedia { preview { image { url(transform: $t) } } } } }
    }"""
    assert variables(text, {"t": {"maxHeight": 5, "crop": "CENTER"}}) == []
    (error,) = variables(text, {"t": {"maxHeight": "tall", "depth": 1}})
    assert error["message"] == (
        "Variable $t of type ImageTransformInput was provided invalid value for "
        'depth (Field is not defined on ImageTransformInput), maxHeight (Could not coerce value "tall" to Int)'
    )
    assert error["extensions"]["value"] == {"maxHeight": "tall", "depth": 1}


@pytest.mark.parametrize(
    ("given", "explanation"),
    [
        ({"first": "ten"}, 'Could not coerce value "ten" to Int'),
        ({"first": 1.5}, "Could not coerce value 1.5 to Int"),
        ({"first": True}, "Could not coerce value true to Int"),
        ({"first": 2**40}, f"Could not coerce value {2**40} to Int"),
        ({"first": None}, "Expected value to not be null"),
        ({"first": 1, "key": "AGE"}, 'Expected "AGE" to be one of: CREATED_AT, '),
        ({"first": 1, "key": ["ID"]}, 'Expected ["ID"] to be one of: CREATED_AT, '),
    ],
)
def test_values_that_do_not_fit(given: dict[str, Any], explanation: str) -> None:
    (error,) = variables(PAGE, given)
    assert error["extensions"]["code"] == "INVALID_VARIABLE"
    assert error["extensions"]["problems"][0]["explanation"].startswith(explanation)


def test_values_that_fit() -> None:
    assert variables(PAGE, {"first": 5}) == []
    assert variables(PAGE, {"first": 5, "key": None, "unknown": 1}) == []
