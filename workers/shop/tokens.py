"""Valid access tokens: renewed before they expire, and once when Shopify refuses one.

    token = keeper.current(merchant_id, deadline)            # before a fetch
    token = keeper.after_refusal(token, deadline)            # Shopify returned 401: the next one to try
    raise keeper.give_up(token)                              # it was refused again a while later

One process renews a token while the others keep using the old one or, if it has expired, wait for the new one. A token
known to be dead is marked `needs_reauth`; after any other failure it stays in place.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from shopify.errors import Forbidden, ShopifyError, Temporary, Unauthorized
from shopify.oauth import TokenPair
from storage import connections, merchants
from storage.database import Database, Session
from storage.errors import StorageError, StorageUnavailable
from storage.merchants import AccessToken, Renewal
from storage.vault import Vault
from workers import logs, metrics
from workers.failpoints import in_transaction

log = logs.get(__name__)

EARLY_SECONDS = 300.0
"""Seconds before its expiry that a token is renewed: enough for many attempts, and for requests in flight to finish."""
POLL_SECONDS = 0.05
"""How often the row is polled while another process renews the token."""
PATIENCE_SECONDS = 3.0
"""Seconds to retry storing a new pair while Postgres is down: longer than elsewhere, because losing a pair is
costly."""

WHILE_POSTGRES_IS_AWAY = Retrying(
    retry=retry_if_exception_type(StorageUnavailable),
    wait=wait_fixed(POLL_SECONDS),
    stop=stop_after_delay(PATIENCE_SECONDS),
    reraise=True,
)

Refresh = Callable[[str, SecretStr, float], TokenPair]
"""shopify.oauth.refresh for (shop domain, refresh token, deadline)."""


class TokenKeeper:
    """Provides tokens for one process; thread-safe."""

    def __init__(self, database: Database, vault: Vault, refresh: Refresh | None) -> None:
        """`refresh` is None if this installation has no client id and secret and cannot renew tokens."""
        self._database = database
        self._vault = vault
        self._refresh = refresh

    def current(self, merchant_id: str, deadline: float) -> AccessToken | None:
        """The token to use now; None without an active connection.

        Raises TokenUnreadable, StorageUnavailable, and ShopifyError: Unauthorized if it can never be renewed,
        another kind if it has expired and could not be renewed by `deadline` (`time.monotonic()`).
        """
        token = self._read(merchant_id)
        if token is None or token.seconds_left is None or token.seconds_left > EARLY_SECONDS:
            return token
        if token.renewable and self._refresh is not None:
            try:
                return self._renewed(token, deadline)
            except Unauthorized:
                raise
            except ShopifyError:
                if token.seconds_left <= 0:
                    raise
        return token

    def after_refusal(self, refused: AccessToken, deadline: float, *, renew: bool = True) -> AccessToken:
        """A different token from the one Shopify refused, renewed if possible; the same one if there is no other yet.

        Raises TokenUnreadable, StorageUnavailable, Unauthorized for a connection that has ended, Forbidden if this
        installation cannot renew it, and another ShopifyError if this is still unknown by `deadline`.
        """
        token = self._read(refused.integration.merchant_id)
        if token is None:
            raise _ended(refused)
        if _version(token) != _version(refused) or not (token.renewable and renew):
            return token
        if self._refresh is None:
            log.error("cannot renew the token: set SHOPIFY_CLIENT_ID and SHOPIFY_CLIENT_SECRET")
            raise Forbidden(f"{token.integration.shop_domain}: the token cannot be renewed", reason="app_credentials")
        renewed = self._renewed(token, deadline, refused=True)
        if renewed is None:
            raise _ended(refused)
        return renewed

    def give_up(self, token: AccessToken) -> Unauthorized:
        """Mark this token's connection as `needs_reauth`, because Shopify keeps refusing it; returns the error to
        raise."""
        self._mark(token)
        return _ended(token)

    def _renewed(self, token: AccessToken, deadline: float, *, refused: bool = False) -> AccessToken | None:
        """A newer token, by renewing this one or waiting for the process that does; this one while it is still valid.

        Raises Unauthorized for a dead grant, after marking the connection.
        """
        usable = not refused and (token.seconds_left or 0.0) > 0
        while True:
            renewal = self._begin(token)
            if renewal is not None:
                self._renew(renewal, token, deadline)
            elif usable:
                return token
            latest = self._read(token.integration.merchant_id)
            if latest is None or _version(latest) != _version(token):
                return latest
            if time.monotonic() + POLL_SECONDS > deadline:
                shop = token.integration.shop_domain
                raise Temporary(f"{shop}: the token was not renewed in time", reason="deadline")
            time.sleep(POLL_SECONDS)

    def _renew(self, renewal: Renewal, token: AccessToken, deadline: float) -> None:
        assert self._refresh is not None
        try:
            # Once sent, the refresh matters more than the fetch that needed it, so it gets at least a second.
            pair = self._refresh(renewal.shop_domain, renewal.refresh_token, max(deadline, time.monotonic() + 1.0))
        except Unauthorized as error:
            metrics.token_renewal(error.code)
            if self._mark(token):
                raise
            return  # the merchant has connected again, which ended this grant
        except ShopifyError as error:
            metrics.token_renewal(error.code)
            log.warning("token could not be renewed", error_code=error.code, reason=error.operator)
            with suppress(StorageError), self._database.transaction() as session:
                merchants.put_off_renewal(session, renewal)
            raise
        metrics.token_renewal("ok")
        if self._keep(renewal, pair):
            log.info("token renewed", shop_domain=renewal.shop_domain, expires_in=pair.expires_in)
        else:
            log.info("another token was stored in the meantime", shop_domain=renewal.shop_domain)

    def _keep(self, renewal: Renewal, pair: TokenPair) -> bool:
        """Store the pair. If a commit's answer is lost, running it again finds out: the lease is gone."""

        def store(session: Session) -> bool:
            return merchants.store_renewal(
                session,
                self._vault,
                renewal,
                access_token=pair.access_token,
                access_expires_in=pair.expires_in,
                refresh_token=pair.refresh_token,
                refresh_expires_in=pair.refresh_expires_in,
                scopes=pair.scopes,
            )

        return WHILE_POSTGRES_IS_AWAY(lambda: in_transaction(self._database, "renewal", store))

    def _begin(self, token: AccessToken) -> Renewal | None:
        with self._database.transaction() as session:
            found = token.integration
            return merchants.begin_renewal(session, self._vault, found.merchant_id, token_version=found.token_version)

    def _mark(self, token: AccessToken) -> bool:
        """Whether this is still the connection, which is now marked."""
        found = token.integration
        with self._database.transaction() as session:
            marked = connections.mark_needs_reauth(session, found.merchant_id, token_version=found.token_version)
        if marked:
            log.warning("Shopify no longer accepts this connection; waiting for the merchant to connect again")
        return marked

    def _read(self, merchant_id: str) -> AccessToken | None:
        with self._database.reading() as session:
            return merchants.read_access_token(session, self._vault, merchant_id)


def _version(token: AccessToken) -> int:
    return token.integration.token_version


def _ended(token: AccessToken) -> Unauthorized:
    shop = token.integration.shop_domain
    return Unauthorized(f"{shop}: the access token is not accepted; the store must be reconnected")
