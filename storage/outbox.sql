-- Replies, from their commit until the gateway has acked them.

-- name: lock_turn
-- Serialises appends to a turn, so that its sequence has no gaps or duplicates.
SELECT t.last_sequence, clock_timestamp() AS now, t.seq, t.conversation_id, t.merchant_id, e.id, e.traceparent,
       e.correlation_id
FROM turns t JOIN events e ON e.key = t.event_key WHERE t.id = :turn_id FOR NO KEY UPDATE OF t

-- name: known
SELECT key, id, body, publishes < 0 AS by_door FROM replies WHERE turn_id = :turn_id AND key = ANY (CAST(:keys AS text[]))

-- fragment: new
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, created_at, publishes)
SELECT new.id, :conversation_id, :turn_id, new.sequence, new.key, CAST(new.body AS jsonb), :now,
       CASE WHEN c.by_door THEN -1 ELSE 0 END
FROM conversations c,
     unnest(CAST(:ids AS text[]), CAST(:sequences AS integer[]), CAST(:keys AS text[]), CAST(:bodies AS text[]))
     AS new (id, sequence, key, body)
WHERE c.id = :conversation_id
-- Several rows: Postgres sends equal notifications of one transaction once.
RETURNING publishes < 0 AS by_door, CASE WHEN publishes < 0 THEN pg_notify('cj_replies', conversation_id) END

-- name: append
WITH counted AS (
    UPDATE turns SET last_sequence = :last_sequence WHERE id = :turn_id
)
{new}

-- name: append_last(ids text[], sequences integer[], keys text[], bodies text[], conversation_id text, now timestamptz, turn_id bigint)
-- The statement that ends the turn counts them.
{new}

-- name: append_held(ids text[], sequences integer[], keys text[], bodies text[], conversation_id text, now timestamptz, turn_id bigint, last_sequence integer, merchant_id text, lease_seconds float, begins boolean, prompt_limit integer, tokens_per_day bigint, workflow text, workflow_hash text)
-- Everything that a commit changes in a running turn is one new version of its row. A lease with more than half of its
-- time left is not extended: writing it would add an entry to each of the turn's indexes. `begins`: count a call of a
-- model, unless the merchant's tokens of the day (:tokens_per_day; 0 is no limit) are used up.
WITH budget AS MATERIALIZED (
    SELECT CAST(:begins AS boolean) AND (:tokens_per_day = 0 OR :tokens_per_day > (
        SELECT coalesce(sum(u.input_tokens + u.output_tokens), 0) FROM usage u
        WHERE u.merchant_id = :merchant_id AND u.day = CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date))) AS begins
), noted AS (
    UPDATE turns t SET
        last_sequence = :last_sequence,
        model_calls = t.model_calls + CASE WHEN b.begins THEN 1 ELSE 0 END,
        prompt_limit = CASE WHEN b.begins THEN CAST(:prompt_limit AS integer) ELSE t.prompt_limit END,
        workflow = coalesce(:workflow, t.workflow), workflow_hash = coalesce(:workflow_hash, t.workflow_hash),
        lease_until = CASE WHEN t.lease_until < clock_timestamp() + make_interval(secs => :lease_seconds / 2)
                           THEN clock_timestamp() + make_interval(secs => :lease_seconds) ELSE t.lease_until END
    FROM budget b WHERE t.id = :turn_id
), added AS (
    {new}
)
SELECT begins FROM budget

-- name: now
SELECT clock_timestamp()

-- name: append_apart
WITH added AS (
    INSERT INTO replies (id, event_key, sequence, key, body, publishes)
    SELECT :id, e.key, 1, :key, CAST(:body AS jsonb), CASE WHEN e.by_door THEN -1 ELSE 0 END
    FROM events e WHERE e.key = :event_key
    ON CONFLICT (event_key) WHERE event_key IS NOT NULL DO NOTHING
    RETURNING publishes < 0 AS by_door
)
SELECT by_door, CASE WHEN by_door THEN pg_notify('cj_replies', :conversation_id) END FROM added

-- name: unanswered_calls
SELECT e ->> 'toolCallId' FROM replies r, jsonb_path_query(r.body, '$.data[*]') AS e
WHERE r.turn_id = :turn_id AND e ->> 'type' IN ('TOOL_CALL_START', 'TOOL_CALL_RESULT')
GROUP BY 1 HAVING count(*) = 1 ORDER BY 1

-- name: unfinished_messages
SELECT e ->> 'messageId' FROM replies r, jsonb_path_query(r.body, '$.data[*]') AS e
WHERE r.turn_id = :turn_id AND e ->> 'type' IN ('TEXT_MESSAGE_START', 'TEXT_MESSAGE_END')
GROUP BY 1 HAVING count(*) = 1

-- name: after
-- `seq` is repeated as a condition of its own, so that earlier turns are not read again each time.
SELECT r.id, r.body FROM turns t JOIN replies r ON r.turn_id = t.id
WHERE t.conversation_id = :conversation_id AND t.seq >= :turn AND (t.seq, r.sequence) > (:turn, :sequence)
  AND r.publishes >= 0
ORDER BY t.seq, r.sequence LIMIT :limit

-- name: last_place
SELECT t.seq, r.sequence FROM turns t JOIN replies r ON r.turn_id = t.id
WHERE t.conversation_id = :conversation_id ORDER BY t.seq DESC, r.sequence DESC LIMIT 1

-- name: apart
-- Found by the events' key: replies that are runs of their own, to events of this source.
SELECT r.id, r.body FROM events e JOIN replies r ON r.event_key = e.key
WHERE e.source = :source AND e.id = ANY (CAST(:ids AS text[])) ORDER BY e.key

-- name: recent
-- What running, waiting or just ended turns have said since then; uses only small indexes, however many replies exist.
SELECT r.id, r.body FROM (
    SELECT id FROM turns WHERE status = 'running'
    UNION SELECT id FROM turns WHERE status IN ('done', 'dead') AND finished_at > :since
    UNION (SELECT id FROM turns WHERE status = 'queued' ORDER BY wake_at DESC LIMIT :limit)) AS t
JOIN replies r ON r.turn_id = t.id WHERE r.created_at > :since
UNION ALL
SELECT r.id, r.body FROM events e JOIN replies r ON r.event_key = e.key
WHERE e.status = 'rejected' AND e.received_at > :since AND r.created_at > :since
ORDER BY 1 LIMIT :limit

-- name: mark_published(ids text[])
UPDATE replies SET published_at = clock_timestamp(), publishes = publishes + 1
WHERE id = ANY (CAST(:ids AS text[])) AND acked_at IS NULL

-- name: acknowledge(ids text[], traced boolean)
UPDATE replies SET acked_at = clock_timestamp() WHERE id = ANY (CAST(:ids AS text[])) AND acked_at IS NULL
RETURNING CAST(extract(epoch FROM clock_timestamp() - created_at) AS float) AS age,
          CASE WHEN :traced THEN body ->> 'traceparent' END AS traceparent

-- name: due(backoff float[], limit integer)
-- Never published although committed a second ago (the publisher died), or published without an ack, with growing
-- pauses: a gateway that was away for an hour must not find each reply a hundred times. Each step of :backoff is a
-- range of one index, so replies that are not due cost nothing, however many there are.
WITH due AS (
    SELECT r.id FROM unnest(CAST(:backoff AS float[])) WITH ORDINALITY AS step (seconds, number)
    CROSS JOIN LATERAL (
        SELECT id, created_at, turn_id, sequence FROM replies
        WHERE acked_at IS NULL AND least(publishes, 7) = step.number - 1
          AND coalesce(published_at, created_at) < (SELECT clock_timestamp()) - make_interval(secs => step.seconds)
        ORDER BY coalesce(published_at, created_at), turn_id, sequence LIMIT :limit) AS r
    ORDER BY r.created_at, r.turn_id, r.sequence LIMIT :limit
)
SELECT id, body FROM replies
WHERE id = ANY (ARRAY (SELECT id FROM due)) AND acked_at IS NULL
ORDER BY created_at, turn_id, sequence
