"""The console script `cj`.

Publishing events needs less than running workers, so the package may be installed without what `cj` needs.
"""

import sys

PARTS = ("click", "sqlalchemy", "celery", "yaml", "alembic", "structlog", "httpx", "psycopg2", "redis")
NEEDS_MORE = "cj: {name} is not installed, and `cj` needs it; install hirecj[worker] instead of hirecj alone\n"


def main() -> None:
    """Run `cj`. Exit code 2 and a sentence when only the base package is installed."""
    try:
        from workers.cli import main as run

        run()
    except KeyboardInterrupt:  # while it imports; a running command says so itself
        sys.stderr.write("cj: interrupted\n")
        raise SystemExit(1) from None
    except ModuleNotFoundError as error:
        if error.name not in PARTS:
            raise
        sys.stderr.write(NEEDS_MORE.format(name=error.name))
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
