"""Reading a GraphQL schema from a file: SDL, or the JSON of an introspection query, gzipped or not."""

import gzip
import json
from pathlib import Path
from typing import Any, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    IntrospectionQuery,
    build_client_schema,
    build_schema,
    parse,
)


class UnreadableFileError(Exception):
    """A schema or document file could not be used; the message names the file and says why."""


def read_schema(path: Path) -> GraphQLSchema:
    """The schema in `*.graphql`, `*.json` or `*.json.gz`. Raises UnreadableFileError."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        schema = build_schema(text) if path.suffix == ".graphql" else _from_introspection(json.loads(text))
    except (OSError, EOFError, ValueError, KeyError, TypeError, GraphQLError) as error:
        raise UnreadableFileError(f"{path}: not a GraphQL schema: {error}") from error
    if schema.query_type is None:
        raise UnreadableFileError(f"{path}: a GraphQL schema without a query type")
    return schema


def read_documents(folder: Path) -> dict[str, DocumentNode]:
    """Every `*.graphql` file of a folder, by file name. Raises UnreadableFileError."""
    documents = {}
    for path in sorted(folder.glob("*.graphql")):
        try:
            documents[path.name] = parse(path.read_text())
        except (OSError, ValueError, GraphQLError) as error:
            raise UnreadableFileError(f"{path}: {error}") from error
    if not documents:
        raise UnreadableFileError(f"{folder}: no *.graphql files")
    return documents


def _from_introspection(answer: dict[str, Any]) -> GraphQLSchema:
    return build_client_schema(cast("IntrospectionQuery", answer.get("data", answer)), assume_valid=True)
