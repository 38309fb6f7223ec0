"""The timeline of one conversation, from event to final reply, read from Postgres only.

Milliseconds count from when the causing event was received. All times are Postgres', in UTC.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text

from storage.database import Session
from storage.turns import PER_MERCHANT
from workers.operations import why

CONVERSATION = text("SELECT id, merchant_id, workflow, status FROM conversations WHERE id = :conversation")
EVENTS = text("""
    SELECT key, source, id, type, status, error_code, error, attempts, received_at, processed_at, run_after FROM events
    WHERE key IN (  -- not OR: that would read every event
        SELECT event_key FROM turns WHERE conversation_id = :conversation
        UNION SELECT key FROM events WHERE merchant_id = :merchant AND conversation_id = :conversation)
    ORDER BY received_at, key
""")
TURNS = text("""
    SELECT id, seq, event_key, workflow, input, status, attempt, failures, created_at, started_at, finished_at, error,
           absorbed_by, waits_for, run_after
    FROM turns WHERE conversation_id = :conversation ORDER BY seq
""")
STEPS = text("""
    SELECT s.turn_id, s.step, s.assistant, s.tool_results, s.model, s.created_at, s.finished_at
    FROM steps s JOIN turns t ON t.id = s.turn_id
    WHERE t.conversation_id = :conversation ORDER BY s.turn_id, s.step
""")
REPLIES = text("""
    SELECT r.turn_id, r.sequence, r.body, r.created_at, r.published_at, r.acked_at, r.publishes
    FROM turns t JOIN replies r ON r.turn_id = t.id
    WHERE t.conversation_id = :conversation ORDER BY r.turn_id, r.sequence
""")

#: Characters of a message shown in the text output.
SHOWN = 72
WORDS = ("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK")


@dataclass(frozen=True)
class Moment:
    """Something that happened: `ms` after its event was received."""

    ms: float
    at: datetime
    kind: str
    text: str
    turn: int | None = None
    details: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        moment = {"ms": self.ms, "at": self.at.isoformat(), "kind": self.kind, "turn": self.turn, "text": self.text}
        return {**moment, **(self.details or {})}


@dataclass(frozen=True)
class EventStory:
    """An event and everything it caused in this conversation, in order."""

    id: str
    source: str
    type: str
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Timeline:
    """A conversation's events, oldest first."""

    conversation_id: str
    merchant_id: str
    workflow: str
    events: tuple[EventStory, ...]

    def to_json(self) -> dict[str, Any]:
        stories = [{**vars(story), "moments": [one.to_json() for one in story.moments]} for story in self.events]
        return {**vars(self), "events": stories}

    def lines(self) -> Iterator[str]:
        """The timeline as text."""
        yield f"{self.conversation_id}: merchant {self.merchant_id}, workflow {self.workflow}"
        for story in self.events:
            yield f"{story.type} from {story.source}, id {story.id}, at {story.moments[0].at:%F %T} UTC"
            for moment in story.moments:
                turn = f"turn {moment.turn}" if moment.turn else ""
                yield f"{moment.ms:9,.0f} ms  {turn:8} {moment.kind:9} {moment.text}".rstrip()


def read(session: Session, name: str, *, at_a_time: int = PER_MERCHANT) -> Timeline | None:
    """The timeline of the conversation with this id, or of the latest one of this merchant or shop; None if there is
    none.

    `at_a_time`: how many turns of a merchant may run.
    """
    target = why.resolve(session, name)
    if target is None:
        return None
    case = why.read(session, target, at_a_time=at_a_time)
    if not case.conversations:
        return None
    parameters = {"conversation": case.conversations[0]["id"], "merchant": target.merchant_id}
    conversation = session.execute(CONVERSATION, parameters).mappings().one()
    waits = {turn["id"]: why.standing(turn, case) for turn in case.open_turns}
    steps = _by(session.execute(STEPS, parameters).mappings(), "turn_id")
    replies = _by(session.execute(REPLIES, parameters).mappings(), "turn_id")
    turns = _by(session.execute(TURNS, parameters).mappings(), "event_key")
    stories = []
    for event in session.execute(EVENTS, parameters).mappings():
        caused = turns.get(event["key"], [])
        moments = _Moments(event["received_at"])
        moments.add_event(event, len(caused))
        for turn in caused:
            moments.add_turn(turn, steps.get(turn["id"], []), replies.get(turn["id"], []))
            if turn["id"] in waits:
                moments.add_standing(case.now, waits[turn["id"]], turn["seq"])
        stories.append(EventStory(event["id"], event["source"], event["type"], moments.in_order()))
    return Timeline(conversation["id"], conversation["merchant_id"], conversation["workflow"], tuple(stories))


class _Moments:
    """Collects the moments of one event."""

    def __init__(self, zero: datetime) -> None:
        self._zero = zero
        self._moments: list[Moment] = []

    def in_order(self) -> tuple[Moment, ...]:
        return tuple(sorted(self._moments, key=lambda moment: moment.at))

    def add_event(self, event: RowMapping, turns: int) -> None:
        self._add(event["received_at"], "event", "received")
        if event["status"] == "rejected":
            self._add(event["processed_at"], "event", f"refused: {event['error_code']}: {event['error']}")
        elif event["status"] == "received" and event["attempts"]:
            self._add(event["run_after"], "event", f"put off {event['attempts']} times, until then")
        else:
            self._add(event["processed_at"], "event", f"processed: {turns} turn{'' if turns == 1 else 's'} queued")

    def add_turn(self, turn: RowMapping, steps: Sequence[RowMapping], replies: Sequence[RowMapping]) -> None:
        again = f", its worker died {why.times(turn['failures'])}" if turn["failures"] else ""
        seq = turn["seq"]
        said = _shortened(str(turn["input"].get("text", "")))
        workflow = turn["workflow"] or "(absorbed by another turn)"
        self._add(turn["started_at"], "claimed", f"{workflow}{again}: {said}", seq)
        for step in steps:
            calls = [_call(call) for call in step["assistant"].get("tool_calls") or []]
            answer = f"asks {', '.join(calls)}" if calls else "answers"
            answer += _claims(step["assistant"].get("_claims"))
            prefetched = calls and step["model"] is None
            if not prefetched:
                self._add(step["created_at"], "model", answer, seq, {"model": step["model"], "step": step["step"]})
            if calls:
                came = {result.get("tool_call_id"): result.get("content") for result in step["tool_results"] or []}
                told = [
                    f"{_call(call)}: {_outcome(came.get(call.get('id')))}" for call in step["assistant"]["tool_calls"]
                ]
                self._add(step["finished_at"], "tools", "; ".join(told), seq)
        whole = _messages(replies)
        for reply in replies:
            self._add_reply(reply, seq, whole)
        waits = "waits for a model" if turn["waits_for"] == "model" else ""
        end = f"answered by turn id {turn['absorbed_by']}" if turn["absorbed_by"] else turn["error"] or waits
        if turn["input"].get("condition") is not None:  # it never runs: a workflow's follow-up
            due = f", due at {turn['run_after']:%F %T} UTC" if turn["waits_for"] else ", over"
            end = f"follow-up planned{due}: {said}"
        self._add(turn["finished_at"], turn["status"], end, seq)

    def add_standing(self, now: datetime, said: str, seq: int) -> None:
        """What an open turn is doing or waiting for now."""
        self._add(now, "now", said, seq)

    def _add_reply(self, reply: RowMapping, seq: int, whole: dict[str, str]) -> None:
        """`whole`: the text of each message that was not shown yet."""
        for event in reply["body"].get("data", []):
            if event.get("type") in WORDS:
                if (words := whole.pop(str(event.get("messageId")), None)) is not None:
                    self._add_told(reply, seq, "reply", _shortened(words))
            elif event.get("type") == "CUSTOM":
                self._add_told(reply, seq, "reply", f"{event.get('name')} {json.dumps(event.get('value'))}")
            elif event.get("type") == "RUN_ERROR":
                self._add_told(reply, seq, "failed", f"{event.get('code')}: {event.get('message')}")

    def _add_told(self, reply: RowMapping, seq: int, kind: str, said: str) -> None:
        details = {
            "reply_id": reply["body"].get("id"),
            "published_ms": self._ms(reply["published_at"]),
            "acked_ms": self._ms(reply["acked_at"]),
        }
        self._add(reply["created_at"], kind, f"{said}  ({_delivery(reply)})", seq, details)

    def _add(
        self,
        at: datetime | None,
        kind: str,
        said: str,
        turn: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a moment, unless its time is not set yet."""
        if at is not None:
            self._moments.append(Moment(self._ms(at) or 0.0, at, kind, said, turn, details))

    def _ms(self, at: datetime | None) -> float | None:
        return None if at is None else round((at - self._zero).total_seconds() * 1000, 1)


def _messages(replies: Sequence[RowMapping]) -> dict[str, str]:
    """The text of each message by id, put together from its parts."""
    found: dict[str, str] = {}
    for event in (event for reply in replies for event in reply["body"].get("data", []) if event["type"] in WORDS):
        message = str(event.get("messageId"))
        found[message] = found.get(message, "") + str(event.get("delta", ""))
    return found


def _by(rows: Iterable[RowMapping], column: str) -> dict[int, list[RowMapping]]:
    found: dict[int, list[RowMapping]] = {}
    for row in rows:
        found.setdefault(row[column], []).append(row)
    return found


def _claims(claims: Mapping[str, Any] | None) -> str:
    """Claims in an answer that have no ground, and what was done about them."""
    if not claims:
        return ""
    then = {"withdrawn": "asked again", "left_out": "left out", "said": "said nevertheless"}.get(claims["then"])
    return f"; without a ground, {then}: {_shortened('; '.join(map(str, claims['ungrounded'])))}"


def _call(call: Mapping[str, Any]) -> str:
    """`shopify_data(counts)`"""
    function = call.get("function", {})
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        arguments = {}
    values = ", ".join(str(value) for value in arguments.values()) if isinstance(arguments, dict) else ""
    return f"{function.get('name')}({_shortened(values)})"


def _outcome(content: Any) -> str:
    """`ok`, or the error: `shopify.unavailable, data of 10:00 used`."""
    if not isinstance(content, Mapping) or "success" not in content:
        return "answered"
    if not content["success"]:
        return str(content.get("error_code"))
    if stale := content.get("stale"):
        return f"old data of {content.get('as_of')}, for {stale.get('code')}"
    missing = [str(part.get("code")) for part in content.get("missing") or []]
    return "ok" + (", cached" if content.get("cached") else "") + (f", without {', '.join(missing)}" if missing else "")


def _delivery(reply: RowMapping) -> str:
    if reply["acked_at"] is not None:
        return f"acked after {(reply['acked_at'] - reply['created_at']).total_seconds():.2f} s"
    if reply["publishes"] < 0:
        return "at the door, not acked"
    if reply["published_at"] is None:
        return "not published"
    return f"published {why.times(reply['publishes'])}, not acked"


def _shortened(said: str) -> str:
    line = " ".join(said.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
