"""A turn ends with words, in time and after a bounded number of requests, whatever the model does."""

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.database import Database
from storage.turns import Claim
from tests import rows
from tests.agent_turns import AgentWorker, Hire, Killed
from workers.agent import runner
from workers.agent import state as state_module
from workers.agent.time_limits import GRACE_SECONDS
from workers.model import litellm_call
from workers.model.errors import Cause, FailedCall, ModelUnavailable
from workers.model.response import Answer, ToolCall
from workflows.loader import load_folder

#: Of ad_hoc_support, in which these turns run.
LIMIT_SECONDS = 60.0
MOST_REQUESTS = 30
"""Seven answers, and eight that brought nothing, each asked for twice."""

CAUSES = {401: Cause.KEY, 404: Cause.GONE, 408: Cause.SLOW, 429: Cause.BUSY}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Fails:
    """An error of the provider, after a while."""

    status: int
    retry_after: float | None = None
    seconds: float = 0.1


@dataclass(frozen=True)
class Silence:
    """Nothing, until whoever asked gives up."""


@dataclass(frozen=True)
class Nothing:
    """An answer without words and calls: a content filter, a refusal, a bad day."""

    cause: Cause = Cause.EMPTY


@dataclass(frozen=True)
class Refuses:
    """The request is at fault."""

    cause: Cause = Cause.REFUSED


@dataclass(frozen=True)
class Says:
    words: str | None
    calls: int = 0
    seconds: float = 0.1
    interrupted: bool = False
    """The merchant writes again while the model thinks."""


@dataclass(frozen=True)
class Dies:
    """The worker dies while the model thinks."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Begins:
    """Words of an answer come, and then the stream breaks off with this cause; or the worker dies."""

    words: str
    cause: Cause | None = Cause.DOWN


Event = Fails | Silence | Nothing | Refuses | Says | Dies | Begins

waits = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0, 4.0, 6.0, 30.0, 3600.0]))
durations = st.sampled_from([0.0, 0.1, 1.0, 5.0, 19.0])
events = st.one_of(
    st.builds(Fails, st.sampled_from([401, 404, 408, 429, 500, 503, 529]), waits, durations),
    st.just(Silence()),
    st.builds(Nothing, st.sampled_from([Cause.EMPTY, Cause.CUT, Cause.FILTERED])),
    st.builds(Refuses, st.sampled_from([Cause.REFUSED, Cause.TOO_LONG, Cause.FILTERED])),
    st.builds(Says, st.sampled_from([None, "Let me look."]), st.integers(1, 4), durations, st.booleans()),
    st.builds(Says, st.just("Done."), st.just(0), durations, st.booleans()),
    st.builds(Dies, durations),
    st.builds(
        Begins,
        st.sampled_from(["Let me", "Let me look. One mom", "Well. You see. It", "You have 9 customers. I"]),
        st.sampled_from([None, Cause.DOWN, Cause.SLOW, Cause.EMPTY, Cause.FILTERED]),
    ),
)


class Provider:
    """Answers request after request by the script, the last answer for ever."""

    def __init__(self, script: Sequence[Event], worker: AgentWorker, conversation: str) -> None:
        self.script, self.worker, self.conversation = script, worker, conversation
        self.began: list[float] = []

    def call(self, name: str, request: litellm_call.Request, seconds: float) -> Answer | FailedCall:
        event = self.script[min(len(self.began), len(self.script) - 1)]
        self.began.append(self.worker.clock())
        took = getattr(event, "seconds", 0.0)
        if isinstance(event, Silence) or took > seconds:
            self.worker.advance(seconds)
            return FailedCall(name, Cause.SLOW, 408)
        self.worker.advance(took)
        match event:
            case Fails(status, retry_after):
                return FailedCall(name, CAUSES.get(status, Cause.DOWN), status, retry_after=retry_after)
            case Nothing(cause):
                return FailedCall(name, cause)
            case Refuses(cause):
                return FailedCall(name, cause, 400)
            case Dies():
                raise Killed
            case Begins(words, cause):
                if request.hear is not None:
                    request.hear(words, False)
                if cause is None:
                    raise Killed
                return FailedCall(name, cause, 502)
            case Says(words, calls, _, interrupted):
                if interrupted:
                    rows.queue(self.worker.database, "and one thing more", conversation_id=self.conversation)
                made = [ToolCall(f"c{next(_numbers)}", "shopify_data", {"data_type": "counts"}) for _ in range(calls)]
                return Answer(words, tuple(made), name, 10, 10)
        raise AssertionError(event)


def messages(database: Database, turn_id: int, kind: str) -> list[str]:
    """The messages of a turn that began, or ended, each once."""
    found = rows.query(
        database,
        "SELECT e ->> 'messageId' FROM replies, jsonb_array_elements(body -> 'data') AS e"
        " WHERE turn_id = :id AND e ->> 'type' = :kind ORDER BY 1",
        id=turn_id,
        kind=f"TEXT_MESSAGE_{kind}",
    )
    assert len(found) == len(set(found))
    return [message for (message,) in found]


@given(script=st.lists(events, min_size=1, max_size=12))
@example(script=[Fails(429, 1.0)])
@example(script=[Fails(500)])
@example(script=[Nothing()])
@example(script=[Says(None, 1)])
@example(script=[Says("Let me look.", 4, interrupted=True)])
@example(script=[Nothing(Cause.CUT)])
@example(script=[Nothing(Cause.FILTERED)])
@example(script=[Says(None, 1), Nothing()])
@example(script=[Refuses(Cause.TOO_LONG)])
@example(script=[Refuses(Cause.FILTERED)])
@example(script=[Silence()])
@example(script=[Dies(19.0), Dies(19.0), Silence()])
@example(script=[Says(None, 1, 19.0), Says(None, 1, 19.0), Dies(19.0), Dies(5.0)])
@example(script=[Says(None, 1, 19.0), Dies(19.0), Dies(19.0), Dies(5.0)])
@example(script=[Fails(503), Dies()])
@example(script=[Dies()])
@example(script=[Begins("Let me look. One mom")])
@example(script=[Begins("Let me look. One mom", None), Says("Done.")])
@example(script=[Begins("Let me look. One mom"), Nothing(Cause.EMPTY)])
@example(script=[Begins("Let me look. One mom", None), Refuses(Cause.FILTERED)])
@example(script=[Begins("Let me look. One mom", None), Fails(401)])
@example(script=[Begins("Let me look. One mom", Cause.EMPTY)])
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_model_does(clocked: Database, monkeypatch: pytest.MonkeyPatch, script: list[Event]) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    conversation = f"c{next(_numbers)}"
    provider = Provider(script, worker, conversation)
    monkeypatch.setattr(litellm_call, "call", provider.call)
    monkeypatch.setattr(state_module, "time", SimpleNamespace(monotonic=worker.clock))
    turn_id = rows.queue(clocked, "hello", conversation_id=conversation)
    took = worker.ends(turn_id)
    [(failures,)] = rows.query(clocked, "SELECT failures FROM turns WHERE id = :id", id=turn_id)

    assert len(worker.end(turn_id)) == 1
    assert worker.said(turn_id), "the merchant heard nothing"
    assert messages(clocked, turn_id, "START") == messages(clocked, turn_id, "END")
    assert len(provider.began) <= MOST_REQUESTS
    assert worker.said(turn_id).count(ModelUnavailable.merchant) <= 1
    slack = 1.5  # of the machine: a second of real time
    assert took <= LIMIT_SECONDS + (GRACE_SECONDS if failures else 0.0) + slack


@pytest.mark.parametrize("script", [[Says(None, 1), Fails(401)], [Says(None, 1), Fails(500)]])
def test_what_was_found_is_told_though_no_model_answers_any_more(
    clocked: Database, monkeypatch: pytest.MonkeyPatch, script: list[Event]
) -> None:
    worker = AgentWorker(clocked, load_folder(), names=["openai/x"])
    conversation = f"c{next(_numbers)}"
    monkeypatch.setattr(litellm_call, "call", Provider(script, worker, conversation).call)
    monkeypatch.setattr(state_module, "time", SimpleNamespace(monotonic=worker.clock))
    turn_id = rows.queue(clocked, "how many customers?", conversation_id=conversation)
    worker.ends(turn_id)
    assert worker.end(turn_id) == [("RUN_FINISHED", None)]
    assert worker.said(turn_id) == ["You have 7 customers in your store, and 3 orders."]
    assert rows.query(clocked, "SELECT error FROM turns WHERE id = :id", id=turn_id) == [("model_unavailable",)]


def test_the_lease_is_held_while_the_first_line_is_logged(hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody read the logs of a stopped `cj up`: agents stood still before they held the lease; turns were given up."""
    merchant, held, logged = hire(), list[Claim](), list[bool]()

    @contextmanager
    def hold(claim: Claim) -> Iterator[threading.Event]:
        held.append(claim)
        yield threading.Event()
        held.remove(claim)

    monkeypatch.setattr(merchant.worker, "hold", hold)
    monkeypatch.setattr(runner, "log", SimpleNamespace(info=lambda *_, **__: logged.append(bool(held))))
    monkeypatch.setattr(litellm_call, "call", lambda name, *_: Answer("Hello.", (), name, 10, 10))
    merchant.asks()
    assert logged[0]
