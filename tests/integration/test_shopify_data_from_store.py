"""All kinds of store data over HTTP from the development store, compared with the store's contents."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import SecretStr

from events.data_types import DATA_TYPES
from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.data.fetched import LARGEST_BYTES, Fetched
from shopify.data.query import fetch_access
from shopify.development_store import DevelopmentStore, token_for
from shopify.errors import (
    AccessDenied,
    BadAnswer,
    BadDocument,
    CostExceeded,
    Forbidden,
    ProtectedData,
    ShopifyError,
    StoreUnavailable,
    Temporary,
    Throttled,
    Unauthorized,
)

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
SIZES = {"new": 0, "tiny": 7, "medium": 120, "large": 1_500, "huge": 12_000}
SCOPES = ("read_customers", "read_orders", "read_products", "read_reports")
ALL_SCOPES = (*SCOPES, "read_all_orders")


@pytest.fixture(scope="module")
def running() -> Iterator[DevelopmentStore]:
    with DevelopmentStore(now=NOW).start() as store:
        yield store


@pytest.fixture
def store(running: DevelopmentStore) -> DevelopmentStore:
    running.reset()
    return running


class Connected:
    """A shop of the store and a client for it."""

    def __init__(self, store: DevelopmentStore, http: httpx.Client, name: str, **settings: Any) -> None:
        self.domain = f"{name}.myshopify.com"
        self.store = store
        self.scopes = tuple(settings.pop("scopes", SCOPES))
        store.register(self.domain, now=NOW, scopes=self.scopes, **settings)
        self.client = ShopifyClient(
            self.domain, SecretStr(token_for(self.domain)), admin_url=store.admin_url, http=http
        )

    def fetch(self, data_type: str, *, known: bool = True, **details: Any) -> Fetched:
        return fetch(self.client, data_type, scopes=self.scopes if known else None, now=NOW, **details)

    @property
    def truth(self) -> dict[str, Any]:
        return self.store.truth(self.domain)

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.store.requests(self.domain)

    def this_week(self) -> list[Any]:
        """The orders since the shop's midnight six days ago, computed independently of the client."""
        zone = ZoneInfo(self.truth["time_zone"])
        days = {(NOW.astimezone(zone).toordinal() - n) for n in range(7)}
        orders = self.store.shop(self.domain).contents.orders
        return [order for order in orders if datetime.fromtimestamp(order.created_at, zone).toordinal() in days]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_every_kind_from_every_size(store: DevelopmentStore, http: httpx.Client, size: str, data_type: str) -> None:
    shop = Connected(store, http, "any", size=size)
    found = shop.fetch(data_type)
    assert {entry["code"] for entry in found.missing} <= {"shopify.truncated"}
    assert len(json.dumps(found.data, allow_nan=False)) <= LARGEST_BYTES
    window = {
        "orders_from": "2026-09-23T15:00:00Z",
        "complete_history": False,
        "reason": "Shopify shows this app the orders of the last 60 days.",
    }
    if size in ("new", "tiny"):  # younger than that
        opened = (found.data_window or {}).get("shop_opened", "")
        assert data_type == "sales" or "2026-09-23" < opened < "2026-11-23"
        window = {"orders_from": None, "complete_history": True, "shop_opened": opened}
    assert found.data_window == (None if data_type == "sales" else window)
    assert {request["status"] for request in shop.requests} == {200}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scopes", [SCOPES, ALL_SCOPES])
def test_counts_are_true(store: DevelopmentStore, http: httpx.Client, size: str, scopes: tuple[str, ...]) -> None:
    shop = Connected(store, http, "counted", size=size, scopes=scopes)
    data, truth = shop.fetch("counts").data, shop.truth
    for part in ("customers", "orders", "open_orders", "unfulfilled_orders"):
        assert data[part] == min(truth[part], 10_000)
    assert data["at_least"] == [part for part in data if part != "at_least" and truth[part] > 10_000]
    assert ("orders" in data["at_least"]) == (size == "huge")


@pytest.mark.parametrize(("size", "currency"), [("tiny", "EUR"), ("medium", "JPY"), ("large", "USD")])
def test_sales_are_those_of_the_days(store: DevelopmentStore, http: httpx.Client, size: str, currency: str) -> None:
    """Of all orders, however far back the app may see them, by the shop's clock."""
    shop = Connected(store, http, "sold", size=size, currency=currency)
    found = shop.fetch("sales", period="last_90_days", compare_to="previous_year").data
    zone = ZoneInfo(shop.truth["time_zone"])
    orders = [order for order in store.shop(shop.domain).contents.orders if not order.test]
    today = NOW.astimezone(zone).date()
    for name, last in (("current", today - timedelta(days=1)), ("previous", date(2025, 11, 21))):
        days = {last - timedelta(days=ago) for ago in range(90)}
        placed = [order for order in orders if datetime.fromtimestamp(order.created_at, zone).date() in days]
        ended = [order for order in orders if datetime.fromtimestamp(order.updated_at, zone).date() in days]
        gross = sum(line.unit_price.amount * line.quantity for order in placed for line in order.lines)
        net_and_shipping = sum(order.total.amount for order in placed) - sum(
            order.total.amount - order.current_total.amount for order in ended
        )
        shown = found[name]
        assert shown["orders"] == len(placed)
        assert Decimal(shown["gross_sales"]["amount"]) == gross
        assert Decimal(shown["total_sales"]["amount"]) == net_and_shipping
        assert shown["total_sales"]["currency"] == currency


def test_without_the_permission_for_reports_the_rest_is_as_ever(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "shut", scopes=ALL_SCOPES[:3])
    with pytest.raises(AccessDenied, match="read_reports"):
        shop.fetch("sales")
    with pytest.raises(AccessDenied, match="read_reports"):
        shop.fetch("sales", known=False)
    assert shop.fetch("counts").data["orders"] == shop.truth["orders"]
    shop = Connected(store, http, "unapproved", protected_customer_data=False)
    with pytest.raises(ProtectedData):
        shop.fetch("sales")


@pytest.mark.parametrize("size", SIZES)
def test_latest_orders_are_the_latest(store: DevelopmentStore, http: httpx.Client, size: str) -> None:
    shop = Connected(store, http, "latest", size=size)
    data = shop.fetch("recent_orders").data
    assert [order["name"] for order in data["orders"]][:10] == shop.truth["latest_orders"]
    real = [order for order in data["orders"] if not order["test"] and not order["cancelled"]]
    assert len(real) == min(10, len(shop.truth["latest_orders"]))
    assert data["more"] == (shop.truth["orders"] > 10)
    assert all(Decimal(order["total"]["amount"]) >= 0 for order in data["orders"])
    overview = shop.fetch("overview").data["recent_orders"]
    assert [order["name"] for order in overview] == [order["name"] for order in data["orders"]]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"])
@pytest.mark.parametrize("size", ["new", "tiny", "medium", "large"])
def test_a_week_adds_up(store: DevelopmentStore, http: httpx.Client, size: str, zone: str) -> None:
    shop = Connected(store, http, "weekly", size=size, time_zone=zone)
    data, orders = shop.fetch("week_orders").data, shop.this_week()
    counted = [order for order in orders if not order.test and not order.cancelled_at]
    assert data["time_zone"] == zone
    assert data["truncated"] is False
    assert data["orders_counted"] == len(counted)
    assert data["test_orders"] == sum(order.test for order in orders)
    assert len(data["orders"]) + data["orders_not_shown"] == len(orders)
    days = Counter(datetime.fromtimestamp(order.created_at, ZoneInfo(zone)).date().isoformat() for order in counted)
    assert {day["date"]: day["orders"] for day in data["by_day"] if day["orders"]} == days
    assert len(data["by_day"]) == 7
    total = sum((order.total.amount for order in counted), Decimal(0))
    assert sum((Decimal(entry["amount"]) for entry in data["totals"]), Decimal(0)) == total
    assert sum(Decimal(t["amount"]) for day in data["by_day"] for t in day["totals"]) == total


def test_a_huge_week_is_bounded_and_says_so(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "huge", size="huge")
    found = shop.fetch("week_orders")
    assert found.data["truncated"] is True
    assert found.data["orders_counted"] + found.data["test_orders"] + found.data["cancelled_orders"] == 1000
    assert found.data["covered_from"] > found.data["from"]
    assert "1,000 orders" in found.missing[0]["reason"]
    assert [request["operation"] for request in shop.requests] == ["Access"] + ["WeekOrders"] * 10


def test_a_known_time_zone_saves_a_request(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "zoned", size="tiny")
    asked = shop.fetch("week_orders", time_zone=shop.truth["time_zone"])
    assert [request["operation"] for request in shop.requests] == ["WeekOrders"]
    assert asked == shop.fetch("week_orders")


def test_access_is_told(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "access", currency="JPY", scopes=ALL_SCOPES)
    told = fetch_access(shop.client)
    assert told.scopes == set(ALL_SCOPES)
    assert (told.currency, told.time_zone) == ("JPY", "Asia/Tokyo")


def test_yen_and_a_change_of_currency(store: DevelopmentStore, http: httpx.Client) -> None:
    yen = Connected(store, http, "yen", size="medium", currency="JPY").fetch("recent_orders").data["orders"]
    assert all("." not in order["total"]["amount"] for order in yen)
    assert {order["total"]["currency"] for order in yen} == {"JPY"}


@pytest.mark.parametrize("known", [True, False])
def test_without_the_scope_for_customers(store: DevelopmentStore, http: httpx.Client, known: bool) -> None:
    shop = Connected(store, http, "shy", scopes=("read_orders", "read_products"))
    for data_type in set(DATA_TYPES) - {"sales"}:
        found = shop.fetch(data_type, known=known)
        assert [(entry["part"], entry["code"]) for entry in found.missing if entry["code"] != "shopify.truncated"] == [
            ("customers", "shopify.access_denied")
        ], data_type
        assert "may not read your customers" in found.missing[0]["reason"]
    assert "customers" not in shop.fetch("week_orders", known=known).data


@pytest.mark.parametrize("known", [True, False])
def test_without_the_scope_for_orders(store: DevelopmentStore, http: httpx.Client, known: bool) -> None:
    shop = Connected(store, http, "closed", scopes=("read_customers", "read_products"))
    counts = shop.fetch("counts", known=known)
    assert counts.data["customers"] == shop.truth["customers"]
    assert [entry["part"] for entry in counts.missing] == ["orders", "open_orders", "unfulfilled_orders"]
    overview = shop.fetch("overview", known=known)
    assert overview.data["recent_orders"] == []
    assert overview.data["best_stocked_products"]
    assert [entry["part"] for entry in overview.missing] == ["recent_orders"]
    for data_type in ("recent_orders", "week_orders"):
        with pytest.raises(AccessDenied) as caught:
            shop.fetch(data_type, known=known)
        assert caught.value.scopes == ("read_orders",)


@pytest.mark.parametrize("known", [True, False])
def test_without_any_scope_there_is_still_the_shop(store: DevelopmentStore, http: httpx.Client, known: bool) -> None:
    shop = Connected(store, http, "bare", scopes=())
    found = shop.fetch("overview", known=known)
    assert found.data["shop"]["name"] == shop.truth["name"]
    assert {entry["part"] for entry in found.missing} >= {"recent_orders", "best_stocked_products"}
    with pytest.raises(AccessDenied):
        shop.fetch("counts", known=known)


def test_stored_scopes_that_are_out_of_date_are_corrected_by_the_answer(
    store: DevelopmentStore, http: httpx.Client
) -> None:
    shop = Connected(store, http, "stale", scopes=("read_orders",))
    found = fetch(shop.client, "overview", scopes=ALL_SCOPES, now=NOW)
    assert found.data["recent_orders"]
    assert {entry["part"] for entry in found.missing} == {"best_stocked_products", "customers"}


def test_protected_customers(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "protected", protected_customer_data=False)
    for data_type in ("recent_orders", "week_orders", "overview"):
        found = shop.fetch(data_type)
        parts = {entry["part"]: entry["code"] for entry in found.missing if entry["code"] != "shopify.truncated"}
        assert parts == {"customers": "shopify.protected_data"}, data_type
        assert found.data.get("orders") or found.data["recent_orders"]


@pytest.mark.parametrize("data_type", ["counts", "week_orders"])
@pytest.mark.parametrize(
    ("fault", "details", "kind", "reason"),
    [
        ("unauthorized", {}, Unauthorized, "invalid_token"),
        ("non_expiring", {}, Unauthorized, "non_expiring_token"),
        ("ip_not_allowed", {}, Forbidden, "ip_allowlist"),
        ("frozen", {}, StoreUnavailable, "frozen"),
        ("fraudulent", {}, None, None),
        ("not_found", {}, StoreUnavailable, "not_found"),
        ("locked", {}, StoreUnavailable, "locked"),
        ("inactive", {}, StoreUnavailable, "inactive"),
        ("redirect", {"location": "http://127.0.0.1:9/"}, StoreUnavailable, "moved"),
        ("too_many_requests", {"seconds": 30.0}, Throttled, "requests"),
        ("max_cost_exceeded", {}, CostExceeded, "query"),
        ("internal_error", {}, Temporary, "internal_error"),
        ("timeout", {}, Temporary, "query_timeout"),
        ("status", {"status": 500}, Temporary, "server_error"),
        ("status", {"status": 502}, Temporary, "server_error"),
        ("status", {"status": 504}, Temporary, "server_error"),
        ("status", {"status": 520}, Temporary, "server_error"),
        ("status", {"status": 430}, Temporary, "challenge"),
        ("undefined_field", {}, BadDocument, "query"),
        ("invalid_variable", {}, BadDocument, "variable"),
        ("dropped", {}, Temporary, "connection"),
        ("truncated", {}, Temporary, "connection"),
        ("html", {}, BadAnswer, "not_json"),
        ("not_an_object", {}, BadAnswer, "shape"),
        ("huge_body", {}, BadAnswer, "too_large"),
        ("gzip_bomb", {}, BadAnswer, "too_large"),
        ("hang", {}, Temporary, "timeout"),
        ("slow_body", {}, Temporary, "timeout"),
        ("latency", {"seconds": 30.0}, Temporary, "timeout"),
    ],
)
def test_every_trouble_has_its_name(
    store: DevelopmentStore,
    http: httpx.Client,
    data_type: str,
    fault: str,
    details: dict[str, Any],
    kind: type[ShopifyError] | None,
    reason: str | None,
) -> None:
    shop = Connected(store, http, "troubled", size="tiny")
    store.fault(shop.domain, fault, **details)
    slow = fault in ("hang", "slow_body", "latency")
    with pytest.raises(ShopifyError) as caught:
        shop.fetch(data_type, deadline=time.monotonic() + (0.5 if slow else 8.0))
    error = caught.value
    if kind is not None:
        assert (type(error), error.reason) == (kind, reason)
    assert token_for(shop.domain) not in f"{error!r} {vars(error)}"
    assert error.merchant


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize(
    "fault", ["throttled", "internal_error", "timeout", "status", "dropped", "truncated", "html", "too_many_requests"]
)
def test_trouble_that_passes_is_not_noticed(
    store: DevelopmentStore, http: httpx.Client, data_type: str, fault: str
) -> None:
    shop = Connected(store, http, "recovering", size="tiny")
    details = {"seconds": 0.1} if fault == "too_many_requests" else {}
    store.fault(shop.domain, fault, times=1, **details)
    found = shop.fetch(data_type)
    assert found.missing == []
    assert len(shop.requests) >= 2


def test_an_empty_bucket_is_waited_for(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "thirsty", size="tiny")
    store.bucket(shop.domain).set(0.0)
    started = time.monotonic()
    assert shop.fetch("counts").missing == []
    assert 0.35 <= time.monotonic() - started < 1.2, "40 points at 100 a second"


def test_an_ignored_filter_is_a_defect_not_a_number(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "ignored", size="tiny")
    store.fault(shop.domain, "ignored_search")
    with pytest.raises(BadDocument) as caught:
        shop.fetch("counts")
    assert caught.value.reason == "search"


def test_a_cursor_that_never_ends(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "circle", size="medium")
    store.fault(shop.domain, "endless_cursor")
    found = shop.fetch("week_orders")
    assert found.data["truncated"] is True
    assert len(shop.requests) <= 3


def test_well_formed_nonsense_is_missing_not_fatal(store: DevelopmentStore, http: httpx.Client) -> None:
    shop = Connected(store, http, "nonsense", size="medium")
    store.fault(shop.domain, "wrong_types")
    for data_type in ("recent_orders", "overview", "week_orders"):
        found = shop.fetch(data_type)
        assert "shopify.bad_answer" in {entry["code"] for entry in found.missing}, data_type
        json.dumps(found.data, allow_nan=False)
