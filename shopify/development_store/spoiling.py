"""Faults that leave an answer well-formed and make its content wrong."""

from collections.abc import Callable, Mapping
from typing import Any

from shopify.development_store.faults import Fault
from shopify.development_store.responses import NOT_IN_PLAN

WARNING = {
    "path": ["orders"],
    "query": "nonsense:1",
    "parsed": {"field": "nonsense", "match_all": "1"},
    "warnings": [{"field": "nonsense", "message": "Invalid search field for this query.", "code": "invalid_field"}],
}


def spoil(body: dict[str, Any], faults: Mapping[str, Fault]) -> dict[str, Any]:
    """The body with every such fault at work."""
    if "ignored_search" in faults:
        body = {**body, "extensions": {**body.get("extensions", {}), "search": [WARNING]}}
    if "customer_plan" in faults and "errors" in body:
        body = {**body, "errors": [{**error, "message": NOT_IN_PLAN} for error in body["errors"]]}
    if "endless_cursor" in faults:
        body = _rewrite(body, _endless)
    if "wrong_types" in faults:
        body = _rewrite(body, _wrong_types)
    return body


def _rewrite(value: Any, change: Callable[[str, Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: change(name, _rewrite(entry, change)) for name, entry in value.items()}
    if isinstance(value, list):
        return [_rewrite(entry, change) for entry in value]
    return value


def _endless(name: str, value: Any) -> Any:
    return {"hasNextPage": True, "endCursor": "eyJsYXN0X2lkIjoxfQ=="}.get(name, value)


def _wrong_types(name: str, value: Any) -> Any:
    return {"amount": "NaN", "lineItems": None}.get(name, value)
