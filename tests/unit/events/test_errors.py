import pytest

from events.errors import kind, masked, plain_key, quoted, reason


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("true", '"true"'),
        ("", '""'),
        ('a"b\n\0\ud800ä', '"a\\"b\\n\\u0000\\ud800\\u00e4"'),
        ("x" * 80, '"' + "x" * 80 + '"'),
        ("x" * 81, '"' + "x" * 77 + '..."'),
        (True, "true"),
        (None, "null"),
        (12, "12"),
        (-1.5, "-1.5"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
        (b"x", "a bytes"),
    ],
)
def test_quoted(value: object, shown: str) -> None:
    assert quoted(value) == shown


def test_a_number_too_long_for_python_to_write() -> None:
    assert quoted(10**5000) == "a number of many digits"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("shpat_0123456789abcdef", "shpat_***"),
        ("token=shpua_ABCdef, x", "token=shpua_***, x"),
        ("SHPCA_0123", "SHPCA_***"),
        ("shprt_0123456789", "shprt_***"),
        ("write to Jane.Doe+shop@example.com now", "write to ***@*** now"),
        ("<jane@example.com>", "<***@***>"),
        ("https://a.myshopify.com/x", "https://a.myshopify.com/x"),
    ],
)
def test_masked(text: str, safe: str) -> None:
    assert masked(text) == safe


def test_a_token_cut_in_two_is_still_masked() -> None:
    assert "0123" not in quoted("x" * 70 + "shpat_0123456789abcdef0123456789abcdef")
    assert "jane" not in quoted("x" * 60 + " jane.doe.with.a.long.name@example.com")


def test_kind_and_plain_key() -> None:
    values: list[object] = [None, True, 1, 1.5, "", [], {}]
    assert [kind(value) for value in values] == [
        "null",
        "boolean",
        "number",
        "number",
        "string",
        "list",
        "object",
    ]
    assert plain_key("shop_domain") == "shop_domain"
    assert plain_key("a b") == '"a b"'
    assert plain_key("shpat_0123456789") == '"shpat_***"'


def test_reason_is_one_short_masked_line() -> None:
    assert reason(ValueError("a\nb  c")) == "ValueError: a b c"
    assert reason(TimeoutError()) == "TimeoutError"
    assert reason(OSError("no shpat_0123 for jane@example.com")) == "OSError: no shpat_*** for ***@***"
    assert len(reason(ValueError("x" * 10_000))) < 200
