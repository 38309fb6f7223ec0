"""The demo model: plays CJ offline, from the tool results it really finds in the messages. Pure.

It answers where it is named (`CJ_MODEL=demo`), without litellm. Its words are canned but its figures never are: each
comes from a tool result. Like a real model it works from the messages alone, so a resumed turn continues where it
stopped.
"""

import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from shopify.errors import not_permitted
from workers.model.demo_words import (
    AS_PROMISED,
    CUT_OFF,
    INSIGHTS,
    RECONNECTED,
    Result,
    answering,
    cut_off,
    denied,
    insight,
    moment,
    sentences,
    shows,
    subjects,
    uncapitalized,
    unsaid,
)
from workers.model.response import message_of

DEMO = "cj-demo/demo"
DEMO_SHORT = "demo"
"""Its full name and the short form."""
TOOL, METRICS = "shopify_data", "calculate_metrics"
_SALES = {"data_type": "sales", "rows": "periods", "of": "orders"}
_WEEK = {"data_type": "week_orders", "rows": "days", "of": "orders"}
FIGURES: Mapping[str, Mapping[str, str]] = {
    "orders a day": {**_SALES, "metric": "per_day"},
    "their trend": {**_SALES, "metric": "percent_change"},
    "orders a day, of a week": {**_WEEK, "metric": "per_day"},
    "the best day": {**_WEEK, "metric": "top", "group_by": "day"},
}
"""The metrics it has computed for a store that was just connected."""
LARGE = 5_000
"""With more orders than this in 60 days, a week has more than are read."""
FRESH = timedelta(minutes=5)
"""How long a result of an earlier turn can still be used for an answer."""

CANNED = "my sentences are canned, but every figure is read from your store."
CONFESSION = f"By the way, I'm the demo model: {CANNED}"
OFFER = "Shall we connect your support system next, so that I can use all this when your customers write?"
NOTHING_SEEN = "Please ask me again in a little while."
SETTLED = "Please ask me again once that is settled."
ABILITIES = "I can look up your customers and orders, how the week is going, and what you have in stock."
NOT_YET = f"As soon as your Shopify store is connected, {ABILITIES}"
WAITING = "Good. I'll go on by myself as soon as Shopify tells me that your store is connected."
WAITS_TOO = "That waits for your store, too: I'll answer it when you are connected again."
THIS_TOO = "Noted, this waits for your store as well."
HOW_TO_CONNECT = (
    "Use the same button as when you connected your store the first time, and allow the access in Shopify. I'll notice "
    "by myself, and answer what you asked meanwhile."
)
LOST = "Welcome back! Shopify no longer accepts my access to your store. Please reconnect the store, and I'll go on."
LATER = "I can't look that up at the moment. Please ask me again in a little while."

_EVENT = "[system event]"
_FOLLOW_UP = f"{_EVENT} follow_up"
_GO_ON = f"{_EVENT} connection_lost"
_SHOW_INSIGHTS = f"{_EVENT} show_shopify_insights"
_CROSSED = f"{_EVENT} messages_crossed"
#: The answer to a message with one of these prefixes (the first that fits); other messages are the merchant's own.
_SCRIPTED = {
    "Ready to connect your Shopify store": "Hi, I'm CJ, your support assistant. Shall we connect your Shopify store? "
    "Once it is connected, I'll tell you what I see in it.",
    f"{_EVENT} conversation_started": f"Hi, I'm CJ. {ABILITIES}",
    f"{_EVENT} store_reconnected": RECONNECTED,
    f"{_EVENT} account_connected": "That is connected, thank you.",
    f"{_EVENT} account_connection_failed": "That connection did not work. Shall we try again?",
    f"{_EVENT} store_connection_failed": "Connecting your store did not work. Shall we try again?",
    _SHOW_INSIGHTS: "",
    _CROSSED: "",
    f"{_EVENT} model_back": "",
    _EVENT: "I've taken note of that.",
}
#: The periods of `sales` as merchants name them. Each period is a result of its own.
_PERIODS = {
    "last_30_days": r"\b(30|thirty) days\b|\b(average|mean) order|\border value\b|\baov\b",
    "last_60_days": r"\b(60|sixty) days\b",
    "last_90_days": r"\b(90|ninety) days\b|\bquarter\b",
    "last_month": r"\blast month\b",
    "this_month": r"\bmonth\b",
    "last_12_months": r"\b(12|twelve) months\b",
    "last_year": r"\blast year\b",
    "this_year": r"\byear\b",
}
#: What it cannot answer, and why.
_BEYOND = {
    r"\b(profits?|profitab\w*|margins?|net income|expenses|cogs|cost of goods|making money)\b": "I can't say what your "
    "profit is: I see what you sold, not what it cost you.",
    r"\b(best|top|biggest|most loyal|vip) (customers?|buyers?|clients?|spenders?)\b|\bvips?\b"
    r"|\b(who|which customers?)\b.*\bmost\b": "I can't say who your best customer is: I see who placed your latest "
    "orders, not what each customer has spent with you.",
    r"\b(visit\w*|traffic|conversions?|sessions?|ads?|advertis\w*|marketing|campaigns?)\b": "I can't see who visits "
    "your store, or what advertising brings: I see its customers, orders, products and sales reports.",
    r"\b(forecast\w*|predict\w*|next (week|month|quarter|year))\b": "I can't look ahead: I see what was ordered.",
    r"\b(can|could|would|will) you (please )?(fulfil\w*|ship|send|cancel|refund|change|update|delete|add|create)\b"
    r"|^\W*(please )?(fulfil\w*|ship|send|cancel|refund|change|update|delete|create) (?!reports?)": "I can't change "
    "anything in your store: I only read it.",
    r"^\W*(and |but )?why\b": "I can't say why: I see what was ordered, not what made people buy.",
    r"\bwho\b.*\b(order|buy|bought|purchas)\w*": "I can't say who ordered: the demo model names no customers.",
    r"#\d+|\bwhat did .* (buy|order|purchase)\b|\border (number|no\.?) ": "I can't look up a single order or "
    "customer: I tell you about your latest orders together.",
    r"\b(tax(es)?|vat|discounts?|coupons?|vouchers?|gift cards?|abandoned|carts?|checkouts?|reviews?)\b": "I can't "
    "see taxes, discounts, checkouts or reviews: I see customers, orders, products and sales reports.",
    r"\b(refunds?|returns)\b": "I can't count refunds. Ask me how last month was, and I'll tell you what they came to.",
    r"\b(worst|least|slow\w*|low(est)?|running (out|low)|sold out|out of stock|restock\w*|reorder\w*)\b.*": "I can't "
    "say what sells least or runs out: I see what sells best, and what you have most of.",
    r"\bhow many (products|items|articles|variants)\b": "I can't count your products: I see the ones that you "
    "have most of.",
    r"\bcompared?\b.*\bweeks?\b.*|\bweek before\b|\bprevious week\b": "I can't compare weeks: I see the last "
    "seven days, and sales reports of longer periods.",
}
_MONTHS = [f"{date(2000, month, 1):%B}".lower() for month in range(1, 13)]
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905 - reads better
_OTHER_TIMES = (
    rf"\b(in|of|for|last|this|since|during) ({'|'.join(_MONTHS)})\b"
    rf"|\bsince ({'|'.join(_WEEKDAYS)})\b|\bweekends?\b"
    r"|\b(19|20)\d\d\b|\b(christmas|black friday|all time)\b|\b(\d+|two|three|four|five|six) (months|years|quarters)\b"
)
_WINDOW = "Shopify shows apps the last 60 days of orders"
_NO_OTHER_TIMES = (
    f"I can't look at just that time. {_WINDOW}; further back I see sales reports, of last month, this year, last year "
    "or the last 12 months."
)
_NEITHER = "I can't look at just that time, either."
#: A message is about every subject it names. If it names none, the first of the vague patterns that fits decides.
_SUBJECTS = {
    "week_orders": rf"\b({'|'.join(_WEEKDAYS)}|best day|busiest|returning|today|yesterday|week\w*|(7|seven) days)\b"
    r"|\b(revenue|sales|turnover|popular|sold|sell\w*)\b",
    "recent_orders": r"\b(recent\w*|latest|newest|last (\d+ |few )?orders?|repeat|cancel\w*)\b",
    "counts": r"\b((?<!returning )(?<!repeat )customers?|unfulfilled|fulfil\w*|unshipped|to ship|open orders)\b",
    "overview": r"\b(products?|inventory|stock|catalogu?e?|overview)\b",
}
_VAGUE = {
    "counts": r"\bhow many\b",
    "week_orders": r"\b(orders?|doing|going|perform\w*)\b",
    "overview": r"\b(store|shop|business)\b",
}
_HOW_TO_CONNECT = r"\bhow\b.*\b(re-?)?connect"
_BEGINNING = ("Ready to connect your Shopify store", f"{_EVENT} conversation_started")
_PASSES = frozenset({"shopify.throttled", "shopify.unavailable"})
_YES = r"^\W*(yes|yeah|yep|sure|ok|okay|please|let'?s|connect|i'?m ready)\b"
#: The answer to the first of these that fits, followed by what it can do.
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
    """One answer: text, and the data types and FIGURES it asks for; at least one of the two."""

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
    may_read: Sequence[str] | None = None
    """The data types it may read; None if unknown."""
    is_lost: bool = False
    """Whether the merchant has to connect the store again."""
    asked_to_connect: bool = False
    """Whether the merchant was asked before to connect the store (again)."""
    before: str = ""
    """What it said in earlier turns."""
    words: str = ""
    """What it has said in this one."""
    spoken: dict[str, int] = field(default_factory=dict)
    """Data types already covered in this turn, each with the number of messages received by then."""
    figures: list[Result] = field(default_factory=list)
    """What was computed in this turn."""
    has_computed: bool = False
    asked: frozenset[str] = frozenset()
    """Data types that the merchant asked about in this turn and that are not answered yet."""
    offered: bool = False
    """Whether the merchant was asked before to connect the support system."""


def reply_to(messages: Sequence[Mapping[str, Any]], tools_offered: bool) -> Script:
    """The next answer to a conversation of chat-completion messages."""
    if messages and str(messages[-1].get("content")).startswith(_GO_ON):
        # The same answer again, without the part already said.
        script = reply_to(messages[:-2], tools_offered)
        return replace(script, text=(script.text or "").removeprefix(messages[-2]["content"].strip()).strip() or None)
    turn, context = _current_turn(messages), _context(messages)
    turn.now, connected = moment(context.get("now")), context.get("shopify_connected", not context) is True
    turn.is_lost, turn.may_read = "store" in context, context.get("may_read")
    is_ours = connected and not turn.is_lost  # otherwise earlier results are not used
    turn.earlier = {name: result for name, result in turn.earlier.items() if is_ours and _is_fresh(result, turn.now)}
    onboarding = any(said.startswith(_SHOW_INSIGHTS) for said in turn.said_to_me)
    follow_up = next((said for said in turn.said_to_me if said.startswith(_FOLLOW_UP)), None)
    if follow_up is not None:
        script = _follow_up(turn, follow_up, tools_offered)
    else:
        script = (_insights if onboarding else _answers)(turn, tools_offered, connected)
    return script if script.text or script.calls else Script(LATER)


def wire_message(script: Script) -> dict[str, Any]:
    """The script as an assistant message of the chat-completion protocol."""
    period = {"period": script.period} if script.period else {}
    calls = []
    for call in script.calls:
        arguments = FIGURES.get(call) or {"data_type": call} | (period if call == "sales" else {})
        calls.append((f"call_{uuid.uuid4().hex[:24]}", METRICS if call in FIGURES else TOOL, arguments))
    return message_of(script.text, calls)


def _insights(turn: Turn, tools_offered: bool, connected: bool) -> Script:
    """Read one data type after the other and tell each before the next; then answer the merchant's questions and make
    the offer. Failures are told together with what follows, and a store without orders is told all at once."""
    results = turn.results
    for result in results.values():
        if sentence := cut_off(result):
            return Script(sentence)
    is_again = not turn.words and any('"reconnected": true' in said for said in turn.said_to_me)
    opening = [RECONNECTED] if is_again else []
    is_empty = (results.get("counts", {}).get("data") or {}).get("orders") == 0
    calls = _next_look(turn, is_empty) if tools_offered else ()
    may_not_read = [each for name, result in results.items() for each in denied(name, result) if name in INSIGHTS]
    told = [name for name in INSIGHTS if name in turn.unspoken and not (is_empty and name == "recent_orders")]
    if calls and (is_empty or calls[0] in FIGURES or not any(results[name]["success"] for name in told)):
        return Script(" ".join(opening) or None, calls)
    if calls:
        looked = sentences({name: results[name] for name in told}, turn.words, may_not_read, now=turn.now)
        return Script(" ".join([*opening, *looked]) or None, calls)
    answer = _answers(turn, tools_offered, connected)
    if answer.calls or not results:
        return answer
    said = f"{turn.words} {answer.text}"
    looked = _together(turn, [name for name in told if name not in turn.asked], said, may_not_read)
    refused = [not_permitted(list(dict.fromkeys(may_not_read)))] if may_not_read else []
    closing = (
        [OFFER, CONFESSION] if any(shows(name, result) for name, result in results.items()) else [_ask_later(results)]
    )
    return Script(" ".join(filter(None, [*opening, answer.text, *looked, *refused, *closing])))


def _together(turn: Turn, names: Sequence[str], said: str, apart: Collection[str] = ()) -> list[str]:
    """These results, and what they show together unless a question of the merchant's is still open."""
    results = turn.results
    deeper = [] if turn.asked else unsaid(insight(results, turn.figures), said)
    told = [name for name in names if name in results]
    if "overview" in told and any("best-stocked" in sentence for sentence in deeper):
        told.remove("overview")
    if results.get("overview", {}).get("success"):  # else its failure is told, and that it is looked for again
        told += [name for name in ("week_orders", "sales") if results.get(name, {}).get("error_code") in _PASSES]
    return [*sentences({name: results[name] for name in told}, said, apart, now=turn.now), *deeper]


def _next_look(turn: Turn, is_empty: bool) -> tuple[str, ...]:
    """What to ask for next; nothing once everything needed is known."""
    results = turn.results
    if "counts" not in results:
        return ("counts",)
    if "recent_orders" not in results:
        return ("recent_orders", "overview") if is_empty else ("recent_orders",)
    if "overview" not in results:
        if not results["recent_orders"]["success"]:
            return ("overview",)
        reports = ("sales",) if turn.may_read is None or "sales reports" in turn.may_read else ()
        is_large = ((results["counts"].get("data") or {}).get("orders") or 0) > LARGE
        return ("overview", *(() if is_large else ("week_orders",)), *reports)
    return _figures(turn)


def _figures(turn: Turn) -> tuple[str, ...]:
    """The metrics to have computed, once a turn."""
    found = {name for name, result in turn.results.items() if result["success"]}
    left_out = "orders a day, of a week" if "sales" in found else ""
    computable = (name for name, figure in FIGURES.items() if figure["data_type"] in found and name != left_out)
    return () if turn.has_computed else tuple(computable)


def _ask_later(results: Mapping[str, Result]) -> str:
    """What the merchant can do when nothing could be read; nothing if a new look is promised already."""
    if any(result.get("error_code") in _PASSES for result in results.values()):
        return ""
    by = {result.get("remedy") for result in results.values()}
    return "" if "reconnect" in by else SETTLED if "merchant" in by else NOTHING_SEEN


def _follow_up(turn: Turn, event: str, tools_offered: bool) -> Script:
    """Tell what could not be told before; `event` names the data types and what was asked about them."""
    details = _object(event[event.find("{") :])
    wanted = [data_type for data_type in details.get("data_types", ()) if isinstance(data_type, str)]
    if "not tried again" in event or not tools_offered:
        return Script(f"I looked again several times, but I still can't see {subjects(wanted)}. Please ask me later.")
    to_ask = tuple(name for name in wanted if name not in turn.results)
    owes_insight = not details.get("asked")
    if to_ask := to_ask or (_figures(turn) if owes_insight else ()):
        return Script(None, to_ask)
    found = {name: turn.results[name] for name in wanted}
    told = [name for name in wanted if name in INSIGHTS]
    answer = _together(turn, told, turn.words) if owes_insight else sentences(found, turn.words, now=turn.now)
    seen = {name for name in wanted if turn.results[name]["success"]}
    closing = [OFFER, CONFESSION] if {*INSIGHTS} <= seen and not turn.offered else []
    return Script(" ".join([AS_PROMISED, *answer, *closing]))


def _answers(turn: Turn, tools_offered: bool, connected: bool) -> Script:
    """One answer to everything the merchant said in this turn; of results told before, only the sentence that
    answers."""
    told, questions = list[str](), list[tuple[int, str]]()
    for place, said in enumerate(turn.said_to_me):
        if turn.is_lost and said.startswith(_BEGINNING):
            told.append(LOST)
            continue
        scripted = next((answer for start, answer in _SCRIPTED.items() if said.startswith(start)), None)
        if scripted is None:
            left, beyond = _answerable(said.lower(), turn.now)
            told += [why for why in (_once(why, turn.before) for why in beyond) if why not in told]
            questions += [(place, question) for question in left]
        elif scripted:
            told.append(scripted)
    text = " ".join(question for _, question in questions)
    period = next((period for period, pattern in _PERIODS.items() if re.search(pattern, text)), None)
    asked = [(place, name) for place, question in questions for name in _about_what(question, period)]
    days = [day for day in ("today", "yesterday", "best day", *_WEEKDAYS) if day in text.replace("busiest", "best day")]
    known = turn.earlier | turn.results
    if known.get("sales", {}).get("data", {}).get("period", period) != period:
        del known["sales"]
    told_at = {name: place for name, place in turn.spoken.items() if name in known}
    wanted = dict.fromkeys(name for place, name in asked if told_at.get(name, 0) <= place)
    to_ask = tuple(data_type for data_type in wanted if data_type not in known)
    if to_ask and tools_offered:
        turn.asked = frozenset(wanted)
        return Script(None, to_ask, period)
    has_crossed = any(said.startswith(_CROSSED) for said in turn.said_to_me)
    words = f"{turn.words} {turn.before if has_crossed or days else ''}"
    found = {name: known[name] for name in wanted if name in known}
    told_before = [
        name
        for name, result in found.items()
        if not sentences({name: result}, f"{words} {turn.before}", days=days, now=turn.now)
    ]
    again = [
        f"As I said, {uncapitalized(sentence)}" if unsaid([sentence], words) == [] else sentence
        for sentence in (answering(text, name, found.pop(name), days) for name in sorted(told_before))  # counts first
    ]
    turn.asked = frozenset(found)
    answer = [*again, *sentences(found, words, days=days, now=turn.now)]
    if denied("sales", known.get("sales", {})) and "sales" in wanted:
        answer.append(f"{_WINDOW}.")
    if turn.asked_to_connect and any(cut_off(known[data_type]) for data_type in wanted if data_type in known):
        answer = [THIS_TOO if WAITS_TOO in turn.before else WAITS_TOO]
    if not answer and (wanted or any(not _about_what(question, period) for _, question in questions)):
        answer = [LATER if wanted else _small_talk(text, connected)]
    return Script(" ".join([*told, *answer]))


def _once(why: str, before: str) -> str:
    """Why it cannot answer, worded differently from the last time."""
    if why not in before:
        return why
    return _NEITHER if why == _NO_OTHER_TIMES else f"As I said, {uncapitalized(why)}"


def _answerable(question: str, now: datetime | None) -> tuple[list[str], list[str]]:
    """What is left of the question without the parts it cannot answer, and why it cannot answer those."""
    rest, why = question, list[str]()
    if now is not None and not re.search(r"\b(19|20)\d\d\b", question):
        for name, month in (("this month", now.month - 1), ("last month", now.month - 2)):
            rest = re.sub(rf"\b(in|of|for|this|last|and|about) {_MONTHS[month]}\b", name, rest)
    for pattern, sentence in _BEYOND.items():
        if re.search(pattern, rest):
            why.append(sentence)
            rest = re.sub(pattern, "", rest)
    if re.search(_OTHER_TIMES, rest) and not any(re.search(pattern, rest) for pattern in _PERIODS.values()):
        return [], [*why, _NO_OTHER_TIMES]
    return [rest] if not why or {*_subjects(rest, vague=False)} - {"week_orders"} else [], why


def _about_what(question: str, period: str | None) -> list[str]:
    """The data types that answer the question; for periods longer than a week, the sales reports."""
    names = _subjects(question, vague=period is None)
    if period is None:
        return names
    is_of_it = re.search(_PERIODS[period], question)
    return [*(["sales"] if is_of_it else []), *(name for name in names if name != "week_orders")]


def _subjects(text: str, *, vague: bool = True) -> list[str]:
    named = [data_type for data_type, pattern in _SUBJECTS.items() if re.search(pattern, text)]
    if named or not vague:
        return named
    return [data_type for data_type, pattern in _VAGUE.items() if re.search(pattern, text)][:1]


def _small_talk(text: str, connected: bool) -> str:
    if re.search(_HOW_TO_CONNECT, text):
        return HOW_TO_CONNECT
    if not connected and re.search(_YES, text):
        return WAITING
    opening = next(opening for pattern, opening in _SMALL_TALK.items() if re.search(pattern, text))
    return f"{opening} {ABILITIES if connected else NOT_YET}"


def _current_turn(messages: Sequence[Mapping[str, Any]]) -> Turn:
    """A turn ends with an answer without tool calls; the current turn is what follows the last of those."""
    turn = Turn()
    for message in messages:
        content = message.get("content")
        match message.get("role"):
            case "user":
                turn.said_to_me.append(str(content or "").strip())
            case "tool":
                result = _object(content)
                data_type = result.get("data_type")
                # A failure replaces no data: asked again in the same turn, the tool answers with one.
                is_told = result.get("success") and "data" not in result  # so old that only its figures are shown
                if data_type and not is_told and (result["success"] or data_type not in turn.results):
                    turn.results[data_type] = result
                    turn.unspoken.append(data_type)
                elif not data_type and result.get("success") and (result.get("data") or {}).get("metric"):
                    turn.figures.append(result["data"])
            case "assistant" if not message.get("tool_calls"):
                turn = Turn(
                    before=f"{turn.before} {turn.words} {content}",
                    earlier=turn.earlier | turn.results,
                    asked_to_connect=turn.asked_to_connect or _asks_to_connect(content),
                    offered=turn.offered or OFFER in str(content),
                )
            case "assistant":
                turn.has_computed |= any(METRICS in str(call) for call in message["tool_calls"])
                if not content:
                    continue
                turn.spoken |= dict.fromkeys(turn.unspoken, len(turn.said_to_me))
                turn.unspoken, turn.words = [], f"{turn.words} {content}"
    return turn


def _asks_to_connect(words: object) -> bool:
    return any(sentence in str(words) for sentence in (*CUT_OFF, LOST))


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
