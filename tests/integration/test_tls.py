"""Over TLS nobody is told a password, or anything else, before a verified certificate has shown who it is."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from events import Publisher, PublishFailed, queues
from storage.redis_server import RedisServer
from tests.amqp_broker import AmqpBroker
from tests.certificates import Authority, self_signed
from tests.tls_server import TlsServer
from tests.waiting import wait_until
from workers.delivery.wake_ups import WakeUps, broker_breaker, sender
from workers.local.embedded import EmbeddedValkey
from workers.settings import environment

ROOT = Path(__file__).parent.parent.parent
SECRET = "SECRET-of-the-broker"
EVENT = {"merchant_id": "m1", "conversation_id": "c1", "text": "hello"}

# What Celery does over the broker, for each URL in a process of its own: a worker's connection, a wake-up, remote
# control (Flower asks through the same application). Before a URL may stand a file of authorities, for the environment.
CELERY = """
import os, sys
from workers.celery import app
for argument in sys.argv[2:]:
    if os.fork() == 0:
        trusted, _, os.environ["BROKER_URL"] = argument.rpartition(" ")
        os.environ |= {"SSL_CERT_FILE": trusted} if trusted else {}
        for name, attempt in {
            "connects": lambda: app.connection_for_read().ensure_connection(max_retries=0, timeout=5),
            "sends": lambda: app.send_task("cj.run_turn", [1], queue="turns", retry=False),
            "asks": lambda: app.control.inspect(timeout=0.1).ping(),
        }.items():
            try:
                if name in sys.argv[1]:
                    attempt()
                    print(name)
            except Exception as error:
                print(type(error).__name__, str(error)[:300])
        sys.stdout.flush()
        os._exit(0)
for _ in sys.argv[2:]:
    os.wait()
"""


def celery(*urls: str, what: str = "connects, sends, asks", **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CELERY, what, *urls],
        cwd=ROOT,
        env={**environment(), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


def wrong_name(authority: Authority, folder: Path) -> Any:
    return authority.issue("elsewhere.example")


def no_authority(authority: Authority, folder: Path) -> Any:
    return self_signed(folder, "localhost", "127.0.0.1")


def another_authority(authority: Authority, folder: Path) -> Any:
    return Authority(folder, "another").issue("localhost", "127.0.0.1")


def self_signed_wrong_name(authority: Authority, folder: Path) -> Any:
    return self_signed(folder, "elsewhere.example")


IMPOSTORS = (wrong_name, no_authority, another_authority, self_signed_wrong_name)


@pytest.fixture
def impostors(authority: Authority, folder: Path) -> Iterator[list[TlsServer]]:
    """Servers on loopback that are not who the URL says."""
    with ExitStack() as running:
        yield [running.enter_context(TlsServer(make(authority, folder))) for make in IMPOSTORS]


def url(scheme: str, server: TlsServer, options: str = "", host: str = "127.0.0.1") -> str:
    path = "/0" if scheme == "rediss" else "//"
    return f"{scheme}://cj:{SECRET}@{host}:{server.port}{path}{options}"


def trusting(authority: Authority) -> str:
    return f"?ssl_ca_certs={authority.certfile}"


def reaches_cache(address: str) -> bool:
    cache = RedisServer(address)
    try:
        return bool(cache.do(lambda: cache.client.set("x", 1), False))
    finally:
        cache.close()


def given_up(server: TlsServer) -> None:
    wait_until(lambda: server.ended, what="a client that gave up")


def told_nothing(servers: list[TlsServer]) -> None:
    for server in servers:
        given_up(server)
        assert server.heard == b"", f"an impostor was told {server.heard[:80]!r}"


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_celery_tells_an_impostor_nothing(
    impostors: list[TlsServer], authority: Authority, folder: Path, scheme: str
) -> None:
    """Whether the authority is named in the URL, in the environment or not at all; all at once, because a wake-up that
    fails takes six seconds."""
    with TlsServer(self_signed(folder, "localhost", "127.0.0.1")) as unknown:
        by_option = [url(scheme, server, trusting(authority)) for server in impostors[:2]]
        by_environment = [f"{authority.certfile} {url(scheme, server)}" for server in impostors[2:]]
        said = celery(*by_option, *by_environment, url(scheme, unknown))
        told_nothing([*impostors, unknown])
    assert not {"connects", "sends"} & set(said.split())
    assert SECRET not in said


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_neither_publishers_nor_wake_ups_tell_an_impostor_anything(
    impostors: list[TlsServer], authority: Authority, scheme: str
) -> None:
    def tell(server: TlsServer) -> None:
        address = url(scheme, server, trusting(authority))
        with Publisher(address, timeout=1.0) as publisher, pytest.raises(PublishFailed):
            publisher.publish("message_received", EVENT, source="/gateway")
        assert not WakeUps(sender(address), broker_breaker()).run_turn(1)

    with ThreadPoolExecutor() as threads:
        list(threads.map(tell, impostors))
    told_nothing(impostors)


def test_the_cache_tells_an_impostor_nothing(impostors: list[TlsServer], authority: Authority) -> None:
    for server in impostors:
        assert not reaches_cache(url("rediss", server, trusting(authority)))
    told_nothing(impostors)


@pytest.fixture
def redis_over_tls(valkey: EmbeddedValkey, valkey_url: str) -> Callable[..., TlsServer]:
    return lambda certificate, **options: TlsServer(
        certificate, behind=int(valkey_url.rpartition(":")[2].split("/")[0]), **options
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_redis_over_tls_with_an_authority_and_certificates_of_ones_own(
    redis_over_tls: Callable[..., TlsServer], authority: Authority, valkey_url: str, host: str
) -> None:
    mine = authority.issue("worker")
    options = f"?ssl_ca_certs={authority.certfile}&ssl_certfile={mine.certfile}&ssl_keyfile={mine.keyfile}"
    with redis_over_tls(authority.issue("localhost", "127.0.0.1"), client_ca=authority.certfile) as server:
        address = f"rediss://{host}:{server.port}/0{options}"
        assert celery(address).split() == ["connects", "sends", "asks"]
        with Publisher(address) as publisher:
            publisher.publish("message_received", EVENT, source="/gateway")
        assert reaches_cache(address)
        client = redis.Redis.from_url(valkey_url)
        assert (client.llen(queues.TURNS), client.llen(queues.EVENTS)) == (1, 1)
        client.close()
        without = f"rediss://{host}:{server.port}/0{trusting(authority)}"
        assert not reaches_cache(without)


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_operators_are_told_what_is_wrong(
    redis_over_tls: Callable[..., TlsServer], authority: Authority, folder: Path, valkey_url: str, scheme: str
) -> None:
    own = authority.issue("localhost")

    def told(port: int, *, over: str = scheme, host: str = "localhost", options: str = trusting(authority)) -> str:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - as each transport raises it
            queues.check(f"{over}://{host}:{port}/0{options}", timeout=0.5)
        return queues.cause(caught.value)

    with redis_over_tls(own) as server, redis_over_tls(own, client_ca=authority.certfile) as strict:
        assert told(server.port, host="127.0.0.1") == "its certificate is for another address"
        assert told(server.port, options="").startswith("its certificate is not trusted")
        assert "it speaks no TLS on this port" in told(int(valkey_url.rpartition(":")[2].split("/")[0]))
        assert "as where it speaks TLS on this port" in told(server.port, over=scheme[:-1], options="")
        assert "client certificate (ssl_certfile, ssl_keyfile)" in told(strict.port)
    with redis_over_tls(authority.issue("elsewhere.example")) as server:
        assert told(server.port) == "its certificate is for another host name"


@pytest.mark.parametrize("trust", ["option", "environment"])
def test_rabbitmq_over_tls_with_an_authority_of_ones_own(authority: Authority, folder: Path, trust: str) -> None:
    mine = authority.issue("worker")
    with (
        AmqpBroker() as broker,
        TlsServer(
            authority.issue("localhost", "127.0.0.1"),
            behind=int(broker.url.rpartition(":")[2].strip("/")),
            client_ca=authority.certfile,
        ) as server,
    ):
        own = f"?ssl_certfile={mine.certfile}&ssl_keyfile={mine.keyfile}"
        option = f"&ssl_ca_certs={authority.certfile}" if trust == "option" else ""
        environ = {"SSL_CERT_FILE": str(authority.certfile)} if trust == "environment" else {}
        address = f"amqps://guest:guest@localhost:{server.port}//{own}{option}"
        assert celery(address, what="connects, sends", **environ).split() == ["connects", "sends"]
        assert broker.published[0]["queue"] == queues.TURNS


@pytest.mark.parametrize("scheme", ["rediss", "amqps"])
def test_the_next_server_of_a_list_is_verified_as_itself(authority: Authority, folder: Path, scheme: str) -> None:
    """py-amqp would go on to expect the first one's name; and options of one URL must not be lost for the next."""
    with (
        TlsServer(authority.issue("127.0.0.1")) as first,
        TlsServer(authority.issue("localhost")) as second,
        TlsServer(self_signed(folder, "localhost")) as third,
    ):
        trust = trusting(authority)
        broker = queues.connection(
            ";".join(
                [url(scheme, first, trust), url(scheme, second, host="localhost"), url(scheme, third, host="localhost")]
            ),
            timeout=0.5,
        )
        for server in (first, second, third):
            with pytest.raises(Exception):  # noqa: B017, PT011 - none of them answers
                queues.open_channel(broker)
            given_up(server)
            broker.maybe_switch_next()
        assert (bool(first.heard), bool(second.heard), third.heard) == (True, True, b"")
        assert SECRET.encode() not in third.heard
        broker.release()


@pytest.mark.parametrize("variable", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_not_even_celerys_own_variables_turn_verification_off(folder: Path, variable: str) -> None:
    with TlsServer(self_signed(folder, "127.0.0.1")) as server:
        celery("redis://127.0.0.1:1/0", **{variable: url("rediss", server, "?ssl_cert_reqs=none")})
        assert server.heard == b""
