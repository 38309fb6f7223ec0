"""The vault: what is sealed opens only where it belongs, and nothing shows a key or a token."""

import base64
import traceback
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from storage.errors import InvalidTokenKeys, TokenUnreadable, UnknownTokenKey
from storage.vault import Vault, binding, key_id_of, new_key_text

Kind = Literal["access", "refresh"]

KEY_1, KEY_2 = new_key_text(1), new_key_text(2)
TOKEN = SecretStr("shpat_0123456789abcdef")
AAD = binding("m1", "acme.myshopify.com", "access")


@given(st.text(min_size=0, max_size=300).filter(lambda text: text.isprintable()), st.text(max_size=200))
def test_what_is_sealed_opens_again(plain: str, merchant_id: str) -> None:
    vault = Vault.from_text(KEY_1)
    aad = binding(merchant_id.encode("utf-8", "replace").decode(), "acme.myshopify.com", "refresh")
    assert vault.open(vault.seal(SecretStr(plain), aad=aad), aad=aad).get_secret_value() == plain


def test_a_sealed_token_names_its_key_and_hides_the_rest() -> None:
    vault = Vault.from_text(f"{KEY_2},{KEY_1}")
    sealed = vault.seal(TOKEN, aad=AAD)
    assert (sealed[0], key_id_of(sealed), vault.sealing_id, vault.key_ids) == (2, 2, 2, (2, 1))
    assert b"shpat" not in sealed
    assert len(sealed) == 1 + 12 + len(TOKEN.get_secret_value()) + 16


def test_no_two_sealed_tokens_are_alike() -> None:
    vault = Vault.from_text(KEY_1)
    assert len({vault.seal(TOKEN, aad=AAD) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "elsewhere",
    [
        binding("m2", "acme.myshopify.com", "access"),
        binding("m1", "other.myshopify.com", "access"),
        binding("m1", "acme.myshopify.com", "refresh"),
        "",
    ],
)
def test_a_token_opens_only_where_it_belongs(elsewhere: str) -> None:
    vault = Vault.from_text(KEY_1)
    with pytest.raises(TokenUnreadable):
        vault.open(vault.seal(TOKEN, aad=AAD), aad=elsewhere)


PLACES = st.tuples(
    st.text("ab|.myshopifcom", max_size=30),
    st.sampled_from(["a.myshopify.com", "b.myshopify.com"]),
    st.sampled_from(["access", "refresh"]),
)


@given(PLACES, PLACES)
def test_no_two_places_have_the_same_binding(one: tuple[str, str, Kind], other: tuple[str, str, Kind]) -> None:
    """Also when a merchant's id is made to look like the rest of another one's binding."""
    assert (binding(*one) == binding(*other)) == (one == other)


def test_every_changed_bit_is_noticed() -> None:
    vault = Vault.from_text(f"{KEY_1},{KEY_2}")
    sealed = vault.seal(TOKEN, aad=AAD)
    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            with pytest.raises(TokenUnreadable):
                vault.open(bytes(changed), aad=AAD)


def test_a_token_cut_short_is_noticed() -> None:
    vault = Vault.from_text(KEY_1)
    sealed = vault.seal(TOKEN, aad=AAD)
    for length in range(len(sealed)):
        with pytest.raises(TokenUnreadable):
            vault.open(sealed[:length], aad=AAD)


def test_another_keys_id_on_the_token_is_noticed() -> None:
    vault = Vault.from_text(f"{KEY_1},{KEY_2}")
    sealed = vault.seal(TOKEN, aad=AAD)
    with pytest.raises(TokenUnreadable):
        vault.open(b"\x02" + sealed[1:], aad=AAD)


def test_the_first_key_seals_and_all_open() -> None:
    old = Vault.from_text(KEY_1).seal(TOKEN, aad=AAD)
    both = Vault.from_text(f"{KEY_2}, {KEY_1}")
    assert both.open(old, aad=AAD) == TOKEN
    assert key_id_of(both.seal(TOKEN, aad=AAD)) == 2


def test_an_unknown_key_is_named_with_what_to_do() -> None:
    sealed = Vault.from_text(KEY_1).seal(TOKEN, aad=AAD)
    with pytest.raises(UnknownTokenKey, match=r"sealed with key 1, but CJ_TOKEN_KEYS has only: 2; add key 1"):
        Vault.from_text(KEY_2).open(sealed, aad=AAD)


def test_what_postgres_hands_out_opens_as_well() -> None:
    vault = Vault.from_text(KEY_1)
    sealed = vault.seal(TOKEN, aad=AAD)
    handed_out = memoryview(sealed).cast("c")  # as psycopg2 does it
    assert vault.open(handed_out, aad=AAD) == TOKEN  # type: ignore[arg-type]
    assert key_id_of(handed_out) == 1  # type: ignore[arg-type]
    assert key_id_of(b"") is None


def test_a_new_key_is_new_and_fits() -> None:
    assert new_key_text() != new_key_text()
    assert Vault.from_text(new_key_text(255)).key_ids == (255,)


SHORT = base64.b64encode(b"x" * 31).decode()
GOOD = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "entry 1 does not begin with a key id"),
        (GOOD, "entry 1 does not begin with a key id"),
        (f"1:{GOOD},", "entry 2 does not begin with a key id"),
        (f"0:{GOOD}", "from 1 to 255"),
        (f"256:{GOOD}", "from 1 to 255"),
        (f"-1:{GOOD}", "from 1 to 255"),
        (f"\u0661:{GOOD}", "from 1 to 255"),
        (f"1:{SHORT}", "has 31 bytes, not 32"),
        ("1:", "has 0 bytes, not 32"),
        ("1:not*base64", "is not base64"),
        (f"1:{GOOD},1:{SHORT}", "entry 2 (key 1) has 31 bytes"),
        (f"1:{GOOD},1:{OTHER}", "key id 1 is there twice"),
        (f"1:{GOOD},2:{GOOD}", "same key under another id"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_being_shown(text: str, words: str) -> None:
    with pytest.raises(InvalidTokenKeys) as caught:
        Vault.from_text(text)
    assert words in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    for key in (GOOD, SHORT, KEY_1.partition(":")[2], "not*base64"):
        assert key not in shown


def test_nothing_shows_a_key_or_a_token() -> None:
    vault = Vault.from_text(f"{KEY_2},{KEY_1}")
    assert repr(vault) == "Vault(key_ids=(2, 1))"
    sealed = vault.seal(TOKEN, aad=AAD)
    assert "shpat" not in repr(vault.open(sealed, aad=AAD))
    with pytest.raises(TokenUnreadable) as caught:
        vault.open(sealed, aad="elsewhere")
    assert caught.value.__cause__ is None
    assert "shpat" not in "".join(traceback.format_exception(caught.value))
