"""What a search means for records, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import GraphQLError

from shopify.development_store.generation import SIZES, Recipe, generate
from shopify.development_store.search import CUSTOMERS, ORDERS, PRODUCTS, matcher

NOW = int(datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp())
CONTENTS = generate(Recipe("search.myshopify.com", SIZES["large"], NOW))


def found(query: str) -> list[Any]:
    matches = matcher(query, ORDERS)
    assert matches is not None
    return [order for order in CONTENTS.orders if matches(order)]


def refused(query: str) -> dict[str, Any]:
    with pytest.raises(GraphQLError) as error:
        matcher(query, ORDERS)
    return {"message": error.value.message, **(error.value.extensions or {})}


def test_terms_stand_side_by_side_and_lists_give_a_choice() -> None:
    unfulfilled = found("status:open fulfillment_status:unshipped,partial")
    assert unfulfilled
    assert {order.status for order in unfulfilled} == {"open"}
    shown = {order.fulfillment_status for order in unfulfilled}
    assert "FULFILLED" not in shown
    assert {"UNFULFILLED", "PARTIALLY_FULFILLED"} <= shown
    still_open = found("status:open")
    assert len(unfulfilled) == sum(order.fulfillment_status != "FULFILLED" for order in still_open)


def test_every_order_has_one_status() -> None:
    parts = [found(f"status:{status}") for status in ("open", "closed", "cancelled")]
    assert all(parts)
    assert sum(map(len, parts)) == len(CONTENTS.orders)


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("fulfillment_status:shipped", "fulfillment_status:fulfilled"),
        ("status:not_closed", "status:open"),
        ("financial_status:PAID test:false", "  test:'false' financial_status:paid "),
    ],
)
def test_two_ways_to_say_the_same(query: str, same: str) -> None:
    assert found(query) == found(same)
    assert found(query)


def test_times_are_bounds() -> None:
    at = datetime(2026, 11, 15, 5, tzinfo=UTC)
    since = found("created_at:>='2026-11-15T05:00:00Z'")
    assert since == [order for order in CONTENTS.orders if order.created_at >= at.timestamp()]
    assert found("created_at:<'2026-11-15T00:00:00-05:00'") == [o for o in CONTENTS.orders if o not in since]
    newest = datetime.fromtimestamp(since[-1].created_at, UTC).isoformat()
    assert found(f"created_at:>='{newest}' created_at:<='{newest}'") == since[-1:]
    assert found(f"created_at:>'{newest}'") == []


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "'2026-11-15 at noon'", "''"])
def test_a_time_that_is_none_is_refused(date: str) -> None:
    assert refused(f"created_at:>={date}") == {
        "message": "Invalid timestamp for query filter `created_at`.",
        "code": "BAD_REQUEST",
    }


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("tag:vip", "tag:vip"),
        ("status:open OR status:closed", "OR status:closed"),
        ("-status:open", "-status:open"),
        ("(status:open)", "(status:open)"),
        ("status:EXPIRED", "status:EXPIRED"),
        ("status:>open", "status:>open"),
        ("created_at:'2026-11-15T05:00:00Z'", "created_at:2026-11-15T05:00:00Z"),
        ("created_at:>=2026-11-15", "created_at:>=2026-11-15"),
        ("Bob", "Bob"),
        ("status:'open", "status:'open"),
    ],
)
def test_what_is_missing_is_refused_by_name(query: str, missing: str) -> None:
    message = f"The development store has no search for `{missing}`."
    assert refused(query) == {"message": message, "code": "NOT_IMPLEMENTED"}


def test_customers_and_products() -> None:
    drafts, early = matcher("status:draft,archived", PRODUCTS), matcher("created_at:<2026-01-01T00:00:00Z", CUSTOMERS)
    assert drafts is not None
    assert early is not None
    assert sum(map(drafts, CONTENTS.products)) == 2
    assert 0 < sum(map(early, CONTENTS.customers)) < len(CONTENTS.customers)


@pytest.mark.parametrize("query", [None, "", "  "])
def test_an_empty_query_is_no_search(query: str | None) -> None:
    assert matcher(query, ORDERS) is None
