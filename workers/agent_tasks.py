"""Tasks of queue `turns`."""

from storage.errors import StorageUnavailable
from workers import logs, resources
from workers.celery import app
from workers.hints import RUN_TURN

log = logs.get(__name__)


@app.task(name=RUN_TURN)
def run_turn(turn_id: int) -> None:
    """Run one agent turn, if it can be claimed now."""
    if isinstance(turn_id, bool) or not isinstance(turn_id, int) or not 0 < turn_id < 2**63:
        log.warning("not a turn id")
        return
    try:
        resources.current().turn_runner.run(turn_id)
    except StorageUnavailable:
        log.warning("turn could not be claimed; the sweeper comes back to it", turn_id=turn_id)
