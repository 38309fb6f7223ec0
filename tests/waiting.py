"""Wait for a condition instead of sleeping."""

from workers.scenario.waiting import wait_until

__all__ = ["wait_until"]
