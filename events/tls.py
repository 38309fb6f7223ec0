"""TLS to brokers and caches: one policy for all connections.

The certificate of a `rediss://`, `sentinels://` or `amqps://` server must be valid for the URL's host. Neither library
verifies that by default: kombu's Redis transport checks nothing, py-amqp does not check the name; and options in a URL
override options in code. So all options from URLs and configuration go through `options`.

A URL may name files, `rediss://cache.example?ssl_ca_certs=/etc/cj/ca.pem`: `ssl_ca_certs` (a private CA; default: the
system's CAs, or those in SSL_CERT_FILE), `ssl_certfile` and `ssl_keyfile` (a client certificate). It may not turn
verification off.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

#: URL schemes that use TLS.
SCHEMES = ("rediss", "amqps", "sentinels")

_FILES = ("ca_certs", "certfile", "keyfile")
_ALLOWED = {
    "cert_reqs": ("required", "optional", "cert_required", "cert_optional"),  # a client treats "optional" the same
    "check_hostname": ("true", "yes", "1"),
}


class UnsafeTls(ValueError):
    """TLS options that would not protect the connection; the message names them, and no secret."""


def options(scheme: str, host: str | None, given: object) -> dict[str, Any]:
    """The TLS options of one connection, as kombu and redis-py spell them; empty for a scheme without TLS.

    `given`: options from a URL or configuration. Raises UnsafeTls if they turn off verification of the certificate or
    the name.
    """
    wanted = _canonical(given)
    if scheme not in SCHEMES:
        if wanted:
            raise UnsafeTls(f"TLS options need rediss:// or amqps://, not {scheme}://")
        return {}
    files = {name: wanted[name] for name in _FILES if name in wanted}
    if scheme == "amqps":
        # py-amqp checks the name only if it is given here.
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": host or "localhost", **files}
    checks = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    return checks | {f"ssl_{name}": path for name, path in files.items()}


def split(url: str) -> tuple[str, dict[str, Any]]:
    """A URL without its TLS options, and the options to connect with. Raises UnsafeTls."""
    # Not only urlsplit: since https://github.com/python/cpython/issues/105704 it refuses hosts like "s1,[::1]".
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
        found = {name.removeprefix("ssl_"): value for name, value in split(url)[1].items()}
        _must_load({name: found[name] for name in _FILES if name in found})
    if len(schemes) > 1 and schemes & set(SCHEMES):
        raise UnsafeTls("some of its servers use TLS and some do not; give all the same scheme")


def _must_load(files: Mapping[str, str]) -> None:
    for name, path in files.items():
        if not Path(path).is_file():
            raise UnsafeTls(f"ssl_{name} names {path}, which is not a file here")
    authorities, certificate, key = map(files.get, _FILES)
    if key and not certificate:
        raise UnsafeTls("ssl_keyfile has no use without ssl_certfile")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except OSError:  # ssl.SSLError is one
        raise UnsafeTls(f"ssl_ca_certs names {authorities}, from which no certificate can be read") from None
    try:
        if certificate:
            context.load_cert_chain(certificate, key, password="")  # otherwise it would ask on the terminal
    except OSError:
        both = f"{certificate} and {key}" if key else f"{certificate}, and no ssl_keyfile"
        raise UnsafeTls(
            f"ssl_certfile names {both}: no certificate with its key, readable without a password"
        ) from None


def _canonical(given: object) -> dict[str, Any]:
    """Options by their common names in both libraries. Raises UnsafeTls for options that are not allowed."""
    if given is None or isinstance(given, bool):
        return {}
    if not isinstance(given, Mapping):
        raise UnsafeTls("the option ssl is not allowed in a URL; write rediss:// or amqps:// for TLS")
    # `server_hostname`, set above, is in the options of a copied connection; it is derived from the host again.
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
