"""An outage of the model: the turn ends in time with words, and what it owes is answered once when a model is back."""

from collections.abc import Iterator
from typing import Any

import pytest

from storage import agui, conversations, outbox, turns
from storage.turns import Move, TurnInput
from tests import rows
from tests.agent_turns import Hire, Killed, Merchant
from workers.agent.answers import NO_MODEL, NOTED, STILL_AWAY, UNASKED
from workers.agent.prompt import MODEL_BACK
from workers.delivery.sweeper import LOST, Duties
from workers.model import litellm_call
from workers.model.errors import Cause, FailedCall, ModelUnavailable
from workers.model.litellm_call import Request
from workers.model.response import Answer, ToolCall
from workers.operations import failed_turns
from workers.shop import results
from workers.workflow.handler import handle
from workflows.loader import load_folder

AWAY = ModelUnavailable.merchant
FINISHED = [("RUN_FINISHED", None)]


class Provider:
    """A model that answers all with one sentence, unless it is down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_down, self.calls, self.asked = True, 0, list[list[str]]()
        self.answers: list[Answer | FailedCall | type[Killed]] = []
        monkeypatch.setattr(litellm_call, "call", self.call)

    def call(self, name: str, request: Request, _seconds: float) -> Answer | FailedCall:
        self.calls += 1
        if self.is_down:
            return FailedCall(name, Cause.DOWN, 503)
        if len(request.messages) == 1:  # a look
            return Answer("Yes.", (), name, 10, 1)
        self.asked.append([str(each["content"]) for each in request.messages if each["role"] == "user"])
        answer = self.answers.pop(0) if self.answers else Answer("Here you are.", (), name, 10, 10)
        if answer is Killed:
            raise Killed
        assert not isinstance(answer, type)
        return answer


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    return Provider(monkeypatch)


@pytest.fixture
def merchant(hire: Hire, provider: Provider) -> Iterator[Merchant]:
    hired = hire()
    yield hired
    rows.execute(hired.worker.database, "UPDATE turns SET waits_for = NULL")


def looks(merchant: Merchant, seconds: float = 6.0) -> None:
    """Time passes, the sweeper looks, and what it queues is run."""
    worker = merchant.worker
    worker.advance(seconds)
    worker.woken.clear()
    with worker.database.transaction() as session:
        found = Duties().look_at_promises(session)
    for turn_id in found.turns:
        worker.runner.run(turn_id)
    for turn_id in found.promises:
        worker.keep_promise(turn_id)
    for turn_id in list(worker.woken):
        worker.ends(turn_id)


def heard(merchant: Merchant) -> list[str]:
    statement = "SELECT id FROM turns WHERE merchant_id = :merchant ORDER BY seq"
    ids = rows.query(merchant.worker.database, statement, merchant=merchant.id)
    return [words for (turn_id,) in ids for words in merchant.worker.said(turn_id)]


def owed(merchant: Merchant) -> list[str]:
    statement = "SELECT waits_for FROM turns WHERE merchant_id = :merchant AND waits_for IS NOT NULL ORDER BY seq"
    return [str(what) for (what,) in rows.query(merchant.worker.database, statement, merchant=merchant.id)]


def happens(merchant: Merchant, kind: str, data: dict[str, Any]) -> None:
    known = {"merchant_id": merchant.id, "conversation_id": merchant.conversation, **data}
    event = rows.new_event(type=kind, merchant_id=merchant.id, conversation_id=merchant.conversation, data=known)
    key = rows.store_event(merchant.worker.database, event)
    with merchant.worker.database.transaction() as session:
        assert handle(session, load_folder(), key) is not None


def test_the_turn_ends_at_once_with_words_and_is_answered_once_when_a_model_is_back(
    merchant: Merchant, provider: Provider
) -> None:
    turn_id = merchant.say("How many customers?")
    assert merchant.worker.ends(turn_id) < 5
    assert (merchant.worker.end(turn_id), merchant.worker.said(turn_id)) == (FINISHED, [AWAY])
    assert owed(merchant) == ["model"]
    for seconds in (6, 10, 30):
        looks(merchant, seconds)
    assert heard(merchant) == [AWAY]
    provider.is_down = False
    for seconds in (31, 31, 400):
        looks(merchant, seconds)
    assert heard(merchant) == [AWAY, "Here you are."]
    assert provider.asked == [["How many customers?", f"[system event] {MODEL_BACK}"]]
    assert owed(merchant) == []


def test_all_that_one_conversation_is_owed_is_answered_in_one_turn(merchant: Merchant, provider: Provider) -> None:
    """Also what the system owed, and a message that came meanwhile, which met neither silence nor the same excuse."""
    insight = TurnInput("system", "show_shopify_insights", cleanup_trigger=True)
    connected = rows.queue(
        merchant.worker.database, insight, conversation_id=merchant.conversation, merchant_id=merchant.id
    )
    merchant.worker.ends(connected)
    assert merchant.asks("How many customers?") == (FINISHED[0], [NOTED])
    provider.is_down = False
    looks(merchant, 31)
    assert heard(merchant) == [UNASKED, NOTED, "Here you are."]
    event = "[system event] "
    assert provider.asked == [[f"{event}show_shopify_insights", "How many customers?", f"{event}{MODEL_BACK}"]]
    looks(merchant, 400)
    assert len(provider.asked) == 1
    assert merchant.asks("Thanks!")[1] == ["Here you are."]
    assert provider.asked[1][-1] == "Thanks!"


def test_what_is_owed_beyond_what_fits_in_is_answered_afterwards(
    merchant: Merchant, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for question in ("How many customers?", "How many orders?", "What sells?"):
        merchant.asks(question)
    read = conversations.history
    monkeypatch.setattr(conversations, "MOST_OWED", 1)
    monkeypatch.setattr(conversations, "history", lambda *of, **how: read(*of, **{**how, "max_turns": 1}))
    provider.is_down = False
    for left in (2, 1, 0):
        looks(merchant, 400)
        assert owed(merchant) == ["model"] * left
    looks(merchant, 400)
    asked = [[words for words in each if words.endswith("?")] for each in provider.asked]
    assert asked == [["What sells?"], ["How many orders?"], ["How many customers?"]]


def test_who_writes_when_a_model_is_back_is_answered_with_all_that_was_owed_and_hears_it_once(
    merchant: Merchant, provider: Provider
) -> None:
    merchant.asks("How many customers?")
    provider.is_down = False
    merchant.worker.advance(3.1)
    assert merchant.asks("And orders?")[1] == ["Here you are."]
    assert provider.asked == [["How many customers?", f"[system event] {MODEL_BACK}", "And orders?"]]
    looks(merchant, 400)
    assert heard(merchant) == [AWAY, "Here you are."]


def test_a_turn_of_the_system_during_an_outage_says_so_in_other_words(merchant: Merchant, provider: Provider) -> None:
    merchant.asks()
    moved = TurnInput("system", "account_connected: zendesk", later_moves=(Move("a", "ad_hoc_support", "Moved."),))
    turn_id = rows.queue(
        merchant.worker.database, moved, conversation_id=merchant.conversation, merchant_id=merchant.id
    )
    merchant.worker.ends(turn_id)
    assert merchant.worker.said(turn_id) == [STILL_AWAY, "Moved."]
    provider.is_down = False
    looks(merchant, 31)
    assert heard(merchant)[-1] == "Here you are."
    assert heard(merchant).count("Moved.") == 1


def test_a_model_that_is_away_again_is_not_told_again_and_what_came_meanwhile_is_owed(
    merchant: Merchant, provider: Provider
) -> None:
    merchant.asks("one")
    provider.is_down = False
    merchant.worker.advance(31)
    [(first,)] = rows.query(merchant.worker.database, "SELECT id FROM turns WHERE waits_for = 'model'")
    merchant.worker.woken.clear()
    merchant.worker.runner.run(first)
    [again] = merchant.worker.woken
    provider.is_down = True
    merchant.worker.ends(again)
    assert (merchant.worker.end(again), merchant.worker.said(again), owed(merchant)) == (FINISHED, [], ["model"])
    provider.is_down = False
    merchant.worker.advance(31)
    merchant.worker.woken.clear()
    merchant.worker.runner.run(first)
    [again] = merchant.worker.woken
    merchant.say("two")
    provider.is_down = True
    merchant.worker.ends(again)
    assert (merchant.worker.said(again), owed(merchant)) == ([NOTED], ["model", "model"])
    provider.is_down = False
    looks(merchant, 400)
    assert heard(merchant) == [AWAY, NOTED, "Here you are."]
    assert [said for said in provider.asked[-1] if not said.startswith("[")] == ["one", "two"]


def test_an_outage_for_ever_is_told_once_more_at_its_last_and_can_be_tried_again(
    merchant: Merchant, provider: Provider
) -> None:
    turn_id = merchant.say("How many customers?")
    merchant.worker.ends(turn_id)
    for _ in range(70):
        looks(merchant, 400)
    assert heard(merchant) == [AWAY, NO_MODEL]
    assert provider.calls < 150
    assert owed(merchant) == []
    provider.is_down = False
    with merchant.worker.database.transaction() as session:
        failed = [
            turn.id for turn in failed_turns.failed(session, since_seconds=7200) if turn.merchant_id == merchant.id
        ]
        assert failed == [turn_id]
        again = failed_turns.ask_again(session, turn_id)
    assert again is not None
    merchant.worker.advance(301)
    merchant.worker.ends(again)
    assert heard(merchant)[-1] == "Here you are."


@pytest.mark.parametrize("all_of_it", [False, True])
def test_who_stops_it_hears_no_more_of_it(merchant: Merchant, provider: Provider, all_of_it: bool) -> None:
    merchant.asks()
    happens(merchant, "stop_requested", {"all": all_of_it})
    provider.is_down = False
    looks(merchant, 400)
    assert (heard(merchant), owed(merchant), provider.asked) == ([AWAY], [], [])


def test_a_turn_that_was_queued_for_what_is_owed_no_longer_says_nothing(merchant: Merchant, provider: Provider) -> None:
    merchant.asks()
    provider.is_down = False
    merchant.worker.advance(31)
    [(first,)] = rows.query(merchant.worker.database, "SELECT id FROM turns WHERE waits_for = 'model'")
    merchant.worker.woken.clear()
    merchant.worker.runner.run(first)
    [again] = merchant.worker.woken
    with merchant.worker.database.transaction() as session:
        turns.break_promises(session, merchant.id)  # as an uninstallation does
    merchant.worker.ends(again)
    assert (merchant.worker.end(again), heard(merchant), provider.asked) == (FINISHED, [AWAY], [])


def test_a_question_that_then_finds_no_store_waits_for_that(merchant: Merchant, provider: Provider) -> None:
    merchant.worker.results = lambda calls: [results.failed("counts", "shopify.unauthorized", "…") for _ in calls]
    merchant.asks("How many customers?")
    provider.is_down = False
    call = ToolCall("c1", "shopify_data", {"data_type": "counts"})
    provider.answers = [Answer(None, (call,), "x", 1, 1), Answer("Please reconnect.", (), "x", 1, 1)]
    looks(merchant, 31)
    assert (heard(merchant), owed(merchant)) == ([AWAY, "Please reconnect."], ["store"])


@pytest.mark.parametrize(
    ("code", "waits_for"), [("shopify.unauthorized", ["store", "store"]), ("shopify.unavailable", ["data", "data"])]
)
def test_an_answer_from_what_an_owed_turn_had_read_promises_what_that_one_lacked(
    merchant: Merchant, provider: Provider, code: str, waits_for: list[str]
) -> None:
    merchant.worker.results = lambda calls: [results.failed("counts", code, "…") for _ in calls]
    call = ToolCall("c1", "shopify_data", {"data_type": "counts"})
    provider.is_down, provider.answers = False, [Answer(None, (call,), "x", 1, 1)]
    run = merchant.worker.run

    def then_down(*args: Any, **how: Any) -> Any:
        provider.is_down = True
        return run(*args, **how)

    merchant.worker.run = then_down  # type: ignore[method-assign]
    merchant.asks("How many customers?")
    provider.is_down = False
    merchant.worker.advance(31)
    assert merchant.asks("Hello?")[1] == ["Here you are."]
    assert owed(merchant) == waits_for
    rows.execute(merchant.worker.database, "UPDATE turns SET waits_for = NULL")


def test_a_days_budget_that_is_used_up_is_the_answer(hire: Hire, provider: Provider) -> None:
    merchant = hire(turns_per_minute=2, tokens_per_day=5)
    for said in ("one", "two"):
        merchant.asks(said)
    rows.execute(
        merchant.worker.database,
        "INSERT INTO usage (merchant_id, day, model, calls, input_tokens, output_tokens)"
        " VALUES (:merchant, CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date), 'x', 1, 10, 10)",
        merchant=merchant.id,
    )
    provider.is_down = False
    looks(merchant, 31)
    looks(merchant, 400)
    assert heard(merchant)[:2] == [AWAY, NOTED]
    assert heard(merchant)[2:] == ["That is all I can do for your store today. Please ask me again tomorrow."]
    assert owed(merchant) == []


def test_an_answer_that_is_owed_is_no_turn_of_the_minute(hire: Hire, provider: Provider) -> None:
    merchant = hire(turns_per_minute=1)
    merchant.asks()
    provider.is_down = False
    looks(merchant, 31)
    assert heard(merchant) == [AWAY, "Here you are."]


@pytest.mark.parametrize("commits", [False, True])
def test_a_worker_that_dies_where_the_turn_ends_with_a_promise(
    merchant: Merchant, provider: Provider, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    worker, finish, publish = merchant.worker, turns.finish, merchant.worker.publish
    turn_id = merchant.say()

    def dies(*_args: Any, **_how: Any) -> Any:
        monkeypatch.setattr(turns, "finish", finish)
        monkeypatch.setattr(worker, "publish", publish)
        raise Killed

    if commits:
        monkeypatch.setattr(
            worker, "publish", lambda replies: dies() if worker.status(turn_id) == "done" else len(replies)
        )
    else:
        monkeypatch.setattr(turns, "finish", dies)
    worker.ends(turn_id)
    assert (worker.end(turn_id), worker.said(turn_id), owed(merchant)) == (FINISHED, [AWAY], ["model"])
    provider.is_down = False
    looks(merchant, 31)
    assert heard(merchant) == [AWAY, "Here you are."]


@pytest.mark.parametrize("commits", [False, True])
def test_a_worker_that_dies_where_the_answer_is_queued(
    merchant: Merchant, provider: Provider, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    worker, queue_turn = merchant.worker, turns.queue_turn
    merchant.asks()
    provider.is_down = False
    whose, what = (worker, "run_turn") if commits else (turns, "queue_turn")

    def dies(*_args: Any, **_how: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(whose, what, dies)
        with pytest.raises(Killed):
            looks(merchant, 31)
    assert turns.queue_turn is queue_turn
    looks(merchant, 31)
    worker.advance(10)
    with worker.database.transaction() as session:
        woken = Duties().wake_turns(session).turns
    for turn_id in woken:
        worker.ends(turn_id)
    looks(merchant, 400)
    assert heard(merchant) == [AWAY, "Here you are."]


def test_what_kills_its_workers_is_given_up_with_all_that_it_was_to_answer(
    merchant: Merchant, provider: Provider
) -> None:
    merchant.asks()
    provider.is_down, provider.answers = False, [Killed, Killed, Killed]
    looks(merchant, 31)
    for _ in range(5):
        looks(merchant, 400)
    assert (heard(merchant), owed(merchant)) == ([AWAY, LOST], [])


def test_a_turn_that_the_version_before_left_waiting_goes_on(merchant: Merchant, provider: Provider) -> None:
    """It said so already, and kept the turn in the queue."""
    database, turn_id = merchant.worker.database, merchant.say()
    rows.execute(
        database, "UPDATE turns SET attempt = 1, waits_for = 'model', started_at = NULL WHERE id = :id", id=turn_id
    )
    claim = rows.claim(database, turn_id)
    with database.transaction() as session:
        told = [("started", agui.run_started(merchant.conversation, claim.run_id)), ("outage", agui.text("o", AWAY))]
        outbox.append(session, turn_id, [outbox.NewReply(key, events) for key, events in told])
        turns.release(session, claim)
    rows.execute(database, "UPDATE turns SET waits_for = 'model' WHERE id = :id", id=turn_id)
    merchant.worker.ends(turn_id)
    assert (merchant.worker.end(turn_id), merchant.worker.said(turn_id)) == (FINISHED, [AWAY])
    provider.is_down = False
    looks(merchant, 31)
    assert heard(merchant) == [AWAY, "Here you are."]


def test_two_hundred_conversations_that_wait_ask_the_model_a_few_times_only(
    merchant: Merchant, provider: Provider
) -> None:
    database = merchant.worker.database
    merchant.asks()
    provider.calls = 0
    rows.execute(
        database,
        """
        WITH opened AS (
            INSERT INTO conversations (id, merchant_id, workflow, last_turn)
            SELECT 'many' || n, merchant_id, workflow, 1 FROM conversations, generate_series(1, 200) AS n
            WHERE id = :id RETURNING id)
        INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input, workflow, status, started_at,
                           finished_at, waits_for, run_after)
        SELECT o.id, t.merchant_id, 1, t.event_key, 1 + row_number() OVER (), t.input, t.workflow, 'done', t.started_at,
               t.finished_at, 'model', t.run_after
        FROM opened o, turns t WHERE t.conversation_id = :id
        """,
        id=merchant.conversation,
    )
    merchant.worker.advance(60)
    found = list[int]()
    with database.transaction() as session:
        while batch := Duties().look_at_promises(session).turns:
            found += batch
    assert len(found) == 201
    for turn_id in found:
        merchant.worker.runner.run(turn_id)
    assert provider.calls <= 4
    rows.execute(database, "UPDATE turns SET waits_for = NULL")
