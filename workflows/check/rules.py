"""Under 'system_events' and 'behavior': events, actions, transitions, and the conditions and templates in them."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from events.catalog import DELETIONS
from workflows.actions import ACTIONS, FOLLOW_UP_SECONDS, is_name
from workflows.check.reach import never_taken
from workflows.definition import (
    ALREADY_AUTHENTICATED,
    BYTES_PER_TOKEN,
    EVENT_TYPES,
    KEPT_BY_WORKERS,
    PROMPT_TOKENS,
    context_fields,
    event_fields,
    rule_fields,
)
from workflows.errors import InvalidExpression
from workflows.expression import evaluate
from workflows.expression.evaluate import Expression
from workflows.expression.kinds import (
    WORDS,
    Choice,
    Fields,
    Kind,
    base,
    condition_errors,
    kind_of,
    kind_of_value,
    value_errors,
)
from workflows.expression.parse import seconds_of
from workflows.expression.template import Template, single_braces, stray_end
from workflows.problems import Severity
from workflows.source import Document, Path
from workflows.suggest import closest, did_you_mean, meant_boolean, or_one_of

_NO_STATEMENTS = "this is sent as is; there is only {{ }}: for a choice write two rules, a condition in each"
_SAME_WORD = 0.85
"""How similar a new context key is to a known one if it was meant to be that; authors may choose names freely."""
_NO_EVENT = "nothing is filled in here: there is no event to take fields from"


class RuleChecker:
    """Adds problems with rules, transitions and their texts to a document.

    `workflow_names`: possible targets of transitions; None if unknown. `set_elsewhere`: context keys that other
    workflows set, with their kinds. Wrong keys and kinds of value are ignored here: sections.py reports them.
    """

    def __init__(
        self, document: Document, workflow_names: Collection[str] | None, set_elsewhere: Fields = MappingProxyType({})
    ) -> None:
        self.document = document
        self.data = map_of(document.data)
        self.workflow_names = workflow_names
        self.known = context_fields(workflow_names)
        # And the keys that actions set, here or elsewhere.
        self.context: dict[str, Kind] = {**self.known, **set_elsewhere, **self.known}
        self.used_again = {key for key in {*set_elsewhere, *context_kinds(self.data)} if self._times(key) != 1}

    def check(self) -> None:
        events = map_of(self.data.get("system_events"))
        actions = [
            (event, (*path, "actions", at), map_of(action))
            for event, rules in events.items()
            for path, rule in _rules(event, rules)
            for at, action in enumerate(items_of(rule.get("actions")))
        ]
        for event, path, action in actions:
            fields = event_fields(event) if event in EVENT_TYPES else None
            for key, value in updates_of(action).items():
                self.update((*path, "data", key), key, value, fields)
        self.context = {key: None if kind == "null" else kind for key, kind in self.context.items()}
        done: dict[str, Path] = {}
        for _, path, action in actions:
            first = done.setdefault(repr((path[:-1], action)), path)
            if action and first != path:
                message = f"this repeats the action on line {self.document.line_of(first)}: it is carried out twice"
                self.document.at(path, message, severity="warning")
        for event, path, action in actions:
            self.action(path, action, event, rule_fields(event, self.context) if event in EVENT_TYPES else None)
        for event in events.keys() & EVENT_TYPES:
            self.event(event, [path for path, _ in _rules(event, events[event])])
        behavior = map_of(self.data.get("behavior"))
        self.beginning(behavior)
        self.transitions(map_of(behavior.get("transitions")))
        for agent, prompt in map_of(self.data.get("prompts")).items():
            why = "a prompt is sent as it is, nothing is filled in; CJ sees the context below the prompt"
            self.no_templates(("prompts", agent, "system"), map_of(prompt).get("system"), why, severity="warning")
            self.size(("prompts", agent, "system"), map_of(prompt).get("system"))

    def size(self, path: Path, prompt: Any) -> None:
        """Check that a prompt leaves enough room in a request to a model."""
        tokens = len(prompt.encode()) // BYTES_PER_TOKEN if isinstance(prompt, str) else 0
        limit = map_of(self.data.get("limits")).get("prompt_tokens") or PROMPT_TOKENS
        if type(limit) is int and tokens * 2 > limit:
            message = (
                f"this prompt has about {tokens:,} tokens, and a request, with data and earlier messages, may have "
                f"{limit:,}: shorten it, or let 'limits.prompt_tokens' say how many a request may have"
            )
            self.document.at(path, message, key=True, severity="error" if tokens > limit else "warning")

    # Rules and their actions.

    def event(self, event: str, paths: Sequence[Path]) -> None:
        if event in DELETIONS:
            message = f"this has no effect: {event} deletes what is stored and reaches no conversation"
            self.document.at(("system_events", event), message, key=True, severity="warning")
        self.conditions("rule", paths, rule_fields(event, self.context), self.elsewhere(event))

    def elsewhere(self, event: str) -> dict[str, str]:
        """Advice on names that are not fields of an event."""
        others = {name: other for other in reversed(EVENT_TYPES) for name in event_fields(other)}
        in_context = {key: f"that is in the context: write context.{key}" for key in self.context}
        of_others = {name: f"that is a field of {other}, not of {event}" for name, other in others.items()}
        return {**of_others, **in_context}

    def action(self, path: Path, action: dict[str, Any], event: str, fields: Fields | None) -> None:
        section = ACTIONS.get(str(action.get("type")))
        for key in section.templated if section else ("message", "data", "metadata"):
            self.templates((*path, key), action.get(key), fields, event)
        self.target((*path, "target_workflow"), action.get("target_workflow"))
        if action.get("type") == "follow_up":
            self.follow_up(path, action)
        if "start_tier" in map_of(action.get("metadata")):
            message = "'start_tier' has no effect: there are no tiers any more"
            self.document.at((*path, "metadata", "start_tier"), message, key=True, severity="warning")

    def follow_up(self, path: Path, action: dict[str, Any]) -> None:
        after, (least, most) = action.get("after"), FOLLOW_UP_SECONDS
        if isinstance(after, str) and not least <= (seconds_of(after.strip()) or 0) <= most:
            message = "'after' is from a minute to four weeks: a whole number with m, h, d or w, such as '30m' or '3d'"
            self.document.at((*path, "after"), message)
        fields = {**self.context, "answered": "boolean"}
        if "condition" in action:
            self.conditions("follow_up", [path], fields, _event_fields_advice("follow_up", fields))

    def update(self, path: Path, key: str, value: Any, fields: Fields | None) -> None:
        """Check one value that is put into the context."""
        if key in KEPT_BY_WORKERS:
            self.document.at(path, f"{key!r} cannot be set: {KEPT_BY_WORKERS[key]}", key=True)
            return
        kind = kind_set(key, value, fields)
        given, wanted = base(kind), base(self.known.get(key))
        if wanted and given not in (None, "null", wanted):
            meant = meant_boolean(value) if wanted == "boolean" else None
            advice = f": write {meant}" if meant else ""
            self.document.at(path, f"{key!r} must be {WORDS[wanted]}, not {WORDS[given]}{advice}")
        elif key not in self.known:
            alike = {*self.known, *(fields or ())} | (self.used_again if key not in self.used_again else set())
            near = closest(key, alike, cutoff=_SAME_WORD)
            if near not in (None, key) and is_name(key) and (key not in self.context or near in self.used_again):
                message = f"{key!r} is a new key of the context, did you mean {near!r}?"
                self.document.at(path, message, key=True, severity="warning")
            self.context[key] = merged(self.context, key, kind)

    # What is under 'behavior'.

    def beginning(self, behavior: dict[str, Any]) -> None:
        begins, action = behavior.get("initiator") == "cj", behavior.get("initial_action")
        if action and behavior.get("initiator", "merchant") == "merchant":
            message = 'this has no effect: the merchant begins; with initiator: "cj" CJ begins'
            self.document.at(("behavior", "initial_action"), message, key=True, severity="warning")
        if begins and "initial_action" not in behavior:
            message = "CJ is to begin, but there is no 'initial_action' to begin with"
            self.document.at(("behavior", "initiator"), message, severity="warning")
        started = map_of(self.data.get("system_events")).get("conversation_started")
        taken = [path for path, rule in _rules("conversation_started", started) if _takes_all(rule)]
        if begins and action and taken:
            line = self.document.line_of(taken[0])
            message = f"this is never used: the rule on line {line} takes every conversation_started"
            self.document.at(("behavior", "initial_action"), message, key=True, severity="warning")
        for key, value in map_of(action).items():
            self.no_templates(("behavior", "initial_action", key), value)
        self.opens_before(behavior)

    def opens_before(self, behavior: dict[str, Any]) -> None:
        path = ("behavior", "opens_before")
        others = items_of(behavior.get("opens_before"))
        if others and "opens" not in behavior:
            message = "this needs 'opens' beside it: the events that open a conversation here, such as [oauth_complete]"
            self.document.at(path, message, key=True)
        for at, other in enumerate(others):
            if other == self.data.get("name"):
                self.document.at((*path, at), "a workflow cannot go before itself")
            else:
                self.target((*path, at), other)

    def transitions(self, transitions: dict[str, Any]) -> None:
        conditional: list[Path] = []
        for name, transition in transitions.items():
            path, keys = ("behavior", "transitions", name), map_of(transition)
            self.target((*path, "target_workflow"), keys.get("target_workflow"))
            self.no_templates((*path, "message"), keys.get("message"))
            if name == ALREADY_AUTHENTICATED:
                self.already_authenticated(path, keys)
            elif "condition" in keys:
                conditional.append(path)
            elif keys:
                message = f"transition {name!r} needs a condition{did_you_mean(name, [ALREADY_AUTHENTICATED])}"
                self.document.at(path, message, key=True)
        self.conditions("transition", conditional, self.context, _event_fields_advice("transition", self.context))

    def already_authenticated(self, path: Path, transition: dict[str, Any]) -> None:
        if "condition" in transition:
            message = f"{ALREADY_AUTHENTICATED!r} has no condition: it is taken when all requirements are met"
            self.document.at((*path, "condition"), message, key=True)
        requirements = items_of(self.data.get("requirements"))
        if not any(wanted is True for item in requirements for wanted in map_of(item).values()):
            message = "this is never taken: there are no 'requirements' that could be met"
            self.document.at(path, message, key=True, severity="warning")

    def target(self, path: Path, target: Any) -> None:
        """Check the target of a transition."""
        if not isinstance(target, str) or not is_name(target):
            return
        if target == self.data.get("name"):
            self.document.at(path, "this leads back to the same workflow")
        elif self.workflow_names is not None and target not in self.workflow_names:
            self.document.at(path, f"unknown workflow {target!r}{or_one_of(target, self.workflow_names)}")

    # Conditions and templates.

    def conditions(self, noun: str, paths: Sequence[Path], fields: Fields, elsewhere: Mapping[str, str]) -> None:
        """Check the conditions of rules or transitions, in the order in which they are tried. `noun`: such as
        "rule"."""
        conditions = [self.condition((*path, "condition"), fields, elsewhere) for path in paths]
        for at, earlier in never_taken(conditions):
            path, condition = (*paths[at], "condition"), conditions[at]
            if earlier is not None:
                line = self.document.line_of(paths[earlier])
                message = f"this {noun} is never reached: the one on line {line} takes everything that it would take"
                self.document.at(path, message)
            elif condition is not None and condition.source.strip() == "false":
                self.document.at(path, f"this {noun} is switched off", severity="warning")
            else:
                self.document.at(path, "this can never be true")

    def condition(self, path: Path, fields: Fields, elsewhere: Mapping[str, str]) -> Expression | None:
        """The condition at a path, compiled; None if it has errors."""
        written = self.document.find(path)
        source = "true" if written is None else written.data
        if not isinstance(source, str) or not source.strip():
            return None
        try:
            condition = evaluate.compiled(source)
            errors = condition_errors(condition.tree, fields, elsewhere)
        except InvalidExpression as error:
            errors = [error]
        for found in errors:
            self.document.within(path, found.start, found.end, found.message, severity=found.severity)
        return None if any(found.severity == "error" for found in errors) else condition

    def templates(self, path: Path, tree: Any, fields: Fields | None, event: str) -> None:
        """Check every template in a text, or in the texts of a map or list. `fields` is None if the event is
        unknown."""
        if isinstance(tree, dict | list):
            for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree):
                self.templates((*path, key), inner, fields, event)
        if not isinstance(tree, str):
            return
        template, errors = Template.read(tree)
        for error in errors:
            self.document.within(path, error.start, error.end, error.message)
        for slot in template.slots if fields is not None else ():
            for error in value_errors(slot.value.tree, fields or {}, self.elsewhere(event)):
                self.document.within(path, slot.start + error.start, slot.start + error.end, error.message)
        self._single_braces(path, tree, fields or {}, event)
        if not errors and (at := stray_end(tree)) >= 0:
            message = "these braces are sent as they are: a template begins with {{"
            self.document.within(path, at, at + 2, message, severity="warning")
        self.no_statements(path, tree)

    def _single_braces(self, path: Path, text: str, fields: Fields, event: str) -> None:
        """Report braces that are sent as they are."""
        for start, end, name in single_braces(text):
            if name in fields:
                message = f"this is sent as is; {{{{{name}}}}} would fill in the field of {event}"
                self.document.within(path, start, end, message, severity="warning")
        if (at := text.find("}}}") + 2) > 1 and text.count("{") < text.count("}"):
            message = "this brace is sent as is: a template ends with }}"
            self.document.within(path, at, at + 1, message, severity="warning")

    def no_statements(self, path: Path, text: str, why: str = _NO_STATEMENTS) -> None:
        """Report syntax of other tools' templates."""
        at = text.find("{%")
        if at >= 0:
            end = text.find("%}", at)
            self.document.within(path, at, end + 2 if end > 0 else at + 2, why, severity="warning")

    def no_templates(self, path: Path, text: Any, why: str = _NO_EVENT, *, severity: Severity = "error") -> None:
        """Report a template where none is filled in."""
        at = text.find("{{") if isinstance(text, str) else -1
        if at >= 0:
            end = text.find("}}", at)
            self.document.within(path, at, end + 2 if end > 0 else at + 2, why, severity=severity)
        if isinstance(text, str):
            self.no_statements(path, text, why)

    def _times(self, key: str) -> int:
        """How often a word is in the file."""
        return len(re.findall(rf"\b{re.escape(key)}\b", self.document.text))


def map_of(value: Any) -> dict[str, Any]:
    """The value if it is a map, else an empty one."""
    return value if isinstance(value, dict) else {}


def items_of(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def updates_of(action: dict[str, Any]) -> dict[str, Any]:
    """The values that an action puts into the context."""
    return map_of(action.get("data")) if action.get("type") == "update_context" else {}


def context_kinds(*files: Any) -> dict[str, Kind]:
    """The context keys that the data of workflows set, as far as they are valid, with their kinds."""
    found: dict[str, Kind] = {}
    for data in files:
        for event, rules in map_of(map_of(data).get("system_events")).items():
            fields = event_fields(event) if event in EVENT_TYPES else None
            for _, rule in _rules(event, rules):
                for action in map(map_of, items_of(rule.get("actions"))):
                    for key, value in updates_of(action).items():
                        if is_name(key) and key not in KEPT_BY_WORKERS:
                            found[key] = merged(found, key, kind_set(key, value, fields))
    return found


def kind_set(key: str, value: Any, fields: Fields | None) -> Kind:
    """The kind of a context key that is set to a value, once its templates are filled in."""
    if not isinstance(value, str):
        return kind_of_value(value)
    template, errors = Template.read(value)
    if errors:
        return None
    if template.alone is not None:
        return None if fields is None else kind_of(template.alone.tree, fields)
    return "string" if template.slots else Choice("string", {value}, key, is_own=True)


def merged(context: Fields, key: str, kind: Kind) -> Kind:
    """The kind of a key that is also set to a value of another kind."""
    known = context.get(key, kind)
    if "null" in (kind, known):  # as if it were missing
        return known if kind == "null" else kind
    if isinstance(known, Choice) and isinstance(kind, Choice):
        return replace(known, values={*known.values, *kind.values})
    return base(kind) if base(known) == base(kind) else None


def _rules(event: str, rules: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every rule of an event with its path; accepts a single rule or a list."""
    path: Path = ("system_events", event)
    if isinstance(rules, dict):
        yield path, rules
    for at, rule in enumerate(items_of(rules)):
        if isinstance(rule, dict):
            yield (*path, at), rule


def _takes_all(rule: dict[str, Any]) -> bool:
    """Whether a rule takes every event."""
    return str(rule.get("condition", "true")).strip() == "true"


def _event_fields_advice(noun: str, context: Collection[str]) -> dict[str, str]:
    """Advice on names that are fields of events, not context keys. `noun`: what reads them."""
    reads = f"a {noun} reads the context: {', '.join(context)}"
    events = {name: event for event in reversed(EVENT_TYPES) for name in event_fields(event)}
    return {name: f"that is a field of {event}; {reads}" for name, event in events.items()}
