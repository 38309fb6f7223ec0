"""The token endpoint: refreshing an expiring offline token. No HTTP in here."""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs

from shopify.development_store import responses as answers
from shopify.development_store.answer import Answer
from shopify.development_store.store import Store, UnknownShop


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The parameters of a request, JSON or form encoded; empty if they cannot be read."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        found = content.items() if isinstance(content, dict) else ()
        return {str(name): value for name, value in found if isinstance(value, str)}
    if kind == "application/x-www-form-urlencoded":
        return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    return {}


def answer_refresh(store: Store, shop_domain: str, form: Mapping[str, str]) -> Answer:
    """A new pair of tokens, or why there is none."""
    try:
        store.shop(shop_domain)
    except UnknownShop:
        return Answer(404, answers.NOT_FOUND)
    if form.get("grant_type") != "refresh_token":
        return Answer(400, answers.NO_GRANT)
    if not form.get("client_id") or not form.get("client_secret"):
        return Answer(400, answers.BAD_CLIENT)
    pair = store.tokens.refresh(shop_domain, form.get("refresh_token", ""))
    if pair is None:
        return Answer(401, answers.DEAD_GRANT)
    return Answer(
        200,
        {
            "access_token": pair.access_token,
            "scope": ",".join(pair.scopes),
            "expires_in": pair.expires_in,
            "refresh_token": pair.refresh_token,
            "refresh_token_expires_in": pair.refresh_token_expires_in,
        },
    )
