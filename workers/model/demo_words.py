"""What the demo model says about tool results: true figures in plain sentences, nothing invented. Pure.

A result is what the tool `shopify_data` answers, see `workers/shop/results.py`; the data are described in
`shopify/data.py`. What is absent is left out or named, never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta
from typing import Any

from workers.model.demo_figures import ago, in_words, many, moment, money, period, rows, whole

Result = Mapping[str, Any]
Data = Mapping[str, Any]

NOT_CONNECTED = "shopify.not_connected"
REFUSED = frozenset({"shopify.unauthorized", "shopify.no_token"})

_SUBJECTS = {
    "counts": "how many customers and orders your store has",
    "recent_orders": "your recent activity",
    "overview": "your shop and its products",
    "week_orders": "the orders of the last seven days",
}
_PARTS = {
    "customers": "your customers",
    "orders": "your orders",
    "open_orders": "your open orders",
    "unfulfilled_orders": "the orders waiting to be fulfilled",
    "recent_orders": "your latest orders",
    "best_stocked_products": "your products",
}


def about(data_type: str, result: Result, days: Collection[str] = ()) -> str:
    """All there is to say about one result. `days`: "today", "yesterday", where these were asked for."""
    if not result.get("success"):
        return cut_off(result) or _failed(data_type, result)
    data = result.get("data")
    data = data if isinstance(data, Mapping) else {}
    sentences: Iterable[str] = ()
    match data_type:
        case "counts":
            sentences = _counts(data, result)
        case "recent_orders":
            sentences = _recent_orders(data, result)
        case "overview":
            sentences, result = _overview(data, result), _only(result, "best_stocked_products")
        case "week_orders":
            sentences = _week_orders(data, days)
    return " ".join([*_old(result), *sentences, *_missing(result)])


def cut_off(result: Result) -> str | None:
    """What to say when the store cannot be read at all until it is connected, or connected again; None if it can."""
    if result.get("success"):
        return None
    code = result.get("error_code")
    if code == NOT_CONNECTED:
        return "No Shopify store is connected yet, so I can't look anything up. Shall we connect your store?"
    if code in REFUSED or "unauthorized" in str(result.get("error")).lower():
        return (
            "Shopify no longer accepts my access to your store. "
            "Please reconnect the store, then I can look at it again."
        )
    return None


def _failed(data_type: str, result: Result) -> str:
    code, error = str(result.get("error_code")), str(result.get("error") or "")
    subject = _SUBJECTS.get(data_type, "that")
    if code == "shopify.throttled" or "rate limit" in error.lower():
        return f"Shopify asks me to slow down, so I could not see {subject}; I'll try again in a moment."
    sentence = f"I could not see {subject} just now."
    if code == "shopify.unavailable":
        return f"{sentence} Shopify does not answer at the moment."
    # Shopify's other troubles come with a sentence for the merchant, the tool's own with one for the model.
    return f"{sentence} {error}" if code.startswith("shopify.") and error else sentence


def _old(result: Result) -> list[str]:
    """That these are old figures, and why there are no newer ones."""
    stale, at = result.get("stale"), moment(result.get("as_of"))
    if not isinstance(stale, Mapping):
        return []
    since = f" on {at.astimezone(UTC):%B} {at.astimezone(UTC).day} at {at.astimezone(UTC):%H:%M} UTC" if at else ""
    return [str(stale.get("reason") or "Shopify tells me nothing new."), f"This is what I saw{since or ' before'}."]


def _missing(result: Result) -> list[str]:
    """For each reason one sentence with all the parts it is about."""
    parts: dict[str, list[str]] = {}
    for entry in rows(result.get("missing")):
        named = _PARTS.get(str(entry.get("part"))) if entry.get("code") != "shopify.truncated" else None
        parts.setdefault(str(entry.get("reason") or ""), []).extend([named] if named else [])
    told = [(f"I could not see {_listed(names)}." if names else "", reason) for reason, names in parts.items()]
    return [sentence for pair in told for sentence in pair if sentence]


def _only(result: Result, part: str) -> Result:
    """The result as if nothing but this part, all that is spoken of, could be missing."""
    return {**result, "missing": [entry for entry in rows(result.get("missing")) if entry.get("part") == part]}


def _lacks(result: Result, part: str) -> bool:
    return any(entry.get("part") == part for entry in rows(result.get("missing")))


# --- counts -----------------------------------------------------------------------------------------------------


def _counts(data: Data, result: Result) -> list[str]:
    customers, orders = whole(data.get("customers")), whole(data.get("orders"))
    first = f"{_customers(data, customers)}{_and_orders(data, result, seen=customers is not None)}."
    if customers == 0 and orders == 0:
        return [first, "You are just getting started, and I'll be here when the first ones come in."]
    if orders == 0:
        return [first]
    waiting = _in_state(data, "unfulfilled_orders", "waiting to be fulfilled")
    if whole(data.get("unfulfilled_orders")) == 0:
        waiting = ["No order is waiting to be fulfilled."]
    same = data.get("open_orders") == data.get("unfulfilled_orders")
    return [first, *waiting, *([] if same else _in_state(data, "open_orders", "open altogether"))]


def _customers(data: Data, number: int | None) -> str:
    if number is None:
        return "I can't see the customers in your store"
    if number == 0:
        return "There are no customers in your store yet"
    if number == 1:
        return "Looking at the customers in your store, I see the very first one"
    return f"You have {many(number, 'customer', 'customers' in _at_least(data))} in your store"


def _and_orders(data: Data, result: Result, *, seen: bool) -> str:
    number = whole(data.get("orders"))
    if number is None:
        return ""
    placed = many(number, "order", "orders" in _at_least(data))
    placed += period(result.get("data_window"), result.get("as_of"))
    return f", and {placed}" if seen else f", but there {_be(number, 'was', 'were')} {placed}"


def _in_state(data: Data, part: str, state: str) -> list[str]:
    number = whole(data.get(part))
    if not number:
        return []
    return [f"{many(number, 'order', part in _at_least(data))} {_be(number, 'is', 'are')} {state}."]


def _at_least(data: Data) -> Collection[Any]:
    named = data.get("at_least")
    return named if isinstance(named, list) else ()


# --- recent orders ----------------------------------------------------------------------------------------------


def _recent_orders(data: Data, result: Result) -> list[str]:
    listed = rows(data.get("orders"))
    real = [order for order in listed if not order.get("test") and not order.get("cancelled")]
    tests = sum(bool(order.get("test")) for order in listed)
    left_out = _left_out(tests, len(listed) - len(real) - tests)
    if real:
        placed = _one(real[0], result) if len(real) == 1 else _several(real, result)
        told = [*placed, *_repeat_customers(real), *_most_ordered(real), *left_out]
    elif not isinstance(data.get("orders"), list) or _lacks(result, "orders"):
        told = ["I can't see your latest orders."]
    else:
        none = "no real orders" if left_out else "no orders"
        told = [f"there are {none}{period(result.get('data_window'), result.get('as_of'))} yet.", *left_out]
    return [f"Looking at your recent activity: {told[0]}", *told[1:]]


def _one(order: Data, result: Result) -> list[str]:
    name, worth = order.get("name"), in_words(money([order.get("total")]))
    came = ago(order.get("created_at"), result.get("as_of"))
    details = [f"{name}" if name else "", f"worth {worth}" if worth else "", f"placed {came}" if came else ""]
    return [f"{', '.join(['I see one order', *filter(None, details)])}."]


def _several(orders: Sequence[Data], result: Result) -> list[str]:
    total = in_words(money(order.get("total") for order in orders))
    told = [f"your latest {many(len(orders), 'order')} come to {total}." if total else ""]
    told = told if total else [f"I see your latest {many(len(orders), 'order')}."]
    newest, came = orders[0], ago(orders[0].get("created_at"), result.get("as_of"))
    details = filter(None, [str(newest.get("name") or ""), in_words(money([newest.get("total")]))])
    named = ", ".join(details)
    return [*told, f"The newest one{f' ({named})' if named else ''} came in {came}."] if came else told


def _repeat_customers(orders: Sequence[Data]) -> list[str]:
    known = [order["customer"] for order in orders if isinstance(order.get("customer"), Mapping)]
    again = sum((whole(customer.get("orders")) or 0) > 1 for customer in known)
    if not again:
        return []
    which = "It" if len(orders) == 1 else f"{again:,} of them"
    who = _be(again, "a customer", "customers")
    return [f"{which} {_be(again, 'is', 'are')} from {who} who ordered more than once."]


def _most_ordered(orders: Iterable[Data]) -> list[str]:
    pieces: Counter[str] = Counter()
    for item in (item for order in orders for item in rows(order.get("items"))):
        if item.get("title"):
            pieces[str(item["title"])] += whole(item.get("quantity")) or 0
    (title, most), (_, second) = [*pieces.most_common(2), ("", 0), ("", 0)][:2]
    return [f"Ordered most: “{title}”, {many(most, 'piece')}."] if most > max(second, 1) else []


def _left_out(tests: int, cancelled: int) -> list[str]:
    named = [many(tests, "test order")] if tests else []
    named += [many(cancelled, "cancelled order")] if cancelled else []
    return [f"I left out {_listed(named)}."] if named else []


# --- overview ---------------------------------------------------------------------------------------------------


def _overview(data: Data, result: Result) -> list[str]:
    shop = data.get("shop")
    name = shop.get("name") if isinstance(shop, Mapping) else None
    place = f"at {name}" if name else "in your shop"
    if not isinstance(data.get("best_stocked_products"), list) or _lacks(result, "best_stocked_products"):
        return [f"Your shop is {name}."] if name else []
    products = [product for product in rows(data["best_stocked_products"]) if product.get("title")]
    for product in products:
        stock = whole(product.get("inventory"))
        if stock is not None and stock > 0:
            return [f"What you have most of in stock {place} is “{product['title']}”: {many(stock, 'piece')}."]
    if products:
        return [f"Among the products {place} I see “{products[0]['title']}”, but no stock that I could count."]
    return [f"There are no products {place} yet."]


# --- the week ---------------------------------------------------------------------------------------------------


def _week_orders(data: Data, days: Collection[str]) -> list[str]:
    number = whole(data.get("orders_counted"))
    if number is None:
        return ["I can't see the orders of the last seven days."]
    left_out = _left_out(whole(data.get("test_orders")) or 0, whole(data.get("cancelled_orders")) or 0)
    if number == 0:
        return ["There were no orders in the last seven days.", *left_out]
    by_day = [sentence for day in ("today", "yesterday") if day in days for sentence in _day(data, day)]
    placed = f"{many(number, 'order')}{_worth(data.get('totals'))}"
    there = "I could see" if data.get("truncated") else f"there {_be(number, 'was', 'were')}"
    told = [f"In the last seven days {there} {placed}.", *_after_changes(data)]
    return [*by_day, *told, *_best_seller(data), *_people(data), *left_out]


def _day(data: Data, day: str) -> list[str]:
    """The week ends with today, as the shop's clock counts days."""
    try:
        wanted = date.fromisoformat(str(data.get("to"))[:10]) - timedelta(days=int(day == "yesterday"))
    except ValueError:
        return []
    for row in rows(data.get("by_day")):
        number = whole(row.get("orders"))
        if row.get("date") == wanted.isoformat() and number is not None:
            so_far = " so far" if day == "today" else ""
            partly = "at least " if str(data.get("covered_from", ""))[:10] == wanted.isoformat() else ""
            return [f"{day.capitalize()}{so_far}: {partly}{many(number, 'order')}{_worth(row.get('totals'))}."]
    return []


def _after_changes(data: Data) -> list[str]:
    listed = rows(data.get("totals"))
    if not any(row.get("current_amount") for row in listed):
        return []
    now = [
        {"amount": row.get("current_amount") or row.get("amount"), "currency": row.get("currency")} for row in listed
    ]
    return [f"After refunds and changes that is {in_words(money(now))}."]


def _best_seller(data: Data) -> list[str]:
    for item in rows(data.get("top_items")):
        pieces = whole(item.get("quantity"))
        if item.get("title") and pieces:
            return [f"Sold most: “{item['title']}”, {many(pieces, 'piece')}."]
    return []


def _people(data: Data) -> list[str]:
    people = data.get("customers")
    people = people if isinstance(people, Mapping) else {}
    first, back = whole(people.get("first_time")) or 0, whole(people.get("returning")) or 0
    told = [many(first, "first-time customer")] if first else []
    told += [many(back, "returning customer")] if back else []
    return [f"{_listed(told)} ordered."] if told else []


# --- grammar ----------------------------------------------------------------------------------------------------


def _be(number: int, one: str, other: str) -> str:
    return one if number == 1 else other


def _listed(names: Iterable[str]) -> str:
    *most, last = dict.fromkeys(names)
    return f"{', '.join(most)} and {last}" if most else last


def _worth(totals: object) -> str:
    told = in_words(money(rows(totals)))
    return f" worth {told}" if told else ""
