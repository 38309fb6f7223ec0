"""One shop, one access token, as arguments: reads a store's data from Shopify's Admin GraphQL API.

May import only `events`. Knows nothing of Postgres, Redis or Celery.

Start with `client` (ShopifyClient: one query within the rate limit, with retries) and `data` (the queries and their
results). A request passes `rate_limit` and `transport` (gql over httpx, deadline, size cap); `response` and `refusals`
turn the answer into data or one of the `errors`, and `retries` says whether to try again. `oauth` refreshes access
tokens.
`development_store` is a stand-in for Shopify, for tests and the demo.
"""

API_VERSION = "2026-10"
"""The Admin API's version, defined only here. Supported from 2026-10-01 to 2027-10-16. After that Shopify answers with
its oldest supported version instead (https://shopify.dev/docs/api/usage/versioning), so the client compares it with the
version of each response.

To upgrade: fetch the new version's schema from Shopify, run `python -m tests.prune_schema`, and run the tests."""
