"""The queues, and a broker connection on which every operation has a time limit.

Everything is published to the default exchange, with the queue's name as routing key. On Redis a named exchange is a
set of bindings in a separate key: after a flush it is gone, and publishing to it loses messages without an error.
"""

import base64
import json
import re
import select
import ssl
import uuid
from collections.abc import Iterator
from contextlib import suppress
from socket import socket
from typing import Any

from amqp.exceptions import AccessRefused, PreconditionFailed
from kombu import Connection, Exchange, Producer, Queue
from kombu.transport.base import StdChannel

from events import sentinel, tls
from events.errors import WrongQueue, chain
from events.tls import UnsafeTls

#: Plain queues: events in, replies out, the gateway's acks of replies.
EVENTS = "events"
REPLIES = "replies"
ACKS = "acks"
#: Celery's queues.
WORKFLOW = "workflow"
TURNS = "turns"
SHOPIFY = "shopify"
OPS = "ops"
ALL = (EVENTS, REPLIES, ACKS, WORKFLOW, TURNS, SHOPIFY, OPS)

#: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#3-envelope
CONTENT_TYPE = "application/cloudevents+json"

#: Seconds after which another consumer gets a dead consumer's unacked messages (Redis).
VISIBILITY_TIMEOUT = 5

#: Seconds to wait for RabbitMQ's publisher confirm, which it withholds while short of memory or disk.
CONFIRM_SECONDS = 5.0

#: What the transports' errors mean, most specific first: by their classes, by OpenSSL's reasons and by its numbers for
#: a refused certificate (https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/).
_CAUSES = {
    "certificate error 10": "its certificate has expired",
    "certificate error 62": "its certificate is for another host name",
    "certificate error 64": "its certificate is for another address",
    "SSLCertVerificationError": "its certificate is not trusted: name its CA (ssl_ca_certs, SSL_CERT_FILE)",
    "WRONG_VERSION_NUMBER": "it speaks no TLS on this port",
    "handshake timeout": "it does not answer in time, as where it speaks no TLS on this port",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate (ssl_certfile, ssl_keyfile)",
    "SSLEOFError": "it ends the TLS connection, perhaps for want of a client certificate (ssl_certfile, ssl_keyfile)",
    "SSLError": "it refuses the TLS connection, perhaps because of the client certificate (ssl_certfile, ssl_keyfile)",
    "AuthenticationError": "wrong user or password",
    "InvalidUsernameOrPasswordError": "wrong user or password",
    "NoPermissionError": "its user lacks a permission: see workers/users.acl",
    "AccessRefused": "wrong user or password, or its user lacks a permission: see workers/README.md",
    "ResourceError": "it allows a connection too few channels: set its channel_max to two or more",
    "NotAllowed": "its user may not use this virtual host",
    "OutOfMemoryError": "it is full: raise its memory limit, or have the gateway consume `replies`",
    "ReadOnlyError": "it is a replica, which accepts no writes",
    "MasterNotFoundError": "no sentinel answers, or none knows a primary of this name",
    "gaierror": "its host name cannot be resolved",
    "ConnectionRefusedError": "nothing listens there",
    "ConnectionResetError": "it closes the connection, as where it speaks TLS on this port (rediss://, amqps://)",
    "Blocked": "it takes no messages, being short of memory or disk: free some, or raise its limit",
    "TimeoutError": "it does not answer in time",
    "ResponseError": "it refuses a command, as where a queue's key is no list",
}
_PERSISTENT = 2

#: One consumer at a time gets all messages; when it leaves, the next one does. Two would each show parts of a
#: conversation. https://www.rabbitmq.com/docs/consumers#single-active-consumer; on Redis a lease, see
#: `broker.redis_queue`.
_ONE_AT_A_TIME = {"x-single-active-consumer": True}

#: RabbitMQ passes on what a consumer has when its connection closes, and closes the connection of a frozen consumer or
#: a dead machine after two to three times this many seconds. https://www.rabbitmq.com/docs/heartbeats. Less than the
#: minute after which load balancers close an idle connection.
HEARTBEAT_SECONDS = 10
#: The same for who holds a queue: meanwhile nobody else may have it.
HOLDER_HEARTBEAT_SECONDS = 1
#: RabbitMQ's queue type that survives the loss of a node: https://www.rabbitmq.com/docs/quorum-queues.
#: RabbitMQ 4 drops a message after 20 failed deliveries; here rows count failures, and no message may be dropped.
#: Everyone who declares the queue must use the same arguments, or RabbitMQ refuses. Redis ignores them.
_RABBITMQ = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
_HOST = r"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?"
_ADDRESS = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/.*)?")


def arguments(name: str) -> dict[str, Any]:
    """The arguments with which a plain queue is declared on RabbitMQ."""
    return {**_RABBITMQ, **(_ONE_AT_A_TIME if name == REPLIES else {})}


def plain_queue(name: str) -> Queue:
    """A durable queue that the default exchange feeds."""
    return Queue(name, Exchange(""), routing_key=name, durable=True, queue_arguments=arguments(name))


class Blocked(TimeoutError):
    """RabbitMQ answers, and confirms no message."""


class VerifiedConnection(Connection):
    """kombu's connection with the TLS options of `tls.options`, for the first URL and for each failover URL. Accepts
    Redis Sentinel URLs."""

    def __init__(self, hostname: Any = "localhost", *args: Any, **params: Any) -> None:
        found = sentinel.read(hostname) if isinstance(hostname, str) else None
        if found is not None:
            hostname, options = found.for_kombu()
            params["ssl"] = {name: value for name, value in found.tls.items() if name != "ssl"} or False
            params["transport_options"] = {**(params.get("transport_options") or {}), **options}
        super().__init__(hostname, *args, **params)

    def _init_params(self, hostname: Any, *args: Any, **params: Any) -> None:
        scheme = str(params["transport"])
        if scheme == "sentinel" and params["ssl"]:  # kombu has one scheme for both
            scheme = "sentinels"
        params["ssl"] = tls.options(scheme, hostname, params["ssl"]) or False
        super()._init_params(hostname, *args, **params)


def connection(broker_url: str, *, timeout: float = 5.0, heartbeat: int = 0) -> Connection:
    """A connection, not opened yet, on which no single operation takes longer than `timeout` seconds.

    RabbitMQ closes it after two to three times `heartbeat` silent seconds, unless that is 0. Open it with
    `open_channel`. Raises ValueError if `broker_url` is not a broker's URL, and its subclass UnsafeTls if the URL turns
    off verification.
    """
    scheme, separator, _ = broker_url.partition("://")
    try:
        if not separator:
            raise ValueError("kombu would take it for a RabbitMQ host")
        tls.check(broker_url)
        options = _transport_options(scheme.lower(), timeout)
        return VerifiedConnection(broker_url, connect_timeout=timeout, transport_options=options, heartbeat=heartbeat)
    except UnsafeTls as unsafe:
        raise UnsafeTls(f"{unsafe} ({safe_url(broker_url)})") from None
    except sentinel.WrongSentinel as wrong:
        raise ValueError(f"{safe_url(broker_url)} {wrong}") from None
    except Exception:  # noqa: BLE001 - kombu's and urllib's own errors may quote the password
        raise ValueError(f"not a broker URL: {safe_url(broker_url)}") from None


def open_channel(broker: Connection) -> StdChannel:
    """Connect once, without retries, and open a channel. Raises the transport's errors."""
    broker.ensure_connection(max_retries=0)
    if broker.transport.driver_type == "amqp":
        # py-amqp waits for most answers without a time limit; the socket's timeout bounds them all.
        broker.connection.transport.sock.settimeout(broker.connect_timeout)
    channel = broker.channel()
    if broker.transport.driver_type == "redis":
        keep_client(channel)
    return channel


def keep_client(channel: Any) -> None:
    """Have a channel on Redis keep its client as long as its pool. kombu builds a `redis.Redis` with a table of 170
    commands for every publish and ack, which takes longer than the command."""
    create = channel._create_client
    kept: dict[Any, Any] = {}

    def create_client(asynchronous: bool = False) -> Any:
        if asynchronous:  # kombu keeps these itself
            return create(asynchronous)
        if channel.pool not in kept:
            kept.clear()
            kept[channel.pool] = create()
        return kept[channel.pool]

    channel._create_client = create_client


def drop_if_ended(broker: Connection) -> None:
    """Drop a connection to RabbitMQ whose other side has closed it, as load balancers close an idle one; its next use
    opens another. Otherwise a publisher notices only by failing. (redis-py looks by itself.)"""
    if broker.connected and broker.transport.driver_type == "amqp" and _has_ended(broker.connection.transport.sock):
        broker.collect()


def _has_ended(sock: socket) -> bool:
    poller = select.poll()
    poller.register(sock, getattr(select, "POLLRDHUP", 0))  # Linux: also where something is left to be read
    return bool(poller.poll(0))


def declare(name: str, broker: Connection, channel: StdChannel) -> None:
    """Declare the plain queue. On Redis there is nothing to do: the first message creates it.

    Raises WrongQueue, and the transport's errors.
    """
    if broker.transport.driver_type == "redis":
        return
    try:
        plain_queue(name)(channel).declare()
    except PreconditionFailed:
        raise WrongQueue(name, safe_url(broker.as_uri())) from None


def check(broker_url: str, *, timeout: float = 5.0, only_sends: bool = False) -> None:
    """Check that every queue is declared with the right arguments, or is a list on Redis, and that RabbitMQ takes and
    hands out messages. Raises WrongQueue, and the transport's errors.

    `only_sends`: whether the URL's user need not be a worker's.
    """
    refusals = (AccessRefused,) if only_sends else ()
    with connection(broker_url, timeout=timeout) as broker:
        for name in ALL:
            with open_channel(broker) as channel, suppress(*refusals):  # then it is not ours to use
                declare(name, broker, channel)
                if broker.transport.driver_type == "redis" and not only_sends:
                    _must_be_a_list(name, broker, channel)
        if broker.transport.driver_type == "amqp":
            # Two channels at a time, as Celery. They are closed with their connection: a blocked one would not answer.
            reader: Any = open_channel(broker)
            producer = Producer(open_channel(broker))
            if not only_sends:
                reader.basic_get(OPS)  # only who may read may ask; what it brings goes back with the channel
            try:
                for _ in range(2):  # short of memory it takes one from each connection, and reads no further
                    put(producer, f"no.{EVENTS}", b"")  # confirmed and dropped: there is no such queue
            except TimeoutError:
                raise Blocked from None


def _must_be_a_list(name: str, broker: Connection, channel: Any) -> None:
    try:
        length(name, channel)
    except channel.ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise WrongQueue(name, safe_url(broker.as_uri())) from None
        raise


def length(name: str, channel: StdChannel) -> int:
    """How many messages are on the plain queue, which is created if missing. Raises the transport's errors."""
    counts: list[int] = []
    queue = plain_queue(name)(channel)
    queue.on_declared = lambda _name, messages, _consumers: counts.append(messages)
    queue.queue_declare()
    return counts[0]


def unacked_keys(name: str) -> dict[str, str]:
    """The Redis keys for unacked messages of a plain queue, as options of kombu's transport.

    Consumers restore each other's messages under the same keys to whatever queue an entry names. So queues outside the
    workers have separate keys: the gateway, for one, may not publish on every queue and must not share the workers'.
    """
    prefix = "plain" if name in (EVENTS, ACKS) else name
    return {f"{key}_key": f"{prefix}.{key}" for key in ("unacked", "unacked_index", "unacked_mutex")}


def holder_key(name: str) -> str | None:
    """The Redis key that names the consumer holding the queue; None if several may consume it."""
    return f"{name}.unacked_holder" if name == REPLIES else None


def purge(name: str, channel: Any) -> None:
    """Remove all messages from a plain queue that is not the workers' (`replies`). Raises the transport's errors.

    On Redis this includes unacked ones, which would come back if their consumer is dead.
    """
    length(name, channel)  # RabbitMQ cannot purge a queue that does not exist
    channel.queue_purge(name)
    if hasattr(channel, "conn_or_acquire"):
        keys = unacked_keys(name)
        with channel.conn_or_acquire() as client:
            client.delete(keys["unacked_key"], keys["unacked_index_key"])


def put(
    producer: Producer,
    queue: str,
    *bodies: bytes,
    content_type: str = CONTENT_TYPE,
    confirm_timeout: float | None = None,
) -> None:
    """Publish `bodies`, persistent, on the plain queue. One try; raises the transport's errors.

    On Redis all of them or none, in one command; on RabbitMQ each is confirmed, for which `confirm_timeout` seconds are
    waited at most (None: as long as the connection allows).
    """
    channel: Any = producer.channel
    if hasattr(channel, "conn_or_acquire"):
        if bodies:
            with channel.conn_or_acquire() as client:
                tags = uuid.uuid4()
                client.lpush(
                    queue,
                    *(_redis_item(queue, body, content_type, f"{tags}.{n}") for n, body in enumerate(bodies)),
                )
        return
    for body in bodies:
        producer.publish(
            body,
            exchange="",
            routing_key=queue,
            content_type=content_type,
            content_encoding="utf-8",
            delivery_mode=_PERSISTENT,
            retry=False,
            confirm_timeout=confirm_timeout,
        )


def _redis_item(queue: str, body: bytes, content_type: str, tag: str) -> bytes:
    """What kombu's producer puts on a list, in half its time (`python -m bench.consumer`)."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": content_type,
            "headers": {},
            "properties": {
                "delivery_mode": _PERSISTENT,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": tag,
            },
        }
    ).encode()


def cause(error: BaseException) -> str:
    """Why a broker or a Redis cannot be used, for operators. Looks through wrapped errors, and never quotes an error's
    text, which may contain what was sent."""
    names = [name for one in chain(error) for name in _names(one)]
    return next((words for known, words in _CAUSES.items() if known in names), names[0])


def _names(error: BaseException) -> Iterator[str]:
    yield type(error).__name__
    if isinstance(error, ssl.SSLError) and error.reason:
        yield error.reason
    if isinstance(error, ssl.SSLCertVerificationError):
        yield f"certificate error {error.verify_code}"
    if isinstance(error, TimeoutError) and "handshake" in str(error):
        yield "handshake timeout"


def safe_url(url: str) -> str:
    """`url` for logs and messages: scheme, host, port and path, without user, password and options."""
    return ";".join(_safe_url(part) for part in url.split(";")) or "(no URL)"


def _safe_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "(no URL)"
    address = re.split("[?#]", rest.rpartition("@")[2])[0]
    return f"{scheme}://{address if _ADDRESS.fullmatch(address) else '(unreadable)'}"


def _transport_options(scheme: str, timeout: float) -> dict[str, Any]:
    if scheme.startswith(("amqp", "pyamqp")):
        return {"confirm_publish": True}
    if not scheme.startswith(("redis", "sentinel")):
        return {}
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # Separate from Celery's keys, so that a killed consumer's messages need not wait for Celery's visibility
        # timeout, which is as long as its longest task.
        **unacked_keys(EVENTS),
        "unacked_mutex_expire": VISIBILITY_TIMEOUT,
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "unacked_restore_throttle": 1,
    }
