"""Fetches a shop's data in the Shopify worker: token, Shopify, cache, answer.

Only this worker reads access tokens. A plaintext token exists only in this process's memory and is sent only to the
domain stored in the same row.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from events.data_types import COMPARISONS, DATA_TYPES, DEFAULT_COMPARISON, DEFAULT_PERIOD, PERIODS
from shopify.errors import ShopifyError, Temporary, Throttled, Unauthorized
from shopify.rate_limit import OWN_BUCKET
from shopify.retries import SECOND_LOOK_SECONDS
from storage import connections, fetch_answers
from storage.cache import Answered, Cache, Hit, Joined, Lead
from storage.connections import Integration
from storage.database import Database
from storage.errors import StorageError, StorageRefused, StorageUnavailable, TokenUnreadable
from storage.merchants import AccessToken
from storage.turns import Claim
from workers import logs, metrics, tracing
from workers.delayed_calls import DelayedCalls
from workers.failpoints import failpoint
from workers.shop import results
from workers.shop.reader import ShopReader
from workers.shop.results import Result
from workers.shop.tokens import TokenKeeper

log = logs.get(__name__)

FETCH_SECONDS = 6.0
"""Deadline of one fetch, including all pages and retries."""
SAME_TOKEN_SECONDS = 1.0
"""Seconds for which a token serves the further fetches of its message; then it is read again."""
REMEMBERED_SECONDS = 5.0
LONGEST_REMEMBERED_SECONDS = 10.0
"""Seconds for which a failure of the whole shop also answers further fetches; longer if Shopify says so, up to the
second value."""
OF_THE_SHOP = frozenset({"timeout", "connection", "server_error", "challenge", "requests", "cost", "budget"})
"""Reasons of failures that any other query to the same shop would meet, too."""
LEAD_TTL_MS = 3_000
"""Seconds after its last heartbeat until the leader of a flight counts as dead and the next request leads."""
RENEW_SECONDS = 1.0
"""How often a leader sends a heartbeat."""
OUR_FAULT = (
    "Store data cannot be read right now. The fault is on CJ's side and is being repaired; the store need not be "
    "connected again."
)
NO_TOKEN = "Unable to access store data. Suggest reconnecting the store."  # noqa: S105 - words, not a secret


@dataclass(frozen=True)
class FetchRequest:
    """A message to the Shopify worker: ids only. `request_id` names where the answer goes; None for a prefetch.

    `period` and `compare_to` are for sales, which have defaults; None for other data types.
    """

    merchant_id: str
    data_type: str
    request_id: str | None = None
    conversation_id: str | None = None
    turn_id: int | None = None
    event_id: str | None = None
    period: str | None = None
    compare_to: str | None = None
    traceparent: str | None = None
    """The requester's, if tracing is on."""
    through_postgres: bool | None = None
    """Whether the answer goes through Postgres, since the requester cannot reach Redis."""

    def __post_init__(self) -> None:
        of_sales = self.data_type == "sales"
        object.__setattr__(self, "period", (self.period or DEFAULT_PERIOD) if of_sales else None)
        object.__setattr__(self, "compare_to", (self.compare_to or DEFAULT_COMPARISON) if of_sales else None)

    @classmethod
    def for_turn(
        cls,
        claim: Claim,
        data_type: str,
        request_id: str,
        *,
        period: str | None = None,
        compare_to: str | None = None,
    ) -> "FetchRequest":
        return cls(
            claim.merchant_id,
            data_type,
            request_id,
            claim.conversation_id,
            claim.turn_id,
            claim.event_id,
            period,
            compare_to,
            tracing.traceparent(),
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "FetchRequest":
        """Raises ValueError for anything that is not a valid request with a known data type, period and comparison."""
        known = {name: value.get(name) for name in cls.__dataclass_fields__}
        if not isinstance(known["merchant_id"], str) or known["data_type"] not in DATA_TYPES:
            raise ValueError("not a fetch request")
        if known["period"] not in (None, *PERIODS) or known["compare_to"] not in (None, *COMPARISONS):
            raise ValueError("not a fetch request: unknown period or comparison")
        return cls(**known)  # type: ignore[arg-type]

    @property
    def key(self) -> str:
        """What is fetched: the data type; for sales with its period and comparison."""
        return ".".join(filter(None, (self.data_type, self.period, self.compare_to)))

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class ShopifyFetcher:
    """Fetches for one process; concurrent requests for the same data share one fetch."""

    def __init__(
        self,
        database: Database,
        keeper: TokenKeeper,
        cache: Cache,
        reader: ShopReader,
        *,
        recovery_factor: float = 1.0,
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._cache = cache
        self._reader = reader
        self._delayed_calls = DelayedCalls()
        self._lead_ttl_ms = round(LEAD_TTL_MS * recovery_factor)
        self._renew_seconds = RENEW_SECONDS * recovery_factor

    def fetch(self, request: FetchRequest, earlier: AccessToken | None = None) -> AccessToken | None:
        """Answer `request`: from the cache, from a fetch in flight, or from Shopify.

        Returns the token, to pass as `earlier` with the next request of the same message; None if it was refused, or is
        so old that it must be read again.
        """
        began = time.monotonic()
        token = earlier if earlier is not None and earlier.integration.merchant_id == request.merchant_id else None
        if token is None and (token := self._token(request)) is None:
            return None
        is_good = self._fetch(request, token)
        token = token.aged(time.monotonic() - began)
        return token if is_good and token.age < SAME_TOKEN_SECONDS else None

    def _token(self, request: FetchRequest) -> AccessToken | None:
        """The token to use; None if there is none, and the request was answered accordingly."""
        try:
            token = self._keeper.current(request.merchant_id, time.monotonic() + FETCH_SECONDS)
            if token is None:
                self._answer(request, self._not_connected(request))
            return token
        except (TokenUnreadable, StorageUnavailable) as error:
            log.error("cannot read the access token", merchant_id=request.merchant_id, reason=str(error))
            self._answer(request, results.failed(request.data_type, "shopify.no_token", OUR_FAULT))
        except ShopifyError as error:
            log.warning("no access token", error_code=error.code, reason=error.operator)
            self._answer(request, self._without_token(request, error))
        return None

    def _fetch(self, request: FetchRequest, token: AccessToken) -> bool:
        """Answer `request`. False if the token was refused, or may have been."""
        flight = self._cache.flight_key(request.merchant_id, token.integration.connection, request.key)
        waiter = None if request.through_postgres else request.request_id
        match self._cache.join(flight, waiter, lead_ttl_ms=self._lead_ttl_ms):
            case Hit(value=kept):
                metrics.cache_read(request.data_type, "hit")
                tracing.note(result="hit")
                self._answer(request, results.cached(request.data_type, kept))
            case Joined():
                metrics.cache_read(request.data_type, "joined")
                tracing.note(result="joined")
            case Answered():
                log.info("request was already answered", data_type=request.data_type)
            case Lead(failure=failure):
                metrics.cache_read(request.data_type, "miss")
                if request.request_id is None and self._cache.is_away:  # a prefetch that nothing would keep
                    return True
                return self._lead(request, token, flight, failure)
        return True

    def _lead(self, request: FetchRequest, token: AccessToken, flight: str, failure: Result | None) -> bool:
        started, accepted = time.monotonic(), None
        try:
            with self._staying_alive(flight):
                failpoint("fetch.before")
                if failure is None:
                    result, accepted = self._ask_patiently(request, token, started + FETCH_SECONDS)
                else:
                    result = failure
                result["data_type"] = request.data_type
        except Exception:
            # A bug: answer those who wait; the next request may try again.
            log.exception("fetch failed", data_type=request.data_type)
            result = results.failed(request.data_type, ShopifyError.code, ShopifyError.blame().sentence)
        seconds = results.fresh_seconds(result) if result["success"] else 0
        result = self._or_stale(result, request, token.integration)
        failpoint("fetch.after")
        is_taken = self._cache.land(flight, result, ttl_s=seconds, request_id=request.request_id, accepted=accepted)
        if request.through_postgres or not is_taken:
            self._leave(request, result)
        took, outcome = time.monotonic() - started, results.outcome(result)
        metrics.fetch(request.data_type, outcome, took)
        tracing.note(result=outcome, error=result.get("error_code"))
        (log.info if outcome in ("ok", "partial") else log.warning)(
            "fetched from Shopify",
            data_type=request.data_type,
            result=outcome,
            error_code=result.get("error_code"),
            stale=result.get("stale", {}).get("code"),
            milliseconds=round(took * 1000),
        )
        return accepted == token.integration.token_version

    @contextmanager
    def _staying_alive(self, flight: str) -> Iterator[None]:
        done = threading.Event()

        def renew() -> None:
            if not done.is_set():
                self._cache.renew(flight, lead_ttl_ms=self._lead_ttl_ms)
                self._delayed_calls.call(self._renew_seconds, renew)

        self._delayed_calls.call(self._renew_seconds, renew)
        try:
            yield
        finally:
            done.set()

    def _or_stale(self, result: Result, request: FetchRequest, integration: Integration) -> Result:
        """`result`, or earlier data if this failure does not invalidate it."""
        if result["success"] or result["error_code"] in results.THE_STORE:
            return result
        found = self._cache.stale(request.merchant_id, integration.connection, request.key)
        return result if found is None else results.stale(request.data_type, found, result)

    def _ask_shopify(self, request: FetchRequest, token: AccessToken, deadline: float) -> Result:
        now = token.read_at
        try:
            which = {"period": request.period, "compare_to": request.compare_to} if request.period else {}
            found = self._reader.read(token, request.data_type, now=now, deadline=deadline, **which)
        except ShopifyError as error:
            metrics.shopify_read(error.code)
            details = {"error_code": error.code, "reason": error.operator, "request_id": error.request_id}
            if isinstance(error, Unauthorized):  # it is tried again; only giving it up deserves a warning
                log.info("access token refused", **details)
            elif error.reason == OWN_BUCKET:
                log.warning("Shopify not queried: the shop's points are used up", **details)
            else:
                log.warning("Shopify refused", **details)
            result = results.refused(request.data_type, error)
            if isinstance(error, Temporary | Throttled) and error.reason in OF_THE_SHOP:
                seconds = min(max(REMEMBERED_SECONDS, error.retry_after or 0.0), LONGEST_REMEMBERED_SECONDS)
                self._cache.note_failure(*_whose(token), result, seconds)
            return result
        metrics.shopify_read("ok")
        return results.fetched(request.data_type, found, now)

    def _ask_patiently(self, request: FetchRequest, token: AccessToken, deadline: float) -> tuple[Result, int | None]:
        """Query Shopify; if the token is refused, again with another one, or with the same one a second later. Returns
        the result, and the version of the accepted token.

        A connection is given up only after that second refusal, and only if no other request succeeded in between.
        """
        before: dict[int, int] = {}
        while True:
            result = self._ask_shopify(request, token, deadline)
            if result["success"]:
                return result, token.integration.token_version
            if result["error_code"] != Unauthorized.code:
                return result, None
            try:
                token = self._after_refusal(token, before, deadline)
            except (StorageError, ShopifyError) as error:
                log.warning("no replacement for the refused access token", error_code=error.code)
                return result if isinstance(error, StorageError) else results.refused(request.data_type, error), None

    def _after_refusal(self, token: AccessToken, before: dict[int, int], deadline: float) -> AccessToken:
        """The token to try next. Raises ShopifyError if there is none.

        `before`: for each token refused so far, how often others had used it successfully by then.
        """
        found = token.integration
        version, shop = found.token_version, found.shop_domain
        used = self._cache.successes(found.merchant_id, version)
        # A token that was just renewed is given time, not renewed again.
        other = self._keeper.after_refusal(token, deadline, renew=not before)
        is_the_same = other.integration.token_version == version
        if is_the_same and version in before:
            if used != before[version]:
                raise Temporary(f"{shop}: the token is refused, yet others use it", reason="refused_at_first")
            raise self._keeper.give_up(token)
        before[version] = used
        if is_the_same:
            if time.monotonic() + SECOND_LOOK_SECONDS >= deadline:
                raise Temporary(f"{shop}: no time left to see whether it is refused again", reason="refused_at_first")
            time.sleep(SECOND_LOOK_SECONDS)
        return other

    def _without_token(self, request: FetchRequest, error: ShopifyError) -> Result:
        """The result when the token has expired and could not be renewed."""
        result = results.refused(request.data_type, error)
        try:
            integration = self._integration(request)
        except StorageError:
            return result
        return result if integration is None else self._or_stale(result, request, integration)

    def _not_connected(self, request: FetchRequest) -> Result:
        found = self._integration(request)
        if found is not None and found.status == "needs_reauth":
            return results.failed(request.data_type, Unauthorized.code, Unauthorized.blame().sentence)
        return results.failed(request.data_type, "shopify.not_connected", NO_TOKEN)

    def _integration(self, request: FetchRequest) -> Integration | None:
        with self._database.reading() as session:
            return connections.integration_of(session, request.merchant_id)

    def _answer(self, request: FetchRequest, result: Result) -> None:
        if request.request_id is None:
            return
        if request.through_postgres or not self._cache.answer(request.request_id, result):
            self._leave(request, result)

    def _leave(self, request: FetchRequest, result: Result) -> None:
        """Leave in Postgres what Redis did not take, or what the requester cannot read there. Others who joined the
        flight ask again."""
        if request.request_id is None or request.turn_id is None:
            return
        try:
            with self._database.transaction() as session:
                fetch_answers.leave(session, request.request_id, request.turn_id, result)
        except StorageRefused:  # the turn is gone, and nobody waits
            pass
        except StorageError as error:
            log.warning("neither Redis nor Postgres takes the answer; the agent asks again", reason=str(error))


def _whose(token: AccessToken) -> tuple[str, int]:
    return token.integration.merchant_id, token.integration.connection
