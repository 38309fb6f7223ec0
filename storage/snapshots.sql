-- A conversation's messages at one instant.

-- fragment: message_id
-- The id that the sender knows: the door makes event ids from the conversation's and the message's id.
CASE WHEN m.id = m.conversation_id || '/' || m.correlation_id OR m.id LIKE 'sha256:%'
     THEN coalesce(m.correlation_id, m.id) ELSE m.id END

-- name: read
-- CJ's messages up to the first run that has not ended, or that of :place; the merchant's also after it, and before a
-- turn answers them.
WITH here AS (
    SELECT coalesce(
        CAST(:place AS integer),
        (SELECT min(o.seq) FROM turns o
         WHERE o.conversation_id = :conversation_id AND o.status IN ('queued', 'running')),
        (SELECT c.last_turn + 1 FROM conversations c WHERE c.id = :conversation_id), 1) AS place
    WHERE NOT EXISTS (
        SELECT FROM conversations c
        WHERE c.id = :conversation_id AND (c.merchant_id <> :merchant_id OR c.by_door <> :by_door))
)
SELECT here.place, said.turn, said.sequence, said.event_key, said.id, said.text, said.data, said.at
FROM here LEFT JOIN LATERAL (
    (SELECT t.seq AS turn, 0 AS sequence, m.key AS event_key, {message_id} AS id, m.text, CAST(NULL AS jsonb) AS data,
            m.received_at AS at
     FROM turns t JOIN merchant_messages m ON m.key = t.event_key
     WHERE t.conversation_id = :conversation_id AND t.merchant_id = :merchant_id
     ORDER BY t.seq DESC LIMIT :limit)
    UNION ALL
    (SELECT NULL, 0, m.key, {message_id}, m.text, NULL, m.received_at FROM merchant_messages m
     WHERE m.conversation_id = :conversation_id AND m.merchant_id = :merchant_id AND m.status = 'received'
     ORDER BY m.key DESC LIMIT :limit)
    UNION ALL
    (SELECT t.seq, r.sequence, t.event_key, NULL, NULL, r.body -> 'data', r.created_at
     FROM turns t JOIN replies r ON r.turn_id = t.id
     WHERE t.conversation_id = :conversation_id AND t.merchant_id = :merchant_id AND t.seq < here.place
       AND r.body @? '$.data[*] ? (@.type starts with "TEXT_MESSAGE_")'
     ORDER BY t.seq DESC, r.sequence DESC LIMIT :limit)
    UNION ALL
    (SELECT NULL, r.sequence, e.key, {message_id}, m.text, r.body -> 'data', r.created_at
     FROM events e JOIN replies r ON r.event_key = e.key LEFT JOIN merchant_messages m ON m.key = e.key
     WHERE :by_door AND e.by_door AND e.status = 'rejected' AND e.merchant_id = :merchant_id
       AND e.conversation_id = :conversation_id
     ORDER BY e.key DESC LIMIT :limit)
) AS said ON true
