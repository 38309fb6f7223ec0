"""Which values in Redis count as a shop's token."""

import json
from typing import Any

import pytest

from workers.operations.redis_tokens import LARGEST_VALUE, Outcome, Report, Unusable, read_entry

KEY = "merchant:acme.myshopify.com"
TOKEN = "shpat_0123456789abcdef"
GOOD: dict[str, Any] = {"shop_domain": "acme.myshopify.com", "access_token": TOKEN}


def raw(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_shop_is_read() -> None:
    entry = read_entry(KEY, raw())
    assert (entry.merchant_id, entry.shop_domain, entry.scopes) == ("acme", "acme.myshopify.com", ())
    assert entry.access_token.get_secret_value() == TOKEN
    assert TOKEN not in repr(entry)


@pytest.mark.parametrize("scopes", ["read_orders, read_products,", ["read_orders", "read_products", 7, " "]])
def test_scopes_are_a_list_or_a_text(scopes: object) -> None:
    assert read_entry(KEY, raw(scopes=scopes)).scopes == ("read_orders", "read_products")


def test_the_merchant_may_be_named() -> None:
    assert read_entry(KEY, raw(merchant_id="m 1")).merchant_id == "m 1"
    assert read_entry(KEY, raw(merchant_id=17)).merchant_id == "17"


def test_the_key_may_name_the_shop() -> None:
    assert read_entry(KEY, raw(shop_domain=None)).shop_domain == "acme.myshopify.com"
    assert read_entry("merchant:17", raw(shop_domain="ACME.myshopify.com")).shop_domain == "acme.myshopify.com"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "gone"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "bytes"),
        (b"[" * 60_000, "not JSON"),
        (b" " * (LARGEST_VALUE + 1), "bytes"),
        (b"[]", "JSON object"),
        (TOKEN.encode(), "not JSON"),
        (raw(shop_domain="acme.myshopify.com.evil.com"), "shop_domain"),
        (raw(shop_domain=["acme.myshopify.com"]), "shop_domain"),
        (raw(shop_domain="other.myshopify.com"), "a different shop"),
        (raw(access_token=None), "access_token"),
        (raw(access_token="short"), "access_token"),
        (raw(access_token=TOKEN + "\n"), "access_token"),
        (raw(access_token=TOKEN + " x"), "access_token"),
        (raw(merchant_id=True), "merchant_id"),
        (raw(merchant_id=""), "merchant_id"),
        (raw(merchant_id="a\x00b"), "merchant_id"),
    ],
)
def test_anything_else_is_refused_without_a_word_of_it(value: bytes | None, reason: str) -> None:
    with pytest.raises(Unusable, match=reason) as refused:
        read_entry(KEY, value)
    assert TOKEN not in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_report_counts() -> None:
    outcomes = (Outcome("a", "migrated", "x", True), Outcome("b", "skipped", "y"), Outcome("c", "failed", "z"))
    report = Report(outcomes, dry_run=False)
    assert report.counts == {"migrated": 1, "skipped": 1, "failed": 1, "deleted": 1}
    assert report.to_json()["keys"][0] == {"key": "a", "result": "migrated", "reason": "x", "deleted": True}
