"""The contract: events in, replies out. What the auth service and the chat gateway import.

    from events import Publisher, RepliesConsumer

Imports only pydantic and kombu, and none of the other packages: it must stay light. It is also the one home of what
several packages share, such as a shop's domain and the circuit breaker.

Start with `catalog` (the data of each event type), then `envelope` (the frame, and parsing it); README.md is for users.
"""

import importlib
from typing import TYPE_CHECKING, Any

from events.catalog import CATALOG, EventData, fields
from events.envelope import Envelope, Event, decode, parse, parse_object
from events.errors import BrokerUnavailable, EventError, InvalidEvent, PublishFailed
from events.reply import Ack, Reply, decode_ack, decode_reply
from events.shop_domain import SHOP_DOMAIN, normalize_shop_domain

if TYPE_CHECKING:
    from events.publisher import Publisher, publish
    from events.queues import ACKS, CONTENT_TYPE, EVENTS, OPS, REPLIES, SHOPIFY, TURNS, WORKFLOW
    from events.replies import RepliesConsumer

#: Names that need kombu, and their modules: imported on first use, because most programs only read events.
_ON_DEMAND = {
    **dict.fromkeys(("Publisher", "publish"), ".publisher"),
    **dict.fromkeys(("ACKS", "CONTENT_TYPE", "EVENTS", "OPS", "REPLIES", "SHOPIFY", "TURNS", "WORKFLOW"), ".queues"),
    "RepliesConsumer": ".replies",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_ON_DEMAND[name], __name__), name)


__all__ = [
    "ACKS",
    "CATALOG",
    "CONTENT_TYPE",
    "EVENTS",
    "OPS",
    "REPLIES",
    "SHOPIFY",
    "SHOP_DOMAIN",
    "TURNS",
    "WORKFLOW",
    "Ack",
    "BrokerUnavailable",
    "Envelope",
    "Event",
    "EventData",
    "EventError",
    "InvalidEvent",
    "PublishFailed",
    "Publisher",
    "RepliesConsumer",
    "Reply",
    "decode",
    "decode_ack",
    "decode_reply",
    "fields",
    "normalize_shop_domain",
    "parse",
    "parse_object",
    "publish",
]
