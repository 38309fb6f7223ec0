"""Injects planned faults into running processes and servers."""

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence

import redis

from tests.chaos.plan import Fault
from tests.servers import PostgresForTests, crash, kill
from workers.local.embedded import EmbeddedValkey
from workers.local.embedded_server import EmbeddedServer
from workers.local.supervisor import Supervisor


class Chaos:
    """Injects faults at their times, each on its own thread so that they can overlap."""

    def __init__(
        self, supervisor: Supervisor, postgres: PostgresForTests, valkey: EmbeddedValkey, plan: Sequence[Fault]
    ) -> None:
        self._supervisor, self._postgres, self._valkey, self._plan = supervisor, postgres, valkey, plan
        self._server_locks = {"postgres": threading.Lock(), "valkey": threading.Lock()}
        #: What happened, in order.
        self.done: list[Fault] = []
        self.problems: list[str] = []

    def run(self) -> None:
        """Run until the last fault is over."""
        started = time.monotonic()
        threads: list[threading.Thread] = []
        for fault in self._plan:
            time.sleep(max(0.0, started + fault.at - time.monotonic()))
            threads.append(threading.Thread(target=self._carry_out, args=(fault,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _carry_out(self, fault: Fault) -> None:
        actions: dict[str, Callable[[Fault], None]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "flush": self._flush,
            "valkey_loses_all": self._valkey_loses_all,
            "valkey_keeps_its_log": self._valkey_keeps_its_log,
            "postgres_crash": self._postgres_crash,
        }
        try:
            actions[fault.kind](fault)
        except Exception as error:  # noqa: BLE001 - a fault that cannot be injected spoils the run, so it is reported
            self.problems.append(f"{fault}: {error}")
        self.done.append(fault)

    def _kill(self, fault: Fault) -> None:
        self._send(fault.target, signal.SIGKILL)

    def _freeze(self, fault: Fault) -> None:
        victim = self._send(fault.target, signal.SIGSTOP)
        time.sleep(fault.seconds)
        if victim is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGCONT)

    def _send(self, name: str, number: signal.Signals) -> int | None:
        victim = self._supervisor.pids().get(name)
        if victim is not None:  # otherwise it is already dead
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, number)
        return victim

    def _flush(self, _fault: Fault) -> None:
        with contextlib.suppress(redis.RedisError):  # it is down: nothing to flush
            redis.Redis.from_url(self._valkey.url, socket_timeout=2.0).flushall()

    def _valkey_loses_all(self, fault: Fault) -> None:
        self._away("valkey", self._valkey, kill, fault.seconds, self._forget)

    def _forget(self) -> None:
        shutil.rmtree(self._valkey.folder / "appendonlydir", ignore_errors=True)

    def _valkey_keeps_its_log(self, fault: Fault) -> None:
        self._away("valkey", self._valkey, kill, fault.seconds)

    def _postgres_crash(self, fault: Fault) -> None:
        self._away("postgres", self._postgres, crash, fault.seconds)

    def _away(
        self,
        name: str,
        server: EmbeddedServer,
        end: Callable[[EmbeddedServer], None],
        seconds: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        with self._server_locks[name]:
            end(server)
            meanwhile()
            time.sleep(seconds)
            server.start()
