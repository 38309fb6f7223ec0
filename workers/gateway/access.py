"""Authentication and rate limits at the door.

A service shows one of CJ_GATEWAY_SERVICE_TOKENS. A merchant's frontend shows a token signed with one of
CJ_GATEWAY_CHAT_KEYS (JWT, HS256, https://www.rfc-editor.org/rfc/rfc7519): `sub` is the merchant, `aud` is `cj-gateway`,
and `exp` is at most an hour ahead. Only the token says which merchant it is, never a body.
"""

import hmac
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import jwt
from pydantic import SecretStr

from events.envelope import readable

AUDIENCE = "cj-gateway"
LONGEST_SECONDS = 3600
#: How far the clocks of the token's issuer and of this machine may differ.
LEEWAY_SECONDS = 10
#: How many merchants' rates are remembered; beyond that, those idle for a minute are dropped once a minute.
REMEMBERED = 10_000


class NotAllowed(Exception):
    """The door refuses a request: an HTTP status, a code, and what to do."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


@dataclass(frozen=True)
class Caller:
    """The caller: a merchant's frontend until `expires` (Unix time) or, without a merchant, a service."""

    merchant_id: str | None
    expires: float


def chat_token(key: SecretStr, merchant_id: str, *, seconds: int = LONGEST_SECONDS) -> str:
    """A token for a merchant's frontend."""
    claims = {"sub": merchant_id, "aud": AUDIENCE, "exp": int(time.time()) + seconds}
    return jwt.encode(claims, key.get_secret_value(), algorithm="HS256")


class Admission:
    """Checks tokens and origins, and counts each merchant's streams and requests at this door."""

    def __init__(
        self,
        chat_keys: Sequence[SecretStr],
        service_tokens: Sequence[SecretStr],
        *,
        origins: Sequence[str] = (),
        streams: int = 20,
        requests: int = 300,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A merchant may have `streams` open streams and make `requests` requests a minute."""
        self._chat_keys, self._service_tokens = chat_keys, service_tokens
        self._origins = frozenset(origins)
        self._most_streams, self._requests = streams, requests
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._allowances: dict[str, tuple[float, float]] = {}
        """Merchant → requests left, and at what time."""
        self._forgot_at = float("-inf")

    def caller(self, authorization: str | None) -> Caller:
        """The caller with this header. Raises NotAllowed (401)."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAllowed(401, "token.missing", "send a token: Authorization: Bearer …")
        for known in self._service_tokens:
            if hmac.compare_digest(known.get_secret_value().encode(), token.strip().encode("utf-8", "replace")):
                return Caller(None, float("inf"))
        return self._merchant(token.strip())

    def origin(self, origin: str | None) -> str | None:
        """The web origin of a browser's page, to repeat in the response. Raises NotAllowed (403)."""
        if origin is not None and origin not in self._origins:
            raise NotAllowed(403, "origin.refused", "pages of this origin are not allowed: see CJ_GATEWAY_ORIGINS")
        return origin

    def count(self, merchant_id: str) -> None:
        """Count a request of the merchant. Raises NotAllowed (429)."""
        now = self._clock()
        if len(self._allowances) >= REMEMBERED and now - self._forgot_at >= 60:
            self._forgot_at = now
            self._allowances = {who: kept for who, kept in self._allowances.items() if now - kept[1] < 60}
        left, since = self._allowances.get(merchant_id, (float(self._requests), now))
        left = min(left + (now - since) * self._requests / 60, float(self._requests))
        if left < 1:
            raise NotAllowed(429, "rate.exceeded", "too many requests; try again in a moment", retry_after=1)
        self._allowances[merchant_id] = left - 1, now

    @contextmanager
    def stream(self, merchant_id: str) -> Iterator[None]:
        """Count an open stream of the merchant. Raises NotAllowed (429)."""
        if self._open[merchant_id] >= self._most_streams:
            raise NotAllowed(429, "streams.exceeded", "too many open streams; close one first", retry_after=5)
        self._open[merchant_id] += 1
        try:
            yield
        finally:
            self._open[merchant_id] -= 1
            if not self._open[merchant_id]:
                del self._open[merchant_id]

    def _merchant(self, token: str) -> Caller:
        for key in self._chat_keys:
            try:
                claims = jwt.decode(
                    token,
                    key.get_secret_value(),
                    algorithms=["HS256"],
                    audience=AUDIENCE,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["sub", "aud", "exp"]},
                )
                expires = float(claims["exp"])
            except jwt.InvalidSignatureError:
                continue  # another key's
            except jwt.ExpiredSignatureError:
                raise NotAllowed(401, "token.expired", "the token has expired by our clock; get a new one") from None
            except (jwt.PyJWTError, OverflowError):  # including an exp that is not a time
                break
            merchant_id = readable(claims["sub"])
            if merchant_id is None or expires - time.time() > LONGEST_SECONDS + LEEWAY_SECONDS:
                break
            return Caller(merchant_id, expires)
        raise NotAllowed(
            401,
            "token.invalid",
            f"the token is not valid: HS256, sub (the merchant), aud {AUDIENCE}, exp within {LONGEST_SECONDS} s by our "
            "clock, iat and nbf not ahead of it",
        )
