"""Imports tokens that an earlier auth service kept in Redis into Postgres.

In Redis a shop is a key `merchant:{shop_domain}` whose value is a JSON object: `access_token`, `shop_domain` (default:
the key's) and optionally `scopes` (a list or a comma-separated string) and `merchant_id`. A key that names a different
shop from its value is not trusted.

A shop's merchant is named by the value, or else by a file (`read_owners`), or else by Postgres, if the shop was ever
connected. Otherwise a merchant is invented, named after the shop (`acme` for acme.myshopify.com) and marked as such;
whoever connects the shop replaces it (`storage.merchants`).

Each shop is imported separately: checked, stored, read back and opened. A run may be interrupted and restarted at any
time: imported tokens are skipped, and newer connections are never overwritten. A key is deleted only on request,
only after the stored token was opened and compared, and only if its value has not changed since it was read. No report,
log or error contains a token.
"""

import csv
import hmac
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import redis
from pydantic import SecretStr

from events.errors import InvalidEvent
from events.fields import is_identifier
from events.shop_domain import normalize_shop_domain
from shopify.token_response import is_token
from storage import connections, merchants, redis_server
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from storage.merchants import ShopOwner
from storage.vault import Vault

PATTERN = "merchant:*"
LARGEST_VALUE = 64 * 1024
SCAN_COUNT = 500
TIMEOUT_SECONDS = 5.0

# KEYS: the key. ARGV: the value that was read.
DELETE_IF_SAME = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

Result = Literal["migrated", "skipped", "failed"]


class Unusable(ValueError):
    """The value is not a shop's token; the message says why and never repeats a token."""


class UnusableOwners(ValueError):
    """The file of merchants cannot be used; the message has a line for each problem."""


@dataclass(frozen=True)
class TokenEntry:
    """A shop as stored in Redis; `merchant_id` is None if the value does not name one."""

    merchant_id: str | None
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
    merchant_id: str | None = None
    """The shop's merchant, or who it would be."""
    is_invented: bool = False
    """The merchant is a guess."""


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

    @property
    def invented(self) -> list[Outcome]:
        """The shops whose merchants are, or would be, invented."""
        return [outcome for outcome in self.outcomes if outcome.is_invented]

    def to_json(self) -> dict[str, Any]:
        found = {"dry_run": self.dry_run, **self.counts, "invented": len(self.invented)}
        return {**found, "keys": [vars(outcome) for outcome in self.outcomes]}


@dataclass(frozen=True)
class Owners:
    """Each shop's merchant according to a file, and on which line it says so."""

    name: str = ""
    merchants: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)


def read_owners(path: Path) -> Owners:
    """Read a CSV file of two columns, shop and merchant, with a header or without. Raises UnusableOwners.

    UTF-8, with a byte order mark or without; separated by commas, semicolons or tabs, as spreadsheets write it. A
    header names the columns `shop` (or `shop_domain`) and `merchant` (or `merchant_id`), in any order, beside others.
    """
    rows = _rows(path)
    columns = _columns(rows[0][1]) if rows else None
    merchants_of, lines, problems = dict[str, str](), dict[str, int](), list[str]()
    shops_of: dict[str, str] = {}
    for line, row in rows if columns is None else rows[1:]:
        try:
            shop, merchant_id = _owner(row, columns or (0, 1))
            if shop in lines:
                raise Unusable(f"{shop} is already on line {lines[shop]}")
            if (other := shops_of.get(merchant_id)) is not None:
                raise Unusable(f"merchant {merchant_id} has {other} on line {lines[other]}; a merchant has one shop")
        except Unusable as problem:
            problems.append(f"{path}, line {line}: {problem}")
            continue
        merchants_of[shop], lines[shop], shops_of[merchant_id] = merchant_id, line, shop
    if not merchants_of and not problems:
        problems.append(f"{path} names no shop; write a line for each: acme.myshopify.com,m1")
    if problems:
        raise UnusableOwners("\n".join(problems))
    return Owners(str(path), merchants_of, lines)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the number of its line. Raises UnusableOwners."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnusableOwners(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UnusableOwners(f"{path} is not UTF-8, at byte {error.start}; save it as CSV UTF-8") from None
    separator = next((each for each in ";\t" if each in text.partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        cells = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UnusableOwners(f"{path}, line {reader.line_num}: {error}") from None
    return [(line, row) for line, row in cells if any(row)]


def _columns(row: list[str]) -> tuple[int, int] | None:
    """The columns of shop and merchant according to a header; None if the row is not a header."""
    names = [cell.casefold().replace(" ", "_") for cell in row]
    found = [
        next((names.index(name) for name in wanted if name in names), None)
        for wanted in (("shop", "shop_domain"), ("merchant", "merchant_id"))
    ]
    return (found[0], found[1]) if found[0] is not None and found[1] is not None else None


def _owner(row: list[str], columns: tuple[int, int]) -> tuple[str, str]:
    """The shop and the merchant of one row. Raises Unusable."""
    if len(row) <= max(columns):
        raise Unusable("expected a shop and its merchant, as acme.myshopify.com,m1")
    shop, merchant_id = (row[column] for column in columns)
    try:
        domain = normalize_shop_domain(shop)
    except InvalidEvent:
        raise Unusable(f"{shop[:80]!r} is not a shop's domain, <name>.myshopify.com") from None
    if not is_identifier(merchant_id):
        raise Unusable(f"{domain} has no merchant: expected 1 to 200 printable characters")
    return domain, merchant_id


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
    if not is_token(token):
        raise Unusable("has no access_token of 10 to 500 printable characters")
    merchant_id = value.get("merchant_id")
    if isinstance(merchant_id, int) and not isinstance(merchant_id, bool):
        merchant_id = str(merchant_id)
    if merchant_id is not None and not is_identifier(merchant_id):
        raise Unusable("has a merchant_id that is not 1 to 200 printable characters")
    return TokenEntry(merchant_id, shop_domain, SecretStr(token), _scopes(value.get("scopes")))


class Migration:
    """One run. Reads `client`, writes `database`."""

    def __init__(
        self,
        client: redis.Redis,
        database: Database,
        vault: Vault,
        owners: Owners,
        *,
        dry_run: bool = False,
        delete: bool = False,
    ) -> None:
        self._redis: Any = client
        self._database = database
        self._vault = vault
        self._owners = owners
        self._dry_run = dry_run
        self._delete = delete and not dry_run
        self._met: set[str] = set()

    def keys(self) -> list[bytes]:
        """All keys, listed by SCAN, which never blocks the server but may repeat a key."""
        return sorted(set(self._redis.scan_iter(match=PATTERN, count=SCAN_COUNT)))

    def run(self, keys: Iterable[bytes]) -> Report:
        """Import every key. Raises StorageUnavailable and redis.ConnectionError; shops imported before the error
        stay."""
        return Report((*self._each(keys), *self._not_met()), self._dry_run)

    def _each(self, keys: Iterable[bytes]) -> Iterator[Outcome]:
        for key in keys:
            name = key.decode("utf-8", "replace")[:200]
            try:
                raw = self._redis.get(key)
                entry = read_entry(name, raw)
                self._met.add(entry.shop_domain)
                owner = self._owner(entry)
                result, reason = self._import(entry, owner)
                is_kept = result == "migrated" or reason == PRESENT
                deleted = self._delete and is_kept and self._remove(key, raw, entry, owner)
                yield Outcome(name, result, reason, deleted, owner.merchant_id, owner.is_invented)
            except Unusable as problem:
                yield Outcome(name, "failed", f"the value {problem}")
            except redis.ResponseError:
                yield Outcome(name, "failed", "the value is not a string")
            except StorageUnavailable:
                raise
            except StorageError as error:
                yield Outcome(name, "failed", str(error))

    def _not_met(self) -> Iterator[Outcome]:
        """Lines of the file about shops that are neither in Redis nor in Postgres: probably typos."""
        for shop, line in self._owners.lines.items():
            if shop in self._met:
                continue
            with self._database.reading() as session:
                known = merchants.owner_of_shop(session, shop)
            if known is None:
                reason = f"{shop} is not in Redis and was never connected"
                yield Outcome(f"{self._owners.name}, line {line}", "failed", reason)

    def _owner(self, entry: TokenEntry) -> ShopOwner:
        """The shop's merchant. Raises Unusable."""
        told = self._owners.merchants.get(entry.shop_domain)
        if told is not None and entry.merchant_id not in (None, told):
            line = self._owners.lines[entry.shop_domain]
            raise Unusable(f"names merchant {entry.merchant_id}, line {line} of {self._owners.name} merchant {told}")
        if (named := told or entry.merchant_id) is not None:
            return ShopOwner(named, is_invented=False, status="active")
        invented = entry.shop_domain.removesuffix(".myshopify.com")
        with self._database.reading() as session:
            known = merchants.owner_of_shop(session, entry.shop_domain)
            if known is None and merchants.merchant_exists(session, invented):
                raise Unusable(
                    f"does not name its merchant, and the existing merchant {invented} may be somebody else; "
                    "name it in a file for --merchants"
                )
        return known or ShopOwner(invented, is_invented=True, status="active")

    def _import(self, entry: TokenEntry, owner: ShopOwner) -> tuple[Result, str]:
        with self._database.transaction() as session:
            found = connections.integration_of(session, owner.merchant_id)
            if found is not None:
                if found.shop_domain != entry.shop_domain:
                    return "skipped", f"the merchant is now connected to {found.shop_domain}"
                if not found.is_active:
                    return "skipped", f"the connection in Postgres is {found.status}"
                is_stored = self._is_stored(entry, owner)
                return "skipped", PRESENT if is_stored else "Postgres has a newer token of the shop"
            elsewhere = merchants.owner_of_shop(session, entry.shop_domain)
            if elsewhere is not None and elsewhere.is_invented:
                if not self._dry_run:
                    merchants.move_shop(session, entry.shop_domain, owner.merchant_id)
                return "migrated", TAKEN_OVER.format("would be" if self._dry_run else "was", elsewhere.merchant_id)
            if elsewhere is not None and elsewhere.status == "active":
                return "failed", (
                    f"{entry.shop_domain} is connected to another merchant, {elsewhere.merchant_id}; "
                    f"if it is {owner.merchant_id}'s: cj merchants move {entry.shop_domain} --to {owner.merchant_id}"
                )
            if self._dry_run:
                return "migrated", "would be migrated"
            merchants.connect_shop(
                session,
                self._vault,
                merchant_id=owner.merchant_id,
                shop_domain=entry.shop_domain,
                access_token=entry.access_token,
                scopes=entry.scopes,
                emit=False,
                invented=owner.is_invented,
            )
        if not self._is_stored(entry, owner):
            return "failed", "the stored token is not the one from Redis; run again"
        return "migrated", MIGRATED

    def _is_stored(self, entry: TokenEntry, owner: ShopOwner) -> bool:
        """Read the row back and open it."""
        with self._database.transaction() as session:
            token = merchants.read_access_token(session, self._vault, owner.merchant_id)
        if token is None or token.integration.shop_domain != entry.shop_domain:
            return False
        stored, wanted = token.secret.get_secret_value(), entry.access_token.get_secret_value()
        return hmac.compare_digest(stored.encode(), wanted.encode())

    def _remove(self, key: bytes, raw: bytes, entry: TokenEntry, owner: ShopOwner) -> bool:
        return self._is_stored(entry, owner) and bool(self._redis.eval(DELETE_IF_SAME, 1, key, raw))


MIGRATED, PRESENT = "stored, read back and opened", "already in Postgres"
TAKEN_OVER = "was imported before, and {} moved from the invented merchant {}"


def migrate(
    redis_url: str,
    database: Database,
    vault: Vault,
    owners: Owners | None = None,
    *,
    dry_run: bool = False,
    delete: bool = False,
    watched: Callable[[list[bytes]], Iterable[bytes]] = lambda keys: keys,
) -> Report:
    """Import all tokens; `watched` wraps the keys, for a progress bar."""
    client = redis_server.connect(redis_url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
    try:
        migration = Migration(client, database, vault, owners or Owners(), dry_run=dry_run, delete=delete)
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
