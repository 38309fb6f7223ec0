"""The store's HTTP responses, and the bodies of Shopify's errors.

Each function returns a JSON body; the caller chooses the status. The README lists which bodies were recorded and which
are guesses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLError

from shopify.development_store.cost import Bucket, Level

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

MAX_COST_PAGE = "https://shopify.dev/api/usage/limits#rate-limits"
THROTTLE_PAGE = "https://shopify.dev/api/usage/rate-limits"

UNAUTHORIZED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
NON_EXPIRING = {
    "errors": "[API] Non-expiring access tokens are no longer accepted for the Admin API. Start using expiring offline "
    "tokens: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens"
}
IP_NOT_ALLOWED = {"errors": "[API] This request's IP address is not on the app's IP allowlist."}
FRAUDULENT = {"errors": "Forbidden"}
UNAVAILABLE_SHOP = {"errors": "Unavailable Shop"}
LOCKED = {"errors": "Locked"}
NOT_FOUND = {"errors": "Not Found"}
UNSUPPORTED_MEDIA_TYPE = {"errors": "Unsupported Media Type"}
NOT_ACCEPTABLE = {"errors": "Not Acceptable"}
BAD_REQUEST = {"errors": "Bad Request"}
NO_QUERY = {"errors": {"query": "Required parameter missing or invalid"}}
TOO_MANY_REQUESTS = {
    "errors": "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."
}
TIMEOUT = {"errors": [{"message": "Timeout"}]}
SHOP_INACTIVE = {"errors": [{"message": "The shop is inactive.", "extensions": {"code": "SHOP_INACTIVE"}}]}
UNDEFINED_FIELD = {
    "errors": [
        {
            "message": "Field 'ordersCount' doesn't exist on type 'Customer'",
            "locations": [{"line": 9, "column": 7}],
            "path": ["query", "customers", "nodes", "ordersCount"],
            "extensions": {"code": "undefinedField", "typeName": "Customer", "fieldName": "ordersCount"},
        }
    ]
}
INVALID_VARIABLE = {
    "errors": [
        {
            "message": "Variable $first of type Int! was provided invalid value",
            "locations": [{"line": 1, "column": 13}],
            "extensions": {
                "code": "INVALID_VARIABLE",
                "value": "ten",
                "problems": [{"path": [], "explanation": 'Could not coerce value "ten" to Int'}],
            },
        }
    ]
}
DEAD_GRANT = {
    "error": "invalid_request",
    "error_description": "This request requires an active refresh_token",
}
NO_GRANT = {"error": "invalid_request", "error_description": "The development store only refreshes tokens."}
BAD_CLIENT = {"error": "invalid_client", "error_description": "Client authentication failed."}


@dataclass
class StoreResponse:
    """Status and body of a response. A str is sent as HTML, everything else as JSON.

    An executed query is charged when its response is sent: until then the whole requested cost stays reserved, as at
    Shopify.
    """

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    requested_cost: int | None = None
    actual_cost: int | None = None
    bucket: Bucket | None = None

    @property
    def content_type(self) -> str:
        """The media type that fits the body."""
        return HTML if isinstance(self.body, str) else JSON

    @property
    def code(self) -> str | None:
        """`extensions.code` of the first error, if there is one."""
        errors = self.body.get("errors") if isinstance(self.body, dict) else None
        code = errors[0].get("extensions", {}).get("code") if errors and isinstance(errors, list) else None
        return code if isinstance(code, str) else None

    def settle(self) -> None:
        """Charge what the query cost and write it into the body. Later calls do nothing."""
        if self.bucket is None or self.requested_cost is None or self.actual_cost is None:
            return
        self.bucket.charge(self.requested_cost, self.actual_cost)
        block = cost(self.requested_cost, self.actual_cost, self.bucket.level())
        self.body["extensions"] = {"cost": block, **self.body.get("extensions", {})}
        self.bucket = None


def field_error(message: str, code: str, **more: Any) -> GraphQLError:
    """The error of one field, with Shopify's extensions. Raised in a resolver; the executor adds locations and path."""
    return GraphQLError(message, extensions={"code": code, **more})


def html_error(status: int, reason: str) -> str:
    """What a proxy in front of the API sends: a page, not JSON."""
    return (
        f"<!DOCTYPE html>\n<html><head><title>{status} {reason}</title></head><body><h1>{reason}</h1></body></html>\n"
    )


def cost(requested: int, actual: int | None, level: Level) -> dict[str, Any]:
    """The `extensions.cost` block."""
    return {
        "requestedQueryCost": requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": level.maximum,
            "currentlyAvailable": level.available,
            "restoreRate": level.restore_rate,
        },
    }


def throttled(requested: int, level: Level) -> dict[str, Any]:
    """The bucket holds less than the query needs. The limits are floats here, as observed."""
    block = cost(requested, None, level)
    block["throttleStatus"].update(maximumAvailable=float(level.maximum), restoreRate=float(level.restore_rate))
    extensions = {"code": "THROTTLED", "documentation": THROTTLE_PAGE}
    return {"errors": [{"message": "Throttled", "extensions": extensions}], "extensions": {"cost": block}}


def max_cost_exceeded(requested: int, maximum: int, level: Level) -> dict[str, Any]:
    """A single query is too expensive; it is refused whatever the bucket holds."""
    message = (
        f"Query cost is {requested}, which exceeds the single query max cost limit ({maximum}).\n\n"
        "See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\n"
        "cost of a query is calculated.\n\n"
        "To query larger amounts of data with fewer limits, bulk operations should be used instead.\n"
        "See https://shopify.dev/tutorials/perform-bulk-operations-with-admin-api for usage details.\n"
    )
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": maximum, "documentation": MAX_COST_PAGE}
    return {
        "errors": [{"message": message, "extensions": extensions}],
        "extensions": {"cost": cost(requested, None, level)},
    }


def internal_error(request_id: str) -> dict[str, Any]:
    """Something broke at Shopify."""
    message = (
        "Internal error. Looks like something went wrong on our end.\n"
        f"Request ID: {request_id} (include this in support requests)."
    )
    extensions = {"requestId": request_id, "code": "INTERNAL_SERVER_ERROR"}
    return {"errors": [{"message": message, "extensions": extensions}], "data": None}
