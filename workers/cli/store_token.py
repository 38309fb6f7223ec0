"""`cj store-token`: keep a shop's access token, sealed. The token comes from standard input, never from argv."""

import json
import sys
from dataclasses import dataclass, field

import click
from pydantic import SecretStr

from workers.cli.common import WrongUse, examples, json_option, print_json, settings_for


@dataclass(frozen=True)
class TokenAnswer:
    """What Shopify answers when it grants a token:
    https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens"""

    access_token: SecretStr
    scopes: tuple[str, ...] = ()
    expires_in: int | None = None
    refresh_token: SecretStr | None = field(default=None)
    refresh_token_expires_in: int | None = None


@click.command(
    short_help="Keep a shop's access token, sealed.",
    epilog=examples(
        "cj store-token acme.myshopify.com --merchant-id m1          asks for the token, hidden",
        "cj store-token acme.myshopify.com --merchant-id m1 < token.txt",
        "curl … /admin/oauth/access_token | cj store-token acme.myshopify.com --merchant-id m1",
    ),
)
@click.argument("shop")
@click.option("--merchant-id", metavar="ID", help="Whose shop it is; default: the shop's name. Made if unknown.")
@click.option("--scopes", metavar="A,B", default="", help="Granted scopes, if the token comes without them.")
@click.option("--emit", is_flag=True, help="Also record oauth_complete, as the auth service does.")
@json_option
def store_token(shop: str, merchant_id: str | None, scopes: str, emit: bool, as_json: bool) -> None:
    """Store SHOP's access token, read from standard input: the plain token, or Shopify's whole JSON answer."""
    from events.errors import InvalidEvent
    from events.shop_domain import normalize_shop_domain
    from storage import merchants
    from storage.database import Database
    from storage.vault import Vault

    settings = settings_for("DATABASE_URL", "CJ_TOKEN_KEYS")
    try:
        shop_domain = normalize_shop_domain(shop)
    except InvalidEvent as error:
        raise WrongUse(f"SHOP {error.message}") from None
    answer = read_answer(_from_standard_input())
    database = Database(settings.database_url, application_name="cj-store-token")
    try:
        with database.transaction() as session:
            connected = merchants.connect_shop(
                session,
                Vault.from_text(settings.token_keys or ""),
                merchant_id=merchant_id or shop_domain.removesuffix(".myshopify.com"),
                shop_domain=shop_domain,
                access_token=answer.access_token,
                scopes=_split(scopes) or answer.scopes,
                refresh_token=answer.refresh_token,
                access_expires_in=answer.expires_in,
                refresh_expires_in=answer.refresh_token_expires_in,
                emit=emit,
            )
    finally:
        database.dispose()
    stored = connected.integration
    if as_json:
        shown = {"merchant_id": stored.merchant_id, "shop_domain": stored.shop_domain}
        print_json({**shown, "token_version": stored.token_version, "scopes": list(stored.scopes)})
    else:
        scope_text = ", ".join(stored.scopes) or "unknown until the first request"
        click.echo(f"stored for merchant {stored.merchant_id}: {stored.shop_domain}, scopes {scope_text}")


def read_answer(text: str) -> TokenAnswer:
    """The token in what was typed or piped. No error repeats any of it."""
    text = text.strip()
    if not text:
        raise WrongUse("no token on standard input")
    if not text.startswith("{"):
        return TokenAnswer(_token(text, "the token"))
    try:
        answer = json.loads(text)
    except ValueError:
        raise WrongUse("standard input begins like JSON but is not") from None
    if not isinstance(answer.get("access_token"), str):
        raise WrongUse("the JSON on standard input has no access_token")
    refresh = answer.get("refresh_token")
    return TokenAnswer(
        access_token=_token(answer["access_token"], "access_token"),
        scopes=_split(str(answer.get("scope") or "")),
        expires_in=_seconds(answer, "expires_in"),
        refresh_token=_token(refresh, "refresh_token") if refresh is not None else None,
        refresh_token_expires_in=_seconds(answer, "refresh_token_expires_in"),
    )


def _from_standard_input() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("token", hide_input=True, err=True))
    return sys.stdin.read(64 * 1024)


def _token(value: object, name: str) -> SecretStr:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or not 10 <= len(value) <= 500:
        raise WrongUse(f"{name} is not one: expected 10 to 500 printable characters")
    if " " in value:
        raise WrongUse(f"{name} has a space in it: expected the token alone")
    return SecretStr(value)


def _seconds(answer: dict[str, object], name: str) -> int | None:
    value = answer.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise WrongUse(f"{name} is not a number of seconds")
    return value


def _split(scopes: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in scopes.split(",") if part.strip())
