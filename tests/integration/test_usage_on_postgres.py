"""What merchants used: counted by day, kept for a year, shown by `cj usage`."""

import json

import pytest
from click.testing import CliRunner, Result

from storage import merchants, privacy, usage
from storage.database import Database
from tests.rows import at_once, execute, new_event, query, store_event
from workers.cli import cj

PRICED, UNPRICED = "openai/gpt-4o-mini", "openai/of-our-own"


@pytest.fixture
def used(database: Database) -> Database:
    """Three days of two merchants."""
    with database.transaction() as session:
        for merchant_id in ("m1", "m2"):
            merchants.add_merchant(session, merchant_id)
        for _ in range(3):
            usage.add(session, "m1", model=PRICED, input_tokens=1_000_000, output_tokens=1000)
        usage.add(session, "m1", model=UNPRICED, input_tokens=5, output_tokens=5)
    execute(database, "INSERT INTO usage SELECT 'm2', day - 1, model, 1, 7, 7 FROM usage WHERE model = :m", m=PRICED)
    execute(database, "INSERT INTO usage SELECT 'm2', day - 500, model, 1, 7, 7 FROM usage WHERE day = current_date")
    return database


def run(database_url: str, *args: str) -> Result:
    return CliRunner(env={"DATABASE_URL": database_url}).invoke(cj, ["usage", *args])


def test_figures_are_shown_by_day_merchant_and_model(used: Database, database_url: str) -> None:
    shown = json.loads(run(database_url, "--json").stdout)
    assert [(row["merchant_id"], row["model"], row["calls"]) for row in shown] == [
        ("m1", PRICED, 3),
        ("m1", UNPRICED, 1),
        ("m2", PRICED, 1),
    ]
    assert shown[0]["input_tokens"] == 3_000_000
    assert shown[0]["cost_usd"] == pytest.approx(3 * 0.15, rel=0.1)
    assert shown[1]["cost_usd"] is None
    assert shown[0]["day"] > shown[2]["day"]


def test_figures_for_people(used: Database, database_url: str) -> None:
    lines = run(database_url, "m1", "--days", "1").stdout.splitlines()
    assert [line.split("  ", 1)[1].split(",")[0] for line in lines] == [
        f"m1  {PRICED}: 3 answers",
        f"m1  {UNPRICED}: 1 answers",
    ]
    assert "$0.45" in lines[0]
    assert lines[1].endswith("no price known")
    assert run(database_url, "nobody").stdout == "no language model was used\n"


def test_old_figures_go_and_an_erased_merchants_too(used: Database) -> None:
    with used.transaction() as session:
        usage.prune(session)
    assert query(used, "SELECT count(*) FROM usage WHERE day < current_date - 400") == [(0,)]
    with used.transaction() as session:
        usage.begin_turn(session, "m1", most=1)
    key = store_event(used, new_event(type="shop_redact", merchant_id="m1", data={}))
    with used.transaction() as session:
        privacy.erase_some(session, "m1", privacy.begin(session, privacy.TALK), but_event=key, before=None)
    assert query(used, "SELECT DISTINCT merchant_id FROM usage") == [("m2",)]
    assert query(used, "SELECT count(*) FROM turn_rates") == [(0,)]


def test_turns_that_begin_at_once_do_not_exceed_the_number(used: Database) -> None:
    def begin(_number: int) -> bool:
        with used.transaction() as session:
            return usage.begin_turn(session, "m1", most=5)

    assert sum(at_once(begin, range(12))) == 5
