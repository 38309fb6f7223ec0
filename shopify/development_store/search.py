"""Parses Shopify's search syntax into a tree (https://shopify.dev/docs/api/usage/search-syntax).

    query = term { [AND | OR] term }        AND is implied
    term  = [- | NOT] ( "(" query ")" | [field:] [comparator] value { , value } )

Malformed queries are forgiven as Shopify forgives them: a stray parenthesis or a dangling connective is skipped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

MAX_DEPTH = 50
"""Deeper nesting is skipped like any other stray parenthesis."""

COMPARATORS = {"<=": "lte", ">=": "gte", "<": "lt", ">": "gt"}

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<open>\() | (?P<close>\)) | (?P<minus>-(?=[\w("']))
    | (?P<word>(?:(?P<field>[A-Za-z_][\w.]*):)?
        (?P<comparator><=|>=|<|>)?
        (?P<value>(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()"'])*))
    )""",
    re.VERBOSE,
)
_VALUE = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^,]*))\s*(?:,|$)""")


@dataclass(frozen=True)
class Term:
    """`field:value`, `field:>=value`, `field:a,b` (any of them) or a bare word (field None)."""

    field: str | None
    comparator: str | None
    values: tuple[str, ...]

    def parsed(self) -> dict[str, Any]:
        """As `extensions.search[].parsed` shows it."""
        field = self.field or "default"
        if self.comparator is not None:
            return {"field": field, "range": {COMPARATORS[self.comparator]: self.values[0]}}
        if len(self.values) == 1:
            return {"field": field, "match_all": self.values[0]}
        return {"or": [{"field": field, "match_all": value} for value in self.values]}


@dataclass(frozen=True)
class Combination:
    """`and`: all of the parts must hold. `or`: one of them."""

    connective: Literal["and", "or"]
    parts: tuple["Node", ...]

    def parsed(self) -> dict[str, Any]:
        """As `extensions.search[].parsed` shows it."""
        return {self.connective: [part.parsed() for part in self.parts]}


@dataclass(frozen=True)
class NotClause:
    """The part must not hold."""

    part: "Node"

    def parsed(self) -> dict[str, Any]:
        """As `extensions.search[].parsed` shows it."""
        return {"not": self.part.parsed()}


Node: TypeAlias = Term | Combination | NotClause


def parse(query: str) -> Node | None:
    """The tree of a query; None if it holds no term at all."""
    return _QueryParser(list(_pieces(query))).query()


def _pieces(query: str) -> Iterator[Term | str]:
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None or match.end() == at:
            at += 1
            continue
        at = match.end()
        if match["word"] is None:
            yield match["open"] or match["close"] or "NOT"
        elif match["word"] in ("AND", "OR", "NOT"):
            yield match["word"]
        elif match["word"]:
            yield Term(match["field"], match["comparator"] if match["field"] else None, _values(match["value"]))


def _values(text: str) -> tuple[str, ...]:
    found = [re.sub(r"\\(.)", r"\1", a or b or c) for a, b, c in _VALUE.findall(text)]
    return tuple(value for value in found if value) or ("",)


class _QueryParser:
    def __init__(self, pieces: list[Term | str]) -> None:
        self._pieces = pieces
        self._at = 0
        self._depth = 0

    def query(self) -> Node | None:
        alternatives: list[Node] = []
        together: list[Node] = []
        while (piece := self._next()) is not None and piece != ")":
            if piece == "OR":
                alternatives += _joined("and", together)
                together = []
            elif piece != "AND" and (term := self._term(piece)) is not None:
                together.append(term)
        alternatives += _joined("and", together)
        return next(iter(_joined("or", alternatives)), None)

    def _next(self) -> Term | str | None:
        self._at += 1
        return self._pieces[self._at - 1] if self._at <= len(self._pieces) else None

    def _term(self, piece: Term | str) -> Node | None:
        if isinstance(piece, Term):
            return piece
        if piece not in ("NOT", "(") or self._depth >= MAX_DEPTH:
            return None
        self._depth += 1
        try:
            if piece == "(":
                return self.query()
            following = self._next()
            part = None if following is None else self._term(following)
            return None if part is None else NotClause(part)
        finally:
            self._depth -= 1


def _joined(connective: Literal["and", "or"], parts: list[Node]) -> list[Node]:
    return [Combination(connective, tuple(parts))] if len(parts) > 1 else parts
