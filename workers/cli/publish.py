"""`cj publish`: put an event on the broker, as the auth service or the gateway would."""

import json
from collections.abc import Sequence
from typing import Any, Literal

import click

from workers.cli.common import WrongUse, examples, json_option, settings_for, show


@click.command(
    short_help="Put an event on the broker.",
    epilog=examples(
        "cj publish oauth_complete provider=shopify success=true \\",
        "    shop_domain=dev-tiny.myshopify.com merchant_id=m1 conversation_id=conv_1",
        "cj publish message_received merchant_id=m1 conversation_id=conv_1 'text=How was my week?'",
        "cj publish customers_redact merchant_id=m1 shop_domain=a.myshopify.com customer_id=7 'order_ids=[\"1\"]'",
    ),
)
@click.argument("event_type", metavar="TYPE")
@click.argument("pairs", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--id", "event_id", help="The event's id; default: a new one. An id that was used makes a duplicate.")
@click.option("--source", default="/cli", show_default=True, help="The event's source.")
@click.option("--delivery", type=click.Choice(["queue", "door"]), help="Where a new conversation's replies go.")
@json_option
def publish(
    event_type: str,
    pairs: tuple[str, ...],
    event_id: str | None,
    source: str,
    delivery: Literal["queue", "door"] | None,
    as_json: bool,
) -> None:
    """Publish an event of TYPE with the given KEY=VALUE data.

    Each value is parsed by its field's type: true, false, numbers, JSON lists; text needs no extra quotes.
    """
    import events
    from events.catalog import CATALOG
    from events.errors import InvalidEvent

    broker_url = settings_for("BROKER_URL").broker_url
    try:
        data = data_of(event_type, pairs)
        envelope = events.publish(
            event_type, data, broker_url=broker_url, source=source, id=event_id, delivery=delivery
        )
    except InvalidEvent as error:
        types = f"; valid types: {', '.join(CATALOG)}" if error.code == "event.unknown_type" else ""
        raise WrongUse(f"not published: {error.code}: {error.message}{types}") from None
    show(as_json, json.loads(envelope.encode()), [f"published {envelope.type}, id {envelope.id}"])


def data_of(event_type: str, pairs: Sequence[str]) -> dict[str, Any]:
    """Parse KEY=VALUE arguments into data for this event type. Raises InvalidEvent, WrongUse."""
    from events import catalog

    kinds = catalog.fields(event_type, personal=True)
    data: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise WrongUse(f"{pair!r} is not KEY=VALUE; the fields of {event_type} are {', '.join(kinds)}")
        if key in data:
            raise WrongUse(f"{key} is given twice")
        data[key] = _value(text, kinds.get(key))
    return data


def _value(text: str, kind: Any) -> Any:
    """Parse `text` by the field's type; if it does not parse it stays text, and the event's model refuses it."""
    if kind == "string":
        return text
    if kind == "list" and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text
