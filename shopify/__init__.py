"""One shop, one access token, as arguments: reads a store's data from Shopify's Admin GraphQL API.

May import only `events`. Knows nothing of Postgres, Redis or Celery.

Start with `client` (ShopifyClient: one query within the rate limit, and what is tried again) and `data` (what is asked,
and what comes of it). A request passes `rate_limit` and `transport` (gql over httpx, deadline, size cap); `response`
and `refusals` turn what comes back into data or one of the `errors`, and `retries` says whether to ask again. `oauth`
refreshes access tokens.
`development_store` is a stand-in for Shopify, for tests and the demo.
"""

API_VERSION = "2026-10"
"""Of the Admin API; written nowhere else. Supported from 2026-10-01 to 2027-10-16. After that Shopify answers with its
oldest supported version instead (https://shopify.dev/docs/api/usage/versioning), so the client compares the version of
each response with it.

To raise it: fetch Shopify's schema of the new version, run `python -m tests.prune_schema`, and run the tests."""
