"""One Shopify shop and one access token, as arguments. Knows nothing of Postgres or Celery."""
