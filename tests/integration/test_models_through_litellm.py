"""Models that are asked through litellm's own clients and parsers, over HTTP: what it leaves out or gets wrong."""

import gc
import json
import socket
from typing import Any

import pytest

from tests.openai_server import OpenAIServer, Recorded, Serve, Status
from tests.waiting import wait_until
from workers.model import litellm_call
from workers.model.errors import Cause, FailedCall
from workers.model.litellm_call import Request
from workers.model.response import Answer

QUESTION = [{"role": "system", "content": "You are CJ."}, {"role": "user", "content": "How many customers?"}]
GROQ, PLAIN, GEMINI = "groq/llama-3.3-70b-versatile", "openai/test-model", "gemini/gemini-2.5-flash"
VARIABLES = {
    GROQ: "GROQ_API_BASE",
    PLAIN: "OPENAI_API_BASE",
    GEMINI: "GEMINI_API_BASE",
    "cohere_chat/command-a-03-2025": "COHERE_API_BASE",
    "deepinfra/test-model": "DEEPINFRA_API_BASE",
    "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo": "TOGETHER_AI_API_BASE",
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.setenv(variable.replace("_BASE", "_KEY"), "sk-test-key")


def stream(*chunks: dict[str, Any], done: bool = True) -> Recorded:
    events = [*map(json.dumps, chunks), *(["[DONE]"] if done else [])]
    return Recorded("".join(f"data: {event}\n\n" for event in events), headers={"Content-Type": "text/event-stream"})


def piece(content: str | None = None, finish: str | None = None) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def asked(
    server: OpenAIServer, name: str, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 20.0, **options: Any
) -> Answer | FailedCall:
    """What comes of one streamed request."""
    monkeypatch.setenv(VARIABLES[name], server.base_url)
    return litellm_call.call(name, Request(QUESTION, options=options, hear=lambda _words, _is_whole: None), seconds)


@pytest.mark.parametrize("reason", ["error", "network_error", "insufficient_system_resource"])
def test_a_stream_that_stops_for_a_reason_of_its_own_ends_with_a_whole_sentence(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    server = serve([stream(piece("You have them all. And"), piece("", reason))])
    answer = asked(server, GROQ, monkeypatch)
    assert isinstance(answer, Answer)
    assert answer.text == "You have them all. …"


@pytest.mark.parametrize("name", [GROQ, PLAIN])
def test_a_stream_may_end_without_a_reason_if_it_says_that_it_is_done(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    server = serve([stream(piece("You have 67."))])
    answer = asked(server, name, monkeypatch)
    assert isinstance(answer, Answer)
    assert answer.text == "You have 67."
    assert len(server.requests) == 1


def test_done_is_no_reason_beside_another(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve([stream(piece("You have them all. And", "length"))])
    answer = asked(server, PLAIN, monkeypatch)
    assert isinstance(answer, Answer)
    assert answer.text == "You have them all. …"


def test_a_stream_that_fails_leaves_nothing_to_the_garbage_collector(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would close the stream at any time, also while the same thread holds the lock that closing needs."""
    from workers.model import wire

    closed = []
    close = wire._ReadToTheEnd.close

    def closing(body: wire._ReadToTheEnd) -> None:
        close(body)
        closed.append(body)

    monkeypatch.setattr(wire._ReadToTheEnd, "close", closing)
    server = serve([stream(piece("You "), {"error": {"message": "overloaded", "code": 503}}, done=False)])
    gc.disable()
    try:
        failed = asked(server, GROQ, monkeypatch)
        assert isinstance(failed, FailedCall)
        assert failed.status == 503
        wait_until(lambda: bool(closed), what="the stream to be closed")
        assert next(iter(closed[0]), None) is None, "its reader is still open"
    finally:
        gc.enable()


def test_a_streamed_request_that_gemini_refuses_says_why(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}
    wait = {"code": 429, "message": "slower", "details": [{"retryDelay": "34s"}]}
    server = serve([Recorded({"error": told}, 400), Recorded({"error": wait}, 429)])
    refused, busy = (asked(server, GEMINI, monkeypatch) for _ in range(2))
    assert isinstance(refused, FailedCall)
    assert refused.cause is Cause.KEY
    assert isinstance(busy, FailedCall)
    assert (busy.cause, busy.retry_after) == (Cause.BUSY, 34.0)


def test_a_provider_whose_streams_litellm_cannot_read_is_asked_for_whole_answers(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "You have 67."}]}
    server = serve([Recorded({"id": "1", "message": message, "finish_reason": "COMPLETE", "usage": {}})])
    answer = asked(server, "cohere_chat/command-a-03-2025", monkeypatch)
    assert isinstance(answer, Answer)
    assert answer.text == "You have 67."
    assert not server.requests[0].body.get("stream")


def test_an_attempt_is_one_request(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm does not pass `max_retries` on for each provider; OpenAI's client would ask three times."""
    server = serve([Status(429)])
    assert isinstance(asked(server, "deepinfra/test-model", monkeypatch), FailedCall)
    assert len(server.requests) == 1


def test_nobody_else_is_asked_for_a_tokenizer(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    look_up = socket.getaddrinfo

    def noted(host: Any, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(str(host))
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    server = serve([stream(piece("You have 67.", "stop"))])
    answer = asked(
        server, "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", monkeypatch, seconds=8.0, max_tokens=300
    )
    assert isinstance(answer, Answer)
    assert set(looked_up) <= {"127.0.0.1"}
