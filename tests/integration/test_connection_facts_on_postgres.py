"""A conversation's context states the merchant's connection correctly, whatever rules its workflow has."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic import SecretStr

from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests import rows
from workers.bootstrap import Resources
from workers.settings import Settings
from workers.workflow import runner
from workflows.loader import load_folder

SHOP = {"merchant_id": "m", "shop_domain": "a.myshopify.com"}
#: Its only rule says that CJ may lie.
LIAR = """\
name: liar
description: Says of the shop what it likes
system_events:
  message_received:
    condition: "text == 'lie'"
    actions: [{type: update_context, data: {shop_domain: "b.myshopify.com"}}]
prompts: {cj: {system: You are CJ.}}
"""


class Silent:
    """Accepts wake-ups and cache calls and ignores them."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **values: True


def test_the_context_says_what_is_so_of_the_connection(database: Database, tmp_path: Path) -> None:
    (tmp_path / "liar.yaml").write_text(LIAR)
    tools = SimpleNamespace(
        database=database, workflows=load_folder(tmp_path), wake_ups=Silent(), cache=Silent(), settings=Settings(),
        reply_publisher=Silent(),
    )  # fmt: skip
    vault = Vault.from_text(new_key_text())

    def happens(kind: str, conversation: str | None, **data: Any) -> None:
        named = {} if conversation is None else {"conversation_id": conversation}
        event = rows.new_event(type=kind, merchant_id="m", conversation_id=conversation, data={**SHOP, **named, **data})
        key = rows.store_event(database, replace(event, time=datetime.now(UTC) + timedelta(seconds=1)))
        runner.run(cast(Resources, tools), key)

    def facts(conversation: str) -> list[Any]:
        query = "SELECT context FROM conversations WHERE id = :id"
        [(context,)] = rows.query(database, query, id=conversation)
        return [context.get(key) for key in ("shopify_connected", "shop_domain", "scopes")]

    def connect(*scopes: str) -> None:
        with database.transaction() as session:
            merchants.connect_shop(
                session,
                vault,
                merchant_id="m",
                shop_domain="a.myshopify.com",
                access_token=SecretStr("shpat_0"),
                scopes=scopes,
                emit=False,
            )

    # Given a store that was connected while two conversations are open
    connect("read_orders")
    happens("message_received", "c1", text="hello")
    happens("message_received", "c2", text="lie")
    assert facts("c1") == [True, "a.myshopify.com", ["read_orders"]]
    # What a rule says comes on top, and stays
    assert facts("c2") == [True, "b.myshopify.com", ["read_orders"]]
    happens("message_received", "c2", text="hello")
    assert facts("c2")[1] == "b.myshopify.com"
    # When the merchant uninstalls the app, the latest conversation knows, and the other one with its next event
    happens("app_uninstalled", None)
    assert facts("c2") == [False, "b.myshopify.com", []]
    happens("message_received", "c1", text="hello again")
    assert facts("c1") == [False, "a.myshopify.com", []]
    # And when the store is connected again, with more permissions
    connect("read_orders", "read_products")
    happens("oauth_complete", "c1", provider="shopify", success=True)
    assert facts("c1") == [True, "a.myshopify.com", ["read_orders", "read_products"]]
