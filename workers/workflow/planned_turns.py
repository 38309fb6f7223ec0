"""The turns that one event asks for: planned while its rules are carried out, and queued once all of them are.

Planned first, because a turn tells of what happened before it, and the last one of what happened behind it too: each
move of the conversation to another workflow, and what the workflow told the systems outside.
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
    """How far the answer to a `replies_requested` has come: everything up to (turn, sequence), and how many replies may
    follow. It is kept as the event's progress."""

    turn: int
    sequence: int
    left: int


@dataclass
class Effects:
    """What to tell other workers once the transaction is committed."""

    merchant_id: str | None = None
    event_id: str | None = None
    traceparent: str | None = None
    turn_ids: list[int] = field(default_factory=list)
    wake_ups: list[int] = field(default_factory=list)  # of these turns, those that may find room now
    replies: list[OutgoingReply] = field(default_factory=list)
    """To events that no turn answers, and to messages that wait."""
    is_over_limit: bool = False
    """The message was one too many."""
    prefetches: list[tuple[str, str]] = field(default_factory=list)
    forget_cache_of: list[str] = field(default_factory=list)
    is_deletion: bool = False
    leftovers: Leftovers | None = None
    """What to clear before a deletion can be settled."""
    sent_again: SentAgain | None = None
    """To be noted with event `event_key` once the broker has `replies`."""
    event_key: int = 0
    postponed_seconds: float | None = None
    done_key: int | None = None
    """Of the event, if there is nothing left to do for it."""
    is_crowded: bool = False
    """Whether events of the merchant may have been put off."""


class PlannedTurns:
    """Those of one event. `max_waiting` turns of its merchant may wait, `at_a_time` may run."""

    def __init__(self, session: Session, row: InboxRow, effects: Effects, max_waiting: int, at_a_time: int) -> None:
        self._session = session
        self._row = row
        self._effects = effects
        # Messages leave room for what is to be said about a connection.
        self._max_waiting = max_waiting if row.type == MESSAGE else 2 * max_waiting
        self._at_a_time = at_a_time
        self.waiting = 0
        """The merchant's turns that wait, with those that are queued here."""
        self._action = 0
        self._planned: list[tuple[TurnInput, str | None]] = []
        """With the workflow each is planned in."""
        self._asked_again: list[TurnInput] = []
        """Behind the planned turns: the one that tells of the connection takes them in."""
        self._follow_ups: list[tuple[FollowUp, str]] = []
        """With the workflow each is planned in."""
        self._moves: list[Move] = []
        self._emitted: list[Emitted] = []
        """What no planned turn tells of yet."""

    def plan(self, said: TurnInput, workflow: str | None) -> None:
        """Plan a turn; it tells of the moves before it."""
        self._planned.append((replace(said, moves=tuple(self._moves), emitted=tuple(self._emitted)), workflow))
        self._moves.clear()
        self._emitted.clear()

    def plan_follow_up(self, action: FollowUp, workflow: str) -> None:
        """Plan a turn for later."""
        self._follow_ups.append((action, workflow))

    def ask_again(self, text: str) -> None:
        """Plan a turn for what the merchant asked once already."""
        self._asked_again.append(TurnInput("merchant", text, metadata={"again": True}))

    def tell_move(self, move: Move) -> None:
        """Have the gateway told of the move, by the next turn or by the last one."""
        self._moves.append(move)

    def tell_emitted(self, name: str, data: dict[str, Any]) -> None:
        """Have the systems outside told."""
        if len(strict_json.dumps(storable(data))) > MAX_FREE_DATA:
            log.warning("an emitted event says too much; its data is left out", name=name, most_bytes=MAX_FREE_DATA)
            data = {}
        self._emitted.append(Emitted(name, data))

    @property
    def has_moved(self) -> bool:
        """Whether the conversation moved, and no planned turn tells of it yet."""
        return bool(self._moves)

    @property
    def is_empty(self) -> bool:
        """Whether there is no turn yet to queue at once, and nothing that needs one to be told."""
        return not self._planned and not self._moves and not self._emitted

    @property
    def most_waiting(self) -> int:
        """How far the merchant's waiting turns are to be counted."""
        return max(self._max_waiting, self._crowd)

    @property
    def has_no_room(self) -> bool:
        """Whether as many of the merchant's turns wait as may."""
        return self.waiting >= self._max_waiting

    @property
    def _crowd(self) -> int:
        """So many waiting turns of a merchant that a wake-up for one more would find no room. Then none is needed:
        whoever ends a turn of the merchant wakes the next ones, see `turns.next_to_wake`."""
        return 2 * self._at_a_time + 1

    def queue(self, conversation: Conversation) -> None:
        """Queue all that is planned. An event that names a conversation has a run there, with an end, even if nothing
        is to be said."""
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
        """The turn ends at once: nothing waits, no model is asked. One reply is its whole run: the fewer replies answer
        a flood, the less the others' wait behind them."""
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
            log.warning("a follow-up is left out: as many wait as may", conversation_id=conversation.id)
            return
        self._tell_run(conversation, turn_id, said, None)

    def _tell_run(self, conversation: Conversation, turn_id: int, said: TurnInput, error: str | None) -> None:
        """The whole run of a turn that never runs."""
        run_id = f"turn_{turn_id}"
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
        """Whose the event's next turn is, and which of the event's."""
        self._action += 1
        return {
            "conversation_id": conversation.id,
            "merchant_id": conversation.merchant_id,
            "event_key": self._row.key,
            "action": self._action - 1,
        }


def is_of_the_shop(row: InboxRow) -> bool:
    """Whether the event says how connecting a store went; another provider's connection changes nothing there."""
    return row.type == "oauth_complete" and row.data.get("provider") == SHOPIFY


def _words_within(row: InboxRow, said: TurnInput) -> float | None:
    """Seconds until the merchant must have heard something; None if the turn says what it has to say at once."""
    if said.sender == "cj":
        return None
    return turns.CONNECTED_WORDS_SECONDS if is_of_the_shop(row) else turns.WORDS_SECONDS
