"""The scripted model: which answer is due, and how it is served."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from workers.local.stack import wait_until
from workers.model import demo
from workers.scenario.language import ModelAnswer, PlannedFault
from workers.scenario.scripted_model import ScriptedModel, due, wire_message

SCRIPT = [
    ModelAnswer.model_validate({"call": {"shopify_data": {"data_type": "counts"}}}),
    ModelAnswer(say="same"),
    ModelAnswer.model_validate({"say": "look", "call": [{"shopify_data": {}}, {"shopify_data": {"data_type": "x"}}]}),
    ModelAnswer(say="same"),
]
USER = {"role": "user", "content": "same"}


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    server = ScriptedModel().start()
    yield server
    server.stop()


def ask(model: ScriptedModel, *messages: dict[str, Any], timeout: float = 5.0) -> httpx.Response:
    body = {"model": "scenario", "messages": messages}
    with httpx.Client(trust_env=False, timeout=timeout) as client:
        return client.post(f"{model.base_url}/chat/completions", json=body)


def said(answer: httpx.Response) -> dict[str, Any]:
    message: dict[str, Any] = answer.json()["choices"][0]["message"]
    return message


@pytest.mark.parametrize("count", range(5))
def test_the_answer_after_those_that_the_conversation_holds_is_due(count: int) -> None:
    held = [message for n in range(count) for message in (USER, wire_message(SCRIPT[n], n))]
    assert due(SCRIPT, held) == count


def test_words_that_are_not_the_scripts_do_not_count() -> None:
    greeting = {"role": "assistant", "content": "I see you're already connected!"}
    assert due(SCRIPT, [greeting, USER]) == 0
    assert due(SCRIPT, [greeting, wire_message(SCRIPT[0], 0), greeting]) == 1


def test_an_early_part_of_a_long_conversation_may_be_missing() -> None:
    assert due(SCRIPT, [USER, wire_message(SCRIPT[2], 2)]) == 3


def test_words_with_calls_are_not_the_words_alone() -> None:
    assert due([ModelAnswer(say="look")], [wire_message(SCRIPT[2], 2)]) == 0


def test_all_calls_of_an_answer_have_ids_of_their_own() -> None:
    calls = wire_message(SCRIPT[2], 2)["tool_calls"]
    assert [call["id"] for call in calls] == ["call_2_0", "call_2_1"]
    assert [call["function"]["arguments"] for call in calls] == ["{}", '{"data_type": "x"}']


def test_an_answer_that_was_lost_is_given_again(model: ScriptedModel) -> None:
    model.play(SCRIPT)
    first, again = said(ask(model, USER)), said(ask(model, USER))
    assert first == again == wire_message(SCRIPT[0], 0)
    assert said(ask(model, USER, first))["content"] == "same"
    assert model.asked == 3
    assert not model.is_failing


def test_a_script_that_is_too_short_is_a_problem(model: ScriptedModel) -> None:
    model.play([SCRIPT[1]])
    answer = ask(model, USER, said(ask(model, USER)))
    assert answer.status_code == 400
    assert model.problem == "the model was asked once more, but 'model' has one answer"
    model.play(SCRIPT)
    assert model.problem is None


def test_without_a_script_the_demo_model_speaks(model: ScriptedModel) -> None:
    model.play(None)
    hello = {"role": "user", "content": "hello"}
    assert said(ask(model, hello))["content"] == demo.reply_to([hello], False).text


@pytest.mark.parametrize(("fail", "status"), [("rate_limit", 429), ("unauthorized", 401), ("server_error", 500)])
def test_faults_with_a_status(model: ScriptedModel, fail: str, status: int) -> None:
    model.play(SCRIPT, [PlannedFault.model_validate({"on": "model", "call": 2, "fail": fail})])
    assert [ask(model, USER).status_code for _ in range(2)] == [200, status]
    assert model.is_failing
    assert ask(model, USER).status_code == 200
    assert not model.is_failing


def test_faults_without_one(model: ScriptedModel) -> None:
    def fault(call: int, fail: str, **more: float) -> PlannedFault:
        return PlannedFault.model_validate({"on": "model", "call": call, "fail": fail, **more})

    model.play(SCRIPT, [fault(1, "malformed"), fault(2, "network"), fault(3, "slow", seconds=0.2), fault(4, "timeout")])
    assert ask(model, USER).text.startswith("<html>")
    with pytest.raises(httpx.RemoteProtocolError):
        ask(model, USER)
    slow = ask(model, USER)
    assert said(slow)["tool_calls"]
    assert slow.elapsed.total_seconds() >= 0.2
    with pytest.raises(httpx.ReadTimeout):
        ask(model, USER, timeout=0.2)


def test_open_requests_are_counted_until_they_are_answered_or_given_up(model: ScriptedModel) -> None:
    model.play(SCRIPT, [PlannedFault.model_validate({"on": "model", "call": 1, "fail": "timeout"})])
    with ThreadPoolExecutor() as threads:
        hanging = threads.submit(ask, model, USER, timeout=1.0)
        wait_until(lambda: model.open_requests == 1)
        assert ask(model, USER).status_code == 200
        assert model.open_requests == 1
        assert isinstance(hanging.exception(), httpx.ReadTimeout)
    wait_until(lambda: model.open_requests == 0)


def test_faults_elsewhere_are_not_the_models(model: ScriptedModel) -> None:
    model.play(SCRIPT, [PlannedFault.model_validate({"on": "shopify.*", "call": "every", "fail": "server_error"})])
    assert ask(model, USER).status_code == 200
    assert not model.is_failing
