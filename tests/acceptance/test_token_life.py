"""A token's lifecycle as the merchant sees it: renewed silently; if that fails, CJ asks once to reconnect and waits."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from storage import merchants
from storage.database import Database
from tests.acceptance.conftest import Someone
from tests.as_role import url_of
from tests.stack import Stack
from tests.waiting import wait_until
from workers.local.stack import SCOPES

QUESTION = "What were my sales last year?"  # of which an onboarding tells nothing
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
    scopes = (*SCOPES, "read_reports")
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny", scopes=scopes, **expiring)
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
    stack.store.tokens.expire(someone.shop_domain)
    stack.say(someone.merchant_id, someone.conversation_id, QUESTION)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "connect" not in stack.gateway.texts(someone.conversation_id)[-1]
    assert refreshes(stack, someone) == 1
    assert status(stack, someone) == ("active", 2)


@pytest.mark.parametrize("expires", [True, False], ids=["dead grant", "custom app"])
def test_a_lost_connection_silences_nobody_and_what_needed_the_store_is_asked_again(
    stack: Stack, someone: Someone, expires: bool
) -> None:
    options: dict[str, object] = {"expires_in": 3600, "refresh_token": f"shprt_dead_{someone.merchant_id}"}
    begin(stack, someone, **(options if expires else {}))
    stack.store.tokens.revoke(someone.shop_domain)
    stack.say(someone.merchant_id, someone.conversation_id, QUESTION)
    stack.gateway.wait_for_ends(someone.conversation_id, 2)
    assert "connect" in stack.gateway.texts(someone.conversation_id)[-1]
    assert status(stack, someone)[0] == "needs_reauth"
    asked = len(stack.store.requests(someone.shop_domain))
    stack.say(someone.merchant_id, someone.conversation_id, "How many customers do I have?")
    stack.gateway.wait_for_ends(someone.conversation_id, 3)
    stack.say(someone.merchant_id, someone.conversation_id, "Thank you")
    stack.gateway.wait_for_ends(someone.conversation_id, 4)
    assert "You're welcome" in stack.gateway.texts(someone.conversation_id)[-1]
    said = len(stack.gateway.texts(someone.conversation_id))
    assert len(stack.store.requests(someone.shop_domain)) == asked
    owed = "select count(*) from turns where conversation_id = :id and waits_for = 'store'"
    assert stack.rows(owed, id=someone.conversation_id)[0][0] >= 1
    stack.connect(someone.shop_domain, someone.merchant_id, size="tiny", token=f"shpat_again_{someone.merchant_id}")
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.wait_row(owed, lambda rows: rows == [(0,)], id=someone.conversation_id)
    wait_until(
        lambda: any("connected again" in words for words in stack.gateway.texts(someone.conversation_id)[said:]),
        limit=30,
        what="the answer that was owed",
    )


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


def test_the_auth_service_connects_a_shop_with_its_role(stack: Stack, someone: Someone) -> None:
    stack.store.register(someone.shop_domain, "tiny", "shpat_of_the_auth_service")
    database = Database(url_of("cj_auth", stack.database_url))
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


def test_every_process_connects_with_the_role_of_its_kind(stack: Stack) -> None:
    users = "select distinct application_name, usename from pg_stat_activity where application_name like 'cj-%'"
    kinds = ("intake", "workflow", "agent", "shopify")
    wanted = {(f"cj-{kind}", f"cj_{kind}") for kind in kinds}
    wait_until(lambda: wanted <= set(stack.rows(users)), what="a connection of every kind")
    assert not any("of the tables" in line or "may read tokens" in line for line in stack.lines)
