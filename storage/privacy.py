"""Deletes a customer's personal data, a shop's data, and everything that is old (`prune`).

`storage.mentions` defines what is searched for. The search has two steps: fetched data with one of the ids yields the
names, then ids and names are searched for in everything that was said or fetched.

A merchant may have any number of rows, so a request is a walk by key, cut into short transactions. `Walk` is its
progress; it is stored in the event's row, and whoever takes the event next continues from there:

    names           (customers_redact) fetched data yields the customer's names
    conversations   turns with their steps and replies, and contexts: blanked or erased, conversation by conversation
    events          content of events
    close           running turns lose their fence, and what was written since the walk started is searched again
    leftovers       Postgres is done; the caller clears what is outside, then calls `close` once more

The SQL is in `privacy.sql`.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Result, TextClause

from events.catalog import PRIVACY
from storage import sql
from storage.database import Rows, Session
from storage.mentions import CONTACTS, Needles, Person
from storage.sql import dump
from storage.turns import EXTRAS, StepRow

SQL = sql.load("privacy")

REMOVED = "[removed for privacy]"
REMOVED_CODE = "privacy.removed"

DAYS = 30
"""Days for which conversations and store data are stored; an event that is repeated later counts as new."""
PRUNE_BATCH = 500

SLICE_SECONDS = 1.0
"""Seconds after which a transaction of a walk commits; it always makes at least one step."""
CONVERSATIONS, TURNS, ROWS, EVENTS = 200, 20, 100, 2000
"""Rows per statement: few enough for its time limit, whatever they contain."""
UNCOMMITTED = timedelta(minutes=1)
"""Seconds by which a row may be older than its commit; no transaction lasts longer."""

NAMES, TALK, CONTENT, CLOSE, LEFTOVERS = "names", "conversations", "events", "close", "leftovers"

MERCHANT, CUSTOMER, FORMER = "merchant", "customer", "former"
"""Kinds of tombstones; FORMER: everything older than the connection made at that time."""

KEPT_CONTEXT = (
    *("shop_domain", "shopify_connected", "merchant_id", "fetched", "turns", "last_error", "reconnect_asked"),
    *("greeted", "connection", "scopes", "connected_at"),
)
"""Context keys that CJ sets itself, which never mention a customer."""
IDENTIFIERS = frozenset(
    {"merchant_id", "shop_domain", "conversation_id", "customer_id", "order_ids", "provider", "scopes"}
)
"""Event fields that are compared, never shown."""


@dataclass
class Walk:
    """The progress of a request. JSON in its event's row; contains the customer's names while it lasts."""

    phase: str
    since: str
    conversation: str = ""
    turn: int = 0
    event: int = 0
    names: list[str] = field(default_factory=list)
    rows: int = 0
    on_the_broker: bool = False
    """Whether replies that the broker may still hold were blanked or erased."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_closed(self) -> bool:
        return self.phase == LEFTOVERS


@dataclass(frozen=True)
class Pruned:
    """How many rows `prune` deleted."""

    turns: int
    events: int
    conversations: int = 0
    is_cut_off: bool = False
    """Whether a limit was reached, so that there is probably more."""


@dataclass(frozen=True)
class PrivacyRequest:
    """A privacy event: the request and its progress. `rows`: how many contained something so far."""

    id: str
    made_at: datetime
    person: Person
    shop_domain: str
    type: str
    status: str
    attempts: int = 0
    error_code: str | None = None
    rows: int = 0

    @property
    def state(self) -> str:
        """The progress as text."""
        if self.status == "rejected":
            return f"refused, {self.error_code}"
        if self.status == "received":
            return f"waits, put off {self.attempts} times, {self.rows} rows so far"
        return f"answer with: cj privacy export {self.id}" if self.type == "customers_data_request" else "done"

    def to_json(self) -> dict[str, Any]:
        """As JSON, without the customer."""
        names = ("id", "type", "made_at", "shop_domain", "status", "attempts", "rows", "error_code")
        return {"merchant_id": self.person.merchant_id, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class Mentions:
    """Everything stored about a person: fetched data and what was said. JSON-ready."""

    orders: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    words: list[dict[str, Any]]


def find(session: Session, person: Person) -> Mentions:
    """What is stored about a person."""
    start = Walk(NAMES, "")
    names = {
        name for turn in _turns(session, person.merchant_id, start) for name in _names(session, turn, Needles(person))
    }
    needles = Needles(person, names)
    orders: dict[str, dict[str, Any]] = {}
    customers: dict[str, dict[str, Any]] = {}
    words: list[dict[str, Any]] = []
    for turn in _turns(session, person.merchant_id, start):
        if needles.are_in(turn.input):
            words.append(_said(turn, turn.created_at, turn.input.get("sender"), turn.input.get("text")))
        for step in _steps(session, turn, needles):
            for order in needles.orders_in(step.tool_results):
                orders[str(order.get("id"))] = order
                customer = order.get("customer")
                if isinstance(customer, Mapping) and needles.name(customer):
                    customers[str(customer.get("id"))] = dict(customer)
            if needles.are_in(step.assistant.get("content")):
                words.append(_said(turn, step.created_at, "cj", step.assistant["content"]))
    return Mentions(list(orders.values()), list(customers.values()), words)


def begin(session: Session, phase: str) -> Walk:
    """A new walk that starts with `phase`."""
    since: datetime = session.execute(SQL["now"]).scalar_one() - UNCOMMITTED
    return Walk(phase, since.isoformat())


def blank_some(session: Session, person: Person, walk: Walk, *, but_event: int) -> None:
    """Blank what is stored about a person, as much as fits into one transaction; advances `walk`. Safe to repeat.

    The requesting event keeps its content.
    """
    _go_on(_blanking(session, person, walk, but_event))


def _go_on(steps: Iterator[None]) -> None:
    """Make steps for as long as one transaction may last, at least one."""
    deadline = time.monotonic() + SLICE_SECONDS
    for _ in steps:
        if time.monotonic() > deadline:
            return


def _blanking(session: Session, person: Person, walk: Walk, but_event: int) -> Iterator[None]:
    if walk.phase == NAMES:
        needles = Needles(person)
        names = set(walk.names)
        for turn in _turns(session, person.merchant_id, walk):
            names |= _names(session, turn, needles)
            walk.names = sorted(names)
            _reached(walk, turn)
            yield
        walk.phase, walk.conversation, walk.turn = TALK, "", 0
    needles = Needles(person, walk.names)
    if walk.phase == TALK:
        for turn in _turns(session, person.merchant_id, walk, contexts=needles):
            _blank_turn(session, turn, needles, walk)
            _reached(walk, turn)
            yield
        walk.phase = CONTENT
    if walk.phase == CONTENT:
        for keys in _events(session, person.merchant_id, walk, but=but_event):
            _blank_events(session, keys, needles, walk)
            yield
        walk.phase = CLOSE
    if walk.phase == CLOSE:
        close_blanking(session, person, walk, but_event=but_event)


def close_blanking(session: Session, person: Person, walk: Walk, *, but_event: int) -> None:
    """The last transaction of a redaction: running turns start again, and what was written meanwhile is blanked,
    too."""
    needles = Needles(person, walk.names)
    where = {"merchant_id": person.merchant_id, "since": walk.since}
    session.execute(SQL["take_back_turns"], {"merchant_id": person.merchant_id})
    session.execute(SQL["drop_fetch_answers"], {"merchant_id": person.merchant_id})
    for turn in session.execute(SQL["lately_changed"], where).all():
        _blank_turn(session, turn, needles, walk)
    for conversation in session.execute(SQL["contexts_lately_changed"], where).all():
        _blank_context(session, conversation.id, conversation.context, needles, walk)
    for keys in _events(session, person.merchant_id, walk, but=but_event):
        _blank_events(session, keys, needles, walk)
    if person.customer_id is not None:
        add_tombstone(session, CUSTOMER, f"{person.merchant_id}/{person.customer_id}")
    walk.phase = LEFTOVERS


def erase_some(session: Session, merchant_id: str, walk: Walk, *, but_event: int, before: datetime | None) -> None:
    """Erase a merchant's data, as much as fits into one transaction; advances `walk`. Safe to repeat.

    `before`: only older data, because the shop was reconnected then; None: everything, including tokens. The requesting
    event keeps its content, and a tombstone stays.
    """
    _go_on(_erasing(session, merchant_id, walk, but_event, before))


def _erasing(session: Session, merchant_id: str, walk: Walk, but_event: int, before: datetime | None) -> Iterator[None]:
    if walk.phase == TALK:
        waiting = session.execute(SQL["has_replies_on_the_broker"], {"merchant_id": merchant_id}).scalar_one()
        walk.on_the_broker = walk.on_the_broker or bool(waiting)
        for conversation in _conversations(session, merchant_id, walk.conversation):
            while _erase_turns(session, conversation.id, before, walk) == ROWS:
                yield
            _erase_conversation(session, conversation.id, before)
            walk.conversation = conversation.id
            yield
        walk.phase = CONTENT
    if walk.phase == CONTENT:
        for keys in _events(session, merchant_id, walk, but=but_event, before=before):
            session.execute(SQL["blank_events"], {"keys": keys})
            yield
        walk.phase = CLOSE
    if walk.phase == CLOSE:
        if before is None:
            walk.rows += int(session.execute(SQL["erase_merchant"], {"key": but_event}).scalar_one())
            add_tombstone(session, MERCHANT, merchant_id)
        else:
            add_tombstone(session, FORMER, merchant_id, at=before)
        walk.phase = LEFTOVERS


def forget_contacts(session: Session, key: int) -> None:
    """Remove e-mail and phone from a finished privacy event; its ids stay, as a record of the request."""
    session.execute(SQL["forget_contacts"], {"key": key, "contacts": list(CONTACTS)})


def blank_event(session: Session, key: int) -> None:
    """Remove an event's content; it keeps its identity."""
    session.execute(SQL["blank_event"], {"key": key})


def add_tombstone(session: Session, kind: str, subject: str, *, at: datetime | None = None) -> None:
    """Record that this was erased now, or `at`; an existing later time stays."""
    session.execute(SQL["add_tombstone"], {"kind": kind, "subject": subject, "at": at})


def erased_at(session: Session, kind: str, subject: str) -> datetime | None:
    """When this was last erased; None if never."""
    found: datetime | None = session.execute(SQL["erased_at"], {"kind": kind, "subject": subject}).scalar()
    return found


def requests(session: Session, *, limit: int) -> list[PrivacyRequest]:
    """Privacy events, latest first."""
    return [_request(row) for row in session.execute(SQL["requests"], {"limit": limit})]


def request(session: Session, id: str) -> PrivacyRequest | None:
    """The customers_data_request with this event id."""
    row = session.execute(SQL["request"], {"id": id}).one_or_none()
    return None if row is None else _request(row)


def prune(session: Session, *, limit: int = PRUNE_BATCH) -> Pruned:
    """Delete what ended over DAYS ago by both Postgres' and this process's clock, at most `limit` of each: turns with
    their steps and replies, events, and empty conversations."""
    values = {"days": DAYS, "limit": limit, "clock": time.time()}
    ended = _count(session.execute(SQL["prune_turns"], values))
    waiting = _count(session.execute(SQL["prune_waiting"], values))
    events = _count(session.execute(SQL["prune_events"], values))
    conversations = _count(session.execute(SQL["prune_conversations"], values))
    is_cut_off = max(ended, waiting, events, conversations) >= limit
    return Pruned(ended + waiting, events, conversations, is_cut_off)


def _pages(
    session: Session, query: TextClause, where: Mapping[str, Any], *, after: int | str, by: str
) -> Iterator[Any]:
    """All rows of a query, `where["limit"]` at a time; each page begins after the last row's column `by`."""
    while True:
        found = session.execute(query, {**where, "after": after}).all()
        yield from found
        if len(found) < where["limit"]:
            return
        after = getattr(found[-1], by)


def _conversations(session: Session, merchant_id: str, after: str) -> Iterator[Any]:
    where = {"merchant_id": merchant_id, "limit": CONVERSATIONS}
    return _pages(session, SQL["next_conversations"], where, after=after, by="id")


def _turns(session: Session, merchant_id: str, walk: Walk, *, contexts: Needles | None = None) -> Iterator[Any]:
    """A merchant's turns from the walk's position on, by conversation and seq; with `contexts`, blanks those, too."""
    if walk.conversation:
        yield from _turns_of(session, walk.conversation, walk.turn)
    for conversation in _conversations(session, merchant_id, walk.conversation):
        if contexts is not None:
            _blank_context(session, conversation.id, conversation.context, contexts, walk)
        yield from _turns_of(session, conversation.id, 0)


def _turns_of(session: Session, conversation_id: str, after: int) -> Iterator[Any]:
    where = {"conversation_id": conversation_id, "limit": TURNS}
    return _pages(session, SQL["next_turns"], where, after=after, by="seq")


def _reached(walk: Walk, turn: Any) -> None:
    walk.conversation, walk.turn = turn.conversation_id, turn.seq


def _steps(session: Session, turn: Any, needles: Needles) -> Iterator[StepRow]:
    """A turn's steps that may mention the person, or contain encrypted data that may be about anybody."""
    for row in _pages(session, SQL["next_steps"], {"turn_id": turn.id, "limit": ROWS}, after=-1, by="step"):
        assistant, results = row.assistant, row.tool_results
        if EXTRAS in assistant or needles.may_be_in_json(assistant, results or ""):
            read = None if results is None else json.loads(results)
            yield StepRow(row.step, json.loads(assistant), read, row.created_at)


def _replies(session: Session, turn: Any) -> Iterator[Any]:
    return _pages(session, SQL["next_replies"], {"turn_id": turn.id, "limit": ROWS}, after=0, by="sequence")


def _events(
    session: Session, merchant_id: str, walk: Walk, *, but: int | None = None, before: datetime | None = None
) -> Iterator[list[int]]:
    """Keys of the merchant's events, batch by batch; a batch may be empty. The walk is then after the latest one."""
    while True:
        where = {"merchant_id": merchant_id, "after": walk.event, "limit": EVENTS}
        found = session.execute(SQL["next_events"], where).all()
        keys = [int(row.key) for row in found if row.key != but and (before is None or row.received_at < before)]
        for start in range(0, len(keys), ROWS):
            chunk = keys[start : start + ROWS]
            walk.event = chunk[-1]
            yield chunk
        if found:
            walk.event = int(found[-1].key)
        if len(found) < EVENTS:
            return
        yield []


def _names(session: Session, turn: Any, needles: Needles) -> set[str]:
    return {name for step in _steps(session, turn, needles) for name in needles.names_in(step.tool_results)}


def _blank_turn(session: Session, turn: Any, needles: Needles, walk: Walk) -> None:
    for step in _steps(session, turn, needles):
        assistant = _blank_assistant(step.assistant, needles)
        results = _blank_results(step.tool_results, needles)
        if (assistant, results) != (step.assistant, step.tool_results):
            values = {"assistant": dump(assistant), "tool_results": None if results is None else dump(results)}
            session.execute(SQL["write_step"], {"turn_id": turn.id, "step": step.step, **values})
            walk.rows += 1
    said = _blanked(turn.input, needles)
    if said != turn.input:
        session.execute(SQL["write_input"], {"input": dump(said), "id": turn.id})
        walk.rows += 1
    for reply in _replies(session, turn):
        data = _blanked(reply.body.get("data", {}), needles)
        if data != reply.body.get("data", {}):
            session.execute(SQL["write_reply"], {"body": dump({**reply.body, "data": data}), "id": reply.id})
            walk.rows += 1
            walk.on_the_broker = walk.on_the_broker or reply.on_the_broker


def _blank_context(
    session: Session, conversation_id: str, context: Mapping[str, Any], needles: Needles, walk: Walk
) -> None:
    if not needles.are_in(context):
        return
    current = session.execute(SQL["lock_context"], {"id": conversation_id}).scalar()
    if current is not None:
        blanked = _blanked(current, needles)
        session.execute(SQL["write_context"], {"id": conversation_id, "context": dump(blanked)})
        walk.rows += 1


def _blank_events(session: Session, keys: Sequence[int], needles: Needles, walk: Walk) -> None:
    for row in session.execute(SQL["content_of_events"], {"keys": list(keys)}).all():
        data = {name: value if name in IDENTIFIERS else _blanked(value, needles) for name, value in row.data.items()}
        if row.type in PRIVACY and needles.is_about(row.data):
            data = {name: value for name, value in data.items() if name not in CONTACTS}
        error = REMOVED if row.error is not None and needles.are_in(row.error) else row.error
        if (data, error) != (row.data, row.error):
            session.execute(SQL["write_event"], {"data": dump(data), "error": error, "key": row.key})
            walk.rows += 1


def _blank_assistant(message: Mapping[str, Any], needles: Needles) -> dict[str, Any]:
    """Blank the model's words; arguments of tool calls stay JSON. What a provider wants back may be encrypted and about
    anybody, so it is removed completely.
    """
    blanked: dict[str, Any] = _blanked({key: value for key, value in message.items() if key != EXTRAS}, needles)
    for call, before in zip(blanked.get("tool_calls") or (), message.get("tool_calls") or (), strict=True):
        function = before.get("function")
        if isinstance(function, Mapping) and needles.are_in(function.get("arguments")):
            call["function"] = {**function, "arguments": "{}"}
    return blanked


def _blank_results(results: Sequence[Mapping[str, Any]] | None, needles: Needles) -> list[dict[str, Any]] | None:
    if results is None:
        return None
    return [
        {**result, "content": _removed(result.get("content"))}
        if needles.are_in(result.get("content"))
        else dict(result)
        for result in results
    ]


def _removed(content: Any) -> dict[str, Any]:
    data_type = content.get("data_type") if isinstance(content, Mapping) else None
    return {"success": False, "data_type": data_type, "error_code": REMOVED_CODE, "error": REMOVED}


def _blanked(value: Any, needles: Needles) -> Any:
    """A JSON value without texts and keys that mention the person."""
    if isinstance(value, str):
        return REMOVED if needles.are_in(value) else value
    if isinstance(value, Mapping):
        return {_blanked(str(key), needles): _blanked(item, needles) for key, item in value.items()}
    if isinstance(value, list):
        return [_blanked(item, needles) for item in value]
    return value


def _erase_turns(session: Session, conversation_id: str, before: datetime | None, walk: Walk) -> int:
    where = {"conversation_id": conversation_id, "before": before, "limit": ROWS}
    count = _count(session.execute(SQL["erase_turns"], where))
    walk.rows += count
    return count


def _erase_conversation(session: Session, conversation_id: str, before: datetime | None) -> None:
    erased = _count(session.execute(SQL["erase_conversation"], {"id": conversation_id, "before": before}))
    if not erased and before is not None:
        values = {"id": conversation_id, "before": before, "kept": list(KEPT_CONTEXT)}
        session.execute(SQL["reduce_context"], values)


def _count(result: Result[Any]) -> int:
    return cast("Rows", result).rowcount


def _said(turn: Any, at: datetime, who: Any, words: Any) -> dict[str, Any]:
    where = {"conversation_id": turn.conversation_id, "turn": turn.seq, "at": at.isoformat()}
    return {**where, "who": who, "words": words}


def _request(row: Any) -> PrivacyRequest:
    person = Person.of_event(str(row.merchant_id), row.data)
    rows = int((row.progress or {}).get("rows", 0))
    shop = str(row.data.get("shop_domain", "-"))
    return PrivacyRequest(row.id, row.made_at, person, shop, row.type, row.status, row.attempts, row.error_code, rows)
