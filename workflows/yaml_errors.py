"""Better messages for YAML that cannot be parsed than the parser's.

The parser reports where it got stuck; the mistake is often a little before that. The message is chosen by looking at
the line itself, because PyYAML's two parsers word the same error differently.
"""

import re
from typing import NamedTuple

import yaml

from workflows.errors import CURLY_QUOTES, STRANGE_SPACES, strange_space

_VALUE = re.compile(r"\s*(?:- +)*(?:(?:[\w.-]+|'[^']*'|\"[^\"]*\")\s*:[ \t]+|- +)(?P<value>\S.*)$")
_BARE_KEY = re.compile(r"\s*(?:- +)*[\w.-]+\s*$")
_NO_SPACE = re.compile(r"\s*(?:- +)*(?P<key>[A-Za-z_]\w*):\S.*$")
_TEMPLATE = re.compile(r"(?:^|[\s:\[,-])(\{\{.*?\}\}|\{\{)")
_CONFLICT = re.compile(r"^[ \t]*(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)
# Possessive: a long line of spaces is read once.
_STRANGE_SPACE = re.compile(rf"[ \t]*+(?:-[ \t]++)*(?:[\w.-]++[ \t]*+:?+)?+[ \t]*+(?P<space>[{STRANGE_SPACES}]+)")
_LOOKALIKE = re.compile(
    r"[ \t]*(?:(?P<dash>[\u2010-\u2015\u2022\u2212*])[ \t]|(?:- +)*[\w.-]+ *(?P<colon>[\ufe13\ufe55\uff1a]))"
)
Explained = tuple[int, int, str]  # offsets into the text, and the message


def explain_yaml_error(error: yaml.MarkedYAMLError, text: str) -> Explained:
    """The position and a message for authors."""
    mark, context = error.problem_mark or error.context_mark, error.context_mark
    at = min(mark.index, len(text)) if mark else 0
    stuck = _Stuck(text, at, context.index if context else at, str(error.problem or ""), *_line(text, at))
    return next(found for explain in _EXPLANATIONS if (found := explain(stuck)))


def merge_conflict(text: str) -> Explained | None:
    """The position of an unresolved merge conflict, and what to do."""
    found = _CONFLICT.search(text)
    if found is None:
        return None
    message = (
        "a merge conflict is left here: keep one of the two versions, and remove the lines <<<<<<<, ======= and >>>>>>>"
    )
    return found.start(), found.end(), message


def curly_quotes(quote: str) -> str:
    """The message for a value in curly quotes."""
    return f"{quote} is a curly quote, an ordinary character in YAML: put the value in straight quotes"


def cannot_begin(sign: str) -> str:
    """The message for a special character at the start of a value."""
    meaning = "; workflows have no anchors, aliases and tags" if sign in "&*!" else ""
    return f"text cannot begin with {sign} unless it is in quotes{meaning}"


def _line(text: str, at: int) -> tuple[int, str]:
    """Offset and content of the line that holds `at`."""
    start = text.rfind("\n", 0, at) + 1
    return start, text[start:].split("\n", 1)[0]


class _Stuck(NamedTuple):
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

    @property
    def value(self) -> int | None:
        """Where the value after the line's key or '- ' begins, if the parser got that far."""
        found = _VALUE.match(self.line)
        value = self.start + found.start("value") if found else None
        return value if value is not None and value <= self.at else None


def _tab(stuck: _Stuck) -> Explained | None:
    tab = stuck.text.find("\t", stuck.start, stuck.first)
    return (tab, tab + 1, "this line is indented with a tab; YAML needs spaces") if tab >= 0 else None


def _no_space_at_all(stuck: _Stuck) -> Explained | None:
    """A character that only looks like a space, on the line itself or where the broken value began."""
    for start, line in (_line(stuck.text, stuck.begun), _line(stuck.text, max(stuck.start - 1, 0)), stuck[4:]):
        found = _STRANGE_SPACE.match(line)
        if found is not None:
            at = start + found.start("space")
            return at, at + 1, strange_space(stuck.text[at])
    return None


def _curly_quote(stuck: _Stuck) -> Explained | None:
    """A value in curly quotes, or one that begins with a straight quote and ends with a curly one."""
    if stuck.value is not None and stuck.text[stuck.value] in CURLY_QUOTES:
        return stuck.value, stuck.end, curly_quotes(stuck.text[stuck.value])
    for start, line in (_line(stuck.text, stuck.begun), stuck[4:]):
        found = _VALUE.match(line)
        quote, last = (found["value"][0], line.rstrip()[-1:]) if found else ("", "")
        if quote in ("'", '"') and last in CURLY_QUOTES:
            at = start + len(line.rstrip()) - 1
            return at, at + 1, f"{last} is a curly quote and does not close the text that begins with {quote}"
    return None


def _text_beside_bar(stuck: _Stuck) -> Explained | None:
    """`system: | You are CJ`."""
    sign = "" if stuck.value is None else stuck.text[stuck.value]
    if sign not in ("|", ">") or "comment or" not in stuck.problem:
        return None
    message = f"the text begins on the line below the {sign}, indented; nothing stands beside the {sign}"
    return stuck.at, stuck.end, message


def _comment_ends_text(stuck: _Stuck) -> Explained | None:
    """A comment that is indented less than the block text around it, and so ends the text."""
    indent, at = stuck.first - stuck.start, stuck.start
    found: Explained | None = None
    while at > 0:
        at, line = _line(stuck.text, at - 1)
        here = len(line) - len(line.lstrip())
        if line.strip() and not (line.lstrip().startswith("#") and here < indent):
            return found if here >= indent and not _VALUE.match(line) else None
        if line.strip():
            message = "this comment ends the text above it, because it is indented less: indent it to make it part of "
            found = (at + here, at + len(line.rstrip()), f"{message}the text; or move it above the text's key")
    return None


def _quote_never_closed(stuck: _Stuck) -> Explained | None:
    quote = stuck.text[stuck.begun : stuck.begun + 1]
    at_end = "end of stream" in stuck.problem or "document indicator" in stuck.problem
    if not at_end or quote not in ("'", '"'):
        return None
    return stuck.begun, stuck.begun + 1, f"the text that begins with this {quote} is never closed"


def _quote_closed_too_late(stuck: _Stuck) -> Explained | None:
    """A text in quotes that runs on to the quote of a later line."""
    before = stuck.text[: stuck.at].rstrip(" ")
    quote, start = before[-1:], stuck.start
    if quote not in ("'", '"') or _opens(stuck.line[: len(before) - 1 - start], quote) is not None:
        return None
    while start > 0:
        start, line = _line(stuck.text, start - 1)
        opened = _opens(line, quote)
        if opened is not None:
            at = start + opened
            return at, at + 1, f"the text that begins with this {quote} is not closed on its line"
        if quote in line:
            return None
    return None


def _opens(line: str, quote: str) -> int | None:
    """Where a value begins with the quote and is not closed on its line."""
    found = _VALUE.match(line)
    if found is None or found["value"][0] != quote or re.search(rf"(?<!\\){quote}", found["value"][1:]):
        return None
    return found.start("value")


def _escape(stuck: _Stuck) -> Explained | None:
    if "escape" not in stuck.problem:
        return None
    backslash = stuck.text.rfind("\\", 0, stuck.at + 2)
    written = stuck.text[backslash : backslash + 2]
    return backslash, backslash + 2, f"{written} has no meaning in double quotes; for a backslash write \\\\"


def _template(stuck: _Stuck) -> Explained | None:
    """`{{name}} and more`: after the braces comes text that YAML cannot place."""
    found = _TEMPLATE.search(stuck.line)
    if found is None or stuck.start + found.start(1) > stuck.at:
        return None
    first = stuck.start + found.start(1)
    written = stuck.line[found.start(1) :].split(" #")[0].rstrip()
    return first, first + len(written), f'text with a template in it must be in quotes: "{written}"'


def _after_quote(stuck: _Stuck) -> Explained | None:
    """Something follows a quoted text: the rest after an inner quote, or of a condition with half of it in quotes."""
    before = stuck.text[: stuck.at].rstrip(" ")
    quote, last = before[-1:], len(before) - 1
    if stuck.value is None or quote not in ("'", '"') or stuck.text[stuck.value] != quote or last == stuck.value:
        return None
    other = "double" if quote == "'" else "single"
    return last, last + 1, f"the text that began with {quote} ends here; put the whole value in {other} quotes"


def _colon(stuck: _Stuck) -> Explained | None:
    if "mapping values are not allowed" not in stuck.problem:
        return None
    if stuck.value is not None:
        return stuck.value, stuck.end, "': ' in text without quotes; put the text in quotes"
    if _BARE_KEY.match(stuck.line[: stuck.at - stuck.start]):
        above = _line(stuck.text, len(stuck.text[: stuck.start].rstrip("\n")))
        message = "this key is indented too far: line it up with the key above that it belongs beside"
        return _no_space(*above) or (stuck.first, stuck.at, message)
    return stuck.at, stuck.at + 1, "':' is not expected here; if it is part of a text, put the text in quotes"


def _dash(stuck: _Stuck) -> Explained | None:
    """A dash instead of a hyphen before a list item, or a colon from another alphabet after a key."""
    above = _line(stuck.text, max(stuck.start - 1, 0))
    beside = [above] if len(above[1]) - len(above[1].lstrip()) == stuck.first - stuck.start else []
    for start, line in (_line(stuck.text, stuck.begun), stuck[4:], *beside):
        found = _LOOKALIKE.match(line)
        if found is not None:
            sign = found["dash"] or found["colon"]
            at = start + found.start("dash" if found["dash"] else "colon")
            meant = "begin the item with '- '" if found["dash"] else "write ': '"
            return at, at + 1, f"{sign} only looks like the right character: {meant}"
    return None


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
    return start + found.start("key"), start + found.end("key") + 1, f"a space is missing after '{found['key']}:'"


def _sign(stuck: _Stuck) -> Explained | None:
    """A value meant as text that starts with a special character."""
    if stuck.value is not None and stuck.text.startswith("- ", stuck.value):
        message = "a list begins on a line of its own, each item after '- '; for text, use quotes"
        return stuck.value, stuck.value + 1, message
    for at in (stuck.value, stuck.at):
        sign = "" if at is None else stuck.text[at : at + 1]
        if at is not None and sign and sign in "@`%,}]?*&!":
            return at, at + 1, cannot_begin(sign)
    return None


def _bracket_never_closed(stuck: _Stuck) -> Explained | None:
    opening = stuck.text[stuck.begun : stuck.begun + 1]
    closing = {"[": "]", "{": "}"}.get(opening)
    if closing is None:
        return None
    return stuck.begun, stuck.begun + 1, f"this {opening} is never closed: a ',' or a '{closing}' is missing"


def _indentation(stuck: _Stuck) -> Explained:
    if stuck.first >= stuck.at:
        message = "this line does not fit those above it: check its indentation, and whether it needs a '- '"
        return stuck.first, max(stuck.end, stuck.first + 1), message
    message = "the YAML cannot be read from here on; if this is part of a text, put the text in quotes"
    return stuck.at, stuck.at + 1, message


_EXPLANATIONS = (
    _tab,
    _no_space_at_all,
    _curly_quote,
    _text_beside_bar,
    _comment_ends_text,
    _quote_never_closed,
    _escape,
    _template,
    _dash,
    _quote_closed_too_late,
    _after_quote,
    _colon,
    _missing_colon,
    _bracket_never_closed,
    _sign,
    _indentation,
)
