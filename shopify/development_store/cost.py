"""What a query costs: the requested cost, computed before it runs, and the actual cost, from the data it returned.

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
from collections.abc import Iterable, Iterator, Mapping
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
    operation = _Operation.of(schema, document, variables or {}, operation_name)
    return max(1, operation.requested([operation.selection_set], operation.root))


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
    operation = _Operation.of(schema, document, variables, operation_name)
    parts = operation.parts([operation.selection_set], operation.root)
    return max(1, sum(part.cost(None if data is None else data.get(part.key)) for part in parts))


def multiplier(size: int) -> int:
    """How often one node is counted in a connection of this many."""
    return math.floor(2 * math.log(max(2, size))) if size > 0 else 0


@dataclass(frozen=True)
class _Operation:
    schema: GraphQLSchema
    root: GraphQLObjectType
    selection_set: SelectionSetNode
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    @classmethod
    def of(
        cls, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], name: str | None
    ) -> "_Operation":
        operation = get_operation_ast(document, name)
        if operation is None:
            raise ValueError("the document has no operation" + (f" named {name}" if name else ""))
        root = schema.get_root_type(operation.operation)
        if root is None:
            raise ValueError(f"the schema has no {operation.operation.value} type")
        defaults = {
            definition.variable.name.value: value_from_ast_untyped(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        return cls(schema, root, operation.selection_set, fragments, {**defaults, **variables})

    def requested(self, selection_sets: Iterable[SelectionSetNode], parent: Any) -> int:
        """Cost of what is selected on a type: its own fields, plus the dearest type condition below it."""
        by_type: dict[str, dict[str, list[FieldNode]]] = {}
        for node, owner in self._fields(selection_sets, parent):
            by_type.setdefault(owner.name, {}).setdefault(_key(node), []).append(node)
        costs = {
            name: sum(self._requested_field(nodes, self.schema.type_map[name]) for nodes in fields.values())
            for name, fields in by_type.items()
        }
        return costs.pop(parent.name, 0) + max(costs.values(), default=0)

    def _requested_field(self, nodes: list[FieldNode], owner: Any) -> int:
        """Cost of one response key, however often it was selected."""
        of_type = _composite(nodes[0], owner)
        if of_type is None:
            return 0
        name, below = of_type.name, self.requested(_below(nodes), of_type)
        if name.endswith("Connection"):
            return 2 + multiplier(self._size(nodes[0])) * below
        if name == "Count":
            return COUNT_COST if owner is self.root else 0
        if name in FREE_TYPES or (nodes[0].name.value == "edges" and name.endswith("Edge")):
            return below
        return 1 + below

    def parts(self, selection_sets: Iterable[SelectionSetNode], parent: Any) -> tuple["_Part", ...]:
        """The composite fields of a selection, each under its response key."""
        fields: dict[str, list[tuple[FieldNode, Any]]] = {}
        for node, owner in self._fields(selection_sets, parent):
            fields.setdefault(_key(node), []).append((node, owner))
        made = (self._part(key, [node for node, _ in found], found[0][1]) for key, found in fields.items())
        return tuple(part for part in made if part is not None)

    def _part(self, key: str, nodes: list[FieldNode], owner: Any) -> "_Part | None":
        of_type = _composite(nodes[0], owner)
        if of_type is None:
            return None
        below = self.parts(_below(nodes), of_type)
        if of_type.name.endswith("Connection"):
            return _Part(key, "connection", below, self._size(nodes[0]))
        if owner.name.endswith("Connection") and nodes[0].name.value in ("nodes", "edges"):
            return _Part(key, "nodes" if nodes[0].name.value == "nodes" else "edges", below)
        if of_type.name == "Count":
            return _Part(key, "count", ())
        return _Part(key, "free" if of_type.name in FREE_TYPES else "object", below)

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


@dataclass(frozen=True)
class _Part:
    """One composite field of a selection: how to price what it returned."""

    key: str
    kind: Literal["object", "free", "count", "connection", "nodes", "edges"]
    below: tuple["_Part", ...]
    size: int = 1

    def cost(self, value: Any) -> int:
        if self.kind == "count":
            return 1 if value is None else COUNT_COST
        own = {"object": 1, "connection": 2}.get(self.kind, 0)
        if value is None:
            return own
        if self.kind == "connection":
            return own + self._page(value)
        if isinstance(value, list):
            return own + (self._of(value[0]) if value else 0)
        return own + self._of(value)

    def _of(self, value: Mapping[str, Any]) -> int:
        return sum(part.cost(value.get(part.key)) for part in self.below)

    def _page(self, connection: Mapping[str, Any]) -> int:
        """The part of the page's price that its records make up, rounded up."""
        if self.size < 1:
            return 0
        total = 0
        for part in self.below:
            records = connection.get(part.key) or []
            if part.kind == "nodes":
                total += sum(1 + part._of(record) for record in records) if records else part._full() * self.size
            elif part.kind == "edges":
                total += sum(part._of(record) for record in records)
        return -(-multiplier(self.size) * total // self.size)

    def _full(self) -> int:
        """The price of one node as it is requested."""
        return 1 + sum(part._requested() for part in self.below)

    def _requested(self) -> int:
        below = sum(part._requested() for part in self.below)
        if self.kind == "connection":
            return 2 + multiplier(self.size) * below
        return {"object": 1 + below, "nodes": 1 + below, "count": COUNT_COST}.get(self.kind, below)


def _key(node: FieldNode) -> str:
    return (node.alias or node.name).value


def _below(nodes: list[FieldNode]) -> list[SelectionSetNode]:
    return [node.selection_set for node in nodes if node.selection_set]


def _composite(node: FieldNode, owner: Any) -> GraphQLNamedOutputType | None:
    """The type a field returns if it has fields of its own. Raises KeyError for a field the type does not have."""
    name = node.name.value
    if name.startswith("__"):
        return None
    if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
        raise KeyError(f"{owner}.{name}")
    of_type = get_named_type(owner.fields[name].type)
    return of_type if is_composite_type(of_type) else None
