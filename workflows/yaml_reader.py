"""YAML read so that every key and value still knows where it stands in the text.

Of YAML 1.2 a workflow may use: maps, lists, texts in every style, whole and decimal numbers, true, false, null.
Only `true` and `false` are true and false (`yes`, `on`, `off` are texts); dates, `1:30` and `.inf` are texts too.
Refused with the place and what to write instead: repeated keys, anchors, aliases, merge keys, tags, a second
document, templates without quotes, more than 40 levels.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from workflows import yaml_errors as yaml_syntax
from workflows.problem import Severity

MAX_DEPTH = 40

# The wheel brings libyaml; the parser in pure Python gives the same events, some twenty times slower.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")


_NONE: dict[Any, Any] = {}  # what is in a scalar: shared, never written to


@dataclass(slots=True)
class Node:
    """A value and its place; `start` and `end` are offsets into the document's text."""

    start: int
    end: int
    data: Any = None
    style: str = ""  # of a scalar: "" plain, ' or " quoted, | or > block
    keys: dict[str, "Node"] = field(default_factory=lambda: _NONE)
    values: dict[str | int, "Node"] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class Note:
    """Something wrong with the characters `start` to `end` of the text."""

    start: int
    end: int
    message: str
    severity: Severity = "error"


def read(text: str) -> tuple[Node | None, list[Note]]:
    """The root of a text (None if it cannot be read to its end) and everything that is wrong with it as YAML."""
    builder = _Builder(text)
    return builder.build(), builder.notes


def line_and_col(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


class _Stop(Exception):
    """The document cannot be read on; the problem is noted."""


class _Builder:
    """Takes the parser's events one by one, so that nothing is built of what must not be there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.notes: list[Note] = []
        self.events: Any = None

    def build(self) -> Node | None:
        """The root node; None if the text could not be read to its end. Problems are noted in the document."""
        parser = None
        try:
            parser = self.events = _PARSER(self.text)
            return self.root()
        except yaml.MarkedYAMLError as error:
            self.unreadable(*yaml_syntax.explained(error, self.text))
        except yaml.reader.ReaderError as error:
            self.unreadable(*yaml_syntax.forbidden(error, self.text))
        except UnicodeEncodeError as error:  # half of a surrogate pair; cannot come from a file
            self.unreadable(error.start, error.end, yaml_syntax.not_allowed(self.text[error.start]))
        except _Stop:
            pass
        finally:
            if parser is not None:
                parser.dispose()
        return None

    def note(self, start: int, end: int, message: str, severity: Severity = "error") -> None:
        self.notes.append(Note(start, end, message, severity))

    def unreadable(self, start: int, end: int, message: str) -> None:
        """What stopped the parser tells more than what was noted before at the same place."""
        self.notes = [note for note in self.notes if note.start != start]
        self.note(start, end, message)

    def root(self) -> Node | None:
        self.events.get_event()  # the stream starts
        if self.events.check_event(yaml.StreamEndEvent):
            self.note(0, 1, "the file is empty")
            return None
        self.document_start()
        root = self.node(self.events.get_event(), 0)
        self.events.get_event()  # the document ends
        self.only_document()
        return root

    def document_start(self) -> None:
        event = self.events.get_event()
        if getattr(event, "version", None) or getattr(event, "tags", None):
            self.note(0, self.text.find("\n"), "a workflow file has no %YAML or %TAG line: remove it")

    def only_document(self) -> None:
        event = self.events.get_event()
        if event.start_mark.index < len(self.text) and not isinstance(event, yaml.StreamEndEvent):
            at = event.start_mark.index
            self.note(at, at + 3, "a second document begins here; a file holds one workflow")

    def node(self, event: Any, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        self.refuse_anchors(event, start, end)
        if depth > MAX_DEPTH:
            self.note(start, end, f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, start, end)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, depth)
        return self.mapping(event, depth)

    def refuse_anchors(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.note(start, end, yaml_syntax.SIGNS["*"])
            raise _Stop
        # The mark of a map or list with an anchor stands at the anchor; the mark of its end is no use here.
        if event.anchor is not None:
            self.note(start, start + len(event.anchor) + 1, yaml_syntax.SIGNS["&"])
        elif event.tag is not None:
            width = len(self.text[start:].split(maxsplit=1)[0]) if self.text[start:].strip() else 1
            self.note(start, start + width, yaml_syntax.SIGNS["!"])

    def scalar(self, event: Any, start: int, end: int) -> Node:
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip("\n"))
        else:
            self.comment_or_text(event, style, end)
        if event.tag is not None and style == "":
            return Node(start, end, self.text[start:end], style)  # `!connected` is checked on as the text it looks like
        data = _resolved(event.value) if style == "" else event.value
        return Node(start, end, data, style)

    def comment_or_text(self, event: Any, style: str, end: int) -> None:
        """`Order #1 is ready` without quotes is the text `Order`."""
        hidden = re.compile(r"[ \t]+#[^\s#]").match(self.text, end)
        if style == "" and event.value and hidden:
            self.note(
                hidden.end() - 2,
                self.text.find("\n", end) if "\n" in self.text[end:] else len(self.text),
                "this is a comment, not part of the text; if it belongs to it, put the text in quotes",
                "warning",
            )

    def sequence(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.index, event.end_mark.index, values={})
        data: list[Any] = []
        while not isinstance(inner := self.events.get_event(), yaml.SequenceEndEvent):
            item = self.node(inner, depth + 1)
            node.values[len(data)] = item
            data.append(item.data)
        node.data, node.end = data, self.end_of(node, inner)
        return node

    def mapping(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.index, event.end_mark.index, keys={}, values={})
        data: dict[str, Any] = {}
        while not isinstance(inner := self.events.get_event(), yaml.MappingEndEvent):
            if not isinstance(inner, yaml.ScalarEvent):
                return self.strange_key(event, inner, depth)
            key = self.key(inner, node)
            value = self.node(self.events.get_event(), depth + 1)
            if key is not None:
                node.keys[key.data], node.values[key.data], data[key.data] = key, value, value.data
        node.data, node.end = data, self.end_of(node, inner)
        return node

    def key(self, event: Any, node: Node) -> Node | None:
        """The key of an entry; None if the entry is left out because there is something wrong with its key."""
        start, end = event.start_mark.index, event.end_mark.index
        self.refuse_anchors(event, start, end)
        if event.value in node.keys:
            line, _ = line_and_col(self.text, node.keys[event.value].start)
            self.note(start, end, f"key {event.value!r} is repeated; it stands already on line {line}")
            return None
        if event.value == "<<" and not event.style:
            self.note(start, end, "'<<' merges another map, which workflows do not have: write it out")
            return None
        if not event.style and not isinstance(_resolved(event.value), str):
            self.note(start, max(end, start + 1), f"a key is a word, not {event.value or 'nothing'}")
            return None
        return Node(start, end, event.value, event.style or "")

    def strange_key(self, event: Any, inner: Any, depth: int) -> Node:
        """A map as a key: `{{field}}` without quotes is a map in a map to YAML."""
        start, at = event.start_mark.index, inner.start_mark.index
        template = self.text.startswith("{{", start) and at == start + 1
        self.node(inner, depth + 1)
        while not isinstance(inner := self.events.get_event(), yaml.MappingEndEvent):
            self.node(inner, depth + 1)
        closing: Any = inner
        end = closing.end_mark.index
        if not template:
            self.note(at, at + 1, "a key is a word, not a list or a map")
            return Node(start, end, {})
        written = self.text[start:end]
        self.note(start, end, f'a template must be in quotes: "{written}"')
        return Node(start, end, written)

    def end_of(self, node: Node, closing: Any) -> int:
        """A block ends where its last value does; its own mark is at whatever follows."""
        if self.text[node.start : node.start + 1] in ("{", "["):
            return int(closing.end_mark.index)
        inner = max((value.end for value in node.values.values()), default=node.start)
        return max(inner, *(key.end for key in node.keys.values())) if node.keys else max(inner, node.start + 1)


def _resolved(text: str) -> Any:
    """What an unquoted scalar is, by the core schema of YAML 1.2 without infinities.

    https://yaml.org/spec/1.2.2/#103-core-schema
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] in "+-.0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text) and len(text) <= 24:
            return float(text)
    return text
