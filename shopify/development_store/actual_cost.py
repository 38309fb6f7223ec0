"""The actual cost of an executed query, from the data it returned.

Fitted on recorded `actualQueryCost` figures, beside the rules of the requested cost (`shopify.cost`): a connection
costs 2 plus its share of the page it asked for, rounded up; an object that is null still costs its point; a denied or
failed field costs only its own points; an empty page costs nothing more when it was read through `edges`, but the full
page when it was read through `nodes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    value_from_ast_untyped,
)

from shopify.cost import COUNT_COST, FREE_TYPES, multiplier


def actual_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any],
    data: Mapping[str, Any] | None,
    *,
    operation_name: str | None = None,
) -> int:
    """Points used by an executed query, at least 1. `data` is None when a failed field took everything with it.

    Raises ValueError for a document without the operation.
    """
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        raise ValueError("the document has no such operation")
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    defaults = {
        definition.variable.name.value: value_from_ast_untyped(definition.default_value)
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    }
    plan = _Planner(schema, fragments, {**defaults, **variables}).plan([operation.selection_set], schema.query_type)
    return max(1, sum(part.cost(None if data is None else data.get(part.key)) for part in plan))


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
                total += sum(1 + part._of(record) for record in records) if records else part.full() * self.size
            elif part.kind == "edges":
                total += sum(part._of(record) for record in records)
        return -(-multiplier(self.size) * total // self.size)

    def full(self) -> int:
        """The price of one node as it is estimated beforehand."""
        return 1 + sum(part._estimate() for part in self.below)

    def _estimate(self) -> int:
        below = sum(part._estimate() for part in self.below)
        if self.kind == "connection":
            return 2 + multiplier(self.size) * below
        return {"object": 1 + below, "nodes": 1 + below, "count": COUNT_COST}.get(self.kind, below)


@dataclass(frozen=True)
class _Planner:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def plan(self, selection_sets: Sequence[SelectionSetNode], parent: Any) -> tuple[_Part, ...]:
        fields: dict[str, list[tuple[FieldNode, Any]]] = {}
        for selection_set in selection_sets:
            self._collect(selection_set, parent, fields)
        return tuple(part for nodes in fields.values() if (part := self._part(nodes)) is not None)

    def _collect(
        self, selection_set: SelectionSetNode, parent: Any, fields: dict[str, list[tuple[FieldNode, Any]]]
    ) -> None:
        for selection in selection_set.selections:
            if self._left_out(selection):
                continue
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, []).append((selection, parent))
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                on = self.schema.type_map[fragment.type_condition.name.value]
                self._collect(fragment.selection_set, on, fields)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on = self.schema.type_map[condition.name.value] if condition else parent
                self._collect(selection.selection_set, on, fields)

    def _part(self, nodes: list[tuple[FieldNode, Any]]) -> _Part | None:
        node, owner = nodes[0]
        name = node.name.value
        if name.startswith("__") or not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
            return None
        of_type = get_named_type(owner.fields[name].type)
        if not is_composite_type(of_type):
            return None
        below = self.plan([n.selection_set for n, _ in nodes if n.selection_set], of_type)
        key = (node.alias or node.name).value
        if of_type.name.endswith("Connection"):
            return _Part(key, "connection", below, self._size(node))
        if owner.name.endswith("Connection") and name in ("nodes", "edges"):
            return _Part(key, "nodes" if name == "nodes" else "edges", below)
        if of_type.name == "Count":
            return _Part(key, "count", ())
        return _Part(key, "free" if of_type.name in FREE_TYPES else "object", below)

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

    def _value(self, node: Any) -> Any:
        if isinstance(node, VariableNode):
            return self.variables.get(node.name.value)
        return value_from_ast_untyped(node)
