"""Everything that can go wrong between us and a shop.

ShopifyError
├── Unauthorized        the access token is not accepted; only reconnecting (or a refreshed token) helps
├── Forbidden           this app or this address is refused; reconnecting does not help
├── StoreUnavailable    the store is frozen, locked, closed, marked fraudulent, or not there
├── AccessDenied        a permission (scope) was not granted
├── ProtectedData       Shopify has not approved this app, or this plan, for personal customer data
├── Throttled           the shop's rate limit is used up; `retry_after` says for how long
├── CostExceeded        one query costs more than Shopify allows; the same query never succeeds
├── Temporary           no response in time, a broken connection, 5xx, an internal error at Shopify
├── BadAnswer           a response that cannot be understood
└── BadDocument         Shopify does not accept our query: a bug of ours

Each has a `code` for programs, a `merchant` sentence that may be told to the merchant, and an `operator` sentence
(also `str(error)`) that says what is wrong, where, and what to do. Neither holds tokens or customer data.
https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from shopify.rate_limit import Throttle

FieldPath = tuple[str | int, ...]


class ShopifyError(Exception):
    """Base of all. `reason` is a short word for the kind within a class."""

    code: ClassVar[str] = "shopify.error"
    sentences: ClassVar[dict[str, str]] = {}
    sentence: ClassVar[str] = "Something went wrong with Shopify."

    def __init__(
        self,
        operator: str,
        *,
        reason: str = "",
        retry_after: float | None = None,
        request_id: str | None = None,
        path: FieldPath = (),
        throttle: "Throttle | None" = None,
        scopes: Sequence[str] = (),
    ) -> None:
        super().__init__(operator)
        self.operator = operator
        self.reason = reason
        self.retry_after = retry_after
        """Seconds after which another try makes sense, if known."""
        self.request_id = request_id
        """Shopify's `x-request-id`, which its support asks for."""
        self.path = path
        """The field it is about, as in the response's `errors[].path`; empty if it is about all of it."""
        self.throttle = throttle
        self.scopes = tuple(scopes)
        """The missing permissions, as far as Shopify names them."""

    @property
    def merchant(self) -> str:
        """What may be said to the merchant."""
        return self.sentences.get(self.reason, self.sentence)


class Unauthorized(ShopifyError):
    """Reasons: invalid_token (wrong, expired, revoked, or the app is uninstalled), non_expiring_token."""

    code = "shopify.unauthorized"
    sentence = "Shopify no longer accepts our access to your store. Please connect the store again."


class Forbidden(ShopifyError):
    """Reasons: ip_allowlist, security_rejection, forbidden."""

    code = "shopify.forbidden"
    sentence = "Shopify refuses our requests at the moment. That is for our team to repair, not for you."


class StoreUnavailable(ShopifyError):
    """Reasons: frozen, locked, not_found, inactive, fraudulent, moved."""

    code = "shopify.store_unavailable"
    sentence = "Shopify says that your store is not available."
    sentences: ClassVar[dict[str, str]] = {
        "frozen": "Shopify has frozen your store, as it does when a bill is open. Once paid, I can read it again.",
        "locked": "Your store is locked at Shopify. Shopify support can say why.",
        "not_found": "Shopify does not find a store at this address. Please check the store's address.",
        "inactive": "Your store is not active at Shopify at the moment.",
        "fraudulent": "Shopify has blocked this store. Shopify support can say why.",
        "moved": "Shopify says that this store has moved to another address. Please connect it again there.",
    }


class AccessDenied(ShopifyError):
    """A permission that the merchant did not grant, or the app did not ask for."""

    code = "shopify.access_denied"
    sentence = "The permission to read this was not granted when the store was connected."

    @property
    def merchant(self) -> str:
        """Names the permissions if Shopify did."""
        return f"{self.sentence[:-1]}: {', '.join(self.scopes)}." if self.scopes else self.sentence


class ProtectedData(ShopifyError):
    """Reasons: approval (the app lacks it), plan (the store's plan excludes it)."""

    code = "shopify.protected_data"
    sentence = "Shopify has not approved this app for personal data of customers, so I go on without it."
    sentences: ClassVar[dict[str, str]] = {
        "plan": "Your Shopify plan does not give apps personal data of customers, so I go on without it."
    }


class Throttled(ShopifyError):
    """Reasons: cost (the shop's point bucket), requests (HTTP 429), budget (not even sent: others have reserved all
    points until after the deadline). `retry_after` is always set."""

    code = "shopify.throttled"
    sentence = "Shopify asks us to slow down for a moment."


class CostExceeded(ShopifyError):
    """Asking for less may succeed; asking for the same again never does."""

    code = "shopify.max_cost_exceeded"
    sentence = "That was too much data for one question to Shopify."


class Temporary(ShopifyError):
    """Reasons: deadline, timeout, connection, server_error, internal_error, query_timeout."""

    code = "shopify.unavailable"
    sentence = "Shopify does not answer at the moment."


class BadAnswer(ShopifyError):
    """Reasons: not_json, too_large, encoding, shape, value, unexpected."""

    code = "shopify.bad_answer"
    sentence = "Shopify sent an answer that I could not read."


class BadDocument(ShopifyError):
    """Reasons: query, variable, search, request. Never retried: it is ours to fix."""

    code = "shopify.bad_document"
    sentence = "I asked Shopify in a way it did not understand. That is our mistake and we will repair it."
