"""What the granted scopes allow, and how far back orders reach."""

from datetime import UTC, datetime, timedelta, timezone

from shopify.data.query import CUSTOMERS, ORDERS, Scopes

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_unknown_scopes_are_tried() -> None:
    assert Scopes.of(None).allow(ORDERS)


def test_known_scopes_are_kept_to() -> None:
    scopes = Scopes.of(["read_orders"])
    assert scopes.allow(ORDERS)
    assert not scopes.allow(CUSTOMERS)
    assert not Scopes.of([]).allow(ORDERS)


def test_writing_includes_reading() -> None:
    assert Scopes.of({"write_orders"}).allow(ORDERS)


def test_all_orders_alone_grants_no_orders() -> None:
    assert not Scopes.of(["read_all_orders"]).allow(ORDERS)


def test_the_window_is_60_days() -> None:
    assert Scopes.of(["read_orders"]).data_window(NOW) == {
        "orders_from": "2026-09-23T12:00:00Z",
        "complete_history": False,
        "reason": "Shopify shows this app the orders of the last 60 days.",
    }


def test_the_window_is_told_in_utc() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert Scopes.of([]).data_window(tokyo)["orders_from"] == "2026-09-23T12:00:00Z"


def test_with_all_orders_there_is_no_window() -> None:
    for scope in ("read_all_orders", "write_all_orders"):
        window = Scopes.of(["read_orders", scope]).data_window(NOW)
        assert window == {"orders_from": None, "complete_history": True}


def test_unknown_scopes_promise_no_history() -> None:
    window = Scopes.of(None).data_window(NOW)
    assert window["complete_history"] is False


def test_a_shop_has_no_orders_from_before_it_was_created() -> None:
    young, old = NOW - timedelta(days=3), NOW - timedelta(days=61)
    opened = {"shop_opened": "2026-11-19T12:00:00Z"}
    assert Scopes.of([]).data_window(NOW, young) == {"orders_from": None, "complete_history": True, **opened}
    assert Scopes.of([]).data_window(NOW, old)["complete_history"] is False
