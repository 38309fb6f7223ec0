-- Merchants and their tokens. Only statements here touch the sealed columns; everyone else reads the view.

-- name: add_merchant
INSERT INTO merchants (id, name, invented) VALUES (:merchant_id, :name, :invented) ON CONFLICT DO NOTHING

-- name: confirm
UPDATE merchants SET invented = false, updated_at = clock_timestamp() WHERE id = :merchant_id AND invented

-- name: drop_invented
-- A function with the owner's rights, like those in connections.sql.
SELECT coalesce(drop_invented(:shop_domain), false)

-- name: move_shop
SELECT move_shop(:shop_domain, :merchant_id)

-- name: rename
UPDATE merchants SET name = :name, updated_at = clock_timestamp()
WHERE id = :merchant_id AND NOT EXISTS (SELECT 1 FROM merchants WHERE name = :name)
RETURNING id

-- name: lock_merchant(merchant_id text)
-- A merchant's shops are connected one at a time.
SELECT name FROM merchants WHERE id = :merchant_id FOR NO KEY UPDATE

-- name: merchant_exists
SELECT EXISTS (SELECT 1 FROM merchants WHERE id = :merchant_id)

-- name: owner_of_shop
-- The merchant who has the shop now, else the last who had it.
SELECT m.id, m.invented, i.status FROM integrations i JOIN merchants m ON m.id = i.merchant_id
WHERE i.type = 'shopify' AND i.shop_domain = :shop_domain
ORDER BY i.is_active DESC, i.status = 'uninstalled', i.connected_at DESC LIMIT 1

-- fragment: public
-- The fields of connections.Integration, in their order.
merchant_id, shop_domain, token_version, scopes, is_active, status, access_expires_at, connected_at

-- fragment: sealed_for
coalesce(sealed_for, merchant_id) AS sealed_for

-- name: latest_connection
SELECT i.api_key, {sealed_for}, i.connected_at > clock_timestamp() - make_interval(secs => :rerun_seconds) AS is_recent, {public}
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
    sealed_for = NULL, updated_at = clock_timestamp(),
    -- The last 20: a privacy request may be about a shop that the merchant has left, or connected again since.
    former = CASE WHEN jsonb_array_length(merchant_integrations.former) < 20 THEN merchant_integrations.former
                  ELSE merchant_integrations.former - 0 END
        || jsonb_build_array(jsonb_build_object(
            'shop_domain', merchant_integrations.shop_domain, 'connected_at', merchant_integrations.connected_at,
            'uninstalled_at', merchant_integrations.uninstalled_at))
RETURNING {public}

-- name: read_access_token(merchant_id text)
SELECT api_key, {sealed_for}, refresh_token IS NOT NULL AS renewable,
       CAST(extract(epoch FROM access_expires_at - clock_timestamp()) AS float) AS seconds_left,
       clock_timestamp() AS read_at, {public} FROM merchant_integrations
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active'

-- name: sealed
SELECT id, merchant_id, {sealed_for}, shop_domain, api_key, refresh_token FROM merchant_integrations
WHERE id > :after AND (api_key IS NOT NULL OR refresh_token IS NOT NULL)
ORDER BY id LIMIT :limit FOR NO KEY UPDATE

-- name: store_resealed
UPDATE merchant_integrations SET api_key = :api_key, refresh_token = :refresh_token, sealed_for = NULL WHERE id = :id

-- name: some_of_each_key
-- Each key's oldest and latest tokens: if a key was replaced under the same id, it opens only one half.
WITH tokens AS (
    SELECT get_byte(sealed, 0) AS key_id, {sealed_for}, shop_domain, kind, sealed,
           row_number() OVER (PARTITION BY get_byte(sealed, 0) ORDER BY updated_at, id, kind) AS from_oldest,
           row_number() OVER (PARTITION BY get_byte(sealed, 0) ORDER BY updated_at DESC, id DESC, kind) AS from_latest
    FROM merchant_integrations
    CROSS JOIN LATERAL (VALUES ('access', api_key), ('refresh', refresh_token)) AS tokens (kind, sealed)
    WHERE length(sealed) > 0
)
SELECT key_id, sealed_for, shop_domain, kind, sealed FROM tokens WHERE from_oldest <= :each OR from_latest <= :each
ORDER BY key_id

-- name: begin_renewal
-- One process at a time, and no transaction while Shopify is asked. One statement locks the row, reads it anew and takes the lease. Nothing if the token was replaced meanwhile, the
-- shop is gone, or another process is renewing it.
UPDATE merchant_integrations SET renewing_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
  AND refresh_token IS NOT NULL AND (renewing_until IS NULL OR renewing_until < clock_timestamp())
RETURNING renewing_until, refresh_token, shop_domain, {sealed_for}

-- fragment: held
merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
AND renewing_until = :lease

-- name: store_renewal
-- Both tokens at once, and only by the holder of the lease: the pair that Shopify issued last must win.
UPDATE merchant_integrations SET
    api_key = :api_key,
    access_expires_at = clock_timestamp() + make_interval(secs => CAST(:access_expires_in AS float)),
    refresh_token = coalesce(:refresh_token, refresh_token),
    refresh_expires_at = CASE WHEN :refresh_token IS NULL THEN refresh_expires_at
        ELSE clock_timestamp() + make_interval(secs => CAST(:refresh_expires_in AS float)) END,
    scopes = coalesce(CAST(:scopes AS text[]), scopes),
    token_version = token_version + 1, renewing_until = NULL, updated_at = clock_timestamp()
WHERE {held}
RETURNING token_version

-- name: put_off_renewal
UPDATE merchant_integrations SET renewing_until = clock_timestamp() + make_interval(secs => :pause_seconds)
WHERE {held}
