"""Any steps in any order: events arrive once or three times, workers claim, die and wake up as zombies, the broker
loses, repeats and reorders, acks get lost. After every step the rows' invariants hold, and when the faults are over
every event has had its full effect exactly once, and the gateway has shown it in order.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from events import decode_reply
from events.ordering import Offer, ReplyOrder
from events.reply import Reply
from storage import agui, inbox, merchants, outbox
from storage.database import Database
from storage.errors import LostTurn
from storage.inbox import Accepted, NewEvent
from storage.outbox import NewReply, OutgoingReply
from tests import rows
from workers.agent.cost_limits import CostLimits
from workers.agent.state import NewResults, TurnState
from workers.agent.transactions import Message, NewStep, NextCall, TurnTransactions
from workers.delivery.sweeper import Duties
from workers.settings import Settings
from workers.workflow.handler import handle
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

#: Conversation and merchant; one merchant has more conversations than may run at the same time.
CONVERSATIONS = {"a": "m1", "b": "m1", "c": "m1"}
WORKERS = ("agent-1", "agent-2")
#: Undisturbed rounds after which nothing may be left to do.
ROUNDS = 60

NO_LIMITS = replace(CostLimits.of(Settings()), turns_per_minute=0, tokens_per_day=0)
INDEX = st.integers(0, 10**6)


class System(RuleBasedStateMachine):
    """Workers and gateway take steps on real rows; `broker` holds the messages on the queue of replies."""

    database: Database
    workflows: WorkflowSet

    def __init__(self) -> None:
        super().__init__()
        rows.execute(self.database, "TRUNCATE merchants, events CASCADE")
        with self.database.transaction() as session:
            for merchant_id in set(CONVERSATIONS.values()):
                merchants.add_merchant(session, merchant_id)
        self.transactions_of = {
            name: TurnTransactions(self.database, self.workflows, lease_seconds=60.0, owner=name) for name in WORKERS
        }
        self.published: list[NewEvent] = []
        self.held: list[TurnState] = []  # the claims workers believe they hold: some are zombies
        self.broker: list[OutgoingReply] = []
        self.acks: list[str] = []
        self.order = ReplyOrder(gap_seconds=1e9, from_first_turn=True)
        self.shown: list[Reply] = []

    # events

    @initialize(conversations=st.lists(st.sampled_from(sorted(CONVERSATIONS)), min_size=3, max_size=8))
    def begin(self, conversations: list[str]) -> None:
        """Start with some turns already waiting."""
        for conversation in conversations:
            self.publish(conversation, is_told=True)

    @rule(conversation=st.sampled_from(sorted(CONVERSATIONS)), is_told=st.booleans())
    def publish(self, conversation: str, is_told: bool) -> None:
        number = len(self.published)
        merchant_id = CONVERSATIONS[conversation]
        event = NewEvent(
            source="/gateway",
            id=f"e{number}",
            type="message_received",
            time=None,
            subject=None,
            traceparent=None,
            data={"merchant_id": merchant_id, "conversation_id": conversation, "text": f"message {number}"},
            content_hash=hashlib.sha256(str(number).encode()).digest(),
            merchant_id=merchant_id,
            conversation_id=conversation,
        )
        self.published.append(event)
        accepted = self.accept(event)
        assert accepted.fresh
        if is_told:
            self.handle_event(accepted.key)

    @precondition(lambda self: self.published)
    @rule(which=INDEX)
    def publish_again(self, which: int) -> None:
        assert not self.accept(pick(self.published, which)).fresh

    def handle_event(self, key: int) -> None:
        with self.database.transaction() as session:
            handle(session, self.workflows, key)

    def accept(self, event: NewEvent) -> Accepted:
        with self.database.transaction() as session:
            [answer] = inbox.accept(session, [event])
        assert isinstance(answer, Accepted)
        return answer

    @precondition(lambda self: self.published)
    @rule(which=INDEX)
    def handle(self, which: int) -> None:
        """A wake-up for any event, first or repeated."""
        keys = [key for (key,) in rows.query(self.database, "SELECT key FROM events ORDER BY key")]
        self.handle_event(pick(keys, which))

    # turns

    @rule(which=INDEX, worker=st.sampled_from(WORKERS), is_told=st.booleans())
    def claim(self, which: int, worker: str, is_told: bool) -> None:
        """A wake-up for any turn, even one that is running, waiting or done."""
        ids = [turn_id for (turn_id,) in rows.query(self.database, "SELECT id FROM turns ORDER BY id")]
        if not ids:
            return
        opened = self.transactions_of[worker].open(pick(ids, which))
        if isinstance(opened, tuple):
            state, replies = opened
            self.held.append(state)
            self.hand_over(replies, is_told)

    @precondition(lambda self: self.held)
    @rule(which=INDEX, talks=st.booleans(), is_told=st.booleans())
    def go_on(self, which: int, talks: bool, is_told: bool) -> None:
        """The next step of a turn: an answer with a tool call, or the results of one."""
        state = pick(self.held, which)
        self.fenced(state, self.next_step(state, talks, unless_newer=talks), is_told)

    @precondition(lambda self: self.held)
    @rule(which=INDEX)
    def go_on_without_hearing_of_the_commit(self, which: int) -> None:
        """A step with text whose commit goes unconfirmed and is repeated. Never a zombie's; `go_on` covers those."""
        running = set(self.ids("SELECT id FROM turns WHERE status = 'running' ORDER BY id"))
        states = [state for state in self.held if state.claim.turn_id in running]
        if states:
            state = pick(states, which)
            step = self.next_step(state, talks=True, unless_newer=False)
            heard = state.last_sequence

            def twice() -> object:
                step()
                state.last_sequence = heard
                return step()

            self.fenced(state, twice)

    @precondition(lambda self: self.held)
    @rule(which=INDEX, is_told=st.booleans())
    def end(self, which: int, is_told: bool) -> None:
        """The last answer, unless the merchant wrote again."""
        state = pick(self.held, which)
        if not waits_for_results(state):
            self.fenced(state, lambda: self.last_step(state), is_told)

    @precondition(lambda self: self.held)
    @rule(which=INDEX)
    def absorb(self, which: int) -> None:
        state = pick(self.held, which)
        self.fenced(state, lambda: [] if self.take_in(state) else None)

    @precondition(lambda self: self.held)
    @rule(which=INDEX)
    def release(self, which: int) -> None:
        state = pick(self.held, which)
        self.fenced(state, lambda: self.transactions(state).release(state.claim))

    @precondition(lambda self: self.held)
    @rule(which=INDEX)
    def lease_runs_out(self, which: int) -> None:
        """The worker is paused or dead; it may wake up later and continue as a zombie."""
        self.lease_of_turn_runs_out(pick(self.held, which).claim.turn_id)

    @precondition(lambda self: self.held)
    @rule(which=INDEX, times=st.integers(1, 3))
    def workers_die_of_it(self, which: int, times: int) -> None:
        """Whoever claims the turn dies, up to three times; then the turn is dead, with an apology."""
        turn_id = pick(self.held, which).claim.turn_id
        for _ in range(times):
            self.lease_of_turn_runs_out(turn_id)
            self.sweep(is_told=True)
            opened = self.transactions_of[WORKERS[0]].open(turn_id)
            if isinstance(opened, tuple):
                self.held.append(opened[0])
                self.hand_over(opened[1])

    @rule(is_told=st.booleans())
    def sweep(self, is_told: bool) -> None:
        self.hand_over(swept(self.database), is_told)

    @rule()
    def an_hour_passes(self) -> None:
        hour = "interval '1 hour'"
        rows.execute(
            self.database,
            f"UPDATE replies SET created_at = created_at - {hour}, published_at = published_at - {hour}",
        )

    # broker and gateway

    @precondition(lambda self: self.broker)
    @rule(which=INDEX, again=st.booleans())
    def deliver(self, which: int, again: bool) -> None:
        reply = pick(self.broker, which)
        if not again:
            self.broker.remove(reply)
        self.show(reply)

    @precondition(lambda self: self.broker)
    @rule(which=INDEX)
    def lose(self, which: int) -> None:
        self.broker.remove(pick(self.broker, which))

    @rule()
    def flush(self) -> None:
        self.broker.clear()
        self.acks.clear()

    @rule()
    def ack(self) -> None:
        self.take_acks()

    # helpers of the rules

    def lease_of_turn_runs_out(self, turn_id: int) -> None:
        over = "UPDATE turns SET lease_until = clock_timestamp() - interval '1 s' WHERE id = :id AND status = 'running'"
        rows.execute(self.database, over, id=turn_id)

    def hand_over(self, replies: list[OutgoingReply] | None, is_told: bool = True) -> None:
        """Publish and mark as published; or the process dies in between."""
        if replies and is_told:
            self.broker += replies
            with self.database.transaction() as session:
                outbox.mark_published(session, [reply.id for reply in replies])

    def transactions(self, state: TurnState) -> TurnTransactions:
        return self.transactions_of[WORKERS[state.claim.attempt % 2]]

    def take_in(self, state: TurnState) -> bool:
        """Ask a model, as far as the rows know; whether the merchant wrote again."""
        before = len(state.absorbed)
        self.transactions(state).begin_call(state, NextCall(len(state.steps), NO_LIMITS, rows.ROOM))
        return len(state.absorbed) > before

    def next_step(
        self, state: TurnState, talks: bool, *, unless_newer: bool
    ) -> Callable[[], list[OutgoingReply] | None]:
        number = len(state.steps)
        if waits_for_results(state):
            result = {"tool_call_id": "call", "name": "shopify_data", "content": {"success": False}}
            told = NewReply(f"{number - 1}:results", agui.tool_result("call", "x"))
            state.keep_later(NewResults(number - 1, [result], told, state.now()))
            if talks:
                return lambda: self.transactions(state).keep_results(state)
        call = {"id": "call", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
        answer = NewStep(number, {"role": "assistant", "content": None, "tool_calls": [call]})
        said = Message(f"m{number}", "let me see") if talks else None
        return lambda: self.transactions(state).add_step(
            state, answer, said, unless_newer=rows.ROOM if unless_newer else None
        )

    def last_step(self, state: TurnState) -> list[OutgoingReply] | None:
        number = len(state.steps)
        answer = NewStep(number, {"role": "assistant", "content": "that is it"})
        said = Message(f"m{number}", "that is it")
        ended = self.transactions(state).finish(state, answer=answer, message=said, unless_newer=rows.ROOM)
        return None if ended is None else ended.replies

    def fenced(self, state: TurnState, work: Callable[[], Any], is_told: bool = True) -> None:
        """The holder of the turn may write; anybody else gets an error and changes nothing."""
        [(status, attempt)] = rows.query(
            self.database, "SELECT status, attempt FROM turns WHERE id = :id", id=state.claim.turn_id
        )
        if (status, attempt) == ("running", state.claim.attempt):
            self.hand_over(work(), is_told)
            return
        before = self.everything()
        with pytest.raises(LostTurn):
            work()
        assert self.everything() == before
        self.held.remove(state)

    def everything(self) -> list[tuple[Any, ...]]:
        return rows.query(
            self.database,
            "SELECT t.id, t.status, t.attempt, t.lease_until, t.last_sequence, (SELECT count(*) FROM steps s"
            " WHERE s.turn_id = t.id), (SELECT count(*) FROM replies r WHERE r.turn_id = t.id) FROM turns t ORDER BY 1",
        )

    def show(self, outgoing: OutgoingReply) -> None:
        """A reply reaches the gateway, which shows what is due and acks it."""
        reply = decode_reply(json.dumps(outgoing.body).encode())
        if self.order.offer(reply, 0.0) is Offer.SHOWN:
            self.acks.append(reply.id)
        while (due := self.order.due(0.0)) is not None:
            self.shown.append(due)
            self.order.shown(due)
            self.acks.append(due.id)

    def take_acks(self) -> None:
        with self.database.transaction() as session:
            outbox.acknowledge(session, self.acks)
        self.acks.clear()

    # invariants

    @invariant()
    def one_turn_at_a_time(self) -> None:
        running = "SELECT {of}, count(*) FROM turns WHERE status = 'running' GROUP BY 1"
        assert all(count == 1 for _, count in rows.query(self.database, running.format(of="conversation_id")))
        assert all(count <= 2 for _, count in rows.query(self.database, running.format(of="merchant_id")))

    @invariant()
    def turns_begin_in_order(self) -> None:
        overtaken = """SELECT b.id FROM turns a JOIN turns b ON b.conversation_id = a.conversation_id AND b.seq > a.seq
            WHERE a.status IN ('queued', 'running') AND b.status <> 'queued' AND b.absorbed_by IS NULL"""
        assert rows.query(self.database, overtaken) == []

    @invariant()
    def replies_have_no_holes_and_turns_one_end(self) -> None:
        for turn_id, status, parent, last, sequences, replies in rows.query(
            self.database,
            """SELECT t.id, t.status, p.status, t.last_sequence,
                array(SELECT sequence FROM replies r WHERE r.turn_id = t.id ORDER BY sequence),
                (SELECT jsonb_agg(body -> 'data' ORDER BY sequence) FROM replies r WHERE r.turn_id = t.id)
                FROM turns t LEFT JOIN turns p ON p.id = t.absorbed_by""",
        ):
            assert sequences == list(range(1, last + 1)), turn_id
            has_ended = status in ("done", "dead") and parent in (None, "done", "dead")
            found = [(place, event["type"]) for place, data in enumerate(replies or (), 1) for event in data]
            ends = [place for place, kind in found if kind in ("RUN_FINISHED", "RUN_ERROR")]
            assert ends == ([last] if has_ended else []), (turn_id, status, found)
            assert [kind for _, kind in found].count("RUN_STARTED") == (1 if found else 0)

    @invariant()
    def a_done_turn_has_all_its_steps(self) -> None:
        incomplete = """SELECT t.id FROM turns t JOIN steps s ON s.turn_id = t.id
            WHERE t.status = 'done' AND s.assistant ? 'tool_calls' AND s.tool_results IS NULL"""
        unanswered = """SELECT t.id FROM turns t WHERE t.status = 'done' AND t.absorbed_by IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM steps s WHERE s.turn_id = t.id AND s.assistant ->> 'content' = 'that is it')"""
        assert rows.query(self.database, incomplete) == []
        assert rows.query(self.database, unanswered) == []

    @invariant()
    def what_is_shown_is_a_beginning_of_what_was_said(self) -> None:
        for conversation in CONVERSATIONS:
            shown = [reply.id for reply in self.shown if reply.subject == conversation]
            assert shown == self.said(conversation)[: len(shown)]

    def said(self, conversation: str) -> list[str]:
        """All replies of a conversation, in order."""
        ordered = "SELECT r.id FROM replies r JOIN turns t ON t.id = r.turn_id WHERE t.conversation_id = :id"
        found = rows.query(self.database, f"{ordered} ORDER BY t.seq, r.sequence", id=conversation)
        return [reply_id for (reply_id,) in found]

    # the end

    def teardown(self) -> None:
        """The faults are over: everything completes, despite zombies and lost messages."""
        self.broker.clear()
        for _ in range(ROUNDS):
            self.undisturbed_round()
            if self.is_finished():
                break
        assert self.is_finished()
        self.replies_have_no_holes_and_turns_one_end()
        self.a_done_turn_has_all_its_steps()
        for conversation in CONVERSATIONS:
            assert [reply.id for reply in self.shown if reply.subject == conversation] == self.said(conversation)
        messages = rows.query(self.database, "SELECT count(*), count(DISTINCT event_key) FROM turns")
        assert messages == [(len(self.published), len(self.published))]

    def undisturbed_round(self) -> None:
        for key in self.ids("SELECT key FROM events WHERE status = 'received' ORDER BY key"):
            self.handle_event(key)
        rows.execute(self.database, "UPDATE turns SET lease_until = clock_timestamp() WHERE status = 'running'")
        self.an_hour_passes()
        self.hand_over(swept(self.database))
        for turn_id in self.ids("SELECT id FROM turns WHERE status = 'queued' ORDER BY id"):
            opened = self.transactions_of[WORKERS[0]].open(turn_id)
            if isinstance(opened, tuple):
                self.run_to_the_end(*opened)
        while self.broker:
            self.show(self.broker.pop())
        self.take_acks()

    def run_to_the_end(self, state: TurnState, replies: list[OutgoingReply]) -> None:
        self.hand_over(replies)
        if waits_for_results(state):
            self.hand_over(self.next_step(state, talks=True, unless_newer=False)())
        self.take_in(state)
        self.hand_over(self.last_step(state))

    def is_finished(self) -> bool:
        left = """SELECT (SELECT count(*) FROM events WHERE status = 'received')
            + (SELECT count(*) FROM turns WHERE status IN ('queued', 'running'))
            + (SELECT count(*) FROM replies WHERE acked_at IS NULL)"""
        return rows.query(self.database, left) == [(0,)]

    def ids(self, statement: str) -> list[int]:
        return [row_id for (row_id,) in rows.query(self.database, statement)]


def swept(database: Database) -> list[OutgoingReply]:
    """Every duty of the sweeper, once; the replies to publish."""
    duties = Duties()
    replies: list[OutgoingReply] = []
    for duty in (duties.expire_leases, duties.wake_turns, duties.wake_events, duties.resend_replies, duties.prune):
        with database.transaction() as session:
            replies += duty(session).replies
    return replies


def pick(items: list[Any], which: int) -> Any:
    return items[which % len(items)]


def waits_for_results(state: TurnState) -> bool:
    return bool(state.steps) and "tool_calls" in state.steps[-1].assistant and state.steps[-1].tool_results is None


@pytest.mark.timeout(600)  # twenty seconds while it holds; time to find the shortest counterexample when it does not
def test_no_order_of_events_breaks_the_promise(database: Database) -> None:
    system = type("SystemOnRows", (System,), {"database": database, "workflows": load_folder()})
    run_state_machine_as_test(
        system,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
