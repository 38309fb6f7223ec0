"""Keeps the promises of ended turns: retries missing data and tells it once; answers what no model answered once one
does; and runs a workflow's follow-up at its time if its condition still holds.

This module says nothing itself, and a look that finds nothing leaves no trace in the conversation. What there is to
tell becomes a new turn, a system message that a model answers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from storage import connections, conversations, turns
from storage.connections import Integration
from storage.database import Database, Session
from storage.errors import StorageError
from storage.turns import Claim, Promise, TurnInput
from workers import logs
from workers.agent.prompt import MODEL_BACK
from workers.agent.state import FOLLOW_UP
from workers.agent.time_limits import FIRST_LOOK_SECONDS, LOOK_SECONDS, PROMISE_SECONDS
from workers.agent.tools import Tools
from workers.delivery.wake_ups import WakeUps
from workers.model.response import ToolCall
from workers.shop.results import awaited
from workflows import engine

log = logs.get(__name__)

FOUND = (
    f"{FOLLOW_UP}: Shopify now gives the data that was missing. Get it with shopify_data and tell what you could not "
    "tell before; repeat nothing that you have said already"
)
NOT_FOUND = (
    f"{FOLLOW_UP}: Shopify still does not give the data that was missing, and it is not tried again. Say so in one "
    "sentence, and promise nothing"
)
LONGEST_PAUSE_SECONDS = 30.0


class PromiseKeeper:
    """Checks promises that are due (`storage.turns.promises`). Idempotent and thread-safe."""

    def __init__(self, database: Database, tools: Tools, wake_ups: WakeUps) -> None:
        self._database = database
        self._tools = tools
        self._wake_ups = wake_ups

    def keep(self, turn_id: int) -> None:
        """Check this ended turn's promise, if any, and queue the turns that keep it."""
        try:
            queued = self._keep(turn_id)
        except StorageError as error:  # it will be due again later
            log.warning("a promise waits for Postgres", turn_id=turn_id, error_code=error.code)
            return
        for queued_id in queued:
            self._wake_ups.run_turn(queued_id)

    def _keep(self, turn_id: int) -> list[int]:
        with self._database.reading() as session:
            promises = turns.promised(session, turn_id)
            if not promises:
                return []
            first, waits_for = promises[0].turn, promises[0].waits_for
            is_wanted = waits_for == "time" and self._is_wanted(session, first)
            since = turns.fetched_since(session, first.conversation_id, first.seq)
            integration = connections.integration_of(session, first.merchant_id)
        if waits_for == "model":  # an agent has checked that a model answers
            return self._answer(promises[0])
        if waits_for == "time":
            log.info("a follow-up is due", conversation_id=first.conversation_id, is_wanted=is_wanted)
            return self._queue(promises, [replace(first.input, condition=None)] if is_wanted else [], first.workflow)
        is_connected = integration is not None and integration.is_active
        if waits_for == "store":
            return self._queue(promises, None) if is_connected else self._put_off(promises, PROMISE_SECONDS)
        lacking = awaited(result for _, result in since)
        if not lacking or not is_connected:
            return self._queue(promises, [])
        age = max(promise.age for promise in promises)
        details: dict[str, Any] = {
            "data_types": list(lacking),
            "asked": [text for promise in promises for text in promise.asked],
        }
        if still := awaited(self._look(promises[-1], integration, list(lacking))):
            if age < PROMISE_SECONDS:
                pause = max(FIRST_LOOK_SECONDS, age / 4, *still.values())
                return self._put_off(promises, min(pause, LONGEST_PAUSE_SECONDS))
            return self._queue(promises, [TurnInput("system", NOT_FOUND, metadata=details)])
        return self._queue(promises, [TurnInput("system", FOUND, metadata=details)])

    @staticmethod
    def _is_wanted(session: Session, planned: Claim) -> bool:
        """Whether a follow-up's condition still holds."""
        conversation = conversations.get(session, planned.conversation_id)
        if conversation is None or conversation.status != "open":
            return False
        context = {**conversation.context, "workflow": conversation.workflow, "now": planned.now.isoformat()}
        answered = turns.has_answered(session, conversation.id, planned.seq)
        return engine.is_wanted(planned.input.condition or "true", context, answered=answered)

    def _look(self, promise: Promise, shop: Integration | None, data_types: Sequence[str]) -> list[dict[str, Any]]:
        calls = [ToolCall(data_type, "shopify_data", {"data_type": data_type}) for data_type in data_types]
        return self._tools.run(promise.turn, calls, shop=shop, allowed=None, seconds=LOOK_SECONDS)

    def _answer(self, promise: Promise) -> list[int]:
        """Queue a turn that answers everything in the conversation that waits for a model; its end ends these promises.
        None while another turn is open, which does the same."""
        with self._database.transaction() as session:
            conversations.get(session, promise.turn.conversation_id, lock=True)
            is_due = turns.promised(session, promise.turn.turn_id) and not turns.is_open(
                session, promise.turn.conversation_id
            )
            said = [TurnInput("system", MODEL_BACK)] if is_due else []
            return self._queue_turns(session, promise, said, promise.turn.workflow)

    def _queue(
        self, promises: Sequence[Promise], said: Sequence[TurnInput] | None, workflow: str | None = None
    ) -> list[int]:
        """End the promises and queue the turns that keep them; does nothing if that was done meanwhile.

        `said` is None if the question is asked again.
        """
        first = promises[0]
        with self._database.transaction() as session:
            conversations.get(session, first.turn.conversation_id, lock=True)
            kept = turns.keep_promises(session, [promise.turn.turn_id for promise in promises])
            if first.turn.turn_id not in kept:
                return []
            if said is None:
                asked = [text for promise in promises if promise.turn.turn_id in kept for text in promise.asked]
                said = [TurnInput("merchant", text, metadata={"again": True}) for text in asked]
            return self._queue_turns(session, first, said, workflow)

    @staticmethod
    def _queue_turns(session: Session, first: Promise, said: Sequence[TurnInput], workflow: str | None) -> list[int]:
        queued = [
            turns.queue_turn(
                session,
                conversation_id=first.turn.conversation_id,
                merchant_id=first.turn.merchant_id,
                event_key=first.event_key,
                action=turns.free_action(session, first.event_key),
                input=item,
                workflow=workflow,
                words_within=turns.WORDS_SECONDS if item.sender == "merchant" else None,
            )
            for item in said
        ]
        return [turn_id for turn_id in queued if turn_id is not None]

    def _put_off(self, promises: Sequence[Promise], seconds: float) -> list[int]:
        with self._database.transaction() as session:
            turns.put_off_promises(session, [promise.turn.turn_id for promise in promises], after_seconds=seconds)
        return []
