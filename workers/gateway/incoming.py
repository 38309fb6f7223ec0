"""Parses requests: bodies, CloudEvents in each HTTP mode, and what each caller may send."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from events import strict_json
from events.envelope import Event, parse_object, readable
from events.errors import InvalidEvent
from events.fields import MAX_ID, TRACEPARENT
from storage import inbox
from storage.database import Session
from storage.inbox import Accepted, NewEvent, Reused
from workers.gateway.access import Caller, NotAllowed

MAX_BODY = 2 * 1024 * 1024
"""An AG-UI client sends its whole history."""
MAX_BATCH = 1024 * 1024
MAX_DEPTH = 100
"""Nesting limit of a body of which only a few fields are read: a frontend's tools have schemas of any depth."""
BODY_SECONDS = 30.0
CHAT_TYPES = ("message_received", "conversation_started", "stop_requested")
"""What a merchant's frontend may send."""


async def body(request: web.Request) -> bytes:
    """The request's body. Raises NotAllowed (400, 408), and aiohttp's error if it is too large."""
    try:
        return await asyncio.wait_for(request.read(), BODY_SECONDS)
    except web.RequestPayloadError:
        raise NotAllowed(400, "request.unreadable", "the body is not encoded as its headers say") from None
    except TimeoutError:
        raise NotAllowed(408, "request.too_slow", f"a request must arrive within {BODY_SECONDS:g} s") from None


async def json_of(request: web.Request, *, storable: bool = True) -> Any:
    """A body's JSON value; `storable` as in `strict_json.loads`. Raises InvalidEvent."""
    limits: strict_json.Limits = {"max_bytes": MAX_BODY, "max_keys": MAX_BODY, "max_depth": MAX_DEPTH}
    return strict_json.loads(await body(request), storable=storable, **limits)


def conversation(request: web.Request) -> str:
    """The conversation in a request's path. Raises NotAllowed (400)."""
    found = readable(request.match_info["conversation"])
    if found is None:
        raise NotAllowed(400, "event.bad_value", "a conversation id is 1 to 200 printable characters")
    return found


async def cloud_events(request: web.Request) -> list[dict[str, Any]]:
    """The events of a request, in any of the three HTTP modes:
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md"""
    kind, raw = request.content_type, await body(request)
    if kind == "application/cloudevents-batch+json":
        found = strict_json.loads(raw, max_bytes=MAX_BATCH, max_keys=MAX_BATCH)
        if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
            raise InvalidEvent("event.not_object", "a batch is a list of events, and not empty")
        return found
    if kind == "application/cloudevents+json":
        parsed = strict_json.loads(raw)
        if not isinstance(parsed, dict):
            raise InvalidEvent("event.not_object", "an event is an object")
        return [parsed]
    attributes = {
        name.lower().removeprefix("ce-"): unquote(value)
        for name, value in request.headers.items()
        if name.lower().startswith("ce-")
    }
    if "specversion" not in attributes or not kind.endswith(("/json", "+json")):
        raise NotAllowed(
            415,
            "event.not_cloudevents",
            "send application/cloudevents+json, application/cloudevents-batch+json, or headers ce-… with JSON as body",
        )
    return [{**attributes, "data": strict_json.loads(raw)}]


def event_of(found: dict[str, Any], caller: Caller) -> Event:
    """The event. From a merchant's frontend only allowed types, with the token's merchant and the door's own source.
    Raises InvalidEvent, NotAllowed."""
    if caller.merchant_id is None:
        return parse_object(found)
    if found.get("type") not in CHAT_TYPES:
        allowed = ", ".join(CHAT_TYPES)
        raise NotAllowed(403, "token.wrong_kind", f"a merchant may send {allowed}; only services send other events")
    data = found.get("data")
    named = data.get("merchant_id") if isinstance(data, dict) else None
    if named not in (None, caller.merchant_id):
        raise NotAllowed(403, "token.other_merchant", "data.merchant_id is not the merchant of the token")
    own: dict[str, Any] = {"source": identity("/chat", caller.merchant_id), "delivery": "door"}
    if isinstance(data, dict):
        own["data"] = {**data, "merchant_id": caller.merchant_id}
    return parse_object({**found, **own})


def traceparent(request: web.Request) -> str | None:
    """The request's trace: https://www.w3.org/TR/trace-context/#traceparent-header. A malformed header is ignored."""
    sent = request.headers.get("traceparent", "")
    return sent if sent.isascii() and TRACEPARENT.fullmatch(sent) else None


def identity(*parts: str) -> str:
    """Combines several ids into one that is not longer than ids may be."""
    joined = "/".join(parts)
    return joined if len(joined) <= MAX_ID else "sha256:" + hashlib.sha256(joined.encode()).hexdigest()


def accept(session: Session, new: Sequence[NewEvent], per_merchant: int) -> list[Accepted]:
    """Store the events in the inbox. Raises NotAllowed (409) if an id belongs to another event."""
    answers = inbox.accept(session, new, per_merchant=per_merchant)
    for event, answer in zip(new, answers, strict=True):
        if isinstance(answer, Reused):
            reason = f"event {event.id} differs from the one stored under the same source and id; use a new id"
            raise NotAllowed(409, "event.id_reused", reason)
    return [answer for answer in answers if isinstance(answer, Accepted)]
