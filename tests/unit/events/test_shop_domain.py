from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events import normalize_shop_domain
from events.errors import InvalidEvent
from events.shop_domain import is_shop_domain


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("test.myshopify.com", "test.myshopify.com"),
        ("A.myshopify.com", "a.myshopify.com"),
        ("0-x.MyShopify.COM", "0-x.myshopify.com"),
        ("a" * 63 + ".myshopify.com", "a" * 63 + ".myshopify.com"),
    ],
)
def test_accepted(text: str, domain: str) -> None:
    assert normalize_shop_domain(text) == domain
    assert is_shop_domain(domain)


def test_only_the_normal_form_is_a_domain() -> None:
    assert not is_shop_domain("A.myshopify.com")
    assert not is_shop_domain("a.myshopify.com\n")
    assert not is_shop_domain("xn--a.myshopify.com")


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        5,
        True,
        ["a.myshopify.com"],
        "https://a.myshopify.com",
        "a.myshopify.com/",
        "a.myshopify.com\n",
        " a.myshopify.com",
        "a.myshopify.com ",
        "a.myshopify.com:443",
        "a.myshopify.com@evil.com",
        "a.myshopify.com#",
        "a.myshopify.com?x",
        "a%00.myshopify.com",
        "a\0.myshopify.com",
        "a.myshopify.com.evil.com",
        "evil.com#a.myshopify.com",
        # .company and .community are open to everyone.
        "mycom.myshopify.company",
        "mycom.myshopify.community",
        "a.b.myshopify.com",
        "..myshopify.com",
        ".myshopify.com",
        "myshopify.com",
        "-a.myshopify.com",
        "a_b.myshopify.com",
        "\uff41.myshopify.com",
        "\u212a.myshopify.com",  # KELVIN SIGN: lower() makes it an ASCII k
        "xn--a.myshopify.com",
        "XN--a.myshopify.com",
        "a.myshopify\u3002com",
        "a" * 64 + ".myshopify.com",
        "a" * 300,
        "169.254.169.254",
    ],
)
def test_refused(text: object) -> None:
    with pytest.raises(InvalidEvent, match=r" is not <name>\.myshopify\.com$") as caught:
        normalize_shop_domain(text)
    assert caught.value.code == "event.bad_shop_domain"
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 120


@settings(deadline=None)
@given(st.text(max_size=20).map(lambda name: name + ".myshopify.com") | st.text())
@example("a.myshopify.com")
def test_what_is_accepted_is_the_host_that_is_called(text: str) -> None:
    try:
        domain = normalize_shop_domain(text)
    except InvalidEvent:
        return
    assert urlsplit(f"https://{domain}/admin").hostname == domain
    assert domain.endswith(".myshopify.com")
