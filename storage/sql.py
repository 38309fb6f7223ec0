"""Loads SQL from the `.sql` files beside the modules, and prepares JSON values for jsonb columns.

A file is a list of statements, each under a line `-- name: …`. A statement may contain `{fragment}`: the text under the
line `-- fragment: …` above it in the same file. Parameters are written `:name`. Comments are not sent.

One whose name is followed by its parameters and their types, `-- name: hold(turn_id bigint, attempt integer)`, is
prepared: each connection reads and plans it once (`storage.database`), which is most of what a short statement costs.

A model or a shop may send what jsonb refuses: NUL, lone surrogates, NaN
(https://www.postgresql.org/docs/current/datatype-json.html). One such character must not make a turn fail for ever, so
they are replaced when a value is stored: only here.
"""

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import TextClause

HEADING = re.compile(r"^-- (name|fragment): (\w+)(?:\((.*)\))?$", re.MULTILINE)
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"
#: In JSON text, where NUL is written as an escape.
MAYBE_UNSTORABLE = re.compile("[\ud800-\udfff]|u0000")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


#: The execution option that marks a prepared statement.
PREPARED = "prepared"


@dataclass(frozen=True)
class Prepared:
    """A statement to prepare: its PREPARE, and the EXECUTE with psycopg2's parameters."""

    name: str
    prepare: str
    execute: str

    @classmethod
    def of(cls, name: str, text: str, parameters: str) -> "Prepared":
        """`parameters`: each with its type, separated by commas."""
        types = dict(declared.split() for declared in parameters.split(","))
        places = {parameter: f"${place}" for place, parameter in enumerate(types, 1)}
        body = PARAMETER.sub(lambda found: places[found[1]], text)
        given = ", ".join(f"%({parameter})s" for parameter in types)
        return cls(name, f"PREPARE {name} ({', '.join(types.values())}) AS {body}", f"EXECUTE {name} ({given})")


class Statements(Mapping[str, "TextClause"]):
    """SQL statements by name. SQLAlchemy is imported with the first statement, so that commands without one do not wait
    for it."""

    def __init__(self, texts: Mapping[str, str], prepared: Mapping[str, Prepared]) -> None:
        self._texts, self._prepared = texts, prepared
        self._clauses: dict[str, TextClause] = {}

    def __getitem__(self, name: str) -> "TextClause":
        if name not in self._clauses:
            from sqlalchemy import text

            options = {PREPARED: self._prepared[name]} if name in self._prepared else {}
            self._clauses[name] = text(self._texts[name]).execution_options(**options)
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
    prepared: dict[str, Prepared] = {}
    for kind, title, parameters, body in zip(*(parts[place::4] for place in range(4)), strict=True):
        text = COMMENT.sub("", body).strip().format(**fragments)
        (fragments if kind == "fragment" else statements)[title] = text
        if parameters is not None:
            prepared[title] = Prepared.of(f"{name}_{title}", text, parameters)
    return Statements(statements, prepared)


def storable_text(text: str, limit: int | None = None) -> str:
    """`text` as a text column accepts it, cut to `limit` characters."""
    return UNSTORABLE.sub(REPLACEMENT, text[:limit])


def storable(value: Any) -> Any:
    """A copy of a JSON value as a jsonb column would return it. Raises TypeError if it is not JSON."""
    dumped = _encoded(value)
    return _replaced(value) if dumped is None else json.loads(dumped)


def dump(value: Any) -> str:
    """`value` as text for a jsonb column."""
    dumped = _encoded(value)
    return _encode(_replaced(value)) if dumped is None else dumped


def _encoded(value: Any) -> str | None:
    """`value` as JSON text; None if it contains what jsonb refuses, which is rare. Runs in C."""
    with contextlib.suppress(ValueError, TypeError):  # NaN, or what `_replaced` names
        dumped = _encode(value)
        if not MAYBE_UNSTORABLE.search(dumped):
            return dumped
    return None


def _replaced(value: Any) -> Any:
    """A copy of `value` without what jsonb refuses."""
    match value:
        case str():
            return storable_text(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable_text(str(key)): _replaced(item) for key, item in value.items()}
        case list() | tuple():
            return [_replaced(item) for item in value]
    raise TypeError(f"a {type(value).__name__} is no JSON value")
