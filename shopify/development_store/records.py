"""A development shop's records: products, customers, orders. Plain data, made by `generation`."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

PER_DOLLAR = {
    "USD": Decimal(1),
    "EUR": Decimal("0.9"),
    "GBP": Decimal("0.8"),
    "CAD": Decimal("1.4"),
    "AUD": Decimal("1.5"),
    "JPY": Decimal(150),
    "CHF": Decimal("0.85"),
    "SEK": Decimal("10.5"),
    "INR": Decimal(88),
}
"""Fixed exchange rates of the development store, and the currencies a shop can be registered in."""


def gid(kind: str, number: int) -> str:
    """Shopify's global id, e.g. gid://shopify/Order/5000000001."""
    return f"gid://shopify/{kind}/{number}"


def timestamp(epoch: int) -> str:
    """A point in time (Unix seconds) as the API writes it: UTC, whole seconds, `Z`."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal_text(amount: Decimal) -> str:
    """A Decimal as the API writes it: no trailing zeros, but at least one place (`55.0`, `12.34`, `1500.0`)."""
    whole, _, places = f"{amount:f}".partition(".")
    return f"{whole}.{places.rstrip('0') or '0'}"


def in_currency(dollars: Decimal, currency: str) -> Decimal:
    """A US dollar amount in another currency at the fixed rate."""
    return rounded(dollars * PER_DOLLAR[currency], currency)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An amount in the smallest unit its currency has: yen have no fractions."""
    return amount.quantize(Decimal(1) if currency == "JPY" else Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class MoneyBag:
    """An amount in the shop's currency."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One product. Prices are kept in dollars and shown in the shop's currency."""

    number: int
    title: str
    description: str
    status: str
    inventory: int
    tracked: bool
    lowest_dollars: Decimal
    highest_dollars: Decimal
    image_url: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class CustomerRecord:
    """One customer. `orders` counts the whole lifetime, whatever an app may see."""

    number: int
    display_name: str
    created_at: int
    orders: int


@dataclass(frozen=True, slots=True)
class LineItemRecord:
    """One line of an order. `product` is None once the product was deleted."""

    number: int
    title: str
    quantity: int
    sku: str | None
    unit_price: MoneyBag
    product: ProductRecord | None
    current_quantity: int = 0
    """Without units that were refunded or removed."""
    is_gift_card: bool = False


@dataclass
class OrderRecord:
    """One order. Its lines are drawn when first read, from the order's own seed, so they are always the same."""

    number: int
    name: str
    created_at: int
    financial_status: str
    fulfillment_status: str
    customer: CustomerRecord | None
    cancelled_at: int | None
    closed_at: int | None
    test: bool
    currency: str
    seed: int
    products: Sequence[ProductRecord] = field(repr=False)
    former_products: Sequence[str] = field(repr=False)
    searchable_from: float = 0.0
    """Unix time from which the search index knows the order; counts and filtered lists lag behind a write."""

    @property
    def status(self) -> str:
        """open, closed or cancelled: the values of the search filter `status`."""
        if self.cancelled_at is not None:
            return "cancelled"
        return "open" if self.closed_at is None else "closed"

    @property
    def updated_at(self) -> int:
        """When the order last changed."""
        return self.closed_at or self.cancelled_at or self.created_at

    @cached_property
    def lines(self) -> tuple[LineItemRecord, ...]:
        """The line items: mostly one to four, sometimes a dozen."""
        draw = random.Random(self.seed)  # noqa: S311 (sample data, not a secret)
        how_many = draw.choices((1, 2, 3, 4, 12), (46, 28, 15, 9, 2))[0]
        lines = [self._line(draw, place) for place in range(how_many)]
        return tuple(replace(line, current_quantity=self._left_of(line, place)) for place, line in enumerate(lines))

    @property
    def tip(self) -> MoneyBag:
        """The tip."""
        return self._money(Decimal(0))

    @cached_property
    def total(self) -> MoneyBag:
        """The order's total when it was placed: the lines and, for small orders, shipping."""
        goods = sum((line.unit_price.amount * line.quantity for line in self.lines), Decimal(0))
        shipping = in_currency(Decimal("4.90"), self.currency)
        free_from = in_currency(Decimal(60), self.currency)
        return self._money(goods if goods >= free_from else goods + shipping)

    @cached_property
    def current_total(self) -> MoneyBag:
        """What is left of the total after refunds, returns and cancellation."""
        if self.cancelled_at is not None or self.financial_status in ("REFUNDED", "VOIDED"):
            return self._money(Decimal(0))
        if self.financial_status == "PARTIALLY_REFUNDED":
            return self._money(rounded(self.total.amount * 3 / 4, self.currency))
        return self.total

    def _line(self, draw: random.Random, place: int) -> LineItemRecord:
        number = self.number * 20 + place
        quantity = draw.choices((1, 2, 3, 6), (72, 19, 7, 2))[0]
        if draw.random() < 0.04:
            title, dollars = draw.choice(self.former_products), Decimal(draw.randrange(9, 60))
            return LineItemRecord(number, title, quantity, None, self._money(in_currency(dollars, self.currency)), None)
        # The front of the assortment sells best.
        product = self.products[int(len(self.products) * draw.random() ** 1.6)]
        sku = f"{product.number % 10_000:04d}-{draw.choice('ABC')}"
        price = self._money(in_currency(product.lowest_dollars, self.currency))
        return LineItemRecord(number, product.title, quantity, sku, price, product)

    def _left_of(self, line: LineItemRecord, place: int) -> int:
        """Units of a line that were neither refunded nor removed; a partial refund starts with the first line."""
        if self.cancelled_at is not None or self.financial_status in ("REFUNDED", "VOIDED"):
            return 0
        return line.quantity - (self.financial_status == "PARTIALLY_REFUNDED" and place == 0)

    def _money(self, amount: Decimal) -> MoneyBag:
        return MoneyBag(amount, self.currency)
