"""Figures as the demo model says them: numbers, spans of time, sums of money. Pure.

Values come from tool results and are checked here: what is not of the expected kind counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

Money = dict[str, Decimal]
"""Exact amounts by currency."""


def rows(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Sequence) else []


def whole(value: object) -> int | None:
    """A whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """A point in time with a zone."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def many(number: int, thing: str, at_least: bool = False) -> str:
    """Like "1 order", "1,500 orders", "no orders", "10,000+ orders"."""
    shown = "no" if number == 0 else f"{number:,}{'+' if at_least else ''}"
    return f"{shown} {thing}{'' if number == 1 else 's'}"


def period(window: object, until: object) -> str:
    """How far back orders are known, like " in the last 60 days"; empty if to the beginning, or if nobody said."""
    if not isinstance(window, Mapping) or window.get("complete_history") is not False:
        return ""
    start, end = moment(window.get("orders_from")), moment(until)
    if start is None or end is None or end <= start:
        return " in the time I may look at"
    return f" in the last {many(round((end - start) / timedelta(days=1)), 'day')}"


def ago(at: object, now: object) -> str | None:
    """How long before `now`, in the largest unit that fits: unlike a date, it is true in every time zone."""
    then, reference = moment(at), moment(now)
    if then is None or reference is None:
        return None
    minutes = int((reference - then) / timedelta(minutes=1))
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{many(minutes, 'minute')} ago"
    if minutes < 48 * 60:
        return f"{many(minutes // 60, 'hour')} ago"
    return f"{many(minutes // (24 * 60), 'day')} ago"


def money(values: Iterable[object]) -> Money:
    """Values of `{amount, currency}` added up, each currency for itself."""
    total: Money = {}
    for value in values:
        if isinstance(value, Mapping) and isinstance(value.get("currency"), str):
            amount = _decimal(value.get("amount"))
            if amount is not None:
                total[value["currency"]] = total.get(value["currency"], Decimal()) + amount
    return total


def in_words(total: Money) -> str:
    """Like "1,512.30 EUR and 40.00 USD"; empty if there is no amount."""
    return " and ".join(f"{amount:,f} {currency}" for currency, amount in total.items())


def _decimal(value: object) -> Decimal | None:
    try:
        amount = Decimal(value) if isinstance(value, str | int) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None
