"""One shop, one access token, as arguments: reads a store's data from Shopify's Admin GraphQL API.

May import only `events`. Knows nothing of Postgres, Redis or Celery.

Start with `client` (ShopifyClient: one query with retries, within the rate limit) and `data` (what is asked, and what
comes of it). A request passes `rate_limit`, `transport` (gql) and `connection` (deadline and size cap); `response` and
`graphql_errors` turn what comes back into data or one of the `errors`; `retries` decides what is tried again. `oauth`
refreshes access tokens. `development_store` is a stand-in for Shopify, for tests and the demo.
"""
