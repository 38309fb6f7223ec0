"""The console script `cj`.

Publishing events needs fewer dependencies than running workers, so the package may be installed without those of `cj`.
"""

import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

PARTS = ("click", "sqlalchemy", "celery", "yaml", "alembic", "structlog", "httpx", "psycopg2", "redis")
NEEDS_MORE = "cj: {name} is not installed; `cj` needs cj-workers[worker], not cj-workers alone\n"


def main() -> None:
    """Run `cj`. Exits with 2 and a message if only the base package is installed."""
    sys.unraisablehook = _interrupt_again
    try:
        from workers.cli import main as run

        run()
    except KeyboardInterrupt:  # during imports; a running command handles it itself
        sys.stderr.write("cj: interrupted\n")
        raise SystemExit(1) from None
    except ModuleNotFoundError as error:
        if error.name not in PARTS:
            raise
        sys.stderr.write(NEEDS_MORE.format(name=error.name))
        raise SystemExit(2) from None


def _interrupt_again(lost: "UnraisableHookArgs") -> None:
    """A Ctrl-C that arrives where Python ignores exceptions, as in the callbacks of an import's locks, comes again."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # Once the callback is over; to the main thread, which may be waiting: raised in another it would wait on.
        main_thread = threading.main_thread().ident
        threading.Timer(0.01, signal.pthread_kill, [main_thread, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    main()
