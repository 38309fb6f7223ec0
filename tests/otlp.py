"""A receiver of traces (OTLP over HTTP): an HTTP server, and OpenTelemetry's own decoder of what arrives.

with Receiver() as receiver:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    ...
    print(receiver.tree(trace_id))
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import SpanFlags


@dataclass(frozen=True)
class Seen:
    """A span that arrived; times in seconds."""

    name: str
    service: str
    trace: str
    id: str
    parent: str
    begins: float
    ends: float
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    failed: bool
    has_remote_parent: bool


class Receiver:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.bytes: list[bytes] = []
        self.requests = 0
        #: Whether what arrives is read; a benchmark of who sends it does without.
        self.decodes = True
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # a collector keeps connections, too

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests += 1
                if receiver.decodes:
                    receiver.bytes.append(body)
                    receiver.spans += _read(body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def of(self, trace: str) -> list[Seen]:
        """The spans of a trace, in the order in which they began."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.begins)

    def tree(self, trace: str, *, within: str = "") -> Iterator[str]:
        """The spans of a trace below span `within` (default: whoever published the event), one a line."""
        spans = self.of(trace)
        known = {span.id for span in spans}
        below: dict[str, list[Seen]] = defaultdict(list)
        for span in spans:
            below[span.parent if span.parent in known else ""].append(span)

        def lines(parent: str, depth: int) -> Iterator[str]:
            for span in below[parent]:
                at, lasted = 1000 * (span.begins - spans[0].begins), 1000 * (span.ends - span.begins)
                told = [str(span.attributes[name]) for name in ("cj.data_type", "cj.result") if name in span.attributes]
                told += ["failed"] if span.failed else []
                told += ["linked"] if span.links else []
                note = f"  ({', '.join(told)})" if told else ""
                yield f"{at:8,.0f} ms {lasted:7,.0f} ms  {span.service:12} {'  ' * depth}{span.name}{note}"
                yield from lines(span.id, depth + 1)

        return lines(within, 0)


def _read(body: bytes) -> Iterator[Seen]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    span.name,
                    service,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano / 1e9,
                    span.end_time_unix_nano / 1e9,
                    _values(span.attributes),
                    tuple(link.span_id.hex() for link in span.links),
                    span.status.code == WireSpan().status.STATUS_CODE_ERROR,
                    bool(span.flags & SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK),
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in attributes}
