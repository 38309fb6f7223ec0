"""Carries out the actions of a scenario, each as the party does it that does it in production."""

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kombu import Producer
from sqlalchemy import text

from events import queues
from storage import conversations, merchants
from workers.scenario import trouble
from workers.scenario.cast import Cast
from workers.scenario.clock import Clock
from workers.scenario.environment import Stage
from workers.scenario.language import (
    Action,
    AdvanceClock,
    Definition,
    Flush,
    Kill,
    MerchantMessage,
    PublishEvent,
    SimulateOauthComplete,
)
from workers.scenario.log import ACTION, Entry, Log
from workers.scenario.stack import SCOPES
from workers.scenario.waiting import wait_until

AUTH, GATEWAY = "/auth", "/gateway"
FROM_GATEWAY = ("conversation_started", "message_received")
UNINSTALLED = "app_uninstalled"
#: How long time waits for an ordered kill to take place.
DYING_SECONDS = 10.0
_FORGET_CONTEXT = text("TRUNCATE scenario.context_updates")


class Actor:
    """Acts for one scenario, and notes in its log what was done and when."""

    def __init__(self, stage: Stage, definition: Definition, clock: Clock, log: Log) -> None:
        self.cast = Cast.of(definition)
        #: (source, id) of every event that was published.
        self.published: set[tuple[str, str]] = set()
        self._ordered: list[Kill] = []  # that nobody has died of yet
        self._stage, self._stack = stage, stage.stack
        self._definition, self._clock, self._log = definition, clock, log
        self._done = 0

    def set_the_stage(self) -> None:
        """What is given, and what will go wrong."""
        given, cast = self._definition.given, self.cast
        with self._stack.database.transaction() as session:
            merchants.add_merchant(session, cast.merchant_id)
        if given.connected:
            self._connect(cast.merchant_id, cast.shop_domain)
        else:
            self._stage.store.register(cast.shop_domain, self._size)
        if given.workflow is not None or given.context:
            workflow = given.workflow or self._stage.workflows.default.name
            with self._stack.database.transaction() as session:
                who = {"id": cast.conversation_id, "merchant_id": cast.merchant_id}
                conversations.open(session, workflow=workflow, context=given.context, **who)
                session.execute(_FORGET_CONTEXT)
        for fault in self._definition.faults:
            arguments = trouble.at_store(fault)
            if arguments is not None:
                self._stage.store.fault(None, **arguments)
        self._stage.model.play(self._definition.model, self._definition.faults)

    def act(self, action: Action) -> float:
        """Carry out an action; returns when that was, in the scenario's seconds."""
        at = self._clock.now()
        said = self._perform(action)
        if isinstance(action, AdvanceClock):
            at = self._clock.now()
        self._note(at, said)
        return at

    def _note(self, at: float, said: str) -> None:
        self._done += 1
        self._log.tell((ACTION, self._done), Entry(at, ACTION, said))

    def skip(self, seconds: float) -> None:
        """Nobody works for so long: have the time pass at once."""
        at = self._clock.now()
        self._pass_time(seconds)
        self._note(at, f"nobody works, {seconds:.2f} s pass")

    def look(self) -> None:
        """Note who has died of an order."""
        for kill in [kill for kill in self._ordered if not self._stage.killer.is_pending(kill.worker, str(kill.at))]:
            self._ordered.remove(kill)
            self._note(self._clock.now(), f"{kill.worker} killed at {kill.at}")

    @property
    def never_died(self) -> Kill | None:
        """An ordered kill whose point no process has reached."""
        self.look()
        return self._ordered[0] if self._ordered else None

    def _perform(self, action: Action) -> str:
        match action:
            case SimulateOauthComplete(data=data):
                return self._simulate_oauth_complete(self.cast.oauth_data(data))
            case PublishEvent():
                return self._publish_event(action)
            case MerchantMessage(text=words):
                self._publish("message_received", self._message(words))
                return f"the merchant says: {words}"
            case AdvanceClock(seconds=seconds):
                self._advance_clock(seconds)
                return f"{seconds:g} s pass"
            case Kill():
                return self._kill(action)
            case Flush(what=what):
                for server in ("broker", "cache") if what == "all" else (what,):
                    self._stage.redis(server).flushdb()
                return f"Redis of {'broker and cache' if what == 'all' else f'the {what}'} loses everything"

    # --- the auth service and the gateway ---------------------------------------------------------------------------

    def _simulate_oauth_complete(self, data: Mapping[str, Any]) -> str:
        if data["success"] is True:
            self._connect(str(data["merchant_id"]), str(data["shop_domain"]))
        self._publish("oauth_complete", data)
        outcome = "connects" if data["success"] is True else "does not connect"
        return f"the merchant {outcome} {data['shop_domain']}: oauth_complete published"

    def _publish_event(self, action: PublishEvent) -> str:
        data = self.cast.event_data(action.type, action.data)
        if action.type == UNINSTALLED:  # Shopify revokes the token before it tells anybody
            self._stage.store.store.tokens.revoke(str(data.get("shop_domain")))
        for _ in range(action.times):
            self._publish(action.type, data, id=action.id)
        return f"{action.type} published{f' {action.times} times' if action.times > 1 else ''}"

    def _publish(self, event_type: str, data: Mapping[str, Any], *, id: str | None = None) -> None:
        """As another language would: unchecked, so that also what must be refused gets there."""
        source = GATEWAY if event_type in FROM_GATEWAY else AUTH
        id = id or str(uuid.uuid4())
        now = datetime.now(UTC).isoformat()
        event = {"specversion": "1.0", "id": id, "source": source, "type": event_type, "time": now, "data": data}
        with queues.connection(self._stack.broker_url) as broker:
            queues.put(Producer(queues.open_channel(broker)), queues.EVENTS, json.dumps(event).encode())
        self.published.add((source, id))

    def _message(self, words: str) -> dict[str, Any]:
        merchant_id = self.cast.merchant_id
        with self._stack.database.transaction() as session:
            latest = conversations.latest_open(session, merchant_id)
        conversation_id = latest.id if latest is not None else self.cast.conversation_id
        return {"merchant_id": merchant_id, "conversation_id": conversation_id, "text": words}

    @property
    def _size(self) -> str:
        size = self._definition.given.store
        return "new" if size == "empty" else size

    def _connect(self, merchant_id: str, shop_domain: str) -> None:
        scopes = self._definition.given.scopes or SCOPES
        token = f"shpat_{secrets.token_hex(16)}"
        self._stack.connect(shop_domain, merchant_id, size=self._size, token=token, scopes=scopes)

    # --- trouble ----------------------------------------------------------------------------------------------------

    def _advance_clock(self, seconds: float) -> None:
        wait_until(lambda: self.never_died is None, limit=DYING_SECONDS, what="the ordered kill")
        self._pass_time(seconds)

    def _pass_time(self, seconds: float) -> None:
        self._clock.advance(seconds, at=self._stage.age(seconds))
        self._stage.wake()

    def _kill(self, action: Kill) -> str:
        if action.at is None:
            pid = self._stage.kill(action.worker)
            return f"kill -9 of {action.worker}, process {pid}"
        self._stage.killer.order(action.worker, action.at)
        self._ordered.append(action)
        return f"{action.worker} will be killed at {action.at}"
