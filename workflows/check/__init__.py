"""Finds everything that is wrong with a workflow before it runs, in one pass over its file.

    sections    keys, actions and kinds of value, by the classes of definition.py and actions.py
    rules       under 'system_events' and 'behavior', and the conditions and templates there
    reach       rules and transitions that are never taken, workflows that lead to each other

Each part is checked on the plain data, so that an error in one place hides none in another. Errors keep a worker from
starting; warnings mark what will not do what it seems to say. May import everything in `workflows` except engine,
explanation, loader and schema.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from workflows.actions import ProcessMessageAction, TransitionAction
from workflows.check.reach import circles, covers, facts_of, impossible
from workflows.check.rules import RuleChecker, items_of, map_of
from workflows.check.sections import check_sections
from workflows.definition import CONNECTION, REQUIREMENTS, TOOLS, WorkflowDefinition
from workflows.expression.evaluate import compiled
from workflows.expression.kinds import Fields
from workflows.source import Document, Path
from workflows.suggest import or_one_of
from workflows.workflow import Rule, TransitionRule, Workflow

#: Events that every merchant causes and that have no default, and how messages describe the merchant.
_LIFE: Sequence[tuple[str, str, str]] = (
    ("oauth_complete", CONNECTION, "whose store is connected"),
    ("oauth_complete", "provider == 'shopify' and success == false", "who could not connect a store"),
)
_WAY_ON = "\"shopify_connected == true and 'counts' in fetched\""
#: Returns what is wrong with a model's name, or None.
ModelProblem = Callable[[str], str | None]


def check(
    document: Document, workflow_names: Collection[str] | None, set_elsewhere: Fields = MappingProxyType({})
) -> WorkflowDefinition | None:
    """Add all problems of a document to it, and return its definition unless one of them is an error.

    `workflow_names`: all workflows loaded along with this one; None if unknown, and then the targets of transitions are
    not checked. `set_elsewhere`: context keys that the others set, with their kinds.
    """
    if document.root is None:
        return None
    definition = check_sections(document)
    if isinstance(document.data, dict):
        RuleChecker(document, workflow_names, set_elsewhere).check()
        _check_names(document, document.data)
    return None if document.has_errors else definition


def check_circles(documents: Mapping[str, Document], transitions: Mapping[str, Sequence[TransitionRule]]) -> None:
    """Add a problem where two workflows transition to each other. Both maps are by workflow name."""
    for circle in circles(transitions):
        path = ("behavior", "transitions", circle.transition, "condition")
        way = f"this transition leads in a circle: {circle.first} -> {circle.second} -> {circle.first}"
        document = documents[circle.first]
        if circle.when:
            document.at(path, f"when {circle.when}, {way}", severity="warning")
        else:
            document.at(path, way)


def check_models(document: Document, definition: WorkflowDefinition, problem_of: ModelProblem) -> None:
    """Add a problem where a named model cannot be used."""
    model = definition.model
    named: list[tuple[Path, str | None]] = [(("model", "name"), model.name)]
    named += [(("model", "fallbacks", at), name) for at, name in enumerate(model.fallbacks)]
    for path, name in named:
        if name is not None and (told := problem_of(name)) is not None:
            document.at(path, told)


def check_silence(document: Document, workflow: Workflow) -> None:
    """Add a warning where such an event arrives in this workflow and CJ says nothing."""
    if "oauth_complete" not in workflow.rules:
        message = "a merchant who connects a store while in this workflow hears nothing: no rule takes oauth_complete"
        document.at(("name",), message, key=True, severity="warning")
    for event, source, who in _LIFE:
        rules = workflow.rules.get(event)
        if rules is None:
            continue
        here = facts_of(compiled(f"{source} and context.workflow == '{workflow.name}'"))
        takers = [rule for rule in rules if not impossible(facts_of(rule.condition) | here)]
        always = next((at for at, rule in enumerate(takers, 1) if covers(facts_of(rule.condition), here)), None)
        if not any(map(_speaks, takers[:always])):
            why, end = "no rule takes", ""
            if takers:
                why, end = f"the rule on line {takers[0].line} takes", ", and has no 'process_message'"
            message = f"a merchant {who} while in this workflow hears nothing: {why} {event} with {source}{end}"
            document.at(("system_events", event), message, key=True, severity="warning")
    for event in ("message_received", *(["conversation_started"] if workflow.initial_action else [])):
        for rule in workflow.rules.get(event, ()):
            if not _speaks(rule):
                path: Path = ("system_events", event, rule.index)
                path = path if document.find(path) else path[:-1]
                message = f"CJ says nothing to {event} here: this rule takes it, and has no 'process_message'"
                document.at((*path, "actions"), message, key=True, severity="warning")


def check_way_on(document: Document, workflow: Workflow) -> None:
    """Add a warning if a conversation can move on only at its start."""
    start = workflow.already_authenticated
    actions = (action for rules in workflow.rules.values() for rule in rules for action in rule.actions)
    moves = any(isinstance(action.section, TransitionAction) for action in actions)
    if start is not None and workflow.requirements and not workflow.transitions and not moves:
        message = (
            f"a conversation that begins before its store is connected never moves on to {start.target_workflow!r}: "
            f"this is only taken when a conversation starts; add a transition with a condition, such as {_WAY_ON}"
        )
        document.at(("behavior", "transitions", str(start.name)), message, key=True, severity="warning")


def _speaks(rule: Rule) -> bool:
    """Whether the merchant hears something from this rule."""
    sections = [action.section for action in rule.actions]
    return any(
        isinstance(section, ProcessMessageAction) or (isinstance(section, TransitionAction) and section.message)
        for section in sections
    )


def _check_names(document: Document, data: dict[str, Any]) -> None:
    for at, item in enumerate(items_of(data.get("requirements"))):
        for name in map_of(item).keys() - REQUIREMENTS:
            message = f"unknown requirement {name!r}{or_one_of(name, REQUIREMENTS)}"
            document.at(("requirements", at, name), message, key=True)
    for at, tool in enumerate(items_of(data.get("tools"))):
        if isinstance(tool, str) and tool and tool not in TOOLS:
            document.at(("tools", at), f"unknown tool {tool!r}{or_one_of(tool, TOOLS)}")
    for key in map_of(data.get("config")):
        document.at(("config", key), f"'config.{key}' has no effect", key=True, severity="warning")
