"""Tasks of queue `ops`, for operators. What reads or seals tokens needs CJ_TOKEN_KEYS and the role `cj_tokens`."""

from workers import bootstrap, logs
from workers.celery import app
from workers.operations import migrations, redis_tokens, token_keys

log = logs.get(__name__)


@app.task(name="cj.migrate")
def migrate() -> None:
    """Bring the database to the newest schema (`alembic upgrade head`); additive, safe while workers run."""
    migrations.upgrade(bootstrap.current().settings.database_url)


@app.task(name="cj.migrate_tokens_from_redis")
def migrate_tokens_from_redis(dry_run: bool = True, delete: bool = False) -> None:
    """What `cj tokens migrate-from-redis` does; the report goes to the log. Changes something with dry_run=False."""
    tools = bootstrap.current()
    report = redis_tokens.migrate(
        tools.settings.redis_url, tools.database, tools.vault, dry_run=dry_run is not False, delete=delete is True
    )
    for outcome in report.outcomes:
        if outcome.result == "failed":
            log.warning("a token was not migrated", key=outcome.key, reason=outcome.reason)
    log.info("tokens migrated from Redis", dry_run=report.dry_run, **report.counts)


@app.task(name="cj.reseal_tokens")
def reseal_tokens() -> None:
    """What `cj tokens reseal` does; the result goes to the log."""
    tools = bootstrap.current()
    done = token_keys.reseal(tools.database, tools.vault)
    log.info("tokens sealed anew", count=done.count, unreadable=len(done.unreadable), complete=done.is_complete)
