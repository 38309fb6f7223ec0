"""Whether a failed request is worth another try, and when. Pure but for the dice.

| failure                                             | tries again | after                                       |
|-----------------------------------------------------|-------------|---------------------------------------------|
| THROTTLED                                           | twice       | exactly when the missing points are there,  |
|                                                     |             | if that leaves time for the request         |
| HTTP 429                                            | twice       | Retry-After, if that is <= 2 s              |
| internal error at Shopify                           | twice       | 0.1-0.3 s, then 0.2-0.6 s                   |
| Shopify's own query timeout                         | once        | 0.1-0.3 s, asking for half as much          |
| 5xx, no answer in time, connection, unreadable body | once        | 0.1-0.3 s, or Retry-After if that is <= 2 s |
| all else                                            | never       |                                             |

Both kinds of rate limit count together. What the shop's budget refused is not tried again: it has said when.
"""

import random
from collections import Counter

from shopify.errors import ShopifyError, Temporary, Throttled
from shopify.rate_limit import ENOUGH_SECONDS

LONGEST_WAIT_SECONDS = 2.0
BACKOFF_SECONDS = (0.1, 0.3)
THROTTLE_JITTER_SECONDS = 0.05
"""Added to an exact wait: who waits for the same bucket should not all come back in the same instant."""


class Retries:
    """The tries of one request."""

    def __init__(self, dice: random.Random | None = None) -> None:
        self._dice = dice or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._used: Counter[str] = Counter()

    def wait(self, failure: ShopifyError, remaining: float) -> float | None:
        """Seconds to wait before the next try; None if there should be none in the `remaining` seconds."""
        if not failure.retryable or failure.reason in ("deadline", "budget"):
            return None
        kind = _kind(failure)
        seconds = self._seconds(failure, self._used[kind])
        needed = ENOUGH_SECONDS if kind == "throttled" else 0.0
        if self._used[kind] >= _ALLOWED[kind] or seconds is None or seconds + needed >= remaining:
            return None
        self._used[kind] += 1
        return seconds

    def _seconds(self, failure: ShopifyError, used: int) -> float | None:
        if failure.retry_after is not None:
            if failure.retry_after > LONGEST_WAIT_SECONDS and failure.reason != "cost":
                return None
            return failure.retry_after + self._dice.uniform(0, THROTTLE_JITTER_SECONDS)
        low, high = BACKOFF_SECONDS
        return self._dice.uniform(low, high) * (1 << used)


_ALLOWED = {"throttled": 2, "internal_error": 2, "other": 1}


def _kind(failure: ShopifyError) -> str:
    if isinstance(failure, Throttled):
        return "throttled"
    return "internal_error" if isinstance(failure, Temporary) and failure.reason == "internal_error" else "other"
