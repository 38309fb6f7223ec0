"""Carries out a scenario's actions the way the auth service, the gateway or an operator would, and injects faults."""

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kombu import Producer

from events import queues
from events.catalog import CATALOG
from events.errors import InvalidEvent
from events.shop_domain import normalize_shop_domain
from storage import conversations, merchants
from workers.local.stack import SCOPES, wait_until
from workers.scenario.environment import Environment
from workers.scenario.language import (
    Action,
    AdvanceClock,
    Flush,
    Kill,
    MerchantMessage,
    PlannedFault,
    PublishEvent,
    ScenarioDefinition,
    SimulateOauthComplete,
)
from workers.scenario.match import ACTION, LogEntry, ScenarioLog
from workers.scenario.observe import OPERATIONS
from workers.scenario.time_travel import ScenarioClock

AUTH, GATEWAY = "/auth", "/gateway"
FROM_GATEWAY = ("conversation_started", "message_received")
#: Seconds for which an action that needs it waits for an ordered kill.
KILL_SECONDS = 10.0
SLOW_SECONDS = 2.0

#: The development store's names of a scenario's faults.
STORE_FAULTS: Mapping[str, str] = {
    "rate_limit": "throttled",
    "unauthorized": "unauthorized",
    "timeout": "hang",
    "server_error": "status",
    "malformed": "html",
    "network": "dropped",
    "slow": "latency",
}


@dataclass(frozen=True)
class Ids:
    """The default merchant, shop and conversation of a scenario's steps."""

    merchant_id: str = "test_123"
    shop_domain: str = "test.myshopify.com"
    conversation_id: str = "conv_1"

    @classmethod
    def of(cls, definition: ScenarioDefinition) -> "Ids":
        """From the step that connects a store, else from the first event, else the usual defaults."""
        connections = [step.data for step in definition.steps if isinstance(step, SimulateOauthComplete)]
        events = [step.data for step in definition.steps if isinstance(step, PublishEvent)]
        data = next(iter((*connections, *events)), {})
        named = {key: value for key in ("merchant_id", "conversation_id") if isinstance(value := data.get(key), str)}
        try:
            return cls(shop_domain=normalize_shop_domain(data.get("shop_domain", cls.shop_domain)), **named)
        except InvalidEvent:
            return cls(**named)

    def event_data(self, event_type: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` with the ids that events of this type require."""
        model = CATALOG.get(event_type)
        fields = model.model_fields if model is not None else {}
        needed = {name: value for name, value in vars(self).items() if name in fields and fields[name].is_required()}
        return {**needed, **given}

    def oauth_data(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The data of an `oauth_complete` as sent by the auth service."""
        usual = {"provider": "shopify", "success": True, "shop_domain": self.shop_domain}
        return {**usual, "merchant_id": self.merchant_id, **given}


def store_fault(fault: PlannedFault) -> dict[str, Any] | None:
    """Arguments for `DevelopmentStore.fault` other than the shop; None for a fault of the model."""
    place, _, data_type = fault.on.partition(".")
    if place != "shopify":
        return None
    return {
        "kind": STORE_FAULTS[fault.fail],
        "operation": OPERATIONS.get(data_type),
        "times": None if fault.call == "every" else 1,
        "skip": 0 if fault.call == "every" else fault.call - 1,
        "seconds": SLOW_SECONDS if fault.seconds is None and fault.fail == "slow" else fault.seconds,
    }


class Actions:
    """Carries out one scenario's actions, and logs them with their times."""

    def __init__(
        self, environment: Environment, definition: ScenarioDefinition, clock: ScenarioClock, log: ScenarioLog
    ) -> None:
        self.ids = Ids.of(definition)
        #: (source, id) of every event that was published.
        self.published: set[tuple[str, str]] = set()
        self._kills: list[Kill] = []  # ordered kills that have not happened yet
        self._environment, self._stack = environment, environment.stack
        self._given, self._definition = definition.given, definition
        self._size = "new" if self._given.store == "empty" else self._given.store
        self._clock, self._log = clock, log
        self._done = 0

    def prepare(self) -> None:
        """Set up the given state, and inject the faults."""
        given, ids, store = self._given, self.ids, self._environment.store
        with self._stack.database.transaction() as session:
            merchants.add_merchant(session, ids.merchant_id)
        if given.connected:
            self._connect(ids.merchant_id, ids.shop_domain)
        else:
            store.register(ids.shop_domain, self._size)
        if given.workflow is not None or given.context:
            workflow = given.workflow or self._environment.workflows.default.name
            with self._stack.database.transaction() as session:
                conversations.open(
                    session,
                    id=ids.conversation_id,
                    merchant_id=ids.merchant_id,
                    workflow=workflow,
                    context=given.context,
                )
            self._environment.forget_context_updates()
        for arguments in filter(None, map(store_fault, self._definition.faults)):
            store.fault(None, **arguments)
        self._environment.model.play(self._definition.model, self._definition.faults)

    def act(self, action: Action) -> float:
        """Carry out an action; returns its time, in the scenario's seconds."""
        at = self._clock.now()
        done = self._perform(action)
        if isinstance(action, AdvanceClock):
            at = self._clock.now()
        self._note(at, done)
        return at

    def skip(self, seconds: float) -> None:
        """Skip idle time."""
        at = self._clock.now()
        self._pass_time(seconds)
        self._note(at, f"nobody works, {seconds:.2f} s pass")

    def pending_kill(self) -> Kill | None:
        """An ordered kill whose failpoint no process has reached yet. Logs those that have happened."""
        for kill in list(self._kills):
            if not self._environment.killer.is_pending(kill.worker, str(kill.at)):
                self._kills.remove(kill)
                self._note(self._clock.now(), f"{kill.worker} killed at {kill.at}")
        return self._kills[0] if self._kills else None

    def _note(self, at: float, done: str) -> None:
        self._done += 1
        self._log.add((ACTION, self._done), LogEntry(at, ACTION, done))

    def _perform(self, action: Action) -> str:
        match action:
            case SimulateOauthComplete(data=data):
                return self._simulate_oauth_complete(self.ids.oauth_data(data))
            case PublishEvent():
                return self._publish_event(action)
            case MerchantMessage(text=words):
                self._publish("message_received", self._message(words))
                return f"the merchant says: {words}"
            case AdvanceClock(seconds=seconds):
                wait_until(lambda: self.pending_kill() is None, limit=KILL_SECONDS, what="the ordered kill")
                self._pass_time(seconds)
                return f"{seconds:g} s pass"
            case Kill(worker=worker, at=None):
                return f"kill -9 of {worker}, process {self._environment.kill(worker)}"
            case Kill(worker=worker, at=point):
                self._environment.killer.order(worker, str(point))
                self._kills.append(action)
                return f"{worker} will be killed at {point}"
            case Flush(what=what):
                for server in ("broker", "cache") if what == "all" else (what,):
                    self._environment.redis(server).flushdb()
                return f"Redis of {'broker and cache' if what == 'all' else f'the {what}'} loses everything"

    def _simulate_oauth_complete(self, data: Mapping[str, Any]) -> str:
        connects = data["success"] is True
        if connects:
            self._connect(str(data["merchant_id"]), str(data["shop_domain"]))
        self._publish("oauth_complete", data)
        outcome = "connects" if connects else "does not connect"
        return f"the merchant {outcome} {data['shop_domain']}: oauth_complete published"

    def _publish_event(self, action: PublishEvent) -> str:
        data = self.ids.event_data(action.type, action.data)
        if action.type == "app_uninstalled":  # Shopify revokes the token before it sends the webhook
            self._environment.store.tokens.revoke(str(data.get("shop_domain")))
        for _ in range(action.times):
            self._publish(action.type, data, id=action.id)
        return f"{action.type} published{f' {action.times} times' if action.times > 1 else ''}"

    def _publish(self, event_type: str, data: Mapping[str, Any], *, id: str | None = None) -> None:
        """Publish without validation, as a publisher in another language, so that invalid events get through, too."""
        source = GATEWAY if event_type in FROM_GATEWAY else AUTH
        id = id or str(uuid.uuid4())
        now = datetime.now(UTC).isoformat()
        event = {"specversion": "1.0", "id": id, "source": source, "type": event_type, "time": now, "data": data}
        with queues.connection(self._stack.broker_url) as broker:
            queues.put(Producer(queues.open_channel(broker)), queues.EVENTS, json.dumps(event).encode())
        self.published.add((source, id))

    def _message(self, words: str) -> dict[str, Any]:
        with self._stack.database.transaction() as session:
            latest = conversations.latest_open(session, self.ids.merchant_id)
        conversation_id = latest.id if latest is not None else self.ids.conversation_id
        return {"merchant_id": self.ids.merchant_id, "conversation_id": conversation_id, "text": words}

    def _connect(self, merchant_id: str, shop_domain: str) -> None:
        token, scopes = f"shpat_{secrets.token_hex(16)}", self._given.scopes or SCOPES
        self._stack.connect(shop_domain, merchant_id, size=self._size, token=token, scopes=scopes)

    def _pass_time(self, seconds: float) -> None:
        self._clock.jumped(seconds, at=self._environment.advance_clock(seconds))
        self._environment.wake_due_turns()
