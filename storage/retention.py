"""Deletes what has been kept long enough: turns with their steps and replies, and events. See `retention.sql`."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, Result
from sqlalchemy.orm import Session

from storage import sql

#: Days for which words and store data in steps and replies are kept; an event that comes again later is a new one.
DAYS = 30
BATCH = 1000

SQL = sql.load("retention")


@dataclass(frozen=True)
class Pruned:
    """How many rows went."""

    turns: int
    events: int


def prune(session: Session, *, days: int = DAYS, limit: int = BATCH) -> Pruned:
    """Delete at most `limit` turns and `limit` events that ended more than `days` ago."""
    values = {"days": days, "limit": limit}
    turns = session.execute(SQL["turns"], values)
    events = session.execute(SQL["events"], values)
    return Pruned(_count(turns), _count(events))


def _count(result: Result[Any]) -> int:
    return cast("CursorResult[Any]", result).rowcount
