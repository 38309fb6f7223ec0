"""How much merchants use language models: tokens by day, and turns in the last minute. The SQL is in `usage.sql`.

Days are UTC. Nothing that was said is stored here, so the figures outlive their turns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from storage import sql
from storage.database import Session

SQL = sql.load("usage")

#: Days for which the figures are stored.
DAYS = 400


@dataclass(frozen=True)
class Used:
    """A merchant's use of one model on one day. `calls`: answers of the model."""

    merchant_id: str
    day: date
    model: str
    calls: int
    input_tokens: int
    output_tokens: int


def add(session: Session, merchant_id: str, *, model: str, input_tokens: int, output_tokens: int) -> None:
    """Count one answer of a model for today."""
    values = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
    session.defer(SQL["add"], {"merchant_id": merchant_id, **values})


def begin_turn(session: Session, merchant_id: str, *, most: int) -> bool:
    """Count a turn in the merchant's current minute; False, without counting, if there are `most` already."""
    return session.execute(SQL["begin_turn"], {"merchant_id": merchant_id, "most": most}).first() is not None


def of_days(session: Session, *, days: int, limit: int, merchant_id: str | None = None) -> Iterator[Used]:
    """The usage of the last `days` days, today included, latest first: of one merchant, or of all."""
    values = {"days": days, "limit": limit, "merchant_id": merchant_id}
    return (Used(*row) for row in session.execute(SQL["of_days"], values))


def prune(session: Session) -> None:
    """Delete figures that are older than DAYS days."""
    session.execute(SQL["prune"], {"days": DAYS})
