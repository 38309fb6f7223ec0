"""The search fields of orders, customers and products, as the schema describes the `query` arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["time", "number", "text", "words", "flag", "choice"]

_FULFILLED = ("FULFILLED",)
_NOTHING_SHIPPED = (
    "UNFULFILLED",
    "IN_PROGRESS",
    "ON_HOLD",
    "OPEN",
    "PENDING_FULFILLMENT",
    "REQUEST_DECLINED",
    "SCHEDULED",
)
FULFILLMENT = {
    "unshipped": _NOTHING_SHIPPED,
    "unfulfilled": ("UNFULFILLED",),
    "partial": ("PARTIALLY_FULFILLED",),
    "shipped": _FULFILLED,
    "fulfilled": _FULFILLED,
    "scheduled": ("SCHEDULED",),
    "on_hold": ("ON_HOLD",),
    "request_declined": ("REQUEST_DECLINED",),
}
"""Values of `fulfillment_status` and the displayed statuses they stand for."""

PAYMENT = {
    value: (value.upper(),)
    for value in (
        "paid",
        "pending",
        "authorized",
        "partially_paid",
        "partially_refunded",
        "refunded",
        "voided",
        "expired",
    )
}


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
        "financial_status": Filter(lambda o: o.financial_status, "choice", PAYMENT),
        "fulfillment_status": Filter(lambda o: o.fulfillment_status, "choice", FULFILLMENT),
        "id": Filter(lambda o: o.number, "number"),
        "name": Filter(lambda o: o.name.removeprefix("#"), "text"),
        "processed_at": Filter(lambda o: o.created_at, "time"),
        "status": Filter(
            lambda o: o.status,
            "choice",
            {
                "open": ("open",),
                "closed": ("closed",),
                "cancelled": ("cancelled",),
                "not_closed": ("open",),
            },
        ),
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
        "status": Filter(
            lambda p: p.status,
            "choice",
            {value: (value.upper(),) for value in ("active", "archived", "draft", "unlisted")},
        ),
        "title": Filter(lambda p: p.title, "words"),
        "updated_at": Filter(lambda p: p.created_at, "time"),
    },
    frozenset(_OTHER_PRODUCT_FIELDS.split()),
)
