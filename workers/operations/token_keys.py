"""Changing the key that seals tokens, while workers run: put a new key in front, seal everything anew, drop the old.

Each batch is a transaction of its own that locks its rows for a moment, so a worker that renews a token meanwhile
waits a few milliseconds. Whatever was done stays done: an interrupted run is simply started again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage import merchants
from storage.database import Database
from storage.vault import Vault

BATCH = 100


@dataclass(frozen=True)
class Resealing:
    """`count` rows were sealed anew; `unreadable`: ids of rows of merchant_integrations that do not open."""

    count: int
    unreadable: tuple[int, ...]
    keys_in_use: frozenset[int]
    sealing_key: int

    @property
    def is_complete(self) -> bool:
        """Whether every key but the first can go."""
        return self.keys_in_use <= {self.sealing_key}


def reseal(
    database: Database, vault: Vault, *, batch: int = BATCH, progress: Callable[[int], None] = lambda _count: None
) -> Resealing:
    """Seal every token with the vault's first key. `progress` is called after each batch with the rows sealed."""
    count, unreadable, after = 0, list[int](), 0
    while True:
        with database.transaction() as session:
            done = merchants.reseal(session, vault, after=after, limit=batch)
        count += done.count
        unreadable += done.unreadable
        progress(done.count)
        if done.next is None:
            break
        after = done.next
    with database.transaction() as session:
        in_use = frozenset(merchants.key_ids_in_use(session))
    return Resealing(count, tuple(unreadable), in_use, vault.sealing_id)
