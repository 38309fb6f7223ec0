"""The rules under 'system_events': events, conditions, actions, and what they put into the context."""

from collections.abc import Collection, Iterator
from typing import Any

from workflows.actions import ACTIONS
from workflows.check.texts import TextChecker, items_of, map_of
from workflows.definition import EVENT_TYPES, KEPT_BY_WORKERS, WITHOUT_CONVERSATION, context_fields, event_fields
from workflows.expression.kinds import WORDS, Fields, Kind, base
from workflows.source import Path


class RuleChecker:
    """Adds problems with the rules. Afterwards `context` has every key that transitions may read."""

    def __init__(self, text: TextChecker, workflow_names: Collection[str] | None) -> None:
        self.text = text
        self.document = text.document
        self.workflow_names = workflow_names
        self.known = context_fields(workflow_names)
        self.context: dict[str, Kind] = dict(self.known)

    def check(self) -> None:
        events = map_of(self.document.data.get("system_events"))
        for event, rules in events.items():
            fields = event_fields(event) if event in EVENT_TYPES else None
            for path, rule in self.rules(event, rules):
                for at, action in enumerate(items_of(rule.get("actions"))):
                    self.action((*path, "actions", at), map_of(action), event, fields)
        for event, rules in events.items():
            self.event(event, [path for path, _ in self.rules(event, rules)])

    def rules(self, event: str, rules: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Every rule of an event with its path, whether there is one or a list of them."""
        path: Path = ("system_events", event)
        if isinstance(rules, dict):
            yield path, rules
        for at, rule in enumerate(items_of(rules)):
            if isinstance(rule, dict):
                yield (*path, at), rule

    def event(self, event: str, paths: list[Path]) -> None:
        if event not in EVENT_TYPES:
            return  # sections.py reports it
        if event in WITHOUT_CONVERSATION:
            message = f"this has no effect: {event} deletes what is stored and reaches no conversation"
            self.document.at(("system_events", event), message, key=True, severity="warning")
        fields = event_fields(event)
        advice = f"that is in the context; a rule reads the fields of {event}: {', '.join(fields)}"
        self.text.conditions("rule", paths, fields, dict.fromkeys(self.context, advice))

    def action(self, path: Path, action: dict[str, Any], event: str, fields: Fields | None) -> None:
        kind = action.get("type")
        section = ACTIONS.get(str(kind))
        for key in section.templated if section else ("message", "data", "metadata"):
            self.text.templates((*path, key), action.get(key), fields, event)
        if kind == "update_context":
            for key, value in map_of(action.get("data")).items():
                self.update((*path, "data", key), key, value, fields)
        elif kind == "transition":
            self.text.target((*path, "target_workflow"), action.get("target_workflow"), self.workflow_names)
        elif kind == "prefetch":
            data_types = items_of(action.get("data_types"))
            for at, data_type in enumerate(data_types):
                if data_type in data_types[:at]:
                    message = f"{data_type!r} is already listed"
                    self.document.at((*path, "data_types", at), message, severity="warning")
        if "start_tier" in map_of(action.get("metadata")):
            message = "'start_tier' has no effect: there are no tiers any more"
            self.document.at((*path, "metadata", "start_tier"), message, key=True, severity="warning")

    def update(self, path: Path, key: str, value: Any, fields: Fields | None) -> None:
        """One value that is put into the context."""
        if key in KEPT_BY_WORKERS:
            self.document.at(path, f"{key!r} cannot be set: {KEPT_BY_WORKERS[key]}", key=True)
            return
        kind = self.text.kind(value, fields)
        if key in self.known:
            wanted, given = base(self.known[key]), base(kind)
            if wanted and given not in (None, "null", wanted):
                advice = _boolean(value) if wanted == "boolean" else ""
                self.document.at(path, f"{key!r} must be {WORDS[wanted]}, not {WORDS[str(given)]}{advice}")
        elif key not in self.context:
            self.context[key] = None if kind == "null" else kind
        elif base(self.context[key]) != base(kind):
            self.context[key] = None


def _boolean(value: Any) -> str:
    word = str(value).strip().lower()
    if word in ("true", "yes", "on"):
        return ": write true"
    return ": write false" if word in ("false", "no", "off") else ""
