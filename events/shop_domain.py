"""A shop's domain: the one rule for the name that decides where an access token is sent.

The auth service's event, the stored row and the request to Shopify all follow it, so every shop that can be connected
can also be queried.
"""

import re

from events.errors import InvalidEvent, quoted

#: The whole domain, in lower case: one DNS label of at most 63 characters. `xn--` is excluded: Shopify assigns no such
#: names, but look-alikes use them.
SHOP_DOMAIN = r"(?!xn--)[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"

_SHOP_DOMAIN = re.compile(SHOP_DOMAIN)


def is_shop_domain(text: str) -> bool:
    """Whether `text` is a shop's domain in its normal form, lower case."""
    return _SHOP_DOMAIN.fullmatch(text) is not None


def normalize_shop_domain(text: object) -> str:
    """`text` in lower case. Raises InvalidEvent (event.bad_shop_domain) if it is not <name>.myshopify.com.

    Nothing is stripped: a domain that merely contains such a name belongs to another host.
    """
    # isascii first: "K" (KELVIN SIGN) becomes an ASCII "k" by lower().
    if isinstance(text, str) and text.isascii() and is_shop_domain(text.lower()):
        return text.lower()
    raise InvalidEvent("event.bad_shop_domain", f"{quoted(text)} is not <name>.myshopify.com")
