"""Replays stored events against today's workflows: which rule would take each, and what would differ from what was
done.

Reads the inbox and sends nothing. The workflow text that applied then is the one its turn started with. Past contexts
are not stored: conditions and templates see the conversation's current context, both for then and for today.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import text

from events.catalog import DELETIONS
from storage.database import Session
from workflows import engine
from workflows.definition import EVENT_TYPES
from workflows.errors import InvalidWorkflows, UnknownWorkflow
from workflows.explanation import BUILT_IN, Explanation, explain, opening
from workflows.loader import load_again
from workflows.workflow import Workflow, WorkflowSet

#: Events with their conversations, and the turn that shows which workflow applied: the event's own, else the next one.
_EVENTS = """
    WITH e AS MATERIALIZED ({events})
    SELECT e.key, e.source, e.id, e.type, e.data, coalesce(e.time, e.received_at) AS time, e.received_at, e.status,
           e.error_code, c.id AS conversation_id, coalesce(c.context, '{{}}') AS context,
           met.input #>> '{{moves,0,source}}' AS moved_from, met.workflow AS met, met.workflow_hash AS hash,
           c.workflow AS present,
           c.created_at >= e.received_at AND coalesce(e.key <= (
               SELECT b.event_key FROM turns b WHERE b.conversation_id = c.id ORDER BY b.seq LIMIT 1), true) AS opened
    FROM e
    LEFT JOIN LATERAL (
        SELECT t.conversation_id, t.seq FROM turns t WHERE t.event_key = e.key ORDER BY t.action LIMIT 1) AS own ON true
    LEFT JOIN LATERAL (
        -- OFFSET 0 makes the planner select the merchant's conversations first, instead of sorting everybody's.
        SELECT o.id FROM (
            SELECT id, updated_at FROM conversations
            WHERE own.conversation_id IS NULL AND e.conversation_id IS NULL
              AND merchant_id = e.merchant_id AND created_at <= e.processed_at OFFSET 0) AS o
        ORDER BY o.updated_at DESC LIMIT 1) AS latest ON true
    LEFT JOIN conversations c ON c.id = coalesce(own.conversation_id, e.conversation_id, latest.id)
    LEFT JOIN LATERAL (
        SELECT t.workflow, t.workflow_hash, t.input FROM turns t
        WHERE t.conversation_id = c.id AND t.seq >= coalesce(own.seq, 0) AND t.event_key >= e.key
          AND t.workflow IS NOT NULL
        ORDER BY t.seq LIMIT 1) AS met ON true
    ORDER BY {order}
"""
_SINCE = """
    SELECT * FROM events
    WHERE status = 'processed' AND type = ANY (CAST(:types AS text[]))
      AND processed_at > (SELECT clock_timestamp()) - make_interval(secs => :seconds)
    ORDER BY processed_at DESC LIMIT :limit
"""
SINCE = text(_EVENTS.format(events=_SINCE, order="e.processed_at DESC"))
WITH_ID = text(_EVENTS.format(events="SELECT * FROM events WHERE id = :id", order="e.key"))
TEXT = text("SELECT text FROM workflow_versions WHERE hash = :hash")
TEXT_THEN = text("""
    SELECT text FROM workflow_versions WHERE name = :name AND created_at <= :before ORDER BY created_at DESC LIMIT 1
""")


@dataclass(frozen=True)
class Replayed:
    """A stored event. `then`: what its workflow did with it, None if unknown. `today`: what today's workflows do, None
    if they would refuse it. `why`: which conversation or workflow it reaches, and why."""

    id: str
    source: str
    type: str
    received_at: datetime
    refused: str | None
    conversation_id: str | None
    then: Explanation | None
    today: Explanation | None
    why: str

    @property
    def differs(self) -> bool:
        """Whether today's workflows would do something else."""
        if self.then is None or self.today is None:
            return self.then is not None
        mine, theirs = ((each.workflow, each.taken is None, each.actions) for each in (self.then, self.today))
        return mine != theirs

    def change(self) -> tuple[str, ...]:
        """The difference: both rules, then the removed and the added actions."""
        then, today = self.then, self.today
        before, after = (() if each is None else each.actions for each in (then, today))
        return (
            f"then {'unknown' if then is None else taker(then)}; today {'refused' if today is None else taker(today)}",
            *(f"- {action.describe()}" for action in before if action not in after),
            *(f"+ {action.describe()}" for action in after if action not in before),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        then, today = (None if each is None else each.to_json() for each in (self.then, self.today))
        found = {name: value for name, value in vars(self).items() if name != "why"}
        return {**found, "differs": self.differs, "then": then, "today": today}


def taker(explanation: Explanation) -> str:
    """Which rule of which workflow takes an event, in words."""
    if explanation.taken is None:
        alone = ", on its own" if explanation.event_type in BUILT_IN else ""
        return f"no rule of {explanation.workflow}{alone}"
    return f"rule {explanation.taken + 1} (line {explanation.rules[explanation.taken].line}) of {explanation.workflow}"


def since(session: Session, workflows: WorkflowSet, *, seconds: float, limit: int) -> Iterator[Replayed]:
    """The events handled within the last `seconds`, latest first."""
    types = [event for event in EVENT_TYPES if event not in DELETIONS]
    yield from _replayed(session, workflows, SINCE, {"types": types, "seconds": seconds, "limit": limit})


def stored(session: Session, workflows: WorkflowSet, event_id: str) -> list[Replayed]:
    """The stored events with this id: of every source, refused ones included."""
    return list(_replayed(session, workflows, WITH_ID, {"id": event_id}))


def _replayed(session: Session, workflows: WorkflowSet, query: Any, values: dict[str, Any]) -> Iterator[Replayed]:
    texts: dict[Any, Workflow | None] = {}
    for row in session.execute(query, values).all():
        if row.type not in EVENT_TYPES:
            continue
        # For a conversation's first event transitions come before the rules, for later ones after them.
        moved_from = None if row.opened else row.moved_from
        name = moved_from or row.met or row.present or workflows.default.name
        hash = None if moved_from else row.hash
        key = hash or (name, f"{row.received_at:%F %H}")
        if key not in texts:
            texts[key] = _text_then(session, hash, name, row.received_at)
        then = texts[key] if row.conversation_id is not None else None
        data = engine.seen(row.data, {**row.context, "workflow": name}, time=row.time, now=row.received_at)
        today, why = _today(workflows, row, name, data)
        yield Replayed(
            row.id,
            row.source,
            row.type,
            row.received_at,
            row.error_code,
            row.conversation_id,
            None if then is None else _explained(then, row, data),
            None if today is None else _explained(today, row, data),
            why,
        )


def _explained(workflow: Workflow, row: Any, data: dict[str, Any]) -> Explanation:
    """The explanation, with the workflow's initial action if no rule takes the opening event."""
    found = explain(workflow, row.type, data, row.context)
    if row.type == "conversation_started" and row.opened and found.taken is None and workflow.initial_action:
        return replace(found, actions=(workflow.initial_action,))
    return found


def _today(workflows: WorkflowSet, row: Any, name: str, data: dict[str, Any]) -> tuple[Workflow | None, str]:
    """The workflow that the event would reach today (None if it would be refused), and a sentence about it."""
    if not row.opened and row.conversation_id is not None:
        found = workflows.or_default(name)
        gone = "" if found.name == name else f"; {name} is gone"
        return found, f"reached conversation {row.conversation_id}, in {name}{gone}"
    try:
        opened, why = opening(workflows, row.type, data)
    except UnknownWorkflow as error:
        return None, f"would be refused: {error}"
    found = workflows.or_default(opened or name)
    met = {"shopify_oauth"} if row.context.get("shopify_connected") is True else set()
    hop = None if row.type == "oauth_complete" or opened is None else engine.start_transition(found, met)
    if hop is None or hop.target_workflow not in workflows:
        return found, why
    return workflows.get(hop.target_workflow), f"{why}; then moves to {hop.target_workflow}, its requirements are met"


def _text_then(session: Session, hash: str | None, name: str, before: datetime) -> Workflow | None:
    """The workflow as it was; None if no turn started with it, or if this version can no longer load it."""
    found = session.execute(TEXT, {"hash": hash}).scalar()
    if found is None:
        found = session.execute(TEXT_THEN, {"name": name, "before": before}).scalar()
    try:
        return None if found is None else load_again(str(found), file=name)
    except InvalidWorkflows:
        return None
