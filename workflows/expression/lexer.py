"""The tokens of an expression, and what to say about a token that does not fit.

Our own rather than Python's `ast`: a key may be any word (`shop.class`), and the place of a syntax error in Python is
rarely that of the author's mistake, nor the same in every version.
"""

import math
import re
from typing import NamedTuple, NoReturn

from workflows.errors import InvalidExpression

MAX_TOKENS = 300
WORDS = frozenset({"and", "or", "not", "in"})
CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>[^\W\d]\w*)
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<symbol>==(?!=)|!=(?!=)|<=|>=|<(?![>])|>|[()\[\],.])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}
# From other languages; a longer one before its own beginning.
_FOREIGN_SYMBOLS = (
    ("{{", "this is already an expression, remove the {{ }}"),
    ("}}", "this is already an expression, remove the {{ }}"),
    ("===", "write '==' to compare"),
    ("!==", "write '!=' for 'is not equal'"),
    ("<>", "write '!=' for 'is not equal'"),
    ("=>", "write '>='"),
    ("=<", "write '<='"),
    ("=~", "there are no patterns; compare with '==' or search a text with 'in'"),
    ("&&", "write 'and'"),
    ("||", "write 'or'"),
    ("&", "write 'and'"),
    ("|", "write 'or'; for a fallback value: {{ name or 'there' }}"),
    ("!", "write 'not'"),
    ("=", "write '==' to compare"),
    ("$", "write the field without '$'"),
    ("{", "there are no maps here; write a list as ['a', 'b']"),
    ("?", "there is no 'a ? b : c'; write two rules with a condition each"),
    (":", "':' has no meaning in an expression"),
    ("\N{LEFT SINGLE QUOTATION MARK}", "this is a curly quote; use a straight one: '"),
    ("\N{RIGHT SINGLE QUOTATION MARK}", "this is a curly quote; use a straight one: '"),
    ("\N{LEFT DOUBLE QUOTATION MARK}", "this is a curly quote; use a straight one: '"),
    ("\N{RIGHT DOUBLE QUOTATION MARK}", "this is a curly quote; use a straight one: '"),
    ("\N{DOUBLE LOW-9 QUOTATION MARK}", "this is a curly quote; use a straight one: '"),
)
_FOREIGN_WORDS = {
    "is": "write '==' to compare",
    "equals": "write '==' to compare",
    "eq": "write '==' to compare",
    "contains": "write it the other way round: 'text' in field",
    "includes": "write it the other way round: 'text' in field",
    "has": "write it the other way round: 'text' in field",
    "matches": "there are no patterns; compare with '==' or search a text with 'in'",
    "like": "there are no patterns; compare with '==' or search a text with 'in'",
    "if": "there is no 'a if b else c'; write two rules with a condition each",
}


class Token(NamedTuple):
    """`kind` is name, word (and or not in), literal, symbol or end."""

    kind: str
    text: str
    start: int
    end: int
    value: str | int | float | bool | None = None

    def is_word(self, word: str) -> bool:
        return self.kind == "word" and self.text == word

    def is_symbol(self, symbol: str) -> bool:
        return self.kind == "symbol" and self.text == symbol


def tokenize(source: str) -> list[Token]:
    """The tokens of an expression, with an `end` after the last; raises InvalidExpression."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            _refuse(source, at)
        if match.lastgroup != "space":
            found.append(_token(match))
            if len(found) > MAX_TOKENS:
                raise InvalidExpression(f"an expression has at most {MAX_TOKENS} words and symbols", at, match.end())
        at = match.end()
    found.append(Token("end", "", len(source), len(source)))
    return found


def _token(match: re.Match[str]) -> Token:
    kind, text, start, end = match.lastgroup or "", match[0], match.start(), match.end()
    if kind == "name" and text in CONSTANTS:
        return Token("literal", text, start, end, CONSTANTS[text])
    if kind == "name" and text in WORDS:
        kind = "word"
    if kind == "number":
        return Token("literal", text, start, end, _number(text, start, end))
    if kind == "text":
        return Token("literal", text, start, end, _unescaped(text, start))
    return Token(kind, text, start, end)


def _number(text: str, start: int, end: int) -> int | float:
    value = float(text)
    if len(text) > 20 or not math.isfinite(value):
        raise InvalidExpression("this number is too large", start, end)
    return int(text) if text.lstrip("-").isdigit() else value


def _unescaped(quoted: str, start: int) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]

    def plain(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            at = start + 1 + match.start()
            message = r"""only \ ' " n t can follow '\'; for one '\' write '\\'"""
            raise InvalidExpression(message, at, at + 2)
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", plain, quoted[1:-1], flags=re.DOTALL)


def _refuse(source: str, at: int) -> NoReturn:
    """Say what is wrong with a character that begins no token."""
    for symbol, advice in _FOREIGN_SYMBOLS:
        if source.startswith(symbol, at):
            raise InvalidExpression(advice, at, at + len(symbol))
    char = source[at]
    if char in "'\"":
        raise InvalidExpression(f"this text has no closing {char}", at, at + 1)
    if char.isdigit() or (char == "-" and source[at + 1 : at + 2].isdigit()):
        end = re.compile(r"-?[\w.]+", re.ASCII).match(source, at)
        raise InvalidExpression("this is not a number", at, end.end() if end else at + 1)
    if char == "-" and re.match(r"\w-[^\W\d]", source[max(0, at - 1) : at + 2], re.ASCII):
        raise InvalidExpression("a field name has '_', not '-'", at, at + 1)
    if char in "+-*/%^~":
        raise InvalidExpression("there is no arithmetic: conditions compare, templates copy", at, at + 1)
    if char.isalpha():
        raise InvalidExpression("a field name has only the letters a-z, digits and _", at, at + 1)
    shown = repr(char) if char.isprintable() else f"U+{ord(char):04X}"
    raise InvalidExpression(f"{shown} has no meaning in an expression", at, at + 1)


def unexpected(token: Token, before: Token | None, source: str) -> InvalidExpression:
    """What to say about a token that cannot be where it is."""
    start, end = token.start, token.end
    after_operand = before is not None and (before.kind in ("name", "literal") or before.text in (")", "]"))
    if token.kind == "end":
        where = f" after {before.text!r}" if before else ""
        start = len(source.rstrip())
        return InvalidExpression(f"something is missing{where}", start, start + 1)
    if after_operand:
        return InvalidExpression(_after_operand(token), start, end)
    if token.is_word("not"):
        return InvalidExpression("put 'not' and what it negates in parentheses: (not …)", start, end)
    where = f"between {before.text!r} and {token.text!r}" if before else f"before {token.text!r}"
    return InvalidExpression(f"something is missing {where}", start, end)


def _after_operand(token: Token) -> str:
    word = token.text.lower()
    if token.kind == "name" and word in WORDS:
        return f"write {word!r} in lowercase"
    if token.kind == "name" and word in _FOREIGN_WORDS:
        return _FOREIGN_WORDS[word]
    if token.text.startswith("-"):
        return "there is no arithmetic: conditions compare, templates copy"
    if token.kind in ("name", "literal"):
        return "expected 'and', 'or' or a comparison such as '==' before this"
    if token.text in (")", "]"):
        return f"there is nothing for this {token.text!r} to close"
    if token.is_word("not"):
        return "'not' here must be followed by 'in'; to negate, put it before the comparison"
    return f"{token.text!r} makes no sense here"
