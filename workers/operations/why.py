"""Why CJ says nothing: what happened to a merchant's last events and turns, in sentences, read from Postgres only.

`resolve` finds the merchant for a conversation's id, a merchant's id, a shop's domain or an id from a log line; `read`
reads the rows; `reasons` explains them. Used by `cj why`, `cj merchant` and `cj timeline`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text

from events.catalog import REQUESTS
from events.errors import InvalidEvent
from events.shop_domain import normalize_shop_domain
from storage import backlog, turns
from storage.database import Session
from workers.operations.status import span

Row = dict[str, Any]

#: What precedes a shop's name in the address of its admin, as copied from a browser.
ADDRESS = re.compile(r"https?://(admin\.shopify\.com/store/)?", re.IGNORECASE)
#: How many of a merchant's turns are read, oldest first.
LOOKS = 50
#: How many refused events are searched for an unknown name.
REFUSED_LOOKS = 10_000
#: Seconds after which a runnable turn has probably been lost, or no agent is there to run it.
PATIENCE_SECONDS = 10.0
#: What the error of a turn, or of the data it last asked for, means.
ERRORS: Mapping[str, str] = {
    "model_unavailable": "no model answered; the agents' log says why (`model failed`)",
    "turn_timeout": "it took longer than its workflow allows",
    "turn_lost": "its workers died or hung three times",
    "too_many_waiting": "too many of the merchant's turns were waiting (CJ_MAX_WAITING_TURNS)",
    "budget_of_the_day": "the merchant's tokens of the day are used up (CJ_TOKENS_PER_DAY)",
    "budget_of_the_minute": "the merchant's turns of the minute are used up (CJ_TURNS_PER_MINUTE)",
    "model_without_words": "the model answered without words",
    "model_filtered": "the model's provider filtered the request or the answer",
}

CONVERSATION = text("SELECT id, merchant_id FROM conversations WHERE id = :name")
MERCHANT = text("SELECT id FROM merchants WHERE id = :name")
SHOP = text("""
    SELECT merchant_id FROM integrations WHERE type = 'shopify' AND shop_domain = :name
    ORDER BY is_active DESC, updated_at DESC LIMIT 1
""")
# Ids in log lines: `event_id`, `turn_id`. No index has event ids alone, so they come last.
LOGGED = text("""
    SELECT merchant_id, conversation_id FROM turns WHERE id = :number
    UNION ALL
    (SELECT merchant_id, conversation_id FROM events WHERE id = :name AND merchant_id IS NOT NULL
     ORDER BY key DESC LIMIT 1)
    LIMIT 1
""")
# Among the latest: the index has only refused events.
REFUSED = text("""
    SELECT e.id, e.type, e.error_code, e.error, e.received_at, clock_timestamp() AS now
    FROM (SELECT * FROM events WHERE status = 'rejected' ORDER BY processed_at DESC LIMIT :looks) AS e
    WHERE :name IN (e.id, e.conversation_id, e.merchant_id, e.data ->> 'conversation_id', e.data ->> 'merchant_id')
    ORDER BY e.received_at DESC LIMIT 1
""")
NOW = text("SELECT clock_timestamp()")
INTEGRATION = text("""
    SELECT shop_domain, status, scopes, token_version, connected_at, updated_at, access_expires_at
    FROM integrations WHERE merchant_id = :merchant AND type = 'shopify'
""")
CONVERSATIONS = text("""
    SELECT c.id, c.workflow, c.updated_at, c.context ->> 'last_error' AS last_error,
           t.seq, t.status, t.error, t.finished_at
    FROM conversations c
    LEFT JOIN LATERAL (
        SELECT seq, status, error, finished_at FROM turns WHERE conversation_id = c.id ORDER BY seq DESC LIMIT 1
    ) AS t ON true
    WHERE c.merchant_id = :merchant AND (CAST(:conversation AS text) IS NULL OR c.id = :conversation)
    ORDER BY c.updated_at DESC LIMIT 10
""")
UNHANDLED = text("""
    SELECT id, type, attempts, received_at, run_after FROM events
    WHERE status = 'received' AND merchant_id = :merchant
      AND (CAST(:conversation AS text) IS NULL OR conversation_id IS NULL OR conversation_id = :conversation)
    ORDER BY key LIMIT :looks
""")
LATEST = text("""
    SELECT e.id, e.type, e.status, e.error_code, e.error, e.received_at, e.conversation_id,
           EXISTS (SELECT 1 FROM turns t WHERE t.event_key = e.key) AS has_turns
    FROM events e WHERE e.merchant_id = :merchant
      AND (CAST(:conversation AS text) IS NULL OR e.conversation_id IS NULL OR e.conversation_id = :conversation)
      AND NOT (e.status = 'processed' AND e.type = ANY (CAST(:requests AS text[])))
    ORDER BY e.key DESC LIMIT 1
""")
OPEN_TURNS = text("""
    SELECT t.id, t.conversation_id, t.seq, t.status, t.run_after, t.started_at, t.lease_until, t.lease_owner,
           t.failures, t.model_calls, (SELECT count(*) FROM steps s WHERE s.turn_id = t.id) AS steps,
           (SELECT min(o.seq) FROM turns o WHERE o.conversation_id = t.conversation_id
            AND o.status IN ('queued', 'running')) AS first_seq,
           (SELECT count(*) FROM turns m WHERE m.merchant_id = t.merchant_id AND m.status = 'running') AS running
    FROM turns t
    WHERE t.merchant_id = :merchant AND t.status IN ('queued', 'running')
      AND (CAST(:conversation AS text) IS NULL OR t.conversation_id = :conversation)
    ORDER BY t.run_after, t.id LIMIT :looks
""")
# One index lookup per conversation: `ORDER BY id` over several would scan all turns backwards.
ENDED = text("""
    SELECT t.* FROM unnest(CAST(:conversations AS text[])) AS c (id) CROSS JOIN LATERAL (
        SELECT id, seq, conversation_id, status, error, finished_at, waits_for, run_after FROM turns
        WHERE conversation_id = c.id AND status IN ('done', 'dead') AND absorbed_by IS NULL
        ORDER BY seq DESC LIMIT 1) AS t
    ORDER BY t.id DESC LIMIT 1
""")
UNACKED = text("""
    SELECT t.conversation_id, count(*) AS number, count(*) FILTER (WHERE r.published_at IS NULL) AS unpublished,
           max(r.publishes) AS publishes, min(r.created_at) AS since
    FROM turns t JOIN replies r ON r.turn_id = t.id
    WHERE t.conversation_id = ANY (CAST(:conversations AS text[])) AND r.acked_at IS NULL AND r.publishes >= 0
    GROUP BY t.conversation_id ORDER BY since
""")


@dataclass(frozen=True)
class Target:
    """What a name refers to: a merchant, and a conversation if the name was a conversation's id."""

    merchant_id: str
    conversation_id: str | None = None


@dataclass(frozen=True)
class Reason:
    """A sentence, and the command that shows more."""

    sentence: str
    command: str | None = None


@dataclass(frozen=True)
class Case:
    """The rows about a merchant, or one conversation, at the moment `now` of the database's clock."""

    target: Target
    now: datetime
    integration: Row | None
    conversations: Sequence[Row]
    unhandled: Sequence[Row]
    latest: Row | None
    open_turns: Sequence[Row]
    ended: Row | None
    unacked: Sequence[Row]
    declined: int = 0
    """The merchant's messages that were declined in the last hour because too many turns waited."""
    at_a_time: int = turns.PER_MERCHANT
    """How many turns of a merchant may run (CJ_TURNS_AT_A_TIME)."""

    def to_json(self) -> dict[str, Any]:
        """As JSON, without anything the merchant said."""
        shop = None if self.integration is None else dict(self.integration)
        return {
            "merchant_id": self.target.merchant_id,
            "conversation_id": self.target.conversation_id,
            "reasons": [vars(reason) for reason in reasons(self)],
            "shop": shop,
            "conversations": [dict(row) for row in self.conversations],
            "open_turns": [dict(row) for row in self.open_turns],
            "unhandled_events": [dict(row) for row in self.unhandled],
        }


def resolve(session: Session, name: str) -> Target | None:
    """What `name` refers to: a conversation's id, else a merchant's, else a shop's domain, its first part or the
    address of its admin, else an event's or a turn's id."""
    row = session.execute(CONVERSATION, {"name": name}).one_or_none()
    if row is not None:
        return Target(row.merchant_id, row.id)
    if session.execute(MERCHANT, {"name": name}).first() is not None:
        return Target(name)
    with suppress(InvalidEvent):
        shop = ADDRESS.sub("", name).split("/")[0]
        shop_domain = normalize_shop_domain(shop if "." in shop else f"{shop}.myshopify.com")
        merchant_id = session.execute(SHOP, {"name": shop_domain}).scalar()
        if merchant_id is not None:
            return Target(str(merchant_id))
    number = int(name) if name.isdecimal() and len(name) < 19 else None
    logged = session.execute(LOGGED, {"name": name, "number": number}).one_or_none()
    return None if logged is None else Target(logged.merchant_id, logged.conversation_id)


def unknown(session: Session, name: str) -> str:
    """A sentence that says why `resolve` found nothing: perhaps the event with this name was refused."""
    nobody = f"there is no conversation, merchant or shop {name!r}"
    refused = _one(session, REFUSED, {"name": name, "looks": REFUSED_LOOKS})
    if refused is None:
        return f"{nobody}: no such event was accepted; see `cj events rejected`"
    came = _ago(refused["now"], refused["received_at"])
    it = "the event with this id" if refused["id"] == name else "the last event that names it"
    said = f"{it}, {refused['type']} {refused['id']} of {came} ago, was refused"
    return f"{nobody}: {said}: {refused['error_code']}: {refused['error']}; then `cj events retry {refused['id']}`"


def read(session: Session, target: Target, *, at_a_time: int = turns.PER_MERCHANT) -> Case:
    """Read the rows."""
    whose = {"merchant": target.merchant_id, "conversation": target.conversation_id}
    conversations = _all(session, CONVERSATIONS, whose)
    ids = {"conversations": [row["id"] for row in conversations]}
    return Case(
        target,
        session.execute(NOW).scalar_one(),
        _one(session, INTEGRATION, whose),
        conversations,
        _all(session, UNHANDLED, whose | {"looks": LOOKS}),
        _one(session, LATEST, whose | {"requests": list(REQUESTS)}),
        _all(session, OPEN_TURNS, whose | {"looks": LOOKS}),
        _one(session, ENDED, ids),
        _all(session, UNACKED, ids),
        (backlog.declined(session, target.merchant_id) or ("", 0))[1],
        at_a_time,
    )


def _all(session: Session, query: TextClause, values: Row) -> list[Row]:
    return [dict(row) for row in session.execute(query, values).mappings()]


def _one(session: Session, query: TextClause, values: Row) -> Row | None:
    return next(iter(_all(session, query, values)), None)


def reasons(case: Case) -> Iterator[Reason]:
    """What keeps CJ from answering, or what was answered last; what concerns the merchant's latest message first."""
    yield from _about_shop(case)
    yield from _about_events(case)
    if case.declined:
        said = f"messages declined in the last hour, because too many of the merchant's turns waited: {case.declined:,}"
        yield Reason(f"{said} (CJ_MAX_WAITING_TURNS)", "cj usage --days 1")
    for turn in case.open_turns:
        yield Reason(f"turn {turn['seq']} of {turn['conversation_id']} {standing(turn, case)}")
    yield from _about_replies(case)
    if case.ended is not None and not case.open_turns and not case.unhandled:
        yield _about_end(case, case.ended)


def standing(turn: Row, case: Case) -> str:
    """What an open turn is doing or waiting for, to follow `turn 3 of conv_1`."""
    vain = turn["model_calls"] - turn["steps"]
    tries = f"; the model failed {times(vain)}" if vain > 0 and turn["status"] == "queued" else ""
    died = f"; its worker died {times(turn['failures'])}" if turn["failures"] else ""
    if turn["status"] == "running":
        seconds = _ago(case.now, turn["started_at"])
        if turn["lease_until"] < case.now:
            return f"is held by {turn['lease_owner']}, which is silent: another worker takes over soon{died}"
        asking = ", a model is being asked" if vain > 0 else ""
        return f"has been running for {seconds} on {turn['lease_owner']}{asking}{died}"
    if turn["seq"] != turn["first_seq"]:
        return f"waits behind turn {turn['first_seq']} of its conversation"
    if turn["run_after"] > case.now:
        left = (turn["run_after"] - case.now).total_seconds()
        return f"is due in {left:.1f} s{tries}{died}"
    if turn["running"] >= case.at_a_time:
        return f"waits while {turn['running']} other turns of the merchant run (limit: CJ_TURNS_AT_A_TIME){tries}"
    waited = (case.now - turn["run_after"]).total_seconds()
    if waited < PATIENCE_SECONDS:
        return f"is about to be claimed{tries}{died}"
    return f"has been due for {_ago(case.now, turn['run_after'])}, and no agent claims it: see `cj status`{tries}{died}"


def _about_shop(case: Case) -> Iterator[Reason]:
    shop = case.integration
    if shop is None:
        yield Reason(f"no store is connected for merchant {case.target.merchant_id}")
    elif shop["status"] == "needs_reauth":
        since = _ago(case.now, shop["updated_at"])
        yield Reason(
            f"Shopify has refused the connection of {shop['shop_domain']} for {since}: the merchant must reconnect"
        )
    elif shop["status"] == "uninstalled":
        yield Reason(f"{shop['shop_domain']} has uninstalled the app: the merchant must reconnect")


def _about_events(case: Case) -> Iterator[Reason]:
    if case.unhandled:
        first = case.unhandled[0]
        count = f"{len(case.unhandled)}{' or more' if len(case.unhandled) == LOOKS else ''}"
        put_off = (
            f", put off {times(first['attempts'])}: the workflow workers' log says why" if first["attempts"] else ""
        )
        came = _ago(case.now, first["received_at"])
        what = f"unhandled events: {count}; the first, {first['type']}, came {came} ago"
        yield Reason(what + put_off, "cj status")
    latest = case.latest
    if latest is None:
        yield Reason("no event of this merchant is stored: nothing came in the last 30 days", "cj events rejected")
    elif latest["status"] == "rejected":
        came = _ago(case.now, latest["received_at"])
        said = f"the last event, {latest['type']} of {came} ago, was refused: {latest['error_code']}: {latest['error']}"
        yield Reason(said, f"cj events retry {latest['id']}")
    elif latest["status"] == "processed" and not latest["has_turns"]:
        came = _ago(case.now, latest["received_at"])
        yield Reason(
            f"the last event, {latest['type']} of {came} ago, led to no turn: no rule of the workflow took it, or it "
            "was older than the stored connection",
            "cj workflows explain EVENT.json",
        )


def _about_replies(case: Case) -> Iterator[Reason]:
    for row in case.unacked:
        since, which = _ago(case.now, row["since"]), f"unacked replies of {row['conversation_id']}: {row['number']}"
        if row["unpublished"] == row["number"]:
            said = f"{which}, which could not be published for {since}: the broker is down"
        else:
            published = f"published {times(row['publishes'])}"
            said = f"{which}, the oldest for {since}, {published}: the chat gateway is down, or does not ack"
        yield Reason(said, f"cj timeline {row['conversation_id']}")


def _about_end(case: Case, turn: Row) -> Reason:
    since = _ago(case.now, turn["finished_at"])
    which = f"turn {turn['seq']} of {turn['conversation_id']}, the last one, ended {since} ago"
    if turn["waits_for"] == "model":
        left = max((turn["run_after"] - case.now).total_seconds(), 0.0)
        said = f"{which} and waits for a model: none answers; the agents' log says why. The next try is in {left:.1f} s"
        return Reason(said, "cj status")
    if turn["error"] is None:
        error = next((row["last_error"] for row in case.conversations if row["id"] == turn["conversation_id"]), None)
        lacked = f"; it lacked data: {error}" if error else ""
        return Reason(f"{which} with an answer{lacked}", f"cj timeline {turn['conversation_id']}")
    if turn["error"] == "stopped":
        return Reason(f"{which}: the merchant stopped it", f"cj timeline {turn['conversation_id']}")
    dead = " (dead)" if turn["status"] == "dead" else ""
    meaning = ERRORS.get(turn["error"])
    said = f"{which} with {turn['error']}{dead}" + (f": {meaning}" if meaning else "")
    return Reason(said, f"cj turns retry {turn['id']}")


def times(number: int) -> str:
    """`once`, `2 times`."""
    return "once" if number == 1 else f"{number} times"


def _ago(now: datetime, at: datetime) -> str:
    return span(max(round((now - at).total_seconds()), 0))
