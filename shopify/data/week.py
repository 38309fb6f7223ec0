"""Seven calendar days in a shop's own time zone, and its orders added up over them. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopify.data.orders import Order, compact
from shopify.data.scalars import decimal_text, utc_text
from shopify.text import clean

DAYS = 7
MOST_ORDERS_SHOWN = 50
MOST_ITEMS_SHOWN = 10
ITEM_TITLE_CHARACTERS = 100


@dataclass(frozen=True)
class Week:
    """Today and the six days before it, as the shop's clock counts days."""

    start: datetime
    end: datetime
    zone: ZoneInfo

    @classmethod
    def until(cls, now: datetime, zone: ZoneInfo) -> "Week":
        """The week that ends at `now`; it starts with the shop's midnight, whatever daylight saving did since."""
        first = now.astimezone(zone).date() - timedelta(days=DAYS - 1)
        return cls(datetime.combine(first, time.min, tzinfo=zone), now.astimezone(zone), zone)

    @property
    def filter(self) -> str:
        """For Shopify's search: dates in UTC and quoted (https://shopify.dev/docs/api/usage/search-syntax)."""
        return f"created_at:>='{utc_text(self.start.astimezone(UTC))}'"

    @property
    def days(self) -> list[date]:
        """All of its days, the first one first."""
        return [self.start.date() + timedelta(days=n) for n in range((self.end.date() - self.start.date()).days + 1)]

    def day_of(self, order: Order) -> date | None:
        """The day it was ordered, None if that is unknown or outside."""
        day = order.created_at.astimezone(self.zone).date() if order.created_at else None
        return day if day is not None and self.start.date() <= day <= self.end.date() else None


def summary(
    week: Week, orders: Sequence[Order], *, truncated: bool, customers_complete: bool, title_limit: int
) -> dict[str, Any]:
    """Everything but test and cancelled orders added up; those are counted apart.

    `totals` are as ordered (`amount`) and after refunds and edits (`current_amount`, where it differs). When
    `truncated`, orders are known back to `covered_from` and days before it are left out of `by_day`.
    """
    counted = [order for order in orders if not order.test and not order.cancelled]
    covered = min((o.created_at for o in orders if o.created_at), default=None) if truncated else None
    data: dict[str, Any] = {
        "from": week.start.isoformat(timespec="minutes"),
        "to": week.end.isoformat(timespec="minutes"),
        "time_zone": week.zone.key,
        "truncated": truncated,
        "orders_counted": len(counted),
        "test_orders": sum(order.test for order in orders),
        "cancelled_orders": sum(order.cancelled and not order.test for order in orders),
        "totals": _totals(counted),
        "by_day": _by_day(week, counted, covered),
        "top_items": _top_items(counted, min(title_limit, ITEM_TITLE_CHARACTERS)),
    }
    if covered is not None:
        data["covered_from"] = covered.astimezone(week.zone).isoformat(timespec="minutes")
    if customers_complete:
        data["customers"] = _customers(counted)
    data["orders"] = [compact(order, week.zone) for order in orders[:MOST_ORDERS_SHOWN]]
    data["orders_not_shown"] = max(0, len(orders) - MOST_ORDERS_SHOWN)
    return data


def _totals(orders: Iterable[Order]) -> list[dict[str, Any]]:
    placed: defaultdict[str, Decimal] = defaultdict(Decimal)
    current: defaultdict[str, Decimal] = defaultdict(Decimal)
    numbers: Counter[str] = Counter()
    for order in orders:
        if order.total is not None:
            now = order.current_total if order.current_total is not None else order.total
            placed[order.total.currency] += order.total.amount
            current[now.currency] += now.amount
            numbers[order.total.currency] += 1
    totals = []
    for currency, number in numbers.most_common():
        total = {"amount": decimal_text(placed[currency], currency), "currency": currency, "orders": number}
        if current[currency] != placed[currency]:
            total["current_amount"] = decimal_text(current[currency], currency)
        totals.append(total)
    return totals


def _by_day(week: Week, orders: Iterable[Order], covered: datetime | None) -> list[dict[str, Any]]:
    by_day: defaultdict[date | None, list[Order]] = defaultdict(list)
    for order in orders:
        by_day[week.day_of(order)].append(order)
    first = covered.astimezone(week.zone).date() if covered is not None else week.start.date()
    return [
        {"date": day.isoformat(), "orders": len(by_day[day]), "totals": _day_totals(by_day[day])}
        for day in week.days
        if day >= first
    ]


def _day_totals(orders: Iterable[Order]) -> list[dict[str, Any]]:
    return [{"amount": total["amount"], "currency": total["currency"]} for total in _totals(orders)]


def _top_items(orders: Iterable[Order], title_limit: int) -> list[dict[str, Any]]:
    """By units sold. A product keeps its newest title; a deleted one is known by its title alone."""
    titles: dict[str, str] = {}
    units: Counter[str] = Counter()
    in_orders: Counter[str] = Counter()
    for order in orders:
        keys = set()
        for item in order.items:
            key = item.product or item.title
            titles.setdefault(key, item.title)
            units[key] += item.quantity
            keys.add(key)
        in_orders.update(keys)
    return [
        {"title": clean(titles[key], title_limit), "quantity": quantity, "orders": in_orders[key]}
        for key, quantity in units.most_common(MOST_ITEMS_SHOWN)
    ]


def _customers(orders: Iterable[Order]) -> dict[str, int]:
    """Different people, by whether this was their first order ever; a guest order has nobody to know."""
    lifetime: dict[str, int] = {}
    guests = 0
    for order in orders:
        guests += order.guest is True
        customer = order.customer
        if customer is not None and customer.id is not None and customer.orders is not None:
            lifetime[customer.id] = max(customer.orders, lifetime.get(customer.id, 0))
    first_time = sum(number <= 1 for number in lifetime.values())
    return {"first_time": first_time, "returning": len(lifetime) - first_time, "guest_orders": guests}
