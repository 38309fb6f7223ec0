"""Reads one data type from a shop, given its token's permissions and its time zone.

These facts are stored (`storage.connections.ShopFacts`), so that a fetch takes one request. Merchants grant and revoke
permissions without reconnecting
(https://shopify.dev/docs/apps/build/authentication-authorization/app-installation/manage-access-scopes): the
permissions that Shopify returns with order data take precedence, and are stored. A separate query for the facts is
needed only if the time zone is needed and unknown or a day old, or if a refusal does not mention permissions; of
several concurrent readers one sends it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.data.fetched import Fetched
from shopify.data.query import fetch_access
from shopify.errors import (
    PERMISSIONS,
    AccessDenied,
    Forbidden,
    ShopifyError,
    StoreUnavailable,
    Throttled,
    Unauthorized,
)
from storage import connections
from storage.connections import Integration, ShopFacts
from storage.database import Database
from storage.errors import StorageError
from storage.merchants import AccessToken
from workers import logs

log = logs.get(__name__)

FACTS_SECONDS = 24 * 3600.0
"""Seconds for which a shop's time zone and permissions stay valid."""
DENIED_AGAIN_SECONDS = 600.0
"""When a permission is missing, facts younger than this are trusted and not fetched again."""
JUST_ASKED_SECONDS = 10.0
"""Facts younger than this were just fetched by another thread."""
ABORTING_ERRORS = (Unauthorized, Forbidden, StoreUnavailable, Throttled)

ClientFactory = Callable[[AccessToken], ShopifyClient]


class ShopReader:
    """Reads for one process; thread-safe."""

    def __init__(self, database: Database, client_for: ClientFactory) -> None:
        self._database = database
        self._client_for = client_for
        self._asking: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()

    def read(self, token: AccessToken, data_type: str, *, now: datetime, deadline: float, **which: Any) -> Fetched:
        """Read one of `events.data_types.DATA_TYPES` by `deadline` (`time.monotonic()`). Raises ShopifyError.

        `which`: period and comparison of sales, as `fetch` takes them.
        """
        client = self._client_for(token)
        with self._lock:
            asking = self._asking.setdefault(token.integration.merchant_id, threading.Lock())
        return _Reading(self._database, client, token.integration, data_type, now, deadline, which, asking).run()


@dataclass
class _Reading:
    database: Database
    client: ShopifyClient
    integration: Integration
    data_type: str
    now: datetime
    deadline: float
    which: Mapping[str, Any]
    asking: threading.Lock
    """Held by the thread that fetches the shop's facts."""

    def run(self) -> Fetched:
        facts = self._known() if self._needs_facts else None
        if self._must_ask(facts):
            facts = self._ask(facts)
        try:
            fetched = self._fetch(facts)
        except AccessDenied as denied:
            newer = self._after_denial(facts, denied.scopes)
            if newer is None:
                raise
            return self._fetch(newer)
        told = self._told(fetched)
        denials = [part for part in fetched.missing if part["code"] == AccessDenied.code]
        if not denials:
            return fetched
        scopes = {permission: scope for scope, permission in PERMISSIONS.items()}
        named = {scopes.get(each, each) for part in denials for each in part.get("permissions", ())}
        if told is None:
            return self._fuller(fetched, self._after_denial(facts, list(named)))
        if not named & set(told):
            return fetched
        return self._fuller(fetched, ShopFacts(told, facts.time_zone if facts else None, None))

    def _told(self, fetched: Fetched) -> tuple[str, ...] | None:
        """The permissions that Shopify returned with the data; stored if they have changed."""
        if fetched.scopes is None:
            return None
        told = tuple(sorted(fetched.scopes))
        if told != tuple(sorted(self.integration.scopes)):
            log.info("the shop's permissions have changed", scopes=list(told))
            try:
                with self.database.transaction() as session:
                    connections.keep_scopes(session, self.integration, told)
            except StorageError as error:
                log.warning("cannot store the shop's permissions", error_code=error.code)
        return told

    def _fuller(self, fetched: Fetched, newer: ShopFacts | None) -> Fetched:
        """Read again with newer permissions; on failure, returns what was read before."""
        if newer is None:
            return fetched
        try:
            return self._fetch(newer)
        except ShopifyError:
            return fetched

    def _fetch(self, facts: ShopFacts | None) -> Fetched:
        return fetch(
            self.client,
            self.data_type,
            scopes=self._scopes(facts),
            now=self.now,
            deadline=self.deadline,
            time_zone=facts.time_zone if facts else None,
            **self.which,
        )

    def _scopes(self, facts: ShopFacts | None) -> tuple[str, ...] | None:
        """The scopes Shopify reported, else those from the auth service, else None."""
        return facts.scopes if facts is not None else self.integration.scopes or None

    @property
    def _needs_facts(self) -> bool:
        """Whether the time zone is needed and unknown. Unknown permissions are just tried."""
        return self.data_type in ("week_orders", "sales")

    def _must_ask(self, facts: ShopFacts | None) -> bool:
        return self._needs_facts if facts is None else facts.age_seconds > FACTS_SECONDS

    def _after_denial(self, facts: ShopFacts | None, denied: Sequence[str]) -> ShopFacts | None:
        """Facts to read again with: the permissions have changed since the fetch started, or Shopify says that the
        `denied` ones are granted. None if there are no such facts."""
        known = facts or self._known()
        if known is None or known.age_seconds > DENIED_AGAIN_SECONDS:
            try:
                known = self._ask(known)
            except ShopifyError:
                return None
        if known is None:
            return None
        if set(known.scopes) == set(self._scopes(facts) or ()):
            return known if denied and set(denied) <= set(known.scopes) else None
        log.info("the shop's permissions have changed", scopes=list(known.scopes))
        return known

    def _ask(self, before: ShopFacts | None) -> ShopFacts | None:
        """Fetch and store current facts; returns `before` if Shopify did not provide them. The first of several
        concurrent callers fetches, the others use its result."""
        if not self.asking.acquire(timeout=max(self.deadline - time.monotonic(), 0.0)):
            return before
        try:
            known = self._known()
            return known if known is not None and known.age_seconds < JUST_ASKED_SECONDS else self._ask_alone(before)
        finally:
            self.asking.release()

    def _ask_alone(self, before: ShopFacts | None) -> ShopFacts | None:
        try:
            access = fetch_access(self.client, deadline=self.deadline)
        except ABORTING_ERRORS:
            raise
        except ShopifyError as error:
            log.warning("Shopify did not report the shop's permissions", error_code=error.code, reason=error.operator)
            return before
        facts = ShopFacts(tuple(sorted(access.scopes)), access.time_zone, access.currency)
        self._keep(facts)
        return facts

    def _known(self) -> ShopFacts | None:
        try:
            with self.database.reading() as session:
                return connections.shop_facts(session, self.integration)
        except StorageError as error:
            log.warning("cannot read the shop's stored facts", error_code=error.code)
            return None

    def _keep(self, facts: ShopFacts) -> None:
        try:
            with self.database.transaction() as session:
                connections.keep_shop_facts(session, self.integration, facts)
        except StorageError as error:
            log.warning("cannot store the shop's facts", error_code=error.code)
