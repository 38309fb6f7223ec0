"""Whatever arrives as an event becomes a row that says what was wrong with it, and the next good event is handled.

Everything passes through the real intake and, where the answer depends on stored data, through the real handling.
Events are not signed yet, so there are no bad signatures either.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu.message import Message
from pydantic import SecretStr

from events.broker.consumer import Delivery
from storage import merchants
from storage.database import Database
from storage.vault import Vault, new_key_text
from tests import rows
from tests.cj import Terminal
from tests.rows import uninstall
from tests.servers import PostgresForTests
from workers.delivery.wake_ups import WakeUps, broker_breaker
from workers.intake.accept import Intake
from workers.workflow.handler import handle
from workflows.loader import load_folder
from workflows.workflow import WorkflowSet

SHOP = "known.myshopify.com"
OAUTH = {"provider": "shopify", "success": True, "shop_domain": SHOP, "merchant_id": "known"}
MESSAGE = {"merchant_id": "known", "conversation_id": "c", "text": "hello"}
FAR_AHEAD = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
DELETE: Any = object()


def oauth(data: Any = None, **envelope: Any) -> bytes:
    """`oauth_complete` with other data fields or attributes; DELETE leaves one out."""
    attributes = {"specversion": "1.0", "id": "bad", "source": "/auth", "type": "oauth_complete"}
    whole = {**attributes, "data": {**OAUTH, **(data or {})}, **envelope}
    whole["data"] = {k: v for k, v in whole["data"].items() if v is not DELETE}
    return json.dumps({name: value for name, value in whole.items() if value is not DELETE}).encode()


def domain(value: Any) -> bytes:
    return oauth({"shop_domain": value})


def json_with_id(body: bytes, event_id: str) -> bytes:
    """The event with its own id, where the fault is not in the identifying fields."""
    return body.replace(b'"id": "bad"', f'"id": "{event_id}"'.encode())


def not_a_shop(value: Any, shown: str) -> tuple[bytes, str]:
    return domain(value), f"event.bad_shop_domain: {shown} is not <name>.myshopify.com"


MUST_BE_BOOLEAN = "event.bad_type: success must be true or false, got "
MUST_BE_ID = "event.bad_id: id must be 1 to 200 printable characters, got "
TOO_DEEP = "event.too_deep: more than 20 levels of lists and objects"
NO_ID = "event.missing_id: id is missing"
NO_TIME = "event.bad_time: time must be a time such as 2026-11-22T10:00:00Z, got "

REFUSED: dict[str, tuple[bytes, str]] = {
    # not JSON
    "text": (b"hello", "event.not_json: not valid UTF-8 JSON at byte 0"),
    "no UTF-8": (b'{"a": "\xff"}', "event.not_json: not valid UTF-8 JSON at byte 7"),
    "byte order mark": (b"\xff\xfe{}", "event.not_json: not valid UTF-8 JSON at byte 0: a byte order mark"),
    "empty": (b"", "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
    "blank": (b" \n", "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
    "cut off": (b'{"specversion": "1.0", ', "event.not_json: not valid UTF-8 JSON at byte 23"),
    "two values": (b"{} {}", "event.not_json: not valid UTF-8 JSON at byte 3"),
    "single quotes": (b"{'a': 1}", "event.not_json: not valid UTF-8 JSON at byte 1"),
    # not an object
    "list": (b"[]", "event.not_object: expected an object, got list"),
    "string": (b'"x"', "event.not_object: expected an object, got string"),
    "number": (b"7", "event.not_object: expected an object, got number"),
    "true": (b"true", "event.not_object: expected an object, got boolean"),
    "null": (b"null", "event.not_object: expected an object, got null"),
    # too much
    "too large": (b'"' + b"x" * 70_310 + b'"', "event.too_large: 70312 bytes, limit 65536"),
    "too deep": (b"[" * 30_000, TOO_DEEP),
    "too deep within data": (oauth({"x": json.loads("[" * 25 + "]" * 25)}), TOO_DEEP),
    "too many keys": (
        json.dumps({str(n): 0 for n in range(5_000)}).encode(),
        "event.too_many_keys: 5000 keys, limit 200",
    ),
    "long number": (
        b'{"id": ' + b"9" * 5000 + b"}",
        "event.bad_number: an integer of 5000 digits, limit 40",
    ),
    # values JSON or Postgres cannot hold
    "NaN": (b'{"id": NaN}', "event.bad_value: NaN is not JSON"),
    "Infinity": (b'{"id": -Infinity}', "event.bad_value: -Infinity is not JSON"),
    "1e400": (b'{"id": 1e400}', 'event.bad_value: "1e400" is too large for a number'),
    "NUL": (domain("a\0"), "event.bad_value: data.shop_domain contains NUL"),
    "lone surrogate": (
        domain("\ud800"),
        "event.bad_value: data.shop_domain contains half of a character (a lone surrogate)",
    ),
    "duplicate key": (b'{"id": "1", "id": "2"}', 'event.bad_value: duplicate key "id"'),
    # attributes
    "no id": (oauth(id=DELETE), NO_ID),
    "null id": (oauth(id=None), NO_ID),
    "blank id": (oauth(id="  "), NO_ID),
    "number as id": (oauth(id=7), MUST_BE_ID + "7"),
    "line break in id": (oauth(id="a\nb"), MUST_BE_ID + '"a\\nb"'),
    "long id": (oauth(id="x" * 201), MUST_BE_ID + '"' + "x" * 77 + '..."'),
    "no source": (oauth(source=DELETE), "event.missing_field: source is missing"),
    "no type": (oauth(type=DELETE), "event.missing_field: type is missing"),
    "no data": (oauth()[:0] + b'{"specversion":"1.0","id":"bad","source":"/auth","type":"oauth_complete"}',
                "event.missing_field: data is missing"),
    "other version": (oauth(specversion="0.3"), 'event.bad_value: specversion must be "1.0", got "0.3"'),
    "misspelt type": (
        oauth(type="oauth_completed"),
        'event.unknown_type: "oauth_completed" (did you mean oauth_complete?)',
    ),
    "unknown type": (oauth(type="zzz"), 'event.unknown_type: "zzz"'),
    # times
    "no offset": (
        oauth(time="2026-11-22T10:00:00"),
        'event.bad_time: time needs a UTC offset, got "2026-11-22T10:00:00"',
    ),
    "no time": (oauth(time="yesterday"), NO_TIME + '"yesterday"'),
    "time as a number": (oauth(time=1_700_000_000), NO_TIME + "1700000000"),
    "from the future": (
        oauth(time=FAR_AHEAD.isoformat()),
        f"event.from_future: time {FAR_AHEAD.isoformat()} is more than 1 day ahead of the clock",
    ),
    # data
    "no provider": (oauth({"provider": DELETE}), "event.missing_field: provider is missing"),
    "success as text": (oauth({"success": "true"}), MUST_BE_BOOLEAN + '"true"'),
    "success as a number": (oauth({"success": 1}), MUST_BE_BOOLEAN + "1"),
    "success null": (oauth({"success": None}), MUST_BE_BOOLEAN + "null"),
    "no shop": (domain(DELETE), "event.missing_field: shop_domain is missing"),
    "shop null": not_a_shop(None, "null"),
    "shop a number": not_a_shop(7, "7"),
    "shop empty": not_a_shop("", '""'),
    "shop with scheme": not_a_shop("https://a.myshopify.com", '"https://a.myshopify.com"'),
    "shop with slash": not_a_shop("a.myshopify.com/", '"a.myshopify.com/"'),
    "shop with line break": not_a_shop("a.myshopify.com\n", '"a.myshopify.com\\n"'),
    "shop with port": not_a_shop("a.myshopify.com:443", '"a.myshopify.com:443"'),
    "shop as user": not_a_shop("a.myshopify.com@evil.com", '"***@***"'),
    "shop with fragment": not_a_shop("evil.com#a.myshopify.com", '"evil.com#a.myshopify.com"'),
    "shop with escape": not_a_shop("evil.com%00.myshopify.com", '"evil.com%00.myshopify.com"'),
    "shop as subdomain": not_a_shop("a.myshopify.com.evil.com", '"a.myshopify.com.evil.com"'),
    "shop of another top level": not_a_shop("mycom.myshopify.company", '"mycom.myshopify.company"'),
    "shop in full width": not_a_shop("\uff41.myshopify.com", '"\\uff41.myshopify.com"'),
    "shop with a Kelvin sign": not_a_shop("\u212a.myshopify.com", '"\\u212a.myshopify.com"'),
    "shop in punycode": not_a_shop("xn--80ak6aa92e.myshopify.com", '"xn--80ak6aa92e.myshopify.com"'),
    "shop going up": not_a_shop("..myshopify.com", '"..myshopify.com"'),
    "shop too long": not_a_shop("a" * 286 + ".myshopify.com", '"' + "a" * 77 + '..."'),
    "shop as an address": not_a_shop("169.254.169.254", '"169.254.169.254"'),
    # faults that only the rows reveal
    "merchant unknown": (
        oauth({"merchant_id": "nobody", "shop_domain": "nobodys.myshopify.com"}),
        "event.unknown_merchant: merchant_id is unknown; store its token first (connect_shop)",
    ),
    "message of nobody": (
        oauth(type="message_received", data=MESSAGE | {"merchant_id": "nobody"}),
        "event.unknown_merchant: merchant_id is unknown; store its token first (connect_shop)",
    ),
    "another's shop": (
        oauth({"merchant_id": "nobody"}),
        "event.shop_merchant_mismatch: shop_domain 'known.myshopify.com' is merchant known's (active), not the event's "
        "merchant's",
    ),
    "another shop than stored": (
        domain("other.myshopify.com"),
        "event.shop_merchant_mismatch: shop_domain 'other.myshopify.com' is nobody's, not the event's merchant's",
    ),
    "uninstalled": (
        oauth({"merchant_id": "gone", "shop_domain": "gone.myshopify.com"}),
        "event.not_connected: gone.myshopify.com has no active token; store it first (connect_shop)",
    ),
    "another's conversation": (
        oauth({"conversation_id": "of_gone"}),
        "event.conversation_merchant_mismatch: conversation_id belongs to another merchant",
    ),
    "a conversation that another has not used yet": (
        oauth({"conversation_id": "gone:7c1e"}),
        "event.conversation_merchant_mismatch: conversation_id belongs to another merchant",
    ),
    "a conversation that another has not used yet, by a message": (
        oauth(type="message_received", data=MESSAGE | {"conversation_id": "gone:7c1e:2"}),
        "event.conversation_merchant_mismatch: conversation_id belongs to another merchant",
    ),
}  # fmt: skip

ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "capitals": (domain("Known.MyShopify.com"), OAUTH),
    "unknown field": (oauth({"plan": "plus", "__class__": {"x": [1]}}), OAUTH),
    "unknown attribute": (oauth(partitionkey="x", Data=7), OAUTH),
    "template text": (
        oauth(type="message_received", data=MESSAGE | {"text": "{{7*7}} {0.__class__} {{shop_domain}}"}),
        MESSAGE | {"text": "{{7*7}} {0.__class__} {{shop_domain}}"},
    ),
    "from 1970": (oauth(time="1970-01-01T00:00:00Z"), OAUTH),
    "id of no known shape": (oauth(id="'; DROP TABLE events; --"), OAUTH),
}


@dataclass
class Case:
    """Intake and handling on one database with some known merchants."""

    database: Database
    intake: Intake
    workflows: WorkflowSet

    def comes(self, *bodies: bytes) -> None:
        """A batch arrives; whatever it contains, intake continues."""
        assert self.intake.events([Delivery(body, None, Message(), 1) for body in bodies])

    def handle_all(self) -> None:
        """Handle events as a workflow worker does, once early events have waited long enough."""
        rows.execute(self.database, "UPDATE events SET received_at = received_at - interval '1 minute'")
        for (key,) in rows.query(self.database, "SELECT key FROM events WHERE status = 'received' ORDER BY key"):
            with self.database.transaction() as session:
                handle(session, self.workflows, key)

    def accepted(self) -> list[tuple[Any, ...]]:
        return rows.query(self.database, "SELECT id, status, data FROM events WHERE status <> 'rejected' ORDER BY key")

    def refused(self) -> list[tuple[Any, ...]]:
        return rows.query(self.database, "SELECT error_code || ': ' || error FROM events WHERE status = 'rejected'")


@pytest.fixture(scope="module")
def workflows() -> WorkflowSet:
    return load_folder()


@pytest.fixture(scope="module")
def bad_events_url(postgres: PostgresForTests) -> Iterator[str]:
    with postgres.migrated_database() as url:
        yield url


@pytest.fixture(scope="module")
def merchants_known(bad_events_url: str) -> Iterator[Database]:
    """One database for all these tests: one merchant with a shop, and one who removed the app."""
    database = Database(bad_events_url)
    vault = Vault.from_text(new_key_text())
    with database.transaction() as session:
        for name in ("known", "gone"):
            merchants.connect_shop(
                session,
                vault,
                merchant_id=name,
                shop_domain=f"{name}.myshopify.com",
                access_token=SecretStr("shpat_0123"),
                scopes=(),
                emit=False,
            )
        uninstall(session, "gone", "gone.myshopify.com", at=datetime.now(UTC))
    yield database
    database.dispose()


@pytest.fixture
def case(merchants_known: Database, valkey_url: str, workflows: WorkflowSet) -> Iterator[Case]:
    database = merchants_known
    rows.execute(database, "TRUNCATE events, conversations CASCADE")
    rows.open_conversation(database, "of_gone", "gone")
    with Celery("test", broker=valkey_url) as app:
        yield Case(database, Intake(database, WakeUps(app, broker_breaker()), threading.Event()), workflows)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad_events_url: str, valkey_url: str) -> Terminal:
    urls = {"DATABASE_URL": bad_events_url, "BROKER_URL": valkey_url, "REDIS_URL": valkey_url}
    return Terminal(tmp_path, monkeypatch, {**urls, "CJ_TOKEN_KEYS": new_key_text()})


@pytest.mark.parametrize(("body", "error"), REFUSED.values(), ids=list(REFUSED))
def test_a_bad_event_is_kept_with_what_was_wrong_and_the_next_is_handled(case: Case, body: bytes, error: str) -> None:
    good = oauth(id="good", type="message_received", data=MESSAGE)
    case.comes(body)
    case.comes(good)
    case.handle_all()
    assert case.refused() == [(error,)]
    assert case.accepted() == [("good", "processed", MESSAGE)]
    asked = "SELECT input ->> 'text' FROM turns WHERE input ->> 'sender' = 'merchant'"
    assert rows.query(case.database, asked) == [("hello",)]


@pytest.mark.parametrize(("body", "data"), ACCEPTED.values(), ids=list(ACCEPTED))
def test_what_only_looks_odd_is_accepted(case: Case, body: bytes, data: dict[str, Any]) -> None:
    case.comes(body)
    case.handle_all()
    assert [(status, kept) for _, status, kept in case.accepted()] == [("processed", data)]
    assert case.refused() == []


class Behind(datetime):
    """A machine that has not set its clock yet."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=30)


def test_an_intake_whose_clock_is_behind_takes_todays_events(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.envelope.datetime", Behind)
    case.comes(oauth(id="today", time=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"))
    case.comes(oauth(id="too far", time=f"{FAR_AHEAD:%Y-%m-%dT%H:%M:%SZ}"))
    assert [(id, status) for id, status, _ in case.accepted()] == [("today", "received")]
    [(error,)] = case.refused()
    assert error.startswith("event.from_future")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"data": {"text": "x" * 8001}},
            "I can't read that message. Please send at most 8000 characters of plain text.",
        ),
        ({"time": "2026-11-22"}, "Sorry, something went wrong on our side, and I did not get that."),
        (
            {"time": f"{FAR_AHEAD:%Y-%m-%dT%H:%M:%SZ}"},
            "Sorry, something went wrong on our side, and I did not get that.",
        ),
    ],
)
def test_merchants_are_asked_to_mend_only_what_they_wrote(case: Case, changed: dict[str, Any], says: str) -> None:
    data = {"provider": DELETE, "success": DELETE, "shop_domain": DELETE, **MESSAGE, **changed.pop("data", {})}
    case.comes(oauth(data, id="said", type="message_received", **changed))
    case.handle_all()
    [(told,)] = rows.query(case.database, "SELECT body::text FROM replies")
    assert says in told


def test_an_id_used_again_for_something_else_is_refused(case: Case) -> None:
    case.comes(oauth(id="once"), oauth(id="once"))
    case.comes(oauth(id="once"))
    case.comes(oauth({"success": False}, id="once"))
    [(stored,)] = rows.query(case.database, "SELECT received_at FROM events WHERE status <> 'rejected'")
    when = stored.isoformat(timespec="seconds")
    sentence = f"differs from the event stored at {when} under the same source and id; use a new id"
    assert case.refused() == [(f"event.id_reused: {sentence}",)]
    assert case.accepted() == [("once", "received", OAUTH)]


def test_good_and_bad_in_one_batch(case: Case, terminal: Terminal) -> None:
    """Good and bad events in one transaction; `cj events rejected` lists every refusal."""
    bad = [json_with_id(body, f"bad-{n}") for n, (body, _) in enumerate(REFUSED.values())]
    good = [oauth(id=f"good-{n}", type="message_received", data=MESSAGE) for n in range(len(bad))]
    case.comes(*(body for pair in zip(bad, good, strict=True) for body in pair))
    case.handle_all()
    assert [event_id for event_id, status, _ in case.accepted() if status == "processed"] == [
        f"good-{n}" for n in range(len(good))
    ]
    listed = terminal.json("events", "rejected", "--limit", "1000")
    assert sorted(f"{row['error_code']}: {row['error']}" for row in listed) == sorted(
        error for _, error in REFUSED.values()
    )
    assert set(listed[0]) == {"id", "source", "type", "error_code", "error", "received_at"}
    assert terminal("events", "rejected").output.count("event.bad_shop_domain: ") == len(
        [error for _, error in REFUSED.values() if error.startswith("event.bad_shop_domain")]
    )


def test_a_refused_event_is_tried_again_after_its_cause_is_mended(case: Case, terminal: Terminal) -> None:
    case.comes(oauth(type="message_received", data=MESSAGE | {"merchant_id": "new"}))
    case.handle_all()
    assert len(case.refused()) == 1
    terminal("events", "retry", "nothing", code=1)
    with case.database.transaction() as session:
        merchants.add_merchant(session, "new")
    assert "retrying event bad" in terminal("events", "retry", "bad").output
    case.handle_all()
    assert case.refused() == []
    assert [status for _, status, _ in case.accepted()] == ["processed"]
    terminal("events", "retry", "bad", code=1)


def test_what_could_not_be_read_cannot_be_tried_again(case: Case, terminal: Terminal) -> None:
    case.comes(oauth({"success": "true"}))
    assert "no refused event 'bad' to retry" in terminal("events", "retry", "bad", code=1).output
    assert len(case.refused()) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTE = st.sampled_from(["specversion", "id", "source", "type", "time", "subject", "data", "turn", "traceparent"])
FIELD = st.sampled_from(["provider", "success", "shop_domain", "merchant_id", "conversation_id", "error", "scopes"])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A damaged event: attributes and fields replaced or removed, bytes cut, changed or inserted."""
    whole: dict[str, Any] = json.loads(oauth(id=draw(st.uuids()).hex))
    whole["data"] |= draw(st.dictionaries(FIELD, JSON, max_size=2))
    whole |= draw(st.dictionaries(ATTRIBUTE, JSON, max_size=2))
    raw = bytearray(json.dumps(whole).encode())
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(raw)))
        raw[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


def test_any_bytes_are_accepted_or_refused(case: Case) -> None:
    """Every message is accepted, already known, or refused; nothing else ever happens."""
    counted = "SELECT count(*) FILTER (WHERE status <> 'rejected'), coalesce(sum(times), 0) FROM events"
    came = 0

    @settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(damaged() | st.binary(max_size=200), min_size=1, max_size=8, unique=True))
    def batches(bodies: list[bytes]) -> None:
        nonlocal came
        # Examples may draw an id again: an event is a duplicate only if the bytes are.
        bodies = [body.replace(b'"id": "', b'"id": "%d-' % (came + place)) for place, body in enumerate(bodies)]
        before = dict(rows.query(case.database, "SELECT status, sum(times) FROM events GROUP BY status"))
        case.comes(*bodies)
        after = dict(rows.query(case.database, "SELECT status, sum(times) FROM events GROUP BY status"))
        assert sum(after.values()) == sum(before.values()) + len(bodies)
        assert after.get("rejected", 0) >= before.get("rejected", 0)
        came += len(bodies)

    batches()
    [(accepted, everything)] = rows.query(case.database, counted)
    assert everything == came
    assert 0 < accepted < everything
