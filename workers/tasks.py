"""The Celery tasks: each reads its message and calls one plain function with this process's resources.

A process keeps only the tasks of its own queue (`workers.celery`). The row that a message names may be gone, done or
claimed by another worker; then there is nothing to do. Work that cannot be done now stays a row, and the sweeper picks
it up later.
"""

from typing import Any

from events import queues
from storage.errors import StorageUnavailable
from workers import bootstrap, logs, tracing
from workers.celery import app
from workers.delivery.wake_ups import FETCH, HANDLE_EVENT, KEEP_PROMISE, RUN_TURN, is_row_id
from workers.operations import migrations, redis_tokens, token_keys
from workers.shop.fetch import FetchRequest
from workers.workflow import runner

log = logs.get(__name__)


@app.task(name=HANDLE_EVENT, queue=queues.WORKFLOW)
def handle_event(*event_keys: int) -> None:
    """Queue `workflow`: handle accepted events, one after the other."""
    good = [event_key for event_key in event_keys if is_row_id(event_key)]
    if len(good) < len(event_keys):
        log.warning("not an event key")
    runner.run(bootstrap.current(), *good)


@app.task(name=KEEP_PROMISE, queue=queues.WORKFLOW)
def keep_promise(turn_id: int) -> None:
    """Queue `workflow`: check whether an ended turn's promise can be kept now."""
    if not is_row_id(turn_id):
        log.warning("dropped a task: not a turn id")
        return
    bootstrap.current().promise_keeper.keep(turn_id)


@app.task(name=RUN_TURN, queue=queues.TURNS)
def run_turn(turn_id: int) -> None:
    """Queue `turns`: run one agent turn, if it can be claimed now."""
    if not is_row_id(turn_id):
        log.warning("dropped a task: not a turn id")
        return
    try:
        bootstrap.current().turn_runner.run(turn_id)
    except StorageUnavailable:
        log.warning("turn could not be claimed; the sweeper will retry it", turn_id=turn_id)


@app.task(name=FETCH, queue=queues.SHOPIFY)
def fetch_shopify_data(*requests: dict[str, Any]) -> None:
    """Queue `shopify`: carry out fetch requests one by one. Only workers of this queue read access tokens."""
    token = None
    for request in requests:
        try:
            wanted = FetchRequest.from_json(request)
        except (ValueError, TypeError, AttributeError):
            log.warning("dropped: not a fetch request")
            continue
        ids = {"event_id": wanted.event_id, "conversation_id": wanted.conversation_id, "turn_id": wanted.turn_id}
        trace_id = tracing.trace_id(wanted.traceparent)
        with (
            logs.about(merchant_id=wanted.merchant_id, trace_id=trace_id, **ids),
            tracing.fetch(wanted.data_type, wanted.traceparent),
        ):
            token = bootstrap.current().shopify_fetcher.fetch(wanted, token)


@app.task(name="cj.migrate", queue=queues.OPS)
def migrate() -> None:
    """Queue `ops`: migrate the database to the latest schema (`alembic upgrade head`); safe while workers run."""
    migrations.upgrade(bootstrap.current().settings.database_url)


@app.task(name="cj.migrate_tokens_from_redis", queue=queues.OPS)
def migrate_tokens_from_redis(dry_run: bool = True, delete: bool = False) -> None:
    """Queue `ops`: like `cj tokens migrate-from-redis`; needs CJ_TOKEN_KEYS. A dry run unless dry_run=False."""
    tools = bootstrap.current()
    report = redis_tokens.migrate(
        tools.settings.redis_url, tools.database, tools.vault, dry_run=dry_run is not False, delete=delete is True
    )
    for outcome in report.outcomes:
        if outcome.result == "failed":
            log.warning("token not migrated", key=outcome.key, reason=outcome.reason)
    log.info("tokens migrated from Redis", dry_run=report.dry_run, invented=len(report.invented), **report.counts)


@app.task(name="cj.reseal_tokens", queue=queues.OPS)
def reseal_tokens() -> None:
    """Queue `ops`: like `cj tokens reseal`; needs CJ_TOKEN_KEYS."""
    tools = bootstrap.current()
    done = token_keys.reseal(tools.database, tools.vault)
    log.info("tokens resealed", count=done.count, unreadable=len(done.unreadable), complete=done.is_complete)
