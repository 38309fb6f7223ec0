"""The whole thing for tests; it is product code: scenario tests run on it, too."""

from workers.local.procfile import PROCFILE
from workers.scenario.gateway import Gateway
from workers.scenario.stack import Stack

__all__ = ["ROOT", "Gateway", "Stack"]

ROOT = PROCFILE.parent
