"""Where scenarios run: servers, workers, development store and scripted model, started once and emptied between
scenarios.

The workers are separate processes, as in production. Each pytest process has its own environment, so parallel scenarios
do not interfere.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import redis
from sqlalchemy import text

from events import queues
from shopify.development_store.server import DevelopmentStore
from storage import redis_server, turns
from storage.cache import FLIGHTS
from storage.database import Session
from storage.errors import StorageError
from storage.models import Base
from workers.agent import leases
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.local import procfile
from workers.local.embedded import EmbeddedPostgres, EmbeddedValkey
from workers.local.stack import KINDS, LEASE_SECONDS, Late, ReplyCollector, Stack, wait_until
from workers.local.supervisor import Pace
from workers.operations import migrations
from workers.scenario import time_travel
from workers.scenario.killable import Killer, killable
from workers.scenario.observe import WATCH
from workers.scenario.scripted_model import MODEL, ScriptedModel
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

#: Seconds for which a turn, or a fetch, of the previous scenario may continue before its worker is killed.
TURN_SECONDS, FETCH_SECONDS = 3.0, 1.0
READY_SECONDS = 60.0
#: CJ_RECOVERY_FACTOR of the workers, so that they notice losses soon when time jumps.
RECOVERY_FACTOR = 0.2
#: A folder in memory, and how much of it must be free: nothing here has to outlive the run.
MEMORY = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
MEMORY_NEEDED = 2 * 1024**3

_TURNS = text("SELECT count(*) FILTER (WHERE status = 'running'), coalesce(max(id), 0) FROM turns")
_TRUNCATE = text(f"TRUNCATE scenario.context_updates, {', '.join(Base.metadata.tables)} CASCADE")
_FORGET_CONTEXT_UPDATES = text("TRUNCATE scenario.context_updates")


class Environment:
    """Started by `start`, made ready for each scenario by `clear`."""

    stack: Stack

    def __init__(
        self,
        *,
        workflows: Path | None = None,
        model: ScriptedModel | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`workflows`: the folder of workflow YAML; default: the shipped ones. `environ` is added to the workers'
        variables and may name another model than the scripted one. Raises InvalidWorkflows.
        """
        self.workflows: WorkflowSet = load_folder(workflows)
        self._workflows_folder = workflows
        self._folder = Path(tempfile.mkdtemp(prefix="cj-scenarios-", dir=_fast_folder()))
        self._running = ExitStack()
        self._running.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._redis: dict[str, redis.Redis] = {}
        self.model = model or ScriptedModel()
        self._environ = dict(environ or {})
        self.store = DevelopmentStore()
        self.killer = Killer(self._folder / "orders")
        #: The highest turn id of earlier scenarios, whose replies do not belong to this one.
        self.last_turn = 0

    def start(self) -> None:
        """Start everything, which takes some seconds. Raises EmbeddedServerError, StackFailed."""
        with ExitStack() as until_it_runs:
            until_it_runs.callback(self.close)
            self.killer.folder.mkdir()
            postgres = EmbeddedPostgres(self._folder / "postgres", durable=False, settings={"max_connections": "200"})
            valkey = EmbeddedValkey(self._folder / "valkey", aof=False)
            starts: list[Callable[[], object]] = [postgres.start, valkey.start, self.store.start, self.model.start]
            for running in (postgres, valkey, self.store, self.model):
                self._running.callback(running.stop)
            with ThreadPoolExecutor() as threads:
                for started in [threads.submit(start) for start in starts]:
                    started.result()
            time_travel.install(postgres.url)
            migrations.upgrade(postgres.url)
            self.stack = self._stack(postgres.url, valkey.url)
            with self.stack.database.transaction() as session:
                session.execute(text(WATCH))
            self.stack.start()
            self._running.callback(self.stack.stop)
            app = sender(self.stack.broker_url)
            self._running.callback(app.close)
            self._wake_ups = WakeUps(app, broker_breaker())
            until_it_runs.pop_all()

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self._running.close()

    def _stack(self, database_url: str, valkey_url: str) -> Stack:
        environ = {
            "CJ_MODEL": MODEL,
            "OPENAI_API_BASE": self.model.base_url,
            "CJ_RECOVERY_FACTOR": f"{RECOVERY_FACTOR:g}",
            **self._environ,
        }
        if self._workflows_folder is not None:
            environ["CJ_WORKFLOWS"] = str(self._workflows_folder.absolute())

        processes = procfile.processes(procfile.read(), only=KINDS)
        return Stack(
            database_url,
            valkey_url,
            valkey_url.removesuffix("/0") + "/1",
            self._folder,
            processes=[replace(process, command=killable(process, self.killer.folder)) for process in processes],
            store=self.store,
            gateway=ReplyCollector(valkey_url),
            environ=environ,
            pace=Pace(first=0.1, longest=0.5, grace=1.0),
        )

    # --- between two scenarios --------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget the previous scenario. Raises Late."""
        self.killer.withdraw()
        if self.model.is_failing:  # the agent's breaker is open and would skip the model for a while
            self.kill("agent")
        self.wait_ready()
        self._end("agent", self._is_emptied, TURN_SECONDS, "a turn of the previous scenario to end")
        self._end("shopify", lambda: not self._is_fetching(), FETCH_SECONDS, "a fetch of the previous scenario to end")
        self.store.reset()
        self.stack.gateway.forget()  # the next conversation has the same id
        for server in ("broker", "cache"):  # to an empty database an unacked old event would be a new one
            self.redis(server).flushdb()

    def _end(self, kind: str, is_over: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for the end of something; after `limit` seconds kill the worker that does it."""
        try:
            wait_until(is_over, limit=seconds)
        except Late:
            self.kill(kind)
            self.wait_ready()
            wait_until(is_over, limit=READY_SECONDS, what=what)

    def _is_emptied(self) -> bool:
        """Remove every row, unless a turn is running."""
        try:
            with self.stack.database.transaction() as session:
                return self._empty(session)
        except StorageError:  # a worker held a lock for too long
            return False

    def _empty(self, session: Session) -> bool:
        session.execute(text("LOCK TABLE turns"))
        running, last = session.execute(_TURNS).one()
        if running:
            return False
        self.last_turn = max(self.last_turn, last)
        session.execute(_TRUNCATE)
        time_travel.reset(session)
        return True

    def forget_context_updates(self) -> None:
        """Forget the context updates that set up a scenario."""
        with self.stack.database.transaction() as session:
            session.execute(_FORGET_CONTEXT_UPDATES)

    # --- workers ----------------------------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """Wait until every process takes work. Raises Late."""
        supervisor = self.stack.supervisor
        with contextlib.suppress(Late):
            wait_until(lambda: len(self._pids()) == len(KINDS) or supervisor.is_stopping, limit=READY_SECONDS)
        late = [kind for kind in KINDS if kind not in self._pids()]
        if late:
            raise Late(f"not ready: {', '.join(late)}\n" + "\n".join(self.stack.lines[-20:]))

    def kill(self, kind: str) -> int:
        """kill -9 a process of a kind; returns its process id once the supervisor has noticed."""
        pid = wait_until(lambda: self._pids().get(kind, 0), limit=READY_SECONDS, what=f"{kind} to run")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._pids().get(kind) != pid, what=f"the end of {kind}")
        return pid

    def lives(self, owner: str) -> bool:
        """Whether the owner of a lease is alive."""
        return leases.pid_of(owner) in self._pids().values()

    def is_busy(self) -> bool:
        """Whether the store or model is handling a request, a message is on its way, or a process is starting."""
        if self.model.open_requests or self._is_fetching() or len(self._pids()) < len(KINDS):
            return True
        with self.redis("broker").pipeline(transaction=False) as pipeline:
            for queue in queues.ALL:
                pipeline.llen(queue)
            return any(pipeline.execute())

    def _pids(self) -> dict[str, int]:
        """Process ids of ready workers, by kind."""
        return self.stack.supervisor.ready_pids()

    def _is_fetching(self) -> bool:
        """Whether a worker is querying the store or waiting to; for a moment also after that worker's death."""
        flights = self.redis("cache").scan_iter(match=FLIGHTS, count=1000)
        return self.store.request_log.open_requests > 0 or next(flights, None) is not None

    # --- time and memory --------------------------------------------------------------------------------------------

    def advance_clock(self, seconds: float) -> float:
        """Let time pass for everything stored; returns the Unix time of the jump."""
        with self.stack.database.transaction() as session:
            at = time_travel.advance(session, seconds, lives=self.lives, lease_seconds=LEASE_SECONDS)
        for server in ("broker", "cache"):
            time_travel.expire_earlier(self.redis(server), seconds)
        return at

    def wake_due_turns(self) -> None:
        """Wake workers for due turns, because their timers do not know that time has passed."""
        with self.stack.database.transaction() as session:
            due = [turn for turn in turns.under_way(session) if turn.owner is None and turn.seconds <= 0]
        for turn in due:
            self._wake_ups.run_turn(turn.turn_id)

    def redis(self, server: str) -> redis.Redis:
        """A client of the Redis of the "broker" or the "cache"."""
        if server not in self._redis:
            url = self.stack.redis_url if server == "cache" else self.stack.broker_url
            self._redis[server] = redis_server.connect(url)
            self._running.callback(self._redis[server].close)
        return self._redis[server]


def _fast_folder() -> Path | None:
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED
    return MEMORY if has_room else None
