"""Where a person is mentioned: a customer of a merchant's shop, by ids, names, e-mail and phone. Pure.

A privacy request names a customer and orders by Shopify's ids, and perhaps an e-mail address and a phone number. The
data that CJ fetched about them contains their names, and any text with one of those names counts as about them, too. A
first name alone counts: better to blank one sentence too many.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SHORTEST_NAME = 3
"""Minimum length of a part of a name; a shorter one would be found everywhere."""
SHORTEST_PHONE = 7
"""How many last digits of phone numbers are compared: +49 170 1234567 equals 0170 1234567."""

_WORD = re.compile(r"\w+")
_ESCAPE = re.compile(r"\\(?:u[0-9a-f]{4}|.)")
_PHONE = re.compile(r"\+?\d(?:[\d\s()./-]{5,30})\d")


@dataclass(frozen=True)
class Person:
    """A customer of a merchant's shop and the orders concerned. Shopify's numeric ids; any of them may be missing."""

    merchant_id: str
    customer_id: str | None = None
    order_ids: tuple[str, ...] = ()
    email: str | None = None
    phone: str | None = None

    @property
    def global_ids(self) -> frozenset[str]:
        """The ids as global ids, as in fetched data."""
        orders = {f"gid://shopify/Order/{_number(order)}" for order in self.order_ids}
        customer = set() if self.customer_id is None else {f"gid://shopify/Customer/{_number(self.customer_id)}"}
        return frozenset(orders | customer)

    @classmethod
    def of_event(cls, merchant_id: str, data: Mapping[str, Any]) -> "Person":
        """The person in a privacy event's data."""
        customer_id, email, phone = (None if data.get(k) is None else str(data[k]) for k in ("customer_id", *CONTACTS))
        return cls(merchant_id, customer_id, tuple(map(str, data.get("order_ids", ()))), email, phone)


CONTACTS = ("email", "phone")
"""Fields of a privacy event that are personal data themselves."""


class Needles:
    """What to look for. A value is searched only once, by its words, however many needles there are."""

    def __init__(self, person: Person, names: Iterable[str] = ()) -> None:
        self._ids = person.global_ids
        self._customer_id = None if person.customer_id is None else _number(person.customer_id)
        self._email = _folded(person.email or "")
        self._phone = _digits(person.phone or "")
        self._by_word: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
        for text in {_folded(text) for text in (*self._ids, *names, self._email)}:
            words = list(_WORD.finditer(text))
            if words:
                rarest = max(words, key=lambda word: (word[0].isdecimal(), len(word[0])))
                found = (rarest.start(), re.compile(rf"(?<!\w){re.escape(text)}(?!\w)"))
                self._by_word.setdefault(rarest[0], []).append(found)

    def are_in(self, value: Any) -> bool:
        """Whether a JSON value contains any of them as a word."""
        return self._may_be_in(value) and any(self._are_in_text(text) for text in strings(value))

    def is_about(self, data: Mapping[str, Any]) -> bool:
        """Whether a privacy event's data names the person."""
        customer_id = data.get("customer_id")
        is_same = customer_id is not None and _number(str(customer_id)) == self._customer_id
        return is_same or any(self.are_in(data.get(name)) for name in CONTACTS)

    def name(self, item: Mapping[str, Any]) -> bool:
        """Whether an order or customer in fetched data is one of them."""
        return (
            item.get("id") in self._ids
            or bool(self._email and _folded(str(item.get("email") or "")) == self._email)
            or self._is_phone(str(item.get("phone") or ""))
        )

    def names_in(self, value: Any) -> set[str]:
        """Other names of the person in fetched data: their order numbers, and their names."""
        return {name for order in self.orders_in(value) for name in _names(order)}

    def orders_in(self, value: Any) -> Iterator[dict[str, Any]]:
        """The person's orders in fetched data."""
        if not self._may_be_in(value):
            return
        for order in orders_in(value):
            customer = order.get("customer")
            if self.name(order) or (isinstance(customer, Mapping) and self.name(customer)):
                yield order

    def _may_be_in(self, value: Any) -> bool:
        """A quick test that is reliable if it says no: most values of a shop are not about the person."""
        if isinstance(value, str):
            return self._may_be_in_text(value)
        return value is not None and self.may_be_in_json(json.dumps(value, ensure_ascii=False))

    def may_be_in_json(self, *texts: str) -> bool:
        """The same for unparsed JSON texts."""
        return any(self._may_be_in_text(_ESCAPE.sub(" ", text) if "\\" in text else text) for text in texts)

    def _may_be_in_text(self, text: str) -> bool:
        if not self._by_word.keys().isdisjoint(_WORD.findall(_folded(text))):
            return True
        return bool(self._phone) and _PHONE.search(text) is not None

    def _are_in_text(self, text: str) -> bool:
        folded = _folded(text)
        for word in _WORD.finditer(folded):
            for lead, pattern in self._by_word.get(word[0], ()):
                if word.start() >= lead and pattern.match(folded, word.start() - lead):
                    return True
        return bool(self._phone) and any(self._is_phone(found[0]) for found in _PHONE.finditer(text))

    def _is_phone(self, text: str) -> bool:
        digits = _digits(text)
        shorter, longer = sorted((digits, self._phone), key=len)
        return len(shorter) >= SHORTEST_PHONE and longer.endswith(shorter)


def _names(order: Mapping[str, Any]) -> Iterator[str]:
    # Any order of the customer names the customer; an order id names its buyer.
    found = order.get("customer")
    customer = found if isinstance(found, Mapping) else {}
    names = [order.get("name"), *(customer.get(key) for key in ("name", "displayName", "email"))]
    yield from (name for name in names if isinstance(name, str) and len(name) >= 2)
    for full in names[1:3]:
        if isinstance(full, str):
            yield from (part for part in full.split() if len(part) >= SHORTEST_NAME)


def orders_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in fetched data that is an order: it has an order's id, or it has a customer."""
    for item in _within(value):
        if isinstance(item, Mapping) and (
            str(item.get("id", "")).startswith("gid://shopify/Order/") or isinstance(item.get("customer"), Mapping)
        ):
            yield dict(item)


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    yield from (item for item in _within(value) if isinstance(item, str))


def _within(value: Any) -> Iterator[Any]:
    """A JSON value, and every one in it."""
    yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _within(item)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdecimal()).lstrip("0")


def _number(shopify_id: str) -> str:
    """The numeric id, in any form."""
    return shopify_id.rpartition("/")[2]
