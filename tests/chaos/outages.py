"""Outages by name, and the fault each one is."""

from collections.abc import Mapping

from tests.chaos.plan import Fault

OUTAGES: Mapping[str, tuple[str, str]] = {
    "valkey": ("valkey_loses_all", ""),
    "postgres": ("postgres_crash", ""),
    "gateway": ("freeze", "gateway"),
}
CAUGHT_UP_SECONDS = 60.0


def outage(name: str, *, at: float, seconds: float) -> list[Fault]:
    """One outage of a server or of the gateway."""
    kind, target = OUTAGES[name]
    return [Fault(at, kind, target, seconds)]
