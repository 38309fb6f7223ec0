"""Checks the values in a response: one that is not as in the schema becomes None and is noted. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shopify.errors import BadAnswer

_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,10})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3,5}", re.ASCII)
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_ID = re.compile(r"gid://shopify/[A-Za-z]{1,40}/\d{1,20}", re.ASCII)
_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,49}", re.ASCII)

_NO_MINOR_UNITS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split()  # noqa: SIM905 - reads better
)
_THREE_MINOR_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CENT = Decimal("0.01")
_USUAL = {**dict.fromkeys(_NO_MINOR_UNITS, Decimal(1)), **dict.fromkeys(_THREE_MINOR_DIGITS, Decimal("0.001"))}
"""A currency's smallest usual amount, if it is not 0.01."""

UNREADABLE = "Some of what Shopify sent could not be read."


class Problems:
    """The parts of the response with values that could not be read. Holds no values."""

    def __init__(self) -> None:
        self._parts: set[str] = set()

    def note(self, part: str) -> None:
        """Record that a value in this part is unreadable."""
        self._parts.add(part)

    def missing(self) -> list[dict[str, Any]]:
        """One entry for each part."""
        return [{"part": part, "reason": UNREADABLE, "code": BadAnswer.code} for part in sorted(self._parts)]


@dataclass(frozen=True)
class Money:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str

    def shown(self) -> dict[str, str]:
        """As a decimal string with the currency's usual digits, and the currency."""
        return {"amount": decimal_text(self.amount, self.currency), "currency": self.currency}


def decimal_text(amount: Decimal, currency: str) -> str:
    """ "55.0" EUR is 55.00, "1200.0" JPY is 1200. No significant digit is dropped."""
    usual = amount.quantize(_USUAL.get(currency, _CENT))
    return f"{usual if usual == amount else amount:f}"


def money(bag: object, problems: Problems, part: str) -> Money | None:
    """The shop-money side of a MoneyBag, or a MoneyV2 itself."""
    side = bag.get("shopMoney", bag) if isinstance(bag, dict) else None
    amount, currency = (side.get("amount"), side.get("currencyCode")) if isinstance(side, dict) else (None, None)
    if (
        isinstance(amount, str)
        and isinstance(currency, str)
        and _AMOUNT.fullmatch(amount)
        and _CURRENCY.fullmatch(currency)
    ):
        return Money(Decimal(amount), currency)
    problems.note(part)
    return None


def integer(value: object) -> int | None:
    """An integer that is not negative; Shopify sends UnsignedInt64 as a string."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18 else None


def moment(value: object) -> datetime | None:
    """A point in time, in UTC, that every time zone can tell."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) <= 40 else None
        at = at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
    return at if at is not None and 1 < at.year < 9999 else None


def utc_text(at: datetime | None) -> str | None:
    """Seconds precision, as Shopify writes it."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z" if at is not None else None


def time_zone(value: object) -> ZoneInfo | None:
    """The time zone with that IANA name, if this machine knows it."""
    try:
        return ZoneInfo(value) if isinstance(value, str) and len(value) <= 60 else None
    except (KeyError, ValueError, OSError):
        return None


def word(value: object) -> str | None:
    """An enum value. Shopify adds new ones between versions, so any is accepted."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def identifier(value: object) -> str | None:
    """A global id, gid://shopify/Order/1."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def nodes(connection: object, problems: Problems, part: str) -> list[Mapping[str, Any]]:
    """The nodes of a connection; those that are not objects are skipped and counted."""
    raw = connection.get("nodes") if isinstance(connection, dict) else None
    if not isinstance(raw, list):
        problems.note(part)
        return []
    objects: list[Mapping[str, Any]] = [node for node in raw if isinstance(node, dict)]
    for _ in range(len(raw) - len(objects)):
        problems.note(part)
    return objects


def page(connection: object) -> tuple[bool, str | None]:
    """Whether there are more pages, and the cursor of the next."""
    info = connection.get("pageInfo") if isinstance(connection, dict) else None
    if not isinstance(info, dict):
        return False, None
    cursor = info.get("endCursor")
    return info.get("hasNextPage") is True, cursor if isinstance(cursor, str) else None
