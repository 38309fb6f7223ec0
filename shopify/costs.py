"""What our queries cost, in points: the estimate, until Shopify has told its own figure for the same question."""

import threading
from collections.abc import Mapping
from typing import Any

from graphql import DocumentNode, OperationDefinitionNode

from shopify.admin_schema import admin_schema
from shopify.development_store.cost import MAX_QUERY_COST, estimate
from shopify.documents import NAMES, load

Question = tuple[str | None, tuple[tuple[str, int], ...]]


class Costs:
    """Remembers by question: the operation and its numbers and switches. Texts (a search, a cursor) cost nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Question, float] = {}

    def of(self, document: DocumentNode, variables: Mapping[str, Any]) -> float:
        """Points that must be available before this is executed. The document must be valid for our schema."""
        question = _question(document, variables)
        with self._lock:
            known = self._known.get(question)
        if known is None:
            known = float(estimate(admin_schema(), document, variables))
            self._keep(question, known)
        return known

    def learn(self, document: DocumentNode, variables: Mapping[str, Any], requested: float) -> None:
        """Shopify's `requestedQueryCost` for this: the rules may change with an API version, this is what counts."""
        if 0 < requested <= MAX_QUERY_COST:
            self._keep(_question(document, variables), requested)

    def _keep(self, question: Question, points: float) -> None:
        if question[0] is not None:
            with self._lock:
                self._known[question] = points


COSTS = Costs()
"""Of this process."""


def warm_up() -> None:
    """Parse the schema and all our documents now, not in the first fetch."""
    for name in NAMES:
        COSTS.of(load(name), {})


def _question(document: DocumentNode, variables: Mapping[str, Any]) -> Question:
    sizes = sorted((name, value) for name, value in variables.items() if isinstance(value, int))
    return _name(document), tuple(sizes)


def _name(document: DocumentNode) -> str | None:
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and definition.name is not None:
            return definition.name.value
    return None
