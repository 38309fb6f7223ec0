"""What models write into their text that does not belong there: reasoning, and tool calls in some template's dialect.

Servers are supposed to take both out and often do not. A call is accepted if its meaning is certain: the markup is
known or the JSON has the shape of a call, and the name is that of an offered tool. Markup without such a call is
removed too, so that no merchant sees it, and marked as `broken`, so that the model can be told. Pure.

    Hermes, Qwen        <tool_call>{"name": …, "arguments": {…}}</tool_call>, also without the end
    GLM                 <tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>
    Llama, Qwen coder   <function=name>{…}</function>, <function=name><parameter=key>value</parameter></function>
    Claude, MiniMax     <invoke name="name"><parameter name="key">value</parameter></invoke>
    Mistral             [TOOL_CALLS][{"name": …}], [TOOL_CALLS]name[ARGS]{…}
    Kimi                <|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}<|tool_call_end|>
    DeepSeek            <｜tool▁call▁begin｜>function<｜tool▁sep｜>name … <｜tool▁call▁end｜>
    gpt-oss (harmony)   <|channel|>commentary to=functions.name<|message|>{…}<|call|>
    Llama 3, Gemini     <|python_tag|>name(key="value"), ```tool_code … ```
    by hand             the JSON alone or fenced, name(key="value") alone, <name>{…}</name>, Action: … Action Input: …
    any other           an offered tool's name and then, with nothing but signs and labels between, a JSON object

Whatever the dialect, results that a model wrote itself are removed, too: it invented them.
"""

import ast
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

RawCall = tuple[str, Any]
"""An offered tool's name, and the arguments as the model wrote them."""

_ENCODINGS = 3
"""How many times arguments may be JSON-encoded."""
LONGEST_WORDS = 16_000
"""Characters searched, after reasoning is removed; a hostile text of this length takes a tenth of a second."""
LONGEST_CALL = 4000
"""Longest call whose broken JSON is repaired (characters)."""
PLACES = 20
"""How many lines that look like JSON are tried."""
_NAMES = ("name", "tool", "tool_name", "function", "function_name", "action", "recipient_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input", "params", "kwargs")


@dataclass(frozen=True)
class Spoken:
    """A text without markup. `broken`: part of it looked like a call and could not be read."""

    text: str
    calls: tuple[RawCall, ...] = ()
    broken: bool = False


def read(text: str, offered: Collection[str]) -> Spoken:
    """The words of a text and the calls of `offered` tools in it."""
    words = _RESULTS.sub("", _without_reasoning(_harmony_words(text)))[:LONGEST_WORDS]
    calls: list[RawCall] = []
    broken = False
    for pattern, reader in _MARKUP:
        rest: list[str] = []
        end = 0
        for found in pattern.finditer(words):
            made = [(named(name, offered), arguments) for name, arguments in reader(found)]
            known = [(name, arguments) for name, arguments in made if name is not None]
            calls += known
            broken |= not known and bool(found[0].strip()) and not _is_wrapper(found)
            rest.append(words[end : found.start()])
            end = found.end()
        words = "".join([*rest, words[end:]])
    words, by_hand = _by_hand(_TOKEN.sub("", words), offered)
    words, named_calls, is_cut = _with_arguments(words, offered)
    return Spoken(words.strip(), (*calls, *by_hand, *named_calls), broken or is_cut)


def surely_words(text: str, offered: Collection[str] = ()) -> str:
    """The start of an unfinished text that `read` will leave unchanged whatever follows: all before possible markup.

    It cannot recognise reasoning whose opening tag a template left out until the closing tag arrives.
    """
    if _EDGE.search(text) is not None:
        text = _without_reasoning(text)
    doubtful = _MAY_BE_MARKUP.search(text)
    text = text if doubtful is None else text[: doubtful.start()]
    return text[: min((place for place in map(text.find, offered) if place >= 0), default=len(text))]


def named(raw: object, offered: Collection[str]) -> str | None:
    """The offered tool that a name like `functions.name`, `default_api.name:0` or `Name()` means, or None."""
    text = raw.strip() if isinstance(raw, str) else ""
    if text in offered:
        return text
    plain = text.partition("<|")[0].partition("(")[0].strip().strip("`'\"").replace("-", "_").lower()
    for part in (plain, *reversed(re.split(r"[.:/\s]+|__", plain))):
        for name in (part, re.sub(r"^(get|call|use|fetch|tool)_", "", part)):
            if name in offered:
                return name
    return None


def read_object(text: str) -> dict[str, Any] | None:
    """The one JSON object in `text`, even if fenced, commented, encoded twice or unclosed; else None."""
    value: Any = text
    for _ in range(_ENCODINGS):
        if not isinstance(value, str):
            break
        value = _parsed(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def inner(arguments: dict[str, Any]) -> dict[str, Any]:
    """Unwrap arguments that were sent as a call: {"name": …, "arguments": {…}}, {"parameters": {…}}."""
    keys = [key for key in _ARGUMENTS if key in arguments]
    if len(keys) != 1 or set(arguments) - {keys[0], *_NAMES, "type", "id"}:
        return arguments
    value = arguments[keys[0]]
    found = read_object(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else arguments


# --- JSON as models write it -------------------------------------------------------------------------------------

_FENCE = re.compile(r"^\s*```[\w-]*\s*\n?(.*?)\n?\s*```\s*$", re.DOTALL)
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.{0,1000}?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_BARE_KEY = re.compile(r'("(?:\\.|[^"\\])*")|(?<=[{,])(\s*)(\w{1,80})(?=\s*:)')
_QUOTE = re.compile(r'<escape>|<\|"\|>')
"""How Gemma quotes."""


def _parsed(text: str) -> Any:
    fenced = _FENCE.match(text)
    text = _QUOTE.sub('"', fenced[1] if fenced else text).strip()
    text = text[1:-1].strip() if text.startswith("({") and text.endswith(")") else text
    tidy = _TRAILING_COMMA.sub(lambda found: found[1] or "", _COMMENT.sub(lambda found: found[1] or "", text)).strip()
    quoted = _BARE_KEY.sub(lambda found: found[1] or f'{found[2]}"{found[3]}"', tidy)
    for candidate in dict.fromkeys((text, tidy, tidy + "}", quoted)):
        try:
            return json.loads(candidate, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
    repeated = _repeated(tidy)
    if repeated is not None:
        return repeated
    try:
        return ast.literal_eval(tidy) if tidy.startswith("{") else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _repeated(text: str) -> Any:
    """The object, if the text repeats it: {…}{…}."""
    try:
        found = list(_objects(text))
    except (ValueError, RecursionError):
        return None
    return found[0] if found and all(one == found[0] for one in found) else None


def _objects(text: str) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(parse_constant=_no_constant), 0
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        yield value
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,;"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# --- reasoning -----------------------------------------------------------------------------------------------------

_EDGE = re.compile(
    r"<(?P<ends>/?)(?:think|thinking|thought|reasoning|reflection|scratchpad|seed:think|mm:think)>"
    r"|\[(?P<ends_2>/?)THINK\]|◁(?P<ends_3>/?)think▷|<\|(?:START|(?P<ends_4>END))_THINKING\|>"
    r"|<unused9(?:4|(?P<ends_5>5))>|\AHere are my reasoning steps:|\[(?P<ends_6>BEGIN) FINAL RESPONSE\]",
    re.IGNORECASE,
)
_CALL_BEGINS = re.compile(r"<tool_call>|<function=|<invoke ")


def _without_reasoning(text: str) -> str:
    """Templates may open the block themselves, so the opening tag can be missing; a cut answer lacks the closing
    one."""
    kept: list[str] = []
    visible: int | None = 0
    hidden = 0
    for edge in _EDGE.finditer(text):
        if any(edge.groups()):
            if visible is not None:
                kept.clear()
            visible = edge.end()
        elif visible is not None:
            kept.append(text[visible : edge.start()])
            visible, hidden = None, edge.end()
    end = len(text)
    if visible is None:
        begins = _CALL_BEGINS.search(text, hidden)
        visible = begins.start() if begins else end
        thinks_again = _EDGE.search(text, visible)
        end = thinks_again.start() if thinks_again else end
    return "".join([*kept, text[visible:end]])


_CHANNEL = re.compile(
    r"(?:<\|start\|>(?P<role>[^<]*))?<\|channel\|>(?P<head>.{0,200}?)<\|message\|>(?P<body>.*?)"
    r"(?:<\|(?:end|return)\|>|(?=<\|(?:call|start|channel)\|>)|\Z)",
    re.DOTALL,
)
_CHANNELS_LOST = re.compile(
    r"\A\s*analysis(?:.*assistantfinal|(?=[A-Z]).*?(?=assistant ?commentary|commentary to=)|(?=[A-Z]).*)", re.DOTALL
)


def _harmony_words(text: str) -> str:
    """The text of the channels meant for the user; calls keep their markup.

    https://cookbook.openai.com/articles/openai-harmony
    """

    def kept(found: re.Match[str]) -> str:
        head, role = found["head"].strip(), found["role"] or ""
        if "to=" in role:  # templates name the recipient before the channel, too
            return f"<|channel|>{role} {head}<|message|>{found['body']}"
        if "to=" in head:
            return found[0]
        return "" if head.startswith("analysis") else found["body"]

    return _CHANNELS_LOST.sub("", _CHANNEL.sub(kept, text))


# --- calls ---------------------------------------------------------------------------------------------------------


def _call_of(value: Any) -> Iterator[RawCall]:
    """The calls in a JSON value."""
    if isinstance(value, list):
        for item in value:
            yield from _call_of(item)
    if not isinstance(value, dict):
        return
    for key in ("tool_calls", "tool_uses", "function_call", "tool_call", "function"):
        if isinstance(value.get(key), (list, dict)):
            yield from _call_of(value[key])
            return
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    if name is not None:
        yield name, next((value[key] for key in _ARGUMENTS if key in value), {})


def _json_calls(text: str) -> list[RawCall]:
    fenced = _FENCE.match(text)
    try:
        return list(_call_of(list(_objects((fenced[1] if fenced else text).strip()))))
    except (ValueError, RecursionError):
        return list(_call_of(read_object(text))) if len(text) <= LONGEST_CALL else []


_PARAMETER = re.compile(
    r"<(?:\w+:|｜DSML｜)?parameter(?:=|\s+name=)\"?(?P<key>[\w-]{1,80})\"?[^>]{0,100}>(?P<value>.*?)</(?:\w+:|｜DSML｜)?parameter>"
    r"|<arg_key>(?P<glm_key>[^<]{0,80})</arg_key>\s*<arg_value>(?P<glm_value>.*?)</arg_value>"
    r"|<(?P<tag>\w+)>(?P<inside>[^<]*)</(?P=tag)>|^\s*(?P<attribute>\w+)=\"(?P<quoted>[^\"]*)\"",
    re.DOTALL,
)
_EXPRESSION = re.compile(r"(?<![\w.])(?P<name>[A-Za-z_][\w.]{0,80})\((?P<inside>[^()]{0,1000})\)")


def _parameters(text: str) -> Any:
    """Arguments, given as JSON or as one element each."""
    found = {
        (one["key"] or one["glm_key"] or one["tag"] or one["attribute"]): (
            one["value"] or one["glm_value"] or one["inside"] or one["quoted"] or ""
        ).strip()
        for one in _PARAMETER.finditer(text)
    }
    return found or text.strip()


def _tagged(found: re.Match[str]) -> list[RawCall]:
    body = found["body"]
    if (glm := re.match(r"\s*([\w.:-]+)\s*(<arg_key>.*)", body, re.DOTALL)) is not None:
        return [(glm[1], _parameters(glm[2]))]
    if (plain := re.match(r"\s*(?:call:)?([\w.:-]{1,80})\s*(\{.*\})\s*\Z", body, re.DOTALL)) is not None:
        return [(plain[1], plain[2])]
    return _json_calls(body) or _expressions(body)


def _named_element(found: re.Match[str]) -> list[RawCall]:
    return [(found["name"], _parameters(found["body"]))]


_MISTRAL_PAIR = re.compile(
    r"([\w.-]{1,80})(?:\[CALL_ID\][\w-]{0,80})?(?:\[ARGS\])?\s*(\{.{0,1000}?\})(?=\s*(?:[\w.-]{1,80}[\[{]|\Z))",
    re.DOTALL,
)


def _mistral(found: re.Match[str]) -> list[RawCall]:
    body = found["body"].strip()
    if body.startswith(("[", "{")):
        return _json_calls(body)
    pairs = _MISTRAL_PAIR.finditer(body)
    return [(one[1], one[2]) for one in pairs]


def _code(found: re.Match[str]) -> list[RawCall]:
    return _json_calls(found["body"]) or _expressions(found["body"])


def _expressions(text: str) -> list[RawCall]:
    """Calls written as in Python: name(key="value")."""
    calls: list[RawCall] = []
    for found in _EXPRESSION.finditer(text):
        try:
            call = ast.parse(found[0], mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        if isinstance(call, ast.Call) and all(isinstance(word.value, ast.Constant) for word in call.keywords):
            calls.append((found["name"], {str(word.arg): word.value.value for word in call.keywords}))  # type: ignore[attr-defined]
    return calls


def _is_wrapper(found: re.Match[str]) -> bool:
    """Whether this element is empty because an earlier pattern read its calls."""
    return not found.groupdict().get("body", "").strip()


_ANY = re.DOTALL | re.IGNORECASE
_MARKUP: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], list[RawCall]]], ...] = (
    (
        re.compile(
            r"(?:<\|start\|>[^<]{0,100})?<\|channel\|>[^<]{0,100}?to=(?P<name>[\w.:-]{1,80})[^<]{0,100}"
            r"(?:<\|constrain\|>[^<]{0,100})?<\|message\|>"
            r"(?P<body>.*?)(?:<\|call\|>|(?=<\|(?:start|channel|end)\|>)|\Z)",
            _ANY,
        ),
        _named_element,
    ),
    (
        re.compile(
            r"<(?P<tag>(?:\w+:|｜DSML｜)?(?:invoke|function|function_call|tool|tool_call))\s+name=\"?(?P<name>[^\">]{1,80})\"?"
            r"[^>]{0,100}>(?P<body>.*?)(?:</(?P=tag)>|\Z)",
            _ANY,
        ),
        _named_element,
    ),
    (
        re.compile(
            r"<function[=(/](?P<name>[^>{(),\s]{1,80})(?:[>),\s]+|(?=[{(]))(?P<body>.*?)(?:</function>|\Z)", _ANY
        ),
        _named_element,
    ),
    (
        re.compile(
            r"<[|｜]tool_call_begin[|｜]>\s*(?P<name>[^<\s]{1,80})\s*<[|｜]tool_call_argument_begin[|｜]>(?P<body>.*?)"
            r"(?:<[|｜]tool_call_end[|｜]>|\Z)",
            _ANY,
        ),
        _named_element,
    ),
    (
        re.compile(
            r"<[|｜]tool[▁_]call[▁_]begin[|｜]>(?:function<[|｜]tool[▁_]sep[|｜]>)?(?P<name>[\w.:-]{1,80})(?:<[|｜]tool[▁_]sep[|｜]>)?"
            r"(?P<body>.*?)(?:<[|｜]tool[▁_]call[▁_]end[|｜]>|\Z)",
            _ANY,
        ),
        _named_element,
    ),
    (
        re.compile(
            r"<\|?(?P<tag>(?:[\w-]+:|｜DSML｜)?(?:tool_calls?|function_calls?|tool_use|toolcall))\|?>(?P<body>.*?)"
            r"(?:<(?:[/|]{1,2}(?P=tag)\|?|(?P=tag)\|)>|\Z)",
            _ANY,
        ),
        _tagged,
    ),
    (re.compile(r"\[TOOL_CALLS\](?P<body>.*)", _ANY), _mistral),
    (re.compile(r"<\|python_tag\|>(?P<body>.*)", _ANY), _code),
    (re.compile(r"```(?:tool_code|tool_call|tool_calls|function_call)\s*\n(?P<body>.*?)(?:```|\Z)", _ANY), _code),
)
_TOKEN = re.compile(
    r"<\|(?:im_start|start_header_id)\|>\w*\s*(?:<\|end_header_id\|>\s*)?|<[|｜][^|｜<>\n]{1,40}[|｜]>|<\|?tool_call\|?>"
    r"|</?(?:s|eos|bos|end_of_turn|start_of_turn|(?:start|end)_function_call)>|\[/?INST\]|</tool_calls?>"
    r"|</?(?:final_)?(?:answer|response)>|</?｜DSML｜\w{1,40}>|✿[A-Z]{1,20}✿|^>>>(?:all\s)?|\[END FINAL RESPONSE\]",
    re.MULTILINE,
)
_RESULTS = re.compile(
    r"<(?P<tag>tool_response|tool_result|function_results?)>.*?(?:</(?P=tag)>|\Z)|<\|observation\|>.*"
    r"|<[|｜]tool▁outputs▁begin[|｜]>.*?(?:<[|｜]tool▁outputs▁end[|｜]>|\Z)",
    re.DOTALL,
)
_REACT = re.compile(
    r"(?:^Thought:[^\n]*\s+)?^Action:\s*(?P<name>\S{1,80})[ \t]*\n\s*Action Input:\s*(?P<body>.*?)"
    r"(?:\n\s*Observation:.*)?\Z",
    re.MULTILINE | re.DOTALL,
)
_JSON_BEGINS = re.compile(
    r"(?:^|(?<=[.!?] ))[ \t]*(?:<[\w:-]{1,40}>|\w{1,20}:?)?[ \t]*(?:```(?:json)?[ \t]*\n\s*)?(?=[\[{])",
    re.MULTILINE,
)
_LINE_OF_CODE = re.compile(
    r"(?:^|(?<=[.!?] ))[ \t]*(?:print\()?\[?[ \t]*"
    r"(?P<call>(?:[A-Za-z_][\w.]{0,80}\([^()\n]{0,1000}\)[ \t]*[,;]?[ \t]*){1,20})\]?\)?[ \t]*$",
    re.MULTILINE,
)
_SIGNS = re.compile(
    r"(?:[^\w{}.!?]|\b(?:json|args?|arguments|parameters|input|call|commentary|code)\b){0,60}+", re.IGNORECASE
)
"""What dialects write between a name and its arguments."""
_SENTENCE_BEGINS = re.compile(r"[.!?][\"')]?\s+|\n")
_ELEMENT_ENDS = re.compile(r"(?:\s*```|[ \t]*(?:</[\w:|-]{1,40}>|[\])}>;]))*")
LONGEST_LEAD = 100
"""Characters of a sentence before a call that are taken for its announcement or markup."""


_MAY_BE_MARKUP = re.compile(
    r"<(?=[A-Za-z/|｜!?])|◁|✿|>>>|```|\[/?[A-Z_]{3,}|\{|\bto="
    r"|^[ \t]*(?:\[|(?:Action|Thought|Observation):|[A-Za-z_][\w.]*\()"
    r"|\A\s*(?:analysis|commentary|assistant\b|Here are my reasoning steps:)",
    re.MULTILINE,
)
"""Where any of the syntaxes above may begin."""


def _by_hand(text: str, offered: Collection[str]) -> tuple[str, list[RawCall]]:
    """Calls without any markup: only whole lines that name an offered tool."""
    if not any(name in text for name in offered):
        return text, []
    calls: list[RawCall] = []

    def take(made: list[RawCall], found: str) -> str:
        known = [(name, arguments) for raw, arguments in made if (name := named(raw, offered)) is not None]
        calls.extend(known)
        return "" if known else found

    text = _REACT.sub(lambda found: take([(found["name"], found["body"])], found[0]), text)
    text = _LINE_OF_CODE.sub(lambda found: take(_expressions(found["call"]), found[0]), text)
    for name in offered:
        tag = re.escape(name)
        element = rf"<(?P<name>{tag})(?P<own>[^<>]{{0,200}}?)\s*(?:/>|>(?P<body>.*?)(?:</{tag}>|\Z))"
        text = re.sub(
            element,
            lambda found: take([(found["name"], _parameters(found["body"] or found["own"]))], found[0]),
            text,
            flags=_ANY,
        )
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    kept: list[str] = []
    place = 0
    for begins in [*_JSON_BEGINS.finditer(text)][:PLACES]:
        try:
            value, end = decoder.raw_decode(text, begins.end())
        except (ValueError, RecursionError):
            continue
        if begins.start() >= place and not take(list(_call_of(value)), "not a call"):
            kept.append(text[place : begins.start()])
            place = _after(_ELEMENT_ENDS, text, end)
    text = "".join([*kept, text[place:]])
    return text, calls


def _with_arguments(text: str, offered: Collection[str]) -> tuple[str, list[RawCall], bool]:
    """Calls in a dialect that is not known: a name, and its arguments as a JSON object. The text without them, and
    whether it ended in something like a call that could not be read."""
    calls: list[RawCall] = []
    kept: list[str] = []
    place = 0
    for found in re.finditer(rf"(?<!\w)(?:{'|'.join(map(re.escape, offered))})(?!\w)", text) if offered else ():
        if found.start() < place:
            continue
        begins = _after(_SIGNS, text, found.end())
        near = max(place, found.start() - LONGEST_LEAD)
        ends = [one.end() for one in _SENTENCE_BEGINS.finditer(text, near, found.start())]
        lead = ends[-1] if ends else place if near == place else found.start()
        is_alone = begins == len(text) and not re.search(r"\w \w", text[lead : found.start()])
        if not is_alone and text[begins : begins + 1] != "{":
            continue
        kept.append(text[place:lead])
        if (end := _object_ends(text, begins)) is None:
            return "".join(kept), calls, True
        calls.append((found[0], text[begins:end]))
        place = _after(_ELEMENT_ENDS, text, end)
    return "".join([*kept, text[place:]]), calls, False


def _object_ends(text: str, begins: int) -> int | None:
    """Where the JSON object that begins here ends, even if a model wrote it loosely; None if it cannot be read."""
    try:
        return json.JSONDecoder(parse_constant=_no_constant).raw_decode(text, begins)[1]
    except (ValueError, RecursionError):
        end = text.find("}", begins, begins + LONGEST_CALL) + 1
        return end if end and read_object(text[begins:end]) is not None else None


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where what the pattern matches at this place ends."""
    found = pattern.match(text, place)
    return place if found is None else found.end()
