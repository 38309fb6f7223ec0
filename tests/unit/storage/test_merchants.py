"""What of `storage.merchants` needs no database."""

import re

import pytest

from storage import merchants, models
from storage.errors import InvalidShopDomain


@pytest.mark.parametrize("name", ["a", "0-x", "a" * 62, "a" * 63])
def test_the_table_takes_every_domain_of_the_rule(name: str) -> None:
    domain = f"{name}.myshopify.com"
    assert merchants._shop_domain(domain.upper()) == domain
    assert re.search(models.SHOP_DOMAIN, domain)


@pytest.mark.parametrize("domain", ["xn--a.myshopify.com", "a" * 64 + ".myshopify.com", "\u212a.myshopify.com"])
def test_what_no_event_may_name_is_not_connected(domain: str) -> None:
    with pytest.raises(InvalidShopDomain, match=r"is not <name>\.myshopify\.com"):
        merchants._shop_domain(domain)
