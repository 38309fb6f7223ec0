"""The only reader of the environment: one frozen `Settings`, all problems reported together.

    settings = Settings.read()          # raises SettingsError with every problem at once

Each field is one variable, with what it means and what its text may be; a test compares README's table with them. No
error repeats a value that may hold a password: of a URL only its scheme, of token keys nothing.

A pydantic model of the mapping, not pydantic-settings: that would add only the reading of os.environ, which tests,
`cj up` and children replace anyway.
"""

import difflib
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from shopify.version import API_VERSION
from workers.logs import mask

SERVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL")
NEEDED = (*SERVERS, "CJ_TOKEN_KEYS", "CJ_MODEL")
#: Kinds of processes that open access tokens and so need the keys.
TOKEN_KINDS = ("shopify",)
#: The kind that asks a model.
MODEL_KIND = "agent"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SettingsError(Exception):
    """The environment is invalid; `problems` names every wrong variable and what to write."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _url(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        if "://" not in text:
            raise ValueError(f"is not a URL; it must begin with one of {allowed}")
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise ValueError("is not a URL: its host or port is invalid") from None
        if parts.scheme not in schemes:
            raise ValueError(f"begins with {parts.scheme}://; it must begin with one of {allowed}")
        return text

    return AfterValidator(check)


def _verified_tls(text: str) -> str:
    from events import tls

    try:
        tls.check(text)
    except tls.UnsafeTls as error:
        raise ValueError(f"asks for unsafe TLS: {error}") from None
    return text


def _token_keys(text: str) -> str:
    """Checked by the vault itself, so that bad keys stop every process from starting, even one that opens no token."""
    from storage.errors import InvalidTokenKeys
    from storage.vault import Vault

    try:
        Vault.from_text(text)
    except InvalidTokenKeys as error:
        raise ValueError(f"is invalid: {error}; `cj tokens new-key` prints a new key") from None
    return text


def _model_name(text: str) -> str:
    if not re.fullmatch(r"[^\s,]+", text):
        raise ValueError(f"is {text!r}; write one name such as openai/gpt-5-mini; others go in CJ_MODEL_FALLBACKS")
    return text


def _model_names(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names or any(not re.fullmatch(r"\S+", name) for name in names):
        raise ValueError(f"is {text!r}; write names such as openai/gpt-5-mini, separated by commas")
    return names


def _api_version(text: str) -> str:
    if not re.fullmatch(r"\d{4}-(01|04|07|10)|unstable", text):
        raise ValueError(f"is {text!r}; a version is a year and the first month of a quarter, e.g. {API_VERSION}")
    return text


def _admin_url(text: str) -> str:
    """Tokens are sent to this address, so it must be https, or http on this machine."""
    advice = "write a URL with {shop} in it, e.g. http://127.0.0.1:4010/{shop}/admin"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(f"is not a URL; {advice}") from None
    if parts.scheme not in ("http", "https") or not host or "{shop}" not in text or "@" in parts.netloc:
        raise ValueError(f"is {mask(text)!r}; {advice}")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError(f"is {text!r}: tokens would be sent unencrypted; write https:// (http only to 127.0.0.1)")
    return text.rstrip("/")


def _folder(path: Path) -> Path:
    if not path.expanduser().is_dir():
        raise ValueError(f"is {str(path)!r}, which is not a folder; write the path of a folder of workflow YAML")
    return path.expanduser()


def _log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"is {text!r}; write one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _number(kind: Callable[[str], float], least: float, most: float, advice: str) -> BeforeValidator:
    def read(value: Any) -> Any:
        try:
            number = kind(value)
        except ValueError:
            raise ValueError(f"is {value!r}; {advice}") from None
        if not least <= number <= most:
            raise ValueError(f"is {value!r}; {advice}")
        return number

    return BeforeValidator(read)


_TLS = AfterValidator(_verified_tls)
_DATABASE = _url("postgresql", "postgres", "postgresql+psycopg2")
_BROKER = _url("redis", "rediss", "amqp", "amqps")
_REDIS = _url("redis", "rediss", "unix")
_LEASE = _number(float, 0.5, 600, "write seconds from 0.5 to 600, e.g. 10")
_FACTOR = _number(float, 0.1, 10, "write a number from 0.1 to 10; 1 is the usual pace")
_PORT = _number(int, 1, 65535, "write a port from 1 to 65535, e.g. 9464")


class Settings(BaseModel):
    """What the environment asked for, checked. Passwords are in the URLs: show them with `shown()` only."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    database_url: Annotated[str, _DATABASE] = Field(
        "", alias="DATABASE_URL", repr=False, description="Postgres, e.g. postgresql://cj:password@db.example/cj"
    )
    broker_url: Annotated[str, _BROKER, _TLS] = Field(
        "",
        alias="BROKER_URL",
        repr=False,
        description="Redis, Valkey or RabbitMQ, e.g. redis://broker.example:6379/0 or amqp://cj:password@mq.example/cj",
    )
    redis_url: Annotated[str, _REDIS, _TLS] = Field(
        "", alias="REDIS_URL", repr=False, description="the cache, e.g. redis://cache.example:6379/1"
    )
    token_keys: Annotated[str, AfterValidator(_token_keys)] | None = Field(
        None,
        alias="CJ_TOKEN_KEYS",
        repr=False,
        description="keys that seal Shopify tokens, e.g. 2:base64,1:base64; the first seals, all open",
    )
    model: Annotated[str, AfterValidator(_model_name)] | None = Field(
        None,
        alias="CJ_MODEL",
        description="litellm's name of the model, e.g. openai/gpt-5-mini; CJ_MODEL=demo is the offline demo model",
    )
    model_fallbacks: Annotated[tuple[str, ...], BeforeValidator(_model_names)] = Field(
        (),
        alias="CJ_MODEL_FALLBACKS",
        description="models to try when CJ_MODEL is unavailable, separated by commas",
    )
    shopify_client_id: str | None = Field(
        None, alias="SHOPIFY_CLIENT_ID", description="the Shopify app's client id, to refresh tokens that expire"
    )
    shopify_client_secret: SecretStr | None = Field(
        None, alias="SHOPIFY_CLIENT_SECRET", description="the Shopify app's secret, to refresh tokens that expire"
    )
    shopify_api_version: Annotated[str, AfterValidator(_api_version)] = Field(
        API_VERSION,
        alias="SHOPIFY_API_VERSION",
        description=f"the Admin API's version, e.g. {API_VERSION} (the default)",
    )
    shopify_admin_url: Annotated[str, AfterValidator(_admin_url)] = Field(
        "https://{shop}/admin",
        alias="SHOPIFY_ADMIN_URL",
        description="where the Admin API is, with {shop} in it; default https://{shop}/admin",
    )
    workflows_folder: Annotated[Path, AfterValidator(_folder)] | None = Field(
        None, alias="CJ_WORKFLOWS", description="folder of workflow YAML; default: the shipped ones"
    )
    lease_seconds: Annotated[float, _LEASE] = Field(
        10.0,
        alias="CJ_LEASE_SECONDS",
        description="seconds a worker may be silent before its turn is given to another; default 10",
    )
    recovery_factor: Annotated[float, _FACTOR] = Field(
        1.0,
        alias="CJ_RECOVERY_FACTOR",
        description="scales the pauses before workers look for what was lost; default 1, about a second",
    )
    log_level: Annotated[str, AfterValidator(_log_level)] = Field(
        "INFO", alias="CJ_LOG_LEVEL", description="DEBUG, INFO (the default), WARNING or ERROR"
    )
    metrics_port: Annotated[int, _PORT] | None = Field(
        None,
        alias="CJ_METRICS_PORT",
        description="first port of the Prometheus pages, one for each process; absent: none",
    )
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, *, needed: Collection[str] = NEEDED) -> "Settings":
        """Read `environ` (default: the process's). `needed`: the variables this process cannot do without;
        a needed one that is absent, or any one that is wrong, is a problem. Raises SettingsError with all."""
        environ = environment() if environ is None else environ
        # An empty value counts as absent.
        given = {name: text for name in VARIABLES if (text := environ.get(name, "").strip())}
        problems = {name: f"is not set: {VARIABLES[name]}" for name in needed if name not in given}
        problems |= _incomplete(given)
        settings = cls()
        try:
            settings = cls(**given, warnings=(*_misspelt(environ), *_unencrypted(environ)))
        except ValidationError as error:
            problems |= {str(found["loc"][0]): str(found["ctx"]["error"]) for found in error.errors()}
        if problems:
            raise SettingsError([f"{name} {problems[name]}" for name in VARIABLES if name in problems])
        return settings

    def shown(self) -> dict[str, str]:
        """Every variable with its value in effect, fit for a screen: secrets and passwords masked."""
        absent = {"CJ_WORKFLOWS": "- (the shipped ones)"}
        found = {field.alias: getattr(self, name) for name, field in type(self).model_fields.items()}
        return {name: _shown(name, found[name]) or absent.get(name, "-") for name in VARIABLES}


VARIABLES: Mapping[str, str] = {
    str(field.alias): str(field.description) for field in Settings.model_fields.values() if field.alias
}
"""What may be set, and what it means."""


def needed_by(kinds: Collection[str]) -> tuple[str, ...]:
    """The variables that processes of these kinds require."""
    keys = ("CJ_TOKEN_KEYS",) if any(kind in TOKEN_KINDS for kind in kinds) else ()
    return (*SERVERS, *keys, *(("CJ_MODEL",) if MODEL_KIND in kinds else ()))


def environment() -> dict[str, str]:
    """A copy of the process's environment, for children to inherit; the only place that reads os.environ."""
    return dict(os.environ)


def _incomplete(given: Mapping[str, str]) -> dict[str, str]:
    """What is set without what belongs to it."""
    problems = {}
    if "CJ_MODEL_FALLBACKS" in given and "CJ_MODEL" not in given:
        problems["CJ_MODEL_FALLBACKS"] = "is set without CJ_MODEL; set CJ_MODEL to the first model to ask"
    partners = ("SHOPIFY_CLIENT_ID", "SHOPIFY_CLIENT_SECRET")
    if len(given.keys() & set(partners)) == 1:
        missing = next(name for name in partners if name not in given)
        problems[missing] = "is not set though its partner is; set both, or neither"
    return problems


def _misspelt(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Unknown CJ_ variables: probably typos, but perhaps another program's, so not an error."""
    unknown = sorted(name for name in environ if name.startswith("CJ_") and name not in VARIABLES)
    close = ((name, difflib.get_close_matches(name, VARIABLES, n=1, cutoff=0.8)) for name in unknown)
    return tuple(f"{name} is unknown; did you mean {found[0]}?" for name, found in close if found)


def _unencrypted(environ: Mapping[str, str]) -> Iterator[str]:
    """Addresses of models (`OPENAI_API_BASE` and its like) that are plain http on another machine."""
    for name in sorted(environ):
        if not re.fullmatch(r"[A-Z0-9_]+_(API_BASE|BASE_URL|API_URL)", name):
            continue
        try:
            parts = urlsplit(environ[name].strip())
            is_remote = parts.scheme == "http" and parts.hostname not in LOOPBACK
        except ValueError:
            continue  # whoever asks there will say so
        if is_remote:
            shown = mask(environ[name].strip())
            yield f"{name} is {shown}: its key and what merchants say would travel unencrypted; write https://"


def proxies() -> dict[str, str]:
    """The variables that name a proxy, with their values: HTTP clients of libraries read them by themselves."""
    names = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
    return {name: text for name in (*names, *map(str.lower, names)) if (text := os.environ.get(name, ""))}


def _shown(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "********"
        case tuple():
            return ", ".join(value)
        case float():
            return f"{value:g}"
        case _ if name == "CJ_TOKEN_KEYS":
            return ",".join(part.split(":")[0].strip() + ":***" for part in str(value).split(","))
    return mask(str(value))
