"""TLS to brokers and caches: one decision for every connection that any process makes.

A `rediss://`, `sentinels://` or `amqps://` server must prove by its certificate that it is the URL's host. Neither
library asks for that by itself: kombu's Redis transport checks nothing, py-amqp not the name; and what a URL says
replaces what the code says. So whatever a URL or a configuration says goes through `options`.

A URL may name files, `rediss://cache.example?ssl_ca_certs=/etc/cj/ca.pem`: `ssl_ca_certs` (a private CA; without it the
system's, or those in SSL_CERT_FILE), `ssl_certfile` and `ssl_keyfile` (this client's own certificate). It may not say
that nothing needs to be checked.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

#: Schemes of servers that are reached over TLS.
SCHEMES = ("rediss", "amqps", "sentinels")

_FILES = ("ca_certs", "certfile", "keyfile")
_ALLOWED = {
    "cert_reqs": ("required", "optional", "cert_required", "cert_optional"),  # a client treats "optional" the same
    "check_hostname": ("true", "yes", "1"),
}


class UnsafeTls(ValueError):
    """TLS options that would not protect the connection; the message says which, and names no secret."""


def options(scheme: str, host: str | None, given: object) -> dict[str, Any]:
    """The TLS options of one connection, as kombu and redis-py spell them; empty for a scheme without TLS.

    `given` is what a URL or a configuration asks for, if anything. Raises UnsafeTls if it asks for less than a
    verified certificate and name.
    """
    wanted = _canonical(given)
    if scheme not in SCHEMES:
        if wanted:
            raise UnsafeTls(f"TLS options need rediss:// or amqps://, not {scheme}://")
        return {}
    files = {name: wanted[name] for name in _FILES if name in wanted}
    if scheme == "amqps":
        # py-amqp checks the name only if it is told the name.
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host or "localhost", **files}
    checks = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return checks | {f"ssl_{name}": path for name, path in files.items()}


def split(url: str) -> tuple[str, dict[str, Any]]:
    """A URL without its TLS options, and the options to connect with. Raises UnsafeTls."""
    # Not all by urlsplit: since https://github.com/python/cpython/issues/105704 it refuses the hosts "s1,[::1]".
    address, _, rest = url.partition("?")
    query = parse_qsl(rest.partition("#")[0], keep_blank_values=True)
    given = {name: value for name, value in query if name.startswith("ssl")}
    kept = urlencode([(name, value) for name, value in query if name not in given])
    bare = url if not given else f"{address}?{kept}" if kept else address
    scheme = _scheme(url)
    return bare, options(scheme, urlsplit(address).hostname if scheme == "amqps" else None, given)


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def check(urls: str) -> None:
    """Check the TLS options of one URL, or of several with `;` between them. Raises UnsafeTls."""
    schemes = set()
    for url in urls.split(";"):
        schemes.add(_scheme(url))
        for name, path in split(url)[1].items():
            if name.removeprefix("ssl_") in _FILES and not Path(path).is_file():
                raise UnsafeTls(f"ssl_{name.removeprefix('ssl_')} names {path}, which is not a file here")
    if len(schemes) > 1 and schemes & set(SCHEMES):
        raise UnsafeTls("some of its servers are reached over TLS and some are not; give all the same scheme")


def _canonical(given: object) -> dict[str, Any]:
    """Options by the names both libraries share. Raises UnsafeTls for those that may not be given."""
    if given is None or isinstance(given, bool):
        return {}
    if not isinstance(given, Mapping):
        raise UnsafeTls("the option ssl is none of a URL's; write rediss:// or amqps:// for TLS")
    # This module's own `server_hostname` comes back when a connection is copied; the host decides again.
    found = {str(name).removeprefix("ssl_"): value for name, value in given.items() if name != "server_hostname"}
    for name, value in found.items():
        if name not in (*_FILES, *_ALLOWED):
            known = ", ".join(f"ssl_{known}" for known in _FILES)
            raise UnsafeTls(f"the TLS option {name[:40]!r} is unknown; known are {known}")
        if name in _ALLOWED and not _asks_for_it(value, _ALLOWED[name]):
            raise UnsafeTls(
                f"ssl_{name} would leave the server's certificate unchecked: remove it, "
                "and name a private CA with ssl_ca_certs=FILE"
            )
    return found


def _asks_for_it(value: object, words: tuple[str, ...]) -> bool:
    if isinstance(value, bool | ssl.VerifyMode):
        return bool(value)  # CERT_NONE is 0
    return str(value).lower() in words
