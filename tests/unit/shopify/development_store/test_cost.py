"""The actual cost, held against recorded figures.

The recordings asked for products, bulk operations and customers; here the same shapes are asked of what our schema has.
"""

from typing import Any

import pytest
from graphql import parse

from shopify.development_store.cost import price_of
from shopify.development_store.resolvers import executable_schema


def costs(text: str, data: dict[str, Any] | None, **variables: Any) -> tuple[int, int]:
    price = price_of(executable_schema(), parse(text), variables)
    return price.requested, price.actual(data or {})


def nodes(count: int) -> dict[str, Any]:
    return {"nodes": [{"title": "x"} for _ in range(count)]}


@pytest.mark.parametrize(
    ("first", "found", "recorded"),
    [
        # first, records found, (requestedQueryCost, actualQueryCost) as recorded, counts and siblings taken off
        (5, 1, (5, 3)),
        (3, 1, (4, 3)),
        (3, 3, (4, 4)),
        (2, 2, (3, 3)),
        (10, 3, (6, 4)),
        (1, 1, (3, 3)),
        (1, 0, (3, 3)),
        (5, 0, (5, 5)),
        (0, 0, (2, 2)),
    ],
)
def test_a_page_read_through_nodes(first: int, found: int, recorded: tuple[int, int]) -> None:
    text = f"{{ products(first: {first}) {{ nodes {{ title }} pageInfo {{ hasNextPage }} }} }}"
    assert costs(text, {"products": nodes(found)}) == recorded


def test_an_object_that_is_null_costs_its_point() -> None:
    text = "{ orders(first: 5) { nodes { customer { id } } } }"
    assert costs(text, {"orders": {"nodes": [{"customer": None}] * 5}}) == (8, 8)
    assert costs(text, {"orders": {"nodes": [{"customer": {"id": "2"}}]}}) == (8, 4)


def test_a_failed_connection_costs_two() -> None:
    assert costs("{ orders(first: 1) { nodes { id } } }", {}) == (3, 2)


def test_counts_and_access_have_fixed_prices() -> None:
    counts = "{ a: ordersCount { count } b: customersCount { count precision } }"
    count = {"count": 1, "precision": "EXACT"}
    assert costs(counts, {"a": count, "b": count}) == (20, 20)
    access = "{ currentAppInstallation { accessScopes { handle } } }"
    scopes = {"currentAppInstallation": {"accessScopes": [{"handle": "read_orders"}] * 90}}
    assert costs(access, scopes) == (2, 2)


def test_a_query_for_nothing_costs_nothing() -> None:
    assert costs("query A($no: Boolean!) { shop @include(if: $no) { name } }", {}, no=False) == (0, 0)
    assert costs("{ __typename }", {"__typename": "QueryRoot"}) == (0, 0)


def test_money_is_free_and_fragments_count_where_they_are_used() -> None:
    text = (
        "query A($n: Int = 2) { orders(first: $n) { nodes { ...Parts ... on Order { customer { id } } } } } "
        "fragment Parts on Order { totalPriceSet { shopMoney { amount } } "
        "lineItems(first: 3) { nodes { product { id } } } }"
    )
    line = {"product": {"id": "1"}}
    order = {
        "totalPriceSet": {"shopMoney": {"amount": "1.0"}},
        "customer": {"id": "1"},
        "lineItems": {"nodes": [line]},
    }
    # A line costs 2, of three places one is taken: 2 + ceil(2 x 2 / 3) = 4; an order 1 + 1 + 4.
    assert costs(text, {"orders": {"nodes": [order, order]}}) == (2 + 1 * (2 + 2 + 2 * 2), 2 + 6)
