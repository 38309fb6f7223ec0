"""The console script `cj`.

Publishing events needs fewer dependencies than running workers, so the package may be installed without those of `cj`.
"""

import sys

PARTS = ("click", "sqlalchemy", "celery", "yaml", "alembic", "structlog", "httpx", "psycopg2", "redis")
NEEDS_MORE = "cj: {name} is not installed; `cj` needs the package hirecj[worker], not hirecj alone\n"


def main() -> None:
    """Run `cj`. Exits with 2 and a message if only the base package is installed."""
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


if __name__ == "__main__":
    main()
