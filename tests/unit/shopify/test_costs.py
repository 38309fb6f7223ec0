"""What a query costs: estimated first, then as Shopify said."""

from graphql import parse

from shopify.costs import Costs
from shopify.documents import load

WEEK = load("week_orders")
PAGE = {"first": 100, "query": "created_at:>='2026-11-15T00:00:00Z'", "after": None, "withCustomers": True}


def test_the_estimate_counts_until_shopify_has_spoken() -> None:
    costs = Costs()
    assert costs.of(WEEK, PAGE) == 110
    costs.learn(WEEK, PAGE, 123.0)
    assert costs.of(WEEK, PAGE) == 123
    assert costs.of(WEEK, {**PAGE, "after": "next", "query": "other"}) == 123
    assert costs.of(WEEK, {**PAGE, "first": 50}) == 86
    assert costs.of(WEEK, {**PAGE, "withCustomers": False}) < 110
    assert costs.of(load("counts"), {}) == 40


def test_figures_that_cannot_be_are_not_learnt() -> None:
    costs = Costs()
    for odd in (0.0, -1.0, 1001.0, 1e300):
        costs.learn(WEEK, PAGE, odd)
    assert costs.of(WEEK, PAGE) == 110


def test_a_document_without_a_name_is_estimated_each_time() -> None:
    costs, small, large = Costs(), parse("{ shop { name } }"), parse("{ ordersCount { count } }")
    costs.learn(small, {}, 77)
    assert (costs.of(small, {}), costs.of(large, {})) == (1, 10)
