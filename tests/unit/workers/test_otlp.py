"""OTLP's encoding, read by OpenTelemetry's own classes."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, SpanFlags, Status

from workers import otlp

IDS = st.integers(1, 2**64 - 1)
TIMES = st.integers(0, 2**64 - 1)
VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text() | st.tuples(st.text())
FIELDS = {bool: "bool_value", int: "int_value", float: "double_value"}


def _same(value: object, read: Any) -> bool:
    """Whether an attribute's value arrived; what OTLP has no type for arrives as text."""
    field = FIELDS.get(type(value), "string_value")
    if type(value) is int and not -(2**63) <= value < 2**63:
        field = "string_value"
    arrived = getattr(read, field)
    if read.WhichOneof("value") != field:
        return False
    if field == "string_value":
        return bool(arrived == str(value).encode(errors="replace").decode())
    return bool(arrived == value) or (isinstance(value, float) and math.isnan(value) and math.isnan(arrived))


@given(
    st.integers(1, 2**128 - 1), IDS, st.none() | IDS, st.booleans(), st.lists(IDS, max_size=3), st.text(),
    st.sampled_from(sorted(otlp.KINDS)), TIMES, TIMES, st.dictionaries(st.text(), VALUES), st.booleans(),
)  # fmt: skip
def test_a_span_is_read_as_it_was_written(
    trace: int, span: int, parent: int | None, is_remote: bool, links: list[int], name: str, kind: str,
    begins: int, ends: int, attributes: dict[str, object], failed: bool,
) -> None:  # fmt: skip
    written = otlp.span(
        trace=trace, span=span, parent=parent, parent_is_remote=is_remote, links=links, name=name, kind=kind,
        begins=begins, ends=ends, attributes=attributes, failed=failed,
    )  # fmt: skip
    read = Span.FromString(written)
    assert (read.trace_id, read.span_id) == (trace.to_bytes(16, "big"), span.to_bytes(8, "big"))
    assert read.parent_span_id == (b"" if parent is None else parent.to_bytes(8, "big"))
    assert [(link.trace_id, link.span_id) for link in read.links] == [
        (read.trace_id, other.to_bytes(8, "big")) for other in links
    ]
    assert (read.name, Span.SpanKind.Name(read.kind)) == (name, f"SPAN_KIND_{kind}")
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (begins, ends)
    assert read.status.code == (Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET)
    assert read.flags & SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
    assert bool(read.flags & SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK) == is_remote
    arrived = {each.key: each.value for each in read.attributes}
    kept = {key: value for key, value in attributes.items() if value is not None}
    assert arrived.keys() == kept.keys()
    assert all(_same(value, arrived[key]) for key, value in kept.items())


def test_a_request_is_read_as_it_was_written() -> None:
    written = otlp.ExportRequest({"service.name": "cj-agent", "process.pid": 7}, "https://schema", "cj", "1").of(
        [b"", b""]
    )
    [resource] = ExportTraceServiceRequest.FromString(written).resource_spans
    [scope] = resource.scope_spans
    assert {each.key: each.value.string_value or each.value.int_value for each in resource.resource.attributes} == {
        "service.name": "cj-agent",
        "process.pid": 7,
    }
    assert (resource.schema_url, scope.scope.name, scope.scope.version, len(scope.spans)) == (
        "https://schema", "cj", "1", 2,
    )  # fmt: skip


def test_half_a_character_costs_no_span() -> None:
    written = otlp.span(
        trace=1, span=1, parent=None, parent_is_remote=False, links=(), name="execute_tool \ud83d", kind="INTERNAL",
        begins=0, ends=0, attributes={"gen_ai.tool.name": "\ud83d"}, failed=False,
    )  # fmt: skip
    read = Span.FromString(written)
    assert (read.name, read.attributes[0].value.string_value) == ("execute_tool ?", "?")
