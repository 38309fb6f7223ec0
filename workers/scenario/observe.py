"""Fills a scenario's log with what happened: replies that the gateway got, committed rows, requests at the store."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from events.reply import APART, Reply
from shopify.development_store.store import LoggedRequest
from storage import turns
from workers.local.stack import Stack
from workers.model.response import parse_arguments
from workers.scenario.match import TURN, LogEntry, ScenarioLog
from workers.scenario.time_travel import ScenarioClock

#: A trigger that records every change of a conversation's context; the record is visible once committed.
WATCH = """
CREATE TABLE scenario.context_updates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(),
    made_by xid8 DEFAULT pg_current_xact_id(), conversation_id text, before jsonb, after jsonb
);
CREATE FUNCTION scenario.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO scenario.context_updates (conversation_id, before, after)
    SELECT NEW.id, before, NEW.context
    FROM (SELECT CASE TG_OP WHEN 'UPDATE' THEN OLD.context ELSE '{}' END AS before) AS known
    WHERE TG_OP = 'INSERT' OR before IS DISTINCT FROM NEW.context;
    RETURN NULL;
END $$;
CREATE TRIGGER note_context AFTER INSERT OR UPDATE OF context ON conversations
    FOR EACH ROW EXECUTE FUNCTION scenario.note();
"""
_CONTEXT_UPDATES = """
SELECT made_by::text, conversation_id, max(at),
       (array_agg(before ORDER BY id))[1], (array_agg(after ORDER BY id DESC))[1]
FROM scenario.context_updates GROUP BY made_by, conversation_id ORDER BY max(at)
"""
_REFUSED_EVENTS = """
SELECT key, coalesce(processed_at, received_at), type, error_code, error FROM events WHERE status = 'rejected'
"""
_STEPS = "SELECT turn_id, step, assistant, tool_results FROM steps WHERE turn_id = ANY (:turn_ids)"

#: The GraphQL operation with which each data type is fetched.
OPERATIONS: Mapping[str, str] = {
    "counts": "Counts",
    "recent_orders": "RecentOrders",
    "overview": "StoreOverview",
    "week_orders": "WeekOrders",
    "sales": "Sales",
}
#: Times in replies are truncated to milliseconds.
REPLIES_CUT = 0.001
_DATA_TYPES = {operation: data_type for data_type, operation in OPERATIONS.items()}


class Observer:
    """Adds to the log what is new in a stack, at each call of `look`."""

    def __init__(self, stack: Stack, clock: ScenarioClock, log: ScenarioLog, *, after_turn: int) -> None:
        """Replies of turns up to `after_turn` belong to earlier scenarios."""
        self._stack, self._clock, self._log = stack, clock, log
        self._after_turn = after_turn
        self._seen = len(stack.gateway.shown)
        self._replies: list[Reply] = []
        self._open_calls: dict[str, tuple[str, Reply]] = {}
        self._ended_calls: dict[str, tuple[Reply, float]] = {}
        """With the time of the result, which may be sent later, with the words after it."""

    @property
    def shown(self) -> int:
        """How many replies of this scenario the gateway got."""
        return len(self._replies)

    def look(self) -> None:
        """Add what happened since the last look."""
        shown = self._stack.gateway.shown[self._seen :]
        self._seen += len(shown)
        for reply in shown:
            if reply.turn == APART or _turn_of(reply) > self._after_turn:
                self._replies.append(reply)
                self._add_reply(reply)
        self._add_calls()
        self._add_context_updates(self._stack.rows(_CONTEXT_UPDATES))
        self._add_refused_events(self._stack.rows(_REFUSED_EVENTS))
        self._add_requests(self._stack.store.request_log.requests())

    def _add_reply(self, reply: Reply) -> None:
        for place, event in enumerate(reply.data):
            match event["type"]:
                case "TEXT_MESSAGE_CONTENT":
                    self._add_messages(_run_of(reply), until=(reply, place))
                case "RUN_STARTED":
                    self._add(reply, place, TURN, f"turn {reply.turn} began")
                case "TOOL_CALL_START":
                    self._open_calls[event["toolCallId"]] = event["toolCallName"], reply
                case "TOOL_CALL_RESULT":
                    known = event.get("timestamp")
                    moment = reply.time if known is None else datetime.fromtimestamp(known / 1000, UTC)
                    self._ended_calls[event["toolCallId"]] = reply, self._clock.of_workers(moment)
                case "CUSTOM" if event["name"] == "workflow_transition":
                    value = event["value"]
                    self._add(reply, place, "transition", f"{value['from']} → {value['to']}", to=value["to"])
                case "CUSTOM" if event["name"] == "workflow_event":
                    value = event["value"]
                    said = f"{value['name']} {json.dumps(value['data'], ensure_ascii=False)}"
                    self._add(reply, place, "workflow_event", said, name=value["name"], data=value["data"])
                case "RUN_ERROR":
                    code = event["code"]
                    self._add(reply, place, "error", f"{code}: {event['message']}", code=code)
                case "RUN_FINISHED":
                    self._add(reply, place, TURN, f"turn {reply.turn} ended")
        if reply.final:
            self._add_messages(_run_of(reply))

    def _add(self, reply: Reply, place: int | str, kind: str, said: str, *, is_open: bool = False, **body: Any) -> None:
        entry = LogEntry(self._clock.of_workers(reply.time), kind, said, body, is_open=is_open)
        self._log.add((reply.id, place), entry)

    def _add_messages(self, run: str, until: tuple[Reply, int] | None = None) -> None:
        """Add a run's messages, or those before a position in a reply, in the order in which they were shown. The last
        one is final once the run has ended; until then it may be.

        An error's sentence is left out: the error itself is in the log."""
        replies = [reply for reply in self._replies if _run_of(reply) == run]
        messages: dict[str, tuple[Reply, int, str]] = {}  # a message in parts is placed at its start
        for reply in replies:
            for place, event in enumerate(reply.data):
                if event["type"] == "TEXT_MESSAGE_CONTENT" and not event["messageId"].endswith("-error"):
                    began, at, words = messages.get(event["messageId"], (reply, place, ""))
                    messages[event["messageId"]] = began, at, words + event["delta"]
        ended = any(reply.final for reply in replies)
        for number, (reply, place, words) in enumerate(messages.values(), 1):
            if until is not None and reply is until[0] and place > until[1]:
                break
            last = number == len(messages)
            self._add(reply, place, "cj_message", words, is_open=last and not ended, text=words, final=last)

    def _add_calls(self) -> None:
        if not self._open_calls:
            return
        turn_ids = sorted({_turn_of(started) for _, started in self._open_calls.values()})
        stored = _calls(self._stack.rows(_STEPS, turn_ids=turn_ids))
        for key in [key for key in self._open_calls if key in stored]:
            self._add_call(key, *stored[key])

    def _add_call(self, key: str, params: Any, result: dict[str, Any] | None) -> None:
        """Add what is known of a tool call; it stays open until the gateway knows its result."""
        (tool, started), ended = self._open_calls[key], self._ended_calls.get(key)
        text = f"{tool} {_json(params)}"
        if ended is None or result is None:
            self._add(started, key, "cj_tool_call", text, is_open=True, tool=tool, params=params, result=None)
            return
        del self._open_calls[key]
        reply, ended_at = ended
        took = max(ended_at - self._clock.of_workers(started.time), 0.0)
        outcome = "succeeded" if result.get("success") else "failed"
        text += f" {outcome}{', from the cache' if result.get('cached') else ''}, {took:.3f} s"
        self._add(started, key, "cj_tool_call", text, tool=tool, params=params, result=result, seconds=took)
        if not result.get("success"):
            code = result.get("error_code")
            entry = LogEntry(ended_at, "error", f"{code}: {result.get('error')}", {"code": code})
            self._log.add((reply.id, key), entry)

    def _add_context_updates(self, rows: Sequence[Sequence[Any]]) -> None:
        for made_by, conversation_id, moment, before, context in rows:
            changed = {key: value for key, value in context.items() if key not in before or before[key] != value}
            if changed:
                # Slightly earlier, so that replies of the same commit come after it.
                at = self._clock.of_workers(moment) - REPLIES_CUT
                body = {"context": context, "changed": set(changed)}
                entry = LogEntry(at, "context_update", _json(changed), body)
                self._log.add(("context", made_by, conversation_id), entry)

    def _add_refused_events(self, rows: Sequence[Sequence[Any]]) -> None:
        for key, moment, event_type, code, error in rows:
            text = f"{code}: event {event_type} refused: {error}"
            self._log.add(("event", key), LogEntry(self._clock.of_workers(moment), "error", text, {"code": code}))

    def _add_requests(self, requests: Sequence[LoggedRequest]) -> None:
        for request in requests:
            data_type = _DATA_TYPES.get(request.operation or "", request.operation)
            answer = f"HTTP {request.status}" if request.status else "no answer"
            text = f"{data_type} at {request.shop}: {answer}{f', {request.code}' if request.code else ''}"
            at = self._clock.of_real(request.received_at)
            self._log.add(request.request_id, LogEntry(at, "shopify_request", text, {"data_type": data_type}))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _run_of(reply: Reply) -> str:
    """A reply's id is that of its run, then its place in it."""
    return reply.id.partition(":")[0]


def _turn_of(reply: Reply) -> int:
    """The turn's id in the database; 0 for a reply outside turns."""
    return turns.turn_of(reply.id) or 0


def _calls(rows: Sequence[Sequence[Any]]) -> dict[str, tuple[Any, dict[str, Any] | None]]:
    """Arguments and result of every tool call, by its id in replies."""
    found = {}
    for turn_id, step, assistant, tool_results in rows:
        results = [result["content"] for result in tool_results or ()]
        for number, call in enumerate(assistant.get("tool_calls") or ()):
            arguments, _ = parse_arguments(call["function"].get("arguments"))
            result = results[number] if number < len(results) else None
            found[turns.call_id(turn_id, step, number)] = arguments or {}, result
    return found
