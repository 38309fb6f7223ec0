"""Every provider's documented wire format, and its habits, as recorded answers over HTTP.

The records are `tests/providers/*.yaml`, one file a provider, with links to what they follow; the table of them is in
workers/README.md. A record is a response, and what becomes of it: words (`says`), the number of tool calls (`calls`,
each for the counts), or the cause of a failure (`cause`, `wait`). `back`: what the next request must hold.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.openai_server import OpenAIServer, Received, Recorded
from workers.model import litellm_call
from workers.model.errors import FailedCall
from workers.model.habits import EXTRAS
from workers.model.litellm_call import Request
from workers.model.response import Answer, assistant_message

FOLDER = Path(__file__).parents[1] / "providers"
README = Path(__file__).parents[2] / "workers" / "README.md"
MODELS = {
    "openai": ("openai/gpt-5.1", "OPENAI_API_BASE", "/v1"),
    "azure": ("openai/gpt-5.1-on-azure", "OPENAI_API_BASE", "/v1"),
    "anthropic": ("anthropic/claude-sonnet-4-5", "ANTHROPIC_API_BASE", ""),
    "gemini": ("gemini/gemini-3-pro-preview", "GEMINI_API_BASE", ""),
    "mistral": ("mistral/mistral-large-latest", "MISTRAL_AZURE_API_BASE", "/v1"),
    "deepseek": ("deepseek/deepseek-reasoner", "DEEPSEEK_API_BASE", "/v1"),
    "groq": ("groq/openai/gpt-oss-120b", "GROQ_API_BASE", "/openai/v1"),
    "openrouter": ("openrouter/google/gemini-3-pro-preview", "OPENROUTER_API_BASE", "/api/v1"),
    "vllm": ("hosted_vllm/Qwen/Qwen3-8B", "HOSTED_VLLM_API_BASE", "/v1"),
    "ollama": ("ollama_chat/qwen3", "OLLAMA_API_BASE", ""),
}
RECORDS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}
EACH = [(provider, record) for provider, records in RECORDS.items() for record in records]
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
QUESTION = [{"role": "system", "content": "You are CJ."}, {"role": "user", "content": "How many customers?"}]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Import litellm in advance, so that it does not count in any test's time."""
    litellm_call.warm_up([name for name, _, _ in MODELS.values()])


class Provider(OpenAIServer):
    """Gives the record's answer, and to a conversation that goes on, words."""

    def __init__(self, provider: str, record: dict[str, Any]) -> None:
        super().__init__(self._answer)
        self._first = _recorded(record)
        self._then = _recorded(RECORDS[provider][0])

    def _answer(self, request: Received) -> Recorded:
        if request.path == "/api/show":  # Ollama is asked what a model can do
            return Recorded({"capabilities": ["completion", "tools"], "template": "{{ .Tools }}", "model_info": {}})
        return self._then if "RESULT" in json.dumps(request.body) else self._first

    def asked(self) -> list[Received]:
        return [request for request in self.requests if request.path != "/api/show"]


def _recorded(record: dict[str, Any]) -> Recorded:
    return Recorded(record["body"], record.get("status", 200), record.get("headers", {}))


def reached_at(server: OpenAIServer, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of this provider's models go to the server."""
    _, variable, path = MODELS[provider]
    monkeypatch.setenv(variable, server.base_url.removesuffix("/v1") + path)
    monkeypatch.setenv(variable.partition("_API_BASE")[0] + "_API_KEY", "sk-test-key")


@pytest.mark.parametrize(("provider", "record"), EACH, ids=[f"{name}: {one['habit']}" for name, one in EACH])
def test_a_habit(provider: str, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    name = MODELS[provider][0]
    with Provider(provider, record) as server:
        reached_at(server, provider, monkeypatch)
        outcome = litellm_call.call(name, Request(QUESTION, [TOOL], {"max_tokens": 300}), 20)
        if "cause" in record:
            assert isinstance(outcome, FailedCall), outcome
            assert outcome.cause.name == record["cause"], outcome
            assert outcome.retry_after == record.get("wait", outcome.retry_after)
            return
        assert isinstance(outcome, Answer), outcome
        assert outcome.text == record.get("says")
        assert [call.arguments for call in outcome.tool_calls] == [{"data_type": "counts"}] * record.get("calls", 0)
        [first] = server.asked()
        assert "shopify_data" in json.dumps(first.body), "no tool was offered"
        if not outcome.tool_calls:
            return
        said = assistant_message(outcome)
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": '{"note": "RESULT"}'} for call in outcome.tool_calls
        ]
        then = litellm_call.call(name, Request([*QUESTION, said, *results], [TOOL]), 20)
        assert isinstance(then, Answer), then
        [_, second] = server.asked()
        sent = json.dumps(second.body)
        assert all(word in sent for word in record.get("back", ())), sent
        assert EXTRAS not in sent


def test_the_table_names_every_habit() -> None:
    table = README.read_text("utf-8")
    for provider, records in RECORDS.items():
        row = f"| {provider} | {'; '.join(record['habit'] for record in records)} |"
        assert row in table, row


STREAMS = yaml.safe_load((FOLDER / "streams" / "recorded.yaml").read_text("utf-8"))


def sse(recorded: dict[str, Any]) -> str:
    """The stream as it comes over HTTP."""
    events = []
    for line in recorded["events"]:
        name, _, data = ("", "", line) if line.startswith("{") else line.partition(": ")
        events.append(f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n")
    return "".join([*events, *(["data: [DONE]\n\n"] if recorded.get("done") else [])])


@pytest.mark.parametrize("provider", STREAMS)
def test_a_stream_becomes_the_answer_that_would_have_come_whole(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And wherever it breaks off, it is no answer: or it is the same one, if only what follows its end is missing."""
    recorded = STREAMS[provider]
    text = sse(recorded)
    heard: list[str] = []

    def hear(words: str, _is_whole: bool) -> None:
        heard.append(words)

    ends = [at for at, letter in enumerate(text) if letter == "\n"]
    cuts = [None, *range(0, len(text), len(text) // 6), *ends[1::6], ends[-3]]
    stream = {"Content-Type": "text/event-stream"}
    answers = iter([Recorded(text[:cut], headers=stream) for cut in cuts])
    with OpenAIServer(lambda _: next(answers)) as server:
        reached_at(server, provider, monkeypatch)
        found = [litellm_call.call(recorded["model"], Request(QUESTION, [TOOL], {}, hear), 10.0) for _ in cuts]
    whole = found[0]
    assert isinstance(whole, Answer), whole
    assert whole.text == recorded["says"]
    assert [call.arguments for call in whole.tool_calls] == [{"data_type": "counts"}] * recorded["calls"]
    assert len({call.id for call in whole.tool_calls}) == recorded["calls"]
    assert (whole.input_tokens, whole.output_tokens) == (8, 4)
    kept = json.dumps(assistant_message(whole))
    assert all(wanted in kept for wanted in recorded.get("back", []))
    for answer in found[1:]:
        same = isinstance(answer, Answer) and (answer.text, len(answer.tool_calls)) == (whole.text, recorded["calls"])
        assert same or isinstance(answer, FailedCall), answer
    failed = sum(isinstance(answer, FailedCall) for answer in found)
    assert failed > len(cuts) * 0.6
