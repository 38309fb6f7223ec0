"""Shopify's privacy webhooks, handled inside the event's transaction.

    customers_data_request   changes nothing: an operator answers the stored row with `cj privacy export`
    customers_redact         blanks whatever names the customer or the orders: fetched data, messages, replies; cache
    shop_redact              erases all data of the merchant, including tokens; a tombstone stays

Shopify allows 30 days (https://shopify.dev/docs/apps/build/privacy-law-compliance); we act at once. An event older
than its merchant's tombstone is refused and its content dropped, so that a replay brings nothing back.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage import privacy
from storage.connections import Integration
from storage.inbox import InboxRow
from storage.privacy import MERCHANT, Person
from workers import logs

log = logs.get(__name__)

DATA_REQUEST, CUSTOMERS_REDACT, SHOP_REDACT = "customers_data_request", "customers_redact", "shop_redact"
EVENTS = frozenset({DATA_REQUEST, CUSTOMERS_REDACT, SHOP_REDACT})
ENDS_HERE = frozenset({CUSTOMERS_REDACT, SHOP_REDACT})
"""Events that no conversation sees."""
ERASED = "event.erased"
"""Error code of an event that arrived after its merchant's data was erased."""


def erased(session: Session, row: InboxRow, merchant_id: str) -> datetime | None:
    """When the merchant's data was erased, if that was after the event happened."""
    at = privacy.erased_at(session, MERCHANT, merchant_id)
    return at if at is not None and happened_at(row) <= at else None


def carry_out(session: Session, row: InboxRow, merchant_id: str, integration: Integration | None) -> bool:
    """Carry out one of EVENTS; False if it is older than the current connection."""
    match row.type:
        case "customers_data_request":
            log.warning("a customer requested their data; answer with: cj privacy export", event_id=row.id)
        case "customers_redact":
            rows = privacy.blank(session, person(merchant_id, row.data))
            log.warning("a customer's data was blanked", event_id=row.id, rows=rows)
        case "shop_redact":
            # The shop reconnected within the 48 hours Shopify waits: this event is about its earlier connection.
            if integration is not None and integration.is_active and integration.connected_at > happened_at(row):
                return False
            privacy.erase_merchant(session, merchant_id, but_event=row.key)
            log.warning("a merchant's data was erased", event_id=row.id)
    return True


def forget(session: Session, row: InboxRow) -> None:
    """Drop the content of an event that arrived too late."""
    privacy.blank_event(session, row.key)


def person(merchant_id: str, data: Mapping[str, Any]) -> Person:
    """The customer a privacy event is about."""
    return Person(merchant_id, str(data["customer_id"]), tuple(map(str, data.get("order_ids", ()))))


def happened_at(row: InboxRow) -> datetime:
    """When the event happened; if it does not say, when it was received."""
    return row.time or row.received_at
