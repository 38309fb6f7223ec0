"""Privacy requests on a real Postgres: what is found, what is blanked, what is erased, and that nothing comes back."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from storage import agui, merchants, outbox, privacy, turns
from storage.database import Database
from storage.errors import LostTurn, StorageUnavailable
from storage.mentions import Person
from storage.outbox import NewReply
from storage.turns import Claim
from storage.vault import Vault, new_key_text
from tests.rows import at_once, claim, finish, new_event, query, queue, store_event
from workers.workflow.handler import handle
from workers.workflow.planned_turns import Effects
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

SHOP = "acme.myshopify.com"
ORDER, OTHER_ORDER = "gid://shopify/Order/299938", "gid://shopify/Order/2999381"
CUSTOMER, OTHER_CUSTOMER = "gid://shopify/Customer/207119551", "gid://shopify/Customer/2071195510"
ANNA = Person("m1", "207119551", ("299938",))
WORKFLOWS: WorkflowSet = load_folder()


def connect(database: Database, merchant_id: str = "m1", shop_domain: str = SHOP) -> None:
    vault, token = Vault.from_text(new_key_text()), SecretStr("shpat_0123456789abcdef")
    owner: dict[str, Any] = {"merchant_id": merchant_id, "shop_domain": shop_domain, "scopes": [], "emit": False}
    with database.transaction() as session:
        merchants.connect_shop(session, vault, access_token=token, **owner)


def order(id: str, name: str, customer: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": id, "name": name, "customer": customer, "total": {"amount": "9.00", "currency": "EUR"}}


ORDERS = [
    order(ORDER, "#1001", {"id": CUSTOMER, "name": "Anna Öztürk", "orders": 3}),
    order(OTHER_ORDER, "#10011", {"id": OTHER_CUSTOMER, "name": "Bo Lindqvist", "orders": 1}),
]


def turn(
    database: Database, asked: str, said: str, orders: list[dict[str, Any]] | None = None, *, merchant_id: str = "m1"
) -> Claim:
    """A turn with fetched data and an answer, not yet finished."""
    claimed = claim(database, queue(database, asked, merchant_id=merchant_id, conversation_id=f"c_{merchant_id}"))
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, {"role": "assistant", "content": said, "tool_calls": [{"id": "x"}]})
        content = {"success": True, "data_type": "recent_orders", "data": {"orders": orders or []}}
        turns.add_results(session, claimed, 0, [{"tool_call_id": "x", "name": "shopify_data", "content": content}])
        outbox.append(session, claimed.turn_id, [NewReply("said", agui.text("m0", said))])
    return claimed


def handled(database: Database, type: str, data: dict[str, Any], *, time: datetime | None = None, **more: Any) -> int:
    """Accept and handle an event; returns its key."""
    event = new_event(source="/auth", type=type, data={"merchant_id": "m1", **data}, conversation_id=None, **more)
    key = store_event(database, event)
    if time is not None:
        query(database, "UPDATE events SET time = :time WHERE key = :key RETURNING key", time=time, key=key)
    run(database, key)
    return key


def run(database: Database, key: int) -> Effects | None:
    with database.transaction() as session:
        return handle(session, WORKFLOWS, key)


def redact(database: Database, **more: Any) -> int:
    data = {"shop_domain": SHOP, "customer_id": "207119551", "order_ids": ["299938"]}
    return handled(database, "customers_redact", data, **more)


def blanked(database: Database, person: Person) -> int:
    """Walks through everything about a person; returns how many rows held something."""
    with database.transaction() as session:
        walk = privacy.begin(session, privacy.NAMES)
        while not walk.is_closed:
            privacy.blank_some(session, person, walk, but_event=0)
    return walk.rows


def everything(database: Database, merchant_id: str = "m1") -> str:
    """Everything stored about a merchant, as text."""
    found = query(
        database,
        """SELECT (SELECT json_agg(t) FROM turns t WHERE t.merchant_id = :m),
                  (SELECT json_agg(s) FROM steps s JOIN turns t ON t.id = s.turn_id WHERE t.merchant_id = :m),
                  (SELECT json_agg(r) FROM replies r JOIN turns t ON t.id = r.turn_id WHERE t.merchant_id = :m),
                  (SELECT json_agg(e.data) FROM events e WHERE e.merchant_id = :m AND e.type = 'message_received'),
                  (SELECT json_agg(c) FROM conversations c WHERE c.merchant_id = :m)""",
        m=merchant_id,
    )
    return json.dumps(found, ensure_ascii=False, default=str)


def code(database: Database, key: int) -> str | None:
    found: str | None = query(database, "SELECT error_code FROM events WHERE key = :key", key=key)[0][0]
    return found


def test_a_customers_names_and_orders_are_blanked_and_others_stay(database: Database) -> None:
    connect(database)
    finish(database, turn(database, "Who bought last?", "Anna Öztürk bought #1001, Bo Lindqvist #10011.", ORDERS))
    finish(database, turn(database, "What did anna buy?", "She bought mugs. Anna likes them."))
    finish(database, turn(database, "And Bo Lindqvist?", "Bananas, with order #10011."))
    connect(database, "m2", "other.myshopify.com")
    finish(database, turn(database, "Who?", "Anna Öztürk", ORDERS, merchant_id="m2"))
    before = everything(database, "m2")
    redact(database)
    left = everything(database)
    for gone in ("Anna", "anna", "Öztürk", CUSTOMER + '"', ORDER + '"', '"#1001"', "mugs"):
        assert gone not in left, gone
    assert "Bananas, with order #10011." in left
    assert "And Bo Lindqvist?" in left
    assert "Who bought last?" in left
    assert privacy.REMOVED in left
    assert everything(database, "m2") == before
    again = everything(database)
    redact(database)
    assert everything(database) == again


def test_a_customer_is_found_by_the_order_alone(database: Database) -> None:
    connect(database)
    finish(database, turn(database, "Who?", "Anna Öztürk", ORDERS))
    assert blanked(database, Person("m1", "1", ("299938",))) == 2
    assert "Anna" not in everything(database)


def test_a_customer_nobody_ever_saw_changes_nothing(database: Database) -> None:
    connect(database)
    finish(database, turn(database, "Who?", "Anna Öztürk", ORDERS))
    before = everything(database)
    assert blanked(database, Person("m1", "999", ("123",))) == 0
    assert blanked(database, Person("m3", "207119551", ("299938",))) == 0
    assert everything(database) == before


def test_a_turn_that_runs_cannot_write_what_was_erased(database: Database) -> None:
    connect(database)
    running = turn(database, "Who bought last?", "Let me look.", ORDERS)
    redact(database)
    with pytest.raises(LostTurn), database.transaction() as session:
        turns.hold(session, running)
    again = claim(database, running.turn_id)
    with database.transaction() as session:
        [step] = turns.steps_of(session, again.turn_id)
    assert step.tool_results is not None
    assert step.tool_results[0]["content"]["error_code"] == privacy.REMOVED_CODE


def test_what_is_stored_about_a_customer_can_be_told(database: Database) -> None:
    connect(database)
    finish(database, turn(database, "Who bought last?", "Anna Öztürk bought #1001.", ORDERS))
    finish(database, turn(database, "And Bo?", "Bo bought #10011."))
    data = {"shop_domain": SHOP, "customer_id": "207119551", "order_ids": ["299938"]}
    key = handled(database, "customers_data_request", data, id="request-1")
    assert query(database, "SELECT status FROM events WHERE key = :key", key=key) == [("processed",)]
    with database.transaction() as session:
        [request] = privacy.requests(session, limit=10)
        assert privacy.request(session, "request-1") == request
        assert privacy.request(session, "request-2") is None
        found = privacy.find(session, request.person)
    assert request.person == ANNA
    assert found.orders == [ORDERS[0]]
    assert found.customers == [ORDERS[0]["customer"]]
    assert [words["words"] for words in found.words] == ["Anna Öztürk bought #1001."]


def erase(database: Database, **more: Any) -> int:
    return handled(database, "shop_redact", {"shop_domain": SHOP}, **more)


COUNTS = """SELECT (SELECT count(*) FROM merchants), (SELECT count(*) FROM merchant_integrations),
    (SELECT count(*) FROM conversations), (SELECT count(*) FROM turns), (SELECT count(*) FROM steps),
    (SELECT count(*) FROM replies)"""


def test_a_shop_is_erased_with_everything_and_nothing_else_is(database: Database) -> None:
    connect(database)
    connect(database, "m2", "other.myshopify.com")
    turn(database, "secret question", "secret answer", ORDERS)
    turn(database, "theirs", "theirs", ORDERS, merchant_id="m2")
    others = everything(database, "m2")
    waiting = store_event(database, new_event(data={"merchant_id": "m1", "text": "secret wish"}))
    key = erase(database)
    assert query(database, COUNTS) == [(1, 1, 1, 1, 1, 1)]
    assert everything(database, "m2") == others
    texts = query(database, "SELECT data::text FROM events WHERE merchant_id = 'm1' AND key <> :key", key=key)
    assert {text for (text,) in texts} == {"{}"}
    assert run(database, waiting) is None
    assert query(database, "SELECT kind, subject FROM tombstones") == [("merchant", "m1")]


def test_an_old_event_brings_nothing_back(database: Database) -> None:
    connect(database)
    turn(database, "question", "answer")
    before = datetime.now(UTC) - timedelta(minutes=5)
    known = new_event("known", data={"merchant_id": "m1", "text": "secret wish"})
    first = store_event(database, known)
    erase(database)
    # The same event again is a duplicate; another old one is refused and its content dropped.
    with database.transaction() as session:
        from storage import inbox

        [answer] = inbox.accept(session, [known])
    assert isinstance(answer, inbox.Accepted)
    assert (answer.key, answer.fresh) == (first, False)
    started = {"conversation_id": "c9"}
    old = handled(database, "conversation_started", started, time=before)
    assert code(database, old) == "event.erased"
    assert query(database, "SELECT data FROM events WHERE key = :key", key=old) == [({},)]
    assert query(database, COUNTS) == [(0, 0, 0, 0, 0, 0)]
    # Repeating the request changes nothing.
    assert code(database, erase(database, time=before)) is None
    # A new connection starts afresh.
    connect(database)
    new = handled(database, "conversation_started", started)
    assert code(database, new) is None
    assert query(database, "SELECT count(*) FROM conversations") == [(1,)]


def test_a_shop_that_is_connected_again_is_not_erased(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    connect(database)
    assert code(database, erase(database, time=before)) is None
    assert query(database, "SELECT count(*) FROM merchant_integrations WHERE is_active") == [(1,)]
    erase(database)
    assert query(database, "SELECT count(*) FROM merchant_integrations") == [(0,)]


def test_another_merchants_shop_is_not_erased(database: Database) -> None:
    connect(database)
    connect(database, "m2", "other.myshopify.com")
    key = handled(database, "shop_redact", {"shop_domain": "other.myshopify.com"})
    assert code(database, key) == "event.shop_merchant_mismatch"
    assert query(database, "SELECT count(*) FROM merchants") == [(2,)]


def test_uninstalling_wipes_and_an_old_uninstallation_does_nothing(database: Database) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    connect(database)
    handled(database, "app_uninstalled", {"shop_domain": SHOP}, time=before)
    assert query(database, "SELECT status, api_key IS NULL FROM merchant_integrations") == [("active", False)]
    handled(database, "app_uninstalled", {"shop_domain": SHOP})
    wiped = "SELECT status, api_key, refresh_token FROM merchant_integrations"
    assert query(database, wiped) == [("uninstalled", None, None)]


def test_erasing_stands_against_what_happens_at_the_same_time(database: Database) -> None:
    connect(database)
    events = [
        new_event(data={"merchant_id": "m1", "conversation_id": f"c{n % 3}", "text": "hi"}, conversation_id=f"c{n % 3}")
        for n in range(12)
    ]
    events.append(new_event(type="shop_redact", data={"merchant_id": "m1", "shop_domain": SHOP}, conversation_id=None))
    keys = [store_event(database, event) for event in events]

    def try_to_run(key: int) -> None:
        with contextlib.suppress(
            StorageUnavailable
        ):  # of two that wait for each other one is sent away and comes again
            run(database, key)

    at_once(try_to_run, keys)
    for key in keys:
        run(database, key)
    assert query(database, COUNTS) == [(0, 0, 0, 0, 0, 0)]
