"""What a merchant is owed: questions that wait for the store, data that Shopify did not give, words in time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from storage import connections, conversations, merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests.agent_turns import Hire, Merchant
from tests.openai_server import Answer, Call, Received, Say, Serve
from tests.rows import execute, new_event, query, store_event
from workers.agent.tools import Tools
from workers.delivery import sweeper
from workers.delivery.sweeper import Duties
from workers.delivery.wake_ups import WakeUps
from workers.model.response import ToolCall
from workers.operations import failed_turns
from workers.operations.timeline import read
from workers.shop import results
from workers.shop.results import Result
from workers.workflow.handler import handle
from workers.workflow.promises import FOUND, NOT_FOUND, PromiseKeeper
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

SHOP = "acme.myshopify.com"
LOST = results.failed("counts", "shopify.unauthorized", "…")
SLOW = results.failed("counts", "shopify.throttled", "…", retry_after=7.0)
COUNTS: Result = {"success": True, "data_type": "counts", "data": {"customers": 7}, "cached": False}


PLANS = """\
name: ad_hoc_support
description: Notices who pays
system_events:
  custom:
    condition: "name == 'plan_changed' and data.plan == 'pro'"
    actions:
      - type: "process_message"
        message: "plan_changed to {{data.plan}}"
prompts:
  cj:
    system: |
      You are CJ.
"""


def answers(request: Received) -> Answer:
    """Asks for counts, then says something."""
    is_told = request.messages[-1]["role"] == "tool"
    return Say("Told.") if is_told else Say(None, [Call("shopify_data", {"data_type": "counts"})])


@pytest.fixture
def merchant(serve: Serve, hire: Hire) -> Merchant:
    serve(answers)
    hired = hire()
    hired.worker.model.warm_up()  # the first import counts as the model's time
    return hired


def connect(merchant: Merchant) -> None:
    """The merchant's shop is connected, in a conversation of theirs."""
    with merchant.worker.database.transaction() as session:
        vault, token = Vault.from_text(new_key_text()), SecretStr("shpat_0123456789abcdef")
        owner: dict[str, Any] = {"merchant_id": merchant.id, "shop_domain": f"{merchant.id}-{SHOP}"}
        merchants.connect_shop(session, vault, **owner, access_token=token, scopes=[], emit=False)


def lose(merchant: Merchant) -> None:
    """Shopify accepts the shop's token no longer."""
    with merchant.worker.database.transaction() as session:
        found = connections.integration_of(session, merchant.id)
        assert found is not None
        connections.mark_needs_reauth(session, merchant.id, token_version=found.token_version)


def happens(merchant: Merchant, kind: str, data: dict[str, Any], workflows: WorkflowSet | None = None) -> None:
    database = merchant.worker.database
    known = {"merchant_id": merchant.id, "conversation_id": merchant.conversation, **data}
    key = store_event(
        database, new_event(type=kind, merchant_id=merchant.id, conversation_id=merchant.conversation, data=known)
    )
    with database.transaction() as session:
        assert handle(session, workflows or load_folder(), key) is not None


def reconnect(merchant: Merchant) -> None:
    connect(merchant)
    shop = f"{merchant.id}-{SHOP}"
    happens(merchant, "oauth_complete", {"provider": "shopify", "success": True, "shop_domain": shop})


def queued(merchant: Merchant) -> list[tuple[Any, ...]]:
    statement = """
        SELECT input ->> 'sender', input ->> 'text' FROM turns
        WHERE merchant_id = :merchant AND status = 'queued' ORDER BY seq"""
    return query(merchant.worker.database, statement, merchant=merchant.id)


def owed(merchant: Merchant) -> list[str]:
    statement = "SELECT waits_for FROM turns WHERE merchant_id = :merchant AND waits_for IS NOT NULL ORDER BY seq"
    return [str(what) for (what,) in query(merchant.worker.database, statement, merchant=merchant.id)]


def lost_store(merchant: Merchant) -> None:
    connect(merchant)
    lose(merchant)
    merchant.worker.results = lambda calls: [LOST for _ in calls]


def test_what_needs_the_store_waits_and_is_asked_again_behind_the_connection(merchant: Merchant) -> None:
    lost_store(merchant)
    for question in ("How many customers?", "And orders?"):
        assert merchant.asks(question)[0] == ("RUN_FINISHED", None), "nobody waits in silence"
    assert owed(merchant) == ["store", "store"]
    reconnect(merchant)
    assert queued(merchant) == [
        ("system", "store_reconnected"),
        ("merchant", "How many customers?"),
        ("merchant", "And orders?"),
    ]
    assert owed(merchant) == []


def test_one_turn_says_that_the_store_is_back_and_answers_what_was_asked(merchant: Merchant) -> None:
    lost_store(merchant)
    merchant.asks("How many customers?")
    reconnect(merchant)
    merchant.worker.results = lambda calls: [COUNTS for _ in calls]
    first = "SELECT min(id) FROM turns WHERE status = 'queued' AND merchant_id = :merchant"
    [(turn_id,)] = query(merchant.worker.database, first, merchant=merchant.id)
    merchant.worker.ends(int(turn_id))
    assert queued(merchant) == [], "the question was taken in"


def test_an_uninstallation_ends_what_was_promised(merchant: Merchant) -> None:
    lost_store(merchant)
    merchant.asks()
    shop = {"shop_domain": f"{merchant.id}-{SHOP}"}
    execute(merchant.worker.database, "UPDATE merchant_integrations SET connected_at = now() - interval '1 hour'")
    happens(merchant, "app_uninstalled", shop)
    assert owed(merchant) == []


class Looks:
    """Stands for the tools and the wake-ups of whoever keeps a promise."""

    def __init__(self, merchant: Merchant) -> None:
        self.found: Result = SLOW
        self.woken: list[int] = []
        self.keeper = PromiseKeeper(merchant.worker.database, cast(Tools, self), cast(WakeUps, self))

    def run(self, _turn: object, calls: Sequence[ToolCall], **_limits: object) -> list[Result]:
        return [self.found for _ in calls]

    def run_turn(self, turn_id: int) -> bool:
        self.woken.append(turn_id)
        return True


def promised(merchant: Merchant) -> int:
    connect(merchant)
    merchant.worker.results = lambda calls: [SLOW for _ in calls]
    turn_id = merchant.say("How many customers?")
    merchant.worker.ends(turn_id)
    assert owed(merchant) == ["data"]
    return turn_id


def due_in(database: Database, turn_id: int) -> float:
    [(seconds,)] = query(
        database, "SELECT extract(epoch FROM run_after - clock_timestamp()) FROM turns WHERE id = :id", id=turn_id
    )
    return float(seconds)


def test_what_shopify_did_not_give_is_looked_for_in_silence_and_told_once(merchant: Merchant) -> None:
    turn_id, looks = promised(merchant), Looks(merchant)
    assert 5 < due_in(merchant.worker.database, turn_id) <= 7, "not before Shopify said"
    looks.keeper.keep(turn_id)
    assert (queued(merchant), owed(merchant)) == ([], ["data"])
    looks.found = COUNTS
    looks.keeper.keep(turn_id)
    looks.keeper.keep(turn_id)
    assert queued(merchant) == [("system", FOUND)]
    merchant.worker.ends(*looks.woken)
    assert merchant.worker.said(*looks.woken) == ["Told."]
    assert owed(merchant) == [], "a follow-up promises nothing"


def test_after_the_last_look_it_is_said_that_it_did_not_work(merchant: Merchant) -> None:
    turn_id, looks = promised(merchant), Looks(merchant)
    merchant.worker.advance(601)
    looks.keeper.keep(turn_id)
    assert queued(merchant) == [("system", NOT_FOUND)]
    assert owed(merchant) == []


def test_what_was_told_meanwhile_is_not_told_again(merchant: Merchant) -> None:
    turn_id, looks = promised(merchant), Looks(merchant)
    merchant.worker.results = lambda calls: [COUNTS for _ in calls]
    merchant.asks("How many customers do I have now?")
    looks.keeper.keep(turn_id)
    assert (queued(merchant), owed(merchant)) == ([], [])


def test_an_operator_may_try_again_what_failed_whatever_was_followed_up(merchant: Merchant) -> None:
    turn_id, looks = promised(merchant), Looks(merchant)
    database = merchant.worker.database
    execute(database, "UPDATE turns SET error = 'model_unavailable' WHERE id = :id", id=turn_id)
    looks.found = COUNTS
    looks.keeper.keep(turn_id)
    with database.transaction() as session:
        assert [turn.id for turn in failed_turns.failed(session)] == [turn_id]
        assert failed_turns.ask_again(session, turn_id) is not None
        assert failed_turns.failed(session) == []
    assert queued(merchant) == [("system", FOUND), ("merchant", "How many customers?")]


def first_words(merchant: Merchant) -> list[str]:
    with merchant.worker.database.transaction() as session:
        replies = Duties().say_first_words(session).replies
    return [event["delta"] for reply in replies for event in reply.body["data"] if "delta" in event]


def test_whatever_hangs_a_merchant_who_connects_hears_something(merchant: Merchant) -> None:
    execute(merchant.worker.database, "UPDATE turns SET words_due = NULL")
    reconnect(merchant)
    assert first_words(merchant) == []
    merchant.worker.advance(1.9)
    assert first_words(merchant)[-1] == sweeper.CONNECTED
    merchant.worker.advance(10)
    assert first_words(merchant) == [], "once"


def test_that_a_store_is_connected_again_is_left_to_the_turn_that_begins_with_it(merchant: Merchant) -> None:
    execute(merchant.worker.database, "UPDATE turns SET words_due = NULL")
    reconnect(merchant)
    again = "jsonb_set(input, '{metadata,reconnected}', 'true')"
    execute(merchant.worker.database, f"UPDATE turns SET input = {again} WHERE words_due IS NOT NULL")
    merchant.worker.advance(1.9)
    assert first_words(merchant)[-1] == sweeper.THINKING


# What happens beside the shop


@pytest.mark.parametrize(
    ("success", "said"), [(True, "account_connected: zendesk"), (False, "account_connection_failed: zendesk")]
)
def test_another_providers_connection_is_a_row_of_its_own_and_reaches_the_workflow(
    merchant: Merchant, success: bool, said: str
) -> None:
    connect(merchant)
    for _ in range(2):
        happens(merchant, "oauth_complete", {"provider": "zendesk", "success": success})
    assert queued(merchant)[-2:] == [("system", said)] * 2
    with merchant.worker.database.transaction() as session:
        assert connections.accounts(session, merchant.id) == (["zendesk"] if success else [])
        shop = connections.integration_of(session, merchant.id)
        assert shop is not None
        assert shop.is_active


def test_a_rule_may_take_an_event_of_its_own(merchant: Merchant, tmp_path: Path) -> None:
    (tmp_path / "ad_hoc_support.yaml").write_text(PLANS)
    workflows = load_folder(tmp_path)
    merchant.say()
    for plan in ("free", "pro"):
        happens(merchant, "custom", {"name": "plan_changed", "data": {"plan": plan}}, workflows)
    assert queued(merchant)[1:] == [("system", "plan_changed to pro")]


# What a workflow plans, and what it tells the systems outside

REMINDS = """\
name: ad_hoc_support
description: Comes back
system_events:
  custom:
    - condition: "name == 'plan_wanted'"
      actions:
        - {type: process_message, message: "wanted: {{data.plan}}"}
        - {type: emit, name: plan_wanted, data: {plan: "{{data.plan}}", free: false}}
        - {type: follow_up, after: 2h, message: "remind of {{data.plan}}"}
    - condition: "name == 'quiet'"
      actions:
        - {type: emit, name: seen}
        - {type: follow_up, after: 1d, message: look again, condition: "plan == 'pro' and workflow == 'ad_hoc_support'"}
    - condition: "name == 'plan_changed'"
      actions: [{type: update_context, data: {plan: "{{data.plan}}"}}]
prompts: {cj: {system: You are CJ.}}
"""


@pytest.fixture
def reminds(tmp_path: Path) -> WorkflowSet:
    (tmp_path / "ad_hoc_support.yaml").write_text(REMINDS)
    return load_folder(tmp_path)


def timeline(merchant: Merchant) -> str:
    with merchant.worker.database.transaction() as session:
        found = read(session, merchant.conversation)
    assert found is not None
    return "\n".join(found.lines())


def due(merchant: Merchant, looks: Looks) -> list[tuple[Any, ...]]:
    """What the sweeper finds due is looked at; what is queued of it."""
    with merchant.worker.database.transaction() as session:
        found = Duties().look_at_promises(session).promises
    for turn_id in [*found, *found]:
        looks.keeper.keep(turn_id)
    return queued(merchant)


def wanted(merchant: Merchant, workflows: WorkflowSet, *plans: str) -> None:
    """The merchant's turns about these plans have ended."""
    for plan in plans:
        happens(merchant, "custom", {"name": "plan_wanted", "data": {"plan": plan}}, workflows)
    execute(
        merchant.worker.database,
        "UPDATE turns SET status = 'done', finished_at = clock_timestamp() WHERE status = 'queued'",
    )


def test_a_follow_up_comes_at_its_time_once_and_nothing_waits_behind_it(
    merchant: Merchant, reminds: WorkflowSet
) -> None:
    merchant.asks()
    wanted(merchant, reminds, "pro")
    looks = Looks(merchant)
    assert "follow-up planned, due at 20" in timeline(merchant)
    merchant.worker.advance(7100)
    assert due(merchant, looks) == []
    merchant.worker.advance(200)
    assert due(merchant, looks) == [("system", "remind of pro")]
    assert "follow-up planned, over: remind of pro" in timeline(merchant)
    assert owed(merchant) == []
    merchant.worker.ends(*looks.woken)
    assert merchant.worker.said(*looks.woken) == ["Told."]
    assert due(merchant, looks) == []


def test_a_follow_up_is_dropped_by_what_makes_it_pointless(merchant: Merchant, reminds: WorkflowSet) -> None:
    connect(merchant)
    execute(merchant.worker.database, "UPDATE merchant_integrations SET connected_at = now() - interval '1 hour'")
    looks = Looks(merchant)
    wanted(merchant, reminds, "pro")
    merchant.asks("I'd rather not.")
    merchant.worker.advance(7300)
    assert (due(merchant, looks), owed(merchant)) == ([], []), "the merchant has answered"
    happens(merchant, "custom", {"name": "quiet"}, reminds)
    merchant.worker.advance(90_000)
    assert due(merchant, looks) == [("cj", "")], "its condition does not hold; what was emitted is told"
    assert owed(merchant) == []
    happens(merchant, "custom", {"name": "quiet"}, reminds)
    happens(merchant, "custom", {"name": "plan_changed", "data": {"plan": "pro"}}, reminds)
    merchant.worker.advance(90_000)
    assert due(merchant, looks)[-1] == ("system", "look again")
    wanted(merchant, reminds, "pro")
    happens(merchant, "app_uninstalled", {"shop_domain": f"{merchant.id}-{SHOP}"}, reminds)
    assert owed(merchant) == [], "the store is gone"


def test_follow_ups_are_few_and_each_is_said_once(merchant: Merchant, reminds: WorkflowSet) -> None:
    merchant.asks()
    wanted(merchant, reminds, *"abcdefg", "a", "b")
    assert owed(merchant) == ["time"] * 5
    merchant.worker.advance(7300)
    assert [text for _, text in due(merchant, Looks(merchant))] == [f"remind of {plan}" for plan in "cdeab"]


def told(merchant: Merchant) -> list[Any]:
    statement = (
        "SELECT body FROM replies r JOIN turns t ON t.id = r.turn_id WHERE t.merchant_id = :merchant ORDER BY r.id"
    )
    bodies = [body for (body,) in query(merchant.worker.database, statement, merchant=merchant.id)]
    events = [event for body in bodies for event in body["data"]]
    return [event["value"] for event in events if event.get("name") == "workflow_event"]


def test_the_systems_outside_are_told_once_also_where_nothing_is_said(merchant: Merchant, reminds: WorkflowSet) -> None:
    merchant.asks()
    happens(merchant, "custom", {"name": "plan_wanted", "data": {"plan": "pro"}}, reminds)
    happens(merchant, "custom", {"name": "quiet"}, reminds)
    happens(merchant, "custom", {"name": "plan_wanted", "data": {"plan": "x" * 7_990}}, reminds)
    statement = "SELECT id FROM turns WHERE merchant_id = :merchant AND status = 'queued' ORDER BY seq"
    for (turn_id,) in query(merchant.worker.database, statement, merchant=merchant.id):
        merchant.worker.ends(int(turn_id))
    assert told(merchant) == [
        {"name": "plan_wanted", "data": {"plan": "pro", "free": False}},
        {"name": "seen", "data": {}},
        {"name": "plan_wanted", "data": {}},  # it would have said too much
    ]


def test_a_message_with_something_to_tell_outside_keeps_its_own_run(merchant: Merchant, tmp_path: Path) -> None:
    rule = "  message_received: {condition: \"text says 'yes'\", actions: [{type: emit, name: agreed}, %s]}\n"
    say = "{type: process_message, sender: merchant, message: '{{text}}'}"
    (tmp_path / "ad_hoc_support.yaml").write_text(REMINDS.replace("prompts:", rule % say + "prompts:"))
    workflows = load_folder(tmp_path)
    first = merchant.say("one")
    for text in ("two", "Yes!", "three"):
        happens(merchant, "message_received", {"text": text}, workflows)
    merchant.worker.ends(first)
    assert queued(merchant) == [("merchant", "Yes!"), ("merchant", "three")]


@pytest.mark.parametrize(
    ("orders", "workflow"), [(0, "ad_hoc_support"), (3, "shopify_onboarding"), (None, "shopify_onboarding")]
)
def test_a_store_without_orders_is_handed_over_with_its_counts(
    merchant: Merchant, orders: int | None, workflow: str
) -> None:
    """No model asks an empty store for its latest orders: they are known."""
    database = merchant.worker.database
    with database.transaction() as session:
        merchants.add_merchant(session, merchant.id)
        known = {"shopify_connected": True}
        conversations.open(
            session, id=merchant.conversation, merchant_id=merchant.id, workflow="shopify_onboarding", context=known
        )
    counted: Result = {**COUNTS, "data": {"customers": 0, "orders": orders}}
    merchant.worker.results = lambda calls: [counted for _ in calls]
    merchant.asks("How are my orders?")
    assert query(database, "SELECT workflow FROM conversations WHERE id = :id", id=merchant.conversation) == [
        (workflow,)
    ]
