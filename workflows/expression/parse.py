"""The grammar of conditions and templates: a text becomes a small tree, or raises InvalidExpression.

    expression = and-list { "or" and-list }
    and-list   = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" ) operand ]
    operand    = literal | field | "[" [ expression { "," expression } ] "]" | "(" expression ")"
    field      = name { "." name | "[" text-or-whole-number "]" }

Nothing can call, loop or compute, so evaluating an expression needs no protection from it.
"""

from dataclasses import dataclass

from workflows.errors import InvalidExpression
from workflows.expression.lexer import Token, tokenize, unexpected

MAX_LENGTH = 1000
MAX_DEPTH = 24
COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "not in"})


@dataclass(frozen=True, slots=True)
class Literal:
    """`'text'`, `-2.5`, `true`, `false`, `null`."""

    start: int
    end: int
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, 'b', 3]`."""

    start: int
    end: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Field:
    """`shop_domain`, `data.shop.plan`, `tags[0]`, `x['a b']`; `spans` has the place of each part."""

    start: int
    end: int
    path: tuple[str | int, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """The field as it would be written."""
        first, *rest = self.path
        inner = (f".{part}" if str(part).isidentifier() else f"[{part!r}]" for part in rest)
        return f"{first}{''.join(inner)}"


@dataclass(frozen=True, slots=True)
class Negation:
    """`not a`."""

    start: int
    end: int
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Logic:
    """`a and b and c`, or the same with `or`."""

    start: int
    end: int
    word: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Compare:
    """`a == b`, `a in b` and the other comparisons."""

    start: int
    end: int
    op: str
    left: "Node"
    right: "Node"


Node = Literal | ListOf | Field | Negation | Logic | Compare


def parse(source: str) -> Node:
    """Parse a whole expression; raises InvalidExpression."""
    if len(source) > MAX_LENGTH:
        raise InvalidExpression(f"an expression has at most {MAX_LENGTH} characters, this one has {len(source)}", 0, 1)
    return _Parser(source).whole()


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, from left to right."""
    match node:
        case ListOf():
            return node.items
        case Negation():
            return (node.operand,)
        case Logic():
            return node.parts
        case Compare():
            return (node.left, node.right)
    return ()


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokenize(source)
        self.at = 0
        self.token = self.tokens[0]
        self.depth = 0

    @property
    def end(self) -> int:
        """Where the last token ends; a node that ends in parentheses ends after them."""
        return self.tokens[self.at - 1].end

    def advance(self) -> Token:
        token = self.token
        self.at += 1
        self.token = self.tokens[self.at]
        return token

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise InvalidExpression("the expression is empty", 0, len(self.source))
        node = self.logic("or")
        if self.token.kind != "end":
            raise unexpected(self.token, self.tokens[self.at - 1], self.source)
        return node

    def logic(self, word: str) -> Node:
        start = self.token.start
        parts = [self.logic("and") if word == "or" else self.negation()]
        while self.token.is_word(word):
            self.advance()
            parts.append(self.logic("and") if word == "or" else self.negation())
        if len(parts) == 1:
            return parts[0]
        return Logic(start, self.end, word, tuple(parts))

    def negation(self) -> Node:
        if not self.token.is_word("not"):
            return self.comparison()
        start = self.advance().start
        self.deeper(start)
        operand = self.negation()
        self.depth -= 1
        return Negation(start, self.end, operand)

    def comparison(self) -> Node:
        start = self.token.start
        left = self.operand()
        op = self.comparison_word()
        if op is None:
            return left
        right = self.operand()
        end, again = self.end, self.token
        if self.comparison_word() is not None:
            raise InvalidExpression(
                "a comparison has two sides; join two comparisons with 'and'", again.start, again.end
            )
        return Compare(start, end, op, left, right)

    def comparison_word(self) -> str | None:
        if self.token.is_word("not") and self.tokens[self.at + 1].is_word("in"):
            self.advance()
            self.advance()
            return "not in"
        if self.token.kind in ("word", "symbol") and self.token.text in COMPARISONS:
            return self.advance().text
        return None

    def operand(self) -> Node:
        token = self.token
        if token.kind == "literal":
            self.advance()
            return Literal(token.start, token.end, token.value)
        if token.kind == "name":
            return self.field()
        if token.is_symbol("("):
            return self.group()
        if token.is_symbol("["):
            return self.bracket()
        raise unexpected(token, self.tokens[self.at - 1] if self.at else None, self.source)

    def group(self) -> Node:
        opening = self.advance()
        self.deeper(opening.start)
        inner = self.logic("or")
        self.close(opening, ")")
        return inner

    def bracket(self) -> Node:
        opening = self.advance()
        self.deeper(opening.start)
        items: list[Node] = []
        while not self.token.is_symbol("]"):
            items.append(self.logic("or"))
            if not self.token.is_symbol(","):
                break
            self.advance()
        closing = self.close(opening, "]")
        return ListOf(opening.start, closing.end, tuple(items))

    def close(self, opening: Token, symbol: str) -> Token:
        if self.token.kind == "end":
            raise InvalidExpression(f"this {opening.text!r} is never closed", opening.start, opening.end)
        if not self.token.is_symbol(symbol):
            raise unexpected(self.token, self.tokens[self.at - 1], self.source)
        self.depth -= 1
        return self.advance()

    def field(self) -> Node:
        first = self.advance()
        path: list[str | int] = [first.text]
        spans, end = [(first.start, first.end)], first.end
        while self.token.kind == "symbol" and self.token.text in ".[":
            opening = self.advance()
            part = self.advance() if self.token.kind != "end" else self.token
            path.append(self.part(opening, part))
            spans.append((part.start, part.end))
            end = part.end if opening.text == "." else self.close_index(opening)
        if self.token.is_symbol("("):
            raise InvalidExpression(
                "nothing can be called here: an expression has fields, texts, numbers and comparisons",
                first.start,
                self.token.end,
            )
        return Field(first.start, end, tuple(path), tuple(spans))

    def part(self, opening: Token, part: Token) -> str | int:
        if opening.text == "." and part.kind in ("name", "word", "literal") and part.text.isidentifier():
            return part.text
        if opening.text == "[" and part.kind == "literal" and type(part.value) in (str, int):
            return part.value  # type: ignore[return-value]
        wanted = "a name after '.'" if opening.text == "." else "a text in quotes or a whole number inside [ ]"
        raise InvalidExpression(f"expected {wanted}", part.start, part.end)

    def close_index(self, opening: Token) -> int:
        if not self.token.is_symbol("]"):
            raise InvalidExpression("this '[' is never closed", opening.start, opening.end)
        return self.advance().end

    def deeper(self, at: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidExpression(f"nested deeper than {MAX_DEPTH} levels", at, at + 1)
