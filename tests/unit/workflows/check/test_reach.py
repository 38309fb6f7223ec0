"""Rules that can never be taken and rules that lead in circles, without false alarms."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.actions import Transition
from workflows.check.reach import Circle, circles, cover_all, facts_of, never_taken, with_booleans
from workflows.expression.evaluate import compiled
from workflows.workflow import TransitionRule


def never(*sources: str) -> list[tuple[int, int | None]]:
    return list(never_taken([compiled(source) for source in sources]))


@pytest.mark.parametrize(
    "source",
    [
        "false",
        "not true",
        "provider == 'a' and provider == 'b'",
        "provider == 'a' and ('b' == provider and turns > 1)",
        "provider == 'a' and not provider == 'a'",
        "not (provider != 'a' or provider == 'a')",
        "success == true and success == false",
        "success and not success",
        "turns > 3 and turns < 2",
        "turns > 3 and turns <= 3",
        "turns >= 3 and turns < 3",
        "3 < turns and turns == 2",
        "turns > 3 and turns < 'a'",
        "not (turns > 3) and 3 < turns",
        "not (text older than '7d') and text older than '7d'",
        "turns > 3 and turns == null",
        "'counts' in fetched and 'counts' not in fetched",
        "shop.plan == 'a' and shop.plan == 'b'",
        "provider == null and provider != null",
        "anything == 1 and anything == true",
        "provider in ['a'] and provider in ['b']",
        "provider in []",
        "(provider == 'a' or 'b' == provider) and provider == 'c'",
        "provider in ['a', 'b'] and provider not in ['b', 'a', 'c']",
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
        "turns >= 3 and turns <= 3",
        "turns == 3 and turns == 3.0 and turns >= 3",
        "turns != 3 and turns > 2.9 and turns < 3.1",
        "'counts' in fetched and 'overview' not in fetched",
        "fetched == [] or fetched != []",
        "anything and anything != true",
        "anything == true or anything == 1 and not anything == 'x'",
        "'a' in anything and 'b' in anything",
        "'a' in provider and not 'b' in provider and 'c' in provider",
        "provider == shop.plan",
        "provider < 'b' and provider > 'a'",
        "not (turns > 3) and not (turns <= 3)",  # turns is null
        "shop == null and shop.plan == 'a'",  # false, but that would take more thought
        "provider in ['a', 'b'] and provider in ['b'] and provider not in ['a']",
        "(success == true or turns > 1) and success == false and turns == 0",
    ],
)
def test_what_may_hold_is_not_complained_about(source: str) -> None:
    assert never(source) == []


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["true", "success"], [(1, 0)]),
        (["success == true", "provider == 'a'", "provider == 'b' and success == true"], [(2, 0)]),
        (["success == true", "success == false", "true"], []),
        (["success == true", "success != true", "provider == 'a'"], []),  # adds up to everything, but is not seen
        (["provider == 'a'", "provider == 'a'"], [(1, 0)]),
        (["provider != 'b'", "provider == 'a'"], [(1, 0)]),
        (["provider != 'b'", "provider == null"], [(1, 0)]),
        (["turns > 3", "turns > 10"], [(1, 0)]),
        (["turns > 3", "10 < turns and success == true"], [(1, 0)]),
        (["turns >= 3", "turns > 3"], [(1, 0)]),
        (["turns > 3", "turns >= 3"], []),
        (["turns > 3", "turns == 5"], [(1, 0)]),
        (["turns > 10", "turns > 3"], []),
        (["turns < 3", "turns > 10"], []),
        (["false", "true"], [(0, None)]),
        (["'a' in provider", "'ab' in provider"], []),
        (["true", "'ab' in provider"], [(1, 0)]),
        (["success or turns > 1", "success or turns > 1"], [(1, 0)]),
        (["success or turns > 1", "success"], []),
    ],
)
def test_what_is_never_reached(sources: list[str], expected: list[tuple[int, int | None]]) -> None:
    assert never(*sources) == expected


def test_a_condition_with_errors_takes_nothing() -> None:
    assert list(never_taken([None, compiled("success"), compiled("success")])) == [(2, 1)]


ATOMS = [
    "success",
    "success == false",
    "provider == 'a'",
    "provider != 'b'",
    "provider in ['a', 'c']",
    "turns > 2",
    "turns <= 1.5",
    "turns == 2",
    "turns > 1",
    "turns >= 2",
    "3 > turns",
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
    one, two = compiled(first), compiled(second)
    for values in itertools.product(*VALUES.values()):
        data = dict(zip(VALUES, values, strict=True))
        if 0 in claims:
            assert not one.holds(data), (first, data)
        if 1 in claims:
            assert not two.holds(data) or (claims[1] == 0 and one.holds(data)), (first, second, data)


ALL_OF_THE_PAIRS = ("a == 1 and b == 1", "a == 1 and b != 1", "a != 1 and b == 1", "a != 1 and b != 1")


@pytest.mark.parametrize(
    ("sources", "given", "expected"),
    [
        (("true",), "true", True),
        ((), "true", False),
        (("ok == true", "ok == false"), "true", True),
        (("ok", "not ok"), "true", True),
        (("ok", "ok == false"), "true", True),
        (("ok == true", "flag == true"), "true", False),
        (("turns > 3", "turns <= 3"), "true", False),  # of turns that are no number neither holds
        (("turns > 3", "not (turns > 3)"), "true", True),
        (("a in ['x', 'y']", "a == 'z'", "a not in ['x', 'y', 'z']"), "true", False),  # that would take more thought
        (("a in ['x', 'y']", "a not in ['x', 'y']"), "true", True),
        (ALL_OF_THE_PAIRS, "true", True),
        (ALL_OF_THE_PAIRS[:3], "true", False),
        (ALL_OF_THE_PAIRS[:3], "a == 1", True),
        (tuple(f"a{n} == 1 and b{n} == 1" for n in range(60)), "true", False),
    ],
)
def test_rules_that_add_up_to_everything(sources: tuple[str, ...], given: str, expected: bool) -> None:
    facts = [with_booleans(facts_of(compiled(source)), {"ok"}) for source in (*sources, given)]
    assert cover_all(facts[:-1], facts[-1]) is expected


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(conditions(), min_size=2, max_size=4))
def test_what_adds_up_to_everything_does(sources: list[str]) -> None:
    if not cover_all([facts_of(compiled(source)) for source in sources]):
        return
    for values in itertools.product(*VALUES.values()):
        data = dict(zip(VALUES, values, strict=True))
        assert any(compiled(source).holds(data) for source in sources), (sources, data)


def ways(**transitions: list[tuple[str, str]]) -> dict[str, list[TransitionRule]]:
    return {
        name: [TransitionRule(1, compiled(source), Transition(to, None, f"to_{to}")) for source, to in found]
        for name, found in transitions.items()
    }


def test_a_circle_whatever_the_context() -> None:
    (circle,) = circles(ways(a=[("success == true", "b")], b=[("success != false", "a")]))
    assert circle == Circle("a", "b", "to_b", "")


def test_a_circle_in_some_contexts() -> None:
    (circle,) = circles(ways(a=[("success == true", "b")], b=[("turns > 3", "x"), ("success == true", "a")], x=[]))
    assert circle == Circle("a", "b", "to_b", "success == true")
    (circle,) = circles(ways(a=[("'counts' in fetched", "b")], b=[("not (success or turns > 2)", "a")]))
    assert circle.when == "'counts' in fetched and not (success) and not (turns > 2)"


def test_the_way_out_may_depend_on_the_workflow() -> None:
    there_and_back = ways(a=[("workflow == 'a'", "b")], b=[("workflow == 'b'", "a")])
    assert [circle.when for circle in circles(there_and_back)] == [""]
    never_back = ways(a=[("workflow == 'a'", "b")], b=[("workflow == 'a'", "a")])
    assert list(circles(never_back)) == []


@pytest.mark.parametrize(
    "transitions",
    [
        ways(a=[("success == true", "b")], b=[("success == false", "a")]),
        ways(a=[("turns > 3", "b")], b=[("turns <= 3", "a")]),
        ways(a=[("true", "b")], b=[("true", "c")], c=[]),
        ways(a=[("true", "gone")]),
        ways(a=[("success == true and 'counts' in fetched", "b")], b=[("success == false", "a")]),
        ways(a=[("success == true", "b")], b=[("success != false", "c"), ("true", "a")], c=[]),
        ways(a=[("true", "c"), ("success == true", "b")], b=[("true", "a")], c=[]),
    ],
)
def test_no_circle(transitions: dict[str, list[TransitionRule]]) -> None:
    assert list(circles(transitions)) == []


def test_ten_thousand_workflows_around_one_are_looked_at_in_time() -> None:
    spokes: dict[str, list[tuple[str, str]]] = {f"w{number}": [("success == true", "hub")] for number in range(10_000)}
    spokes["hub"] = [("success == false", "w0")]
    assert list(circles(ways(**spokes))) == []
