"""What of `storage.merchants` needs no database."""

import hashlib

from storage import merchants, models


def test_the_hash_is_over_type_and_payload_whatever_the_order_of_keys() -> None:
    one = merchants.content_hash("t", {"b": 1, "a": "ü"})
    assert one == merchants.content_hash("t", {"a": "ü", "b": 1})
    assert one == hashlib.sha256('["t",{"a":"ü","b":1}]'.encode()).digest()
    assert one != merchants.content_hash("u", {"b": 1, "a": "ü"})


def test_python_and_postgres_mean_the_same_domains() -> None:
    assert f"^{merchants.SHOP_DOMAIN.pattern}$" == models.SHOP_DOMAIN
