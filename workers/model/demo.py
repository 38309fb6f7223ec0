"""The demo model: plays CJ offline, from the tool results it really finds in the messages. Pure.

It answers when no model is configured. Its words are canned, its figures are never: without a tool result there is no
figure. It works from the messages alone, as a real model does, so a turn that is resumed goes on where it was.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from workers.model import demo_figures, demo_words
from workers.model.demo_words import Result

TOOL = "shopify_data"
INSIGHTS = ("counts", "recent_orders", "overview")
"""What it looks at, in this order, when a store has just been connected."""
FRESH = timedelta(minutes=5)
"""So long a result of an earlier turn is still good for an answer."""

GREETING = (
    "Hi, I'm CJ, your support assistant. Shall we connect your Shopify store? "
    "Once it is connected I'll tell you what I see in it."
)
OFFER = "Shall we connect your support system next, so that I can use all this when your customers write?"
NOTHING_SEEN = "Ask me about your store in a little while, and I'll look again."
CONFESSION = "By the way, I'm the demo model: my sentences are canned, every figure is read from your store."
ABILITIES = (
    "I can look up how many customers and orders you have, your latest orders, how the week is going, "
    "and what you have in stock. What would you like to know?"
)
NOT_YET = (
    "As soon as your Shopify store is connected I can tell you how many customers and orders you have, "
    "what was ordered lately, and what you have in stock."
)
WAITING = "Good. I'll go on by myself as soon as Shopify tells me that your store is connected."
IDENTITY = (
    "I'm CJ, played by the built-in demo model instead of a language model: "
    "my sentences are canned, every figure is read from your store."
)
LATER = "I can't look that up at the moment. Please ask me again in a little while."

_EVENT = re.compile(r"\[system event\] (?P<name>[\w.]+):?\s*(?P<rest>.*)", re.DOTALL)
_TRIGGER = "ready to connect your shopify store"

# A message is about every subject it names; only if it names none, about the first of the vague ones that fits.
_SUBJECTS = (
    (re.compile(r"\b(today|yesterday|week\w*|(7|seven) days|revenue|sales|turnover|sold|sell\w*)\b"), "week_orders"),
    (re.compile(r"\b(recent\w*|latest|newest|last (\d+ |few )?orders?|repeat)\b"), "recent_orders"),
    (re.compile(r"\b(customers?|unfulfilled|fulfil\w*|unshipped|to ship|open orders)\b"), "counts"),
    (re.compile(r"\b(products?|inventory|stock|catalogu?e?|overview)\b"), "overview"),
)
_VAGUE = (
    (re.compile(r"\bhow many\b"), "counts"),
    (re.compile(r"\borders?\b"), "week_orders"),
    (re.compile(r"\b(store|shop|business)\b"), "overview"),
)
_WHO = re.compile(
    r"\b(who|what) (are|r) (you|u)\b|\b(which|what) (language )?model\b|\byour name\b|\bdemo\b"
    r"|\b(are you|is this) (an? )?(real|bot|robot|human|person|ai|machine)\b"
)
_THANKS = re.compile(r"\b(thanks|thank you|thx|cheers)\b")
_YES = re.compile(r"^\W*(yes|yeah|yep|sure|ok|okay|please|let'?s|connect|i'?m ready)\b")
_HELLO = re.compile(r"^\W*(hi|hello|hey|good (morning|afternoon|evening))\b")


@dataclass(frozen=True)
class Script:
    """What it says and the data types it wants to see next; one of both is there, mostly."""

    text: str | None
    calls: tuple[str, ...] = ()


@dataclass
class Turn:
    """The current turn, as far as it has come, and what earlier turns left."""

    said_to_me: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    unspoken: set[str] = field(default_factory=set)
    """Data types whose results came after the last words."""
    earlier: dict[str, Result] = field(default_factory=dict)
    """Results of earlier turns that are still fresh."""
    connected: bool = True
    """What the context says of the store."""


def reply_to(messages: Sequence[Mapping[str, Any]], tools_offered: bool) -> Script:
    """The next answer to a conversation of chat-completion messages."""
    turn = _current_turn(messages)
    events = [event for event in map(_EVENT.fullmatch, turn.said_to_me) if event]
    words = [text for text in turn.said_to_me if not _EVENT.fullmatch(text)]
    if any(event["name"] == "show_shopify_insights" for event in events):
        return _insights(turn, words, tools_offered)
    told = [_event_told(event["name"], event["rest"]) for event in events]
    if told and not words:
        return Script(" ".join(told))
    return _questions(turn, words, tools_offered, told)


def wire_message(script: Script) -> dict[str, Any]:
    """The script as an assistant message of the chat-completion protocol."""
    message: dict[str, Any] = {"role": "assistant", "content": script.text}
    if script.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{uuid.uuid4().hex[:24]}",
                "type": "function",
                "function": {"name": TOOL, "arguments": json.dumps({"data_type": data_type})},
            }
            for data_type in script.calls
        ]
    return message


# --- what it does -----------------------------------------------------------------------------------------------


def _insights(turn: Turn, words: Sequence[str], tools_offered: bool) -> Script:
    """One look after the other, each told before the next; then the offer."""
    for data_type in INSIGHTS:
        if sentence := demo_words.cut_off(turn.results.get(data_type, {"success": True})):
            return Script(sentence)
    text = " ".join(demo_words.about(data_type, turn.results[data_type]) for data_type in _unspoken(turn))
    following = next((data_type for data_type in INSIGHTS if data_type not in turn.results), None)
    if following and tools_offered:
        return Script(_leading_on(text, following) or None, (following,))
    if words:
        answer = _questions(turn, words, tools_offered, [text] if text else [])
        return answer if answer.calls else Script(f"{answer.text} {_closing(turn)}")
    return Script(f"{text} {_closing(turn)}".lstrip() if turn.results else LATER)


def _closing(turn: Turn) -> str:
    seen = any(result.get("success") for result in turn.results.values())
    return f"{OFFER if seen else NOTHING_SEEN} {CONFESSION}"


def _unspoken(turn: Turn) -> list[str]:
    return [data_type for data_type in INSIGHTS if data_type in turn.unspoken]


def _leading_on(text: str, following: str) -> str:
    return f"{text} Let me see what has been going on lately." if text and following == "recent_orders" else text


def _questions(turn: Turn, words: Sequence[str], tools_offered: bool, told: Sequence[str]) -> Script:
    """All that the merchant asked in this turn, answered together."""
    text = " ".join(words).lower()
    if _TRIGGER in text:
        return Script(GREETING)
    wanted = list(dict.fromkeys(data_type for line in words for data_type in _subjects(line)))
    known = turn.earlier | turn.results
    to_ask = tuple(data_type for data_type in wanted if data_type not in known)
    if to_ask and tools_offered:
        return Script(None, to_ask)
    days = [day for day in ("today", "yesterday") if day in text]
    answers = [demo_words.about(data_type, known[data_type], days) for data_type in wanted if data_type in known]
    if _WHO.search(text):
        answers.insert(0, IDENTITY)
    elif not answers:
        answers = [LATER if wanted else _small_talk(text, turn.connected)]
    return Script(" ".join(dict.fromkeys([*told, *answers])))


def _small_talk(text: str, connected: bool) -> str:
    offer = ABILITIES if connected else NOT_YET
    if not connected and _YES.search(text):
        return WAITING
    if _THANKS.search(text):
        return f"You're welcome. {offer}"
    return f"Hello! {offer}" if _HELLO.search(text) else f"That is beyond the demo model. {offer}"


def _subjects(line: str) -> list[str]:
    text = line.lower()
    named = [data_type for pattern, data_type in _SUBJECTS if pattern.search(text)]
    return named or [data_type for pattern, data_type in _VAGUE if pattern.search(text)][:1]


def _event_told(name: str, rest: str) -> str:
    match name:
        case "store_reconnected":
            return "Your store is connected again, so I can look at your figures whenever you like."
        case "store_connection_failed":
            reason = " ".join(rest.split())[:120].rstrip(".")
            return f"Connecting your store did not work{f' ({reason})' if reason else ''}. Shall we try again?"
        case "conversation_started":
            return f"Hi, I'm CJ. {ABILITIES}"
    return "I've taken note of that."


# --- what it reads ----------------------------------------------------------------------------------------------


def _current_turn(messages: Sequence[Mapping[str, Any]]) -> Turn:
    """A turn ends with words without tool calls; what comes after the last of these is the current one."""
    turn, context = Turn(), _context(messages)
    named = dict(_named_calls(messages))
    for message in messages:
        content, calls = message.get("content"), message.get("tool_calls") or ()
        match message.get("role"):
            case "user":
                turn.said_to_me.append(str(content or "").strip())
            case "tool":
                _keep(turn, _result(content), named.get(str(message.get("tool_call_id"))))
            case "assistant" if calls:
                turn.unspoken = set() if content else turn.unspoken
            case "assistant":
                turn = Turn(earlier=turn.earlier | turn.results)
    now = demo_figures.moment(context.get("now"))
    turn.earlier = {data_type: result for data_type, result in turn.earlier.items() if _is_fresh(result, now)}
    turn.connected = context.get("shopify_connected", not context) is True
    return turn


def _keep(turn: Turn, result: Result, data_type: str | None) -> None:
    data_type = data_type or str(result.get("data_type"))
    if result.get("success") or not turn.results.get(data_type, {}).get("success"):
        turn.results[data_type] = result
        turn.unspoken.add(data_type)


def _named_calls(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The data type of each tool call, by the call's id."""
    for message in messages:
        for call in message.get("tool_calls") or ():
            arguments = _object(call.get("function", {}).get("arguments"))
            yield str(call.get("id")), str(arguments.get("data_type", "overview"))


def _result(content: object) -> Result:
    return _object(content) or {"success": False, "error": "", "error_code": "tool.unreadable"}


def _object(text: object) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_fresh(result: Result, now: datetime | None) -> bool:
    if not result.get("success"):
        return False
    as_of = demo_figures.moment(result.get("as_of"))
    return now is None or (as_of is not None and now - as_of <= FRESH)


def _context(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The context block, the last line of the system prompt; empty if there is none."""
    prompt = next((str(message.get("content")) for message in messages if message.get("role") == "system"), "")
    return _object(prompt.rpartition("\n")[2])
