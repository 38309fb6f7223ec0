"""The demo model: plays CJ offline, from the tool results it really finds in the messages. Pure.

It answers where it is named (`CJ_MODEL=demo`), without litellm. Its words are canned but its figures never are: each
comes from a tool result. Like a real model it works from the messages alone, so a resumed turn continues where it
stopped.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from workers.model.demo_words import (
    ANOTHER_STORE,
    AS_PROMISED,
    CUT_OFF,
    INSIGHTS,
    LOOKS_AGAIN,
    RECONNECTED,
    Result,
    cut_off,
    moment,
    seen,
    sentences,
    subjects,
)
from workers.model.response import message_of

DEMO = "cj-demo/demo"
DEMO_SHORT = "demo"
"""Its full name and the short form."""
TOOL = "shopify_data"
LARGE = 5_000
"""With more orders than this in 60 days, a week has more than are read."""

CANNED = "my sentences are canned, but every figure is read from your store."
CONFESSION = f"By the way, I'm the demo model: {CANNED}"
OFFER = "Shall we connect your support system next, so that I can use all this when your customers write?"
ABILITIES = "I can look up your customers and orders, how the week is going, and what you have in stock."
NOT_YET = f"As soon as your Shopify store is connected, {ABILITIES}"
WAITING = "Good. I'll go on by myself as soon as Shopify tells me that your store is connected."
WAITS_TOO = "That waits for your store, too: I'll answer it when you are connected again."
HOW_TO_CONNECT = (
    "Use the same button as when you connected your store the first time, and allow the access in Shopify. I'll notice "
    "by myself, and answer what you asked meanwhile."
)
LATER = "I can't look that up at the moment. Please ask me again in a little while."

_EVENT = "[system event]"
_FOLLOW_UP = f"{_EVENT} follow_up"
_GO_ON = f"{_EVENT} connection_lost"
_STOPPED = f"{_EVENT} stopped"
_SHOW_INSIGHTS = f"{_EVENT} show_shopify_insights"
_CROSSED = f"{_EVENT} messages_crossed"
#: The answer to a message with one of these prefixes (the first that fits); other messages are the merchant's own.
_SCRIPTED = {
    "Ready to connect your Shopify store": "Hi, I'm CJ, your support assistant. Shall we connect your Shopify store? "
    "Once it is connected, I'll tell you what I see in it.",
    f"{_EVENT} conversation_started": f"Hi, I'm CJ. {ABILITIES}",
    f'{_EVENT} store_reconnected {{"another_store": true': ANOTHER_STORE,
    f"{_EVENT} store_reconnected": RECONNECTED,
    f"{_EVENT} account_connected": "That is connected, thank you.",
    f"{_EVENT} account_connection_failed": "That connection did not work. Shall we try again?",
    f"{_EVENT} store_connection_failed": "Connecting your store did not work. Shall we try again?",
    _SHOW_INSIGHTS: "",
    _CROSSED: "",
    f"{_EVENT} model_back": "",
    f"{_EVENT} claims_without_ground": "I can't tell you that for certain.",
    _EVENT: "I've taken note of that.",
}
#: What it cannot answer, and why. The first that fits is the whole answer.
_BEYOND = {
    r"^\W*(please|(can|could|will) you) (please )?(fulfil|ship|send|cancel|refund|change|update|delete|create)\b": (
        "I can't change anything in your store: I only read it."
    ),
    r"\b(profit\w*|margins?|costs?|tax(es)?|discounts?|visit\w*|traffic|ads?|marketing|carts?|reviews?|forecast\w*|why"
    r"|next (week|month|quarter|year)|(which|best|top) customers?|worst|least|low|sold out)\b|#\d+"
    r"|\bwho\b(?! (are|r) (you|u))": "I can't tell you that: I see your customers, your latest orders, the last seven "
    "days, your best-stocked products, and sales reports.",
    r"\b(january|february|march|april|june|july|august|september|october|november|december|in may|(19|20)\d\d)\b": (
        "I can't look at just that time: I see the last seven days, and sales reports of last month, this year or last "
        "year."
    ),
}
#: The periods of `sales` as merchants name them. Each period is a result of its own.
_PERIODS = {
    "last_30_days": r"\b(30|thirty) days\b|\baverage order|\border value\b",
    "last_90_days": r"\b(90|ninety) days\b|\bquarter\b",
    "last_month": r"\blast month\b",
    "this_month": r"\bmonth\b",
    "last_year": r"\blast year\b",
    "this_year": r"\byear\b",
}
_DAYS = ("today", "yesterday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: A message is about every subject it names; if it names none, about the first of the vague ones that fits.
_SUBJECTS = {
    "week_orders": rf"\b({'|'.join(_DAYS)}|week\w*|(7|seven) days|returning|revenue|sales|popular|sold|sell\w*)\b",
    "recent_orders": r"\b(recent\w*|latest|newest|last (\d+ |few )?orders?|repeat|cancel\w*)\b",
    "counts": r"\b((?<!returning )(?<!repeat )customers?|unfulfilled|fulfil\w*|to ship|waiting|open)\b",
    "overview": r"\b(products?|inventory|stock|overview)\b",
}
_VAGUE = {
    "counts": r"\bhow many\b",
    "week_orders": r"\b(orders?|doing|going|perform\w*)\b",
    "overview": r"\b(store|shop|business)\b",
}
_HOW_TO_CONNECT = r"\bhow\b.*\b(re-?)?connect"
_YES = r"^\W*(yes|yeah|yep|sure|ok|okay|please|let'?s|connect|i'?m ready)\b"
#: The answer to the first of these that fits, followed by what it can do.
_SMALL_TALK = {
    r"\b(are|r) (you|u) (still )?there\b|\banyone there\b": "I'm here.",
    r"\b(who|what) (are|r) (you|u)\b|\bmodel\b|\bdemo\b|\bbot\b|\b(real|human|ai)\b": (
        f"I'm CJ, played by the built-in demo model instead of a language model: {CANNED}"
    ),
    r"\b(thanks|thank you|thx|cheers)\b": "You're welcome.",
    r"^\W*(hi|hello|hey|good (morning|afternoon|evening))\b": "Hello!",
    "": "That is beyond the demo model.",
}


@dataclass(frozen=True)
class Script:
    """One answer: text, and the data types it asks for; at least one of the two."""

    text: str | None
    calls: tuple[str, ...] = ()
    period: str | None = None
    """Of sales."""


@dataclass
class Turn:
    """The current turn so far, and what it said before."""

    heard: list[str] = field(default_factory=list)
    heard_at: list[int] = field(default_factory=list)
    """How much of `words` it had said by then."""
    results: dict[str, Result] = field(default_factory=dict)
    """By data type."""
    earlier: dict[str, Result] = field(default_factory=dict)
    """Of earlier turns, as far as they are fresh."""
    words: str = ""
    before: str = ""
    """What it said in earlier turns."""
    context: Mapping[str, Any] = field(default_factory=dict)

    def ended(self, last_words: str = "") -> "Turn":
        """The next turn."""
        found = {name: result for name, result in self.results.items() if result["success"]}
        return Turn(before=f"{self.before} {self.words} {last_words}", earlier=self.earlier | found)

    @property
    def is_connected(self) -> bool:
        return self.context.get("shopify_connected", not self.context) is True

    def tell(self, results: Mapping[str, Result], said: str, asked: str = "") -> list[str]:
        return sentences(results, said, now=moment(self.context.get("now")), asked=asked)


def reply_to(messages: Sequence[Mapping[str, Any]], tools_offered: bool) -> Script:
    """The next answer to a conversation of chat-completion messages."""
    if messages and str(messages[-1].get("content")).startswith(_GO_ON):
        # The same answer again, without the part already said.
        script = reply_to(messages[:-2], tools_offered)
        return replace(script, text=(script.text or "").removeprefix(messages[-2]["content"].strip()).strip() or None)
    turn = _current_turn(messages)
    follow_up = next((said for said in turn.heard if said.startswith(_FOLLOW_UP)), None)
    if follow_up is not None:
        script = _follow_up(turn, follow_up, tools_offered)
    elif any(said.startswith(_SHOW_INSIGHTS) for said in turn.heard):
        script = _insights(turn, tools_offered)
    else:
        script = _answers(turn, tools_offered)
    return script if script.text or script.calls else Script(LATER)


def wire_message(script: Script) -> dict[str, Any]:
    """The script as an assistant message of the chat-completion protocol."""
    calls = []
    for data_type in script.calls:
        period = {"period": script.period} if script.period and data_type == "sales" else {}
        calls.append((f"call_{uuid.uuid4().hex[:24]}", TOOL, {"data_type": data_type} | period))
    return message_of(script.text, calls)


def _insights(turn: Turn, tools_offered: bool) -> Script:
    """Read one data type after the other and tell each before the next; then answer the merchant's questions, tell
    what could not be seen, and make the offer. A store without orders is told all at once."""
    results = turn.results
    for result in results.values():
        if sentence := cut_off(result):
            return Script(sentence)
    heard = " ".join(turn.heard) if not turn.words else ""
    is_other, is_again = ('"another_store": true' in heard), ('"reconnected": true' in heard)
    opening = [ANOTHER_STORE] if is_other else [RECONNECTED] if is_again else []
    orders = ((results.get("counts") or {}).get("data") or {}).get("orders")
    told = {name: result for name, result in results.items() if orders != 0 or name != "recent_orders"}
    if tools_offered and (calls := _next_look(turn, orders)):
        looked = seen(told, turn.words, now=moment(turn.context.get("now"))) if orders != 0 else []
        return Script(" ".join([*opening, *looked]) or None, calls)
    answer = _answers(turn, tools_offered)
    if answer.calls or not results:
        return answer
    looked = turn.tell(told, f"{turn.words} {answer.text}")
    closing = [OFFER, CONFESSION] if seen(results) else [_ask_later(results)]
    return Script(" ".join(filter(None, [*opening, answer.text, *looked, *closing])))


def _next_look(turn: Turn, orders: int | None) -> tuple[str, ...]:
    """What to ask for next; nothing once everything needed is known."""
    results = turn.results
    if "counts" not in results:
        return ("counts",)
    if "recent_orders" not in results:
        return ("recent_orders", "overview") if orders == 0 else ("recent_orders",)
    if "overview" in results:
        return ()
    if not results["recent_orders"]["success"]:
        return ("overview",)
    may_read = turn.context.get("may_read", ["sales reports"])
    reports = ("sales",) if "sales reports" in may_read else ()
    return ("overview", *(() if (orders or 0) > LARGE else ("week_orders",)), *reports)


def _ask_later(results: Mapping[str, Result]) -> str:
    """What the merchant can do when nothing could be read; nothing if a new look is promised already."""
    remedies = {result.get("remedy") for result in results.values()}
    if "reconnect" in remedies or any(result.get("error_code") in LOOKS_AGAIN for result in results.values()):
        return ""
    return f"Please ask me again {'once that is settled' if 'merchant' in remedies else 'in a little while'}."


def _follow_up(turn: Turn, event: str, tools_offered: bool) -> Script:
    """Tell what could not be told before; `event` names the data types."""
    wanted = [name for name in _object(event[event.find("{") :]).get("data_types", ()) if isinstance(name, str)]
    if "not tried again" in event or not tools_offered:
        return Script(f"I looked again several times, but I still can't see {subjects(wanted)}. Please ask me later.")
    if to_ask := tuple(name for name in wanted if name not in turn.results):
        return Script(None, to_ask, _period(event))
    found = {name: turn.results[name] for name in wanted}
    has_seen_all = {*INSIGHTS} <= {name for name, result in found.items() if result["success"]}
    closing = [OFFER, CONFESSION] if has_seen_all and OFFER not in turn.before else []
    return Script(" ".join([AS_PROMISED, *turn.tell(found, turn.words), *closing]))


def _answers(turn: Turn, tools_offered: bool) -> Script:
    """One answer to everything the merchant said in this turn."""
    told, questions = _without_data(turn)
    text = " ".join(question for question, _ in questions)
    period = _period(text)
    wanted = {name: at for question, at in questions for name in _about_what(question, period)}
    is_readable = turn.is_connected and "store" not in turn.context
    results = (turn.earlier if is_readable else {}) | turn.results
    if period and results.get("sales", {}).get("data", {}).get("period", period) != period:
        del results["sales"]
    to_ask = tuple(name for name in wanted if name not in results)
    if to_ask and tools_offered:
        return Script(None, to_ask, period)
    found = {name: results[name] for name in wanted if name in results}
    is_cut_off = any(cut_off(result) in CUT_OFF for result in found.values())
    if is_cut_off and any(sentence in turn.before for sentence in CUT_OFF):
        return Script(" ".join([*told, WAITS_TOO]))
    has_crossed = any(said.startswith(_CROSSED) for said in turn.heard)
    said = f"{turn.words} {turn.before if has_crossed else ''}"
    for name, result in found.items():
        new = turn.tell({name: result}, " ".join([said, *told]), text)
        if not new and turn.tell({name: result}, turn.words[wanted[name] :], text):  # it was told before the question
            new = [_as_i_said(_closest(text, turn.tell({name: result}, "", text)))]
        told += new
    if any(not _about_what(question, period) for question, _ in questions) and not found:
        told.append(_small_talk(text, turn.is_connected))
    if wanted and not found:
        told.append(LATER)
    return Script(" ".join(told))


def _without_data(turn: Turn) -> tuple[list[str], list[tuple[str, int]]]:
    """The answers that need no data, and the questions that may, each with how much had been said by then."""
    told, questions = list[str](), list[tuple[str, int]]()
    for said, at in zip(turn.heard, turn.heard_at, strict=True):
        scripted = next((answer for start, answer in _SCRIPTED.items() if said.startswith(start)), None)
        beyond = next((why for pattern, why in _BEYOND.items() if re.search(pattern, said.lower())), None)
        if scripted is None and beyond:
            told.append(_as_i_said(beyond) if beyond in turn.before else beyond)
        elif scripted is None:
            questions.append((said.lower(), at))
        elif scripted:
            told.append(scripted)
    return told, questions


def _closest(question: str, sentences: Sequence[str]) -> str:
    """The sentence that shares most words with the question."""
    asked = {*re.findall(r"\w+", question)}
    return max(sentences, key=lambda sentence: len(asked & {*re.findall(r"\w+", sentence.lower())}))


def _as_i_said(sentence: str) -> str:
    is_name = sentence.startswith(("I ", "Shopify "))
    return f"As I said, {sentence if is_name else sentence[:1].lower() + sentence[1:]}"


def _period(text: str) -> str | None:
    """The period of sales that a message names."""
    return next((period for period, pattern in _PERIODS.items() if re.search(pattern, text.lower())), None)


def _about_what(question: str, period: str | None) -> list[str]:
    """The data types that answer the question; for periods longer than a week, the sales reports."""
    named = [data_type for data_type, pattern in _SUBJECTS.items() if re.search(pattern, question)]
    if period and re.search(_PERIODS[period], question):
        return ["sales", *(name for name in named if name != "week_orders")]
    return named or [data_type for data_type, pattern in _VAGUE.items() if re.search(pattern, question)][:1]


def _small_talk(text: str, connected: bool) -> str:
    if re.search(_HOW_TO_CONNECT, text):
        return HOW_TO_CONNECT
    if not connected and re.search(_YES, text):
        return WAITING
    opening = next(opening for pattern, opening in _SMALL_TALK.items() if re.search(pattern, text))
    return f"{opening} {ABILITIES if connected else NOT_YET}"


def _current_turn(messages: Sequence[Mapping[str, Any]]) -> Turn:
    """A turn ends with an answer without tool calls, or is stopped; the current turn is what follows the last one."""
    turn = Turn()
    for message in messages:
        content = message.get("content")
        match message.get("role"):
            case "user" if str(content).startswith(_STOPPED):
                turn = turn.ended()
            case "user":
                turn.heard.append(str(content or "").strip())
                turn.heard_at.append(len(turn.words))
            case "tool":
                result = _object(content)
                data_type = result.get("data_type")
                # A failure replaces no data: asked again in the same turn, the tool answers with one.
                is_new = "data" in result if result.get("success") else data_type not in turn.results
                if data_type and is_new:
                    turn.results[data_type] = result
            case "assistant" if message.get("tool_calls"):
                turn.words += f" {content}" if content else ""
            case "assistant":
                turn = turn.ended(str(content))
    prompt = next((str(message.get("content")) for message in messages if message.get("role") == "system"), "")
    turn.context = _object(prompt.rpartition("\n")[2])
    return turn


def _object(text: object) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
