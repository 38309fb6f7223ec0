"""The development store plays Shopify's Admin GraphQL API locally, for the demo, `cj up` and tests.

    python -m shopify.development_store --port 4010
    SHOPIFY_ADMIN_URL=http://127.0.0.1:4010/{shop}/admin

README.md says how to use it, how to make it fail, and which of its answers were recorded, documented or guessed.

From the rest of the project it imports only the query limit of `shopify.rate_limit` and `events.shop_domain`; the
client knows nothing about it. Start with `endpoint` (HTTP), then `admin_api` (one call from request to response),
`resolvers` (the data) and `store` (the state).
"""

from shopify.development_store.server import DevelopmentStore
from shopify.development_store.tokens import token_for

__all__ = ["DevelopmentStore", "token_for"]
