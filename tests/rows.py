"""Rows for tests, made the way the product makes them."""

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

import pytest
from sqlalchemy import TextClause, text

from storage import connections, conversations, inbox, merchants, turns
from storage.database import Database, Session
from storage.inbox import Accepted, NewEvent
from storage.turns import Claim, Room, TurnInput

T = TypeVar("T")
R = TypeVar("R")

#: For more than any test says.
ROOM = Room(messages=20, bytes=40_000)

_numbers = count(1)


def new_event(
    id: str | None = None,
    *,
    content: bytes | None = None,
    source: str = "/gateway",
    type: str = "message_received",
    merchant_id: str = "m1",
    conversation_id: str | None = "c1",
    data: dict[str, Any] | None = None,
    traceparent: str | None = None,
) -> NewEvent:
    """An event with an id of its own; `content` stands for what it says."""
    event_id = id or f"event-{next(_numbers)}"
    return NewEvent(
        source=source,
        id=event_id,
        type=type,
        time=None,
        subject=None,
        traceparent=traceparent,
        data={"merchant_id": merchant_id, "text": event_id} if data is None else data,
        content_hash=hashlib.sha256(content or event_id.encode()).digest(),
        merchant_id=merchant_id,
        conversation_id=conversation_id,
    )


def store_event(database: Database, event: NewEvent) -> int:
    with database.transaction() as session:
        accepted = inbox.accept(session, [event])[0]
    assert isinstance(accepted, Accepted)
    return accepted.key


def uninstall(session: Session, merchant_id: str, shop_domain: str, *, at: datetime) -> bool:
    """The shop uninstalled the app: what handling the event does to its tokens."""
    data = {"merchant_id": merchant_id, "shop_domain": shop_domain}
    event = replace(
        new_event(type="app_uninstalled", merchant_id=merchant_id, conversation_id=None, data=data), time=at
    )
    [accepted] = inbox.accept(session, [event])
    assert isinstance(accepted, Accepted)
    return connections.disconnect(session, accepted.key)


def open_conversation(database: Database, conversation_id: str = "c1", merchant_id: str = "m1") -> None:
    with database.transaction() as session:
        merchants.add_merchant(session, merchant_id)
        conversations.open(session, id=conversation_id, merchant_id=merchant_id, workflow="ad_hoc_support", context={})


def queue(
    database: Database,
    said: TurnInput | str = "hello",
    *,
    conversation_id: str = "c1",
    merchant_id: str = "m1",
    traceparent: str | None = None,
) -> int:
    """Open the conversation if needed and queue a turn for a new event; returns the turn's id."""
    open_conversation(database, conversation_id, merchant_id)
    turn_input = TurnInput("merchant", said) if isinstance(said, str) else said
    data = {"merchant_id": merchant_id, "conversation_id": conversation_id, "text": turn_input.text}
    event = new_event(merchant_id=merchant_id, conversation_id=conversation_id, traceparent=traceparent, data=data)
    key = store_event(database, event)
    with database.transaction() as session:
        turn_id = turns.queue_turn(
            session,
            conversation_id=conversation_id,
            merchant_id=merchant_id,
            event_key=key,
            action=0,
            input=turn_input,
        )
        inbox.processed(session, key)
    assert turn_id is not None
    return turn_id


def claim(database: Database, turn_id: int, *, lease_seconds: float = 60.0, owner: str = "test") -> Claim:
    """Claim a turn that must be claimable."""
    with database.transaction() as session:
        claimed = turns.claim(session, turn_id, lease_seconds=lease_seconds, owner=owner)
    assert isinstance(claimed, Claim), claimed
    return claimed


def finish(database: Database, claimed: Claim) -> None:
    with database.transaction() as session:
        turns.finish(session, claimed)


def give_up(database: Database, claimed: Claim) -> None:
    """The turn's worker fell silent once too often: the turn is dead."""
    with database.transaction() as session:
        turns.drop_lease(session, claimed)
        turns.expire(session, max_failures=1)


def execute(database: Database, statement: str, **values: Any) -> None:
    """Change what no function of ours may change, e.g. the time."""
    with database.transaction() as session:
        session.execute(text(statement), values)


def query(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with database.transaction() as session:
        return [tuple(row) for row in session.execute(text(statement), values)]


def statements_seen(patches: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """The statements that take a round trip of their own from now on, with their parameters."""
    seen: list[tuple[str, Any]] = []
    execute = Session.execute

    def noting(session: Session, statement: TextClause, parameters: Any = None) -> Any:
        if statement.text != "COMMIT":
            seen.append((statement.text, parameters))
        return execute(session, statement, parameters)

    patches.setattr(Session, "execute", noting)
    return seen


def let_lease_run_out(database: Database, turn_id: int) -> None:
    execute(database, "UPDATE turns SET lease_until = clock_timestamp() - interval '1 s' WHERE id = :id", id=turn_id)


def at_once(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """`work` on all items in threads of their own that start at the same moment; the results in order."""
    barrier = threading.Barrier(len(items))

    def run(item: T) -> R:
        barrier.wait(10)
        return work(item)

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items))
