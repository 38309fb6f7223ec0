"""What is known about a running turn: whether messages crossed, and what is said without a model."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.conversations import PastTurn
from storage.turns import Claim, StepRow, TurnInput
from workers.agent import answers
from workers.agent.prompt import CROSSED
from workers.agent.state import TurnState
from workers.model import demo_words
from workers.model.errors import ModelError, ModelSilent, ModelUnavailable
from workers.model.german_words import SENTENCES
from workers.truth.grounds import Grounds
from workflows.loader import load_folder

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
COUNTS = {"customers": 7, "orders": 3, "open_orders": 0, "unfulfilled_orders": 0, "at_least": []}


def step(number: int, words: str | None, *, at: datetime = NOW) -> StepRow:
    call = {"id": "c", "type": "function", "function": {"name": "shopify_data", "arguments": "{}"}}
    found = {"success": True, "data_type": "counts", "data": COUNTS, "cached": False, "as_of": NOW.isoformat()}
    assistant = {"role": "assistant", "content": words, "tool_calls": [call]}
    return StepRow(number, assistant, [{"tool_call_id": "c", "name": "shopify_data", "content": found}], at)


def state(said: TurnInput, *steps: StepRow, received: datetime = NOW, history: tuple[PastTurn, ...] = ()) -> TurnState:
    claim = Claim(2, "c1", "m1", 2, 1, 0, None, None, said, "e1", "t", received, None, NOW, NOW, 10.0)
    return TurnState(claim, load_folder().get("ad_hoc_support"), {}, [*history], [*steps])


@pytest.mark.parametrize(
    ("said", "seconds", "has_crossed"),
    [
        (TurnInput("merchant", "How many customers?"), -1, True),
        (TurnInput("merchant", "How many customers?"), 1, False),
        (TurnInput("merchant", "How many customers?", metadata={"again": True}), -1, False),
        (TurnInput("system", "store_reconnected"), -1, False),
    ],
)
def test_a_message_has_crossed_that_came_before_the_last_words_were_out(
    said: TurnInput, seconds: int, has_crossed: bool
) -> None:
    past = PastTurn(1, TurnInput("system", "show_shopify_insights"), (step(0, "You have 7 customers."),), ())
    asked = state(said, received=NOW + timedelta(seconds=seconds), history=(past,)).messages(100_000)
    assert (CROSSED in asked) is has_crossed


TOLD = "You have 7 customers in your store, and 3 orders. No orders are waiting to be fulfilled."


@pytest.mark.parametrize(
    ("said", "before", "told"),
    [
        (TurnInput("merchant", "How many customers?"), None, TOLD),
        (TurnInput("system", "x", metadata={"reconnected": True}), None, f"Your store is connected again. {TOLD}"),
        (TurnInput("system", "follow_up: look again"), None, f"I looked again, as promised. {TOLD}"),
        (TurnInput("system", "x", metadata={"reconnected": True}), "Your store is back.", TOLD),
        (TurnInput("merchant", "How many?"), TOLD.partition(". ")[0] + ".", TOLD.partition(". ")[2]),
        (TurnInput("merchant", "How many?"), TOLD, ""),
    ],
)
def test_without_a_models_words_what_was_not_said_yet_is_told(said: TurnInput, before: str | None, told: str) -> None:
    spoken: list[Any] = [step(0, before)] if before else []
    assert state(said, *spoken, step(len(spoken), None)).plainly() == told


TOLD_IN_GERMAN = "Ich sehe in Ihrem Shop 7 Kunden und 3 Bestellungen."


@pytest.mark.parametrize(
    ("said", "before", "told", "sorry"),
    [
        ("Wie viele Kunden habe ich?", "How many orders?", TOLD_IN_GERMAN, "Auch das habe ich mir gemerkt."),
        ("How many customers do I have?", "Und wie viele Bestellungen habe ich?", TOLD, "I have noted that, too."),
        (None, "Wie viele Bestellungen habe ich?", TOLD_IN_GERMAN, "Auch das habe ich mir gemerkt."),
        (None, None, TOLD, "I have noted that, too."),
        ("Combien de clients avons-nous ?", None, TOLD, "I have noted that, too."),
    ],
)
def test_what_no_model_says_is_in_the_merchants_language(
    said: str | None, before: str | None, told: str, sorry: str
) -> None:
    history = (PastTurn(1, TurnInput("merchant", before), (), ()),) if before else ()
    now = TurnInput("merchant", said) if said else TurnInput("system", "model_back")
    turn = state(now, step(0, None), history=history)
    assert (turn.plainly(), turn.fixed("I have noted that, too.")) == (told, sorry)
    assert turn.plainly(language="fr") == ""


def test_the_agents_fixed_sentences_are_known_in_german_and_no_others() -> None:
    of_the_agent = {
        value
        for name, value in vars(answers).items()
        if name.isupper() and isinstance(value, str) and value.endswith((".", "?")) and " " in value
    }
    of_the_agent |= {error.merchant for error in (ModelError, ModelUnavailable, ModelSilent)}
    openings = {demo_words.RECONNECTED, demo_words.ANOTHER_STORE, demo_words.AS_PROMISED}
    assert len(of_the_agent) >= 11
    assert SENTENCES.keys() == of_the_agent | openings


def test_what_a_text_says_beside_it_is_not_told_again() -> None:
    read = state(TurnInput("merchant", "How many?"), step(0, None))
    assert read.plainly(f"{TOLD} You made $98,765 on Tuesday.") == ""
    assert read.plainly("You made $98,765 on Tuesday.") == TOLD


def test_a_result_that_was_read_is_not_read_again_when_another_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    one = Grounds.result

    def result(self: Grounds, found: dict[str, Any], *, superseded: bool) -> None:
        read.append(found["data_type"])
        one(self, found, superseded=superseded)

    monkeypatch.setattr(Grounds, "result", result)
    turn = state(TurnInput("merchant", "How many customers?"), step(0, None))
    turn.grounds()
    orders = step(1, None)
    orders.tool_results[0]["content"] |= {"data_type": "recent_orders", "data": {"orders": []}}  # type: ignore[index]
    turn.steps.append(orders)
    assert turn.grounds() is turn.grounds()
    assert read == ["counts", "recent_orders"]
    turn.steps.append(step(2, None))
    turn.grounds()  # newer ones of a kind make the older ones earlier ones
    assert read == ["counts", "recent_orders", "counts", "recent_orders", "counts"]
