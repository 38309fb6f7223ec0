"""Deleting what must not be kept: a customer's personal data, a whole merchant, and whatever is old (`prune`).

A privacy request names a customer and orders by Shopify's ids. The data CJ fetched about them shows their names, and
any text with one of those names is about them too. So the search has two steps: fetched data with one of the ids gives
the names, then ids and names are looked for in everything that was said or fetched. A first name alone counts: better
to blank one sentence too many. The SQL is in `privacy.sql`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, cast

from sqlalchemy import CursorResult, Result, TextClause
from sqlalchemy.orm import Session

from storage import sql
from storage.sql import dump

SQL = sql.load("privacy")

REMOVED = "[removed for privacy]"
REMOVED_CODE = "privacy.removed"
SHORTEST_NAME = 3
"""A shorter part of a name would be found everywhere."""

DAYS = 30
"""Days for which words and store data in steps and replies are kept; an event that comes again later is a new one."""
PRUNE_BATCH = 1000

MERCHANT, CUSTOMER = "merchant", "customer"
"""Kinds of tombstones."""


@dataclass(frozen=True)
class Pruned:
    """How many rows `prune` deleted."""

    turns: int
    events: int


@dataclass(frozen=True)
class Person:
    """A customer of a merchant's shop and the orders concerned. Shopify's numeric ids."""

    merchant_id: str
    customer_id: str
    order_ids: tuple[str, ...] = ()

    @property
    def global_ids(self) -> frozenset[str]:
        """The ids in the form that fetched data has."""
        orders = (f"gid://shopify/Order/{_number(order)}" for order in self.order_ids)
        return frozenset([f"gid://shopify/Customer/{_number(self.customer_id)}", *orders])


@dataclass(frozen=True)
class DataRequest:
    """A customer's request to see what is stored about them."""

    id: str
    made_at: datetime
    person: Person
    shop_domain: str


@dataclass(frozen=True)
class Mentions:
    """Everything about a person: fetched data and what was said. Ready for JSON."""

    orders: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    words: list[dict[str, Any]]


class Needles:
    """What to look for: ids, and the names beside them in fetched data."""

    def __init__(self, ids: frozenset[str], names: Iterable[str] = ()) -> None:
        self._ids = ids
        self._texts = sorted(ids | set(names))
        inner = "|".join(re.escape(text) for text in self._texts)
        self._pattern = re.compile(rf"(?<!\w)(?:{inner})(?!\w)", re.IGNORECASE)

    @classmethod
    def of(cls, session: Session, person: Person) -> Self:
        """The needles for a person."""
        ids = person.global_ids
        names: set[str] = set()
        for row in _rows(session, SQL["steps"], person.merchant_id, cls(ids)):
            for order in orders_in(row.tool_results):
                names |= _names(order, ids)
        return cls(ids, names)

    @property
    def for_search(self) -> list[str]:
        """The needles as they appear in a jsonb's text, in lower case."""
        return [json.dumps(text, ensure_ascii=False)[1:-1].lower() for text in self._texts]

    def are_in(self, value: Any) -> bool:
        """Whether a JSON value contains any of them as a word."""
        return any(self._pattern.search(text) is not None for text in _strings(value))

    def name(self, item: Mapping[str, Any]) -> bool:
        """Whether an order or customer has one of the ids."""
        return item.get("id") in self._ids


def find(session: Session, person: Person) -> Mentions:
    """What is stored about a person."""
    session.execute(SQL["patience"])
    needles = Needles.of(session, person)
    orders: dict[str, dict[str, Any]] = {}
    customers: dict[str, dict[str, Any]] = {}
    words: list[dict[str, Any]] = []
    for row in _rows(session, SQL["inputs"], person.merchant_id, needles):
        if needles.are_in(row.input):
            words.append(_said(row, row.input.get("sender"), row.input.get("text")))
    for row in _rows(session, SQL["steps"], person.merchant_id, needles):
        for order in orders_in(row.tool_results):
            customer = order.get("customer")
            if isinstance(customer, Mapping) and needles.name(customer):
                customers[str(customer["id"])] = dict(customer)
                orders[str(order.get("id"))] = order
            elif needles.name(order):
                orders[str(order["id"])] = order
        if needles.are_in(row.assistant.get("content")):
            words.append(_said(row, "cj", row.assistant["content"]))
    return Mentions(list(orders.values()), list(customers.values()), words)


def blank(session: Session, person: Person) -> int:
    """Blank everything about a person; returns how many rows held something. Safe to repeat."""
    session.execute(SQL["patience"])
    merchant_id = person.merchant_id
    session.execute(SQL["take_back_turns"], {"merchant_id": merchant_id})
    needles = Needles.of(session, person)
    count = 0
    for row in _rows(session, SQL["steps"], merchant_id, needles):
        assistant, results = _blank_words(row.assistant, "content", needles), _blank_results(row.tool_results, needles)
        if (assistant, results) != (row.assistant, row.tool_results):
            values = {"assistant": dump(assistant), "tool_results": None if results is None else dump(results)}
            session.execute(SQL["write_step"], {"turn_id": row.turn_id, "step": row.step, **values})
            count += 1
    for row in _rows(session, SQL["inputs"], merchant_id, needles):
        said = _blank_words(row.input, "text", needles)
        count += _write(session, SQL["write_input"], row.input, said, "input", id=row.id)
    for row in _rows(session, SQL["replies"], merchant_id, needles):
        data = _blank_words(row.body.get("data", {}), "delta", needles)
        count += _write(session, SQL["write_reply"], row.body, {**row.body, "data": data}, "body", id=row.id)
    for row in _rows(session, SQL["messages"], merchant_id, needles):
        data = _blank_words(row.data, "text", needles)
        count += _write(session, SQL["write_message"], row.data, data, "data", key=row.key)
    add_tombstone(session, CUSTOMER, f"{merchant_id}/{person.customer_id}")
    return count


def erase_merchant(session: Session, merchant_id: str, *, but_event: int) -> bool:
    """Erase everything of a merchant: tokens, conversations, the content of events. False if there was none.

    `but_event` is the `shop_redact` that asks for it, being handled: it stays as it is, and so does a tombstone.
    """
    session.execute(SQL["patience"])
    session.execute(SQL["blank_events"], {"merchant_id": merchant_id, "key": but_event})
    erased = bool(session.execute(SQL["erase_merchant"], {"key": but_event}).scalar())
    add_tombstone(session, MERCHANT, merchant_id)
    return erased


def blank_event(session: Session, key: int) -> None:
    """Remove an event's content; it keeps its identity."""
    session.execute(SQL["blank_event"], {"key": key})


def add_tombstone(session: Session, kind: str, subject: str) -> None:
    """Note that this was erased just now."""
    session.execute(SQL["add_tombstone"], {"kind": kind, "subject": subject})


def erased_at(session: Session, kind: str, subject: str) -> datetime | None:
    """When this was last erased; None if never."""
    found: datetime | None = session.execute(SQL["erased_at"], {"kind": kind, "subject": subject}).scalar()
    return found


def requests(session: Session, *, limit: int) -> list[DataRequest]:
    """Customers' requests to see what is stored, the latest first."""
    return [_request(row) for row in session.execute(SQL["requests"], {"limit": limit})]


def request(session: Session, id: str) -> DataRequest | None:
    """The request with this event id."""
    row = session.execute(SQL["request"], {"id": id}).one_or_none()
    return None if row is None else _request(row)


def prune(session: Session, *, days: int = DAYS, limit: int = PRUNE_BATCH) -> Pruned:
    """Delete at most `limit` turns, with their steps and replies, and `limit` events that ended over `days` ago."""
    values = {"days": days, "limit": limit}
    turns = session.execute(SQL["prune_turns"], values)
    events = session.execute(SQL["prune_events"], values)
    return Pruned(_count(turns), _count(events))


def orders_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in fetched data that is an order: it has an order's id, or it has a customer."""
    if isinstance(value, Mapping):
        if str(value.get("id", "")).startswith("gid://shopify/Order/") or isinstance(value.get("customer"), Mapping):
            yield dict(value)
        for item in value.values():
            yield from orders_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from orders_in(item)


def _count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount


def _names(order: Mapping[str, Any], ids: frozenset[str]) -> set[str]:
    """The order's number and its customer's name, if the order or the customer is one of `ids`."""
    customer = order.get("customer")
    customer = customer if isinstance(customer, Mapping) else {}
    if order.get("id") not in ids and customer.get("id") not in ids:
        return set()
    names = {order["name"]} if isinstance(order.get("name"), str) else set()
    # Someone else's order of the same customer names the customer; an order id names whoever bought.
    full = customer.get("name")
    if isinstance(full, str):
        names |= {full, *(part for part in full.split() if len(part) >= SHORTEST_NAME)}
    return {name for name in names if len(name) >= 2}


def _blank_words(message: Mapping[str, Any], field: str, needles: Needles) -> dict[str, Any]:
    return {**message, field: REMOVED} if needles.are_in(message.get(field)) else dict(message)


def _blank_results(results: Sequence[Mapping[str, Any]] | None, needles: Needles) -> list[dict[str, Any]] | None:
    if results is None:
        return None
    return [
        {**result, "content": _blanked(result.get("content"))}
        if needles.are_in(result.get("content"))
        else dict(result)
        for result in results
    ]


def _blanked(content: Any) -> dict[str, Any]:
    data_type = content.get("data_type") if isinstance(content, Mapping) else None
    return {"success": False, "data_type": data_type, "error_code": REMOVED_CODE, "error": REMOVED}


def _write(session: Session, statement: TextClause, before: Any, after: Any, column: str, **where: Any) -> int:
    if after == before:
        return 0
    session.execute(statement, {column: dump(after), **where})
    return 1


def _rows(session: Session, statement: TextClause, merchant_id: str, needles: Needles) -> list[Any]:
    values = {"merchant_id": merchant_id, "needles": needles.for_search}
    return list(session.execute(statement, values).all())


def _said(row: Any, who: Any, words: Any) -> dict[str, Any]:
    where = {"conversation_id": row.conversation_id, "turn": row.seq, "at": row.created_at.isoformat()}
    return {**where, "who": who, "words": words}


def _request(row: Any) -> DataRequest:
    data = row.data
    person = Person(str(row.merchant_id), str(data["customer_id"]), tuple(data.get("order_ids", ())))
    return DataRequest(row.id, row.made_at, person, str(data["shop_domain"]))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _number(shopify_id: str) -> str:
    """The numeric id, in whichever form the sender gave it."""
    return shopify_id.rpartition("/")[2]
