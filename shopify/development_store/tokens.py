"""Access and refresh tokens of the development store, and its token endpoint.

Since 2025-12 offline tokens may expire: 1 hour for the access token, 90 days for the refresh token, and each refresh
returns a new pair. Since 2026-08 the previous refresh token stays valid until the new pair is first used, so a client
that lost the answer can refresh again
(https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens).
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shopify.development_store import responses
from shopify.development_store.responses import StoreResponse

ACCESS_SECONDS = 3_600
REFRESH_SECONDS = 7_776_000

DEFAULT_SCOPES = ("read_customers", "read_orders", "read_products", "read_reports")


def token_for(shop_domain: str) -> str:
    """The access token of a development shop, unless it was registered with another."""
    return "shpat_" + hashlib.sha256(shop_domain.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class IssuedToken:
    """A token in the store. `expires_at`: by the monotonic clock, None for never."""

    text: str
    shop_domain: str
    scopes: tuple[str, ...] = DEFAULT_SCOPES
    expires_at: float | None = None
    grant: str | None = None


@dataclass
class _Grant:
    """One app's access to one shop: the pair in use, and newer pairs that have not been used yet."""

    token: IssuedToken
    refresh_token: str
    expires_in: int
    refresh_expires_at: float
    unused: dict[str, str]  # access token -> its refresh token


class Tokens:
    """All tokens of the store. Every call is atomic, from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._access: dict[str, IssuedToken] = {}
        self._grants: dict[str, _Grant] = {}
        self._grant_of: dict[str, str] = {}  # refresh token -> grant

    def issue(
        self,
        shop_domain: str,
        text: str,
        *,
        scopes: tuple[str, ...] = DEFAULT_SCOPES,
        expires_in: float | None = None,
        refresh_token: str | None = None,
    ) -> IssuedToken:
        """Make a token valid. With a refresh token it can be renewed; `expires_in` is in seconds."""
        with self._lock:
            expires_at = None if expires_in is None else self._clock() + expires_in
            token = IssuedToken(text, shop_domain, scopes, expires_at, refresh_token)
            self._access[text] = token
            if refresh_token is not None:
                lifetime = int(expires_in) if expires_in and expires_in >= 1 else ACCESS_SECONDS
                self._grants[refresh_token] = _Grant(
                    token, refresh_token, lifetime, self._clock() + REFRESH_SECONDS, {}
                )
                self._grant_of[refresh_token] = refresh_token
            return token

    def find(self, shop_domain: str, text: str) -> IssuedToken | None:
        """The token, if it is valid at this shop now. Using it settles a refresh: the old refresh token is dead."""
        with self._lock:
            token = self._access.get(text)
            if token is None or token.shop_domain != shop_domain or self._expired(token):
                return None
            if token.grant is not None:
                self._settle(self._grants[token.grant], text)
            return token

    def refresh(self, shop_domain: str, refresh_token: str) -> dict[str, Any] | None:
        """A new pair, as the endpoint sends it; None for a refresh token that is unknown, dead or of another shop."""
        with self._lock:
            name = self._grant_of.get(refresh_token)
            grant = self._grants[name] if name is not None else None
            if grant is None or grant.token.shop_domain != shop_domain or self._clock() >= grant.refresh_expires_at:
                return None
            for access, its_refresh in list(grant.unused.items()):
                if its_refresh == refresh_token:
                    self._settle(grant, access)
            return self._new_pair(grant)

    def revoke(self, shop_domain: str) -> None:
        """Make every token of a shop invalid, as uninstalling the app does."""
        with self._lock:
            gone = [name for name, grant in self._grants.items() if grant.token.shop_domain == shop_domain]
            for name in gone:
                del self._grants[name]
            self._grant_of = {refresh: name for refresh, name in self._grant_of.items() if name not in gone}
            self._access = {text: t for text, t in self._access.items() if t.shop_domain != shop_domain}

    def expire(self, shop_domain: str) -> None:
        """Make every access token of a shop expire now; refresh tokens stay valid."""
        with self._lock:
            now = self._clock()
            for text, token in self._access.items():
                if token.shop_domain == shop_domain:
                    self._access[text] = replace(token, expires_at=now)

    def _expired(self, token: IssuedToken) -> bool:
        return token.expires_at is not None and self._clock() >= token.expires_at

    def _new_pair(self, grant: _Grant) -> dict[str, Any]:
        access, refresh = f"shpat_{secrets.token_hex(16)}", f"shprt_{secrets.token_hex(16)}"
        self._access[access] = replace(grant.token, text=access, expires_at=self._clock() + grant.expires_in)
        grant.unused[access] = refresh
        self._grant_of[refresh] = str(grant.token.grant)
        return {
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": grant.expires_in,
            "refresh_token_expires_in": REFRESH_SECONDS,
            "scope": ",".join(grant.token.scopes),
        }

    def _settle(self, grant: _Grant, access: str) -> None:
        """A pair was used for the first time: the pair it replaces and all other unused pairs are dead."""
        refresh = grant.unused.pop(access, None)
        if refresh is None:
            return
        for other_access, other_refresh in grant.unused.items():
            self._access.pop(other_access, None)
            self._grant_of.pop(other_refresh, None)
        self._grant_of.pop(grant.refresh_token, None)
        grant.unused.clear()
        grant.refresh_token = refresh
        grant.refresh_expires_at = self._clock() + REFRESH_SECONDS


def answer_refresh(tokens: Tokens, shop_domain: str, form: Mapping[str, Any]) -> StoreResponse:
    """A new pair of tokens, or why there is none."""
    if form.get("grant_type") != "refresh_token":
        return StoreResponse(400, responses.NO_GRANT)
    if not form.get("client_id") or not form.get("client_secret"):
        return StoreResponse(400, responses.BAD_CLIENT)
    pair = tokens.refresh(shop_domain, str(form.get("refresh_token")))
    return StoreResponse(401, responses.DEAD_GRANT) if pair is None else StoreResponse(200, pair)
