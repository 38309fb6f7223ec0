"""What can go wrong at Shopify, over HTTP through all workers: the turn ends in time with a fitting reply.

Each row is a merchant who connects a faulty store. A test waits for its own row while the next ones already run. What
Shopify answers in each case:
https://shopify.dev/docs/api/admin-graphql#status_and_error_codes and https://shopify.dev/docs/api/usage/limits
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import redis
from sqlalchemy import text

from shopify.development_store.server import token_for
from tests.stack import Stack
from tests.waiting import wait_until
from workers.model.demo_words import INSIGHTS

AT_ONCE = 6

FIGURES = r"customers in your store"
RECENT = r"recent activity"
BREATHLESS = r"Shopify does not answer at the moment"
RECONNECT = r"[Rr]econnect the store"
OURS_TO_REPAIR = r"for our team to repair, not for you"
SLOW_DOWN = r"Shopify asks me to slow down"
MISTAKE = r"our mistake and we will repair it"
UNREADABLE = r"an answer that I could not read"


AN_HOUR_LATER = """
UPDATE merchant_integrations SET connected_at = connected_at - interval '1 hour',
    config = jsonb_set(config, '{shop,asked_at}', to_jsonb(clock_timestamp() - interval '1 hour'))
WHERE merchant_id = :id
"""


@dataclass(frozen=True)
class Trouble:
    """A kind of fault: what the store does, and what must follow.

    `asked` is how often one fetch may ask the store for the counts: once where a retry is useless, else as often as
    retries make sense. A failed fetch happens twice, in the prefetch and in the turn. `codes` are the error codes of
    the tool results, `missing` those of missing parts.
    """

    name: str
    faults: Sequence[tuple[str, Mapping[str, Any]]] = ()
    shop: Mapping[str, Any] = field(default_factory=dict)
    scopes: Sequence[str] | None = None
    says: str = FIGURES
    never: str = r"None|null|nan\b|\{|Traceback"
    codes: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    asked: int | None = None
    size: str = "tiny"


def always(kind: str, **details: Any) -> tuple[str, Mapping[str, Any]]:
    return kind, details


def once(kind: str, **details: Any) -> tuple[str, Mapping[str, Any]]:
    return kind, {"times": 1, "operation": "Counts", **details}


def code(*names: str) -> frozenset[str]:
    return frozenset(f"shopify.{name}" for name in names)


DENIED: dict[str, Any] = {
    "codes": code("access_denied"),
    "says": r"may not read your orders",
}
TROUBLES = [
    # One of each way through the workers. What each fault means, and how often it is tried, is tested at the client.
    Trouble("revoked", [always("unauthorized")], codes=code("unauthorized"), says=RECONNECT, asked=2),
    Trouble("refused_once", [once("unauthorized")], asked=2),
    Trouble(
        "allowlist", [always("ip_not_allowed")], codes=code("forbidden"), says=OURS_TO_REPAIR, never=RECONNECT, asked=2
    ),
    Trouble("frozen", [always("frozen")], codes=code("store_unavailable"), says=r"frozen your store", asked=2),
    # Permissions: permitted data is given, the rest is named.
    Trouble("no_orders", scopes=["read_customers", "read_products"], missing=code("access_denied"), **DENIED),
    Trouble(
        "no_scope_at_all",
        scopes=[],
        missing=code("access_denied"),
        **DENIED | {"says": r"may not read your customers, orders and products"},
    ),
    Trouble(
        "not_approved",
        [always("protected_data")],
        missing=code("protected_data"),
        says=rf"{RECENT}.*not approved this app for personal data",
        size="medium",
    ),
    # Limits.
    Trouble("throttled_once", [once("throttled", seconds=0.3)], asked=2),
    Trouble("throttled_for_long", [always("throttled", seconds=30)], codes=code("throttled"), says=SLOW_DOWN),
    Trouble("requests_for_long", [always("too_many_requests", seconds=60)], codes=code("throttled"), says=SLOW_DOWN),
    # Errors at Shopify itself: retried, then named.
    Trouble("internal_error_twice", [once("internal_error", times=2)], asked=3),
    Trouble("status_503", [always("status", status=503)], codes=code("unavailable"), says=BREATHLESS, asked=2),
    Trouble("dropped_once", [once("dropped")], asked=2),
    Trouble("hangs_once", [once("hang")], asked=2),
    Trouble("drips", [always("slow_body", operation="Counts", seconds=1)], codes=code("unavailable"), says=BREATHLESS),
    # Invalid answers.
    Trouble("html", [always("html")], codes=code("bad_answer"), says=UNREADABLE, asked=2),
    Trouble("bomb", [always("gzip_bomb", length=4_000_000)], codes=code("bad_answer"), says=UNREADABLE, asked=2),
    Trouble(
        "wrong_types", [always("wrong_types")], missing=code("bad_answer"), says=rf"{FIGURES}.*{RECENT}", size="medium"
    ),
    # Our own mistakes: never retried.
    Trouble("bad_document", [always("undefined_field")], codes=code("bad_document"), says=MISTAKE, asked=1),
]


@dataclass(frozen=True)
class Case:
    """A merchant whose store has that fault."""

    trouble: Trouble
    stack: Stack

    @property
    def merchant_id(self) -> str:
        return f"trouble_{self.trouble.name}"

    @property
    def conversation_id(self) -> str:
        return f"conv_trouble_{self.trouble.name}"

    @property
    def shop_domain(self) -> str:
        return f"trouble-{self.trouble.name.replace('_', '-')}.myshopify.com"

    def begin(self) -> None:
        trouble, store = self.trouble, self.stack.store
        self.stack.connect(self.shop_domain, self.merchant_id, size=trouble.size, **trouble.shop)
        if trouble.scopes is not None:  # fewer than the auth service believes
            store.register(self.shop_domain, trouble.size, token_for(self.shop_domain), scopes=trouble.scopes)
        for kind, details in trouble.faults:
            store.fault(self.shop_domain, kind, **details)
        self.stack.connected(self.merchant_id, self.shop_domain, self.conversation_id)

    def words(self) -> str:
        return " ".join(self.stack.gateway.texts(self.conversation_id))

    def results(self) -> list[dict[str, Any]]:
        """What was looked at when the store was connected, oldest first."""
        rows = self.stack.rows(
            "select s.tool_results from steps s join turns t on t.id = s.turn_id"
            " where t.conversation_id = :id and s.tool_results is not null order by t.seq, s.step",
            id=self.conversation_id,
        )
        found = [result["content"] for (results,) in rows for result in results]
        return [result for result in found if result["data_type"] in INSIGHTS]

    def asked(self, operation: str = "Counts") -> int:
        return len(self.stack.store.requests(self.shop_domain, operation=operation))


class Cases:
    """All merchants of the table. Requesting one also starts the next ones."""

    def __init__(self, stack: Stack) -> None:
        self._cases = [Case(trouble, stack) for trouble in TROUBLES]
        self._names = [trouble.name for trouble in TROUBLES]
        self._begun: set[str] = set()

    def __getitem__(self, name: str) -> Case:
        place = self._names.index(name)
        for case in self._cases[place : place + AT_ONCE]:
            if case.trouble.name not in self._begun:
                self._begun.add(case.trouble.name)
                case.begin()
        return self._cases[place]

    @property
    def begun(self) -> list[Case]:
        return [case for case in self._cases if case.trouble.name in self._begun]


@pytest.fixture(scope="module")
def cases(stack: Stack) -> Iterator[Cases]:
    found = Cases(stack)
    yield found
    for case in found.begun:
        stack.store.clear_faults(case.shop_domain)


@pytest.fixture(scope="module")
def started(stack: Stack) -> set[int]:
    """The processes as they were before."""
    return pids(stack)


def pids(stack: Stack) -> set[int]:
    return {pid for pid in stack.supervisor.pids().values() if pid is not None}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_the_turn_ends_with_words_that_fit(trouble: Trouble, started: set[int], cases: Cases, stack: Stack) -> None:
    case = cases[trouble.name]
    replies = stack.gateway.wait_for_ends(case.conversation_id, limit=60)
    assert replies[-1].kinds[-1] == "RUN_FINISHED", case.words()
    assert re.search(trouble.says, case.words()), case.words()
    assert not re.search(trouble.never, case.words()), case.words()
    results = case.results()
    codes = {result["error_code"] for result in results if not result["success"]}
    assert codes == set(trouble.codes), results
    missing = {part["code"] for result in results for part in result.get("missing", ())}
    assert missing == set(trouble.missing), results
    if trouble.asked is not None:
        # A refused token affects all data: if another prefetch was refused first, the counts are not requested.
        least = 0 if trouble.says == RECONNECT else trouble.asked
        assert case.asked() in (least, trouble.asked, 2 * trouble.asked)
    if not trouble.codes and not trouble.missing:  # the attempts of one fetch were enough
        noticed = [line for line in stack.lines if case.shop_domain in line and "Shopify refused" in line]
        assert not any('"level": "warning"' in line for line in noticed), noticed
    assert pids(stack) == started


def test_no_token_has_left(cases: Cases, stack: Stack) -> None:
    """The token is in no reply, row, message, key or log line; the store sees it only in the header."""
    assert cases["revoked"] in cases.begun
    for case in cases.begun:
        stack.gateway.wait_for_ends(case.conversation_id, limit=60)
    tokens = [token_for(case.shop_domain) for case in cases.begun]
    tables = ("events", "conversations", "turns", "steps", "replies")
    texts = [json.dumps([reply.data for reply in stack.gateway.shown]), "\n".join(stack.lines)]
    texts += [str(stack.rows(f"select cast(x as text) from {table} x")) for table in tables]
    client = redis.Redis.from_url(stack.redis_url)
    for key in client.scan_iter():
        kind = client.type(key)
        texts.append(str(key))
        if kind == b"string":
            texts.append(str(client.get(key)))
        elif kind == b"list":
            texts.append(str(client.lrange(key, 0, -1)))
        elif kind == b"hash":
            texts.append(str(client.hgetall(key)))
    client.close()
    everything = "\n".join(texts)
    assert "trouble-revoked.myshopify.com" in everything
    assert not [token for token in tokens if token in everything]


def forget_failures(stack: Stack, merchant_id: str) -> None:
    """As if the seconds for which a failed fetch is remembered had gone by."""
    with redis.Redis.from_url(stack.redis_url) as client:
        for key in client.scan_iter(f"cj:failed:{merchant_id}:*"):
            client.delete(key)


def is_told(stack: Stack, conversation_id: str, words: str) -> bool:
    return any(words in said for said in stack.gateway.texts(conversation_id))


def test_when_the_trouble_is_over_the_store_is_seen_again(cases: Cases, stack: Stack) -> None:
    for name in ("status_503", "throttled_for_long", "frozen"):
        case = cases[name]
        stack.gateway.wait_for_ends(case.conversation_id, limit=60)
        stack.store.clear_faults(case.shop_domain)
        forget_failures(stack, case.merchant_id)
        stack.say(case.merchant_id, case.conversation_id, "How many customers do I have?")
    for name in ("status_503", "throttled_for_long", "frozen"):
        case = cases[name]
        answer = f"You have {stack.store.truth(case.shop_domain)['customers']} customers in your store"
        # CJ may also look again by itself, as promised: that is a turn of its own.
        wait_until(partial(is_told, stack, case.conversation_id, answer), limit=60)


def test_a_permission_given_later_is_noticed(cases: Cases, stack: Stack) -> None:
    """The merchant granted it in Shopify's admin, without reconnecting."""
    case = cases["no_orders"]
    stack.gateway.wait_for_ends(case.conversation_id, limit=60)
    [(scopes,)] = stack.rows("select scopes from merchant_integrations where merchant_id = :id", id=case.merchant_id)
    assert scopes == ["read_customers", "read_products"]
    everything = ["read_customers", "read_orders", "read_products"]
    stack.store.register(case.shop_domain, "tiny", token_for(case.shop_domain), scopes=everything)
    with stack.database.transaction() as session:
        session.execute(text(AN_HOUR_LATER), {"id": case.merchant_id})
    stack.say(case.merchant_id, case.conversation_id, "What are my latest orders?")
    stack.gateway.wait_for_ends(case.conversation_id, 2)
    assert "your latest" in stack.gateway.texts(case.conversation_id)[-1]
    [(scopes,)] = stack.rows("select scopes from merchant_integrations where merchant_id = :id", id=case.merchant_id)
    assert scopes == everything
