"""Our documents against the pruned copy of Shopify's schema, and the tools that make and use such copies."""

from pathlib import Path

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate

import shopify
from shopify.documents import FOLDER, NAMES, load
from shopify.tools import validate_documents
from shopify.tools.schema_file import read_documents
from tests import prune_schema

SCHEMA = Path(shopify.__file__).parent / "development_store" / "admin.graphql"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SCHEMA.read_text())


@pytest.mark.parametrize("name", NAMES)
def test_documents_are_valid_and_use_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    assert list(validate_documents.problems_with(schema, {name: load(name)})) == []


def test_the_names_are_the_files() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.graphql")) == list(NAMES)
    with pytest.raises(KeyError, match="there are access, counts"):
        load("order_counts")


def test_the_specs_field_that_no_version_has_is_found(schema: GraphQLSchema) -> None:
    query = "{ orders(first: 1) { nodes { customer { ordersCount } } } }"
    problems = list(validate_documents.problems_with(schema, {"seed.graphql": parse(query)}))
    assert problems == ["seed.graphql:1: Cannot query field 'ordersCount' on type 'Customer'."]


def test_a_deprecated_field_is_found() -> None:
    schema = build_schema('type Query { old: String @deprecated(reason: "use new") new: String }')
    problems = list(validate_documents.problems_with(schema, {"q.graphql": parse("{\n old }")}))
    assert problems == ["q.graphql:2: The field Query.old is deprecated. use new"]


def test_a_document_too_dear_for_shopify_is_found(schema: GraphQLSchema) -> None:
    fields = " ".join(f"c{n}: ordersCount {{ count }}" for n in range(101))
    problems = list(validate_documents.problems_with(schema, {"many.graphql": parse(f"{{ {fields} }}")}))
    assert problems == ["many.graphql: costs 1010 points, allowed are 1000"]


def test_pruning_the_pruned_schema_changes_nothing(schema: GraphQLSchema) -> None:
    keep = ["PageInfo.hasPreviousPage", "PageInfo.startCursor"]
    again = prune_schema.prune(schema, read_documents(FOLDER), keep=keep)
    assert again.split("\n", 1)[1] == SCHEMA.read_text().split("\n", 1)[1]


def test_pruning_keeps_what_is_used_with_arguments_defaults_and_nullability(tmp_path: Path) -> None:
    full = build_schema(
        '''
        """All of it."""
        type QueryRoot { "Things." things(first: Int = 10, by: Order = NAME, filter: Filter): [Thing!]! other: Int }
        schema { query: QueryRoot }
        interface Thing { name: String! size: Int }
        type Cup implements Thing & Node { name: String! size: Int handle: Boolean id: ID }
        interface Node { id: ID }
        enum Order { NAME SIZE }  input Filter { big: Boolean = true range: Range }  input Range { from: Int }
        scalar Unused
        '''
    )
    pruned = prune_schema.prune(full, {"q": parse("{ things { name } }")})
    assert "things(first: Int = 10, by: Order = NAME, filter: Filter): [Thing!]!" in pruned
    assert "type Cup implements Thing {\n  name: String!\n}" in pruned
    assert "enum Order { NAME SIZE }" in pruned
    assert "input Range" in pruned
    assert not any(word in pruned for word in ("other", "size", "handle", "Unused", "Node", "All of it", "Things."))
    assert validate(build_schema(pruned), parse("{ things { name } }")) == []


def test_validate_says_what_is_wrong_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.graphql").write_text("{\n  shop { colour }\n}")
    assert validate_documents.main([str(SCHEMA), "--documents", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "admin.graphql: bad.graphql:2: Cannot query field 'colour' on type 'Shop'" in output
    assert "admin.graphql: 1 documents, 1 problems" in output


def test_validate_is_content_with_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_documents.main([str(SCHEMA)]) == 0
    assert capsys.readouterr().out == "admin.graphql: 5 documents, 0 problems\n"


@pytest.mark.parametrize("content", ["type Query {", "{}", '{"data": []}'])
@pytest.mark.parametrize("name", ["schema.graphql", "schema.json", "schema.json.gz"])
@pytest.mark.parametrize("tool", [validate_documents.main, prune_schema.main])
def test_a_file_that_is_no_schema_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, name: str, tool: object
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert callable(tool)
    assert tool([str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_an_empty_folder_of_documents_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_documents.main([str(SCHEMA), "--documents", str(tmp_path)]) == 2
    assert f"{tmp_path}: no *.graphql files" in capsys.readouterr().err
