"""Documents as they arrive: parsed and validated once for each text, however often they are sent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import DocumentNode, GraphQLSyntaxError, OperationDefinitionNode, OperationType, parse

from shopify.development_store.schema import executable_schema
from shopify.development_store.validation import validation_errors

MAX_TOKENS = 20_000

_FOUND = re.compile(r"(?:found|Unexpected(?: character:)?) (?P<what>.+?)\.?$")
_PUNCTUATORS = {
    "{": "LCURLY",
    "}": "RCURLY",
    "(": "LPAREN",
    ")": "RPAREN",
    "[": "LBRACKET",
    "]": "RBRACKET",
    ":": "COLON",
    "=": "EQUALS",
    "!": "BANG",
    "$": "VAR_SIGN",
    "@": "DIR_SIGN",
    "|": "PIPE",
    "...": "ELLIPSIS",
}


@dataclass(frozen=True)
class Prepared:
    """A document that was looked at: either it has errors or it can be executed."""

    document: DocumentNode | None
    errors: Sequence[dict[str, Any]]

    def operation(self, name: str | None) -> OperationDefinitionNode | dict[str, Any]:
        """The operation to execute, or the error Shopify gives when the name does not decide."""
        found = (
            [d for d in self.document.definitions if isinstance(d, OperationDefinitionNode)] if self.document else []
        )
        if name:
            named = (operation for operation in found if operation.name and operation.name.value == name)
            return next(named, {"message": f'No operation named "{name}"'})
        return found[0] if len(found) == 1 else {"message": "An operation name is required"}


@lru_cache(maxsize=512)
def prepare(text: str) -> Prepared:
    """Parse and validate; the outcome is remembered by the text."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
    except GraphQLSyntaxError as bad:
        return Prepared(None, [_syntax_error(text, bad)])
    except RecursionError:
        return Prepared(None, [{"message": "the document is nested too deeply", "extensions": {"code": "PARSE_ERROR"}}])
    if any(
        isinstance(d, OperationDefinitionNode) and d.operation is not OperationType.QUERY for d in document.definitions
    ):
        message = "The development store executes queries only, no mutations and no subscriptions."
        return Prepared(None, [{"message": message, "extensions": {"code": "NOT_IMPLEMENTED"}}])
    errors = validation_errors(executable_schema(), document)
    return Prepared(None, errors) if errors else Prepared(document, ())


def _syntax_error(text: str, bad: GraphQLSyntaxError) -> dict[str, Any]:
    line, column = bad.locations[0] if bad.locations else (1, 1)
    match = _FOUND.search(bad.message)
    what = match["what"] if match else ""
    if what == "<EOF>":
        unexpected = "end of file"
        line, column = _last_token(text)
    else:
        bare = what.rpartition(" ")[2].strip("'\"")
        unexpected = f'{_PUNCTUATORS.get(bare, "IDENTIFIER")} ("{bare}")'
    trouble = f"unexpected {unexpected}" if what else bad.message.removeprefix("Syntax Error: ").rstrip(".").lower()
    return {
        "message": f"syntax error, {trouble} at [{line}, {column}]",
        "locations": [{"line": line, "column": column}],
        "extensions": {"code": "PARSE_ERROR"},
    }


def _last_token(text: str) -> tuple[int, int]:
    """Shopify places an unexpected end at the last thing that it read."""
    words = list(re.finditer(r"\w+|[^\s\w]", text))
    if not words:
        return 1, 1
    start = words[-1].start()
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
