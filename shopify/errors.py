"""Everything that can go wrong between CJ and a shop.

ShopifyError
├── Unauthorized        the access token is not accepted; only reconnecting (or a refreshed token) helps
├── Forbidden           this app or this address is refused; reconnecting does not help
├── StoreUnavailable    the store is frozen, locked, closed, marked fraudulent, or not there
├── AccessDenied        a permission (scope) is missing
├── ProtectedData       Shopify has not approved this app, or this plan, for personal customer data
├── Throttled           the shop's rate limit is used up; `retry_after` says for how long
├── CostExceeded        one query costs more than Shopify allows; the same query never succeeds
├── Temporary           no response in time, a broken connection, 5xx, and every unknown refusal
    ├── BadAnswer           a response that cannot be understood
    └── BadDocument         Shopify refuses the query: a bug in CJ

Each has a `code` for programs, a `merchant` sentence that may be told to the merchant, and an `operator` sentence
(also `str(error)`) that says what is wrong, where, and what to do. Neither contains tokens or customer data. BLAME, at
the end, says for each cause who can fix it and what the merchant is told; `shopify.refusals` says how a cause is
recognised, and `shopify.retries` whether it is final.
https://shopify.dev/docs/api/admin-graphql#status_and_error_codes
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from shopify.rate_limit import Throttle

FieldPath = tuple[str | int, ...]


class Remedy(StrEnum):
    """Who can fix it."""

    RECONNECT = "reconnect"
    """The merchant, by connecting the store again."""
    MERCHANT = "merchant"
    """The merchant, in the Shopify admin or with Shopify's support."""
    APP = "app"
    """The makers of this app."""
    WAIT = "wait"
    """Nobody: it is temporary."""


@dataclass(frozen=True)
class Blame:
    """Who can fix a cause, and the sentence for the merchant."""

    remedy: Remedy
    sentence: str


class ShopifyError(Exception):
    """Base of all. `reason` is a short word for the cause within a class."""

    code: ClassVar[str] = "shopify.error"

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
        """Seconds after which to try again, if known."""
        self.request_id = request_id
        """Shopify's `x-request-id`, which its support asks for."""
        self.path = path
        """The field concerned, as in the response's `errors[].path`; empty for the whole query."""
        self.throttle = throttle
        self.scopes = tuple(scopes)
        """The missing permissions, as far as Shopify names them."""

    @classmethod
    def blame(cls, reason: str = "") -> Blame:
        """The row of BLAME for a reason."""
        return BLAME.get((cls, reason)) or BLAME[cls, ""]

    @property
    def remedy(self) -> Remedy:
        """Who can mend it."""
        return self.blame(self.reason).remedy

    @property
    def merchant(self) -> str:
        """What may be said to the merchant."""
        return self.blame(self.reason).sentence


class Unauthorized(ShopifyError):
    """Reasons: invalid_token (wrong, expired, revoked, or the app is uninstalled), non_expiring_token, dead_grant."""

    code = "shopify.unauthorized"


class Forbidden(ShopifyError):
    """Reasons: ip_allowlist, app_credentials, forbidden."""

    code = "shopify.forbidden"


class StoreUnavailable(ShopifyError):
    """Reasons: frozen, locked, not_found, inactive, fraudulent, moved."""

    code = "shopify.store_unavailable"


class AccessDenied(ShopifyError):
    """Reasons: scope (a permission that the merchant did not grant, or the app did not request), refused (Shopify names
    no scope)."""

    code = "shopify.access_denied"

    @property
    def merchant(self) -> str:
        """Names what may not be read, if Shopify did."""
        return not_permitted(self.permissions) if self.permissions else super().merchant

    @property
    def permissions(self) -> list[str]:
        """What the missing scopes allow, in everyday words."""
        return permissions(self.scopes)


class ProtectedData(ShopifyError):
    """Reasons: approval (the app lacks it), object (it lacks it for more than customers), plan (the store's plan
    excludes it)."""

    code = "shopify.protected_data"


class Throttled(ShopifyError):
    """Reasons: cost (the shop's point bucket), requests (HTTP 429), budget (not sent: others have reserved all points
    until after the deadline). `retry_after` is always set."""

    code = "shopify.throttled"


class CostExceeded(ShopifyError):
    """A smaller query may succeed; the same query never does. Reasons: query, bucket."""

    code = "shopify.max_cost_exceeded"


class Temporary(ShopifyError):
    """Reasons: deadline, timeout, connection, server_error, internal_error, query_timeout, challenge (a page of
    something in front of Shopify), refused_at_first (a token that others used meanwhile), unknown."""

    code = "shopify.unavailable"


class BadAnswer(ShopifyError):
    """Reasons: not_json, too_large, encoding, shape, value, unexpected."""

    code = "shopify.bad_answer"


class BadDocument(ShopifyError):
    """Reasons: query, variable, search, request. Never retried: it needs a fix in CJ."""

    code = "shopify.bad_document"


ACCESS_LOST = (Unauthorized, StoreUnavailable, AccessDenied, ProtectedData)
"""After these, earlier data must not be used. After any other error it may."""

PERMISSIONS: Mapping[str, str] = {
    "read_customers": "customers",
    "read_orders": "orders",
    "read_products": "products",
    "read_reports": "sales reports",
    "read_all_orders": "older orders",
}
"""Scopes in everyday words: merchants do not know their names."""


def permissions(scopes: Iterable[str]) -> list[str]:
    """These scopes in everyday words; writing includes reading."""
    readable = (scope.replace("write_", "read_", 1) for scope in scopes)
    return list(dict.fromkeys(PERMISSIONS.get(scope, scope.removeprefix("read_")) for scope in readable))


def not_permitted(permissions: Sequence[str]) -> str:
    """A sentence that says these may not be read. The app decides which scopes it requests, so reconnecting helps only
    once the app requests more
    (https://shopify.dev/docs/apps/build/authentication-authorization/app-installation/manage-access-scopes)."""
    *most, last = permissions
    named = f"{', '.join(most)} and {last}" if most else last
    return (
        f"I may not read your {named}: my access to your store does not include them. Our team can ask for that; until "
        "then I go on without."
    )


BLAME: Mapping[tuple[type[ShopifyError], str], Blame] = {
    (ShopifyError, ""): Blame(Remedy.APP, "Something went wrong with Shopify."),
    (Unauthorized, ""): Blame(
        Remedy.RECONNECT, "Shopify no longer accepts our access to your store. Please connect the store again."
    ),
    (Forbidden, ""): Blame(
        Remedy.APP, "Shopify refuses our requests at the moment. That is for our team to repair, not for you."
    ),
    (StoreUnavailable, ""): Blame(Remedy.MERCHANT, "Shopify says that your store is not available."),
    (StoreUnavailable, "frozen"): Blame(
        Remedy.MERCHANT,
        "Shopify has frozen your store, as it does when a bill is open. Once paid, I can read it again.",
    ),
    (StoreUnavailable, "locked"): Blame(
        Remedy.MERCHANT, "Your store is locked at Shopify. Shopify support can say why."
    ),
    (StoreUnavailable, "not_found"): Blame(
        Remedy.MERCHANT, "Shopify does not find a store at this address. Please check the store's address."
    ),
    (StoreUnavailable, "inactive"): Blame(Remedy.MERCHANT, "Your store is not active at Shopify at the moment."),
    (StoreUnavailable, "fraudulent"): Blame(
        Remedy.MERCHANT, "Shopify has blocked this store. Shopify support can say why."
    ),
    (StoreUnavailable, "moved"): Blame(
        Remedy.RECONNECT,
        "Shopify says that this store has moved to another address. Please connect it again there.",
    ),
    (AccessDenied, ""): Blame(
        Remedy.APP,
        "I may not read that: my access to your store does not include it. Our team can ask for that; until then I go "
        "on without.",
    ),
    (AccessDenied, "refused"): Blame(
        Remedy.APP, "Shopify does not let this app read that. That is for our team to look into, not for you."
    ),
    (ProtectedData, ""): Blame(
        Remedy.APP, "Shopify has not approved this app for personal data of customers, so I go on without it."
    ),
    (ProtectedData, "object"): Blame(
        Remedy.APP, "Shopify has not approved this app to read that. That is for our team to arrange, not for you."
    ),
    (ProtectedData, "plan"): Blame(
        Remedy.MERCHANT,
        "Your Shopify plan does not give apps personal data of customers, so I go on without it.",
    ),
    (Throttled, ""): Blame(Remedy.WAIT, "Shopify asks us to slow down for a moment."),
    (CostExceeded, ""): Blame(
        Remedy.APP, "I asked Shopify for too much at once. That is our mistake and we will repair it."
    ),
    (Temporary, ""): Blame(Remedy.WAIT, "Shopify does not answer at the moment."),
    (BadAnswer, ""): Blame(Remedy.WAIT, "Shopify sent an answer that I could not read."),
    (BadDocument, ""): Blame(
        Remedy.APP,
        "I asked Shopify in a way it did not understand. That is our mistake and we will repair it.",
    ),
}
"""By error and reason; "" stands for all other reasons."""
