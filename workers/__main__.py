"""The console script `cj`.

The package can be installed without the dependencies of `cj`, since publishing events needs fewer.
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
    except KeyboardInterrupt:  # during imports; running commands handle it themselves
        sys.stderr.write("cj: interrupted\n")
        raise SystemExit(1) from None
    except ModuleNotFoundError as error:
        if error.name not in PARTS:
            raise
        sys.stderr.write(NEEDS_MORE.format(name=error.name))
        raise SystemExit(2) from None


def _interrupt_again(lost: "UnraisableHookArgs") -> None:
    """Repeat a Ctrl-C that arrives where Python ignores exceptions, as in the callbacks of import locks."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # After the callback; sent to the main thread, which may be waiting and would not notice it in another thread.
        main_thread = threading.main_thread().ident
        threading.Timer(0.01, signal.pthread_kill, [main_thread, signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(lost)


if __name__ == "__main__":
    main()
