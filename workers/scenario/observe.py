"""Fills a scenario's log with what really happened: replies as a gateway saw them, rows as they were committed,
requests as the store got them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from events.replies import Reply
from shopify.development_store.journal import Request
from workers.agent.tools import canonical
from workers.scenario.clock import Clock
from workers.scenario.log import TURN, Entry, Log
from workers.scenario.stack import Stack
from workers.scenario.trouble import OPERATIONS

#: Notes every change of a conversation's context when it is made; others see the note once it is committed.
WATCH = """
CREATE SCHEMA scenario;
CREATE TABLE scenario.context_updates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(),
    made_by xid8 DEFAULT pg_current_xact_id(), conversation_id text, before jsonb, after jsonb
);
CREATE FUNCTION scenario.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO scenario.context_updates (conversation_id, before, after) VALUES (NEW.id, '{}', NEW.context);
    ELSIF OLD.context IS DISTINCT FROM NEW.context THEN
        INSERT INTO scenario.context_updates (conversation_id, before, after) VALUES (NEW.id, OLD.context, NEW.context);
    END IF;
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
_STEPS = "SELECT turn_id, assistant, tool_results FROM steps WHERE turn_id = ANY (:turn_ids)"

#: Replies tell their time in whole milliseconds, the rest cut off.
REPLIES_CUT = 0.001
_DATA_TYPES = {operation: data_type for data_type, operation in OPERATIONS.items()}


class Observer:
    """Looks at a stack whenever it is told to, and tells the log what is new."""

    def __init__(self, stack: Stack, clock: Clock, log: Log, *, after_turn: int) -> None:
        """Replies of turns up to `after_turn` belong to an earlier scenario."""
        self._stack, self._clock, self._log = stack, clock, log
        self._after_turn = after_turn
        self._seen = len(stack.gateway.shown)
        self._replies: list[Reply] = []
        self._open_calls: dict[tuple[int, str], Reply] = {}
        self._ends: dict[tuple[int, str], Reply] = {}

    @property
    def shown(self) -> int:
        """How many replies of this scenario the gateway was shown."""
        return len(self._replies)

    def look(self) -> None:
        """Tell what happened since the last look."""
        for reply in self._new_replies():
            self._tell_reply(reply)
        self._tell_calls()
        self._tell_context_updates(self._stack.rows(_CONTEXT_UPDATES))
        self._tell_refused_events(self._stack.rows(_REFUSED_EVENTS))
        self._tell_requests(self._stack.store.store.journal.requests())

    def _new_replies(self) -> list[Reply]:
        shown = self._stack.gateway.shown[self._seen :]
        self._seen += len(shown)
        new = [reply for reply in shown if turn_of(reply) > self._after_turn]
        self._replies += new
        return new

    def _tell_reply(self, reply: Reply) -> None:
        data, turn = reply.data, turn_of(reply)
        match reply.kind:
            case "RUN_STARTED":
                self._tell(reply, TURN, f"turn {reply.turn} began")
            case "TOOL_CALL_START":
                self._open_calls[turn, data["toolCallId"]] = reply
            case "TOOL_CALL_END":
                self._ends[turn, data["toolCallId"]] = reply
            case "TEXT_MESSAGE_CHUNK":
                self._tell_messages(turn)
            case "CUSTOM":
                value = data["value"]
                self._tell(reply, "transition", f"{value['from']} → {value['to']}", {"to": value["to"]})
            case "RUN_ERROR":
                self._tell_messages(turn)
                self._tell(reply, "error", f"{data['code']}: {data['message']}", {"code": data["code"]})
            case "RUN_FINISHED":
                self._tell_messages(turn)
                self._tell(reply, TURN, f"turn {reply.turn} ended")

    def _tell(self, reply: Reply, kind: str, said: str, body: Mapping[str, Any] | None = None) -> None:
        self._log.tell(reply.id, Entry(self._clock.told(reply.time), kind, said, dict(body or {})))

    def _tell_messages(self, turn: int) -> None:
        """The messages of a turn: the last one is final once the turn has ended, until then it may be."""
        replies = [reply for reply in self._replies if turn_of(reply) == turn]
        messages = [reply for reply in replies if reply.text is not None]
        ended = any(reply.final for reply in replies)
        for reply in messages:
            last = reply is messages[-1]
            body = {"text": reply.text, "final": last}
            moment = self._clock.told(reply.time)
            entry = Entry(moment, "cj_message", reply.text or "", body, is_open=last and not ended)
            self._log.tell(reply.id, entry)

    def _tell_calls(self) -> None:
        if not self._open_calls:
            return
        rows = self._stack.rows(_STEPS, turn_ids=sorted({turn for turn, _ in self._open_calls}))
        calls = _calls(rows)
        for key, started in list(self._open_calls.items()):
            if key not in calls:
                continue
            ended, (params, result) = self._ends.get(key), calls[key]
            self._tell_call(started, ended, params, result)
            if ended is not None and result is not None:
                del self._open_calls[key]
                if not result.get("success"):
                    body = {"code": result.get("error_code")}
                    self._tell(ended, "error", f"{result.get('error_code')}: {result.get('error')}", body)

    def _tell_call(self, started: Reply, ended: Reply | None, params: Any, result: dict[str, Any] | None) -> None:
        tool, at = canonical(started.data["toolCallName"]), self._clock.told(started.time)
        body: dict[str, Any] = {"tool": tool, "params": params, "result": None}
        said = f"{tool} {_shown(params)}"
        is_open = ended is None or result is None
        if ended is not None and result is not None:
            took = max(self._clock.told(ended.time) - at, 0.0)
            body |= {"result": result, "seconds": took}
            outcome = "succeeded" if result.get("success") else "failed"
            said += f" {outcome}{', from the cache' if result.get('cached') else ''}, {took:.3f} s"
        self._log.tell(started.id, Entry(at, "cj_tool_call", said, body, is_open=is_open))

    def _tell_context_updates(self, rows: Iterable[Sequence[Any]]) -> None:
        for made_by, conversation_id, at, before, after in rows:
            key = ("context", made_by, conversation_id)
            changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
            if changed and not self._log.knows(key):
                body = {"context": after, "changed": set(changed)}
                # Slightly earlier, else replies of the same commit may stand before it.
                moment = self._clock.told(at) - REPLIES_CUT
                self._log.tell(key, Entry(moment, "context_update", _shown(changed), body))

    def _tell_refused_events(self, rows: Iterable[Sequence[Any]]) -> None:
        for key, at, event_type, code, message in rows:
            said = f"{code}: event {event_type} refused: {message}"
            if not self._log.knows(("event", key)):
                self._log.tell(("event", key), Entry(self._clock.kept(at), "error", said, {"code": code}))

    def _tell_requests(self, requests: Iterable[Request]) -> None:
        for request in requests:
            if self._log.knows(request.request_id):
                continue
            data_type = _DATA_TYPES.get(request.operation or "", request.operation)
            answer = f"HTTP {request.status}" if request.status else "no answer"
            said = f"{data_type} at {request.shop}: {answer}{f', {request.code}' if request.code else ''}"
            entry = Entry(self._clock.of(request.received_at), "shopify_request", said, {"data_type": data_type})
            self._log.tell(request.request_id, entry)


def turn_of(reply: Reply) -> int:
    """The number of the turn's row: ids of replies are turn_<row>:<sequence>."""
    return int(reply.id.removeprefix("turn_").partition(":")[0])


def _calls(rows: Iterable[Sequence[Any]]) -> dict[tuple[int, str], tuple[Any, dict[str, Any] | None]]:
    """Arguments and result of every tool call, by turn and call id."""
    found = {}
    for turn_id, assistant, tool_results in rows:
        results = {result["tool_call_id"]: result["content"] for result in tool_results or ()}
        for call in assistant.get("tool_calls") or ():
            found[turn_id, call["id"]] = _arguments(call["function"].get("arguments")), results.get(call["id"])
    return found


def _arguments(written: Any) -> Any:
    try:
        return json.loads(written or "{}")
    except ValueError:
        return {}


def _shown(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, default=str)
