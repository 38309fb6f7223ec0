"""Tasks of queue `shopify`: the only process that reads access tokens."""

from typing import Any

from workers import bootstrap, logs
from workers.celery import app
from workers.delivery.wake_ups import FETCH
from workers.shop.fetch import FetchRequest

log = logs.get(__name__)


@app.task(name=FETCH)
def fetch_shopify_data(request: dict[str, Any]) -> None:
    """Answer one fetch request; a malformed one is dropped."""
    try:
        wanted = FetchRequest.from_json(request)
    except (ValueError, TypeError, AttributeError):
        log.warning("not a fetch request")
        return
    ids = {"event_id": wanted.event_id, "conversation_id": wanted.conversation_id, "turn_id": wanted.turn_id}
    with logs.about(**{name: value for name, value in ids.items() if value is not None}):
        bootstrap.current().shopify_fetcher.fetch(wanted)
