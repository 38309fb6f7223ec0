"""The search syntax and what it means for records."""

from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from shopify.development_store.filters import CUSTOMERS, ORDERS, PRODUCTS, Resource, compile_search
from shopify.development_store.generation import SIZES, Recipe, generate
from shopify.development_store.search import parse

NOW = int(datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp())
CONTENTS = generate(Recipe("search.myshopify.com", SIZES["large"], NOW))


def found(query: str, records: Any = CONTENTS.orders, resource: Resource = ORDERS) -> list[Any]:
    search = compile_search(query, resource, time_zone="America/New_York", now=NOW)
    assert search is not None
    return [record for record in records if search.matches(record)]


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        ("state:DISABLED", {"field": "state", "match_all": "DISABLED"}),
        ("created_at:>='2026-11-15T00:00:00Z'", {"field": "created_at", "range": {"gte": "2026-11-15T00:00:00Z"}}),
        (
            "status:open test:true",
            {"and": [{"field": "status", "match_all": "open"}, {"field": "test", "match_all": "true"}]},
        ),
        ("Bob", {"field": "default", "match_all": "Bob"}),
    ],
)
def test_a_query_is_understood(query: str, parsed: dict[str, Any]) -> None:
    node = parse(query)
    assert node is not None
    assert node.parsed() == parsed


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
        ("-status:open", "status:closed,cancelled"),
        ("NOT status:open", "status:closed OR status:cancelled"),
        ("status:open AND test:false", "test:false status:open"),
        ("(status:open OR status:closed) financial_status:paid", "financial_status:PAID -status:cancelled"),
        ("fulfillment_status:shipped", "fulfillment_status:fulfilled"),
        ("status:open OR", "status:open"),
        ("(status:open", "status:open"),
        ('name:"#1005"', "name:1005"),
    ],
)
def test_two_ways_to_say_the_same(query: str, same: str) -> None:
    assert found(query) == found(same)
    assert found(query)


def test_dates_are_bounds_in_the_shop_s_time_zone() -> None:
    since = found("created_at:>='2026-11-15T05:00:00Z'")
    assert since == [o for o in CONTENTS.orders if o.created_at >= datetime(2026, 11, 15, 5, tzinfo=UTC).timestamp()]
    # A day without a time begins at midnight in New York, five hours after UTC.
    assert found("created_at:>=2026-11-15") == since
    assert found("created_at:<2026-11-15") == [order for order in CONTENTS.orders if order not in since]
    both = found("created_at:>=2026-11-15 created_at:<=2026-11-16")
    assert both == found("created_at:2026-11-15 OR created_at:2026-11-16")
    assert found("created_at:>now") == []


@pytest.mark.parametrize("date", ["yesterday", "2026-13-01", "'2026-11-15 at noon'", "''"])
def test_a_date_that_is_none_is_refused(date: str) -> None:
    with pytest.raises(GraphQLError) as refused:
        found(f"created_at:>={date}")
    assert str(refused.value) == "Invalid timestamp for query filter `created_at`."
    assert (refused.value.extensions or {})["code"] == "BAD_REQUEST"


def test_an_unknown_field_is_ignored_with_a_warning() -> None:
    search = compile_search("nonsense:1", ORDERS, time_zone="UTC", now=NOW)
    assert search is not None
    assert all(map(search.matches, CONTENTS.orders))
    assert search.warnings == (
        {"field": "nonsense", "message": "Invalid search field for this query.", "code": "invalid_field"},
    )


def test_a_value_that_is_not_accepted_matches_nothing_with_a_warning() -> None:
    search = compile_search("status:EXPIRED", ORDERS, time_zone="UTC", now=NOW)
    assert search is not None
    assert not any(map(search.matches, CONTENTS.orders))
    assert search.warnings[0]["message"] == "Input `EXPIRED` is not an accepted value."
    assert search.warnings[0]["code"] == "invalid_value"


def test_customers_can_be_searched_by_three_fields_only() -> None:
    for query in ("email:a@example.com", "state:DISABLED", "orders_count:>1"):
        search = compile_search(query, CUSTOMERS, time_zone="UTC", now=NOW)
        assert search is not None
        assert [warning["code"] for warning in search.warnings] == ["invalid_field"]
    number = CONTENTS.customers[3].number
    assert found(f"id:{number}", CONTENTS.customers, CUSTOMERS) == [CONTENTS.customers[3]]
    assert len(found(f"id:<={number}", CONTENTS.customers, CUSTOMERS)) > 0


def test_products_are_searched_by_words_status_and_stock() -> None:
    assert len(found("status:draft,archived", CONTENTS.products, PRODUCTS)) == 2
    assert [p.inventory for p in found("inventory_total:<0", CONTENTS.products, PRODUCTS)] == [-3]
    title = CONTENTS.products[0].title.split()[0]
    assert CONTENTS.products[0] in found(title.lower(), CONTENTS.products, PRODUCTS)


def test_a_filter_that_shopify_has_and_we_have_not_is_refused_aloud() -> None:
    for query in ("tag:vip", "metafields.custom.on_sale:true", "sku:A OR status:open"):
        with pytest.raises(GraphQLError) as refused:
            found(query)
        assert (refused.value.extensions or {})["code"] == "NOT_IMPLEMENTED"


def test_an_empty_query_is_no_search() -> None:
    assert compile_search("  ", ORDERS, time_zone="UTC", now=NOW) is None


@given(st.text(alphabet="abs:'\"()<>=,- \\*ORANDT:status", max_size=60))
def test_no_query_breaks_it(query: str) -> None:
    node = parse(query)
    if node is not None:
        assert node.parsed()


@pytest.mark.parametrize("query", ["(" * 5_000, "NOT " * 5_000 + "x", "-(" * 2_000 + "status:open", ")" * 100])
def test_deep_nesting_does_no_harm(query: str) -> None:
    parse(query)
