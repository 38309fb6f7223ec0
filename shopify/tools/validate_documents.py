"""Check our GraphQL documents against Shopify's Admin schemas.

    python -m shopify.tools.validate_documents SCHEMA... [--documents FOLDER]

A schema is an introspection result (*.json, *.json.gz) or SDL (*.graphql), for instance the archives in the npm
package @shopify/dev-mcp, or the store's admin.graphql here. Prints a line for each error and each
deprecated field, and one for each schema.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from graphql import DocumentNode, GraphQLError, GraphQLSchema, NoDeprecatedCustomRule, validate

from shopify.development_store.cost import MAX_QUERY_COST, estimate
from shopify.documents import FOLDER
from shopify.tools.schema_file import UnreadableFileError, read_documents, read_schema


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 if all is valid, 1 if something is not, 2 if a file cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schemas", type=Path, nargs="+", metavar="SCHEMA")
    parser.add_argument("--documents", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    found = 0
    try:
        documents = read_documents(options.documents)
        for path in options.schemas:
            problems = list(problems_with(read_schema(path), documents))
            for problem in problems:
                sys.stdout.write(f"{path.name}: {problem}\n")
            sys.stdout.write(f"{path.name}: {len(documents)} documents, {len(problems)} problems\n")
            found += len(problems)
    except UnreadableFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if found else 0


def problems_with(schema: GraphQLSchema, documents: Mapping[str, DocumentNode]) -> Iterator[str]:
    """One sentence for each error, deprecated field, and document dearer than Shopify allows."""
    for name, document in documents.items():
        errors = validate(schema, document)
        if not errors:
            errors = validate(schema, document, [NoDeprecatedCustomRule])
            cost = estimate(schema, document)
            if cost > MAX_QUERY_COST:
                yield f"{name}: costs {cost} points, allowed are {MAX_QUERY_COST}"
        for error in errors:
            yield f"{name}:{_line(error)}: {error.message}"


def _line(error: GraphQLError) -> int:
    return error.locations[0].line if error.locations else 1


if __name__ == "__main__":
    sys.exit(main())
