"""YAML read so that every key and value still knows where it stands in the file.

Of YAML 1.2 a workflow may use: maps, lists, texts in every style, whole and decimal numbers, true, false, null.
Only `true` and `false` are true and false (`yes`, `on`, `off` are texts); dates, `1:30` and `.inf` are texts too.
Refused with the place and what to write instead: repeated keys, anchors, aliases, merge keys, tags, a second
document, templates without quotes, more than 256 KiB or 40 levels.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from workflows import yaml_syntax
from workflows.problem import Problem, Severity

MAX_BYTES = 256 * 1024
MAX_DEPTH = 40
Path = Sequence[str | int]

# The wheel brings libyaml; the parser in pure Python gives the same events, some twenty times slower.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,2})?")


@dataclass(slots=True)
class Node:
    """A value and its place; `start` and `end` are offsets into the document's text."""

    start: int
    end: int
    data: Any = None
    style: str = ""  # of a scalar: "" plain, ' or " quoted, | or > block
    keys: dict[str, "Node"] = field(default_factory=dict)
    values: dict[str | int, "Node"] = field(default_factory=dict)


class Document:
    """One file: its plain data, where everything is, and what is wrong with it."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._line_starts: list[int] = []
        if len(self.text.encode("utf-8", "replace")) > MAX_BYTES:
            self.problem(0, 1, f"a workflow file has at most {MAX_BYTES // 1024} KiB")
            return
        self.root = _Builder(self).build()

    @property
    def data(self) -> Any:
        """The file as plain dicts, lists and scalars; None if it could not be read."""
        return self.root.data if self.root else None

    def node(self, path: Path) -> Node | None:
        """The value at a path, or the nearest one above it."""
        found = self.root
        for part in path:
            if found is None or part not in found.values:
                break
            found = found.values[part]
        return found

    def find(self, path: Path) -> Node | None:
        """The value at exactly this path."""
        above = self.node(path[:-1])
        return above.values.get(path[-1]) if above is not None and path else self.root

    def line_of(self, path: Path) -> int:
        """The line on which the value at a path begins, or its key if it has one."""
        above, node = self.node(path[:-1]), self.node(path)
        key = above.keys.get(str(path[-1])) if above is not None and path else None
        return self.line_and_col((key or node or Node(0, 0)).start)[0]

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def at(self, path: Path, message: str, *, key: bool = False, severity: Severity = "error") -> None:
        """Note a problem with the value at `path`, or with its key."""
        above, node = self.node(path[:-1]), self.node(path)
        if key and above is not None and path and path[-1] in above.keys:
            node = above.keys[str(path[-1])]
        if node is not None:
            self.problem(node.start, node.end, message, severity)

    def within(self, path: Path, start: int, end: int, message: str, *, severity: Severity = "error") -> None:
        """Note a problem with the characters `start` to `end` of the text at `path`."""
        node = self.node(path)
        if node is not None:
            places = offsets(self.text[node.start : node.end], str(node.data), node.style)
            first, last = places[min(start, len(places) - 1)], places[min(max(end - 1, start), len(places) - 1)]
            self.problem(node.start + first, node.start + last + 1, message, severity)

    def problem(self, start: int, end: int, message: str, severity: Severity = "error") -> None:
        """Note a problem with the characters `start` to `end` of the file (what lies on the first line of them)."""
        line, col = self.line_and_col(start)
        source = self.line(line)
        width = max(1, min(end - start, len(source.rstrip()) - col + 1))
        found = Problem(self.file, line, col, message, severity, source, width)
        if found not in self.problems:
            self.problems.append(found)

    def line_and_col(self, at: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        before = self.text[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1

    def line(self, number: int) -> str:
        """One line of the file, without its end."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        if not 1 <= number <= len(self._line_starts):
            return ""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


class _Stop(Exception):
    """The document cannot be read on; the problem is noted."""


class _Builder:
    """Takes the parser's events one by one, so that nothing is built of what must not be there."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
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

    def unreadable(self, start: int, end: int, message: str) -> None:
        """What stopped the parser tells more than what was noted before at the same place."""
        line_and_col = self.document.line_and_col(start)
        problems = self.document.problems
        problems[:] = [problem for problem in problems if (problem.line, problem.col) != line_and_col]
        self.document.problem(start, end, message)

    def root(self) -> Node | None:
        self.events.get_event()  # the stream starts
        if self.events.check_event(yaml.StreamEndEvent):
            self.document.problem(0, 1, "the file is empty")
            return None
        self.document_start()
        root = self.node(self.events.get_event(), 0)
        self.events.get_event()  # the document ends
        self.only_document()
        return root

    def document_start(self) -> None:
        event = self.events.get_event()
        if getattr(event, "version", None) or getattr(event, "tags", None):
            self.document.problem(0, self.text.find("\n"), "a workflow file has no %YAML or %TAG line: remove it")

    def only_document(self) -> None:
        event = self.events.get_event()
        if event.start_mark.index < len(self.text) and not isinstance(event, yaml.StreamEndEvent):
            at = event.start_mark.index
            self.document.problem(at, at + 3, "a second document begins here; a file holds one workflow")

    def node(self, event: Any, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        self.refuse_anchors(event, start, end)
        if depth > MAX_DEPTH:
            self.document.problem(start, end, f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, start, end)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(event, depth)
        return self.mapping(event, depth)

    def refuse_anchors(self, event: Any, start: int, end: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            message = f"'*' at the start of a value refers to an anchor, which workflows do not have{_QUOTE_IT}"
            self.document.problem(start, end, message)
            raise _Stop
        # The mark of a map or list with an anchor stands at the anchor; the mark of its end is no use here.
        if event.anchor is not None:
            message = f"'&' at the start of a value makes an anchor, which workflows do not have{_QUOTE_IT}"
            self.document.problem(start, start + len(event.anchor) + 1, message)
        elif event.tag is not None:
            width = len(self.text[start:].split(maxsplit=1)[0]) if self.text[start:].strip() else 1
            message = f"'!' at the start of a value makes a tag, which workflows do not have{_QUOTE_IT}"
            self.document.problem(start, start + width, message)

    def scalar(self, event: Any, start: int, end: int) -> Node:
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip("\n"))
        else:
            self.comment_or_text(event, style, end)
        data = _resolved(event.value) if style == "" and event.tag is None else event.value
        return Node(start, end, data, style)

    def comment_or_text(self, event: Any, style: str, end: int) -> None:
        """`Order #1 is ready` without quotes is the text `Order`."""
        hidden = re.compile(r"[ \t]+#[^\s#]").match(self.text, end)
        if style == "" and event.value and hidden:
            self.document.problem(
                hidden.end() - 2,
                self.text.find("\n", end) if "\n" in self.text[end:] else len(self.text),
                "this is a comment, not part of the text; if it belongs to it, put the text in quotes",
                "warning",
            )

    def sequence(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.index, event.end_mark.index)
        data: list[Any] = []
        while not isinstance(inner := self.events.get_event(), yaml.SequenceEndEvent):
            item = self.node(inner, depth + 1)
            node.values[len(data)] = item
            data.append(item.data)
        node.data, node.end = data, self.end_of(node, inner)
        return node

    def mapping(self, event: Any, depth: int) -> Node:
        node = Node(event.start_mark.index, event.end_mark.index)
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
            line, _ = self.document.line_and_col(node.keys[event.value].start)
            self.document.problem(start, end, f"key {event.value!r} is repeated; it stands already on line {line}")
            return None
        if event.value == "<<" and not event.style:
            self.document.problem(start, end, "'<<' merges another map, which workflows do not have: write it out")
            return None
        if not event.style and not isinstance(_resolved(event.value), str):
            self.document.problem(start, max(end, start + 1), f"a key is a word, not {event.value or 'nothing'}")
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
            self.document.problem(at, at + 1, "a key is a word, not a list or a map")
            return Node(start, end, {})
        written = self.text[start:end]
        self.document.problem(start, end, f'a template must be in quotes: "{written}"')
        return Node(start, end, written)

    def end_of(self, node: Node, closing: Any) -> int:
        """A block ends where its last value does; its own mark is at whatever follows."""
        if self.text[node.start : node.start + 1] in ("{", "["):
            return int(closing.end_mark.index)
        inner = max((value.end for value in node.values.values()), default=node.start)
        return max(inner, *(key.end for key in node.keys.values())) if node.keys else max(inner, node.start + 1)


_QUOTE_IT = "; if it is text, put it in quotes"


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


def offsets(raw: str, value: str, style: str) -> list[int]:
    """For every character of a scalar's value, and for its end, where it stands in the scalar's source."""
    at = _content_start(raw, style)
    places: list[int] = []
    for char in value:
        at = _skip(raw, at, char, style)
        places.append(min(at, max(len(raw) - 1, 0)))
        at += _source_length(raw, at, char, style)
    places.append(min(at, max(len(raw) - 1, 0)))
    return places


def _content_start(raw: str, style: str) -> int:
    if style in ("|", ">"):
        return raw.find("\n") + 1
    return 1 if style in ("'", '"') else 0


def _skip(raw: str, at: int, char: str, style: str) -> int:
    """Step over indentation, and over line breaks that became a blank or vanished."""
    while at < len(raw) and raw[at] != char and raw[at] in " \t\n" and not (char == " " and raw[at] == "\n"):
        at += 1
    if style == '"' and raw.startswith("\\\n", at):
        return _skip(raw, at + 2, char, style)
    return at


_ESCAPE_LENGTHS = {"x": 4, "u": 6, "U": 10}


def _source_length(raw: str, at: int, char: str, style: str) -> int:
    if style == '"' and raw.startswith("\\", at):
        return _ESCAPE_LENGTHS.get(raw[at + 1 : at + 2], 2)
    return 2 if style == "'" and char == "'" else 1
