"""Generates the contents of a development shop from its domain: the same domain and `now` give the same shop.

A shop with twelve thousand orders must be ready at once, so what every order needs is drawn in bulk, and line items
only when they are read (`OrderRecord.lines`).
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from shopify.development_store.records import CustomerRecord, OrderRecord, ProductRecord

SAMPLE_DATA = Path(__file__).parent / "sample_data.json"
"""Three assortments with prices in US dollars, invented people's names, and titles of deleted products that old orders
still have."""

DAY = 86_400

SPECIAL_CASES_FROM = 20
"""A shop with this many orders or more has every special case among its latest ones."""


@dataclass(frozen=True)
class Size:
    """How much a shop holds: orders over how many days, and how many products."""

    orders: int
    days: int
    products: int


SIZES = {
    "new": Size(orders=0, days=1, products=3),
    "tiny": Size(orders=7, days=40, products=6),
    "medium": Size(orders=120, days=150, products=12),
    "large": Size(orders=1_500, days=365, products=16),
    # Dense enough that more than 10,000 orders lie within the 60 days an ordinary app may see.
    "huge": Size(orders=12_000, days=75, products=16),
}


@dataclass(frozen=True)
class Contents:
    """The generated shop. Orders and customers are sorted by age, oldest first."""

    name: str
    created_at: int
    products: tuple[ProductRecord, ...]
    customers: tuple[CustomerRecord, ...]
    orders: list[OrderRecord]


@cache
def _sample_data() -> Any:
    return json.loads(SAMPLE_DATA.read_text("utf-8"))


def generate(
    shop_domain: str, size: Size, now: int, *, currency: str = "USD", former_currency: str | None = None
) -> Contents:
    """The contents of one shop."""
    return _Generator(shop_domain, size, now, currency, former_currency).contents()


def one_more(contents: Contents, currency: str, created_at: int) -> OrderRecord:
    """A guest's order that has just come in: paid, not yet shipped. It is added to the contents as the latest."""
    latest = contents.orders[-1] if contents.orders else None
    number = latest.number + 1 if latest else 5_000_000_000_000
    order = OrderRecord(
        number=number,
        name=f"#{1001 + len(contents.orders)}",
        created_at=max(created_at, latest.created_at if latest else 0),
        financial_status="PAID",
        fulfillment_status="UNFULFILLED",
        customer=None,
        cancelled_at=None,
        closed_at=None,
        test=False,
        currency=currency,
        seed=number,
        products=_sellable(contents.products),
        former_products=_sample_data()["former_products"],
    )
    contents.orders.append(order)
    return order


def _sellable(products: Sequence[ProductRecord]) -> list[ProductRecord]:
    return [product for product in products if product.status == "ACTIVE"]


class _Generator:
    """Draws the contents of one shop. The same draws in the same order give the same shop: do not reorder them."""

    def __init__(self, shop_domain: str, size: Size, now: int, currency: str, former_currency: str | None) -> None:
        self.size, self.now, self.currency, self.former_currency = size, now, currency, former_currency
        # Depends on the domain only; unlike hash(), it is the same in every process.
        self.seed = int.from_bytes(hashlib.sha256(shop_domain.encode()).digest()[:8], "big")
        self.draw = random.Random(self.seed)  # noqa: S311 (sample data, not a secret)
        self.created_at = now - (size.days + 20) * DAY
        assortments = _sample_data()["assortments"]
        self.assortment = assortments[self.seed % len(assortments)]

    def contents(self) -> Contents:
        products = self._products()
        times = self._order_times()
        buyers = self._buyers(len(times))
        if len(buyers) >= SPECIAL_CASES_FROM:
            buyers[-3] = None
        customers = self._customers(times, buyers)
        orders = self._orders(times, [None if b is None else customers[b] for b in buyers], products)
        by_age = sorted(customers.values(), key=lambda customer: (customer.created_at, customer.number))
        return Contents(self.assortment["shop_name"], self.created_at, products, tuple(by_age), orders)

    def _products(self) -> tuple[ProductRecord, ...]:
        first = 8_000_000_000_000 + self.seed % 1_000_000 * 100
        chosen = self.assortment["products"][: self.size.products]
        return tuple(self._product(first, place, title, Decimal(price)) for place, (title, price) in enumerate(chosen))

    def _product(self, first: int, place: int, title: str, price: Decimal) -> ProductRecord:
        slug = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
        return ProductRecord(
            number=first + place,
            title=title,
            description=f"{title} by {self.assortment['shop_name']}, made in small batches.",
            # The last ones of a full assortment are not for sale, one product has been oversold.
            status={11: "DRAFT", 15: "ARCHIVED"}.get(place, "ACTIVE"),
            inventory=-3 if place == 5 else self.draw.randrange(0, 240),
            tracked=place != 4,
            lowest_dollars=price,
            highest_dollars=price * 2 if place % 3 == 0 else price,
            image_url=None if place % 5 == 3 else f"https://cdn.shopify.com/s/files/1/development/{slug}.jpg",
            created_at=self.created_at + place * 3_600,
        )

    def _order_times(self) -> list[int]:
        """Ages distributed so that business grows: the exponent shifts the even distribution towards today."""
        span = self.size.days * DAY
        ages = (600 + int((span - 600) * self.draw.random() ** 1.5) for _ in range(self.size.orders))
        return sorted(self.now - age for age in ages)

    def _buyers(self, orders: int) -> list[int | None]:
        """Which customer placed which order: a few come back often, most come once, every ninth order is a guest's."""
        pool = max(1, orders * 6 // 10)
        weights = [1 / (place + 8) ** 0.5 for place in range(pool)]
        guests = (self.draw.random() for _ in range(orders))
        buyers = self.draw.choices(range(pool), weights, k=orders)
        return [None if guest < 0.11 else buyer for guest, buyer in zip(guests, buyers, strict=True)]

    def _customers(self, times: Sequence[int], buyers: Sequence[int | None]) -> dict[int, CustomerRecord]:
        """Every buyer, registered with the first order, and some who have not bought yet."""
        orders = Counter(buyer for buyer in buyers if buyer is not None)
        since: dict[int, int] = {}
        for buyer, time in zip(buyers, times, strict=True):
            if buyer is not None:
                since.setdefault(buyer, time)
        onlookers = range(len(buyers), len(buyers) + len(buyers) // 6)
        since.update((place, self.draw.randrange(self.created_at, self.now - 600)) for place in onlookers)
        first = 7_000_000_000_000 + self.seed % 1_000_000 * 100_000
        names = (_sample_data()[kind] for kind in ("first_names", "last_names"))
        firsts, lasts = (self.draw.choices(some, k=len(since)) for some in names)
        return {
            place: CustomerRecord(first + place, _display_name(place, first_name, last_name), time, orders[place])
            for (place, time), first_name, last_name in zip(since.items(), firsts, lasts, strict=True)
        }

    def _orders(
        self, times: Sequence[int], customers: Sequence[CustomerRecord | None], products: Sequence[ProductRecord]
    ) -> list[OrderRecord]:
        former_products, sellable = _sample_data()["former_products"], _sellable(products)
        first = 5_000_000_000_000 + self.seed % 1_000_000 * 100_000
        changed_currency_at = self.now - 30 * DAY
        orders = []
        for place, (time, customer) in enumerate(zip(times, customers, strict=True)):
            chance = self.draw.random()
            financial, fulfillment, cancelled_at, closed_at = _outcome(
                self.now - time, time, chance, self.draw.random()
            )
            old = self.former_currency if time < changed_currency_at else None
            orders.append(
                OrderRecord(
                    number=first + place,
                    name=f"#{1001 + place}",
                    created_at=time,
                    financial_status=financial,
                    fulfillment_status=fulfillment,
                    customer=customer,
                    cancelled_at=cancelled_at,
                    closed_at=closed_at,
                    test=False,
                    currency=old or self.currency,
                    seed=first + place,
                    products=sellable,
                    former_products=former_products,
                )
            )
        _add_special_cases(orders)
        return orders


def _display_name(place: int, first_name: str, last_name: str) -> str:
    """Shopify falls back to the e-mail address when a customer gave no name."""
    if place % 23 == 7:
        return f"{first_name}.{last_name}@example.com".lower()
    return f"{first_name} {last_name}"


_OPEN_FULFILLMENT = (
    *("UNFULFILLED",) * 12,
    *("IN_PROGRESS",) * 2,
    *("PARTIALLY_FULFILLED",) * 3,
    *("ON_HOLD", "SCHEDULED", "FULFILLED"),
)
_OPEN_PAYMENT = ("PAID",) * 15 + ("PENDING",) * 3 + ("AUTHORIZED", "PARTIALLY_PAID")


def _outcome(age: int, time: int, chance: float, other_chance: float) -> tuple[str, str, int | None, int | None]:
    """An order's financial status, fulfillment status, cancelled at, closed at.

    An order is closed only when it is fulfilled and paid, so an open one is recent or still has something to do.
    """
    soon = time + min(age // 2, 5 * 3_600)
    if chance < 0.03:
        return ("VOIDED" if other_chance < 0.4 else "REFUNDED"), "UNFULFILLED", soon, soon
    still_open = (
        0.9 if age < DAY else 0.6 if age < 3 * DAY else 0.3 if age < 7 * DAY else 0.08 if age < 30 * DAY else 0.02
    )
    if other_chance < still_open:
        fulfillment = _OPEN_FULFILLMENT[int(chance * 10_007) % len(_OPEN_FULFILLMENT)]
        payment = _OPEN_PAYMENT[int(chance * 5_003) % len(_OPEN_PAYMENT)]
        # A fulfilled and paid order would be closed: one that is shipped but open is not paid yet.
        if fulfillment == "FULFILLED" and payment == "PAID":
            payment = "PENDING"
        return payment, fulfillment, None, None
    payment = "PARTIALLY_REFUNDED" if chance > 0.97 else "REFUNDED" if chance > 0.955 else "PAID"
    return payment, "FULFILLED", None, time + min(age // 2, 2 * DAY)


def _add_special_cases(orders: list[OrderRecord]) -> None:
    """The latest ten orders include a guest's, a test order, a cancelled one, and an open one that has shipped.

    The last one shows that open and unfulfilled are not the same.
    """
    if len(orders) < SPECIAL_CASES_FROM:
        return
    orders[-4].test = True
    sent = orders[-8]
    sent.cancelled_at = sent.closed_at = None
    sent.financial_status, sent.fulfillment_status = "PENDING", "FULFILLED"
    cancelled = orders[-6]
    cancelled.cancelled_at = cancelled.closed_at = cancelled.created_at + 60
    cancelled.financial_status, cancelled.fulfillment_status = "REFUNDED", "UNFULFILLED"
