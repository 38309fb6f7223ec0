-- What is waiting, and since when: for `cj status` and the gauges. Every part reads a range of an index that holds only
-- waiting or recent rows, so it costs nothing while all is well.

-- name: backlog
WITH queued AS (
    SELECT count(*) AS number, min(run_after) AS since FROM turns
    WHERE status = 'queued' AND run_after <= clock_timestamp()
), received AS (
    SELECT count(*) AS number, min(received_at) AS since FROM events WHERE status = 'received'
), unacked AS (
    SELECT count(*) AS number, min(created_at) AS since FROM replies WHERE acked_at IS NULL AND publishes >= 0
), failures AS (
    SELECT count(*) AS number, count(*) FILTER (WHERE t.status = 'dead') AS dead FROM turns t
    WHERE t.status IN ('done', 'dead') AND t.error IS NOT NULL AND t.error <> 'stopped'
      AND t.finished_at > (SELECT clock_timestamp()) - interval '1 hour'
      AND NOT EXISTS (SELECT 1 FROM turns r WHERE r.event_key = t.event_key AND r.action = t.action + :retry)
)
SELECT CAST(extract(epoch FROM clock_timestamp()) AS float) AS now, received.number AS events, CAST(extract(epoch FROM clock_timestamp() - received.since) AS float) AS events_age,
       queued.number AS turns, CAST(extract(epoch FROM clock_timestamp() - queued.since) AS float) AS turns_age,
       unacked.number AS replies, CAST(extract(epoch FROM clock_timestamp() - unacked.since) AS float) AS replies_age,
       (SELECT count(*) FROM turns WHERE status = 'done' AND waits_for = 'model') AS without_model,
       (SELECT count(*) FROM turns WHERE status = 'running') AS running,
       (SELECT count(*) FROM turns WHERE status = 'done' AND waits_for IN ('store', 'data')) AS owed, failures.number AS failed, failures.dead,
       (SELECT count(*) FROM events WHERE status = 'rejected'
        AND processed_at > (SELECT clock_timestamp()) - interval '1 hour') AS refused,
       (SELECT jsonb_object_agg(status, number) FROM (
           SELECT status, count(*) AS number FROM integrations WHERE type = 'shopify' GROUP BY status) AS shops)
           AS integrations,
       CAST(extract(epoch FROM clock_timestamp() - (
           SELECT received_at FROM events ORDER BY key DESC LIMIT 1)) AS float) AS silent,
       CAST(extract(epoch FROM clock_timestamp() - make_interval(days => :days) - (
           SELECT min(finished_at) FROM turns WHERE status IN ('done', 'dead'))) AS float) AS overdue
FROM received, queued, unacked, failures

-- name: declined
-- The merchants with most messages declined in the last hour because too many of their turns were waiting; reads the
-- index of failed turns.
SELECT merchant_id, count(*) AS number FROM turns
WHERE status IN ('done', 'dead') AND error IS NOT NULL AND error = :declined
  AND finished_at > (SELECT clock_timestamp()) - interval '1 hour'
  AND (CAST(:merchant AS text) IS NULL OR merchant_id = :merchant)
GROUP BY merchant_id ORDER BY number DESC LIMIT 1

-- name: speeds
-- How long the latest events waited and turns took, in seconds: at most :most of each, whatever the load. Turns that
-- keep a promise or were retried by an operator do not count for the time to an answer.
WITH handled AS (
    SELECT e.received_at, e.processed_at FROM events e
    WHERE e.status IN ('processed', 'rejected')
      AND e.processed_at > (SELECT clock_timestamp()) - make_interval(secs => :window)
    ORDER BY e.processed_at DESC LIMIT :most
), ended AS (
    SELECT t.id, t.event_key, t.status, t.created_at, t.started_at, t.finished_at,
           t.action >= :refusal AND t.action < :retry AS answers
    FROM turns t
    WHERE t.status IN ('done', 'dead') AND t.absorbed_by IS NULL
      AND t.finished_at > (SELECT clock_timestamp()) - make_interval(secs => :window)
    ORDER BY t.finished_at DESC LIMIT :most
)
SELECT what, count(*) AS number, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
FROM (
    SELECT 'event handled' AS what, CAST(extract(epoch FROM processed_at - received_at) AS float) AS seconds FROM handled
    UNION ALL
    SELECT 'turn claimed', CAST(extract(epoch FROM started_at - created_at) AS float) FROM ended
    UNION ALL
    SELECT 'first words', CAST(extract(epoch FROM first.at - e.received_at) AS float)
    FROM ended t JOIN events e ON e.key = t.event_key
    CROSS JOIN LATERAL (
        SELECT min(r.created_at) AS at FROM replies r
        WHERE r.turn_id = t.id AND r.body @? '$.data[*].type ? (@ starts with "TEXT_MESSAGE")') AS first
    WHERE t.status = 'done' AND t.answers
    UNION ALL
    SELECT 'turn ended', CAST(extract(epoch FROM t.finished_at - e.received_at) AS float)
    FROM ended t JOIN events e ON e.key = t.event_key WHERE t.answers
) AS lately
WHERE seconds IS NOT NULL
GROUP BY what
