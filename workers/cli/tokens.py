"""`cj tokens`: the keys that seal Shopify tokens, and tokens that lie elsewhere."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from workers.cli.common import Failure, examples, json_option, plain, print_json, settings_for

if TYPE_CHECKING:
    from storage.database import Database
    from storage.vault import Vault
    from workers.operations.redis_tokens import Report


@click.group(short_help="Keys that seal Shopify tokens; tokens from elsewhere.")
def tokens() -> None:
    """Keys that seal Shopify tokens (CJ_TOKEN_KEYS), and tokens that an earlier service kept in Redis."""


@tokens.command("new-key", epilog=examples("export CJ_TOKEN_KEYS=$(cj tokens new-key)"))
@click.option("--id", "key_id", type=click.IntRange(1, 255), default=1, show_default=True)
def new_key(key_id: int) -> None:
    """Print a fresh key, in the form CJ_TOKEN_KEYS wants.

    To change keys, put the new one with a higher id in front (the first seals, all open), restart the workers, run
    `cj tokens reseal`, and drop the old one.
    """
    from storage.vault import new_key_text

    click.echo(new_key_text(key_id))


@tokens.command(epilog=examples("CJ_TOKEN_KEYS=2:…,1:… cj tokens reseal", "cj tokens reseal --json | jq .complete"))
@click.option("--batch", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Rows at a time.")
@json_option
def reseal(batch: int, as_json: bool) -> None:
    """Seal every token with the first key of CJ_TOKEN_KEYS. Safe while workers run, and safe to repeat.

    Exit code 1 if a token does not open with any key; the others are sealed all the same.
    """
    from workers.operations import token_keys

    with _vault_and_database() as (vault, database):
        done = token_keys.reseal(database, vault, batch=batch)
    if as_json:
        shown = {"count": done.count, "unreadable": list(done.unreadable), "keys_in_use": sorted(done.keys_in_use)}
        print_json({**shown, "complete": done.is_complete})
    else:
        click.echo(f"sealed with key {done.sealing_key}: {done.count} rows anew")
        if done.is_complete:
            click.echo("every other key can be dropped from CJ_TOKEN_KEYS")
        else:
            click.echo(f"keys still in use: {', '.join(map(str, sorted(done.keys_in_use)))}; keep them")
    if done.unreadable:
        rows = ", ".join(map(str, done.unreadable))
        raise Failure(f"rows of merchant_integrations that do not open: {rows}; connect these shops anew")


@tokens.command(
    "migrate-from-redis",
    epilog=examples(
        "cj tokens migrate-from-redis --dry-run       what would happen",
        "REDIS_URL=redis://old.example cj tokens migrate-from-redis",
        "cj tokens migrate-from-redis --delete        and clean up what was verified",
    ),
)
@click.option("--dry-run", is_flag=True, help="Change nothing.")
@click.option("--delete", is_flag=True, help="Delete each key whose token was stored, read back and opened.")
@json_option
def migrate_from_redis(dry_run: bool, delete: bool, as_json: bool) -> None:
    """Bring tokens from the keys merchant:* of REDIS_URL into Postgres, sealed.

    May be interrupted and run again. Exit code 1 if a key could not be brought over; the report says why.
    """
    import redis

    from workers.operations import redis_tokens

    redis_url = settings_for("REDIS_URL").redis_url
    with _vault_and_database() as (vault, database):
        try:
            report = redis_tokens.migrate(redis_url, database, vault, dry_run=dry_run, delete=delete, watched=_watched)
        except redis.RedisError as error:
            raise Failure(f"REDIS_URL does not answer: {type(error).__name__}") from None
    if as_json:
        print_json(report.to_json())
    else:
        _print(report)
    if report.counts["failed"]:
        raise SystemExit(1)


def _print(report: "Report") -> None:
    for outcome in report.outcomes:
        deleted = ", deleted from Redis" if outcome.deleted else ""
        click.echo(plain(f"{outcome.result:9} {outcome.key}  {outcome.reason}{deleted}"))
    counted = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    click.echo(f"{counted}{' (dry run: nothing was changed)' if report.dry_run else ''}")


def _watched(keys: list[bytes]) -> Iterable[bytes]:
    # On standard error, so that --json stays JSON; hidden unless a person looks on.
    import sys

    with click.progressbar(keys, label="tokens", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield from bar


@contextmanager
def _vault_and_database() -> "Iterator[tuple[Vault, Database]]":
    from storage.database import Database
    from storage.vault import Vault

    settings = settings_for("DATABASE_URL", "CJ_TOKEN_KEYS")
    vault = Vault.from_text(settings.token_keys or "")
    database = Database(settings.database_url, pool_size=2, application_name="cj-tokens")
    try:
        yield vault, database
    finally:
        database.dispose()
