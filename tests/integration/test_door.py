"""The door over HTTP, on a real Postgres: what clients read and send there, and which clients may."""

import json
import threading
from collections.abc import Iterator
from http import client as http_client
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from sqlalchemy import text

from events import decode_reply
from storage import door as door_rows
from storage import outbox
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.vault import new_key_text
from tests import rows
from tests.as_role import make_roles, url_of
from tests.door import AS_SERVICE, DoorForTests, as_merchant, end, open_at_door, read, replies, say, token
from tests.otlp import Receiver
from workers import tracing
from workers.local.stack import wait_until


@pytest.fixture
def role_url(database_url: str) -> str:
    """The database as the door's own role sees it."""
    make_roles(database_url)
    return url_of("cj_gateway", database_url)


@pytest.fixture
def door(role_url: str) -> Iterator[DoorForTests]:
    with DoorForTests(role_url) as running:
        yield running


def words(body: dict[str, Any]) -> str:
    return "".join(event.get("delta", "") for event in body["data"])


def test_replies_come_as_they_are_committed_and_go_on_behind_a_place(door: DoorForTests, database: Database) -> None:
    open_at_door(database)
    turn = rows.queue(database)
    with replies(door.url) as stream:
        say(database, turn, "one")
        assert [next(stream)[0] for _ in range(2)] == ["1:1", "1:2"]
        say(database, turn, "two")
        place, body = next(stream)
        assert (place, words(body), body["subject"], body["merchantid"]) == ("1:3", "two", "c1", "m1")
        assert body["sequence"] == "000003"
    say(database, turn, "three")
    with replies(door.url, after="1:2") as stream:
        assert [words(next(stream)[1]) for _ in range(2)] == ["two", "three"]
        acked = "SELECT sequence FROM replies WHERE acked_at IS NOT NULL ORDER BY sequence"
        assert rows.query(database, acked) == [(1,), (2,)], "who names a place has everything up to it"
    answer = httpx.post(f"{door.url}/conversations/c1/acks", json={"place": "1:4"}, headers=as_merchant())
    assert answer.status_code == 204
    assert rows.query(database, "SELECT count(*) FROM replies WHERE acked_at IS NULL") == [(0,)]


@pytest.mark.parametrize("place", ["9:1", "999999999:1"])
def test_who_names_a_place_that_is_to_come_gets_what_comes(door: DoorForTests, database: Database, place: str) -> None:
    """A client has it from another conversation, or from before Postgres was restored."""
    open_at_door(database)
    turn = rows.queue(database)
    say(database, turn, "one")
    end(database, turn)
    with replies(door.url, after=place) as stream:
        say(database, rows.queue(database), "two")
        assert next(stream)[0] == "2:1"


def test_an_ack_finds_by_index_what_is_not_acked(database: Database) -> None:
    open_at_door(database)
    turn = rows.queue(database)
    rows.execute(
        database,
        "INSERT INTO replies (id, conversation_id, turn_id, sequence, key, body, publishes, acked_at)"
        " SELECT n, 'c1', :turn, n, n, '{}', -1, clock_timestamp() FROM generate_series(1, 5000) AS n",
        turn=turn,
    )
    rows.execute(database, "ANALYZE replies")
    values = {"merchant_id": "m1", "conversation_id": "c1", "turn": 1, "sequence": 9, "traced": False}
    plan = "\n".join(line for (line,) in rows.query(database, f"EXPLAIN {door_rows.SQL['acknowledge'].text}", **values))
    assert "using replies_at_the_door" in plan, plan


def test_a_trace_has_what_came_in_at_the_door_and_what_was_acked_there(
    role_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, sender = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    open_at_door(database)
    turn = rows.queue(database, traceparent=f"00-{trace}-{sender}-01")
    say(database, turn, "one")
    event = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/x",
        "type": "stop_requested",
        "data": {"conversation_id": "c1"},
    }
    with Receiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        tracing.start(receiver.url, "gateway", owner="door@here", version="1")
        try:
            with DoorForTests(role_url) as door:
                sent = {**event, "traceparent": f"00-{trace}-{sender}-01"}
                headers = {**as_merchant(), "Content-Type": "application/cloudevents+json"}
                assert httpx.post(f"{door.url}/events", content=json.dumps(sent), headers=headers).status_code == 202
                acks = f"{door.url}/conversations/c1/acks"
                assert httpx.post(acks, json={"place": "1:2"}, headers=as_merchant()).status_code == 204
        finally:
            tracing.stop()
        received, settled = sorted(receiver.of(trace), key=lambda span: span.name)
    assert (received.name, settled.name) == ("receive door", "settle door")
    assert (received.parent, settled.parent) == (sender, sender)
    assert settled.attributes["messaging.batch.message_count"] == 2
    stored = rows.query(database, "SELECT traceparent FROM events WHERE type = 'stop_requested'")
    assert stored == [(f"00-{trace}-{received.id}-01",)], "workers go on from there"


def test_a_request_is_part_of_the_trace_that_its_header_names(
    door: DoorForTests, auth_door: DoorForTests, database: Database
) -> None:
    mine, others = (f"00-{letter * 32}-00f067aa0ba902b7-01" for letter in "ab")
    event = {"specversion": "1.0", "source": "/x", "type": "message_received"}
    data = {"merchant_id": "m1", "conversation_id": "c1", "text": "hi"}
    structured = {**AS_SERVICE, "Content-Type": "application/cloudevents+json"}
    own = {**event, "id": "e1", "traceparent": others, "data": data}
    binary = {f"ce-{name}": value for name, value in {**event, "id": "e2"}.items()}
    asked = {"threadId": "c2", "runId": "r", "messages": [{"id": "a1", "role": "user", "content": "hi"}]}

    def post(url: str, headers: dict[str, str], body: object, traceparent: str = mine) -> None:
        headers = {**headers, "traceparent": traceparent}
        with httpx.stream("POST", url, headers=headers, content=json.dumps(body)) as answer:
            assert answer.is_success

    post(f"{door.url}/events", structured, own)
    post(f"{door.url}/events", {**AS_SERVICE, **binary, "Content-Type": "application/json"}, data)
    post(f"{door.url}/events", structured, {**event, "id": "e3", "data": data}, "rubbish")
    post(f"{door.url}/agent", {**as_merchant(), "Content-Type": "application/json"}, asked)
    post(f"{auth_door.url}/shops", {**AS_SERVICE, "Content-Type": "application/json"}, SHOP)
    stored = rows.query(database, "SELECT traceparent FROM events ORDER BY key")
    assert [found for (found,) in stored] == [others, mine, None, mine, mine]


def test_who_has_nothing_begins_with_the_history(door: DoorForTests, database: Database) -> None:
    """The merchant's words and CJ's; then the run under way, whole. A browser that comes again is not told again."""
    open_at_door(database)
    earlier = rows.queue(database, "How was my week?")
    say(database, earlier, "Good.")
    end(database, earlier)
    running = rows.queue(database, "And today?")
    say(database, running, "Let me look.")
    waiting = rows.store_event(database, rows.new_event("e9", data={"merchant_id": "m1", "text": "Hello?"}))
    rows.store_event(database, rows.new_event(conversation_id="c2", data={"merchant_id": "m1", "text": "elsewhere"}))
    with replies(door.url, snapshot=True) as stream:
        place, body = next(stream)
        assert (place, body["turn"], body["sequence"], body["merchantid"]) == ("2:0", 0, "000001", "m1")
        reply = decode_reply(json.dumps(body).encode())
        assert reply.history == [
            ("user", "How was my week?"), ("assistant", "Good."), ("user", "And today?"), ("user", "Hello?"),
        ]  # fmt: skip
        assert body["data"][1]["messages"][3]["id"] == "e9", f"as who sent it knows it, not {waiting}"
        assert body["data"][2]["result"] == {"after": {"turn": 2, "sequence": 0}}
        assert [next(stream)[0] for _ in range(2)] == ["2:1", "2:2"]
    with replies(door.url, after="2:1", snapshot=True) as stream:
        assert next(stream)[0] == "2:2"
    assert httpx.get(f"{door.url}/conversations/c1/replies?snapshot=1", headers=as_merchant("m2")).status_code == 403


def test_the_history_ends_where_nothing_is_under_way(door: DoorForTests, database: Database) -> None:
    with replies(door.url, "unopened", snapshot=True) as stream:
        place, body = next(stream)
        assert (place, body["data"][1]["messages"]) == ("1:0", [])
    open_at_door(database)
    turn = rows.queue(database, "Hi")
    say(database, turn, "Hello.")
    end(database, turn)
    with replies(door.url, snapshot=True) as stream:
        assert next(stream)[0] == "2:0"
        turn = rows.queue(database, "Hi")
        say(database, turn, "Again.")
        assert [next(stream)[0] for _ in range(2)] == ["2:1", "2:2"]


def test_a_later_run_waits_for_the_earlier_one(door: DoorForTests, database: Database) -> None:
    """One that was declined is committed while an earlier one still speaks; shown then, the rest would be lost."""
    open_at_door(database)
    first, second = rows.queue(database), rows.queue(database)
    with replies(door.url) as stream:
        say(database, first, "one")
        say(database, second, "late")
        end(database, second)
        say(database, first, "two")
        end(database, first)
        assert [next(stream)[0] for _ in range(7)] == ["1:1", "1:2", "1:3", "1:4", "2:1", "2:2", "2:3"]


def test_two_doors_give_the_same(door: DoorForTests, role_url: str, database: Database) -> None:
    open_at_door(database)
    turn = rows.queue(database)
    with DoorForTests(role_url) as other:
        with replies(other.url) as stream:
            say(database, turn, "one")
            assert [next(stream)[0] for _ in range(2)] == ["1:1", "1:2"]
            other.drain()
            assert list(stream) == [], "it ends the streams, and not in the middle of a reply"
        say(database, turn, "two")
        with replies(door.url, after="1:2") as stream:
            assert next(stream)[0] == "1:3"


def test_never_both(door: DoorForTests, database: Database) -> None:
    rows.open_conversation(database, "on-the-queue")
    for method, path, body in (
        ("GET", "/conversations/on-the-queue/replies", None),
        ("POST", "/agent", {"threadId": "on-the-queue", "messages": [{"role": "user", "id": "1", "content": "hi"}]}),
    ):
        answer = httpx.request(method, door.url + path, json=body, headers=as_merchant())
        assert (answer.status_code, answer.json()["code"]) == (409, "conversation.on_the_queue")
    open_at_door(database, "at-the-door")
    turn = rows.queue(database, conversation_id="at-the-door")
    say(database, turn, "one", conversation_id="at-the-door")
    with database.transaction() as session:
        rows.execute(database, "UPDATE replies SET created_at = created_at - interval '1 h'")
        assert outbox.due(session, limit=10) == []
        assert outbox.after(session, "at-the-door", (0, 0), limit=10) == []


def test_a_conversation_of_another_merchant_is_not_read(door: DoorForTests, database: Database) -> None:
    open_at_door(database, "theirs", "m2")
    answer = httpx.get(f"{door.url}/conversations/theirs/replies", headers=as_merchant("m1"))
    assert (answer.status_code, answer.json()["code"]) == (403, "event.conversation_merchant_mismatch")
    with replies(door.url, "later", merchant_id="m1") as stream:  # nobody's yet
        open_at_door(database, "later", "m2")
        turn = rows.queue(database, conversation_id="later", merchant_id="m2")
        say(database, turn, "one", conversation_id="later")
        with replies(door.url, "later", merchant_id="m2") as own:
            assert next(own)[0] == "1:1"
        door.drain()
        assert list(stream) == []


def test_what_is_not_heard_is_looked_for(role_url: str, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where notices do not come through, as behind PgBouncer, replies come a second later."""

    def unheard(*_: object) -> None:
        raise StorageUnavailable("notices do not come through")

    monkeypatch.setattr("storage.door.listen", unheard)
    monkeypatch.setattr("workers.gateway.streams.LOOK_SECONDS", 0.05)
    with DoorForTests(role_url) as deaf:
        open_at_door(database)
        turn = rows.queue(database)
        with replies(deaf.url) as stream:
            say(database, turn, "one")
            assert [next(stream)[0] for _ in range(2)] == ["1:1", "1:2"]


# Events


MESSAGE = {"merchant_id": "m1", "conversation_id": "c1", "text": "hi"}


def cloud_event(id: str = "e1", **data: str) -> CloudEvent:
    attributes = {"id": id, "source": "/shop", "type": "message_received", "datacontenttype": "application/json"}
    return CloudEvent(attributes={**attributes, "specversion": "1.0"}, data={**MESSAGE, **data})


def send(door: DoorForTests, message: Any, headers: dict[str, str] = AS_SERVICE) -> httpx.Response:
    return httpx.post(f"{door.url}/events", content=message.body, headers={**message.headers, **headers})


def stored(database: Database) -> list[tuple[Any, ...]]:
    return rows.query(database, "SELECT source, id, merchant_id, by_door FROM events ORDER BY key")


def test_the_official_sdk_sends_events_in_every_mode(door: DoorForTests, database: Database) -> None:
    event = cloud_event()
    structured, binary = http.to_structured(event, JSONFormat()), http.to_binary(event, JSONFormat())
    for message, expected in ((structured, (1, 0)), (binary, (0, 1))):
        answer = send(door, message)
        assert (answer.status_code, answer.json()) == (202, dict(zip(("accepted", "repeated"), expected, strict=True)))
    batch = [json.loads(http.to_structured(cloud_event(id), JSONFormat()).body) for id in ("e1", "e2", "e3")]
    headers = {"Content-Type": "application/cloudevents-batch+json", **AS_SERVICE}
    answer = httpx.post(f"{door.url}/events", json=batch, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 2, "repeated": 1})
    assert stored(database) == [("/shop", id, "m1", True) for id in ("e1", "e2", "e3")]
    keys = [key for (key,) in rows.query(database, "SELECT key FROM events ORDER BY key")]
    wait_until(lambda: sorted(door.woken.keys) == keys, what="the wake-ups")


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/cloudevents+json", 400, "event.not_json"),
        (b"[]", "application/cloudevents+json", 400, "event.not_object"),
        (b"[]", "application/cloudevents-batch+json", 400, "event.not_object"),
        (b"{}", "application/json", 415, "event.not_cloudevents"),
        (b'{"specversion": "1.0"}', "application/cloudevents+json", 400, "event.missing_id"),
        (b'"' + b"x" * 70_000 + b'"', "application/cloudevents+json", 400, "event.too_large"),
        (b"x" * 3_000_000, "application/cloudevents+json", 413, "event.too_large"),
    ],
)
def test_what_is_no_event_is_said_at_once(
    door: DoorForTests, content: bytes, kind: str, status: int, code: str
) -> None:
    answer = httpx.post(f"{door.url}/events", content=content, headers={"Content-Type": kind, **AS_SERVICE})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/vnd.shop+json", "text/json"])
def test_every_kind_of_json_is_json(door: DoorForTests, database: Database, kind: str) -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data"""
    message = http.to_binary(cloud_event(), JSONFormat())
    headers = {name: value for name, value in message.headers.items() if name.lower().startswith("ce-")}
    answer = httpx.post(
        f"{door.url}/events", content=message.body, headers={**headers, "Content-Type": kind, **AS_SERVICE}
    )
    assert answer.status_code == 202


def test_a_body_that_is_not_encoded_as_it_says_is_the_senders_fault(door: DoorForTests) -> None:
    headers = {"Content-Type": "application/cloudevents+json", "Content-Encoding": "gzip", **AS_SERVICE}
    answer = httpx.post(f"{door.url}/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.unreadable")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/conversations/%00/replies", 400, "event.bad_value"),
        ("GET", f"/conversations/{'x' * 201}/replies", 400, "event.bad_value"),
        ("POST", "/conversations/%E2%80%AE/acks", 400, "event.bad_value"),
        ("GET", "/conversations/c1", 404, "request.no_such_route"),
        ("GET", "/agent", 405, "request.wrong_method"),
    ],
)
def test_where_nothing_is_one_is_told_so(door: DoorForTests, method: str, path: str, status: int, code: str) -> None:
    answer = httpx.request(method, door.url + path, json={"place": "1:1"}, headers=as_merchant())
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_body_has_to_come_and_a_failure_is_said(
    door: DoorForTests, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.gateway.incoming.BODY_SECONDS", 0.1)
    dripping = http_client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)
    dripping.putrequest("POST", "/events")
    for name, value in {**AS_SERVICE, "Content-Type": "application/cloudevents+json", "Content-Length": "9"}.items():
        dripping.putheader(name, value)
    dripping.endheaders(b"{")
    assert dripping.getresponse().status == 408
    dripping.close()
    monkeypatch.setattr("storage.door.whose", lambda *_: 1 // 0)
    failed = httpx.get(f"{door.url}/health")
    assert (failed.status_code, failed.json()["code"]) == (500, "door.failed")


def test_a_frontends_tools_may_be_of_any_depth(door: DoorForTests, database: Database) -> None:
    open_at_door(database)
    schema: dict[str, Any] = {}
    for _ in range(40):
        schema = {"type": "object", "properties": {"more": schema}}
    tools = [{"name": "show", "description": "", "parameters": schema}]
    asked = {"threadId": "c1", "runId": "r7", "messages": [], "tools": tools}
    assert httpx.post(f"{door.url}/agent", json=asked, headers=as_merchant()).status_code == 200


def test_a_batch_is_stored_whole_or_not_at_all(door: DoorForTests, database: Database) -> None:
    good = json.loads(http.to_structured(cloud_event("good"), JSONFormat()).body)
    headers = {"Content-Type": "application/cloudevents-batch+json", **AS_SERVICE}
    bad = {**good, "id": "bad", "data": {}}
    assert httpx.post(f"{door.url}/events", json=[good, bad], headers=headers).status_code == 400
    assert stored(database) == []
    assert httpx.post(f"{door.url}/events", json=[good], headers=headers).status_code == 202
    other = {**good, "data": {**good["data"], "text": "something else"}}
    answer = httpx.post(f"{door.url}/events", json=[{**good, "id": "new"}, other], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "event.id_reused")
    assert [id for _, id, _, _ in stored(database)] == ["good"]


def test_a_service_may_open_a_conversation_of_the_queue(door: DoorForTests, database: Database) -> None:
    event = json.loads(http.to_structured(cloud_event(), JSONFormat()).body)
    headers = {"Content-Type": "application/cloudevents+json", **AS_SERVICE}
    assert httpx.post(f"{door.url}/events", json={**event, "delivery": "queue"}, headers=headers).status_code == 202
    assert stored(database) == [("/shop", "e1", "m1", False)]


def test_the_token_says_who_speaks_and_no_body_does(door: DoorForTests, database: Database) -> None:
    answer = send(door, http.to_structured(cloud_event(merchant_id="m2"), JSONFormat()), as_merchant("m1"))
    assert (answer.status_code, answer.json()["code"]) == (403, "token.other_merchant")
    assert send(door, http.to_structured(cloud_event(), JSONFormat()), as_merchant("m1")).status_code == 202
    assert stored(database) == [("/chat/m1", "e1", "m1", True)], "nobody else's events have its source"
    paid = {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com", "merchant_id": "m1"}
    event = {"specversion": "1.0", "id": "x", "source": "/auth", "type": "oauth_complete", "data": paid}
    headers = {"Content-Type": "application/cloudevents+json", **as_merchant()}
    assert httpx.post(f"{door.url}/events", json=event, headers=headers).json()["code"] == "token.wrong_kind"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "token.missing"),
        ({"Authorization": "Bearer nonsense"}, 401, "token.invalid"),
        ({"Authorization": f"Bearer {token(seconds=-60)}"}, 401, "token.expired"),
        ({"Authorization": f"Bearer {token(seconds=90_000)}"}, 401, "token.invalid"),
        (AS_SERVICE, 403, "token.wrong_kind"),
        ({"Origin": "https://evil.example"}, 403, "origin.refused"),
        ({"Last-Event-ID": "yesterday"}, 400, "place.invalid"),
        ({"Last-Event-ID": "9999999999:1"}, 400, "place.invalid"),
    ],
)
def test_who_may_not_come_in_is_told_why(door: DoorForTests, headers: dict[str, str], status: int, code: str) -> None:
    if status == 400 or "Origin" in headers:
        headers = {**as_merchant(), **headers}  # made now: a token lasts for minutes only
    answer = httpx.get(f"{door.url}/conversations/c1/replies", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_page_of_a_named_origin_may_use_the_door(role_url: str, database: Database) -> None:
    with DoorForTests(role_url, CJ_GATEWAY_ORIGINS="https://chat.example.com") as door:
        origin = {"Origin": "https://chat.example.com"}
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "ce-id,traceparent"}
        asked = httpx.options(f"{door.url}/agent", headers={**origin, **wanted})
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, origin["Origin"])
        assert asked.headers["Access-Control-Allow-Headers"] == "ce-id,traceparent", "of tracing and CloudEvents"
        assert httpx.options(f"{door.url}/agent", headers={"Origin": "https://a.example"}).status_code == 403
        refused = httpx.get(f"{door.url}/conversations/c1/replies", headers=origin)
        assert refused.headers["Access-Control-Allow-Origin"] == origin["Origin"], "else a page cannot read why"


def test_a_merchant_has_so_much_and_no_more(role_url: str, database: Database) -> None:
    with DoorForTests(role_url, CJ_GATEWAY_STREAMS="1", CJ_GATEWAY_REQUESTS="5") as door:
        path = f"{door.url}/conversations/c1/replies"
        with replies(door.url):
            answer = httpx.get(path, headers=as_merchant())
            assert (answer.status_code, answer.json()["code"]) == (429, "streams.exceeded")
            with replies(door.url, merchant_id="m2"):
                pass
        codes = {httpx.post(f"{door.url}/agent", json={}, headers=as_merchant()).json()["code"] for _ in range(5)}
        assert codes == {"event.bad_value", "rate.exceeded"}
        assert httpx.get(f"{door.url}/health").json() == {"status": "ok", "notices": True}


# Shops


SHOP = {
    "merchant_id": "m1",
    "shop_domain": "Acme.myshopify.com",
    "state": "state-1",
    "conversation_id": "c1",
    "token": {"access_token": "shpat_secret", "scope": "read_orders,read_products", "associated_user": {"id": 1}},
}


@pytest.fixture
def auth_door(role_url: str) -> Iterator[DoorForTests]:
    """As the auth service's door."""
    url = role_url.replace("//cj_gateway@", "//cj_auth@")
    with DoorForTests(url, kind="auth", CJ_TOKEN_KEYS=new_key_text()) as running:
        yield running


def test_a_shop_is_kept_with_its_event_and_once(auth_door: DoorForTests, database: Database) -> None:
    codes = [httpx.post(f"{auth_door.url}/shops", json=SHOP, headers=AS_SERVICE).status_code for _ in range(2)]
    assert codes == [201, 200]
    assert stored(database) == [("/auth", "state-1", "m1", True)]
    [(sealed, version)] = rows.query(database, "SELECT api_key, token_version FROM merchant_integrations")
    assert b"shpat_secret" not in bytes(sealed)
    assert version == 1, "the repetition changed nothing"
    [(data,)] = rows.query(database, "SELECT data FROM events")
    assert (data["shop_domain"], data["scopes"]) == ("acme.myshopify.com", ["read_orders", "read_products"])
    other = httpx.post(f"{auth_door.url}/shops", json={**SHOP, "merchant_id": "m2"}, headers=AS_SERVICE)
    assert (other.status_code, other.json()["code"]) == (409, "event.id_reused")
    taken = httpx.post(
        f"{auth_door.url}/shops", json={**SHOP, "merchant_id": "m2", "state": "state-2"}, headers=AS_SERVICE
    )
    assert taken.status_code == 409
    assert len(stored(database)) == 1, "neither the token nor its event"


@pytest.mark.parametrize(
    "broken",
    [
        {"token": "shpat_secret"},
        {"token": {"access_token": ["shpat_secret"]}},
        {"token": {"access_token": ""}},
        {"token": {"access_token": "shpat_secret\n"}},
        {"token": {"access_token": "shpat_secret", "expires_in": 0}},
        {"token": {"access_token": "shpat_secret", "refresh_token": "shprt secret"}},
        {"shop_domain": "a.example"},
        {"state": ""},
    ],
)
def test_a_wrong_shop_is_refused_without_its_token(auth_door: DoorForTests, broken: dict[str, Any]) -> None:
    answer = httpx.post(f"{auth_door.url}/shops", json={**SHOP, **broken}, headers=AS_SERVICE)
    assert answer.status_code == 400
    assert "secret" not in answer.text


def test_the_door_of_chats_keeps_no_token(door: DoorForTests) -> None:
    assert httpx.post(f"{door.url}/shops", json=SHOP, headers=AS_SERVICE).status_code == 404


# An event that cannot be used


def test_who_is_refused_apart_is_told_at_the_door(door: DoorForTests, database: Database) -> None:
    """No conversation is there to tell it in: an unknown merchant's."""
    turnless = {"threadId": "c9", "runId": "r", "messages": [{"role": "user", "id": "1", "content": "hi"}]}
    told: list[dict[str, Any]] = []

    def ask() -> None:
        with httpx.stream("POST", f"{door.url}/agent", json=turnless, headers=as_merchant(), timeout=10) as response:
            told.extend(body for _, body in read(response))

    asking = threading.Thread(target=ask)
    asking.start()
    [(key,)] = wait_until(lambda: rows.query(database, "SELECT key FROM events"), what="the event")
    refused = outbox.RefusedEvent(key, "1", "m1", "c9")
    with database.transaction() as session:
        session.execute(text(f"UPDATE events SET status = 'rejected', processed_at = now() WHERE key = {key}"))
        assert outbox.append_apart(session, refused, "event.unknown_merchant", "Who are you?") == []
    asking.join(10)
    assert [event["type"] for event in told] == [
        "RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_ERROR",
    ]  # fmt: skip
    with replies(door.url, "c9") as stream:
        assert next(stream)[0] == f"0:0:{key}"
    with replies(door.url, "c9", snapshot=True) as stream:
        place, body = next(stream)
        assert (place, body["data"][1]["messages"]) == (
            f"1:0:{key}", [{"id": "1", "role": "user", "content": "hi"},
                           {"id": f"event_{key}-error", "role": "assistant", "content": "Who are you?"}],
        )  # fmt: skip


def test_nothing_new_is_a_run_without_words(door: DoorForTests, database: Database) -> None:
    open_at_door(database)
    asked = {"threadId": "c1", "runId": "r7", "messages": []}
    answer = httpx.post(f"{door.url}/agent", json=asked, headers=as_merchant())
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [(event["type"], event["runId"]) for event in events] == [("RUN_STARTED", "r7"), ("RUN_FINISHED", "r7")]
