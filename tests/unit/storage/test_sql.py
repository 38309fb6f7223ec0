"""The statements in `.sql` files: each is there once, is used, and has no fragment left in it."""

import re
from pathlib import Path

import pytest

from storage import sql

FOLDER = Path(sql.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.sql"))


def test_there_are_statements() -> None:
    assert set(NAMES) >= {"conversations", "inbox", "merchants", "outbox", "turns"}


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_is_used_and_every_use_has_one(name: str) -> None:
    used = set(re.findall(r'SQL\["(\w+)"', (FOLDER / f"{name}.py").read_text()))
    used |= set(re.findall(r'_write(?:_step)?\(\s*session, claim, "(\w+)"', (FOLDER / f"{name}.py").read_text()))
    used |= {"lock", "get"} if name == "conversations" else set()
    assert used == set(sql.load(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_name_stands_twice(name: str) -> None:
    titles = [title for _, title, _ in re.findall(sql.HEADING, (FOLDER / f"{name}.sql").read_text())]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", NAMES)
def test_statements_hold_neither_comments_nor_fragments(name: str) -> None:
    for statement in sql.load(name).values():
        assert "--" not in statement.text
        assert "{first" not in statement.text
        assert statement.text.strip() == statement.text != ""


def test_fragments_are_put_in() -> None:
    assert "ORDER BY o.seq LIMIT 1" in sql.load("turns")["claim"].text


def test_parameters_are_found() -> None:
    parameters = set(sql.load("turns")["claim"].compile().params)
    assert parameters == {"turn_id", "owner", "lease_seconds", "per_merchant"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_prepared_has_a_type_for_each_parameter(name: str) -> None:
    for statement in sql.load(name).values():
        prepared = statement.get_execution_options().get(sql.PREPARED)
        if prepared is not None:
            declared = re.findall(r"%\((\w+)\)s", prepared.execute)
            assert sorted(declared) == sorted(statement.compile().params), prepared.name


def test_parameters_become_places() -> None:
    prepared = sql.Prepared.of("x", "SELECT '$.a', CAST(:b AS text), :a, :b", "a bigint, b text[]")
    assert prepared.prepare == "PREPARE x (bigint, text[]) AS SELECT '$.a', CAST($2 AS text), $1, $2"
    assert prepared.execute == "EXECUTE x (%(a)s, %(b)s)"


def test_tracing_does_not_cost_a_plan_for_each_event() -> None:
    marks = [sql.load("inbox")[name] for name in ("processed", "processed_traced")]
    assert all(sql.PREPARED in mark.get_execution_options() for mark in marks)
