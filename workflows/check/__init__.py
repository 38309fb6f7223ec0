"""Everything that can be known to be wrong with a workflow before it runs, found in one reading of its file.

    sections    keys, actions and kinds of value, by the classes of definition.py and actions.py
    rules       under 'system_events' and 'behavior', and the conditions and templates there
    reach       rules and transitions that are never taken, workflows that lead to each other

Each part is checked on the plain data, so that an error in one place hides none in another. Errors keep a worker from
starting; warnings are allowed, but will not do what they seem to say. May import everything in `workflows` but engine,
explanation, loader and schema.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from workflows.check.reach import circles
from workflows.check.rules import RuleChecker, items_of, map_of
from workflows.check.sections import check_sections
from workflows.definition import REQUIREMENTS, TOOLS, WorkflowDefinition
from workflows.source import Document, Path
from workflows.suggest import or_one_of
from workflows.workflow import TransitionRule

#: What is wrong with the name of a model, or None.
ModelProblem = Callable[[str], str | None]


def check(
    document: Document, workflow_names: Collection[str] | None, set_elsewhere: Collection[str] = ()
) -> WorkflowDefinition | None:
    """Add every problem of a document to it, and return its definition unless one of them is an error.

    `workflow_names`: all that are loaded along with this one; None if that is not known, and then the targets of
    transitions are not looked up. `set_elsewhere`: keys of the context that the others set.
    """
    if document.root is None:
        return None
    definition = check_sections(document)
    if isinstance(document.data, dict):
        RuleChecker(document, workflow_names, set_elsewhere).check()
        _check_names(document, document.data)
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


def check_models(document: Document, definition: WorkflowDefinition, problem_of: ModelProblem) -> None:
    """Add a problem where a model is named that nobody could ask."""
    model = definition.model
    named: list[tuple[Path, str | None]] = [(("model", "name"), model.name)]
    named += [(("model", "fallbacks", at), name) for at, name in enumerate(model.fallbacks)]
    for path, name in named:
        if name is not None and (told := problem_of(name)) is not None:
            document.at(path, told)


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
