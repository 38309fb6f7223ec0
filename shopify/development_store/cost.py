"""What a query will be charged, computed before it is sent.

Shopify publishes the frame (https://shopify.dev/docs/api/usage/limits): scalars and enums 0, objects 1,
interfaces and unions the dearest of their selections, connections sized by `first` or `last`; a single query
may cost at most 1,000 points. Since 2025 a connection no longer costs `first x node` but grows with the
logarithm of its size (https://community.shopify.dev/t/24364):

    connection = 2 + floor(2 x ln(max(2, first))) x cost of one node

The free value types and the flat 10 points of a count were fitted on recorded `requestedQueryCost` figures.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
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

_Selections = dict[str, list[FieldNode]]


def estimate(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any] | None = None,
    *,
    operation_name: str | None = None,
) -> int:
    """The requested cost in points of one operation, at least 1.

    The document must be valid for the schema: an unknown field or fragment raises KeyError, a document
    without the operation ValueError. Fields switched off by `@include` or `@skip` are free.
    """
    operation = _operation(document, operation_name)
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise ValueError(f"the schema has no {operation.operation.value} type")
    return max(1, _Estimate(schema, root, fragments, {**defaults, **(variables or {})}).operation(operation))


def multiplier(size: int) -> int:
    """How often one node is counted in a connection of this many."""
    return math.floor(2 * math.log(max(2, size))) if size > 0 else 0


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            name is None or (definition.name is not None and definition.name.value == name)
        ):
            return definition
    raise ValueError("the document has no operation" + (f" named {name}" if name else ""))


@dataclass(frozen=True)
class _Estimate:
    schema: GraphQLSchema
    root: GraphQLObjectType
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def operation(self, operation: OperationDefinitionNode) -> int:
        return self._selections([operation.selection_set], self.root.name)

    def _selections(self, selection_sets: Iterable[SelectionSetNode], parent: str) -> int:
        """Cost of what is selected on a type: its own fields, plus the dearest type condition below it."""
        by_type: dict[str, _Selections] = {}
        for selection_set in selection_sets:
            self._collect(selection_set, parent, by_type)
        costs = {
            type_name: sum(self._field(nodes, type_name) for nodes in fields.values())
            for type_name, fields in by_type.items()
        }
        return costs.pop(parent, 0) + max(costs.values(), default=0)

    def _collect(self, selection_set: SelectionSetNode, parent: str, by_type: dict[str, _Selections]) -> None:
        for selection in selection_set.selections:
            if self._left_out(selection):
                continue
            if isinstance(selection, FieldNode):
                key = (selection.alias or selection.name).value
                by_type.setdefault(parent, {}).setdefault(key, []).append(selection)
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                self._collect(fragment.selection_set, fragment.type_condition.name.value, by_type)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                self._collect(selection.selection_set, condition.name.value if condition else parent, by_type)

    def _field(self, nodes: list[FieldNode], parent: str) -> int:
        """Cost of one response key, however often it was selected."""
        name = nodes[0].name.value
        if name.startswith("__"):
            return 0
        owner = self.schema.type_map[parent]
        if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
            raise KeyError(f"{parent}.{name}")
        of_type = get_named_type(owner.fields[name].type)
        if not is_composite_type(of_type):
            return 0
        below = self._selections([n.selection_set for n in nodes if n.selection_set], of_type.name)
        if of_type.name.endswith("Connection"):
            return 2 + multiplier(self._size(nodes[0])) * below
        if of_type.name == "Count":
            return COUNT_COST if parent == self.root.name else 0
        if of_type.name in FREE_TYPES or (name == "edges" and of_type.name.endswith("Edge")):
            return below
        return 1 + below

    def _size(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value = self._value(argument.value)
                if isinstance(value, int) and not isinstance(value, bool):
                    return value
        return 1

    def _left_out(self, node: FieldNode | FragmentSpreadNode | InlineFragmentNode | Any) -> bool:
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
