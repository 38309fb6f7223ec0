"""Tasks of queue `workflow`."""

from storage.errors import StorageUnavailable
from workers import logs, resources
from workers.celery import app
from workers.handling import Effects, handle
from workers.hints import HANDLE_EVENT, is_row_id
from workers.points import reach
from workers.resources import Resources
from workers.shopify_fetch import FetchRequest

log = logs.get(__name__)


@app.task(name=HANDLE_EVENT)
def handle_event(event_key: int) -> None:
    """Handle an accepted event, after those of its conversation that came before it; a done one is left alone."""
    if not is_row_id(event_key):
        log.warning("not an event key")
        return
    tools = resources.current()
    try:
        while handle_next(tools, event_key):
            pass
    except StorageUnavailable:
        log.warning("event waits for Postgres; the sweeper comes back to it", event_key=event_key)


def handle_next(tools: Resources, event_key: int) -> bool:
    """Handle one event on the way to `event_key`; False when there is nothing left to do, or not yet."""
    with tools.database.transaction() as session:
        effects = handle(session, tools.workflows, event_key)
        reach("handle.before_commit")
    reach("handle.after_commit")
    if effects is None:
        return False
    tell(tools, effects)
    reach("handle.after_hints")
    return effects.postponed_seconds is None


def tell(tools: Resources, effects: Effects) -> None:
    """After the commit: prefetches first, so that Shopify is asked while the model still thinks."""
    for merchant_id in effects.forget_cache_of:
        tools.cache.drop(merchant_id)
    for merchant_id, data_type in effects.prefetches:
        tools.hints.fetch(FetchRequest(merchant_id, data_type).to_json())
    for turn_id in effects.turn_ids:
        tools.hints.run_turn(turn_id)
