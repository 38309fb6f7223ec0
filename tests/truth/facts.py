"""Facts that phrasings may mention, in addition to those of `workers.evaluate.world`.

They are read from the results themselves, since only the words about them are tried here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import httpx
from pydantic import SecretStr

from events.data_types import DATA_TYPES
from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.development_store.server import DevelopmentStore
from shopify.development_store.tokens import token_for
from workers.agent.calculate_metrics import MetricsArguments, calculate
from workers.evaluate.world import SCOPES, StoreFact, World
from workers.shop import results
from workers.shop.results import Result

PERIODS = {"s7": "last_7_days", "sm": "this_month", "sl": "last_month", "sy": "yesterday", "s30": "last_30_days"}
AMOUNTS = {
    "total": "total_sales",
    "net": "net_sales",
    "gross": "gross_sales",
    "returns": "returns",
    "discounts": "discounts",
    "taxes": "taxes",
    "shipping": "shipping_charges",
    "aov": "average_order_value",
}
NOW = datetime(2026, 3, 14, 15, 30, tzinfo=UTC)
"""Of runs that must be the same again."""
Read = Mapping[str, Result]
"""Results by data type; of sales, one for each period: "sales:last_7_days"."""


def read(world: World, store: DevelopmentStore, http: httpx.Client) -> Read:
    """All data types, as the shop's worker reads them."""
    token = SecretStr(token_for(world.shop_domain))
    client = ShopifyClient(world.shop_domain, token, http=http, admin_url=store.admin_url)

    def one(data_type: str, **more: str) -> Result:
        fetched = fetch(client, data_type, scopes=SCOPES, now=world.now, **more)  # type: ignore[arg-type]
        return results.fetched(data_type, fetched, world.now)

    found = {data_type: one(data_type) for data_type in DATA_TYPES if data_type != "sales"}
    return found | {f"sales:{period}": one("sales", period=period) for period in PERIODS.values()}


def known(world: World, found: Read) -> World:
    """The world with all that phrasings may speak of."""
    facts = {fact.name: fact for part in (_recent, _week, _stock, _sales) for fact in part(world, found)}
    if (change := world.facts.get("day_change")) is not None:
        facts["day_abschange"] = replace(change, name="day_abschange", value=abs(change.value))
    own = {name: fact for name, fact in world.facts.items() if fact.data != "sales"}  # of these here, by period
    facts = own | facts
    return replace(world, facts=facts | {fact.name: fact for fact in _worked_out(facts)})


def _date(text: str) -> date:
    return datetime.fromisoformat(text).date()


def _calculated(name: str, kind: Any, source: str, found: Read, **asked: str) -> Iterator[StoreFact]:
    arguments = {"data_type": source.partition(":")[0], **asked}
    result = calculate(MetricsArguments.model_validate(arguments), [found[source]])
    if result["success"]:
        [figure] = result["data"]["results"]
        value = int(figure["value"]) if kind == "count" else Decimal(figure["value"])
        yield StoreFact(name, kind, value, source, figure.get("currency"), arguments)


def _recent(world: World, found: Read) -> Iterator[StoreFact]:
    source, asked = "recent_orders", {"rows": "orders"}
    for name, where in (("unpaid", "unpaid"), ("fulfilled", "fulfilled"), ("first", "first_time")):
        yield from _calculated(f"recent_{name}", "count", source, found, **asked, metric="count", where=where)
    yield from _calculated("recent_share", "percent", source, found, **asked, metric="share", where="returning")
    orders = [order for order in found[source]["data"]["orders"] if not order["test"] and not order["cancelled"]]
    if len(orders) > 2:
        yield StoreFact("third", "order", orders[2]["name"], source)
        yield StoreFact("third_total", "money", Decimal(orders[2]["total"]["amount"]), source, world.currency)
    for name, order in zip(("newest", "second"), orders, strict=False):
        paid, sent = order["financial_status"], order["fulfillment_status"]
        flags = {
            "paid": paid == "PAID",
            "pending": paid == "PENDING",
            "sent": sent == "FULFILLED",
            "unsent": sent == "UNFULFILLED",
            "guest": order["customer"] is None,
        }
        yield from (StoreFact(f"{name}_is_{flag}", "count", int(holds), source) for flag, holds in flags.items())
        if order["customer"]:
            yield StoreFact(f"{name}_customer_orders", "count", order["customer"]["orders"], source)


def _week(world: World, found: Read) -> Iterator[StoreFact]:
    source = "week_orders"
    days = found[source]["data"]["by_day"]
    for number, day in enumerate(days):
        yield StoreFact(f"d{number}", "count", day["orders"], source)
        yield StoreFact(f"d{number}_day", "date", _date(day["date"]), source)
        for total in day["totals"]:
            yield StoreFact(f"d{number}_total", "money", Decimal(total["amount"]), source, world.currency)
    quiet = [day for day in days if not day["orders"]]
    if len(quiet) == 1:
        yield StoreFact("quiet_day", "date", _date(quiet[0]["date"]), source)
    yield StoreFact("days_with_orders", "count", len(days) - len(quiet), source)
    totals = sorted((Decimal(total["amount"]), day["date"]) for day in days for total in day["totals"])
    if len(totals) > 1 and totals[-1][0] > totals[-2][0]:
        yield StoreFact("top_money_day", "date", _date(totals[-1][1]), source)
        yield StoreFact("top_money", "money", totals[-1][0], source, world.currency)
    yield StoreFact("first_day_from", "date", _date(days[0]["date"]), source)
    if begins := found["counts"]["data_window"]["orders_from"]:  # none of a shop that is younger
        yield StoreFact("window_from", "date", datetime.fromisoformat(begins).astimezone(world.zone).date(), "counts")


def _stock(_world: World, found: Read) -> Iterator[StoreFact]:
    products = found["overview"]["data"]["best_stocked_products"]
    stocked = [product for product in products if product["inventory"] is not None]
    if len(stocked) > 2 and [each["inventory"] for each in stocked].count(stocked[2]["inventory"]) == 1:
        yield StoreFact("third_stocked", "product", stocked[2]["title"], "overview")
        yield StoreFact("third_stocked_units", "count", stocked[2]["inventory"], "overview")


def _sales(world: World, found: Read) -> Iterator[StoreFact]:
    for name, period in PERIODS.items():
        source = f"sales:{period}"
        for half, prefix in (("current", f"{name}_"), ("previous", f"{name}_prev_")):
            figures = found[source]["data"][half]
            for short, of in AMOUNTS.items():
                if figures[of] is not None:
                    amount = Decimal(figures[of]["amount"])
                    yield StoreFact(f"{prefix}{short}", "money", amount, source, world.currency)
            yield StoreFact(f"{prefix}orders", "count", figures["orders"], source)
            yield from (StoreFact(f"{prefix}{day}", "date", _date(figures[day]), source) for day in ("from", "to"))
        for short, of in (("total", "total_sales"), ("orders", "orders")):
            for metric, what in (("percent_change", "change"), ("difference", "diff")):
                kind = "percent" if what == "change" else "count" if of == "orders" else "money"
                asked = {"rows": "periods", "metric": metric, "of": of}
                for fact in _calculated(f"{name}_{short}_abs{what}", kind, source, found, **asked):
                    yield replace(fact, value=abs(fact.value), currency=world.currency if kind == "money" else None)


_GAPS: Mapping[str, tuple[str, ...]] = {
    "top_gap": ("top_item_units", "second_item_units"),
    "newest_gap": ("newest_total", "second_total"),
    "today_gap": ("today", "yesterday"),
    "open_not_waiting": ("open_orders", "unfulfilled_orders"),
    "sm_sl_gap": ("sl_orders", "sm_orders"),
    "sm_sl_money_gap": ("sl_total", "sm_total"),
    "refund_gap": ("week_total", "week_after_refunds"),
}
_SUMS: Mapping[str, tuple[str, ...]] = {
    "stock_sum": ("stocked_units", "second_stocked_units"),
    "newest_second_sum": ("newest_total", "second_total"),
    "three_total": ("newest_total", "second_total", "third_total"),
}
_SHARES = {
    "open_share": ("open_orders", "orders"),
    "guest_share": ("recent_guests", "recent"),
    "returns_share": ("s30_returns", "s30_gross"),
    "best_share": ("best_day_orders", "week_orders"),
    "top_money_share": ("top_money", "week_total"),
    "max_share": ("recent_maximum", "recent_total"),
    "sy_share": ("sy_total", "s7_total"),
}
_PER_DAY = {"week_perday_money": ("week_total", 7), "s30_perday": ("s30_total", 30)}


def _worked_out(facts: Mapping[str, StoreFact]) -> Iterator[StoreFact]:
    """What a model works out by itself from figures of the same answer."""

    def of(*names: str) -> list[StoreFact]:
        return [facts[name] for name in names] if set(names) <= facts.keys() else []

    def like(name: str, fact: StoreFact, value: Any, **changed: Any) -> StoreFact:
        return replace(fact, name=name, value=value, calculate=None, **changed)

    for name, names in _GAPS.items():
        if found := of(*names):
            yield like(name, found[0], abs(found[0].value - found[1].value))
    for name, names in _SUMS.items():
        if found := of(*names):
            yield like(name, found[0], sum(fact.value for fact in found))
    for name, (part, whole) in _SHARES.items():
        if (found := of(part, whole)) and found[1].value:
            share = (Decimal(found[0].value) * 100 / Decimal(found[1].value)).quantize(Decimal("0.1"), ROUND_HALF_UP)
            yield like(name, found[0], share, kind="percent", currency=None)
    if (found := of("first_time", "returning")) and (buyers := found[0].value + found[1].value):
        share = (Decimal(found[0].value) * 100 / buyers).quantize(Decimal("0.1"), ROUND_HALF_UP)
        yield like("new_share", found[0], share, kind="percent")
    if (found := of("s30_total", "s30_prev_total")) and found[1].value:
        ratio = (found[0].value / found[1].value).quantize(Decimal("0.1"), ROUND_HALF_UP)
        yield like("s30_ratio", found[0], ratio, kind="number", currency=None)
    for name, (total, days) in _PER_DAY.items():
        for fact in of(total):
            unit = Decimal(1) if fact.currency == "JPY" else Decimal("0.01")
            yield like(name, fact, (fact.value / days).quantize(unit, ROUND_HALF_UP))
    if found := of("stocked_units", "stocked_price"):
        yield like("stock_value", found[1], found[0].value * found[1].value)
