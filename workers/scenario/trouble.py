"""What a scenario's faults are at the development store."""

from collections.abc import Mapping
from typing import Any

from workers.scenario.language import Fault

SLOW_SECONDS = 2.0
OPERATIONS: Mapping[str, str] = {
    "counts": "Counts",
    "recent_orders": "RecentOrders",
    "overview": "StoreOverview",
    "week_orders": "WeekOrders",
}
"""The GraphQL operation with which each data type is fetched."""

_KINDS: Mapping[str, str] = {
    "rate_limit": "throttled",
    "unauthorized": "unauthorized",
    "timeout": "hang",
    "server_error": "status",
    "malformed": "html",
    "network": "dropped",
    "slow": "latency",
}


def at_store(fault: Fault) -> dict[str, Any] | None:
    """Arguments for `DevelopmentStore.fault` besides the shop; None for a fault that is not the store's."""
    place, _, data_type = fault.on.partition(".")
    if place != "shopify":
        return None
    every = fault.call == "every"
    seconds = SLOW_SECONDS if fault.seconds is None and fault.fail == "slow" else fault.seconds
    return {
        "kind": _KINDS[fault.fail],
        "operation": OPERATIONS.get(data_type),
        "times": None if every else 1,
        "skip": 0 if fault.call == "every" else fault.call - 1,
        "seconds": seconds,
    }
