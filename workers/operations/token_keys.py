"""Rotates the key that seals tokens while workers run: put a new key first, reseal everything, remove the old key.

Each batch is a transaction and locks its rows only briefly: a worker that renews a token meanwhile waits a few
milliseconds. Finished batches stay resealed; just rerun an interrupted run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from storage import merchants
from storage.database import Database
from storage.merchants import KeyTrial
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
        """Whether all keys but the first can be removed: every token was opened, and that key seals all of them."""
        return not self.unreadable and self.keys_in_use <= {self.sealing_key}


def problems(trials: Mapping[int, KeyTrial], vault: Vault) -> Iterator[str]:
    """What a trial says is wrong with the keys: sentences for operators."""
    for key_id, trial in sorted(trials.items()):
        if key_id not in vault.key_ids:
            yield (
                f"CJ_TOKEN_KEYS lacks key {key_id}, which seals stored tokens: append it to the list; "
                "remove it once `cj tokens reseal` has resealed everything with the first key"
            )
        elif trial.opened == 0:
            yield (
                f"CJ_TOKEN_KEYS has another key under the id {key_id} than the one that seals stored tokens: none of "
                f"{trial.tried} opens; put the old key back, and give the new one an unused id"
            )


def warnings(trials: Mapping[int, KeyTrial], vault: Vault) -> Iterator[str]:
    """What is wrong with only some of the tokens."""
    for key_id, trial in sorted(trials.items()):
        if key_id in vault.key_ids and 0 < trial.opened < trial.tried:
            yield (
                f"{trial.tried - trial.opened} of {trial.tried} tokens sealed with key {key_id} do not open: another "
                "key may have had its id for a while; `cj tokens reseal` lists the rows"
            )


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
        in_use = frozenset(merchants.try_keys(session, vault))
    return Resealing(count, tuple(unreadable), in_use, vault.sealing_id)
