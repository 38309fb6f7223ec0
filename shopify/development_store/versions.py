"""Which API versions answer, and which one answers for a version that is no longer (or not yet) there.

A stable version comes out on the first day of each quarter and stays accessible until the 16th of the same month a
year later, 15:00 UTC. "If your app targets an inaccessible version, Shopify falls forward and responds using the
oldest accessible stable version" (https://shopify.dev/docs/api/usage/versioning).
"""

import re
from datetime import UTC, datetime

UNSTABLE = "unstable"

_VERSION = re.compile(r"\d{4}-(01|04|07|10)")


def accessible(now: datetime) -> tuple[str, ...]:
    """The stable versions that answer at a point in time, oldest first."""
    quarters = ((year, month) for year in (now.year - 2, now.year - 1, now.year) for month in (1, 4, 7, 10))
    return tuple(
        f"{year}-{month:02d}"
        for year, month in quarters
        if datetime(year, month, 1, tzinfo=UTC) <= now < datetime(year + 1, month, 16, 15, tzinfo=UTC)
    )


def answering(requested: str, now: datetime) -> str | None:
    """The version that answers a request for `requested`, or None if that is no version at all."""
    if requested == UNSTABLE:
        return UNSTABLE
    if not _VERSION.fullmatch(requested):
        return None
    stable = accessible(now)
    return requested if requested in stable else stable[0]
