"""Wait for a condition instead of sleeping."""

from workers.scenario.stack import wait_until

__all__ = ["wait_until"]
