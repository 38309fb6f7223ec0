"""One trace from an event to CJ's last word, sent by OTLP over HTTP.

Off until `start` gets an endpoint: until then nothing is imported, and every function here returns `OFF`.

    with tracing.turn(claim, workflow) as span:      # each traced operation has its function here
        ...

The chain of parents: the event's `traceparent` (CloudEvents' extension) → intake → workflow → each claim of a turn →
its model calls, tool calls and published replies → fetches. Intake (or a door) and workflow store their span in the
event's row; turns, replies and acks read it there. A turn that is claimed again is linked to the previous claim.

All names are here, and follow the semantic conventions if they define one:
https://github.com/open-telemetry/semantic-conventions-genai and
https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/. A span says what happened to which event, turn
and conversation, by their ids. It never contains what was said, asked or fetched, a shop, or an error's text.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from events import queues
from events.fields import TRACEPARENT
from workers import otlp

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext

    from events.envelope import Event
    from storage.inbox import InboxRow
    from storage.outbox import OutgoingReply
    from storage.turns import Claim

AGENT = "CJ"
DOOR = "door"
"""Takes the place of a queue's name for what arrives over HTTP."""
MAX_TRACEPARENT = 256
"""Characters: more than `TRACEPARENT` matches."""
FLUSH_SECONDS = 2.0
"""How long an ending process waits for its last spans to be sent."""
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""The conventions' names of providers, where litellm's differ."""


class Span:
    """A span while tracing is off: does nothing."""

    __slots__ = ()

    traceparent: str | None = None

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the span; an exception is recorded by its code, or the name of its class."""

    def current(self) -> AbstractContextManager[Span]:
        """A block in which new spans and requests belong to this span; the block does not end it."""
        return self

    def note(self, **attributes: str | float | None) -> None:
        """Add attributes (see `NAMES`); None values are left out."""

    def end(self, error: str | None = None) -> None:
        """End the span; `error` is a code, never a text."""


OFF = Span()

NAMES: Mapping[str, str] = {
    "error": "error.type",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
    "data_type": "cj.data_type",
    "result": "cj.result",
    "turns": "cj.turns",
}
"""Attributes that callers add during a span, by the callers' names."""


def start(endpoint: str | None, kind: str, *, owner: str, version: str, broker_url: str = "") -> None:
    """Trace this process from now on, if there is an `endpoint`; `OTEL_…` variables work as OpenTelemetry documents.

    Raises ImportError if the extra `tracing` is not installed.
    """
    global _on
    stop()
    if endpoint is not None and (provider := _provider()) is not None:
        _on = _On(provider, kind, owner, version, "rabbitmq" if broker_url.startswith("amqp") else "redis")


def stop() -> None:
    """Send the remaining spans, within `FLUSH_SECONDS`, and stop tracing."""
    global _on
    if _on is not None:
        ended, _on = _on, None
        ended.stop()


def trace_id(traceparent: str | None) -> str | None:
    """The trace that a `traceparent` belongs to, for log lines."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found["trace"] if found else None


def traceparent() -> str | None:
    """The current span's `traceparent`, for requests to another process."""
    around = None if _on is None else _under_way.get()
    return None if around is None else around.traceparent


def note(**attributes: str | float | None) -> None:
    """Add attributes to the current span."""
    if _on is not None and (around := _under_way.get()) is not None:
        around.note(**attributes)


def received(event: Event, *, by_door: bool = False) -> Span:
    """Intake or a door stores an event."""
    if _on is None:
        return OFF
    about = {"messaging.message.id": event.id, **_event(event.id, event.source, event.type)}
    return _on.message("receive", DOOR if by_door else queues.EVENTS, event.envelope.traceparent, about)


def handled(row: InboxRow) -> Span:
    """A workflow worker handles an event."""
    if _on is None:
        return OFF
    about = {**_event(row.id, row.source, row.type), "cj.attempt": row.attempts + 1}
    return _on.message("process", queues.EVENTS, row.traceparent, about)


def turn(claim: Claim, workflow: str) -> Span:
    """One claim of a turn, until the turn ends or is released."""
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
    """A Shopify worker answers a fetch request; `asked_by`: the `traceparent` of the requester."""
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
    """Replies were published, which took `seconds`."""
    if _on is not None:
        _on.afterwards("send", queues.REPLIES, "PRODUCER", [(seconds, _of(reply)) for reply in replies], error)


def acked(replies: Iterable[tuple[float, str | None]], *, by_door: bool = False) -> None:
    """The gateway acked replies, or a client at a door: seconds since their commit, and their `traceparent`."""
    if _on is not None:
        _on.afterwards("settle", DOOR if by_door else queues.ACKS, "CONSUMER", replies)


def wants_acks() -> bool:
    """Whether `acked` needs the replies' `traceparent`."""
    return _on is not None


def _event(event_id: str, source: str, kind: str) -> dict[str, Any]:
    return {"cloudevents.event_id": event_id, "cloudevents.event_source": source, "cloudevents.event_type": kind}


def _of(reply: OutgoingReply) -> str | None:
    found = reply.body.get("traceparent")
    return found if isinstance(found, str) else None


class _Remote(NamedTuple):
    """A span of another process, from a `traceparent`."""

    trace: int
    id: int
    sampled: bool


class _Running(Span):
    """A span while tracing is on: nothing but what happened."""

    __slots__ = (
        "_on", "_token", "about", "begins", "ends", "failed", "id", "kind", "links", "name", "parent", "sampled",
        "trace",
    )  # fmt: skip
    #: Asked for by the SDK's processor, which gets only spans that are sampled.
    context = SimpleNamespace(trace_flags=SimpleNamespace(sampled=True))

    def __init__(
        self,
        on: _On,
        name: str,
        kind: str,
        about: dict[str, Any],
        parent: _Running | _Remote | None,
        trace: int,
        span_id: int,
        sampled: bool,
    ) -> None:
        self.begins = time.time_ns()
        self.name, self.kind, self.about, self.parent = name, kind, about, parent
        self.trace, self.id, self.sampled = trace, span_id, sampled
        self.links: tuple[int, ...] = ()  # ids of spans of the same trace
        self.failed = False
        self.ends = 0
        self._on: _On | None = on

    @property
    def traceparent(self) -> str | None:  # type: ignore[override]
        return f"00-{self.trace:032x}-{self.id:016x}-{self.sampled:02x}"

    def __enter__(self) -> Span:
        self._token = _under_way.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _under_way.reset(self._token)
        self.end(None if error is None else str(getattr(error, "code", None) or type(error).__name__))

    @contextmanager
    def current(self) -> Iterator[Span]:
        token = _under_way.set(self)
        try:
            yield self
        finally:
            _under_way.reset(token)

    def note(self, **attributes: str | float | None) -> None:
        for name, value in attributes.items():
            self.about[NAMES[name]] = value
        self.failed |= attributes.get("error") is not None

    def end(self, error: str | None = None) -> None:
        on, self._on = self._on, None
        if on is not None:
            if error is not None:
                self.note(error=error)
            on.ended(self, time.time_ns())

    def encoded(self) -> bytes:
        """The span in OTLP's encoding, once it has ended."""
        parent = self.parent
        return otlp.span(
            trace=self.trace,
            span=self.id,
            parent=None if parent is None else parent.id,
            parent_is_remote=isinstance(parent, _Remote),
            links=self.links,
            name=self.name,
            kind=self.kind,
            begins=self.begins,
            ends=self.ends,
            attributes=self.about,
            failed=self.failed,
        )


def _provider() -> TracerProvider | None:
    """OpenTelemetry's provider, configured by its variables; None if they switch it off."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import NoOpTracer

    found = TracerProvider(shutdown_on_exit=False)
    return None if isinstance(found.get_tracer(AGENT), NoOpTracer) else found


class _On:
    """Tracing while it is on. The SDK samples, batches and sends. Its tracer and its encoder are not used: they cost
    several times as much."""

    def __init__(self, provider: TracerProvider, kind: str, owner: str, version: str, broker: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
        from opentelemetry.sdk.trace.sampling import Decision, ParentBased

        ours = Resource({
            "service.namespace": "cj", "service.name": f"cj-{kind}", "service.version": version,
            "service.instance.id": owner,
        })  # fmt: skip
        resource = Resource.create().merge(ours).merge(OTELResourceDetector().detect())
        request = otlp.ExportRequest(resource.attributes, resource.schema_url, "cj-workers", version)

        class Exporter(OTLPSpanExporter):
            """Sends as the library does, but encodes the spans itself."""

            def export(self, spans: Sequence[Any]) -> SpanExportResult:
                sent = self._client.export(request.of(span.encoded() for span in spans))
                return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE

        def context(span: _Remote) -> SpanContext:
            return trace.SpanContext(span.trace, span.id, is_remote=True, trace_flags=trace.TraceFlags(span.sampled))

        def is_sampled(parent: _Remote | None, trace_id: int, name: str) -> bool:
            if parent is not None and isinstance(provider.sampler, ParentBased):
                return parent.sampled  # as the SDK would answer, in a tenth of the time
            above = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(context(parent)))
            return provider.sampler.should_sample(above, trace_id, name).decision is Decision.RECORD_AND_SAMPLE

        self._is_sampled = is_sampled
        self._ids = provider.id_generator
        self._broker = broker
        self._processor: Any = BatchSpanProcessor(Exporter())

    def stop(self) -> None:
        # A collector that is down must not delay the end of a process.
        ending = threading.Thread(target=self._processor.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)

    def ended(self, span: _Running, at: int) -> None:
        """Queue an ended span for sending, if its trace is sampled."""
        if span.sampled:
            span.ends = at
            self._processor.on_end(span)

    def message(self, operation: str, queue: str, parent: str | None, about: dict[str, Any]) -> Span:
        """A span about a message; `operation`: by the messaging conventions."""
        return self.span(f"{operation} {queue}", "CONSUMER", self._queue(operation, queue) | about, _parsed(parent))

    def _queue(self, operation: str, queue: str) -> dict[str, Any]:
        return {
            "messaging.system": "http" if queue == DOOR else self._broker,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": queue,
        }

    def claimed(self, claim: Claim, name: str, about: dict[str, Any]) -> Span:
        """A span for a claim; its id is derived, so that the next claim can link to it without storing it."""
        if (parent := _parsed(claim.traceparent)) is None:
            return self.span(name, "INTERNAL", about)
        span = self.span(name, "INTERNAL", about, parent, _claim_id(parent.trace, claim.turn_id, claim.attempt))
        if claim.attempt > 1:
            span.links = (_claim_id(parent.trace, claim.turn_id, claim.attempt - 1),)
        return span

    def span(
        self,
        name: str,
        kind: str,
        about: dict[str, Any],
        parent: _Running | _Remote | None = None,
        span_id: int | None = None,
    ) -> _Running:
        """Start a span under `parent`, or else under the current span."""
        above = parent or _under_way.get()
        trace = self._ids.generate_trace_id() if above is None else above.trace
        sampled = above.sampled if isinstance(above, _Running) else self._is_sampled(above, trace, name)
        return _Running(self, name, kind, about, above, trace, span_id or self._ids.generate_span_id(), sampled)

    def afterwards(
        self,
        operation: str,
        queue: str,
        kind: str,
        whose: Iterable[tuple[float, str | None]],
        error: str | None = None,
    ) -> None:
        """Add a span for each trace in a finished batch: (its duration in seconds, `traceparent`)."""
        now = time.time_ns()
        batches: dict[str, list[float]] = {}
        for seconds, parent in whose:
            if parent is not None:
                batches.setdefault(parent, []).append(seconds)
        around = _under_way.get()
        for parent, lasted in batches.items():
            above = _parsed(parent)
            within = above is None or (around is not None and around.trace == above.trace)
            about = {**self._queue(operation, queue), "messaging.batch.message_count": len(lasted)}
            span = self.span(f"{operation} {queue}", kind, about, around if within else above)
            span.begins = now - round(max([0.0, *lasted]) * 1e9)
            span.note(error=error)
            self.ended(span, now)


def _parsed(traceparent: str | None) -> _Remote | None:
    """None if it is malformed, since messages are untrusted."""
    is_possible = isinstance(traceparent, str) and len(traceparent) <= MAX_TRACEPARENT
    return _remote(traceparent) if is_possible and traceparent else None


@lru_cache(256)  # the messages of one flow have the same
def _remote(traceparent: str) -> _Remote | None:
    found = TRACEPARENT.fullmatch(traceparent)
    return found and _Remote(int(found["trace"], 16), int(found["span"], 16), bool(int(found["flags"], 16) & 1))


def _claim_id(trace: int, turn_id: int, attempt: int) -> int:
    digest = hashlib.blake2b(f"{trace:032x} {turn_id} {attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


_on: _On | None = None
_under_way: ContextVar[_Running | None] = ContextVar("span", default=None)
