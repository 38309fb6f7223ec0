"""Answers to fetch requests that Redis does not take: through Postgres, and only then."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis

from shopify.data.fetched import Fetched
from storage import fetch_answers, privacy
from storage.cache import Cache
from storage.connections import Integration
from storage.database import Database
from storage.errors import StorageRefused
from storage.mentions import Person
from storage.merchants import AccessToken
from storage.redis_server import RedisServer
from storage.turns import Claim
from tests import rows
from tests.as_role import make_roles, url_of
from tests.rows import execute, query, statements_seen
from tests.servers import fast_folder, kill
from workers.agent.shopify_data import NOT_NOW, NOTHING_NEWER
from workers.agent.time_limits import PICK_UP_SECONDS
from workers.agent.tools import Tools
from workers.delivery.sweeper import Duties
from workers.delivery.wake_ups import WakeUps
from workers.local.embedded import EmbeddedValkey
from workers.model.response import ToolCall
from workers.shop import results
from workers.shop.fetch import FetchRequest, ShopifyFetcher
from workers.shop.reader import ShopReader
from workers.shop.tokens import TokenKeeper

ANSWER = {"success": True, "data_type": "counts", "data": {"orders": 7, "shop": "Grüße"}, "cached": False}
SHOP = cast(Integration, SimpleNamespace(status="active", connection=1))


@pytest.fixture
def running(database: Database) -> Claim:
    """A turn that asks for store data."""
    return rows.claim(database, rows.queue(database, "How many orders?"))


@pytest.fixture
def server() -> Iterator[EmbeddedValkey]:
    with fast_folder() as folder, EmbeddedValkey(Path(folder) / "valkey", aof=False) as server:
        yield server


@pytest.fixture
def cache(server: EmbeddedValkey) -> Iterator[Cache]:
    redis_server = RedisServer(server.url)
    yield Cache(redis_server)
    redis_server.close()


class ShopifyWorker:
    """Takes wake-ups in place of the broker; `answers` each request."""

    def __init__(self, answers: Callable[[FetchRequest], object]) -> None:
        self.asked: list[FetchRequest] = []
        self._answers = answers

    def fetch(self, request: dict[str, Any]) -> bool:
        self.asked.append(FetchRequest.from_json(request))
        self._answers(self.asked[-1])
        return True

    def asked_by(self, running: Claim, cache: Cache, database: Database, *, seconds: float = 5.0) -> dict[str, Any]:
        """What the running turn is told of its counts."""
        tools = Tools(cache, database, cast(WakeUps, self))
        call = ToolCall("c", "shopify_data", {"data_type": "counts"})
        [result] = tools.run(running, [call], shop=SHOP, allowed=None, seconds=seconds)
        return result


def left(database: Database, request: FetchRequest) -> None:
    assert request.request_id is not None
    assert request.turn_id is not None
    with database.transaction() as session:
        fetch_answers.leave(session, request.request_id, request.turn_id, ANSWER)


def everything_left(database: Database) -> list[str]:
    return [request_id for (request_id,) in query(database, "SELECT request_id FROM fetch_answers ORDER BY 1")]


# The agent


def test_while_redis_is_away_the_answer_comes_through_postgres(
    database: Database, running: Claim, server: EmbeddedValkey, cache: Cache
) -> None:
    kill(server)
    worker = ShopifyWorker(lambda request: left(database, request))
    assert worker.asked_by(running, cache, database) == ANSWER
    assert len(worker.asked) == 1
    assert everything_left(database) == []


def test_an_answer_that_a_full_redis_did_not_take_is_found_before_it_is_asked_for_again(
    database: Database, running: Claim, cache: Cache
) -> None:
    """Redis still serves whoever waits."""
    worker = ShopifyWorker(lambda request: left(database, request))
    assert worker.asked_by(running, cache, database) == ANSWER
    assert len(worker.asked) == 1


def test_what_redis_answers_costs_no_query(
    database: Database,
    running: Claim,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor if Shopify takes its time."""

    def answer_late(request: FetchRequest) -> None:
        threading.Timer(1.5 * PICK_UP_SECONDS, cache.answer, (str(request.request_id), ANSWER)).start()

    seen = statements_seen(monkeypatch)
    assert ShopifyWorker(answer_late).asked_by(running, cache, database) == ANSWER
    assert seen == []


def test_when_nothing_comes_nothing_is_said_of_shopify(
    database: Database,
    running: Claim,
    server: EmbeddedValkey,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kill(server)
    seen = statements_seen(monkeypatch)
    worker = ShopifyWorker(lambda _request: None)
    found = worker.asked_by(running, cache, database, seconds=4 * PICK_UP_SECONDS)
    assert (found["error_code"], found["error"]) == (results.NO_ANSWER, NOT_NOW)
    assert 2 <= sum("fetch_answers" in statement for statement, _ in seen) <= 4
    assert list(results.awaited([found])) == ["counts"], "CJ looks again by itself"


def test_without_postgres_it_goes_on_too(running: Claim, server: EmbeddedValkey, cache: Cache) -> None:
    kill(server)
    with Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1) as nowhere:
        found = ShopifyWorker(lambda _request: None).asked_by(running, cache, nowhere, seconds=3 * PICK_UP_SECONDS)
    assert found["error_code"] == results.NO_ANSWER


def test_with_older_data_it_is_said_that_there_is_none_newer(
    database: Database, running: Claim, server: EmbeddedValkey, cache: Cache
) -> None:
    cache.put("m1", 1, "counts", {"data": ANSWER["data"], "as_of": "2026-11-22T10:00:00+00:00"}, 900)
    with redis.Redis.from_url(server.url) as client:
        client.delete("cj:fresh:m1:1:counts")
    found = ShopifyWorker(lambda _request: None).asked_by(running, cache, database, seconds=0.3)
    assert found["stale"] == {"code": results.NO_ANSWER, "reason": NOTHING_NEWER}


# The Shopify worker


class Token:
    """Of a connected shop."""

    integration = SimpleNamespace(merchant_id="m1", connection=1, token_version=1)
    read_at = datetime.now(UTC)
    age = 0.0

    def aged(self, _seconds: float) -> "Token":
        return self


class NoToken:
    """Nobody is connected."""

    def current(self, _merchant_id: str, _deadline: float) -> None:
        return None


def fetcher(database: Database, cache: Cache) -> ShopifyFetcher:
    return ShopifyFetcher(database, cast(TokenKeeper, NoToken()), cache, cast(ShopReader, None))


def test_what_redis_takes_is_left_nowhere_else(database: Database, running: Claim, cache: Cache) -> None:
    request = FetchRequest.for_turn(running, "counts", "r1")
    fetcher(database, cache).fetch(request)
    assert cache.wait_answer("r1", 5.0) is not None
    assert everything_left(database) == []


def test_what_redis_does_not_take_is_left_once_for_who_waits(
    database: Database, running: Claim, server: EmbeddedValkey, cache: Cache
) -> None:
    kill(server)
    worker = fetcher(database, cache)
    for _ in range(2):
        worker.fetch(FetchRequest.for_turn(running, "counts", "r1"))
    worker.fetch(FetchRequest("m1", "counts"))  # a prefetch
    assert everything_left(database) == ["r1"]
    with database.transaction() as session:
        found = fetch_answers.pick_up(session, "r1")
        assert fetch_answers.pick_up(session, "r1") is None
    assert found is not None
    assert found["error_code"] == "shopify.not_connected"


def test_an_agent_that_alone_is_cut_off_from_redis_gets_figures(
    database: Database, running: Claim, cache: Cache
) -> None:
    """The first are read from Shopify, the next are in the worker's cache."""

    class Reader:
        def read(self, _token: AccessToken, _data_type: str, **_details: Any) -> Fetched:
            return Fetched({"orders": 7})

    token = cast(AccessToken, Token())
    fetching = ShopifyFetcher(database, cast(TokenKeeper, NoToken()), cache, cast(ShopReader, Reader()))
    worker = ShopifyWorker(lambda request: fetching.fetch(request, token))
    nowhere = RedisServer("redis://127.0.0.1:1")
    for is_cached in (False, True):
        found = worker.asked_by(running, Cache(nowhere), database)
        assert (found["data"], found["cached"]) == ({"orders": 7}, is_cached)
    nowhere.close()
    assert everything_left(database) == []


def test_of_a_turn_that_is_gone_nothing_is_picked_up(
    database: Database, running: Claim, server: EmbeddedValkey, cache: Cache
) -> None:
    execute(database, "DELETE FROM turns")
    kill(server)
    fetcher(database, cache).fetch(FetchRequest.for_turn(running, "counts", "r1"))
    assert everything_left(database) == []


def test_a_prefetch_that_nothing_would_keep_does_not_reach_shopify(
    database: Database, server: EmbeddedValkey, cache: Cache
) -> None:
    read: list[str] = []

    class Reader:
        def read(self, _token: AccessToken, data_type: str, **_details: Any) -> Fetched:
            read.append(data_type)
            return Fetched({})

    token = cast(AccessToken, Token())
    worker = ShopifyFetcher(database, cast(TokenKeeper, NoToken()), cache, cast(ShopReader, Reader()))
    worker.fetch(FetchRequest("m1", "counts"), token)
    kill(server)
    assert worker.fetch(FetchRequest("m1", "overview"), token) is token
    assert read == ["counts"]


# The rows


def test_each_role_does_its_part(database_url: str, database: Database, running: Claim) -> None:
    """The worker may see no turn, though each answer belongs to one."""
    make_roles(database_url)
    request = FetchRequest.for_turn(running, "counts", "r1")
    with Database(url_of("cj_shopify", database_url), pool_size=1) as shopify:
        for _ in range(2):
            left(shopify, request)
        execute(database, "DELETE FROM fetch_answers")
        left(shopify, request)
        with pytest.raises(StorageRefused, match="ForeignKeyViolation"):
            left(shopify, FetchRequest("m1", "counts", "r2", turn_id=running.turn_id + 1))
    for role in ("cj_agent", "cj_workflow"):  # who asks again for missing data
        left(database, request)
        with Database(url_of(role, database_url), pool_size=1) as picking, picking.transaction() as session:
            assert fetch_answers.pick_up(session, "r1") == ANSWER


def test_what_nobody_picks_up_is_deleted_after_a_minute(database: Database, running: Claim) -> None:
    for request_id in ("r1", "r2"):
        left(database, FetchRequest.for_turn(running, "counts", request_id))
    execute(database, "UPDATE fetch_answers SET created_at = created_at - interval '61 s' WHERE request_id = 'r1'")
    with database.transaction() as session:
        Duties().prune(session)
    assert everything_left(database) == ["r2"]


def test_an_erased_merchants_answers_are_erased(database: Database, running: Claim) -> None:
    left(database, FetchRequest.for_turn(running, "counts", "r1"))
    left(database, FetchRequest.for_turn(rows.claim(database, other_turn(database)), "counts", "r2"))
    key = rows.store_event(database, rows.new_event(type="shop_redact", merchant_id="m1", data={}))
    with database.transaction() as session:
        privacy.erase_some(session, "m1", privacy.begin(session, privacy.TALK), but_event=key, before=None)
    assert everything_left(database) == ["r2"]


def test_a_redaction_drops_the_merchants_answers(database: Database, running: Claim) -> None:
    """A customer may be in them; the turns that asked start again."""
    left(database, FetchRequest.for_turn(running, "counts", "r1"))
    left(database, FetchRequest.for_turn(rows.claim(database, other_turn(database)), "counts", "r2"))
    key = rows.store_event(database, rows.new_event(type="customers_redact", merchant_id="m1", data={}))
    person = Person("m1", customer_id="1")
    with database.transaction() as session:
        privacy.close_blanking(session, person, privacy.begin(session, privacy.TALK), but_event=key)
    assert everything_left(database) == ["r2"]


def other_turn(database: Database) -> int:
    return rows.queue(database, "hello", conversation_id="c2", merchant_id="m2")
