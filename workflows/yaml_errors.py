"""YAML that cannot be read: what a colleague would say instead of what the parser says.

The parser names the place where it could not go on; the mistake is often a little before. What is said is chosen by
looking at the line itself, because the two parsers of PyYAML word the same fault differently.
"""

import re

import yaml

_KEY_AND_VALUE = re.compile(r"^(?P<lead>\s*(?:- +)*(?P<key>[\w.-]+|'[^']*'|\"[^\"]*\")\s*:[ \t]+)(?P<value>\S.*)$")
_BARE_KEY = re.compile(r"^\s*(?:- +)*[\w.-]+\s*$")
_NO_BLANK = re.compile(r"^\s*(?:- +)*(?P<key>[A-Za-z_]\w*):(?P<value>\S.*)$")

#: What the first character of a value means to YAML although it may have been meant as text.
SIGNS = {
    "*": "'*' at the start of a value refers to an anchor, which workflows do not have; for a text use quotes",
    "&": "'&' at the start of a value makes an anchor, which workflows do not have; for a text use quotes",
    "!": "'!' at the start of a value makes a tag, which workflows do not have; for a text use quotes",
}
Explained = tuple[int, int, str]  # offsets into the text, and the sentence


def explained(error: yaml.MarkedYAMLError, text: str) -> Explained:
    """Where and what, for a person."""
    mark = error.problem_mark or error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    problem, context = str(error.problem or ""), error.context_mark
    begun = context.index if context else at
    ways = (_tab, _never_closed, _escape, _template, _sign, _after_quote, _colon, _missing_colon, _start, _flow)
    for explain in ways:
        found = explain(text, at, begun, problem)
        if found:
            return found
    return _indentation(text, at, begun)


def forbidden(error: yaml.reader.ReaderError, text: str) -> Explained:
    """The same for a character that YAML does not allow anywhere."""
    char = error.character if isinstance(error.character, str) else chr(error.character)
    at = max(text.find(char), 0)
    return at, at + 1, not_allowed(char)


def not_allowed(char: str) -> str:
    """What to say about such a character."""
    return f"the character U+{ord(char):04X} is not allowed in YAML: remove it"


def _line(text: str, at: int) -> tuple[int, str]:
    """Offset and content of the line that holds `at`."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", start)
    return start, text[start:] if end < 0 else text[start:end]


def _tab(text: str, at: int, begun: int, problem: str) -> Explained | None:
    start, line = _line(text, at)
    lead = line[: len(line) - len(line.lstrip())]
    if "\t" not in lead:
        return None
    tab = start + lead.index("\t")
    return tab, tab + 1, "this line is indented with a tab; YAML wants spaces"


def _never_closed(text: str, at: int, begun: int, problem: str) -> Explained | None:
    if "end of stream" not in problem and "document indicator" not in problem:
        return None
    quote = text[begun : begun + 1]
    return (begun, begun + 1, f"the text that begins with this {quote} is never closed") if quote in "'\"" else None


def _escape(text: str, at: int, begun: int, problem: str) -> Explained | None:
    if "escape" not in problem:
        return None
    backslash = text.rfind("\\", 0, at + 2)
    written = text[backslash : backslash + 2]
    return backslash, backslash + 2, f"{written} means nothing between double quotes; for a backslash write \\\\"


def _template(text: str, at: int, begun: int, problem: str) -> Explained | None:
    """`{{name}} and more`: the template ends, then comes a text that YAML cannot place."""
    start, line = _line(text, at)
    value = re.search(r"(?:^|[\s:\[,-])(\{\{.*?\}\}|\{\{)", line)
    if value is None or start + value.start(1) > at:
        return None
    first = start + value.start(1)
    written = line[value.start(1) :].split(" #")[0].rstrip()
    return first, first + len(written), f'a text with a template in it must be in quotes: "{written}"'


def _sign(text: str, at: int, begun: int, problem: str) -> Explained | None:
    """A value that begins with a sign of YAML's, and could not be read because it was meant as text."""
    start, line = _line(text, at)
    found = _KEY_AND_VALUE.match(line)
    if found is None or found["value"][0] not in SIGNS or start + found.start("value") > at:
        return None
    return start + found.start("value"), start + len(line.rstrip()), SIGNS[found["value"][0]]


def _after_quote(text: str, at: int, begun: int, problem: str) -> Explained | None:
    """A quoted text ended, and something follows it: an inner quote, or quotes around half a condition."""
    before = text[:at].rstrip(" ")
    if "\n" in text[len(before) : at] or before[-1:] not in ("'", '"') or at >= len(text):
        return None
    start, line = _line(text, at)
    found = _KEY_AND_VALUE.match(line) or re.match(r"^(?P<lead>\s*(?:- +)+)(?P<value>\S.*)$", line)
    if found is None or found["value"][0] != before[-1]:
        return None
    quote, first = before[-1], start + found.start("value")
    if len(before) - 1 == first:
        return None
    if len(before) == at and quote == "'":
        advice = "write '' for an apostrophe inside, or put the text in double quotes"
    elif len(before) == at:
        advice = 'write \\" for a quote inside, or put the text in single quotes'
    else:
        advice = f"put the whole value in {'double' if quote == chr(39) else 'single'} quotes"
    return len(before) - 1, len(before), f"the text that began with {quote} ends here; {advice}"


def _colon(text: str, at: int, begun: int, problem: str) -> Explained | None:
    if "mapping values are not allowed" not in problem:
        return None
    start, line = _line(text, at)
    before = line[: at - start]
    found = _KEY_AND_VALUE.match(line)
    if found and start + found.start("value") <= at:
        first = start + found.start("value")
        return first, start + len(line.rstrip()), "': ' inside a text without quotes; put the text in quotes"
    if _BARE_KEY.match(before):
        above = text[:start].rstrip("\n").rsplit("\n", 1)[-1]
        glued = _NO_BLANK.match(above)
        if glued:
            return _glued(text.rfind(above, 0, start), glued)
        first = start + len(before) - len(before.lstrip())
        return first, at, "this key is indented too deep: it must begin under the key above that it belongs beside"
    return at, at + 1, "':' is not expected here; if it is part of a text, put the text in quotes"


def _missing_colon(text: str, at: int, begun: int, problem: str) -> Explained | None:
    if "could not find expected ':'" not in problem:
        return None
    start, line = _line(text, begun)
    glued = _NO_BLANK.match(line)
    if glued:
        return _glued(start, glued)
    first = start + len(line) - len(line.lstrip())
    return first, start + len(line.rstrip()), "this line has no key and ': '; if it continues the text above, indent it"


def _glued(start: int, found: re.Match[str]) -> Explained:
    key, first, last = found["key"], start + found.start("key"), start + found.start("value")
    return first, last, f"a blank is missing after '{key}:'"


def _start(text: str, at: int, begun: int, problem: str) -> Explained | None:
    char = text[at : at + 1]
    if "cannot start any token" in problem:
        return at, at + 1, f"a text cannot begin with {char} unless it is in quotes"
    if "node content" in problem and char and char in "}],%":
        return at, at + 1, f"a text cannot begin with {char} unless it is in quotes"
    if "entries are not allowed" in problem:
        return at, at + 1, "a list begins on a line of its own, each item after '- '; for a text, use quotes"
    if "keys are not allowed" in problem:
        return at, at + 1, f"a text cannot begin with '{char} ' unless it is in quotes"
    return None


def _flow(text: str, at: int, begun: int, problem: str) -> Explained | None:
    opening = text[begun : begun + 1]
    closing = {"[": "]", "{": "}"}.get(opening)
    if closing is None:
        return None
    return begun, begun + 1, f"what begins with this {opening} is never closed: a ',' or a '{closing}' is missing"


def _indentation(text: str, at: int, begun: int) -> Explained:
    start, line = _line(text, at)
    first = start + len(line) - len(line.lstrip())
    end = max(start + len(line.rstrip()), first + 1)
    if line.lstrip().startswith("- "):
        return first, end, "this '- ' stands where no list is: indent it under the key that it belongs to"
    if text.startswith("- ", begun) and begun - _line(text, begun)[0] == first - start:
        return first, end, "a list began above in this column: this line must begin with '- ' or stand further left"
    if first >= at:
        return first, end, "this line begins in a column where nothing above it begins: check the indentation"
    return at, at + 1, "YAML cannot be read from here on; if this is part of a text, put the text in quotes"
