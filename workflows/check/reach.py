"""Rules and transitions that can never be taken, and workflows that transition to each other.

A condition is split at its `and`s into facts, and conditions are compared fact by fact. So everything reported is
certain, and harder cases (an `or`, two conditions that together cover everything) are mostly not reported.
"""

import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from workflows.actions import Transition
from workflows.expression import parse
from workflows.expression.evaluate import BUDGET, Expression, ordered, same
from workflows.workflow import TransitionRule

#: How many cases are distinguished at most, to say whether conditions together cover everything.
TRIES = 500
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITES = {"==": "!=", "!=": "==", "in": "not in", "not in": "in"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that must be true for a condition to hold.

    `subject` is a field that compares by `op` with `value`, a list for the ops "in" and "not in"; or, with the op "is",
    a true-or-false expression.
    """

    subject: str
    op: str
    key: str  # tells values apart as JSON does: 1 is not true
    value: Any = field(compare=False)
    source: str = field(compare=False)

    def entails(self, other: "Fact") -> bool:
        """Whether `other` is true whenever this is."""
        if self == other:
            return True
        if self.subject != other.subject or "is" in (self.op, other.op):
            return False
        if self.op == "in":
            return all(other.satisfied_by(value) for value in self.value)
        if self.op == "not in" or other.op == "not in":
            # "None of these" implies "none of some of these"; `<` and the like imply nothing about it.
            return self.op == other.op and not any(self.satisfied_by(value) for value in other.value)
        if self.op[0] != other.op[0] or not ordered(self.value, other.value):
            return False
        as_strict = self.op == other.op or len(other.op) == 2
        return bool(_ORDERS[self.op[0]](self.value, other.value)) or (as_strict and self.value == other.value)

    def excludes(self, other: "Fact") -> bool:
        """Whether this and `other` cannot both be true."""
        if self.subject != other.subject:
            return False
        if "is" in (self.op, other.op):
            return self.op == other.op and self.key != other.key
        if "in" in (self.op, other.op):
            exact, loose = (self, other) if self.op == "in" else (other, self)
            return not any(loose.satisfied_by(value) for value in exact.value)
        if "not in" in (self.op, other.op) or self.op[0] == other.op[0]:
            return False
        touch = len(self.op) == len(other.op) == 2 and self.value == other.value
        return not (ordered(self.value, other.value) and (_ORDERS[self.op[0]](other.value, self.value) or touch))

    def denied(self) -> "Fact":
        """The opposite fact."""
        if self.op == "is":
            return replace(self, key=str(self.key != "True"))
        if self.op in _OPPOSITES:
            return replace(self, op=_OPPOSITES[self.op])
        # `<` is also false for values that cannot be compared, so its opposite is not `>=`.
        return Fact(self.source, "is", "False", None, f"not ({self.source})")

    def satisfied_by(self, value: Any) -> bool:
        """Whether a field with this value makes it true."""
        if self.op in _ORDERS:
            return ordered(value, self.value) and bool(_ORDERS[self.op](value, self.value))
        return any(same(value, each, [BUDGET]) for each in self.value) is (self.op == "in")


Facts = frozenset[Fact]
_NEVER = Fact("", "is", "never", None, "false")


def facts_of(condition: Expression) -> Facts:
    """All facts that must be true for a condition to hold."""
    return frozenset(_facts(condition.tree, condition.source, truth=True))


def impossible(facts: Facts) -> bool:
    """Whether they cannot all be true at once."""
    empty = any(fact.op == "in" and not fact.value for fact in facts)
    return empty or _NEVER in facts or any(one.excludes(other) for one, other in combinations(facts, 2))


def covers(earlier: Facts, later: Facts) -> bool:
    """Whether all of `earlier` are true whenever all of `later` are."""
    return all(any(fact.entails(wanted) for fact in later) for wanted in earlier)


def cover_all(claims: Sequence[Facts], given: Facts = frozenset()) -> bool:
    """Whether at least one of `claims` is true whenever `given` is; False if TRIES do not suffice to tell."""
    return _cover_all(claims, given, [TRIES])


def _cover_all(claims: Sequence[Facts], given: Facts, tries: list[int]) -> bool:
    tries[0] -= 1
    if impossible(given):
        return True
    possible = [claim for claim in claims if not impossible(claim | given)]
    left = [frozenset(fact for fact in claim if not covers(frozenset({fact}), given)) for claim in possible]
    if not all(left) or not left or tries[0] <= 0:
        return not all(left)
    shortest: Facts = min(left, key=lambda claim: len(claim))
    fact = min(shortest, key=lambda each: each.source)
    others = [claim for claim in left if not any(each.entails(fact) for each in claim)]
    return _cover_all(left, given | {fact}, tries) and _cover_all(others, given | {fact.denied()}, tries)


def with_booleans(facts: Facts, booleans: Collection[str]) -> Facts:
    """The same facts, with those about true-or-false fields in a normal form."""
    return frozenset(
        replace(fact, op="is", key=str((fact.op == "in") is fact.value[0]))
        if fact.subject in booleans and fact.op in ("in", "not in") and fact.value in ([True], [False])
        else fact
        for fact in facts
    )


def never_taken(conditions: Sequence[Expression | None]) -> Iterator[tuple[int, int | None]]:
    """The rules, tried in order, that are never taken: (index, index of the earlier rule that takes everything it
    would), or (index, None) if its condition cannot hold. None in `conditions` stands for one with errors."""
    known = [None if condition is None else facts_of(condition) for condition in conditions]
    for index, facts in enumerate(known):
        if facts is None:
            continue
        if impossible(facts):
            yield index, None
            continue
        before = (at for at, earlier in enumerate(known[:index]) if earlier is not None and covers(earlier, facts))
        if (at := next(before, None)) is not None:
            yield index, at


@dataclass(frozen=True, slots=True)
class Circle:
    """Two workflows that transition to each other in the same context.

    `transition` leads from the first to the second. `when`: in which contexts, empty for all.
    """

    first: str
    second: str
    transition: str
    when: str


@dataclass(frozen=True, slots=True)
class _Exit:
    """A transition of a workflow, with its facts and those of the transitions tried before it."""

    transition: Transition
    facts: Facts
    before: tuple[Facts, ...]


def circles(transitions: Mapping[str, Sequence[TransitionRule]]) -> Iterator[Circle]:
    """Every pair of workflows that would pass a conversation back and forth. `transitions`: by workflow, in order.

    Longer circles are rare, and engine.settle never follows one twice.
    """
    exits = {name: _exits(name, rules) for name, rules in transitions.items()}
    for first in sorted(exits):
        for out in exits[first]:
            second = out.transition.target_workflow
            back = next((way for way in exits.get(second, ()) if _leads_back(out, way, first)), None)
            if back is not None and first < second:
                always = covers(back.facts, out.facts) and not back.before
                sources = [source for way in (out, back) for source in sorted(fact.source for fact in way.facts)]
                when = "" if always else " and ".join(dict.fromkeys(sources))
                yield Circle(first, second, str(out.transition.name), when)


def _exits(name: str, rules: Sequence[TransitionRule]) -> list[_Exit]:
    facts = [_inside(name, facts_of(rule.condition)) for rule in rules]
    return [_Exit(rule.transition, facts[at], tuple(facts[:at])) for at, rule in enumerate(rules)]


def _inside(name: str, facts: Facts) -> Facts:
    """The facts within the workflow of this name, where those about `workflow` are decided."""
    known = {fact: fact.satisfied_by(name) for fact in facts if fact.subject == "workflow" and fact.op != "is"}
    return frozenset({_NEVER}) if False in known.values() else facts - known.keys()


def _leads_back(out: _Exit, way: _Exit, first: str) -> bool:
    """Whether one context leads there and back."""
    if way.transition.target_workflow != first:
        return False
    facts = out.facts | way.facts
    return not impossible(facts) and not any(covers(earlier, facts) for earlier in (*out.before, *way.before))


def _facts(node: parse.Node, source: str, *, truth: bool) -> Iterator[Fact]:
    """The facts under which a node is true, or false."""
    match node:
        case parse.Logic() if (node.word == "and") is truth:
            for part in node.parts:
                yield from _facts(part, source, truth=truth)
        case parse.Logic():
            yield _any_of(node, source, truth=truth)
        case parse.Negation():
            yield from _facts(node.operand, source, truth=not truth)
        case parse.Literal():
            if bool(node.value) is not truth:
                yield _NEVER
        case parse.Compare() if node.op != "says" and (node.op in _OPPOSITES or truth):
            yield _comparison(node, source, truth=truth)
        case _:
            written = _written(node, source)
            yield Fact(written, "is", str(truth), None, written if truth else f"not ({written})")


def _comparison(node: parse.Compare, source: str, *, truth: bool) -> Fact:
    op, written = node.op if truth else _OPPOSITES[node.op], _written(node, source)
    shown = written if truth else f"not ({written})"
    left, right = node.left, node.right
    if op in parse.AGES and isinstance(right, parse.Literal):
        seconds = parse.seconds_of(str(right.value))
        return Fact(
            f"age of {_written(left, source)}", ">" if op == "older than" else "<=", repr(seconds), seconds, shown
        )
    if isinstance(left, parse.Literal) and "in" not in op:
        left, right, op = right, left, _MIRRORED.get(op, op)
    values = _values(right) if "in" in op else [right.value] if isinstance(right, parse.Literal) else None
    if isinstance(left, parse.Field) and values is not None:
        op = {"==": "in", "!=": "not in"}.get(op, op)
        listed = "in" in op
        return Fact(left.name, op, repr(values), values if listed else values[0], shown)
    positive = _OPPOSITES[op] if op in ("!=", "not in") else op
    subject = f"{_written(left, source)} {positive} {_written(right, source)}"
    return Fact(subject, "is", str(op == positive), None, shown)


def _values(node: parse.Node) -> list[Any] | None:
    """The values of a list of fixed values."""
    if not isinstance(node, parse.ListOf):
        return None
    values = [item.value for item in node.items if isinstance(item, parse.Literal)]
    return values if len(values) == len(node.items) else None


def _any_of(node: parse.Logic, source: str, *, truth: bool) -> Fact:
    """`a == 1 or a == 2` is one fact about `a`; any other `or` is an opaque fact."""
    written = _written(node, source)
    shown = written if truth else f"not ({written})"
    found = [list(_facts(part, source, truth=truth)) for part in node.parts]
    alone = [facts[0] for facts in found if len(facts) == 1 and facts[0].op == "in"]
    if len(alone) == len(node.parts) and len({fact.subject for fact in alone}) == 1:
        values = [value for fact in alone for value in fact.value]
        return Fact(alone[0].subject, "in", repr(values), values, shown)
    return Fact(written, "is", str(truth), None, shown)


def _written(node: parse.Node, source: str) -> str:
    return source[node.start : node.end]
