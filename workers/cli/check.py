"""`cj check`: is this environment ready to run?"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import click

from workers.cli.common import WrongUse, examples, explained, json_option, print_json, transaction
from workers.local.home import Home, environment_here
from workers.settings import (
    MODEL_KIND,
    SENDING_KIND,
    SERVERS,
    Settings,
    SettingsError,
    environment,
    needed_by,
    spare_secrets,
)

#: Seconds a server has to answer.
LIMIT = 3.0


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    ok: bool
    detail: str

    def __str__(self) -> str:
        lines = self.detail.splitlines() or [""]
        return "\n".join([f"{'✓' if self.ok else '✗'} {self.name:10} {lines[0]}", *(f"  {line}" for line in lines[1:])])


@click.command(
    short_help="Is this environment ready to run?",
    epilog=examples("cj check", "cj check --kind intake", "cj check --worker agent@host", "cj check --json | jq .ok"),
)
@click.option("--kind", metavar="KIND", help="Check for processes of this kind (intake, agent, …); default: all.")
@click.option("--worker", metavar="NAME", help="Check only that this worker (agent@host) consumes its queue.")
@json_option
def check(as_json: bool, kind: str | None, worker: str | None) -> None:
    """Check settings, workflows, database, broker, cache and models; show the settings in effect.

    Exit code 2 if the settings are invalid, 1 if anything else is wrong.
    """
    if kind is not None:
        _must_exist(kind)
    needed = SERVERS if kind is None else needed_by([kind])
    try:
        settings = Settings.read(environment_here(), needed=needed if worker is None else ("BROKER_URL",))
    except SettingsError as error:
        if as_json:
            print_json({"ok": False, "settings": None, "problems": list(error.problems), "checks": []})
            raise SystemExit(2) from None
        raise WrongUse(explained(error)) from None
    warnings = list(settings.warnings)
    if kind is None and worker is None:
        warnings += [f"{name} is not set: {who} would not start here" for name, who in _absent(settings)]
    if worker is not None:
        findings = [check_worker(settings, worker)]
    else:
        findings = _findings(settings, kind)
        warnings += excess(settings, kind)
    ok = all(finding.ok for finding in findings)
    if as_json:
        checks = [vars(finding) for finding in findings]
        print_json({"ok": ok, "settings": settings.shown(), "problems": warnings, "checks": checks})
    else:
        for name, value in settings.shown().items():
            click.echo(f"  {name:22} {value}")
        for warning in warnings:
            click.echo(f"! {warning}")
        for finding in findings:
            click.echo(finding)
    raise SystemExit(0 if ok else 1)


def _findings(settings: Settings, kind: str | None) -> list[Finding]:
    asks_models = kind == MODEL_KIND if kind is not None else settings.model is not None
    only_sends = kind == SENDING_KIND
    found = [
        check_settings(settings),
        check_workflows(settings),
        check_database(settings, kind),
        check_keys(settings),
        check_broker(settings, only_sends=only_sends),
        check_redis(settings, only_sends=only_sends),
        check_model(settings) if asks_models else None,
    ]
    findings = [finding for finding in found if finding is not None]
    if kind is None and all(finding.ok for finding in findings):
        # Not for one kind: a container must not be restarted because the gateway is down.
        findings.append(check_backlog(settings))
    return findings


def _must_exist(kind: str) -> None:
    """Raises WrongUse for an unknown kind; otherwise every check of a misspelt kind would pass."""
    from workers.metrics import KINDS

    known = (*KINDS, "console")
    if kind not in known:
        raise WrongUse(f"there is no kind of process {kind!r}; the kinds are {', '.join(known)}")


def excess(settings: Settings, kind: str | None) -> list[str]:
    """Rights that the processes have and should not. `cj up` gives each kind its own role, so there are none."""
    from storage import roles
    from storage.errors import StorageError
    from workers.local import procfile

    kinds = list(procfile.read()) if kind is None else [kind]
    warnings = spare_secrets(settings, kinds)
    if settings.database_url == Home().announced().get("DATABASE_URL"):
        return warnings
    try:
        with transaction() as session:
            return [*warnings, *roles.excess(roles.standing(session), kinds)]
    except StorageError:  # a finding of `check_database`
        return warnings


def _absent(settings: Settings) -> Iterator[tuple[str, str]]:
    """Missing settings that only some kinds of process need, and which: a container has only those of its own kind."""
    if settings.token_keys is None:
        yield "CJ_TOKEN_KEYS", "the Shopify worker"
    if settings.model is None:
        yield "CJ_MODEL", "an agent"


def check_settings(settings: Settings) -> Finding:
    from storage.vault import Vault

    if settings.token_keys is None:
        return Finding("settings", True, "valid; no token keys, none needed")
    vault = Vault.from_text(settings.token_keys)
    return Finding("settings", True, f"valid; token keys {', '.join(str(key) for key in vault.key_ids)}")


def check_workflows(settings: Settings) -> Finding:
    from workflows.errors import InvalidWorkflows
    from workflows.loader import load_folder

    try:
        found = load_folder(settings.workflows_folder)
    except InvalidWorkflows as error:
        return Finding("workflows", False, f"invalid\n{error}")
    number = len(found.warnings)
    warned = f"; {number} warning{'' if number == 1 else 's'}, see `cj workflows check`" if number else ""
    return Finding("workflows", True, f"{', '.join(found.names)}{warned}")


def check_database(settings: Settings, kind: str | None) -> Finding:
    from storage import database, roles
    from storage.errors import StorageError
    from workers.operations import migrations

    try:
        with transaction() as session:  # without its rights it cannot read which migrations were made
            problem = database.read_only_problem(session)
            problem = problem or (None if kind is None else roles.lacking(session, [kind]))
        problem = problem or migrations.problem(settings.database_url)
    except StorageError as error:
        return Finding("database", False, str(error))
    return Finding("database", problem is None, problem or "migrations are up to date")


def check_keys(settings: Settings) -> Finding | None:
    """Do the keys open the stored tokens? None without keys, or without the right to read tokens."""
    from storage import merchants
    from storage.errors import StorageError
    from storage.vault import Vault
    from workers.operations import token_keys

    if settings.token_keys is None:
        return None
    vault = Vault.from_text(settings.token_keys)
    try:
        with transaction() as session:
            trials = merchants.try_keys(session, vault)
    except StorageError:  # a finding of `check_database`, or another kind's container
        return None
    wrong = [*token_keys.problems(trials, vault), *token_keys.warnings(trials, vault)]
    return Finding("token keys", not wrong, "\n".join(wrong) or "open the stored tokens")


def check_broker(settings: Settings, *, only_sends: bool = False) -> Finding:
    from events import queues
    from events.errors import WrongQueue

    shown, first = queues.safe_url(settings.broker_url), settings.broker_url.split(";")[0]
    # First what the server says of itself: the transport hides it.
    found = _redis(first, "broker", shown, keeps_queues=True, only_sends=only_sends)
    if not found.ok:
        return found
    try:
        queues.check(settings.broker_url, timeout=LIMIT, only_sends=only_sends)
    except WrongQueue as error:
        return Finding("broker", False, error.message)
    except Exception as error:  # noqa: BLE001 - each transport fails in its own way
        return Finding("broker", False, f"{shown}: {queues.cause(error)}")
    return replace(found, detail="\n".join([found.detail, *_unread(first)]))


def _unread(url: str) -> Iterator[str]:
    """Other lists there that may be meant for CJ."""
    import redis

    from storage import redis_server

    with suppress(redis.RedisError):  # `_redis` says so
        for name in redis_server.prefixed(url, seconds=LIMIT):
            yield f"CJ does not read the list {name!r} there: whoever means CJ must write without a key prefix"


def check_redis(settings: Settings, *, only_sends: bool = False) -> Finding:
    shown, same = settings.shown()["REDIS_URL"], settings.redis_url == settings.broker_url
    return _redis(settings.redis_url, "redis", shown, keeps_queues=same, only_sends=only_sends)


def _redis(url: str, name: str, shown: str, *, keeps_queues: bool, only_sends: bool) -> Finding:
    """Does the server answer, and can CJ use it? Of RabbitMQ it knows nothing."""
    import redis

    from events import queues
    from storage import redis_server

    try:
        wrong = redis_server.problems(url, seconds=LIMIT, keeps_queues=keeps_queues, only_sends=only_sends)
    except redis_server.UnfitServer as error:
        wrong = [str(error)]
    except redis.RedisError as error:
        return Finding(name, False, f"{shown}: {queues.cause(error)}")
    return Finding(name, not wrong, f"{shown} {'; '.join(wrong) or 'answers'}")


def check_backlog(settings: Settings) -> Finding:
    """Is the backlog being worked off?"""
    from workers.operations import status

    found = [problem for problem in status.problems(status.read_rows(settings)) if problem.alarming]
    said = "\n".join(f"{problem.sentence}\n  {problem.command}" for problem in found)
    return Finding("backlog", not found, said or "nothing waits for long")


def check_model(settings: Settings) -> Finding:
    from workers.model.client import Model
    from workflows.errors import InvalidWorkflows
    from workflows.loader import load_folder

    names = [name for name in (settings.model, *settings.model_fallbacks) if name]
    if not environment().get("CJ_MODEL") and Home().announced().get("CJ_MODEL"):
        return Finding("model", True, f"{', '.join(names)}: not checked; only the agents of `cj up` have its key")
    try:
        named = load_folder(settings.workflows_folder).models
    except InvalidWorkflows:  # a finding of `check_workflows`
        named = {}
    model = Model(names, secrets=settings.provider_secrets)
    problems = [*(found := model.problems(named)), *(told for told in model.missing_keys(named) if told not in found)]
    return Finding(
        "model", not problems, "\n".join(problems) or f"{', '.join([*names, *named])}: known; no request was made"
    )


def check_worker(settings: Settings, name: str) -> Finding:
    """Does the worker with this node name answer, and does it consume the queue of its kind?"""
    from workers.delivery.wake_ups import KINDS, sender

    queue = {kind: queue for queue, kind in KINDS.items()}.get(re.split("[-@]", name)[0])
    try:
        with sender(settings.broker_url) as app:
            answers = app.control.inspect(destination=[name], timeout=LIMIT, limit=1).active_queues()
    except Exception as error:  # noqa: BLE001 - each transport fails in its own way
        return Finding("worker", False, f"{name} cannot be reached: {type(error).__name__}")
    consumed = [found["name"] for found in (answers or {}).get(name) or []]
    if not answers:
        return Finding("worker", False, f"{name} does not answer")
    if not consumed or (queue is not None and queue not in consumed):
        return Finding("worker", False, f"{name} no longer consumes {queue or 'any queue'}")
    return Finding("worker", True, f"{name} consumes {', '.join(consumed)}")
