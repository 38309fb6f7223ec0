"""One trace from an event to CJ's last word, sent by OpenTelemetry's protocol (OTLP over HTTP).

Off until `start` is given an endpoint: nothing is imported, and every function here returns `OFF`.

    with tracing.turn(claim, workflow) as span:      # each border that is traced has its function here
        ...

What continues what: the event's own `traceparent` (CloudEvents' extension) → intake → workflow → each claim of a turn
→ its model calls, tool calls and published replies → fetches. Intake (or a door) and workflow put their span into the
event's row, from where turns, replies and acks take it. A turn that is claimed again is linked to the claim before.

All names are here. They are those of the semantic conventions where they have one:
https://github.com/open-telemetry/semantic-conventions-genai and
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/. A span says what happened to which event, turn
and conversation, by their ids. What was said, asked or fetched, whose shop it is, and why an error says what it says,
is never in one.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from events import queues
from events.fields import TRACEPARENT

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, SpanKind, Tracer
    from opentelemetry.trace import Span as OtelSpan

    from events.envelope import Event
    from storage.inbox import InboxRow
    from storage.outbox import OutgoingReply
    from storage.turns import Claim

AGENT = "CJ"
DOOR = "door"
"""In place of a queue: what comes over HTTP."""
FLUSH_SECONDS = 2.0
"""How long a process that ends waits for its last spans to be taken."""
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""What the conventions call a provider, where litellm calls it otherwise."""


class Span:
    """A piece of work while tracing is off: nothing is noted."""

    traceparent: str | None = None

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; an exception is noted by its code, or the name of its class."""

    def current(self) -> Span:
        """A block within which it is what new spans and requests belong to, and which does not end it."""
        return self

    def note(self, **attributes: str | float | None) -> None:
        """Add attributes (see `NAMES`); None is left out."""

    def end(self, error: str | None = None) -> None:
        """End it; `error` is a code, never a text."""


OFF = Span()

NAMES: Mapping[str, str] = {
    "error": "error.type",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "data_type": "cj.data_type",
    "result": "cj.result",
    "turns": "cj.turns",
}
"""The attributes that become known while a span lasts, by how callers name them."""


def start(endpoint: str | None, kind: str, *, owner: str, version: str, broker_url: str = "") -> None:
    """Trace this process from now on, if there is an `endpoint`; `OTEL_…` variables mean what OpenTelemetry says.

    Raises ImportError where the extra `tracing` is not installed.
    """
    global _on
    stop()
    if endpoint is not None:
        _on = _On(kind, owner, version, "rabbitmq" if broker_url.startswith("amqp") else "redis")


def stop() -> None:
    """Send what is left, within `FLUSH_SECONDS`, and trace no more."""
    global _on
    if _on is not None:
        ended, _on = _on, None
        ended.stop()


def trace_id(traceparent: str | None) -> str | None:
    """The trace that a `traceparent` belongs to, for log lines."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found["trace"] if found else None


def traceparent() -> str | None:
    """The work under way, for what is asked of another process."""
    return None if _on is None else _on.current().traceparent


def note(**attributes: str | float | None) -> None:
    """Add attributes to the work under way."""
    if _on is not None:
        _on.current().note(**attributes)


def received(event: Event, *, by_door: bool = False) -> Span:
    """An event arrives: intake or a door stores it."""
    if _on is None:
        return OFF
    about = {"messaging.message.id": event.id, **_event(event.id, event.source, event.type)}
    return _on.message("receive", DOOR if by_door else queues.EVENTS, event.envelope.traceparent, about)


def handled(row: InboxRow) -> Span:
    """A workflow worker does what an event asks for."""
    if _on is None:
        return OFF
    about = {**_event(row.id, row.source, row.type), "cj.attempt": row.attempts + 1}
    return _on.message("process", queues.EVENTS, row.traceparent, about)


def turn(claim: Claim, workflow: str) -> Span:
    """One claim of a turn, until the turn ends or is given back."""
    if _on is None:
        return OFF
    about = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": AGENT,
        "gen_ai.conversation.id": claim.conversation_id,
        "gen_ai.workflow.name": workflow,
        "cj.turn.id": claim.turn_id,
        "cj.attempt": claim.attempt,
        "cj.waited_seconds": round(max(claim.waited_seconds, 0.0), 3),
    }
    return _on.claimed(claim, f"invoke_agent {AGENT}", about)


def model_call(name: str, options: Mapping[str, Any]) -> Span:
    """One request to one model."""
    if _on is None:
        return OFF
    provider, _, model = name.partition("/") if "/" in name else (None, "", name)
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider and PROVIDERS.get(provider, provider),
        "gen_ai.request.model": model,
        "gen_ai.request.max_tokens": options.get("max_tokens"),
        "gen_ai.request.temperature": options.get("temperature"),
    }
    return _on.span(f"chat {model}", "CLIENT", about)


def tool_call(name: str, call_id: str) -> Span:
    """One call of a tool by a model."""
    if _on is None:
        return OFF
    about = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call_id,
    }
    return _on.span(f"execute_tool {name}", "INTERNAL", about)


def fetch(data_type: str, asked_by: str | None) -> Span:
    """A Shopify worker answers a request for data; `asked_by` is the `traceparent` of who asks."""
    if _on is None:
        return OFF
    return _on.message("process", queues.SHOPIFY, asked_by, {"cj.data_type": data_type})


def shopify_request(wait: float) -> Span:
    """One request to Shopify, after `wait` seconds for points of the shop's rate limit."""
    if _on is None:
        return OFF
    about = {"http.request.method": "POST", "cj.shopify.bucket_wait_seconds": round(wait, 3)}
    return _on.span("POST graphql.json", "CLIENT", about)


def published(replies: Sequence[OutgoingReply], seconds: float, error: str | None = None) -> None:
    """Replies were handed to the broker, which took so many seconds."""
    if _on is not None:
        _on.afterwards("send", queues.REPLIES, "PRODUCER", [(seconds, _of(reply)) for reply in replies], error)


def acked(replies: Iterable[tuple[float, str | None]], *, by_door: bool = False) -> None:
    """The gateway acked replies, or a client at a door: seconds since their commit, and their `traceparent`."""
    if _on is not None:
        _on.afterwards("settle", DOOR if by_door else queues.ACKS, "CONSUMER", replies)


def wants_acks() -> bool:
    """Whether `acked` is told whose replies they were."""
    return _on is not None


def _event(event_id: str, source: str, kind: str) -> dict[str, Any]:
    return {"cloudevents.event_id": event_id, "cloudevents.event_source": source, "cloudevents.event_type": kind}


def _of(reply: OutgoingReply) -> str | None:
    found = reply.body.get("traceparent")
    return found if isinstance(found, str) else None


class _Running(Span):
    """A piece of work that is traced."""

    def __init__(self, span: OtelSpan, kept: bool = False) -> None:
        self._span = span
        self._kept = kept

    @property
    def traceparent(self) -> str | None:  # type: ignore[override]
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def __enter__(self) -> Span:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from opentelemetry import context

        context.detach(self._token)
        if not self._kept:
            self.end(None if error is None else str(getattr(error, "code", None) or type(error).__name__))

    def current(self) -> Span:
        return _Running(self._span, kept=True)

    def note(self, **attributes: str | float | None) -> None:
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(NAMES[name], value)
        if attributes.get("error") is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR)

    def end(self, error: str | None = None) -> None:
        if error is not None:
            self.note(error=error)
        self._span.end()


class _On:
    """Tracing, switched on."""

    def __init__(self, kind: str, owner: str, version: str, broker: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        class Ids(RandomIdGenerator):
            """Random, but for claims of turns: whoever claims a turn next knows the span before without being told."""

            def __init__(self) -> None:
                self.next = threading.local()

            def generate_span_id(self) -> int:
                given: int | None = getattr(self.next, "id", None)
                self.next.id = None
                return given or super().generate_span_id()

        ours = Resource({
            "service.namespace": "cj", "service.name": f"cj-{kind}", "service.version": version,
            "service.instance.id": owner,
        })  # fmt: skip
        self._trace = trace
        self._ids = Ids()
        self._broker = broker
        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create().merge(ours).merge(OTELResourceDetector().detect()),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._processor)
        self._tracer: Tracer = self._provider.get_tracer("cj-workers", version)

    def stop(self) -> None:
        # A collector that is away must not hold up the end of a process.
        ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)

    def current(self) -> Span:
        return _Running(self._trace.get_current_span())

    def message(self, operation: str, queue: str, parent: str | None, about: Mapping[str, Any]) -> Span:
        """What becomes of a message; `operation` is messaging's."""
        return self.span(f"{operation} {queue}", "CONSUMER", {**self._queue(operation, queue), **about}, parent)

    def _queue(self, operation: str, queue: str) -> dict[str, Any]:
        return {
            "messaging.system": "http" if queue == DOOR else self._broker,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": queue,
        }

    def claimed(self, claim: Claim, name: str, about: Mapping[str, Any]) -> Span:
        links: list[Link] = []
        if (trace := trace_id(claim.traceparent)) is not None:
            self._ids.next.id = _claim_id(trace, claim.turn_id, claim.attempt)
            if claim.attempt > 1:
                before = f"00-{trace}-{_claim_id(trace, claim.turn_id, claim.attempt - 1):016x}-01"
                links = [self._trace.Link(self._context(before))]
        return self.span(name, "INTERNAL", about, claim.traceparent, links)

    def span(
        self, name: str, kind: str, about: Mapping[str, Any], parent: str | None = None, links: Sequence[Link] = ()
    ) -> Span:
        """Begin a span within `parent`, or else within the work under way."""
        return _Running(
            self._tracer.start_span(
                name,
                context=self._within(parent),
                kind=self._kind(kind),
                attributes={key: value for key, value in about.items() if value is not None},
                links=links,
            )
        )

    def afterwards(
        self,
        operation: str,
        queue: str,
        kind: str,
        whose: Iterable[tuple[float, str | None]],
        error: str | None = None,
    ) -> None:
        """A span for each trace in a batch that is over: (seconds that it lasted, `traceparent`)."""
        now = time.time_ns()
        batches: dict[str, list[float]] = {}
        for seconds, parent in whose:
            if parent is not None:
                batches.setdefault(parent, []).append(seconds)
        under_way = self.current().traceparent
        for parent, lasted in batches.items():
            within = under_way if trace_id(under_way) == trace_id(parent) else parent
            about = {**self._queue(operation, queue), "messaging.batch.message_count": len(lasted)}
            span = self._tracer.start_span(
                f"{operation} {queue}",
                context=self._within(within),
                kind=self._kind(kind),
                attributes=about,
                start_time=now - round(max([0.0, *lasted]) * 1e9),
            )
            _Running(span).note(error=error)
            span.end(now)

    def _kind(self, name: str) -> SpanKind:
        return self._trace.SpanKind[name]

    def _within(self, parent: str | None) -> Any:
        if parent is None or (context := self._context(parent)) is None:
            return None
        return self._trace.set_span_in_context(self._trace.NonRecordingSpan(context))

    def _context(self, traceparent: str) -> Any:
        """None for what is no traceparent: messages are foreign."""
        found = TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
        if found is None:
            return None
        flags = self._trace.TraceFlags(int(found["flags"], 16) & 1)
        return self._trace.SpanContext(
            int(found["trace"], 16), int(found["span"], 16), is_remote=True, trace_flags=flags
        )


def _claim_id(trace: str, turn_id: int, attempt: int) -> int:
    digest = hashlib.blake2b(f"{trace} {turn_id} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


_on: _On | None = None
