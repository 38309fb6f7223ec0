-- The queue of the agent workers. Locks are always taken in this order: event, turn, conversation, then later turns of
-- the same conversation. NO KEY UPDATE, not UPDATE: inserts of steps and replies (foreign keys) must not wait.

-- fragment: first_in_conversation
-- Whether every turn of the conversation before turn t has ended. One index lookup; written as NOT EXISTS it becomes a
-- join that compares each waiting turn with all others of its conversation.
t.seq = (
    SELECT o.seq FROM turns o WHERE o.conversation_id = t.conversation_id AND o.status IN ('queued', 'running')
    ORDER BY o.seq LIMIT 1)

-- fragment: due
-- What was made at a time still to come was made before Postgres' clock went back, and is not meant to wait so long.
(t.run_after <= clock_timestamp() OR t.created_at > clock_timestamp())

-- fragment: running_of_merchant
(SELECT count(*) FROM turns m WHERE m.merchant_id = t.merchant_id AND m.status = 'running')

-- fragment: held
-- Held by this attempt: the fence. A transaction that writes more than a turn begins with `hold`, fencing all of it.
id = :turn_id AND status = 'running' AND attempt = :attempt

-- fragment: asked
-- The merchant's messages that turn t answered.
SELECT own.input, own.seq FROM (SELECT t.input, t.seq) AS own
WHERE own.input ->> 'sender' = 'merchant' AND own.input ->> 'cleanup_trigger' = 'false'
UNION ALL
SELECT a.input, a.seq FROM turns a WHERE a.conversation_id = t.conversation_id AND a.absorbed_by = t.id

-- name: queue(conversation_id text, merchant_id text, event_key bigint, action integer, workflow text, input text, error text, words_within float)
-- `seq` comes from the conversation's row, whose lock is held until the commit: turns become visible in the order of
-- `seq`, so none ever appears before one that is running or done. A conversation opened in this transaction keeps its
-- `updated_at`: a new value would add an entry to each of its indexes.
WITH numbered AS (
    UPDATE conversations SET last_turn = last_turn + 1, updated_at = greatest(updated_at, now())
    WHERE id = :conversation_id AND merchant_id = :merchant_id
      AND NOT EXISTS (SELECT 1 FROM turns WHERE event_key = :event_key AND action = :action)
    RETURNING last_turn
)
INSERT INTO turns (
    conversation_id, merchant_id, seq, event_key, action, workflow, input, status, error, finished_at, words_due)
SELECT :conversation_id, :merchant_id, last_turn, :event_key, :action, :workflow, CAST(:input AS jsonb),
       CASE WHEN CAST(:error AS text) IS NULL THEN 'queued' ELSE 'done' END, :error,
       CASE WHEN CAST(:error AS text) IS NOT NULL THEN clock_timestamp() END,
       CASE WHEN CAST(:error AS text) IS NULL
            THEN clock_timestamp() + make_interval(secs => CAST(:words_within AS double precision)) END
FROM numbered
RETURNING id

-- name: plan_follow_up
-- Inserted as done and owed later, so that nothing in the conversation waits for it. Replaces one with the same text.
WITH replaced AS (
    UPDATE turns SET waits_for = NULL
    WHERE merchant_id = :merchant_id AND status = 'done' AND waits_for IS NOT NULL
      AND waits_for = 'time' AND conversation_id = :conversation_id AND input ->> 'text' = :said
), numbered AS (
    UPDATE conversations SET last_turn = last_turn + 1, updated_at = clock_timestamp()
    WHERE id = :conversation_id AND merchant_id = :merchant_id
      AND NOT EXISTS (SELECT 1 FROM turns WHERE event_key = :event_key AND action = :action)
      AND :most > (
          SELECT count(*) FROM turns
          WHERE merchant_id = :merchant_id AND status = 'done' AND waits_for IS NOT NULL
            AND waits_for = 'time' AND conversation_id = :conversation_id AND input ->> 'text' <> :said)
    RETURNING last_turn
)
INSERT INTO turns (
    conversation_id, merchant_id, seq, event_key, action, workflow, input, status, waits_for, finished_at, run_after)
SELECT :conversation_id, :merchant_id, last_turn, :event_key, :action, :workflow, CAST(:input AS jsonb), 'done', 'time',
       clock_timestamp(), clock_timestamp() + make_interval(secs => :after_seconds)
FROM numbered
RETURNING id

-- name: has_answered
SELECT EXISTS (
    SELECT 1 FROM turns WHERE conversation_id = :conversation_id AND seq > :seq
    AND input ->> 'sender' = 'merchant' AND input ->> 'cleanup_trigger' = 'false')

-- name: queued_before
SELECT 1 FROM turns WHERE event_key = :event_key AND action = :action

-- name: lowest_action
SELECT least(min(action), :refusal) FROM turns WHERE event_key = :event_key

-- fragment: around
-- The turn's conversation v, and its merchant's shop i: the fields of connections.Integration, in their order.
v.last_turn, v.workflow AS conversation_workflow, v.context, v.by_door, i.merchant_id AS shop_of, i.shop_domain, i.token_version,
i.scopes, i.is_active, i.status, i.access_expires_at, i.connected_at

-- name: line_up(turn_id bigint, per_merchant integer)
-- Serialises the claims of one merchant for one transaction: two that count at the same time would both find room. A
-- separate statement, so that the next one sees what the previous claim committed. If there is no room, nobody waits: a
-- merchant's thousand wake-ups must not occupy the threads that others need.
SELECT pg_advisory_xact_lock(17226, hashtext(t.merchant_id)) FROM turns t
WHERE t.id = :turn_id AND t.status = 'queued' AND {running_of_merchant} < :per_merchant

-- name: claim(turn_id bigint, lease_seconds float, owner text, per_merchant integer)
-- At most one turn of a conversation passes: the first that is not done. So SKIP LOCKED cannot hand out the second
-- while the first is being claimed.
WITH claimed AS (
    UPDATE turns SET
        status = 'running', attempt = attempt + 1, lease_owner = :owner,
        lease_until = clock_timestamp() + make_interval(secs => :lease_seconds),
        started_at = coalesce(started_at, clock_timestamp())
    WHERE id = (
        SELECT t.id FROM turns t
        WHERE t.id = :turn_id AND t.status = 'queued' AND {due}
          AND {first_in_conversation} AND {running_of_merchant} < :per_merchant
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT c.id AS turn_id, c.conversation_id, c.merchant_id, c.seq, c.attempt, c.failures, c.workflow, c.workflow_hash,
       c.input, e.id AS event_id, e.type AS event_type, e.received_at AS event_received_at, e.traceparent,
       e.correlation_id, c.last_sequence, c.started_at, c.model_calls, c.prompt_limit, clock_timestamp() AS now,
       CAST(extract(epoch FROM clock_timestamp() - c.run_after) AS float) AS waited_seconds,
       ARRAY (SELECT o.type FROM integrations o WHERE o.merchant_id = c.merchant_id AND o.type <> 'shopify' AND o.is_active
              ORDER BY o.type) AS accounts, {around}
FROM claimed c JOIN events e ON e.key = c.event_key JOIN conversations v ON v.id = c.conversation_id
LEFT JOIN integrations i ON i.merchant_id = c.merchant_id AND i.type = 'shopify'
FOR NO KEY UPDATE OF v

-- name: under_way
SELECT t.id, t.attempt, t.lease_owner, extract(epoch FROM coalesce(t.lease_until, t.run_after) - clock_timestamp())
FROM turns t WHERE t.status IN ('queued', 'running') AND {first_in_conversation}
UNION ALL
SELECT t.id, t.attempt, t.lease_owner, extract(epoch FROM t.run_after - clock_timestamp())
FROM turns t WHERE t.status = 'done' AND t.waits_for IN ('model', 'data', 'time')

-- name: due_in
SELECT extract(epoch FROM t.run_after - clock_timestamp()) FROM turns t
WHERE t.id = :turn_id AND t.status = 'queued' AND NOT {due} AND {first_in_conversation}

-- name: hold(turn_id bigint, attempt integer)
-- The turn first, then its conversation. `last_turn` is read after locking, not as of the statement's start: Postgres
-- reads a row changed meanwhile again. So a message written by then is seen, and none can be added afterwards.
WITH held AS MATERIALIZED (
    SELECT conversation_id, merchant_id, last_sequence FROM turns WHERE {held} FOR NO KEY UPDATE
)
SELECT h.last_sequence, clock_timestamp() AS now, {around}
FROM held h JOIN conversations v ON v.id = h.conversation_id
LEFT JOIN integrations i ON i.merchant_id = h.merchant_id AND i.type = 'shopify'
FOR NO KEY UPDATE OF v

-- name: extend_many(ids bigint[], attempts integer[], lease_seconds float)
UPDATE turns t SET lease_until = clock_timestamp() + make_interval(secs => :lease_seconds)
FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS integer[])) AS held (id, attempt)
WHERE t.id = held.id AND t.attempt = held.attempt AND t.status = 'running'
RETURNING t.id

-- name: owners
SELECT DISTINCT lease_owner FROM turns WHERE status = 'running' AND starts_with(lease_owner, :place)

-- name: drop_leases_of
UPDATE turns SET lease_until = clock_timestamp()
WHERE status = 'running' AND lease_owner = ANY (CAST(:owners AS text[])) AND lease_until > clock_timestamp()
RETURNING id

-- name: still_held(ids bigint[], attempts integer[])
SELECT t.id FROM turns t JOIN unnest(CAST(:ids AS bigint[]), CAST(:attempts AS integer[])) AS held (id, attempt)
  ON t.id = held.id AND t.attempt = held.attempt
WHERE t.status = 'running'

-- name: to_stop
SELECT id, last_sequence, input FROM turns
WHERE conversation_id = :conversation_id AND status IN ('queued', 'running') ORDER BY seq LIMIT :limit
FOR NO KEY UPDATE

-- name: stop
-- Raises the attempt, so that the process running it can write nothing more.
UPDATE turns SET
    status = 'done', error = 'stopped', attempt = attempt + 1, started_at = coalesce(started_at, clock_timestamp()),
    finished_at = clock_timestamp(), lease_until = NULL, lease_owner = NULL, waits_for = NULL, words_due = NULL
WHERE id = ANY (CAST(:ids AS bigint[]))

-- name: release
UPDATE turns SET
    status = 'queued', lease_until = NULL, lease_owner = NULL, waits_for = NULL,
    run_after = clock_timestamp() + make_interval(secs => :after_seconds),
    wake_at = clock_timestamp() + make_interval(secs => :after_seconds)
WHERE {held} RETURNING id

-- name: drop_lease
UPDATE turns SET lease_until = clock_timestamp() WHERE {held} RETURNING id

-- fragment: looked_at
CASE WHEN CAST(:waits_for AS text) IS NULL THEN run_after WHEN :waits_for = 'store' THEN 'infinity'
     ELSE clock_timestamp() + make_interval(secs => :again_after) END

-- name: finish(turn_id bigint, attempt integer, error text, waits_for text, again_after float, last_sequence integer)
UPDATE turns SET
    status = 'done', error = :error, finished_at = clock_timestamp(), lease_until = NULL, lease_owner = NULL,
    words_due = NULL, waits_for = :waits_for, run_after = {looked_at},
    last_sequence = coalesce(:last_sequence, last_sequence)
WHERE {held}
RETURNING EXISTS (SELECT 1 FROM turns o WHERE o.merchant_id = turns.merchant_id AND o.status = 'queued') AS others_wait

-- name: silent(batch integer)
-- Turns of which the merchant has heard nothing although words are due, each once. A turn that waits for an earlier one
-- of its conversation is skipped: the earlier one speaks.
WITH due AS (
    SELECT id FROM turns WHERE words_due < (SELECT clock_timestamp())
    ORDER BY words_due LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), noted AS (
    UPDATE turns SET words_due = NULL WHERE id = ANY (ARRAY (SELECT id FROM due)) RETURNING *
)
SELECT t.id, t.conversation_id, coalesce(t.workflow, c.workflow) AS workflow,
       e.type = 'oauth_complete' AND e.data @> '{{"success": true, "provider": "shopify"}}'
           AND NOT t.input @> '{{"metadata": {{"reconnected": true}}}}' AS connected,
       EXISTS (
           SELECT 1 FROM replies r, jsonb_path_query(r.body, '$.data[*]') AS e
           WHERE r.turn_id = t.id AND e ->> 'type' IN ('TOOL_CALL_START', 'TOOL_CALL_RESULT')
           GROUP BY e ->> 'toolCallId' HAVING count(*) = 1) AS asks
FROM noted t JOIN events e ON e.key = t.event_key JOIN conversations c ON c.id = t.conversation_id
WHERE t.status IN ('queued', 'running') AND {first_in_conversation}
  AND NOT EXISTS (
      SELECT 1 FROM replies r WHERE r.turn_id = t.id AND r.body -> 'data' @> '[{{"type": "TEXT_MESSAGE_START"}}]')
ORDER BY t.id

-- name: promises(batch integer, factor float, shortest float, longest float, again float)
-- Ended turns whose merchant is owed something and that are due for a look. They are put off, so that each is looked at
-- once; turns that wait for a model for longer the longer they have waited: the answer comes at most a quarter of the
-- outage's length after its end.
WITH due AS (
    SELECT id FROM turns
    WHERE status = 'done' AND waits_for IS NOT NULL AND run_after < (SELECT clock_timestamp())
    ORDER BY run_after LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE turns SET run_after = clock_timestamp() + make_interval(secs => :factor * CASE waits_for
    WHEN 'model' THEN least(greatest(extract(epoch FROM clock_timestamp() - finished_at) / 4, :shortest), :longest)
    ELSE :again END)
WHERE id = ANY (ARRAY (SELECT id FROM due)) RETURNING id, waits_for = 'model'

-- name: promised
-- What the conversation of turn :turn_id is owed for the same reason as that turn, in order, and what was asked.
SELECT t.id AS turn_id, t.conversation_id, t.merchant_id, t.seq, t.attempt, t.failures, t.workflow, t.workflow_hash,
       t.input, e.id AS event_id, e.type AS event_type, e.received_at AS event_received_at, e.traceparent,
       t.started_at, clock_timestamp() AS now, t.event_key, t.waits_for,
       CAST(extract(epoch FROM clock_timestamp() - t.finished_at) AS float) AS age,
       ARRAY (SELECT q.input ->> 'text' FROM ({asked}) AS q ORDER BY q.seq) AS asked
FROM turns o
JOIN turns t ON t.merchant_id = o.merchant_id AND t.status = 'done' AND t.waits_for = o.waits_for
            AND t.conversation_id = o.conversation_id AND (t.waits_for <> 'time' OR t.id = o.id)
JOIN events e ON e.key = t.event_key
WHERE o.id = :turn_id AND o.status = 'done' ORDER BY t.seq LIMIT :limit

-- name: owed(merchant_id text, limit integer)
-- A merchant's questions that wait for the store, in order.
SELECT t.id, t.conversation_id, q.input ->> 'text' FROM turns t CROSS JOIN LATERAL ({asked}) AS q
WHERE t.merchant_id = :merchant_id AND t.status = 'done' AND t.waits_for = 'store'
ORDER BY t.id, q.seq LIMIT :limit

-- name: fetched_since
-- Tool results in this conversation, from turn :seq on.
SELECT t.seq, s.tool_results FROM turns t JOIN steps s ON s.turn_id = t.id
WHERE t.conversation_id = :conversation_id AND t.seq >= :seq AND s.tool_results IS NOT NULL
ORDER BY t.seq, s.step

-- name: keep_promises
-- Skips those that another process is keeping at the moment.
UPDATE turns SET waits_for = NULL WHERE id IN (
    SELECT id FROM turns WHERE id = ANY (CAST(:ids AS bigint[])) AND status = 'done' AND waits_for IS NOT NULL
    FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id

-- name: put_off_promises
UPDATE turns SET run_after = clock_timestamp() + make_interval(secs => :after_seconds)
WHERE id = ANY (CAST(:ids AS bigint[])) AND status = 'done' AND waits_for IS NOT NULL

-- name: break_promises
-- The store they were about is gone.
UPDATE turns SET waits_for = NULL WHERE merchant_id = :merchant_id AND status = 'done' AND waits_for IS NOT NULL

-- name: end_waiting_for_model
-- The turn ends now, as it does in `finish`: with an error, or with another promise.
UPDATE turns SET
    error = :error, finished_at = clock_timestamp(), waits_for = :waits_for, run_after = {looked_at}
WHERE conversation_id = :conversation_id AND status = 'done' AND waits_for = 'model'
  AND (CAST(:places AS integer[]) IS NULL OR seq = ANY (CAST(:places AS integer[])))

-- name: is_open
SELECT EXISTS (SELECT 1 FROM turns WHERE conversation_id = :conversation_id AND status IN ('queued', 'running'))

-- name: add_step(turn_id bigint, step integer, assistant text, at timestamptz, merchant_id text, model text, input_tokens integer, output_tokens integer)
-- No row: the step existed before and its cost was counted. A step of which only the beginning was said is continued.
WITH written AS (
    INSERT INTO steps (turn_id, step, assistant, model, input_tokens, output_tokens, created_at)
    VALUES (:turn_id, :step, CAST(:assistant AS jsonb), :model, CAST(:input_tokens AS integer),
            CAST(:output_tokens AS integer), coalesce(CAST(:at AS timestamptz), clock_timestamp()))
    ON CONFLICT (turn_id, step) DO UPDATE SET
        assistant = excluded.assistant, model = excluded.model, input_tokens = excluded.input_tokens,
        output_tokens = excluded.output_tokens, created_at = excluded.created_at
    WHERE jsonb_exists(steps.assistant, '_unfinished')
    RETURNING 1
)
INSERT INTO usage AS u (merchant_id, day, model, calls, input_tokens, output_tokens)
SELECT :merchant_id, CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date), :model, 1,
       coalesce(CAST(:input_tokens AS integer), 0), coalesce(CAST(:output_tokens AS integer), 0)
FROM written WHERE CAST(:model AS text) IS NOT NULL
ON CONFLICT (merchant_id, day, model) DO UPDATE SET
    calls = u.calls + 1, input_tokens = u.input_tokens + excluded.input_tokens,
    output_tokens = u.output_tokens + excluded.output_tokens

-- name: add_results(turn_id bigint, step integer, results text, at timestamptz)
UPDATE steps SET
    tool_results = CAST(:results AS jsonb), finished_at = coalesce(CAST(:at AS timestamptz), clock_timestamp())
WHERE turn_id = :turn_id AND step = :step AND tool_results IS NULL

-- name: steps_of
SELECT step, assistant, tool_results, created_at FROM steps WHERE turn_id = :turn_id ORDER BY step

-- name: usage_of(turn_id bigint)
SELECT model, sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)) FROM steps
WHERE turn_id = :turn_id AND model IS NOT NULL GROUP BY model ORDER BY model

-- name: first_open
SELECT t.id FROM turns t WHERE t.conversation_id = :conversation_id AND t.status = 'queued' AND {first_in_conversation}
FOR NO KEY UPDATE SKIP LOCKED

-- fragment: newer
-- The merchant's messages that follow with nothing else in between, so absorbing never changes the order; as many as
-- there is room for. What a rule says about a message is said in that message's own run. The limit is applied first:
-- one answer must not read a thousand waiting messages.
SELECT id FROM (
    SELECT id, bool_and(input ->> 'sender' = 'merchant' AND input -> 'moves' IS NULL AND input -> 'later_moves' IS NULL
                        AND input -> 'emitted' IS NULL) OVER so_far AS fit,
           sum(octet_length(input ->> 'text')) OVER so_far AS bytes
    FROM (
        SELECT id, seq, input FROM turns
        WHERE conversation_id = :conversation_id AND seq > :seq AND status = 'queued'
        ORDER BY seq LIMIT :messages) AS following
    WINDOW so_far AS (ORDER BY seq)) AS counted
WHERE fit AND bytes <= :bytes

-- name: newer_waiting
SELECT EXISTS ({newer})

-- name: absorb
UPDATE turns SET
    status = 'done', absorbed_by = :turn_id, absorbed_at_step = :at_step, words_due = NULL,
    started_at = coalesce(started_at, clock_timestamp()), finished_at = clock_timestamp()
WHERE id IN ({newer})
RETURNING id

-- name: absorbed_by
-- Found by conversation, which has an index; absorbed_by has none.
SELECT t.id, t.seq, e.id, e.traceparent, t.absorbed_at_step, t.input
FROM turns t JOIN events e ON e.key = t.event_key
WHERE t.conversation_id = (SELECT conversation_id FROM turns WHERE id = :turn_id) AND t.absorbed_by = :turn_id
ORDER BY t.seq

-- name: expire(max_failures integer, batch integer)
-- One statement decides and writes, on rows that nobody else is writing: a turn that ended or was extended meanwhile is
-- left alone. It only queues the turn again; whoever claims it next runs it.
WITH silent AS (
    SELECT id FROM turns WHERE status = 'running' AND lease_until < (SELECT clock_timestamp())
    ORDER BY lease_until LIMIT :batch FOR NO KEY UPDATE SKIP LOCKED
), expired AS (
    UPDATE turns t SET
        status = CASE WHEN t.failures + 1 >= :max_failures THEN 'dead' ELSE 'queued' END,
        finished_at = CASE WHEN t.failures + 1 >= :max_failures THEN clock_timestamp() END,
        error = CASE WHEN t.failures + 1 >= :max_failures THEN 'turn_lost' END,
        words_due = CASE WHEN t.failures + 1 < :max_failures THEN t.words_due END,
        failures = t.failures + 1, lease_until = NULL, lease_owner = NULL, wake_at = clock_timestamp()
    WHERE t.id = ANY (ARRAY (SELECT id FROM silent))
    RETURNING t.*
)
SELECT id, conversation_id, merchant_id, status = 'dead' FROM expired ORDER BY id

-- name: waiting(older_than float, early float, looks integer, per_merchant integer, limit integer, again float, longest float)
-- Looks at the turns that are due, wakes those that can run, and puts the others off. So turns that wait for an earlier
-- one or for room leave the front of the index, and no look costs more than its batch. Ending a turn wakes the next one
-- (`next`); this look is only for when that was lost, so a turn is put off for as long as it has waited.
--
-- (SELECT clock_timestamp()): a volatile function cannot itself be an index condition.
-- From both ends: a backlog that cannot run must not hide later turns.
WITH oldest AS (
    SELECT t.id, t.conversation_id, t.merchant_id, t.seq, t.run_after FROM turns t
    WHERE t.status = 'queued' AND t.wake_at < (SELECT clock_timestamp()) - make_interval(secs => :older_than - :early)
      AND t.run_after < (SELECT clock_timestamp()) - make_interval(secs => :older_than)
    ORDER BY t.wake_at LIMIT :looks FOR NO KEY UPDATE SKIP LOCKED
), newest AS (
    SELECT t.id, t.conversation_id, t.merchant_id, t.seq, t.run_after FROM turns t
    WHERE t.status = 'queued' AND t.wake_at < (SELECT clock_timestamp()) - make_interval(secs => :older_than - :early)
      AND t.run_after < (SELECT clock_timestamp()) - make_interval(secs => :older_than)
    ORDER BY t.wake_at DESC LIMIT :looks FOR NO KEY UPDATE SKIP LOCKED
), looked_at AS (
    SELECT t.*, t.run_after <= clock_timestamp() AND {first_in_conversation} AS may_run
    FROM (SELECT * FROM oldest UNION SELECT * FROM newest) AS t
), placed AS (
    -- No more per merchant than can run: one with a thousand waiting conversations must not hide the others.
    SELECT t.id, t.run_after, t.may_run AND {running_of_merchant} + row_number() OVER (
        PARTITION BY t.merchant_id, t.may_run ORDER BY t.run_after, t.id) <= :per_merchant AS has_room
    FROM looked_at t
), chosen AS (
    SELECT id FROM placed WHERE has_room ORDER BY run_after, id LIMIT :limit
), put_off AS (
    UPDATE turns SET wake_at = greatest(
        run_after,
        clock_timestamp() + greatest(
            make_interval(secs => :again),
            least(make_interval(secs => :longest), clock_timestamp() - run_after)))
    WHERE id = ANY (ARRAY (SELECT id FROM placed WHERE NOT has_room))
)
UPDATE turns SET wake_at = clock_timestamp() + make_interval(secs => :again)
WHERE id = ANY (ARRAY (SELECT id FROM chosen)) RETURNING id

-- name: next(conversation_id text, merchant_id text, per_merchant integer, looks integer, again float)
-- There is room, or will be after the commit: first for this conversation, then for the merchant's others, longest
-- waiting first (a bounded look: the sweeper finds what it misses).
WITH candidates AS (
    (SELECT t.id FROM turns t WHERE t.conversation_id = :conversation_id AND t.status IN ('queued', 'running')
     ORDER BY t.seq LIMIT 1)
    UNION
    (SELECT t.id FROM turns t
     WHERE t.merchant_id = :merchant_id AND t.status = 'queued' AND t.run_after <= (SELECT clock_timestamp())
     ORDER BY t.started_at IS NULL, t.run_after, t.id LIMIT :looks)
), chosen AS (
    SELECT t.id FROM turns t
    WHERE t.id = ANY (ARRAY (SELECT id FROM candidates)) AND t.merchant_id = :merchant_id
      AND t.status = 'queued' AND {due} AND {first_in_conversation}
    ORDER BY t.conversation_id = :conversation_id DESC, t.started_at IS NULL, t.run_after, t.id
    LIMIT greatest(:per_merchant, 1)
), free AS (
    -- Not those being claimed right now.
    SELECT t.id FROM turns t WHERE t.id = ANY (ARRAY (SELECT id FROM chosen)) AND t.status = 'queued'
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE turns SET wake_at = clock_timestamp() + make_interval(secs => :again)
WHERE id = ANY (ARRAY (SELECT id FROM free)) RETURNING id
