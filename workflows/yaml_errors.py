"""YAML that cannot be parsed: what a colleague would say instead of what the parser says.

The parser names the place where it got stuck; the mistake is often a little before it. The message is chosen by looking
at the line itself, because PyYAML's two parsers word the same error differently.
"""

import re
from dataclasses import dataclass

import yaml

_KEY_AND_VALUE = re.compile(r"^(?P<lead>\s*(?:- +)*(?P<key>[\w.-]+|'[^']*'|\"[^\"]*\")\s*:[ \t]+)(?P<value>\S.*)$")
_ITEM = re.compile(r"^(?P<lead>\s*(?:- +)+)(?P<value>\S.*)$")
_BARE_KEY = re.compile(r"^\s*(?:- +)*[\w.-]+\s*$")
_NO_SPACE = re.compile(r"^\s*(?:- +)*(?P<key>[A-Za-z_]\w*):(?P<value>\S.*)$")

#: What the first character of a value means in YAML although its author may have meant text.
SIGNS = {
    "*": "'*' at the start of a value refers to an anchor, which workflows do not have; for text, use quotes",
    "&": "'&' at the start of a value makes an anchor, which workflows do not have; for text, use quotes",
    "!": "'!' at the start of a value makes a tag, which workflows do not have; for text, use quotes",
}
Explained = tuple[int, int, str]  # offsets into the text, and the message


def explain_yaml_error(error: yaml.MarkedYAMLError, text: str) -> Explained:
    """Where and what, for a person."""
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    stuck = _Stuck(text, at, context.index if context else at, str(error.problem or ""), *_line(text, at))
    for explain in _EXPLANATIONS:
        found = explain(stuck)
        if found:
            return found
    return _indentation(stuck)


def explain_character(error: yaml.reader.ReaderError, text: str) -> Explained:
    """The same for a character that YAML allows nowhere."""
    char = error.character if isinstance(error.character, str) else chr(error.character)
    at = max(text.find(char), 0)
    return at, at + 1, not_allowed(char)


def not_allowed(char: str) -> str:
    """The message for such a character."""
    return f"the character U+{ord(char):04X} is not allowed in YAML: remove it"


def _line(text: str, at: int) -> tuple[int, str]:
    """Offset and content of the line that holds `at`."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", start)
    return start, text[start:] if end < 0 else text[start:end]


@dataclass(frozen=True, slots=True)
class _Stuck:
    """The parser stopped at `at`, inside something that began at `begun`; `line` begins at `start`. All are offsets."""

    text: str
    at: int
    begun: int
    problem: str
    start: int
    line: str

    @property
    def first(self) -> int:
        """Where the line's content begins."""
        return self.start + len(self.line) - len(self.line.lstrip())

    @property
    def end(self) -> int:
        """Where the line's content ends."""
        return self.start + len(self.line.rstrip())


def _tab(stuck: _Stuck) -> Explained | None:
    lead = stuck.line[: stuck.first - stuck.start]
    if "\t" not in lead:
        return None
    tab = stuck.start + lead.index("\t")
    return tab, tab + 1, "this line is indented with a tab; YAML needs spaces"


def _never_closed(stuck: _Stuck) -> Explained | None:
    quote = stuck.text[stuck.begun : stuck.begun + 1]
    at_end = "end of stream" in stuck.problem or "document indicator" in stuck.problem
    if not at_end or quote not in ("'", '"'):
        return None
    return stuck.begun, stuck.begun + 1, f"the text that begins with this {quote} is never closed"


def _escape(stuck: _Stuck) -> Explained | None:
    if "escape" not in stuck.problem:
        return None
    backslash = stuck.text.rfind("\\", 0, stuck.at + 2)
    written = stuck.text[backslash : backslash + 2]
    return backslash, backslash + 2, f"{written} has no meaning in double quotes; for a backslash write \\\\"


def _template(stuck: _Stuck) -> Explained | None:
    """`{{name}} and more`: after the braces comes text that YAML cannot place."""
    value = re.search(r"(?:^|[\s:\[,-])(\{\{.*?\}\}|\{\{)", stuck.line)
    if value is None or stuck.start + value.start(1) > stuck.at:
        return None
    first = stuck.start + value.start(1)
    written = stuck.line[value.start(1) :].split(" #")[0].rstrip()
    return first, first + len(written), f'text with a template in it must be in quotes: "{written}"'


def _sign(stuck: _Stuck) -> Explained | None:
    """A value meant as text that begins with a character which means something to YAML."""
    found = _KEY_AND_VALUE.match(stuck.line)
    if found is None or found["value"][0] not in SIGNS or stuck.start + found.start("value") > stuck.at:
        return None
    return stuck.start + found.start("value"), stuck.end, SIGNS[found["value"][0]]


def _after_quote(stuck: _Stuck) -> Explained | None:
    """Something follows a quoted text: the rest after an inner quote, or of a condition with half of it in quotes."""
    text, at = stuck.text, stuck.at
    before = text[:at].rstrip(" ")
    if "\n" in text[len(before) : at] or before[-1:] not in ("'", '"') or at >= len(text):
        return None
    found = _KEY_AND_VALUE.match(stuck.line) or _ITEM.match(stuck.line)
    if found is None or found["value"][0] != before[-1]:
        return None
    quote, first = before[-1], stuck.start + found.start("value")
    if len(before) - 1 == first:
        return None
    if len(before) == at and quote == "'":
        advice = "write '' for an apostrophe inside, or put the text in double quotes"
    elif len(before) == at:
        advice = 'write \\" for a quote inside, or put the text in single quotes'
    else:
        advice = f"put the whole value in {'double' if quote == chr(39) else 'single'} quotes"
    return len(before) - 1, len(before), f"the text that began with {quote} ends here; {advice}"


def _colon(stuck: _Stuck) -> Explained | None:
    if "mapping values are not allowed" not in stuck.problem:
        return None
    before = stuck.line[: stuck.at - stuck.start]
    found = _KEY_AND_VALUE.match(stuck.line)
    if found and stuck.start + found.start("value") <= stuck.at:
        return stuck.start + found.start("value"), stuck.end, "': ' in text without quotes; put the text in quotes"
    if _BARE_KEY.match(before):
        start, above = _line(stuck.text, len(stuck.text[: stuck.start].rstrip("\n")))
        message = "this key is indented too far: line it up with the key above that it belongs beside"
        return _no_space(start, above) or (stuck.first, stuck.at, message)
    return stuck.at, stuck.at + 1, "':' is not expected here; if it is part of a text, put the text in quotes"


def _missing_colon(stuck: _Stuck) -> Explained | None:
    if "could not find expected ':'" not in stuck.problem:
        return None
    start, line = _line(stuck.text, stuck.begun)
    first, end = start + len(line) - len(line.lstrip()), start + len(line.rstrip())
    message = "this line has no key and ': '; if it continues the text above, indent it"
    return _no_space(start, line) or (first, end, message)


def _no_space(start: int, line: str) -> Explained | None:
    found = _NO_SPACE.match(line)
    if found is None:
        return None
    return start + found.start("key"), start + found.start("value"), f"a space is missing after '{found['key']}:'"


def _start(stuck: _Stuck) -> Explained | None:
    at, char, problem = stuck.at, stuck.text[stuck.at : stuck.at + 1], stuck.problem
    if "cannot start any token" in problem or ("node content" in problem and char and char in "}],%"):
        return at, at + 1, f"text cannot begin with {char} unless it is in quotes"
    if "entries are not allowed" in problem:
        return at, at + 1, "a list begins on a line of its own, each item after '- '; for text, use quotes"
    if "keys are not allowed" in problem:
        return at, at + 1, f"text cannot begin with '{char} ' unless it is in quotes"
    return None


def _flow(stuck: _Stuck) -> Explained | None:
    opening = stuck.text[stuck.begun : stuck.begun + 1]
    closing = {"[": "]", "{": "}"}.get(opening)
    if closing is None:
        return None
    return stuck.begun, stuck.begun + 1, f"this {opening} is never closed: a ',' or a '{closing}' is missing"


_EXPLANATIONS = (
    *(_tab, _never_closed, _escape, _template, _sign),
    *(_after_quote, _colon, _missing_colon, _start, _flow),
)


def _indentation(stuck: _Stuck) -> Explained:
    first, end = stuck.first, max(stuck.end, stuck.first + 1)
    if stuck.line.lstrip().startswith("- "):
        return first, end, "there is no list here for this '- ': indent it under the key that it belongs to"
    in_list = stuck.text.startswith("- ", stuck.begun)
    if in_list and stuck.begun - _line(stuck.text, stuck.begun)[0] == first - stuck.start:
        return first, end, "a list began above in this column: this line must begin with '- ' or be further left"
    if first >= stuck.at:
        return first, end, "this line begins in a column where nothing above it begins: check the indentation"
    message = "the YAML cannot be read from here on; if this is part of a text, put the text in quotes"
    return stuck.at, stuck.at + 1, message
