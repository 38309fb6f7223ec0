"""Spans: free when off; when on, no foreign header does harm, and an unavailable collector delays nobody."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from storage.outbox import OutgoingReply
from tests.otlp import Receiver
from tests.tcp import closed_port
from workers import tracing

TRACE, SENDER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SENDER}-01"


@dataclass
class AClaim:
    attempt: int
    turn_id: int = 7
    conversation_id: str = "c1"
    traceparent: str | None = TRACEPARENT
    waited_seconds: float = 0.0


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        tracing.start(receiver.url, "agent", owner="agent@here", version="1")
        yield receiver
        tracing.stop()


def test_off_it_is_nothing_and_imports_nothing() -> None:
    program = (
        "import sys; from workers import tracing as t; t.start(None, 'agent', owner='', version='')\n"
        "spans = [t.model_call('a/b', {}), t.tool_call('a', 'b'), t.fetch('counts', None), t.shopify_request(0.0)]\n"
        "assert all(span is t.OFF for span in spans) and t.traceparent() is None and not t.wants_acks()\n"
        "with t.OFF as span, span.current(): t.note(error='x')\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_each_claim_of_a_turn_is_a_span_linked_to_the_one_before(receiver: Receiver) -> None:
    for attempt in (1, 2):
        with tracing.turn(AClaim(attempt), "onboarding"), tracing.model_call("gemini/flash", {"max_tokens": 9}) as call:  # type: ignore[arg-type]
            call.note(input_tokens=11, output_tokens=None)
    tracing.stop()
    first, asked, second, _ = receiver.of(TRACE)
    assert (first.parent, first.links) == (SENDER, ())
    assert (second.parent, second.links) == (SENDER, (first.id,))
    assert asked.parent == first.id
    assert (first.has_remote_parent, asked.has_remote_parent) == (True, False)
    assert asked.name == "chat flash"
    assert asked.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "flash",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.usage.input_tokens": 11,
    }


def test_an_error_is_noted_by_its_code_or_class_and_never_by_its_words(receiver: Receiver) -> None:
    with pytest.raises(ValueError, match="Jane"), tracing.fetch("counts", TRACEPARENT):
        raise ValueError("Jane Doe")
    tracing.stop()
    [span] = receiver.of(TRACE)
    assert span.failed
    assert span.attributes["error.type"] == "ValueError"
    assert b"Jane" not in b"".join(receiver.bytes)


def test_what_is_no_traceparent_begins_a_trace_of_its_own(receiver: Receiver) -> None:
    for foreign in (None, "", "rubbish", f"00-{'0' * 32}-{SENDER}-01", 7, ["x"]):
        with tracing.fetch("counts", foreign):  # type: ignore[arg-type]
            pass
    tracing.stop()
    assert [span.parent for span in receiver.spans] == [""] * 6


def test_a_batch_of_replies_is_a_span_in_each_of_its_traces(receiver: Receiver) -> None:
    bodies = [{"traceparent": TRACEPARENT}, {"traceparent": TRACEPARENT.replace("4b", "aa")}, {}]
    tracing.published([OutgoingReply(str(number), body) for number, body in enumerate(bodies)], 0.5)
    tracing.acked([(2.0, TRACEPARENT), (3.0, TRACEPARENT), (1.0, None)])
    tracing.stop()
    settled, sent = receiver.of(TRACE)
    assert [sent.name, settled.name] == ["send replies", "settle acks"]
    assert settled.ends - settled.begins == pytest.approx(3.0)
    assert settled.attributes["messaging.batch.message_count"] == 2
    assert len(receiver.spans) == 3


@pytest.mark.parametrize(
    ("variables", "traced"),
    [
        ({}, "1"),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, "01"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, ""),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"}, ""),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.0"}, "1"),
        ({"OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_the_variables_of_opentelemetry_say_what_is_traced(
    variables: dict[str, str], traced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        tracing.start(receiver.url, "agent", owner="agent@here", version="1")
        for flags in "01":  # whether the sender traces it
            with tracing.fetch("counts", f"{TRACEPARENT[:-1]}{flags}"), tracing.tool_call("a", flags):
                passed_on = tracing.traceparent()
            assert passed_on is None or passed_on.endswith(f"0{int(flags in traced)}")
        tracing.stop()
    calls = [span.attributes["gen_ai.tool.call.id"] for span in receiver.of(TRACE) if "execute_tool" in span.name]
    assert "".join(calls) == traced
    assert len(receiver.spans) == 2 * len(traced)


def test_attributes_keep_their_types_and_an_unknown_type_becomes_text(receiver: Receiver) -> None:
    options = {"max_tokens": 9, "temperature": Decimal("0.5")}
    with tracing.turn(AClaim(1, waited_seconds=0.25), "onboarding"), tracing.model_call("a/b", options):  # type: ignore[arg-type]
        pass
    tracing.stop()
    turn, call = receiver.of(TRACE)
    assert turn.attributes["cj.waited_seconds"] == 0.25
    assert call.attributes["gen_ai.request.max_tokens"] == 9
    assert call.attributes["gen_ai.request.temperature"] == "0.5"


def test_a_resource_is_what_the_variables_and_detectors_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "process")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        tracing.start(receiver.url, "agent", owner="agent@here", version="1")
        with tracing.fetch("counts", TRACEPARENT):
            pass
        tracing.stop()
    assert [span.service for span in receiver.spans] == ["cj-agent"]
    assert b"staging" in receiver.bytes[0]
    assert b"process.pid" in receiver.bytes[0]


def test_a_collector_that_is_away_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    tracing.start(url, "agent", owner="agent@here", version="1")
    started = time.monotonic()
    for _ in range(100):
        with tracing.fetch("counts", TRACEPARENT):
            pass
    tracing.stop()
    assert time.monotonic() - started < tracing.FLUSH_SECONDS + 1
