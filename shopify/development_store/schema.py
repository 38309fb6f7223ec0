"""The schema the development store executes: Shopify's own, pruned, with some more of its fields and our resolvers."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from graphql import (
    DefinitionNode,
    DocumentNode,
    FieldDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_ast_schema,
    parse,
)

from shopify.development_store.resolvers import RESOLVERS

PRUNED = Path(__file__).parent / "admin.graphql"
EXTRA = Path(__file__).parent / "extra.graphql"


@cache
def executable_schema() -> GraphQLSchema:
    """The one schema of the process, parsed and bound when it is first needed."""
    schema = build_ast_schema(_merged(parse(PRUNED.read_text("utf-8")), parse(EXTRA.read_text("utf-8"))))
    for type_name, fields in RESOLVERS.items():
        owner = schema.type_map[type_name]
        if isinstance(owner, GraphQLObjectType):
            for field_name, resolve in fields.items():
                owner.fields[field_name].resolve = resolve
    return schema


def _merged(pruned: DocumentNode, extra: DocumentNode) -> DocumentNode:
    """The pruned schema with every type and field of the other that it lacks."""
    more = {d.name.value: d for d in extra.definitions if isinstance(d, ObjectTypeDefinitionNode)}
    definitions: list[DefinitionNode] = []
    for definition in pruned.definitions:
        if isinstance(definition, ObjectTypeDefinitionNode) and definition.name.value in more:
            definition = replace(definition, fields=tuple(_fields(definition, more.pop(definition.name.value))))
        definitions.append(definition)
    return DocumentNode(definitions=(*definitions, *more.values()))


def _fields(pruned: ObjectTypeDefinitionNode, extra: ObjectTypeDefinitionNode) -> Iterable[FieldDefinitionNode]:
    known = {field.name.value for field in pruned.fields or ()}
    yield from pruned.fields or ()
    yield from (field for field in extra.fields or () if field.name.value not in known)
