-- Merchants and their shops. Only statements here touch the sealed columns; everyone else reads the view.

-- name: add_merchant
INSERT INTO merchants (id, name) VALUES (:merchant_id, :name) ON CONFLICT DO NOTHING

-- name: rename
UPDATE merchants SET name = :name, updated_at = clock_timestamp()
WHERE id = :merchant_id AND NOT EXISTS (SELECT 1 FROM merchants WHERE name = :name)
RETURNING id

-- name: lock_merchant
-- Connecting one merchant's shops is done one at a time.
SELECT name FROM merchants WHERE id = :merchant_id FOR NO KEY UPDATE

-- name: merchant_exists
SELECT EXISTS (SELECT 1 FROM merchants WHERE id = :merchant_id)

-- fragment: public
-- The fields of merchants.Integration, in their order.
merchant_id, type, shop_domain, token_version, scopes, is_active, status, access_expires_at, connected_at

-- name: integration_of
SELECT {public} FROM integrations WHERE merchant_id = :merchant_id AND type = :type

-- name: integration_by_shop
SELECT {public} FROM integrations WHERE type = 'shopify' AND shop_domain = :shop_domain AND is_active

-- name: latest_connection
SELECT i.api_key, i.connected_at > clock_timestamp() - make_interval(secs => :rerun_seconds) AS is_recent, {public}
FROM merchant_integrations i WHERE merchant_id = :merchant_id AND type = 'shopify'

-- name: connect
INSERT INTO merchant_integrations
    (merchant_id, type, shop_domain, api_key, refresh_token, access_expires_at, refresh_expires_at, scopes)
VALUES (:merchant_id, 'shopify', :shop_domain, :api_key, :refresh_token,
        clock_timestamp() + make_interval(secs => CAST(:access_expires_in AS float)),
        clock_timestamp() + make_interval(secs => CAST(:refresh_expires_in AS float)), CAST(:scopes AS text[]))
ON CONFLICT (merchant_id, type) DO UPDATE SET
    shop_domain = excluded.shop_domain, api_key = excluded.api_key, refresh_token = excluded.refresh_token,
    access_expires_at = excluded.access_expires_at, refresh_expires_at = excluded.refresh_expires_at,
    scopes = excluded.scopes, token_version = merchant_integrations.token_version + 1, is_active = true,
    status = 'active', connected_at = clock_timestamp(), uninstalled_at = NULL, renewing_until = NULL,
    updated_at = clock_timestamp()
RETURNING {public}

-- name: read_access_token
SELECT api_key, refresh_token IS NOT NULL AS renewable,
       CAST(extract(epoch FROM access_expires_at - clock_timestamp()) AS float) AS seconds_left,
       clock_timestamp() AS read_at, {public} FROM merchant_integrations
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active'

-- name: mark_needs_reauth
UPDATE merchant_integrations SET status = 'needs_reauth', is_active = false, updated_at = clock_timestamp()
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
RETURNING id

-- name: disconnect
-- A function with the owner's rights: who handles events may not touch this table (storage/roles.sql).
SELECT coalesce(disconnect_shop(:merchant_id, :shop_domain, CAST(:at AS timestamptz)), false)

-- name: sealed
SELECT id, merchant_id, shop_domain, api_key, refresh_token FROM merchant_integrations
WHERE id > :after AND (api_key IS NOT NULL OR refresh_token IS NOT NULL)
ORDER BY id LIMIT :limit FOR NO KEY UPDATE

-- name: store_resealed
UPDATE merchant_integrations SET api_key = :api_key, refresh_token = :refresh_token WHERE id = :id

-- name: key_ids
SELECT DISTINCT get_byte(sealed, 0) FROM merchant_integrations
CROSS JOIN LATERAL (VALUES (api_key), (refresh_token)) AS tokens (sealed) WHERE length(sealed) > 0
