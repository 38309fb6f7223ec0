"""The demo model: plays CJ offline, from the tool results it really finds in the messages. Pure.

It answers where it is named (`CJ_MODEL=demo`), without litellm. Its words are canned, its figures are never: without a
tool result there is no figure. It works from the messages alone, as a real model does, so a resumed turn goes on where
it was.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from workers.model.demo_words import CUT_OFF, Result, cut_off, moment, reasons, subjects, tell

DEMO = "cj-demo/demo"
DEMO_SHORT = "demo"
"""The name it has to be asked for by, and its short form."""
TOOL = "shopify_data"
INSIGHTS = ("counts", "recent_orders", "overview")
"""What it looks at, in this order, when a store has just been connected."""
FRESH = timedelta(minutes=5)
"""How long a result of an earlier turn is good enough for an answer."""

CANNED = "my sentences are canned, but every figure is read from your store."
CONFESSION = f"By the way, I'm the demo model: {CANNED}"
OFFER = "Shall we connect your support system next, so that I can use all this when your customers write?"
NOTHING_SEEN = "Ask me about your store in a little while, and I'll look again."
ABILITIES = "I can look up your customers and orders, how the week is going, and what you have in stock."
NOT_YET = f"As soon as your Shopify store is connected, {ABILITIES}"
WAITING = "Good. I'll go on by myself as soon as Shopify tells me that your store is connected."
WAITS_TOO = "That waits for your store, too: I'll answer it when you are connected again."
HOW_TO_CONNECT = (
    "Use the same button as when you connected your store the first time, and allow the access in Shopify. I'll notice "
    "by myself, and answer what you asked meanwhile."
)
LOST = "Welcome back! Shopify no longer accepts my access to your store. Please reconnect the store, and I'll go on."
RECONNECTED = "Your store is connected again."
LATER = "I can't look that up at the moment. Please ask me again in a little while."

_EVENT = "[system event]"
_FOLLOW_UP = f"{_EVENT} follow_up"
_SHOW_INSIGHTS = f"{_EVENT} show_shopify_insights"
#: What is said to the first of these that a message begins with; other messages are the merchant's own.
_SCRIPTED = {
    "Ready to connect your Shopify store": "Hi, I'm CJ, your support assistant. Shall we connect your Shopify store? "
    "Once it is connected, I'll tell you what I see in it.",
    f"{_EVENT} conversation_started": f"Hi, I'm CJ. {ABILITIES}",
    f"{_EVENT} store_reconnected": RECONNECTED,
    f"{_EVENT} account_connected": "That is connected, thank you.",
    f"{_EVENT} account_connection_failed": "That connection did not work. Shall we try again?",
    f"{_EVENT} store_connection_failed": "Connecting your store did not work. Shall we try again?",
    _SHOW_INSIGHTS: "",
    _EVENT: "I've taken note of that.",
}
#: The periods of `sales` as merchants name them. A report of another period is another result.
_PERIODS = {
    "last_30_days": r"\b(30|thirty) days\b",
    "last_60_days": r"\b(60|sixty) days\b",
    "last_90_days": r"\b(90|ninety) days\b|\bquarter\b",
    "last_month": r"\blast month\b",
    "this_month": r"\bmonth\b",
    "last_12_months": r"\b(12|twelve) months\b",
    "last_year": r"\blast year\b",
    "this_year": r"\byear\b",
}
#: A message is about every subject it names; only if it names none, about the first of the vague ones that fits.
_SUBJECTS = {
    "week_orders": r"\b(today|yesterday|week\w*|(7|seven) days|revenue|sales|turnover|sold|sell\w*)\b",
    "recent_orders": r"\b(recent\w*|latest|newest|last (\d+ |few )?orders?|repeat)\b",
    "counts": r"\b(customers?|unfulfilled|fulfil\w*|unshipped|to ship|open orders)\b",
    "overview": r"\b(products?|inventory|stock|catalogu?e?|overview)\b",
}
_VAGUE = {"counts": r"\bhow many\b", "week_orders": r"\borders?\b", "overview": r"\b(store|shop|business)\b"}
_HOW_TO_CONNECT = r"\bhow\b.*\b(re-?)?connect"
_BEGINNING = ("Ready to connect your Shopify store", f"{_EVENT} conversation_started")
_PASSES = frozenset({"shopify.throttled", "shopify.unavailable"})
_YES = r"^\W*(yes|yeah|yep|sure|ok|okay|please|let'?s|connect|i'?m ready)\b"
#: What is said to the first of these that fits, before what it can do.
_SMALL_TALK = {
    r"\b(are|r) (you|u) (still )?there\b|\banyone there\b": "I'm here.",
    r"\b(who|what) (are|r) (you|u)\b|\b(which|what) (language )?model\b|\byour name\b|\bdemo\b"
    r"|\b(are you|is this) (an? )?(real|bot|robot|human|person|ai|machine)\b": f"I'm CJ, played by the built-in demo "
    f"model instead of a language model: {CANNED}",
    r"\b(thanks|thank you|thx|cheers)\b": "You're welcome.",
    r"^\W*(hi|hello|hey|good (morning|afternoon|evening))\b": "Hello!",
    "": "That is beyond the demo model.",
}


@dataclass(frozen=True)
class Script:
    """One answer: what it says and the data types it asks for; at least one of both."""

    text: str | None
    calls: tuple[str, ...] = ()
    period: str | None = None
    """Of sales."""


@dataclass
class Turn:
    """The current turn so far, and what earlier turns left. Results are by data type."""

    said_to_me: list[str] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    unspoken: list[str] = field(default_factory=list)
    """Data types whose results came after its last words."""
    earlier: dict[str, Result] = field(default_factory=dict)
    now: datetime | None = None
    is_lost: bool = False
    """Whether the merchant has to connect the store again."""
    asked_to_connect: bool = False
    """Whether the merchant was asked before to connect the store (again)."""
    has_spoken: bool = False
    spoken: dict[str, int] = field(default_factory=dict)
    """Data types that were told about in this turn, and how many messages had come by then."""


def reply_to(messages: Sequence[Mapping[str, Any]], tools_offered: bool) -> Script:
    """The next answer to a conversation of chat-completion messages."""
    turn, context = _current_turn(messages), _context(messages)
    turn.now, connected = moment(context.get("now")), context.get("shopify_connected", not context) is True
    turn.is_lost = "store" in context
    turn.earlier = {data_type: result for data_type, result in turn.earlier.items() if _is_fresh(result, turn.now)}
    onboarding = any(said.startswith(_SHOW_INSIGHTS) for said in turn.said_to_me)
    follow_up = next((said for said in turn.said_to_me if said.startswith(_FOLLOW_UP)), None)
    if follow_up is not None:
        script = _follow_up(turn, follow_up, tools_offered)
    else:
        script = (_insights if onboarding else _answers)(turn, tools_offered, connected)
    return script if script.text or script.calls else Script(LATER)


def wire_message(script: Script) -> dict[str, Any]:
    """The script as an assistant message of the chat-completion protocol."""
    message: dict[str, Any] = {"role": "assistant", "content": script.text}
    if script.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{uuid.uuid4().hex[:24]}",
                "type": "function",
                "function": {"name": TOOL, "arguments": json.dumps(_arguments(data_type, script.period))},
            }
            for data_type in script.calls
        ]
    return message


def _arguments(data_type: str, period: str | None) -> dict[str, str]:
    return {"data_type": data_type} | ({"period": period} if data_type == "sales" and period else {})


def _insights(turn: Turn, tools_offered: bool, connected: bool) -> Script:
    """One look after the other, each told before the next; then the merchant's questions and the offer."""
    for result in turn.results.values():
        if sentence := cut_off(result):
            return Script(sentence)
    is_again = not turn.has_spoken and any('"reconnected": true' in said for said in turn.said_to_me)
    opening = [RECONNECTED] if is_again else []
    heard = {reason for data_type in turn.results.keys() - turn.unspoken for reason in reasons(turn.results[data_type])}
    text = tell(
        {data_type: turn.results[data_type] for data_type in INSIGHTS if data_type in turn.unspoken},
        heard,
        now=turn.now,
    )
    following = next((data_type for data_type in INSIGHTS if data_type not in turn.results), None)
    if following and tools_offered:
        if not any(turn.results[data_type]["success"] for data_type in turn.unspoken):
            return Script(" ".join(opening) or None, (following,))  # failures are told together, with what comes next
        return Script(" ".join([*opening, text]) or None, (following,))
    answer = _answers(turn, tools_offered, connected)
    if answer.calls or not turn.results:
        return answer
    seen = any(result["success"] for result in turn.results.values())
    looks_again = any(result.get("error_code") in _PASSES for result in turn.results.values())
    closing = OFFER if seen else "" if looks_again else NOTHING_SEEN
    parts = (*opening, text, answer.text, closing, CONFESSION)
    return Script(" ".join(part for part in parts if part))


def _follow_up(turn: Turn, event: str, tools_offered: bool) -> Script:
    """What could not be told before; `event` names the data types, and what was asked of them."""
    details = _object(event[event.find("{") :])
    wanted = [data_type for data_type in details.get("data_types", ()) if isinstance(data_type, str)]
    if "not tried again" in event or not tools_offered:
        return Script(f"I looked again several times, but I still can't see {subjects(wanted)}. Please ask me later.")
    to_ask = tuple(data_type for data_type in wanted if data_type not in turn.results)
    if to_ask:
        return Script(None, to_ask)
    answer = tell({data_type: turn.results[data_type] for data_type in wanted}, now=turn.now)
    return Script(f"I looked again, as promised. {answer}")


def _answers(turn: Turn, tools_offered: bool, connected: bool) -> Script:
    """To all that was said to it in this turn, together."""
    told, questions, asked = [], [], []
    for place, said in enumerate(turn.said_to_me):
        if turn.is_lost and said.startswith(_BEGINNING):
            told.append(LOST)
            continue
        scripted = next((answer for start, answer in _SCRIPTED.items() if said.startswith(start)), None)
        if scripted is None:
            questions.append(said.lower())
            # What was told after the question needs not be told again.
            asked += [data_type for data_type in _subjects(questions[-1]) if turn.spoken.get(data_type, 0) <= place]
        elif scripted:
            told.append(scripted)
    text = " ".join(questions)
    period = next((period for period, pattern in _PERIODS.items() if re.search(pattern, text)), None)
    wanted = dict.fromkeys(asked)
    if period:  # the week's orders say nothing of it
        wanted = dict.fromkeys(("sales", *asked))
        for data_type in {"week_orders"} | turn.spoken.keys() & {"sales"}:
            wanted.pop(data_type, None)
    known = turn.earlier | turn.results
    if known.get("sales", {}).get("data", {}).get("period", period) != period:
        del known["sales"]
    to_ask = tuple(data_type for data_type in wanted if data_type not in known)
    if to_ask and tools_offered:
        return Script(None, to_ask, period)
    days = [day for day in ("today", "yesterday") if day in text]
    answer = tell({data_type: known[data_type] for data_type in wanted if data_type in known}, days=days, now=turn.now)
    if turn.asked_to_connect and any(cut_off(known[data_type]) for data_type in wanted if data_type in known):
        answer = WAITS_TOO
    if questions and not (turn.spoken and not wanted):
        told.append(answer or (LATER if wanted else _small_talk(text, connected)))
    return Script(" ".join(told))


def _subjects(text: str) -> list[str]:
    named = [data_type for data_type, pattern in _SUBJECTS.items() if re.search(pattern, text)]
    return named or [data_type for data_type, pattern in _VAGUE.items() if re.search(pattern, text)][:1]


def _small_talk(text: str, connected: bool) -> str:
    if re.search(_HOW_TO_CONNECT, text):
        return HOW_TO_CONNECT
    if not connected and re.search(_YES, text):
        return WAITING
    opening = next(opening for pattern, opening in _SMALL_TALK.items() if re.search(pattern, text))
    return f"{opening} {ABILITIES if connected else NOT_YET}"


def _current_turn(messages: Sequence[Mapping[str, Any]]) -> Turn:
    """A turn ends with words without tool calls; what comes after the last of these is the current one."""
    turn = Turn()
    for message in messages:
        content = message.get("content")
        match message.get("role"):
            case "user":
                turn.said_to_me.append(str(content or "").strip())
            case "tool":
                result = _object(content)
                data_type = result.get("data_type")
                # A failure replaces no data: the tool answers so when it is asked again in the same turn.
                is_told = result.get("success") and "data" not in result  # so old that only its figures are shown
                if data_type and not is_told and (result["success"] or data_type not in turn.results):
                    turn.results[data_type] = result
                    turn.unspoken.append(data_type)
            case "assistant" if not message.get("tool_calls"):
                asked = turn.asked_to_connect or _asks_to_connect(content)
                turn = Turn(earlier=turn.earlier | turn.results, asked_to_connect=asked)
            case "assistant" if content:
                turn.spoken |= dict.fromkeys(turn.unspoken, len(turn.said_to_me))
                turn.unspoken, turn.has_spoken = [], True
    return turn


def _asks_to_connect(words: object) -> bool:
    return any(sentence in str(words) for sentence in CUT_OFF)


def _object(text: object) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_fresh(result: Result, now: datetime | None) -> bool:
    as_of = moment(result.get("as_of"))
    return result["success"] and "data" in result and now is not None and as_of is not None and now - as_of <= FRESH


def _context(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The context block, the last line of the system prompt; empty if there is none."""
    prompt = next((str(message.get("content")) for message in messages if message.get("role") == "system"), "")
    return _object(prompt.rpartition("\n")[2])
