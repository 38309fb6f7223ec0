"""What a client reserves before a request, what it gives back after, and what queries cost."""

import time
from dataclasses import dataclass, field

import httpx
import pytest

from shopify.data.query import NAMES, load_document
from shopify.development_store.cost import price_of
from shopify.development_store.resolvers import executable_schema
from shopify.errors import CostExceeded, ShopifyError, Temporary, Throttled
from shopify.rate_limit import QUERY_COSTS, QueryCosts, Throttle
from tests.shopify_answers import Shop, answer, cost, ok, throttled

COUNTS = load_document("counts")


@dataclass
class Notes:
    """A budget that lets everybody wait as long as it is told to, and notes what it was asked."""

    waits: list[float] = field(default_factory=list)
    reserved: list[tuple[str, str, float]] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    settled: list[tuple[str, str, float, float | None]] = field(default_factory=list)
    readings: list[Throttle | None] = field(default_factory=list)

    def reserve(self, shop_domain: str, reservation: str, points: float, *, longest_wait: float) -> float:
        self.reserved.append((shop_domain, reservation, points))
        self.longest.append(longest_wait)
        return self.waits.pop(0) if self.waits else 0.0

    def settle(
        self, shop_domain: str, reservation: str, points: float, charged: float | None, reading: Throttle | None
    ) -> None:
        self.settled.append((shop_domain, reservation, points, charged))
        self.readings.append(reading)


def test_the_cost_is_set_aside_and_corrected_from_the_answer() -> None:
    notes, shop = Notes(), Shop(ok({"orders": {"count": 1}}, available=1957, **cost(40, 33, 1957)))
    shop.client(budget=notes).execute(COUNTS)
    [(domain, name, points)] = notes.reserved
    assert (domain, points) == ("test.myshopify.com", 43)
    assert notes.settled == [(domain, name, 43, 33)]
    assert notes.readings == [Throttle(requested=40, actual=33, available=1957, maximum=2000, restore_rate=100)]
    assert shop.waits == []


def test_a_client_waits_as_long_as_the_budget_says() -> None:
    notes, shop = Notes(waits=[1.25]), Shop(ok({}))
    shop.client(budget=notes).execute(COUNTS)
    assert shop.waits == [1.25]
    assert 7.0 < notes.longest[0] <= 7.5  # eight seconds in all, half of one for the request


def test_a_wait_that_does_not_fit_is_told_at_once_and_shopify_is_not_asked() -> None:
    notes, shop = Notes(waits=[3.0]), Shop(ok({}))
    with pytest.raises(Throttled) as caught:
        shop.client(budget=notes).execute(COUNTS, deadline=time.monotonic() + 2.0)
    assert (caught.value.reason, caught.value.retry_after) == ("budget", 3.0)
    assert (shop.requests, shop.waits, notes.settled) == ([], [], [])


def test_every_try_has_a_reservation_of_its_own() -> None:
    notes = Notes()
    shop = Shop(throttled(40, 20), ok({}))
    shop.client(budget=notes).execute(COUNTS)
    assert len({name for _, name, _ in notes.reserved}) == 2
    assert [charged for *_, charged in notes.settled] == [0.0, 40]
    reading = notes.readings[0]
    assert reading is not None
    assert (reading.available, reading.actual) == (20, None)


@pytest.mark.parametrize(
    ("answers", "error", "charged"),
    [
        (answer(b"<html>", 503), Temporary, 0.0),  # before the query was executed
        (answer({"errors": "Not Found"}, 404), ShopifyError, 0.0),
        (httpx.ReadTimeout("late"), Temporary, None),  # perhaps executed
        (httpx.ConnectError("refused"), Temporary, None),
        (throttled(3000, 2000), CostExceeded, 0.0),
    ],
)
def test_what_failed_is_charged_unless_it_was_not_executed(
    answers: httpx.Response | Exception, error: type[ShopifyError], charged: float | None
) -> None:
    notes = Notes()
    with pytest.raises(error):
        Shop(answers).client(budget=notes).execute(COUNTS)
    assert notes.settled
    assert {spent for *_, spent in notes.settled} == {charged}
    assert len(notes.settled) == len(notes.reserved)


def test_without_a_budget_nothing_is_planned() -> None:
    shop = Shop(ok({}))
    shop.client().execute(COUNTS)
    assert shop.waits == []


WEEK = {"first": 100, "query": "created_at:>='2026-11-15T00:00:00Z'", "after": None, "withCustomers": True}


def test_the_constants_are_what_the_development_store_computes() -> None:
    schema, required = executable_schema(), {"query": "", "current": ""}
    computed = {
        each.operation_name: price_of(schema, each.node, required).requested for each in map(load_document, NAMES)
    }
    assert computed == QUERY_COSTS


def test_the_constants_count_until_shopify_has_told_its_own_figure() -> None:
    costs = QueryCosts()
    assert costs.of("WeekOrders", WEEK) == 113
    costs.learn("WeekOrders", WEEK, 123.0)
    assert costs.of("WeekOrders", WEEK) == 123
    assert costs.of("WeekOrders", {**WEEK, "after": "next", "query": "other"}) == 123
    assert costs.of("WeekOrders", {**WEEK, "first": 50}) == 113
    costs.learn("WeekOrders", {**WEEK, "first": 50}, 86.0)
    assert costs.of("WeekOrders", {**WEEK, "first": 50}) == 86
    assert costs.of("WeekOrders", {**WEEK, "withCustomers": False}) == 113
    assert costs.of("Counts", {}) == 43


def test_figures_that_cannot_be_are_not_learnt() -> None:
    costs = QueryCosts()
    for odd in (0.0, -1.0, 1001.0, 1e300):
        costs.learn("WeekOrders", WEEK, odd)
    assert costs.of("WeekOrders", WEEK) == 113


def test_a_query_that_is_not_ours_counts_as_the_dearest_until_it_is_known() -> None:
    costs = QueryCosts()
    assert costs.of("Other", {}) == 1000
    costs.learn("Other", {}, 7)
    assert costs.of("Other", {}) == 7
