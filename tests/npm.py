"""npm packages that tests use: as a folder's package-lock.json names them, each with its hash, from the first use on.

Nothing else is loaded from anywhere.
"""

import fcntl
import shutil
import subprocess
from pathlib import Path

INSTALL_SECONDS = 90.0


def installed(folder: Path) -> Path:
    """The folder's node_modules, brought by npm if it is not as the lock names it. One process at a time does that."""
    if shutil.which("npm") is None:
        raise RuntimeError("npm is not installed: apt-get install npm")
    made = folder / "node_modules" / ".made"  # `npm ci` begins with removing its folder
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = lock.read()
        if not made.exists() or made.read_text() != wanted:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
            if done.returncode != 0:
                raise RuntimeError(f"npm ci failed in {folder}:\n{done.stderr}")
            made.write_text(wanted)
    return folder / "node_modules"
