"""The conversation of one event: found or opened, changed by what its workflow says of the event, and stored.

What a rule says is planned by `workflows.engine` and carried out here (`_carry_out`); an event that no rule takes has a
default. The turns are only planned meanwhile, and queued last.
"""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from events.errors import EventError
from storage import connections, conversations, merchants, turns
from storage.connections import Integration
from storage.conversations import Conversation
from storage.database import Session
from storage.inbox import InboxRow
from storage.sql import storable
from storage.turns import Move, TurnInput
from workers import logs, metrics
from workers.workflow import privacy
from workers.workflow.planned_turns import MESSAGE, Effects, PlannedTurns, is_of_the_shop
from workflows import engine, explanation
from workflows.actions import Action, Emit, FollowUp, Prefetch, ProcessMessage, Transition, UpdateContext
from workflows.definition import OPENING_EVENTS
from workflows.errors import UnknownWorkflow
from workflows.workflow import Workflow, WorkflowSet

log = logs.get(__name__)

CONNECTION = "connection"
"""Context key: the connection's facts as last written to the context."""
GREETED = "greeted"
"""Context key: the connection for which the merchant was last greeted, {shop_domain, at}."""
ONE_GREETING = timedelta(seconds=30)
"""A browser may call the auth service back twice for one connection: within this many seconds that is one greeting."""
NO_RULE = "no rule took the event"
"""The start of the log line that says why."""
SHOPIFY_REQUIREMENT = "shopify_oauth"


class Refused(EventError):
    """The event contradicts what is stored; `code` and `message` are stored with its row."""


class EventConversation:
    """What one event changes in its merchant's conversation. `integration`: the merchant's shop, if there is one;
    `is_invented`: whether the merchant was."""

    def __init__(
        self,
        session: Session,
        workflows: WorkflowSet,
        row: InboxRow,
        effects: Effects,
        planned: PlannedTurns,
        integration: Integration | None,
        *,
        is_invented: bool,
    ) -> None:
        self._session = session
        self._workflows = workflows
        self._row = row
        self._data: Mapping[str, Any] = row.data
        self._effects = effects
        self._turns = planned
        self._integration = integration
        self._merchant_id = str(row.data["merchant_id"])
        self._is_invented = is_invented
        self._is_of_the_shop = is_of_the_shop(row)
        self._is_reconnection = self._is_another_store = False
        self._stored: Conversation | None = None
        """The conversation's row; None while there is none."""

    def carry_out(self) -> None:
        """Carry out the event's actions, store the conversation, and queue the event's turns."""
        conversation = self._plan()
        if conversation is not None:
            self._keep(conversation)
            self._turns.queue(conversation)

    def _plan(self) -> Conversation | None:
        """The conversation after the event, with its turns planned; None if the event belongs to none."""
        if self._row.type == "oauth_complete":
            # Serialised: the second of two concurrent events finds the conversation that the first one opened.
            merchants.lock(self._session, self._merchant_id)
        conversation, fresh = self._conversation()
        if conversation is None:
            log.info("event belongs to no open conversation", event_type=self._row.type)
            return None
        conversation = self._keep_connection(conversation)
        integration = self._integration
        if self._is_of_the_shop and self._data.get("success") and integration is not None:
            if self._data.get("shop_domain") != integration.shop_domain:
                log.info("the merchant has connected another store since", conversation_id=conversation.id)
                return conversation
            if self._was_greeted(conversation, integration):
                log.info("the merchant was greeted for this connection", conversation_id=conversation.id)
                return conversation
            before = conversation.context.get(GREETED)
            self._is_another_store = isinstance(before, dict) and before["shop_domain"] != integration.shop_domain
            conversation = self._merge(conversation, {GREETED: self._connection(integration)})
        if self._is_of_the_shop:
            conversation = self._begin_anew(conversation)
        if self._row.type == MESSAGE and self._turns.has_no_room:
            self._keep(conversation)
            self._turns.decline(conversation, TurnInput("merchant", str(self._data["text"])), None)
            return conversation
        conversation = self._follow_workflow(conversation, fresh)
        if self._is_of_the_shop and integration is not None and integration.is_active:
            self._ask_again(conversation)
        if self._turns.is_empty:
            conversation = self._settle(conversation)
        return conversation

    def _follow_workflow(self, conversation: Conversation, fresh: bool) -> Conversation:
        """Carry out what a rule of the conversation's workflow says, else the default."""
        workflow = self._workflows.or_default(conversation.workflow)
        is_gone = workflow.name != conversation.workflow
        if is_gone:
            conversation = self._replace_workflow(conversation, workflow)
        conversation, workflow = self._start(conversation, workflow, fresh or is_gone)
        actions = engine.plan(workflow, self._row.type, self._seen(conversation))
        if actions is not None:
            conversation = self._carry_out(conversation, workflow, actions)
        else:
            self._default(conversation, workflow, fresh)
        return conversation

    def _conversation(self) -> tuple[Conversation | None, bool]:
        """The conversation the event belongs to, locked, and whether this event opened it."""
        wanted = self._data.get("conversation_id")
        if wanted is not None:
            found = conversations.get(self._session, str(wanted), lock=True)
            owner = conversations.bound_to(self._session, str(wanted)) if found is None else found.merchant_id
            if owner not in (None, self._merchant_id):
                reason = "conversation_id belongs to another merchant"
                raise Refused("event.conversation_merchant_mismatch", reason)
        else:
            found = conversations.latest_open(self._session, self._merchant_id, lock=True)
        self._stored = found
        if found is not None or self._row.type not in OPENING_EVENTS:
            return found, False
        facts = _connection_facts(self._integration)
        context = {**facts, CONNECTION: facts} if facts else {}
        if self._is_invented:
            merchants.confirm(self._session, self._merchant_id)
        new_id = str(wanted) if wanted is not None else f"cj-{uuid.uuid4()}"
        return Conversation(new_id, self._merchant_id, self._first_workflow(context).name, context, "open", 0), True

    def _seen(self, conversation: Conversation) -> dict[str, Any]:
        """What rules see of the event and the conversation."""
        context = {**conversation.context, "workflow": conversation.workflow}
        return engine.seen(self._data, context, time=privacy.happened_at(self._row), now=self._now)

    @property
    def _now(self) -> datetime:
        return self._row.received_at + timedelta(seconds=self._row.age_seconds)

    def _keep_connection(self, conversation: Conversation) -> Conversation:
        """Update the connection's facts in the context; values that a rule has overwritten stay."""
        facts = _connection_facts(self._integration)
        known = conversation.context.get(CONNECTION)
        before = known if isinstance(known, dict) else {}
        changed = {key: value for key, value in facts.items() if before.get(key) != value}
        return self._merge(conversation, {**changed, CONNECTION: facts}) if changed else conversation

    def _begin_anew(self, conversation: Conversation) -> Conversation:
        """Forget what a new connection makes obsolete: that the merchant was asked to reconnect, and data about the
        store."""
        if not self._data.get("success"):
            return conversation
        self._is_reconnection = conversation.context.get(turns.RECONNECT_ASKED) is not None
        forgotten: dict[str, Any] = {"fetched": [], "last_error": None, turns.RECONNECT_ASKED: None}
        if any(conversation.context.get(key) for key in forgotten):
            conversation = self._merge(conversation, forgotten)
        return conversation

    def _ask_again(self, conversation: Conversation) -> None:
        """Ask again, after the actions, what the merchant asked while the store could not be read: the turn about the
        connection absorbs it. In other conversations an agent gets to it later."""
        owed = turns.owed(self._session, conversation.merchant_id)
        here = [(turn_id, text) for turn_id, conversation_id, text in owed if conversation_id == conversation.id]
        elsewhere = [turn_id for turn_id, conversation_id, _ in owed if conversation_id != conversation.id]
        if elsewhere:
            turns.put_off_promises(self._session, elsewhere, after_seconds=0.0)
        if here:
            kept = turns.keep_promises(self._session, [turn_id for turn_id, _ in here])
            for turn_id, text in here:
                if turn_id in kept:
                    self._turns.ask_again(text)

    def _connection(self, integration: Integration) -> dict[str, str]:
        return {"shop_domain": integration.shop_domain, "at": self._row.received_at.isoformat()}

    def _was_greeted(self, conversation: Conversation, integration: Integration) -> bool:
        """Whether this is a second event about one connection that has neither ended nor been refused since."""
        greeted = conversation.context.get(GREETED)
        if not isinstance(greeted, dict) or greeted.get("shop_domain") != integration.shop_domain:
            return False
        at = datetime.fromisoformat(greeted["at"])
        if abs(self._row.received_at - at) > ONE_GREETING or conversation.context.get(turns.RECONNECT_ASKED):
            return False
        earlier = connections.former(self._session, integration.merchant_id)
        return not any(former.uninstalled_at is not None and former.uninstalled_at >= at for former in earlier)

    def _first_workflow(self, context: Mapping[str, Any]) -> Workflow:
        wanted = self._data.get("workflow")
        if wanted is not None:
            try:
                return self._workflows.get(str(wanted))
            except UnknownWorkflow as error:
                raise Refused("event.unknown_workflow", str(error)) from None
        seen = engine.seen(self._data, context, time=privacy.happened_at(self._row), now=self._now)
        return self._workflows.opener(self._row.type, seen)[0]

    def _replace_workflow(self, conversation: Conversation, workflow: Workflow) -> Conversation:
        """Continue in the default workflow: the conversation's workflow file was renamed or removed."""
        log.warning(
            "the conversation's workflow is gone; continuing in another",
            conversation_id=conversation.id,
            gone=conversation.workflow,
            workflow=workflow.name,
        )
        return self._move(conversation, Transition(workflow.name, None), None)

    def _start(self, conversation: Conversation, workflow: Workflow, fresh: bool) -> tuple[Conversation, Workflow]:
        """Start in the next workflow if the workflow's requirements are already met."""
        if not fresh or self._row.type == "oauth_complete":
            return conversation, workflow
        met = {SHOPIFY_REQUIREMENT} if self._integration is not None and self._integration.is_active else set()
        hop = engine.start_transition(workflow, met)
        if hop is None:
            return conversation, workflow
        said = hop.message if self._row.type == "conversation_started" else None
        return self._move(conversation, hop, said), self._workflows.get(hop.target_workflow)

    def _carry_out(self, conversation: Conversation, workflow: Workflow, actions: tuple[Action, ...]) -> Conversation:
        prefetched: tuple[str, ...] = ()
        for action in actions:
            match action:
                case UpdateContext(values=values):
                    conversation = self._merge(conversation, values)
                case ProcessMessage():
                    self._turns.plan(replace(self._input(action), prefetched=prefetched), workflow.name)
                    prefetched = ()
                case Prefetch(data_types=data_types, inject=inject):
                    merchant_id = conversation.merchant_id
                    self._effects.prefetches += [(merchant_id, data_type) for data_type in data_types]
                    prefetched += data_types if inject else ()
                case Transition():
                    conversation = self._move(conversation, action, action.message)
                    workflow = self._workflows.get(action.target_workflow)
                case FollowUp():
                    self._turns.plan_follow_up(action, workflow.name)
                case Emit(name=name, data=data):
                    self._turns.tell_emitted(name, data)
                case _:
                    assert_never(action)
        return conversation

    def _input(self, action: ProcessMessage) -> TurnInput:
        again = {"reconnected": self._is_reconnection, "another_store": self._is_another_store}
        again = {key: True for key, is_so in again.items() if is_so and action.sender == "system"}
        return TurnInput(
            sender=action.sender,
            text=action.text,
            cleanup_trigger=action.cleanup_trigger,
            metadata={**action.metadata, **again},
        )

    def _default(self, conversation: Conversation, workflow: Workflow, fresh: bool) -> None:
        """The default handling of an event that no rule of its workflow took."""
        self._explain(conversation, workflow)
        first = workflow.initial_action
        if self._row.type == MESSAGE:
            self._turns.plan(TurnInput("merchant", str(self._data["text"])), None)
        elif self._row.type == "conversation_started" and fresh and first is not None and not self._turns.has_moved:
            self._turns.plan(self._input(first), workflow.name)

    def _explain(self, conversation: Conversation, workflow: Workflow) -> None:
        """Log why no rule took the event; only at DEBUG if the event has a default."""
        if self._row.type in explanation.BUILT_IN:
            if not workflow.rules.get(self._row.type) or not logging.getLogger().isEnabledFor(logging.DEBUG):
                return
        else:
            metrics.event_without_rule(self._row.type, workflow.name)
        why = explanation.explain(workflow, self._row.type, self._seen(conversation))
        log.info(NO_RULE, why=why.line(), conversation_id=conversation.id)

    def _settle(self, conversation: Conversation) -> Conversation:
        """Make due transitions, unless a queued turn will make them at its end."""
        current = self._workflows.get(conversation.workflow)
        context = {**conversation.context, "workflow": current.name, "now": self._now.isoformat()}
        for hop in engine.settle(self._workflows, current, context):
            conversation = self._move(conversation, hop, hop.message)
            current = self._workflows.get(hop.target_workflow)
        return conversation

    def _move(self, conversation: Conversation, hop: Transition, said: str | None) -> Conversation:
        """Move the conversation. The event's turn tells the gateway, with CJ's message if there is one."""
        self._turns.tell_move(Move(conversation.workflow, hop.target_workflow, said))
        return replace(conversation, workflow=hop.target_workflow)

    def _merge(self, conversation: Conversation, values: Mapping[str, Any]) -> Conversation:
        return replace(conversation, context={**conversation.context, **storable(dict(values))})

    def _keep(self, conversation: Conversation) -> None:
        """Store the conversation, which is locked or new."""
        before, self._stored = self._stored, conversation
        if before is None:
            conversations.open(
                self._session,
                id=conversation.id,
                merchant_id=conversation.merchant_id,
                workflow=conversation.workflow,
                context=conversation.context,
                by_door=self._row.by_door,
            )
        elif conversation != before:
            known = before.context
            changed = {key: value for key, value in conversation.context.items() if known.get(key, ...) != value}
            conversations.change(self._session, conversation.id, changed, workflow=conversation.workflow)


def _connection_facts(integration: Integration | None) -> dict[str, Any]:
    """The connection's facts for the context. A token that Shopify refuses changes nothing here: the merchant is asked
    to reconnect, see `turns.RECONNECT_ASKED`."""
    if integration is None or integration.status == "needs_reauth":
        return {}
    if integration.status == "uninstalled":
        return {"shopify_connected": False, "scopes": []}
    return {
        "merchant_id": integration.merchant_id,
        "shop_domain": integration.shop_domain,
        "shopify_connected": True,
        "scopes": list(integration.scopes),
        "connected_at": integration.connected_at.isoformat(),
    }
