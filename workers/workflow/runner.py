"""Handles accepted events, each in one transaction and in conversation order, then notifies other workers.

An event whose handling fails unexpectedly is retried with growing pauses and finally refused: it blocks its
conversation for a while, not forever, and operators find it with `cj events rejected`. Each try counts as an attempt. A
privacy deletion is never refused for such a reason: `cj privacy requests` shows its state.
"""

from contextlib import suppress

from events.catalog import DELETIONS
from storage import inbox
from storage.errors import StorageError, StorageUnavailable
from storage.outbox import OutgoingReply
from workers import logs, metrics
from workers.bootstrap import Resources
from workers.failpoints import failpoint, in_transaction
from workers.shop.fetch import FetchRequest
from workers.workflow import handler
from workers.workflow.handler import handle, settle
from workers.workflow.planned_turns import Effects

log = logs.get(__name__)

MAX_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0
LONGEST_OUTAGE_PAUSE_SECONDS = 10.0
"""While Postgres is away, or holds a lock for somebody: that is no fault of the event, and merchants wait."""
FAILED = "event.handling_failed"


def run(tools: Resources, *event_keys: int) -> None:
    """Handle the events, each after the earlier ones of its conversation; skips those that are done."""
    merchant_ids: set[str] = set()
    over_limit: set[str] = set()
    for event_key in event_keys:
        _run_one(tools, event_key, merchant_ids, over_limit)
    most = tools.settings.events_at_a_time
    tools.wake_ups.oldest_events(tools.database, merchant_ids - over_limit, per_merchant=most)
    # Declining a flood as fast as it comes would take the CPU from everybody else.
    pause = most / tools.settings.declined_per_second
    tools.wake_ups.oldest_events(tools.database, over_limit, per_merchant=most, after_seconds=pause)


def _run_one(tools: Resources, event_key: int, merchant_ids: set[str], over_limit: set[str]) -> None:
    try:
        while (effects := _next(tools, event_key)) is not None:
            if effects.merchant_id is not None and effects.is_crowded:
                merchant_ids.add(effects.merchant_id)
                if effects.is_over_limit:
                    over_limit.add(effects.merchant_id)
            if effects.postponed_seconds is not None or effects.done_key == event_key:
                return
    except StorageUnavailable as error:
        log.warning("event waits for Postgres; the sweeper will retry it", event_key=event_key, reason=str(error))
        with suppress(StorageError):  # Postgres is down altogether
            _postpone(tools, event_key, in_outage=True)
    except Exception:
        log.exception("event could not be handled", event_key=event_key)
        with suppress(StorageError):  # then the sweeper will retry it
            _postpone(tools, event_key)


def _next(tools: Resources, event_key: int) -> Effects | None:
    """Handle one event on the way to `event_key`; None when there is nothing left to do."""
    settings = tools.settings
    limits = {"max_waiting": settings.max_waiting_turns, "at_a_time": settings.turns_at_a_time}
    limits["per_merchant"] = settings.events_at_a_time
    effects = in_transaction(
        tools.database, "handle", lambda session: handle(session, tools.workflows, event_key, **limits)
    )
    if effects is None:
        return None
    told = notify(tools, effects)
    failpoint("handle.after_hints")
    if effects.sent_again is not None:
        if not told:
            log.warning("replies that were asked for again wait for the broker", event_key=effects.event_key)
            return None
        with tools.database.transaction() as session:
            inbox.keep_progress(session, effects.event_key, vars(effects.sent_again))
    left = effects.leftovers
    while left is not None:
        if not (tools.cache.drop(left.merchant_id) and (not left.on_the_broker or tools.reply_publisher.purge())):
            log.warning("a deletion waits for Redis or the broker", event_key=left.event_key)
            _postpone(tools, left.event_key)
            return None
        with tools.database.transaction() as session:
            settled = settle(session, left.event_key)
        left = None if settled is None else settled.leftovers
    return effects


def _postpone(tools: Resources, event_key: int, *, in_outage: bool = False) -> None:
    replies: list[OutgoingReply] = []
    with tools.database.transaction() as session:
        row = inbox.take(session, event_key)
        if row is None:
            return
        ids = {"event_key": row.key, "event_id": row.id, "conversation_id": row.conversation_id}
        if in_outage or row.type in DELETIONS or row.attempts + 1 < MAX_ATTEMPTS:
            longest = LONGEST_OUTAGE_PAUSE_SECONDS if in_outage else LONGEST_PAUSE_SECONDS
            seconds = min(FIRST_PAUSE_SECONDS * 2 ** min(row.attempts, 20), longest)
            log.warning("event postponed", **ids, attempts=row.attempts + 1, seconds=seconds)
            inbox.postpone(session, row.key, seconds)
            metrics.event(row.type, "postponed")
        else:
            log.error("event refused: every attempt failed", **ids, error_code=FAILED)
            reason = f"handling it failed {MAX_ATTEMPTS} times; the workflow worker's log says why"
            replies = handler.refuse(session, row, FAILED, reason)
    tools.reply_publisher.publish(replies)


def notify(tools: Resources, effects: Effects) -> bool:
    """Wake other workers after the commit, most urgent first: the first prefetch runs while the model is answering; a
    later one that has not started when its data is needed is fetched on demand. False if the broker did not accept the
    replies."""
    for merchant_id in effects.forget_cache_of:
        tools.cache.drop(merchant_id)
    fetches = [
        FetchRequest(merchant_id, data_type, event_id=effects.event_id, traceparent=effects.traceparent).to_json()
        for merchant_id, data_type in effects.prefetches
    ]
    if fetches:
        tools.wake_ups.fetch(*fetches)
    for turn_id in effects.wake_ups:
        tools.wake_ups.run_turn(turn_id)
    published = tools.reply_publisher.publish(effects.replies) if effects.replies else 0
    return published == len(effects.replies)
