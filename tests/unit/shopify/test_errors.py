"""The error tree as programs, merchants and operators meet it."""

import pytest

from shopify import errors
from shopify.errors import Remedy, ShopifyError, Throttled

KINDS = ShopifyError.__subclasses__()


def test_codes_are_distinct_and_namespaced() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) == 10
    assert all(code.startswith("shopify.") for code in codes)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    assert all(f"── {kind.__name__} " in errors.__doc__ for kind in KINDS)


@pytest.mark.parametrize(("kind", "reason"), errors.BLAME)
def test_every_cause_says_who_can_mend_it_and_what_the_merchant_hears(kind: type[ShopifyError], reason: str) -> None:
    error = kind("x", reason=reason)
    assert reason in (kind.__doc__ or "")
    assert error.merchant == errors.BLAME[kind, reason].sentence
    assert ("connect" in error.merchant) == (error.remedy == Remedy.RECONNECT)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_reason_has_the_general_sentence(kind: type[ShopifyError]) -> None:
    assert kind("x", reason="elsewhere").merchant == errors.BLAME[kind, ""].sentence


def test_the_operators_sentence_is_the_exceptions_text() -> None:
    error = Throttled("test.myshopify.com: rate limit used up for 1.00 s", retry_after=1.0)
    assert str(error) == error.operator
    assert repr(error) == f"Throttled({error.operator!r})"
