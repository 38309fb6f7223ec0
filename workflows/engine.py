"""Decides what a workflow does: pure functions from (workflow, event or context) to actions for a worker.

    seen              what a rule's condition and templates see of an event
    plan              an event arrived: the actions of the first rule that holds
    start_transition  a conversation starts: are its requirements already met?
    next_transition   at the start and after each turn: the transition for this context
    settle            the same, repeatedly, until no transition holds
    is_wanted         a follow_up is due: does its condition still hold?

None of them raises, whatever the event or the context holds. `explanation` says why a rule took an event, or why none
did.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from workflows.actions import Action, Transition
from workflows.errors import InvalidExpression
from workflows.expression.evaluate import compiled
from workflows.workflow import Workflow, WorkflowSet

MAX_HOPS = 3


def seen(
    data: Mapping[str, Any], context: Mapping[str, Any], *, time: datetime | None, now: datetime
) -> dict[str, Any]:
    """What rules see: the fields of the event's validated payload, its `time`, and the conversation's `context` before
    the event. Ages are measured from `now`."""
    when = None if time is None else time.isoformat()
    return {**data, "time": when, "context": context, "now": now.isoformat()}


def plan(workflow: Workflow, event_type: str, data: Mapping[str, Any]) -> tuple[Action, ...] | None:
    """The actions, in order, of the first rule that takes the event; None if none does.

    `data`: the result of `seen`; conditions and templates see nothing else.
    """
    for rule in workflow.rules.get(event_type, ()):
        if rule.condition.holds(data):
            return tuple(action.filled(data) for action in rule.actions)
    return None


def start_transition(workflow: Workflow, met: Collection[str]) -> Transition | None:
    """`already_authenticated`, if the workflow has requirements and all of them are in `met`."""
    if workflow.requirements and workflow.requirements <= set(met):
        return workflow.already_authenticated
    return None


def next_transition(workflow: Workflow, context: Mapping[str, Any]) -> Transition | None:
    """The first transition whose condition holds in this context. Ages are measured from the context's `now`."""
    return next((rule.transition for rule in workflow.transitions if rule.condition.holds(context)), None)


def settle(workflows: WorkflowSet, workflow: Workflow, context: Mapping[str, Any]) -> list[Transition]:
    """The transitions to take now, each from the target of the previous one; `context` is not changed.

    Stops after MAX_HOPS, and before it would return to a workflow that it left.
    """
    taken: list[Transition] = []
    left = {workflow.name}
    while len(taken) < MAX_HOPS:
        transition = next_transition(workflow, {**context, "workflow": workflow.name})
        if transition is None or transition.target_workflow in left or transition.target_workflow not in workflows:
            break
        taken.append(transition)
        workflow = workflows.get(transition.target_workflow)
        left.add(workflow.name)
    return taken


def is_wanted(question: str, context: Mapping[str, Any], *, answered: bool) -> bool:
    """Whether the condition of a follow_up holds in this context, with ages measured from its `now`.

    `answered`: whether the merchant has written since it was planned."""
    try:
        return compiled(question).holds({**context, "answered": answered})
    except InvalidExpression:  # stored by a newer version
        return False
