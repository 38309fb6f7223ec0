"""Spans as OTLP writes them, in protobuf's encoding.

Written by hand, since most of what tracing cost was here: protobuf's own objects take twice as long, and the hundred
dictionaries and lists that describe one span to them keep the garbage collector of an agent busy.

The encoding: https://protobuf.dev/programming-guides/encoding/. The fields, by whose numbers the tags below are made:
https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto (trace/v1, common/v1, resource/v1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache

KINDS = {"INTERNAL": b"\x30\x01", "CLIENT": b"\x30\x03", "PRODUCER": b"\x30\x04", "CONSUMER": b"\x30\x05"}
_SIZES = tuple(bytes([size]) for size in range(0x80))
_TIMES = struct.Struct("<cQcQ")
_DOUBLE = struct.Struct("<cd")


def span(
    *,
    trace: int,
    span: int,
    parent: int | None,
    parent_is_remote: bool,
    links: Iterable[int],
    name: str,
    kind: str,
    begins: int,
    ends: int,
    attributes: Mapping[str, object],
    failed: bool,
) -> bytes:
    """A span; `begins` and `ends` in nanoseconds since 1970, `links`: ids of spans of the same trace."""
    trace_id = b"\x0a\x10" + trace.to_bytes(16, "big")
    parts = [trace_id, b"\x12\x08", span.to_bytes(8, "big")]
    if parent is not None:
        parts += b"\x22\x08", parent.to_bytes(8, "big")
    parts += _text(b"\x2a", name), KINDS[kind], _TIMES.pack(b"\x39", begins, b"\x41", ends)
    parts += _attributes(b"\x4a", attributes)
    parts += [_sized(b"\x6a", trace_id + b"\x12\x08" + other.to_bytes(8, "big")) for other in links]
    if failed:
        parts.append(b"\x7a\x02\x18\x02")  # Status: STATUS_CODE_ERROR
    # SpanFlags: it is known whether the parent is of another process, and it is.
    parts.append(b"\x85\x01\x00\x03\x00\x00" if parent_is_remote else b"\x85\x01\x00\x01\x00\x00")
    return b"".join(parts)


class ExportRequest:
    """What one process sends: `ExportTraceServiceRequest`."""

    def __init__(self, resource: Mapping[str, object], schema_url: str, scope: str, version: str) -> None:
        self._resource = _sized(b"\x0a", b"".join(_attributes(b"\x0a", resource)))
        self._schema_url = _text(b"\x1a", schema_url)
        self._scope = _sized(b"\x0a", _text(b"\x0a", scope) + _text(b"\x12", version))

    def of(self, spans: Iterable[bytes]) -> bytes:
        scope_spans = self._scope + b"".join([_sized(b"\x12", each) for each in spans])
        return _sized(b"\x0a", self._resource + _sized(b"\x12", scope_spans) + self._schema_url)


def _attributes(tag: bytes, attributes: Mapping[str, object]) -> list[bytes]:
    """Each as a KeyValue; None values are left out."""
    return [_attribute(tag, name, value) for name, value in attributes.items() if value is not None]


@lru_cache(1024, typed=True)  # most say the same in every flow
def _attribute(tag: bytes, name: str, value: object) -> bytes:
    return _sized(tag, _text(b"\x0a", name) + _sized(b"\x12", _value(value)))


def _value(value: object) -> bytes:
    """An AnyValue; what has no type of its own there becomes text."""
    kind = type(value)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int and -(1 << 63) <= value < 1 << 63:  # type: ignore[operator]
        return b"\x18" + _varint(value & (1 << 64) - 1)  # type: ignore[operator]
    if kind is float:
        return _DOUBLE.pack(b"\x21", value)
    return _text(b"\x0a", str(value))


def _text(tag: bytes, text: str) -> bytes:
    return _sized(tag, text.encode(errors="replace"))  # a model may name a tool by half a character


def _sized(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_SIZES[size] if size < 0x80 else _varint(size)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
