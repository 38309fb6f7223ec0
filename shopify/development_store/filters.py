"""Search filters of orders, customers and products: from a query to a test of records, with Shopify's warnings.

Shopify's traps are reproduced on purpose. A field the resource does not have is *ignored*: the answer then holds
everything, and only `extensions.search` says so. A value that is not accepted matches nothing, with a warning too.
A filter that Shopify has and this store has not is refused by name instead of guessed.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

from shopify.development_store.responses import field_error
from shopify.development_store.search import Node, NotClause, Term, parse

Predicate = Callable[[Any], bool]
Kind = Literal["time", "number", "text", "words", "flag", "choice"]

DAY = 86_400


@dataclass(frozen=True)
class Filter:
    """One search field of a resource: how to read it from a record and how its values are compared."""

    read: Callable[[Any], Any]
    kind: Kind
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Resource:
    """The search fields of one resource, and those that Shopify has but this store has not."""

    filters: Mapping[str, Filter]
    missing: frozenset[str]


def _upper(values: str) -> Mapping[str, tuple[str, ...]]:
    return {value: (value.upper(),) for value in values.split()}


ORDER_STATUS = {"open": ("open",), "closed": ("closed",), "cancelled": ("cancelled",), "not_closed": ("open",)}
FULFILLMENT_STATUS = {
    **_upper("unfulfilled fulfilled scheduled on_hold request_declined"),
    "unshipped": (
        "UNFULFILLED",
        "IN_PROGRESS",
        "ON_HOLD",
        "OPEN",
        "PENDING_FULFILLMENT",
        "REQUEST_DECLINED",
        "SCHEDULED",
    ),
    "partial": ("PARTIALLY_FULFILLED",),
    "shipped": ("FULFILLED",),
}
"""Values of `fulfillment_status` and the displayed statuses they stand for."""
FINANCIAL_STATUS = _upper("paid pending authorized partially_paid partially_refunded refunded voided expired")
PRODUCT_STATUS = _upper("active archived draft unlisted")

_OTHER_ORDER_FIELDS = (
    "cart_token channel channel_id chargeback_status checkout_token confirmation_number credit_card_last4 "
    "current_total_price delivery_method discount_code email fraud_protection_level fulfillment_location_id "
    "gateway location_id metafields payment_id payment_provider_id po_number reference_location_id return_status "
    "risk_level sales_channel sku source_identifier source_name subtotal_line_items_quantity tag tag_not "
    "total_weight"
)

ORDERS = Resource(
    {
        "default": Filter(lambda o: f"{o.name} {o.customer.display_name if o.customer else ''}", "words"),
        "created_at": Filter(lambda o: o.created_at, "time"),
        "customer_id": Filter(lambda o: o.customer and o.customer.number, "number"),
        "financial_status": Filter(lambda o: o.financial_status, "choice", FINANCIAL_STATUS),
        "fulfillment_status": Filter(lambda o: o.fulfillment_status, "choice", FULFILLMENT_STATUS),
        "id": Filter(lambda o: o.number, "number"),
        "name": Filter(lambda o: o.name.removeprefix("#"), "text"),
        "processed_at": Filter(lambda o: o.created_at, "time"),
        "status": Filter(lambda o: o.status, "choice", ORDER_STATUS),
        "test": Filter(lambda o: o.test, "flag"),
        "updated_at": Filter(lambda o: o.updated_at, "time"),
    },
    frozenset(_OTHER_ORDER_FIELDS.split()),
)
CUSTOMERS = Resource(
    {
        "created_at": Filter(lambda c: c.created_at, "time"),
        "id": Filter(lambda c: c.number, "number"),
        "updated_at": Filter(lambda c: c.created_at, "time"),
    },
    frozenset(),
)
"""`customersCount` knows these three and nothing else."""

_OTHER_PRODUCT_FIELDS = (
    "barcode bundles category_id collection_id combined_listing_role delivery_profile_id error_feedback gift_card "
    "handle has_only_composites has_only_default_variant has_variant_with_components is_price_reduced metafields "
    "out_of_stock_somewhere price product_configuration_owner product_publication_status product_type "
    "publication_ids publishable_status published_at published_status sku tag tag_not tracks_inventory "
    "variant_id variant_title vendor"
)

PRODUCTS = Resource(
    {
        "default": Filter(lambda p: p.title, "words"),
        "created_at": Filter(lambda p: p.created_at, "time"),
        "id": Filter(lambda p: p.number, "number"),
        "inventory_total": Filter(lambda p: p.inventory, "number"),
        "status": Filter(lambda p: p.status, "choice", PRODUCT_STATUS),
        "title": Filter(lambda p: p.title, "words"),
        "updated_at": Filter(lambda p: p.created_at, "time"),
    },
    frozenset(_OTHER_PRODUCT_FIELDS.split()),
)


_BOUND: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Search:
    """A query made ready: the test of a record, how the query was understood, what was ignored in it."""

    matches: Predicate
    parsed: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...]


def compile_search(query: str, resource: Resource, *, time_zone: str, now: int) -> Search | None:
    """The search of a query, or None if it asks for nothing. `now` is Unix seconds.

    Raises a field error for a value that should be a date and for a filter this store does not have.
    """
    node = parse(query)
    if node is None:
        return None
    compiler = _Compiler(resource, ZoneInfo(time_zone), now)
    return Search(compiler.predicate(node), node.parsed(), tuple(compiler.warnings))


@dataclass
class _Compiler:
    resource: Resource
    time_zone: tzinfo
    now: int
    warnings: list[Mapping[str, str]] = field(default_factory=list)

    def predicate(self, node: Node) -> Predicate:
        if isinstance(node, Term):
            return self._term(node)
        if isinstance(node, NotClause):
            inner = self.predicate(node.part)
            return lambda record: not inner(record)
        parts = [self.predicate(part) for part in node.parts]
        if node.connective == "and":
            return lambda record: all(part(record) for part in parts)
        return lambda record: any(part(record) for part in parts)

    def _term(self, term: Term) -> Predicate:
        name = term.field or "default"
        known = self.resource.filters.get(name)
        if known is None and (name in self.resource.missing or name.startswith("metafields.")):
            raise field_error(f"The development store has no search filter `{name}`.", "NOT_IMPLEMENTED")
        if known is None:
            self._warn(name, "Invalid search field for this query.", "invalid_field")
            return lambda record: True
        if known.kind == "choice":
            return self._choice(name, known, term)
        tests = [self._test(name, known, term.comparator, value) for value in term.values]
        read = known.read
        return lambda record: any(test(read(record)) for test in tests)

    def _choice(self, name: str, known: Filter, term: Term) -> Predicate:
        wanted: set[str] = set()
        for value in term.values:
            if value.lower() not in known.choices:
                self._warn(name, f"Input `{value}` is not an accepted value.", "invalid_value")
            wanted.update(known.choices.get(value.lower(), ()))
        read = known.read
        return lambda record: read(record) in wanted

    def _test(self, name: str, known: Filter, comparator: str | None, value: str) -> Predicate:
        if known.kind == "time":
            return self._time(name, comparator, value)
        if known.kind == "number":
            return self._number(name, comparator, value)
        if known.kind == "flag":
            return lambda flag: flag is (value.lower() == "true")
        text = value.removeprefix("#").lower()
        if known.kind == "words":
            return lambda words: text in words.lower()
        if text.endswith("*"):
            return lambda found: found.lower().startswith(text[:-1])
        return lambda found: found.lower() == text

    def _number(self, name: str, comparator: str | None, value: str) -> Predicate:
        if not re.fullmatch(r"-?\d+", value):
            self._warn(name, f"Input `{value}` is not an accepted value.", "invalid_value")
            return lambda number: False
        bound = int(value)
        if comparator is None:
            return lambda number: number == bound
        compare = _BOUND[comparator]
        return lambda number: number is not None and compare(number, bound)

    def _time(self, name: str, comparator: str | None, value: str) -> Predicate:
        start, end = self._instant(name, value)
        if comparator is None:
            return lambda time: start <= time < end
        # A day as a bound means its edge: later than a day is later than its end.
        bound = start if comparator in ("<", ">=") else end - 1
        compare = _BOUND[comparator]
        return lambda time: compare(time, bound)

    def _instant(self, name: str, value: str) -> tuple[int, int]:
        """The Unix seconds that a date value covers: one second, or the day or year it names."""
        if value.lower() == "now":
            return self.now, self.now + 1
        try:
            if re.fullmatch(r"\d{4}", value):
                first, after = (datetime(int(value) + plus, 1, 1, tzinfo=self.time_zone) for plus in (0, 1))
                return int(first.timestamp()), int(after.timestamp())
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise field_error(f"Invalid timestamp for query filter `{name}`.", "BAD_REQUEST") from None
        start = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=self.time_zone)).astimezone(UTC).timestamp())
        return start, start + (DAY if len(value) == 10 else 1)

    def _warn(self, name: str, message: str, code: str) -> None:
        self.warnings.append({"field": name, "message": message, "code": code})
