"""The requested cost of queries against figures Shopify was recorded with."""

from pathlib import Path
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLSchema, build_schema, parse

import shopify
from shopify.data.query import NAMES, load_document
from shopify.development_store.cost import multiplier, price_of
from shopify.rate_limit import MAX_QUERY_COST


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((Path(shopify.__file__).parent / "development_store" / "admin.graphql").read_text())


def estimate(schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], name: str | None = None) -> int:
    required = {"query": "", "current": ""}
    return price_of(schema, document, {**required, **variables}, name).requested


@pytest.mark.parametrize(
    ("document", "variables", "points"),
    [
        ("access", {}, 3),
        ("counts", {}, 43),
        ("counts", {"limit": None}, 43),
        ("recent_orders", {}, 55),
        ("overview", {}, 74),
        ("overview", {"withOrders": False}, 22),
        ("overview", {"withProducts": False}, 42),
        ("overview", {"withOrders": False, "withProducts": False}, 5),
        ("sales", {}, 7),
        ("sales", {"compare": False}, 4),
        ("week_orders", {}, 113),
        ("week_orders", {"first": 50}, 89),
        ("week_orders", {"first": 100}, 113),
        ("week_orders", {"first": 250}, 137),
    ],
)
def test_requested_cost_of_our_documents(
    schema: GraphQLSchema, document: str, variables: dict[str, Any], points: int
) -> None:
    assert estimate(schema, load_document(document).node, variables) == points


@pytest.mark.parametrize("name", NAMES)
def test_every_document_is_far_below_the_limit(schema: GraphQLSchema, name: str) -> None:
    assert estimate(schema, load_document(name).node, {}) < MAX_QUERY_COST / 5


@pytest.mark.parametrize(("size", "times"), [(0, 0), (-1, 0), (1, 1), (2, 1), (3, 2), (10, 4), (50, 7), (250, 11)])
def test_a_connection_grows_with_its_logarithm(size: int, times: int) -> None:
    assert multiplier(size) == times


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ __typename }", 0),
        ("{ shop { name } }", 1),
        ("{ shop { name plan { publicDisplayName } primaryDomain { host } } }", 3),
        ("{ ordersCount { count } }", 10),
        ("{ a: ordersCount { count } b: ordersCount { count precision } }", 20),
        ("{ a: ordersCount { count } a: ordersCount { precision } }", 10),
        ("{ orders(first: 10) { nodes { id } } }", 6),
        ("{ orders(first: 10) { nodes { id } pageInfo { hasNextPage } } }", 6),
        ("{ orders(first: 250) { nodes { id } } }", 13),
        ("{ orders(first: 0) { nodes { id } } }", 2),
        ("{ orders(first: 10) { nodes { totalPriceSet { shopMoney { amount } } } } }", 6),
        ("{ orders(first: 10) { nodes { customer { id } } } }", 10),
        ("query($n: Int = 10) { orders(first: $n) { nodes { id } } }", 6),
        ("query($n: Int!) { orders(first: $n) { nodes { id } } }", 6),
        ("{ orders(first: 10) @skip(if: true) { nodes { id } } shop { name } }", 1),
        ("{ orders(first: 10) @include(if: false) { nodes { id } } shop { name } }", 1),
        ("query($w: Boolean = false) { orders(first: 10) @include(if: $w) { nodes { id } } shop { name } }", 1),
        ("query($w: Boolean = true) { orders(first: 10) @include(if: $w) { nodes { id } } shop { name } }", 7),
        ("{ shop { ...S } } fragment S on Shop { plan { publicDisplayName } }", 2),
        ("{ shop { ... on Shop { plan { publicDisplayName } } ... { primaryDomain { url } } } }", 3),
        ("{ products(first: 2) { nodes { featuredMedia { ... on MediaImage { preview { image { url } } } } } } }", 6),
    ],
)
def test_rules(schema: GraphQLSchema, query: str, points: int) -> None:
    assert estimate(schema, parse(query), {"n": 10} if "$n: Int!" in query else {}) == points


def test_one_of_several_operations(schema: GraphQLSchema) -> None:
    document = parse("query A { shop { name } } query B { ordersCount { count } }")
    assert estimate(schema, document, {}, "B") == 10
