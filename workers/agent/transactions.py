"""The transactions of a running turn. Each is short, fenced by the claim's attempt, and safe to repeat.

Nothing here calls a model, Shopify or the broker: replies to publish are returned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_exponential

from shopify.errors import Unauthorized
from storage import agui, conversations, outbox, turns, usage
from storage.agui import Events
from storage.connections import Integration
from storage.database import Database, Session
from storage.errors import StorageUnavailable
from storage.outbox import NewReply, OutgoingReply
from storage.sql import storable
from storage.turns import RECONNECT_ASKED, Claim, Held, Move, NotDue, Promised, Room, StepRow, TurnChange
from workers import logs
from workers.agent.cost_limits import OF_THE_DAY, OF_THE_MINUTE, CostLimits, UsedUp
from workers.agent.outgoing_text import CHARACTERS, NOBODYS, OwnSites, outgoing, plain
from workers.agent.prompt import Absorbed
from workers.agent.state import TurnState
from workers.agent.time_limits import TRANSACTION_SECONDS
from workers.agent.utterance import last_question
from workers.delivery import notices
from workers.failpoints import in_transaction
from workers.model.errors import ModelUnavailable
from workflows import engine
from workflows.errors import InvalidWorkflows
from workflows.loader import load_again
from workflows.workflow import Workflow, WorkflowSet

log = logs.get(__name__)

T = TypeVar("T")
Replies = list[OutgoingReply]

LOST = "Shopify no longer accepts our access: the merchant has to connect the store again"

WHILE_POSTGRES_IS_AWAY = Retrying(
    retry=retry_if_exception_type(StorageUnavailable),
    wait=wait_exponential(multiplier=0.05, max=1.0),
    stop=stop_before_delay(TRANSACTION_SECONDS),
    reraise=True,
)


@dataclass(frozen=True)
class Spent:
    """What one answer cost: input and output tokens."""

    model: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class NewStep:
    """An answer of the model, not yet committed, and what it cost."""

    step: int
    assistant: dict[str, Any]
    spent: Spent | None = None


@dataclass(frozen=True)
class Message:
    """The text of one message so far, as the model wrote it, and the part that was `said` before."""

    id: str
    words: str
    said: str = ""
    ends: bool = True


@dataclass(frozen=True)
class NextCall:
    """A model call that is about to be made for `step`, and how many later messages it may answer as well."""

    step: int
    limits: CostLimits
    room: Room | None


@dataclass(frozen=True)
class Later:
    """Instead of an answer: `words`, and a promise to answer once a model responds; the first check is in `seconds`."""

    words: str
    seconds: float


@dataclass(frozen=True)
class Ended:
    """A finished turn: replies to publish, turns that may run now, and its error code, if any."""

    replies: Replies
    next_turns: list[int]
    error: str | None


NOTHING = TurnChange()
ChooseCall = Callable[[TurnState], NextCall | None]
"""Which model call comes next; it is recorded in the commit before it."""


def no_call(_state: TurnState) -> None:
    """There is no next call."""


class TurnTransactions:
    """Reads and writes the rows of a turn."""

    def __init__(
        self,
        database: Database,
        workflows: WorkflowSet,
        *,
        lease_seconds: float,
        owner: str,
        reply_characters: int = CHARACTERS,
        per_merchant: int = turns.PER_MERCHANT,
    ) -> None:
        self._database = database
        self._workflows = workflows
        self._lease_seconds = lease_seconds
        self._owner = owner
        self._reply_characters = reply_characters
        self._per_merchant = per_merchant
        self._remembered: set[str] = set()
        """Hashes of workflow texts that are stored; none is ever deleted."""

    def open(self, turn_id: int, next_call: ChooseCall = no_call) -> tuple[TurnState, Replies] | NotDue | None:
        """Claim the turn and load it. The first claim also commits RUN_STARTED and records the next model call."""

        def work(session: Session) -> tuple[TurnState, Replies] | NotDue | None:
            claimed = turns.claim(
                session,
                turn_id,
                lease_seconds=self._lease_seconds,
                owner=self._owner,
                per_merchant=self._per_merchant,
            )
            return self._load(session, claimed, next_call) if isinstance(claimed, Claim) else claimed

        opened = self._transact("claim", work)
        if isinstance(opened, tuple):
            self._remembered.add(opened[0].workflow.hash)
        return opened

    def begin_call(self, state: TurnState, call: NextCall) -> Replies:
        """Record that a model is about to be called, unless a budget of the merchant is used up: see `state.used_up`.

        Absorbs the merchant's later messages first, as many as there is room for, so that a budget's sentence answers
        them all; the replies say which.
        """
        return self._write("absorb", state, lambda session, held: self._append(session, state, held, (), call))

    def spend(self, state: TurnState, spent: Spent) -> None:
        """Count the tokens of an answer that is not stored."""
        self._transact("spend", lambda session: self._spend(session, state.claim, spent))

    def add_step(
        self,
        state: TurnState,
        answer: NewStep,
        message: Message | None,
        replies: Sequence[NewReply] = (),
        *,
        unless_newer: Room | None,
        next_call: ChooseCall = no_call,
    ) -> Replies | None:
        """Commit an answer of the model with its message and `replies`, count its tokens, and record the next call.

        The answer may be unfinished: then its `message` has no end yet. Returns None, and does not store the answer, if
        the merchant wrote again and there is room to absorb that: the reply fence.
        """

        def work(session: Session, held: Held) -> Replies | None:
            if self._is_outdated(session, state, held, answer.spent, unless_newer):
                return None
            self._add(session, state.claim, answer, held)
            step = StepRow(answer.step, storable(answer.assistant), None, held.now)
            state.steps = [*state.steps[: answer.step], step]
            key = f"{answer.step}:text{f':{len(message.said)}' if message is not None and message.said else ''}"
            said = [NewReply(key, events)] if (events := self._said(state, held, message)) else []
            told = (
                [NewReply(replies[-1].key, [*said[0].data, *replies[-1].data])] if said and replies else said or replies
            )
            return self._append(session, state, held, told, next_call(state))

        if message is not None and not message.ends:
            return self._write("sentence", state, work)
        return self._write("step", state, work)

    def add_replies(self, state: TurnState, replies: Sequence[NewReply]) -> Replies:
        return self._write("replies", state, lambda session, held: self._append(session, state, held, replies))

    def keep_results(self, state: TurnState, next_call: ChooseCall = no_call) -> Replies:
        """Commit the results that are not stored yet, and record the next call."""

        def work(session: Session, held: Held) -> Replies:
            return self._append(session, state, held, (), next_call(state))

        return self._write("results", state, work)

    def begin_with(
        self,
        state: TurnState,
        step: NewStep,
        results: list[dict[str, Any]],
        replies: Sequence[NewReply],
        next_call: ChooseCall = no_call,
    ) -> Replies:
        """Commit a step that no model made, with its results, and record the next call."""

        def work(session: Session, held: Held) -> Replies:
            self._add(session, state.claim, step, held)
            turns.add_results(session, state.claim, step.step, results)
            state.steps = [StepRow(step.step, storable(step.assistant), storable(results), held.now)]
            return self._append(session, state, held, replies, next_call(state))

        return self._write("prefetched", state, work)

    def finish(
        self,
        state: TurnState,
        *,
        answer: NewStep | None = None,
        message: Message | None = None,
        error: tuple[str, str] | None = None,
        ended_as: str | None = None,
        later: Later | None = None,
        unless_newer: Room | None = None,
    ) -> Ended | None:
        """End the turn: last answer, context, transitions and RUN_FINISHED (or RUN_ERROR) in one commit, and one reply.

        `error`: (code, sentence for the merchant); `ended_as`: a code for operators only. An answer or an error ends
        all promises of the conversation that wait for a model; with `later` instead, this turn waits for one, too.
        Returns None, and counts the answer without storing it, if the merchant wrote again and there is room to absorb
        that.
        """

        def work(session: Session, held: Held) -> Ended | None:
            if answer is not None:
                if self._is_outdated(session, state, held, answer.spent, unless_newer):
                    return None
                self._add(session, state.claim, answer, held)
            said = self._said(state, held, message)
            words = message.words if message is not None else ""
            replies = [NewReply(agui.END_KEY, [*said, *self._conclude(session, state, held, words, error)])]
            if later is not None and later.words:  # a separate key: the previous version said it while the turn waited
                replies.insert(0, NewReply("outage", agui.text(f"{state.claim.run_id}-outage", later.words)))
            committed = self._append(session, state, held, replies, ends=True)
            if state.absorbed:
                committed += outbox.end_absorbed(session, state.claim.turn_id, state.claim.conversation_id)
            code = error[0] if error else ended_as
            others_wait = self._settle(session, state, held, code, None if error else state.promised(), later)
            ours = state.claim.conversation_id, state.claim.merchant_id
            next_turns = turns.next_to_wake(session, *ours, per_merchant=self._per_merchant) if others_wait else []
            return Ended(committed, next_turns, code if later is None else ModelUnavailable.code)

        return self._write("end", state, work)

    def release(self, claim: Claim, after_seconds: float = 0.0) -> None:
        """Return the turn to the queue; the attempt does not count as a failure."""
        self._transact("release", lambda session: turns.release(session, claim, after_seconds=after_seconds))

    def waits_for_model(self, turn_id: int) -> tuple[Workflow, float] | None:
        """The workflow of an ended turn that waits for a model, and for how many seconds it has waited; None if it does
        not."""
        with self._database.reading() as session:
            promises = turns.promised(session, turn_id)
        if not promises or promises[0].waits_for != "model":
            return None
        return self._workflows.or_default(promises[0].turn.workflow or ""), max(promise.age for promise in promises)

    def fail(self, claim: Claim) -> None:
        """Expire the lease now: the sweeper counts the failure and decides whether it was the last."""
        self._transact("fail", lambda session: turns.drop_lease(session, claim))

    @staticmethod
    def _settle(
        session: Session,
        state: TurnState,
        held: Held,
        code: str | None,
        promised: Promised | None,
        later: Later | None,
    ) -> bool:
        """Mark the turn as ended, with the promise that it leaves, and end the promises that its answer keeps. Returns
        whether other turns of the merchant wait."""
        claim, last = state.claim, held.last_sequence
        if later is not None:
            promised = None if state.is_for_owed and not state.absorbed else "model"
            return turns.finish(session, claim, promised=promised, again_after=later.seconds, last_sequence=last)
        if state.owed:
            lacks = state.lacks() if code is None else None
            answered = [turn.seq for turn in state.owed] if code is None else None  # more may be owed than fits in
            turns.end_waiting_for_model(
                session,
                claim.conversation_id,
                error=code,
                promised=lacks,
                again_after=state.data_after(),
                places=answered,
            )
        error = None if state.is_for_owed else code  # it can be tried again only as what it answered
        again = state.data_after()
        return turns.finish(session, claim, error=error, promised=promised, again_after=again, last_sequence=last)

    @staticmethod
    def _absorb(session: Session, state: TurnState, held: Held, call: NextCall | None) -> list[NewReply]:
        """Absorb what the merchant has written meanwhile, before the call; returns the replies that say so."""
        if call is None or call.room is None or held.last_turn <= state.last_turn:
            return []
        held.is_read = True
        turns.absorb(session, state.claim, call.room, at_step=call.step)
        # All of them: an earlier try of this commit may have succeeded unnoticed.
        taken = turns.absorbed_by(session, state.claim.turn_id)
        state.absorbed = [Absorbed(item.at_step, item.input) for item in taken]
        return outbox.of_absorbed(taken)

    @staticmethod
    def _used_up(session: Session, state: TurnState, limits: CostLimits, *, counted: bool) -> UsedUp | None:
        """The merchant's budget that forbids the call; `counted`: the call was counted, because the daily budget allows
        it."""
        if not counted:
            return OF_THE_DAY
        begins = state.model_calls == 0 and limits.turns_per_minute > 0 and not state.is_for_owed
        if begins and not usage.begin_turn(session, state.claim.merchant_id, most=limits.turns_per_minute):
            return OF_THE_MINUTE
        return None

    def _load(self, session: Session, claim: Claim, next_call: ChooseCall) -> tuple[TurnState, Replies]:
        held = claim.held
        assert held is not None
        workflow = self._workflow(session, claim, held.workflow)
        begins_with = NOTHING
        if claim.workflow_hash is None:
            if workflow.hash not in self._remembered:
                conversations.remember_workflow(session, workflow.hash, workflow.name, workflow.text)
            begins_with = TurnChange(workflow=workflow.name, workflow_hash=workflow.hash)
        replies: list[NewReply] = []
        if claim.attempt == 1:  # committed by an earlier attempt; the sweeper sends it again if it was never published
            started = agui.run_started(claim.conversation_id, claim.run_id, workflow.name)
            replies = [NewReply("started", started)]  # may be known: the message had to wait, or of first words
            if begun := notices.begun(claim.input, claim.run_id):
                replies.append(NewReply("moved", begun))
        most = workflow.limits.max_history_messages
        since = held.integration.connected_at if held.integration is not None else None
        history = conversations.history(
            session, claim.conversation_id, before_seq=claim.seq, max_turns=most, connected_at=since
        )
        again = claim.attempt > 1  # else nothing can be there
        steps = turns.steps_of(session, claim.turn_id) if again else []
        taken = turns.absorbed_by(session, claim.turn_id) if again else []
        absorbed = [Absorbed(item.at_step, item.input) for item in taken]
        context = {**held.context, **_store(claim, held.integration), "workflow": workflow.name}
        state = TurnState(claim, workflow, context, history, steps, absorbed)
        committed = self._append(session, state, held, replies, next_call(state), change=begins_with)
        state.note(held)
        return state, committed

    def _workflow(self, session: Session, claim: Claim, current: str) -> Workflow:
        """The version that the turn started with; for a new turn, the workflow it was planned in, or the
        conversation's."""
        name = claim.workflow or current
        workflow = self._workflows.or_default(name)
        if claim.workflow_hash in (None, workflow.hash):
            return workflow
        text = conversations.workflow_text(session, claim.workflow_hash or "")
        if text is None:
            return workflow
        try:
            return load_again(text, file=f"{name}@{(claim.workflow_hash or '')[:12]}")
        except InvalidWorkflows as error:  # a later version of this code may be stricter
            log.warning("turn continues with a newer version of its workflow", workflow=name, reason=str(error))
            return workflow

    @staticmethod
    def _spend(session: Session, claim: Claim, spent: Spent | None) -> None:
        if spent is not None:
            usage.add(session, claim.merchant_id, **vars(spent))

    def _is_outdated(
        self, session: Session, state: TurnState, held: Held, spent: Spent | None, room: Room | None
    ) -> bool:
        """Whether the merchant wrote again and there is room to absorb that; then the answer is counted but not
        stored."""
        if room is None or held.last_turn == state.last_turn:
            return False
        if not turns.newer_waiting(session, state.claim, room):
            held.is_read = True
            return False
        self._spend(session, state.claim, spent)
        return True

    @staticmethod
    def _add(session: Session, claim: Claim, answer: NewStep, held: Held) -> None:
        """Store the answer, and count its tokens."""
        spent = {} if answer.spent is None else vars(answer.spent)
        turns.add_step(session, claim, answer.step, answer.assistant, at=held.now, **spent)

    def _append(
        self,
        session: Session,
        state: TurnState,
        held: Held,
        replies: Sequence[NewReply],
        call: NextCall | None = None,
        *,
        change: TurnChange = NOTHING,
        ends: bool = False,
    ) -> Replies:
        """Append replies, whose text is always made plain here. In the same statement, record the next model call,
        unless the turn `ends`, which the caller then writes."""
        claim = state.claim
        if (results := state.unkept) is not None:
            turns.add_results(session, claim, results.step, results.rows, at=results.at)
            asked = state.steps[results.step]
            state.steps[results.step] = replace(asked, tool_results=storable(results.rows))
            *others, last = replies or [NewReply(results.told.key, [])]
            replies, held.is_kept = [*others, NewReply(last.key, [*results.told.data, *last.data])], True
        new = [self._plain(reply, state, held) for reply in replies]
        absorbed = self._absorb(session, state, held, call)
        is_old = claim.attempt > 1 or held.last_sequence != state.last_sequence or claim.last_sequence > 0
        maybe_known = bool(absorbed) or (is_old and bool(new))
        begins = call is not None and not state.begun
        if call is not None and begins:
            tokens = call.limits.tokens_per_day
            change = replace(change, begins=True, prompt_limit=state.prompt_limit, tokens_per_day=tokens)
        told, counted = outbox.append_held(
            session, claim, held, [*new, *absorbed], maybe_known=maybe_known, change=None if ends else change
        )
        if call is not None and begins:
            state.used_up = self._used_up(session, state, call.limits, counted=counted)
            state.begun = held.is_counted = state.used_up is None
        return told

    def _plain(self, reply: NewReply, state: TurnState, held: Held) -> NewReply:
        cleaned = outgoing(reply.data, limit=self._reply_characters)
        if cleaned != reply.data:  # only these need to know the shop's own addresses
            cleaned = outgoing(reply.data, _own_sites(state, held), limit=self._reply_characters)
        return NewReply(reply.key, cleaned)

    def _said(self, state: TurnState, held: Held, message: Message | None) -> Events:
        """The events of a message or, if a part of it was said before, of the rest of the whole message's plain
        text."""
        if message is None or (message.ends and not message.words.strip()):
            return []
        if message.ends and not message.said:
            return agui.text(message.id, message.words)
        own, limit = NOBODYS, self._reply_characters
        now = plain(message.words, limit=limit).rstrip()
        if now != message.words.rstrip():
            own = _own_sites(state, held)
            now = plain(message.words, own, limit=limit).rstrip()
        before = plain(message.said, own, limit=limit).rstrip() if message.said else ""
        if not now.startswith(before):  # the plain text of the beginning has changed: the new part stands alone
            before, now = "", plain(message.words[len(message.said) :], own, limit=limit).rstrip()
        return agui.text(message.id, now[len(before) :], begins=not message.said, ends=message.ends)

    def _conclude(
        self, session: Session, state: TurnState, held: Held, words: str, error: tuple[str, str] | None
    ) -> Events:
        """Apply the effects of the turn and its last `words` to the conversation; returns the events that report them,
        and the run's end."""
        claim, before = state.claim, held.context
        known = list(before.get("fetched", []))
        values: dict[str, Any] = {
            "turns": int(before.get("turns", 0)) + 1,
            "fetched": known + [item for item in state.fetched() if item not in known],
            "last_error": error[0] if error else state.last_error(),
            "last_question": last_question(words),
        }
        if error is None and Unauthorized.code in state.errors():
            values |= _reconnect_asked(held.integration)
        current = self._workflows.or_default(held.workflow)
        now = {"now": state.now().isoformat(), "workflow": current.name}
        hops = engine.settle(self._workflows, current, {**before, **storable(values), **now})
        moves = list(claim.input.later_moves)
        source = current.name
        if words_of_moves := [hop.message for hop in hops if hop.message]:
            values["last_question"] = last_question(words_of_moves[-1])
        for hop in hops:
            moves.append(Move(source, hop.target_workflow, hop.message))
            source = hop.target_workflow
        conversations.change(session, claim.conversation_id, values, workflow=source if hops else None)
        spent = turns.usage_of(session, claim.turn_id) if state.model_calls else []
        told = notices.moved(moves, f"{claim.run_id}-t")
        if error is not None:
            return [*told, *agui.run_error(claim.run_id, *error, spent)]
        return [*told, *agui.run_finished(claim.conversation_id, claim.run_id, spent)]

    def _write(self, step: str, state: TurnState, work: Callable[[Session, Held], T]) -> T:
        """Run `work` in a fenced transaction."""

        begun = state.begun

        def hold(session: Session) -> tuple[T, Held]:
            held = turns.hold(session, state.claim)
            state.begun, state.used_up = begun, None  # a commit that failed is tried again
            return work(session, held), held

        result, held = self._transact(step, hold)
        state.note(held)
        return result

    def _transact(self, step: str, work: Callable[[Session], T]) -> T:
        return WHILE_POSTGRES_IS_AWAY(lambda: in_transaction(self._database, step, work))


def _store(claim: Claim, shop: Integration | None) -> dict[str, Any]:
    """What a model must know about a store that cannot be read, whatever was said in this conversation."""
    known: dict[str, Any] = {"store": LOST} if shop is not None and shop.status == "needs_reauth" else {}
    return {**known, "also_connected": list(claim.accounts)} if claim.accounts else known


def _own_sites(state: TurnState, held: Held) -> OwnSites:
    shop = held.integration
    return OwnSites(shop.shop_domain, state.websites()) if shop is not None else OwnSites()


def _reconnect_asked(shop: Integration | None) -> dict[str, Any]:
    """Record that the merchant was asked to reconnect, so that a new connection can end that."""
    return {RECONNECT_ASKED: shop.token_version} if shop is not None and shop.status == "needs_reauth" else {}
