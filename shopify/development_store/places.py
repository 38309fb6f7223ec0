"""Where in a document each node stands, in the words of Shopify's errors: `["query Name", "orders", "nodes", "x"]`."""

from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLInputType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    Visitor,
    visit,
)


@dataclass(frozen=True)
class Place:
    """What surrounds a node: the path to it, the enclosing field and argument, and their types as far as known."""

    path: tuple[str, ...]
    parent: str | None = None
    field: FieldNode | None = None
    definition: GraphQLField | None = None
    argument: ArgumentNode | None = None
    wanted: GraphQLInputType | None = None
    variable: str | None = None


def places_of(schema: GraphQLSchema, document: DocumentNode) -> dict[int, Place]:
    """The place of every node, by the node's identity."""
    types = TypeInfo(schema)
    recorder = _Recorder(types)
    visit(document, TypeInfoVisitor(types, recorder))
    return recorder.places


def operation_label(operation: OperationDefinitionNode) -> str:
    """`query Name`, or just `query` without a name."""
    kind = operation.operation.value
    return f"{kind} {operation.name.value}" if operation.name else kind


class _Recorder(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.places: dict[int, Place] = {}
        self._types = types
        self._stack: list[Place] = [Place(())]

    def enter(self, node: Node, *_rest: Any) -> None:
        place = self._place(node, self._stack[-1])
        self.places[id(node)] = place
        self._stack.append(place)

    def leave(self, _node: Node, *_rest: Any) -> None:
        self._stack.pop()

    def _place(self, node: Node, around: Place) -> Place:
        if isinstance(node, OperationDefinitionNode):
            return Place((operation_label(node),))
        if isinstance(node, FragmentDefinitionNode):
            return Place((f"fragment {node.name.value}",))
        if isinstance(node, InlineFragmentNode):
            on = f" on {node.type_condition.name.value}" if node.type_condition else ""
            return Place((*around.path, f"...{on}"))
        if isinstance(node, FieldNode):
            parent = self._types.get_parent_type()
            key = (node.alias or node.name).value
            return Place((*around.path, key), parent.name if parent else None, node, self._types.get_field_def())
        if isinstance(node, ArgumentNode):
            path = (*around.path, node.name.value)
            return Place(path, around.parent, around.field, around.definition, node, self._types.get_input_type())
        if isinstance(node, VariableDefinitionNode):
            return Place(around.path, variable=node.variable.name.value)
        return around
