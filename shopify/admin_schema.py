"""Shopify's own schema, pruned to what our documents touch."""

from functools import cache
from pathlib import Path

from graphql import GraphQLSchema, build_schema

FILE = Path(__file__).parent / "development_store" / "admin.graphql"


@cache
def admin_schema() -> GraphQLSchema:
    """The one schema of the process, parsed when it is first needed."""
    return build_schema(FILE.read_text("utf-8"), assume_valid=True)
