"""How a worker process starts: settings, log, checks, resources; or not at all, with exit code 2 and the reason.

A database that cannot be reached is waited for: servers restart, and a worker comes up by itself when they are back.
"""

import sys
import time
from collections.abc import Sequence

from celery import Celery

from storage import merchants
from storage.errors import StorageError, StorageUnavailable
from workers import bootstrap, logs, metrics
from workers.bootstrap import Resources
from workers.operations import migrations
from workers.settings import TOKEN_KINDS, Settings, SettingsError, needed_by
from workflows.errors import InvalidWorkflows

log = logs.get(__name__)

REFUSED = 2
"""Exit code of a process that must not start."""
LONGEST_PAUSE_SECONDS = 5.0


class CannotStart(Exception):
    """The process must not start; the text says what is wrong and what to do."""


def start(app: Celery, kinds: Sequence[str]) -> Resources:
    """What a process of these kinds works with, checked and in use. Exits with 2 when it could not do its work."""
    kind = "-".join(kinds)
    try:
        settings = Settings.read(needed=needed_by(kinds))
        logs.configure(kind, level=settings.log_level)
        built = Resources(settings, app, kind=kind)
        _check(built, kinds)
    except (SettingsError, CannotStart) as error:
        refuse(str(error))
        raise
    bootstrap.use(built)
    if settings.metrics_port is not None:
        metrics.serve(settings.metrics_port)
    return built


def refuse(problem: str) -> None:
    """Print why this process does not start, and exit."""
    sys.stderr.write(f"cj: cannot start: {problem}\n")
    sys.stderr.flush()
    raise SystemExit(REFUSED)


def _check(built: Resources, kinds: Sequence[str]) -> None:
    """Raise CannotStart unless the process could do its work: workflows, keys, model names, the database's schema."""
    try:
        built.workflows  # noqa: B018 - loading is the check
    except InvalidWorkflows as error:
        raise CannotStart(str(error)) from error
    if any(kind in TOKEN_KINDS for kind in kinds):
        _check_vault(built)
    if "agent" in kinds and (problems := built.model.problems()):
        raise CannotStart("; ".join(problems))
    problem = _schema_problem(built.settings.database_url)
    if problem is not None:
        raise CannotStart(problem)
    if any(kind in TOKEN_KINDS for kind in kinds):
        _check_stored_keys(built)


def _check_vault(built: Resources) -> None:
    try:
        built.vault  # noqa: B018 - building is the check
    except StorageError as error:
        raise CannotStart(f"CJ_TOKEN_KEYS {error}") from error


def _check_stored_keys(built: Resources) -> None:
    with built.database.transaction() as session:
        unknown = sorted(merchants.key_ids_in_use(session) - set(built.vault.key_ids))
    if unknown:
        ids = ", ".join(map(str, unknown))
        raise CannotStart(
            f"CJ_TOKEN_KEYS lacks key {ids}, which stored tokens are sealed with: add it again behind the others; "
            "it can go once `cj tokens reseal` has sealed everything with the first key"
        )


def _schema_problem(database_url: str) -> str | None:
    """What `migrations.problem` says, as soon as the database answers."""
    pause, told = 0.2, False
    while True:
        try:
            return migrations.problem(database_url)
        except StorageUnavailable as error:
            if not told:
                log.warning("waiting for Postgres", reason=str(error))
            told = True
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
