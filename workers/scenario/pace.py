"""How often workers look for what was lost and who has died: more often in scenarios, where time jumps.

What they find and do is the same. Nothing else of a worker knows that it plays in a scenario.
"""

from workers.agent import tools
from workers.delivery import sweeper
from workers.shop import fetch

#: In production a second.
SWEEP_SECONDS = 0.1
#: A tool call whose answer does not come is asked for again; in production after 1.5 s.
ASK_AGAIN_SECONDS = 0.4
#: How often a fetch gives a sign of life, and after how long without one it counts as dead; in production 1 and 3 s.
SIGN_OF_LIFE_SECONDS, DEAD_AFTER_SECONDS = 0.2, 0.8


def apply() -> None:
    """In this process, from now on."""
    sweeper.PERIOD_SECONDS = SWEEP_SECONDS
    tools.ASK_AGAIN_SECONDS = ASK_AGAIN_SECONDS  # type: ignore[attr-defined]
    fetch.RENEW_SECONDS = SIGN_OF_LIFE_SECONDS
    fetch.LEAD_TTL_MS = round(DEAD_AFTER_SECONDS * 1000)
