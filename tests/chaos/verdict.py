"""What went wrong in a run, from the published events, the rows in Postgres and what the gateway showed. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from events.catalog import REQUESTS
from events.reply import APART, Reply
from tests.chaos.record import Shown


@dataclass(frozen=True)
class EventRow:
    source: str
    id: str
    status: str
    type: str = "message_received"


@dataclass(frozen=True)
class TurnRow:
    turn_id: int
    conversation_id: str
    seq: int
    event_id: str
    status: str
    failures: int
    started_at: datetime | None
    finished_at: datetime | None
    aside: bool
    """Another one answers its message, or it was stopped: it may never have begun."""


@dataclass(frozen=True)
class ReplyRow:
    id: str
    turn_id: int
    acked: bool


@dataclass
class Verdict:
    """Sentences that describe faults; a good run has none."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All of them, each under its kind."""
        kinds = {"lost": self.lost, "duplicated": self.duplicated, "out of order": self.disordered}
        kinds["without exactly one end"] = self.unended
        return [f"{kind}: {sentence}" for kind, sentences in kinds.items() for sentence in sentences]

    def judge_history(self, told: Reply, shown: Sequence[Shown]) -> None:
        """Whether a snapshot says what was shown of the turns before its place."""
        after = told.data[-1]["result"]["after"]["turn"]
        before = [
            item.reply for item in shown if item.reply.subject == told.subject and APART < item.reply.turn < after
        ]
        said: dict[str, str] = {}
        for reply in sorted((reply for reply in before if reply.repeats is None), key=lambda reply: reply.place):
            for event in reply.data:
                if event["type"] == "TEXT_MESSAGE_CONTENT":
                    said[event["messageId"]] = said.get(event["messageId"], "") + event["delta"]
        words = [words for role, words in told.history or () if role == "assistant"]
        if words != list(said.values()):
            wrong = [text for text in (*words, *said.values()) if (text in words) != (text in said.values())]
            self.lost.append(f"the history of {told.subject} up to turn {after} differs in {wrong or 'its order'}")

    def judge_continuity(self, who: str, told: Sequence[Reply]) -> None:
        """Whether `who` was told one reply after the other, perhaps behind a history."""
        for before, reply in pairwise(told):
            expected = {(before.turn, int(before.sequence or 0) + 1), (before.turn + 1, 1)}
            if before.turn == APART:
                expected = {(before.data[-1]["result"]["after"]["turn"], 1)}
            if reply.place not in expected or (reply.turn > before.turn > APART and not before.final):
                self.disordered.append(f"{who} was told {reply.place} behind {before.place}")


def judge(
    given: Collection[tuple[str, str]],
    events: Sequence[EventRow],
    turns: Sequence[TurnRow],
    replies: Sequence[ReplyRow],
    shown: Sequence[Shown],
) -> Verdict:
    """`given`: (source, id) of every published event."""
    verdict = Verdict()
    again = [item for item in shown if item.reply.repeats is not None]
    shown = [item for item in shown if item.reply.repeats is None]
    _judge_again(verdict, again, shown)
    _judge_events(verdict, given, events, turns)
    _judge_replies(verdict, replies, shown)
    _judge_ends(verdict, turns, shown)
    _judge_order(verdict, turns, shown)
    return verdict


def _judge_events(
    verdict: Verdict, given: Collection[tuple[str, str]], events: Sequence[EventRow], turns: Sequence[TurnRow]
) -> None:
    stored = Counter((row.source, row.id) for row in events)
    with_turns = {turn.event_id for turn in turns}
    wanted = set(given)
    verdict.lost += [f"event {id} is not stored" for source, id in wanted if not stored[source, id]]
    verdict.lost += [f"event {row.id} is {row.status}" for row in events if row.status != "processed"]
    verdict.lost += [
        f"event {row.id} led to no turn"
        for row in events
        if row.status == "processed" and row.id not in with_turns and row.type not in REQUESTS
    ]
    verdict.duplicated += [f"event {id} is stored {n} times" for (_, id), n in stored.items() if n > 1]
    verdict.duplicated += [f"event {id} was never given" for source, id in stored if (source, id) not in wanted]


def _judge_replies(verdict: Verdict, replies: Sequence[ReplyRow], shown: Sequence[Shown]) -> None:
    times = Counter(item.reply.id for item in shown)
    messages = _messages(shown, "TEXT_MESSAGE_START")
    ends = _messages(shown, "TEXT_MESSAGE_END")
    committed = {row.id for row in replies}
    verdict.lost += [f"reply {row.id} was never shown" for row in replies if not times[row.id]]
    verdict.lost += [f"reply {row.id} was never acked" for row in replies if not row.acked]
    verdict.lost += [f"reply {id} was shown but is not committed" for id in times.keys() - committed]
    verdict.duplicated += [f"reply {id} was shown {n} times" for id, n in times.items() if n > 1]
    verdict.duplicated += [f"message {id} was said {n} times" for id, n in messages.items() if n > 1]
    verdict.duplicated += [f"in message {id}, “{said}” was said twice" for id, said in _said_twice(shown)]
    verdict.unended += [f"message {id} has {ends[id]} ends" for id in messages if ends[id] != 1]


def _judge_again(verdict: Verdict, again: Sequence[Shown], shown: Sequence[Shown]) -> None:
    """What frontends were told that came back: a history that is one, and then one reply after the other, each as it
    was before. What is lost on the way they ask for again."""
    known = {item.reply.id: item.reply.data for item in shown}
    by_request: dict[str, list[Reply]] = defaultdict(list)
    for item in again:
        by_request[str(item.reply.repeats)].append(item.reply)
    for request, replies in by_request.items():
        verdict.judge_continuity(request, replies)
        for reply in replies:
            if reply.turn == APART:
                verdict.judge_history(reply, shown)
            elif known.get(reply.id) != reply.data:
                verdict.lost.append(f"{request} was told a {reply.id} that was never shown")


def _messages(shown: Sequence[Shown], kind: str) -> Counter[str]:
    return Counter(str(event["messageId"]) for item in shown for event in item.reply.data if event["type"] == kind)


def _said_twice(shown: Sequence[Shown]) -> Iterator[tuple[str, str]]:
    """Parts of a message that are the same: a second beginning."""
    parts = Counter(
        (str(event["messageId"]), str(event["delta"]).strip())
        for item in shown
        for event in item.reply.data
        if event["type"] == "TEXT_MESSAGE_CONTENT"
    )
    yield from (part for part, n in parts.items() if n > 1)


def _judge_ends(verdict: Verdict, turns: Sequence[TurnRow], shown: Sequence[Shown]) -> None:
    ends = Counter(_turn_id(item) for item in shown if item.reply.final)
    verdict.unended += [f"turn {turn.turn_id} is {turn.status}" for turn in turns if turn.status not in ENDED]
    verdict.unended += [f"turn {turn.turn_id} has {n} ends" for turn in turns if (n := ends[turn.turn_id]) != 1]


def _judge_order(verdict: Verdict, turns: Sequence[TurnRow], shown: Sequence[Shown]) -> None:
    latest: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for item in shown:
        reply = item.reply
        if reply.place < latest[reply.subject]:
            verdict.disordered.append(f"reply {reply.id} was shown after a later one of its conversation")
        latest[reply.subject] = max(latest[reply.subject], reply.place)
    by_conversation: dict[str, list[TurnRow]] = defaultdict(list)
    for turn in sorted(turns, key=lambda turn: turn.seq):
        if not turn.aside:
            by_conversation[turn.conversation_id].append(turn)
    for own in by_conversation.values():
        for before, after in pairwise(own):
            if _began_too_early(before, after):
                verdict.disordered.append(f"turn {after.turn_id} began before turn {before.turn_id} had ended")


ENDED = ("done", "dead")


def _began_too_early(before: TurnRow, after: TurnRow) -> bool:
    if after.started_at is None:
        return False
    return before.finished_at is None or after.started_at < before.finished_at


def _turn_id(item: Shown) -> int:
    return int(item.reply.id.partition(":")[0].removeprefix("turn_"))


def latencies(given_at: dict[str, float], shown: Iterable[Shown]) -> tuple[list[float], list[float]]:
    """Seconds from publishing an event to showing its first reply, and to showing its last turn's end."""
    first: dict[str, float] = {}
    end: dict[str, float] = {}
    for item in shown:
        cause = str(item.reply.causationid)
        if cause in given_at:
            first.setdefault(cause, item.at - given_at[cause])
            if item.reply.final:
                end[cause] = item.at - given_at[cause]
    return sorted(first.values()), sorted(end.values())
