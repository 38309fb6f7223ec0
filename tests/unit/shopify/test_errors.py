"""The error tree as programs, merchants and operators meet it."""

import pytest

from shopify import errors
from shopify.errors import ShopifyError, StoreUnavailable, Throttled

KINDS = ShopifyError.__subclasses__()


def test_codes_are_distinct_and_namespaced() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) == 10
    assert all(code.startswith("shopify.") for code in codes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    assert all(f"── {kind.__name__} " in errors.__doc__ for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reason_with_a_sentence_is_documented(kind: type[ShopifyError]) -> None:
    for reason, sentence in kind.sentences.items():
        assert reason in (kind.__doc__ or "")
        assert kind("x", reason=reason).merchant == sentence


def test_an_unknown_reason_has_the_general_sentence() -> None:
    assert StoreUnavailable("x", reason="elsewhere").merchant == StoreUnavailable.sentence


def test_the_operators_sentence_is_the_exceptions_text() -> None:
    error = Throttled("test.myshopify.com: rate limit used up for 1.00 s", retry_after=1.0)
    assert str(error) == error.operator
    assert repr(error) == f"Throttled({error.operator!r})"
