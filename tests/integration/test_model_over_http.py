"""The model over HTTP, against a server that behaves as providers do."""

import json
import logging
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shopify.transport import within
from tests.certificates import Authority
from tests.openai_server import (
    Answer,
    Call,
    Drip,
    DripHeaders,
    Drop,
    Html,
    NoChoices,
    OpenAIServer,
    Received,
    Recorded,
    Redirect,
    Say,
    Serve,
    Slow,
    Status,
    plays_the_demo_model,
)
from tests.shopify_server import ShopifyServer
from tests.tls_server import TlsServer
from tests.waiting import wait_until
from workers.model import client as model_module
from workers.model import litellm_call, response
from workers.model.breaker import PATIENCE, PAUSE
from workers.model.client import Model
from workers.model.errors import Cause, FailedCall, ModelRefused, ModelSilent, ModelUnavailable

NAME = "openai/test-model"
QUESTION = [{"role": "system", "content": "You are CJ."}, {"role": "user", "content": "How many customers?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "shopify_data",
        "description": "Reads the store's data.",
        "parameters": {
            "type": "object",
            "properties": {"data_type": {"type": "string", "enum": ["counts", "overview"]}},
            "required": ["data_type"],
        },
    },
}

ROOT = Path(__file__).parents[2]

OF_EACH_REQUEST = ("x-stainless-raw-response", "x-stainless-read-timeout", "x-stainless-retry-count")
"""What OpenAI's client tells about itself with each request; of use to nobody else."""


class Time:
    """A clock that tests advance; sleeping on it takes no time and is recorded."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return time.monotonic() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += seconds


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Import litellm in advance, so that it does not count in any test's time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # litellm's own filter is gone if another test has imported a part of it
        Model([NAME]).warm_up()


@pytest.fixture
def fake_time() -> Time:
    return Time()


def model_of(fake_time: Time, *names: str) -> Model:
    return Model(names or (NAME,), clock=fake_time.clock, sleep=fake_time.sleep)


def by_model(**answers: Answer) -> Callable[[Received], Answer]:
    return lambda request: answers[str(request.body["model"])]


def asked(server: OpenAIServer) -> list[str]:
    return [str(request.body["model"]) for request in server.requests]


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


# --- a conversation with tools ---------------------------------------------------------------------------------


def test_a_round_with_tools_and_the_words_after_it(serve: Serve) -> None:
    server = serve([Say("Let me look.", [Call("shopify_data", {"data_type": "counts"})]), Say("You have 7.")])
    model = Model([NAME])

    first = model.ask(QUESTION, [TOOL], timeout=20, temperature=0.2, max_output_tokens=300)
    assert first.text == "Let me look."
    (call,) = first.tool_calls
    assert (call.id, call.name, call.arguments) == ("call00001", "shopify_data", {"data_type": "counts"})
    assert (first.model, first.input_tokens, first.output_tokens) == (NAME, 11, 5)

    result = {"role": "tool", "tool_call_id": call.id, "content": '{"success": true}'}
    second = model.ask([*QUESTION, response.assistant_message(first), result], [TOOL], timeout=20)
    assert (second.text, second.tool_calls) == ("You have 7.", ())

    one, two = server.requests
    assert one.headers["authorization"] == "Bearer sk-test-key"
    assert one.body == {
        "model": "test-model",
        "messages": QUESTION,
        "tools": [TOOL],
        "temperature": 0.2,
        "max_tokens": 300,
    }
    assert two.messages[2:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call00001",
                    "type": "function",
                    "function": {"name": "shopify_data", "arguments": '{"data_type": "counts"}'},
                }
            ],
        },
        result,
    ]


def test_the_last_round_offers_no_tools_and_the_messages_stay_untouched(serve: Serve) -> None:
    server = serve([Say(None, [Call("shopify_data")]), Say("Done.")])
    model = Model([NAME])
    answer = model.ask(QUESTION, [TOOL], timeout=20)
    history = [
        *QUESTION,
        response.assistant_message(answer),
        {"role": "tool", "tool_call_id": "call00001", "content": "{}"},
    ]
    before = repr(history)
    assert model.ask(history, None, timeout=20).text == "Done."
    assert repr(history) == before
    assert "tools" not in server.requests[1].body


def test_a_provider_that_numbers_its_calls_from_one_each_time(serve: Serve) -> None:
    serve([Say(None, [Call("shopify_data", id="call00001")])])
    model, messages = Model([NAME]), [*QUESTION]
    ids = []
    for _ in range(3):
        answer = model.ask(messages, [TOOL], timeout=20)
        ids += [call.id for call in answer.tool_calls]
        messages += [response.assistant_message(answer), {"role": "tool", "tool_call_id": ids[-1], "content": "{}"}]
    assert len(set(ids)) == 3


def test_a_whole_conversation_over_the_wire(serve: Serve) -> None:
    server = serve(plays_the_demo_model)
    model, messages = Model([NAME]), [{"role": "user", "content": "[system event] show_shopify_insights"}]
    asked_for: list[object] = []
    texts: list[str] = []
    while True:
        answer = model.ask(messages, [TOOL], timeout=20)
        texts += [answer.text] if answer.text else []
        messages.append(response.assistant_message(answer))
        if not answer.tool_calls:
            break
        for call in answer.tool_calls:
            assert call.arguments is not None
            asked_for.append(call.arguments["data_type"])
            data = {"customers": 7, "orders": 3} if asked_for[-1] == "counts" else {}
            result = {"success": True, "data_type": asked_for[-1], "data": data}
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(result)})
    assert asked_for == ["counts", "recent_orders", "overview", "week_orders", "sales"]
    assert "You have 7 customers in your store, and 3 orders." in texts[0]
    assert "recent activity" in texts[1]
    assert len(server.requests) == 4, "three looks, and the closing words"


def test_calls_as_sloppy_providers_send_them(serve: Serve) -> None:
    calls = [Call("f", '{"data_type": "cou'), Call("f", "", id=None), Call("f", None, id="")]
    serve([Say(None, calls)])
    broken, without_id, without_arguments = Model([NAME]).ask(QUESTION, [TOOL], timeout=20).tool_calls
    assert broken.arguments is None
    assert broken.error is not None
    assert without_id.arguments == without_arguments.arguments == {}
    assert len({broken.id, without_id.id, without_arguments.id, ""}) == 4


def test_what_a_model_does_not_take_is_left_out(serve: Serve) -> None:
    server = serve([Say("hello")])
    Model(["openai/gpt-5"]).ask(QUESTION, None, timeout=20, temperature=0.2)  # accepts only its default temperature
    assert "temperature" not in server.requests[0].body


@pytest.mark.parametrize("model", ["unknown", "gpt-4o", "gpt-5-mini", "o3-mini"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_short_way_sends_what_litellm_itself_would(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, model: str, streamed: bool
) -> None:
    server = serve([Say("hello")])
    for is_plain in (True, False):
        monkeypatch.setattr(litellm_call, "_is_plain", lambda _name, found=is_plain: found)
        how: dict[str, Any] = {"temperature": 0.2, "max_output_tokens": 500}
        hear = (lambda _words, _is_whole: False) if streamed else None
        Model([f"openai/{model}"]).ask(QUESTION, [TOOL], timeout=20, hear=hear, **how)
    short, whole = server.requests
    assert short.body == whole.body
    told = {name: value for name, value in whole.headers.items() if name not in OF_EACH_REQUEST}
    assert short.headers == told


def test_a_model_of_openai_that_takes_tools_by_another_protocol_is_left_to_litellm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    litellm_call._is_plain.cache_clear()
    names = ("openai/gpt-4o", "openai/gpt-5.4", "openai/responses/gpt-4o", "groq/llama-3.3-70b-versatile")
    assert [litellm_call._is_plain(name) for name in names] == [True, False, False, False]
    litellm_call._is_plain.cache_clear()


def test_a_server_without_a_key_is_called_too(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve([Say("hello")])
    for empty in (True, False):
        if empty:
            monkeypatch.setenv("OPENAI_API_KEY", "")
        else:
            monkeypatch.delenv("OPENAI_API_KEY")
        assert Model([NAME]).ask(QUESTION, None, timeout=20).text == "hello"
    assert len(server.requests) == 2


def test_many_threads_each_get_their_own_answer(serve: Serve) -> None:
    server = serve(lambda request: Say(f"echo {request.messages[-1]['content']}"))
    model = Model([NAME])

    def ask(number: int) -> str | None:
        return model.ask([{"role": "user", "content": str(number)}], [TOOL], timeout=30).text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(40)))
    assert answers == [f"echo {number}" for number in range(40)]
    assert len(server.requests) == 40


def test_calls_after_one_another_share_a_thread_and_one_that_hangs_keeps_its_own(serve: Serve) -> None:
    serve(by_model(slow=Slow(1.5), quick=Say("hello")))

    def threads() -> int:
        return sum(thread.name == "model-call" for thread in threading.enumerate())

    for _ in range(2):
        Model(["openai/quick"]).ask(QUESTION, None, timeout=20)
    before = threads()
    with pytest.raises(ModelUnavailable):
        Model(["openai/slow"]).ask(QUESTION, None, timeout=1)
    for _ in range(5):
        assert Model(["openai/quick"]).ask(QUESTION, None, timeout=20).text == "hello"
    assert threads() <= before + 1


def test_one_connection_serves_all_that_follows_within_half_a_minute(serve: Serve) -> None:
    server = serve([Say("hello")])
    for timeout in (7.9, 7.4, 20.5, 300):
        Model([NAME]).ask(QUESTION, None, timeout=timeout)
    assert len({request.peer for request in server.requests}) == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_and_a_whole_answer_give_their_connection_back(serve: Serve, streamed: bool) -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}
    server = serve([Status(400), Recorded(whole), Say("hello"), Recorded({"error": {"message": "no"}}, 422), Say("hi")])
    hear = (lambda _words, _is_whole: False) if streamed else None
    for answers in (False, True, True, False, True):
        with nullcontext() if answers else pytest.raises(ModelRefused):
            Model([NAME]).ask(QUESTION, None, timeout=20, hear=hear)
    assert len({request.peer for request in server.requests}) == 1


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_body_that_cannot_be_decoded_is_an_outage(serve: Serve, fake_time: Time, kind: str, status: int) -> None:
    serve([Recorded("no gzip at all", status, {"Content-Encoding": "gzip", "Content-Type": kind})])
    hear = (lambda _words, _is_whole: False) if kind == "text/event-stream" else None
    with pytest.raises(ModelUnavailable):
        model_of(fake_time).ask(QUESTION, None, timeout=20, hear=hear)


def test_half_a_letter_is_sent_as_a_question_mark(serve: Serve) -> None:
    server = serve([Say("hello")])
    assert Model([NAME]).ask([{"role": "user", "content": "a\ud83d"}], None, timeout=20).text == "hello"
    assert server.requests[0].messages == [{"role": "user", "content": "a?"}]


def test_what_is_asked_goes_to_the_configured_address_only(serve: Serve, fake_time: Time) -> None:
    elsewhere = serve([Say("I see everything")])
    server = serve([Redirect(f"{elsewhere.base_url}/chat/completions")])
    with pytest.raises(ModelUnavailable):
        model_of(fake_time).ask(QUESTION, None, timeout=20)
    assert len(server.requests) == 1
    assert elsewhere.requests == []


# --- how often a failing provider is asked ----------------------------------------------------------------------


def sse(*events: Any, line: str = "\n", indent: int | None = None) -> str:
    told = [event if isinstance(event, str) else json.dumps(event, indent=indent) for event in (*events, "[DONE]")]
    return "".join(f"data: {event.replace(chr(10), f'{line}data: ')}{line}{line}" for event in told)


WHOLE = {"id": "1", "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}
STREAM = (
    {"choices": [{"index": 0, "delta": {"content": "hello"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
)
AS_A_STREAM = {"Content-Type": "text/event-stream"}


@pytest.mark.parametrize(
    ("answer", "streamed"),
    [
        (Recorded(WHOLE, 201), False),  # gateways that call each POST a creation
        (Recorded(sse(*STREAM), 201, AS_A_STREAM), True),
        (Recorded(sse(*STREAM), 200, AS_A_STREAM), False),  # relays that stream unless told not to
        (Recorded(f": ping\n\n{sse(*STREAM)}"), True),
        (Recorded(sse(*STREAM, line="\r"), 200, AS_A_STREAM), True),
        (Recorded(sse(*STREAM, line="\r\n", indent=1), 200, AS_A_STREAM), True),
        (Recorded(sse(*STREAM, indent=1), 200, AS_A_STREAM), True),
        (Recorded(f"\ufeff{sse(*STREAM)}", 200, AS_A_STREAM), True),
        (Recorded(sse({"base_resp": {"status_code": 0}}, *STREAM), 200, AS_A_STREAM), True),
    ],
    ids=["201", "201, a stream", "always", "called JSON", "CR", "CRLF", "several lines", "byte order mark", "MiniMax"],
)
def test_an_answer_in_a_form_nobody_asked_for_is_read_the_first_time(
    serve: Serve, answer: Answer, streamed: bool
) -> None:
    server = serve([answer])
    hear = (lambda _words, _is_whole: False) if streamed else None
    assert Model([NAME]).ask(QUESTION, [TOOL], timeout=20, hear=hear).text == "hello"
    assert len(server.requests) == 1


LONG = {"message": "This model's maximum context length is 8192 tokens."}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ({"error": {**LONG, "code": "context_length_exceeded"}}, Cause.TOO_LONG),
        ({"error": LONG["message"]}, Cause.TOO_LONG),
        ({"object": "error", **LONG, "code": 400}, Cause.TOO_LONG),  # vLLM's before 0.10
        ({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}, Cause.CREDIT),
        ({"error": {"message": "Provider returned error", "code": "429"}}, Cause.BUSY),
        ({"error": {"message": "Provider returned error", "code": "server_error"}}, Cause.DOWN),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}, Cause.CREDIT),
        ({"success": False, "errors": [{"code": 7003, "message": "Could not route"}], "result": None}, Cause.DOWN),
    ],
    ids=["code", "a text", "vLLM", "quota", "429 as a text", "no code that we know", "MiniMax", "Cloudflare"],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_that_comes_with_200_is_what_it_says(
    serve: Serve, error: dict[str, Any], cause: Cause, streamed: bool
) -> None:
    serve([Recorded(sse(error), 200, AS_A_STREAM) if streamed else Recorded(error)])
    hear = (lambda _words, _is_whole: None) if streamed else None
    failed = litellm_call.call(NAME, litellm_call.Request(QUESTION, [TOOL], {}, hear), 20)
    assert isinstance(failed, FailedCall)
    assert failed.cause is cause


def test_an_answer_that_nobody_can_read_is_the_providers_fault(serve: Serve, fake_time: Time) -> None:
    odd = {"choices": [{"message": {"content": "hello", "provider_specific_fields": "odd"}, "finish_reason": "stop"}]}
    serve(by_model(primary=Recorded(odd), backup=Say("hello")))
    assert model_of(fake_time, "openai/primary", "openai/backup").ask(QUESTION, [TOOL], timeout=20).text == "hello"


ASK = """
import os, sys
from workers.model.litellm_call import Request, call
for address in sys.argv[1:]:
    os.environ["OPENAI_API_BASE"] = address
    print(getattr(answer := call("openai/m", Request([{"role": "user", "content": "hi"}]), 10), "text", answer))
"""


def test_proxies_and_authorities_are_the_environments(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        OpenAIServer([Say("hello")]) as server,
        ShopifyServer() as refusing,
        TlsServer(authority.issue("localhost"), behind=server.port) as tls,
    ):
        environment = {
            "HTTP_PROXY": f"http://127.0.0.1:{server.port}",
            "HTTPS_PROXY": refusing.url.replace("//", "//cj:secret@"),
            "NO_PROXY": "localhost",
            "SSL_CERT_FILE": str(authority.certfile),
        }
        own = f"localhost:{tls.port}"
        addresses = ("http://models.example/v1", f"https://{own}/v1", "https://models.example/v1")
        told = subprocess.check_output(
            [sys.executable, "-W", "ignore", "-c", ASK, *addresses], env=environment, cwd=ROOT, text=True
        ).splitlines()
    assert told[:2] == ["hello", "hello"]
    assert "the proxy refuses" in told[2]
    assert [request.headers["host"] for request in server.requests] == ["models.example", own]
    assert refusing.requests[0][0] == "models.example:443"
    assert "Proxy-Authorization" in refusing.requests[0][1]


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (Status(429), 2),
        (Status(429, retry_after=2), 2),
        (Status(429, retry_after=6), 1),
        (Status(500), 2),
        (Status(503, retry_after=1), 2),
        (Status(529), 2),
        (Status(408), 2),
        (Html(502), 2),
        (Html(200), 2),
        (Drop(), 2),
        (Recorded({"error": {"message": "overloaded"}}), 2),
        (Recorded({"error": {"message": "busy", "code": 429}}), 2),
        (Status(401), 1),
        (Status(403), 1),
        (Status(404), 1),
    ],
    ids=str,
)
def test_an_only_model_is_asked_once_more_if_that_can_help(
    serve: Serve, fake_time: Time, answer: Answer, requests: int
) -> None:
    server = serve([answer])
    with pytest.raises(ModelUnavailable, match="openai/test-model"):
        model_of(fake_time).ask(QUESTION, [TOOL], timeout=20)
    assert len(server.requests) == requests


@pytest.mark.parametrize("nothing", [NoChoices(), Say(None), Say("  ")], ids=str)
def test_an_empty_answer_is_asked_for_once_more(serve: Serve, fake_time: Time, nothing: Answer) -> None:
    server = serve([nothing])
    with pytest.raises(ModelSilent, match="openai/test-model"):
        model_of(fake_time).ask(QUESTION, [TOOL], timeout=20)
    assert len(server.requests) == 2


def test_after_tool_results_an_empty_answer_is_asked_for_without_tools(serve: Serve, fake_time: Time) -> None:
    server = serve([Say(None), Say("You have 7.")])
    call = {"id": "call00001", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
    results: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call00001", "content": "{}"},
    ]
    assert model_of(fake_time).ask([*QUESTION, *results], [TOOL], timeout=20).text == "You have 7."
    assert [bool(request.tool_names) for request in server.requests] == [True, False]


def test_an_answer_cut_off_before_its_first_word_gets_more_room(serve: Serve, fake_time: Time) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}
    server = serve([Recorded({"id": "1", "choices": [choice]}), Say("hello")])
    assert model_of(fake_time).ask(QUESTION, None, timeout=20, max_output_tokens=300).text == "hello"
    assert [request.body["max_tokens"] for request in server.requests] == [300, 1200]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_is_not_repeated_but_taken_to_the_next_model(
    serve: Serve, fake_time: Time, status: int
) -> None:
    server = serve([Status(status)])
    for _ in range(2):  # that one request was refused says nothing about the next
        with pytest.raises(ModelRefused):
            model_of(fake_time, NAME, "openai/other").ask(QUESTION, [TOOL], timeout=20)
    assert asked(server) == ["test-model", "other"] * 2


NO_CREDIT = Status(400, message="Your credit balance is too low to access the API.")
FILTER = Status(400, message="The response was filtered due to the content management policy.")


@pytest.mark.parametrize("trouble", [NO_CREDIT, FILTER], ids=["no credit", "filter"])
def test_what_one_provider_refuses_another_answers(serve: Serve, fake_time: Time, trouble: Answer) -> None:
    serve(by_model(primary=trouble, backup=Say("hello")))
    answer = model_of(fake_time, "openai/primary", "openai/backup").ask(QUESTION, [TOOL], timeout=20)
    assert (answer.text, answer.model) == ("hello", "openai/backup")


def test_what_only_the_operator_can_mend_is_said_to_him_and_lasts(serve: Serve, fake_time: Time) -> None:
    serve([NO_CREDIT])
    with (
        capture_logs() as lines,
        pytest.raises(ModelUnavailable, match="no credit left; pay the provider") as caught,
    ):
        model_of(fake_time).ask(QUESTION, [TOOL], timeout=20)
    assert caught.value.lasting
    assert [line["log_level"] for line in lines] == ["error"]


# --- what a provider wants back ----------------------------------------------------------------------------------


def thinks(request: Received) -> Answer:
    """DeepSeek's thinking mode: its reasoning has to come back with every tool call."""
    made = [message for message in request.messages if message.get("tool_calls")]
    if any(not message.get("reasoning_content") for message in made):
        return Status(400, message="The `reasoning_content` in the thinking mode must be passed back to the API.")
    if made:
        return Say("You have 7.")
    call = Call("shopify_data", {"data_type": "counts"}).wire()
    message = {"role": "assistant", "content": None, "reasoning_content": "I should look.", "tool_calls": [call]}
    return Recorded({"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})


def after_a_call(answer: response.Answer) -> list[dict[str, Any]]:
    [call] = answer.tool_calls
    return [*QUESTION, response.assistant_message(answer), {"role": "tool", "tool_call_id": call.id, "content": "{}"}]


def test_reasoning_goes_back_to_the_model_that_gave_it(serve: Serve, fake_time: Time) -> None:
    server = serve(thinks)
    model = model_of(fake_time, "openai/thinker")
    first = model.ask(QUESTION, [TOOL], timeout=20)
    assert model.ask(after_a_call(first), [TOOL], timeout=20).text == "You have 7."
    assert [message.get("reasoning_content") for message in server.requests[1].messages][2] == "I should look."
    assert len(server.requests) == 2


def test_a_model_that_takes_over_gets_no_foreign_reasoning_and_blanks_where_it_insists(
    serve: Serve, fake_time: Time
) -> None:
    server = serve(thinks)
    first = model_of(fake_time, "openai/thinker").ask(QUESTION, [TOOL], timeout=20)
    for _ in range(2):
        answer = model_of(fake_time, "openai/thinker-2").ask(after_a_call(first), [TOOL], timeout=20)
        assert answer.text == "You have 7."
    sent = [request.messages[2].get("reasoning_content") for request in server.requests[1:]]
    assert sent == [None, " ", " "]


def test_an_option_that_a_model_refuses_is_left_out(serve: Serve, fake_time: Time) -> None:
    def answer(request: Received) -> Answer:
        refused = "temperature" in request.body
        return Status(400, message="Unsupported value: 'temperature'.") if refused else Say("hello")

    server = serve(answer)
    for _ in range(2):
        model = model_of(fake_time, "openai/cold")
        assert model.ask(QUESTION, [TOOL], timeout=20, temperature=0.2).text == "hello"
    assert ["temperature" in request.body for request in server.requests] == [True, False, False]


@pytest.mark.parametrize(("retry_after", "slept"), [(None, [0.5]), (3, [3.0]), (0.2, [0.2])])
def test_the_second_try_waits_as_long_as_the_provider_says_and_succeeds(
    serve: Serve, fake_time: Time, retry_after: float | None, slept: list[float]
) -> None:
    server = serve([Status(429, retry_after=retry_after), Say("hello")])
    assert model_of(fake_time).ask(QUESTION, [TOOL], timeout=20).text == "hello"
    assert fake_time.slept == slept
    assert len(server.requests) == 2


def test_there_is_no_second_try_without_time_for_it(serve: Serve, fake_time: Time) -> None:
    server = serve([Status(429, retry_after=4)])
    with pytest.raises(ModelUnavailable) as caught:
        model_of(fake_time).ask(QUESTION, None, timeout=4.5)
    assert len(server.requests) == 1
    assert caught.value.retry_after == pytest.approx(4, abs=0.5)


# --- time --------------------------------------------------------------------------------------------------------


def test_a_silent_provider_costs_no_more_than_the_timeout(serve: Serve, fake_time: Time) -> None:
    server = serve([Slow(30)])
    with at_most(6), pytest.raises(ModelUnavailable, match="no answer in time"):
        model_of(fake_time).ask(QUESTION, None, timeout=1.2)
    assert len(server.requests) == 1


def test_an_answer_that_drips_in_costs_no_more_than_the_timeout(serve: Serve, fake_time: Time) -> None:
    serve([Drip(0.2)])
    with at_most(6), pytest.raises(ModelUnavailable, match="no answer in time"):
        model_of(fake_time).ask(QUESTION, None, timeout=1.2)


@pytest.mark.parametrize("endless", [Drip(0.2), DripHeaders(0.2), Slow(60)], ids=str)
def test_giving_up_closes_the_connection(serve: Serve, fake_time: Time, endless: Answer) -> None:
    server = serve([endless])
    with pytest.raises(ModelUnavailable, match="no answer in time"):
        model_of(fake_time).ask(QUESTION, None, timeout=2.2)
    assert len(server.requests) == 1
    wait_until(lambda: server.open_requests == 0, limit=3.0, what="the connection to be closed")


def test_calls_that_were_given_up_leave_the_pool_to_others(serve: Serve, fake_time: Time) -> None:
    drips: set[str] = {f"drip-{number}" for number in range(106)}
    server = serve(lambda request: Drip(0.5) if request.messages[-1]["content"] in drips else Say("hello"))
    model = Model([NAME], clock=fake_time.clock, sleep=fake_time.sleep)

    def ask(words: str) -> None:
        litellm_call.call(NAME, litellm_call.Request([{"role": "user", "content": words}]), 4.0)

    with ThreadPoolExecutor(len(drips)) as pool:
        list(pool.map(ask, drips))
    assert model.ask(QUESTION, None, timeout=10).text == "hello"
    wait_until(lambda: server.open_requests == 0, limit=5.0, what="the connections to be closed")


def test_every_connection_of_the_library_ends_with_its_call(serve: Serve) -> None:
    """Providers that do not speak OpenAI's protocol are reached through connections litellm makes itself."""
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    server = serve([Drip(0.2)])

    def post() -> None:
        with within(2.0):
            HTTPHandler(timeout=60).post(f"{server.base_url}/chat/completions", json={"messages": []})

    with at_most(6), pytest.raises(Exception, match=r"(?i)time|deadline"):
        post()
    wait_until(lambda: server.open_requests == 0, limit=3.0, what="the connection to be closed")


def test_an_only_model_that_was_silent_is_asked_again_when_time_allows(
    serve: Serve, fake_time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda _request: Slow(30) if len(server.requests) == 1 else Say("awake"))
    monkeypatch.setattr(model_module, "LAST_TRY_SECONDS", 1.0)
    assert model_of(fake_time).ask(QUESTION, None, timeout=20).text == "awake"
    assert len(server.requests) == 2


def test_the_backup_gets_the_time_the_silent_primary_left(
    serve: Serve, fake_time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(by_model(primary=Slow(30), backup=Say("I am here")))
    monkeypatch.setattr(model_module, "TRY_SECONDS", 1.0)
    with at_most(8):
        answer = model_of(fake_time, "openai/primary", "openai/backup").ask(QUESTION, None, timeout=10)
    assert (answer.text, answer.model) == ("I am here", "openai/backup")
    assert asked(server) == ["primary", "backup"]


# --- fallback and breaker ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [Status(401), Status(403), Status(404), Status(429), Status(500), Html(200), Drop(), NoChoices()],
    ids=str,
)
def test_the_next_model_answers_and_the_first_is_asked_once(serve: Serve, fake_time: Time, trouble: Answer) -> None:
    server = serve(by_model(primary=trouble, backup=Say("hello")))
    answer = model_of(fake_time, "openai/primary", "openai/backup").ask(QUESTION, [TOOL], timeout=20)
    assert answer.model == "openai/backup"
    assert asked(server) == ["primary", "backup"]
    assert fake_time.slept == []


def test_a_failed_model_is_left_alone_and_comes_back(serve: Serve, fake_time: Time) -> None:
    answers: dict[str, Answer] = {"primary": Status(500), "backup": Say("hello")}
    server = serve(lambda request: answers[str(request.body["model"])])
    model = model_of(fake_time, "openai/primary", "openai/backup")
    for _ in range(3):
        model.ask(QUESTION, None, timeout=20)
    assert asked(server) == ["primary", "backup", "backup", "backup"]
    answers["primary"] = Say("back again")
    fake_time.ahead += PAUSE
    assert model.ask(QUESTION, None, timeout=20).text == "back again"


def test_a_wait_the_provider_named_is_honoured(serve: Serve, fake_time: Time) -> None:
    server = serve(by_model(primary=Status(429, retry_after=120), backup=Say("hello")))
    model = model_of(fake_time, "openai/primary", "openai/backup")
    for seconds in (0, 119, 2):
        fake_time.ahead += seconds
        model.ask(QUESTION, None, timeout=20)
    assert asked(server) == ["primary", "backup", "backup", "primary", "backup"]


def test_a_dead_provider_is_not_asked_in_every_turn(serve: Serve, fake_time: Time) -> None:
    server = serve([Status(500)])
    model = model_of(fake_time)
    for _ in range(PATIENCE + 5):
        with pytest.raises(ModelUnavailable) as caught:
            model.ask(QUESTION, None, timeout=20)
    assert len(server.requests) == 2 * PATIENCE
    assert caught.value.retry_after == pytest.approx(PAUSE, abs=5)
    assert caught.value.code == "model_unavailable"


def test_one_bad_moment_of_an_only_model_does_not_silence_the_next_turn(serve: Serve, fake_time: Time) -> None:
    serve([Status(500), Status(500), Say("hello")])
    model = model_of(fake_time)
    with pytest.raises(ModelUnavailable):
        model.ask(QUESTION, None, timeout=20)
    assert model.ask(QUESTION, None, timeout=20).text == "hello"


def test_an_answer_ends_the_row_of_failures(serve: Serve, fake_time: Time) -> None:
    refusals: list[Answer] = [Status(401)] * (PATIENCE - 1)
    serve([*refusals, Say("hello"), *refusals, Say("hello again")])
    model = model_of(fake_time)
    answers = []
    for _ in range(2 * PATIENCE):
        try:
            answers.append(model.ask(QUESTION, None, timeout=20).text)
        except ModelUnavailable:
            answers.append(None)
    silent = [None] * (PATIENCE - 1)
    assert answers == [*silent, "hello", *silent, "hello again"]


def test_an_empty_answer_says_nothing_about_the_next_one(serve: Serve, fake_time: Time) -> None:
    server = serve(by_model(primary=NoChoices(), backup=Say("hello")))
    model = model_of(fake_time, "openai/primary", "openai/backup")
    for _ in range(2):
        model.ask(QUESTION, None, timeout=20)
    assert asked(server) == ["primary", "backup", "primary", "backup"]


def test_when_everybody_fails_each_is_named_with_its_reason(serve: Serve, fake_time: Time) -> None:
    serve(by_model(primary=Status(401), backup=Status(429, retry_after=9)))
    with pytest.raises(ModelUnavailable) as caught:
        model_of(fake_time, "openai/primary", "openai/backup").ask(QUESTION, None, timeout=20)
    told = str(caught.value)
    assert "openai/primary: the key was refused (401, model_server)" in told
    assert "openai/backup: too many requests" in told
    assert caught.value.retry_after == pytest.approx(9, abs=0.5)


# --- what must stay hidden ---------------------------------------------------------------------------------------


def test_no_word_of_the_prompt_and_no_key_is_logged_printed_or_raised(
    serve: Serve,
    fake_time: Time,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secret = "Aunt Agatha, agatha@example.com"
    echo = f"cannot read: {secret}"
    server = serve(by_model(ok=Say(secret), refused=Status(400, message=echo), down=Status(500, message=echo)))
    question = [{"role": "user", "content": secret}]
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        model_of(fake_time, "openai/ok").ask(question, [TOOL], timeout=20)
        for name in ("openai/refused", "openai/down"):
            with pytest.raises((ModelRefused, ModelUnavailable)) as caught:
                model_of(fake_time, name).ask(question, [TOOL], timeout=20)
            said.append(f"{caught.value!r} {caught.value.__cause__!r}")
    assert len(server.requests) == 4
    out, err = capfd.readouterr()
    everything = "\n".join([*said, out, err, caplog.text, *(str(vars(record)) for record in caplog.records)])
    assert "model did not answer" in everything
    assert "Agatha" not in everything
    assert "sk-test-key" not in everything


def test_given_up_calls_leave_no_thread_that_keeps_the_process_alive(serve: Serve, fake_time: Time) -> None:
    serve([Slow(30)])
    with pytest.raises(ModelUnavailable):
        model_of(fake_time).ask(QUESTION, None, timeout=1)
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
