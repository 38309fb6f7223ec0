"""Redis Sentinel URLs. Sentinels know which of several servers is the primary.

    sentinel://user:password@s1:26379,s2:26379,s3:26379/0?master=cj

User, password and database are the servers'; `sentinel_username` and `sentinel_password` are for sentinels with their
own. `sentinels://` uses TLS for both, with the files that `tls` lists. The libraries look up the primary for every
connection, so after a failover the next connection reaches the new primary.
https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from events import tls

SCHEMES = ("sentinel", "sentinels")
HOW = "write sentinel://user:password@s1:26379,s2:26379/0?master=NAME"
PORT = 26379
#: Short, so that a sentinel that is down does not use up the time of the others.
TIMEOUT_SECONDS = 1.0
_PARTS = re.compile(r"^\w+://([^/?#]*)")
_HOSTS = re.compile(r"(?:([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:,(?!$)|$))+")
_HOST = re.compile(r"(\[[^\]]+\]|[^,:]+)(?::([0-9]+))?")


class WrongSentinel(ValueError):
    """The URL is unusable; the message says what to write, without quoting the URL."""


@dataclass(frozen=True, repr=False)
class Sentinels:
    """The contents of such a URL. `own`: redis-py's options for the sentinels, `tls`: for both."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    username: str | None
    password: str | None
    database: int
    user_part: str
    own: dict[str, Any]
    tls: dict[str, Any]

    def for_kombu(self) -> tuple[str, dict[str, Any]]:
        """The URL as kombu writes it, and the options of its transport."""
        urls = (f"sentinel://{self.user_part}{_bracketed(host)}:{port}/{self.database}" for host, port in self.hosts)
        return ";".join(urls), {"master_name": self.master, "sentinel_kwargs": self.own}


def read(url: str) -> Sentinels | None:
    """Parse the URL; None if it is not a Sentinel's. Raises WrongSentinel, and UnsafeTls."""
    if url.partition("://")[0] not in SCHEMES:
        return None
    if ";" in url.rpartition("@")[2]:
        raise WrongSentinel(f"names several URLs of a Redis Sentinel; {HOW}")
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    bare, verified = tls.split(url)
    _, netloc, rest = _PARTS.split(bare, maxsplit=1)
    parts = urlsplit(rest)
    user_part, at, hosts = netloc.rpartition("@")
    asked = dict(parse_qsl(parts.query))
    own = {name.removeprefix("sentinel_"): value for name, value in asked.items() if name.startswith("sentinel_")}
    database = parts.path.strip("/") or "0"
    if not asked.get("master"):
        raise WrongSentinel(f"asks a Redis Sentinel and does not say for whom; {HOW}")
    if own.keys() - {"username", "password"} or asked.keys() - {"master"} - {f"sentinel_{name}" for name in own}:
        raise WrongSentinel(f"has a parameter that is none of master, sentinel_username, sentinel_password; {HOW}")
    found = [(host.strip("[]"), int(port or PORT)) for host, port in _HOST.findall(hosts)]
    if not _HOSTS.fullmatch(hosts) or not database.isdecimal() or any(port > 65_535 for _, port in found):
        raise WrongSentinel(f"is not a URL of a Redis Sentinel; {HOW}")
    name, _, password = user_part.partition(":")
    over_tls = {"ssl": True, **verified} if verified else {}
    limits: dict[str, Any] = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    limits["retry"] = Retry(NoBackoff(), 0)  # the next sentinel is asked instead
    return Sentinels(
        hosts=tuple(found),
        master=asked["master"],
        username=unquote(name) or None,
        password=unquote(password) or None,
        database=int(database),
        user_part=user_part + at,
        own={**limits, **own, **over_tls},
        tls=over_tls,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
