"""Checks a document against the schema and says what is wrong in Shopify's words.

graphql-core finds the mistakes; Shopify runs graphql-ruby, whose messages and codes differ
(https://graphql-ruby.org/errors/overview.html). Each rule that a client is likely to break is translated; the rest
keep graphql-core's message.
"""

from collections.abc import Callable
from typing import Any

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    print_ast,
    specified_rules,
    validate,
)
from graphql import validation as rules
from graphql.type import is_required_argument

from shopify.development_store.places import Place, operation_label, places_of

Complaint = tuple[str, str, dict[str, Any]]
"""Message, code and further extensions."""

Translator = Callable[[GraphQLError, Node, Place], Complaint | None]


def validation_errors(schema: GraphQLSchema, document: DocumentNode) -> list[dict[str, Any]]:
    """What is wrong with a document, as the entries of `errors`. Empty if nothing is."""
    if not validate(schema, document, max_errors=100):
        return []
    places = places_of(schema, document)
    found: list[dict[str, Any]] = []
    for rule in specified_rules:
        for error in validate(schema, document, [rule], max_errors=100):
            entry = _entry(rule, error, places)
            if entry not in found:
                found.append(entry)
    return found


def located(message: str, node: Node | None, path: list[str] | None, extensions: dict[str, Any]) -> dict[str, Any]:
    """One entry of `errors`, keys in Shopify's order."""
    entry: dict[str, Any] = {"message": message}
    if node is not None and node.loc is not None:
        start = node.loc.start_token
        entry["locations"] = [{"line": start.line, "column": start.column}]
    if path is not None:
        entry["path"] = path
    return {**entry, "extensions": extensions}


def _entry(rule: type, error: GraphQLError, places: dict[int, Place]) -> dict[str, Any]:
    if not error.nodes:
        return {"message": error.message}
    node = error.nodes[0]
    place = places.get(id(node), Place(()))
    translate = _TRANSLATORS.get(rule)
    complaint = translate(error, node, place) if translate else None
    if isinstance(node, SelectionSetNode) and place.field is not None:
        node = place.field
    message, code, more = complaint or (error.message, "invalidDocument", {})
    return located(message, node, list(place.path), {"code": code, **more})


def _undefined_field(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if not isinstance(node, FieldNode):
        return None
    name = node.name.value
    message = f"Field '{name}' doesn't exist on type '{place.parent}'"
    return message, "undefinedField", {"typeName": place.parent, "fieldName": name}


def _selections(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if place.field is None or place.definition is None:
        return None
    name, of_type = place.field.name.value, get_named_type(place.definition.type).name
    about = {"nodeName": f"field '{name}'", "typeName": of_type}
    if isinstance(node, SelectionSetNode):
        chosen = ", ".join(f'"{print_ast(selection)}"' for selection in node.selections)
        message = (
            f"Selections can't be made on scalars (field '{name}' returns {of_type} but has selections [{chosen}])"
        )
    else:
        message = (
            f"Field must have selections (field '{name}' returns {of_type} but has no selections. "
            f"Did you mean '{name} {{ ... }}'?)"
        )
    return message, "selectionMismatch", about


def _unknown_argument(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if not isinstance(node, ArgumentNode) or place.field is None:
        return None
    field, argument = place.field.name.value, node.name.value
    about = {"name": field, "typeName": "Field", "argumentName": argument}
    return f"Field '{field}' doesn't accept argument '{argument}'", "argumentNotAccepted", about


def _missing_arguments(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if not isinstance(node, FieldNode) or place.definition is None:
        return None
    given = {argument.name.value for argument in node.arguments or ()}
    required = (name for name, argument in place.definition.args.items() if is_required_argument(argument))
    missing = ", ".join(name for name in required if name not in given)
    about = {"className": "Field", "name": node.name.value, "arguments": missing}
    return f"Field '{node.name.value}' is missing required arguments: {missing}", "missingRequiredArguments", about


def _bad_literal(_error: GraphQLError, _node: Node, place: Place) -> Complaint | None:
    if place.argument is None or place.field is None:
        return None
    name, value = place.argument.name.value, print_ast(place.argument.value)
    message = (
        f"Argument '{name}' on Field '{place.field.name.value}' has an invalid value ({value}). "
        f"Expected type '{place.wanted}'."
    )
    return message, "argumentLiteralsIncompatible", {"typeName": "Field", "argumentName": name}


def _variable_position(error: GraphQLError, node: Node, _place: Place) -> Complaint | None:
    if not isinstance(node, VariableDefinitionNode):
        return None
    name, declared = node.variable.name.value, print_ast(node.type)
    wanted = error.message.rpartition("position expecting type ")[2].strip("'.")
    kind = "Nullability" if wanted.replace("!", "") == declared.replace("!", "") else "Type"
    complaint = f"{kind} mismatch"
    about = {"variableName": name, "typeName": declared, "errorMessage": complaint}
    return f"{complaint} on variable ${name} ({declared} / {wanted})", "variableMismatch", about


def _unused_variable(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if not isinstance(node, VariableDefinitionNode):
        return None
    name, operation = node.variable.name.value, _operation_name(place.path[0])
    return f"Variable ${name} is declared by {operation} but not used", "variableNotUsed", {"variableName": name}


def _undefined_variable(error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    if not isinstance(node, VariableNode):
        return None
    name = node.name.value
    using = [operation_label(n) for n in error.nodes or () if isinstance(n, OperationDefinitionNode)]
    operation = _operation_name(using[0] if using else place.path[0])
    return f"Variable ${name} is used by {operation} but not declared", "variableNotDefined", {"variableName": name}


def _operation_name(label: str) -> str:
    kind, _, name = label.partition(" ")
    return name or f"anonymous {kind}"


def _unknown_fragment(_error: GraphQLError, node: Node, _place: Place) -> Complaint | None:
    name = getattr(node, "value", "")
    return f"Fragment {name} was used, but not defined", "useAndDefineFragment", {"fragmentName": name}


def _unused_fragment(_error: GraphQLError, node: Node, _place: Place) -> Complaint | None:
    name = node.name.value if hasattr(node, "name") else ""
    return f"Fragment {name} was defined, but not used", "useAndDefineFragment", {"fragmentName": name}


def _unknown_type(_error: GraphQLError, node: Node, place: Place) -> Complaint | None:
    name = print_ast(node)
    if place.variable is not None:
        about = {"typeName": name, "variableName": place.variable}
        return f"{name} isn't a defined input type (on ${place.variable})", "variableRequiresValidType", about
    return f"No such type {name}, so it can't be a fragment condition", "undefinedType", {"typeName": name}


def _unknown_directive(_error: GraphQLError, node: Node, _place: Place) -> Complaint | None:
    if not isinstance(node, DirectiveNode):
        return None
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
