"""A shop's domain, the one name that decides where an access token is sent."""

import re

from events.errors import InvalidEvent
from events.quoting import quoted

#: The whole of a domain, in lower case. `xn--` is excluded: Shopify gives no such names, look-alikes use them.
SHOP_DOMAIN = r"(?!xn--)[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"

_SHOP_DOMAIN = re.compile(SHOP_DOMAIN)


def normalize_shop_domain(text: object) -> str:
    """`text` in lower case. Raises InvalidEvent (event.bad_shop_domain) when it is no <name>.myshopify.com.

    Nothing is stripped or cut off: an address that only contains such a name is another host's address.
    """
    # isascii first: "K" (KELVIN SIGN) becomes an ASCII "k" by lower().
    if isinstance(text, str) and text.isascii():
        domain = text.lower()
        if _SHOP_DOMAIN.fullmatch(domain):
            return domain
    raise InvalidEvent("event.bad_shop_domain", f"{quoted(text)} is not <name>.myshopify.com")
