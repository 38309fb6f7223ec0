from events.shop_domain import SHOP_DOMAIN
from storage import models


def test_the_schema_takes_every_domain_that_the_contract_takes() -> None:
    assert f"^{SHOP_DOMAIN.removeprefix('(?!xn--)')}$" == models.SHOP_DOMAIN
