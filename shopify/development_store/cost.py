"""What a query costs, and the bucket it is charged to: the requested cost, computed before it runs, and the actual
cost, computed from the data it returned.

Shopify publishes the basic rules (https://shopify.dev/docs/api/usage/limits): scalars and enums 0, objects 1,
connections sized by `first`; a single query may cost at most 1,000 points. Since 2025 a connection no longer costs
`first x node` but grows with the logarithm of its size (https://community.shopify.dev/t/24364):

    connection = 2 + floor(2 x ln(max(2, first))) x cost of one node

The free value types, the flat 10 points of a count and the actual cost were fitted on recorded `requestedQueryCost`
and `actualQueryCost` figures. The actual cost: a connection costs 2 plus its share of the requested page, rounded up; a
null object still costs its point; a denied or failed field only its own points; an empty page nothing more if it was
read through `edges`, but the full page if it was read through `nodes`.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSchema,
    GraphQLSkipDirective,
    get_argument_values,
    get_directive_values,
    get_named_type,
    get_operation_ast,
    get_variable_values,
    is_composite_type,
)
from graphql.execution.values import VariableValues

Kind = Literal["object", "free", "count", "connection", "nodes", "edges"]

COUNT_COST = 10
"""Flat points of a root field that returns a `Count`."""

FREE_TYPES = frozenset({"MoneyBag", "MoneyV2", "PageInfo"})
"""Value objects that cost nothing themselves."""


def multiplier(size: int) -> int:
    """How often one node is counted in a connection of this many."""
    return math.floor(2 * math.log(max(2, size))) if size > 0 else 0


@dataclass(frozen=True)
class Price:
    """The cost of a selection, or of one composite field in it."""

    key: str
    kind: Kind
    size: int
    below: tuple["Price", ...]

    @property
    def requested(self) -> int:
        """The points that are reserved before it is executed."""
        below = sum(part.requested for part in self.below)
        match self.kind:
            case "connection":
                return 2 + multiplier(self.size) * below
            case "count":
                return COUNT_COST
            case "object" | "nodes":
                return 1 + below
        return below

    def actual(self, value: Any) -> int:
        """The points that are charged for the returned data, which is None where a field failed."""
        if self.kind == "count":
            return 1 if value is None else COUNT_COST
        own = {"object": 1, "connection": 2}.get(self.kind, 0)
        if value is None or value == []:
            return own
        if self.kind == "connection":
            return own + self._page(value)
        return own + self._record(value[0] if isinstance(value, list) else value)

    def _record(self, record: Mapping[str, Any]) -> int:
        return sum(part.actual(record.get(part.key)) for part in self.below)

    def _page(self, connection: Mapping[str, Any]) -> int:
        """The part of the page's price that its records make up, rounded up."""
        if self.size < 1:
            return 0
        total = 0
        for part in self.below:
            records = connection.get(part.key) or []
            if part.kind == "nodes":
                total += sum(1 + part._record(record) for record in records) or part.requested * self.size
            elif part.kind == "edges":
                total += sum(part._record(record) for record in records)
        return -(-multiplier(self.size) * total // self.size)


def price_of(
    schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], operation_name: str | None = None
) -> Price:
    """The price of an operation that, like its variables, is valid for the schema.

    Fields switched off by `@include` or `@skip` are free.
    """
    operation = get_operation_ast(document, operation_name)
    assert operation is not None
    values = get_variable_values(schema, operation.variable_definitions or (), variables)
    assert not isinstance(values, list)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    selections = _Selections(schema, fragments, values)
    return Price("", "free", 1, selections.parts([operation], schema.query_type))


@dataclass(frozen=True)
class _Selections:
    """Expands fragments and leaves out fields that are switched off."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    def parts(self, nodes: Iterable[Any], parent: Any) -> tuple[Price, ...]:
        """The composite fields that these nodes select, each response key once."""
        found: dict[str, list[FieldNode]] = {}
        owners: dict[str, Any] = {}
        for node in nodes:
            for field, owner in self._fields(node, parent):
                key = (field.alias or field.name).value
                found.setdefault(key, []).append(field)
                owners[key] = owner
        parts = (self._part(key, same, owners[key]) for key, same in found.items())
        return tuple(part for part in parts if part is not None)

    def _part(self, key: str, nodes: list[FieldNode], owner: Any) -> Price | None:
        field = owner.fields.get(nodes[0].name.value)  # None for __typename
        of_type = field and get_named_type(field.type)
        if field is None or not is_composite_type(of_type):
            return None
        size = get_argument_values(field, nodes[0], self.variables).get("first") or 0
        return Price(key, _kind(nodes[0].name.value, of_type.name), size, self.parts(nodes, of_type))

    def _fields(self, node: Any, parent: Any) -> Iterator[tuple[FieldNode, Any]]:
        """Every field below that is switched on, with the type it is selected on."""
        for selection in node.selection_set.selections if node.selection_set else ():
            if self._left_out(selection):
                continue
            if isinstance(selection, FieldNode):
                yield selection, parent
                continue
            is_spread = isinstance(selection, FragmentSpreadNode)
            opened = self.fragments[selection.name.value] if is_spread else selection
            condition = opened.type_condition
            yield from self._fields(opened, self.schema.type_map[condition.name.value] if condition else parent)

    def _left_out(self, node: Any) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables) or {"if": False}
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables) or {"if": True}
        return skip["if"] or not include["if"]


def _kind(field: str, type_name: str) -> Kind:
    if type_name.endswith("Connection"):
        return "connection"
    if field in ("nodes", "edges"):
        return "nodes" if field == "nodes" else "edges"
    return "count" if type_name == "Count" else "free" if type_name in FREE_TYPES else "object"


@dataclass(frozen=True)
class Level:
    """A reading of a bucket, as `throttleStatus` shows it: whole points."""

    maximum: int
    available: int
    restore_rate: int


class Bucket:
    """The leaky bucket of points that one app has at one shop (https://shopify.dev/docs/api/usage/limits).

    Points are restored at a steady rate. Every call is atomic, from any thread; `clock` is in seconds.

    A query reserves its requested cost and is charged its actual cost when it is done. While the bucket refills,
    reserved points count as still there, so a single query leaves exactly the maximum minus its cost.
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
