"""Why a rule took an event, or why none did: the value of every part of every condition, and the resulting actions.

    Explanation.line()     one line for the log, with the results of conditions, but no value from the event
Explanation.render()   for a person at a terminal
Explanation.to_json()  for a program
opening()              in which workflow an event opens a conversation, and why
openings_table()       the same for every event, as a table
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from events.catalog import DELETIONS
from workflows.actions import Action, UpdateContext
from workflows.check.openings import Opening, Openings
from workflows.definition import OPENING_EVENTS
from workflows.expression import parse
from workflows.expression.evaluate import Expression, compile_node, preview
from workflows.workflow import Workflow, WorkflowSet

#: What an event does by default, in a workflow that has no rule for it.
BUILT_IN: Mapping[str, str] = {
    "message_received": "a turn on the merchant's words",
    "conversation_started": "a turn on the workflow's initial_action, if it has one",
}


@dataclass(frozen=True, slots=True)
class ConditionPart:
    """A part of a condition and its value. `depth`: its nesting in the condition. `decides`: it is an operand of `and`,
    `or` or `not`."""

    source: str
    value: Any
    depth: int
    decides: bool


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """One rule and the result of its condition; `reached` is false if an earlier rule took the event."""

    index: int
    line: int
    condition: str
    holds: bool
    reached: bool
    parts: tuple[ConditionPart, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """`taken`: the number of the rule that takes the event (from 0); `actions`: what it would do."""

    workflow: str
    event_type: str
    rules: tuple[RuleExplanation, ...]
    taken: int | None
    actions: tuple[Action, ...]
    transitions: tuple[tuple[str, RuleExplanation], ...]

    def line(self) -> str:
        """One line: every comparison with its result, but no value of a field."""
        if self.taken is not None:
            return f"{self.workflow}: rule {self.taken + 1} takes {self.event_type}"
        if not self.rules:
            return f"{self.workflow}: no rule for {self.event_type}"
        reasons = (f"rule {rule.index + 1} (line {rule.line}): {_reason(rule)}" for rule in self.rules)
        return f"{self.workflow}: no rule takes {self.event_type}; {'; '.join(reasons)}"

    def render(self) -> str:
        """Several lines, for a person."""
        lines = [f"{self.event_type} in workflow {self.workflow}"]
        for rule in self.rules:
            lines += _rendered(f"rule {rule.index + 1}", rule, taken=rule.index == self.taken)
        if self.taken is None:
            none = "no rule takes it" if self.rules else "no rule for this event"
            built_in = BUILT_IN.get(self.event_type)
            lines.append(f"  {none}{f'; on its own it leads to {built_in}' if built_in else ''}")
        if self.actions:
            lines += ["  then", *(f"    {action.describe()}" for action in self.actions)]
        if self.transitions:
            lines.append("  transitions, given the context as it would then be")
            for name, rule in self.transitions:
                lines += [f"  {line}" for line in _rendered(name, rule, taken=rule.holds and rule.reached)]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workflow": self.workflow,
            "event_type": self.event_type,
            "taken": self.taken,
            "rules": [asdict(rule) for rule in self.rules],
            "actions": [{"type": action.type, **asdict(action)} for action in self.actions],
            "transitions": [{"name": name, **asdict(rule)} for name, rule in self.transitions],
        }


def explain(
    workflow: Workflow, event_type: str, data: Mapping[str, Any], context: Mapping[str, Any] | None = None
) -> Explanation:
    """What `plan` would do with an event (a result of `engine.seen`), and why. With a context, also which transition
    would follow.

    Never raises, whatever the data."""
    rules: list[RuleExplanation] = []
    taken: int | None = None
    actions: tuple[Action, ...] = ()
    for rule in workflow.rules.get(event_type, ()):
        holds = rule.condition.holds(data)
        parts = tuple(_parts(rule.condition, data))
        rules.append(RuleExplanation(rule.index, rule.line, rule.condition.source, holds, taken is None, parts))
        if holds and taken is None:
            taken, actions = rule.index, tuple(action.filled(data) for action in rule.actions)
    transitions = () if context is None else _transitions(workflow, _after(workflow, context, actions, data.get("now")))
    return Explanation(workflow.name, event_type, tuple(rules), taken, actions, transitions)


def opening(workflows: WorkflowSet, event_type: str, data: Mapping[str, Any]) -> tuple[str | None, str]:
    """The workflow in which an event opens a conversation, None if it opens none, and a sentence that says why.

    Raises UnknownWorkflow if the event names an unknown workflow.
    """
    if event_type in DELETIONS:
        return None, "reaches no conversation: it deletes what is stored"
    if event_type not in OPENING_EVENTS:
        return None, "opens no conversation: it reaches the merchant's latest open one, in whichever workflow that is"
    wanted = data.get("workflow") if event_type == "conversation_started" else None
    if wanted is not None:
        return workflows.get(str(wanted)).name, f"opens a conversation in {wanted}, because the event names it"
    workflow, rule = workflows.opener(event_type, data)
    if rule is None:
        why = "no rule takes the event, and this workflow is the first that may open one without"
    else:
        why = f"its rule {rule.index + 1} (line {rule.line}) holds: {' '.join(rule.condition.source.split())}"
    return workflow.name, f"opens a conversation in {workflow.name}, because {why}"


def openings_table(workflows: WorkflowSet) -> str:
    """Which workflow opens a new conversation, by event, in the order in which they are tried."""
    found = list(Openings({each.name: each for each in workflows}).table())
    rows = [(one.event, one.workflow.name, _opened(one, found)) for one in found]
    rows.insert(
        next((at for at, one in enumerate(found) if one.event == "conversation_started"), len(rows)),
        ("conversation_started", "the one it names", "if it names one"),
    )
    wide, wider = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    shown = [f"  {event:{wide}}  {name:{wider}}  {when}" for event, name, when in rows]
    return "\n".join(["who opens a new conversation (the first that fits):", *shown])


def _opened(one: Opening, found: list[Opening]) -> str:
    if one.rule is not None:
        return (
            f"when {' '.join(one.rule.condition.source.split())}" if one.rule.condition.source != "true" else "always"
        )
    is_only = one.event != "conversation_started" and not any(o.event == one.event and o.rule for o in found)
    when = "always" if is_only else "otherwise"
    moves = one.workflow.already_authenticated
    if one.event == "oauth_complete":
        return f"{when}; CJ says nothing"
    met = " and ".join(sorted(one.workflow.requirements))
    return f"{when}, then {moves.target_workflow} if {met} is met" if moves and met else when


def _after(workflow: Workflow, context: Mapping[str, Any], actions: tuple[Action, ...], now: object) -> dict[str, Any]:
    """The context after the actions."""
    then = {**context, "workflow": workflow.name, "now": now}
    for action in actions:
        if isinstance(action, UpdateContext):
            then |= action.values
    return then


def _transitions(workflow: Workflow, context: Mapping[str, Any]) -> tuple[tuple[str, RuleExplanation], ...]:
    found: list[tuple[str, RuleExplanation]] = []
    reached = True
    for index, rule in enumerate(workflow.transitions):
        holds = rule.condition.holds(context)
        parts = tuple(_parts(rule.condition, context))
        explained = RuleExplanation(index, rule.line, rule.condition.source, holds, reached, parts)
        found.append((f"{rule.transition.name} -> {rule.transition.target_workflow}", explained))
        reached = reached and not holds
    return tuple(found)


def _parts(condition: Expression, data: Mapping[str, Any]) -> Iterator[ConditionPart]:
    """Every sub-expression except literals, from left to right, each before its parts."""

    def walk(node: parse.Node, depth: int, decides: bool) -> Iterator[ConditionPart]:
        is_logic = isinstance(node, parse.Logic | parse.Negation)
        hidden = isinstance(node, parse.Literal | parse.ListOf)
        if not hidden:
            source = condition.source[node.start : node.end]
            value = Expression(source, node, compile_node(node)).of(data)
            yield ConditionPart(" ".join(source.split()), value, depth, decides and not is_logic)
        for child in parse.children(node):
            yield from walk(child, depth + (not hidden), decides and is_logic)

    return walk(condition.tree, 0, True)


def _reason(rule: RuleExplanation) -> str:
    """The results of the condition's parts. Shows text of the workflow only, nothing from the event."""
    answers = (f"{part.source} is {'true' if part.value else 'false'}" for part in rule.parts if part.decides)
    return ", ".join(answers) or "its condition is false"


def _rendered(title: str, rule: RuleExplanation, *, taken: bool) -> list[str]:
    outcome = "takes it" if taken else "would hold, but an earlier one was taken" if rule.holds else "does not hold"
    lines = [f"  {title} (line {rule.line}) {outcome}"]
    width = max((len(part.source) + 2 * part.depth for part in rule.parts), default=0)
    for part in rule.parts:
        indented = f"{'  ' * part.depth}{part.source}"
        lines.append(f"    {indented:<{width}}  = {preview(part.value)}")
    return lines
