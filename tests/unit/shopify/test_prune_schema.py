"""The tool that cuts Shopify's schema down for the development store."""

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from shopify import development_store
from tests import prune_schema

ADMIN = Path(development_store.__file__).parent / "admin.graphql"


def test_pruning_the_pruned_schema_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert prune_schema.main([str(ADMIN)]) == 0
    assert capsys.readouterr().out.split("\n", 1)[1] == ADMIN.read_text().split("\n", 1)[1]


def test_pruning_keeps_what_is_used_with_arguments_defaults_and_nullability() -> None:
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


def test_a_document_that_is_not_valid_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.graphql"
    path.write_text("type Query { shop: String }")
    assert prune_schema.main([str(path)]) == 2
    assert "access is not valid for the schema given: Cannot query field" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["type Query {", "{}", '{"data": []}'])
@pytest.mark.parametrize("name", ["schema.graphql", "schema.json", "schema.json.gz"])
def test_a_file_that_is_no_schema_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert prune_schema.main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err
