"""What waits in Postgres, and since when: for `cj status` and the gauges.

The SQL is in `backlog.sql`. Ages and spans are in seconds of the database's clock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from storage import sql
from storage.database import Session
from storage.privacy import DAYS
from storage.turns import REFUSAL, RETRY, TOO_MANY_WAITING

SQL = sql.load("backlog")

#: At most this many events, and turns, are measured.
MEASURED = 2000


@dataclass(frozen=True)
class Waiting:
    """How many rows wait, and for how long the oldest has; 0 if none does."""

    count: int
    oldest_seconds: float


@dataclass(frozen=True)
class Backlog:
    """`failed` and `dead` turns and `refused` events: those of the last hour that were not retried."""

    events: Waiting
    turns: Waiting
    """Runnable turns: not those that are not due yet."""
    replies: Waiting
    """Unacked replies."""
    without_model: int
    """Ended turns that wait for a model to answer them."""
    running: int
    owed: int
    """Ended turns that wait for a store or its data: the merchant was promised an answer."""
    failed: int
    dead: int
    refused: int
    integrations: Mapping[str, int]
    overdue_seconds: float
    """How long the oldest ended turn is past its retention time; 0 if none is."""
    silent_seconds: float = 0.0
    """Since the latest event was stored; 0 if there is none."""
    clock_ahead_seconds: float = 0.0
    """This process's clock minus the database's."""


@dataclass(frozen=True)
class Speed:
    """How long something took recently, and over how many cases."""

    count: int
    p50: float
    p95: float


def read(session: Session) -> Backlog:
    """What waits now."""
    row = session.execute(SQL["backlog"], {"retry": RETRY, "days": DAYS}).one()
    statuses = {"active": 0, "needs_reauth": 0, "uninstalled": 0, **(row.integrations or {})}
    return Backlog(
        events=Waiting(row.events, max(row.events_age or 0.0, 0.0)),
        turns=Waiting(row.turns, max(row.turns_age or 0.0, 0.0)),
        replies=Waiting(row.replies, max(row.replies_age or 0.0, 0.0)),
        without_model=row.without_model,
        running=row.running,
        owed=row.owed,
        failed=row.failed,
        dead=row.dead,
        refused=row.refused,
        integrations=statuses,
        overdue_seconds=max(row.overdue or 0.0, 0.0),
        silent_seconds=max(row.silent or 0.0, 0.0),
        clock_ahead_seconds=time.time() - row.now,
    )


def declined(session: Session, merchant_id: str | None = None) -> tuple[str, int] | None:
    """The merchant with the most declined messages in the last hour (or only this one), and how many; None if there are
    none."""
    row = session.execute(SQL["declined"], {"declined": TOO_MANY_WAITING, "merchant": merchant_id}).one_or_none()
    return None if row is None else (row.merchant_id, row.number)


def speeds(session: Session, *, window_seconds: float) -> dict[str, Speed]:
    """How long events, turns and CJ's first words took in the last `window_seconds`, by what was measured.

    Measures the latest MEASURED at most.
    """
    asked = {"window": window_seconds, "most": MEASURED, "refusal": REFUSAL, "retry": RETRY}
    rows = session.execute(SQL["speeds"], asked)
    return {row.what: Speed(row.number, row.p50, row.p95) for row in rows}
