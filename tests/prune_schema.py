"""Cuts Shopify's schema down to what our documents use, for the development store. The result goes to standard output.

    python -m tests.prune_schema SCHEMA > shopify/development_store/admin.graphql

For whoever raises `shopify.API_VERSION`. SCHEMA is Shopify's full schema of that version: an introspection
result (*.json, *.json.gz) or SDL (*.graphql), for instance from the archives in the npm package @shopify/dev-mcp.
A document that is not valid for it is an error; the tests then say what is deprecated or too expensive.

The result has the used types and fields with all their arguments, defaults and the real nullability, and the enums,
inputs and scalars they need: a few kilobytes instead of megabytes, enough to validate the documents and to serve them.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from graphql import (
    DefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
    parse,
    print_ast,
    print_type,
    validate,
    visit,
)

from shopify.data.query import NAMES, load_document

CONCRETE_MEDIA = "MediaImage"
"""Preferred implementation of an interface of which the documents name none."""

Used = dict[str, set[str]]


class UnusableSchema(Exception):
    """The schema cannot be read, or a document is not valid for it."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 if the schema cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schema", type=Path)
    parser.add_argument("--origin", help="where the schema is from, for the first line")
    options = parser.parse_args(arguments)
    documents = {name: load_document(name).node for name in NAMES}
    try:
        schema = read_schema(options.schema)
        sys.stdout.write(prune(schema, documents, origin=options.origin or options.schema.name))
    except UnusableSchema as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def read_schema(path: Path) -> GraphQLSchema:
    """The schema in `*.graphql`, `*.json` or `*.json.gz`. Raises UnusableSchema."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        schema = build_schema(text) if path.suffix == ".graphql" else _from_introspection(json.loads(text))
    except (OSError, EOFError, ValueError, KeyError, TypeError, GraphQLError) as error:
        raise UnusableSchema(f"{path}: not a GraphQL schema: {error}") from error
    if schema.query_type is None:
        raise UnusableSchema(f"{path}: a GraphQL schema without a query type")
    return schema


def _from_introspection(result: dict[str, Any]) -> GraphQLSchema:
    return build_client_schema(cast("Any", result.get("data", result)), assume_valid=True)


def prune(schema: GraphQLSchema, documents: Mapping[str, DocumentNode], *, origin: str = "schema") -> str:
    """SDL of the part of the schema that the documents use. Raises UnusableSchema for an invalid document."""
    _must_be_valid(schema, documents, "the schema given")
    used = _used_fields(schema, documents.values())
    _add_implementations(schema, used)
    query_type = schema.query_type.name if schema.query_type else "Query"
    parts = [
        f"# Shopify's Admin GraphQL schema ({origin}), pruned by tests/prune_schema.py. Do not edit.",
        f"schema {{\n  query: {query_type}\n}}",
        *(_printed(definition) for definition in _definitions(schema, used)),
    ]
    pruned = "\n\n".join(parts) + "\n"
    _must_be_valid(build_schema(pruned), documents, "the pruned schema")
    return pruned


def _must_be_valid(schema: GraphQLSchema, documents: Mapping[str, DocumentNode], which: str) -> None:
    for name, document in documents.items():
        for error in validate(schema, document):
            raise UnusableSchema(f"{name} is not valid for {which}: {error.message}")


def _used_fields(schema: GraphQLSchema, documents: Iterable[DocumentNode]) -> Used:
    used: Used = {}
    for document in documents:
        info = TypeInfo(schema)
        visit(document, TypeInfoVisitor(info, _Collector(info, used)))
    return used


class _Collector(Visitor):
    def __init__(self, info: TypeInfo, used: Used) -> None:
        super().__init__()
        self.info, self.used = info, used

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self.info.get_parent_type()
        if parent is not None and not node.name.value.startswith("__"):
            self.used.setdefault(parent.name, set()).add(node.name.value)


def _add_implementations(schema: GraphQLSchema, used: Used) -> None:
    """A schema that is to be served needs a concrete type behind every interface."""
    for name in list(used):
        interface = schema.type_map[name]
        if isinstance(interface, GraphQLInterfaceType):
            concrete = [t.name for t in schema.get_possible_types(interface)]
            chosen = [n for n in concrete if n in used] or [
                CONCRETE_MEDIA if CONCRETE_MEDIA in concrete else concrete[0]
            ]
            for each in chosen:
                used.setdefault(each, set()).update(used[name])


def _definitions(schema: GraphQLSchema, used: Used) -> Iterator[DefinitionNode]:
    needed: dict[str, GraphQLNamedType] = {}
    for name, fields in sorted(used.items()):
        owner = schema.type_map[name]
        if not isinstance(owner, GraphQLObjectType | GraphQLInterfaceType):
            raise UnusableSchema(f"{name} is neither an object nor an interface")
        for field in fields:
            _need(get_named_type(owner.fields[field].type), needed)
            for argument in owner.fields[field].args.values():
                _need(get_named_type(argument.type), needed)
        yield _cut(_syntax(owner), fields, used)
    for name, of_type in sorted(needed.items()):
        if name not in used:
            yield _syntax(of_type)


def _need(of_type: GraphQLNamedType, needed: dict[str, GraphQLNamedType]) -> None:
    if of_type.name in needed or is_specified_scalar_type(of_type):
        return
    needed[of_type.name] = of_type
    if isinstance(of_type, GraphQLInputObjectType):
        for field in of_type.fields.values():
            _need(get_named_type(field.type), needed)


def _syntax(of_type: GraphQLNamedType) -> DefinitionNode:
    """The type's own definition, without the descriptions."""
    document = parse(print_type(of_type), no_location=True)
    plain = cast("DocumentNode", visit(document, _WithoutDescriptions()))
    return plain.definitions[0]


class _WithoutDescriptions(Visitor):
    def enter(self, node: Any, *_: object) -> Node | None:
        described = getattr(node, "description", None) is not None
        return cast("Node", replace(node, description=None)) if described else None


def _cut(definition: DefinitionNode, fields: set[str], used: Used) -> DefinitionNode:
    if not isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return definition
    kept = sorted((f for f in definition.fields or () if f.name.value in fields), key=lambda f: f.name.value)
    interfaces = tuple(i for i in definition.interfaces or () if i.name.value in used)
    return replace(definition, fields=tuple(kept), interfaces=interfaces)


def _printed(definition: DefinitionNode) -> str:
    text = print_ast(definition)
    return " ".join(text.split()) if isinstance(definition, EnumTypeDefinitionNode) else text


if __name__ == "__main__":
    sys.exit(main())
