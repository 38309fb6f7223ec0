"""The shape of tool results, and how long they stay fresh."""

from datetime import UTC, datetime

import pytest

from events.data_types import DATA_TYPES
from shopify.data.fetched import Fetched, cut_short, missing_part
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
from workers.shop import results

AS_OF = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
WHOLE = Fetched({"orders": 7}, [], {"orders_from": None, "complete_history": True})


def test_what_shopify_gave_and_what_the_cache_makes_of_it() -> None:
    result = results.fetched("counts", WHOLE, AS_OF)
    assert result == {
        "success": True,
        "data_type": "counts",
        "data": {"orders": 7},
        "cached": False,
        "as_of": "2026-11-22T10:00:00+00:00",
        "data_window": {"orders_from": None, "complete_history": True},
    }
    assert results.cached("counts", result) == {**result, "cached": True}
    assert results.outcome(result) == "ok"


def test_parts_that_are_missing_are_kept_with_the_data() -> None:
    found = Fetched({"orders": 7}, [missing_part("customers", AccessDenied("x"))])
    result = results.fetched("overview", found, AS_OF)
    assert "data_window" not in result
    assert results.cached("overview", result)["missing"] == result["missing"]
    assert results.outcome(result) == "partial"


def test_a_refusal_says_when_to_ask_again_if_that_is_known() -> None:
    assert results.refused("counts", Temporary("operator's words", reason="timeout")) == {
        "success": False,
        "data_type": "counts",
        "error_code": "shopify.unavailable",
        "error": "Shopify does not answer at the moment.",
        "remedy": "wait",
    }
    assert results.refused("counts", Throttled("x", retry_after=12.3456))["retry_after"] == 12.35
    assert results.outcome(results.refused("counts", Temporary("x"))) == "error"


def test_old_data_says_what_it_stands_for() -> None:
    kept = results.fetched("counts", WHOLE, AS_OF)
    old = results.stale("counts", kept, results.refused("counts", Throttled("x", retry_after=9.0)))
    assert old["stale"] == {
        "code": "shopify.throttled",
        "reason": "Shopify asks us to slow down for a moment.",
        "retry_after": 9.0,
    }
    assert (old["success"], old["cached"], old["as_of"]) == (True, True, AS_OF.isoformat())
    assert results.outcome(old) == "stale"


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_whole_data_stays_fresh_longer_than_what_may_be_whole_at_the_next_try(data_type: str) -> None:
    def seconds(*missing: dict[str, str]) -> int:
        return results.fresh_seconds(results.fetched(data_type, Fetched({}, list(missing)), AS_OF))

    whole = seconds()
    assert whole >= 300
    assert seconds(missing_part("customers", AccessDenied("x")), cut_short("orders", "x")) == whole
    assert seconds(missing_part("orders", Temporary("x"))) == 30
    assert seconds(missing_part("customers", AccessDenied("x")), missing_part("orders", Throttled("x"))) == 30


@pytest.mark.parametrize("error", [Temporary, Throttled, BadAnswer, BadDocument, CostExceeded, Forbidden])
def test_trouble_that_says_nothing_against_what_was_read(error: type[ShopifyError]) -> None:
    assert error.code not in results.THE_STORE


@pytest.mark.parametrize("error", [Unauthorized, StoreUnavailable, AccessDenied, ProtectedData])
def test_trouble_after_which_the_store_is_not_ours_to_talk_about(error: type[ShopifyError]) -> None:
    assert error.code in results.THE_STORE


@pytest.mark.parametrize(("at", "seconds"), [("2026-11-22T04:55:00", 300), ("2026-11-22T05:00:00", 600)])
def test_days_of_a_shop_end_at_its_midnight(at: str, seconds: int) -> None:
    read = Fetched({"time_zone": "America/New_York"})
    assert results.fresh_seconds(results.fetched("sales", read, datetime.fromisoformat(f"{at}+00:00"))) == seconds
