"""A figure that was read, and whether a number tells it. Pure."""

from dataclasses import dataclass
from datetime import date, datetime

from workers.truth.sentence import Number

Range = tuple[date, date]

NOTHING: frozenset[str] = frozenset()

KINDS = (
    "test",
    "cancelled",
    "paid",
    "unpaid",
    "refunded",
    "fulfilled",
    "unfulfilled",
    "guest",
    "first_time",
    "returning",
)
"""Kinds of orders."""

STATUSES = frozenset(KINDS)

BUYERS = frozenset({"guest", "first_time", "returning"})
"""Kinds of orders that are named by who bought."""


@dataclass(slots=True)
class Figure:
    """`period` None: as things stand. `partial`: of a list that shows a part. `derived`: computed from a list."""

    value: float
    subjects: frozenset[str]
    traits: frozenset[str] = NOTHING
    currency: str | None = None
    percent: bool = False
    entities: frozenset[str] = NOTHING
    period: Range | None = None
    partial: bool = False
    derived: bool = False
    at_least: bool = False
    old: str = ""
    """Why it is not current: "stale" (Shopify gave nothing newer), "earlier" (a fresher one of its kind is there)."""
    aged: bool = False
    """Whether it was read over an hour ago."""
    kinds: frozenset[str] = NOTHING
    """Of its entities: order, customer, product, date."""


@dataclass(slots=True)
class Dated:
    """A time in the data, on the shop's clock, and whose it is."""

    at: datetime
    entities: frozenset[str]
    dated: bool = True
    """Whether only its day is known."""


@dataclass(slots=True)
class Change:
    """By how much something is more than before: calculated between `days`, or from a report over `span`."""

    value: float
    days: frozenset[str] = NOTHING
    span: Range | None = None
    measure: frozenset[str] = NOTHING
    """Of a report: traits of the figure, none of the number of orders."""
    percent: bool = False


@dataclass(slots=True)
class Ranking:
    """Values by entity: who has most of what."""

    what: str
    values: dict[str, float]


def fits(number: Number, value: float) -> bool:
    """Whether the number is `value`, exactly or rounded as the words beside it say."""
    value = abs(value)
    for said, step in number.readings:
        near = abs(said - value)
        match number.how if step >= 1 else "exact" if number.how != "about" else "about":
            case "exact":
                fits = (
                    near < 1e-6
                    or (
                        near <= step / 2 + 1e-9
                        and (step < 1 or number.currencies is not None or number.percent or step > 1)
                        and value != int(value)
                    )
                    or (step > 1 and near <= step / 2)
                )
            case "about":
                width = max(step, _zeros(said))
                fits = near <= width / 2 + 1e-9 and near <= 0.1 * max(value, said)
            case "over":
                fits = said <= value + 1e-9 <= max(2 * said, said + 1)
            case _:
                fits = value <= said + 1e-9 <= max(2 * value, value + 1)
        if fits:
            return True
    return False


def _zeros(value: float) -> float:
    """700 → 100, 750 → 10: what a round number was rounded to."""
    width = 1.0
    while value and value == int(value) and value % (width * 10) == 0:
        width *= 10
    return width if value == int(value) else 0.0
