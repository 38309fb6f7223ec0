-- What privacy requests find, blank and erase (rare and thorough: these may take their time), and what is old.

-- name: patience
SET LOCAL statement_timeout = '60s'

-- fragment: mentions
-- The text contains any of :needles (in lower case).
EXISTS (SELECT 1 FROM unnest(CAST(:needles AS text[])) AS n (needle) WHERE strpos(lower(x.words), n.needle) > 0)

-- name: steps
SELECT x.* FROM (
    SELECT s.turn_id, s.step, s.assistant, s.tool_results, t.conversation_id, t.seq, s.created_at,
           CAST(s.assistant AS text) || coalesce(CAST(s.tool_results AS text), '') AS words
    FROM conversations c JOIN turns t ON t.conversation_id = c.id JOIN steps s ON s.turn_id = t.id
    WHERE c.merchant_id = :merchant_id) AS x
WHERE {mentions} ORDER BY x.turn_id, x.step

-- name: inputs
SELECT x.* FROM (
    SELECT t.id, t.input, t.conversation_id, t.seq, t.created_at, CAST(t.input AS text) AS words
    FROM conversations c JOIN turns t ON t.conversation_id = c.id
    WHERE c.merchant_id = :merchant_id) AS x
WHERE {mentions} ORDER BY x.id

-- name: replies
SELECT x.* FROM (
    SELECT r.id, r.body, CAST(r.body -> 'data' AS text) AS words
    FROM conversations c JOIN replies r ON r.conversation_id = c.id
    WHERE c.merchant_id = :merchant_id) AS x
WHERE {mentions} ORDER BY x.id

-- name: messages
-- Also those that no turn answered. The privacy requests themselves stay: ids, and that they were made.
SELECT x.* FROM (
    SELECT e.key, e.data, CAST(e.data AS text) AS words FROM events e
    WHERE e.merchant_id = :merchant_id AND e.type = 'message_received') AS x
WHERE {mentions} ORDER BY x.key

-- name: write_step
UPDATE steps SET assistant = CAST(:assistant AS jsonb), tool_results = CAST(:tool_results AS jsonb)
WHERE turn_id = :turn_id AND step = :step

-- name: write_input
UPDATE turns SET input = CAST(:input AS jsonb) WHERE id = :id

-- name: write_reply
UPDATE replies SET body = CAST(:body AS jsonb) WHERE id = :id

-- name: write_message
UPDATE events SET data = CAST(:data AS jsonb) WHERE key = :key

-- name: take_back_turns
-- A running turn may hold in memory what is being erased: it loses its fence and starts again from the rows.
UPDATE turns SET status = 'queued', lease_until = NULL, lease_owner = NULL, wake_at = clock_timestamp(),
    attempt = attempt + 1
WHERE status = 'running' AND merchant_id = :merchant_id

-- name: blank_events
-- The rows stay without their content: each keeps its identity, so a replay is recognised and has no effect.
UPDATE events SET
    data = '{{}}', subject = NULL, conversation_id = NULL,
    status = CASE WHEN status = 'received' THEN 'processed' ELSE status END,
    processed_at = coalesce(processed_at, clock_timestamp())
WHERE merchant_id = :merchant_id AND key <> :key

-- name: blank_event
UPDATE events SET data = '{{}}', subject = NULL WHERE key = :key

-- name: erase_merchant
-- A function with the owner's rights (storage/models.py): a role that could delete merchants could delete every token.
-- Integrations, conversations, turns, steps and replies go with it.
SELECT coalesce(erase_merchant(:key), false)

-- name: add_tombstone
INSERT INTO tombstones (kind, subject) VALUES (:kind, :subject)
ON CONFLICT (kind, subject) DO UPDATE SET created_at = clock_timestamp()

-- name: erased_at
SELECT created_at FROM tombstones WHERE kind = :kind AND subject = :subject

-- name: requests
SELECT id, merchant_id, data, coalesce(time, received_at) AS made_at FROM events
WHERE type = 'customers_data_request' AND status = 'processed' AND data ->> 'customer_id' IS NOT NULL
ORDER BY received_at DESC, key DESC LIMIT :limit

-- name: request
SELECT id, merchant_id, data, coalesce(time, received_at) AS made_at FROM events
WHERE type = 'customers_data_request' AND status = 'processed' AND data ->> 'customer_id' IS NOT NULL AND id = :id
ORDER BY key DESC LIMIT 1

-- name: prune_turns
-- Small batches: nobody waits for one, and vacuum keeps up.
-- Steps and replies go with their turn. Never a reply that the gateway has not acked.
DELETE FROM turns WHERE id = ANY (ARRAY (
    SELECT t.id FROM turns t
    WHERE t.status IN ('done', 'dead') AND t.finished_at < (SELECT clock_timestamp()) - make_interval(days => :days)
      AND NOT EXISTS (SELECT 1 FROM replies r WHERE r.turn_id = t.id AND r.acked_at IS NULL)
    ORDER BY t.finished_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))

-- name: prune_events
DELETE FROM events WHERE key = ANY (ARRAY (
    SELECT e.key FROM events e
    WHERE e.status IN ('processed', 'rejected') AND e.processed_at < (SELECT clock_timestamp()) - make_interval(days => :days)
      AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.event_key = e.key)
    ORDER BY e.processed_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))
