"""Everything that can be known to be wrong with a workflow before it runs, found in one reading of its file.

    sections    keys, actions and kinds of value, by the classes of definition.py and actions.py (locations helps it)
    rules       under 'system_events'
    behavior    under 'behavior'
    texts       the conditions and templates in both
    reach       rules and transitions that are never taken, workflows that lead to each other

Each part is checked on the plain data, so that an error in one place hides none in another. Errors keep a worker from
starting; warnings are allowed, but will not do what they seem to say. May import everything in `workflows` but engine,
explanation, loader and schema.
"""

from collections.abc import Collection, Mapping, Sequence

from workflows.check.behavior import BehaviorChecker
from workflows.check.reach import circles
from workflows.check.rules import RuleChecker
from workflows.check.sections import check_sections
from workflows.check.texts import TextChecker, items_of, map_of
from workflows.definition import REQUIREMENTS, TOOLS, WorkflowDefinition
from workflows.source import Document
from workflows.suggest import or_one_of
from workflows.workflow import TransitionRule


def check(document: Document, workflow_names: Collection[str] | None) -> WorkflowDefinition | None:
    """Add every problem of a document to it, and return its definition unless one of them is an error.

    `workflow_names`: all that are loaded along with this one; None if that is not known, and then the targets of
    transitions are not looked up.
    """
    if document.root is None:
        return None
    definition = check_sections(document)
    if isinstance(document.data, dict):
        text = TextChecker(document)
        rules = RuleChecker(text, workflow_names)
        rules.check()
        BehaviorChecker(text, workflow_names, rules.context).check()
        _check_names(document)
        _check_prompts(text)
        _check_config(document)
    return None if document.has_errors else definition


def check_circles(documents: Mapping[str, Document], transitions: Mapping[str, Sequence[TransitionRule]]) -> None:
    """Add a problem where two workflows lead to each other. Both maps are by workflow name."""
    for circle in circles(transitions):
        path = ("behavior", "transitions", circle.transition, "condition")
        way = f"this transition leads in a circle: {circle.first} -> {circle.second} -> {circle.first}"
        document = documents[circle.first]
        if circle.when:
            document.at(path, f"when {circle.when}, {way}", severity="warning")
        else:
            document.at(path, way)


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
            document.at(("tools", at), f"{tool!r} is already listed", severity="warning")


def _check_prompts(text: TextChecker) -> None:
    for agent, prompt in map_of(text.document.data.get("prompts")).items():
        path = ("prompts", agent, "system")
        why = "a prompt is sent as it is, nothing is filled in; CJ sees the context below the prompt"
        text.no_templates(path, map_of(prompt).get("system"), why, severity="warning")


def _check_config(document: Document) -> None:
    for key in map_of(document.data.get("config")):
        why = ": there are no tiers any more, and how long data is cached is set elsewhere" if key == "insights" else ""
        document.at(("config", key), f"'config.{key}' has no effect{why}", key=True, severity="warning")
