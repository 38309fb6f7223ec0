"""Turns: the queue of the agent workers, and what a running turn may write.

`storage.models.TurnTable` draws the life of a turn. Whoever claims a turn gets a lease and an attempt number; every
later write names the attempt, and a write with an outdated attempt raises LostTurn and changes nothing. So a worker
that was paused past its lease can do no harm when it comes back.

The SQL, and why it is as it is, is in `turns.sql`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from storage import sql
from storage.errors import LostTurn, UnknownConversation
from storage.sql import dump, storable_text

if TYPE_CHECKING:
    from sqlalchemy import Row

    from storage import agui
    from storage.connections import Integration
    from storage.database import Session

#: Seconds before a turn is woken again, or looked at again when it could not run.
WAKE_AGAIN_SECONDS = 5.0
#: The most seconds for which a turn that cannot run is put off.
LONGEST_PUT_OFF_SECONDS = 600.0
#: How many turns one look judges, from each end of what is due.
LOOKS = 500
#: Most running turns of one merchant, so that one with many conversations does not hold up the others.
PER_MERCHANT = 2
#: Error code of a turn that was declined because too many of the merchant's turns waited.
TOO_MANY_WAITING = "too_many_waiting"
#: Of a turn that was over at once, because its event asked for no answer.
NOTHING_TO_SAY = "nothing_to_say"
#: The action of an event's turn that says the event was refused. What a rule asks for counts up from 0, what keeps a
#: promise counts down from here.
REFUSAL = -1
#: Error code of a turn that a provider's filter refused: it is left out of later prompts, which would be refused, too.
FILTERED = "model_filtered"
#: Key of a kept assistant message: what the model's provider wants back with it (workers/model/habits.py).
EXTRAS = "_extras"
#: Leases that may run out before a turn is given up.
MAX_FAILURES = 3
BATCH = 100
#: Added to the action of a failed turn: the action of the turn that an operator has its input tried again in.
RETRY = 1000
STOP_AT_MOST = 1000
#: Seconds until the merchant must have heard something of a turn: of a connection, and of anything else. The sweeper
#: looks once a second.
CONNECTED_WORDS_SECONDS = 1.8
WORDS_SECONDS = 3.8
#: Seconds for which a promise that is being looked at is left alone.
LOOK_AGAIN_SECONDS = 15.0
#: Between two looks for a model, the first pause and the longest, in seconds.
MODEL_PAUSES_SECONDS = 5.0, 300.0
#: Most questions that wait for a merchant's store, or for a model in one conversation, and are answered later.
MOST_OWED = 20
#: Key in a conversation's context: the version of the token for which the merchant was asked to reconnect.
RECONNECT_ASKED = "reconnect_asked"

SQL = sql.load("turns")
_OF_CONVERSATION = ("last_turn", "conversation_workflow", "context")
_OF_SHOP = (
    "shop_of",
    "shop_domain",
    "token_version",
    "scopes",
    "is_active",
    "status",
    "access_expires_at",
    "connected_at",
)
#: What the fragment of this name reads.
AROUND = (*_OF_CONVERSATION, *_OF_SHOP)

Sender = Literal["merchant", "system", "cj"]
#: What an ended turn leaves to be told: once a model answers, once the store is connected again, once Shopify gives the
#: data, or, as a workflow's follow-up, at its time.
Promised = Literal["model", "store", "data", "time"]
#: Most follow-ups of workflows that wait in one conversation.
MOST_FOLLOW_UPS = 5


@dataclass(frozen=True)
class Move:
    """A move of the conversation to another workflow, and what CJ says about it, if anything."""

    source: str
    target: str
    said: str | None = None


@dataclass(frozen=True)
class Emitted:
    """What a workflow tells the systems outside."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class TurnInput:
    """What a turn answers. A turn of CJ's own only tells of `moves` and what was emitted."""

    sender: Sender
    text: str
    cleanup_trigger: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    """What the event moved before the turn; told at its beginning."""
    later_moves: tuple[Move, ...] = ()
    """What the event moved after it; told at its end."""
    prefetched: tuple[str, ...] = ()
    """Data types that are being fetched, and that the turn begins with."""
    emitted: tuple[Emitted, ...] = ()
    """What its event told the systems outside; told at its beginning."""
    condition: str | None = None
    """Of a follow-up: what must hold when it is due."""

    def to_json(self) -> dict[str, Any]:
        moves = {"moves": self.moves, "later_moves": self.later_moves}
        return {
            "sender": self.sender,
            "text": self.text,
            "cleanup_trigger": self.cleanup_trigger,
            "metadata": dict(self.metadata),
            **({"prefetched": list(self.prefetched)} if self.prefetched else {}),
            **{name: [vars(move) for move in made] for name, made in moves.items() if made},
            **({"emitted": [vars(event) for event in self.emitted]} if self.emitted else {}),
            **({"condition": self.condition} if self.condition is not None else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TurnInput:
        moves, later_moves = (tuple(Move(**move) for move in value.get(name, ())) for name in ("moves", "later_moves"))
        return cls(
            value["sender"],
            value["text"],
            value["cleanup_trigger"],
            value["metadata"],
            moves,
            later_moves,
            tuple(value.get("prefetched", ())),
            tuple(Emitted(**event) for event in value.get("emitted", ())),
            value.get("condition"),
        )


@dataclass(frozen=True)
class Claim:
    """A running turn, held by one attempt. Times are the database's; `now` is the time of the claim."""

    turn_id: int
    conversation_id: str
    merchant_id: str
    seq: int
    attempt: int
    failures: int
    workflow: str | None
    workflow_hash: str | None
    input: TurnInput
    event_id: str
    event_type: str
    event_received_at: datetime
    traceparent: str | None
    started_at: datetime
    now: datetime
    lease_seconds: float
    waited_seconds: float = 0.0
    """Since it could run."""
    model_calls: int = 0
    """How often a model was asked for this turn."""
    prompt_limit: int | None = None
    """Most bytes of a prompt, since a model found a longer one too long."""
    correlation_id: str | None = None
    last_sequence: int = 0
    """Of its replies, when it was claimed."""
    accounts: Sequence[str] = ()
    """The providers other than Shopify that its merchant has connected."""
    held: Held | None = None
    """What else was read when it was claimed."""

    @property
    def run_id(self) -> str:
        return f"turn_{self.turn_id}"

    def message_id(self, step: int) -> str:
        """The id of what is said in a step."""
        return f"{self.run_id}-m{step}"


@dataclass
class Held:
    """A turn that is locked, and its conversation with it, until the end of the transaction."""

    last_sequence: int
    """Of its replies."""
    now: datetime
    last_turn: int
    """Of the conversation: nobody can add a later one meanwhile."""
    workflow: str
    context: dict[str, Any]
    """Of the conversation, as it is until the end of the transaction."""
    integration: Integration | None
    """The merchant's shop, which is not locked."""
    is_counted: bool = False
    """Whether a call of a model was counted."""
    is_kept: bool = False
    """Whether results of tools were kept that had not been."""
    is_read: bool = False
    """Whether the turns up to the last one were looked at for messages that this turn can answer, too."""


@dataclass(frozen=True)
class TurnChange:
    """What a commit changes of a running turn, beside its replies."""

    begins: bool = False
    """A model is about to be asked: counted, unless the merchant has used as many tokens today as `tokens_per_day`."""
    prompt_limit: int | None = None
    tokens_per_day: int = 0
    workflow: str | None = None
    workflow_hash: str | None = None
    """Under which the turn began, if it began now."""


@dataclass(frozen=True)
class NotDue:
    """The turn is next in its conversation, but not for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class OpenTurn:
    """A turn that is running or will be, the first unfinished one of its conversation; or one whose promise is looked
    at."""

    turn_id: int
    attempt: int
    owner: str | None
    """The worker that runs it; None while it waits."""
    seconds: float
    """Until it may run, or until the worker's lease ends."""


@dataclass(frozen=True)
class StepRow:
    step: int
    assistant: dict[str, Any]
    tool_results: list[dict[str, Any]] | None
    created_at: datetime


@dataclass(frozen=True)
class AbsorbedTurn:
    """A later turn whose message an earlier turn answers as well, from its step `at_step` on."""

    turn_id: int
    seq: int
    event_id: str
    traceparent: str | None
    at_step: int
    input: TurnInput


@dataclass(frozen=True)
class Room:
    """How many more of the merchant's messages a turn may absorb, and their bytes together."""

    messages: int
    bytes: int


@dataclass(frozen=True)
class Silent:
    """A turn of which the merchant should have heard something by now."""

    turn_id: int
    conversation_id: str
    workflow: str
    connected: bool
    """Whether a store has just been connected, and the turn is about that; one that was connected again it names."""
    asks: bool
    """Whether it is waiting for a tool's answer."""


@dataclass(frozen=True)
class Promise:
    """Words that the merchant is owed about an ended turn. `age`: seconds since it ended."""

    turn: Claim
    """The turn as it was; it can write nothing any more."""
    event_key: int
    waits_for: Promised
    age: float
    asked: tuple[str, ...]
    """What the merchant said that it answered."""


@dataclass(frozen=True)
class Expired:
    """A turn whose worker fell silent: back in the queue, or `dead` and owed a final reply."""

    turn_id: int
    conversation_id: str
    merchant_id: str
    dead: bool


@dataclass(frozen=True)
class StoppedTurn:
    """A turn that was stopped, and whether anything was told of it before."""

    turn_id: int
    has_begun: bool
    input: TurnInput


def queue_turn(
    session: Session,
    *,
    conversation_id: str,
    merchant_id: str,
    event_key: int,
    action: int,
    input: TurnInput,
    workflow: str | None = None,
    words_within: float | None = WORDS_SECONDS,
    declined: str | None = None,
) -> int | None:
    """Queue a turn for the `action`-th action of an event; returns its id, or None if it was queued before.

    `words_within`: seconds until the merchant must have heard something of it. `declined`: the turn has ended with this
    code and never runs; the caller adds its replies. The caller holds the event's lock (`inbox.take`). Raises
    UnknownConversation if the merchant has no such conversation.
    """
    whose = {
        "conversation_id": conversation_id,
        "merchant_id": merchant_id,
        "event_key": event_key,
        "action": action,
    }
    values = {"workflow": workflow, "input": dump(input.to_json()), "error": declined, "words_within": words_within}
    queued = session.execute(SQL["queue"], {**whose, **values}).scalar()
    if queued is None and session.execute(SQL["queued_before"], whose).first() is None:
        raise UnknownConversation(f"merchant {merchant_id!r} has no conversation {conversation_id!r}")
    return None if queued is None else int(queued)


def plan_follow_up(
    session: Session,
    *,
    conversation_id: str,
    merchant_id: str,
    event_key: int,
    action: int,
    input: TurnInput,
    workflow: str,
    after_seconds: float,
) -> int | None:
    """A turn that has ended and never ran, and promises words at its time (`promises`); returns its id. The caller adds
    its replies.

    It takes the place of one that would say the same; None if too many wait in the conversation.
    """
    identity = {"event_key": event_key, "action": action, "conversation_id": conversation_id}
    values = {"merchant_id": merchant_id, "workflow": workflow, "input": dump(input.to_json()), "said": input.text}
    bounds = {"after_seconds": after_seconds, "most": MOST_FOLLOW_UPS}
    planned = session.execute(SQL["plan_follow_up"], {**identity, **values, **bounds}).scalar()
    return None if planned is None else int(planned)


def free_action(session: Session, event_key: int) -> int:
    """A number for one more turn that keeps a promise of this event. The caller has locked the conversation."""
    lowest = session.execute(SQL["lowest_action"], {"event_key": event_key, "refusal": REFUSAL}).scalar_one()
    return int(lowest) - 1


def has_answered(session: Session, conversation_id: str, seq: int) -> bool:
    """Whether the merchant has written in the conversation since turn `seq`."""
    return bool(session.execute(SQL["has_answered"], {"conversation_id": conversation_id, "seq": seq}).scalar())


def claim(
    session: Session, turn_id: int, *, lease_seconds: float, owner: str, per_merchant: int = PER_MERCHANT
) -> Claim | NotDue | None:
    """Claim a turn if it is due, first in its conversation, and within its merchant's limit of running turns.

    None if it cannot run now (or ever again): whoever ends the turn in its way wakes it, see `next_to_wake`.
    """
    limits = {"lease_seconds": lease_seconds, "owner": owner, "per_merchant": per_merchant}
    if session.execute(SQL["line_up"], {"turn_id": turn_id, "per_merchant": per_merchant}).first() is not None:
        row = session.execute(SQL["claim"], {"turn_id": turn_id, **limits}).mappings().one_or_none()
        if row is not None:
            values: dict[str, Any] = {**row, "input": TurnInput.from_json(row["input"])}
            around = [values.pop(name) for name in AROUND]
            held = _held(values["last_sequence"], values["now"], *around)
            return Claim(**values, lease_seconds=lease_seconds, held=held)
    seconds = session.execute(SQL["due_in"], {"turn_id": turn_id}).scalar()
    return None if seconds is None else NotDue(float(seconds))


def hold(session: Session, claim: Claim) -> Held:
    """Lock the turn and its conversation until the end of the transaction. Raises LostTurn if the claim is outdated."""
    row = session.execute(SQL["hold"], {"turn_id": claim.turn_id, "attempt": claim.attempt}).one_or_none()
    if row is None:
        raise LostTurn(claim.turn_id, claim.attempt)
    return _held(*row)


def release(session: Session, claim: Claim, *, after_seconds: float = 0.0) -> None:
    """Return the turn to the queue, to run again in `after_seconds`; not a failure. Raises LostTurn."""
    _write(session, claim, "release", after_seconds=after_seconds)


def drop_lease(session: Session, claim: Claim) -> None:
    """Let the lease run out now, so that the sweeper counts a failure and decides. Raises LostTurn."""
    _write(session, claim, "drop_lease")


def finish(
    session: Session,
    claim: Claim,
    *,
    error: str | None = None,
    promised: Promised | None = None,
    again_after: float = 0.0,
    last_sequence: int | None = None,
) -> bool:
    """End the turn; `error` is a code for operators. What it promised is looked at in `again_after` seconds, but what
    waits for the store, when that is connected. `last_sequence`: of its replies, if it has new ones. Returns whether
    other turns of its merchant wait (`next_to_wake`). Raises LostTurn.
    """
    code = None if error is None else storable_text(error, 500)
    how = {"waits_for": promised, "again_after": again_after, "last_sequence": last_sequence}
    return bool(_write(session, claim, "finish", error=code, **how).others_wait)


def extend_leases(session: Session, held: Sequence[tuple[int, int]], *, lease_seconds: float) -> set[int]:
    """Extend the leases of these (turn id, attempt); returns the ids that are still held."""
    ids, attempts = [turn_id for turn_id, _ in held], [attempt for _, attempt in held]
    values = {"ids": ids, "attempts": attempts, "lease_seconds": lease_seconds}
    return {int(turn_id) for turn_id in session.execute(SQL["extend_many"], values).scalars()}


def owners(session: Session, place: str) -> list[str]:
    """Who holds running turns, of those whose names begin with `place`."""
    return list(session.execute(SQL["owners"], {"place": place}).scalars())


def drop_leases_of(session: Session, owners: Sequence[str]) -> int:
    """Let the leases of workers that are dead run out now, as `drop_lease` does; returns how many there were."""
    return len(session.execute(SQL["drop_leases_of"], {"owners": list(owners)}).all())


def still_held(session: Session, held: Sequence[tuple[int, int]]) -> set[int]:
    """The ids of those (turn id, attempt) that are still held."""
    values = {"ids": [turn_id for turn_id, _ in held], "attempts": [attempt for _, attempt in held]}
    return {int(turn_id) for turn_id in session.execute(SQL["still_held"], values).scalars()}


def stop(session: Session, conversation_id: str, *, everything: bool) -> list[StoppedTurn]:
    """End the conversation's first unfinished turn, or `everything` that is unfinished in it; the caller tells of it.

    A worker that runs such a turn loses it. To be asked before the conversation is locked.
    """
    values = {"conversation_id": conversation_id, "limit": STOP_AT_MOST if everything else 1}
    found = session.execute(SQL["to_stop"], values).all()
    session.execute(SQL["stop"], {"ids": [row.id for row in found]})
    return [StoppedTurn(row.id, row.last_sequence > 0, TurnInput.from_json(row.input)) for row in found]


def add_step(
    session: Session,
    claim: Claim,
    step: int,
    assistant: Mapping[str, Any],
    *,
    model: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
) -> StepRow:
    """Keep an answer of the model, and count what it cost; returns the step as it is kept. The caller holds the turn.

    An existing step stays as it is: an earlier commit may have succeeded without our knowing. Unless the model was
    still at it; then it has come further now.
    """
    usage = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
    whose = {"merchant_id": claim.merchant_id, **usage}
    return _write_step(session, claim, "add_step", step, assistant=dump(assistant), **whose)


def add_results(
    session: Session, claim: Claim, step: int, results: Sequence[Mapping[str, Any]], *, at: datetime | None = None
) -> StepRow:
    """Keep the results of a step's tool calls, which came `at` this moment or now, once; returns the step. The caller
    holds the turn."""
    return _write_step(session, claim, "add_results", step, results=dump(list(results)), at=at)


def steps_of(session: Session, turn_id: int) -> list[StepRow]:
    """The committed steps of a turn, in order."""
    return [StepRow(*row) for row in session.execute(SQL["steps_of"], {"turn_id": turn_id})]


def usage_of(session: Session, turn_id: int) -> list[agui.Usage]:
    """What the kept answers of a turn cost, by model."""
    from storage import agui  # a fifth of a second of imports, for who only asks for a turn's words

    return [agui.usage(*row) for row in session.execute(SQL["usage_of"], {"turn_id": turn_id})]


def first_open(session: Session, conversation_id: str) -> int | None:
    """The conversation's first unfinished turn, locked, if it waits; None if it runs, or is just being claimed."""
    found = session.execute(SQL["first_open"], {"conversation_id": conversation_id}).scalar()
    return None if found is None else int(found)


def newer_waiting(session: Session, claim: Claim, room: Room) -> bool:
    """Whether the merchant has written again, and there is room for it. The caller holds the turn."""
    values = {"conversation_id": claim.conversation_id, "seq": claim.seq}
    return bool(session.execute(SQL["newer_waiting"], {**values, **vars(room)}).scalar())


def absorb(session: Session, claim: Claim, room: Room, *, at_step: int) -> list[AbsorbedTurn]:
    """Take the merchant's later messages into this turn, to be answered from its step `at_step` on: what has `room`.

    Their turns become done. The caller holds the turn, and adds their first and last replies.
    """
    values = {"conversation_id": claim.conversation_id, "seq": claim.seq, "turn_id": claim.turn_id}
    taken = set(session.execute(SQL["absorb"], {**values, **vars(room), "at_step": at_step}).scalars())
    return [item for item in absorbed_by(session, claim.turn_id) if item.turn_id in taken] if taken else []


def absorbed_by(session: Session, turn_id: int) -> list[AbsorbedTurn]:
    """The turns whose messages this turn has absorbed, in order."""
    return [_absorbed(row) for row in session.execute(SQL["absorbed_by"], {"turn_id": turn_id})]


def expire(session: Session, *, max_failures: int = MAX_FAILURES) -> list[Expired]:
    """End the leases that ran out: each turn has one more failure, and is queued again or, at `max_failures`, dead."""
    values = {"max_failures": max_failures, "batch": BATCH}
    return [Expired(*row) for row in session.execute(SQL["expire"], values)]


def waiting(
    session: Session,
    *,
    older_than_seconds: float,
    limit: int,
    per_merchant: int = PER_MERCHANT,
    factor: float = 1.0,
    again_seconds: float | None = None,
) -> list[int]:
    """Turns that could have run for `older_than_seconds` and did not: their wake-up was lost.

    Looks at a bounded number of those that are due and puts off all that it returns, and all that cannot run now;
    `factor` scales for how long. The caller wakes the returned ones after the commit. With `again_seconds`, those too
    that were woken so long ago, although it is not their time yet.
    """
    again = WAKE_AGAIN_SECONDS * factor
    early = 0.0 if again_seconds is None else max(again + older_than_seconds - again_seconds, 0.0)
    times = {"older_than": older_than_seconds, "early": early, "again": again}
    bounds = {"longest": LONGEST_PUT_OFF_SECONDS * factor, "looks": LOOKS}
    values = {**times, **bounds, "limit": limit, "per_merchant": per_merchant}
    return sorted(int(turn_id) for turn_id in session.execute(SQL["waiting"], values).scalars())


def under_way(session: Session) -> list[OpenTurn]:
    """What is being run, waits for its time, or is promised. What waits for an earlier turn or the merchant is not."""
    return [
        OpenTurn(turn_id, attempt, owner, float(seconds))
        for turn_id, attempt, owner, seconds in session.execute(SQL["under_way"])
    ]


def next_to_wake(
    session: Session, conversation_id: str, merchant_id: str, *, per_merchant: int = PER_MERCHANT
) -> list[int]:
    """Ids of the turns that may run once a turn of this conversation has ended: its next one, and those the merchant's
    limit held up.

    Marks them as woken; the caller sends the wake-ups after the commit.
    """
    whose = {"conversation_id": conversation_id, "merchant_id": merchant_id, "per_merchant": per_merchant}
    values = {**whose, "again": WAKE_AGAIN_SECONDS, "looks": LOOKS}
    return sorted(int(turn_id) for turn_id in session.execute(SQL["next"], values).scalars())


def silent(session: Session) -> list[Silent]:
    """Turns of which the merchant must hear something now, each once; the caller adds the words."""
    return [Silent(*row) for row in session.execute(SQL["silent"], {"batch": BATCH})]


def promises(session: Session, *, factor: float = 1.0) -> tuple[list[int], list[int]]:
    """Ended turns whose promise it is time to look at: those that wait for a model, and the others. They are left alone
    for a while."""
    shortest, longest = MODEL_PAUSES_SECONDS
    pauses = {"again": LOOK_AGAIN_SECONDS, "shortest": shortest, "longest": longest, "factor": factor}
    found = session.execute(SQL["promises"], {"batch": BATCH, **pauses}).all()
    for_model, others = ([turn_id for turn_id, waits in found if waits is which] for which in (True, False))
    return sorted(for_model), sorted(others)


def promised(session: Session, turn_id: int) -> list[Promise]:
    """What the turn's conversation is owed, waiting for the same as this turn, in order; empty if it owes nothing."""
    found = []
    for row in session.execute(SQL["promised"], {"turn_id": turn_id, "limit": MOST_OWED}).mappings():
        values: dict[str, Any] = {**row, "input": TurnInput.from_json(row["input"])}
        of_promise = {name: values.pop(name) for name in ("event_key", "waits_for", "age", "asked")}
        of_promise["asked"] = tuple(of_promise["asked"])
        found.append(Promise(Claim(**values, lease_seconds=0.0), **of_promise))
    return found


def owed(session: Session, merchant_id: str) -> list[tuple[int, str, str]]:
    """What the merchant asked that waits for the store: (turn, conversation, question), in order."""
    rows = session.execute(SQL["owed"], {"merchant_id": merchant_id, "limit": MOST_OWED})
    return [(turn_id, conversation_id, text) for turn_id, conversation_id, text in rows]


def fetched_since(session: Session, conversation_id: str, seq: int) -> list[tuple[int, dict[str, Any]]]:
    """(turn, result) of the tools in a conversation, from turn `seq` on, in order."""
    rows = session.execute(SQL["fetched_since"], {"conversation_id": conversation_id, "seq": seq})
    return [(int(turn), item["content"]) for turn, results in rows for item in results]


def keep_promises(session: Session, turn_ids: Sequence[int]) -> set[int]:
    """These promises are kept now; returns those that nobody else kept meanwhile."""
    return set(session.execute(SQL["keep_promises"], {"ids": list(turn_ids)}).scalars())


def put_off_promises(session: Session, turn_ids: Sequence[int], *, after_seconds: float) -> None:
    """These promises cannot be kept yet."""
    session.execute(SQL["put_off_promises"], {"ids": list(turn_ids), "after_seconds": after_seconds})


def break_promises(session: Session, merchant_id: str) -> None:
    """The merchant's store is gone, and with it all that was promised about it."""
    session.execute(SQL["break_promises"], {"merchant_id": merchant_id})


def end_waiting_for_model(
    session: Session,
    conversation_id: str,
    *,
    error: str | None = None,
    promised: Promised | None = None,
    again_after: float = 0.0,
    places: Sequence[int] | None = None,
) -> None:
    """What waits for a model in this conversation is answered; or, with the code of an error, it never will be.

    `promised`: what the answer could not tell; `again_after` as in `finish`. `places`: only these turns of the
    conversation; what else is owed goes on waiting.
    """
    how = {"error": error, "waits_for": promised, "again_after": again_after}
    which = {"conversation_id": conversation_id, "places": None if places is None else list(places)}
    session.execute(SQL["end_waiting_for_model"], {**how, **which})


def is_open(session: Session, conversation_id: str) -> bool:
    """Whether a turn of the conversation is unfinished."""
    return bool(session.execute(SQL["is_open"], {"conversation_id": conversation_id}).scalar())


def _write(session: Session, claim: Claim, statement: str, **values: Any) -> Row[Any]:
    """Run a statement that is its own fence."""
    held = {"turn_id": claim.turn_id, "attempt": claim.attempt}
    row = session.execute(SQL[statement], {**held, **values}).first()
    if row is None:
        raise LostTurn(claim.turn_id, claim.attempt)
    return row


def _write_step(session: Session, claim: Claim, statement: str, step: int, **values: Any) -> StepRow:
    """The step as it is after the statement, which may have found it written."""
    which = {"turn_id": claim.turn_id, "step": step}
    row = session.execute(SQL[statement], {**which, **values}).one_or_none()
    return StepRow(*(row or session.execute(SQL["step"], which).one()))


def _held(
    last_sequence: int, now: datetime, last_turn: int, workflow: str, context: dict[str, Any], *shop: Any
) -> Held:
    from storage.connections import Integration  # the events' catalog takes long to import

    integration = None if shop[0] is None else Integration.from_row(shop)
    return Held(last_sequence, now, last_turn, workflow, context, integration)


def _absorbed(row: Row[Any]) -> AbsorbedTurn:
    turn_id, seq, event_id, traceparent, at_step, said = tuple(row)
    return AbsorbedTurn(turn_id, seq, event_id, traceparent, at_step, TurnInput.from_json(said))
