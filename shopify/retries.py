"""The one retry policy for Shopify: whether to try a failed request again, and when. Pure except for the jitter."""

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shopify.errors import BadAnswer, Forbidden, ShopifyError, StoreUnavailable, Temporary, Throttled, Unauthorized
from shopify.rate_limit import MIN_REQUEST_SECONDS

LONGEST_WAIT_SECONDS = 2.0
BACKOFF_SECONDS = (0.1, 0.3)
"""Between these before the second try, twice as long before the third."""
SECOND_LOOK_SECONDS = 1.0
"""Seconds before a refusal that looks final is tried again: the first requests after an installation, and one in
thousands at any time, are refused and work at the next try."""
THROTTLE_JITTER_SECONDS = 0.05
"""Added to a wait that Shopify named, so that those who wait for the same bucket do not all come back at once."""


@dataclass(frozen=True)
class RetryPolicy:
    """How to retry one kind of failure."""

    tries: int
    """How many further tries, at most."""
    shares: str = ""
    """Kinds with the same word share their tries."""
    longest_wait: float = LONGEST_WAIT_SECONDS
    """A `retry_after` above this is not waited for here, but left to the caller."""
    then_needs: float = 0.0
    """Seconds that must remain after the wait."""
    pause: float | None = None
    """Seconds before the next try; None: BACKOFF_SECONDS."""


NEVER = RetryPolicy(tries=0)
SECOND_LOOK = RetryPolicy(1, "second look", pause=SECOND_LOOK_SECONDS)

POLICIES: Mapping[tuple[type[ShopifyError], str], RetryPolicy] = {
    # THROTTLED: the points are back exactly then, so any wait within the deadline is worth it.
    (Throttled, "cost"): RetryPolicy(2, "rate limit", longest_wait=math.inf, then_needs=MIN_REQUEST_SECONDS),
    # Our own reservation of points: it has waited already, or cannot.
    (Throttled, "budget"): NEVER,
    # HTTP 429.
    (Throttled, ""): RetryPolicy(2, "rate limit", then_needs=MIN_REQUEST_SECONDS),
    (Temporary, "internal_error"): RetryPolicy(2, "internal error"),
    (Temporary, "deadline"): NEVER,
    # A refusal by something in front of Shopify, and unknown refusals.
    (Temporary, "challenge"): SECOND_LOOK,
    (Temporary, "unknown"): SECOND_LOOK,
    # 5xx, no response in time, a broken connection; query_timeout is retried with half the page size.
    (Temporary, ""): RetryPolicy(1, "other"),
    # An unreadable response.
    (BadAnswer, ""): RetryPolicy(1, "other"),
    (StoreUnavailable, ""): SECOND_LOOK,
    (Forbidden, ""): SECOND_LOOK,
    # A refresh token. A refused access token is retried by the Shopify worker, which may have another one by then.
    (Unauthorized, "dead_grant"): SECOND_LOOK,
}
"""By error and reason; "" stands for all other reasons, and an error that is not here is final."""


def policy_for(failure: ShopifyError) -> RetryPolicy:
    """The row of POLICIES for a failure."""
    kind = type(failure)
    return POLICIES.get((kind, failure.reason)) or POLICIES.get((kind, ""), NEVER)


class Retries:
    """The tries of one request."""

    def __init__(self, dice: random.Random | None = None) -> None:
        # Python's own unless a test gives one: seeding another takes longer than the rest of a request's bookkeeping.
        self._uniform = (dice or random).uniform
        self._used: Counter[str] = Counter()

    def wait(self, failure: ShopifyError, remaining: float) -> float | None:
        """Seconds to wait before the next try; None if there should be none in the `remaining` seconds."""
        policy = policy_for(failure)
        used = self._used[policy.shares]
        if used >= policy.tries or (failure.retry_after or 0.0) > policy.longest_wait:
            return None
        seconds = self._seconds(failure, used)
        if seconds + policy.then_needs >= remaining:
            return None
        self._used[policy.shares] += 1
        return seconds

    def _seconds(self, failure: ShopifyError, used: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after + self._uniform(0, THROTTLE_JITTER_SECONDS)
        if (pause := policy_for(failure).pause) is not None:
            return pause + self._uniform(0, THROTTLE_JITTER_SECONDS)
        low, high = BACKOFF_SECONDS
        return self._uniform(low, high) * (1 << used)
