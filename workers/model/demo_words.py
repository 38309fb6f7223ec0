"""Plain sentences about tool results, with figures taken only from the result: what the demo model says, and what CJ
says when a model gives no text. Pure.

A result is what the tool `shopify_data` answers (`workers.shop.results`); its data is described in `shopify.data`.
Absent fields are left out; what is in `missing` is named with its reason.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopify.data.fetched import MOST_ITEMS_SHOWN
from shopify.errors import not_permitted

Result = Mapping[str, Any]

INSIGHTS = ("counts", "recent_orders", "overview")
"""The data types read, in this order, when a store was just connected."""

RECONNECTED = "Your store is connected again."
AS_PROMISED = "I looked again, as promised."
"""How an answer begins that brings what was missing before."""

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
"""The answer when nothing can be read until the store is connected (again)."""
_WHY = {
    "shopify.throttled": "Shopify asks me to slow down, so I'll try again in a moment and tell you then.",
    "shopify.unavailable": "Shopify does not answer at the moment. I'll look again by myself and tell you then.",
}
_CURRENCIES = dict(
    zip(
        "USD EUR GBP JPY INR KRW ILS VND BRL CAD AUD NZD HKD MXN".split(),  # noqa: SIM905 - reads better
        "$ € £ ¥ ₹ ₩ ₪ ₫ R$ CA$ A$ NZ$ HK$ MX$".split(),  # noqa: SIM905
        strict=True,
    )
)
"""Other currencies are written as their code before the amount."""
_LOOKING = "Looking at your recent activity: "
_DAY = timedelta(days=1)
_ANSWERS = {
    r"\b(when|newest|last order|latest order)\b": "came in",
    r"\b(returning|repeat|loyal|again)\b": "returning customer",
    r"\b(repeat|more than once)\b": "more than once",
    r"\b(cancel\w*|tests?)\b": "left out",
    r"\b(fulfil\w*|ship\w*|unshipped|open|waiting)\b": "waiting to be fulfilled",
    r"\b(best|most|top|popular|sells?)\b": "sold best",
    r"\b(average|mean|order value|aov)\b": "average order",
    r"\bnet\b": "Net sales",
}
"""Pattern of a question → the words by which the sentence that answers it is found."""
ENOUGH_ORDERS = 10
"""With fewer orders in a period, a trend or a daily average means nothing."""
ENOUGH_IN_A_DAY = 3
"""With fewer orders, no day is called the best."""
STEADY_PERCENT = 5
"""A smaller change counts as none."""


def tell(results: Mapping[str, Result], said: str = "") -> str:
    """Everything there is to say about fresh results by data type. `said`: see `sentences`."""
    return " ".join(sentences(results, said))


def sentences(
    results: Mapping[str, Result],
    said: str = "",
    apart: Collection[str] = (),
    days: Collection[str] = (),
    now: datetime | None = None,
) -> list[str]:
    """What there is to say about results by data type, in order; sentences that belong together are one entry.

    `said` is the answer so far: no sentence, note or reason in it is repeated. `apart`: what may not be read and is
    told elsewhere. `days`: "today", "yesterday", if these were asked for. `now` is the time of the answer; None: right
    after reading.
    """
    told, unseen = list[str](), dict[str, list[str]]()
    unread = [each for data_type, result in results.items() for each in denied(data_type, result)]
    unheard = [each for each in dict.fromkeys(unread) if each not in apart]
    for data_type, result in results.items():
        if result["success"]:
            about = [*_about(data_type, result, days, now, said), *_missing(data_type, result, said)]
            about = about or ([] if denied(data_type, result) else [f"I can't see {_SUBJECTS[data_type]}."])
            new = unsaid([*_age(result, now), *about], said)
        elif sentence := cut_off(result):
            new = unsaid([sentence], said)
        else:
            new = []
            if not result.get("permissions"):
                unseen.setdefault(_why(result), []).append(data_type)
        told += new
        said = " ".join([said, *new])
    for why, data_types in unseen.items():
        failed = f"I could not see {subjects(data_types)}"
        if failed not in said:
            told.append(f"{failed} either." if why and why in said else f"{failed}. {why}".rstrip())
    return [*told, *([not_permitted(unheard)] if unheard else [])]


def unsaid(sentences: Iterable[str], said: str) -> list[str]:
    """These sentences without duplicates and without those in `said`, even where they go on there."""
    beginnings = {sentence: re.escape(sentence.removesuffix(".")) for sentence in sentences}
    return [sentence for sentence, beginning in beginnings.items() if not re.search(rf"{beginning}(?!,?\d)", said)]


def answering(question: str, data_type: str, result: Result, days: Collection[str] = ()) -> str:
    """The one sentence about a result that best answers a question; `days` as in `sentences`."""
    about = [*_about(data_type, result, days, None)] or sentences({data_type: result}) or [""]
    wanted = [told for asked, told in _ANSWERS.items() if not days and re.search(asked, question)]
    return next((sentence for told in wanted for sentence in about if told in sentence), about[0])


def uncapitalized(sentence: str) -> str:
    """The sentence as the end of a longer one."""
    sentence = sentence.removeprefix(_LOOKING)
    return sentence if sentence.startswith(("I ", "Shopify ")) else sentence[:1].lower() + sentence[1:]


def insight(results: Mapping[str, Result], figures: Sequence[Result]) -> Iterator[str]:
    """What the days, the reports and the stock show together, if there is enough data; `figures` are what the tool
    `calculate_metrics` computed from them."""
    by_metric = {figure["metric"]: figure["results"] for figure in figures}
    sales, week, stock = (_data(results, data_type) for data_type in ("sales", "week_orders", "overview"))
    number = sales["current"]["orders"] if sales else week["orders_counted"] if week else 0
    if (number or 0) >= ENOUGH_ORDERS and (per_day := by_metric.get("per_day")):
        trend = _trend(sales, by_metric.get("percent_change"), stock) if sales else ""
        days = "30" if sales else "seven"
        yield f"In the last {days} days you had {_many(number, 'order')}, {_rounded(per_day[0]['value'])} a day{trend}."
    best, second = [*by_metric.get("top", ()), {"value": "0"}, {"value": "0"}][:2]
    if int(best["value"]) > max(int(second["value"]), ENOUGH_IN_A_DAY - 1):
        day = date.fromisoformat(best["day"])
        orders = _many(int(best["value"]), "order")
        yield f"The best of the last seven days was {day:%A}, {day:%B} {day.day}, with {orders}."
    if week and stock:
        missing = {entry["part"] for entry in results["week_orders"].get("missing", ())}
        yield from _stock_and_sales(
            stock, week, is_whole=not any(part.startswith(("top_items", "orders")) for part in missing)
        )


def _data(results: Mapping[str, Result], data_type: str) -> Result | None:
    result = results.get(data_type, {})
    return result["data"] if result.get("success") and result.get("data") else None


def _rounded(value: str) -> str:
    """Rounded, as people say it: "1.4", "about 2.4", "about 205"."""
    exact = Decimal(value)
    near = exact.quantize(Decimal(1) if exact >= ENOUGH_ORDERS else Decimal("0.1")).normalize()
    return f"{'' if near == exact else 'about '}{near:,f}"


def _trend(sales: Result, change: Sequence[Result] | None, overview: Result | None) -> str:
    """Empty for a shop that did not exist for the whole earlier period or had next to no orders in it."""
    before = sales.get("previous") or {}
    created = ((overview or {}).get("shop", {}).get("created_at") or "")[:10]
    if not change or (before.get("orders") or 0) < ENOUGH_ORDERS or created > before["from"]:
        return ""
    percent = Decimal(change[0]["value"])
    if abs(percent) < STEADY_PERCENT:
        return ", about as many as in the 30 days before"
    return f", {_rounded(str(abs(percent)))}% {'more' if percent > 0 else 'fewer'} than in the 30 days before"


def _stock_and_sales(overview: Result, week: Result, *, is_whole: bool) -> Iterator[str]:
    """What sells compared with what is in stock, by product title. `is_whole`: every order line was read."""
    if week.get("truncated") or "best_stocked_products" not in overview:
        return
    items: Sequence[Result] = week["top_items"]
    products = overview["best_stocked_products"]
    stock = {product["title"]: product["inventory"] for product in _on_sale(products)}
    sold = {item["title"]: item["quantity"] for item in items if "product" not in item}
    first, second = [*(item["quantity"] for item in items), 0, 0][:2]
    most = next((title for title, units in stock.items() if units), None)
    if first > max(second, 1) and items[0]["title"] in sold:
        title = items[0]["title"]
        left = f", and {stock[title]:,} more are in stock" if stock.get(title) and title != most else ""
        counted = "" if is_whole else "Among what I could count, "
        yield f"{counted}“{title}” sold best in the last seven days: {_many(first, 'unit')}{left}."
    if most is not None and (most in sold or (is_whole and len(items) < MOST_ITEMS_SHOWN)):
        units = sold.get(most, 0)
        told = f"{units:,} {'was' if units == 1 else 'were'}" if units else "none was"
        told = told if is_whole else f"at least {told}"
        [sentence] = _overview(overview["shop"]["name"], products)
        yield f"{sentence.removesuffix('.')}; {told} sold in the last seven days."


def subjects(data_types: Collection[str]) -> str:
    """What these data types are about, like "your recent activity or your products"."""
    if {*data_types} >= {*INSIGHTS}:
        return "your store's data"
    return _listed((_SUBJECTS[data_type] for data_type in data_types), "or")


def _lacking(data_type: str, result: Result) -> list[Result]:
    """The entries of `missing` to mention. For an overview, only the products."""
    entries = result.get("missing", ())
    return [entry for entry in entries if data_type != "overview" or entry["part"] == "best_stocked_products"]


def denied(data_type: str, result: Result) -> list[str]:
    """What may not be read, in plain words."""
    return [each for entry in (result, *_lacking(data_type, result)) for each in entry.get("permissions", ())]


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


def _age(result: Result, now: datetime | None) -> Iterator[str]:
    """Says that the figures are old and why there are no newer ones."""
    stale, at = result.get("stale"), moment(result.get("as_of"))
    if stale and at:
        at = at.astimezone(now.tzinfo if now else UTC)
        yield f"{stale['reason']} This is what I saw on {at:%B} {at.day} at {at:%H:%M}{'' if now else ' UTC'}."


def _missing(data_type: str, result: Result, said: str) -> Iterator[str]:
    """Each reason once, after the names of the parts that are missing altogether."""
    parts: dict[str, list[str]] = {}
    for entry in _lacking(data_type, result):
        part, reason = entry["part"], entry["reason"]
        if reason not in said and not entry.get("permissions"):
            names = parts.setdefault(reason, [])
            names += [_part(data_type, part)] if not result["data"].get(part) and "." not in part else []
    for reason, names in parts.items():
        yield f"I can't see {_listed(names)}. {reason}" if names else reason


def _part(data_type: str, part: str) -> str:
    if part == "customers" and data_type != "counts":
        return "who placed them"
    return f"your {part.replace('_', ' ')}"


def shows(data_type: str, result: Result) -> bool:
    """Whether there is anything to say about it."""
    return bool(result["success"]) and any(_about(data_type, result, (), None))


def _about(
    data_type: str, result: Result, days: Collection[str], now: datetime | None, said: str = ""
) -> Iterable[str]:
    data, read = result.get("data") or {}, moment(result.get("as_of"))
    now = now or read
    missing = {entry["part"] for entry in result.get("missing", ())}
    match data_type:
        case "counts":
            start = moment((result.get("data_window") or {}).get("orders_from"))
            return _counts(data, f" in the last {round((read - start) / _DAY)} days" if read and start else "")
        case "recent_orders" if data.get("orders") or (data and "orders" not in missing):
            window = result.get("data_window") or {}
            return _recent_orders(data, now, said, is_all=window.get("complete_history", False) and not missing)
        case "overview" if data and "best_stocked_products" not in missing:
            return _overview(data["shop"]["name"], data["best_stocked_products"])
        case "week_orders" if data:
            return _week_orders(data, days, now, said)
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
        which = many["unfulfilled_orders"].capitalize()
        if waiting and waiting == counted.get("orders") and not data.get("at_least"):
            which = {1: "It", 2: "Both"}.get(waiting, f"All {waiting:,}")
        yield f"{which} {verb} waiting to be fulfilled{of_all}."


def _recent_orders(data: Result, now: datetime | None, said: str, *, is_all: bool) -> Iterator[str]:
    """`is_all`: no order is too old to be read."""
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
        is_all = is_all and len(orders) == len(listed) and not data.get("more")
        which = f"order{name} comes" if one else f"{len(orders)} orders come"
        which = f"{('your only ' if one else 'all ') if is_all else 'your latest '}{which}"
        come_to = f"{which} to {total or 'a total I cannot read'}{_repeat_customers(orders)}"
        yield f"{_LOOKING}{come_to}."
        if any("current_total" in order for order in orders):
            yield f"After refunds and changes that is {_money(_now(order) for order in orders)}."
        if now and newest["created_at"]:
            at = datetime.fromisoformat(newest["created_at"])
            yield f"{'It' if one else f'The newest{name}'} came in {_ago(at, now.astimezone(_zone(data, now)))}."
    yield from _left_out(tests, cancelled, said)


def _now(order: Result) -> Result | None:
    found: Result | None = order.get("current_total") or order["total"]
    return found


def _repeat_customers(orders: Sequence[Result]) -> str:
    again = sum(((order.get("customer") or {}).get("orders") or 0) > 1 for order in orders)
    which = f"{again} of them " if again < len(orders) else {1: "", 2: "both "}.get(again, f"all {again} ")
    return f", {which}from {'a customer' if again == 1 else 'customers'} who ordered more than once" if again else ""


def _left_out(tests: int, cancelled: int, said: str) -> Iterator[str]:
    """Which kinds of orders are not counted; an answer names each kind once."""
    numbers = {"test order": tests, "cancelled order": cancelled}
    named = [_many(number, kind) for kind, number in numbers.items() if number and not _is_left_out(kind, said)]
    if named:
        yield f"I left out {_listed(named)}."


def _is_left_out(kind: str, said: str) -> bool:
    return re.search(rf"I left out [^.]*\b{kind}", said) is not None


def _overview(shop: str | None, products: Sequence[Result]) -> Iterator[str]:
    place = f"at {shop}" if shop else "in your shop"
    stocked = [product for product in _on_sale(products) if (product["inventory"] or 0) > 0]
    for product in stocked[:1]:
        yield f"Your best-stocked product {place} is “{product['title']}”, with {_many(product['inventory'], 'unit')}."
    if not stocked:
        yield f"I see products {place}, but no stock to count." if products else f"There are no products {place} yet."


def _on_sale(products: Sequence[Result]) -> list[Result]:
    return [product for product in products if product.get("status", "ACTIVE") == "ACTIVE"]


def _week_orders(data: Result, days: Collection[str], now: datetime | None, said: str) -> Iterator[str]:
    """Days are named by the shop's clock at the time of the answer: the data may be from yesterday, read before that
    day was over.

    `days` may also name weekdays and the "best day". `covered_from` is where an incomplete week begins.
    """
    end = datetime.fromisoformat(data["to"])
    today = (now or end).astimezone(_zone(data, end)).date()
    names = {today.isoformat(): "today so far", (today - _DAY).isoformat(): "yesterday"}
    for row in data["by_day"]:
        day, last = date.fromisoformat(row["date"]), row["date"] == end.date().isoformat()
        name = names.get(row["date"], f"on {day:%A}, {day:%B} {day.day},")
        if days and re.search("|".join(days), name.lower()):
            so_far = f" until {end:%H:%M}" if last and name == "yesterday" else ""
            at_least = "at least " if data.get("covered_from", "").startswith(row["date"]) else ""
            number = _many(row["orders"], "order")
            were = "was" if row["orders"] == 1 else "were"
            if name == "today so far":
                were = "has been" if row["orders"] == 1 else "have been"
            there = f"{name[:1].upper()}{name[1:]}{so_far} there {were}"
            yield f"{there} {at_least}{number}{_money(row['totals'], ' worth ')}."
    if "best day" in days:
        most = max((row["orders"] for row in data["by_day"]), default=0)
        best = [date.fromisoformat(row["date"]) for row in data["by_day"] if row["orders"] == most > 0]
        if best:
            are, each = (
                ("day of the last seven was", "") if len(best) == 1 else ("days of the last seven were", " each")
            )
            named = _listed(f"{day:%A}, {day:%B} {day.day}" for day in best)
            yield f"Your best {are} {named}, with {_many(most, 'order')}{each}."
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
        are = "was" if returning == 1 else "were"
        yield f"Among the buyers {are} {_many(returning, 'returning customer')}."
    yield from _left_out(data.get("test_orders", 0), data.get("cancelled_orders", 0), said)


def _sales(data: Result) -> Iterator[str]:
    """The period asked for, then the one it is compared with."""
    current, before = data["current"], data.get("previous")
    total, number = _money([current["total_sales"]]), current["orders"]
    so_far, are = (" so far", "are") if current["so_far"] else ("", "were")
    of = f", from {_many(number, 'order')}" if number is not None else ""
    if number == 0 and not Decimal((current["total_sales"] or {}).get("amount", "0")):
        yield f"{_span(current)} there were no orders{so_far}."
        return
    yield f"{_span(current)} your total sales{so_far} {are} {total or 'a figure I cannot read'}{of}."
    if returns := current["returns"]:
        taken = f" after {_money([returns])} of returns" if Decimal(returns["amount"]) else ""
        yield f"Net sales {are} {_money([current['net_sales']])}{taken}."
    if average := _money([current["average_order_value"]]):
        yield f"An average order {'is' if so_far else 'was'} worth {average}."
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
    """The shop's time zone by name, since its offset differs between days (summer time); else the offset of the data's
    end."""
    try:
        return ZoneInfo(data.get("time_zone") or "")
    except (KeyError, ValueError, OSError):
        return end.tzinfo


def _ago(at: datetime, now: datetime) -> str:
    """How long ago, as people say it; `now` is in the shop's time zone."""
    age, at = max(now - at, timedelta()), at.astimezone(now.tzinfo)
    days = (now.date() - at.date()).days
    if age < timedelta(hours=12) or days == 0:
        hours, minutes = age // timedelta(hours=1), age // timedelta(minutes=1)
        return f"{_many(hours, 'hour') if hours else _many(minutes, 'minute')} ago" if minutes else "just now"
    if days < 7:
        return "yesterday" if days == 1 else f"on {at:%A}"
    return f"on {at:%B} {at.day}{f', {at.year}' if at.year != now.year else ''}"


def _many(number: int, noun: str, at_least: bool = False) -> str:
    """Like "1 order", "1,500 orders", "no orders", "10,000+ orders"."""
    return f"{f'{number:,}' if number else 'no'}{'+' if at_least else ''} {noun}{'' if number == 1 else 's'}"


def _money(amounts: Iterable[Result | None], before: str = "") -> str:
    """The sum in each currency, like "$1,512.30 and CHF 40.00"; empty if there is no amount."""
    sums: dict[str, Decimal] = {}
    for money in filter(None, amounts):
        sums[money["currency"]] = sums.get(money["currency"], Decimal()) + Decimal(money["amount"])
    told = [f"{_CURRENCIES.get(of, f'{of} ')}{sum_:,f}" for of, sum_ in sums.items()]
    return before + _listed(told) if told else ""


def _listed(names: Iterable[str], before_the_last: str = "and") -> str:
    """Like "this, that and the other"."""
    *most, last = names
    return f"{', '.join(most)} {before_the_last} {last}" if most else last
