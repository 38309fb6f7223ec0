"""Conversations: their workflow, their context, and what was said so far. The SQL is in `conversations.sql`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from storage import sql
from storage.errors import ConversationOfAnotherMerchant
from storage.sql import dump
from storage.turns import MOST_OWED, AbsorbedTurn, StepRow, TurnInput

if TYPE_CHECKING:
    from storage.database import Session

SQL = sql.load("conversations")


@dataclass(frozen=True)
class Conversation:
    id: str
    merchant_id: str
    workflow: str
    context: dict[str, Any]
    status: str
    last_turn: int


@dataclass(frozen=True)
class PastTurn:
    """An ended turn: what it answered, its complete steps, and the messages it absorbed."""

    seq: int
    input: TurnInput
    steps: tuple[StepRow, ...]
    absorbed: tuple[AbsorbedTurn, ...]
    owed_since: datetime | None = None
    """When it ended because no model answered, if it still waits for an answer."""
    was_stopped: bool = False
    """Whether the merchant stopped it."""


def get(session: Session, id: str, *, lock: bool = False) -> Conversation | None:
    """The conversation, locked until the end of the transaction if `lock`; None if there is none."""
    row = session.execute(SQL["lock" if lock else "get"], {"id": id}).one_or_none()
    return None if row is None else Conversation(*row)


def bound_to(session: Session, id: str) -> str | None:
    """The merchant for whom a conversation id of the form `MERCHANT_ID:anything` is reserved.

    None for any other id, which belongs to the first merchant who uses it.
    """
    parts = id.split(":")
    prefixes = [":".join(parts[:count]) for count in range(1, len(parts))]
    found = session.execute(SQL["bound_to"], {"prefixes": prefixes}).scalar() if prefixes else None
    return None if found is None else str(found)


def latest_open(session: Session, merchant_id: str, *, lock: bool = False) -> Conversation | None:
    """The merchant's most recently updated open conversation."""
    found = session.execute(SQL["latest_open"], {"merchant_id": merchant_id}).scalar()
    return None if found is None else get(session, found, lock=lock)


def open(
    session: Session, *, id: str, merchant_id: str, workflow: str, context: Mapping[str, Any], by_door: bool = False
) -> Conversation:
    """Open the conversation, locked; returns an existing one unchanged. `by_door`: its replies are read at the door.

    Raises ConversationOfAnotherMerchant if it exists and is another merchant's.
    """
    values = {
        "id": id,
        "merchant_id": merchant_id,
        "workflow": workflow,
        "context": dump(dict(context)),
        "by_door": by_door,
    }
    row = session.execute(SQL["open"], values).one_or_none()
    found = get(session, id, lock=True) if row is None else Conversation(*row)
    if found is None or found.merchant_id != merchant_id:
        raise ConversationOfAnotherMerchant(f"conversation {id!r} belongs to another merchant")
    return found


def change(session: Session, id: str, values: Mapping[str, Any], *, workflow: str | None = None) -> None:
    """Set these keys of the context, keep the others, and move the conversation to `workflow`, if given. The caller
    must have locked the conversation."""
    session.defer(SQL["change"], {"id": id, "values": dump(dict(values)), "workflow": workflow})


def history(
    session: Session, conversation_id: str, *, before_seq: int, max_turns: int, connected_at: datetime | None = None
) -> list[PastTurn]:
    """The last `max_turns` turns that ended before turn `before_seq`, and those that wait for a model, oldest first.

    Leaves out tool calls without results, which no model accepts, and those from before the store was connected: they
    may have read another one.
    """
    if before_seq == 1:
        return []
    where = {"conversation_id": conversation_id, "before_seq": before_seq}
    turns = session.execute(SQL["past_turns"], {**where, "max_turns": max_turns, "most_owed": MOST_OWED}).all()
    if not turns:
        return []
    which: dict[str, Any] = {"turn_ids": [turn.id for turn in turns], "conversation_id": conversation_id}
    steps: dict[int, list[StepRow]] = defaultdict(list)
    for turn_id, step, assistant, results, created_at in session.execute(SQL["steps_of_turns"], which):
        if connected_at is not None and created_at < connected_at:
            results = None
        if results is None and assistant.get("tool_calls") and assistant.get("content"):
            assistant = {"role": "assistant", "content": assistant["content"]}
        if results is not None or not assistant.get("tool_calls"):
            steps[turn_id].append(StepRow(step, assistant, results, created_at))
    absorbed: dict[int, list[AbsorbedTurn]] = defaultdict(list)
    for by, *taken in session.execute(SQL["absorbed_by_turns"], which):
        absorbed[by].append(AbsorbedTurn.from_row(taken))
    return [
        PastTurn(
            turn.seq,
            TurnInput.from_json(turn.input),
            tuple(steps[turn.id]),
            tuple(absorbed[turn.id]),
            turn.owed_since,
            turn.was_stopped,
        )
        for turn in turns
    ]


def remember_workflow(session: Session, hash: str, name: str, text: str) -> None:
    """Store a workflow's text under its hash, once."""
    session.defer(SQL["remember_workflow"], {"hash": hash, "name": name, "text": text})


def workflow_text(session: Session, hash: str) -> str | None:
    """The workflow text with this hash, if a turn ever started with it."""
    found = session.execute(SQL["workflow_text"], {"hash": hash}).scalar()
    return None if found is None else str(found)
