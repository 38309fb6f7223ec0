-- What the door reads: replies after each client's place, for many streams in one round trip.

-- name: read(numbers integer[], merchants text[], conversations text[], turns integer[], sequences integer[], aparts bigint[], events bigint[], limit integer)
-- Shows the replies of all runs up to the first that has not ended, and of that one what there is so far; a run that
-- was declined meanwhile waits its turn. Both come from one snapshot, so no reply can appear later at an earlier place.
SELECT s.number, coalesce(CASE s.event_key
           WHEN -1 THEN false
           WHEN 0 THEN open.seq IS NULL
           ELSE (SELECT e.status <> 'received' AND coalesce(open.seq > coalesce(
                     (SELECT max(seq) FROM turns w WHERE w.event_key = e.key), 0), true)
                 FROM events e WHERE e.key = s.event_key)
       END, true) AS has_ended,
       r.turn, r.sequence, r.apart, r.body, CAST(extract(epoch FROM clock_timestamp() - r.created_at) AS float) AS age
FROM unnest(CAST(:numbers AS integer[]), CAST(:merchants AS text[]), CAST(:conversations AS text[]),
            CAST(:turns AS integer[]), CAST(:sequences AS integer[]), CAST(:aparts AS bigint[]),
            CAST(:events AS bigint[]))
     AS s (number, merchant_id, conversation_id, turn, sequence, apart, event_key)
CROSS JOIN LATERAL (
    SELECT min(o.seq) AS seq FROM turns o
    WHERE o.conversation_id = s.conversation_id AND o.status IN ('queued', 'running')) AS open
LEFT JOIN LATERAL (
    (SELECT t.seq AS turn, r.sequence, CAST(0 AS bigint) AS apart, r.body, r.created_at
     FROM turns t JOIN replies r ON r.turn_id = t.id
     WHERE t.conversation_id = s.conversation_id AND t.merchant_id = s.merchant_id AND r.publishes < 0
       AND t.seq >= s.turn AND (t.seq, r.sequence) > (s.turn, s.sequence) AND t.seq <= coalesce(open.seq, t.seq)
     ORDER BY t.seq, r.sequence LIMIT :limit)
    UNION ALL
    (SELECT 0, r.sequence, e.key, r.body, r.created_at
     FROM events e JOIN replies r ON r.event_key = e.key
     WHERE e.by_door AND e.status = 'rejected' AND e.merchant_id = s.merchant_id
       AND e.conversation_id = s.conversation_id AND e.key > s.apart
     ORDER BY e.key LIMIT :limit)
) AS r ON true
ORDER BY s.number, r.apart, r.turn, r.sequence

-- name: whose(conversation_id text)
SELECT merchant_id, by_door, last_turn FROM conversations WHERE id = :conversation_id

-- name: under_way
-- The turn whose messages the client names; else the first that has not ended; else the next one.
SELECT coalesce(
    (SELECT t.seq FROM turns t WHERE t.id = :turn_id AND t.conversation_id = c.id),
    (SELECT min(o.seq) FROM turns o WHERE o.conversation_id = c.id AND o.status IN ('queued', 'running')),
    c.last_turn + 1)
FROM conversations c WHERE c.id = :conversation_id AND c.merchant_id = :merchant_id

-- name: sent_otherwise
-- Of the latest messages, as a snapshot shows them.
SELECT m.id, m.text, m.key FROM (
    (SELECT t.event_key FROM turns t WHERE t.conversation_id = :conversation_id ORDER BY t.seq DESC LIMIT :limit)
    UNION
    (SELECT e.key FROM events e WHERE e.conversation_id = :conversation_id AND e.status = 'received'
     ORDER BY e.key DESC LIMIT :limit)
) AS latest (key) JOIN merchant_messages m USING (key)
WHERE m.merchant_id = :merchant_id AND m.id = ANY (CAST(:ids AS text[]))

-- name: first_turn
SELECT min(seq) FROM turns WHERE event_key = :event_key

-- name: acknowledge
UPDATE replies r SET acked_at = clock_timestamp() FROM turns t
WHERE r.conversation_id = :conversation_id AND r.turn_id = t.id AND t.merchant_id = :merchant_id
  AND t.seq <= :turn AND (t.seq, r.sequence) <= (:turn, :sequence) AND r.publishes < 0 AND r.acked_at IS NULL
RETURNING CAST(extract(epoch FROM r.acked_at - r.created_at) AS float) AS age,
          CASE WHEN :traced THEN r.body ->> 'traceparent' END AS traceparent
