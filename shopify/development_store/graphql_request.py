"""A GraphQL request as it arrives: its body, its document, the operation chosen in it and its variables.

A document is parsed and validated once for each text, however often it is sent. graphql-core finds the mistakes;
Shopify runs graphql-ruby, whose messages, codes and paths differ (https://graphql-ruby.org/errors/overview.html). Those
that were recorded are given in Shopify's words, the others in graphql-core's.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FieldsOnCorrectTypeRule,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    ScalarLeafsRule,
    VariableDefinitionNode,
    get_named_type,
    get_operation_ast,
    is_leaf_type,
    parse,
    print_ast,
    specified_rules,
    type_from_ast,
    validate,
)

from shopify.development_store.resolvers import executable_schema

MAX_TOKENS = 20_000


@dataclass(frozen=True)
class CheckedDocument:
    """A document after parsing and validation: either it has errors or it can be executed."""

    document: DocumentNode | None
    errors: Sequence[dict[str, Any]]

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation to execute; None if the name, or its absence, does not decide."""
        return get_operation_ast(self.document, name) if self.document else None


@dataclass(frozen=True)
class GraphQLRequest:
    """What a body asks for; `text` is None if it asks for nothing."""

    text: str | None
    variables: Mapping[str, Any]
    operation_name: str | None

    @classmethod
    def read(cls, body: bytes) -> Self | None:
        """The request in a body; None if the body is not a JSON object."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        text, variables, name = (content.get(key) for key in ("query", "variables", "operationName"))
        return cls(
            text if isinstance(text, str) and text.strip() else None,
            variables if isinstance(variables, dict) else {},
            name if isinstance(name, str) and name else None,
        )

    @property
    def checked(self) -> CheckedDocument:
        """The document."""
        return check_document(self.text or "")

    @property
    def operation(self) -> OperationDefinitionNode | None:
        """The operation to execute, if the document and the name decide it."""
        return self.checked.operation(self.operation_name)

    @property
    def label(self) -> str | None:
        """The name of the operation, for the request log and for faults."""
        if self.operation_name or self.text is None:
            return self.operation_name
        return self.operation.name.value if self.operation and self.operation.name else None

    def errors(self) -> list[dict[str, Any]]:
        """What keeps the request from being executed, as the entries of `errors`. Empty if nothing does."""
        if self.checked.errors:
            return list(self.checked.errors)
        if self.operation is None:
            name = self.operation_name
            return [{"message": f'No operation named "{name}"' if name else "An operation name is required"}]
        return variable_errors(executable_schema(), self.operation, self.variables)


@lru_cache(maxsize=512)
def check_document(text: str) -> CheckedDocument:
    """Parse and validate; the outcome is remembered by the text."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
    except GraphQLSyntaxError as bad:
        return CheckedDocument(None, [_syntax_error(text, bad)])
    except RecursionError:
        return _refused("the document is nested too deeply", "PARSE_ERROR")
    if any(
        isinstance(d, OperationDefinitionNode) and d.operation is not OperationType.QUERY for d in document.definitions
    ):
        message = "The development store executes queries only, no mutations and no subscriptions."
        return _refused(message, "NOT_IMPLEMENTED")
    errors = [_validation_error(error) for error in validate(executable_schema(), document, _RULES, max_errors=100)]
    return CheckedDocument(None, errors) if errors else CheckedDocument(document, ())


def _refused(message: str, code: str) -> CheckedDocument:
    return CheckedDocument(None, [{"message": message, "extensions": {"code": code}}])


def _syntax_error(text: str, bad: GraphQLSyntaxError) -> dict[str, Any]:
    problem = bad.message.removeprefix("Syntax Error: ").rstrip(".")
    problem = problem[0].lower() + problem[1:]
    line, column = bad.locations[0] if bad.locations else (1, 1)
    if problem.endswith("<EOF>"):
        problem, (line, column) = "unexpected end of file", _last_token(text)
    return {
        "message": f"syntax error, {problem} at [{line}, {column}]",
        "locations": [{"line": line, "column": column}],
        "extensions": {"code": "PARSE_ERROR"},
    }


def _last_token(text: str) -> tuple[int, int]:
    """Shopify places an unexpected end at the last thing that it read."""
    words = list(re.finditer(r"\w+|[^\s\w]", text))
    if not words:
        return 1, 1
    start = words[-1].start()
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)


class _UndefinedField(FieldsOnCorrectTypeRule):
    def enter_field(self, node: FieldNode, *rest: Any) -> None:
        owner = self.context.get_parent_type()
        if owner is not None and self.context.get_field_def() is None:
            name = node.name.value
            about = {"code": "undefinedField", "typeName": owner.name, "fieldName": name}
            message = f"Field '{name}' doesn't exist on type '{owner.name}'"
            self.report_error(GraphQLError(message, node, path=_path(node, rest[-1]), extensions=about))


class _MissingSelections(ScalarLeafsRule):
    def enter_field(self, node: FieldNode, *rest: Any) -> None:
        of_type = get_named_type(self.context.get_type())
        if of_type is None or is_leaf_type(of_type) or node.selection_set is not None:
            super().enter_field(node, *rest)
            return
        name = node.name.value
        about = {"code": "selectionMismatch", "nodeName": f"field '{name}'", "typeName": of_type.name}
        returned = f"field '{name}' returns {of_type.name} but has no selections. Did you mean '{name} {{ ... }}'?"
        message = f"Field must have selections ({returned})"
        self.report_error(GraphQLError(message, node, path=_path(node, rest[-1]), extensions=about))


def _path(node: FieldNode, ancestors: Sequence[Node | Sequence[Node]]) -> list[str | int]:
    """Where a field stands, as in ["query Name", "orders", "nodes", "x"]."""
    path: list[str | int] = []
    for step in (*ancestors, node):
        match step:
            case OperationDefinitionNode():
                path.append(f"query {step.name.value}" if step.name else "query")
            case FragmentDefinitionNode():
                path.append(f"fragment {step.name.value}")
            case InlineFragmentNode():
                path.append(f"... on {step.type_condition.name.value}" if step.type_condition else "...")
            case FieldNode():
                path.append((step.alias or step.name).value)
    return path


_IN_SHOPIFYS_WORDS: dict[type[ASTValidationRule], type[ASTValidationRule]] = {
    FieldsOnCorrectTypeRule: _UndefinedField,
    ScalarLeafsRule: _MissingSelections,
}
_RULES = [_IN_SHOPIFYS_WORDS.get(rule, rule) for rule in specified_rules]


def _validation_error(error: GraphQLError) -> dict[str, Any]:
    """An entry of `errors`; graphql-core gives none of its own errors a code."""
    return {**error.formatted, "extensions": error.extensions or {"code": "invalidDocument"}}


def variable_errors(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One INVALID_VARIABLE for each variable that does not fit its declaration. Empty if all do.

    Not graphql-core's `get_variable_values`: its errors carry neither Shopify's explanations nor the values' paths.
    """
    return [
        entry
        for definition in operation.variable_definitions or ()
        if (entry := _variable_error(schema, definition, given)) is not None
    ]


def _variable_error(
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
    message = f"{message} for {', '.join(deep)}" if deep else message
    return dict(GraphQLError(message, definition, extensions=extensions).formatted)


def _problems(value: Any, wanted: Any, path: list[str | int]) -> Iterator[dict[str, Any]]:
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


def _object_problems(value: Any, wanted: GraphQLInputObjectType, path: list[str | int]) -> Iterator[dict[str, Any]]:
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


def _problem(path: list[str | int], explanation: str) -> dict[str, Any]:
    return {"path": path, "explanation": explanation}


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
