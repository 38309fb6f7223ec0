"""Plain sentences about tool results, with figures taken only from the result: what the demo model says, and what CJ
says when a model gives no text. Pure.

A result is what the tool `shopify_data` answers (`workers.shop.results`); its data is described in `shopify.data`.
Absent fields are left out; what is in `missing` is named with its reason.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shopify.data.scalars import time_zone
from shopify.errors import not_permitted

Result = Mapping[str, Any]

INSIGHTS = ("counts", "recent_orders", "overview")
"""The data types read, in this order, when a store was just connected."""

RECONNECTED = "Your store is connected again."
ANOTHER_STORE = "Your other store is connected now."
AS_PROMISED = "I looked again, as promised."
"""How an answer begins that brings what was missing before."""

_SUBJECTS = {
    "counts": "how many customers and orders you have",
    "recent_orders": "your recent activity",
    "overview": "your products",
    "week_orders": "the orders of the last seven days",
    "sales": "your sales reports",
}
_CONNECT = "No Shopify store is connected, so I can't look anything up. Shall we connect your store?"
_RECONNECT = "Shopify no longer accepts my access to your store. Please reconnect the store, and I'll look again."
_OURS = (
    "I can't read your store's data right now. That is a fault on our side, not your store's, and we are repairing it."
)
_CUT_OFF = {"shopify.not_connected": _CONNECT, "shopify.unauthorized": _RECONNECT, "shopify.no_token": _OURS}
CUT_OFF = frozenset({_CONNECT, _RECONNECT})
"""The answer when nothing can be read until the store is connected (again)."""
_WHY = {
    "shopify.throttled": "Shopify asks me to slow down, so I'll try again in a moment and tell you then.",
    "shopify.unavailable": "Shopify does not answer at the moment. I'll look again by myself and tell you then.",
    "tool.no_answer": "The data cannot be read right now. I'll look again by myself and tell you then.",
}
LOOKS_AGAIN = frozenset(_WHY)
"""The errors after which CJ looks again by itself."""
CURRENCIES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹"}
"""Other currencies are written as their code before the amount."""
_LEFT_OUT = "I left out "
_SENTENCE_ENDS = re.compile(r"(?<=[.!?])\s+")
_DAY = timedelta(days=1)
_MOST_BEST = 3
"""Of more products that sold equally well none is named; nor if all did."""


def tell(results: Mapping[str, Result], said: str = "") -> str:
    """Everything there is to say about fresh results by data type. `said`: see `seen`."""
    return " ".join(sentences(results, said))


def sentences(
    results: Mapping[str, Result], said: str = "", *, now: datetime | None = None, asked: str = ""
) -> list[str]:
    """What was seen, then what was not, and why."""
    told = seen(results, said, now=now, asked=asked)
    return [*told, *unseen(results, " ".join([said, *told]))]


def seen(results: Mapping[str, Result], said: str = "", *, now: datetime | None = None, asked: str = "") -> list[str]:
    """What these results show.

    `said` is the answer so far: nothing in it is repeated. `now` is the time of the answer; None: right after reading.
    `asked` is the question, in lower case: the days that it names and the details of sales are told only then.
    """
    told: list[str] = []
    for data_type, result in results.items():
        for sentence in [*_age(result, now), *_about(data_type, result, now, asked), *_notes(data_type, result)]:
            begins = _LEFT_OUT if sentence.startswith(_LEFT_OUT) else sentence
            if begins not in " ".join([said, *told]):
                told.append(sentence)
    return told


def unseen(results: Mapping[str, Result], said: str = "") -> list[str]:
    """What these results lack, each reason once; nothing that is in `said`."""
    gone = [sentence for result in results.values() if (sentence := cut_off(result))]
    missing, denied = dict[str, dict[str, None]](), list[str]()
    for data_type, result in results.items():
        for reason, what, permissions in _lacks(data_type, result):
            denied += permissions
            if what and not permissions:
                missing.setdefault(reason, {})[what] = None
    for reason, whats in missing.items():
        why = [part for part in _SENTENCE_ENDS.split(reason) if part and part not in " ".join([said, *gone])]
        gone.append(" ".join([f"I could not see {_any_of(whats)}.", *why]))
    gone += [not_permitted(list(dict.fromkeys(denied)))] if denied else []
    return [sentence for sentence in dict.fromkeys(gone) if sentence not in said]


def cut_off(result: Result) -> str | None:
    """What to say when nothing can be read until the store is connected, or connected again; None if it can."""
    return _CUT_OFF.get(str(result.get("error_code")))


def subjects(data_types: Collection[str]) -> str:
    """What these data types are about, like "your recent activity or your products"."""
    return _any_of([_SUBJECTS[data_type] for data_type in data_types])


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time."""
    return datetime.fromisoformat(text) if text else None


def _lacks(data_type: str, result: Result) -> Iterator[tuple[str, str, Sequence[str]]]:
    """For each part that is missing: why, what (empty if some of it is there), and what may not be read."""
    data = result.get("data") or {}
    if not result["success"] and not cut_off(result):
        yield _why(result), _SUBJECTS[data_type], result.get("permissions", ())
    missing = result.get("missing", ())
    if result["success"] and not data and not missing:
        yield "", _SUBJECTS[data_type], ()
    for entry in missing:
        part = entry["part"]
        if part == "top_items" or (data_type == "overview" and part != "best_stocked_products"):
            continue  # said with what sold best, or not spoken of
        what = "" if "." in part or data.get(part) else f"your {part.replace('_', ' ')}"
        if part == "customers" and data_type != "counts":
            what = "who placed your orders"
        yield entry["reason"], what, entry.get("permissions", ())


def _why(failure: Result) -> str:
    """Shopify's errors come with a sentence for the merchant, the tool's own with one for the model."""
    code = str(failure.get("error_code"))
    return _WHY.get(code) or (failure["error"] if code.startswith("shopify.") else "")


def _notes(data_type: str, result: Result) -> list[str]:
    """Why parts of it are incomplete."""
    return [reason for reason, what, permissions in _lacks(data_type, result) if not what and not permissions]


def _age(result: Result, now: datetime | None) -> Iterator[str]:
    """Says that the figures are old and why there are no newer ones."""
    stale, at = result.get("stale"), moment(result.get("as_of"))
    if stale and at:
        at = at.astimezone(now.tzinfo if now else UTC)
        yield f"{stale['reason']} This is what I saw on {at:%B} {at.day} at {at:%H:%M}{'' if now else ' UTC'}."


def _about(data_type: str, result: Result, now: datetime | None, asked: str) -> Iterable[str]:
    data, read = result.get("data") or {}, moment(result.get("as_of"))
    now = now or read
    if now and (zone := time_zone(data.get("time_zone"))):
        now = now.astimezone(zone)
    missing = {entry["part"] for entry in result.get("missing", ())}
    window = result.get("data_window") or {}
    match data_type:
        case "counts":
            start = moment(window.get("orders_from"))
            return _counts(data, f" in the last {round((read - start) / _DAY)} days" if read and start else "")
        case "recent_orders" if data.get("orders") or (data and "orders" not in missing):
            return _recent_orders(data, now, is_all=window.get("complete_history", False) and not missing)
        case "overview" if data and "best_stocked_products" not in missing:
            return _overview(data["shop"]["name"], data["best_stocked_products"])
        case "week_orders" if data:
            return _week_orders(data, now, asked, are_items_missing="top_items" in missing)
        case "sales" if data:
            return _sales(data, is_asked=bool(asked))
    return ()


def _counts(data: Result, window: str) -> Iterator[str]:
    nouns = {"customers": "customer", "orders": "order", "open_orders": "open order", "unfulfilled_orders": "order"}
    numbers = {part: number for part in nouns if (number := data.get(part)) is not None}
    if numbers.get("customers") == numbers.get("orders") == 0:
        yield "You have no customers in your store yet, and no orders either."
        yield "You are just getting started, and I'll be here when the first ones come in."
        return
    many = {part: _many(number, nouns[part], part in data.get("at_least", ())) for part, number in numbers.items()}
    known = [f"{many['customers']} in your store"] if "customers" in many else []
    known += [f"{many['orders']}{window}"] if "orders" in many else []
    if known:
        yield f"You have {', and '.join(known)}."
    waiting = numbers.get("unfulfilled_orders")
    if waiting is not None and numbers.get("orders") != 0:
        of_all = f", out of {many['open_orders']}" if numbers.get("open_orders", 0) > waiting else ""
        yield f"{many['unfulfilled_orders'].capitalize()} {_be(waiting, 'is')} waiting to be fulfilled{of_all}."


def _recent_orders(data: Result, now: datetime | None, *, is_all: bool) -> Iterator[str]:
    """`is_all`: no order is too old to be read."""
    all_listed: Sequence[Result] = data["orders"]
    orders = real_orders(all_listed)
    if orders:
        newest, total = orders[0], _money(order["total"] for order in orders)
        name = f" ({newest['name']})" if newest["name"] else ""
        which = "all" if is_all and len(orders) == len(all_listed) and not data.get("more") else "your latest"
        come = f"{which} {len(orders)} orders come" if len(orders) > 1 else f"your latest order{name} comes"
        again = sum(((order.get("customer") or {}).get("orders") or 0) > 1 for order in orders)
        yield (
            f"Looking at your recent activity: {come} to {total or 'a total I cannot read'}"
            f"{_from_customers_who_came_back(again, len(orders))}."
        )
        if any("current_total" in order for order in orders):
            left = (order.get("current_total") or order["total"] for order in orders)
            yield f"After refunds and changes that is {_money(left)}."
        if now and newest["created_at"]:
            at = datetime.fromisoformat(newest["created_at"])
            yield f"{'It' if len(orders) == 1 else f'The newest{name}'} came in {_ago(at, now)}."
    elif all_listed:
        yield "Your newest orders are all tests or cancelled."
    else:
        yield "I see no recent activity in your store."
    tests = data.get("test_orders", sum(order["test"] for order in all_listed))
    yield from _left_out(tests, data.get("cancelled_orders", len(all_listed) - len(orders) - tests))


def real_orders(orders: Iterable[Result]) -> list[Result]:
    """Those that are neither tests nor cancelled."""
    return [order for order in orders if not order["test"] and not order["cancelled"]]


def _from_customers_who_came_back(again: int, orders: int) -> str:
    which = "" if orders == 1 else "all of them " if again == orders else f"{again} of them "
    return f", {which}from {'a customer' if again == 1 else 'customers'} who ordered more than once" if again else ""


def _left_out(tests: int, cancelled: int) -> Iterator[str]:
    numbers = {"test order": tests, "cancelled order": cancelled}
    if named := [_many(number, kind) for kind, number in numbers.items() if number]:
        yield f"{_LEFT_OUT}{_listed(named)}."


def _overview(shop: str | None, products: Sequence[Result]) -> Iterator[str]:
    place = f"at {shop}" if shop else "in your shop"
    stocked = in_stock(products)
    for product in stocked[:1]:
        yield f"Your best-stocked product {place} is “{product['title']}”, with {_many(product['inventory'], 'unit')}."
    if not stocked:
        yield f"I see products {place}, but no stock to count." if products else f"There are no products {place} yet."


def in_stock(products: Iterable[Result]) -> list[Result]:
    """Those that are sold and in stock."""
    active = [product for product in products if product.get("status", "ACTIVE") == "ACTIVE"]
    return [product for product in active if (product["inventory"] or 0) > 0]


def _week_orders(data: Result, now: datetime | None, asked: str, *, are_items_missing: bool) -> Iterator[str]:
    """Days are named by the shop's clock at the time of the answer: the data may be from the day before."""
    end = datetime.fromisoformat(data["to"])
    today = (now or end).astimezone(end.tzinfo).date()
    is_of_today = end.date() == today
    near = {today: ("today", "Today so far"), today - _DAY: ("yesterday", "Yesterday")} if is_of_today else {}
    told = False
    for row in data["by_day"]:
        day = date.fromisoformat(row["date"])
        name, on_the_day = near.get(day, (f"{day:%A}".lower(), f"On {day:%A}, {day:%B} {day.day},"))
        if name in asked:
            told = True
            were = _be(row["orders"], "has been" if name == "today" else "was")
            were += " at least" if data.get("covered_from", "").startswith(row["date"]) else ""
            yield f"{on_the_day} there {were} {_many(row['orders'], 'order')}{_money(row['totals'], ' worth ')}."
    if told and "week" not in asked:
        return
    number, totals, is_partial = data["orders_counted"], data["totals"], bool(data.get("truncated"))
    which = "last seven days" if is_of_today else f"seven days up to {end:%B} {end.day}"
    at_least = " at least" if is_partial else ""
    yield f"In the {which} there {_be(number, 'was')}{at_least} {_many(number, 'order')}{_money(totals, ' worth ')}."
    if any("current_amount" in total for total in totals):
        left = [{**total, "amount": total.get("current_amount", total["amount"])} for total in totals]
        yield f"After refunds and changes that is {_money(left)}."
    counted = " of what I could count" if is_partial or are_items_missing else ""
    items = data["top_items"]
    best = [f"“{item['title']}”" for item in items if item["quantity"] == items[0]["quantity"]]
    if len(best) == 1 or (len(best) < len(items) and len(best) <= _MOST_BEST):
        each = " each" if len(best) > 1 else ""
        yield f"{_listed(best)} sold best{counted}: {_many(items[0]['quantity'], 'unit')}{each}."
    if returning := data.get("customers", {}).get("returning"):
        yield f"Among the buyers {_be(returning, 'was')} {_many(returning, 'returning customer')}."
    yield from _left_out(data.get("test_orders", 0), data.get("cancelled_orders", 0))


def _sales(data: Result, *, is_asked: bool) -> Iterator[str]:
    """The period asked for, then the one it is compared with."""
    current, before = data["current"], data.get("previous")
    total, number = _money([current["total_sales"]]), current["orders"]
    so_far, are = (" so far", "are") if current["so_far"] else ("", "were")
    is_usual = data.get("period") == "last_30_days"
    when = "In the last 30 days" if is_usual else _span(current)
    if number == 0 and not Decimal((current["total_sales"] or {}).get("amount", "0")):
        if is_asked:
            yield f"{when} there were no orders{so_far}."
        return
    of = f", from {_many(number, 'order')}" if number is not None else ""
    yield f"{when} your total sales{so_far} {are} {total or 'a figure I cannot read'}{of}."
    if is_asked and (returns := current["returns"]):
        taken = f" after {_money([returns])} of returns" if Decimal(returns["amount"]) else ""
        yield f"Net sales {are} {_money([current['net_sales']])}{taken}."
    if is_asked and (average := _money([current["average_order_value"]])):
        yield f"An average order {'is' if so_far else 'was'} worth {average}."
    if before and (earlier := _money([before["total_sales"]])):
        then = "In the 30 days before," if is_usual else _span(before)
        yield f"{then} you made {earlier} in total sales."


def _span(figures: Result) -> str:
    """Like "On November 3, 2026" or "From November 1, 2025 to October 31, 2026"."""
    first, last = (date.fromisoformat(figures[day]) for day in ("from", "to"))
    until = f"{last:%B} {last.day}, {last.year}"
    year = f", {first.year}" if first.year != last.year else ""
    return f"From {first:%B} {first.day}{year} to {until}" if first < last else f"On {until}"


def _ago(at: datetime, now: datetime) -> str:
    """How long ago, as people say it; `now` is in the shop's time zone."""
    age, at = max(now - at, timedelta()), at.astimezone(now.tzinfo)
    days = (now.date() - at.date()).days
    if age < timedelta(hours=12) or days == 0:
        hours, minutes = age // timedelta(hours=1), age // timedelta(minutes=1)
        return f"{_many(hours, 'hour') if hours else _many(minutes, 'minute')} ago" if minutes else "just now"
    if days == 1:
        return "yesterday"
    return f"on {at:%B} {at.day}{f', {at.year}' if at.year != now.year else ''}"


def _many(number: int, noun: str, at_least: bool = False) -> str:
    """Like "1 order", "1,500 orders", "no orders", "10,000+ orders"."""
    return f"{f'{number:,}' if number else 'no'}{'+' if at_least else ''} {noun}{'' if number == 1 else 's'}"


def _be(number: int, singular: str) -> str:
    return singular if number == 1 else {"is": "are", "was": "were", "has been": "have been"}[singular]


def _money(amounts: Iterable[Result | None], before: str = "") -> str:
    """The sum in each currency, like "$1,512.30 and CHF 40.00"; empty if there is no amount."""
    told = [
        f"{'-' if sum_ < 0 else ''}{CURRENCIES.get(of, f'{of} ')}{abs(sum_):,f}" for of, sum_ in sums(amounts).items()
    ]
    return before + _listed(told) if told else ""


def sums(amounts: Iterable[Result | None]) -> dict[str, Decimal]:
    """The sum in each currency."""
    found: dict[str, Decimal] = {}
    for money in filter(None, amounts):
        found[money["currency"]] = found.get(money["currency"], Decimal()) + Decimal(money["amount"])
    return found


def _listed(names: Iterable[str], before_the_last: str = "and") -> str:
    """Like "this, that and the other"."""
    *most, last = names
    return f"{', '.join(most)} {before_the_last} {last}" if most else last


def _any_of(whats: Collection[str]) -> str:
    is_everything = {_SUBJECTS[data_type] for data_type in INSIGHTS} <= {*whats}
    return "your store's data" if is_everything else _listed(whats, "or")
