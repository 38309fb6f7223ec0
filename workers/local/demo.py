"""The demo: a merchant connects a store, and CJ says true things about it.

Everything is real, in its own folder under .cj/demo: Postgres, Valkey, the Procfile's processes, HTTP, GraphQL checked
against Shopify's schema, the shipped workflows. Only the store and the model are local stand-ins.
"""

import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import text

import events
from events.errors import EventError
from events.replies import Reply
from shopify.development_store import token_for
from shopify.development_store.faults import StoreFault
from shopify.development_store.tokens import DEFAULT_SCOPES
from storage.database import Database
from storage.errors import StorageError
from storage.vault import Vault
from workers.local import procfile
from workers.local.embedded_server import EmbeddedServerError
from workers.local.home import Home, temporary_home
from workers.local.servers import LocalServers
from workers.local.stack import ReplyCollector, keep_token
from workers.local.supervisor import Pace, Supervisor
from workers.logs import mask
from workers.operations import timeline
from workers.settings import VARIABLES, environment

if TYPE_CHECKING:
    from shopify.development_store import DevelopmentStore
    from workers.local.local_page import LocalPage

MERCHANT = "demo_merchant"
CONVERSATION = "demo_conversation"
#: Columns of the transcript.
WIDTH = 100
#: Seconds within which the processes must be ready, and CJ must have finished.
READY_LIMIT = 60.0
LIMIT = 90.0

OPEN_TURNS = text("""
    SELECT count(*) FROM turns WHERE conversation_id = :conversation AND status IN ('queued', 'running')
""")


class DemoFailed(Exception):
    """The flow did not complete; the message says what went wrong and names the log."""


class Demo:
    """One run. `say` prints ordinary lines, `say_step` headings."""

    def __init__(
        self,
        size: str,
        fault: str | None,
        *,
        say: Callable[[str], None],
        say_step: Callable[[str], None],
        stays: bool = False,
    ) -> None:
        """With `stays` everything keeps running until Ctrl-C, with the page to try it. Raises UnknownFault before
        anything is started."""
        self._stays = stays
        self._shop = f"dev-{size}.myshopify.com"
        self._fault = StoreFault(kind=fault, shop_domain=self._shop).kind if fault else None
        self._say, self._say_step = say, say_step
        self._published_at = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        """Start everything, show the flow, stop everything. Raises DemoFailed."""
        began = time.monotonic()
        with temporary_home("demo") as home:
            self._log = home.folder / "processes.log"
            try:
                self._run(home)
            except (DemoFailed, EventError, StorageError, EmbeddedServerError) as error:
                raise DemoFailed(f"{error}\nThe processes' log: {self._log}") from None
        self._say_step(f"\nDone in {time.monotonic() - began:.1f} s; everything is stopped again.")

    def _run(self, home: Home) -> None:
        self._say_step("A merchant connects a Shopify store, and CJ tells them something true about it.")
        inherited = {name: value for name, value in environment().items() if name not in VARIABLES}
        with self._log.open("a", buffering=1) as log, ExitStack() as stack:

            def show(name: str, line: str) -> None:
                log.write(f"{name} | {mask(line)}\n")

            supervisor = Supervisor(
                procfile.processes(procfile.read()),
                folder=procfile.PROCFILE.parent,
                show=show,
                say=lambda sentence: show("supervisor", sentence),
                pace=Pace(grace=1.0),  # their remaining work does not matter
            )
            supervisor.preload(inherited)
            servers = stack.enter_context(LocalServers(home, inherited, self._say_indented))
            stack.enter_context(self._processes(supervisor, servers))
            database = stack.enter_context(Database(servers.environ["DATABASE_URL"], application_name="cj-demo"))
            assert servers.store is not None
            self._introduce(servers.store)
            vault = Vault.from_text(servers.environ["CJ_TOKEN_KEYS"])
            keep_token(database, vault, MERCHANT, self._shop, token_for(self._shop), scopes=DEFAULT_SCOPES)
            self._play(servers.environ["BROKER_URL"], database, supervisor)
            if self._stays:
                self._stay(stack.enter_context(servers.page()))

    def _stay(self, page: "LocalPage | None") -> None:
        assert page is not None
        self._say_step(f"\nTry it yourself, in a browser on this machine: {page.url}\nCtrl-C ends it.")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()

    @contextmanager
    def _processes(self, supervisor: Supervisor, servers: LocalServers) -> Iterator[None]:
        began = time.monotonic()
        self._say_indented(f"starting {', '.join(supervisor.not_ready())} …")
        supervisor.start(servers.environ, servers.own)
        try:
            if not supervisor.wait_ready(READY_LIMIT):
                raise DemoFailed(self._why_not_ready(supervisor))
            self._say_indented(f"all processes ready, {time.monotonic() - began:.1f} s")
            yield
        finally:
            supervisor.stop()

    def _why_not_ready(self, supervisor: Supervisor) -> str:
        if supervisor.refused:
            lines = [line for line in self._log.read_text().splitlines() if line.startswith(f"{supervisor.refused} |")]
            return "\n".join([f"{supervisor.refused} refused to start:", *lines[-5:]])
        return f"not ready within {READY_LIMIT:g} s: {', '.join(supervisor.not_ready())}"

    def _introduce(self, store: "DevelopmentStore") -> None:
        truth = store.truth(self._shop)
        size = f"{truth['customers']} customers and {truth['orders']} orders"
        self._say_step(
            f"\n{self._shop} has {size}. It is played by the development"
            "\nstore on this machine; the offline demo model writes the text. Everything else is real.\n"
        )
        if self._fault:
            store.fault(shop_domain=self._shop, kind=self._fault)
            self._say_step(f"Fault injected at the store: {self._fault}.\n")

    def _play(self, broker_url: str, database: Database, supervisor: Supervisor) -> None:
        gateway = ReplyCollector(broker_url, self._show)
        gateway.start()
        try:
            self._publish(broker_url)
            self._wait(database, supervisor)
        finally:
            gateway.stop()
        _check_outcome(gateway.shown)
        with database.transaction() as session:
            story = timeline.read(session, CONVERSATION)
        self._say_step("\nWhat happened when:")
        for line in story.lines() if story else ():
            self._say_indented(line)

    def _publish(self, broker_url: str) -> None:
        data = {"provider": "shopify", "success": True, "shop_domain": self._shop, "merchant_id": MERCHANT}
        with events.Publisher(broker_url) as publisher:
            self._published_at = time.monotonic()
            publisher.publish("oauth_complete", {**data, "conversation_id": CONVERSATION})
        self._say(f"   0.00 s  auth service: oauth_complete for {self._shop}")

    def _show(self, reply: Reply) -> None:
        """The gateway's part: show each reply as it arrives."""
        after = f"{time.monotonic() - self._published_at:7.2f} s  "
        if reply.text is not None:
            self._say(after + _wrapped(reply.text.strip(), len(after)))
        for event in reply.data:
            if event.get("name") == "workflow_transition":
                self._say(f"{after}(the conversation moves on to {event['value'].get('to')})")
        if reply.final:
            self._ended.set()

    def _wait(self, database: Database, supervisor: Supervisor) -> None:
        """Wait for the last turn to end. Its last reply may precede the next turn's row, so check the rows too."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and not supervisor.is_stopping:
            if self._ended.wait(0.2) and self._nothing_open(database):
                return
        raise DemoFailed(self._why_not_ready(supervisor) if supervisor.is_stopping else f"unfinished after {LIMIT:g} s")

    def _nothing_open(self, database: Database) -> bool:
        self._ended.clear()
        with database.transaction() as session:
            return int(session.execute(OPEN_TURNS, {"conversation": CONVERSATION}).scalar_one()) == 0

    def _say_indented(self, line: str) -> None:
        self._say(f"  {line}")


def _check_outcome(replies: Sequence[Reply]) -> None:
    errors = [reply.error for reply in replies if reply.error is not None]
    if errors:
        raise DemoFailed(f"CJ gave up: {errors[0]}")
    if not any(reply.text for reply in replies):
        raise DemoFailed("CJ said nothing")


def _wrapped(words: str, indent: int) -> str:
    """Wrap `words` to lines that fit after `indent` columns."""
    lines = [line for part in words.splitlines() for line in textwrap.wrap(part, WIDTH - indent) or [""]]
    return ("\n" + " " * indent).join(lines)
