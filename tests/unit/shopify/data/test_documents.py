"""Our documents against the pruned copy of Shopify's schema."""

from pathlib import Path

import pytest
from graphql import DocumentNode, GraphQLError, GraphQLSchema, NoDeprecatedCustomRule, build_schema, parse, validate

from shopify import development_store
from shopify.data.query import FOLDER, NAMES, load_document


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((Path(development_store.__file__).parent / "admin.graphql").read_text())


def problems(schema: GraphQLSchema, document: DocumentNode) -> list[GraphQLError]:
    return validate(schema, document) or validate(schema, document, [NoDeprecatedCustomRule])


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_valid_and_use_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    assert problems(schema, load_document(name).node) == []


def test_the_names_are_the_files() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.graphql")) == list(NAMES)
    with pytest.raises(KeyError, match="there are access, counts"):
        load_document("order_counts")


def test_the_specs_field_that_no_version_has_is_found(schema: GraphQLSchema) -> None:
    [problem] = problems(schema, parse("{ orders(first: 1) { nodes { customer { ordersCount } } } }"))
    assert problem.message == "Cannot query field 'ordersCount' on type 'Customer'."


def test_a_deprecated_field_is_found() -> None:
    schema = build_schema('type Query { old: String @deprecated(reason: "use new") new: String }')
    [problem] = problems(schema, parse("{ old }"))
    assert problem.message == "The field Query.old is deprecated. use new"
