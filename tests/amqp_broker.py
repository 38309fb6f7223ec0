"""As much of an AMQP 0-9-1 broker as it takes to publish with confirms and to consume with acks, in memory.

For what a real RabbitMQ cannot be made to do: fall silent at a given method. Like RabbitMQ it drops what is published
to a queue that was not declared, delivers no more than the prefetch count, and takes back what a closed channel had
not acked. https://www.rabbitmq.com/amqp-0-9-1-reference
"""

import contextlib
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self

from amqp.serialization import dumps, loads

_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_FRAME_END = b"\xce"


class AmqpBroker:
    """The broker, with `start` and `stop` in a `with`.

    `declared` and `published` say what clients did; a client's method listed in `silent` is received and never
    answered.
    """

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.queues: dict[str, deque[tuple[bytes, bytes]]] = {}
        self.declared: list[tuple[str, bool]] = []
        self.published: list[dict[str, Any]] = []
        self.acked = 0
        #: Seconds; 0: none are expected.
        self.heartbeat = 0
        self.heartbeats = 0
        self.channel_max = 100
        self.connections = 0
        self.lock = threading.RLock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[_Client] = []

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._listener.getsockname()[1]}//"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Cut every client off."""
        for client in self._clients:
            client.cut()
        for client in self._clients:
            client.thread.join(5)
        self._clients.clear()

    def deliver_all(self) -> None:
        """Hand out what consumers may have."""
        with self.lock:
            for client in self._clients:
                client.deliver()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            client = _Client(self, connection)
            self._clients.append(client)
            self.connections += 1
            client.thread.start()


class _Client:
    def __init__(self, broker: AmqpBroker, connection: socket.socket) -> None:
        self.broker = broker
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self._socket = connection
        self._input = connection.makefile("rb")
        self._tag = 0
        self._prefetch = 0
        self._consuming: list[tuple[int, str, str]] = []
        self._unacked: dict[int, tuple[str, bytes, bytes]] = {}
        self._confirms: defaultdict[int, int] = defaultdict(int)
        self._publishing: dict[str, Any] = {}

    def cut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def deliver(self) -> None:
        for channel, tag, queue in self._consuming:
            waiting = self.broker.queues[queue]
            while waiting and (not self._prefetch or len(self._unacked) < self._prefetch):
                properties, body = waiting.popleft()
                self._tag += 1
                self._unacked[self._tag] = (queue, properties, body)
                self._send(channel, 60, 60, dumps("sLbss", (tag, self._tag, False, "", queue)))
                self._frame(_HEADER, channel, struct.pack(">HHQ", 60, 0, len(body)) + properties)
                if body:
                    self._frame(_BODY, channel, body)

    def _serve(self) -> None:
        with contextlib.suppress(OSError, EOFError, struct.error), self._socket:
            assert self._input.read(8) == b"AMQP\x00\x00\x09\x01"
            if "connection.start" not in self.broker.silent:
                capabilities = {"product": "RabbitMQ", "version": "4.0", "capabilities": {}}
                self._send(0, 10, 10, dumps("ooFSS", (0, 9, capabilities, b"PLAIN AMQPLAIN", b"en_US")))
            while True:
                kind, channel, payload = self._read()
                with self.broker.lock:
                    self._handle(kind, channel, payload)
        with self.broker.lock:
            self._take_back()
        self._input.close()

    def _take_back(self) -> None:
        self._consuming.clear()
        for _, (queue, properties, body) in sorted(self._unacked.items(), reverse=True):
            self.broker.queues[queue].appendleft((properties, body))
        self._unacked.clear()
        self.broker.deliver_all()

    def _read(self) -> tuple[int, int, bytes]:
        head = self._input.read(7)
        if len(head) < 7:
            raise EOFError
        kind, channel, size = struct.unpack(">BHI", head)
        payload = self._input.read(size)
        assert self._input.read(1) == _FRAME_END
        return kind, channel, payload

    def _handle(self, kind: int, channel: int, payload: bytes) -> None:
        if kind == _METHOD:
            signature = struct.unpack(">HH", payload[:4])
            name, answer = self._METHODS[signature]
            if name not in self.broker.silent:
                answer(self, channel, payload[4:])
        elif kind == _HEARTBEAT:
            self.broker.heartbeats += 1
        elif kind == _HEADER:
            (size,) = struct.unpack(">Q", payload[4:12])
            self._publishing |= {"size": size, "properties": payload[12:], "body": b""}
        elif kind == _BODY:
            self._publishing["body"] += payload
        if self._publishing.get("size") == len(self._publishing.get("body", "-")):
            self._publish(channel)

    def _publish(self, channel: int) -> None:
        found, self._publishing = self._publishing, {}
        self.broker.published.append(found)
        if found["exchange"] == "" and found["queue"] in self.broker.queues:
            self.broker.queues[found["queue"]].append((found["properties"], found["body"]))
        if channel in self._confirms and "basic.publish" not in self.broker.silent:
            self._confirms[channel] += 1
            self._send(channel, 60, 80, dumps("Lb", (self._confirms[channel], False)))
        self.broker.deliver_all()

    def _send(self, channel: int, class_id: int, method_id: int, arguments: bytes = b"") -> None:
        self._frame(_METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)

    def _frame(self, kind: int, channel: int, payload: bytes) -> None:
        self._socket.sendall(struct.pack(">BHI", kind, channel, len(payload)) + payload + _FRAME_END)

    def _nothing(self, channel: int, arguments: bytes) -> None:
        pass

    def _start_ok(self, channel: int, arguments: bytes) -> None:
        self._send(0, 10, 30, dumps("BlB", (self.broker.channel_max, 131072, self.broker.heartbeat)))

    def _open(self, channel: int, arguments: bytes) -> None:
        self._send(0, 10, 41, dumps("s", ("",)))

    def _close(self, channel: int, arguments: bytes) -> None:
        self._send(0, 10, 51)

    def _channel_open(self, channel: int, arguments: bytes) -> None:
        self._send(channel, 20, 11, dumps("S", (b"",)))

    def _channel_close(self, channel: int, arguments: bytes) -> None:
        self._take_back()
        self._send(channel, 20, 41)

    def _queue_declare(self, channel: int, arguments: bytes) -> None:
        (_, queue, _, durable), _ = loads("Bsbb", arguments, 0)
        self.broker.declared.append((queue, durable))
        self.broker.queues.setdefault(queue, deque())
        self._send(channel, 50, 11, dumps("sll", (queue, 0, 0)))

    def _qos(self, channel: int, arguments: bytes) -> None:
        (_, self._prefetch), _ = loads("lB", arguments, 0)
        self._send(channel, 60, 11)

    def _consume(self, channel: int, arguments: bytes) -> None:
        (_, queue, tag), _ = loads("Bss", arguments, 0)
        self._send(channel, 60, 21, dumps("s", (tag,)))
        self._consuming.append((channel, tag, queue))
        self.deliver()

    def _basic_publish(self, channel: int, arguments: bytes) -> None:
        (_, exchange, queue), _ = loads("Bss", arguments, 0)
        self._publishing = {"exchange": exchange, "queue": queue}

    def _get(self, channel: int, arguments: bytes) -> None:
        self._send(channel, 60, 72, dumps("s", ("",)))  # empty

    def _ack(self, channel: int, arguments: bytes) -> None:
        (tag,), _ = loads("L", arguments, 0)
        del self._unacked[tag]
        self.broker.acked += 1
        self.deliver()

    def _confirm(self, channel: int, arguments: bytes) -> None:
        self._confirms[channel] = 0
        self._send(channel, 85, 11)

    _METHODS: ClassVar[dict[tuple[int, ...], tuple[str, Callable[["_Client", int, bytes], None]]]] = {
        (10, 11): ("connection.start-ok", _start_ok),
        (10, 31): ("connection.tune-ok", _nothing),
        (10, 40): ("connection.open", _open),
        (10, 50): ("connection.close", _close),
        (10, 51): ("connection.close-ok", _nothing),
        (20, 10): ("channel.open", _channel_open),
        (20, 40): ("channel.close", _channel_close),
        (50, 10): ("queue.declare", _queue_declare),
        (60, 10): ("basic.qos", _qos),
        (60, 20): ("basic.consume", _consume),
        (60, 40): ("basic.publish-head", _basic_publish),
        (60, 70): ("basic.get", _get),
        (60, 80): ("basic.ack", _ack),
        (85, 10): ("confirm.select", _confirm),
    }
