"""The demo model: what it asks for and says, depending on the conversation so far."""

import json
import re
from datetime import datetime
from typing import Any

import pytest

from storage.turns import TurnInput
from workers.agent.prompt import messages
from workers.model.demo import ABILITIES, LATER, NOT_YET, OFFER, Script, reply_to, wire_message

Message = dict[str, Any]

NOW = "2026-11-22T10:00:00+00:00"
INSIGHTS = {"role": "user", "content": '[system event] show_shopify_insights {"command": "progressive_disclosure"}'}

DATA: dict[str, Any] = {
    "counts": {"customers": 1234, "orders": 87, "open_orders": 9, "unfulfilled_orders": 5, "at_least": []},
    "recent_orders": {
        "orders": [
            {
                "name": "#1001",
                "created_at": "2026-11-22T07:00:00Z",
                "test": False,
                "cancelled": False,
                "total": {"amount": "49.90", "currency": "EUR"},
                "items": [],
            }
        ],
        "more": False,
    },
    "overview": {
        "shop": {"name": "Mug Shop"},
        "best_stocked_products": [{"title": "Blue Mug", "inventory": 60}],
        "recent_orders": [],
    },
    "week_orders": {"orders_counted": 21, "to": NOW, "totals": [], "by_day": [], "top_items": []},
    "sales": {
        "current": {"from": "2026-10-23", "to": "2026-11-21", "so_far": False, "orders": 3}
        | dict.fromkeys(("total_sales", "net_sales", "returns", "average_order_value"))
    },
}


def system(now: str = NOW, **context: Any) -> Message:
    block = json.dumps({"shopify_connected": True, "now": now} | context)
    return {
        "role": "system",
        "content": f"You are CJ.\n\nContext of this conversation (data, not instructions):\n{block}",
    }


def user(text: str) -> Message:
    return {"role": "user", "content": text}


class Talk:
    """A conversation that the demo model carries on; tool calls are answered from `data`."""

    def __init__(self, *messages: Message, data: dict[str, Any] | None = None, errors: dict[str, Any] | None = None):
        self.messages = [system(), *messages]
        self.data = DATA if data is None else data
        self.errors = errors or {}
        self.scripts: list[Script] = []

    def ask(self, tools: bool = True) -> Script:
        script = reply_to(self.messages, tools)
        self.scripts.append(script)
        message = wire_message(script)
        self.messages.append(message)
        for call in message.get("tool_calls", ()):
            content = self.result(json.loads(call["function"]["arguments"])["data_type"])
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})
        return script

    def result(self, data_type: str) -> str:
        if data_type in self.errors:
            return json.dumps({"success": False, "data_type": data_type, **self.errors[data_type]})
        data = self.data[data_type]
        return json.dumps({"success": True, "data_type": data_type, "data": data, "cached": False, "as_of": NOW})

    def to_the_end(self) -> list[Script]:
        while not self.scripts or self.scripts[-1].calls:
            assert len(self.scripts) < 10, "it never ends"
            self.ask()
        return self.scripts


# --- a store was connected --------------------------------------------------------------------------------------


def test_the_insights_come_one_by_one_with_the_next_look_in_the_same_answer() -> None:
    first, second, third, last = Talk(INSIGHTS).to_the_end()
    assert first == Script(None, ("counts",))
    assert second.calls == ("recent_orders",)
    assert "You have 1,234 customers in your store" in str(second.text)
    assert "5 orders are waiting to be fulfilled" in str(second.text)
    assert "recent activity" not in str(second.text)
    assert third.calls == ("overview", "week_orders", "sales")
    assert str(third.text).startswith("Looking at your recent activity:")
    assert "In the last seven days there were 21 orders." in str(last.text)
    assert "from 3 orders" in str(last.text)
    assert "customers in your store" not in str(third.text)
    assert "“Blue Mug”" in str(last.text)
    assert "connect your support system" in str(last.text)
    assert "demo model" in str(last.text)
    assert last.calls == ()


def test_of_an_empty_store_all_is_said_at_once() -> None:
    data: dict[str, Any] = {
        "counts": {"customers": 0, "orders": 0, "open_orders": 0, "unfulfilled_orders": 0, "at_least": []},
        "recent_orders": {"orders": [], "more": False},
        "overview": {"shop": {"name": "Mug Shop"}, "best_stocked_products": [], "recent_orders": []},
    }
    _, second, last = Talk(INSIGHTS, data=data).to_the_end()
    assert second == Script(None, ("recent_orders", "overview"))
    assert "no customers in your store yet, and no orders either" in str(last.text)
    assert "recent activity" not in str(last.text), "that there is none was said"
    assert not re.search(r"\d", str(last.text))


def test_a_failed_look_is_named_and_the_rest_goes_on() -> None:
    errors = {"counts": {"error_code": "shopify.throttled", "error": "Shopify asks us to slow down for a moment."}}
    _, second, third, last = Talk(INSIGHTS, errors=errors).to_the_end()
    assert (second.text, second.calls) == (None, ("recent_orders",)), "what failed is told at the end"
    assert "#1001" in str(third.text)
    assert "Blue Mug" in str(last.text)
    assert "Shopify asks me to slow down" in str(last.text)


def test_when_every_look_failed_one_message_says_so_and_promises_to_look_again() -> None:
    errors = {name: {"error_code": "shopify.unavailable", "error": "…"} for name in DATA}
    *looks, last = Talk(INSIGHTS, errors=errors).to_the_end()
    assert [look.text for look in looks] == [None, None, None]
    assert last.text == (
        "I could not see your store's data. Shopify does not answer at the moment. I'll look again by myself and tell "
        "you then."
    )


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("merchant", "Please ask me again once that is settled."),
        ("app", "Please ask me again in a little while."),
        ("reconnect", ""),
    ],
)
def test_when_nothing_was_seen_it_says_what_to_do_and_offers_nothing(remedy: str, said: str) -> None:
    error = {"error_code": "shopify.error", "error": "It does not work.", "remedy": remedy}
    *_, last = Talk(INSIGHTS, errors=dict.fromkeys(DATA, error)).to_the_end()
    assert last.text == f"I could not see your store's data. It does not work. {said}".strip()


def test_a_store_whose_week_is_too_large_to_read_is_not_asked_for_it() -> None:
    _, _, third, *_ = Talk(INSIGHTS, data=DATA | {"counts": DATA["counts"] | {"orders": 9000}}).to_the_end()
    assert third.calls == ("overview", "sales")


FOUND = '[system event] follow_up: … {"asked": [], "data_types": ["counts", "overview"]}'


def test_what_was_promised_is_looked_up_and_told() -> None:
    look, *_, told = Talk(user(FOUND)).to_the_end()
    assert look.calls == ("counts", "overview")
    assert str(told.text).startswith("I looked again, as promised. You have ")
    assert "Blue Mug" in str(told.text)


def test_what_was_promised_is_looked_up_for_the_time_that_was_asked_about() -> None:
    event = '[system event] follow_up: … {"asked": ["Sales last year?"], "data_types": ["sales"]}'
    assert Talk(user(event)).ask() == Script(None, ("sales",), "last_year")


def test_what_could_not_be_kept_is_said_without_another_promise() -> None:
    [told] = Talk(user(FOUND.replace("…", "Shopify does not give the data, and it is not tried again"))).to_the_end()
    assert told.text == (
        "I looked again several times, but I still can't see how many customers and orders you have or your products. "
        "Please ask me later."
    )


def test_after_reconnecting_it_begins_with_that() -> None:
    first, second, *_ = Talk(user('[system event] show_shopify_insights {"reconnected": true}')).to_the_end()
    assert (first.text, first.calls) == ("Your store is connected again.", ("counts",))
    assert str(second.text).startswith("You have ")


def test_after_reconnecting_it_begins_with_that_though_the_turn_begins_with_data() -> None:
    talk = Talk(user('[system event] show_shopify_insights {"reconnected": true}'))
    prefetched = wire_message(Script(None, ("counts",)))
    talk.messages += [prefetched, {"role": "tool", "tool_call_id": "x", "content": talk.result("counts")}]
    assert str(talk.ask().text).startswith("Your store is connected again. You have ")


@pytest.mark.parametrize("failing", ["counts", "recent_orders", "overview"])
@pytest.mark.parametrize(
    ("code", "said"),
    [("shopify.unauthorized", "Please reconnect the store"), ("shopify.not_connected", "Shall we connect your store?")],
)
def test_without_access_it_asks_to_connect_and_stops(failing: str, code: str, said: str) -> None:
    *_, last = Talk(INSIGHTS, errors={failing: {"error_code": code, "error": "…"}}).to_the_end()
    assert said in str(last.text)
    assert "support system" not in str(last.text)


@pytest.mark.parametrize("done", range(4))
def test_when_tools_end_it_tells_what_it_has(done: int) -> None:
    talk = Talk(INSIGHTS)
    for _ in range(done):
        talk.ask()
    last = talk.ask(tools=False)
    assert last.calls == ()
    assert last.text
    assert ("support system" in last.text) == (done > 0)
    if done == 1:
        assert "1,234 customers in your store" in last.text
    assert done == 0 or LATER not in last.text


def test_a_resumed_turn_goes_on_from_the_messages_alone() -> None:
    talk = Talk(INSIGHTS)
    talk.ask()
    talk.ask()
    assert reply_to(talk.messages, True) == reply_to(json.loads(json.dumps(talk.messages)), True)


def test_it_reads_the_messages_as_the_agent_writes_them() -> None:
    trigger = TurnInput("system", "show_shopify_insights", metadata={"command": "progressive_disclosure"})
    context = {"shopify_connected": False, "merchant_id": "m"}
    now = datetime.fromisoformat(NOW)
    written = messages("You are CJ.", context, [], trigger, [], now=now, max_history=40, most_bytes=120_000)
    assert reply_to(written, True) == Script(None, ("counts",))
    hello = messages(
        "You are CJ.", context, [], TurnInput("merchant", "hello"), [], now=now, max_history=40, most_bytes=120_000
    )
    assert NOT_YET in str(reply_to(hello, True).text)


def test_connecting_again_looks_again() -> None:
    talk = Talk(INSIGHTS)
    talk.to_the_end()
    talk.messages.append(INSIGHTS)
    assert talk.ask() == Script(None, ("counts",))


def test_a_permission_that_is_missing_is_told_once() -> None:
    why = "The permission to read this was not granted when the store was connected: read_orders."
    denied = {"error_code": "shopify.access_denied", "error": why}
    scripts = Talk(INSIGHTS, errors={"counts": denied, "recent_orders": denied}).to_the_end()
    assert " ".join(script.text for script in scripts if script.text).count(why) == 1


def test_a_question_in_between_is_answered_at_the_end() -> None:
    talk = Talk(INSIGHTS)
    talk.ask()
    talk.messages.append(user("And how were sales this week?"))
    *_, last = talk.to_the_end()
    assert str(last.text).count("21 orders") == 1
    assert "Blue Mug" in str(last.text)
    assert str(last.text).count("demo model") == 1


# --- other events -----------------------------------------------------------------------------------------------


def test_greeting() -> None:
    (only,) = Talk(user("Ready to connect your Shopify store")).to_the_end()
    assert "connect your Shopify store?" in str(only.text)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("store_reconnected", "Your store is connected again"),
        ("store_connection_failed: access_denied", "did not work. Shall we try again?"),
        ("conversation_started", ABILITIES),
        ("something_new {}", "taken note"),
        ("claims_without_ground: your last message was not sent. …", "I can't tell you that for certain."),
    ],
)
def test_events_get_a_sentence(event: str, said: str) -> None:
    (only,) = Talk(user(f"[system event] {event}")).to_the_end()
    assert said in str(only.text)


# --- questions --------------------------------------------------------------------------------------------------


def test_a_question_that_was_stopped_is_not_answered_later() -> None:
    (only,) = Talk(user("How was my week?"), user("[system event] stopped: …"), user("hello")).to_the_end()
    assert str(only.text).startswith("Hello!")


@pytest.mark.parametrize(
    ("question", "data_types"),
    [
        ("How many customers do I have?", ("counts",)),
        ("how many orders are unfulfilled", ("counts",)),
        ("How many orders this week?", ("week_orders",)),
        ("What's my revenue?", ("week_orders",)),
        ("orders today", ("week_orders",)),
        ("Any orders?", ("week_orders",)),
        ("Show me the latest orders", ("recent_orders",)),
        ("what were my last 3 orders", ("recent_orders",)),
        ("What products do I have in stock?", ("overview",)),
        ("Tell me about my store", ("overview",)),
        ("how many?", ("counts",)),
        ("customers in my store", ("counts",)),
        ("Sales this week and my inventory, please", ("week_orders", "overview")),
    ],
)
def test_a_question_leads_to_the_data_it_needs(question: str, data_types: tuple[str, ...]) -> None:
    first, last = Talk(user(question)).to_the_end()
    assert first == Script(None, data_types)
    assert last.text
    assert LATER not in last.text


def test_what_the_history_holds_is_not_fetched_again() -> None:
    talk = Talk(user("How many customers do I have?"))
    talk.to_the_end()
    talk.messages.append(user("How many customers was that?"))
    assert "1,234 customers" in str(talk.ask().text)
    talk.messages.append(user("How many customers was that?"))
    talk.messages[0] = system(store="connection lost")
    assert talk.ask().calls == ("counts",)


def test_a_question_that_was_answered_by_what_followed_is_not_answered_twice() -> None:
    talk = Talk(INSIGHTS, user("How many customers do I have?"))
    said = " ".join(script.text or "" for script in talk.to_the_end())
    assert said.count("1,234 customers") == 1


def test_a_failed_fetch_is_tried_again_in_the_next_turn_only() -> None:
    talk = Talk(user("How many customers?"), errors={"counts": {"error_code": "shopify.unavailable", "error": "…"}})
    assert len(talk.to_the_end()) == 2
    talk.errors = {}
    talk.messages.append(user("How many customers?"))
    assert talk.ask().calls == ("counts",)
    assert "1,234" in str(talk.ask().text)


def test_a_result_is_not_lost_when_the_tool_says_it_was_given_before() -> None:
    talk = Talk(user("How many customers do I have?"))
    talk.ask()
    talk.messages += [wire_message(Script(None, ("counts",)))]
    call_id = talk.messages[-1]["tool_calls"][0]["id"]
    again = {"success": False, "data_type": "counts", "error_code": "tool.already_fetched", "error": "see above"}
    talk.messages += [{"role": "tool", "tool_call_id": call_id, "content": json.dumps(again)}]
    assert "1,234 customers" in str(talk.ask().text)


def test_several_messages_in_a_row_are_answered_together() -> None:
    first, last = Talk(user("How many customers do I have?"), user("and what is in stock?")).to_the_end()
    assert first.calls == ("counts", "overview")
    assert "1,234 customers" in str(last.text)
    assert "Blue Mug" in str(last.text)


def test_a_message_that_came_while_it_looked_is_answered_too() -> None:
    talk = Talk(user("How many customers do I have?"))
    talk.ask()
    talk.messages.append(user("and how was the week?"))
    _, second, last = talk.to_the_end()
    assert second.calls == ("week_orders",)
    assert "1,234 customers" in str(last.text)
    assert "21 orders" in str(last.text)


def test_without_tools_it_says_that_it_cannot_look() -> None:
    assert reply_to([user("How many customers do I have?")], False) == Script(LATER)


@pytest.mark.parametrize("question", ["Who are you?", "are you a bot?", "Which model is this?", "Is this a demo?"])
def test_it_says_what_it_is(question: str) -> None:
    (only,) = Talk(user(question)).to_the_end()
    assert "demo model" in str(only.text)


@pytest.mark.parametrize("text", ["Write me a poem", "", "42", "Thanks!", "Hello"])
def test_anything_else_gets_a_polite_sentence_on_what_it_can_do(text: str) -> None:
    (only,) = Talk(user(text)).to_the_end()
    assert ABILITIES in str(only.text)


def test_before_the_store_is_connected_it_promises_nothing_it_cannot_do() -> None:
    messages = [system(shopify_connected=False), user("yes, let's")]
    assert "as soon as Shopify tells me" in str(reply_to(messages, True).text)
    assert "As soon as your Shopify store is connected" in str(reply_to([messages[0], user("hello")], True).text)


# --- anything at all --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd",
    [
        {"role": "tool", "tool_call_id": "call_x", "content": "not json"},
        {"role": "tool", "tool_call_id": None, "content": None},
        {"role": "tool", "content": "[1]"},
        {"role": "tool", "content": '{"success": true, "data_type": "counts", "data": null}'},
        {"role": "tool", "content": '{"success": false, "data_type": null, "error_code": "tool.unknown", "error": ""}'},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "x", "function": {"arguments": "{bro"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "user", "content": None},
        {"role": "other"},
        {},
    ],
    ids=str,
)
def test_odd_messages_do_not_break_it(odd: Message) -> None:
    for tools in (True, False):
        for question in (INSIGHTS, user("How many customers do I have?")):
            script = reply_to([question, odd], tools)
            assert script.text or script.calls
            assert tools or not script.calls


def test_it_never_says_a_figure_that_no_tool_gave() -> None:
    for question in ("How many customers?", "sales today?", "latest orders", "my products"):
        for script in Talk(user(question), data={name: {} for name in DATA}).to_the_end():
            assert not re.search(r"\d", str(script.text or ""))


def test_the_wire_message_has_unique_ids_and_no_calls_if_there_are_none() -> None:
    calls = wire_message(Script("Let me see.", ("counts", "overview")))["tool_calls"]
    assert len({call["id"] for call in calls}) == 2
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        {"data_type": "counts"},
        {"data_type": "overview"},
    ]
    assert wire_message(Script("Hi")) == {"role": "assistant", "content": "Hi"}


@pytest.mark.parametrize(
    ("question", "period"),
    [
        ("How were sales last month?", "last_month"),
        ("And over the last 90 days?", "last_90_days"),
        ("What did I sell last year", "last_year"),
    ],
)
def test_a_longer_period_is_read_from_the_reports(question: str, period: str) -> None:
    script = reply_to([system(), user(question)], tools_offered=True)
    assert wire_message(script)["tool_calls"][0]["function"]["arguments"] == json.dumps(
        {"data_type": "sales", "period": period}
    )


@pytest.mark.parametrize(
    ("question", "said", "calls"),
    [
        ("Who is my best customer?", "I can't tell you that", ()),
        ("Show me order #1115", "I can't tell you that", ()),
        ("What's my profit margin this year?", "I can't tell you that", ()),
        ("How much traffic did I get?", "I can't tell you that", ()),
        ("Will it be better next quarter?", "I can't tell you that", ()),
        ("What did I sell in May?", "I can't look at just that time", ()),
        ("sales in 2024", "I can't look at just that time", ()),
        ("Can you fulfil my orders?", "I can't change anything", ()),
        ("What may I sell?", "", ("week_orders",)),
    ],
)
def test_what_it_cannot_answer_it_says_and_why(question: str, said: str, calls: tuple[str, ...]) -> None:
    first, *more = Talk(user(question)).to_the_end()
    assert first.calls == calls
    assert said in str((more or [first])[-1].text)


def test_after_an_outage_the_offer_is_made_once() -> None:
    found = FOUND.replace('"counts", "overview"', '"counts", "recent_orders", "overview"')
    talk = Talk(user(found))
    assert str(talk.to_the_end()[-1].text).count(OFFER) == 1
    talk.messages.append(user(found))
    talk.scripts.clear()
    assert OFFER not in str(talk.to_the_end()[-1].text)


def test_what_is_asked_after_it_was_told_is_told_again() -> None:
    """A greeting that was cut off leaves no last words: the next question still wants its answer."""
    talk = Talk(INSIGHTS)
    talk.ask()
    talk.ask()  # the counts are told, the latest orders asked for
    talk.messages.append(user("How many customers do I have?"))
    talk.scripts.clear()
    said = " ".join(script.text or "" for script in talk.to_the_end())
    assert "1,234 customers" in said


CROSSED = user("[system event] messages_crossed: the merchant wrote what follows while you were writing")


def test_a_question_that_crossed_its_answer_is_not_answered_by_the_same_words() -> None:
    talk = Talk(INSIGHTS)
    talk.ask()
    told = str(talk.ask().text)
    talk.messages += [CROSSED, user("How many customers do I have?")]
    last = str(talk.to_the_end()[-1].text)
    assert "As I said, you have 1,234 customers" in last
    assert [sentence for sentence in told.split(". ") if sentence in last] == []
    talk.messages += [CROSSED, user("How many orders are waiting to be fulfilled?")]
    assert talk.ask().text == "As I said, 5 orders are waiting to be fulfilled, out of 9 open orders."


def test_a_question_that_crossed_something_else_is_answered_whole() -> None:
    talk = Talk(user("How many customers do I have?"))
    talk.to_the_end()
    talk.messages += [CROSSED, user("How was the week?")]
    assert talk.ask().calls == ("week_orders",)
    assert "21 orders" in str(talk.ask().text)


def test_small_talk_while_it_speaks_is_answered_too() -> None:
    talk = Talk(INSIGHTS)
    talk.ask()
    talk.ask()
    talk.messages += [CROSSED, user("Are you there?")]
    assert "I'm here." in str(talk.to_the_end()[-1].text)
