"""Handles an accepted event: conversation, context, turns and the event's mark, in one transaction.

An event is refused, put off or let in; a deletion or a request is carried out here, and `event_conversation` does what
a workflow says of any other.

`handle` runs inside the caller's transaction and uses only Postgres; it returns what to send after the commit. Run
again for the same event, it finds the mark and does nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from events.catalog import CATALOG, DELETIONS, PRIVACY, REQUESTS
from storage import connections, conversations, inbox, merchants, outbox, snapshots, turns
from storage.connections import Integration
from storage.conversations import Conversation
from storage.database import Session
from storage.inbox import InboxRow
from storage.outbox import OutgoingReply
from workers import logs, metrics, tracing
from workers.delivery import notices
from workers.settings import MAX_WAITING_TURNS
from workers.workflow import privacy
from workers.workflow.event_conversation import EventConversation, Refused
from workers.workflow.planned_turns import MESSAGE, Effects, PlannedTurns, SentAgain, is_of_the_shop
from workers.workflow.privacy import Leftovers
from workflows.workflow import WorkflowSet

log = logs.get(__name__)

CONNECT_PATIENCE_SECONDS = 3.0
"""Seconds by which an `oauth_complete` may arrive before the commit that stores its token."""
POSTPONE_SECONDS = 0.5
UNKNOWN_MERCHANT = "event.unknown_merchant"
MOST_SENT_AGAIN = 10_000
"""Replies per request; the frontend continues with the last one it got."""
SENT_TOGETHER = 500
"""Replies per batch: how many a worker's death may repeat; far fewer than a gateway remembers."""


class TooEarly(Refused):
    """The event arrived before what it refers to: it is postponed for a while, then refused."""


def handle(
    session: Session,
    workflows: WorkflowSet,
    event_key: int,
    *,
    max_waiting: int = MAX_WAITING_TURNS,
    at_a_time: int = turns.PER_MERCHANT,
    per_merchant: int = inbox.PER_MERCHANT,
) -> Effects | None:
    """Handle the inbox row `event_key`; None if there is nothing left to do for it.

    `max_waiting`: how many of the merchant's turns may wait; further messages are declined. `at_a_time`: how many may
    run. `per_merchant`: how many of a merchant's events wake workers; others are put off.
    """
    row = inbox.take(session, event_key, per_merchant=per_merchant)
    if row is None:
        return None
    with tracing.handled(row) as span:
        if span.traceparent is not None:
            row = replace(row, traceparent=span.traceparent)
        trace_id = tracing.trace_id(row.traceparent)
        with logs.about(event_id=row.id, conversation_id=row.conversation_id, trace_id=trace_id):
            effects = _handled(session, workflows, row, max_waiting, at_a_time)
            return replace(effects, is_crowded=row.is_crowded)


def _handled(session: Session, workflows: WorkflowSet, row: InboxRow, max_waiting: int, at_a_time: int) -> Effects:
    done: dict[str, Any] = {"merchant_id": row.merchant_id, "done_key": row.key}
    if row.error_code is not None:
        return Effects(**done, replies=refuse(session, row, row.error_code, row.error or ""))
    effects = Effects(row.merchant_id, row.id, row.traceparent)
    try:
        with session.attempt():
            _Handler(session, workflows, row, effects, max_waiting, at_a_time).run()
    except TooEarly as early:
        if row.age_seconds < CONNECT_PATIENCE_SECONDS:
            inbox.postpone(session, row.key, POSTPONE_SECONDS)
            metrics.event(row.type, "postponed")
            return Effects(row.merchant_id, postponed_seconds=POSTPONE_SECONDS)
        return Effects(**done, replies=refuse(session, row, early.code, early.message))
    except Refused as refused:
        replies = refuse(session, row, refused.code, refused.message)
        if refused.code == privacy.ERASED:
            privacy.forget(session, row)
        elif row.type in DELETIONS and refused.code == UNKNOWN_MERCHANT:
            privacy.forget_contacts(session, row)
        return Effects(**done, replies=replies)
    if effects.is_deletion:
        return effects  # not processed before its leftovers are cleared, see `settle`
    if effects.sent_again is not None:
        return effects  # not processed before the broker has everything
    if row.type in DELETIONS:
        privacy.forget_contacts(session, row)  # the merchant's data is gone already
    inbox.processed(session, row.key, traceparent=tracing.traceparent())
    effects.done_key = row.key
    result = "over_limit" if effects.is_over_limit else "handled"
    metrics.event(row.type, result, age_seconds=row.age_seconds)
    waited = round(row.age_seconds * 1000)
    tracing.note(result=result, turns=len(effects.turn_ids))
    log.info("event handled", event_type=row.type, result=result, turns=len(effects.turn_ids), waited_ms=waited)
    return effects


def settle(session: Session, event_key: int) -> Effects | None:
    """Finish this event's deletion after its leftovers were cleared; None if another worker did."""
    row = inbox.take(session, event_key)
    if row is None or row.key != event_key or row.progress is None:
        return None
    left = privacy.settle(session, row, str(row.data["merchant_id"]))
    if left is None:
        metrics.event(row.type, "handled")
    return Effects(leftovers=left)


def refuse(session: Session, row: InboxRow, code: str, message: str) -> list[OutgoingReply]:
    """Mark an event as refused; replies tell its conversation, if it names one."""
    is_new = inbox.refuse(session, row.key, code, message)
    known = row.type if row.type in CATALOG else "unknown"
    metrics.event(known, "refused")
    tracing.note(error=code)
    log.warning("event refused", error_code=code, event_type=known)
    if not is_new or row.merchant_id is None or row.conversation_id is None:
        return []
    who = outbox.RefusedEvent(
        row.key,
        row.id,
        row.merchant_id,
        row.conversation_id,
        row.traceparent,
        row.correlation_id,
        is_unreadable=row.error_code is not None and row.type == MESSAGE,
    )
    return notices.refused(session, who, code)


class _Handler:
    def __init__(
        self,
        session: Session,
        workflows: WorkflowSet,
        row: InboxRow,
        effects: Effects,
        max_waiting: int,
        at_a_time: int,
    ) -> None:
        self._session = session
        self._workflows = workflows
        self._row = row
        self._data: Mapping[str, Any] = row.data
        self._effects = effects
        self._turns = PlannedTurns(session, row, effects, max_waiting, at_a_time)
        self._is_of_the_shop = is_of_the_shop(row)

    def run(self) -> None:
        merchant_id = str(self._data["merchant_id"])
        self._known = connections.known(self._session, merchant_id, most_waiting=self._turns.most_waiting)
        self._turns.waiting = self._known.waiting
        integration = self._known.integration
        if self._row.progress is None:  # otherwise it has passed these checks already
            if self._is_erased():
                return
            integration = self._claimed(merchant_id, integration)
            self._check_merchant(merchant_id, integration)
        if self._row.type in DELETIONS:
            self._delete(privacy.carry_out(self._session, self._row, merchant_id))
        elif self._row.type in REQUESTS:
            self._carry_out_request(merchant_id)
        elif self._row.progress is not None:  # an uninstall, done except for its leftovers
            self._delete(privacy.leave(self._session, self._row, merchant_id))
        elif self._core(merchant_id, integration):
            if self._row.type == "app_uninstalled":
                integration = connections.integration_of(self._session, merchant_id)
            self._converse(integration)
        else:
            log.info("event is older than what is stored", event_type=self._row.type)

    def _converse(self, integration: Integration | None) -> None:
        """Carry out what the conversation's workflow says."""
        EventConversation(
            self._session,
            self._workflows,
            self._row,
            self._effects,
            self._turns,
            integration,
            is_invented=self._known.is_invented,
        ).carry_out()

    def _delete(self, leftovers: Leftovers | None) -> None:
        """Carry out a deletion; `leftovers` is None while rows are left."""
        self._effects.is_deletion, self._effects.leftovers = True, leftovers

    def _carry_out_request(self, merchant_id: str) -> None:
        """Stop turns, or send replies again. Both concern other events' runs, and have none of their own."""
        conversation = conversations.get(self._session, str(self._data["conversation_id"]))
        if conversation is None:
            return
        if conversation.merchant_id != merchant_id:
            raise Refused("event.conversation_merchant_mismatch", "conversation_id belongs to another merchant")
        if self._row.type == "replies_requested":
            self._send_again(conversation)
            return
        for turn in turns.stop(self._session, conversation.id, everything=bool(self._data.get("all"))):
            self._effects.replies += notices.stopped(self._session, conversation.id, conversation.workflow, turn)
        turns.end_waiting_for_model(self._session, conversation.id)
        self._effects.wake_ups += turns.next_to_wake(self._session, conversation.id, merchant_id)

    def _send_again(self, conversation: Conversation) -> None:
        """The next replies after a place; first the history in one reply, if requested.

        The progress is stored in the event before publishing, and again after: if the worker dies or the broker is
        down, the sweeper has it sent again from the same place.
        """
        where = {"merchant_id": conversation.merchant_id, "conversation_id": conversation.id}
        begun = SentAgain(**self._row.progress) if self._row.progress is not None else None
        after = {"turn": 0, "sequence": 0, **(self._data.get("after") or {})}
        at, told = begun or SentAgain(after["turn"], after["sequence"], MOST_SENT_AGAIN), []
        if self._data.get("snapshot") and at.left == MOST_SENT_AGAIN:
            found = snapshots.read(self._session, **where, by_door=False, place=None if begun is None else begun.turn)
            if found is None:
                return
            at = replace(at, turn=found.place.turn, sequence=found.place.sequence)
            run, now = found.run(conversation.id), outbox.now(self._session)
            told.append(outbox.of_no_turn(run, now, **where, asked_by=(self._row.key, self._row.correlation_id)))
        count = min(at.left, SENT_TOGETHER)
        some = outbox.after(self._session, conversation.id, (at.turn, at.sequence), limit=count)
        if not told and not some:
            return
        if begun is None:
            inbox.keep_progress(self._session, self._row.key, vars(at))
        self._effects.replies += [outbox.repeated(reply, self._row.id) for reply in [*told, *some]]
        last = some[-1].body if some else {"turn": at.turn, "sequence": at.sequence}
        left = at.left - count if len(some) == SENT_TOGETHER else 0
        self._effects.sent_again = SentAgain(last["turn"], int(last["sequence"]), left)
        self._effects.event_key = self._row.key

    def _is_erased(self) -> bool:
        """Whether to ignore the event because all of the merchant's data was erased after it."""
        at = self._known.erased_at
        if at is None or self._happened_at > at:
            return False
        if self._row.type in DELETIONS:
            return True
        reason = f"all data of this merchant was erased at {at:%Y-%m-%d %H:%M:%S} UTC, after this event"
        raise Refused(privacy.ERASED, reason)

    def _claimed(self, merchant_id: str, integration: Integration | None) -> Integration | None:
        """The merchant's shop. If the event's shop belongs to an invented merchant, it is transferred to the event's
        merchant."""
        shop = self._data.get("shop_domain")
        is_connected = self._is_of_the_shop and bool(self._data.get("success"))
        if shop is None or not (is_connected or self._row.type in (*PRIVACY, "app_uninstalled")):
            return integration
        has_a_shop = integration is not None and integration.status != "uninstalled"
        if has_a_shop and integration is not None and (integration.is_active or integration.shop_domain != shop):
            return integration
        owner = merchants.owner_of_shop(self._session, str(shop))
        if owner is None or not owner.is_invented or owner.merchant_id == merchant_id:
            return integration
        with self._session.attempt() as undo:
            merchants.add_merchant(self._session, merchant_id)
            if not connections.claim_shop(self._session, self._row.key):
                undo()
                return integration
        log.info("a shop of an invented merchant has a real one", merchant_id=merchant_id, shop_domain=shop)
        return connections.integration_of(self._session, merchant_id)

    def _check_merchant(self, merchant_id: str, integration: Integration | None) -> None:
        """Check that the event's shop is the one stored for its merchant."""
        kind, shop = self._row.type, self._data.get("shop_domain")
        if kind == "conversation_started":
            merchants.add_merchant(self._session, merchant_id)
            return
        waits = self._is_of_the_shop and bool(self._data.get("success"))
        if kind == "oauth_complete" and not self._is_of_the_shop:
            shop = None  # a provider without stored shops
        if waits and shop is not None and integration is None:
            other = connections.integration_by_shop(self._session, str(shop))
            if other is not None and other.merchant_id != merchant_id:
                raise Refused("event.shop_merchant_mismatch", self._mismatch(str(shop)))
        if integration is None and not self._known.is_known:
            unknown = (
                UNKNOWN_MERCHANT,
                "merchant_id is unknown; store its token first (connect_shop)",
            )
            raise TooEarly(*unknown) if waits else Refused(*unknown)
        if waits and (integration is None or not integration.is_active):
            raise TooEarly("event.not_connected", f"{shop} has no active token; store it first (connect_shop)")
        if shop is not None and integration is not None and integration.shop_domain != shop:
            is_late = kind in (*PRIVACY, "oauth_complete")
            if is_late and privacy.left_shop(self._session, merchant_id, str(shop)):
                return
            raise Refused("event.shop_merchant_mismatch", self._mismatch(str(shop)))

    def _mismatch(self, shop: str) -> str:
        """The message about a shop of another merchant, for operators."""
        owner = merchants.owner_of_shop(self._session, shop)
        whose = "nobody's" if owner is None else f"merchant {owner.merchant_id}'s ({owner.status})"
        return f"shop_domain {shop[:80]!r} is {whose}, not the event's merchant's"

    def _core(self, merchant_id: str, integration: Integration | None) -> bool:
        """The event's built-in effects, independent of workflows; False if it is too old to have any."""
        if self._row.type == "app_uninstalled" and integration is not None:
            if not connections.disconnect(self._session, self._row.key):
                return False
            turns.break_promises(self._session, merchant_id)
            self._delete(privacy.leave(self._session, self._row, merchant_id))
        if self._is_of_the_shop:
            self._effects.forget_cache_of.append(merchant_id)
        elif self._row.type == "oauth_complete" and self._data.get("success"):
            connections.connect_account(self._session, self._row.key)
        if self._row.type == "customers_data_request":
            log.warning("a customer requested their data; answer with: cj privacy export", event_id=self._row.id)
        return True

    @property
    def _happened_at(self) -> datetime:
        return privacy.happened_at(self._row)
