"""The grammar of conditions and templates: a text becomes a small tree, or raises InvalidExpression.

    expression = and-list { "or" and-list }
    and-list   = negation { "and" negation }
    negation   = "not" negation | comparison
    comparison = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in" | "says" ) operand
                         | ( "older" | "newer" ) "than" age ]
    age        = a text such as '7d' or '7 days': a whole number of minutes, hours, days or weeks
    operand    = literal | field | "[" [ expression { "," expression } ] "]" | "(" expression ")"
    field      = name { "." name | "[" text-or-whole-number "]" }

Ages are measured from `now`, which the caller adds to the fields. There is no other arithmetic, and no calls or loops,
so expressions need no sandbox.

A custom tokenizer rather than Python's `ast`: a key may be any word (`shop.class`), and Python rarely reports a syntax
error where the author's mistake is, nor at the same place in every version.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from workflows.errors import CURLY_QUOTES, STRANGE_SPACES, InvalidExpression, strange_space

MAX_LENGTH = 1000
MAX_TOKENS = 300
MAX_DEPTH = 24
_WORDS = frozenset({"and", "or", "not", "in"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>-?\d(?:[\w.]|(?<=[eE])[+-])*)
      | (?P<name>[^\W\d]\w*)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<symbol>==(?!=)|!=(?!=)|<=|>=|<(?![>])|>|[()\[\],.])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}
#: Comparisons of a time with an age.
AGES = frozenset({"older than", "newer than"})
_AGE = re.compile(r"(\d{1,6}) ?(m(?:inutes?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?)")
_UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_NO_PATTERNS = "there are no patterns; compare with '==', words with 'says', or search a text with 'in'"
_NO_ARITHMETIC = "there is no arithmetic: conditions compare, templates copy"
_NO_BRACES = "this is already an expression, remove the {{ }}"
_CURLY = "this is a curly quote; use a straight one: '"
#: Symbols from other languages, longer ones before their prefixes.
_FOREIGN_SIGNS = {
    "{{": _NO_BRACES,
    "}}": _NO_BRACES,
    "===": "write '==' to compare",
    "!==": "write '!=' for 'is not equal'",
    "<>": "write '!=' for 'is not equal'",
    "=>": "write '>='",
    **dict.fromkeys(("=~", "!~", "~"), _NO_PATTERNS),
    "??": "write 'or': {{ name or 'there' }}",
    "?": "there is no 'a ? b : c'; {{ name or 'there' }} is the first that is not empty",
    "{": "two braces are enough: {{ name }}",
    "&&": "write 'and'",
    "||": "write 'or'",
    "&": "write 'and'",
    "|": "write 'or'; for a fallback value: {{ name or 'there' }}",
    "!": "write 'not'",
    "=": "write '==' to compare",
    "$": "write the field without '$'",
    "-": "there is no arithmetic, and a field name has '_', not '-'",
    **dict.fromkeys("+*/%", _NO_ARITHMETIC),
    **dict.fromkeys(CURLY_QUOTES, _CURLY),
}
#: Words from other languages in place of an operator.
_FOREIGN_WORDS = {
    "is": "write '==' to compare",
    "equals": "write '==' to compare",
    "not": "write '!=' for 'is not equal', 'not in' for 'is not part of'",
    "contains": "write it the other way round: 'text' in field",
    "includes": "write it the other way round: 'text' in field",
    **dict.fromkeys(
        ("matches", "like", "startswith", "endswith"),
        _NO_PATTERNS,
    ),
    "exists": "write field != null",
    "between": "write two comparisons: field >= 1 and field <= 3",
    "if": "there is no 'a if b else c'; write two rules with a condition each",
}


#: Functions from other languages, and what to do instead.
_NO_FUNCTIONS = {
    "age": "there is no age(): write connected_at older than '7d', or newer than",
    **dict.fromkeys(
        ("lower", "upper", "tolower", "lowercase", "casefold", "trim", "strip"),
        "nothing can be called here; text says 'yes' ignores capitals, spaces and punctuation",
    ),
    **dict.fromkeys(("len", "length", "count", "size"), "nothing can be called here; write text != '' or list != []"),
}


class Token(NamedTuple):
    """`kind` is name, operator (a symbol, or one of: and or not in), literal or end."""

    kind: str
    text: str
    start: int
    end: int
    value: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part of an expression; `start` and `end` are offsets into its text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal(_Placed):
    """`'text'`, `-2.5`, `true`, `false`, `null`."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ListOf(_Placed):
    """`[a, 'b', 3]`."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Field(_Placed):
    """`shop_domain`, `data.shop.plan`, `tags[0]`, `x['a b']`; `spans` has the place of each part."""

    path: tuple[str | int, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """The field as it would be written."""
        first, *rest = self.path
        inner = (f".{part}" if str(part).isidentifier() else f"[{part!r}]" for part in rest)
        return f"{first}{''.join(inner)}"


@dataclass(frozen=True, slots=True)
class Negation(_Placed):
    """`not a`."""

    operand: "Node"


@dataclass(frozen=True, slots=True)
class Logic(_Placed):
    """`a and b and c`, or the same with `or`."""

    word: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Compare(_Placed):
    """`a == b`, `a in b` and the other comparisons."""

    op: str
    left: "Node"
    right: "Node"


Node = Literal | ListOf | Field | Negation | Logic | Compare


def parse(source: str) -> Node:
    """Parse a whole expression; raises InvalidExpression."""
    if len(source) > MAX_LENGTH:
        raise InvalidExpression(f"an expression has at most {MAX_LENGTH} characters, this one has {len(source)}", 0, 1)
    return _Parser(source).whole()


def seconds_of(age: str) -> int | None:
    """The seconds of an age such as '7d'; None if it is not an age."""
    found = _AGE.fullmatch(age)
    return None if found is None else int(found[1]) * _UNIT_SECONDS[found[2][0]]


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


def _tokens(source: str) -> list[Token]:
    """The tokens of an expression, with an `end` after the last."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise _no_token(source, at)
        if match.lastgroup != "space":
            found.append(_token(match))
            if len(found) > MAX_TOKENS:
                raise InvalidExpression(f"an expression has at most {MAX_TOKENS} words and symbols", at, match.end())
        at = match.end()
    return [*found, Token("end", "", len(source), len(source))]


def _token(match: re.Match[str]) -> Token:
    kind, text, (start, end) = match.lastgroup or "", match[0], match.span()
    if kind == "name" and text in _CONSTANTS:
        return Token("literal", text, start, end, _CONSTANTS[text])
    if kind == "number":
        return Token("literal", text, start, end, _number(text, start, end))
    if kind == "text":
        return Token("literal", text, start, end, _unescaped(text, start))
    return Token("name" if kind == "name" and text not in _WORDS else "operator", text, start, end)


def _number(text: str, start: int, end: int) -> int | float:
    if _AGE.fullmatch(text):
        raise InvalidExpression(f"put an age in quotes: '{text}'", start, end)
    if len(text) > 20 or not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise InvalidExpression("this is not a number, or too large a one", start, end)
    return int(text) if text.lstrip("-").isdigit() else float(text)


def _unescaped(quoted: str, start: int) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            at = start + 1 + match.start()
            message = r"""only \ ' " n t can follow '\'; for one '\' write '\\'"""
            raise InvalidExpression(message, at, at + 2)
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", plain, quoted[1:-1], flags=re.DOTALL) if "\\" in quoted else quoted[1:-1]


def _no_token(source: str, at: int) -> InvalidExpression:
    """The error for a character that starts no token."""
    for sign, advice in _FOREIGN_SIGNS.items():
        if source.startswith(sign, at):
            return InvalidExpression(advice, at, at + len(sign))
    char = source[at]
    curly = next((place for place in range(at + 1, len(source)) if source[place] in CURLY_QUOTES), None)
    if char in "'\"" and curly is not None:
        return InvalidExpression(
            f"this is a curly quote; use a straight one, to close the text: {char}", curly, curly + 1
        )
    if re.match(f"[{STRANGE_SPACES}]", char):
        message = strange_space(char)
    elif char in "'\"":
        message = f"this text has no closing {char}"
    elif char == "`":
        message = "put text in straight quotes: 'text'"
    elif char.isalpha():
        message = "a field name has only the letters a-z, digits and _"
    else:
        message = f"{char!r} has no meaning in an expression"
    return InvalidExpression(message, at, at + 1)


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = _tokens(source)
        self.at = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    @property
    def end(self) -> int:
        """The end of the last token; a node in parentheses ends after them."""
        return self.tokens[self.at - 1].end

    def accept(self, *operators: str) -> Token | None:
        """Take the next token if it is one of these."""
        token = self.token
        if token.kind != "operator" or token.text not in operators:
            return None
        self.at += 1
        return token

    def whole(self) -> Node:
        if self.token.kind == "end":
            raise InvalidExpression("the expression is empty", 0, len(self.source))
        node = self.either()
        if self.token.kind != "end":
            raise self.unexpected()
        return node

    def either(self) -> Node:
        return self.joined("or", self.both)

    def both(self) -> Node:
        return self.joined("and", self.negation)

    def joined(self, word: str, part: Callable[[], Node]) -> Node:
        start = self.token.start
        parts = [part()]
        while self.accept(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Logic(start, self.end, word, tuple(parts))

    def negation(self) -> Node:
        word = self.accept("not")
        if word is None:
            return self.comparison()
        self.deeper(word)
        operand = self.negation()
        self.depth -= 1
        return Negation(word.start, self.end, operand)

    def comparison(self) -> Node:
        start = self.token.start
        left = self.operand()
        op = self.comparison_word()
        if op is None:
            return left
        right = self.operand() if op not in AGES else self.age()
        end, again = self.end, self.token
        if self.comparison_word() is not None:
            message = "a comparison has two sides; join two comparisons with 'and'"
            raise InvalidExpression(message, again.start, again.end)
        return Compare(start, end, op, left, right)

    def age(self) -> Node:
        token = self.token
        self.at += token.kind != "end"
        if token.kind != "literal" or type(token.value) is not str or seconds_of(token.value) is None:
            message = "an age is a whole number with minutes, hours, days or weeks, in quotes: '7d' or '7 days'"
            raise InvalidExpression(message, token.start, token.end)
        return Literal(token.start, token.end, token.value)

    def comparison_word(self) -> str | None:
        if f"{self.token.text} {self.tokens[min(self.at + 1, len(self.tokens) - 1)].text}" in AGES:
            self.at += 2
            return f"{self.tokens[self.at - 2].text} than"
        if self.token.text == "not" and self.tokens[self.at + 1].text == "in":
            self.at += 2
            return "not in"
        if self.token.kind == "name" and self.token.text == "says":
            self.at += 1
            return "says"
        found = self.accept("==", "!=", "<", "<=", ">", ">=", "in")
        return found and found.text

    def operand(self) -> Node:
        token = self.token
        if token.kind == "literal":
            self.at += 1
            return Literal(token.start, token.end, token.value)
        if token.kind == "name":
            return self.field()
        opening = self.accept("(", "[")
        if opening is None:
            raise self.unexpected()
        self.deeper(opening)
        inner = [self.either()] if opening.text == "(" else self.items()
        if self.token.kind == "end":
            raise InvalidExpression(f"this {opening.text!r} is never closed", opening.start, opening.end)
        if not self.accept(")" if opening.text == "(" else "]"):
            raise self.unexpected()
        self.depth -= 1
        return inner[0] if opening.text == "(" else ListOf(opening.start, self.end, tuple(inner))

    def items(self) -> list[Node]:
        items: list[Node] = []
        while self.token.text != "]":
            items.append(self.either())
            if not self.accept(","):
                break
        return items

    def field(self) -> Node:
        first = self.token
        self.at += 1
        path: list[str | int] = [first.text]
        spans = [(first.start, first.end)]
        while opening := self.accept(".", "["):
            part = self.token
            path.append(self.part(opening, part))
            spans.append((part.start, part.end))
            if opening.text == "[" and not self.accept("]"):
                raise InvalidExpression("this '[' is never closed", opening.start, opening.end)
        if self.token.text == "(":
            message = "nothing can be called here: an expression has fields, texts, numbers and comparisons"
            message = _NO_FUNCTIONS.get(first.text.lower(), message)
            raise InvalidExpression(message, first.start, self.token.end)
        return Field(first.start, self.end, tuple(path), tuple(spans))

    def part(self, opening: Token, part: Token) -> str | int:
        self.at += part.kind != "end"
        if opening.text == "." and part.text.isidentifier():
            return part.text
        if opening.text == "[" and part.kind == "literal" and type(part.value) in (str, int):
            return part.value  # type: ignore[return-value]
        wanted = "a name after '.'" if opening.text == "." else "a text in quotes or a whole number inside [ ]"
        raise InvalidExpression(f"expected {wanted}", part.start, part.end)

    def deeper(self, opening: Token) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidExpression(f"nested deeper than {MAX_DEPTH} levels", opening.start, opening.start + 1)

    def unexpected(self) -> InvalidExpression:
        """The error for a token in a wrong place."""
        token, before = self.token, self.tokens[self.at - 1] if self.at else None
        start, end = token.start, token.end
        if before is None:
            message = f"something is missing before {token.text!r}"
        elif token.kind == "end":
            start = end = len(self.source.rstrip())
            message = f"something is missing after {before.text!r}"
        elif self.at == 1 and before.text.lower() in ("if", "when"):
            start, end, message = before.start, before.end, f"leave out {before.text!r}: write just the condition"
        elif before.kind in ("name", "literal") or before.text in (")", "]"):
            message = _after_operand(before, token, self.tokens[self.at + 1])
        else:
            message = f"something is missing between {before.text!r} and {token.text!r}"
        return InvalidExpression(message, start, end)


def _after_operand(before: Token, token: Token, following: Token) -> str:
    word = token.text.lower()
    if word == "is" and following.text.lower() in ("not", "empty", "null", "none", "missing"):
        return "write '!=' for 'is not'" if following.text.lower() == "not" else "write field == null"
    if token.kind == "name" and word in _WORDS:
        return f"write {word!r} in lowercase"
    if word in _FOREIGN_WORDS:
        return _FOREIGN_WORDS[word]
    if word.startswith("-"):
        return _NO_ARITHMETIC
    if token.kind in ("name", "literal"):
        joined = f"; a name has no spaces: {before.text}_{token.text}" if before.kind == token.kind == "name" else ""
        return f"expected 'and', 'or' or a comparison such as '==' before this{joined}"
    if word in (")", "]"):
        return f"there is nothing for this {word!r} to close"
    return f"{word!r} makes no sense here"
