"""Parsers for environment variables, one per kind of value; a ValueError says what to write instead.

Errors never repeat a value that may hold a password: they show only the scheme of a URL, and nothing of a key.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from shopify.version import API_VERSION
from workers.logs import mask

DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
BROKER_SCHEMES = ("redis", "rediss", "amqp", "amqps")
REDIS_SCHEMES = ("redis", "rediss", "unix")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_API_VERSION = re.compile(r"\d{4}-(01|04|07|10)|unstable")


def url(schemes: tuple[str, ...]) -> Callable[[str], str]:
    """A parser for URLs with one of `schemes`."""

    def read(text: str) -> str:
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

    return read


def token_keys(text: str) -> str:
    """Checked by the vault itself, so that bad keys stop every process from starting, even one that opens no token."""
    from storage.errors import InvalidTokenKeys
    from storage.vault import Vault

    try:
        Vault.from_text(text)
    except InvalidTokenKeys as error:
        raise ValueError(f"is invalid: {error}; `cj tokens new-key` prints a new key") from None
    return text


def model_name(text: str) -> str:
    if not re.fullmatch(r"[^\s,]+", text):
        raise ValueError(f"is {text!r}; write one name such as openai/gpt-5-mini; others go in CJ_MODEL_FALLBACKS")
    return text


def model_names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names or any(not re.fullmatch(r"\S+", name) for name in names):
        raise ValueError(f"is {text!r}; write names such as openai/gpt-5-mini, separated by commas")
    return names


def api_version(text: str) -> str:
    if not _API_VERSION.fullmatch(text):
        raise ValueError(f"is {text!r}; a version is a year and the first month of a quarter, e.g. {API_VERSION}")
    return text


def admin_url(text: str) -> str:
    """Tokens are sent to this address, so it must be https, or http on this machine."""
    advice = "write a URL with {shop} in it, e.g. http://127.0.0.1:4010/{shop}/admin"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(f"is not a URL; {advice}") from None
    if parts.scheme not in ("http", "https") or not host or "{shop}" not in text or "@" in parts.netloc:
        raise ValueError(f"is {mask(text)!r}; {advice}")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError(f"is {text!r}: tokens would be sent unencrypted; write https:// (http only to 127.0.0.1)")
    return text.rstrip("/")


def folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError(f"is {text!r}, which is not a folder; write the path of a folder of workflow YAML")
    return path


def seconds(text: str) -> float:
    return _number(text, float, 0.5, 600, "write a number of seconds from 0.5 to 600, e.g. 10")


def port(text: str) -> int:
    return int(_number(text, int, 1, 65535, "write a port from 1 to 65535, e.g. 9464"))


def log_level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"is {text!r}; write one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _number(text: str, kind: Callable[[str], float], least: float, most: float, advice: str) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise ValueError(f"is {text!r}; {advice}") from None
    if not least <= number <= most:
        raise ValueError(f"is {text!r}; {advice}")
    return number
