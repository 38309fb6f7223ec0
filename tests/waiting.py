"""Wait for a condition instead of sleeping."""

from workers.local.stack import Late, wait_until

__all__ = ["Late", "wait_until"]
