"""A YAML reader that keeps the position of every key and value.

Of YAML 1.2 a workflow may use maps, lists, texts in every style, whole and decimal numbers, true, false and null. Only
`true` and `false` are booleans (`yes`, `on`, `off` are texts); dates, `1:30` and `.inf` are texts too, and so are all
keys. Refused, with the position and a suggestion: repeated keys, anchors, aliases, tags, a second document, templates
without quotes, more than 40 levels.

Built on the parser's events, because `yaml.compose` drops anchors, and 60,000 times `[` crashes the process in it.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from workflows.errors import CURLY_QUOTES, STRANGE_SPACES, strange_space
from workflows.problems import Severity
from workflows.yaml_errors import cannot_begin, curly_quotes, explain_yaml_error, merge_conflict

MAX_DEPTH = 40

# The wheel includes libyaml; the pure Python parser yields the same events, about twenty times slower.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"(?!.{25})[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")
_COMMENT = re.compile(r"[ \t]+(#[^\s#].*)")
_STRANGE_SPACE = re.compile(f"[{STRANGE_SPACES}]")
_EMPTY: dict[Any, Any] = {}  # the children of every scalar: shared, never written to


@dataclass(slots=True)
class Node:
    """A value and its position; `start` and `end` are offsets into the text."""

    start: int
    end: int
    data: Any = None
    style: str = ""  # of a scalar: "" plain, ' or " quoted, | or > block
    keys: dict[str, "Node"] = field(default_factory=lambda: _EMPTY)
    values: dict[str | int, "Node"] = field(default_factory=lambda: _EMPTY)


class Note(NamedTuple):
    """A problem with the characters `start` to `end` of the text."""

    start: int
    end: int
    message: str
    severity: Severity = "error"


def read(text: str) -> tuple[Node | None, list[Note]]:
    """The root node of a text (None if it cannot be read to its end) and all YAML problems."""
    builder = _Builder(text)
    return builder.build(), builder.notes


def line_and_col(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


class _Stop(Exception):
    """Stops reading the document; the problem is already noted."""


class _Builder:
    """Builds nodes from the parser's events one by one, so that nothing forbidden is ever built."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.notes: list[Note] = []
        self.events: Any = None

    def build(self) -> Node | None:
        """The root node; None if the text could not be read to its end."""
        strange = yaml.reader.Reader.NON_PRINTABLE.search(self.text)
        if strange:
            message = f"the character U+{ord(strange[0]):04X} is not allowed in YAML: remove it"
            self.note(strange.start(), strange.end(), message)
            return None
        if (conflict := merge_conflict(self.text)) is not None:
            self.note(*conflict)
            return None
        self.events = _PARSER(self.text)
        try:
            return self.root()
        except yaml.MarkedYAMLError as error:
            stuck = Note(*explain_yaml_error(error, self.text))
            # This message is more specific than an earlier one at the same position.
            self.notes = [*(note for note in self.notes if note.start != stuck.start), stuck]
        except _Stop:
            pass
        finally:
            self.events.dispose()
        return None

    def note(self, start: int, end: int, message: str, severity: Severity = "error") -> None:
        self.notes.append(Note(start, end, message, severity))

    def root(self) -> Node | None:
        self.events.get_event()  # the stream starts
        if self.events.check_event(yaml.StreamEndEvent):
            self.note(0, 1, "the file is empty")
            return None
        self.events.get_event()  # the document starts
        root = self.node(self.events.get_event(), 0)
        self.events.get_event()  # the document ends
        after = self.events.get_event()
        if not isinstance(after, yaml.StreamEndEvent) and (at := after.start_mark.index) < len(self.text):
            self.note(at, at + 3, "a second document begins here; a file holds one workflow")
        return root

    def node(self, event: Any, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        self.refuse_anchors(event, start, end)
        if depth > MAX_DEPTH:
            self.note(start, end, f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, start, end)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(start, depth)
        return self.mapping(start, depth)

    def refuse_anchors(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.note(start, end, cannot_begin("*"))
            raise _Stop
        if event.anchor is not None or event.tag is not None:
            # A map or list starts at its anchor or tag; its end mark is useless here.
            width = len(self.text[start:].split(maxsplit=1)[0]) if self.text[start:].strip() else 1
            self.note(start, start + width, cannot_begin(self.text[start : start + 1]))

    def scalar(self, event: Any, start: int, end: int) -> Node:
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip("\n"))
            return Node(start, end, event.value, style)
        for at in (start + len(style), end - len(style) - 1):  # nobody sees it at the edge of a text
            if start < end and _STRANGE_SPACE.match(self.text, at):
                self.note(at, at + 1, strange_space(self.text[at]), "warning")
        if style:
            return Node(start, end, event.value, style)
        hidden = _COMMENT.match(self.text, end)
        if event.value and hidden:  # `Order #1 is ready` without quotes is the text `Order`
            message = "this is a comment, not part of the text; if it should be, put the text in quotes"
            self.note(hidden.start(1), hidden.end(), message, "warning")
        if event.value.endswith('"') and event.value.count('"') == 1:
            message = "this text ends with a quote and does not begin with one: the quote is part of it"
            self.note(end - 1, end, message, "warning")
        if len(event.value) > 1 and event.value[0] in CURLY_QUOTES and event.value[-1] in CURLY_QUOTES:
            self.note(start, end, curly_quotes(event.value[0]))
            return Node(start, end, event.value[1:-1] or None)  # checking continues with what was meant
        # Checking continues with `!connected` as text.
        return Node(start, end, _resolved(event.value) if event.tag is None else self.text[start:end])

    def sequence(self, start: int, depth: int) -> Node:
        node = Node(start, start, [], values={})
        while not isinstance(event := self.events.get_event(), yaml.SequenceEndEvent):
            item = self.node(event, depth + 1)
            node.values[len(node.data)] = item
            node.data.append(item.data)
        node.end = self.end_of(node, event)
        return node

    def mapping(self, start: int, depth: int) -> Node:
        node = Node(start, start, {}, keys={}, values={})
        is_item = self.text[:start].rpartition("\n")[2].lstrip().startswith("- ")
        while not isinstance(event := self.events.get_event(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                return self.strange_key(start, event, depth)
            key = self.key(event)
            value = self.node(self.events.get_event(), depth + 1)
            if key.data in node.keys:
                line, _ = line_and_col(self.text, node.keys[key.data].start)
                dash = (
                    f"; if a new item of the list begins here, write '- {key.data}'"
                    if is_item and key.data == next(iter(node.keys))
                    else ""
                )
                self.note(key.start, key.end, f"key {key.data!r} is repeated; it is already on line {line}{dash}")
            else:
                node.keys[key.data], node.values[key.data], node.data[key.data] = key, value, value.data
        node.end = self.end_of(node, event)
        return node

    def key(self, event: Any) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        self.refuse_anchors(event, start, end)
        return Node(start, end, event.value)

    def strange_key(self, start: int, event: Any, depth: int) -> Node:
        """A map as a key: to YAML, `{{field}}` without quotes is a map in a map."""
        at = event.start_mark.index
        self.node(event, depth + 1)
        while not isinstance(event := self.events.get_event(), yaml.MappingEndEvent):
            self.node(event, depth + 1)
        end: int = event.end_mark.index  # type: ignore[union-attr]
        if not (self.text.startswith("{{", start) and at == start + 1):
            self.note(at, at + 1, "a key is a word, not a list or a map")
            return Node(start, end, {})
        written = self.text[start:end]
        self.note(start, end, f'a template must be in quotes: "{written}"')
        return Node(start, end, written)

    def end_of(self, node: Node, closing: Any) -> int:
        """A block ends where its last value does; the parser's mark is at the next token."""
        if self.text[node.start : node.start + 1] in ("{", "["):
            return int(closing.end_mark.index)
        ends = [inner.end for inner in (*node.values.values(), *node.keys.values())]
        return max([node.start + 1, *ends])


def _resolved(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2, without infinities.

    https://yaml.org/spec/1.2.2/#103-core-schema
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "+-.0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
    return text
