"""What is known about an expression before any event arrives. (The messages in their place: faulty/*.expected.)"""

import pytest

from workflows.errors import InvalidExpression
from workflows.expression.kinds import Choice, condition_errors, kind_of, value_errors
from workflows.expression.parse import parse

FIELDS = {
    "provider": "string",
    "success": "boolean",
    "turns": "number",
    "scopes": "list",
    "extra": "object",
    "shop": {"plan": {"name": "string"}, "trial": "boolean"},
    "anything": None,
    "workflow": Choice("string", ("one", "two"), "workflow"),
    "fetched": Choice("list", ("counts", "overview"), "data type"),
}


def errors(source: str) -> list[InvalidExpression]:
    return condition_errors(parse(source), FIELDS)


@pytest.mark.parametrize(
    "source",
    [
        "provider == 'shopify' and success == true",
        "success",
        "not success or turns > 3",
        "anything",
        "anything == 'x' and anything > 3 and 'a' in anything",
        "anything.below[0].that == null",
        "extra.key == 1 and extra['a b'] != null",
        "shop.plan.name == 'plus' and shop.trial",
        "scopes[0] == 'read_orders' or 'read_orders' in scopes",
        "scopes == []",
        "provider in ['a', 'b']",
        "'a' in provider",
        "'plan' in shop",
        "turns in [1, 2, null]",
        "provider == null",
        "workflow == 'one' or workflow in ['two']",
        "'counts' in fetched and fetched[0] == 'overview'",
        "true",
        "false",
        "provider == shop.plan.name",
        "(turns > 1) == success",
        "fetched == ['counts']",
        "provider says 'yes' or anything says ['yes', 'yes please']",
    ],
)
def test_sound_conditions(source: str) -> None:
    assert errors(source) == []


@pytest.mark.parametrize(
    ("source", "start", "end", "message"),
    [
        ("provder == 'a'", 0, 7, "unknown field 'provder', did you mean 'provider'?"),
        ("shop.plan.nam == 'a'", 10, 13, "unknown field 'nam', did you mean 'name'?"),
        ("shop['paln'].name == 'a'", 5, 11, "unknown field 'paln', did you mean 'plan'?"),
        ("provider.x == 'a'", 9, 10, "this is text and has no field 'x'"),
        ("turns[0] == 1", 6, 7, "this is a number and has no field 0"),
        ("shop[0] == 1", 5, 6, "unknown field '0'"),
        ("scopes.first == 'a'", 7, 12, "this is a list and has no field 'first'"),
        ("event.provider == 'a'", 0, 5, "write just provider"),
        ("success == 'true'", 11, 17, "write true without quotes"),
        ("success == 'yes'", 11, 16, "never equal; write true"),
        ("success != 1", 11, 12, "compares true or false with a number: always different"),
        ("turns == '3'", 9, 12, "write 3 without quotes"),
        ("'3' == turns", 0, 3, "write 3 without quotes"),
        ("provider == ['a']", 12, 17, "compares text with a list: never equal"),
        ("turns > '3'", 8, 11, "always false; write 3 without quotes"),
        ("success > 1", 0, 7, "'>' compares two numbers or two texts: this is always false"),
        ("scopes < 1", 0, 6, "'<' compares two numbers or two texts: this is always false"),
        ("turns < null", 8, 12, "'<' compares two numbers or two texts: this is always false"),
        ("'a' in turns", 7, 12, "this is a number; 'in' looks inside a list or a text"),
        ("1 in provider", 0, 1, "only text can be inside text"),
        ("turns in ['1']", 10, 13, "this is text, but the left side is a number: never equal"),
        ("'countz' in fetched", 0, 8, "unknown data type 'countz', did you mean 'counts'?"),
        ("fetched[0] == 'x'", 14, 17, "unknown data type 'x'; possible here: counts, overview"),
        ("workflow == 'oen'", 12, 17, "unknown workflow 'oen'"),
        ("workflow in ['one', 'tow']", 20, 25, "unknown workflow 'tow', did you mean 'two'?"),
        ("provider", 0, 8, "not true or false; write provider != null"),
        ("turns", 0, 5, "write turns > 0"),
        ("fetched", 0, 7, "write '…' in fetched"),
        ("success and 'a'", 12, 15, "write a comparison: field == …"),
        ("provider == 'a' or 'b'", 19, 22, "write the whole comparison again: provider == 'b'"),
        ("not provider", 4, 12, "not true or false"),
        ("1 == 1", 0, 6, "this compares two fixed values, so the answer is always the same"),
        ("'provider' == 'a'", 0, 17, "for the field write just provider"),
        ("'{{provider}}' == 'a'", 0, 21, "for the field write just provider"),
        ("provider == shopify", 12, 19, "put text in quotes: 'shopify'"),
        ("success == ja", 11, 13, "unknown field 'ja': write true"),
        ("success says 'yes'", 0, 7, "this is true or false, not text: 'says' looks at what somebody wrote"),
        ("provider says true", 14, 18, "this is true or false: put it in quotes"),
        ("provider says turns", 14, 19, "this is a number: 'says' needs a text or a list of texts"),
        ("provider says ['a', 1]", 20, 21, "this is a number: put it in quotes"),
        ("provider says '?!'", 14, 18, "there is no word in this: 'says' compares words"),
        ("'a' says 'b'", 0, 12, "this compares two fixed values"),
        ("success == True", 11, 15, "unknown field 'True', did you mean 'true'?"),
    ],
)
def test_errors(source: str, start: int, end: int, message: str) -> None:
    (found,) = errors(source)
    assert message in found.message
    assert (found.start, found.end) == (start, end)


def test_every_error_of_a_condition_is_found() -> None:
    assert len(errors("provder == 'a' and success == 'true' or turn > 3 and not provider")) == 4


def test_names_known_elsewhere_are_explained() -> None:
    (found,) = condition_errors(parse("colour == 'red'"), FIELDS, {"colour": "that is part of the paint"})
    assert found.message == "unknown field 'colour'; that is part of the paint"


def test_templates_may_copy_what_is_no_yes_or_no_question() -> None:
    assert value_errors(parse("provider or 'none'"), FIELDS) == []
    assert [error.start for error in value_errors(parse("provder or turns > 'x'"), FIELDS)] == [0, 19]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("provider", "string"),
        ("provider or 'x'", "string"),
        ("provider or null", "string"),
        ("provider or 1", None),
        ("turns > 1", "boolean"),
        ("not success", "boolean"),
        ("[1]", "list"),
        ("null", "null"),
        ("anything", None),
        ("shop.plan.name", "string"),
    ],
)
def test_kinds(source: str, kind: str | None) -> None:
    assert kind_of(parse(source), FIELDS) == kind
