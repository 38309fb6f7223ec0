"""Plain sentences about tool results, every figure the result's own: what the demo model says, and what CJ says when a
model finds no words. Pure.

A result is what the tool `shopify_data` answers (`workers.shop.results`); its data is described in `shopify.data`.
What is absent is left out, and what is missing is named with its reason.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Result = Mapping[str, Any]

_SUBJECTS = {
    "counts": "how many customers and orders you have",
    "recent_orders": "your recent activity",
    "overview": "your products",
    "week_orders": "the orders of the last seven days",
    "sales": "your sales reports",
}
_CONNECT = "No Shopify store is connected yet, so I can't look anything up. Shall we connect your store?"
_RECONNECT = "Shopify no longer accepts my access to your store. Please reconnect the store, and I'll look again."
_OURS = (
    "I can't read your store's data right now. That is a fault on our side, not your store's, and we are repairing it."
)
_CUT_OFF = {"shopify.not_connected": _CONNECT, "shopify.unauthorized": _RECONNECT, "shopify.no_token": _OURS}
CUT_OFF = frozenset({_CONNECT, _RECONNECT})
"""What is said when nothing can be read until the store is connected (again)."""
_WHY = {
    "shopify.throttled": "Shopify asks me to slow down, so I'll try again in a moment and tell you then.",
    "shopify.unavailable": "Shopify does not answer at the moment. I'll look again by myself and tell you then.",
}
_CURRENCIES = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "CA$", "AUD": "A$"}
_DAY = timedelta(days=1)


def tell(
    results: Mapping[str, Result],
    heard: Iterable[str] = (),
    days: Collection[str] = (),
    now: datetime | None = None,
) -> str:
    """All there is to say about results by data type.

    `heard` are the `reasons` that need not be told again. `days`: "today", "yesterday", where these were asked for.
    `now` is when it is said; None: as soon as it was read.
    """
    said, heard, unseen = list[str](), set(heard), dict[str, list[str]]()
    for data_type, result in results.items():
        if result["success"]:
            sentences = [*_about(data_type, result, days, now), *_missing(data_type, result, heard)]
            said += [*_age(result), *(sentences or [f"I can't see {_SUBJECTS[data_type]}."])]
            heard |= reasons(result)
        elif sentence := cut_off(result):
            said.append(sentence)
        else:
            unseen.setdefault(_why(result), []).append(data_type)
    for why, data_types in unseen.items():
        failed = f"I could not see {subjects(data_types)}"
        said.append(f"{failed} either." if why in heard else f"{failed}. {why}".rstrip())
    return " ".join(dict.fromkeys(said))


def subjects(data_types: Iterable[str]) -> str:
    """What these data types are about, like "your recent activity or your products"."""
    return _listed((_SUBJECTS[data_type] for data_type in data_types), "or")


def reasons(result: Result) -> set[str]:
    """Why something is absent from a result, in sentences."""
    return {entry["reason"] for entry in result.get("missing", ())} | (set() if result["success"] else {_why(result)})


def cut_off(result: Result) -> str | None:
    """What to say when nothing can be read until the store is connected, or connected again; None if it can."""
    return _CUT_OFF.get(str(result.get("error_code")))


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time."""
    return datetime.fromisoformat(text) if text else None


def _why(failure: Result) -> str:
    """Shopify's errors come with a sentence for the merchant, the tool's own with one for the model."""
    code = str(failure.get("error_code"))
    return _WHY.get(code) or (failure["error"] if code.startswith("shopify.") else "")


def _age(result: Result) -> Iterator[str]:
    """That these are old figures, and why there are no newer ones."""
    stale, at = result.get("stale"), moment(result.get("as_of"))
    if stale and at:
        at = at.astimezone(UTC)
        yield f"{stale['reason']} This is what I saw on {at:%B} {at.day} at {at:%H:%M} UTC."


def _missing(data_type: str, result: Result, heard: Collection[str]) -> Iterator[str]:
    """Each reason once, after the parts that are not there at all. Of an overview, only the products are told."""
    parts: dict[str, list[str]] = {}
    for entry in result.get("missing", ()):
        part, reason = entry["part"], entry["reason"]
        if reason not in heard and (data_type != "overview" or part == "best_stocked_products"):
            names = parts.setdefault(reason, [])
            names += [part.replace("_", " ")] if not result["data"].get(part) and "." not in part else []
    for reason, names in parts.items():
        yield f"I can't see the {_listed(names)} in your store. {reason}" if names else reason


def _about(data_type: str, result: Result, days: Collection[str], now: datetime | None) -> Iterable[str]:
    data, read = result.get("data") or {}, moment(result.get("as_of"))
    now = now or read
    missing = {entry["part"] for entry in result.get("missing", ())}
    match data_type:
        case "counts":
            start = moment((result.get("data_window") or {}).get("orders_from"))
            return _counts(data, f" in the last {round((read - start) / _DAY)} days" if read and start else "")
        case "recent_orders" if data.get("orders") or (data and "orders" not in missing):
            return _recent_orders(data, now)
        case "overview" if data and "best_stocked_products" not in missing:
            return _overview(data["shop"]["name"], data["best_stocked_products"])
        case "week_orders" if data:
            return _week_orders(data, days, now)
        case "sales" if data:
            return _sales(data)
    return ()


def _counts(data: Result, window: str) -> Iterator[str]:
    counted = {part: number for part, number in data.items() if isinstance(number, int)}
    if counted.get("customers") == counted.get("orders") == 0:  # without customers, there were no earlier orders either
        yield "You have no customers in your store yet, and no orders either."
        yield "You are just getting started, and I'll be here when the first ones come in."
        return
    nouns = {"customers": "customer", "orders": "order", "open_orders": "open order", "unfulfilled_orders": "order"}
    many = {part: _many(number, nouns[part], part in data.get("at_least", ())) for part, number in counted.items()}
    known = [f"{many['customers']} in your store"] if "customers" in many else []
    known += [f"{many['orders']}{window}"] if "orders" in many else []
    if known:
        yield f"You have {', and '.join(known)}."
    waiting, still_open = counted.get("unfulfilled_orders"), counted.get("open_orders", 0)
    if waiting is not None and counted.get("orders") != 0:
        verb = "is" if waiting == 1 else "are"
        of_all = f", out of {many['open_orders']}" if still_open > waiting else ""
        yield f"{many['unfulfilled_orders'].capitalize()} {verb} waiting to be fulfilled{of_all}."


def _recent_orders(data: Result, now: datetime | None) -> Iterator[str]:
    listed: Sequence[Result] = data["orders"]
    orders = [order for order in listed if not order["test"] and not order["cancelled"]]
    tests = data.get("test_orders", sum(order["test"] for order in listed))
    cancelled = data.get("cancelled_orders", len(listed) - len(orders) - tests)
    if not orders and data.get("more") and listed:
        number = data.get("orders_read", len(listed))
        kinds = " or ".join([*(["tests"] if tests else []), *(["cancelled"] if cancelled else [])])
        yield f"Your newest {_many(number, 'order')} {'is' if number == 1 else 'are'} all {kinds}."
        return
    if not orders:
        yield "I see no recent activity in your store."
    else:
        newest, total = orders[0], _money(order["total"] for order in orders)
        name, one = f" ({newest['name']})" if newest["name"] else "", len(orders) == 1
        which = f"order{name} comes" if one else f"{len(orders)} orders come"
        come_to = f"{which} to {total or 'a total I cannot read'}{_repeat_customers(orders)}"
        yield f"Looking at your recent activity: your latest {come_to}."
        if any("current_total" in order for order in orders):
            yield f"After refunds and changes that is {_money(_now(order) for order in orders)}."
        if now and newest["created_at"]:
            age = now - datetime.fromisoformat(newest["created_at"])
            yield f"{'It' if one else f'The newest{name}'} came in {_ago(age)}."
        yield from _best_seller(orders)
    yield from _left_out(tests, cancelled)


def _now(order: Result) -> Result | None:
    found: Result | None = order.get("current_total") or order["total"]
    return found


def _repeat_customers(orders: Sequence[Result]) -> str:
    again = sum(((order.get("customer") or {}).get("orders") or 0) > 1 for order in orders)
    which = f"{again} of them " if again < len(orders) else {1: "", 2: "both "}.get(again, f"all {again} ")
    return f", {which}from {'a customer' if again == 1 else 'customers'} who ordered more than once" if again else ""


def _best_seller(orders: Sequence[Result]) -> Iterator[str]:
    """If one product stands out, and all of what was ordered is known: units that stand, of goods."""
    units: Counter[tuple[str, str]] = Counter()
    for item in (item for order in orders for item in order["items"] if "kind" not in item):
        units[item["title"], item.get("product", "")] += item.get("current_quantity", item["quantity"])
    ((title, _), most), (_, second) = [*units.most_common(2), (("", ""), 0), (("", ""), 0)][:2]
    if most > max(second, 1) and not any(order.get("more_items") for order in orders):
        yield f"“{title}” sold best: {_many(most, 'unit')}."


def _left_out(tests: int, cancelled: int) -> Iterator[str]:
    if tests or cancelled:
        named = (_many(tests, "test order") if tests else "", _many(cancelled, "cancelled order") if cancelled else "")
        yield f"I left out {_listed(filter(None, named))}."


def _overview(shop: str | None, products: Sequence[Result]) -> Iterator[str]:
    place = f"at {shop}" if shop else "in your shop"
    on_sale = [product for product in products if product.get("status", "ACTIVE") == "ACTIVE"]
    stocked = [product for product in on_sale if (product["inventory"] or 0) > 0]
    for product in stocked[:1]:
        yield f"Best stocked {place} is “{product['title']}”, with {_many(product['inventory'], 'unit')}."
    if not stocked:
        yield f"I see products {place}, but no stock to count." if products else f"There are no products {place} yet."


def _week_orders(data: Result, days: Collection[str], now: datetime | None) -> Iterator[str]:
    """Days are named from the shop's clock as it is now: the data may be of yesterday, and its last day was not over.

    `covered_from` is where an incomplete week begins.
    """
    end = datetime.fromisoformat(data["to"])
    today = (now or end).astimezone(_zone(data, end)).date()
    names = {today.isoformat(): "today so far", (today - _DAY).isoformat(): "yesterday"}
    for row in data["by_day"]:
        name, last = names.get(row["date"], ""), row["date"] == end.date().isoformat()
        if name.startswith(tuple(days)):
            so_far = f" until {end:%H:%M}" if last and name == "yesterday" else ""
            at_least = "at least " if data.get("covered_from", "").startswith(row["date"]) else ""
            number = _many(row["orders"], "order")
            yield f"{name.capitalize()}{so_far}: {at_least}{number}{_money(row['totals'], ' worth ')}."
    if "today" in days and end.date() < today:
        yield "I have no figures of today yet."
    number, totals = data["orders_counted"], data["totals"]
    partly = bool(data.get("truncated"))
    there = f"there {'was' if number == 1 else 'were'}{' at least' if partly else ''}"
    which = "last seven days" if end.date() == today else f"seven days up to {end:%B} {end.day}"
    yield f"In the {which} {there} {_many(number, 'order')}{_money(totals, ' worth ')}."
    if any("current_amount" in total for total in totals):
        left = [{**total, "amount": total.get("current_amount", total["amount"])} for total in totals]
        yield f"After refunds and changes that is {_money(left)}."
    for item in data["top_items"][:1]:
        of_these = " among these" if partly else ""
        yield f"“{item['title']}” sold best{of_these}: {_many(item['quantity'], 'unit')}."
    if returning := data.get("customers", {}).get("returning"):
        yield f"Among the buyers: {_many(returning, 'returning customer')}."
    yield from _left_out(data.get("test_orders", 0), data.get("cancelled_orders", 0))


def _sales(data: Result) -> Iterator[str]:
    """The period asked for, then the one it is held against."""
    current, before = data["current"], data.get("previous")
    total, number = _money([current["total_sales"]]), current["orders"]
    so_far = " so far" if current["so_far"] else ""
    of = f", from {_many(number, 'order')}" if number is not None else ""
    yield f"{_span(current)} your total sales{so_far} are {total or 'a figure I cannot read'}{of}."
    if returns := current["returns"]:
        taken = f" after {_money([returns])} of returns" if Decimal(returns["amount"]) else ""
        yield f"Net sales are {_money([current['net_sales']])}{taken}."
    if average := _money([current["average_order_value"]]):
        yield f"An average order is worth {average}."
    if before and (earlier := _money([before["total_sales"]])):
        yield f"{_span(before)} total sales were {earlier}."


def _span(figures: Result) -> str:
    """Like "On November 3" or "From November 1, 2025 to October 31, 2026"."""
    first, last = (date.fromisoformat(figures[day]) for day in ("from", "to"))
    year = f", {first.year}" if first.year != last.year else ""
    return (
        f"From {first:%B} {first.day}{year} to {last:%B} {last.day}, {last.year}"
        if first < last
        else (f"On {first:%B} {first.day}, {first.year}")
    )


def _zone(data: Result, end: datetime) -> tzinfo | None:
    """The shop's, by its name: on another day its clock may differ by an hour. Else the offset of the data's end."""
    try:
        return ZoneInfo(data.get("time_zone") or "")
    except (KeyError, ValueError, OSError):
        return end.tzinfo


def _ago(age: timedelta) -> str:
    """In the largest unit that fits: unlike "yesterday", true in every time zone."""
    for unit, length in (("day", _DAY), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if number := max(age, timedelta()) // length:
            return "a day ago" if number == 1 and unit == "day" else f"{_many(number, unit)} ago"
    return "just now"


def _many(number: int, noun: str, at_least: bool = False) -> str:
    """Like "1 order", "1,500 orders", "no orders", "10,000+ orders"."""
    return f"{f'{number:,}' if number else 'no'}{'+' if at_least else ''} {noun}{'' if number == 1 else 's'}"


def _money(amounts: Iterable[Result | None], before: str = "") -> str:
    """The sum in each currency, like "$1,512.30 and 40.00 CHF"; empty if there is no amount."""
    sums: dict[str, Decimal] = {}
    for money in filter(None, amounts):
        sums[money["currency"]] = sums.get(money["currency"], Decimal()) + Decimal(money["amount"])
    told = [f"{_CURRENCIES[of]}{sum_:,f}" if of in _CURRENCIES else f"{sum_:,f} {of}" for of, sum_ in sums.items()]
    return before + _listed(told) if told else ""


def _listed(names: Iterable[str], before_the_last: str = "and") -> str:
    """Like "this, that and the other"."""
    *most, last = names
    return f"{', '.join(most)} {before_the_last} {last}" if most else last
