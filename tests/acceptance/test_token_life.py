"""A token's lifecycle as the merchant sees it: renewed silently; if that fails, CJ asks once to reconnect and waits."""

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy.exc
from psycopg2 import errorcodes
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from storage import merchants
from storage.database import TOKENS_ROLE, WORKERS_ROLE, Database, sqlalchemy_url
from tests.acceptance.conftest import Someone, url_of
from tests.stack import Stack
from tests.waiting import wait_until

QUESTION = "What did I sell this week?"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def status(stack: Stack, someone: Someone) -> tuple[str, int]:
    [found] = stack.rows(
        "select status, token_version from integrations where merchant_id = :id", id=someone.merchant_id
    )
    return found[0], found[1]


def refreshes(stack: Stack, someone: Someone) -> int:
    return len(stack.store.requests(someone.shop_domain, operation="refresh_token"))


def begin(stack: Stack, someone: Someone, **expiring: Any) -> None:
    """Connect and receive the first insights."""
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny", **expiring)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id)


def test_a_token_is_renewed_before_its_end_by_one_of_all_who_need_it(stack: Stack, someone: Someone) -> None:
    begin(stack, someone, expires_in=250, refresh_token=f"shprt_early_{someone.merchant_id}")
    assert refreshes(stack, someone) >= 1
    asked = {request["operation"] for request in stack.store.requests(someone.shop_domain)}
    assert {"Counts", "RecentOrders"} <= asked
    assert "customers in your store" in stack.gateway.texts(someone.conversation_id)[0]
    assert status(stack, someone)[0] == "active"


def test_a_refused_token_is_renewed_and_the_merchant_sees_nothing_of_it(stack: Stack, someone: Someone) -> None:
    begin(stack, someone, expires_in=3600, refresh_token=f"shprt_refused_{someone.merchant_id}")
    stack.store.store.tokens.expire(someone.shop_domain)
    stack.say(someone.merchant_id, someone.conversation_id, QUESTION)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "connect" not in stack.gateway.texts(someone.conversation_id)[-1]
    assert refreshes(stack, someone) == 1
    assert status(stack, someone) == ("active", 2)


@pytest.mark.parametrize("expires", [True, False], ids=["dead grant", "custom app"])
def test_a_lost_connection_is_told_once_and_what_is_asked_meanwhile_is_answered_after_it(
    stack: Stack, someone: Someone, expires: bool
) -> None:
    options: dict[str, object] = {"expires_in": 3600, "refresh_token": f"shprt_dead_{someone.merchant_id}"}
    begin(stack, someone, **(options if expires else {}))
    stack.store.store.tokens.revoke(someone.shop_domain)
    stack.say(someone.merchant_id, someone.conversation_id, QUESTION)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "connect" in stack.gateway.texts(someone.conversation_id)[-1]
    assert status(stack, someone)[0] == "needs_reauth"
    said, asked = len(stack.gateway.texts(someone.conversation_id)), len(stack.store.requests(someone.shop_domain))
    for words in ("Hello?", "How many customers do I have?"):
        stack.say(someone.merchant_id, someone.conversation_id, words)
    query = "select status from turns where conversation_id = :id and seq > 2"
    stack.wait_row(query, lambda rows: rows == [("queued",), ("queued",)], id=someone.conversation_id)
    # Another merchant's turn runs: waiting turns hold nobody up.
    other = Someone(f"{someone.merchant_id}_b", f"b-{someone.shop_domain}", f"{someone.conversation_id}_b")
    begin(stack, other)
    assert stack.rows(query, id=someone.conversation_id) == [("queued",), ("queued",)]
    assert len(stack.gateway.texts(someone.conversation_id)) == said
    assert len(stack.store.requests(someone.shop_domain)) == asked
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny", token=f"shpat_again_{someone.merchant_id}")
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id, 5)
    truth = stack.store.truth(someone.shop_domain)
    assert any(f"{truth['customers']:,}" in words for words in stack.gateway.texts(someone.conversation_id)[said:])


def test_uninstalling_wipes_at_once_and_turns_that_wait_end_with_fitting_words(stack: Stack, someone: Someone) -> None:
    begin(stack, someone, expires_in=3600, refresh_token=f"shprt_gone_{someone.merchant_id}")
    gone = {"merchant_id": someone.merchant_id, "shop_domain": someone.shop_domain}
    old = stack.publish("app_uninstalled", gone, time=LONG_AGO)
    done = "select status from events where id = :id"
    stack.wait_row(done, lambda rows: rows == [("processed",)], id=old.id)
    assert status(stack, someone)[0] == "active"
    new = stack.publish("app_uninstalled", gone)
    stack.wait_row(done, lambda rows: rows == [("processed",)], id=new.id)
    secrets = "select api_key, refresh_token, status from merchant_integrations where merchant_id = :id"
    assert stack.rows(secrets, id=someone.merchant_id) == [(None, None, "uninstalled")]
    stack.say(someone.merchant_id, someone.conversation_id, QUESTION)
    stack.gateway.wait_for_ends(someone.conversation_id, 3)
    assert "connect" in stack.gateway.texts(someone.conversation_id)[-1]


def test_everything_of_a_shop_is_erased_while_workers_run(stack: Stack, someone: Someone) -> None:
    begin(stack, someone)
    stack.publish("shop_redact", {"merchant_id": someone.merchant_id, "shop_domain": someone.shop_domain})
    left = """select (select count(*) from merchants where id = :id)
        + (select count(*) from turns where merchant_id = :id)
        + (select count(*) from merchant_integrations where merchant_id = :id)"""
    stack.wait_row(left, lambda rows: rows == [(0,)], id=someone.merchant_id)
    late = stack.say(someone.merchant_id, someone.conversation_id, "still there?", time=LONG_AGO)
    refused = "select error_code, data from events where id = :id"
    stack.wait_row(refused, lambda rows: rows == [("event.erased", {})], id=late.id)


def test_a_customer_is_erased_while_workers_run(stack: Stack, someone: Someone) -> None:
    begin(stack, someone)
    [(results,)] = stack.rows(
        """select tool_results from steps join turns on id = turn_id
        where merchant_id = :id and tool_results -> 0 -> 'content' ->> 'data_type' = 'recent_orders'""",
        id=someone.merchant_id,
    )
    orders = results[0]["content"]["data"]["orders"]
    customer = next(order["customer"] for order in orders if order.get("customer"))
    number = customer["id"].rpartition("/")[2]
    whom = {"shop_domain": someone.shop_domain, "customer_id": number, "order_ids": []}
    stack.publish("customers_redact", {"merchant_id": someone.merchant_id, **whom})
    left = """select count(*) from steps join turns on id = turn_id
        where merchant_id = :id and strpos(tool_results::text, :name) > 0"""
    stack.wait_row(left, lambda rows: rows == [(0,)], id=someone.merchant_id, name=customer["name"])
    stack.say(someone.merchant_id, someone.conversation_id, "thanks")
    stack.gateway.wait_for_ends(someone.conversation_id, 2)


# Roles: the whole stack runs under them (conftest)


def may(stack: Stack, role: str, statement: str) -> bool:
    engine = create_engine(sqlalchemy_url(url_of(role, stack.database_url)))
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
            connection.rollback()
    except sqlalchemy.exc.ProgrammingError as refused:
        if getattr(refused.orig, "pgcode", None) == errorcodes.INSUFFICIENT_PRIVILEGE:
            return False
        raise
    finally:
        engine.dispose()
    return True


@pytest.mark.parametrize(
    "statement",
    [
        "select api_key from merchant_integrations",
        "select refresh_token from merchant_integrations",
        "select * from merchant_integrations",
        "update merchant_integrations set shop_domain = 'evil.myshopify.com'",
        "insert into merchant_integrations (merchant_id, type, shop_domain) values ('m', 'shopify', 'e.myshopify.com')",
        "delete from merchant_integrations",
        "update integrations set shop_domain = 'evil.myshopify.com'",
        "delete from integrations",
        "alter table merchant_integrations add column x int",
        "set role cj_tokens",
        "update alembic_version set version_num = '9999'",
    ],
)
def test_the_role_of_the_process_with_the_model_is_refused(stack: Stack, statement: str) -> None:
    assert not may(stack, WORKERS_ROLE, statement)


@pytest.mark.parametrize("table", ["conversations", "turns", "steps", "replies", "workflow_versions", "tombstones"])
def test_the_role_with_the_tokens_reads_no_conversations(stack: Stack, table: str) -> None:
    assert not may(stack, TOKENS_ROLE, f"select * from {table}")


def test_the_auth_service_connects_a_shop_with_the_role_of_tokens(stack: Stack, someone: Someone) -> None:
    stack.store.register(someone.shop_domain, "tiny", "shpat_of_the_auth_service")
    database = Database(url_of(TOKENS_ROLE, stack.database_url))
    with database.transaction() as session:
        merchants.connect_shop(
            session,
            stack.vault,
            merchant_id=someone.merchant_id,
            shop_domain=someone.shop_domain,
            access_token=SecretStr("shpat_of_the_auth_service"),
            scopes=[],
            conversation_id=someone.conversation_id,
            name=f"Shop of {someone.merchant_id}",
        )
    database.dispose()
    stack.gateway.wait_for_ends(someone.conversation_id)
    assert "customers in your store" in stack.gateway.texts(someone.conversation_id)[0]


def test_the_roles_may_do_what_their_processes_do(stack: Stack) -> None:
    assert may(stack, WORKERS_ROLE, "select * from integrations")
    assert may(stack, WORKERS_ROLE, "select disconnect_shop('nobody', 'no.myshopify.com', clock_timestamp())")
    assert may(stack, TOKENS_ROLE, "select api_key from merchant_integrations")
    users = "select distinct application_name, usename from pg_stat_activity where application_name like 'cj-%'"
    wait_until(lambda: ("cj-shopify", TOKENS_ROLE) in stack.rows(users), what="the Shopify worker's connection")
    running = dict(stack.rows(users))
    assert running["cj-agent"] == running["cj-workflow"] == WORKERS_ROLE
