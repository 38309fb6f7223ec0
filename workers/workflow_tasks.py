"""Tasks of queue `workflow`."""

from workers import event_runner, logs, resources
from workers.celery import app
from workers.hints import HANDLE_EVENT, is_row_id

log = logs.get(__name__)


@app.task(name=HANDLE_EVENT)
def handle_event(*event_keys: int) -> None:
    """Handle accepted events, one after the other."""
    for event_key in event_keys:
        if is_row_id(event_key):
            event_runner.run(resources.current(), event_key)
        else:
            log.warning("not an event key")
