"""Shopify's privacy webhooks.

    customers_data_request   changes nothing: an operator answers the stored row with `cj privacy export`
    customers_redact         blanks all mentions of the customer or the orders: fetched data, messages, replies; cache
    shop_redact              erases all data of the merchant, including tokens; a tombstone stays. If the shop was
                             connected again since, only what is older than the new connection is erased

Shopify allows 30 days (https://shopify.dev/docs/apps/build/privacy-law-compliance); CJ acts at once. A deletion takes
as many transactions as it needs: each call of `carry_out` is one, and the event stays in the inbox until the last. An
event older than its merchant's tombstone is refused and its content dropped, so that a replay brings nothing back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from events.catalog import PRIVACY
from storage import connections, inbox, merchants, privacy
from storage.connections import FormerConnection, Integration
from storage.database import Session
from storage.inbox import InboxRow
from storage.mentions import Person
from storage.privacy import FORMER, LEFTOVERS, NAMES, TALK, Walk
from workers import logs

log = logs.get(__name__)

ERASED = "event.erased"
"""Error code of an event that arrived after its merchant's data was erased."""
REDACT_AFTER = timedelta(hours=48)
"""Shopify sends shop_redact this long after an uninstall, or later."""


@dataclass(frozen=True)
class Leftovers:
    """What must be cleared outside Postgres before a deletion is done: always the cache, sometimes replies on the
    broker."""

    event_key: int
    merchant_id: str
    on_the_broker: bool


def left_shop(session: Session, merchant_id: str, shop_domain: str) -> bool:
    """Whether the merchant had this shop connected before."""
    return any(shop_domain == former.shop_domain for former in connections.former(session, merchant_id))


def carry_out(session: Session, row: InboxRow, merchant_id: str) -> Leftovers | None:
    """Carry out as much of a deletion as fits into one transaction; returns the leftovers once all rows are done."""
    walk = _walk(session, row)
    if row.type == "customers_redact":
        if not walk.is_closed:
            privacy.blank_some(session, Person.of_event(merchant_id, row.data), walk, but_event=row.key)
    elif not walk.is_closed:
        merchants.lock(session, merchant_id)  # so that the shop is not connected between this decision and the commit
        former = connections.former(session, merchant_id)
        erased = privacy.erased_at(session, FORMER, merchant_id)
        before = reconnected_at(row, connections.integration_of(session, merchant_id), former, erased)
        privacy.erase_some(session, merchant_id, walk, but_event=row.key, before=before)
    inbox.keep_progress(session, row.key, walk.to_json())
    return Leftovers(row.key, merchant_id, walk.on_the_broker) if walk.is_closed else None


def settle(session: Session, row: InboxRow, merchant_id: str) -> Leftovers | None:
    """Finish a deletion whose leftovers were cleared; returns leftovers again if a reply was blanked meanwhile."""
    walk = Walk(**(row.progress or {}))
    if row.type == "customers_redact":
        # A turn may have read the cache between the last transaction and the clearing.
        walk.on_the_broker = False
        privacy.close_blanking(session, Person.of_event(merchant_id, row.data), walk, but_event=row.key)
        if walk.on_the_broker:
            inbox.keep_progress(session, row.key, walk.to_json())
            return Leftovers(row.key, merchant_id, on_the_broker=True)
        forget_contacts(session, row)
    inbox.processed(session, row.key)
    if row.type in PRIVACY:
        log.warning("a privacy request was carried out", event_id=row.id, event_type=row.type, rows=walk.rows)
    return None


def leave(session: Session, row: InboxRow, merchant_id: str) -> Leftovers:
    """The leftovers of an uninstall that is done in Postgres: the cache."""
    if row.progress is None:
        inbox.keep_progress(session, row.key, privacy.begin(session, LEFTOVERS).to_json())
    return Leftovers(row.key, merchant_id, on_the_broker=False)


def reconnected_at(
    row: InboxRow, integration: Integration | None, former: Sequence[FormerConnection], erased: datetime | None
) -> datetime | None:
    """When the merchant connected a shop again after the uninstall that a shop_redact is about; None if not.

    Older data belongs to an earlier connection; newer data, above all tokens, is kept. `erased`: up to when an earlier
    connection's data was erased.
    """
    if integration is None:
        return None
    shop, happened, connected = row.data["shop_domain"], happened_at(row), integration.connected_at
    if integration.shop_domain != shop:
        return connected  # the shop_redact is about a shop that the merchant has left
    if integration.status == "uninstalled":
        return None
    earlier = [connection for connection in former if connection.shop_domain == shop]
    if connected > happened or (earlier and connected > happened - REDACT_AFTER):
        return connected
    # However late it arrives, a shop_redact still applies to an uninstall before this connection.
    is_owed = any(connection.uninstalled_at is not None for connection in earlier)
    is_paid = erased is not None and erased >= connected
    return connected if is_owed and not is_paid else None


def forget(session: Session, row: InboxRow) -> None:
    """Drop the content of an event that arrived too late."""
    privacy.blank_event(session, row.key)


def forget_contacts(session: Session, row: InboxRow) -> None:
    """Drop e-mail and phone from a request that no longer needs them."""
    privacy.forget_contacts(session, row.key)


def happened_at(row: InboxRow) -> datetime:
    """When the event happened or, without `time`, when it was received."""
    return row.time or row.received_at


def _walk(session: Session, row: InboxRow) -> Walk:
    if row.progress is not None:
        return Walk(**row.progress)
    return privacy.begin(session, NAMES if row.type == "customers_redact" else TALK)
