"""What can never be taken and what leads in circles, found by trying; and nothing claimed that is not so."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.check.reach import Exit, circles, contexts, never_taken
from workflows.expression.evaluate import condition
from workflows.expression.kinds import Choice
from workflows.expression.parse import parse

FIELDS = {
    "provider": "string",
    "success": "boolean",
    "turns": "number",
    "fetched": Choice("list", ("counts", "overview"), "data type"),
    "anything": None,
    "shop": {"plan": "string"},
}


def never(*sources: str) -> list[tuple[int, int | None]]:
    return list(never_taken([condition(source) for source in sources], FIELDS))


@pytest.mark.parametrize(
    "source",
    [
        "false",
        "not true",
        "provider == 'a' and provider == 'b'",
        "provider == 'a' and not provider == 'a'",
        "success == true and success == false",
        "turns > 3 and turns < 2",
        "turns > 3 and turns <= 3",
        "provider in ['a'] and provider in ['b']",
        "'counts' in fetched and 'counts' not in fetched",
        "shop.plan == 'a' and shop.plan == 'b'",
        "provider == null and provider != null",
        "anything == 1 and anything == true",
    ],
)
def test_what_never_holds(source: str) -> None:
    assert never(source) == [(0, None)]


@pytest.mark.parametrize(
    "source",
    [
        "true",
        "success",
        "not success",
        "success != true and success != false",
        "provider != 'a' and provider != 'b' and provider != null",
        "turns > 3 and turns < 4",
        "turns != 3 and turns > 2.9 and turns < 3.1",
        "'counts' in fetched and 'overview' not in fetched",
        "fetched == [] or fetched != []",
        "anything and anything != true",
        "anything == true or anything == 1 and not anything == 'x'",
        "'a' in anything and 'b' in anything",
        "'a' in provider and not 'b' in provider and 'c' in provider",
        "provider == shop.plan",
        "provider < 'b' and provider > 'a'",
        "fetched[0] == 'counts' and fetched[0] == 'overview'",  # false, but not claimed: places in lists are not tried
        "shop == null and shop.plan == 'a'",
    ],
)
def test_what_may_hold_is_not_complained_about(source: str) -> None:
    assert never(source) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["true", "success"], [(1, 0)]),
        (["success == true", "success == false", "success == null", "true"], [(3, 2)]),
        (["success == true", "success == false", "true"], []),
        (["success == true", "success != true", "provider == 'a'"], [(2, 1)]),
        (["provider == 'a'", "provider in ['a', 'b']", "provider == 'b'"], [(2, 1)]),
        (["provider == 'a'", "provider == 'a'"], [(1, 0)]),
        (["turns > 3", "turns > 10"], [(1, 0)]),
        (["turns > 10", "turns > 3"], []),
        (["false", "true"], [(0, None)]),
        (["'a' in provider", "'ab' in provider"], []),
        (["true", "'ab' in provider"], []),
    ],
)
def test_what_is_never_reached(sources: list[str], expected: list[tuple[int, int | None]]) -> None:
    assert never(*sources) == expected


def test_a_condition_that_is_not_understood_takes_nothing() -> None:
    assert list(never_taken([None, condition("success"), condition("success")], FIELDS)) == [(2, 1)]


def test_too_many_combinations_are_not_tried() -> None:
    fields = {f"f{number}": "string" for number in range(20)}
    source = " and ".join(f"{name} == 'a'" for name in fields)
    assert contexts([parse(source)], fields) is None
    assert list(never_taken([condition(source), condition(source)], fields)) == []


ATOMS = [
    "success",
    "success == false",
    "provider == 'a'",
    "provider != 'b'",
    "provider in ['a', 'c']",
    "turns > 2",
    "turns <= 1.5",
    "turns == 2",
    "'counts' in fetched",
    "'overview' not in fetched",
    "anything",
    "anything == 1",
    "anything == true",
    "provider == null",
]
VALUES: dict[str, list[Any]] = {
    "success": [None, True, False],
    "provider": [None, "a", "b", "c", "zzz", ""],
    "turns": [None, -1, 0, 1, 1.5, 1.75, 2, 2.5, 3, 99],
    "fetched": [None, [], ["counts"], ["overview"], ["counts", "overview"], ["x"]],
    "anything": [None, True, False, 1, 0, "x", ""],
}


@st.composite
def conditions(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=4))
    source = parts[0] if draw(st.booleans()) else f"not ({parts[0]})"
    for part in parts[1:]:
        source = f"({source}) {draw(st.sampled_from(['and', 'or']))} {part}"
    return source


@settings(max_examples=120, deadline=None, derandomize=True)
@given(conditions(), conditions())
def test_every_claim_is_true_of_many_other_values(first: str, second: str) -> None:
    claims = dict(never(first, second))
    if not claims:
        return
    one, two = condition(first), condition(second)
    for values in itertools.product(*VALUES.values()):
        data = dict(zip(VALUES, values, strict=True))
        if 0 in claims:
            assert not one.holds(data), (first, data)
        if 1 in claims:
            assert not two.holds(data) or (claims[1] == 0 and one.holds(data)), (first, second, data)


def ways(**exits: list[tuple[str, str]]) -> dict[str, list[Exit]]:
    return {
        name: [Exit(f"to_{target}", condition(source), target) for source, target in found]
        for name, found in exits.items()
    }


def test_a_circle_whatever_the_context() -> None:
    (circle,) = circles(
        ways(a=[("success == true", "b")], b=[("turns > 3", "x"), ("success == true", "a")], x=[]), FIELDS
    )
    assert (circle.workflows, circle.exit.name, circle.always) == (("a", "b", "a"), "to_b", False)
    (circle,) = circles(ways(a=[("success == true", "b")], b=[("success != false", "a")]), FIELDS)
    assert (circle.workflows, circle.always) == (("a", "b", "a"), True)


def test_a_circle_in_the_plainest_context_that_has_it() -> None:
    (circle,) = circles(ways(a=[("'counts' in fetched", "b")], b=[("success == false", "a")]), FIELDS)
    assert circle.context == {"fetched": ["counts"], "success": False}
    assert not circle.always


def test_a_circle_over_three() -> None:
    (circle,) = circles(ways(a=[("true", "b")], b=[("true", "c")], c=[("true", "a")], d=[("true", "a")]), FIELDS)
    assert circle.workflows == ("a", "b", "c", "a")


def test_the_way_out_may_depend_on_the_workflow() -> None:
    there_and_back = ways(a=[("workflow == 'a'", "b")], b=[("workflow == 'b'", "a")])
    assert [circle.always for circle in circles(there_and_back, {**FIELDS, "workflow": "string"})] == [True]
    never_back = ways(a=[("workflow == 'a'", "b")], b=[("workflow == 'a'", "a")])
    assert list(circles(never_back, {**FIELDS, "workflow": "string"})) == []


@pytest.mark.parametrize(
    "exits",
    [
        ways(a=[("success == true", "b")], b=[("success == false", "a")]),
        ways(a=[("turns > 3", "b")], b=[("turns <= 3", "a")]),
        ways(a=[("true", "b")], b=[("true", "c")], c=[]),
        ways(a=[("true", "gone")]),
        ways(a=[("success == true and 'counts' in fetched", "b")], b=[("success == false", "a")]),
    ],
)
def test_no_circle(exits: dict[str, list[Exit]]) -> None:
    assert list(circles(exits, FIELDS)) == []


def test_ten_thousand_workflows_around_one_are_looked_at_in_time() -> None:
    spokes: dict[str, list[tuple[str, str]]] = {f"w{number}": [("success == true", "hub")] for number in range(10_000)}
    spokes["hub"] = [("success == false", "w0")]
    assert list(circles(ways(**spokes), FIELDS)) == []
