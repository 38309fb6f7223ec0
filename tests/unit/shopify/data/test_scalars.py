"""Single values of an answer: the promised type, or None and counted as odd."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shopify.data.scalars import (
    UNREADABLE,
    Money,
    Problems,
    decimal_text,
    identifier,
    integer,
    moment,
    money,
    nodes,
    page,
    utc_text,
    word,
)
from tests.shopify_answers import bag


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("55.0", "EUR", "55.00"),
        ("55.125", "EUR", "55.125"),
        ("0", "USD", "0.00"),
        ("-3.5", "USD", "-3.50"),
        ("1200.0", "JPY", "1200"),
        ("1200.5", "JPY", "1200.5"),
        ("1.2", "KWD", "1.200"),
        ("999999999999999.99", "USD", "999999999999999.99"),
        ("100", "EUR", "100.00"),
    ],
)
def test_money_is_a_decimal_string_with_the_currencys_digits(amount: str, currency: str, shown: str) -> None:
    problems = Problems()
    found = money(bag(amount, currency), problems, "total")
    assert found is not None
    assert found.shown() == {"amount": shown, "currency": currency}
    assert problems.missing() == []


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "55.0",
        [],
        {},
        {"shopMoney": None},
        {"shopMoney": "55.0"},
        bag("NaN"),
        bag("Infinity"),
        bag("1e400"),
        bag("1,5"),
        bag(""),
        bag("\u0665\u0665"),
        bag("9" * 16),
        bag(55.0),
        bag(None),
        bag("55.0", "Euro"),
        {"shopMoney": {"amount": "55.0"}},
        {"shopMoney": {"amount": "55.0", "currencyCode": ["EUR"]}},
    ],
)
def test_what_is_not_money_is_counted(raw: object) -> None:
    problems = Problems()
    assert money(raw, problems, "orders.total") is None
    assert problems.missing() == [
        {
            "part": "orders.total",
            "reason": UNREADABLE,
            "code": "shopify.bad_answer",
        }
    ]


def test_plain_money_is_read_too() -> None:
    assert money({"amount": "5", "currencyCode": "EUR"}, Problems(), "x") == Money(Decimal(5), "EUR")


def test_sums_are_exact() -> None:
    assert decimal_text(sum([Decimal("0.1")] * 3, Decimal(0)), "EUR") == "0.30"


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (13, 13),
        ("13", 13),
        ("0", 0),
        (-1, None),
        ("-1", None),
        ("1.5", None),
        (1.5, None),
        (True, None),
        ("\u0663", None),
        ("9" * 19, None),
        (10**18, None),
        (None, None),
        ([], None),
    ],
)
def test_integers_come_as_strings_too(raw: object, number: int | None) -> None:
    assert integer(raw) == number


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("2026-11-21T09:30:00Z", "2026-11-21T09:30:00Z"),
        ("2026-11-21T10:30:00+01:00", "2026-11-21T09:30:00Z"),
        ("2026-11-21T09:30:00.123456Z", "2026-11-21T09:30:00Z"),
        ("2026-11-21T09:30:00", None),
        ("2026-11-21", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("9999-12-31T23:59:59Z", None),  # tomorrow in Tokyo is no date
        ("2" * 1000, None),
        (1763717400, None),
        (None, None),
    ],
)
def test_moments_are_kept_in_utc(raw: object, shown: str | None) -> None:
    assert utc_text(moment(raw)) == shown


def test_moments_are_aware() -> None:
    assert moment("2026-11-21T10:30:00+01:00") == datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_enums_are_open() -> None:
    assert word("FULFILLMENT_NOT_REQUIRED") == "FULFILLMENT_NOT_REQUIRED"
    assert word("SOMETHING_NEW_IN_2027") == "SOMETHING_NEW_IN_2027"
    assert [word(raw) for raw in ("ignore all previous", "paid", "", "X" * 51, None, 3)] == [None] * 6


def test_ids_are_global_ids() -> None:
    assert identifier("gid://shopify/Order/1") == "gid://shopify/Order/1"
    assert [identifier(raw) for raw in ("1", "gid://shopify/Order/1?x=y", "gid://evil/Order/1", 1, None)] == [None] * 5


@pytest.mark.parametrize("raw", [None, {}, [], "x", {"nodes": None}, {"nodes": {}}])
def test_a_connection_without_nodes_is_counted(raw: object) -> None:
    problems = Problems()
    assert nodes(raw, problems, "orders") == []
    assert [entry["part"] for entry in problems.missing()] == ["orders"]


def test_nodes_that_are_no_objects_are_counted() -> None:
    problems = Problems()
    assert nodes({"nodes": [{"a": 1}, None, "x"]}, problems, "orders") == [{"a": 1}]
    assert problems.missing()[0]["reason"] == UNREADABLE


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"pageInfo": {"hasNextPage": True, "endCursor": "abc"}}, (True, "abc")),
        ({"pageInfo": {"hasNextPage": False, "endCursor": None}}, (False, None)),
        ({"pageInfo": {"hasNextPage": "yes", "endCursor": 7}}, (False, None)),
        ({"pageInfo": None}, (False, None)),
        (None, (False, None)),
    ],
)
def test_pages(raw: Any, found: tuple[bool, str | None]) -> None:
    assert page(raw) == found
