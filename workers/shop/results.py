"""Results of the store data tool, as shown to a model. Pure.

    {success, data_type, data | error, error_code, remedy?, cached, as_of, missing?, data_window?, stale?, retry_after?,
     permissions?, prefetched?}

`remedy` says who can fix a failure (`shopify.errors.Remedy`): "reconnect", "merchant", "app" or "wait"; `permissions`
says in everyday words what may not be read. `stale` is present if the data is outdated because Shopify delivered
nothing newer: `{code, reason, retry_after?}`; the merchant may see the reason. `retry_after` is in seconds.
`prefetched`: the turn started with it; the model did not ask.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from shopify.data.fetched import Fetched
from shopify.data.scalars import time_zone
from shopify.errors import ACCESS_LOST, AccessDenied, ShopifyError, Temporary, Throttled, Unauthorized

Result = dict[str, Any]

TTL_SECONDS: Mapping[str, int] = {
    "counts": 900,
    "recent_orders": 600,
    "overview": 600,
    "week_orders": 300,
    "sales": 600,
}
"""Seconds for which each data type stays fresh."""
INCOMPLETE_SECONDS = 30
"""Seconds for which data stays fresh if a missing part may be available on the next try."""
NO_ANSWER = "tool.no_answer"
"""The error when no Shopify worker answered: of Shopify nothing is known then."""
TRANSIENT = frozenset({Temporary.code, Throttled.code, NO_ANSWER})
AWAITED = frozenset({Unauthorized.code, "shopify.not_connected"})
"""Errors that are resolved when the merchant (re)connects the store."""
THE_STORE = frozenset(error.code for error in ACCESS_LOST)
"""Errors that invalidate earlier data: CJ no longer has access to the store."""


def failed(data_type: Any, code: str, error: str, **more: Any) -> Result:
    """A failure: no data, and why."""
    return {"success": False, "data_type": data_type, "error_code": code, "error": error, **more}


def refused(data_type: str, error: ShopifyError) -> Result:
    """A failure reported by Shopify."""
    more: Result = {} if error.retry_after is None else {"retry_after": round(error.retry_after, 2)}
    if isinstance(error, AccessDenied) and error.permissions:
        more["permissions"] = error.permissions
    return failed(data_type, error.code, error.merchant, remedy=str(error.remedy), **more)


def fetched(data_type: str, found: Fetched, as_of: datetime) -> Result:
    """Data just fetched from Shopify."""
    result: Result = {"success": True, "data_type": data_type, "data": found.data, "cached": False}
    result["as_of"] = as_of.isoformat(timespec="seconds")
    if found.missing:
        result["missing"] = found.missing
    if found.data_window is not None:
        result["data_window"] = found.data_window
    return result


def awaited(found: Iterable[Result]) -> dict[str, float]:
    """The data types that these results lack, wholly or in part, for a temporary reason, and that no later result
    brings; and the seconds after which Shopify says to try again."""
    lacking: dict[str, float] = {}
    for result in found:
        data_type = result.get("data_type")
        parts = [result] if not result["success"] else result.get("missing", ())
        gone = [part for part in parts if part.get("error_code", part.get("code")) in TRANSIENT]
        if data_type and gone:
            lacking[data_type] = max(float(part.get("retry_after") or 0.0) for part in gone)
        elif data_type and result["success"]:
            lacking.pop(data_type, None)
    return lacking


def fresh_seconds(result: Result) -> int:
    """How long a result stays fresh. Days (`week_orders`, `sales`) change at the shop's midnight."""
    whole = TTL_SECONDS[result["data_type"]]
    zone = time_zone(result["data"].get("time_zone"))
    if zone is not None:
        now = datetime.fromisoformat(result["as_of"]).astimezone(zone)
        midnight = datetime.combine(now.date() + timedelta(days=1), time.min, zone)
        whole = max(1, min(whole, int(midnight.timestamp() - now.timestamp())))
    transient = any(part.get("code") in TRANSIENT for part in result.get("missing", ()))
    return min(whole, INCOMPLETE_SECONDS) if transient else whole


def cached(data_type: str, found: Mapping[str, Any]) -> Result:
    """A result built from a cached one."""
    return {"success": True, "data_type": data_type, **found, "cached": True}


def stale(data_type: str, found: Mapping[str, Any], instead_of: Result) -> Result:
    """A cached result in place of a failure."""
    why = {"code": instead_of["error_code"], "reason": instead_of["error"]}
    if "retry_after" in instead_of:
        why["retry_after"] = instead_of["retry_after"]
    return cached(data_type, found) | {"stale": why}


def key(result: Result) -> str:
    """What was requested: `workers.shop.fetch.FetchRequest.key`."""
    data_type, data = result.get("data_type"), result.get("data") or {}
    return f"sales.{data.get('period')}.{data.get('compare_to')}" if data_type == "sales" else str(data_type)


def outcome(result: Result) -> str:
    """The metric's result label: ok, partial, stale or error."""
    if not result["success"]:
        return "error"
    if "stale" in result:
        return "stale"
    return "partial" if result.get("missing") else "ok"
