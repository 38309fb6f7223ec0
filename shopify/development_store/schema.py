"""The schema the development store executes: Shopify's own, pruned, with some more of its fields and our resolvers."""

from functools import cache
from pathlib import Path

from graphql import GraphQLObjectType, GraphQLSchema, build_schema

from shopify.development_store.resolvers import RESOLVERS

PRUNED = Path(__file__).parent / "admin.graphql"
EXTRA = Path(__file__).parent / "extra.graphql"


@cache
def executable_schema() -> GraphQLSchema:
    """The one schema of the process, parsed and bound when it is first needed."""
    schema = build_schema(PRUNED.read_text("utf-8") + EXTRA.read_text("utf-8"))
    for type_name, fields in RESOLVERS.items():
        owner = schema.type_map[type_name]
        if isinstance(owner, GraphQLObjectType):
            for field_name, resolve in fields.items():
                owner.fields[field_name].resolve = resolve
    return schema
