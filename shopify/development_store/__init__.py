"""A faithful local stand-in for Shopify's Admin GraphQL API, for the demo, tests and benchmarks.

    python -m shopify.development_store --port 4010
    SHOPIFY_ADMIN_URL=http://127.0.0.1:4010/{shop}/admin

It has never been compared with a live shop. What it does rests on three kinds of knowledge:

**Recorded** (answers of two real development shops, API 2025-01 to 2026-07, published as test fixtures of
github.com/airhorns/shopify-draft-proxy, and Shopify's own schema): the shapes of data, money, times and 64-bit
numbers; `extensions.cost` and the rules of the requested cost (exact for nine of ten recorded queries) and of the
actual cost; cursors; count precision; validation errors, INVALID_VARIABLE, syntax errors at the end of a document,
a missing `first`; ACCESS_DENIED; INTERNAL_SERVER_ERROR; ignored search fields and values that are not accepted.

**Documented** (shopify.dev): which versions answer and what an old one falls forward to, limits and restore rates by
plan, the 60-day window, expiring tokens and their rotation, the search syntax, scopes.

**Reported or guessed**: the bodies of THROTTLED, MAX_COST_EXCEEDED, 401 and the non-expiring 403 are known from single
reports; the bodies of 402, 404, 423, 429, of the allowlist's 403, of a marked shop's 403 and of SHOP_INACTIVE are the
least certain. So are the order in which a request is checked, what a denied count really costs, `first` above 250,
the sense of `fulfillment_status:unfulfilled`, and how `parsed` shows lists and negations.

Known to be missing: mutations, bulk operations, REST, most of the schema, most search filters and sort keys. What is
missing is refused by name and never answered wrongly.
"""

from shopify.development_store.server import DevelopmentStore
from shopify.development_store.tokens import token_for

__all__ = ["DevelopmentStore", "token_for"]
