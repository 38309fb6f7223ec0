"""Runs one server exactly as long as its owner lives. Started by `workers.local.embedded`, never imported by it.

The keeper sits between the owner and the server. It leads its own session, so the terminal's Ctrl-C reaches neither it
nor the server. It holds the read end of a pipe whose write end only the owner has. The pipe closes when the owner
closes it (a graceful stop) or dies in any way, even by SIGKILL; then the keeper stops the server and exits. A
parent-death signal would be simpler, but Linux ties it to the *thread* that started the child.

Argument: one JSON object with the fields of `main`. Output: the server's process id, on one line. Exit
code: the server's. Standard library only, run with `python -I -S`, so that it starts in about 20 ms.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

PR_SET_KEEPCAPS = 8
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522


def main(
    *,
    command: list[str],
    log: str,
    stop_signal: str,
    limit: float,
    user: list[int] | None,
    remove: str | None,
) -> int:
    """Run `command` until it or the owner ends; `remove` names a folder to delete afterwards."""
    with Path(log).open("ab") as output:
        server = subprocess.Popen(  # noqa: S603 - the owner's own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Safe here, unlike in the owner: this process has only one thread.
            preexec_fn=become(*user) if user else None,
        )
    with contextlib.suppress(OSError):  # the owner may already be gone
        os.write(1, f"{server.pid}\n".encode())
    threading.Thread(target=stop_after_owner, args=(server, signal.Signals[stop_signal], limit), daemon=True).start()
    code = server.wait()
    if remove:
        shutil.rmtree(remove, ignore_errors=True)
    return code if code >= 0 else 128 - code


def stop_after_owner(server: "subprocess.Popen[bytes]", stop_signal: signal.Signals, limit: float) -> None:
    """Wait for the pipe to close, then ask the server to stop, and kill it after `limit` seconds."""
    while os.read(0, 1024):
        pass
    server.send_signal(signal.SIGCONT)  # a paused server would not receive the next one
    server.send_signal(stop_signal)
    try:
        server.wait(limit)
    except subprocess.TimeoutExpired:
        server.kill()


def become(uid: int, gid: int) -> Callable[[], None]:
    """What the child runs between fork and exec to become an ordinary user who may still enter root's folders.

    Postgres refuses to run as root, but root's checkout and virtual environment are usually closed to other users.
    Opening those folders to everyone would be worse than giving one development server an ambient capability.
    access(2), which initdb uses on its own binaries, ignores an ordinary user's capabilities unless NO_SETUID_FIXUP is
    set (https://man7.org/linux/man-pages/man7/capabilities.7.html).
    """

    def change() -> None:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
            libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        if sys.platform == "linux":
            # Best effort: without the capability, Postgres itself reports which folder it cannot enter.
            mask = 1 << CAP_DAC_OVERRIDE
            header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
            libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0))
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)

    return change


if __name__ == "__main__":
    sys.exit(main(**json.loads(sys.argv[1])))
