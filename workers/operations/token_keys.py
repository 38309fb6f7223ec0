"""Rotates the key that seals tokens while workers run: put a new key first, reseal everything, remove the old key.

Each batch is its own transaction and locks its rows only briefly, so a worker that renews a token meanwhile waits a few
milliseconds. Finished batches stay resealed: simply restart an interrupted run.
"""

from dataclasses import dataclass

from storage import merchants
from storage.database import Database
from storage.vault import Vault

BATCH = 100


@dataclass(frozen=True)
class Resealing:
    """`count` rows were resealed; `unreadable` are ids of rows of merchant_integrations that no key opens."""

    count: int
    unreadable: tuple[int, ...]
    keys_in_use: frozenset[int]
    sealing_key: int

    @property
    def is_complete(self) -> bool:
        """Whether all keys but the first can be removed."""
        return self.keys_in_use <= {self.sealing_key}


def reseal(database: Database, vault: Vault, *, batch: int = BATCH) -> Resealing:
    """Reseal every token with the vault's first key."""
    count, unreadable, after = 0, list[int](), 0
    while True:
        with database.transaction() as session:
            done = merchants.reseal(session, vault, after=after, limit=batch)
        count += done.count
        unreadable += done.unreadable
        if done.next is None:
            break
        after = done.next
    with database.transaction() as session:
        in_use = frozenset(merchants.key_ids_in_use(session))
    return Resealing(count, tuple(unreadable), in_use, vault.sealing_id)
