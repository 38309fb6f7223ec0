"""Nothing that no data supports reaches a merchant, whatever the model insists on; what is true arrives as it is."""

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.agent_turns import Hire, Killed, Merchant
from tests.openai_server import Answer, Call, OpenAIServer, Received, Say, Serve, Status
from workers.model.client import Model
from workers.model.response import ToolCall
from workers.operations import timeline
from workers.truth.languages import NOT_SEEN
from workflows.loader import load_folder, load_text
from workflows.workflow import Workflow, WorkflowSet

COUNTS = Say(None, [Call("shopify_data", {"data_type": "counts"})])
TRUE = "You have 7 customers and 3 orders."
FALSE = "You have 8 customers."
WEATHER = "It is a fine day to look at them together."
FINISHED = ("RUN_FINISHED", None)
TOLD = "You have 7 customers in your store, and 3 orders."


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    Model(["openai/x"]).warm_up()


def reporting() -> WorkflowSet:
    """The shipped workflows, whose claims are counted only."""

    def changed(workflow: Workflow) -> Workflow:
        return load_text(f"{workflow.text}\ntruth: report\n", file=workflow.name)

    return WorkflowSet(map(changed, load_folder()))


def claims(result: str) -> float:
    return REGISTRY.get_sample_value("cj_claims_total", {"result": result}) or 0.0


def corrections(server: OpenAIServer) -> list[str]:
    said = [message["content"] for message in server.requests[-1].messages if message["role"] == "user"]
    return [text for text in said if text.startswith("[system event] claims_without_ground")]


@pytest.mark.parametrize(
    ("answers", "said", "requests"),
    [
        ([COUNTS, Say(f"{TRUE} {WEATHER}")], f"{TRUE} {WEATHER}", 2),
        ([COUNTS, Say(FALSE), Say(TRUE)], TRUE, 3),
        ([COUNTS, Say(f"{TRUE} {FALSE} {WEATHER}")], f"{TRUE} {WEATHER}", 3),
        ([COUNTS, Say(f"Hello! {FALSE}")], f"Hello! {TOLD}", 3),
        ([COUNTS, Say("Sie haben 8 Kunden.")], "Ich sehe in Ihrem Shop 7 Kunden und 3 Bestellungen.", 3),
        ([COUNTS, Say(FALSE), Say(None)], TOLD, 4),
        ([COUNTS, Say(f"{TRUE} {FALSE}"), Status(401)], TRUE, 3),
    ],
    ids=["grounded", "corrected", "insists", "nothing else", "in German", "goes silent", "goes away"],
)
def test_what_the_merchant_hears(serve: Serve, hire: Hire, answers: Sequence[Answer], said: str, requests: int) -> None:
    server = serve(answers)
    assert hire().asks("How many customers do I have?") == (FINISHED, [said])
    assert len(server.requests) == requests


@pytest.mark.parametrize(
    ("language", "asked", "true", "false"),
    [
        ("fr", "Combien de clients ai-je ?", "Vous avez 7\u202fclients et 3\xa0commandes.", " Vous avez 8 clients."),
        ("es", "¿Cuántos clientes tengo en la tienda?", "¡Hola! Tienes 7 clientes y 3 pedidos.", " Hay 8 pedidos."),
        ("ja", "お客様は何人いますか？", "お客様は７人、ご注文は３件です。", "お客様は８人です。"),
        ("zh", "我有多少客户？", "您有7位客户，3个订单。", "您有8位客户。"),
        ("ar", "كم عدد العملاء لدي؟", "هل تعلم؟ لديك ٧ عملاء و٣ طلبات.", " لديك ٨ عملاء."),
        ("he", "כמה לקוחות יש לי?", "יש לך 7 לקוחות ו-3 הזמנות.", " יש לך 8 לקוחות."),
    ],
)  # fmt: skip
def test_what_merchants_hear_in_other_languages(
    serve: Serve, hire: Hire, language: str, asked: str, true: str, false: str
) -> None:
    serve([COUNTS, Say(true)])
    assert hire().asks(asked) == (FINISHED, [true])
    serve([COUNTS, Say(true + false), Say(true + false)])
    assert hire().asks(asked) == (FINISHED, [true])
    serve([COUNTS, Say(false.strip()), Say(false.strip())])
    assert hire().asks(asked) == (FINISHED, [NOT_SEEN[language]])


def test_the_model_is_told_once_and_the_draft_is_forgotten(serve: Serve, hire: Hire) -> None:
    before = claims("withdrawn"), claims("left_out")
    server = serve([COUNTS, Say(FALSE), Say(FALSE), Say("Gladly.")])
    merchant = hire()
    merchant.asks("How many customers do I have?")
    [note] = corrections(server)
    assert "8 customers" in note or ": 8." in note
    assert "calculate_metrics" in note
    assert (claims("withdrawn"), claims("left_out")) == (before[0] + 1, before[1] + 1)
    merchant.asks("Thank you")
    assert FALSE not in str(server.requests[-1].messages)
    with merchant.worker.database.reading() as session:
        told = timeline.read(session, merchant.conversation)
    assert told is not None
    assert [line.partition("model     ")[2] for line in told.lines() if "without a ground" in line] == [
        "answers; without a ground, asked again: 8",
        "answers; without a ground, left out: 8",
    ]


def test_text_before_a_call_is_checked_too_and_the_call_is_made(serve: Serve, hire: Hire) -> None:
    week = Call("shopify_data", {"data_type": "week_orders"}, "call00002")
    server = serve([COUNTS, Say(FALSE, [week]), Say(FALSE, [week]), Say(TRUE)])
    merchant = hire()
    assert merchant.asks("How many customers do I have?") == (FINISHED, [TOLD, TRUE])
    assert [call.arguments for call in merchant.worker.ran] == [{"data_type": "counts"}, {"data_type": "week_orders"}]
    assert len(server.requests) == 4


def test_a_workflow_may_only_want_a_report(serve: Serve, hire: Hire) -> None:
    before = claims("said")
    server = serve([COUNTS, Say(FALSE)])
    assert hire(reporting()).asks("How many customers do I have?") == (FINISHED, [FALSE])
    assert (len(server.requests), claims("said")) == (2, before + 1)


@pytest.mark.parametrize("dies_at", [2, 3])
def test_a_turn_that_dies_in_a_correction_is_corrected_once(serve: Serve, hire: Hire, dies_at: int) -> None:
    merchant = hire()
    server = serve([COUNTS, Say(FALSE)])
    dying(merchant, dies_at)
    assert merchant.asks("How many customers do I have?") == (FINISHED, [TOLD])
    assert len(server.requests) == 4  # one was asked in vain
    assert len(corrections(server)) == 1


def dying(merchant: Merchant, at: int) -> None:
    """Let the worker die after so many answers of the model."""
    ask, asked = merchant.worker.model.ask, iter(range(1, 100))

    def ask_and_die(*values: Any, **named: Any) -> Any:
        answer = ask(*values, **named)
        if next(asked) == at:
            raise Killed
        return answer

    merchant.worker.model.ask = ask_and_die  # type: ignore[method-assign]


def test_money_is_of_its_currency_and_names_are_those_that_were_read(serve: Serve, hire: Hire) -> None:
    order = {
        "id": "1", "name": "#1001", "created_at": "2026-11-20T10:00:00Z", "test": False, "cancelled": False,
        "total": {"amount": "1512.30", "currency": "CHF"}, "items": [{"title": "Merino Socks", "quantity": 2}],
        "customer": {"id": "2", "name": "Anna Schmidt", "orders": 3},
    }  # fmt: skip
    data = {"orders": [order], "more": False, "orders_read": 1, "test_orders": 0, "cancelled_orders": 0}

    def script(request: Received) -> Say:
        if request.messages[-1]["role"] == "user" and "claims_without" not in request.messages[-1]["content"]:
            return Say(None, [Call("shopify_data", {"data_type": "recent_orders"})])
        return Say(
            "Die Bestellung #1001 von Anna Schmidt beträgt 1'512.30 CHF. Die Bestellung #1001 beträgt 1.512,30 €. "
            "Max Mustermann hat zwei Merino Socks bestellt. Zwei Merino Socks wurden verkauft."
        )

    serve(script)
    merchant = hire()
    merchant.worker.results = lambda calls: [recent(call, data) for call in calls]
    _, said = merchant.asks("Was wurde bestellt?")
    assert said == ["Die Bestellung #1001 von Anna Schmidt beträgt 1'512.30 CHF. Zwei Merino Socks wurden verkauft."]


def recent(_call: ToolCall, data: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "data_type": "recent_orders", "data": data, "cached": False}
