"""Run a command that cannot outlive its parent: `python parent_death.py PARENT_PID COMMAND [ARGUMENT…]`.

A supervisor that is killed with -9 cannot stop its children; on Linux the kernel does it for us
(https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html), and exec keeps the order.
A file of its own, run by a fresh interpreter, because Python code between fork and exec can deadlock
when the parent has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent dies; exits with 1 if that has happened already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    die_with_parent(parent)
    os.execvp(command[0], command)  # noqa: S606 - the command is ours, and it must replace this process


if __name__ == "__main__":
    main()
