"""Starts workers without delay: a server imports once what workers need, which takes seconds, and then only forks.

    server = ForkServer("workers", environ, folder)    # in the supervisor
    if server.is_ready():
        child = server.fork(process, environ)          # a `Child` like any other

Before it forks, the server has no threads, connections or pools; children share the memory of what it imported. A child
is its own process group and dies with the server, and the server dies with the supervisor. The server for agents that
call providers is itself forked from the other one, so common imports are in memory once.

`ps -e` and `top` show a child by its name, `cj-agent.2`, and its server as `cj-fork agent`; the command line of both is
the server's.

Supervisor and server exchange lines of JSON over a socket: what to run, with the pipe for its output; then the child's
process id, and later its exit code.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import re
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workers.local import parent_death
from workers.local.child import Child
from workers.local.procfile import Process
from workers.model.demo import DEMO, DEMO_SHORT

_INTAKE = "workers.intake.__main__"
#: What workers import, some of it late.
_COMMON = (
    *("celery.bin.celery", "celery.apps.worker", "celery.app.control", "celery.app.events", "celery.app.log"),
    *("celery.concurrency.thread", "celery.worker.components", "celery.worker.autoscale", "celery.worker.consumer"),
    *("celery.worker.strategy", "celery.backends.base", "celery.events.receiver", "billiard.pool"),
    *("kombu.pidbox", "kombu.transport.redis", "psycopg2.extras", "sqlalchemy.dialects.postgresql.psycopg2"),
    *("workers.celery", "workers.celery_consumer", "workers.tasks", _INTAKE, "encodings.idna"),
)
#: Commands that a server can run: this project's modules, and Celery.
_PROGRAM = re.compile(r"exec (?:python -m )?(?P<module>celery|workers\.[\w.]+)(?P<arguments>\s.*)?")
_LONGEST = 1024 * 1024
#: glibc's M_ARENA_MAX: how many heaps the threads of a process share.
_ARENA_MAX = -8
#: How far the workflow worker gives way to intake, which shares its cores here: a burst is stored before it is worked
#: on. Agents do not: with them niced, too, a flow took a tenth more CPU (`bench.flow`).
#: https://man7.org/linux/man-pages/man2/nice.2.html
_NICENESS = 5


def group_of(process: Process, environ: Mapping[str, str]) -> str | None:
    """Which server runs a process: agents that call providers have their own, because of litellm; None if none can."""
    if _PROGRAM.fullmatch(process.command) is None:
        return None
    return "agent" if process.kind == "agent" and _of_providers(environ) else "workers"


def _of_providers(environ: Mapping[str, str]) -> list[str]:
    """The models that providers are asked for."""
    named = ",".join(environ.get(name, "") for name in ("CJ_MODEL", "CJ_MODEL_FALLBACKS"))
    return [name.strip() for name in named.split(",") if name.strip() not in ("", DEMO, DEMO_SHORT)]


def run_through(module: str, process: Process, folder: Path) -> str:
    """The command of a Procfile's process, run through `python -m MODULE FOLDER KIND …`."""
    found = _PROGRAM.fullmatch(process.command)
    assert found is not None
    return f"exec python -m {module} '{folder}' {process.kind} {found['module']}{found['arguments'] or ''}"


def run_as_main(module: str, arguments: list[str]) -> None:
    """Run `python -m MODULE ARGS…` in this process."""
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class ForkServer:
    """A server and its children, on the supervisor's side. Not thread-safe."""

    def __init__(self, group: str, environ: Mapping[str, str], folder: Path, base: "ForkServer | None" = None) -> None:
        """`base` forks it, after importing what they share; without `base` it is started as a new process."""
        ours, theirs = socket.socketpair()
        self._control, self._rest = ours, b""
        self._ready = self._is_gone = False
        self._ended: dict[int, int] = {}
        self._pids: list[int] = []
        #: The server's own process id, once it is ready.
        self.pid: int | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        with theirs:
            if base is None:
                self._popen = _started(theirs, environ, folder)
            else:
                asked = {"server": group, "models": _of_providers(environ), "environ": {**environ}}
                with contextlib.suppress(OSError):  # the base has just died, and this server with it
                    base._send(asked, theirs.fileno())

    @property
    def has_ended(self) -> bool:
        """Whether the server, and with it its children, has ended."""
        with contextlib.suppress(OSError):
            self._listen(wait=False)
        return self._is_gone

    def is_ready(self) -> bool:
        """Whether it has imported everything."""
        self._listen(wait=False)
        return self._ready

    def fork(self, process: Process, environ: Mapping[str, str]) -> "ForkedChild":
        """Start a process. Raises OSError if the server has just died."""
        found = _PROGRAM.fullmatch(process.command)
        assert found is not None
        reading, writing = os.pipe()
        arguments = shlex.split(found["arguments"] or "")
        asked = {"name": process.name, "module": found["module"], "arguments": arguments, "environ": {**environ}}
        try:
            self._send(asked, writing)
            while not self._pids:
                self._listen(wait=True)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return ForkedChild(process, self._pids.pop(), reading, self)

    def how_it_ended(self, pid: int) -> int | None:
        """The exit code of a child, negative for a signal; None while it runs."""
        return -signal.SIGKILL if self.has_ended and pid not in self._ended else self._ended.get(pid)

    def close(self) -> None:
        """End the server and its remaining children."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)
            while not self._is_gone:
                self._listen(wait=True)
        self._control.close()
        if self._popen is not None:
            self._popen.wait()

    def _send(self, asked: Mapping[str, Any], descriptor: int) -> None:
        socket.send_fds(self._control, [json.dumps(asked).encode() + b"\n"], [descriptor])

    def _listen(self, *, wait: bool) -> None:
        """Read the server's messages. Raises OSError if it is gone and `wait` is for its answer."""
        try:
            data = b"" if self._is_gone else self._control.recv(_LONGEST, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._is_gone = not data
        if self._is_gone and wait:
            raise OSError("the fork server has died")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for said in map(json.loads, lines):
            if "server" in said:
                self._ready, self.pid = True, said["server"]
            if "pid" in said:
                self._pids.append(said["pid"])
            if "ended" in said:
                self._ended[said["ended"]] = said["code"]


def _started(control: socket.socket, environ: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes]:
    wrapper = [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - our own module
        [*wrapper, sys.executable, "-m", __name__, str(control.fileno())],
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        pass_fds=[control.fileno()],
        start_new_session=True,  # as for its children
    )


class ForkedChild(Child):
    """A child of a server, on the supervisor's side."""

    def __init__(self, process: Process, pid: int, pipe: int, server: ForkServer) -> None:
        self._server, self._pid = server, pid
        self._begin(process, pipe)

    @property
    def pid(self) -> int:
        return self._pid

    def has_ended(self) -> bool:
        return self._server.how_it_ended(self._pid) is not None

    def reap(self) -> int:
        """The exit code, negative for a signal. The server has already reaped the child and killed what it left
        running."""
        os.close(self.pipe)
        return self._server.how_it_ended(self._pid) or 0


# --- in the server ---------------------------------------------------------------------------------------------------


def _import_common() -> None:
    # Celery's command line imports what is for people, 10 MB: its plug-ins (Flower), and a prompt.
    plugins: Any = importlib.import_module("click_plugins")
    plugins.with_plugins = lambda _plugins: lambda group: group
    prompt: Any = types.ModuleType("click_repl")
    prompt.register_repl = lambda _group: None
    sys.modules["click_repl"] = prompt
    for late in _COMMON:
        importlib.import_module(late)
    del sys.modules[_INTAKE]  # it runs as __main__
    gc.collect()
    gc.freeze()


class _Server:
    """Forks on demand, and reports how children ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._asked = b""
        self._descriptors: list[int] = []
        self._children: set[int] = set()
        self._woken, self._wakes = os.pipe()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> dict[str, Any] | None:
        """Returns None when the supervisor is gone; in each child, what it must run."""
        try:
            return self._serve()
        except ConnectionError:  # the supervisor died during a write
            self._end()
            return None

    def _serve(self) -> dict[str, Any] | None:
        for end in (self._woken, self._wakes):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._say(server=os.getpid())
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._woken:
                    self._tell_who_ended()
                    continue
                data, descriptors, _, _ = socket.recv_fds(self._control, _LONGEST, 1)
                if not data:
                    self._end()
                    return None
                self._asked += data
                self._descriptors += descriptors
                if self._asked.endswith(b"\n"):
                    asked: dict[str, Any] = json.loads(self._asked)
                    self._asked = b""
                    if self._fork(asked, self._descriptors.pop()):
                        return asked

    def _fork(self, asked: dict[str, Any], descriptor: int) -> bool:
        """Fork; True in the child. `descriptor`: for its output, or the next server's socket to the supervisor."""
        server = os.getpid()
        pid = os.fork()
        with contextlib.suppress(OSError):  # in both, so that it is done whichever runs first
            os.setpgid(pid, pid)
        if pid:
            os.close(descriptor)
            self._children.add(pid)
            if "server" not in asked:
                self._say(pid=pid)
            return False
        parent_death.die_with_parent(server)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._control.close()
        for end in (self._woken, self._wakes):
            os.close(end)
        if "server" in asked:
            asked["control"] = descriptor
        else:
            for output in (1, 2):
                os.dup2(descriptor, output)
            os.close(descriptor)
        return True

    def _tell_who_ended(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 4096)
        for child in sorted(self._children):
            # Kill its group before reaping it: until then no other process can have its id.
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._kill(child)
                self._children.remove(child)
                self._say(ended=child, code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    def _end(self) -> None:
        for child in self._children:
            self._kill(child)
        self._control.close()

    @staticmethod
    def _kill(child: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)

    def _say(self, **what: int) -> None:
        self._control.sendall(json.dumps(what).encode() + b"\n")


def main() -> None:
    """Import, then serve; in each child, run the requested module."""
    parent_death.rename("cj-fork workers")
    asked = _served(int(sys.argv[1]), _import_common)
    if asked is not None and "server" in asked:
        from workers.model import litellm_call

        parent_death.rename(f"cj-fork {asked['server']}")
        models = asked["models"]

        def warm_up() -> None:
            with contextlib.suppress(Exception):  # a worker says itself why it cannot ask any model, and ends
                litellm_call.warm_up(models)

        asked = _served(asked["control"], warm_up)
    if asked is not None:
        parent_death.rename(f"cj-{asked['name']}")
        if asked["name"].startswith("workflow"):
            os.nice(_NICENESS)
        # Like a shell: the Procfile puts the process id into workers' names.
        run_as_main(asked["module"], [part.replace("$$", str(os.getpid())) for part in asked["arguments"]])


def _served(descriptor: int, load: Callable[[], None]) -> dict[str, Any] | None:
    """Import and serve the supervisor until it is gone; in each child, returns what it was forked for."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    load()
    with contextlib.suppress(AttributeError):  # glibc's
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)  # give back what imports freed, 5 MB of litellm's tokenizer
        libc.mallopt(_ARENA_MAX, 1)  # threads that take turns need no heap each, 3 MB of all workers
    asked = _Server(control).serve()
    if asked is not None:
        os.environ.clear()
        os.environ.update(asked["environ"])
    return asked


if __name__ == "__main__":
    main()
