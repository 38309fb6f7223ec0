"""What of `storage.merchants` needs no database."""

import hashlib

from events.shop_domain import SHOP_DOMAIN
from storage import merchants, models


def test_the_hash_is_over_type_and_payload_whatever_the_order_of_keys() -> None:
    one = merchants.content_hash("t", {"b": 1, "a": "ü"})
    assert one == merchants.content_hash("t", {"a": "ü", "b": 1})
    assert one == hashlib.sha256('["t",{"a":"ü","b":1}]'.encode()).digest()
    assert one != merchants.content_hash("u", {"b": 1, "a": "ü"})


def test_the_schema_takes_every_domain_that_the_contract_takes() -> None:
    assert f"^{SHOP_DOMAIN.removeprefix('(?!xn--)')}$" == models.SHOP_DOMAIN
