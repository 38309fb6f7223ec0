"""The one rule for a shop's domain, the name that decides where an access token is sent."""

import re

from events.errors import InvalidEvent
from events.quoting import quoted

#: A whole domain in lower case. Shopify does not say how long a name may be, so its length is what a DNS label allows
#: (63); one that nobody has gets 404. Names in `xn--` are refused: Shopify gives none, look-alikes use them.
SHOP_DOMAIN = r"(?!xn--)[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"

_SHOP_DOMAIN = re.compile(SHOP_DOMAIN)


def is_shop_domain(text: str) -> bool:
    """Whether `text` is a shop's domain, in lower case."""
    return _SHOP_DOMAIN.fullmatch(text) is not None


def normalize_shop_domain(text: object) -> str:
    """`text` in lower case. Raises InvalidEvent (event.bad_shop_domain) if it is not <name>.myshopify.com.

    Nothing is stripped or cut off: an address that only contains such a name belongs to another host.
    """
    # isascii first: "K" (KELVIN SIGN) becomes an ASCII "k" by lower().
    if isinstance(text, str) and text.isascii():
        domain = text.lower()
        if is_shop_domain(domain):
            return domain
    raise InvalidEvent("event.bad_shop_domain", f"{quoted(text)} is not <name>.myshopify.com")
