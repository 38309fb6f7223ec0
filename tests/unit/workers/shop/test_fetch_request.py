"""What a Shopify worker is asked for, and the key under which its answer is cached."""

from typing import Any

import pytest

from workers.shop.fetch import FetchRequest


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ({"data_type": "counts"}, "counts"),
        ({"data_type": "counts", "period": "today", "compare_to": "none"}, "counts"),
        ({"data_type": "sales"}, "sales.last_30_days.previous_period"),
        ({"data_type": "sales", "period": "today"}, "sales.today.previous_period"),
        ({"data_type": "sales", "period": "last_year", "compare_to": "none"}, "sales.last_year.none"),
    ],
)
def test_what_is_fetched_has_a_key_of_its_own(wanted: dict[str, Any], key: str) -> None:
    request = FetchRequest("m1", **wanted)
    assert request.key == key
    assert FetchRequest.from_json(request.to_json()) == request


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"merchant_id": "m1", "data_type": "profit"},
        {"merchant_id": 1, "data_type": "counts"},
        {"merchant_id": "m1", "data_type": "sales", "period": "FROM sales SHOW customer_email"},
        {"merchant_id": "m1", "data_type": "sales", "compare_to": "2026"},
    ],
)
def test_anything_else_is_no_request(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a fetch request"):
        FetchRequest.from_json(message)
