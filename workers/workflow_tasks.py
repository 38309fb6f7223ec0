"""Tasks of queue `workflow`."""

from workers import bootstrap, logs
from workers.celery import app
from workers.delivery.wake_ups import HANDLE_EVENT, is_row_id
from workers.workflow import runner

log = logs.get(__name__)


@app.task(name=HANDLE_EVENT)
def handle_event(*event_keys: int) -> None:
    """Handle accepted events, one after the other."""
    for event_key in event_keys:
        if is_row_id(event_key):
            runner.run(bootstrap.current(), event_key)
        else:
            log.warning("not an event key")
