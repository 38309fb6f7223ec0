"""Tasks of queue `workflow`."""

from storage.errors import StorageUnavailable
from workers import resources
from workers.celery import app
from workers.handling import Effects, handle
from workers.hints import HANDLE_EVENT
from workers.resources import Resources
from workers.shopify_fetch import FetchRequest


@app.task(name=HANDLE_EVENT)
def handle_event(event_key: int) -> None:
    """Handle one accepted event; a key that is done or unknown is left alone."""
    tools = resources.current()
    try:
        with tools.database.transaction() as session:
            effects = handle(session, tools.workflows, event_key)
    except StorageUnavailable:
        return  # the row stays `received`; the sweeper comes back to it
    if effects is not None:
        tell(tools, effects)


def tell(tools: Resources, effects: Effects) -> None:
    """After the commit: prefetches first, so that Shopify is asked while the model still thinks."""
    for merchant_id in effects.forget_cache_of:
        tools.cache.drop(merchant_id)
    for merchant_id, data_type in effects.prefetches:
        tools.hints.fetch(FetchRequest(merchant_id, data_type).to_json())
    for turn_id in effects.turn_ids:
        tools.hints.run_turn(turn_id)
