"""Checks the variables of a request against their declarations, with Shopify's INVALID_VARIABLE answer."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableDefinitionNode,
    print_ast,
    type_from_ast,
)

from shopify.development_store.validation import located

Problem = dict[str, Any]


def variable_errors(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One entry of `errors` for each variable that does not fit. Empty if all do."""
    return [
        entry
        for definition in operation.variable_definitions or ()
        if (entry := _error(schema, definition, given)) is not None
    ]


def _error(
    schema: GraphQLSchema, definition: VariableDefinitionNode, given: Mapping[str, Any]
) -> dict[str, Any] | None:
    name = definition.variable.name.value
    if name not in given and definition.default_value is not None:
        return None
    wanted = type_from_ast(schema, definition.type)
    value = given.get(name)
    problems = list(_problems(value, wanted, []))
    if not problems:
        return None
    deep = [f"{'.'.join(map(str, p['path']))} ({p['explanation']})" for p in problems if p["path"]]
    message = f"Variable ${name} of type {print_ast(definition.type)} was provided invalid value"
    extensions = {"code": "INVALID_VARIABLE", "value": value, "problems": problems}
    return located(f"{message} for {', '.join(deep)}" if deep else message, definition, None, extensions)


def _problems(value: Any, wanted: Any, path: list[str | int]) -> Iterator[Problem]:
    if isinstance(wanted, GraphQLNonNull):
        if value is None:
            yield _problem(path, "Expected value to not be null")
        else:
            yield from _problems(value, wanted.of_type, path)
    elif value is None:
        return
    elif isinstance(wanted, GraphQLList):
        for place, entry in enumerate(value if isinstance(value, list) else [value]):
            yield from _problems(entry, wanted.of_type, [*path, place])
    elif isinstance(wanted, GraphQLInputObjectType):
        yield from _object_problems(value, wanted, path)
    elif isinstance(wanted, GraphQLEnumType) and value not in list(wanted.values):
        yield _problem(path, f"Expected {_quoted(value)} to be one of: {', '.join(wanted.values)}")
    elif isinstance(wanted, GraphQLScalarType) and not _fits(value, wanted):
        yield _problem(path, f"Could not coerce value {_quoted(value)} to {wanted.name}")


def _object_problems(value: Any, wanted: GraphQLInputObjectType, path: list[str | int]) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _problem(path, f"Expected {_quoted(value)} to be a key-value object.")
        return
    for name in value:
        if name not in wanted.fields:
            yield _problem([*path, name], f"Field is not defined on {wanted.name}")
    for name, field in wanted.fields.items():
        yield from _problems(value.get(name), field.type, [*path, name])


def _fits(value: Any, wanted: GraphQLScalarType) -> bool:
    try:
        wanted.parse_value(value)
    except (GraphQLError, ValueError, TypeError):
        return False
    return True


def _problem(path: list[str | int], explanation: str) -> Problem:
    return {"path": path, "explanation": explanation}


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
