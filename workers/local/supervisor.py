"""Runs processes as children and restarts those that die.

    supervisor = Supervisor(processes, folder=…, show=print_line, say=print)
    supervisor.preload(environ)      # optional: import while the database starts
    supervisor.start(environ)
    supervisor.wait_ready(30)
    …
    supervisor.stop()

Workers are forked by servers that have imported everything (`fork_server`), other commands run in a shell. A child that
ends is restarted after 0.2 s, doubling up to 10 s while it keeps dying. Exit code 2 before the process was ever ready
means that it refuses to start (settings, migrations, workflows): everything is stopped, and `refused` names it. After
it was ready, the same code means that something is unavailable, and it is restarted.
"""

import contextlib
import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from workers.local.child import REFUSED, Child, how_it_ended
from workers.local.fork_server import ForkServer, group_of
from workers.local.procfile import Process
from workers.settings import environment_of


@dataclass(frozen=True)
class Pace:
    """In seconds: the first and the longest pause before a restart, the lifetime after which a child counts as
    healthy, and the time children have to finish their work when stopped."""

    first: float = 0.2
    longest: float = 10.0
    healthy: float = 30.0
    grace: float = 20.0


class Supervisor:
    """Runs a list of processes from its own thread; methods may be called from any thread."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        folder: Path,
        show: Callable[[str, str], None],
        say: Callable[[str], None],
        pace: Pace | None = None,
    ) -> None:
        """`show(name, line)` receives every output line, `say(sentence)` reports what happens to the children."""
        self._environ: Mapping[str, str] = {}
        self._own: Mapping[str, Mapping[str, str]] = {}
        self._folder, self._show, self._say = folder, show, say
        self._pace = pace or Pace()
        self._slots = [_Slot(process, self._pace.first) for process in processes]
        self._servers: dict[str, ForkServer] = {}
        self._selector = selectors.DefaultSelector()
        self._changed = threading.Condition()
        self._stopping = self._killing = False
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        #: Name of the process that refused to start (exit code 2), if any.
        self.refused: str | None = None

    def preload(self, environ: Mapping[str, str]) -> None:
        """Have the servers import what workers need while `environ` is still incomplete. Returns at once."""
        self._environ = _with_own_programs(environ)
        for slot in self._slots:
            if (group := group_of(slot.process, self._environ)) is not None:
                self._server(group)

    def start(self, environ: Mapping[str, str], own: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> None:
        """Start every process; returns at once.

        `environ` is for all, but no kind gets another kind's secrets; `own`: additional variables by kind.
        """
        self._environ, self._own = _with_own_programs(environ), own
        self._thread.start()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until every process has reported ready; False after `timeout` seconds or if stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or not self.not_ready(), timeout)
            return not self._stopping and not self.not_ready()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop or a process refused to start."""
        return self._stopping

    def not_ready(self) -> list[str]:
        """Names of the processes that have not reported ready."""
        return [slot.process.name for slot in self._slots if not slot.is_ready()]

    def pids(self) -> dict[str, int]:
        """Process ids of running children, by name."""
        return {slot.process.name: slot.child.pid for slot in self._slots if slot.child}

    def server_pids(self) -> list[int]:
        """Process ids of the servers that fork the children."""
        return [server.pid for server in self._servers.values() if server.pid is not None]

    def ready_pids(self) -> dict[str, int]:
        """Process ids of ready children, by name."""
        return {slot.process.name: slot.child.pid for slot in self._slots if slot.child and slot.child.ready}

    def tell(self, names: Collection[str], number: signal.Signals) -> None:
        """Send these processes a signal as soon as they are ready; returns immediately."""
        for slot in self._slots:
            if slot.process.name in names:
                slot.to_tell = number

    def ask_to_stop(self) -> None:
        """Start stopping and return immediately (safe in a signal handler). A second call kills."""
        self._killing = self._stopping
        self._stopping = True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything has ended, after `ask_to_stop` or because a process refused to start."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Let every child finish its work, kill late ones, and return when all have ended."""
        if not self._stopping:
            self.ask_to_stop()
        self.wait()

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._tell_who_is_ready()
                self._start_what_is_due()
                self._listen(self._next_due())
                self._reap_the_dead()
            self._stop_all()
        finally:
            self._end()

    def _tell_who_is_ready(self) -> None:
        for slot in self._slots:
            if slot.to_tell is not None and slot.child and slot.child.ready:
                slot.child.signal(slot.to_tell)
                slot.to_tell = None

    def _start_what_is_due(self) -> None:
        for slot in self._slots:
            if slot.child is None and time.monotonic() >= slot.start_at:
                slot.child = self._start(slot.process)
                if slot.child is not None:
                    self._selector.register(slot.child.pipe, selectors.EVENT_READ, slot)

    def _start(self, process: Process) -> Child | None:
        """Start a child; None while its fork server is not ready."""
        group = group_of(process, self._environ)
        if group is None:
            return Child(process, self._environ_of(process.kind), self._folder)
        with contextlib.suppress(OSError):  # the server has just died: the next round starts another
            server = self._server(group)
            if server.is_ready():
                return server.fork(process, self._environ_of(process.kind))
        return None

    def _server(self, group: str) -> ForkServer:
        """The running server of a group, started if necessary."""
        server = self._servers.get(group)
        if server is not None and server.has_ended:
            server.close()
            server = None
        if server is None:
            base = None if group == "workers" else self._server("workers")
            # Secrets come with each child: the server that is shared by kinds has none.
            environ = self._environ_of("agent" if group == "agent" else "intake")
            self._servers[group] = server = ForkServer(group, environ, self._folder, base)
        return server

    def _environ_of(self, kind: str) -> dict[str, str]:
        return environment_of(kind, {**self._environ, **self._own.get(kind, {})})

    def _next_due(self) -> float:
        """Seconds to listen; short, because ended children are found by polling."""
        waits = [slot.start_at - time.monotonic() for slot in self._slots if slot.child is None]
        return max(0.01, min([0.1, *waits]))

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            self._read_lines(key.data)

    def _read_lines(self, slot: "_Slot") -> None:
        if (child := slot.child) is None:
            return
        was_ready = child.ready
        for line in child.lines():
            self._show(slot.process.name, line)
        if child.closed and child.pipe in self._selector.get_map():
            self._selector.unregister(child.pipe)
        if child.ready != was_ready:
            slot.was_ready = True
            with self._changed:
                self._changed.notify_all()

    def _reap_the_dead(self) -> None:
        for slot in self._slots:
            if slot.child and slot.child.has_ended():
                self._replace(slot, slot.child)

    def _replace(self, slot: "_Slot", child: Child) -> None:
        name = slot.process.name
        self._read_lines(slot)
        if not child.closed:
            self._selector.unregister(child.pipe)
        slot.child, code = None, child.reap()
        if self._stopping:
            return
        if code == REFUSED and not slot.was_ready:
            self.refused, self._stopping = name, True
            self._say(f"{name} refuses to start (exit code 2), see its output above; stopping everything")
            return
        pause = slot.pause_after(time.monotonic() - child.started_at, self._pace)
        slot.start_at = time.monotonic() + pause
        self._say(f"{name} {how_it_ended(code)}; restarting in {pause:g} s")

    def _stop_all(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._pace.grace
        while self.pids() and time.monotonic() < deadline and not self._killing:
            self._listen(0.1)
            self._reap_the_dead()
        if late := self.pids():
            why = "asked twice" if self._killing else f"not finished within {self._pace.grace:g} s"
            self._say(f"killing {', '.join(late)}: {why}")

    def _end(self) -> None:
        """Kill all remaining children, whatever happened on this thread."""
        self._stopping = True
        self._signal_all(signal.SIGKILL)
        while self.pids():
            self._listen(0.1)
            self._reap_the_dead()
        for group in reversed(self._servers):
            self._servers[group].close()
        with self._changed:
            self._changed.notify_all()
        self._selector.close()

    def _signal_all(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.child:
                slot.child.signal(number)


def _with_own_programs(environ: Mapping[str, str]) -> dict[str, str]:
    own_programs = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}"
    return {**environ, "PATH": own_programs}


class _Slot:
    """A process that should run, and its current child, if any."""

    def __init__(self, process: Process, first_pause: float) -> None:
        self.process = process
        self.child: Child | None = None
        self.start_at = 0.0
        self.to_tell: signal.Signals | None = None
        self.was_ready = False
        self._next_pause = first_pause

    def is_ready(self) -> bool:
        return self.child is not None and self.child.ready

    def pause_after(self, lived: float, pace: Pace) -> float:
        """Seconds until the next start; grows each time the process dies young."""
        pause = pace.first if lived >= pace.healthy else self._next_pause
        self._next_pause = min(pause * 2, pace.longest)
        return pause
