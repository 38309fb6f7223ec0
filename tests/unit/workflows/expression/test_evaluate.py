"""What conditions and expressions evaluate to, for every kind of value."""

from collections import OrderedDict
from decimal import Decimal
from typing import Any

import pytest

from workflows.errors import InvalidExpression
from workflows.expression.evaluate import BUDGET, compiled

EVENT = {
    "provider": "shopify",
    "success": True,
    "count": 3,
    "ratio": 2.5,
    "tags": ["a", "b", 1, True],
    "shop": {"plan": {"name": "plus"}, "a b": "blank", "class": "keyword"},
    "empty": "",
    "nothing": None,
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("provider == 'shopify' and success == true", True),
        ("provider == 'shopify' and success == false", False),
        ('provider == "shopify"', True),
        ("success", True),
        ("not success", False),
        ("not not success", True),
        ("missing == null", True),
        ("missing != 'a'", True),
        ("missing == false", False),
        ("nothing == null", True),
        ("null == nothing", True),
        # JSON equality
        ("success == 1", False),
        ("1 == success", False),
        ("count == 3.0", True),
        ("count != 3", False),
        ("count == '3'", False),
        ("tags == ['a', 'b', 1, true]", True),
        ("tags == ['a', 'b', true, 1]", False),
        ("shop.plan == shop.plan", True),
        ("shop.plan == tags", False),
        # order: numbers with numbers, texts with texts, else never
        ("count < 4", True),
        ("count <= 3", True),
        ("count > 3", False),
        ("ratio >= 2.5", True),
        ("provider < 'z'", True),
        ("provider < 4", False),
        ("provider >= 4", False),
        ("missing < 4", False),
        ("missing >= 4", False),
        ("success > false", False),
        ("tags < tags", False),
        # membership
        ("'a' in tags", True),
        ("true in tags", True),
        ("1 in tags", True),
        ("'c' not in tags", True),
        ("provider in ['shopify', 'woo']", True),
        ("provider not in ['shopify', 'woo']", False),
        ("provider in [missing, 'shop' , provider]", True),
        ("'shop' in provider", True),
        ("'' in provider", True),
        ("3 in provider", False),
        ("'plan' in shop", True),
        ("'plus' in shop", False),
        ("'a' in missing", False),
        ("'a' in count", False),
        ("null in [null]", True),
        ("provider in []", False),
        # paths
        ("shop.plan.name == 'plus'", True),
        ("shop['plan']['name'] == 'plus'", True),
        ("shop['a b'] == 'blank'", True),
        ("shop.class == 'keyword'", True),
        ("shop.missing.deeper == null", True),
        ("provider.anything == null", True),
        ("tags[0] == 'a'", True),
        ("tags[-1] == true", True),
        ("tags[4] == null", True),
        ("tags[-4] == 'a'", True),
        ("tags[-5] == null", True),
        ("tags.a == null", True),
        ("shop[0] == null", True),
        # and binds tighter than or, not binds tighter than and, comparisons tightest
        ("success or missing and missing", True),
        ("(success or missing) and missing", False),
        ("not provider == 'woo'", True),
        ("not missing and success", True),
        ("missing or missing or success or missing", True),
        ("success and provider and count and missing", False),
        ("not empty", True),
        # what somebody wrote
        ("provider says ' Shopify!'", True),
        ("provider says ['woo', 'SHOPIFY.']", True),
        ("provider says 'shop'", False),
        ("provider says []", False),
        ("provider says missing", False),
        ("missing says ''", False),
        ("tags says 'a'", False),
        ("not (provider says 'woo')", True),
        # literals
        ("-3 < count", True),
        ("count == 3e0", True),
        ("ratio == 25e-1", True),
        (r"'it\'s' == 'it\'s'", True),
        (r"'a\\b' != 'ab'", True),
        ("'\N{GREEK SMALL LETTER ALPHA}' != 'a'", True),
    ],
)
def test_conditions(source: str, expected: bool) -> None:
    assert compiled(source).holds(EVENT) is expected


@pytest.mark.parametrize(
    ("written", "wanted", "expected"),
    [
        ("हाँ!", "हाँ", True),  # Hindi: yes
        ("हे", "हाँ", False),  # hey
        ("ไม่", "ไม้", False),  # Thai: no, wood
        ("pre\u0301fe\u0301re\u0301", "préféré", True),  # as macOS writes accents
        ("ＯＫ", "ok", True),  # noqa: RUF001 - as Japanese keyboards write it
        ("נָכוֹן", "נכון", True),  # Hebrew: right, with its vowel points and without
        ("Yes ✌️", "yes", True),
        ("می\u200cخواهم", "می خواهم", True),  # noqa: RUF001 - Persian, joined without a space
        ("\ufdfa" * 900, "x", False),  # each of these stands for 18 letters
    ],
)
def test_what_somebody_wrote_in_any_script(written: str, wanted: str, expected: bool) -> None:
    assert compiled(f"text says '{wanted}'").holds({"text": written}) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("error or 'unknown reason'", "unknown reason"),
        ("provider or 'unknown'", "shopify"),
        ("empty or nothing or count", 3),
        ("empty or nothing", None),
        ("success and provider", "shopify"),
        ("missing and provider", None),
        ("tags", ["a", "b", 1, True]),
        ("shop.plan", {"name": "plus"}),
        ("[provider, count, [true]]", ["shopify", 3, [True]]),
        (r"'a\n\t\"b'", 'a\n\t"b'),
        ("-2.5", -2.5),
        ("count > 1", True),
    ],
)
def test_values(source: str, expected: Any) -> None:
    found = compiled(source).of(EVENT)
    assert (found, type(found)) == (expected, type(expected))


def test_a_copied_value_shares_nothing_with_the_event() -> None:
    event = {"shop": {"tags": ["a"]}}
    compiled("shop").of(event)["tags"].append("b")
    assert event == {"shop": {"tags": ["a"]}}


def test_a_list_written_in_the_expression_is_a_new_one_each_time() -> None:
    listed = compiled("['a']")
    listed.of({}).append("b")
    assert listed.of({}) == ["a"]


@pytest.mark.parametrize(
    ("source", "start", "end", "message"),
    [
        ("", 0, 1, "the expression is empty"),
        ("   ", 0, 3, "the expression is empty"),
        ("a = 1", 2, 3, "write '==' to compare"),
        ("a === 1", 2, 5, "write '==' to compare"),
        ("a !== 1", 2, 5, "write '!=' for 'is not equal'"),
        ("a <> 1", 2, 4, "write '!=' for 'is not equal'"),
        ("a => 1", 2, 4, "write '>='"),
        ("a && b", 2, 4, "write 'and'"),
        ("a || b", 2, 4, "write 'or'"),
        ("!a", 0, 1, "write 'not'"),
        ("a is true", 2, 4, "write '==' to compare"),
        ("a AND b", 2, 5, "write 'and' in lowercase"),
        ("tags contains 'a'", 5, 13, "write it the other way round: 'text' in field"),
        ("{{a}} == 1", 0, 2, "this is already an expression, remove the {{ }}"),
        ("a + 1", 2, 3, "there is no arithmetic: conditions compare, templates copy"),
        ("a -1", 2, 4, "there is no arithmetic: conditions compare, templates copy"),
        ("shop-domain == 'x'", 4, 5, "a field name has '_', not '-'"),
        ("a == 'b", 5, 6, "this text has no closing '"),
        ("(a or b", 0, 1, "this '(' is never closed"),
        ("a in ['b', 'c'", 5, 6, "this '[' is never closed"),
        ("a)", 1, 2, "there is nothing for this ')' to close"),
        ("a == b == c", 7, 9, "a comparison has two sides; join two comparisons with 'and'"),
        ("a ==", 4, 5, "something is missing after '=='"),
        ("and b", 0, 3, "something is missing before 'and'"),
        ("a and or b", 6, 8, "something is missing between 'and' and 'or'"),
        ("()", 1, 2, "something is missing between '(' and ')'"),
        ("a == not b", 5, 8, "something is missing between '==' and 'not'"),
        ("a not b", 2, 5, "write '!=' for 'is not equal', 'not in' for 'is not part of'"),
        ("a 'b'", 2, 5, "expected 'and', 'or' or a comparison such as '==' before this"),
        ("a.lower() == 'b'", 0, 8, "nothing can be called here"),
        ("a.", 2, 3, "expected a name after '.'"),
        ("a[b]", 2, 3, "expected a text in quotes or a whole number inside [ ]"),
        ("a[1.5]", 2, 5, "expected a text in quotes or a whole number inside [ ]"),
        ("a[true]", 2, 6, "expected a text in quotes or a whole number inside [ ]"),
        ("a == 0x10", 5, 9, "this is not a number"),
        ("a == 1_000", 5, 10, "this is not a number"),
        ("a == 1e999", 5, 10, "this is not a number, or too large a one"),
        (r"a == '\d'", 6, 8, "can follow '\\'"),
        ("a == \N{LEFT SINGLE QUOTATION MARK}b", 5, 6, "this is a curly quote"),
        ("gr\N{LATIN SMALL LETTER O WITH DIAERESIS}sse == 1", 2, 3, "a field name has only the letters a-z"),
        ("a\x00", 1, 2, r"'\x00' has no meaning in an expression"),
        ("lambda: 1", 6, 7, "':' has no meaning in an expression"),
        ("f'x'", 1, 4, "expected 'and', 'or' or a comparison"),
        ("a if b else c", 2, 4, "there is no 'a if b else c'"),
        ("(" * 30 + "a" + ")" * 30, 24, 25, "nested deeper than 24 levels"),
        ("not " * 30 + "a", 96, 97, "nested deeper than 24 levels"),
        ("a or " * 250 + "a", 0, 1, "an expression has at most 1000 characters, this one has 1251"),
        ("lower(text) == 'ja'", 0, 6, "text says 'yes' ignores capitals, spaces and punctuation"),
        ("text like 'a%'", 5, 9, "there are no patterns; compare with '==', words with 'says'"),
        ("text startswith 'a'", 5, 15, "there are no patterns"),
        ("age(connected_at) > '7d'", 0, 4, "there is no age(): write connected_at older than '7d'"),
    ],
)
def test_what_is_no_expression(source: str, start: int, end: int, message: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        compiled(source)
    assert message in refused.value.message
    assert (refused.value.start, refused.value.end) == (start, end)


def test_it_gives_up_instead_of_taking_long_and_the_condition_is_then_false() -> None:
    # Given a list longer than one evaluation may look at, whose last item is what is looked for
    event = {"x": "y", "many": ["n"] * (2 * BUDGET) + ["y"]}
    # Then neither the condition nor its negation holds, and a value is null
    assert not compiled("x in many").holds(event)
    assert not compiled("not (x in many)").holds(event)
    assert compiled("x in many").of(event) is None
    assert compiled("many").of(event) is None
    # And what costs nothing still works in the same expression before it
    assert compiled("x == 'y' or x in many").holds(event)


def test_lists_of_a_usual_length_are_searched_to_their_end() -> None:
    assert compiled("x in many").holds({"x": "y", "many": ["n"] * 500 + ["y"]})
    assert compiled("a == b").holds({"a": list(range(500)), "b": list(range(500))})


def test_many_words_are_looked_for_in_a_long_text() -> None:
    words = " or ".join(f"'word{number:02}' in text" for number in range(40))
    text = "the quick brown fox jumps over the lazy dog " * 180
    assert not compiled(words).holds({"text": text})
    assert compiled(words).holds({"text": text + "word39"})


class Trap:
    """Something that is no JSON and would do harm when touched."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"reached {name}")

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __bool__(self) -> bool:
        raise AssertionError("asked")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "source",
    [
        "x == 'a'",
        "x != null",
        "x",
        "not x",
        "x == x",
        "x < 1",
        "'a' in x",
        "x in ['a']",
        "x.y.z == 1",
        "x[0] == 1",
        "x in y",
    ],
)
def test_nothing_but_json_is_ever_touched(source: str) -> None:
    compiled(source).holds({"x": Trap(), "y": [Trap()]})
    assert compiled("x").of({"x": Trap()}) is None
    assert compiled("x").of({"x": [Trap(), {"a": Trap()}]}) == [None, {"a": None}]


@pytest.mark.parametrize("name", ["__class__", "__dict__", "keys", "items", "get", "format", "upper"])
def test_a_dot_is_a_key_and_never_an_attribute(name: str) -> None:
    assert compiled(f"x.{name}").of({"x": {"a": 1}}) is None
    assert compiled(f"x.{name}").of({"x": "text"}) is None
    assert compiled(f"x.{name}").of({"x": {name: "a key"}}) == "a key"


def test_maps_and_tuples_of_other_classes_count_as_json() -> None:
    data = {"x": OrderedDict(a=1), "y": (1, 2), "z": Decimal(1)}
    assert compiled("x").of(data) == {"a": 1}
    assert compiled("y").of(data) == [1, 2]
    assert compiled("z").of(data) is None
    assert compiled("y[1] == 2 and x.a == 1").holds(data)


def test_numbers_that_are_none_and_numbers_too_long_to_print() -> None:
    assert compiled("x").of({"x": float("nan")}) is None
    assert compiled("x").of({"x": float("inf")}) is None
    assert not compiled("x == x or x < 1 or x > 1").holds({"x": float("nan")})
    assert compiled("x > 1.5").holds({"x": 10**5000})
