-- What is kept no longer than needed. Small batches: nobody waits for one, and vacuum keeps up.

-- name: turns
-- Steps and replies go with their turn. Never a reply that the gateway has not acked.
DELETE FROM turns WHERE id IN (
    SELECT t.id FROM turns t
    WHERE t.status IN ('done', 'dead') AND t.finished_at < clock_timestamp() - make_interval(days => :days)
      AND NOT EXISTS (SELECT 1 FROM replies r WHERE r.turn_id = t.id AND r.acked_at IS NULL)
    ORDER BY t.finished_at LIMIT :limit
    FOR UPDATE SKIP LOCKED)

-- name: events
DELETE FROM events WHERE key IN (
    SELECT e.key FROM events e
    WHERE e.status IN ('processed', 'rejected') AND e.processed_at < clock_timestamp() - make_interval(days => :days)
      AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.event_key = e.key)
    ORDER BY e.processed_at LIMIT :limit
    FOR UPDATE SKIP LOCKED)
