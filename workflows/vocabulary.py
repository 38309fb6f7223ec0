"""The names that a workflow may use and that are made elsewhere: events, tools, data types, the context's keys.

Event types and their fields come from `events.envelope`: an event type added there is known here.
"""

from collections.abc import Collection, Mapping
from functools import cache

from events.catalog import CATALOG, fields
from workflows.kinds import Choice, Kind

EVENT_TYPES: tuple[str, ...] = tuple(CATALOG)
TOOLS: tuple[str, ...] = ("shopify_data",)
DATA_TYPES: tuple[str, ...] = ("counts", "recent_orders", "overview", "week_orders")
REQUIREMENTS: tuple[str, ...] = ("shopify_oauth",)

#: Events that the workers carry out by themselves; no conversation hears of them.
WITHOUT_CONVERSATION = frozenset({"customers_redact", "shop_redact"})

#: Taken at the start of a conversation whose requirements are met already; needs no condition.
ALREADY_AUTHENTICATED = "already_authenticated"

#: Context keys that the workers keep; a workflow reads them and does not set them.
KEPT_BY_WORKERS: Mapping[str, str] = {
    "workflow": "the conversation's workflow changes by a transition",
    "turns": "the workers count the turns",
    "fetched": "the workers note what was fetched",
    "last_error": "the workers note the last error",
}


@cache
def event_fields(event_type: str) -> Mapping[str, Kind]:
    """The data fields of an event type in EVENT_TYPES."""
    return fields(event_type)


def context_fields(workflow_names: Collection[str] | None) -> dict[str, Kind]:
    """The context as transitions see it. `workflow_names`: every loaded workflow, or None if that is not known."""
    return {
        "shop_domain": "string",
        "shopify_connected": "boolean",
        "merchant_id": "string",
        "workflow": "string" if workflow_names is None else Choice("string", workflow_names, "workflow"),
        "turns": "number",
        "fetched": Choice("list", DATA_TYPES, "data type"),
        "last_error": "string",
    }
