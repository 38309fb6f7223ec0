"""The turns of one event: planned while its rules are carried out, and queued afterwards.

They are planned first because a turn's run reports what happened before it, and the last one also what happened after
it: transitions to other workflows, and what the workflow emitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from events import strict_json
from events.catalog import SHOPIFY
from events.fields import MAX_FREE_DATA
from storage import agui, outbox, turns
from storage.conversations import Conversation
from storage.database import Session
from storage.inbox import InboxRow
from storage.outbox import NewReply, OutgoingReply
from storage.sql import storable
from storage.turns import Emitted, Move, TurnInput
from workers import logs
from workers.delivery import notices
from workers.workflow.privacy import Leftovers
from workflows.actions import FollowUp

log = logs.get(__name__)

MESSAGE = "message_received"
TOO_MANY_WAITING = (
    "You have sent me more messages than I can answer at once, so I did not take this one in. "
    "Please send it again once I have answered some of the others."
)


@dataclass(frozen=True)
class SentAgain:
    """The progress of a `replies_requested`: everything up to (turn, sequence) was sent, and how many replies may
    follow. Stored as the event's progress."""

    turn: int
    sequence: int
    left: int


@dataclass
class Effects:
    """What to send to workers and the gateway after the commit."""

    merchant_id: str | None = None
    event_id: str | None = None
    traceparent: str | None = None
    turn_ids: list[int] = field(default_factory=list)
    wake_ups: list[int] = field(default_factory=list)  # those of these turns that may be claimable now
    replies: list[OutgoingReply] = field(default_factory=list)
    """Replies to events without a turn, and about waiting messages."""
    is_over_limit: bool = False
    """Whether the message was declined."""
    prefetches: list[tuple[str, str]] = field(default_factory=list)
    forget_cache_of: list[str] = field(default_factory=list)
    is_deletion: bool = False
    leftovers: Leftovers | None = None
    """What to clear before a deletion can be settled."""
    sent_again: SentAgain | None = None
    """To be stored with event `event_key` once the broker has `replies`."""
    event_key: int = 0
    postponed_seconds: float | None = None
    done_key: int | None = None
    """The trace id of the event, if there is nothing left to do for it."""
    is_crowded: bool = False
    """Whether events of the merchant may have been put off."""


class PlannedTurns:
    """The planned turns of one event. `max_waiting` turns of its merchant may wait, `at_a_time` may run."""

    def __init__(self, session: Session, row: InboxRow, effects: Effects, max_waiting: int, at_a_time: int) -> None:
        self._session = session
        self._row = row
        self._effects = effects
        # Messages leave room for turns about a connection.
        self._max_waiting = max_waiting if row.type == MESSAGE else 2 * max_waiting
        self._at_a_time = at_a_time
        self.waiting = 0
        """The merchant's waiting turns, including those queued here."""
        self._action = 0
        self._planned: list[tuple[TurnInput, str | None]] = []
        """With the workflow each is planned in."""
        self._asked_again: list[TurnInput] = []
        """Queued after the planned turns: the turn about the connection absorbs them."""
        self._follow_ups: list[tuple[FollowUp, str]] = []
        """With the workflow each is planned in."""
        self._moves: list[Move] = []
        self._emitted: list[Emitted] = []
        """What no planned turn reports yet."""

    def plan(self, said: TurnInput, workflow: str | None) -> None:
        """Plan a turn; its run reports the transitions before it."""
        self._planned.append((replace(said, moves=tuple(self._moves), emitted=tuple(self._emitted)), workflow))
        self._moves.clear()
        self._emitted.clear()

    def plan_follow_up(self, action: FollowUp, workflow: str) -> None:
        """Plan a turn for later."""
        self._follow_ups.append((action, workflow))

    def ask_again(self, text: str) -> None:
        """Plan a turn for an earlier question of the merchant."""
        self._asked_again.append(TurnInput("merchant", text, metadata={"again": True}))

    def tell_move(self, move: Move) -> None:
        """Report a transition to the gateway, in the next planned turn or else in the last one."""
        self._moves.append(move)

    def tell_emitted(self, name: str, data: dict[str, Any]) -> None:
        """Report an emitted event, likewise."""
        if len(strict_json.dumps(storable(data))) > MAX_FREE_DATA:
            log.warning("an emitted event's data is too large; it is left out", name=name, most_bytes=MAX_FREE_DATA)
            data = {}
        self._emitted.append(Emitted(name, data))

    @property
    def has_moved(self) -> bool:
        """Whether the conversation moved and no planned turn reports it yet."""
        return bool(self._moves)

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a turn to queue now nor anything that needs one to report it."""
        return not self._planned and not self._moves and not self._emitted

    @property
    def most_waiting(self) -> int:
        """Up to which number the merchant's waiting turns must be counted."""
        return max(self._max_waiting, self._crowd)

    @property
    def has_no_room(self) -> bool:
        """Whether the merchant's limit of waiting turns is reached."""
        return self.waiting >= self._max_waiting

    @property
    def _crowd(self) -> int:
        """The number of a merchant's waiting turns from which on a new turn needs no wake-up: it could not run, and
        whoever ends a turn wakes the next ones, see `turns.next_to_wake`."""
        return 2 * self._at_a_time + 1

    def queue(self, conversation: Conversation) -> None:
        """Queue all planned turns. An event that names a conversation gets a run there, with an end, even if there is
        nothing to say."""
        for said, workflow in self._all():
            if self.has_no_room:
                self.decline(conversation, said, workflow)
            else:
                self._queue_one(conversation, said, workflow)
        for action, workflow in self._follow_ups:
            self._queue_follow_up(conversation, action, workflow)
        if self._action == 0 and self._row.conversation_id is not None:
            self.decline(conversation, TurnInput("system", self._row.type), None, turns.NOTHING_TO_SAY)

    def decline(
        self, conversation: Conversation, said: TurnInput, workflow: str | None, code: str = turns.TOO_MANY_WAITING
    ) -> None:
        """End a turn at once, without a model call. Its whole run is one reply, so that a flood delays others' replies
        less."""
        turn_id = turns.queue_turn(
            self._session,
            **self._next_turn(conversation),
            input=said,
            workflow=workflow,
            declined=code,
        )
        if turn_id is None:
            return
        self._effects.turn_ids.append(turn_id)
        self._effects.is_over_limit = code == turns.TOO_MANY_WAITING
        self._tell_run(conversation, turn_id, said, code if self._effects.is_over_limit else None)

    def _all(self) -> list[tuple[TurnInput, str | None]]:
        moves, emitted = tuple(self._moves), tuple(self._emitted)
        planned = list(self._planned)
        if (moves or emitted) and planned:
            said, workflow = planned[-1]
            planned[-1] = (replace(said, later_moves=moves, emitted=said.emitted + emitted), workflow)
        elif moves or emitted:
            planned.append((TurnInput("cj", "", moves=moves, emitted=emitted), moves[-1].target if moves else None))
        return planned + [(said, None) for said in self._asked_again]

    def _queue_one(self, conversation: Conversation, said: TurnInput, workflow: str | None) -> None:
        turn_id = turns.queue_turn(
            self._session,
            **self._next_turn(conversation),
            input=said,
            workflow=workflow,
            words_within=_words_within(self._row, said),
        )
        if turn_id is None:
            return
        self._effects.turn_ids.append(turn_id)
        self.waiting += 1
        if self.waiting < self._crowd:
            self._effects.wake_ups.append(turn_id)
        elif said.sender == "merchant" and turns.first_open(self._session, conversation.id) == turn_id:
            message = turn_id, self._row.id
            self._effects.replies += notices.waiting(
                self._session, conversation.id, conversation.workflow, [message], "limit"
            )

    def _queue_follow_up(self, conversation: Conversation, action: FollowUp, workflow: str) -> None:
        said = TurnInput("system", action.text, condition=action.condition)
        turn_id = turns.plan_follow_up(
            self._session,
            **self._next_turn(conversation),
            input=said,
            workflow=workflow,
            after_seconds=action.seconds,
        )
        if turn_id is None:
            log.warning("a follow-up is left out: too many are waiting", conversation_id=conversation.id)
            return
        self._tell_run(conversation, turn_id, said, None)

    def _tell_run(self, conversation: Conversation, turn_id: int, said: TurnInput, error: str | None) -> None:
        """Report the whole run of a turn that never runs."""
        run_id = turns.run_id(turn_id)
        run = agui.run_started(conversation.id, run_id, conversation.workflow)
        run += notices.begun(replace(said, moves=()), run_id)
        for move in (*said.moves, *said.later_moves):
            run += agui.workflow_transition(move.source, move.target)
        if error is not None:
            run += agui.run_error(run_id, error, TOO_MANY_WAITING)
        else:
            run += agui.run_finished(conversation.id, run_id)
        self._effects.replies += outbox.append(self._session, turn_id, [NewReply(agui.END_KEY, run)])

    def _next_turn(self, conversation: Conversation) -> Mapping[str, Any]:
        """The identity of the event's next turn: conversation, event and action number."""
        self._action += 1
        return {
            "conversation_id": conversation.id,
            "merchant_id": conversation.merchant_id,
            "event_key": self._row.key,
            "action": self._action - 1,
        }


def is_of_the_shop(row: InboxRow) -> bool:
    """Whether the event reports the result of connecting a store, not of another provider."""
    return row.type == "oauth_complete" and row.data.get("provider") == SHOPIFY


def _words_within(row: InboxRow, said: TurnInput) -> float | None:
    """Seconds until the merchant must have heard something; None if the turn speaks at once."""
    if said.sender == "cj":
        return None
    return turns.CONNECTED_WORDS_SECONDS if is_of_the_shop(row) else turns.WORDS_SECONDS
