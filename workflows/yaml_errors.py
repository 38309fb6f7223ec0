"""Better messages for YAML that cannot be parsed than the parser's.

The parser reports where it got stuck; the mistake is often a little before that. The message is chosen by looking at
the line itself, because PyYAML's two parsers word the same error differently.
"""

import re
from typing import NamedTuple

import yaml

from workflows.errors import STRANGE_SPACES, strange_space

_VALUE = re.compile(r"\s*(?:- +)*(?:(?:[\w.-]+|'[^']*'|\"[^\"]*\")\s*:[ \t]+|- +)(?P<value>\S.*)$")
_TEMPLATE = re.compile(r"(?:^|[\s:\[,-])(\{\{.*?\}\}|\{\{)")
_STRANGE_SPACE = re.compile(f"[{STRANGE_SPACES}]")
_CONFLICT = re.compile(r"^[ \t]*(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)
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


def _strange_space(stuck: _Stuck) -> Explained | None:
    """A character that only looks like a space, where the parser got stuck or on the line before."""
    first = stuck.text.rfind("\n", 0, max(stuck.start - 1, 0)) + 1
    found = _STRANGE_SPACE.search(stuck.text, first, stuck.start + len(stuck.line))
    return (found.start(), found.start() + 1, strange_space(found[0])) if found else None


def _quote_never_closed(stuck: _Stuck) -> Explained | None:
    quote = stuck.text[stuck.begun : stuck.begun + 1]
    at_end = "end of stream" in stuck.problem or "document indicator" in stuck.problem
    if not at_end or quote not in ("'", '"'):
        return None
    return stuck.begun, stuck.begun + 1, f"the text that begins with this {quote} is never closed"


def _bracket_never_closed(stuck: _Stuck) -> Explained | None:
    opening = stuck.text[stuck.begun : stuck.begun + 1]
    closing = {"[": "]", "{": "}"}.get(opening)
    if closing is None:
        return None
    return stuck.begun, stuck.begun + 1, f"this {opening} is never closed: a ',' or a '{closing}' is missing"


def _after_quote(stuck: _Stuck) -> Explained | None:
    """Something follows a quoted text: the rest after an inner quote, or of a condition with half of it in quotes."""
    before = stuck.text[: stuck.at].rstrip(" ")
    quote, last = before[-1:], len(before) - 1
    if stuck.value is None or quote not in ("'", '"') or stuck.text[stuck.value] != quote or last == stuck.value:
        return None
    other = "double" if quote == "'" else "single"
    return last, last + 1, f"the text that began with {quote} ends here; put the whole value in {other} quotes"


def _template(stuck: _Stuck) -> Explained | None:
    """`{{name}} and more`: after the braces comes text that YAML cannot place."""
    found = _TEMPLATE.search(stuck.line)
    if found is None or stuck.start + found.start(1) > stuck.at:
        return None
    first = stuck.start + found.start(1)
    written = stuck.line[found.start(1) :].split(" #")[0].rstrip()
    return first, first + len(written), f'text with a template in it must be in quotes: "{written}"'


def _colon(stuck: _Stuck) -> Explained | None:
    if "mapping values are not allowed" not in stuck.problem:
        return None
    if stuck.value is not None:
        return stuck.value, stuck.end, "': ' in text without quotes; put the text in quotes"
    return stuck.first, stuck.at, "this key is indented too far: line it up with the key above that it belongs beside"


def _missing_colon(stuck: _Stuck) -> Explained | None:
    if "could not find expected ':'" not in stuck.problem:
        return None
    start, line = _line(stuck.text, stuck.begun)
    message = "this line has no key and ': ' (with a space); if it continues the text above, indent it"
    return start + len(line) - len(line.lstrip()), start + len(line.rstrip()), message


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


def _indentation(stuck: _Stuck) -> Explained:
    if stuck.first >= stuck.at:
        message = "this line does not fit those above it: check its indentation, and whether it needs a '- '"
        return stuck.first, max(stuck.end, stuck.first + 1), message
    message = "the YAML cannot be read from here on; if this is part of a text, put the text in quotes"
    return stuck.at, stuck.at + 1, message


_EXPLANATIONS = (
    _tab,
    _strange_space,
    _quote_never_closed,
    _template,
    _after_quote,
    _colon,
    _missing_colon,
    _bracket_never_closed,
    _sign,
    _indentation,
)
