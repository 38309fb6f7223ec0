"""Wait for a condition instead of sleeping."""

from workers.local.stack import wait_until

__all__ = ["wait_until"]
