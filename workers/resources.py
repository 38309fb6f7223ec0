"""The one place that builds what a process works with, once, and keeps it for the process's tasks."""

import os
import socket
import sys
import threading
import uuid
from functools import cached_property

import httpx
from celery import Celery

from shopify.client import ShopifyClient
from shopify.connection import http_client
from storage.cache import Cache
from storage.cost_bucket import CostBucket
from storage.database import Database
from storage.merchants import AccessToken
from storage.redis_server import RedisServer
from storage.vault import Vault
from workers import logs, migrations
from workers.hints import Breaker, Hints
from workers.leases import LeaseKeeper
from workers.ledger import Ledger
from workers.model import Model
from workers.outlet import Outlet
from workers.settings import Settings
from workers.shopify_fetch import ShopifyFetcher
from workers.sweeper import Sweeper
from workers.tools import Tools
from workers.turn_runner import TurnRunner
from workflows.errors import InvalidWorkflows
from workflows.loader import WorkflowSet, load_folder

log = logs.get(__name__)

POOL_SIZE = 10
"""Connections to Postgres per process: its threads, the sweeper, the leases."""


class CannotStart(Exception):
    """The process must not start; the text says what is wrong and what to do."""


class Resources:
    """Everything is built on first use, so a process opens only what its kind needs."""

    def __init__(self, settings: Settings, app: Celery, *, kind: str) -> None:
        self.settings = settings
        self.app = app
        self.kind = kind
        self.owner = f"{kind}@{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.draining = threading.Event()
        self.breaker = Breaker()

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url, pool_size=POOL_SIZE, application_name=f"cj-{self.kind}")

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
    def hints(self) -> Hints:
        return Hints(self.app, self.breaker)

    @cached_property
    def outlet(self) -> Outlet:
        return Outlet(self.app, self.database, self.breaker)

    @cached_property
    def leases(self) -> LeaseKeeper:
        return LeaseKeeper(self.database, self.settings.lease_seconds)

    @cached_property
    def model(self) -> Model:
        names = [self.settings.model, *self.settings.model_fallbacks] if self.settings.model else []
        return Model([name for name in names if name])

    @cached_property
    def turn_runner(self) -> TurnRunner:
        ledger = Ledger(self.database, self.workflows, lease_seconds=self.settings.lease_seconds, owner=self.owner)
        return TurnRunner(
            ledger=ledger,
            model=self.model,
            tools=Tools(self.database, self.cache, self.hints),
            outlet=self.outlet,
            hints=self.hints,
            leases=self.leases,
            draining=self.draining,
        )

    @cached_property
    def shopify_http(self) -> httpx.Client:
        """One pool of kept-alive connections to all shops of this process."""
        return http_client()

    @cached_property
    def shopify_fetcher(self) -> ShopifyFetcher:
        return ShopifyFetcher(self.database, self.vault, self.cache, self._client_for)

    @cached_property
    def sweeper(self) -> Sweeper:
        return Sweeper(self.database, self.hints, self.outlet)

    def _client_for(self, token: AccessToken) -> ShopifyClient:
        return ShopifyClient(
            token.integration.shop_domain,
            token.secret,
            admin_url=self.settings.shopify_admin_url,
            api_version=self.settings.shopify_api_version,
            http=self.shopify_http,
            budget=self.cost_bucket,
        )

    def check(self) -> None:
        """Raise CannotStart unless this process could do its work: schema at head, workflows valid, keys usable."""
        problem = migrations.problem(self.settings.database_url)
        if problem is not None:
            raise CannotStart(problem)
        try:
            self.workflows  # noqa: B018 - loading is the check
        except InvalidWorkflows as error:
            raise CannotStart(str(error)) from error
        if self.kind == "shopify":
            self._check_vault()

    def _check_vault(self) -> None:
        try:
            self.vault  # noqa: B018 - building is the check
        except Exception as error:
            raise CannotStart(f"CJ_TOKEN_KEYS {error}") from error

    def close(self) -> None:
        """Give everything back that was opened."""
        built = self.__dict__
        if "sweeper" in built:
            self.sweeper.stop()
        if "outlet" in built:
            self.outlet.note()
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
    """Make `resources` what this process's tasks work with."""
    global _current
    _current = resources


def current() -> Resources:
    """The process's resources; RuntimeError before they were built."""
    if _current is None:
        raise RuntimeError("no resources: this process was not started as a worker")
    return _current


def refuse_to_start(problem: str) -> None:
    """Print why this process does not start, and exit with 2."""
    sys.stderr.write(f"cj: cannot start: {problem}\n")
    sys.stderr.flush()
    raise SystemExit(2)
