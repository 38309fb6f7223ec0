"""The life of a token."""

from shopify.development_store.tokens import Tokens, token_for

SHOP = "a.myshopify.com"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def renewable() -> tuple[Tokens, Clock]:
    clock = Clock()
    tokens = Tokens(clock)
    tokens.issue(SHOP, "access-1", expires_in=3_600, refresh_token="refresh-1")
    return tokens, clock


def test_a_development_token_looks_like_a_real_one() -> None:
    assert token_for(SHOP) == token_for(SHOP) != token_for("b.myshopify.com")
    assert token_for(SHOP).startswith("shpat_")
    assert len(token_for(SHOP)) == 38


def test_a_token_opens_its_own_shop_only() -> None:
    tokens = Tokens()
    tokens.issue(SHOP, "secret")
    assert tokens.find(SHOP, "secret") is not None
    assert tokens.find("b.myshopify.com", "secret") is None
    assert tokens.find(SHOP, "Secret") is None
    assert tokens.find(SHOP, "") is None


def test_an_access_token_expires_and_is_renewed() -> None:
    tokens, clock = renewable()
    clock.now = 3_600.0
    assert tokens.find(SHOP, "access-1") is None
    pair = tokens.refresh(SHOP, "refresh-1")
    assert pair is not None
    assert (pair["expires_in"], pair["refresh_token_expires_in"]) == (3_600, 7_776_000)
    assert tokens.find(SHOP, pair["access_token"]) is not None
    clock.now = 7_200.0
    assert tokens.find(SHOP, pair["access_token"]) is None


def test_the_old_refresh_token_works_until_the_new_pair_is_used() -> None:
    tokens, _ = renewable()
    lost = tokens.refresh(SHOP, "refresh-1")
    second = tokens.refresh(SHOP, "refresh-1")
    assert lost is not None
    assert second is not None
    assert lost["refresh_token"] != second["refresh_token"]
    assert tokens.find(SHOP, second["access_token"]) is not None
    assert tokens.refresh(SHOP, "refresh-1") is None
    assert tokens.refresh(SHOP, lost["refresh_token"]) is None
    assert tokens.find(SHOP, lost["access_token"]) is None
    assert tokens.refresh(SHOP, second["refresh_token"]) is not None


def test_using_the_new_refresh_token_settles_it_too() -> None:
    tokens, _ = renewable()
    first = tokens.refresh(SHOP, "refresh-1")
    assert first is not None
    assert tokens.refresh(SHOP, first["refresh_token"]) is not None
    assert tokens.refresh(SHOP, "refresh-1") is None


def test_the_old_access_token_lives_out_its_hour() -> None:
    tokens, clock = renewable()
    pair = tokens.refresh(SHOP, "refresh-1")
    assert pair is not None
    assert tokens.find(SHOP, pair["access_token"]) is not None
    assert tokens.find(SHOP, "access-1") is not None
    clock.now = 3_600.0
    assert tokens.find(SHOP, "access-1") is None


def test_a_refresh_token_dies_after_ninety_days_or_at_another_shop() -> None:
    tokens, clock = renewable()
    assert tokens.refresh("b.myshopify.com", "refresh-1") is None
    clock.now = 7_776_000.0
    assert tokens.refresh(SHOP, "refresh-1") is None
    assert tokens.refresh(SHOP, "never issued") is None


def test_uninstalling_kills_everything() -> None:
    tokens, _ = renewable()
    pair = tokens.refresh(SHOP, "refresh-1")
    assert pair is not None
    tokens.revoke(SHOP)
    for text in ("access-1", pair["access_token"]):
        assert tokens.find(SHOP, text) is None
    for refresh in ("refresh-1", pair["refresh_token"]):
        assert tokens.refresh(SHOP, refresh) is None


def test_expiring_leaves_the_refresh_token() -> None:
    tokens, _ = renewable()
    tokens.expire(SHOP)
    assert tokens.find(SHOP, "access-1") is None
    assert tokens.refresh(SHOP, "refresh-1") is not None
