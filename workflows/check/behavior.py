"""Under 'behavior': who begins and with what, and the transitions that the context decides."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from workflows.check.texts import TextChecker, items_of, map_of
from workflows.definition import ALREADY_AUTHENTICATED, EVENT_TYPES, event_fields
from workflows.expression.kinds import Fields
from workflows.source import Path
from workflows.suggest import closest, did_you_mean

_PATH: Path = ("behavior", "transitions")


class BehaviorChecker:
    """Adds problems with 'behavior'. `context`: what transitions may read."""

    def __init__(self, text: TextChecker, workflow_names: Collection[str] | None, context: Fields) -> None:
        self.text = text
        self.document = text.document
        self.workflow_names = workflow_names
        self.context = context
        self.data = map_of(text.document.data.get("behavior"))

    def check(self) -> None:
        self.beginning()
        transitions = map_of(self.data.get("transitions"))
        maps = {name: value for name, value in transitions.items() if isinstance(value, dict)}
        conditional = [(*_PATH, name) for name, value in maps.items() if self.transition(name, value)]
        self.text.conditions("transition", conditional, self.context, _event_fields_advice(tuple(self.context)))

    def beginning(self) -> None:
        begins, action = self.data.get("initiator") == "cj", self.data.get("initial_action")
        if action and not begins and self.data.get("initiator", "merchant") == "merchant":
            message = 'this has no effect: the merchant begins; initiator: "cj" would let CJ begin'
            self.document.at(("behavior", "initial_action"), message, key=True, severity="warning")
        if begins and "initial_action" not in self.data:
            message = "CJ is to begin, but there is no 'initial_action' to begin with"
            self.document.at(("behavior", "initiator"), message, severity="warning")
        why = "nothing is filled in here: there is no event to take fields from"
        for key, value in map_of(action).items():
            self.text.no_templates(("behavior", "initial_action", key), value, why)

    def transition(self, name: str, transition: dict[str, Any]) -> bool:
        """Check one; true if it has a condition, to be checked along with the others'."""
        path = (*_PATH, name)
        self.text.target((*path, "target_workflow"), transition.get("target_workflow"), self.workflow_names)
        why = "nothing is filled in here: a transition has no event to take fields from"
        self.text.no_templates((*path, "message"), transition.get("message"), why)
        if name == ALREADY_AUTHENTICATED:
            self.already_authenticated(path, transition)
            return False
        if "condition" not in transition and not any(closest(key, ["condition"]) for key in transition):
            message = f"transition {name!r} needs a condition{did_you_mean(name, [ALREADY_AUTHENTICATED])}"
            self.document.at(path, message, key=True)
        return "condition" in transition

    def already_authenticated(self, path: Path, transition: dict[str, Any]) -> None:
        if "condition" in transition:
            message = f"{ALREADY_AUTHENTICATED!r} has no condition: it is taken when all requirements are met"
            self.document.at((*path, "condition"), message, key=True)
        requirements = items_of(self.document.data.get("requirements"))
        if not any(wanted is True for item in requirements for wanted in map_of(item).values()):
            message = "this is never taken: there are no 'requirements' that could be met"
            self.document.at(path, message, key=True, severity="warning")


@lru_cache(maxsize=32)
def _event_fields_advice(context: tuple[str, ...]) -> Mapping[str, str]:
    """What to say about a name that is no context key but a field of an event."""
    advice: dict[str, str] = {}
    for event in EVENT_TYPES:
        for name in event_fields(event):
            message = f"that is a field of {event}; a transition reads the context: {', '.join(context)}"
            advice.setdefault(name, message)
    return advice
