"""Replies outside turns, for frontends that would wait in vain: an event was refused, or a message must wait."""

from collections.abc import Sequence

from events.fields import MAX_TEXT
from storage import agui, conversations, outbox, turns
from storage.agui import Events
from storage.database import Session
from storage.outbox import NewReply, OutgoingReply, RefusedEvent
from storage.turns import Move, StoppedTurn, TurnInput

OTHERWISE = "Sorry, something went wrong on our side, and I did not get that. Please send it again."
SENTENCES = {
    "event.unknown_merchant": "I don't know this account yet. Please connect your store first.",
    "event.conversation_merchant_mismatch": "This conversation isn't available. Please start a new one.",
    "event.unknown_workflow": "I can't start this conversation. Please start a new one.",
    "event.not_connected": "Your store isn't connected yet. Please connect it again.",
    "event.shop_merchant_mismatch": "That store belongs to another account. Please connect the store of this one.",
    "event.erased": "The data of this account was deleted. Please connect your store again.",
    # A gateway's clock or format, nothing that the merchant wrote.
    "event.from_future": OTHERWISE,
    "event.bad_time": OTHERWISE,
}
UNREADABLE = f"I can't read that message. Please send at most {MAX_TEXT} characters of plain text."


def refused(session: Session, event: RefusedEvent, code: str) -> list[OutgoingReply]:
    """Answer a refused event, once: in its conversation, or outside if its merchant has no such conversation.

    The event's row must exist, and is not changed.
    """
    sentence = SENTENCES.get(code, UNREADABLE if event.is_unreadable else OTHERWISE)
    conversation = conversations.get(session, event.conversation_id, lock=True)
    if conversation is None or conversation.merchant_id != event.merchant_id:
        return outbox.append_apart(session, event, code, sentence)
    turn_id = turns.queue_turn(
        session,
        conversation_id=event.conversation_id,
        merchant_id=event.merchant_id,
        event_key=event.key,
        action=turns.REFUSAL,
        input=TurnInput("merchant", ""),
        declined=code,
    )
    if turn_id is None:
        return []
    run_id = turns.run_id(turn_id)
    run = [*agui.run_started(event.conversation_id, run_id), *agui.run_error(run_id, code, sentence)]
    return outbox.append(session, turn_id, [NewReply(agui.END_KEY, run)])


def waiting(
    session: Session, conversation_id: str, workflow: str, messages: Sequence[tuple[int, str]], reason: str
) -> list[OutgoingReply]:
    """Say that messages, each a (turn id, event id), must wait: in the run of the conversation's first unfinished turn.

    Says nothing while that turn runs: its end decides. The conversation must be locked.
    """
    first = turns.first_open(session, conversation_id)
    if first is None:
        return []
    started = agui.run_started(conversation_id, turns.run_id(first), workflow)
    told = [NewReply("started", started)]
    for turn_id, event_id in messages:
        told.append(NewReply(f"waiting:{turn_id}", agui.message_waiting(event_id, reason)))
    return outbox.append(session, first, told)


def stopped(session: Session, conversation_id: str, workflow: str, turn: StoppedTurn) -> list[OutgoingReply]:
    """The end of a turn that was stopped, and of those whose messages it had absorbed."""
    run_id = turns.run_id(turn.turn_id)
    run: Events = [] if turn.has_begun else agui.run_started(conversation_id, run_id, workflow)
    run += [] if turn.has_begun else begun(turn.input, run_id)
    run += [*outbox.unfinished(session, turn.turn_id), *moved(turn.input.later_moves, f"{run_id}-t")]
    run += agui.run_finished(conversation_id, run_id, turns.usage_of(session, turn.turn_id), cancelled=True)
    ended = outbox.append(session, turn.turn_id, [NewReply(agui.END_KEY, run)])
    return ended + outbox.end_absorbed(session, turn.turn_id, conversation_id)


def begun(said: TurnInput, run_id: str) -> Events:
    """What the gateway is told at the start of a turn's run: earlier transitions, and what its event emitted."""
    emitted = [agui.workflow_event(event.name, event.data) for event in said.emitted]
    return [*moved(said.moves, f"{run_id}-b"), *(event for events in emitted for event in events)]


def moved(moves: Sequence[Move], ids: str) -> Events:
    """What the gateway is told about transitions; `ids` is the prefix of the message ids."""
    told: Events = []
    for number, move in enumerate(moves):
        told += agui.workflow_transition(move.source, move.target)
        if move.said:
            told += agui.text(f"{ids}{number}", move.said)
    return told
