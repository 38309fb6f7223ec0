"""Runs a command that cannot outlive its parent: `python parent_death.py PARENT_PID COMMAND [ARGUMENT…]`.

A supervisor killed with SIGKILL cannot stop its children; on Linux the kernel does it
(https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html), and the setting survives exec.
This is a separate script run by a new interpreter, because Python code between fork and exec can deadlock when the
parent has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; exits with 1 if the parent is already dead."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def rename(name: str) -> None:
    """Show this process under another name, of which the kernel keeps 15 characters; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode())


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    die_with_parent(parent)
    os.execvp(command[0], command)  # noqa: S606 - our own command, which must replace this process


if __name__ == "__main__":
    main()
