-- Replies, from their commit until the gateway has acked them.

-- name: lock_turn
-- Appends to one turn queue up, so that its sequence has no gaps and no doubles.
SELECT last_sequence, clock_timestamp() AS now FROM turns WHERE id = :turn_id FOR NO KEY UPDATE

-- name: known
SELECT key, id, body FROM replies WHERE turn_id = :turn_id AND key = ANY (CAST(:keys AS text[]))

-- name: append
WITH counted AS (
    UPDATE turns SET last_sequence = :last_sequence WHERE id = :turn_id
)
INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, created_at)
SELECT new.id, :conversation_id, :turn_id, new.sequence, new.key, CAST(new.body AS jsonb), :now
FROM unnest(CAST(:ids AS text[]), CAST(:sequences AS integer[]), CAST(:keys AS text[]), CAST(:bodies AS text[]))
     AS new (id, sequence, key, body)

-- name: mark_published
UPDATE replies SET published_at = clock_timestamp(), publishes = publishes + 1
WHERE id = ANY (CAST(:ids AS text[])) AND acked_at IS NULL

-- name: acknowledge
UPDATE replies SET acked_at = clock_timestamp() WHERE id = ANY (CAST(:ids AS text[])) AND acked_at IS NULL
RETURNING CAST(extract(epoch FROM clock_timestamp() - created_at) AS float)

-- name: due
-- Never published although committed a second ago (the publisher died), or published without an ack for longer
-- and longer: a gateway that is away for an hour must not find each reply a hundred times. Each step of :backoff is a
-- range of one index, so what is not due costs nothing, however much of it there is.
WITH due AS (
    SELECT r.id FROM unnest(CAST(:backoff AS float[])) WITH ORDINALITY AS step (seconds, number)
    CROSS JOIN LATERAL (
        SELECT id, created_at, turn_id, sequence FROM replies
        WHERE acked_at IS NULL AND least(publishes, 7) = step.number - 1
          AND coalesce(published_at, created_at) < (SELECT clock_timestamp()) - make_interval(secs => step.seconds)
        ORDER BY coalesce(published_at, created_at), turn_id, sequence LIMIT :limit) AS r
    ORDER BY r.created_at, r.turn_id, r.sequence LIMIT :limit
)
SELECT id, body FROM replies WHERE id = ANY (ARRAY (SELECT id FROM due)) AND acked_at IS NULL
ORDER BY created_at, turn_id, sequence
