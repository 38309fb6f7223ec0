"""Everything that can be known to be wrong with a workflow before it runs, from one reading of its file.

What each part means is checked on the plain data, so that a fault in one place hides none in another. Errors stop a
worker from starting; warnings are things that are allowed but will not do what they seem to say.
"""

from collections.abc import Collection, Mapping
from typing import Any

from workflows.check import reach
from workflows.check.behavior import BehaviorChecker
from workflows.check.rules import RuleChecker
from workflows.check.sections import check_structure
from workflows.check.texts import TextChecker, items_of, map_of
from workflows.definition import Definition
from workflows.expression.evaluate import condition
from workflows.source import Document
from workflows.suggest import or_one_of
from workflows.vocabulary import ALREADY_AUTHENTICATED, REQUIREMENTS, TOOLS, context_fields


def check(document: Document, workflow_names: Collection[str] | None) -> Definition | None:
    """Note every problem of a document in it. `workflow_names`: all that are loaded with this one, or None if that is
    not known; then the targets of transitions are not looked up. Returns the definition unless there is an error."""
    if document.root is None:
        return None
    definition = check_structure(document)
    if isinstance(document.data, dict):
        text = TextChecker(document)
        rules = RuleChecker(text, workflow_names)
        rules.check()
        BehaviorChecker(text, workflow_names, rules.context).check()
        _check_names(document)
        _check_prompts(text)
        _check_config(document)
    return None if document.has_errors else definition


def exits(definition: Definition) -> list[reach.Exit]:
    """The transitions of a workflow that its context decides, in order."""
    return [
        reach.Exit(name, condition(transition.condition), transition.target_workflow)
        for name, transition in definition.behavior.transitions.items()
        if transition.condition is not None and name != ALREADY_AUTHENTICATED
    ]


def check_circles(documents: Mapping[str, Document], definitions: Mapping[str, Definition]) -> None:
    """Note in the documents where workflows would hand a conversation round. Both maps by workflow name."""
    for circle in reach.circles({name: exits(each) for name, each in definitions.items()}, context_fields(None)):
        way = " -> ".join(circle.workflows)
        path = ("behavior", "transitions", circle.exit.name, "condition")
        document = documents[circle.workflows[0]]
        if circle.always:
            document.at(path, f"this transition leads in a circle: {way}")
        else:
            message = f"with {_told(circle.context)} this transition leads in a circle: {way}"
            document.at(path, message, severity="warning")


def _check_names(document: Document) -> None:
    for at, item in enumerate(items_of(document.data.get("requirements"))):
        for name, wanted in map_of(item).items():
            path = ("requirements", at, name)
            if name not in REQUIREMENTS:
                unknown = f"unknown requirement {name!r}{or_one_of(name, REQUIREMENTS)}"
                document.at(path, unknown, key=True)
            elif wanted is False:
                document.at(path, "false requires nothing: remove the line", severity="warning")
    tools = items_of(document.data.get("tools"))
    for at, tool in enumerate(tools):
        if isinstance(tool, str) and tool and tool not in TOOLS:
            document.at(("tools", at), f"unknown tool {tool!r}{or_one_of(tool, TOOLS)}")
        elif tool in tools[:at]:
            document.at(("tools", at), f"{tool!r} is listed already", severity="warning")


def _check_prompts(text: TextChecker) -> None:
    for agent, prompt in map_of(text.document.data.get("prompts")).items():
        path = ("prompts", agent, "system")
        why = "a prompt is sent as it is, this is not filled in; CJ sees the context below the prompt"
        text.no_templates(path, map_of(prompt).get("system"), why, severity="warning")


def _check_config(document: Document) -> None:
    for key in map_of(document.data.get("config")):
        why = ": there are no tiers any more, and how long data is kept is set elsewhere" if key == "insights" else ""
        document.at(("config", key), f"'config.{key}' has no effect{why}", key=True, severity="warning")


def _told(context: Mapping[str, Any]) -> str:
    shown = {key: str(value).lower() if isinstance(value, bool) else repr(value) for key, value in context.items()}
    return " and ".join(f"{key} = {value}" for key, value in shown.items()) or "an empty context"
