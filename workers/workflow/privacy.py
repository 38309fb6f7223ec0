"""What Shopify's privacy webhooks do here, each in one function, inside the transaction that handles the event.

    customers_data_request   nothing is changed: the row is what an operator answers with `cj privacy export`
    customers_redact         what names the customer or the orders is blanked: fetched data, words, replies; cache
    shop_redact              everything of the merchant is erased, tokens included; a tombstone stays

They are to be done within 30 days (https://shopify.dev/docs/apps/build/privacy-law-compliance); here it is at once.
An event that is older than its merchant's tombstone is refused and its content dropped: a replay brings nothing back.
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
"""No conversation hears of these."""
ERASED = "event.erased"
"""Error code of an event that came after everything of its merchant was erased."""


def erased(session: Session, row: InboxRow, merchant_id: str) -> datetime | None:
    """When the merchant was erased, if that was after the event happened."""
    at = privacy.erased_at(session, MERCHANT, merchant_id)
    return at if at is not None and happened_at(row) <= at else None


def carry_out(session: Session, row: InboxRow, merchant_id: str, integration: Integration | None) -> bool:
    """The effect of one of EVENTS; False if it is older than the present connection."""
    match row.type:
        case "customers_data_request":
            log.warning("a customer asks what is stored; answer with: cj privacy export", event_id=row.id)
        case "customers_redact":
            rows = privacy.blank(session, person(merchant_id, row.data))
            log.warning("a customer's data was blanked", event_id=row.id, rows=rows)
        case "shop_redact":
            # A shop that came back within the 48 hours Shopify waits has a new life, which this is not about.
            if integration is not None and integration.is_active and integration.connected_at > happened_at(row):
                return False
            privacy.erase_merchant(session, merchant_id, but_event=row.key)
            log.warning("everything of a merchant was erased", event_id=row.id)
    return True


def forget(session: Session, row: InboxRow) -> None:
    """Drop the content of an event that came too late."""
    privacy.blank_event(session, row.key)


def person(merchant_id: str, data: Mapping[str, Any]) -> Person:
    """Whom a privacy event is about."""
    return Person(merchant_id, str(data["customer_id"]), tuple(map(str, data.get("order_ids", ()))))


def happened_at(row: InboxRow) -> datetime:
    """When the event happened, as far as it says so."""
    return row.time or row.received_at
