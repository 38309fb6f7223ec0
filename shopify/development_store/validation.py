"""Checks a document against the schema and says what is wrong in Shopify's words.

graphql-core finds the mistakes; Shopify runs graphql-ruby, whose messages, codes and paths differ
(https://graphql-ruby.org/errors/overview.html). Each rule that a client is likely to break is translated; the rest
keep graphql-core's message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLInputType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    Visitor,
    get_named_type,
    print_ast,
    specified_rules,
    validate,
    visit,
)
from graphql import validation as rules
from graphql.type import is_required_argument


def validation_errors(schema: GraphQLSchema, document: DocumentNode) -> list[dict[str, Any]]:
    """What is wrong with a document, as the entries of `errors`. Empty if nothing is."""
    if not validate(schema, document, max_errors=100):
        return []
    places = _places(schema, document)
    found: list[dict[str, Any]] = []
    # One rule at a time, since an error does not say which rule reported it.
    for rule in specified_rules:
        for error in validate(schema, document, [rule], max_errors=100):
            entry = _translated(rule, error, places)
            if entry not in found:
                found.append(entry)
    return found


def error_entry(message: str, node: Node | None, path: list[str] | None, extensions: dict[str, Any]) -> dict[str, Any]:
    """One entry of `errors`, keys in Shopify's order."""
    entry: dict[str, Any] = {"message": message}
    if node is not None and node.loc is not None:
        start = node.loc.start_token
        entry["locations"] = [{"line": start.line, "column": start.column}]
    if path is not None:
        entry["path"] = path
    return {**entry, "extensions": extensions}


# Where in a document each node stands: Shopify's errors have a path like ["query Name", "orders", "nodes", "x"].


@dataclass(frozen=True)
class NodePlace:
    """What surrounds a node: the path to it, the enclosing field and argument, and their types as far as known."""

    path: tuple[str, ...]
    parent: str | None = None
    field: FieldNode | None = None
    definition: GraphQLField | None = None
    argument: ArgumentNode | None = None
    wanted: GraphQLInputType | None = None
    variable: str | None = None


def _places(schema: GraphQLSchema, document: DocumentNode) -> dict[int, NodePlace]:
    """The place of every node, by the node's identity."""
    types = TypeInfo(schema)
    recorder = _PlaceRecorder(types)
    visit(document, TypeInfoVisitor(types, recorder))
    return recorder.places


class _PlaceRecorder(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self.places: dict[int, NodePlace] = {}
        self._types = types
        self._stack: list[NodePlace] = [NodePlace(())]

    def enter(self, node: Node, *_rest: Any) -> None:
        place = self._place(node, self._stack[-1])
        self.places[id(node)] = place
        self._stack.append(place)

    def leave(self, _node: Node, *_rest: Any) -> None:
        self._stack.pop()

    def _place(self, node: Node, around: NodePlace) -> NodePlace:
        match node:
            case OperationDefinitionNode():
                return NodePlace((_operation_label(node),))
            case FragmentDefinitionNode():
                return NodePlace((f"fragment {node.name.value}",))
            case InlineFragmentNode():
                on = f" on {node.type_condition.name.value}" if node.type_condition else ""
                return NodePlace((*around.path, f"...{on}"))
            case FieldNode():
                parent = self._types.get_parent_type()
                path = (*around.path, (node.alias or node.name).value)
                return NodePlace(path, parent.name if parent else None, node, self._types.get_field_def())
            case ArgumentNode():
                path, wanted = (*around.path, node.name.value), self._types.get_input_type()
                return NodePlace(path, around.parent, around.field, around.definition, node, wanted)
            case VariableDefinitionNode():
                return NodePlace(around.path, variable=node.variable.name.value)
            case _:
                return around


def _operation_label(operation: OperationDefinitionNode) -> str:
    """`query Name`, or just `query` without a name."""
    kind = operation.operation.value
    return f"{kind} {operation.name.value}" if operation.name else kind


# The mistakes in Shopify's words. Each translator gets the error, the first node it blames and that node's place.

Complaint = tuple[str, str, dict[str, Any]]
"""Message, code and further extensions."""

Translator = Callable[[GraphQLError, Any, NodePlace], Complaint | None]


def _translated(rule: type, error: GraphQLError, places: dict[int, NodePlace]) -> dict[str, Any]:
    if not error.nodes:
        return {"message": error.message}
    node = error.nodes[0]
    place = places.get(id(node), NodePlace(()))
    translate = _TRANSLATORS.get(rule)
    complaint = translate(error, node, place) if translate else None
    if isinstance(node, SelectionSetNode) and place.field is not None:
        node = place.field
    message, code, more = complaint or (error.message, "invalidDocument", {})
    return error_entry(message, node, list(place.path), {"code": code, **more})


def _undefined_field(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint:
    name = node.name.value
    message = f"Field '{name}' doesn't exist on type '{place.parent}'"
    return message, "undefinedField", {"typeName": place.parent, "fieldName": name}


def _selections(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint | None:
    if place.field is None or place.definition is None:
        return None
    name, of_type = place.field.name.value, get_named_type(place.definition.type).name
    if isinstance(node, SelectionSetNode):
        chosen = ", ".join(f'"{print_ast(selection)}"' for selection in node.selections)
        problem, hint = "Selections can't be made on scalars", f"but has selections [{chosen}])"
    else:
        problem = "Field must have selections"
        hint = f"but has no selections. Did you mean '{name} {{ ... }}'?)"
    about = {"nodeName": f"field '{name}'", "typeName": of_type}
    return f"{problem} (field '{name}' returns {of_type} {hint}", "selectionMismatch", about


def _unknown_argument(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint | None:
    if place.field is None:
        return None
    field, argument = place.field.name.value, node.name.value
    about = {"name": field, "typeName": "Field", "argumentName": argument}
    return f"Field '{field}' doesn't accept argument '{argument}'", "argumentNotAccepted", about


def _missing_arguments(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint | None:
    if not isinstance(node, FieldNode) or place.definition is None:
        return None
    name, given = node.name.value, {argument.name.value for argument in node.arguments or ()}
    required = (name for name, argument in place.definition.args.items() if is_required_argument(argument))
    missing = ", ".join(name for name in required if name not in given)
    about = {"className": "Field", "name": name, "arguments": missing}
    return f"Field '{name}' is missing required arguments: {missing}", "missingRequiredArguments", about


def _bad_literal(_error: GraphQLError, _node: Any, place: NodePlace) -> Complaint | None:
    if place.argument is None or place.field is None:
        return None
    name, value = place.argument.name.value, print_ast(place.argument.value)
    message = (
        f"Argument '{name}' on Field '{place.field.name.value}' has an invalid value ({value}). "
        f"Expected type '{place.wanted}'."
    )
    return message, "argumentLiteralsIncompatible", {"typeName": "Field", "argumentName": name}


def _variable_position(error: GraphQLError, node: Any, _place: NodePlace) -> Complaint:
    name, declared = node.variable.name.value, print_ast(node.type)
    wanted = error.message.rpartition("position expecting type ")[2].strip("'.")
    kind = "Nullability" if wanted.replace("!", "") == declared.replace("!", "") else "Type"
    complaint = f"{kind} mismatch"
    about = {"variableName": name, "typeName": declared, "errorMessage": complaint}
    return f"{complaint} on variable ${name} ({declared} / {wanted})", "variableMismatch", about


def _unused_variable(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint:
    name, operation = node.variable.name.value, _operation_name(place.path[0])
    return f"Variable ${name} is declared by {operation} but not used", "variableNotUsed", {"variableName": name}


def _undefined_variable(error: GraphQLError, node: Any, place: NodePlace) -> Complaint:
    name = node.name.value
    using = [_operation_label(n) for n in error.nodes or () if isinstance(n, OperationDefinitionNode)]
    operation = _operation_name(using[0] if using else place.path[0])
    return f"Variable ${name} is used by {operation} but not declared", "variableNotDefined", {"variableName": name}


def _operation_name(label: str) -> str:
    kind, _, name = label.partition(" ")
    return name or f"anonymous {kind}"


def _unknown_fragment(_error: GraphQLError, node: Any, _place: NodePlace) -> Complaint:
    name = node.value
    return f"Fragment {name} was used, but not defined", "useAndDefineFragment", {"fragmentName": name}


def _unused_fragment(_error: GraphQLError, node: Any, _place: NodePlace) -> Complaint:
    name = node.name.value
    return f"Fragment {name} was defined, but not used", "useAndDefineFragment", {"fragmentName": name}


def _unknown_type(_error: GraphQLError, node: Any, place: NodePlace) -> Complaint:
    name = print_ast(node)
    if place.variable is not None:
        about = {"typeName": name, "variableName": place.variable}
        return f"{name} isn't a defined input type (on ${place.variable})", "variableRequiresValidType", about
    return f"No such type {name}, so it can't be a fragment condition", "undefinedType", {"typeName": name}


def _unknown_directive(_error: GraphQLError, node: Any, _place: NodePlace) -> Complaint | None:
    name = node.name.value
    return f"Directive @{name} is not defined", "undefinedDirective", {"directiveName": name}


_TRANSLATORS: dict[type, Translator] = {
    rules.FieldsOnCorrectTypeRule: _undefined_field,
    rules.ScalarLeafsRule: _selections,
    rules.KnownArgumentNamesRule: _unknown_argument,
    rules.ProvidedRequiredArgumentsRule: _missing_arguments,
    rules.ValuesOfCorrectTypeRule: _bad_literal,
    rules.VariablesInAllowedPositionRule: _variable_position,
    rules.NoUnusedVariablesRule: _unused_variable,
    rules.NoUndefinedVariablesRule: _undefined_variable,
    rules.KnownFragmentNamesRule: _unknown_fragment,
    rules.NoUnusedFragmentsRule: _unused_fragment,
    rules.KnownTypeNamesRule: _unknown_type,
    rules.KnownDirectivesRule: _unknown_directive,
}
