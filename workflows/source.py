"""A YAML file as a document: its plain data, the position of every key and value, and the problems found in it."""

from functools import cached_property
from typing import Any

from workflows import yaml_reader
from workflows.problems import Problem, Severity
from workflows.yaml_reader import Node, line_and_col

MAX_BYTES = 256 * 1024
Path = tuple[str | int, ...]  # keys of maps and indexes of lists, from the root of the file


class Document:
    """One file. Checks add to `problems` by `at`, `within` or `problem`. `refused`: why the file could not be read."""

    def __init__(self, file: str, text: str, *, refused: Problem | None = None) -> None:
        self.file = file
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self.problems: list[Problem] = [refused] if refused else []
        self.root: Node | None = None
        if refused:
            return
        if len(self.text.encode("utf-8", "replace")) > MAX_BYTES:
            self.problem(0, 1, f"a workflow file has at most {MAX_BYTES // 1024} KiB")
            return
        self.root, notes = yaml_reader.read(self.text)
        for note in notes:
            self.problem(*note)

    @property
    def data(self) -> Any:
        """The file as plain dicts, lists and scalars; None if it could not be read."""
        return self.root.data if self.root else None

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def node(self, path: Path) -> Node | None:
        """The value at a path, or the nearest one above it."""
        found = self.root
        for part in path:
            if found is None or part not in found.values:
                break
            found = found.values[part]
        return found

    def find(self, path: Path) -> Node | None:
        """The value at exactly this path, or None."""
        above = self.node(path[:-1])
        return above.values.get(path[-1]) if above is not None and path else self.root

    def line_of(self, path: Path) -> int:
        """The line of the key at a path, or of its value if it has no key."""
        above, node = self.node(path[:-1]), self.node(path)
        key = above.keys.get(str(path[-1])) if above is not None and path else None
        return line_and_col(self.text, (key or node or Node(0, 0)).start)[0]

    def rename(self, path: Path, name: str) -> None:
        """Continue as if the key at `path` were `name`, so that problems below it are found, too."""
        above, key = self.node(path[:-1]), str(path[-1])
        if above is not None and key in above.keys:
            above.keys[name], above.values[name] = above.keys.pop(key), above.values.pop(key)
            above.data[name] = above.data.pop(key)

    def replace(self, path: Path, value: str) -> None:
        """Continue as if the text at `path` were `value`."""
        above, node = self.node(path[:-1]), self.find(path)
        if above is not None and node is not None:
            node.data = above.data[path[-1]] = value

    def at(self, path: Path, message: str, *, key: bool = False, severity: Severity = "error") -> None:
        """Add a problem with the value at `path`, or with its key."""
        above, node = self.node(path[:-1]), self.node(path)
        if key and above is not None and path and path[-1] in above.keys:
            node = above.keys[str(path[-1])]
        if node is not None:
            self.problem(node.start, node.end, message, severity)

    def within(self, path: Path, start: int, end: int, message: str, *, severity: Severity = "error") -> None:
        """Add a problem with the characters `start` to `end` of the text at `path`."""
        node = self.node(path)
        if node is not None:
            places = offsets(self.text[node.start : node.end], str(node.data), node.style)
            first, last = places[min(start, len(places) - 1)], places[min(max(end - 1, start), len(places) - 1)]
            self.problem(node.start + first, node.start + last + 1, message, severity)

    def problem(self, start: int, end: int, message: str, severity: Severity = "error") -> None:
        """Add a problem with the characters `start` to `end` of the file, as far as they are on one line."""
        line, col = line_and_col(self.text, start)
        source = self.line(line)
        width = max(1, min(end - start, len(source.rstrip()) - col + 1))
        found = Problem(self.file, line, col, message, severity, source, width)
        if found not in self.problems:
            self.problems.append(found)

    def line(self, number: int) -> str:
        """One line of the file, without its end."""
        return self._lines[number - 1] if 1 <= number <= len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")


def offsets(raw: str, value: str, style: str) -> list[int]:
    """The offset in the written scalar of every character of its value, and of its end."""
    at = raw.find("\n") + 1 if style in ("|", ">") else len(style)
    places: list[int] = []
    for char in value:
        at = _skip(raw, at, char, style)
        places.append(at)
        at += _source_length(raw, at, char, style)
    last = max(len(raw) - 1, 0)
    return [min(place, last) for place in (*places, at)]


def _skip(raw: str, at: int, char: str, style: str) -> int:
    """Skip indentation, and line breaks that became a space or vanished."""
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
