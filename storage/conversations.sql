-- fragment: columns
id, merchant_id, workflow, context, status, last_turn

-- name: get
SELECT {columns} FROM conversations WHERE id = :id

-- name: lock(id text)
SELECT {columns} FROM conversations WHERE id = :id FOR NO KEY UPDATE

-- name: bound_to
SELECT id FROM merchants WHERE id = ANY (CAST(:prefixes AS text[])) ORDER BY char_length(id) DESC LIMIT 1

-- name: latest_open(merchant_id text)
SELECT id FROM conversations WHERE merchant_id = :merchant_id AND status = 'open'
ORDER BY updated_at DESC, id LIMIT 1

-- name: open(id text, merchant_id text, workflow text, context text, by_door boolean)
INSERT INTO conversations (id, merchant_id, workflow, context, by_door)
VALUES (:id, :merchant_id, :workflow, CAST(:context AS jsonb), :by_door)
ON CONFLICT (id) DO NOTHING
RETURNING {columns}

-- name: change(id text, values text, workflow text)
UPDATE conversations SET
    context = context || CAST(:values AS jsonb), workflow = coalesce(:workflow, workflow), updated_at = clock_timestamp()
WHERE id = :id

-- name: past_turns(conversation_id text, before_seq integer, max_turns integer, most_owed integer)
-- The latest ended turns, except those that another turn answered, that never began, or that a provider's filter
-- refused; and the latest that wait for a model.
SELECT t.id, t.seq, t.input, CASE t.waits_for WHEN 'model' THEN t.finished_at END AS owed_since,
       t.error IS NOT DISTINCT FROM 'stopped' AS was_stopped FROM turns t
WHERE t.id IN (
    (SELECT id FROM turns
     WHERE conversation_id = :conversation_id AND seq < :before_seq AND status IN ('done', 'dead')
       AND absorbed_by IS NULL AND started_at IS NOT NULL AND error IS DISTINCT FROM 'model_filtered'
     ORDER BY seq DESC LIMIT :max_turns)
    UNION ALL
    (SELECT id FROM turns
     WHERE conversation_id = :conversation_id AND status = 'done' AND waits_for = 'model'
     ORDER BY seq DESC LIMIT :most_owed))
ORDER BY t.seq

-- name: steps_of_turns(turn_ids bigint[])
SELECT turn_id, step, assistant, tool_results, created_at FROM steps
WHERE turn_id = ANY (CAST(:turn_ids AS bigint[])) ORDER BY turn_id, step

-- name: absorbed_by_turns(conversation_id text, turn_ids bigint[])
SELECT t.absorbed_by, t.id, t.seq, e.id, e.traceparent, t.absorbed_at_step, t.input
FROM turns t JOIN events e ON e.key = t.event_key
WHERE t.conversation_id = :conversation_id AND t.absorbed_by = ANY (CAST(:turn_ids AS bigint[]))
ORDER BY t.seq

-- name: remember_workflow
INSERT INTO workflow_versions (hash, name, text) VALUES (:hash, :name, :text) ON CONFLICT (hash) DO NOTHING

-- name: workflow_text
SELECT text FROM workflow_versions WHERE hash = :hash
