"""Which failures are tried again, how often, and after how long."""

from random import Random

import pytest

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
from shopify.retries import Retries

PLENTY = 8.0


def waits(failure: ShopifyError, remaining: float = PLENTY) -> list[float]:
    retries, found = Retries(Random(7)), []
    while (wait := retries.wait(failure, remaining)) is not None:
        found.append(wait)
        assert len(found) < 10
    return found


@pytest.mark.parametrize("kind", [Unauthorized, AccessDenied, ProtectedData, CostExceeded, BadDocument])
def test_what_is_final_is_never_tried_again(kind: type[ShopifyError]) -> None:
    assert waits(kind("x")) == []


@pytest.mark.parametrize(
    ("failure", "tries"),
    [
        (Throttled("x", reason="cost", retry_after=1.72), 2),
        (Throttled("x", reason="requests", retry_after=1.0), 2),
        (Temporary("x", reason="internal_error"), 2),
        (Temporary("x", reason="server_error"), 1),
        (Temporary("x", reason="timeout"), 1),
        (Temporary("x", reason="connection"), 1),
        (Temporary("x", reason="query_timeout"), 1),
        (Temporary("x", reason="deadline"), 0),
        (BadAnswer("x", reason="not_json"), 1),
    ],
)
def test_how_often(failure: ShopifyError, tries: int) -> None:
    assert len(waits(failure)) == tries


@pytest.mark.parametrize(
    "refusal",
    [
        StoreUnavailable("x", reason="not_found"),
        StoreUnavailable("x", reason="frozen"),
        Forbidden("x", reason="forbidden"),
        Temporary("x", reason="challenge"),
        Temporary("x", reason="unknown"),
        Unauthorized("x", reason="dead_grant"),
    ],
)
def test_one_refusal_is_not_final(refusal: ShopifyError) -> None:
    assert [1.0 <= wait <= 1.05 for wait in waits(refusal)] == [True]


def test_a_throttled_query_waits_exactly_plus_a_breath() -> None:
    for wait in waits(Throttled("x", reason="cost", retry_after=1.72)):
        assert 1.72 <= wait <= 1.77


@pytest.mark.parametrize("retry_after", [2.01, 60.0])
def test_a_long_wait_is_the_callers(retry_after: float) -> None:
    assert waits(Throttled("x", retry_after=retry_after)) == []
    assert waits(Temporary("x", reason="server_error", retry_after=retry_after)) == []


def test_a_wait_of_two_seconds_is_still_ours() -> None:
    assert len(waits(Throttled("x", retry_after=2.0))) == 2


def test_nothing_is_tried_past_the_deadline() -> None:
    assert waits(Throttled("x", retry_after=1.0), remaining=0.99) == []
    assert waits(Temporary("x", reason="server_error"), remaining=0.0) == []


def test_backoff_grows_and_differs() -> None:
    first, second = waits(Temporary("x", reason="internal_error"))
    assert 0.1 <= first <= 0.3
    assert 0.2 <= second <= 0.6
    dice = {round(Retries().wait(Temporary("x", reason="timeout"), PLENTY) or 0, 6) for _ in range(20)}
    assert len(dice) > 10


def test_kinds_of_failure_are_counted_apart() -> None:
    retries = Retries()
    failures = [
        Temporary("x", reason="connection"),
        Throttled("x", retry_after=0.5),
        Temporary("x", reason="internal_error"),
        Temporary("x", reason="timeout"),
    ]
    assert [retries.wait(failure, PLENTY) is not None for failure in failures] == [True, True, True, False]


def test_missing_points_are_waited_for_as_long_as_the_deadline_allows() -> None:
    dear = Throttled("x", reason="cost", retry_after=6.0)
    assert [6.0 <= wait <= 6.05 for wait in waits(dear)] == [True, True]
    assert waits(dear, remaining=6.4) == []  # that would leave no time for the request itself
    assert waits(Throttled("x", reason="requests", retry_after=6.0)) == []


def test_what_the_shops_budget_refused_is_not_tried_again() -> None:
    assert waits(Throttled("x", reason="budget", retry_after=0.1)) == []
