"""Whatever a URL says of TLS: the server's certificate is verified, or the URL is refused."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from events import queues, tls
from events.tls import UnsafeTls
from tests.certificates import Authority

VERIFIED: dict[str, dict[str, object]] = {
    "rediss": {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True},
    "amqps": {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "broker.example"},
}
UNSAFE = [
    *("ssl_cert_reqs=none", "ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs=NONE", "ssl_cert_reqs=0", "ssl_cert_reqs=bogus"),
    *("ssl_check_hostname=false", "ssl_check_hostname=False", "ssl_check_hostname=0", "ssl_check_hostname=no"),
    *("ssl=", "ssl=false", "ssl=1", "ssl_ciphers=NULL", "ssl_server_hostname=evil.example", "ssl_check_hostname="),
    "ssl_cert_reqs=required&ssl_check_hostname=false",
    "ssl_cert_reqs=required&ssl_cert_reqs=none",
]


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
@pytest.mark.parametrize(
    "query", ["", "ssl_cert_reqs=required", "ssl_cert_reqs=CERT_OPTIONAL", "ssl_check_hostname=True"]
)
def test_a_servers_certificate_and_name_are_verified(scheme: str, query: str) -> None:
    for spelt in (scheme, scheme.upper()):
        assert queues.connection(f"{spelt}://broker.example?{query}").ssl == VERIFIED[scheme]
        assert tls.split(f"{spelt}://broker.example/0?{query}")[1] == VERIFIED[scheme]


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
@pytest.mark.parametrize("query", UNSAFE)
def test_a_url_that_asks_for_less_is_refused_without_its_password(scheme: str, query: str) -> None:
    url = f"{scheme}://cj:SECRET@broker.example/0?{query}"
    for read in (tls.check, queues.connection):
        with pytest.raises(ValueError, match="ssl") as caught:
            read(url)
        assert "SECRET" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_what_is_asked_in_a_list_counts_for_each() -> None:
    with pytest.raises(UnsafeTls, match="ssl_cert_reqs"):
        tls.check("rediss://a;rediss://b?ssl_cert_reqs=none")
    with pytest.raises(UnsafeTls, match="same scheme"):
        tls.check("rediss://a;redis://b")
    tls.check("redis://a:1/0;redis://b:1/0")


@pytest.mark.parametrize("url", ["redis://h/0", "amqp://h//", "memory://", "redis://h/0?socket_timeout=3"])
def test_without_tls_there_is_nothing_to_decide(url: str) -> None:
    assert tls.split(url) == (url, {})
    assert not queues.connection(url.partition("?")[0]).ssl


def test_tls_options_need_tls(tmp_path: Path) -> None:
    with pytest.raises(UnsafeTls, match="need rediss:// or amqps://"):
        queues.connection("redis://h/0?ssl_ca_certs=/etc/ca.pem")


def test_files_are_named_in_the_url_and_must_be_there(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mine = authority.issue("worker")
    files = {
        "ca_certs": str(authority.certfile),
        "certfile": str(mine.certfile),
        "keyfile": str(mine.keyfile),
    }
    query = "&".join(f"ssl_{name}={path}" for name, path in files.items())
    assert queues.connection(f"amqps://broker.example?{query}").ssl == VERIFIED["amqps"] | files
    prefixed = {f"ssl_{name}": path for name, path in files.items()}
    assert queues.connection(f"rediss://broker.example?{query}").ssl == VERIFIED["rediss"] | prefixed
    bare, options = tls.split(f"rediss://u:p@broker.example/0?{query}&socket_timeout=3")
    assert (bare, options) == ("rediss://u:p@broker.example/0?socket_timeout=3", VERIFIED["rediss"] | prefixed)
    with pytest.raises(UnsafeTls, match="ssl_ca_certs names /nowhere/ca, which is not a file here"):
        queues.connection("rediss://h?ssl_ca_certs=/nowhere/ca")


def test_files_that_are_of_no_use_are_refused(tmp_path: Path) -> None:
    """Before anything connects; and nobody is asked for a key's password on a terminal."""
    authority = Authority(tmp_path)
    mine, other = authority.issue("worker"), authority.issue("other")
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(mine.keyfile.read_bytes(), None)
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(*formats, serialization.BestAvailableEncryption(b"secret")))
    for query, problem in {
        f"ssl_ca_certs={mine.keyfile}": f"ssl_ca_certs names {mine.keyfile}, from which no certificate can be read",
        f"ssl_certfile={mine.certfile}": f"{mine.certfile}, and no ssl_keyfile: no certificate with its key",
        f"ssl_keyfile={mine.keyfile}": "ssl_keyfile has no use without ssl_certfile",
        f"ssl_certfile={mine.certfile}&ssl_keyfile={other.keyfile}": "no certificate with its key",
        f"ssl_certfile={mine.certfile}&ssl_keyfile={locked}": "readable without a password",
    }.items():
        with pytest.raises(UnsafeTls, match=problem):
            tls.check(f"rediss://h?{query}")
    both = tmp_path / "both.pem"
    both.write_bytes(mine.certfile.read_bytes() + mine.keyfile.read_bytes())
    tls.check(f"rediss://h?ssl_certfile={both}")


def test_a_copy_of_a_connection_is_verified_too() -> None:
    for scheme, verified in VERIFIED.items():
        assert queues.connection(f"{scheme}://broker.example").clone().ssl == verified


@given(
    scheme=st.sampled_from(["rediss", "amqps"]),
    options=st.dictionaries(
        st.sampled_from(["ssl_cert_reqs", "ssl_check_hostname", "ssl", "ssl_x", "ssl_verify", "cert_reqs"]),
        st.sampled_from(["none", "required", "optional", "true", "false", "0", "1", "CERT_NONE", "", "x"]),
    ),
)
def test_whatever_a_url_asks_for(scheme: str, options: dict[str, str]) -> None:
    """Refused, or verified: there is no third outcome."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    try:
        broker = queues.connection(f"{scheme}://broker.example?{query}")
    except ValueError:
        return
    assert broker.ssl == VERIFIED[scheme]
