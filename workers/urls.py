"""What is accepted as the URL of a server, and advice for what is not. Pure.

Each check returns the URL, or raises ValueError with the rest of a sentence that begins with the variable's name:
"is not a URL; it must begin with …". No sentence repeats a value that may contain a password.
"""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qsl, urlsplit

from events import sentinel, tls
from workers.masks import mask

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REDIS = ("redis", "rediss", *sentinel.SCHEMES)
_POSTGRES = ("postgresql", "postgres", "postgresql+psycopg2")
_ENCODED = "in a password @ is written %40, / %2F, : %3A, # %23, ? %3F and % %25"
#: Parameters of URLs that work as their libraries document them, besides TLS files.
_OF_A_BROKER = ("login_method",)
_OF_A_CACHE = (
    *("client_name", "db", "password", "protocol", "username"),
    *("health_check_interval", "max_connections", "retry_on_timeout", "timeout"),
    *("socket_connect_timeout", "socket_keepalive", "socket_timeout"),
)


def postgres(text: str) -> str:
    """Parsed by libpq, which also accepts several hosts. Its errors may quote the password, so only names are
    repeated."""
    import psycopg2
    from psycopg2.extensions import parse_dsn

    scheme = _scheme(text, _POSTGRES)
    try:
        ports = parse_dsn(f"postgresql{text.removeprefix(scheme)}").get("port", "")
    except psycopg2.Error as error:
        if found := re.search(r'invalid URI query parameter: "(\w{1,40})"', str(error)):
            raise ValueError(
                f"has the parameter {found[1]}, which is another library's; remove it (Postgres' own are listed at "
                "https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS)"
            ) from None
        raise ValueError(f"is not a Postgres URL, e.g. postgresql://cj:password@db.example/cj; {_ENCODED}") from None
    if not re.fullmatch("[0-9]{0,5}(,[0-9]{0,5})*", ports):
        raise ValueError(f"is not a URL: its host or port is invalid; {_ENCODED}")
    return text


def broker(text: str) -> str:
    """Redis, its Sentinels, or RabbitMQ, of which several may be named, separated by semicolons."""
    for url in text.split(";"):
        _server(url, (*_REDIS, "amqp", "amqps"), _OF_A_BROKER)
    return _verified_tls(text)


def cache(text: str) -> str:
    """Redis or its Sentinels."""
    _server(text, (*_REDIS, "unix"), _OF_A_CACHE)
    return _verified_tls(text)


def http(text: str) -> str:
    """Any server over HTTP."""
    _server(text, ("http", "https"))
    return text


def admin_api(text: str) -> str:
    """Tokens are sent to this address, so it must be https, or http on this machine."""
    advice = "write a URL with {shop} in it, e.g. http://127.0.0.1:4010/{shop}/admin"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(f"is not a URL; {advice}") from None
    if parts.scheme not in ("http", "https") or not host or "{shop}" not in text or "@" in parts.netloc:
        raise ValueError(f"is {mask(text)!r}; {advice}")
    if _is_unencrypted(parts):
        raise ValueError(f"is {text!r}: tokens would be sent unencrypted; write https:// (http only to 127.0.0.1)")
    return text.rstrip("/")


def model_api_warning(name: str, text: str) -> str | None:
    """What is doubtful about a model provider's address, in the variable `name`, which litellm would accept."""
    try:
        parts = urlsplit(text)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if is_url and _is_unencrypted(parts):
        return f"{name} is {mask(text)}: its key and what merchants say would travel unencrypted; write https://"
    if text and not is_url and name.endswith("_API_BASE"):
        return f"{name} is {mask(text)}, which is no URL; write https://HOST/PATH"
    return None


def _server(text: str, schemes: Collection[str], parameters: Collection[str] | None = None) -> None:
    """`parameters`: those that it may have besides TLS files; None: any."""
    if _scheme(text, schemes) in sentinel.SCHEMES:
        return  # `sentinel.read` checks the rest
    try:
        parts = urlsplit(text)
        _, host = parts.port, parts.hostname or ""
    except ValueError:
        host = "?"
    if not re.fullmatch(r"[\w.:%-]*", host):
        raise ValueError(f"is not a URL: its host or port is invalid; {_ENCODED}")
    if text.startswith("redis") and not re.fullmatch("/?[0-9]*", parts.path):
        raise ValueError("names a database of Redis that is no number; write redis://HOST:PORT/NUMBER")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if parameters is not None and name not in parameters and not name.startswith("ssl"):
            known = ", ".join(sorted(parameters))
            raise ValueError(f"has the parameter {name[:40]}, which is unknown here; known are {known} and ssl_…")


def _scheme(text: str, schemes: Collection[str]) -> str:
    allowed = ", ".join(f"{scheme}://" for scheme in schemes)
    scheme, separator, _ = text.partition("://")
    if not separator:
        raise ValueError(f"is not a URL; it must begin with one of {allowed}")
    if scheme not in schemes:
        raise ValueError(f"begins with {scheme[:20]}://; it must begin with one of {allowed}")
    return scheme


def _verified_tls(text: str) -> str:
    sentinel.read(text)  # raises what to write instead
    try:
        tls.check(text)
    except tls.UnsafeTls as error:
        raise ValueError(f"asks for unsafe TLS: {error}") from None
    return text


def _is_unencrypted(parts: SplitResult) -> bool:
    return parts.scheme == "http" and parts.hostname not in _LOOPBACK
