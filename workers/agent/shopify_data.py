"""The tool `shopify_data`: raw data of the merchant's own store, from the cache or from a Shopify worker.

`workers.shop.results` describes the shape of its results.
"""

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ConfigDict, Field

from events.data_types import DEFAULT_COMPARISON, DEFAULT_PERIOD, Comparison, DataType, Period
from storage.connections import Integration
from storage.errors import StorageError
from workers.agent.time_limits import PICK_UP_SECONDS
from workers.agent.tool import Arguments, Finish, Tool, ToolTurn, at_once
from workers.model.errors import GivenUp
from workers.shop import results
from workers.shop.results import Result, failed

if TYPE_CHECKING:
    from workers.shop.fetch import FetchRequest

KEPT = "What the merchant asked is kept: you answer it by yourself once the store is connected. Say so, once."
NOT_CONNECTED = f"No Shopify store is connected. Suggest connecting the store first. {KEPT}"
NEEDS_REAUTH = (
    "unauthorized: Shopify no longer accepts the store's connection. Suggest reconnecting the store, unless you have "
    f"already. {KEPT}"
)
NOT_NOW = (
    "The store's data cannot be read right now. Say so without a reason, say that you will look again by yourself and "
    "tell then, and go on with what is known."
)
NOTHING_NEWER = "The latest data cannot be read right now."
SEEN = "This was already fetched in this turn; use the result above."


class ShopifyDataArguments(Arguments):
    """The arguments; a call without a data type gets the overview."""

    model_config = ConfigDict(json_schema_extra={"required": ["data_type"]})

    data_type: DataType = "overview"
    period: Period | None = Field(None, description=f"For sales; default {DEFAULT_PERIOD}.")
    compare_to: Comparison | None = Field(None, description=f"For sales; default {DEFAULT_COMPARISON}.")


def _begin(turn: ToolTurn, arguments: ShopifyDataArguments) -> Finish:
    from workers import metrics  # imported here, so that the tool's definition does not need them
    from workers.shop.fetch import FetchRequest

    data_type, merchant_id = arguments.data_type, turn.claim.merchant_id
    which = {"period": arguments.period, "compare_to": arguments.compare_to}
    request = FetchRequest.for_turn(turn.claim, data_type, str(uuid.uuid4()), **which)
    mine = (result for result in turn.results if result.get("success") and not result.get("prefetched"))
    if any(results.key(result) == request.key for result in mine):
        return at_once(failed(data_type, "tool.already_fetched", SEEN))
    integration = turn.shop
    if integration is None or integration.status == "uninstalled":
        return at_once(failed(data_type, "shopify.not_connected", NOT_CONNECTED))
    if integration.status == "needs_reauth":
        return at_once(failed(data_type, "shopify.unauthorized", NEEDS_REAUTH))
    kept = turn.cache.get(merchant_id, integration.connection, request.key)
    if kept is not None:
        metrics.cache_read(data_type, "hit")
        return at_once(results.cached(data_type, kept))
    _ask(turn, request)
    sent = time.monotonic()
    return lambda deadline: _wait(turn, request, integration, sent, deadline)


def _wait(turn: ToolTurn, request: "FetchRequest", integration: Integration, sent: float, deadline: float) -> Result:
    from shopify.transport import LOOK_SECONDS, is_given_up

    request_id, looked = request.request_id or "", sent
    ask_again = time.monotonic() + turn.ask_again_seconds
    while (left := deadline - time.monotonic()) > 0:
        answer = turn.cache.wait_answer(request_id, min(left, turn.ask_again_seconds, LOOK_SECONDS))
        look_every = PICK_UP_SECONDS if turn.cache.is_away else turn.ask_again_seconds
        if answer is None and time.monotonic() >= looked + look_every:
            answer, looked = _picked_up(turn, request_id), time.monotonic()
        if answer is not None:
            return answer
        if is_given_up():
            raise GivenUp
        if ask_again <= time.monotonic() < deadline:
            _ask(turn, request)
            ask_again = time.monotonic() + turn.ask_again_seconds
    found = turn.cache.stale(request.merchant_id, integration.connection, request.key)
    if found is None:
        return failed(request.data_type, results.NO_ANSWER, NOT_NOW)
    return results.stale(request.data_type, found, failed(None, results.NO_ANSWER, NOTHING_NEWER))


def _ask(turn: ToolTurn, request: "FetchRequest") -> None:
    turn.wake_ups.fetch(replace(request, through_postgres=turn.cache.is_away or None).to_json())


def _picked_up(turn: ToolTurn, request_id: str) -> Result | None:
    """The answer, if the Shopify worker left it in Postgres because Redis did not take it."""
    from storage import fetch_answers

    try:
        with turn.database.transaction() as session:
            return fetch_answers.pick_up(session, request_id)
    except StorageError:
        return None


TOOL = Tool(
    name="shopify_data",
    description=(
        "Get raw data of the merchant's own Shopify store. counts: customers, orders, open and unfulfilled "
        "orders. recent_orders: the ten newest orders. overview: the shop, newest orders, best-stocked "
        "products. week_orders: the last seven days. sales: total, net and gross sales, returns, orders and average "
        "order value of a period and of the one before, as the merchant's own reports count them, further back than "
        "orders reach. You do the analysis."
    ),
    arguments=ShopifyDataArguments,
    begin=_begin,
    aliases=("get_shopify_data",),  # the name the onboarding prompt uses
)
