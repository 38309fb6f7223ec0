"""One fetch of a shop's data, as the Shopify worker does it: token, Shopify, cache, answer.

Only this worker reads access tokens. A token is in clear in this process's memory alone, and goes only to the domain
stored beside it in the same row.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from shopify import data as shopify_data
from shopify.client import ShopifyClient
from shopify.data import DATA_TYPES
from shopify.errors import ShopifyError, Unauthorized
from storage import merchants
from storage.cache import Cache, Hit, Lead
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable, TokenUnreadable
from storage.merchants import AccessToken
from storage.turns import Claim
from workers import logs
from workers.token_keeper import TokenKeeper

log = logs.get(__name__)

Result = dict[str, Any]

TTL_SECONDS: Mapping[str, int] = {"counts": 900, "recent_orders": 600, "overview": 600, "week_orders": 300}
"""How long each data type stays fresh."""
FETCH_SECONDS = 8.0
"""Deadline of one fetch, all pages and retries included."""
LEAD_TTL_MS = 10_000
"""How long one fetch may keep others waiting; longer than FETCH_SECONDS, so that only a dead leader loses it."""

ClientFactory = Callable[[AccessToken], ShopifyClient]


@dataclass(frozen=True)
class FetchRequest:
    """What travels to the Shopify worker: ids only. `request_id` names where the answer goes; None for a prefetch."""

    merchant_id: str
    data_type: str
    request_id: str | None = None
    conversation_id: str | None = None
    turn_id: int | None = None
    event_id: str | None = None

    @classmethod
    def for_turn(cls, claim: Claim, data_type: str, request_id: str) -> "FetchRequest":
        return cls(claim.merchant_id, data_type, request_id, claim.conversation_id, claim.turn_id, claim.event_id)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FetchRequest":
        """Raises ValueError for anything that is not a request of a known data type."""
        known = {name: value.get(name) for name in cls.__dataclass_fields__}
        if not isinstance(known["merchant_id"], str) or known["data_type"] not in DATA_TYPES:
            raise ValueError("not a fetch request")
        return cls(**known)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def cached_result(data_type: str, kept: Mapping[str, Any]) -> Result:
    """A tool result made of what the cache keeps."""
    return {"success": True, "data_type": data_type, **kept, "cached": True}


class ShopifyFetcher:
    """Fetches for one process; shares one fetch among all who ask for the same data at the same time."""

    def __init__(self, database: Database, keeper: TokenKeeper, cache: Cache, client_for: ClientFactory) -> None:
        self._database = database
        self._keeper = keeper
        self._cache = cache
        self._client_for = client_for

    def fetch(self, request: FetchRequest) -> None:
        """Answer `request`: from the cache, from a fetch in flight, or from Shopify."""
        try:
            token = self._keeper.current(request.merchant_id, time.monotonic() + FETCH_SECONDS)
            if token is None:
                return self._answer(request, self._not_connected(request))
        except (TokenUnreadable, StorageUnavailable) as error:
            log.error("access token could not be read", error_code=error.code)
            return self._answer(request, _failed(request.data_type, "shopify.no_token", NO_TOKEN))
        except ShopifyError as error:
            log.warning("no access token", error_code=error.code, reason=error.operator)
            return self._answer(request, _failed(request.data_type, error.code, error.merchant))
        version = token.integration.token_version
        flight = self._cache.flight_key(request.merchant_id, version, request.data_type)
        match self._cache.join(flight, request.request_id, lead_ttl_ms=LEAD_TTL_MS):
            case Hit(value=kept):
                self._answer(request, cached_result(request.data_type, kept))
            case Lead():
                self._lead(request, token, flight)
        return None

    def _lead(self, request: FetchRequest, token: AccessToken, flight: str) -> None:
        started = time.monotonic()
        result = self._ask_renewing(request, token, started + FETCH_SECONDS)
        kept = _kept(result) if result["success"] else None
        self._cache.land(flight, result, kept=kept, ttl_s=TTL_SECONDS[request.data_type])
        self._answer(request, result)
        milliseconds = round((time.monotonic() - started) * 1000)
        log.info(
            "fetched from Shopify",
            data_type=request.data_type,
            success=result["success"],
            error_code=result.get("error_code"),
            milliseconds=milliseconds,
        )

    def _ask_shopify(self, request: FetchRequest, token: AccessToken, deadline: float) -> Result:
        now = datetime.now(UTC)
        scopes = token.integration.scopes or None
        try:
            client = self._client_for(token)
            fetched = shopify_data.fetch(client, request.data_type, scopes=scopes, now=now, deadline=deadline)
        except ShopifyError as error:
            log.warning("Shopify refused", error_code=error.code, reason=error.operator)
            more = {} if error.retry_after is None else {"retry_after": error.retry_after}
            return _failed(request.data_type, error.code, error.merchant, **more)
        result: Result = {"success": True, "data_type": request.data_type, "data": fetched.data}
        result |= {"cached": False, "as_of": now.isoformat(timespec="seconds")}
        if fetched.missing:
            result["missing"] = fetched.missing
        if fetched.data_window is not None:
            result["data_window"] = fetched.data_window
        return result

    def _ask_renewing(self, request: FetchRequest, token: AccessToken, deadline: float) -> Result:
        """Ask; once more with another token if this one is refused and another is to be had."""
        result = self._ask_shopify(request, token, deadline)
        if result.get("error_code") != Unauthorized.code:
            return result
        try:
            other = self._keeper.after_refusal(token, deadline)
        except (StorageError, ShopifyError) as error:
            log.warning("no other access token", error_code=error.code)
            return result if isinstance(error, StorageError) else _failed(request.data_type, error.code, error.merchant)
        return result if other is None else self._ask_shopify(request, other, deadline)

    def _not_connected(self, request: FetchRequest) -> Result:
        with self._database.transaction() as session:
            found = merchants.integration_of(session, request.merchant_id)
        if found is not None and found.status == "needs_reauth":
            return _failed(request.data_type, Unauthorized.code, Unauthorized.sentence)
        return _failed(request.data_type, "shopify.not_connected", NO_TOKEN)

    def _answer(self, request: FetchRequest, result: Result) -> None:
        if request.request_id is not None:
            self._cache.answer(request.request_id, result)


NO_TOKEN = "Unable to access store data. Suggest reconnecting the store."  # noqa: S105 - words, not a secret


def _failed(data_type: str, code: str, error: str, **more: Any) -> Result:
    return {"success": False, "data_type": data_type, "error_code": code, "error": error, **more}


def _kept(result: Result) -> dict[str, Any]:
    return {key: result[key] for key in ("data", "missing", "data_window", "as_of") if key in result}
