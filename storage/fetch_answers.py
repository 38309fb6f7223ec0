"""Answers to fetch requests that Redis did not take: the Shopify worker leaves them here, and the agent picks them up.

While Redis works, nobody writes or reads here. The SQL is in `fetch_answers.sql`.
"""

from collections.abc import Mapping
from typing import Any

from storage import sql
from storage.cache import ANSWER_SECONDS
from storage.database import Session
from storage.sql import dump

SQL = sql.load("fetch_answers")


def leave(session: Session, request_id: str, turn_id: int, answer: Mapping[str, Any]) -> None:
    """Leave the answer to a turn's request; a second one changes nothing. Raises StorageRefused if the turn is gone."""
    session.execute(SQL["leave"], {"request_id": request_id, "turn_id": turn_id, "answer": dump(dict(answer))})


def pick_up(session: Session, request_id: str) -> dict[str, Any] | None:
    """The answer to a request, which is deleted; None if there is none."""
    found: dict[str, Any] | None = session.execute(SQL["pick_up"], {"request_id": request_id}).scalar()
    return found


def prune(session: Session) -> None:
    """Delete what nobody picked up."""
    session.execute(SQL["prune"], {"seconds": ANSWER_SECONDS})
