"""The one place where the Admin API version is written."""

import logging
import threading

from shopify.text import quoted

API_VERSION = "2026-10"
"""Stable from 2026-10-01 to 2027-10-16. A version that left support is answered by the oldest supported one
(https://shopify.dev/docs/api/usage/versioning), so every answer's `X-Shopify-API-Version` is compared with it."""

log = logging.getLogger("shopify")


class VersionWatch:
    """Says once, not per request, that Shopify answers with another version than the one asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said = False

    def compare(self, asked: str, answered: str | None) -> None:
        """Log one warning in the life of this object if the two differ. An answer without a version is not judged."""
        if answered is None or answered == asked:
            return
        with self._lock:
            said, self._said = self._said, True
        if not said:
            log.warning(
                "Shopify answered with API version %s, asked for was %s: it is no longer, or not yet, supported."
                " Raise API_VERSION (shopify/version.py) and validate the documents against its schema.",
                quoted(answered, 20),
                asked,
            )


VERSION_WATCH = VersionWatch()
"""Of this process."""
