"""Which workflow opens a conversation: derived from the files, checked for conflicts, and shown as a table.

A rule opens one if it holds; an event that no rule takes opens one in the first workflow that may. If two workflows
could both open one, they must say which comes first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from events.catalog import CATALOG
from workflows.actions import TransitionAction
from workflows.check.reach import Facts, cover_all, covers, facts_of, impossible, with_booleans
from workflows.definition import CONNECTION, OPENING_EVENTS
from workflows.expression.evaluate import compiled
from workflows.source import Document
from workflows.workflow import Rule, Workflow, after, in_order, rank

#: By event, the fields that are always true or false.
_BOOLEANS = {
    event: {name for name, field in CATALOG[event].model_fields.items() if field.annotation is bool}
    for event in OPENING_EVENTS
}


@dataclass(frozen=True, slots=True)
class Opening:
    """An event opens a conversation in a workflow: if the rule holds, or, without one, if no rule does."""

    event: str
    workflow: Workflow
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """A rule, and the facts under which it holds."""

    workflow: Workflow
    rule: Rule
    facts: Facts


class Openings:
    """Which events open a conversation in which of these workflows."""

    def __init__(self, workflows: Mapping[str, Workflow]) -> None:
        self._known = {each.name: each for each in in_order(workflows.values())}

    def table(self) -> Iterator[Opening]:
        """By event, in the order in which they are tried, without impossible ones."""
        for event in OPENING_EVENTS:
            claims = self._claims(event)
            for at, claim in enumerate(claims):
                if not cover_all([earlier.facts for earlier in claims[:at]], claim.facts):
                    yield Opening(event, claim.workflow, claim.rule)
            rest = self._rest(event)
            if rest and not cover_all([claim.facts for claim in claims]):
                yield Opening(event, rest[0], None)

    def conflicts(self) -> Iterator[tuple[str, str, list[str]]]:
        """Two workflows in which the same event could open a conversation, and these events."""
        for one, other in combinations(self._known, 2):
            if not self._is_decided(one, other):
                events = [event for event in OPENING_EVENTS if self._is_contested(event, one, other)]
                if events:
                    yield one, other, events

    def unheard(self) -> Workflow | None:
        """The workflow in which a connection opens a conversation without any rule taking it; None if a rule always
        does."""
        here = with_booleans(facts_of(compiled(CONNECTION)), _BOOLEANS["oauth_complete"])
        is_taken = cover_all([claim.facts for claim in self._claims("oauth_complete")], here)
        return None if is_taken else next(iter(self._rest("oauth_complete")), None)

    def _claims(self, event: str) -> list[_Claim]:
        claims = (
            _Claim(each, rule, with_booleans(facts_of(rule.condition), _BOOLEANS[event]))
            for each in self._known.values()
            if each.may_open(event)
            for rule in each.rules.get(event, ())
        )
        return [claim for claim in claims if not impossible(claim.facts)]

    def _rest(self, event: str) -> list[Workflow]:
        return [each for each in self._known.values() if each.opens_any(event)]

    def _is_decided(self, one: str, other: str) -> bool:
        """Whether the files say which of two workflows comes first."""
        says = other in after(one, self._known) or one in after(other, self._known)
        return says or rank(one, self._known) != rank(other, self._known)

    def _is_contested(self, event: str, one: str, other: str) -> bool:
        rest = [each.name for each in self._rest(event)]
        if event != "oauth_complete" and rest[:1] in ([one], [other]) and {one, other} <= set(rest):
            return True  # without a rule, oauth_complete does nothing
        claims = self._claims(event)
        mine = [claim for claim in claims if claim.workflow.name == one]
        theirs = [claim for claim in claims if claim.workflow.name == other]
        return any(self._both(claims, a, b) for a in mine for b in theirs)

    def _both(self, claims: list[_Claim], a: _Claim, b: _Claim) -> bool:
        """Whether both could take the same event, one that no earlier workflow takes."""
        facts = a.facts | b.facts
        return not impossible(facts) and not any(
            covers(claim.facts, facts)
            for claim in claims
            if all(self._is_before(claim.workflow.name, each.workflow.name) for each in (a, b))
        )

    def _is_before(self, one: str, other: str) -> bool:
        names = list(self._known)
        return self._is_decided(one, other) and names.index(one) < names.index(other)


def check_openings(documents: Mapping[str, Document], workflows: Mapping[str, Workflow], *, are_all: bool) -> None:
    """Add a problem where the files do not say which workflow opens a conversation, or contradict themselves.
    `are_all`: these are all files of a folder."""
    openings = Openings(workflows)
    for one, other, events in openings.conflicts():
        document = documents[one]
        place = f"{document.file}:{document.line_of(('name',))}"
        message = (
            f"{' and '.join(events)} could open a conversation here or in {one!r} ({place}): say under 'behavior' "
            f"which events open one ('opens: […]', [] for none) or who goes first ('opens_before: [{one}]')"
        )
        documents[other].at(("name",), message)
    unheard = openings.unheard() if are_all else None
    if unheard is not None and "oauth_complete" in unheard.rules:  # else that is said of the workflow
        message = (
            "a merchant whose store is connected in a new conversation hears nothing here, unless a rule for "
            "oauth_complete takes it: add one without further conditions"
        )
        documents[unheard.name].at(("system_events", "oauth_complete"), message, key=True, severity="warning")
    opened = {(opening.workflow.name, opening.event) for opening in openings.table()}
    for name, workflow in workflows.items():
        _check_order(documents[name], workflow, workflows)
        if are_all:
            _check_reached(documents[name], workflow, workflows, opened)
        _check_events(documents[name], workflow, {event for other, event in opened if other == name})


def _check_order(document: Document, workflow: Workflow, workflows: Mapping[str, Workflow]) -> None:
    for at, other in enumerate(workflow.opens_before):
        if workflow.name in after(other, workflows) and workflow.name < other:
            message = f"{other!r} says that it goes before this one: only one of them can"
            document.at(("behavior", "opens_before", at), message)


def _check_reached(
    document: Document, workflow: Workflow, workflows: Mapping[str, Workflow], opened: set[tuple[str, str]]
) -> None:
    """Warn about a workflow that has rules for opening events but that no conversation ever reaches."""
    name, wanted = workflow.name, [event for event in OPENING_EVENTS if event in workflow.rules]
    if workflow.opens is not None or not wanted or any(other == name for other, _ in opened):
        return
    if any(name in _targets(other) for other in workflows.values()):
        return
    first = next((other for other in workflows if (other, wanted[0]) in opened), None)
    if first is None:
        return
    message = (
        f"no conversation comes here: {first!r} takes every {wanted[0]} first, and no transition leads here; say under "
        f"'behavior' what opens one ('opens: [{wanted[0]}]') and whom to go before ('opens_before: [{first}]')"
    )
    document.at(("system_events", wanted[0]), message, key=True, severity="warning")


def _targets(workflow: Workflow) -> set[str]:
    """The workflows that a conversation in this one may move to."""
    moves = [rule.transition for rule in workflow.transitions]
    moves += [workflow.already_authenticated] if workflow.already_authenticated else []
    actions = (action for rules in workflow.rules.values() for rule in rules for action in rule.actions)
    sections = [action.section for action in actions if isinstance(action.section, TransitionAction)]
    return {move.target_workflow for move in moves} | {section.target_workflow for section in sections}


def _check_events(document: Document, workflow: Workflow, opened: set[str]) -> None:
    for at, event in enumerate(workflow.opens or ()):
        path = ("behavior", "opens", at)
        if event == "oauth_complete" and event not in workflow.rules:
            document.at(path, "there is no rule for oauth_complete here, so CJ would say nothing", severity="warning")
        elif event not in opened:
            advice = "name whom to go before with 'opens_before'"
            document.at(path, f"{event} never opens a conversation here, others take it first: {advice}")
