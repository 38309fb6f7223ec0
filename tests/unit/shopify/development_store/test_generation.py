"""What is in the shops: the same every time, and without contradictions."""

import time
from collections import Counter
from decimal import Decimal

import pytest

from shopify.development_store.generation import DAY, SIZES, Contents, Recipe, generate
from shopify.development_store.records import decimal_text, timestamp

NOW = 1_795_359_600  # 2026-11-22T15:00:00Z


def contents(size: str, domain: str = "shop.myshopify.com", **options: object) -> Contents:
    return generate(Recipe(domain, SIZES[size], NOW, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "orders"), [("new", 0), ("tiny", 7), ("medium", 120), ("large", 1_500), ("huge", 12_000)]
)
def test_sizes(size: str, orders: int) -> None:
    assert len(contents(size).orders) == orders


@pytest.mark.parametrize("size", ["tiny", "medium", "large"])
def test_a_domain_and_a_time_give_the_same_shop(size: str) -> None:
    one, other = contents(size), contents(size)
    assert one == other
    assert [o.total for o in one.orders] == [o.total for o in other.orders]
    assert contents(size, "other.myshopify.com").orders != one.orders


def test_looking_at_the_lines_in_another_order_changes_nothing() -> None:
    one, other = contents("medium"), contents("medium")
    forwards = [order.lines for order in one.orders]
    backwards = [order.lines for order in reversed(other.orders)]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize("size", ["tiny", "medium", "large", "huge"])
def test_orders_and_customers_fit_together(size: str) -> None:
    shop = contents(size)
    known = {customer.number: customer for customer in shop.customers}
    assert len(known) == len(shop.customers)
    placed = Counter(order.customer.number for order in shop.orders if order.customer)
    assert placed.keys() <= known.keys()
    assert all(customer.orders == placed[customer.number] for customer in shop.customers)
    assert all(o.customer.created_at <= o.created_at for o in shop.orders if o.customer)
    assert len({order.number for order in shop.orders}) == len(shop.orders)
    ages = [(order.created_at, order.number) for order in shop.orders]
    assert ages == sorted(ages)
    assert NOW - SIZES[size].days * DAY <= ages[0][0]
    assert ages[-1][0] < NOW


def test_a_closed_order_is_settled_and_an_open_one_has_something_left_to_do() -> None:
    for order in contents("large").orders:
        if order.status == "closed":
            assert order.fulfillment_status == "FULFILLED"
            assert order.financial_status in ("PAID", "REFUNDED", "PARTIALLY_REFUNDED")
        elif order.status == "open":
            assert (order.fulfillment_status, order.financial_status) != ("FULFILLED", "PAID")
        assert order.closed_at is None or order.created_at <= order.closed_at <= NOW


def test_a_shop_of_some_size_has_everything_that_makes_trouble() -> None:
    shop = contents("large")
    lines = [line for order in shop.orders for line in order.lines]
    assert any(line.product is None for line in lines), "deleted product"
    assert any(order.customer is None for order in shop.orders), "guest"
    assert any(customer.orders > 1 for customer in shop.customers), "repeat customer"
    assert any(customer.orders == 0 for customer in shop.customers), "never bought"
    assert any("@example.com" in customer.display_name for customer in shop.customers), "no name"
    assert any(len(order.lines) > 10 for order in shop.orders), "more lines than a page"
    assert any(product.inventory < 0 for product in shop.products), "oversold"
    assert any(product.image_url is None for product in shop.products), "no picture"
    statuses = {order.financial_status for order in shop.orders}
    assert {"PAID", "PENDING", "REFUNDED", "PARTIALLY_REFUNDED", "VOIDED", "AUTHORIZED"} <= statuses


@pytest.mark.parametrize("size", ["medium", "large", "huge"])
def test_the_latest_ten_orders_show_what_needs_care(size: str) -> None:
    latest = contents(size).orders[-10:]
    assert sum(order.test for order in latest) == 1
    assert any(order.cancelled_at for order in latest)
    assert any(order.customer is None for order in latest)
    assert any(order.status == "open" and order.fulfillment_status == "FULFILLED" for order in latest)


def test_huge_means_more_than_ten_thousand_within_the_window() -> None:
    for domain in ("a.myshopify.com", "b.myshopify.com", "dev-huge.myshopify.com"):
        orders = contents("huge", domain).orders
        assert sum(order.created_at >= NOW - 60 * DAY for order in orders) > 10_000
        assert sum(order.created_at < NOW - 60 * DAY for order in orders) > 500


def test_huge_is_made_in_no_time() -> None:
    began = time.thread_time()  # what others do on this machine does not count
    contents("huge")
    assert time.thread_time() - began < 1.0


def test_yen_have_no_fractions() -> None:
    shop = contents("large", currency="JPY")
    amounts = [amount for order in shop.orders for amount in (order.total.amount, order.current_total.amount)]
    assert all(amount == amount.to_integral_value() for amount in amounts)
    assert all(order.total.amount >= 500 for order in shop.orders)
    assert {order.total.currency for order in shop.orders} == {"JPY"}


def test_a_shop_that_changed_its_currency_keeps_the_old_one_in_old_orders() -> None:
    shop = contents("large", currency="EUR", former_currency="USD")
    old = [order for order in shop.orders if order.created_at < NOW - 30 * DAY]
    assert {order.total.currency for order in old} == {"USD"}
    assert {order.total.currency for order in shop.orders if order not in old} == {"EUR"}


def test_an_order_adds_up() -> None:
    for order in contents("medium").orders:
        goods = sum(line.unit_price.amount * line.quantity for line in order.lines)
        assert order.total.amount in (goods, goods + Decimal("4.90"))
        assert Decimal(0) <= order.current_total.amount <= order.total.amount
        gone = order.cancelled_at is not None or order.financial_status in ("REFUNDED", "VOIDED")
        assert (order.current_total.amount == 0) is gone


@pytest.mark.parametrize(
    ("amount", "text"),
    [("55.00", "55.0"), ("12.34", "12.34"), ("12.30", "12.3"), ("1500", "1500.0"), ("0.00", "0.0"), ("100", "100.0")],
)
def test_money_is_written_as_shopify_writes_it(amount: str, text: str) -> None:
    assert decimal_text(Decimal(amount)) == text


def test_times_are_utc_in_whole_seconds() -> None:
    assert timestamp(NOW) == "2026-11-22T15:00:00Z"
