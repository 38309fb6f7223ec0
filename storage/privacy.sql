-- Finding, blanking and erasing data for privacy requests, and pruning old data. Rows are walked by key in small
-- batches: no statement grows with a merchant's data, and each batch can be its own commit.

-- name: next_conversations
SELECT id, context FROM conversations WHERE merchant_id = :merchant_id AND id > :after ORDER BY id LIMIT :limit

-- name: next_turns
SELECT conversation_id, id, seq, input, created_at FROM turns WHERE conversation_id = :conversation_id AND seq > :after
ORDER BY seq LIMIT :limit

-- name: next_steps
-- As text: most steps do not concern the person in question, and parsing them would take most of a request's time.
SELECT step, assistant::text AS assistant, tool_results::text AS tool_results, created_at FROM steps
WHERE turn_id = :turn_id AND step > :after ORDER BY step LIMIT :limit

-- name: next_replies
-- Unacked replies may be on the broker: they are marked as published a moment after they were.
SELECT id, sequence, body, acked_at IS NULL AND publishes >= 0 AS on_the_broker FROM replies
WHERE turn_id = :turn_id AND sequence > :after ORDER BY sequence LIMIT :limit

-- name: next_events
-- Uses two indexes instead of reading everybody's events: the merchant's, and the few that name it but belong to nobody
-- or to another merchant.
SELECT key, received_at FROM (
    (SELECT key, received_at FROM events WHERE merchant_id = :merchant_id AND key > :after ORDER BY key LIMIT :limit)
    UNION ALL
    (SELECT key, received_at FROM events
     WHERE data ->> 'merchant_id' = :merchant_id AND (merchant_id IS NULL OR merchant_id <> data ->> 'merchant_id')
       AND key > :after
     ORDER BY key LIMIT :limit)
) AS theirs
ORDER BY key LIMIT :limit

-- name: content_of_events
SELECT key, type, data, error FROM events WHERE key = ANY (CAST(:keys AS bigint[])) ORDER BY key

-- name: lately_changed
-- Turns that ran or were queued since :since.
SELECT t.id, t.seq, t.input, t.created_at FROM conversations c JOIN turns t ON t.conversation_id = c.id
WHERE c.merchant_id = :merchant_id
  AND (t.created_at >= :since OR t.started_at IS NOT NULL AND coalesce(t.finished_at >= :since, true))
ORDER BY t.id

-- name: contexts_lately_changed
SELECT id, context FROM conversations WHERE merchant_id = :merchant_id AND updated_at >= :since ORDER BY id

-- name: write_step
-- Results added since the row was read stay; the end of the walk checks them.
UPDATE steps SET
    assistant = CAST(:assistant AS jsonb), tool_results = coalesce(CAST(:tool_results AS jsonb), tool_results)
WHERE turn_id = :turn_id AND step = :step

-- name: write_input
UPDATE turns SET input = CAST(:input AS jsonb) WHERE id = :id

-- name: write_reply
UPDATE replies SET body = CAST(:body AS jsonb) WHERE id = :id

-- name: write_event
UPDATE events SET data = CAST(:data AS jsonb), error = :error WHERE key = :key

-- name: lock_context
SELECT context FROM conversations WHERE id = :id FOR NO KEY UPDATE

-- name: write_context
UPDATE conversations SET context = CAST(:context AS jsonb) WHERE id = :id

-- name: take_back_turns
-- A running turn may hold the erased data in memory: it is fenced off and starts again from the rows.
UPDATE turns SET status = 'queued', lease_until = NULL, lease_owner = NULL, wake_at = clock_timestamp(),
    attempt = attempt + 1
WHERE status = 'running' AND merchant_id = :merchant_id

-- name: drop_fetch_answers
-- Nobody waits for them: they are for turns that start again.
DELETE FROM fetch_answers a USING turns t WHERE t.id = a.turn_id AND t.merchant_id = :merchant_id

-- name: has_replies_on_the_broker
SELECT EXISTS (
    SELECT 1 FROM conversations c JOIN turns t ON t.conversation_id = c.id JOIN replies r ON r.turn_id = t.id
    WHERE c.merchant_id = :merchant_id AND r.acked_at IS NULL AND r.publishes >= 0)

-- name: erase_turns
-- Steps and replies go with their turn. :before NULL: all.
DELETE FROM turns WHERE id IN (
    SELECT id FROM turns
    WHERE conversation_id = :conversation_id AND (CAST(:before AS timestamptz) IS NULL OR created_at < :before)
    ORDER BY seq LIMIT :limit)

-- name: erase_conversation
DELETE FROM conversations c
WHERE id = :id AND (CAST(:before AS timestamptz) IS NULL OR created_at < :before)
  AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.conversation_id = c.id)

-- name: reduce_context
-- For a conversation that goes on: what a workflow noted earlier may come from the former connection.
UPDATE conversations SET context = (
    SELECT coalesce(jsonb_object_agg(k, v), '{{}}') FROM jsonb_each(context) AS kept (k, v)
    WHERE k = ANY (CAST(:kept AS text[])))
WHERE id = :id AND created_at < :before

-- name: blank_events
-- The rows stay without their content: they keep their identity, so a replay is recognised and has no effect.
UPDATE events SET
    data = '{{}}', subject = NULL, conversation_id = NULL, error = CASE WHEN error IS NOT NULL THEN error_code END,
    status = CASE WHEN status = 'received' THEN 'processed' ELSE status END,
    processed_at = coalesce(processed_at, clock_timestamp())
WHERE key = ANY (CAST(:keys AS bigint[]))

-- name: blank_event
UPDATE events SET data = '{{}}', subject = NULL WHERE key = :key

-- name: forget_contacts
UPDATE events SET data = data - CAST(:contacts AS text[]) WHERE key = :key

-- name: erase_merchant
-- Also deletes what was added since the walk. A function with the owner's rights (storage/models.py): a role that could
-- delete merchants could delete every token.
-- Integrations, conversations, turns, steps and replies go with it.
SELECT coalesce(erase_merchant(:key), false)

-- name: add_tombstone
INSERT INTO tombstones (kind, subject, created_at)
VALUES (:kind, :subject, coalesce(CAST(:at AS timestamptz), clock_timestamp()))
ON CONFLICT (kind, subject) DO UPDATE SET created_at = greatest(tombstones.created_at, excluded.created_at)

-- name: erased_at
SELECT created_at FROM tombstones WHERE kind = :kind AND subject = :subject

-- name: now
SELECT clock_timestamp()

-- fragment: request_columns
id, merchant_id, type, data, coalesce(time, received_at) AS made_at, status, attempts, error_code, progress

-- name: requests
SELECT {request_columns} FROM events
WHERE type IN ('customers_data_request', 'customers_redact', 'shop_redact')
ORDER BY received_at DESC, key DESC LIMIT :limit

-- name: request
SELECT {request_columns} FROM events
WHERE type = 'customers_data_request' AND status = 'processed' AND data ->> 'shop_domain' IS NOT NULL AND id = :id
ORDER BY key DESC LIMIT 1

-- fragment: long_ago
-- By Postgres' clock and by the process's: one that is years ahead must not delete everything.
least((SELECT clock_timestamp()), to_timestamp(:clock)) - make_interval(days => :days)

-- name: prune_turns
-- Small batches: nobody waits for one, and vacuum keeps up. Steps and replies go with their turn, acked or not.
DELETE FROM turns WHERE id = ANY (ARRAY (
    SELECT t.id FROM turns t
    WHERE t.status IN ('done', 'dead') AND t.finished_at < {long_ago}
    ORDER BY t.finished_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))

-- name: prune_waiting
-- The age of a turn that waits for its merchant to reconnect is that of its message.
DELETE FROM turns WHERE id = ANY (ARRAY (
    SELECT t.id FROM turns t
    WHERE t.status = 'queued' AND t.created_at < {long_ago}
    ORDER BY t.created_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))

-- name: prune_events
-- OFFSET 0: Postgres must look for the turn of each event. Of a join it believes that nearly no row is left, and to find
-- those it reads all turns.
DELETE FROM events WHERE key = ANY (ARRAY (
    SELECT e.key FROM events e
    WHERE e.status IN ('processed', 'rejected') AND e.processed_at < {long_ago}
      AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.event_key = e.key OFFSET 0)
    ORDER BY e.processed_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))

-- name: prune_conversations
DELETE FROM conversations WHERE id = ANY (ARRAY (
    SELECT c.id FROM conversations c
    WHERE c.updated_at < {long_ago}
      AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.conversation_id = c.id OFFSET 0)
    ORDER BY c.updated_at LIMIT :limit
    FOR UPDATE SKIP LOCKED))
