-- Renewing an expiring token: one process at a time, and no transaction while Shopify is asked.

-- name: begin
-- One statement locks the row, reads it anew and takes the lease. Nothing if the token was replaced meanwhile, the
-- shop is gone, or another process is at it.
UPDATE merchant_integrations SET renewing_until = clock_timestamp() + make_interval(secs => :lease_seconds)
WHERE merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
  AND refresh_token IS NOT NULL AND (renewing_until IS NULL OR renewing_until < clock_timestamp())
RETURNING renewing_until, refresh_token, shop_domain

-- fragment: held
merchant_id = :merchant_id AND type = 'shopify' AND status = 'active' AND token_version = :token_version
AND renewing_until = :lease

-- name: store
-- Both tokens at once, and only by the holder of the lease: the pair that Shopify gave out last is the one to keep.
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

-- name: put_off
UPDATE merchant_integrations SET renewing_until = clock_timestamp() + make_interval(secs => :pause_seconds)
WHERE {held}
