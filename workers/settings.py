"""The only reader of the environment: one frozen `Settings`, all problems reported together.

    settings = Settings.read()          # raises SettingsError with every problem at once

`VARIABLES` lists what may be set; a test compares README's table with it.
"""

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import SecretStr

from shopify.version import API_VERSION
from workers import setting_values as values
from workers.logs import mask

VARIABLES: Mapping[str, str] = {
    "DATABASE_URL": "Postgres, e.g. postgresql://cj:password@db.example/cj",
    "BROKER_URL": "Redis, Valkey or RabbitMQ, e.g. redis://broker.example:6379/0 or amqp://cj:password@mq.example/cj",
    "REDIS_URL": "the cache, e.g. redis://cache.example:6379/1",
    "CJ_TOKEN_KEYS": "keys that seal Shopify tokens, e.g. 2:base64,1:base64; the first seals, all open",
    "CJ_MODEL": "the model's name in litellm, e.g. openai/gpt-5-mini; default: the offline demo model",
    "CJ_MODEL_FALLBACKS": "models to try when CJ_MODEL is unavailable, separated by commas",
    "SHOPIFY_CLIENT_ID": "the Shopify app's client id, for refreshing tokens that expire",
    "SHOPIFY_CLIENT_SECRET": "the Shopify app's secret, for refreshing tokens that expire",
    "SHOPIFY_API_VERSION": f"the Admin API's version, e.g. {API_VERSION} (the default)",
    "SHOPIFY_ADMIN_URL": "URL of the Admin API, with {shop} in it; default https://{shop}/admin",
    "CJ_WORKFLOWS": "folder of workflow YAML; default: the shipped ones",
    "CJ_LEASE_SECONDS": "seconds of silence after which a worker's turn goes to another worker; default 10",
    "CJ_LOG_LEVEL": "DEBUG, INFO (the default), WARNING or ERROR",
    "CJ_METRICS_PORT": "first port of the Prometheus pages, one per process; default: none",
}
SERVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL")
NEEDED = (*SERVERS, "CJ_TOKEN_KEYS")
#: Kinds of processes that open access tokens and so need the keys.
TOKEN_KINDS = ("shopify",)
DEFAULT_ADMIN_URL = "https://{shop}/admin"

T = TypeVar("T")


class SettingsError(Exception):
    """The environment is invalid; `problems` names every wrong variable and what to write."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Settings:
    """The validated environment. The URLs hold passwords: display them only through `shown()`."""

    database_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    token_keys: str | None = field(default=None, repr=False)
    model: str | None = None
    model_fallbacks: tuple[str, ...] = ()
    shopify_client_id: str | None = None
    shopify_client_secret: SecretStr | None = None
    shopify_api_version: str = API_VERSION
    shopify_admin_url: str = DEFAULT_ADMIN_URL
    workflows_folder: Path | None = None
    lease_seconds: float = 10.0
    log_level: str = "INFO"
    metrics_port: int | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, *, needed: Collection[str] = NEEDED) -> "Settings":
        """Read `environ` (default: the process's). `needed` are the variables this process requires. Raises
        SettingsError with all problems: required variables that are absent, and any variable that is wrong."""
        reader = _Reader(environment() if environ is None else environ, needed)
        model = reader.value("CJ_MODEL", values.model_name)
        client_id = reader.value("SHOPIFY_CLIENT_ID", str)
        client_secret = reader.value("SHOPIFY_CLIENT_SECRET", SecretStr)
        settings = cls(
            database_url=reader.value("DATABASE_URL", values.url(values.DATABASE_SCHEMES)) or "",
            broker_url=reader.value("BROKER_URL", values.url(values.BROKER_SCHEMES)) or "",
            redis_url=reader.value("REDIS_URL", values.url(values.REDIS_SCHEMES)) or "",
            token_keys=reader.value("CJ_TOKEN_KEYS", values.token_keys),
            model=model,
            model_fallbacks=reader.value("CJ_MODEL_FALLBACKS", values.model_names) or (),
            shopify_client_id=client_id,
            shopify_client_secret=client_secret,
            shopify_api_version=reader.value("SHOPIFY_API_VERSION", values.api_version) or API_VERSION,
            shopify_admin_url=reader.value("SHOPIFY_ADMIN_URL", values.admin_url) or DEFAULT_ADMIN_URL,
            workflows_folder=reader.value("CJ_WORKFLOWS", values.folder),
            lease_seconds=reader.value("CJ_LEASE_SECONDS", values.seconds) or 10.0,
            log_level=reader.value("CJ_LOG_LEVEL", values.log_level) or "INFO",
            metrics_port=reader.value("CJ_METRICS_PORT", values.port),
            warnings=reader.warnings(),
        )
        if settings.model_fallbacks and model is None:
            reader.problem("CJ_MODEL_FALLBACKS", "is set without CJ_MODEL; set CJ_MODEL to the first model to ask")
        if (client_id is None) != (client_secret is None):
            missing = "SHOPIFY_CLIENT_ID" if client_id is None else "SHOPIFY_CLIENT_SECRET"
            reader.problem(missing, "is not set, but its counterpart is; set both or neither")
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings

    def shown(self) -> dict[str, str]:
        """Every variable with its value in effect, safe to display: secrets and passwords masked."""
        absent = "-"
        return {
            "DATABASE_URL": mask(self.database_url) or absent,
            "BROKER_URL": mask(self.broker_url) or absent,
            "REDIS_URL": mask(self.redis_url) or absent,
            "CJ_TOKEN_KEYS": _shown_keys(self.token_keys) if self.token_keys else absent,
            "CJ_MODEL": self.model or "- (the offline demo model)",
            "CJ_MODEL_FALLBACKS": ", ".join(self.model_fallbacks) or absent,
            "SHOPIFY_CLIENT_ID": self.shopify_client_id or absent,
            "SHOPIFY_CLIENT_SECRET": "********" if self.shopify_client_secret else absent,
            "SHOPIFY_API_VERSION": self.shopify_api_version,
            "SHOPIFY_ADMIN_URL": self.shopify_admin_url,
            "CJ_WORKFLOWS": str(self.workflows_folder) if self.workflows_folder else "- (the shipped ones)",
            "CJ_LEASE_SECONDS": f"{self.lease_seconds:g}",
            "CJ_LOG_LEVEL": self.log_level,
            "CJ_METRICS_PORT": str(self.metrics_port) if self.metrics_port is not None else absent,
        }


def needed_by(kinds: Collection[str]) -> tuple[str, ...]:
    """The variables that processes of these kinds require."""
    return NEEDED if any(kind in TOKEN_KINDS for kind in kinds) else SERVERS


def environment() -> dict[str, str]:
    """A copy of the process's environment, for children to inherit; the only place that reads os.environ."""
    return dict(os.environ)


class _Reader:
    """Reads one variable at a time and collects the problems. An empty value counts as absent."""

    def __init__(self, environ: Mapping[str, str], needed: Collection[str]) -> None:
        self.environ = environ
        self.needed = needed
        self.problems: list[str] = []

    def value(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self.environ.get(name, "").strip()
        if not text:
            if name in self.needed:
                self.problem(name, f"is not set: {VARIABLES[name]}")
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problem(name, str(error))
            return None

    def problem(self, name: str, text: str) -> None:
        self.problems.append(f"{name} {text}")

    def warnings(self) -> tuple[str, ...]:
        """CJ_ variables we do not read: probably typos, but perhaps another program's, so not errors."""
        unknown = sorted(name for name in self.environ if name.startswith("CJ_") and name not in VARIABLES)
        close = ((name, difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.8)) for name in unknown)
        return tuple(f"{name} is unknown; did you mean {found[0]}?" for name, found in close if found)


def _shown_keys(text: str) -> str:
    return ",".join(part.split(":")[0].strip() + ":***" for part in text.split(","))
