"""Imports tokens that an earlier auth service kept in Redis into Postgres.

In Redis a shop is a key `merchant:{shop_domain}` whose value is a JSON object: `access_token`, `shop_domain` (default:
the key's) and optionally `scopes` (a list or a comma-separated string) and `merchant_id` (default: the shop's name,
`acme` for acme.myshopify.com). A key that names a different shop from its value is not trusted.

Each shop is imported by itself: found, checked, stored, read back and opened. So a run may be interrupted and restarted
at any time: imported tokens are skipped, and newer connections are never overwritten. A key is deleted only on request,
only after the stored token was opened and compared, and only if its value has not changed since it was read. No report,
log or error contains a token.
"""

import hmac
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import redis
from pydantic import SecretStr

from events.errors import InvalidEvent
from events.shop_domain import normalize_shop_domain
from storage import connections, merchants, redis_server
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from storage.vault import Vault

PATTERN = "merchant:*"
LARGEST_VALUE = 64 * 1024
SCAN_COUNT = 500
TIMEOUT_SECONDS = 5.0

_TOKEN = re.compile(r"[\x21-\x7e]{10,500}")
_ID = re.compile(r"[^\x00-\x1f\x7f]{1,200}")

# KEYS: the key. ARGV: the value that was read.
DELETE_IF_SAME = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

Result = Literal["migrated", "skipped", "failed"]


class Unusable(ValueError):
    """The value is not a shop's token; the message says why and never repeats a token."""


@dataclass(frozen=True)
class TokenEntry:
    """A shop as stored in Redis."""

    merchant_id: str
    shop_domain: str
    access_token: SecretStr
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """The result for one key."""

    key: str
    result: Result
    reason: str
    deleted: bool = False


@dataclass(frozen=True)
class Report:
    """The results for all keys."""

    outcomes: tuple[Outcome, ...]
    dry_run: bool

    @property
    def counts(self) -> Mapping[str, int]:
        """How many keys were migrated, skipped, failed and deleted."""
        counted = Counter[str](outcome.result for outcome in self.outcomes)
        counted["deleted"] = sum(outcome.deleted for outcome in self.outcomes)
        return {name: counted[name] for name in ("migrated", "skipped", "failed", "deleted")}

    def to_json(self) -> dict[str, Any]:
        return {"dry_run": self.dry_run, **self.counts, "keys": [vars(outcome) for outcome in self.outcomes]}


def read_entry(key: str, raw: bytes | None) -> TokenEntry:
    """Parse a key and its value. Raises Unusable."""
    if raw is None:
        raise Unusable("is gone")
    if len(raw) > LARGEST_VALUE:
        raise Unusable(f"has more than {LARGEST_VALUE} bytes")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise Unusable("is not JSON") from None
    if not isinstance(value, dict):
        raise Unusable("is not a JSON object")
    shop_domain = _shop_domain(key, value.get("shop_domain"))
    token = value.get("access_token")
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise Unusable("has no access_token of 10 to 500 printable characters")
    merchant_id = value.get("merchant_id")
    if merchant_id is None:
        merchant_id = shop_domain.removesuffix(".myshopify.com")
    elif isinstance(merchant_id, int) and not isinstance(merchant_id, bool):
        merchant_id = str(merchant_id)
    if not isinstance(merchant_id, str) or _ID.fullmatch(merchant_id) is None:
        raise Unusable("has a merchant_id that is not 1 to 200 printable characters")
    return TokenEntry(merchant_id, shop_domain, SecretStr(token), _scopes(value.get("scopes")))


class Migration:
    """One run. Reads `client`, writes `database`."""

    def __init__(
        self, client: redis.Redis, database: Database, vault: Vault, *, dry_run: bool = False, delete: bool = False
    ) -> None:
        self._redis: Any = client
        self._database = database
        self._vault = vault
        self._dry_run = dry_run
        self._delete = delete and not dry_run

    def keys(self) -> list[bytes]:
        """All keys, listed by SCAN, which never blocks the server but may repeat a key."""
        return sorted(set(self._redis.scan_iter(match=PATTERN, count=SCAN_COUNT)))

    def run(self, keys: Iterable[bytes]) -> Report:
        """Import every key. Raises StorageUnavailable and redis.ConnectionError; what was imported stays."""
        return Report(tuple(self._each(keys)), self._dry_run)

    def _each(self, keys: Iterable[bytes]) -> Iterator[Outcome]:
        for key in keys:
            name = key.decode("utf-8", "replace")[:200]
            try:
                raw = self._redis.get(key)
                entry = read_entry(name, raw)
                result, reason = self._import(entry)
                deleted = self._delete and reason in (MIGRATED, PRESENT) and self._remove(key, raw, entry)
                yield Outcome(name, result, reason, deleted)
            except Unusable as problem:
                yield Outcome(name, "failed", f"the value {problem}")
            except redis.ResponseError:
                yield Outcome(name, "failed", "the value is not a string")
            except StorageUnavailable:
                raise
            except StorageError as error:
                yield Outcome(name, "failed", str(error))

    def _import(self, entry: TokenEntry) -> tuple[Result, str]:
        with self._database.transaction() as session:
            found = connections.integration_of(session, entry.merchant_id)
            if found is not None:
                if found.shop_domain != entry.shop_domain:
                    return "skipped", f"the merchant is now connected to {found.shop_domain}"
                if not found.is_active:
                    return "skipped", f"the connection in Postgres is {found.status}"
                return "skipped", PRESENT if self._is_stored(entry) else "Postgres has a newer token of the shop"
            elsewhere = connections.integration_by_shop(session, entry.shop_domain)
            if elsewhere is not None:
                return "failed", f"{entry.shop_domain} is connected to another merchant"
            if self._dry_run:
                return "migrated", "would be migrated"
            merchants.connect_shop(
                session,
                self._vault,
                merchant_id=entry.merchant_id,
                shop_domain=entry.shop_domain,
                access_token=entry.access_token,
                scopes=entry.scopes,
                emit=False,
            )
        if not self._is_stored(entry):
            return "failed", "the stored token is not the one from Redis; run again"
        return "migrated", MIGRATED

    def _is_stored(self, entry: TokenEntry) -> bool:
        """Read the row back and open it."""
        with self._database.transaction() as session:
            token = merchants.read_access_token(session, self._vault, entry.merchant_id)
        if token is None or token.integration.shop_domain != entry.shop_domain:
            return False
        stored, wanted = token.secret.get_secret_value(), entry.access_token.get_secret_value()
        return hmac.compare_digest(stored.encode(), wanted.encode())

    def _remove(self, key: bytes, raw: bytes, entry: TokenEntry) -> bool:
        return self._is_stored(entry) and bool(self._redis.eval(DELETE_IF_SAME, 1, key, raw))


MIGRATED, PRESENT = "stored, read back and opened", "already in Postgres"


def migrate(
    redis_url: str,
    database: Database,
    vault: Vault,
    *,
    dry_run: bool = False,
    delete: bool = False,
    watched: Callable[[list[bytes]], Iterable[bytes]] = lambda keys: keys,
) -> Report:
    """Import all tokens; `watched` wraps the keys, for a progress bar."""
    client = redis_server.connect(redis_url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
    try:
        migration = Migration(client, database, vault, dry_run=dry_run, delete=delete)
        return migration.run(watched(migration.keys()))
    finally:
        client.close()


def _shop_domain(key: str, value: object) -> str:
    named = key.removeprefix(PATTERN.removesuffix("*"))
    try:
        shop_domain = normalize_shop_domain(named if value is None else value if isinstance(value, str) else "")
    except InvalidEvent:
        raise Unusable("has no shop_domain of the form <name>.myshopify.com") from None
    if named.lower().endswith(".myshopify.com") and named.lower() != shop_domain:
        raise Unusable(f"names {shop_domain}, a different shop from the key")
    return shop_domain


def _scopes(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(part.strip() for part in parts if isinstance(part, str) and part.strip())
