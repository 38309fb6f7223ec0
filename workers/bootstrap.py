"""Builds a process's resources, once, and keeps them for its tasks.

`start` reads the settings, checks what the process needs and builds what its tasks use; if anything fails, the process
prints the reason and exits with 2. An unreachable database is not an error: the worker waits, and starts once Postgres
is back.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import NoReturn, TypeVar

import httpx
import redis
from celery import Celery
from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from events import queues
from events.errors import WrongQueue
from shopify import oauth
from shopify.client import ShopifyClient
from shopify.oauth import App, TokenPair
from shopify.rate_limit import Throttle
from shopify.transport import http_client
from storage import backlog, merchants, redis_server, roles
from storage.backlog import Backlog
from storage.cache import Cache
from storage.cost_bucket import CostBucket
from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from storage.merchants import AccessToken
from storage.redis_server import RedisServer
from storage.vault import Vault
from workers import logs, metrics, tracing
from workers.agent import leases
from workers.agent.cost_limits import CostLimits
from workers.agent.leases import LeaseKeeper
from workers.agent.runner import TurnRunner
from workers.agent.tools import Tools
from workers.agent.transactions import TurnTransactions
from workers.delivery.reply_publisher import ReplyPublisher
from workers.delivery.sweeper import Duties, Sweeper
from workers.delivery.wake_ups import WakeUps, broker_breaker, on_broker
from workers.model.client import Model
from workers.operations import migrations, token_keys
from workers.settings import SENDING_KIND, TOKEN_KINDS, Settings, SettingsError, needed_by, proxy_of, spare_secrets
from workers.shop.fetch import ShopifyFetcher
from workers.shop.reader import ShopReader
from workers.shop.tokens import Refresh, TokenKeeper
from workers.workflow.promises import PromiseKeeper
from workflows.errors import InvalidWorkflows
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

log = logs.get(__name__)

T = TypeVar("T")

REFUSED = 2
"""Exit code of a process that must not start."""
LONGEST_PAUSE_SECONDS = 5.0
RELOAD = signal.SIGUSR2
"""The signal that makes a process reload its workflows."""
TAKEN_UP = "workflows taken up"
"""The log message after a reload."""
SWITCH_SECONDS = 0.001
"""The interpreter's switch interval. Threads mostly wait for Postgres; with Python's default of 5 ms each of a
transaction's dozen responses could wait that long for a thread that prepares a large prompt."""
BEAT_SECONDS = 2.0
"""How often a consuming process touches `CJ_HEARTBEAT_PATH`."""
POOL_SIZE = 10
"""Minimum of Postgres connections per process: for its threads, the sweeper and the leases."""
READ_ALL_ROWS = {"intake", "workflow"}
"""The kinds whose role may read the rows that the gauges count."""
USED_BY: Mapping[str, tuple[str, ...]] = {
    "intake": ("wake_ups", "sweeper"),
    "workflow": ("wake_ups", "sweeper", "cache", "promise_keeper"),
    "agent": ("turn_runner",),
    "shopify": ("shopify_fetcher", "shopify_http"),
    "gateway": ("wake_ups",),
    "auth": ("wake_ups",),
}
"""The resources of each kind: built at startup, so that a failure ends the process instead of every task."""


class Resources:
    """A process's resources, built on first use, so that it opens only what its kind needs."""

    def __init__(self, settings: Settings, app: Celery, *, kind: str, threads: int = 0) -> None:
        self.settings = settings
        # Celery configures itself on first use, which is not thread-safe: a concurrent thread finds no broker, and
        # keeps a connection pool to the default broker for as long as the process lives.
        _ = app.conf.broker_url
        self._pool_size = max(POOL_SIZE, threads + 2)
        self.app = app
        self.kind = kind
        self.owner = leases.owner(kind)
        self.draining = threading.Event()
        self._next_beat = 0.0
        self.breaker = broker_breaker(settings.recovery_factor)

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url, pool_size=self._pool_size, application_name=f"cj-{self.kind}")

    @cached_property
    def redis_server(self) -> RedisServer:
        return RedisServer(self.settings.redis_url)

    @cached_property
    def cache(self) -> Cache:
        return Cache(self.redis_server)

    @cached_property
    def cost_bucket(self) -> CostBucket:
        return CostBucket(self.redis_server)

    @cached_property
    def workflows(self) -> WorkflowSet:
        return load_folder(self.settings.workflows_folder)

    @cached_property
    def vault(self) -> Vault:
        return Vault.from_text(self.settings.token_keys or "")

    @cached_property
    def wake_ups(self) -> WakeUps:
        return WakeUps(self.app, self.breaker)

    @cached_property
    def reply_publisher(self) -> ReplyPublisher:
        return ReplyPublisher(self.app, self.database, self.breaker)

    @cached_property
    def leases(self) -> LeaseKeeper:
        return LeaseKeeper(self.database, self.settings.lease_seconds)

    @cached_property
    def model(self) -> Model:
        names = [name for name in (self.settings.model, *self.settings.model_fallbacks) if name]
        return Model(names, secrets=self.settings.provider_secrets)

    @cached_property
    def turn_runner(self) -> TurnRunner:
        transactions = TurnTransactions(
            self.database,
            self.workflows,
            lease_seconds=self.settings.lease_seconds,
            owner=self.owner,
            reply_characters=self.settings.reply_characters,
            per_merchant=self.settings.turns_at_a_time,
        )
        return TurnRunner(
            transactions=transactions,
            model=self.model,
            tools=self.tools,
            reply_publisher=self.reply_publisher,
            wake_ups=self.wake_ups,
            leases=self.leases,
            draining=self.draining,
            cost_limits=CostLimits.of(self.settings),
        )

    @cached_property
    def tools(self) -> Tools:
        return Tools(self.cache, self.database, self.wake_ups, recovery_factor=self.settings.recovery_factor)

    @cached_property
    def promise_keeper(self) -> PromiseKeeper:
        return PromiseKeeper(self.database, self.tools, self.wake_ups)

    @cached_property
    def shopify_http(self) -> httpx.Client:
        """This process's keep-alive connections to all shops."""
        return http_client(proxy_of(self.settings.shopify_admin_url.replace("{shop}", "a.myshopify.com")))

    @cached_property
    def shopify_fetcher(self) -> ShopifyFetcher:
        factor = self.settings.recovery_factor
        return ShopifyFetcher(self.database, self.token_keeper, self.cache, self.shop_reader, recovery_factor=factor)

    @cached_property
    def shop_reader(self) -> ShopReader:
        return ShopReader(self.database, self._client_for)

    @cached_property
    def token_keeper(self) -> TokenKeeper:
        return TokenKeeper(self.database, self.vault, self._refresh())

    def _refresh(self) -> Refresh | None:
        """The function that renews tokens; None without the app's credentials."""
        settings = self.settings
        if settings.shopify_client_id is None or settings.shopify_client_secret is None:
            return None
        app = App(settings.shopify_client_id, settings.shopify_client_secret)

        def refresh(shop_domain: str, token: SecretStr, deadline: float) -> TokenPair:
            admin_url = settings.shopify_admin_url
            return oauth.refresh(
                shop_domain, token, app, http=self.shopify_http, admin_url=admin_url, deadline=deadline
            )

        return refresh

    @cached_property
    def sweeper(self) -> Sweeper:
        duties = Duties(
            recovery_factor=self.settings.recovery_factor,
            per_merchant=self.settings.turns_at_a_time,
            events_per_merchant=self.settings.events_at_a_time,
        )
        return Sweeper(self.database, self.wake_ups, self.reply_publisher, duties)

    def _client_for(self, token: AccessToken) -> ShopifyClient:
        return ShopifyClient(
            token.integration.shop_domain,
            token.secret,
            admin_url=self.settings.shopify_admin_url,
            api_version=self.settings.shopify_api_version,
            http=self.shopify_http,
            budget=_Measured(self.cost_bucket),
        )

    def backlog(self) -> Backlog | None:
        """What waits in Postgres; None while it does not answer."""
        try:
            with self.database.reading() as session:
                return backlog.read(session)
        except StorageError:
            return None

    def queue_lengths(self) -> Mapping[str, int] | None:
        """Messages on each queue; None while the broker does not answer."""
        return on_broker(self.app, self.breaker, queues.ALL)

    def take_up_workflows(self) -> None:
        """Reload the workflows, for turns that start from now on. Invalid workflows change nothing."""
        try:
            found = load_folder(self.settings.workflows_folder)
        except InvalidWorkflows as error:
            log.warning("workflows not taken up: they are invalid", problems=len(error.problems))
            return
        if self.kind == "agent" and (problems := self.model.problems(found.models)):
            log.warning("workflows not taken up: a model cannot be asked", reason="; ".join(problems))
            return
        self.workflows.take_up(found)
        log.info(TAKEN_UP, workflows=", ".join(found.names))

    def beat(self) -> None:
        """Touch the heartbeat file: this process still consumes, or waits for its broker."""
        if self.settings.heartbeat_path is not None and time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT_SECONDS
            with suppress(OSError):  # on a full or read-only disk the health check fails, as it should
                self.settings.heartbeat_path.touch()

    def close(self) -> None:
        """Close everything that was opened."""
        tracing.stop()
        built = self.__dict__
        if "sweeper" in built:
            self.sweeper.stop()
        if "reply_publisher" in built:
            self.reply_publisher.note()
        if "leases" in built:
            self.leases.stop()
        if "shopify_http" in built:
            self.shopify_http.close()
        if "redis_server" in built:
            self.redis_server.close()
        if "database" in built:
            self.database.dispose()


_current: Resources | None = None


def use(resources: Resources) -> None:
    """Set the resources that this process's tasks use."""
    global _current
    _current = resources


def current() -> Resources:
    """The process's resources; RuntimeError before they are built."""
    if _current is None:
        raise RuntimeError("no resources: this process was not started as a worker")
    return _current


class CannotStart(Exception):
    """The process must not start; the message says what is wrong and what to do."""


def start(app: Celery, kinds: Sequence[str], *, threads: int = 0) -> Resources:
    """Build, check and install the resources of a process of these kinds with this many worker threads.

    Exits with 2 if the process could not do its work.
    """
    kind = "-".join(kinds)
    sys.setswitchinterval(SWITCH_SECONDS)
    with refusing():
        settings = Settings.read(needed=needed_by(kinds))
        logs.configure(kind, level=settings.log_level)
        for warning in settings.warnings:
            log.warning(warning)
        built = Resources(settings, app, kind=kind, threads=threads)
        _check(built, kinds)
        for name in {name for kind in kinds for name in USED_BY.get(kind, ())}:
            getattr(built, name)
        use(built)
        _trace(built)
        if {"workflow", "agent"} & set(kinds) and threading.current_thread() is threading.main_thread():
            signal.signal(RELOAD, lambda *_: threading.Thread(target=built.take_up_workflows, name="reload").start())
        if settings.metrics_port is None:
            metrics.off()
        else:
            _measure(built, kinds)
            metrics.serve(settings.metrics_port, kinds[0], address=settings.metrics_address)
    return built


def _trace(built: Resources) -> None:
    settings = built.settings
    try:
        tracing.start(
            settings.otlp_endpoint,
            built.kind,
            owner=built.owner,
            version=logs.VERSION,
            broker_url=settings.broker_url,
        )
    except ImportError as error:
        why = f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed"
        raise CannotStart(f"{why}; pip install 'cj-workers[tracing]', or unset it") from error


def _measure(built: Resources, kinds: Sequence[str]) -> None:
    away = {"broker": lambda: built.breaker.is_open, "cache": lambda: built.redis_server.is_away}
    metrics.of_process(built.kind, logs.VERSION, away=away, in_use=lambda: built.database.in_use)
    if READ_ALL_ROWS & set(kinds):
        metrics.collect(metrics.RowsCollector(built.backlog, built.queue_lengths))


class _Measured:
    """The shops' buckets, with metrics of their level and a span for each request between `reserve` and `settle`."""

    def __init__(self, bucket: CostBucket) -> None:
        self._bucket = bucket
        self._requests: dict[str, tracing.Span] = {}

    def reserve(self, shop_domain: str, reservation: str, points: float, *, longest_wait: float) -> float:
        wait = self._bucket.reserve(shop_domain, reservation, points, longest_wait=longest_wait)
        metrics.bucket(waited=wait)
        if wait <= longest_wait:
            self._requests[reservation] = tracing.shopify_request(wait)
        return wait

    def settle(
        self, shop_domain: str, reservation: str, points: float, charged: float | None, reading: Throttle | None
    ) -> None:
        if (request := self._requests.pop(reservation, None)) is not None:
            request.end("no_answer" if charged is None else None)
        self._bucket.settle(shop_domain, reservation, points, charged, reading)
        if reading is not None:
            metrics.bucket(points_left=reading.available)


@contextmanager
def refusing() -> Iterator[None]:
    """Any error inside ends the process with 2 and a sentence. Celery would swallow errors of its signal handlers and
    run a worker that fails every task."""
    try:
        yield
    except (SettingsError, CannotStart) as error:
        refuse(str(error))
    except Exception as error:
        log.critical("cannot start", exc_info=True)
        refuse(f"{type(error).__name__}: {logs.mask(str(error))}")


def refuse(problem: str) -> NoReturn:
    """Print why this process cannot start, and exit."""
    sys.stderr.write(f"cj: cannot start: {problem}\n")
    sys.stderr.flush()
    raise SystemExit(REFUSED)


def _check(built: Resources, kinds: Sequence[str]) -> None:
    """Check workflows, keys, model names, the database schema and the queues. Raises CannotStart."""
    try:
        built.workflows  # noqa: B018 - loading is the check
    except InvalidWorkflows as error:
        raise CannotStart(str(error)) from error
    if "agent" in kinds:
        _check_models(built)
    problem = _once_postgres_answers(lambda: migrations.problem(built.settings.database_url), built.beat)
    if problem is not None:
        raise CannotStart(problem)
    if set(TOKEN_KINDS) & set(kinds):
        _once_postgres_answers(lambda: _check_stored_keys(built), built.beat)
    only_sends = SENDING_KIND in kinds
    _check_queues(built.settings, only_sends=only_sends)
    _check_rights(built, kinds)
    _check_servers(built, only_sends=only_sends)


def _check_servers(built: Resources, *, only_sends: bool) -> None:
    """Log what is wrong with the broker and the cache, unless they are just down. Raises CannotStart where they can
    never do."""
    urls = {built.settings.redis_url: False, built.settings.broker_url.split(";")[0]: True}
    for url, keeps_queues in urls.items():
        try:
            found = redis_server.problems(url, seconds=2.0, keeps_queues=keeps_queues, only_sends=only_sends)
            for sentence in found:
                log.error("a server is of the wrong kind", server=queues.safe_url(url), reason=f"it {sentence}")
        except redis_server.UnfitServer as error:
            raise CannotStart(f"{queues.safe_url(url)} {error}") from error
        except redis.RedisError:
            pass


def _check_models(built: Resources) -> None:
    named = built.workflows.models
    if problems := built.model.problems(named):
        raise CannotStart("; ".join(problems))
    for sentence in built.model.missing_keys(named):
        log.warning("a model cannot be asked: its key is missing", reason=sentence)


def _check_rights(built: Resources, kinds: Sequence[str]) -> None:
    """Log rights that this process should not have, and those it lacks; it does what it can nevertheless."""
    sentences = spare_secrets(built.settings, kinds)
    with (
        suppress(StorageUnavailable),
        built.database.transaction() as session,
    ):  # Postgres is down again: the next start logs it
        sentences += roles.excess(roles.standing(session), kinds)
        if lacking := roles.lacking(session, kinds):
            log.error("this process lacks rights that it needs", reason=lacking)
    for sentence in sentences:
        log.warning("this process has more rights than it needs", reason=sentence)


def _check_queues(settings: Settings, *, only_sends: bool) -> None:
    try:
        queues.check(settings.broker_url, only_sends=only_sends)
    except WrongQueue as error:
        raise CannotStart(error.message) from error
    except Exception as error:  # noqa: BLE001 - the worker waits for a broker that is down, as it does later
        log.warning("the queues could not be checked", reason=queues.cause(error))


def _check_stored_keys(built: Resources) -> None:
    with built.database.transaction() as session:
        trials = merchants.try_keys(session, built.vault)
    if problems := list(token_keys.problems(trials, built.vault)):
        raise CannotStart("; ".join(problems))
    for sentence in token_keys.warnings(trials, built.vault):
        log.error("some stored tokens do not open", reason=sentence)


def _once_postgres_answers(question: Callable[[], T], beat: Callable[[], None]) -> T:
    """The result of `question`, as soon as the database answers; calls `beat` meanwhile."""

    def log_once(state: RetryCallState) -> None:
        beat()
        if state.attempt_number == 1 and state.outcome is not None:
            log.warning("waiting for Postgres", reason=str(state.outcome.exception()))

    until_it_answers = Retrying(
        retry=retry_if_exception_type(StorageUnavailable),
        wait=wait_exponential(multiplier=0.2, max=LONGEST_PAUSE_SECONDS),
        before_sleep=log_once,
    )
    return until_it_answers(question)
