-- How much merchants used language models, and how many turns they began lately.

-- name: add
INSERT INTO usage AS u (merchant_id, day, model, calls, input_tokens, output_tokens)
VALUES (:merchant_id, CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date), :model, 1, :input_tokens, :output_tokens)
ON CONFLICT (merchant_id, day, model) DO UPDATE SET
    calls = u.calls + 1, input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens

-- name: begin_turn(merchant_id text, most integer)
-- A minute begins with the first turn after the previous minute ended. Returns no row when it is full.
INSERT INTO turn_rates AS r (merchant_id, since, turns) VALUES (:merchant_id, clock_timestamp(), 1)
ON CONFLICT (merchant_id) DO UPDATE SET
    since = CASE WHEN r.since < clock_timestamp() - interval '1 minute' THEN clock_timestamp() ELSE r.since END,
    turns = CASE WHEN r.since < clock_timestamp() - interval '1 minute' THEN 1 ELSE r.turns + 1 END
WHERE r.turns < :most OR r.since < clock_timestamp() - interval '1 minute'
RETURNING turns

-- name: of_days
SELECT merchant_id, day, model, calls, input_tokens, output_tokens FROM usage
WHERE day > CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date) - CAST(:days AS integer)
  AND (CAST(:merchant_id AS text) IS NULL OR merchant_id = :merchant_id)
ORDER BY day DESC, merchant_id, model LIMIT :limit

-- name: prune
DELETE FROM usage
WHERE day < (SELECT CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date) - CAST(:days AS integer))
