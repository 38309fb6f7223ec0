-- Answers of Shopify workers on their way to agents, while Redis is away.

-- name: leave
-- Without a conflict target, which only a role that may read the table can name.
INSERT INTO fetch_answers (request_id, turn_id, answer) VALUES (:request_id, :turn_id, CAST(:answer AS jsonb))
ON CONFLICT DO NOTHING

-- name: pick_up
DELETE FROM fetch_answers WHERE request_id = :request_id RETURNING answer

-- name: prune
DELETE FROM fetch_answers WHERE created_at < (SELECT clock_timestamp()) - make_interval(secs => :seconds)
