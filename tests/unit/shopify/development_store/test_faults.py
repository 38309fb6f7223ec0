"""ActiveFaults and how often they strike."""

import pytest

from shopify.development_store.faults import GRAPHQL, OAUTH, ActiveFaults, StoreFault, UnknownFault

SHOP = "a.myshopify.com"


def hits(faults: ActiveFaults, shop: str = SHOP, target: str = GRAPHQL, operation: str | None = "Counts") -> set[str]:
    return set(faults.strike(shop, target, operation))


def test_a_fault_strikes_as_often_as_it_was_told_to() -> None:
    faults = ActiveFaults()
    faults.add(StoreFault(kind="throttled", shop_domain=SHOP, times=2))
    assert [hits(faults) for _ in range(3)] == [{"throttled"}, {"throttled"}, set()]


def test_without_a_number_it_strikes_until_it_is_cleared() -> None:
    faults = ActiveFaults()
    faults.add(StoreFault(kind="frozen", shop_domain=SHOP))
    assert all(hits(faults) == {"frozen"} for _ in range(5))
    faults.clear(SHOP)
    assert hits(faults) == set()


def test_it_can_let_some_requests_pass_first() -> None:
    faults = ActiveFaults()
    faults.add(StoreFault(kind="dropped", shop_domain=SHOP, times=1, skip=2))
    assert [hits(faults) for _ in range(4)] == [set(), set(), {"dropped"}, set()]


def test_it_concerns_one_shop_one_operation_one_target() -> None:
    faults = ActiveFaults()
    faults.add(StoreFault(kind="throttled", shop_domain=SHOP, operation="Counts"))
    faults.add(StoreFault(kind="dropped", shop_domain=None, target=OAUTH))
    assert hits(faults, "b.myshopify.com") == set()
    assert hits(faults, operation="RecentOrders") == set()
    assert hits(faults) == {"throttled"}
    assert hits(faults, "b.myshopify.com", OAUTH, None) == {"dropped"}


def test_several_strike_together_and_the_same_kind_one_after_the_other() -> None:
    faults = ActiveFaults()
    faults.add(StoreFault(kind="latency", shop_domain=SHOP, seconds=0.1))
    faults.add(StoreFault(kind="status", shop_domain=SHOP, times=1, status=503))
    faults.add(StoreFault(kind="status", shop_domain=SHOP, times=1, status=502))
    struck = [faults.strike(SHOP, GRAPHQL, None) for _ in range(3)]
    assert [s.get("status") and s["status"].status for s in struck] == [503, 502, None]
    assert all("latency" in s for s in struck)


def test_clearing_picks_a_shop_a_kind_or_everything() -> None:
    faults = ActiveFaults()
    for shop in (SHOP, "b.myshopify.com"):
        for kind in ("frozen", "dropped"):
            faults.add(StoreFault(kind=kind, shop_domain=shop))
    faults.clear(SHOP, "frozen")
    assert hits(faults) == {"dropped"}
    faults.clear(kind="dropped")
    assert hits(faults) == set()
    assert hits(faults, "b.myshopify.com") == {"frozen"}
    faults.clear()
    assert faults.shown() == []


def test_an_unknown_fault_is_refused_with_the_list() -> None:
    with pytest.raises(UnknownFault, match=r"no fault 'explode'; there are: latency, hang"):
        StoreFault(kind="explode")
    with pytest.raises(UnknownFault, match="target"):
        StoreFault(kind="frozen", target="webhooks")
