"""The one place where the Admin API version is written."""

import logging
import threading

from shopify.text import quoted

API_VERSION = "2026-10"
"""Supported from 2026-10-01 to 2027-10-16. After that Shopify answers with its oldest supported version instead
(https://shopify.dev/docs/api/usage/versioning), so each response's `X-Shopify-API-Version` is compared with it.

To raise it: fetch Shopify's schema of the new version, run `python -m tests.prune_schema`, and run the tests."""

log = logging.getLogger("shopify")


class VersionWatch:
    """Warns once, not per request, if Shopify answers with another version than the one asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said = False

    def compare(self, asked: str, answered: str | None) -> None:
        """Log a warning the first time the two differ. A response without a version says nothing."""
        if answered is None or answered == asked:
            return
        with self._lock:
            said, self._said = self._said, True
        if not said:
            log.warning(
                "Shopify answered with API version %s, not %s as asked: that one is no longer, or not yet, supported."
                " Raise API_VERSION (shopify/version.py) and check the documents against the new schema.",
                quoted(answered, 20),
                asked,
            )


VERSION_WATCH = VersionWatch()
"""Of this process."""
