"""`cj store-token`, `cj tokens`, `cj merchants`: store access tokens, manage the keys that seal them, import them from
Redis, move a shop to another merchant; `cj chat-token`: a merchant's token for the door.

Tokens are read from standard input, never from argv.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr

from workers.cli.common import (
    CommandFailed,
    Identifier,
    WrongUse,
    examples,
    json_option,
    settings_for,
    show,
    transaction,
)

if TYPE_CHECKING:
    from shopify.token_response import TokenResponse
    from storage.database import Database
    from storage.vault import Vault
    from workers.operations.redis_tokens import Report


@click.command(
    short_help="Store a shop's access token, sealed.",
    epilog=examples(
        "cj store-token acme.myshopify.com --merchant-id m1          prompts for the token, without echo",
        "cj store-token acme.myshopify.com --merchant-id m1 < token.txt",
        "curl … /admin/oauth/access_token | cj store-token acme.myshopify.com --merchant-id m1",
    ),
)
@click.argument("shop")
@click.option(
    "--merchant-id",
    type=Identifier(),
    metavar="ID",
    help="The shop's merchant, created if new. Default: its current or last merchant, else an invented one.",
)
@click.option("--scopes", metavar="A,B", default="", help="Granted scopes, if the input does not list them.")
@click.option("--emit", is_flag=True, help="Also record oauth_complete, as the auth service does.")
@json_option
def store_token(shop: str, merchant_id: str | None, scopes: str, emit: bool, as_json: bool) -> None:
    """Store SHOP's access token, read from standard input: the bare token, or Shopify's whole JSON response."""
    from events.errors import InvalidEvent
    from events.shop_domain import normalize_shop_domain
    from shopify.token_response import split_scopes

    try:
        shop_domain = normalize_shop_domain(shop)
    except InvalidEvent as error:
        raise WrongUse(f"SHOP {error.message}") from None
    with _vault_and_database() as (vault, database):
        from storage import merchants

        response = read_response(_from_standard_input())
        with database.transaction() as session:
            known = merchants.owner_of_shop(session, shop_domain) if merchant_id is None else None
            is_invented = merchant_id is None and (known is None or known.is_invented)
            if known is not None:
                merchant_id = known.merchant_id
            connected = merchants.connect_shop(
                session,
                vault,
                merchant_id=merchant_id or shop_domain.removesuffix(".myshopify.com"),
                invented=is_invented,
                shop_domain=shop_domain,
                access_token=response.access_token,
                scopes=split_scopes(scopes) or response.scopes,
                refresh_token=response.refresh_token,
                access_expires_in=response.expires_in,
                refresh_expires_in=response.refresh_token_expires_in,
                emit=emit,
            )
    stored = connected.integration
    found = {"merchant_id": stored.merchant_id, "shop_domain": stored.shop_domain, "invented": is_invented}
    found |= {"token_version": stored.token_version, "scopes": list(stored.scopes)}
    scope_text = ", ".join(stored.scopes) or "unknown until the first request"
    lines = [f"stored for merchant {stored.merchant_id}: {stored.shop_domain}, scopes {scope_text}"]
    lines += ["this merchant is invented: whoever connects the shop takes it over"] if is_invented else []
    show(as_json, found, lines)


def read_response(text: str) -> "TokenResponse":
    """Parse the token from the input. Errors never repeat any of it."""
    from events.errors import InvalidEvent
    from events.fields import validated
    from shopify.token_response import NEEDED, PRIVATE, TokenResponse, is_token

    text = text.strip()
    if not text:
        raise WrongUse("no token on standard input")
    if not text.startswith("{"):
        if not is_token(text):
            raise WrongUse(f"the token on standard input {NEEDED}")
        return TokenResponse(access_token=SecretStr(text))
    try:
        response = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongUse("standard input starts like JSON but is not valid JSON") from None
    try:
        return validated(TokenResponse, response, private=PRIVATE)
    except InvalidEvent as error:
        raise WrongUse(f"the JSON on standard input is not Shopify's response: {error.message}") from None


def _from_standard_input() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("token", hide_input=True, err=True))
    return sys.stdin.read(64 * 1024)


@click.group(short_help="Manage token keys; import tokens from Redis.")
def tokens() -> None:
    """Manage the keys that seal Shopify tokens (CJ_TOKEN_KEYS); import tokens an earlier service kept in Redis."""


@tokens.command("new-key", epilog=examples("export CJ_TOKEN_KEYS=$(cj tokens new-key)"))
@click.option(
    "--id", "key_id", type=click.IntRange(1, 255), help="Default: above those in CJ_TOKEN_KEYS and in stored tokens."
)
def new_key(key_id: int | None) -> None:
    """Print a new key in CJ_TOKEN_KEYS format. Needs no settings.

    To rotate keys: put the new one last and restart the workers, then first and restart them again (the first key
    seals, all open), run `cj tokens reseal`, then remove the old key. Never reuse an id: a token only records the id
    of its key.
    """
    from storage.vault import new_key_text, next_id

    used = _ids_in_use()
    if key_id in used:
        raise WrongUse(f"key {key_id} exists already, and its tokens could no longer be opened: leave out --id")
    try:
        click.echo(new_key_text(key_id or next_id(used)))
    except ValueError as error:
        raise WrongUse(str(error)) from None


def _ids_in_use() -> set[int]:
    """Ids of the configured keys and of those that seal stored tokens, as far as they can be read."""
    from storage.vault import Vault, new_key_text

    settings = settings_for()
    configured = set(Vault.from_text(settings.token_keys).key_ids) if settings.token_keys else set()
    if not settings.database_url:
        return configured
    from storage import merchants
    from storage.errors import StorageError

    try:
        with transaction() as session:
            return configured | set(merchants.try_keys(session, Vault.from_text(new_key_text()), each=1))
    except StorageError as error:
        click.echo(f"cj: cannot read which keys seal stored tokens: {error}", err=True)
        return configured


@tokens.command(epilog=examples("CJ_TOKEN_KEYS=2:…,1:… cj tokens reseal", "cj tokens reseal --json | jq .complete"))
@click.option("--batch", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Rows at a time.")
@json_option
def reseal(batch: int, as_json: bool) -> None:
    """Reseal every token with the first key of CJ_TOKEN_KEYS. Safe while workers run, and safe to repeat.

    Exit code 1 if no key opens one of the tokens; the others are resealed nevertheless.
    """
    with _vault_and_database() as (vault, database):
        from workers.operations import token_keys

        done = token_keys.reseal(database, vault, batch=batch)
    in_use = sorted(done.keys_in_use)
    found = {"count": done.count, "unreadable": done.unreadable, "keys_in_use": in_use, "complete": done.is_complete}
    rest = f"keys still in use: {', '.join(map(str, in_use))}; keep them all"
    lines = [
        f"resealed {done.count} {'row' if done.count == 1 else 'rows'} with key {done.sealing_key}",
        "all other keys can be removed from CJ_TOKEN_KEYS" if done.is_complete else rest,
    ]
    show(as_json, found, lines)
    if done.unreadable:
        rows = ", ".join(map(str, done.unreadable))
        raise CommandFailed(
            f"CJ_TOKEN_KEYS opens none of these rows of merchant_integrations: {rows}; put the key that sealed them "
            "back under its id, or, if it is lost, let these shops connect again"
        )


@tokens.command(
    "migrate-from-redis",
    epilog=examples(
        "cj tokens migrate-from-redis --dry-run       show what would happen",
        "cj tokens migrate-from-redis --merchants merchants.csv     acme.myshopify.com,m1 on each line",
        "REDIS_URL=redis://old.example cj tokens migrate-from-redis",
        "cj tokens migrate-from-redis --delete        also delete verified keys",
    ),
)
@click.option(
    "--merchants",
    "merchants_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The shops' merchants: a CSV file with a line SHOP,MERCHANT for each.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@click.option("--delete", is_flag=True, help="Delete each key once its token was stored, read back and opened.")
@json_option
def migrate_from_redis(merchants_file: Path | None, dry_run: bool, delete: bool, as_json: bool) -> None:
    """Import tokens from the keys merchant:* of REDIS_URL into Postgres, sealed.

    If neither the value nor FILE names a shop's merchant, one is invented, named after the shop; whoever connects
    the shop later replaces it. Safe to interrupt and rerun. Exit code 1 if a key could not be imported; the report
    says why.
    """
    redis_url = settings_for("REDIS_URL", "DATABASE_URL", "CJ_TOKEN_KEYS").redis_url
    import redis

    from workers.operations import redis_tokens

    owners = None if merchants_file is None else redis_tokens.read_owners(merchants_file)
    with _vault_and_database() as (vault, database):
        try:
            report = redis_tokens.migrate(
                redis_url, database, vault, owners, dry_run=dry_run, delete=delete, watched=_watched
            )
        except redis.RedisError as error:
            raise CommandFailed(f"REDIS_URL does not answer: {type(error).__name__}") from None
    show(as_json, report.to_json(), _lines(report))
    if report.counts["failed"]:
        raise SystemExit(1)


def _lines(report: "Report") -> Iterator[str]:
    for outcome in report.outcomes:
        deleted = ", deleted from Redis" if outcome.deleted else ""
        invented = f"; merchant {outcome.merchant_id} is invented" if outcome.is_invented else ""
        yield f"{outcome.result:9} {outcome.key}  {outcome.reason}{deleted}{invented}"
    if count := len(report.invented):
        yield (
            f"the merchants of {count} of these shops are unknown, so merchants are invented: name them with "
            "--merchants, or one by one: cj merchants move SHOP --to ID. Whoever connects such a shop gets it, too"
        )
    counted = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    yield f"{counted}{' (dry run: nothing changed)' if report.dry_run else ''}"


def _watched(keys: list[bytes]) -> Iterable[bytes]:
    # On standard error, so that --json output stays JSON; shown only on a terminal.
    with click.progressbar(keys, label="tokens", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield from bar


@click.group(short_help="Move a shop to another merchant.")
def merchants() -> None:
    """Move a shop to another merchant."""


@merchants.command(
    epilog=examples(
        "cj merchants move acme.myshopify.com --to m1",
        "cj merchants move acme.myshopify.com --to m1 --json | jq .moved_from",
    ),
)
@click.argument("shop")
@click.option(
    "--to", "merchant_id", type=Identifier(), required=True, metavar="ID", help="The new merchant; created if unknown."
)
@json_option
def move(shop: str, merchant_id: str, as_json: bool) -> None:
    """Give SHOP, with its tokens, to another merchant. Safe to repeat; needs no key.

    Conversations stay with the old merchant, who then has no store; promises there about the store end. An
    invented merchant is removed. The new merchant's questions that wait for a store are answered.
    """
    with transaction() as session:
        from storage import merchants as storage

        is_new = not storage.merchant_exists(session, merchant_id)
        source = storage.move_shop(session, shop, merchant_id)
    if source is not None:
        from workers import logs

        logs.configure("cj")
        logs.get(__name__).info("shop moved", shop_domain=shop, source=source, merchant_id=merchant_id)
    moved = {"shop_domain": shop, "merchant_id": merchant_id, "moved_from": source, "is_new": is_new}
    said = f"moved {shop} from merchant {source} to merchant {merchant_id}{', who is new' * is_new}"
    show(as_json, moved, [said if source is not None else f"{shop} already belongs to merchant {merchant_id}"])


@click.command(
    short_help="Print a merchant's chat token for the door.",
    epilog=examples("cj chat-token m1", "cj chat-token m1 --seconds 60"),
)
@click.argument("merchant_id", type=Identifier(), metavar="MERCHANT")
@click.option("--seconds", type=click.IntRange(1, 3600), default=3600, show_default=True, help="How long it is valid.")
def chat_token(merchant_id: str, seconds: int) -> None:
    """Print a token for MERCHANT, signed with the first of CJ_GATEWAY_CHAT_KEYS. In production your server signs
    them."""
    key = settings_for("CJ_GATEWAY_CHAT_KEYS").gateway_chat_keys[0]
    from workers.gateway import access

    click.echo(access.chat_token(key, merchant_id, seconds=seconds))


@contextmanager
def _vault_and_database() -> "Iterator[tuple[Vault, Database]]":
    settings = settings_for("DATABASE_URL", "CJ_TOKEN_KEYS")
    from storage.database import Database
    from storage.vault import Vault

    with Database(settings.database_url, application_name="cj-tokens") as database:
        yield Vault.from_text(settings.token_keys or ""), database
