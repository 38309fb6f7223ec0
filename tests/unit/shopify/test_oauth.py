"""Whether a refused refresh means that the grant or the app is at fault; mostly neither is."""

import json
from typing import Any

import pytest

from shopify.errors import Forbidden, ShopifyError, Temporary, Throttled, Unauthorized
from shopify.oauth import parse


def page(code: str) -> str:
    return f"<!DOCTYPE html><html><head><title>400 - Oauth error {code}</title></head></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, page("app_not_installed"), Unauthorized),
        (400, page("invalid_subject_token"), Unauthorized),
        (400, {"error": "app_not_installed"}, Unauthorized),
        (400, {"error": "invalid_subject_token", "error_description": "…"}, Unauthorized),
        (403, {"error": "app_not_installed"}, Unauthorized),
        (400, {"error": "invalid_grant"}, Unauthorized),
        (401, {"error": "invalid_request", "error_description": "needs an active refresh_token"}, Unauthorized),
        (400, {"error": "invalid_request", "error_description": "The refresh token has been revoked."}, Unauthorized),
        (401, {"error": "invalid_client"}, Forbidden),
        (400, page("application_cannot_be_found"), Forbidden),
        (400, {"error": "invalid_request", "error_description": "shop is required"}, Temporary),
        (400, page("something_of_next_year"), Temporary),
        (401, "", Temporary),
        (403, "<html>Just a moment...</html>", Temporary),
        (404, "", ShopifyError),
        (429, "", Throttled),
        (520, "<html>", Temporary),
        (200, "<html>", ShopifyError),
    ],
)
def test_what_a_refused_refresh_means(status: int, body: Any, kind: type[ShopifyError]) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(kind) as caught:
        parse("test.myshopify.com", status, {}, content.encode())
    assert (caught.type is Unauthorized) == (kind is Unauthorized)
    assert (caught.value.reason == "dead_grant") == (kind is Unauthorized)
