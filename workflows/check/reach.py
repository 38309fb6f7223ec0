"""Rules and transitions that can never be taken, and workflows that transition to each other.

A condition is split at its `and`s into facts, and conditions are compared fact by fact. So everything reported is
certain, and harder cases (an `or` of different fields) are mostly not reported.
"""

import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from workflows.expression import parse
from workflows.expression.evaluate import Expression, ordered
from workflows.workflow import TransitionRule

#: How many cases are distinguished at most, to say whether conditions together cover everything.
TRIES = 500
_EQUALITIES = ("==", "!=", "in", "not in")
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Fact:
    """What must be true for a condition to hold: that a field (`subject`) is one of `values`, that it is beyond a
    `bound`, or else that a condition (`subject`) holds. With `is_so` false it is the opposite."""

    subject: str
    is_so: bool
    values: frozenset[tuple[bool, Any]] | None = None  # see _value
    bound: tuple[str, Any] | None = None  # such as (">", 3)
    source: str = field(default="", compare=False)

    def entails(self, other: "Fact") -> bool:
        """Whether `other` is true whenever this is."""
        if self.subject != other.subject or self == other:
            return self == other
        if self.bound and other.bound and self.is_so and other.is_so:
            (op, value), (wider, limit) = self.bound, other.bound
            is_strict_enough = op == wider or wider in ("<=", ">=")
            is_beyond = ordered(value, limit) and _ORDERS[op[0]](value, limit)
            return op[0] == wider[0] and (is_beyond or (is_strict_enough and value == limit))
        if self.values is not None and other.bound:
            return self.is_so and other.is_so and all(map(other._admits, self.values))
        if self.values is None or other.values is None:
            return False
        if self.is_so:
            return self.values <= other.values if other.is_so else not self.values & other.values
        return not other.is_so and other.values <= self.values

    def excludes(self, other: "Fact") -> bool:
        """Whether this and `other` cannot both be true."""
        if self.subject != other.subject:
            return False
        if self.bound and other.bound and self.is_so and other.is_so:
            (op, value), (opposite, limit) = self.bound, other.bound
            is_point = value == limit and op[1:] == opposite[1:] == "="
            do_meet = ordered(value, limit) and (is_point or _ORDERS[op[0]](limit, value))
            return op[0] != opposite[0] and not do_meet
        for listed, bound in ((self, other), (other, self)):
            if listed.values is not None and bound.bound:
                return listed.is_so and bound.is_so and not any(map(bound._admits, listed.values))
        if self.values is None or other.values is None:
            return replace(self, is_so=other.is_so) == other and self.is_so is not other.is_so
        if self.is_so and other.is_so:
            return not self.values & other.values
        listed, left_out = (self, other) if self.is_so else (other, self)
        return listed.is_so and listed.values <= left_out.values  # type: ignore[operator]

    def denied(self) -> "Fact":
        """The opposite fact."""
        return replace(self, is_so=not self.is_so, source=f"not ({self.source})")

    def _admits(self, value: tuple[bool, Any]) -> bool:
        assert self.bound is not None
        op, limit = self.bound
        return ordered(value[1], limit) and bool(_ORDERS[op](value[1], limit))


Facts = frozenset[Fact]
_NEVER = Fact("false", True, frozenset())


def facts_of(condition: Expression) -> Facts:
    """All facts that must be true for a condition to hold."""
    return frozenset(_facts(condition.tree, condition.source, is_so=True))


def impossible(facts: Facts) -> bool:
    """Whether they cannot all be true at once."""
    is_empty = any(fact.is_so and fact.values == frozenset() for fact in facts)
    return is_empty or any(one.excludes(other) for one, other in combinations(facts, 2))


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
    true, false = frozenset({_value(True)}), frozenset({_value(False)})
    return frozenset(
        replace(fact, values=None, is_so=fact.is_so is (fact.values == true))
        if fact.subject in booleans and fact.values in (true, false)
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


def circles(transitions: Mapping[str, Sequence[TransitionRule]]) -> Iterator[Circle]:
    """Every pair of workflows that would pass a conversation back and forth. `transitions`: by workflow, in order.

    Longer circles are rare, and engine.settle never follows one twice.
    """
    facts = {name: [_inside(name, facts_of(rule.condition)) for rule in rules] for name, rules in transitions.items()}
    for first in sorted(transitions):
        for at, rule in enumerate(transitions[first]):
            second, out = rule.transition.target_workflow, facts[first][at]
            for to, back in enumerate(transitions.get(second, ()) if first < second else ()):
                both, before = out | facts[second][to], (*facts[first][:at], *facts[second][:to])
                is_back = back.transition.target_workflow == first and not impossible(both)
                if is_back and not any(covers(earlier, both) for earlier in before):
                    is_always = covers(facts[second][to], out) and to == 0
                    when = "" if is_always else " and ".join(sorted({fact.source for fact in both}))
                    yield Circle(first, second, str(rule.transition.name), when)
                    break


def _inside(name: str, facts: Facts) -> Facts:
    """The facts within the workflow of this name, where those about `workflow` are decided."""
    known = {
        fact: (_value(name) in fact.values) is fact.is_so
        for fact in facts
        if fact.subject == "workflow" and fact.values
    }
    return frozenset({_NEVER}) if False in known.values() else facts - known.keys()


def _facts(node: parse.Node, source: str, *, is_so: bool) -> Iterator[Fact]:
    """The facts under which a node is true (or false)."""
    written = _written(node, source)
    shown = written if is_so else f"not ({written})"
    match node:
        case parse.Logic() if (node.word == "and") is is_so:
            for part in node.parts:
                yield from _facts(part, source, is_so=is_so)
        case parse.Logic():
            yield replace(_any_of(node, source, is_so=is_so) or Fact(written, is_so), source=shown)
        case parse.Negation():
            yield from _facts(node.operand, source, is_so=not is_so)
        case parse.Literal():
            if bool(node.value) is not is_so:
                yield _NEVER
        case parse.Compare() if node.op in _EQUALITIES:
            yield replace(_equality(node, source, is_so=is_so), source=shown)
        case parse.Compare() if (order := _order(node, source)) is not None:
            yield replace(order, is_so=is_so, source=shown)
        case _:
            yield Fact(written, is_so, source=shown)


def _any_of(node: parse.Logic, source: str, *, is_so: bool) -> Fact | None:
    """`a == 1 or a == 2` is one fact about `a`."""
    parts = [fact for part in node.parts for fact in _facts(part, source, is_so=is_so)]
    values = [fact.values for fact in parts if fact.is_so and fact.values is not None]
    is_one = len(values) == len(parts) == len(node.parts) and len({fact.subject for fact in parts}) == 1
    return Fact(parts[0].subject, True, frozenset().union(*values)) if is_one else None


def _equality(node: parse.Compare, source: str, *, is_so: bool) -> Fact:
    left, right, is_equal = node.left, node.right, node.op in ("==", "in")
    if isinstance(left, parse.Literal) and node.op in ("==", "!="):
        left, right = right, left
    values = [right] if node.op in ("==", "!=") else right.items if isinstance(right, parse.ListOf) else ()
    literals = [item.value for item in values if isinstance(item, parse.Literal)]
    if isinstance(left, parse.Field) and len(literals) == len(values) and (values or isinstance(right, parse.ListOf)):
        return Fact(left.name, is_so is is_equal, frozenset(map(_value, literals)))
    relation = "==" if node.op in ("==", "!=") else "in"
    return Fact(f"{_written(left, source)} {relation} {_written(right, source)}", is_so is is_equal)


def _order(node: parse.Compare, source: str) -> Fact | None:
    """`a < 3` and `a older than '3d'`; None if neither side is fixed. The opposite also holds if there is no `a`."""
    left, right, op = node.left, node.right, node.op
    if isinstance(left, parse.Literal):
        left, right, op = right, left, _MIRRORED.get(op, op)
    if not isinstance(right, parse.Literal) or op == "says":
        return None
    subject, limit = _written(left, source), right.value
    if op in parse.AGES:
        subject, limit, op = f"age of {subject}", parse.seconds_of(str(limit)), ">" if op == "older than" else "<="
    return Fact(subject, True, bound=(op, limit))


def _value(value: Any) -> tuple[bool, Any]:
    """Tells values apart as JSON does: 1 is 1.0, but not true."""
    return isinstance(value, bool), value


def _written(node: parse.Node, source: str) -> str:
    return source[node.start : node.end]
