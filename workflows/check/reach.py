"""Which rules and transitions can ever be taken, and which lead in circles, found by trying.

The language has no arithmetic and no loops, so a handful of values per field stands for all that a field can hold:
those it is compared with, and one that is none of them. Every combination of them is tried on the real conditions.
Where that would not be the whole truth (two fields compared with each other, a text searched), nothing is claimed.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.expression import parse as syntax
from workflows.expression.evaluate import Condition
from workflows.expression.kinds import Fields, base

MAX_COMBINATIONS = 1500
MAX_MEMBERS = 5
Context = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exit:
    """A transition of a workflow: its name, when it is taken and where it leads."""

    name: str
    condition: Condition
    target: str


@dataclass(frozen=True, slots=True)
class Circle:
    """Workflows that hand a conversation round, with a context in which they do."""

    workflows: tuple[str, ...]  # the first one again at the end
    exit: Exit  # the way out of the first one
    context: Context
    always: bool  # whenever that exit is taken, not only in this context


Path = tuple[str | int, ...]


@dataclass(slots=True)
class _Use:
    """What one field is compared with. Keyed by type as well: true is not 1 here."""

    literals: dict[tuple[type, Any], Any] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)

    def add(self, literals: Iterable[Any]) -> None:
        self.literals.update({(type(literal), literal): literal for literal in literals})


def never_taken(conditions: Sequence[Condition | None], fields: Fields) -> Iterator[tuple[int, int | None]]:
    """Of rules tried in order, those that cannot be taken: (its index, None if it can never hold, else the index of
    the first rule before it after which nothing is left). None among `conditions` is a condition not understood."""
    for index, condition in enumerate(conditions):
        before = [earlier for earlier in conditions[:index] if earlier is not None]
        if condition is None:
            continue
        samples = contexts([condition.tree, *(earlier.tree for earlier in before)], fields)
        if samples is None:
            samples, before = contexts([condition.tree], fields), []
        if samples is None:
            continue
        left = [sample for sample in samples if condition.holds(sample)]
        if not left:
            yield index, None
            continue
        for at, earlier in enumerate(conditions[:index]):
            left = [sample for sample in left if not (before and earlier and earlier.holds(sample))]
            if not left:
                yield index, at
                break


def circles(exits: Mapping[str, Sequence[Exit]], fields: Fields) -> Iterator[Circle]:
    """Every way in which a conversation could be handed round without anything happening in between."""
    known: set[frozenset[str]] = set()
    for group in _groups(exits):
        trees = [way.condition.tree for name in group for way in exits[name]]
        samples = contexts(trees, fields, complete=False) or []
        for start in group:
            for way in exits[start]:
                found = _circle(start, way, exits, samples)
                if found is not None and frozenset(found.workflows) not in known:
                    known.add(frozenset(found.workflows))
                    yield found


def contexts(trees: Iterable[syntax.Node], fields: Fields, *, complete: bool = True) -> list[Context] | None:
    """Values of the fields that stand for all possible ones; None if they do not (or are too many)."""
    uses = _Uses(fields)
    exact = False not in [uses.collect(tree) for tree in trees]  # every one of them, also after the first False
    paths = sorted(uses.of, key=str)
    if complete and (not exact or any(a != b and b[: len(a)] == a for a in paths for b in paths)):
        return None
    values = [_values(uses.of[path], _kind(path, fields)) for path in paths]
    if math.prod(len(options) for options in values) > MAX_COMBINATIONS:
        return None
    return [_context(paths, combination) for combination in itertools.product(*values)]


class _Uses:
    """Every field of some expressions with what it is compared with. `collect` is false if that is not all of it."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.of: dict[Path, _Use] = {}

    def collect(self, node: syntax.Node) -> bool:
        match node:
            case syntax.Field():
                return self.use(node) is not None
            case syntax.Compare(op="in" | "not in"):
                return self.membership(node)
            case syntax.Compare():
                return self.comparison(node)
        return False not in [self.collect(child) for child in syntax.children(node)]

    def comparison(self, node: syntax.Compare) -> bool:
        left, right = node.left, node.right
        if isinstance(left, syntax.Literal):
            left, right = right, left
        if not (isinstance(left, syntax.Field) and isinstance(right, syntax.Literal)):
            return self.unclear(node)
        use = self.use(left)
        if use is not None:
            use.add([right.value])
        return use is not None and (node.op in ("==", "!=") or not isinstance(right.value, str))

    def membership(self, node: syntax.Compare) -> bool:
        left, right = node.left, node.right
        if isinstance(left, syntax.Field) and isinstance(right, syntax.ListOf):
            use = self.use(left)
            literals = [item.value for item in right.items if isinstance(item, syntax.Literal)]
            if use is not None:
                use.add(literals)
            return use is not None and len(literals) == len(right.items)
        if isinstance(left, syntax.Literal) and isinstance(left.value, str) and isinstance(right, syntax.Field):
            use = self.use(right)
            if use is not None:
                use.members.add(left.value)
            return use is not None and len(use.members) <= MAX_MEMBERS and _kind(right.path, self.fields) == "list"
        return self.unclear(node)

    def unclear(self, node: syntax.Compare) -> bool:
        self.collect(node.left)
        self.collect(node.right)
        return False

    def use(self, node: syntax.Field) -> _Use | None:
        if any(isinstance(part, int) for part in node.path):
            return None
        return self.of.setdefault(node.path, _Use())


def _kind(path: Path, fields: Fields) -> str | None:
    kind: Any = fields
    for part in path:
        kind = kind.get(part) if isinstance(kind, Mapping) else None
    return base(kind)


def _values(use: _Use, kind: str | None) -> list[Any]:
    """A value for every way in which a field can answer. Null first: it is the plainest."""
    if kind == "boolean":
        return [None, True, False]
    values: list[Any] = [None]
    if use.members and kind in ("list", None):
        members = sorted(use.members)[:MAX_MEMBERS]
        sizes = range(len(members) + 1)
        values += [list(some) for size in sizes for some in itertools.combinations(members, size)]
    if use.members and kind in ("string", None):
        values += [*sorted(use.members), " ".join(sorted(use.members))]
    values += [literal for literal in sorted(use.literals.values(), key=repr) if literal is not None]
    values += _numbers(use) if kind in ("number", None) else []
    if kind in ("string", None):
        values.append("something else")
    if kind == "list" and not use.members:
        values += [[], ["something else"]]
    if kind is None:
        values += [value for value in (True, False) if (bool, value) not in use.literals]
    return values


def _numbers(use: _Use) -> list[float]:
    """One number in every gap between those that a field is compared with."""
    known = sorted({literal for literal in use.literals.values() if type(literal) in (int, float)})
    if not known:
        return [1]
    between = [(a + b) / 2 for a, b in itertools.pairwise(known)]
    return [known[0] - 1, *between, known[-1] + 1]


def _context(paths: Sequence[Path], values: Iterable[Any]) -> Context:
    context: Context = {}
    for path, value in zip(paths, values, strict=True):
        inner = context
        for part in path[:-1]:
            inner = inner.setdefault(str(part), {})
            if not isinstance(inner, dict):
                break
        else:
            if value is not None:
                inner[str(path[-1])] = value
    return context


def _groups(exits: Mapping[str, Sequence[Exit]]) -> list[list[str]]:
    """Workflows each of which can be reached from each other one of its group, by name. Groups of one are left out."""
    onward = {name: {way.target for way in ways if way.target in exits} for name, ways in exits.items()}
    backward: dict[str, set[str]] = {name: set() for name in exits}
    for name, targets in onward.items():
        for target in targets:
            backward[target].add(name)
    seen: set[str] = set()
    order = [name for start in sorted(exits) for name in _walk(start, onward, seen)]
    seen = set()
    groups = [list(_walk(start, backward, seen)) for start in reversed(order)]
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _walk(start: str, onward: Mapping[str, set[str]], seen: set[str]) -> Iterator[str]:
    """The names reached from `start` that were not seen before, each after all that are reached from it."""
    if start in seen:
        return
    seen.add(start)
    waiting = [(start, iter(sorted(onward[start])))]
    while waiting:
        name, targets = waiting[-1]
        target = next((each for each in targets if each not in seen), None)
        if target is None:
            waiting.pop()
            yield name
        else:
            seen.add(target)
            waiting.append((target, iter(sorted(onward[target]))))


def _circle(start: str, way: Exit, exits: Mapping[str, Sequence[Exit]], samples: list[Context]) -> Circle | None:
    """The plainest context in which leaving `start` by `way` leads back to it."""
    taken = [sample for sample in samples if _next(start, exits, sample) is way]
    back = [sample for sample in taken if _way_round(start, exits, sample)]
    if not back:
        return None
    plainest = min(back, key=lambda sample: (len(sample), len(str(sample)), str(sample)))
    return Circle(_way_round(start, exits, plainest), way, plainest, len(back) == len(taken))


def _next(name: str, exits: Mapping[str, Sequence[Exit]], context: Context) -> Exit | None:
    here = {**context, "workflow": name}
    return next((way for way in exits.get(name, ()) if way.condition.holds(here)), None)


def _way_round(start: str, exits: Mapping[str, Sequence[Exit]], context: Context) -> tuple[str, ...]:
    """The workflows visited from `start` back to it; nothing if it is not come back to."""
    visited = [start]
    while (way := _next(visited[-1], exits, context)) is not None and way.target not in visited:
        visited.append(way.target)
    return (*visited, start) if way is not None and way.target == start else ()
