-- What Shopify told of a shop. It stands in the integration's `config` under "shop", beside the scopes column.

-- name: read
-- Facts of another shop, or older than the connection, are none.
SELECT scopes, config #>> '{{shop,time_zone}}' AS time_zone, config #>> '{{shop,currency}}' AS currency,
       extract(epoch FROM clock_timestamp() - CAST(config #>> '{{shop,asked_at}}' AS timestamptz)) AS age
FROM merchant_integrations
WHERE merchant_id = :merchant_id AND type = 'shopify' AND shop_domain = :shop_domain
  AND config #>> '{{shop,domain}}' = :shop_domain
  AND CAST(config #>> '{{shop,asked_at}}' AS timestamptz) >= connected_at

-- name: store
UPDATE merchant_integrations SET
    scopes = CAST(:scopes AS text[]), updated_at = clock_timestamp(),
    config = jsonb_set(config, '{{shop}}', jsonb_build_object(
        'domain', shop_domain, 'time_zone', CAST(:time_zone AS text), 'currency', CAST(:currency AS text),
        'asked_at', clock_timestamp()))
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND shop_domain = :shop_domain
  AND token_version = :token_version
RETURNING id
