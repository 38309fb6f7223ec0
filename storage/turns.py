"""Turns: the queue of the agent workers, and what a running turn may write.

`storage.models.TurnTable` describes the life of a turn. A claim comes with a lease and an attempt number; every later
write names the attempt, and a write with an outdated attempt changes nothing and raises LostTurn. So a worker that was
paused past its lease can do no harm.

The SQL, with reasons, is in `turns.sql`.
"""

from __future__ import annotations

import re
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

_OF_A_TURN = re.compile(r"turn_([0-9]{1,18})[-:]")
#: Seconds before another wake-up is sent for a turn, or before it is checked again if it could not run.
WAKE_AGAIN_SECONDS = 5.0
#: The most seconds for which a turn that cannot run is put off.
LONGEST_PUT_OFF_SECONDS = 600.0
#: How many due turns one look checks, from each end.
LOOKS = 500
#: Most running turns of one merchant, so that one with many conversations does not delay the others.
PER_MERCHANT = 2
#: Error code of a turn that was declined because too many of the merchant's turns waited.
TOO_MANY_WAITING = "too_many_waiting"
#: Error code of a turn that ended at once because its event needed no answer.
NOTHING_TO_SAY = "nothing_to_say"
#: The action number of an event's turn that says the event was refused. Rules' actions count up from 0, turns that keep
#: promises count down from here.
REFUSAL = -1
#: Error code of a turn that a provider's filter refused: it is left out of later prompts, which would be refused, too.
FILTERED = "model_filtered"
#: Key in a stored assistant message: what the model's provider wants back with it (workers/model/habits.py).
EXTRAS = "_extras"
#: How many leases may run out before a turn is given up.
MAX_FAILURES = 3
BATCH = 100
#: Added to the action number of a failed turn to get that of an operator's retry.
RETRY = 1000
STOP_AT_MOST = 1000
#: Seconds until a turn must have told the merchant something: about a connection, and about anything else. The sweeper
#: checks once a second.
CONNECTED_WORDS_SECONDS = 1.8
WORDS_SECONDS = 3.8
#: Seconds for which a promise that is being checked is left alone.
LOOK_AGAIN_SECONDS = 15.0
#: Seconds between two checks for a model: the first pause, and the longest.
MODEL_PAUSES_SECONDS = 5.0, 300.0
#: How many questions that wait for a merchant's store, or for a model in one conversation, are answered later at most.
MOST_OWED = 20
#: Context key: the version of the token for which the merchant was asked to reconnect.
RECONNECT_ASKED = "reconnect_asked"

SQL = sql.load("turns")
_OF_CONVERSATION = ("last_turn", "conversation_workflow", "context", "by_door")
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
#: What an ended turn's promise waits for: a model, the store's reconnection, Shopify's data, or the time of a
#: workflow's follow-up.
Promised = Literal["model", "store", "data", "time"]
#: Most workflow follow-ups that may wait in one conversation.
MOST_FOLLOW_UPS = 5


def run_id(turn_id: int) -> str:
    """The id of a turn's run in replies; those of its messages, tool calls and replies begin with it."""
    return f"turn_{turn_id}"


def message_id(turn_id: int, step: int) -> str:
    """The id of what the model says in a step."""
    return f"{run_id(turn_id)}-m{step}"


def call_id(turn_id: int, step: int, number: int) -> str:
    """The id of a step's tool call. Not the model's id: some restart with `call_0` in every answer, and some contain
    kilobytes."""
    return f"{message_id(turn_id, step)}-c{number}"


def turn_of(id: str) -> int | None:
    """The turn whose message, tool call or reply has this id; None for ids of other things."""
    found = _OF_A_TURN.match(id)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Move:
    """A transition of the conversation, and what CJ says about it, if anything."""

    source: str
    target: str
    said: str | None = None


@dataclass(frozen=True)
class Emitted:
    """What a workflow tells other systems."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class TurnInput:
    """What a turn answers. A turn without a message only reports `moves` and what was emitted."""

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
    """A running turn, held by one attempt. Times are the database's; `now`: the time of the claim."""

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
        return run_id(self.turn_id)

    def message_id(self, step: int) -> str:
        """The message id of a step."""
        return message_id(self.turn_id, step)


@dataclass
class Held:
    """A turn that is locked together with its conversation until the end of the transaction."""

    last_sequence: int
    """Of its replies."""
    now: datetime
    last_turn: int
    """Of the conversation: nobody can add a later one meanwhile."""
    workflow: str
    context: dict[str, Any]
    """Of the conversation, as it is until the end of the transaction."""
    by_door: bool
    """Whether its replies are read at the door."""
    integration: Integration | None
    """The merchant's shop, which is not locked."""
    is_counted: bool = False
    """Whether a model call was counted."""
    is_kept: bool = False
    """Whether tool results were stored that only memory held before."""
    is_read: bool = False
    """Whether the turns up to the last one were looked at for messages that this turn can answer, too."""


@dataclass(frozen=True)
class TurnChange:
    """What a commit changes in a running turn, other than its replies."""

    begins: bool = False
    """A model is about to be asked: counted, unless the merchant has used as many tokens today as `tokens_per_day`."""
    prompt_limit: int | None = None
    tokens_per_day: int = 0
    workflow: str | None = None
    workflow_hash: str | None = None
    """Under which the turn began, if it began now."""


@dataclass(frozen=True)
class NotDue:
    """The turn is next in its conversation, but only due in `seconds`."""

    seconds: float


@dataclass(frozen=True)
class OpenTurn:
    """The first unfinished turn of a conversation, running or not; or one whose promise is being checked."""

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

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> AbsorbedTurn:
        turn_id, seq, event_id, traceparent, at_step, said = row
        return cls(turn_id, seq, event_id, traceparent, at_step, TurnInput.from_json(said))


@dataclass(frozen=True)
class Room:
    """How many more of the merchant's messages a turn may absorb, and how many bytes in total."""

    messages: int
    bytes: int


@dataclass(frozen=True)
class Silent:
    """A turn that should have told the merchant something by now."""

    turn_id: int
    conversation_id: str
    workflow: str
    connected: bool
    """Whether the turn is about a store that has just been connected for the first time."""
    asks: bool
    """Whether it is waiting for a tool's answer."""


@dataclass(frozen=True)
class Promise:
    """What the merchant is owed after an ended turn. `age`: seconds since it ended."""

    turn: Claim
    """The turn as it was; it can write nothing any more."""
    event_key: int
    waits_for: Promised
    age: float
    asked: tuple[str, ...]
    """What the merchant said that it answered."""


@dataclass(frozen=True)
class Expired:
    """A turn whose lease ran out: back in the queue, or `dead`, which requires a final reply."""

    turn_id: int
    conversation_id: str
    merchant_id: str
    dead: bool


@dataclass(frozen=True)
class StoppedTurn:
    """A turn that was stopped, and whether anything was sent for it before."""

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
    """Queue a turn for the `action`-th action of an event; returns its id, or None if it was queued already.

    `words_within`: seconds until it must have told the merchant something. `declined`: the turn ends at once with this
    code; the caller adds its replies. The caller must hold the event's lock (`inbox.take`). Raises UnknownConversation
    if the merchant has no such conversation.
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
    """Insert a turn that has ended without running, with a promise for its time (`promises`); returns its id. The
    caller adds its replies.

    Replaces one with the same message. Returns None if too many wait in the conversation.
    """
    identity = {"event_key": event_key, "action": action, "conversation_id": conversation_id}
    values = {"merchant_id": merchant_id, "workflow": workflow, "input": dump(input.to_json()), "said": input.text}
    bounds = {"after_seconds": after_seconds, "most": MOST_FOLLOW_UPS}
    planned = session.execute(SQL["plan_follow_up"], {**identity, **values, **bounds}).scalar()
    return None if planned is None else int(planned)


def free_action(session: Session, event_key: int) -> int:
    """The action number for another turn that keeps a promise of this event. The caller must have locked the
    conversation."""
    lowest = session.execute(SQL["lowest_action"], {"event_key": event_key, "refusal": REFUSAL}).scalar_one()
    return int(lowest) - 1


def has_answered(session: Session, conversation_id: str, seq: int) -> bool:
    """Whether the merchant has written in the conversation since turn `seq`."""
    return bool(session.execute(SQL["has_answered"], {"conversation_id": conversation_id, "seq": seq}).scalar())


def claim(
    session: Session, turn_id: int, *, lease_seconds: float, owner: str, per_merchant: int = PER_MERCHANT
) -> Claim | NotDue | None:
    """Claim a turn if it is due, first in its conversation, and within its merchant's limit of running turns.

    None if it cannot run now (or ever again): whoever ends the blocking turn wakes it, see `next_to_wake`.
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
    """Expire the lease now, so that the sweeper counts a failure and decides. Raises LostTurn."""
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
    """End the turn; `error` is a code for operators. Its promise is checked in `again_after` seconds or, if it waits
    for the store, when that is connected. `last_sequence`: of its replies, if it has new ones. Returns whether other
    turns of its merchant wait (`next_to_wake`). Raises LostTurn.
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
    """The owners of running turns whose names start with `place`."""
    return list(session.execute(SQL["owners"], {"place": place}).scalars())


def drop_leases_of(session: Session, owners: Sequence[str]) -> int:
    """Expire the leases of dead workers now, like `drop_lease`; returns how many there were."""
    return len(session.execute(SQL["drop_leases_of"], {"owners": list(owners)}).all())


def still_held(session: Session, held: Sequence[tuple[int, int]]) -> set[int]:
    """The ids of those (turn id, attempt) that are still held."""
    values = {"ids": [turn_id for turn_id, _ in held], "attempts": [attempt for _, attempt in held]}
    return {int(turn_id) for turn_id in session.execute(SQL["still_held"], values).scalars()}


def stop(session: Session, conversation_id: str, *, everything: bool) -> list[StoppedTurn]:
    """End the conversation's first unfinished turn, or `everything` unfinished in it; the caller adds the replies.

    A worker that runs such a turn loses it. Call this before locking the conversation.
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
    at: datetime | None = None,
    model: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
) -> None:
    """Store an answer of the model, which came `at` this time or now, and count its tokens. The caller must hold the
    turn.

    An existing step is not changed, since an earlier commit may have succeeded unnoticed, unless it is unfinished; then
    it is longer now.
    """
    which = {"turn_id": claim.turn_id, "step": step, "merchant_id": claim.merchant_id, "at": at}
    usage = {"model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
    session.defer(SQL["add_step"], {**which, **usage, "assistant": dump(assistant)})


def add_results(
    session: Session, claim: Claim, step: int, results: Sequence[Mapping[str, Any]], *, at: datetime | None = None
) -> None:
    """Store the results of a step's tool calls, which arrived `at` this time or now, once. The caller must hold the
    turn."""
    which = {"turn_id": claim.turn_id, "step": step, "at": at}
    session.defer(SQL["add_results"], {**which, "results": dump(list(results))})


def steps_of(session: Session, turn_id: int) -> list[StepRow]:
    """The committed steps of a turn, in order."""
    return [StepRow(*row) for row in session.execute(SQL["steps_of"], {"turn_id": turn_id})]


def usage_of(session: Session, turn_id: int) -> list[agui.Usage]:
    """What a turn's stored answers cost, by model."""
    from storage import agui  # imports a fifth of a second's worth of modules, which other callers do not need

    return [agui.usage(*row) for row in session.execute(SQL["usage_of"], {"turn_id": turn_id})]


def first_open(session: Session, conversation_id: str) -> int | None:
    """The conversation's first unfinished turn, locked, if it is queued; None if it is running or just being
    claimed."""
    found = session.execute(SQL["first_open"], {"conversation_id": conversation_id}).scalar()
    return None if found is None else int(found)


def newer_waiting(session: Session, claim: Claim, room: Room) -> bool:
    """Whether the merchant wrote again and there is room to absorb that. The caller must hold the turn."""
    values = {"conversation_id": claim.conversation_id, "seq": claim.seq}
    return bool(session.execute(SQL["newer_waiting"], {**values, **vars(room)}).scalar())


def absorb(session: Session, claim: Claim, room: Room, *, at_step: int) -> list[AbsorbedTurn]:
    """Absorb the merchant's later messages, as many as there is `room` for, to be answered from step `at_step` on.

    Their turns become done. The caller must hold the turn, and adds their first and last replies.
    """
    values = {"conversation_id": claim.conversation_id, "seq": claim.seq, "turn_id": claim.turn_id}
    taken = set(session.execute(SQL["absorb"], {**values, **vars(room), "at_step": at_step}).scalars())
    return [item for item in absorbed_by(session, claim.turn_id) if item.turn_id in taken] if taken else []


def absorbed_by(session: Session, turn_id: int) -> list[AbsorbedTurn]:
    """The turns whose messages this turn absorbed, in order."""
    return [AbsorbedTurn.from_row(row) for row in session.execute(SQL["absorbed_by"], {"turn_id": turn_id})]


def expire(session: Session, *, max_failures: int = MAX_FAILURES) -> list[Expired]:
    """Handle leases that ran out: each turn has one more failure, and is queued again or, at `max_failures`, dead."""
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
    """Turns that have been runnable for `older_than_seconds`: their wake-up was lost.

    Looks at a limited number of due turns and puts off those that it returns and those that cannot run now; `factor`
    scales for how long. The caller sends wake-ups for the returned ones after the commit. With `again_seconds`, also
    returns those woken that long ago, before they are due again.
    """
    again = WAKE_AGAIN_SECONDS * factor
    early = 0.0 if again_seconds is None else max(again + older_than_seconds - again_seconds, 0.0)
    times = {"older_than": older_than_seconds, "early": early, "again": again}
    bounds = {"longest": LONGEST_PUT_OFF_SECONDS * factor, "looks": LOOKS}
    values = {**times, **bounds, "limit": limit, "per_merchant": per_merchant}
    return sorted(int(turn_id) for turn_id in session.execute(SQL["waiting"], values).scalars())


def under_way(session: Session) -> list[OpenTurn]:
    """Turns that are running, not due yet, or have a promise. Not those that wait for an earlier turn or the
    merchant."""
    return [
        OpenTurn(turn_id, attempt, owner, float(seconds))
        for turn_id, attempt, owner, seconds in session.execute(SQL["under_way"])
    ]


def next_to_wake(
    session: Session, conversation_id: str, merchant_id: str, *, per_merchant: int = PER_MERCHANT
) -> list[int]:
    """Ids of the turns that may run once a turn of this conversation has ended: its next one, and those that the
    merchant's limit held back.

    Marks them as woken; the caller sends the wake-ups after the commit.
    """
    whose = {"conversation_id": conversation_id, "merchant_id": merchant_id, "per_merchant": per_merchant}
    values = {**whose, "again": WAKE_AGAIN_SECONDS, "looks": LOOKS}
    return sorted(int(turn_id) for turn_id in session.execute(SQL["next"], values).scalars())


def silent(session: Session) -> list[Silent]:
    """Turns that must tell the merchant something now, each once; the caller adds the words."""
    return [Silent(*row) for row in session.execute(SQL["silent"], {"batch": BATCH})]


def promises(session: Session, *, factor: float = 1.0) -> tuple[list[int], list[int]]:
    """Ended turns whose promise is due for a check: those that wait for a model, and the others. They are then left
    alone for a while."""
    shortest, longest = MODEL_PAUSES_SECONDS
    pauses = {"again": LOOK_AGAIN_SECONDS, "shortest": shortest, "longest": longest, "factor": factor}
    found = session.execute(SQL["promises"], {"batch": BATCH, **pauses}).all()
    for_model, others = ([turn_id for turn_id, waits in found if waits is which] for which in (True, False))
    return sorted(for_model), sorted(others)


def promised(session: Session, turn_id: int) -> list[Promise]:
    """The promises in the turn's conversation that wait for the same as this turn's, in order; empty if it has none."""
    found = []
    for row in session.execute(SQL["promised"], {"turn_id": turn_id, "limit": MOST_OWED}).mappings():
        values: dict[str, Any] = {**row, "input": TurnInput.from_json(row["input"])}
        of_promise = {name: values.pop(name) for name in ("event_key", "waits_for", "age", "asked")}
        of_promise["asked"] = tuple(of_promise["asked"])
        found.append(Promise(Claim(**values, lease_seconds=0.0), **of_promise))
    return found


def owed(session: Session, merchant_id: str) -> list[tuple[int, str, str]]:
    """The merchant's questions that wait for the store: (turn, conversation, question), in order."""
    rows = session.execute(SQL["owed"], {"merchant_id": merchant_id, "limit": MOST_OWED})
    return [(turn_id, conversation_id, text) for turn_id, conversation_id, text in rows]


def fetched_since(session: Session, conversation_id: str, seq: int) -> list[tuple[int, dict[str, Any]]]:
    """(turn, result) of tool calls in a conversation, from turn `seq` on, in order."""
    rows = session.execute(SQL["fetched_since"], {"conversation_id": conversation_id, "seq": seq})
    return [(int(turn), item["content"]) for turn, results in rows for item in results]


def keep_promises(session: Session, turn_ids: Sequence[int]) -> set[int]:
    """Mark these promises as kept; returns those that nobody else kept meanwhile."""
    return set(session.execute(SQL["keep_promises"], {"ids": list(turn_ids)}).scalars())


def put_off_promises(session: Session, turn_ids: Sequence[int], *, after_seconds: float) -> None:
    """Check these promises again later."""
    session.execute(SQL["put_off_promises"], {"ids": list(turn_ids), "after_seconds": after_seconds})


def break_promises(session: Session, merchant_id: str) -> None:
    """End all promises about the merchant's store, which is gone."""
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
    """End the promises in this conversation that wait for a model: they were answered or, with an error code, never
    will be.

    `promised`: what the answer could not tell; `again_after` as in `finish`. `places`: only these turns of the
    conversation; others keep waiting.
    """
    how = {"error": error, "waits_for": promised, "again_after": again_after}
    which = {"conversation_id": conversation_id, "places": None if places is None else list(places)}
    session.execute(SQL["end_waiting_for_model"], {**how, **which})


def is_open(session: Session, conversation_id: str) -> bool:
    """Whether the conversation has an unfinished turn."""
    return bool(session.execute(SQL["is_open"], {"conversation_id": conversation_id}).scalar())


def _write(session: Session, claim: Claim, statement: str, **values: Any) -> Row[Any]:
    """Run a statement that contains its own fence."""
    held = {"turn_id": claim.turn_id, "attempt": claim.attempt}
    row = session.execute(SQL[statement], {**held, **values}).first()
    if row is None:
        raise LostTurn(claim.turn_id, claim.attempt)
    return row


def _held(
    last_sequence: int,
    now: datetime,
    last_turn: int,
    workflow: str,
    context: dict[str, Any],
    by_door: bool,
    *shop: Any,
) -> Held:
    from storage.connections import Integration  # the event catalog takes long to import

    integration = None if shop[0] is None else Integration.from_row(shop)
    return Held(last_sequence, now, last_turn, workflow, context, by_door, integration)
