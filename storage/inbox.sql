-- The inbox: events are accepted once, or refused with a reason.

-- name: line_up
-- In the same order in all processes: one that stores some of the same events waits here, before it holds other locks.
SELECT count(pg_advisory_xact_lock(lock))
FROM (
    SELECT DISTINCT hashtextextended(identity, 0) AS lock FROM unnest(CAST(:identities AS text[])) AS identity
    ORDER BY lock
) AS locks

-- fragment: from_merchant
-- The oldest unhandled events of merchant new.merchant_id, and perhaps some of the next merchant's. A range in index
-- order: with an equality the planner switches to another path as soon as the statistics know one busy merchant, and
-- then reads everything that was ever handled.
(SELECT e.key, e.merchant_id, e.hinted_at FROM events e
 WHERE e.status = 'received' AND (e.merchant_id, e.key) >= (new.merchant_id, 0)
 ORDER BY e.merchant_id, e.key LIMIT :most)

-- name: accept(sources text[], ids text[], types text[], times text[], subjects text[], traceparents text[], correlations text[], datas text[], hashes bytea[], merchants text[], conversations text[], by_doors boolean[], most integer, put_off float)
-- Events of a conversation beyond their merchant's :most unhandled ones get no wake-up now (`wake_oldest` sends it
-- later): one merchant's thousand messages must not be queued ahead of everybody else's.
WITH new AS (
    SELECT *
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS text[]), CAST(:types AS text[]), CAST(:times AS timestamptz[]),
                CAST(:subjects AS text[]), CAST(:traceparents AS text[]), CAST(:correlations AS text[]),
                CAST(:datas AS text[]), CAST(:hashes AS bytea[]), CAST(:merchants AS text[]),
                CAST(:conversations AS text[]), CAST(:by_doors AS boolean[]))
         WITH ORDINALITY
         AS new (source, id, type, time, subject, traceparent, correlation_id, data, content_hash, merchant_id,
                 conversation_id, by_door, place)
), crowds AS MATERIALIZED (
    -- Once for each merchant, not for each event.
    SELECT new.merchant_id,
           (SELECT count(*) FILTER (WHERE o.merchant_id = new.merchant_id) FROM {from_merchant} AS o) AS unhandled
    FROM (SELECT DISTINCT merchant_id FROM new) AS new
)
INSERT INTO events (
    source, id, type, time, subject, traceparent, correlation_id, data, content_hash, merchant_id, conversation_id,
    by_door, hinted_at)
SELECT new.source, new.id, new.type, new.time, new.subject, new.traceparent, new.correlation_id,
       CAST(new.data AS jsonb), new.content_hash, new.merchant_id, new.conversation_id,
       new.by_door,
       CASE WHEN new.conversation_id IS NOT NULL
                 AND row_number() OVER (PARTITION BY new.merchant_id ORDER BY new.place)
                     + coalesce(crowds.unhandled, 0) > :most
            THEN clock_timestamp() + make_interval(secs => :put_off) END
FROM new LEFT JOIN crowds USING (merchant_id)
ORDER BY new.place
ON CONFLICT (source, id) WHERE status <> 'rejected' DO NOTHING
RETURNING key, source, id, hinted_at IS NOT NULL AS is_put_off

-- name: wake_oldest
-- Those of each merchant's oldest unhandled events that were put off. Every process that handled or put off events of a
-- merchant asks after its commit: the later of two sees what the other did, so none is forgotten.
WITH oldest AS (
    SELECT o.key FROM unnest(CAST(:merchants AS text[])) AS new (merchant_id) CROSS JOIN LATERAL {from_merchant} AS o
    WHERE o.merchant_id = new.merchant_id AND o.hinted_at > clock_timestamp()
), free AS (
    SELECT key FROM events WHERE key = ANY (ARRAY (SELECT key FROM oldest)) AND status = 'received'
      AND hinted_at > clock_timestamp()
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE events SET hinted_at = clock_timestamp() WHERE key = ANY (ARRAY (SELECT key FROM free)) RETURNING key

-- name: forgotten(limit integer, most integer)
-- Merchants none of whose oldest unhandled events was woken: the process that should have come back to those put off
-- has died. The range contains everything put off, but only its beginning is read.
SELECT new.merchant_id FROM (
    SELECT DISTINCT p.merchant_id FROM (
        SELECT merchant_id FROM events WHERE status = 'received' AND hinted_at > (SELECT clock_timestamp())
        ORDER BY hinted_at LIMIT :limit) AS p) AS new
WHERE NOT EXISTS (
    SELECT 1 FROM {from_merchant} AS o
    WHERE o.merchant_id = new.merchant_id AND (o.hinted_at IS NULL OR o.hinted_at <= clock_timestamp()))

-- name: accepted
SELECT e.key, e.source, e.id, e.content_hash, e.received_at
FROM events e
JOIN unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS wanted (source, id) USING (source, id)
WHERE e.status <> 'rejected'

-- name: reject
INSERT INTO events (source, id, type, data, content_hash, status, error_code, error, processed_at)
VALUES (:source, :id, :type, CAST(:data AS jsonb), :content_hash, 'rejected', :code, :message, clock_timestamp())
ON CONFLICT (source, id, content_hash) WHERE status = 'rejected' DO UPDATE SET
    times = events.times + 1, error_code = excluded.error_code, error = excluded.error,
    processed_at = excluded.processed_at
RETURNING key

-- name: refuse_later
INSERT INTO events (source, id, type, content_hash, correlation_id, merchant_id, conversation_id, error_code, error)
VALUES (:source, :id, :type, :content_hash, :correlationid, :merchant_id, :conversation_id, :code, :message)
ON CONFLICT (source, id) WHERE status <> 'rejected' DO NOTHING
RETURNING key

-- fragment: first_in_line
-- The event to handle before event :key, or that event itself: the events of a conversation are handled in order of
-- arrival, whichever wake-up comes first.
SELECT coalesce(first.key, e.key) FROM events e
LEFT JOIN LATERAL (
    -- A range, as in `from_merchant`; the event itself is one of them, so the first is of its conversation.
    SELECT o.key, o.run_after FROM events o
    WHERE o.status = 'received' AND (o.conversation_id, o.key) >= (e.conversation_id, 0)
    ORDER BY o.conversation_id, o.key LIMIT 1
) AS first ON true
WHERE e.key = :key AND e.status = 'received'

-- fragment: next_in_line
-- What was received at a time still to come was received before Postgres' clock went back.
new.key = ({first_in_line}) AND new.status = 'received'
AND (new.run_after <= clock_timestamp() OR new.received_at > clock_timestamp())

-- name: is_left
SELECT 1 FROM events new WHERE {next_in_line}

-- name: take(key bigint, most integer)
-- Crowded: the merchant has so many unhandled events that more are put off. The handler of the latest of these sees all
-- the others unless they are handled by then, so at least one handler comes back to what was put off.
SELECT new.key, new.source, new.id, new.type, new.data, new.time, new.traceparent, new.correlation_id, new.attempts,
       new.received_at, new.merchant_id, new.conversation_id,
       CAST(extract(epoch FROM clock_timestamp() - new.received_at) AS float) AS age_seconds, new.progress,
       new.error_code, new.error, new.by_door,
       (SELECT count(*) >= :most OR coalesce(bool_or(o.hinted_at > clock_timestamp()), false) FROM {from_merchant} AS o
        WHERE o.merchant_id = new.merchant_id) AS is_crowded
FROM events new WHERE {next_in_line} FOR NO KEY UPDATE

-- name: keep_progress
-- Also marks it as just woken, so that nobody else picks it up.
UPDATE events SET progress = CAST(:progress AS jsonb), hinted_at = clock_timestamp()
WHERE key = :key AND status = 'received'

-- name: processed(key bigint)
UPDATE events SET status = 'processed', processed_at = clock_timestamp(), progress = NULL
WHERE key = :key AND status = 'received'

-- name: processed_traced(key bigint, traceparent text)
-- Separate, because only a process that traces needs the right to it.
UPDATE events SET status = 'processed', processed_at = clock_timestamp(), progress = NULL, traceparent = :traceparent
WHERE key = :key AND status = 'received'

-- name: refused_before
-- The same bytes were refused before: count it there and delete this row.
UPDATE events f SET
    times = f.times + 1, error_code = :code, error = :message, processed_at = clock_timestamp()
FROM events e
WHERE e.key = :key AND e.status = 'received' AND f.status = 'rejected'
  AND f.source = e.source AND f.id = e.id AND f.content_hash = e.content_hash
RETURNING f.key

-- name: forget
DELETE FROM events WHERE key = :key AND status = 'received'

-- name: refuse
UPDATE events SET
    status = 'rejected', error_code = :code, error = :message, processed_at = clock_timestamp(), progress = NULL
WHERE key = :key AND status = 'received'

-- name: postpone
UPDATE events SET
    attempts = attempts + 1, run_after = clock_timestamp() + make_interval(secs => :seconds), hinted_at = NULL
WHERE key = :key AND status = 'received'

-- name: unprocessed(older_than float, again float, limit integer)
-- Never woken, or woken that long ago: two ranges of one index.
WITH never AS (
    SELECT key FROM events
    WHERE status = 'received' AND hinted_at IS NULL AND run_after <= (SELECT clock_timestamp())
      AND received_at < (SELECT clock_timestamp()) - make_interval(secs => :older_than)
    ORDER BY run_after LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
), long_ago AS (
    SELECT key FROM events
    WHERE status = 'received' AND hinted_at < (SELECT clock_timestamp()) - make_interval(secs => :again)
      AND run_after <= clock_timestamp()
      AND received_at < (SELECT clock_timestamp()) - make_interval(secs => :older_than)
    ORDER BY hinted_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE events SET hinted_at = clock_timestamp()
WHERE key = ANY (ARRAY (SELECT key FROM never UNION ALL SELECT key FROM long_ago ORDER BY key LIMIT :limit))
RETURNING key

-- name: rejected
SELECT id, source, type, error_code, error, received_at
FROM events WHERE status = 'rejected' ORDER BY processed_at DESC, key DESC LIMIT :limit

-- name: retry
-- The latest event refused under this identity whose content was kept (a malformed message's is not), unless another
-- was accepted under it.
UPDATE events r SET
    status = 'received', error_code = NULL, error = NULL, processed_at = NULL, attempts = 0, hinted_at = NULL,
    run_after = clock_timestamp(), received_at = clock_timestamp()
WHERE r.key = (
        SELECT l.key FROM events l
        WHERE l.status = 'rejected' AND l.source = :source AND l.id = :id AND l.data <> CAST('{{}}' AS jsonb)
        ORDER BY l.processed_at DESC, l.key DESC LIMIT 1)
  AND r.status = 'rejected' AND NOT EXISTS (
      SELECT 1 FROM events e WHERE e.source = r.source AND e.id = r.id AND e.status <> 'rejected')
RETURNING r.key

-- name: refused_by
SELECT DISTINCT source FROM events WHERE status = 'rejected' AND id = :id ORDER BY source
