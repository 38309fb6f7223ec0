"""Tasks of queue `workflow`."""

from workers import event_runner, logs, resources
from workers.celery import app
from workers.hints import HANDLE_EVENT, is_row_id

log = logs.get(__name__)


@app.task(name=HANDLE_EVENT)
def handle_event(event_key: int) -> None:
    """Handle one accepted event."""
    if not is_row_id(event_key):
        log.warning("not an event key")
        return
    event_runner.run(resources.current(), event_key)
