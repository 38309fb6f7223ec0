"""Tasks of queue `turns`."""

from storage.errors import StorageUnavailable
from workers import bootstrap, logs
from workers.celery import app
from workers.delivery.wake_ups import RUN_TURN, is_row_id

log = logs.get(__name__)


@app.task(name=RUN_TURN)
def run_turn(turn_id: int) -> None:
    """Run one agent turn, if it can be claimed now."""
    if not is_row_id(turn_id):
        log.warning("not a turn id")
        return
    try:
        bootstrap.current().turn_runner.run(turn_id)
    except StorageUnavailable:
        log.warning("turn could not be claimed; the sweeper comes back to it", turn_id=turn_id)
