"""Which values in Redis count as a shop's token."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers.operations.redis_tokens import (
    LARGEST_VALUE,
    Outcome,
    Report,
    Unusable,
    UnusableOwners,
    read_entry,
    read_owners,
)

KEY = "merchant:acme.myshopify.com"
TOKEN = "shpat_0123456789abcdef"
GOOD: dict[str, Any] = {"shop_domain": "acme.myshopify.com", "access_token": TOKEN}


def raw(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_shop_is_read() -> None:
    entry = read_entry(KEY, raw())
    assert (entry.merchant_id, entry.shop_domain, entry.scopes) == (None, "acme.myshopify.com", ())
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
        (raw(merchant_id="a\u200bb"), "merchant_id"),  # no event could name it
        (raw(merchant_id="  "), "merchant_id"),
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
    [first, *_] = report.to_json()["keys"]
    assert first == vars(outcomes[0])


@pytest.mark.parametrize(
    "text",
    [
        "acme.myshopify.com,m1\nother.myshopify.com,m2\n",
        "\ufeffshop,merchant\r\nACME.myshopify.com, m1\r\n\r\nother.myshopify.com,m2\r\n",
        "name;Merchant ID;Shop Domain\nA & B;m1;acme.myshopify.com\nC;m2;other.myshopify.com",
        '"acme.myshopify.com"\t"m1"\n"other.myshopify.com"\t"m2"',
    ],
)
def test_a_file_says_whose_shops_they_are(tmp_path: Path, text: str) -> None:
    path = tmp_path / "merchants.csv"
    path.write_bytes(text.encode())
    assert read_owners(path).merchants == {"acme.myshopify.com": "m1", "other.myshopify.com": "m2"}


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (b"acme.shopify.com,m1", ["line 1: 'acme.shopify.com' is not a shop's domain, <name>.myshopify.com"]),
        (b"shop,merchant\nacme.myshopify.com", ["line 2: expected a shop and its merchant"]),
        (b"acme.myshopify.com,\n,m2", ["line 1: acme.myshopify.com has no merchant", "line 2: '' is not a shop's"]),
        (b"a1.myshopify.com,m1\nA1.myshopify.com,m1", ["line 2: a1.myshopify.com is already on line 1"]),
        (
            b"a1.myshopify.com,m1\nb1.myshopify.com,m2\nc1.myshopify.com,m1",
            ["line 3: merchant m1 has a1.myshopify.com on line 1; a merchant has one shop"],
        ),
        (b'a1.myshopify.com,"m1', ["line 1: unexpected end of data"]),
        (b"shop,merchant\n", ["names no shop"]),
        (b"", ["names no shop"]),
        (b"a1.myshopify.com,m\xe9", ["not UTF-8, at byte 18"]),
    ],
)
def test_a_file_that_cannot_be_used_says_why_line_by_line(tmp_path: Path, content: bytes, problems: list[str]) -> None:
    path = tmp_path / "merchants.csv"
    path.write_bytes(content)
    with pytest.raises(UnusableOwners) as refused:
        read_owners(path)
    found = str(refused.value).splitlines()
    assert len(found) == len(problems)
    for said, expected in zip(found, problems, strict=True):
        assert expected in said


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnusableOwners, match="No such file"):
        read_owners(tmp_path / "none.csv")
