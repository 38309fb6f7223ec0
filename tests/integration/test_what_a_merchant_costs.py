"""What one merchant may cost: the size of a prompt, the calls of a turn, turns of a minute, tokens of a day."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests import rows
from tests.agent_turns import Hire, Merchant, counts
from tests.openai_server import Answer, Call, Received, Say, Serve, Status
from workers.model.client import Model
from workers.model.response import ToolCall
from workers.shop.results import Result
from workflows import loader
from workflows.loader import load_folder

NAME = "openai/x"
COUNTS = Say(None, [Call("shopify_data", {"data_type": "counts"})])
TOKENS = 16
"""Of each answer of the server."""


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    Model([NAME]).warm_up()


def size(request: Received) -> int:
    return len(json.dumps(request.body, ensure_ascii=False).encode())


def large(call: ToolCall) -> Result:
    """A result as large as any: 16 KiB."""
    orders = [{"id": f"gid://shopify/Order/{number}", "name": f"#{number}", "note": "x" * 100} for number in range(95)]
    return {"success": True, "data_type": (call.arguments or {}).get("data_type"), "data": {"orders": orders}}


FINISHED = ("RUN_FINISHED", None)


# --- the prompt --------------------------------------------------------------------------------------------------


def test_thousands_of_waiting_messages_do_not_become_one_prompt(serve: Serve, hire: Hire) -> None:
    server = serve([Say("I see.")])
    merchant = hire()
    first = merchant.say("x" * 8000)
    rows.execute(
        merchant.worker.database,
        "INSERT INTO turns (conversation_id, merchant_id, seq, event_key, action, input)"
        " SELECT conversation_id, merchant_id, seq + n, event_key, n, input FROM turns, generate_series(1, 2500) n"
        " WHERE id = :id",
        id=first,
    )
    merchant.worker.ends(first)
    assert max(map(size, server.requests)) <= 130_000
    left = rows.query(merchant.worker.database, "SELECT count(*) FROM turns WHERE status = 'queued'")
    assert left[0][0] > 2400


def test_many_short_messages_are_absorbed_up_to_a_number(serve: Serve, hire: Hire) -> None:
    server = serve([Say("I see.")])
    merchant = hire(absorbed_messages=3)
    first, *others = [merchant.say(f"message {number}") for number in range(6)]
    merchant.worker.ends(first)
    assert [message["content"] for message in server.requests[0].messages[1:]] == [f"message {n}" for n in range(4)]
    assert [merchant.worker.status(turn_id) for turn_id in others] == ["done"] * 3 + ["queued"] * 2
    assert len(server.requests) == 1, "an answer is no more outdated by what is not taken in"
    merchant.worker.ends(others[-2])
    assert [message["content"] for message in server.requests[1].messages[-2:]] == ["message 4", "message 5"]


def test_the_tool_results_of_one_turn_stay_within_the_prompt(serve: Serve, hire: Hire) -> None:
    def answer(request: Received) -> Answer:
        calls = [Call("shopify_data", {"data_type": kind}, id=None) for kind in ("counts", "overview", "week_orders")]
        return Say(None, calls) if request.tool_names else Say("Done.")

    server = serve(answer)
    merchant = hire(prompt_tokens=40_000)
    merchant.worker.results = lambda calls: [large(call) for call in calls]
    assert merchant.asks() == (FINISHED, ["Done."])
    assert len(server.requests) == 7
    assert max(map(size, server.requests)) <= 120_000 + 2_000
    last = server.requests[-1]
    assert "#90" in last.messages[-1]["content"], "the latest result is whole"


def test_what_was_said_last_is_in_the_prompt_and_what_is_left_out_is_said(serve: Serve, hire: Hire) -> None:
    server = serve([Say("Yes.")])
    merchant = hire(prompt_tokens=4_000)
    for number in range(8):
        merchant.asks(f"message {number} " + "x" * 2000)
    last = server.requests[-1]
    assert size(last) <= 12_000 + 4_500  # the tools are beside the prompt
    said = [message["content"].split(" x")[0] for message in last.messages if message["role"] == "user"]
    assert said == [f"message {number}" for number in range(8 - len(said), 8)]
    assert 2 <= len(said) < 8
    assert f"Left out because of the length: {8 - len(said)} earlier turns." in last.messages[0]["content"]


def test_a_prompt_begins_as_the_last_one_did(serve: Serve, hire: Hire) -> None:
    """Providers read what they have read before for a tenth of the price, up to the first byte that differs."""
    server = serve([COUNTS, Say("Seven."), Say("Yes."), COUNTS, Say("Still.")])
    merchant = hire()

    def read(calls: Sequence[ToolCall]) -> list[Result]:
        merchant.worker.advance(5)
        return [counts(call) for call in calls]

    merchant.worker.results = read
    for words in ("How many customers?", "Sure?", "And now?"):
        merchant.asks(words)
    prompts = [[json.dumps(message) for message in request.messages] for request in server.requests]
    assert [len(prompt) for prompt in prompts] == [2, 4, 6, 8, 10]
    assert prompts[1][:2] == prompts[0], "the whole prompt, seconds later"
    assert prompts[2][1:4] == prompts[1][1:], "of the next turn all but the time, although Postgres has stored it"
    assert prompts[3][1:6] == prompts[2][1:]


def test_an_answer_has_a_length(serve: Serve, hire: Hire) -> None:
    server = serve([Say("y" * 100_000)])
    merchant = hire(output_tokens=300)
    _, [words] = merchant.asks()
    assert len(words) == 16_000  # whatever the provider makes of the limit
    assert server.requests[0].body["max_tokens"] == 300


TOO_LONG = [
    Status(400, message="This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."),
    Status(400, message="Input length (9000) exceeds model's maximum context length (8192)."),
    Status(400, message="prompt is too long: 205000 tokens > 200000 maximum"),
    Status(400, message="the request exceeds the available context size, try increasing it"),
    Status(400, message="Please reduce the length of the messages or completion."),
    Status(413, message="Payload Too Large"),
    Status(429, message="Request too large for x on tokens per min (TPM): Limit 8000, Requested 9000."),
    Status(400, message="Eingabe nicht zul\u00e4ssig."),  # and whatever else it may be that concerns what was said
]


@pytest.mark.parametrize("refusal", TOO_LONG, ids=lambda refusal: str(refusal.message)[:30])
def test_a_conversation_that_is_too_long_for_the_model_goes_on(serve: Serve, hire: Hire, refusal: Status) -> None:
    window = 12_000
    server = serve(lambda request: refusal if size(request) > window else Say("Yes."))
    merchant = hire()
    talk = [merchant.asks(f"message {number} " + "x" * 3000) for number in range(6)]
    assert talk == [(FINISHED, ["Yes."])] * 6
    assert len(server.requests) <= 6 * 4
    assert server.requests[-1].messages[-1]["content"].startswith("message 5")


def test_a_window_that_the_answer_alone_would_fill_is_enough(serve: Serve, hire: Hire) -> None:
    refusal = Status(400, message="This model's maximum context length is 3000 tokens.")
    server = serve(lambda request: refusal if request.body["max_tokens"] > 2000 else Say("Yes."))
    assert hire().asks() == (FINISHED, ["Yes."])
    assert len(server.requests) == 2


def test_words_that_no_prompt_can_hold_end_with_a_sentence(serve: Serve, hire: Hire) -> None:
    server = serve([Status(400, message="This model's maximum context length is 100 tokens.")])
    end, [sentence] = hire().asks("x" * 8000)
    assert end == ("RUN_ERROR", "model_bad_request")
    assert "fewer words" in sentence
    assert len(server.requests) <= 4


# --- calls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [None, "Let me look."])
def test_calls_that_were_not_offered_are_not_carried_out(serve: Serve, hire: Hire, words: str | None) -> None:
    """A model that answers everything with a call, also the last request, which offers none."""
    server = serve([Say(words, [Call("shopify_data", {"data_type": "counts"})])])
    merchant = hire()
    end, said = merchant.asks()
    offered = [bool(request.tool_names) for request in server.requests]
    assert offered == [True] * 6 + [False]
    assert len(merchant.worker.ran) == 6
    told = "You have 7 customers in your store, and 3 orders."
    assert (end, said) == (FINISHED, [*[words] * 6, f"{words} {told}"] if words else [told])


def test_a_workflow_without_tools_runs_none(serve: Serve, hire: Hire, tmp_path: Path) -> None:
    server = serve([Say("Let me look.", [Call("shopify_data", {"data_type": "counts"})])])
    merchant = hire(shipped_with(tmp_path, "tools: [shopify_data, calculate_metrics]", "tools: []"))
    assert merchant.asks() == (FINISHED, ["Let me look."])
    assert (len(server.requests), merchant.worker.ran) == (1, [])


# --- budgets -----------------------------------------------------------------------------------------------------


def test_a_merchants_day_has_a_budget_of_tokens(serve: Serve, hire: Hire) -> None:
    server = serve([Say("Yes.")])
    merchant, before = hire(tokens_per_day=3 * TOKENS), refused("budget_of_the_day")
    assert [merchant.asks()[0] for _ in range(3)] == [FINISHED] * 3
    end, [sentence] = merchant.asks()
    assert end == ("RUN_ERROR", "budget_of_the_day")
    assert "tomorrow" in sentence
    assert len(server.requests) == 3
    assert refused("budget_of_the_day") == before + 1
    other = Merchant(merchant.worker)
    assert other.asks()[0] == FINISHED, "another merchant is not concerned"
    merchant.worker.advance(24 * 3600)
    assert merchant.asks()[0] == FINISHED


def test_the_budget_ends_a_turn_between_two_calls(serve: Serve, hire: Hire) -> None:
    server = serve([Say("Let me look.", [Call("shopify_data", {"data_type": "counts"})])])
    end, said = hire(tokens_per_day=2 * TOKENS).asks()
    assert end == ("RUN_ERROR", "budget_of_the_day")
    assert len(server.requests) == 2
    assert said[:-1] == ["Let me look."] * 2


def test_what_a_provider_does_not_count_is_estimated(serve: Serve, hire: Hire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.model.local_server.USAGE", None)
    serve([Say("Yes.")])
    merchant = hire()
    merchant.asks("x" * 3000)
    [(read, written)] = used(merchant)
    assert 1000 < read < 3000
    assert 0 < written < 100


def test_an_outdated_answer_is_counted_too(serve: Serve, hire: Hire) -> None:
    merchant = hire()

    def answer(_request: Received) -> Answer:
        if len(server.requests) == 1:
            merchant.say("one thing more")
        return Say("Yes.")

    server = serve(answer)
    assert merchant.asks()[0] == FINISHED
    assert len(server.requests) == 2
    assert [sum(tokens) for tokens in used(merchant)] == [2 * TOKENS]


def test_a_merchants_minute_has_a_number_of_turns(serve: Serve, hire: Hire) -> None:
    server = serve([Say("Yes.")])
    merchant = hire(turns_per_minute=3)
    ends = [merchant.asks(conversation=f"{merchant.conversation}-{number}") for number in range(5)]
    assert [end for end, _ in ends] == [FINISHED] * 3 + [("RUN_ERROR", "budget_of_the_minute")] * 2
    assert "in a minute" in ends[-1][1][0]
    assert len(server.requests) == 3
    merchant.worker.advance(61)
    assert merchant.asks()[0] == FINISHED


def test_one_sentence_answers_all_that_wait_when_the_budget_is_used_up(serve: Serve, hire: Hire) -> None:
    server = serve([Say("Yes.")])
    merchant = hire(tokens_per_day=1)
    merchant.asks()
    waiting = [merchant.say(f"message {number}") for number in range(10)]
    merchant.worker.ends(waiting[0])
    assert {merchant.worker.status(turn_id) for turn_id in waiting} == {"done"}
    assert [len(merchant.worker.said(turn_id)) for turn_id in waiting] == [1] + [0] * 9
    assert len(server.requests) == 1


def test_a_workflow_may_have_other_bounds(serve: Serve, hire: Hire, tmp_path: Path) -> None:
    bounds = "limits:\n  tokens_per_day: 0\n  turns_per_minute: 2\n  prompt_tokens: 1000"
    server = serve([Say("Yes.")])
    merchant = hire(shipped_with(tmp_path, "limits:", bounds), tokens_per_day=1, turns_per_minute=100)
    assert [merchant.asks("x" * 2000)[0] for _ in range(3)] == [FINISHED] * 2 + [("RUN_ERROR", "budget_of_the_minute")]
    assert [message["role"] for message in server.requests[-1].messages] == ["system", "user"]


def shipped_with(folder: Path, before: str, after: str) -> Any:
    for path in Path(loader.__file__).parent.glob("*.yaml"):
        text = path.read_text()
        (folder / path.name).write_text(text.replace(before, after) if path.stem == "ad_hoc_support" else text)
    return load_folder(folder)


def used(merchant: Merchant) -> list[tuple[int, int]]:
    database = merchant.worker.database
    where = "SELECT input_tokens, output_tokens FROM usage WHERE merchant_id = :id"
    return [(read, written) for read, written in rows.query(database, where, id=merchant.id)]


def refused(budget: str) -> float:
    return REGISTRY.get_sample_value("cj_budgets_used_up_total", {"budget": budget}) or 0.0
