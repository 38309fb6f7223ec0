"""The URL of a Redis Sentinel: what it may say, and that TLS means both the sentinels and the servers."""

from collections.abc import Mapping
from typing import Any

import pytest

from events import queues, sentinel
from events.sentinel import WrongSentinel
from storage import redis_server
from workers.settings import Settings, SettingsError

URL = "sentinel://cj:p%40ss@s1,10.0.0.2:26380,[::1]:26381/2?master=prod"
CHECKED = {"ssl": True, "ssl_check_hostname": True}


def some(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found.get(name) for name in wanted}


def test_it_names_sentinels_and_the_primary_they_watch() -> None:
    found = sentinel.read(URL)
    assert found is not None
    assert found.hosts == (("s1", 26379), ("10.0.0.2", 26380), ("::1", 26381))
    assert (found.master, found.username, found.password, found.database) == ("prod", "cj", "p@ss", 2)
    assert not {"username", "password", "ssl"} & found.own.keys()
    assert "p%40ss" not in repr(found)
    assert queues.safe_url(URL) == "sentinel://s1,10.0.0.2:26380,[::1]:26381/2"


def test_sentinels_may_have_a_password_of_their_own() -> None:
    found = sentinel.read(f"{URL}&sentinel_username=s&sentinel_password=t%26t")
    assert found is not None
    assert some(found.own, {"username": "", "password": ""}) == {"username": "s", "password": "t&t"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sentinel://s1:26379/0", "does not say for whom; write sentinel://"),
        ("sentinel://s1:26379/0?master=", "does not say for whom"),
        ("sentinel://s1:26379/0?master_name=cj", "does not say for whom"),
        ("sentinel://a:1;sentinel://b:1/0?master=cj", "several URLs"),
        ("sentinel://a:1,,b:1/0?master=cj", "is not a URL of a Redis Sentinel"),
        ("sentinel://a:99999/0?master=cj", "is not a URL of a Redis Sentinel"),
        ("sentinel://a:b/0?master=cj", "is not a URL of a Redis Sentinel"),
        ("sentinel://a/zero?master=cj", "is not a URL of a Redis Sentinel"),
        ("sentinel:///0?master=cj", "is not a URL of a Redis Sentinel"),
        ("sentinel://a/0?master=cj&db=1", "has a parameter"),
        ("sentinel://a/0?master=cj&sentinel_db=1", "has a parameter"),
        ("sentinel://a/0?master=cj&ssl_ca_certs=/ca.pem", "TLS options need"),
        ("sentinels://a/0?master=cj&ssl_cert_reqs=none", "unchecked"),
    ],
)
@pytest.mark.parametrize("variable", ["BROKER_URL", "REDIS_URL"])
def test_what_it_cannot_mean_is_refused_with_what_to_write(variable: str, url: str, says: str) -> None:
    secret = url.replace("://", "://cj:hidden@", 1)
    with pytest.raises(SettingsError) as refused:
        Settings.read({variable: secret}, needed=(variable,))
    [problem] = refused.value.problems
    assert problem.startswith(variable)
    assert says in problem
    assert "hidden" not in problem


def test_a_publisher_hears_it_too() -> None:
    with pytest.raises(ValueError, match="sentinel://s1:26379/0 asks a Redis Sentinel and does not say for whom"):
        queues.connection("sentinel://cj:hidden@s1:26379/0")
    assert issubclass(WrongSentinel, ValueError)


def test_over_tls_sentinels_and_servers_prove_who_they_are() -> None:
    url = URL.replace("sentinel://", "sentinels://")
    with queues.connection(url) as connection, connection.clone() as copy:
        each: Any  # its types lack what is looked at
        for each in (connection, copy):
            assert each.transport_cls == "sentinel"
            assert some(each.ssl, {"ssl_check_hostname": 0}) == {"ssl_check_hostname": True}
            assert some(each.transport_options["sentinel_kwargs"], CHECKED) == CHECKED
    pool: Any = redis_server.connect(url).connection_pool
    assert pool.connection_class.__name__ == "SentinelManagedSSLConnection"
    assert pool.connection_kwargs["ssl_check_hostname"]
    for one in pool.sentinel_manager.sentinels:
        assert one.connection_pool.connection_class.__name__ == "SSLConnection"
        assert one.connection_pool.connection_kwargs["ssl_check_hostname"]


def test_flower_which_connects_by_itself_finds_the_primarys_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.celery import configuration

    monkeypatch.setenv("BROKER_URL", URL)
    assert configuration()["broker_transport_options"]["master_name"] == "prod"
