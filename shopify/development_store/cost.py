"""What a query costs, and the bucket that pays: the requested cost, computed before it runs, and the actual cost, from
the data it returned.

Shopify publishes the frame (https://shopify.dev/docs/api/usage/limits): scalars and enums 0, objects 1,
interfaces and unions the dearest of their selections, connections sized by `first` or `last`; a single query
may cost at most 1,000 points. Since 2025 a connection no longer costs `first x node` but grows with the
logarithm of its size (https://community.shopify.dev/t/24364):

    connection = 2 + floor(2 x ln(max(2, first))) x cost of one node

The free value types, the flat 10 points of a count and the actual cost were fitted on recorded `requestedQueryCost`
and `actualQueryCost` figures. What a query really costs: a connection 2 plus its share of the page it asked for,
rounded up; an object that is null still its point; a denied or failed field only its own points; an empty page nothing
more when it was read through `edges`, but the full page when it was read through `nodes`.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedOutputType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    value_from_ast_untyped,
)

Kind = Literal["object", "free", "count", "connection", "nodes", "edges"]

COUNT_COST = 10
"""Flat points of a root field that returns a `Count`."""

FREE_TYPES = frozenset(
    {
        "CollectionRuleSet",
        "InventoryItemMeasurement",
        "MailingAddress",
        "MoneyBag",
        "MoneyV2",
        "PageInfo",
        "ShopAddress",
        "Weight",
    }
)
"""Value objects that cost nothing themselves."""


def estimate(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any] | None = None,
    *,
    operation_name: str | None = None,
) -> int:
    """The points a query reserves, at least 1.

    The document must be valid for the schema: an unknown field or fragment raises KeyError, a document without the
    operation, or with several and no name, ValueError. Fields switched off by `@include` or `@skip` are free.
    """
    parts = _Selections.parts_of(schema, document, variables or {}, operation_name)
    return max(1, _sum(parts, _Part.requested))


def actual_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any],
    data: Mapping[str, Any] | None,
    *,
    operation_name: str | None = None,
) -> int:
    """The points an executed query is charged, at least 1. Raises what `estimate` raises.

    `data` is None when a failed field took everything with it.
    """
    parts = _Selections.parts_of(schema, document, variables, operation_name)
    return max(1, _sum(parts, lambda part: part.actual((data or {}).get(part.key))))


def multiplier(size: int) -> int:
    """How often one node is counted in a connection of this many."""
    return math.floor(2 * math.log(max(2, size))) if size > 0 else 0


@dataclass(frozen=True)
class _Part:
    """One composite field of a selection."""

    key: str
    condition: str
    """The type condition it stands under; empty if it is selected on the type itself."""
    kind: Kind
    below: tuple["_Part", ...]
    size: int

    def requested(self) -> int:
        below = _sum(self.below, _Part.requested)
        match self.kind:
            case "connection":
                return 2 + multiplier(self.size) * below
            case "count":
                return COUNT_COST
            case "object" | "nodes":
                return 1 + below
        return below

    def actual(self, value: Any) -> int:
        if self.kind == "count":
            return 1 if value is None else COUNT_COST
        own = {"object": 1, "connection": 2}.get(self.kind, 0)
        if value is None or value == []:
            return own
        if self.kind == "connection":
            return own + self._page(value)
        return own + self._record(value[0] if isinstance(value, list) else value)

    def _record(self, record: Mapping[str, Any]) -> int:
        return _sum(self.below, lambda part: part.actual(record.get(part.key)))

    def _page(self, connection: Mapping[str, Any]) -> int:
        """The part of the page's price that its records make up, rounded up."""
        if self.size < 1:
            return 0
        total = 0
        for part in self.below:
            records = connection.get(part.key) or []
            if part.kind == "nodes":
                total += sum(1 + part._record(record) for record in records) or part.requested() * self.size
            elif part.kind == "edges":
                total += sum(part._record(record) for record in records)
        return -(-multiplier(self.size) * total // self.size)


def _sum(parts: Iterable[_Part], price: Callable[[_Part], int]) -> int:
    """The price of what is selected on a type: its own fields, and the dearest type condition."""
    prices: Counter[str] = Counter()
    for part in parts:
        prices[part.condition] += price(part)
    return prices.pop("", 0) + max(prices.values(), default=0)


@dataclass(frozen=True)
class _Selections:
    """Opens up fragments and leaves out what is switched off."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    @classmethod
    def parts_of(
        cls, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], name: str | None
    ) -> tuple[_Part, ...]:
        operation = get_operation_ast(document, name)
        if operation is None:
            raise ValueError("the document has no operation" + (f" named {name}" if name else ""))
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        return cls(schema, fragments, {**defaults, **variables}).parts([operation.selection_set], schema.query_type)

    def parts(self, selection_sets: Iterable[SelectionSetNode], parent: Any) -> tuple[_Part, ...]:
        """The composite fields of a selection, each response key once for each type it is selected on."""
        found: dict[tuple[str, str], list[FieldNode]] = {}
        for node, owner in self._fields(selection_sets, parent):
            found.setdefault((owner.name, (node.alias or node.name).value), []).append(node)
        made = (
            self._part(key, "" if owner == parent.name else owner, nodes, self.schema.type_map[owner])
            for (owner, key), nodes in found.items()
        )
        return tuple(part for part in made if part is not None)

    def _part(self, key: str, condition: str, nodes: list[FieldNode], owner: Any) -> _Part | None:
        field, of_type = nodes[0].name.value, _composite(nodes[0], owner)
        if of_type is None:
            return None
        kind: Kind = "object"
        if of_type.name.endswith("Connection"):
            kind = "connection"
        elif owner.name.endswith("Connection") and field in ("nodes", "edges"):
            kind = "nodes" if field == "nodes" else "edges"
        elif of_type.name == "Count":
            kind = "count" if owner is self.schema.query_type else "free"
        elif of_type.name in FREE_TYPES:
            kind = "free"
        below = self.parts([node.selection_set for node in nodes if node.selection_set], of_type)
        return _Part(key, condition, kind, below, self._size(nodes[0]))

    def _fields(self, selection_sets: Iterable[SelectionSetNode], parent: Any) -> Iterator[tuple[FieldNode, Any]]:
        """Every field that is switched on, with the type it is selected on; fragments are opened up."""
        for selection in (selection for selections in selection_sets for selection in selections.selections):
            if self._left_out(selection):
                continue
            if isinstance(selection, FieldNode):
                yield selection, parent
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                on = self.schema.type_map[fragment.type_condition.name.value]
                yield from self._fields([fragment.selection_set], on)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on = self.schema.type_map[condition.name.value] if condition else parent
                yield from self._fields([selection.selection_set], on)

    def _size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value = self._value(argument.value)
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        return 1

    def _left_out(self, node: Any) -> bool:
        for directive in node.directives or ():
            wanted = {"include": True, "skip": False}.get(directive.name.value)
            if wanted is not None and directive.arguments:
                value = self._value(directive.arguments[0].value)
                if isinstance(value, bool) and value is not wanted:
                    return True
        return False

    def _value(self, node: ValueNode) -> Any:
        if isinstance(node, VariableNode):
            return self.variables.get(node.name.value)
        return value_from_ast_untyped(node)


def _composite(node: FieldNode, owner: Any) -> GraphQLNamedOutputType | None:
    """The type a field returns if it has fields of its own. Raises KeyError for a field the type does not have."""
    name = node.name.value
    if name.startswith("__"):
        return None
    if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
        raise KeyError(f"{owner}.{name}")
    of_type = get_named_type(owner.fields[name].type)
    return of_type if is_composite_type(of_type) else None


@dataclass(frozen=True)
class Level:
    """A reading of a bucket, as `throttleStatus` shows it: whole points."""

    maximum: int
    available: int
    restore_rate: int


class Bucket:
    """The leaky bucket of points that one app has at one shop (https://shopify.dev/docs/api/usage/limits).

    Points are restored at a steady rate. Every call is atomic, from any thread; `clock` is in seconds.

    A query reserves its requested cost and, once it is done, is charged its actual cost. While the bucket refills,
    reserved points count as still there, so a lone query leaves exactly the maximum less its cost.
    """

    def __init__(
        self, maximum: int = 2_000, restore_rate: int = 100, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.maximum = maximum
        self.restore_rate = restore_rate
        self._clock = clock
        self._lock = threading.Lock()
        self._points = float(maximum)
        self._reserved = 0
        self._read_at = clock()

    def reserve(self, points: int) -> bool:
        """Reserve that many points, or none if fewer are available."""
        with self._lock:
            self._restore()
            if self._points - self._reserved < points:
                return False
            self._reserved += points
            return True

    def charge(self, reserved: int, points: int) -> None:
        """End a reservation and take the points that were used."""
        with self._lock:
            self._restore()
            self._reserved -= reserved
            self._points -= points

    def set(self, available: float) -> None:
        """Set the level, for a test or a demonstration."""
        with self._lock:
            self._restore()
            self._points = min(float(self.maximum), available + self._reserved)

    def level(self) -> Level:
        """What is available now."""
        with self._lock:
            self._restore()
            return Level(self.maximum, int(self._points - self._reserved), self.restore_rate)

    def _restore(self) -> None:
        now = self._clock()
        self._points = min(self.maximum, self._points + (now - self._read_at) * self.restore_rate)
        self._read_at = now
