"""The only reader of the environment: one frozen `Settings`, all problems reported together.

    settings = Settings.read()          # raises SettingsError with every problem at once

Each field is one variable, with its meaning and allowed values; a test compares README's table with them. Errors never
repeat a value that may contain a password: they show only the scheme of a URL, and nothing of token keys.

A secret NAME may be in a file instead, named by NAME_FILE: Docker and Kubernetes mount secrets as files, and an
environment is easier to leak than a file.

This is a plain pydantic model, not pydantic-settings: that would only add reading os.environ, which tests, `cj up` and
child processes replace anyway.
"""

import difflib
import math
import os
import re
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from shopify import API_VERSION
from workers import urls
from workers.masks import mask

SERVERS = ("DATABASE_URL", "BROKER_URL", "REDIS_URL")
NEEDED = (*SERVERS, "CJ_TOKEN_KEYS", "CJ_MODEL")
#: Kinds of process that seal or open access tokens and so need the keys.
TOKEN_KINDS = ("shopify", "auth")
MAX_WAITING_TURNS = 300
#: Secrets that only some kinds of process may have; any other holder is one more place where it can leak.
SECRETS_OF: Mapping[str, Collection[str]] = {
    "CJ_TOKEN_KEYS": ("shopify", "ops", "auth"),
    "CJ_GATEWAY_CHAT_KEYS": ("gateway",),
    "CJ_GATEWAY_SERVICE_TOKENS": ("gateway", "auth"),
    "CJ_CONSOLE_PASSWORD": ("console",),
    "SHOPIFY_CLIENT_ID": ("shopify",),
    "SHOPIFY_CLIENT_SECRET": ("shopify",),
}
SECRETS = (*SERVERS, *(name for name in SECRETS_OF if name != "SHOPIFY_CLIENT_ID"))
#: Secrets of model providers, by litellm's names.
PROVIDER_SECRET = re.compile(r"[A-Z][A-Z0-9_]*_(API_KEY|SECRET_ACCESS_KEY|SESSION_TOKEN)")
#: Addresses of model providers, by litellm's names.
PROVIDER_ADDRESS = re.compile(r"[A-Z0-9_]+_(API_BASE|BASE_URL|API_URL)|[A-Z0-9_]*(OPENAI|BEDROCK)[A-Z0-9_]*_ENDPOINT")
#: Appended to a secret's name, it names the file that holds the secret.
FILE = "_FILE"
LONGEST_SECRET = 64 * 1024
SHORTEST_KEY = 32
"""Minimum characters of the door's keys: as many bytes as an HS256 hash has (RFC 7518, 3.2)."""
SHORTEST_PASSWORD = 16
"""Minimum characters of the console's password."""
#: The kind that calls models.
MODEL_KIND = "agent"
#: The kind whose user of the broker may do no more than put events on the queue.
SENDING_KIND = "auth"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """The environment is invalid; `problems` names every wrong variable and what to write."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _token_keys(text: str) -> str:
    """Checked by the vault, so that invalid keys keep every process from starting, even one that opens no token."""
    from storage.errors import InvalidTokenKeys
    from storage.vault import Vault

    try:
        Vault.from_text(text)
    except InvalidTokenKeys as error:
        raise ValueError(f"is invalid: {error}; `cj tokens new-key` prints a new key") from None
    return text


def _matching(pattern: str, advice: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is {text!r}; {advice}")
        return text

    return AfterValidator(check)


def _several(pattern: str, advice: str) -> BeforeValidator:
    """One or more values, separated by commas. They may be secrets, so errors repeat none."""

    def read(text: str) -> tuple[str, ...]:
        parts = tuple(part.strip() for part in text.split(",") if part.strip())
        if not parts or any(not re.fullmatch(pattern, part) for part in parts):
            raise ValueError(f"must be {advice}, separated by commas")
        return parts

    return BeforeValidator(read)


def _folder(path: Path) -> Path:
    if not path.expanduser().is_dir():
        raise ValueError(f"is {str(path)!r}, which is not a folder; write the path of a folder of workflow YAML")
    return path.expanduser()


def _password(text: str) -> SecretStr:
    if len(text) < SHORTEST_PASSWORD or not text.isprintable():
        raise ValueError(f"must have at least {SHORTEST_PASSWORD} characters, all of them printable")
    return SecretStr(text)


def _listen(text: str) -> str:
    host, _, port = text.rpartition(":")
    try:
        ip_address(host.strip("[]"))
        if not 0 <= int(port) <= 65535:
            raise ValueError
    except ValueError:
        raise ValueError(f"is {text!r}; write an IP address and a port, e.g. 127.0.0.1:8800") from None
    return text


def _number(kind: Callable[[str], float], what: str, least: float, most: float) -> BeforeValidator:
    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise ValueError(f"is {text!r}; write {what} from {least} to {most}")
        return number

    return BeforeValidator(read)


_whole = partial(_number, int)
_SECRETS = _several(rf"[!-~]{{{SHORTEST_KEY},}}", f"secrets of at least {SHORTEST_KEY} characters")
_ONE_MODEL = "write one name such as openai/gpt-5-mini; others go in CJ_MODEL_FALLBACKS"
_A_LEVEL = f"write one of {', '.join(LOG_LEVELS)}"
_A_VERSION = f"a version is a year and the first month of a quarter, e.g. {API_VERSION}"
_ORIGINS = _several(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", "origins such as https://chat.example.com")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"is {text!r}; write an IP address of this machine, e.g. 127.0.0.1 or 0.0.0.0") from None


def _variable(name: str, default: Any, means: str, *, is_secret: bool = False) -> Any:
    """A field that is read from the variable `name`."""
    return Field(default, alias=name, description=means, repr=not is_secret)


class Settings(BaseModel):
    """The validated settings. URLs contain passwords: display them only by `shown()`."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    database_url: Annotated[str, AfterValidator(urls.postgres)] = _variable(
        "DATABASE_URL", "", "Postgres, e.g. postgresql://cj:password@db.example/cj", is_secret=True
    )
    broker_url: Annotated[str, AfterValidator(urls.broker)] = _variable(
        "BROKER_URL",
        "",
        "Redis, Valkey or RabbitMQ, e.g. redis://broker.example:6379/0 or amqp://cj:password@mq.example/cj",
        is_secret=True,
    )
    redis_url: Annotated[str, AfterValidator(urls.cache)] = _variable(
        "REDIS_URL", "", "the cache, e.g. redis://cache.example:6379/1", is_secret=True
    )
    token_keys: Annotated[str, AfterValidator(_token_keys)] | None = _variable(
        "CJ_TOKEN_KEYS",
        None,
        "keys that seal Shopify tokens, e.g. 2:base64,1:base64; the first seals, all open",
        is_secret=True,
    )
    model: Annotated[str, _matching(r"[^\s,]+", _ONE_MODEL)] | None = _variable(
        "CJ_MODEL", None, "the model's litellm name, e.g. openai/gpt-5-mini; CJ_MODEL=demo is the offline demo model"
    )
    model_fallbacks: Annotated[tuple[str, ...], _several(r"\S+", "names such as openai/gpt-5-mini")] = _variable(
        "CJ_MODEL_FALLBACKS", (), "models to try when CJ_MODEL is unavailable, separated by commas"
    )
    prompt_tokens: Annotated[int, _whole("tokens", 1000, 1_000_000)] = _variable(
        "CJ_PROMPT_TOKENS", 40_000, "most tokens in one request to a model, estimated as a third of its bytes"
    )
    output_tokens: Annotated[int, _whole("tokens", 100, 100_000)] = _variable(
        "CJ_OUTPUT_TOKENS", 4000, "most tokens in one answer of a model"
    )
    absorbed_messages: Annotated[int, _whole("messages", 0, 1000)] = _variable(
        "CJ_ABSORBED_MESSAGES", 20, "how many newer messages from the merchant one turn may answer as well"
    )
    turns_per_minute: Annotated[int, _whole("turns", 0, 10_000)] = _variable(
        "CJ_TURNS_PER_MINUTE", 60, "most turns per merchant and minute; 0 is no limit"
    )
    tokens_per_day: Annotated[int, _whole("tokens", 0, 10**12)] = _variable(
        "CJ_TOKENS_PER_DAY", 5_000_000, "most tokens per merchant and day (UTC); 0 is no limit"
    )
    shopify_client_id: str | None = _variable(
        "SHOPIFY_CLIENT_ID", None, "the Shopify app's client id, to refresh expiring tokens"
    )
    shopify_client_secret: SecretStr | None = _variable("SHOPIFY_CLIENT_SECRET", None, "the Shopify app's secret")
    shopify_api_version: Annotated[str, _matching(r"\d{4}-(01|04|07|10)|unstable", _A_VERSION)] = _variable(
        "SHOPIFY_API_VERSION", API_VERSION, "the Admin API's version"
    )
    shopify_admin_url: Annotated[str, AfterValidator(urls.admin_api)] = _variable(
        "SHOPIFY_ADMIN_URL", "https://{shop}/admin", "where the Admin API is, with {shop} in it"
    )
    workflows_folder: Annotated[Path, AfterValidator(_folder)] | None = _variable(
        "CJ_WORKFLOWS", None, "folder of workflow YAML; absent: the shipped ones"
    )
    lease_seconds: Annotated[float, _number(float, "seconds", 0.5, 600)] = _variable(
        "CJ_LEASE_SECONDS", 10.0, "seconds a worker may be silent before its turn goes to another"
    )
    recovery_factor: Annotated[float, _number(float, "a number", 0.1, 10)] = _variable(
        "CJ_RECOVERY_FACTOR", 1.0, "scales the pauses, of about a second, before workers look for lost work"
    )
    max_waiting_turns: Annotated[int, _whole("turns", 1, 1_000_000)] = _variable(
        "CJ_MAX_WAITING_TURNS", MAX_WAITING_TURNS, "turns of one merchant that may wait; further messages are declined"
    )
    turns_at_a_time: Annotated[int, _whole("turns", 1, 1000)] = _variable(
        "CJ_TURNS_AT_A_TIME", 2, "turns of one merchant that may run at the same time"
    )
    events_at_a_time: Annotated[int, _whole("events", 1, 1000)] = _variable(
        "CJ_EVENTS_AT_A_TIME", 4, "events of one merchant that wake workers at the same time"
    )
    declined_per_second: Annotated[int, _whole("messages", 1, 10_000)] = _variable(
        "CJ_DECLINED_PER_SECOND",
        20,
        "messages beyond CJ_MAX_WAITING_TURNS that are declined per merchant and second",
    )
    # 100,000 characters are 600,000 bytes of JSON at most; the contract allows a reply 1 MiB.
    reply_characters: Annotated[int, _whole("characters", 500, 100_000)] = _variable(
        "CJ_REPLY_CHARACTERS", 16_000, "most characters in one message from CJ; longer ones are cut"
    )
    gateway_listen: Annotated[str, AfterValidator(_listen)] = _variable(
        "CJ_GATEWAY_LISTEN", "127.0.0.1:8800", "address and port of the door"
    )
    gateway_chat_keys: Annotated[tuple[SecretStr, ...], _SECRETS] = _variable(
        "CJ_GATEWAY_CHAT_KEYS", (), "keys that sign chat tokens (HS256); absent: no merchant may chat there"
    )
    gateway_service_tokens: Annotated[tuple[SecretStr, ...], _SECRETS] = _variable(
        "CJ_GATEWAY_SERVICE_TOKENS", (), "tokens of services that may send any event to the door; absent: none may"
    )
    gateway_origins: Annotated[tuple[str, ...], _ORIGINS] = _variable(
        "CJ_GATEWAY_ORIGINS", (), "web origins whose pages may use the door; absent: none"
    )
    gateway_streams: Annotated[int, _whole("streams", 1, 10_000)] = _variable(
        "CJ_GATEWAY_STREAMS", 20, "streams that one merchant may have open at one door"
    )
    gateway_requests: Annotated[int, _whole("requests", 1, 1_000_000)] = _variable(
        "CJ_GATEWAY_REQUESTS", 300, "requests of one merchant in a minute at one door"
    )
    console_listen: Annotated[str, AfterValidator(_listen)] = _variable(
        "CJ_CONSOLE_LISTEN", "127.0.0.1:8810", "address and port of the operators' console"
    )
    console_password: Annotated[SecretStr, BeforeValidator(_password)] | None = _variable(
        "CJ_CONSOLE_PASSWORD", None, f"the console's password, of at least {SHORTEST_PASSWORD} characters"
    )
    log_level: Annotated[str, AfterValidator(str.upper), _matching("|".join(LOG_LEVELS), _A_LEVEL)] = _variable(
        "CJ_LOG_LEVEL", "INFO", "minimum level of log lines"
    )
    metrics_port: Annotated[int, _whole("a port", 1, 65535)] | None = _variable(
        "CJ_METRICS_PORT", None, "first Prometheus port; each kind of process adds its own offset"
    )
    metrics_address: Annotated[str, AfterValidator(_address)] = _variable(
        "CJ_METRICS_ADDRESS", "127.0.0.1", "address of the Prometheus pages"
    )
    heartbeat_path: Path | None = _variable(
        "CJ_HEARTBEAT_PATH", None, "a file that is touched every two seconds while the process consumes"
    )
    otlp_endpoint: Annotated[str, AfterValidator(urls.http)] | None = _variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "where traces are sent (OTLP over HTTP), e.g. http://127.0.0.1:4318; absent: no tracing",
        is_secret=True,
    )
    warnings: tuple[str, ...] = ()
    #: Model providers' keys that are in a file, or need quotes or line breaks stripped, by litellm's names.
    provider_secrets: Mapping[str, SecretStr] = Field({}, repr=False)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None, *, needed: Collection[str] = NEEDED) -> "Settings":
        """Read `environ` (default: the process's). `needed`: the variables this process requires. Raises SettingsError
        with all missing required and all invalid variables."""
        environ = dict(os.environ if environ is None else environ)
        read, unread = _from_files(environ)
        environ |= read
        # Empty values count as absent.
        given = {name: text for name in VARIABLES if (text := environ.get(name, "").strip())}
        problems = {name: f"is not set: {VARIABLES[name]}" for name in needed if name not in given}
        problems |= _incomplete(given)
        providers, unusable = _provider_secrets(environ, read)
        settings = cls()
        try:
            addresses = {**environ, **{name: key.get_secret_value() for name, key in providers.items()}}
            warnings = (*_misspelt(environ), *_quoted(given), *_doubtful_addresses(addresses))
            warnings += tuple(_absent_certificates(environ))
            settings = cls(**given, warnings=warnings, provider_secrets=providers)
        except ValidationError as error:
            problems |= {str(found["loc"][0]): str(found["ctx"]["error"]) for found in error.errors()}
        for name in unread:  # report the file, not that the variable is not set
            problems.pop(name.removesuffix(FILE), None)
        unread |= unusable | _celerys_own(environ, given)
        if problems or unread:
            said = [f"{name} {problems[name]}" for name in VARIABLES if name in problems]
            raise SettingsError([*said, *(f"{name} {problem}" for name, problem in unread.items())])
        return settings

    def shown(self) -> dict[str, str]:
        """Every variable with its effective value, with secrets and passwords masked."""
        absent = {"CJ_WORKFLOWS": "- (the shipped ones)"}
        return {name: _shown(name, value) or absent.get(name, "-") for name, value in self.values().items()}

    def values(self) -> dict[str, Any]:
        """The effective values, by variable."""
        return {str(field.alias): getattr(self, name) for name, field in type(self).model_fields.items() if field.alias}


VARIABLES: Mapping[str, str] = {
    str(field.alias): str(field.description) for field in Settings.model_fields.values() if field.alias
}
"""All variables, and their meanings."""


def needed_by(kinds: Collection[str]) -> tuple[str, ...]:
    """The variables that processes of these kinds require."""
    keys = ("CJ_TOKEN_KEYS",) if any(kind in TOKEN_KINDS for kind in kinds) else ()
    return (*SERVERS, *keys, *(("CJ_MODEL",) if MODEL_KIND in kinds else ()))


def environment() -> dict[str, str]:
    """A copy of the process's environment, for children to inherit; only this module reads os.environ.

    Secrets from files are put into their variables. `Settings.read` reports unreadable files.
    """
    read, _ = _from_files(os.environ)
    return {**{name: text for name, text in os.environ.items() if name.removesuffix(FILE) not in read}, **read}


def without_libpq(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for the Postgres of `cj up`: without libpq's variables (PGSERVICE, PGOPTIONS, …), which are meant for
    another. They leave this process, too, where libpq would add them to every URL.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
    return {name: text for name, text in environ.items() if not name.startswith("PG")}


def environment_of(kind: str, environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the secrets that a process of this kind does not need."""
    return {name: text for name, text in environ.items() if kind in _kinds_with(name.removesuffix(FILE), kind)}


def spare_secrets(settings: Settings, kinds: Collection[str]) -> list[str]:
    """Secrets that processes of these kinds have but do not need: sentences for operators."""
    values = settings.values()
    return [
        f"{name} is set, which only {_listed(users)} need: do not give it to {' or '.join(kinds)}"
        for name, users in SECRETS_OF.items()
        if name in SECRETS and values[name] and not set(kinds) & set(users)
    ]


def _listed(names: Collection[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def is_secret(name: str) -> bool:
    """Whether the variable is a secret, which may be in a file."""
    return name in SECRETS or bool(PROVIDER_SECRET.fullmatch(name))


def _kinds_with(name: str, kind: str) -> Collection[str]:
    if PROVIDER_SECRET.fullmatch(name):
        return (MODEL_KIND,)
    return SECRETS_OF.get(name, (kind,))


def _from_files(environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The secrets read from files that the environment names, and the problems, by `_FILE` variable.

    An empty file counts as absent. Problems never repeat a file's content.
    """
    read: dict[str, str] = {}
    unread: dict[str, str] = {}
    for variable in sorted(environ):
        name, path = variable.removesuffix(FILE), environ[variable].strip()
        if not variable.endswith(FILE) or not is_secret(name) or not path:
            continue
        if environ.get(name, "").strip():
            unread[variable] = f"is set though {name} is, too; set one of them"
            continue
        try:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read(LONGEST_SECRET + 1).strip()
        except OSError as error:
            unread[variable] = f"is {path!r}, which cannot be read ({error.strerror}); write the path of a file"
        except UnicodeDecodeError:
            unread[variable] = f"is {path!r}, which is not UTF-8 text; write the path of a file that holds the secret"
        else:
            if len(text) > LONGEST_SECRET or "\n" in text:
                unread[variable] = f"is {path!r}, which holds more than one line; write only the secret into it"
            elif text:
                read[name] = text
    return read, unread


def _provider_secrets(
    environ: Mapping[str, str], read: Mapping[str, str]
) -> tuple[dict[str, SecretStr], dict[str, str]]:
    """Keys from files, and keys and addresses stripped of line breaks and quotes; and the problems of the others."""
    keys, unusable = {}, {}
    for name in environ:
        is_key = PROVIDER_SECRET.fullmatch(name) is not None
        if not is_key and not PROVIDER_ADDRESS.fullmatch(name):
            continue
        text = environ[name].strip()
        text = text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
        if is_key and not all("!" <= character <= "~" for character in text):
            unusable[name] = "has a space, a line break or another character that keys never have; write only the key"
        elif text and (name in read or text != environ[name]):
            keys[name] = SecretStr(text)
    return keys, unusable


def _incomplete(given: Mapping[str, str]) -> dict[str, str]:
    """Variables that are set without the one they belong to."""
    problems = {}
    if "CJ_MODEL_FALLBACKS" in given and "CJ_MODEL" not in given:
        problems["CJ_MODEL_FALLBACKS"] = "is set without CJ_MODEL; set CJ_MODEL to the first model to ask"
    partners = ("SHOPIFY_CLIENT_ID", "SHOPIFY_CLIENT_SECRET")
    if len(given.keys() & set(partners)) == 1:
        missing = next(name for name in partners if name not in given)
        problems[missing] = "is not set though its partner is; set both, or neither"
    return problems


def _celerys_own(environ: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Variables that Celery would use instead of BROKER_URL, while intake and all publishers would not; and those by
    which it reads another program's configuration."""
    broker = "would send Celery's half of the system to another broker; unset it, and set only BROKER_URL"
    names = dict.fromkeys(("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"), broker)
    other = "would have Celery read another program's configuration; unset it"
    names |= dict.fromkeys(("CELERY_CONFIG_MODULE", "CELERY_LOADER"), other)
    right = ("", given.get("BROKER_URL"))
    return {name: advice for name, advice in names.items() if environ.get(name, "").strip() not in right}


def _misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Unknown variables: probably typos, but perhaps another program's, so not an error."""
    known = {*VARIABLES, *(name + FILE for name in VARIABLES if is_secret(name))}
    for name in sorted(environ.keys() - known):
        own = name.startswith("CJ_")
        meant = VARIABLES if own else VARIABLES.keys() - environ.keys()
        # Without the suffix: somebody may use a file for a variable that is not a secret.
        written = name.upper().replace("-", "_").removesuffix(FILE)
        if found := difflib.get_close_matches(written, meant, n=1, cutoff=0.8 if own else 0.9):
            yield f"{name} is unknown; did you mean {found[0]}?"


def _quoted(given: Mapping[str, str]) -> Iterator[str]:
    """Values with the quotes or the comment of a file in which neither is special, such as Docker's --env-file."""
    for name, text in given.items():
        if re.fullmatch(r"""(['"]).*\1|[\u201c\u201e].*[\u201c\u201d]|.* #.*""", text):
            yield f"{name} has quotes or a comment, which are part of its value: remove them"


def _doubtful_addresses(environ: Mapping[str, str]) -> Iterator[str]:
    """Model addresses (`OPENAI_API_BASE` and the like) that use plain http to another machine, or are none."""
    for name in sorted(filter(PROVIDER_ADDRESS.fullmatch, environ)):
        if warning := urls.model_api_warning(name, environ[name]):
            yield warning


def _absent_certificates(environ: Mapping[str, str]) -> Iterator[str]:
    """Missing certificate files: libraries silently ignore them, and then trust nothing behind a company's proxy."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "SSL_CERTIFICATE"):
        if (path := environ.get(name, "").strip()) and not Path(path).exists():
            yield f"{name} is {path!r}, which is not there; name the file with the certificates to trust, or unset it"


def proxies() -> dict[str, str]:
    """The variables that name a proxy, with their values; libraries' HTTP clients read them directly."""
    names = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
    return {name: text for name in (*names, *map(str.lower, names)) if (text := os.environ.get(name, ""))}


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an https `url`: `HTTPS_PROXY`, else `ALL_PROXY`, unless `NO_PROXY` has
    its host. Raises SettingsError."""
    parts = urlsplit(url)
    if parts.scheme != "https" or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    named = urllib.request.getproxies()
    proxy = named.get("https") or named.get("all")
    if not proxy:
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        problem = (
            f"HTTPS_PROXY or ALL_PROXY is {mask(proxy)}; Shopify is asked through http:// or https:// proxies only"
        )
        raise SettingsError([problem])
    return proxy


def _shown(name: str, value: Any) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "********"
        case tuple():
            return ", ".join(map(str, value))
        case float():
            return f"{value:g}"
        case _ if name == "CJ_TOKEN_KEYS":
            return ",".join(part.split(":")[0].strip() + ":***" for part in str(value).split(","))
    return mask(str(value))
