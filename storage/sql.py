"""What statements are made of: SQL from the `.sql` files beside the modules, and JSON values for jsonb columns.

A file is a list of statements, each under a line `-- name: …`. A statement may hold `{fragment}`, the text under
`-- fragment: …` above it in the same file. Parameters are written `:name`. Comments stay in the file.

A model or a shop may send what jsonb refuses: NUL, lone surrogates, NaN
(https://www.postgresql.org/docs/current/datatype-json.html). One such character must not make a turn fail for ever, so
they are replaced where a value is stored: here, and nowhere else.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import TextClause

HEADING = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
#: In JSON text, where NUL is written as an escape.
MAYBE_UNSTORABLE = re.compile("[\ud800-\udfff]|u0000")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Statements(Mapping[str, "TextClause"]):
    """SQL by its names. SQLAlchemy is imported with the first statement, so that a command without one does not wait
    for it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._clauses: dict[str, TextClause] = {}

    def __getitem__(self, name: str) -> "TextClause":
        if name not in self._clauses:
            from sqlalchemy import text

            self._clauses[name] = text(self._texts[name])
        return self._clauses[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def load(name: str) -> Mapping[str, "TextClause"]:
    """The statements of `storage/<name>.sql`."""
    _, *parts = HEADING.split((Path(__file__).parent / f"{name}.sql").read_text("utf-8"))
    statements: dict[str, str] = {}
    fragments: dict[str, str] = {}
    for kind, title, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
        (fragments if kind == "fragment" else statements)[title] = COMMENT.sub("", body).strip().format(**fragments)
    return Statements(statements)


def storable_text(text: str, limit: int | None = None) -> str:
    """`text` as a text column takes it, cut to `limit` characters."""
    return UNSTORABLE.sub(REPLACEMENT, text[:limit])


def storable(value: Any) -> Any:
    """A copy of a JSON value that a jsonb column takes. Raises TypeError for what is not JSON at all."""
    match value:
        case str():
            return storable_text(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable_text(str(key)): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def dump(value: Any) -> str:
    """`value` as text for a jsonb column."""
    with contextlib.suppress(ValueError, TypeError):  # NaN, or what `storable` names
        dumped = _encode(value)
        if not MAYBE_UNSTORABLE.search(dumped):
            return dumped
    return _encode(storable(value))
