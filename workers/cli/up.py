"""`cj up` and `cj demo`: run every process of the Procfile, with embedded servers where the environment names none; `cj
gateway`: run only a door."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Self

import click

from workers.cli.common import CommandFailed, WrongUse, examples, settings_for
from workers.local import procfile
from workers.local.home import Home
from workers.masks import mask
from workers.settings import SERVERS, Settings, environment, needed_by

if TYPE_CHECKING:
    from workers.local.servers import LocalServers
    from workers.local.supervisor import Supervisor

#: Two, so that nobody waits while a killed one is replaced.
AGENTS = min(os.cpu_count() or 1, 2)
#: Seconds until late processes are reported; `cj up` keeps running.
READY_LIMIT = 60.0
#: What a process logs when it has reloaded the workflows (`workers.bootstrap`, too heavy to import here).
TAKEN_UP = '"workflows taken up"'
#: The kinds of process that read workflows.
READ_WORKFLOWS = ("workflow", "agent")
#: Milliseconds without a change after which an edit is complete: editors write in several steps.
SETTLED = 200


@click.command(
    short_help="Run every process, until Ctrl-C.",
    epilog=examples(
        "cj up                                  servers, workers and a store, all on this machine",
        "cj up --agents 3                       three agent processes",
        "cj up --only intake --only workflow    only some kinds",
        "cj up --reload                         reload edited workflows, report their errors",
        "DATABASE_URL=… BROKER_URL=… REDIS_URL=… CJ_TOKEN_KEYS=… cj up      with real servers",
    ),
)
@click.option("--only", "kinds", multiple=True, metavar="KIND", help="Run only this kind; repeatable.")
@click.option(
    "--agents",
    type=click.IntRange(1, 64),
    default=AGENTS,
    metavar="N",
    help="Number of agent processes; by default two, or one on a machine with one core.",
)
@click.option("--reload", "reloads", is_flag=True, help="Reload workflow YAML whenever it changes; for development.")
@click.option("--raw", is_flag=True, help="Show the processes' JSON log lines unformatted.")
def up(kinds: tuple[str, ...], agents: int, reloads: bool, raw: bool) -> None:
    """Run the processes of the Procfile, restarting any that die, until Ctrl-C.

    Starts Postgres and Valkey under .cj/ where DATABASE_URL, BROKER_URL or REDIS_URL is not set, and a development
    store if none of them is. Ctrl-C lets running work finish; a second Ctrl-C kills it.
    """
    wanted = procfile.processes(procfile.read(), only=kinds, counts={"agent": agents})
    check_workflows()
    from workers.local.servers import LocalServers
    from workers.local.supervisor import Supervisor

    home = Home()
    width = max(len(process.name) for process in wanted)

    reloader: Reloader | None = None

    def show(name: str, line: str) -> None:
        if reloader is not None:
            reloader.heard(name, line)
        if line:
            click.echo(f"{name:{width}} | {mask(line) if raw else readable(line)}")

    supervisor = Supervisor(wanted, folder=procfile.PROCFILE.parent, show=show, say=say)
    with home.owned():
        supervisor.preload(environment())
        with LocalServers(home, environment(), say, known_ports=True) as servers:
            kinds_run = {process.name.partition(".")[0] for process in wanted}
            settings = Settings.read(servers.environ, needed=needed_by(kinds_run))
            home.announce(servers.environ)
            if reloads:
                names = [process.name for process in wanted if process.kind in READ_WORKFLOWS]
                reload = partial(supervisor.tell, names, signal.SIGUSR2)
                reloader = Reloader(settings.workflows_folder, reload, say, names)
            # The page needs a door.
            serving = servers.page() if "gateway" in kinds_run else nullcontext()
            with stopped_by_signals(supervisor), reloader or nullcontext(), serving as page:
                run(supervisor, servers, with_folder(servers.environ, settings), page.url if page else None)
    if supervisor.refused:
        raise WrongUse(f"{supervisor.refused} refused to start")


def with_folder(environ: Mapping[str, str], settings: Settings) -> Mapping[str, str]:
    """`environ` with CJ_WORKFLOWS made absolute: the processes run in another folder."""
    folder = settings.workflows_folder
    return environ if folder is None else {**environ, "CJ_WORKFLOWS": str(folder.absolute())}


def check_workflows() -> None:
    """Check the workflows before any server is started. Raises WrongUse."""
    from workflows.errors import InvalidWorkflows
    from workflows.loader import load_folder

    try:
        load_folder(settings_for().workflows_folder)
    except InvalidWorkflows as error:
        raise WrongUse(f"the workflows are invalid:\n{error}") from None


def run(supervisor: "Supervisor", servers: "LocalServers", environ: Mapping[str, str], page: str | None) -> None:
    """Start everything, print the environment for other terminals, and wait until all has stopped."""
    began = time.monotonic()
    say(f"starting {', '.join(supervisor.not_ready())} …")
    supervisor.start(environ, servers.own)
    if supervisor.wait_ready(READY_LIMIT):
        say(f"all processes ready, {time.monotonic() - began:.1f} s")
        say_where(servers)
        if page is not None:
            say(f"Or connect a store, chat and watch in a browser on this machine: {page}")
    elif not supervisor.is_stopping:
        say(f"not ready after {READY_LIMIT:g} s: {', '.join(supervisor.not_ready())}; see the output above")
    supervisor.wait()


def say_where(servers: "LocalServers") -> None:
    """Print the environment for programs in other terminals; `cj` itself does not need it."""
    for name in (*SERVERS, "SHOPIFY_ADMIN_URL"):
        if value := servers.environ.get(name):
            say(f"  {name}={mask(value)}")
    if servers.store:
        from shopify.development_store import token_for

        shop = "dev-medium.myshopify.com"
        say(f"The development store at {servers.store.url} plays Shopify. Try in another terminal:")
        cj = "cj" if shutil.which("cj") else _started_as(sys.argv[0])
        say(f"  echo {token_for(shop)} | {cj} store-token {shop} --merchant-id m1")
        say(f"  {cj} publish oauth_complete provider=shopify success=true shop_domain={shop} merchant_id=m1")
        say(f"  {cj} chat m1")
    elif "SHOPIFY_ADMIN_URL" not in servers.environ:
        say("Using the real Shopify: no development store is started next to your own servers. To use one, first run:")
        say("  python -m shopify.development_store      prints the SHOPIFY_ADMIN_URL to set and how to get a token")


def _started_as(program: str) -> str:
    """What to type instead of `cj`. Under `python -m` argv[0] is the module's file."""
    here = os.path.relpath(sys.executable), os.path.relpath(program)
    is_module = program.endswith(".py") or program == "-c"
    return f"{here[0]} -m workers" if is_module else here[1]


class Reloader:
    """A context manager that watches the workflow folder on a thread and makes processes reload edited workflows in
    place. Running turns end with the text they started with. While the workflows are invalid, every error is reported
    and processes keep the last valid ones."""

    def __init__(
        self, folder: Path | None, tell: Callable[[], None], say: Callable[[str], None], names: Sequence[str] = ()
    ) -> None:
        """Calls `tell()` when the workflows have changed and are valid, and `say(sentence)` to report to the user:
        errors, and when all processes in `names` have reloaded (`heard`). Without a folder: the shipped workflows."""
        from workflows import loader

        self._folder = folder or loader.SHIPPED
        self._tell, self._say, self._names = tell, say, names
        self._waits_for: set[str] = set()
        self._began = 0.0
        self._ended = threading.Event()
        self._in_use = loader.load_folder(self._folder).fingerprint
        self._thread = threading.Thread(target=self._watch, name="reload", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def heard(self, name: str, line: str) -> None:
        """Call this with each line that a process logs."""
        if name in self._waits_for and TAKEN_UP in line:
            self._waits_for.discard(name)
            if not self._waits_for:
                seconds = time.monotonic() - self._began
                self._say(f"workflows reloaded by {', '.join(self._names)}, {seconds:.1f} s after the change")

    def read(self) -> None:
        """Load the workflows if they have changed and are valid."""
        from workflows import loader, problems
        from workflows.errors import InvalidWorkflows

        try:
            found = loader.load_folder(self._folder)
        except InvalidWorkflows as error:
            self._say(f"{problems.human(error.problems)}\nnot reloaded; the workflows stay as they were")
            return
        if found.fingerprint == self._in_use:
            return
        self._in_use = found.fingerprint
        self._waits_for, self._began = set(self._names), time.monotonic() - SETTLED / 1000
        self._say("workflows changed")
        self._tell()

    def _watch(self) -> None:
        from watchfiles import watch

        for _ in watch(
            self._folder,
            watch_filter=lambda _change, path: path.endswith((".yaml", ".yml")),
            step=SETTLED,
            stop_event=self._ended,
            recursive=False,
            raise_interrupt=False,
        ):
            self.read()


@contextmanager
def stopped_by_signals(supervisor: "Supervisor") -> Iterator[None]:
    """The first Ctrl-C or SIGTERM stops the children gracefully, the second kills them."""

    def stop(number: int, _frame: FrameType | None) -> None:
        supervisor.ask_to_stop()

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` sets it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def say(sentence: str) -> None:
    click.echo(click.style(sentence, bold=True) if sys.stdout.isatty() else sentence)


def readable(line: str) -> str:
    """A JSON log line in readable form; any other line unchanged."""
    try:
        entry = json.loads(line)
    except ValueError:
        return mask(line)
    if not isinstance(entry, dict) or "event" not in entry:
        return mask(line)
    clock = str(entry.pop("time", ""))[11:23]
    level, event = entry.pop("level", ""), " ".join(str(entry.pop("event")).split())
    tail = str(entry.pop("exception", ""))
    hidden = ("kind", "logger")
    details = " ".join(f"{key}={value}" for key, value in entry.items() if key not in hidden)
    return mask(f"{clock} {level:7} {event}{'  ' if details else ''}{details}{chr(10) if tail else ''}{tail}")


STORES = ("new", "tiny", "medium", "large", "huge")


@click.command(
    short_help="See the whole flow; nothing to configure.",
    epilog=examples("cj demo", "cj demo --store new", "cj demo --fault unauthorized"),
)
@click.option("--store", type=click.Choice(STORES), default="medium", show_default=True, help="Size of the store.")
@click.option("--fault", metavar="NAME", help="Fault to inject at the store, e.g. unauthorized, throttled, frozen.")
def demo(store: str, fault: str | None) -> None:
    """Connect a store and watch CJ say true things about it.

    Starts everything it needs and stops it afterwards. Only the store and the model are local stand-ins.
    """
    from workers.local.demo import Demo

    try:
        Demo(store, fault, say=click.echo, say_step=say, stays=sys.stdin.isatty() and sys.stdout.isatty()).run()
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; everything was stopped") from None


@click.command(
    short_help="Run a door: CJ over HTTP.",
    epilog=examples("cj gateway", "cj gateway --auth      the auth service's door, which stores shops' tokens"),
)
@click.option("--auth", is_flag=True, help="Run the auth service's door.")
def gateway(auth: bool) -> None:
    """Serve chat frontends and services over HTTP at CJ_GATEWAY_LISTEN, until Ctrl-C.

    Any number of doors may run. workers/gateway/README.md describes the API.
    """
    Settings.read(needed=needed_by(["auth" if auth else "gateway"]))  # before the door is imported, which takes seconds
    from workers.gateway.__main__ import main

    main(auth=auth)
