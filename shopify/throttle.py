"""What an answer says about the shop's rate limit.

A leaky bucket per app and store, in points (https://shopify.dev/docs/api/usage/limits): a query is executed only if
its requested cost is available, and is then charged its actual cost. The limits differ by plan and Shopify may lower
them, so they are read from every answer and never configured.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Throttle:
    """The `cost` part of an answer's `extensions`; all figures in points, `restore_rate` in points a second."""

    requested: float
    actual: float | None
    """None if the query was not executed."""
    available: float
    maximum: float
    restore_rate: float

    @property
    def wait(self) -> float:
        """Seconds until the bucket holds what this query asked for, if nobody else takes from it."""
        return max(0.0, (self.requested - self.available) / self.restore_rate)

    @property
    def hopeless(self) -> bool:
        """Whether the query asks for more than the full bucket holds."""
        return self.requested > self.maximum


def read_throttle(extensions: object) -> Throttle | None:
    """None if the answer does not say, or not in usable numbers."""
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    status = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
    if not isinstance(cost, Mapping) or not isinstance(status, Mapping):
        return None
    requested, actual = _number(cost, "requestedQueryCost"), _number(cost, "actualQueryCost")
    available, maximum = _number(status, "currentlyAvailable"), _number(status, "maximumAvailable")
    rate = _number(status, "restoreRate")
    if requested is None or available is None or maximum is None or not rate:
        return None
    return Throttle(requested, actual, available, maximum, rate)


def _number(values: Mapping[str, Any], name: str) -> float | None:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None
