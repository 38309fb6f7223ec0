"""Search filters of orders, customers and products: from a query to a test of records.

Only the part of Shopify's syntax (https://shopify.dev/docs/api/usage/search-syntax) that CJ's queries use is supported:
terms joined by AND, each `field:value`, `field:>=value` or `field:this,that`. Everything else is refused by name
instead of guessed. The fault `ignored_search` plays what Shopify does with unknown fields.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from shopify.development_store.responses import field_error

Predicate = Callable[[Any], bool]
Filter = Callable[[str, str, str], Predicate]
"""Makes a test of records from a field's name, the comparator and the value."""

_TERM = re.compile(r"\s*(?P<field>\w+):(?P<comparator><=|>=|<|>)?(?P<value>'[^']*'|\"[^\"]*\"|[^\s()'\"]+)")
_COMPARATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _choice(read: Callable[[Any], Any], values: Mapping[str, tuple[Any, ...]]) -> Filter:
    """`values`: written values, and what they stand for."""

    def test(field: str, comparator: str, value: str) -> Predicate:
        written = value.lower().split(",")
        if comparator or not values.keys() >= set(written):
            raise _missing(f"{field}:{comparator}{value}")
        wanted = {each for name in written for each in values[name]}
        return lambda record: read(record) in wanted

    return test


def _time(read: Callable[[Any], int]) -> Filter:
    def test(field: str, comparator: str, value: str) -> Predicate:
        try:
            bound = datetime.fromisoformat(value)
        except ValueError:
            raise field_error(f"Invalid timestamp for query filter `{field}`.", "BAD_REQUEST") from None
        if comparator not in _COMPARATORS or bound.tzinfo is None:
            raise _missing(f"{field}:{comparator}{value}")
        compare, seconds = _COMPARATORS[comparator], bound.timestamp()
        return lambda record: compare(read(record), seconds)

    return test


def _upper(values: str) -> Mapping[str, tuple[str, ...]]:
    return {value: (value.upper(),) for value in values.split()}


_UNSHIPPED = "UNFULFILLED IN_PROGRESS ON_HOLD OPEN PENDING_FULFILLMENT REQUEST_DECLINED SCHEDULED"

ORDERS: Mapping[str, Filter] = {
    "created_at": _time(lambda order: order.created_at),
    "updated_at": _time(lambda order: order.updated_at),
    "status": _choice(
        lambda order: order.status,
        {"open": ("open",), "closed": ("closed",), "cancelled": ("cancelled",), "not_closed": ("open",)},
    ),
    "financial_status": _choice(
        lambda order: order.financial_status,
        _upper("paid pending authorized partially_paid partially_refunded refunded voided expired"),
    ),
    "fulfillment_status": _choice(
        lambda order: order.fulfillment_status,
        {
            **_upper("unfulfilled fulfilled scheduled on_hold request_declined"),
            "unshipped": tuple(_UNSHIPPED.split()),
            "partial": ("PARTIALLY_FULFILLED",),
            "shipped": ("FULFILLED",),
        },
    ),
    "test": _choice(lambda order: order.test, {"true": (True,), "false": (False,)}),
}
CUSTOMERS: Mapping[str, Filter] = {"created_at": _time(lambda customer: customer.created_at)}
PRODUCTS: Mapping[str, Filter] = {
    "status": _choice(lambda product: product.status, _upper("active archived draft unlisted")),
}


def matcher(query: str | None, filters: Mapping[str, Filter]) -> Predicate | None:
    """The test of a query, or None if it asks for nothing.

    Raises a field error for an invalid time, and for anything that is not supported.
    """
    written, at = (query or "").strip(), 0
    tests: list[Predicate] = []
    while at < len(written):
        term = _TERM.match(written, at)
        if term is None or term["field"] not in filters:
            raise _missing(written[at:].strip())
        tests.append(filters[term["field"]](term["field"], term["comparator"] or "", term["value"].strip("'\"")))
        at = term.end()
    return (lambda record: all(test(record) for test in tests)) if tests else None


def _missing(written: str) -> GraphQLError:
    return field_error(f"The development store has no search for `{written}`.", "NOT_IMPLEMENTED")
