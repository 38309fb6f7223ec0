"""Time travel: everything stored becomes older, which to those who read it is the same as time having passed.

Clocks go on as they are. Every time in Postgres moves back, but for the leases of living workers; whatever expires in
Redis does so earlier, or is gone, but for the flights of fetches: both are kept up by whoever lives. Results that say
how old they are (`as_of`) say so.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import redis
from sqlalchemy import DateTime, text
from sqlalchemy.orm import Session

from storage.cache import FLIGHTS
from storage.models import Base

LEASES = frozenset({"lease_until"})
AS_OF = "as_of"


_OWNERS = text("SELECT DISTINCT lease_owner FROM turns WHERE lease_owner IS NOT NULL")
_AGE_LEASES = text("""
UPDATE turns SET lease_until = lease_until - make_interval(secs => :seconds) WHERE lease_owner = ANY (:dead)
""")


def age_rows(session: Session, seconds: float, *, lives: Callable[[str], bool] = lambda _owner: True) -> None:
    """Make every row `seconds` older; `lives` tells whether the owner of a lease keeps it up."""
    for table in Base.metadata.sorted_tables:
        times = [c.name for c in table.columns if isinstance(c.type, DateTime) and c.name not in LEASES]
        changes = ", ".join(f"{name} = {name} - make_interval(secs => :seconds)" for name in times)
        if changes:
            session.execute(text(f"UPDATE {table.name} SET {changes}"), {"seconds": seconds})  # noqa: S608 - our names
    dead = [owner for owner in session.scalars(_OWNERS) if not lives(owner)]
    if dead:
        session.execute(_AGE_LEASES, {"seconds": seconds, "dead": dead})
    results = text("SELECT turn_id, step, tool_results FROM steps WHERE tool_results IS NOT NULL FOR UPDATE")
    for turn_id, step, found in session.execute(results).all():
        keep = text("UPDATE steps SET tool_results = CAST(:new AS jsonb) WHERE turn_id = :turn_id AND step = :step")
        session.execute(keep, {"new": json.dumps(aged(found, seconds)), "turn_id": turn_id, "step": step})


def age_cache(client: redis.Redis, seconds: float) -> None:
    """Let everything that expires do so `seconds` earlier."""
    flights = set(client.scan_iter(match=FLIGHTS))
    for key in client.scan_iter():
        if key in flights:
            continue
        left = int(client.pttl(key)) - round(seconds * 1000)
        if left + round(seconds * 1000) < 0:  # it never expires
            continue
        if left <= 0:
            client.delete(key)
            continue
        if client.type(key) == b"string":
            _age_value(client, key, seconds)
        client.pexpire(key, left)


def age_broker(client: redis.Redis, seconds: float) -> None:
    """Let messages that a dead consumer had taken be due earlier: kombu keeps when each was taken as its score."""
    for key in client.scan_iter(match="*unacked_index"):
        taken: Any = client.zrange(key, 0, -1, withscores=True)
        for tag, at in taken:
            client.zadd(key, {tag: at - seconds}, xx=True)
    for key in client.scan_iter(match="*unacked_mutex"):
        client.delete(key)


def _age_value(client: redis.Redis, key: bytes, seconds: float) -> None:
    try:
        value = json.loads(client.get(key) or b"")
    except ValueError:
        return
    if isinstance(value, dict):
        client.set(key, json.dumps(aged(value, seconds)), keepttl=True)


def aged(value: Any, seconds: float) -> Any:
    """`value` with every `as_of` in it `seconds` earlier."""
    if isinstance(value, list):
        return [aged(item, seconds) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _earlier(item, seconds) if key == AS_OF else aged(item, seconds) for key, item in value.items()}


def _earlier(moment: Any, seconds: float) -> Any:
    try:
        return (datetime.fromisoformat(moment) - timedelta(seconds=seconds)).isoformat(timespec="seconds")
    except (TypeError, ValueError):
        return moment
