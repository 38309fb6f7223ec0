-- Connections, without a token.

-- fragment: public
-- The fields of connections.Integration, in their order.
merchant_id, shop_domain, token_version, scopes, is_active, status, access_expires_at, connected_at

-- name: integration_of
SELECT {public} FROM integrations WHERE merchant_id = :merchant_id AND type = 'shopify'

-- name: known(merchant_id text, most integer)
SELECT {public}, m.id IS NOT NULL AS is_known, coalesce(m.invented, false) AS is_invented, t.created_at AS erased_at,
       (SELECT count(*) FROM (SELECT 1 FROM turns WHERE merchant_id = wanted AND status = 'queued' LIMIT :most) AS q)
       AS waiting
FROM (SELECT CAST(:merchant_id AS text) AS wanted) AS w
LEFT JOIN merchants m ON m.id = wanted
LEFT JOIN integrations i ON i.merchant_id = wanted AND i.type = 'shopify'
LEFT JOIN tombstones t ON t.kind = 'merchant' AND t.subject = wanted

-- name: integration_by_shop
SELECT {public} FROM integrations WHERE type = 'shopify' AND shop_domain = :shop_domain AND is_active

-- name: former
SELECT former FROM integrations WHERE merchant_id = :merchant_id AND type = 'shopify'

-- name: mark_needs_reauth
UPDATE merchant_integrations SET status = 'needs_reauth', is_active = false, updated_at = clock_timestamp()
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
RETURNING id

-- name: disconnect
-- A function with the owner's rights: the workflow worker may not touch this table (storage/models.py).
SELECT coalesce(disconnect_shop(:key), false)

-- name: connect_account
-- As above. The token of such a connection stays with the service that uses it.
SELECT connect_account(:key)

-- name: claim_shop
-- As above.
SELECT coalesce(claim_shop(:key), false)

-- name: accounts
SELECT type FROM integrations WHERE merchant_id = :merchant_id AND type <> 'shopify' AND is_active ORDER BY type

-- name: shop_facts
-- Stored in the integration's `config` under "shop", next to the scopes column. Facts about another shop, or from
-- before the connection, do not count.
SELECT scopes, config #>> '{{shop,time_zone}}' AS time_zone, config #>> '{{shop,currency}}' AS currency,
       extract(epoch FROM clock_timestamp() - CAST(config #>> '{{shop,asked_at}}' AS timestamptz)) AS age
FROM merchant_integrations
WHERE merchant_id = :merchant_id AND type = 'shopify' AND shop_domain = :shop_domain
  AND config #>> '{{shop,domain}}' = :shop_domain
  AND CAST(config #>> '{{shop,asked_at}}' AS timestamptz) >= connected_at

-- name: keep_scopes
UPDATE merchant_integrations SET scopes = CAST(:scopes AS text[]), updated_at = clock_timestamp()
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
  AND scopes <> CAST(:scopes AS text[])

-- name: keep_shop_facts
UPDATE merchant_integrations SET
    scopes = CAST(:scopes AS text[]), updated_at = clock_timestamp(),
    config = jsonb_set(config, '{{shop}}', jsonb_build_object(
        'domain', shop_domain, 'time_zone', CAST(:time_zone AS text), 'currency', CAST(:currency AS text),
        'asked_at', clock_timestamp()))
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND shop_domain = :shop_domain
  AND token_version = :token_version
RETURNING id
