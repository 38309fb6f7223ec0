"""Words go out as the model writes them, and what went out was said: once, as one message, whatever dies."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from storage import turns
from storage.outbox import OutgoingReply
from tests import rows
from tests.agent_turns import Hire, Killed, Merchant
from tests.openai_server import Answer, Call, Received, Say, Serve, Status
from tests.waiting import wait_until
from workers import failpoints
from workers.agent.prompt import GO_ON
from workers.agent.transactions import TurnTransactions
from workers.agent.utterance import Utterance, whole_sentences
from workers.delivery import notices
from workers.model.client import Model
from workflows.loader import load_folder, load_text
from workflows.workflow import Workflow, WorkflowSet

COUNTS = Say(None, [Call("shopify_data", {"data_type": "counts"})])
FIRST, SECOND, THIRD = "You have 7 customers.", "There are 3 orders.", "Shall we look at them together?"
WHOLE = f"{FIRST} {SECOND} {THIRD}"
FALSE = "You have 9 orders."
EVERY = 0.01
FINISHED = ("RUN_FINISHED", None)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    Model(["openai/x"]).warm_up()


@pytest.fixture(autouse=True)
def no_failpoints() -> Any:
    yield
    failpoints.listen(None)


def events(merchant: Merchant) -> list[tuple[str, str]]:
    """(type, words or id) of what the merchant's gateway was told of messages, in order."""
    found = rows.query(
        merchant.worker.database,
        "SELECT e ->> 'type', coalesce(e ->> 'delta', e ->> 'messageId') FROM replies JOIN turns t ON t.id = turn_id,"
        " jsonb_array_elements(body -> 'data') WITH ORDINALITY AS d (e, place)"
        " WHERE t.conversation_id = :id AND e ->> 'type' LIKE 'TEXT_MESSAGE%' ORDER BY turn_id, sequence, place",
        id=merchant.conversation,
    )
    return [(kind.removeprefix("TEXT_MESSAGE_"), words) for kind, words in found]


def slow(merchant: Merchant, has_died: Callable[[], bool] = lambda: False) -> Say:
    """WHOLE, each sentence written once the merchant has heard the one before."""

    def heard(written: str) -> bool:
        said = "".join(words for kind, words in events(merchant) if kind == "CONTENT")
        return has_died() or said.startswith(whole_sentences(written).rstrip())

    return Say(WHOLE, heard=heard)


def dies_at(point: str, time_: int = 1) -> Callable[[], bool]:
    """The worker dies when it gets there for the `time_`-th time; the returned function says whether it has."""
    left = [time_]

    def listener(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    failpoints.listen(listener)
    return lambda: left[0] <= 0


def goes_on(request: Received) -> bool:
    return request.messages[-1] == GO_ON


def test_each_sentence_goes_out_while_the_next_is_written(serve: Serve, hire: Hire) -> None:
    merchant = hire()
    serve([COUNTS, slow(merchant)])
    assert merchant.asks("How is it going?") == (FINISHED, [FIRST, f" {SECOND}", f" {THIRD}"])
    message = events(merchant)[0][1]
    assert events(merchant) == [
        ("START", message),
        ("CONTENT", FIRST),
        ("CONTENT", f" {SECOND}"),
        ("CONTENT", f" {THIRD}"),
        ("END", message),
    ]
    kept = rows.query(merchant.worker.database, "SELECT assistant FROM steps WHERE assistant ->> 'content' <> ''")
    assert kept == [({"role": "assistant", "content": WHOLE},)]


def test_what_comes_at_once_is_one_commit(serve: Serve, hire: Hire) -> None:
    serve([COUNTS, Say(WHOLE)])
    merchant = hire()
    assert merchant.asks("How is it going?") == (FINISHED, [WHOLE])


def test_a_workflow_may_want_whole_messages(serve: Serve, hire: Hire) -> None:
    def whole(workflow: Workflow) -> Workflow:
        return load_text(f"{workflow.text}\nstream: whole\n", file=workflow.name)

    server = serve([COUNTS, Say(WHOLE, every=EVERY)])
    assert hire(WorkflowSet(map(whole, load_folder()))).asks() == (FINISHED, [WHOLE])
    assert not any(request.body.get("stream") for request in server.requests)


@pytest.mark.parametrize("point", ["sentence.before_commit", "sentence.after_commit"])
@pytest.mark.parametrize("time_", [1, 2])
@pytest.mark.parametrize("answers_with", ["the rest", "all of it again", "a full stop"])
def test_a_worker_that_dies_between_sentences(
    serve: Serve, hire: Hire, point: str, time_: int, answers_with: str
) -> None:
    merchant = hire()

    def model(request: Received) -> Answer:
        if not goes_on(request):
            return (
                slow(merchant, has_died) if any(message["role"] == "tool" for message in request.messages) else COUNTS
            )
        begun = request.messages[-2]["content"]
        assert WHOLE.startswith(begun)
        rest = {"the rest": WHOLE.removeprefix(begun), "all of it again": WHOLE, "a full stop": "."}[answers_with]
        return Say(rest, every=EVERY)

    server = serve(model)
    has_died = dies_at(point, time_)
    end, said = merchant.asks("How is it going?")
    assert end == FINISHED
    said_before = time_ if point.endswith("after_commit") else time_ - 1
    whole = answers_with != "a full stop" or said_before == 0
    assert "".join(said) == (WHOLE if whole else " ".join([FIRST, SECOND][:said_before]))
    kinds = [kind for kind, _ in events(merchant)]
    assert (kinds.count("START"), kinds.count("END"), kinds[-1]) == (1, 1, "END")
    assert len({words for kind, words in events(merchant) if kind != "CONTENT"}) == 1
    assert sum(goes_on(request) for request in server.requests) == (1 if said_before else 0)


def test_a_stream_that_breaks_off_is_gone_on_with(serve: Serve, hire: Hire) -> None:
    server = serve([COUNTS, Say(WHOLE, every=EVERY, cut=len(FIRST) + 12), Say(f"{SECOND} {THIRD}")])
    merchant = hire()
    end, said = merchant.asks("How is it going?")
    assert (end, "".join(said)) == (FINISHED, WHOLE)
    assert goes_on(server.requests[-1])
    assert server.requests[-1].messages[-2]["content"].strip() == FIRST
    assert len(server.requests) == 3


def test_a_stream_that_breaks_off_before_a_sentence_is_asked_again_whole(serve: Serve, hire: Hire) -> None:
    server = serve([COUNTS, Say(WHOLE, every=EVERY, cut=12), Say(WHOLE)])
    assert hire().asks("How is it going?") == (FINISHED, [WHOLE])
    assert [bool(request.body.get("stream")) for request in server.requests] == [True, True, False]


def test_no_model_to_go_on_with(serve: Serve, hire: Hire) -> None:
    serve([COUNTS, Say(WHOLE, every=EVERY, cut=len(FIRST) + 12), Status(401)])
    merchant = hire()
    end, said = merchant.asks("How is it going?")
    assert end == FINISHED
    assert "".join(said) == f"{FIRST} I have to stop here for now. Please ask me again for the rest."
    assert [kind for kind, _ in events(merchant)][-1] == "END"


def test_newer_words_are_taken_in_before_the_first_sentence_and_next_after_it(serve: Serve, hire: Hire) -> None:
    merchant = hire()
    server = serve([Say("Good morning to you. Let us look at it. Shall we?", every=EVERY)])

    def asks_when(point: str) -> int:
        """Ask, and write again at this point; returns how many requests there were."""

        def writes_again(name: str) -> None:
            if name == point:
                failpoints.listen(None)
                merchant.say("And my stock?")

        failpoints.listen(writes_again)
        before = len(server.requests)
        assert merchant.asks("How is it going?")[0] == FINISHED
        return len(server.requests) - before

    assert asks_when("model.before") == 2
    assert "And my stock?" in str(server.requests[-1].messages)
    assert [kind for kind, _ in events(merchant)] == ["START", "CONTENT", "CONTENT", "CONTENT", "END"]
    assert asks_when("sentence.after_commit") == 1  # the message under way is finished
    [(waiting,)] = rows.query(
        merchant.worker.database,
        "SELECT count(*) FROM turns WHERE status = 'queued' AND conversation_id = :id",
        id=merchant.conversation,
    )
    assert waiting == 1


def test_text_beside_a_call_goes_out_first(serve: Serve, hire: Hire) -> None:
    look = Say("Let me look at that. One moment please.", COUNTS.calls, every=EVERY)
    serve([look, Say(FIRST)])
    merchant = hire()
    assert merchant.asks()[1] == ["Let me look at that.", " One moment please.", FIRST]
    assert [kind for kind, _ in events(merchant)] == ["START", "CONTENT", "CONTENT", "END", "START", "CONTENT", "END"]


@pytest.mark.parametrize("calls", [(), COUNTS.calls], ids=["the end", "a call"])
def test_the_last_words_do_not_wait_for_what_follows_them(serve: Serve, hire: Hire, calls: list[Call]) -> None:
    """Each token takes a fifth of a second, those of a call and the counts of tokens, too."""
    serve([Say("Hello.", calls, every=0.2), Say(FIRST)])
    merchant = hire()
    merchant.asks()
    times = rows.query(
        merchant.worker.database,
        "SELECT min(created_at) FILTER (WHERE body::text LIKE '%Hello.%'),"
        " min(created_at) FILTER (WHERE body::text LIKE '%MESSAGE_END%') FROM replies WHERE conversation_id = :id",
        id=merchant.conversation,
    )
    [(said, ended)] = times
    assert (ended - said).total_seconds() > 0.1


@pytest.mark.parametrize(
    ("answers", "said", "requests"),
    [
        ([Say(f"{FALSE} {SECOND}", every=EVERY), Say(f"{FIRST} {SECOND}", every=EVERY)], f"{FIRST} {SECOND}", 3),
        ([Say(f"{FIRST} {FALSE} {THIRD}", every=EVERY)], f"{FIRST} {THIRD}", 2),
        (
            [Say(f"Hello there! {FALSE} {THIRD}", every=EVERY)],
            f"Hello there! {THIRD} You have 7 customers in your store, and 3 orders.",
            2,
        ),
        ([Say(f"{FALSE} {FALSE}", every=EVERY), Say(f"{FIRST} {FALSE} {THIRD}", every=EVERY)], f"{FIRST} {THIRD}", 3),
    ],
    ids=["before anything is said", "after a sentence", "nothing else told of the store", "insists later"],
)
def test_what_has_no_ground_is_not_said(
    serve: Serve, hire: Hire, answers: list[Answer], said: str, requests: int
) -> None:
    server = serve([COUNTS, *answers])
    end, words = hire().asks("How is it going?")
    assert (end, "".join(words)) == (FINISHED, said)
    assert len(server.requests) == requests


def test_stopped_in_the_middle(serve: Serve, hire: Hire) -> None:
    """What was said stays said and is history; the message and the run have their ends."""
    merchant = hire()
    turn_id = merchant.say("How is it going?")
    ends: list[OutgoingReply] = []

    def stops(name: str) -> None:
        if name == "sentence.after_commit":
            failpoints.listen(None)
            with merchant.worker.database.transaction() as session:
                [stopped] = turns.stop(session, merchant.conversation, everything=False)
                ends.extend(notices.stopped(session, merchant.conversation, "ad_hoc_support", stopped))

    failpoints.listen(stops)
    server = serve([Say("Good morning to you. Let us look at it. Shall we?", every=EVERY)])
    merchant.worker.runner.run(turn_id)
    assert merchant.worker.status(turn_id) == "done"
    assert ends, "it was stopped, and did not come to its end by itself"
    assert [kind for kind, _ in events(merchant)] == ["START", "CONTENT", "END"]
    assert events(merchant)[1][1] == "Good morning to you."
    wait_until(lambda: not server.open_requests, limit=5, what="the connection to be closed")
    merchant.asks("And?")
    assert events(merchant)[1][1] in str(server.requests[-1].messages)
    assert GO_ON not in server.requests[-1].messages


def test_a_turn_that_kills_its_workers_in_mid_message_ends_it(serve: Serve, hire: Hire) -> None:
    merchant = hire()
    serve([COUNTS, slow(merchant)])

    def dies(name: str) -> None:
        if name == "sentence.after_commit":
            raise Killed
        if name == "model.before" and events(merchant):
            raise Killed

    failpoints.listen(dies)
    end, said = merchant.asks("How is it going?")
    assert end == ("RUN_ERROR", "turn_lost")
    assert [kind for kind, _ in events(merchant)] == ["START", "CONTENT", "END", "START", "CONTENT", "END"]
    assert said[0] == FIRST


def test_a_turn_ends_in_time_while_a_stream_drips(serve: Serve, hire: Hire) -> None:
    def short(workflow: Workflow) -> Workflow:
        return load_text(workflow.text.replace("seconds: 60", "seconds: 2"), file=workflow.name)

    serve([Say(f"Hello there. {'And so on and on. ' * 200}", every=0.02)])
    merchant = hire(WorkflowSet(map(short, load_folder())))
    began = time.monotonic()
    end, said = merchant.asks("hello")
    assert time.monotonic() - began < 5
    assert end == FINISHED
    assert said[0] == "Hello there."
    assert said[-1].endswith("Please ask me again for the rest.")


# Each guard of streaming, taken out: the tests above notice.


def keeps_the_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    add_step = TurnTransactions.add_step

    def fenced(*given: Any, unless_newer: Any = None, **more: Any) -> Any:
        return add_step(*given, unless_newer=unless_newer or rows.ROOM, **more)

    monkeypatch.setattr(TurnTransactions, "add_step", fenced)


def dies(serve: Serve, hire: Hire, answers_with: str) -> None:
    test_a_worker_that_dies_between_sentences(serve, hire, "sentence.after_commit", 1, answers_with)


MUTANTS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Callable[[Serve, Hire], None]]] = {
    "a resumed turn has forgotten its beginning": (
        lambda patch: patch.setattr("workers.agent.answers._utterance", lambda _: Utterance()),
        lambda serve, hire: dies(serve, hire, "the rest"),
    ),
    "what the model repeats is said again": (
        lambda patch: patch.setattr(Utterance, "_unrepeated", lambda _self, verdicts: verdicts),
        lambda serve, hire: dies(serve, hire, "all of it again"),
    ),
    "a stop leaves the message without an end": (
        lambda patch: patch.setattr("storage.outbox.unfinished", lambda *_: []),
        test_stopped_in_the_middle,
    ),
    "the fence holds behind the first sentence": (
        keeps_the_fence,
        test_newer_words_are_taken_in_before_the_first_sentence_and_next_after_it,
    ),
    "sentences wait for the end of the message": (
        lambda patch: patch.setattr("workers.agent.utterance.whole_sentences", lambda _: ""),
        test_each_sentence_goes_out_while_the_next_is_written,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_noticed(serve: Serve, hire: Hire, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    make, notices_it = MUTANTS[name]
    make(monkeypatch)
    # Slowly, so that a sentence comes by itself on a slow machine, too.
    monkeypatch.setitem(globals(), "EVERY", 0.06)
    with pytest.raises(AssertionError):
        notices_it(serve, hire)
