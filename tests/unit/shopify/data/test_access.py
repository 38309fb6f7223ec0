"""What a token may read."""

from typing import Any

import pytest

from shopify.data.query import fetch_access
from shopify.errors import BadAnswer
from tests.shopify_answers import Shop, ok, shop_access


def test_access() -> None:
    found = fetch_access(Shop(ok(shop_access("read_orders", "read_all_orders"))).client())
    assert found.scopes == {"read_orders", "read_all_orders"}
    assert (found.currency, found.time_zone) == ("EUR", "Europe/Berlin")


def test_no_scopes_are_an_answer() -> None:
    assert fetch_access(Shop(ok(shop_access())).client()).scopes == frozenset()


@pytest.mark.parametrize("installation", [None, [], {}, {"accessScopes": None}, {"accessScopes": "read_orders"}])
def test_without_a_list_of_scopes_there_is_no_answer(installation: Any) -> None:
    with pytest.raises(BadAnswer):
        fetch_access(Shop(ok({**shop_access(), "currentAppInstallation": installation})).client())


def test_odd_entries_and_an_odd_shop_are_left_out() -> None:
    scopes: list[Any] = [{"handle": "read_orders"}, None, {"handle": 7}, {"handle": "\u200b"}]
    found = fetch_access(Shop(ok({"currentAppInstallation": {"accessScopes": scopes}, "shop": None})).client())
    assert found.scopes == {"read_orders"}
    assert (found.currency, found.time_zone) == (None, None)


def test_a_time_zone_this_machine_does_not_know_is_none() -> None:
    assert fetch_access(Shop(ok(shop_access(zone="Mars/Olympus"))).client()).time_zone is None
