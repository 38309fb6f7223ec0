import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from events import CATALOG, Event, InvalidEvent, decode, fields, parse, parse_object
from events.catalog import EventData, OAuthComplete

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
ABSENT = object()

OAUTH = {
    "provider": "shopify",
    "success": True,
    "shop_domain": "test.myshopify.com",
    "merchant_id": "test_123",
    "conversation_id": "conv_1",
}
CUSTOMER = {
    "merchant_id": "m",
    "shop_domain": "a.myshopify.com",
    "customer_id": "207119551",
    "order_ids": ["1", "2"],
}
VALID: dict[str, dict[str, Any]] = {
    "oauth_complete": OAUTH,
    "app_uninstalled": {"merchant_id": "m", "shop_domain": "a.myshopify.com"},
    "conversation_started": {"merchant_id": "m", "conversation_id": "c", "workflow": "ad_hoc_support"},
    "message_received": {"merchant_id": "m", "conversation_id": "c", "text": "How are sales?"},
    "stop_requested": {"merchant_id": "m", "conversation_id": "c", "all": True},
    "replies_requested": {"merchant_id": "m", "conversation_id": "c", "after": {"turn": 3, "sequence": 2}},
    "custom": {"merchant_id": "m", "conversation_id": "c", "name": "plan_changed", "data": {"plan": "pro"}},
    "customers_data_request": CUSTOMER,
    "customers_redact": CUSTOMER,
    "shop_redact": {"merchant_id": "m", "shop_domain": "a.myshopify.com"},
}


def envelope(**attributes: Any) -> dict[str, Any]:
    found = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/auth",
        "type": "oauth_complete",
        "time": "2026-11-22T10:00:00Z",
        "data": OAUTH,
        **attributes,
    }
    return {name: value for name, value in found.items() if value is not ABSENT}


def read(value: object) -> Event:
    return parse(json.dumps(value).encode(), now=NOW)


def refusal(value: object) -> str:
    with pytest.raises(InvalidEvent) as caught:
        read(value)
    return f"{caught.value.code}: {caught.value}"


def data_refusal(event_type: str = "oauth_complete", **data: Any) -> str:
    merged = {**VALID[event_type], **data}
    given = {name: value for name, value in merged.items() if value is not ABSENT}
    return refusal(envelope(type=event_type, data=given))


def test_the_example_of_the_contract() -> None:
    event = read(envelope(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))

    assert (event.id, event.source, event.type) == ("e1", "/auth", "oauth_complete")
    assert (event.merchant_id, event.conversation_id) == ("test_123", "conv_1")
    assert event.shop_domain == "test.myshopify.com"
    assert event.envelope.time == NOW
    assert event.envelope.traceparent == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert event.payload == OAUTH
    assert isinstance(event.data, OAuthComplete)


@pytest.mark.parametrize("event_type", CATALOG)
def test_every_type_is_read_whole(event_type: str) -> None:
    event = read(envelope(type=event_type, data=VALID[event_type]))
    assert type(event.data) is CATALOG[event_type]
    assert event.payload == VALID[event_type]
    assert event.merchant_id == VALID[event_type]["merchant_id"]


def test_every_type_has_an_example_here() -> None:
    assert VALID.keys() == CATALOG.keys()


def test_unknown_fields_are_ignored() -> None:
    event = read(envelope(data={**OAUTH, "plan": "plus", "age": 3}, dataschema="x", comexampleother={"a": 1}))
    assert event.payload == OAUTH
    assert event.content_hash == read(envelope()).content_hash


def test_absent_and_null_optional_fields_are_the_same_event() -> None:
    without = {name: value for name, value in OAUTH.items() if name != "conversation_id"}
    with_null = read(envelope(data={**without, "conversation_id": None, "error": None}))
    assert with_null.payload == without
    assert with_null.conversation_id is None
    assert with_null.content_hash == read(envelope(data=without)).content_hash


def test_content_hash_is_of_type_and_payload_and_nothing_else() -> None:
    event = read(envelope())
    canonical = json.dumps(["oauth_complete", OAUTH], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert event.content_hash == hashlib.sha256(canonical.encode()).digest()
    assert event.content_hash == read(envelope(id="e2", time=ABSENT)).content_hash
    assert event.content_hash != read(envelope(data={**OAUTH, "merchant_id": "other"})).content_hash
    redact, request = (
        read(envelope(type=name, data=CUSTOMER)) for name in ("customers_redact", "customers_data_request")
    )
    assert redact.content_hash != request.content_hash


def test_events_and_their_data_are_frozen() -> None:
    event = read(envelope())
    with pytest.raises(ValidationError):
        event.data.merchant_id = "other"  # type: ignore[attr-defined]
    with pytest.raises(ValidationError):
        event.envelope.id = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        event.data = event.data  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], "event.not_object: expected an object, got list"),
        ("x", "event.not_object: expected an object, got string"),
        (5, "event.not_object: expected an object, got number"),
        (None, "event.not_object: expected an object, got null"),
        (True, "event.not_object: expected an object, got boolean"),
        (envelope(id=ABSENT), "event.missing_id: id is missing"),
        (envelope(id=None), "event.missing_id: id is missing"),
        (envelope(id=" "), "event.missing_id: id is missing"),
        (envelope(id=7), "event.bad_id: id must be 1 to 200 printable characters, got 7"),
        (envelope(id="a\tb"), 'event.bad_id: id must be 1 to 200 printable characters, got "a\\tb"'),
        (
            envelope(id="x" * 201),
            'event.bad_id: id must be 1 to 200 printable characters, got "' + "x" * 77 + '..."',
        ),
        (envelope(source=ABSENT), "event.missing_field: source is missing"),
        (envelope(source=None), "event.bad_type: source must be text, got null"),
        (envelope(source=""), 'event.bad_value: source must be 1 to 200 printable characters, got ""'),
        (envelope(type=ABSENT), "event.missing_field: type is missing"),
        (envelope(specversion=ABSENT), "event.missing_field: specversion is missing"),
        (envelope(specversion="0.3"), 'event.bad_value: specversion must be "1.0", got "0.3"'),
        (envelope(specversion=1.0), 'event.bad_value: specversion must be "1.0", got 1.0'),
        (envelope(data=ABSENT), "event.missing_field: data is missing"),
        *(
            (
                envelope(type=kind, time=ABSENT, data={"merchant_id": "m1", "shop_domain": "a.myshopify.com"}),
                f"event.missing_field: time is missing: {kind} needs the time at which it happened "
                "(Shopify's X-Shopify-Triggered-At)",
            )
            for kind in ("app_uninstalled", "shop_redact")
        ),
        (envelope(data=[1]), "event.bad_type: data must be an object, got a list"),
        (envelope(data=None), "event.bad_type: data must be an object, got null"),
        (envelope(data="{}"), 'event.bad_type: data must be an object, got "{}"'),
        (
            envelope(source=ABSENT, specversion="2", id=None),
            'event.bad_value: specversion must be "1.0", got "2"; id is missing; source is missing',
        ),
        (
            envelope(type="oauth_completed"),
            'event.unknown_type: "oauth_completed" (did you mean oauth_complete?)',
        ),
        (
            envelope(type="OAuth_Complete"),
            'event.unknown_type: "OAuth_Complete" (did you mean oauth_complete?)',
        ),
        (envelope(type="zzz"), 'event.unknown_type: "zzz"'),
        (envelope(type="cj.reply"), 'event.unknown_type: "cj.reply"'),
    ],
)
def test_refused_envelopes(value: object, error: str) -> None:
    assert refusal(value) == error


@pytest.mark.parametrize("name", ["subject", "datacontenttype", "correlationid", "causationid", "sequence", "turn"])
@pytest.mark.parametrize("value", [5, 5.5, True, "", "a\tb", "x" * 300, {}, [1]], ids=lambda value: str(value)[:5])
def test_attributes_of_others_are_taken_as_text_or_ignored(name: str, value: object) -> None:
    """CloudEvents lets producers define extensions as they like (https://github.com/cloudevents/spec/issues/291)."""
    found = getattr(parse_object(envelope(**{name: value})).envelope, name)
    assert found == ({"turn": 5}.get(name, "5") if value == 5 else None)


@pytest.mark.parametrize(
    ("time", "error"),
    [
        ("2026-11-22T10:00:00", 'event.bad_time: time needs a UTC offset, got "2026-11-22T10:00:00"'),
        *(
            (
                text,
                "event.bad_time: time must be a time such as 2026-11-22T10:00:00Z, got " + json.dumps(text),
            )
            for text in (
                1700000000,
                True,
                "",
                "yesterday",
                "2026-11-22",
                "20261122T100000Z",
                "2026-W47-7T10:00:00Z",
                "2026-13-01T10:00:00Z",
                "2026-11-22T10:00:60Z",
                "2026-11-22T10:00:00Z\n",
                "2026-11-22T10:00:00 Z",
                "\u0662026-11-22T10:00:00Z",
                "0000-01-01T00:00:00Z",
            )
        ),
        (
            "0001-01-01T00:00:00+14:00",
            "event.bad_time: time is outside the years 1 to 9999 in UTC: " + '"0001-01-01T00:00:00+14:00"',
        ),
        (
            "2026-11-23T10:00:01Z",
            "event.from_future: time 2026-11-23T10:00:01+00:00 is more than 1 day ahead of the clock",
        ),
        (
            "9999-12-31T23:59:59Z",
            "event.from_future: time 9999-12-31T23:59:59+00:00 is more than 1 day ahead of the clock",
        ),
    ],
)
def test_refused_times(time: object, error: str) -> None:
    assert refusal(envelope(time=time)) == error


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-23T10:00:00Z", NOW + timedelta(days=1)),
        ("2026-11-22t12:00:00.123456789+02:00", NOW + timedelta(microseconds=123456)),
        ("2026-11-22T09:59:60Z", NOW - timedelta(seconds=1)),  # a leap second
        ("2026-11-22 10:00:00z", NOW),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_accepted_times(text: str, moment: datetime) -> None:
    assert read(envelope(time=text)).envelope.time == moment


@pytest.mark.parametrize(
    "traceparent",
    [
        "rubbish",
        5,
        None,
        "",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ],
)
def test_a_broken_traceparent_harms_no_event(traceparent: object) -> None:
    assert read(envelope(traceparent=traceparent)).envelope.traceparent is None


def test_a_traceparent_of_a_later_version_is_kept() -> None:
    later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings"
    assert read(envelope(traceparent=later)).envelope.traceparent == later


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"success": "true"}, 'event.bad_type: success must be true or false, got "true"'),
        ({"success": 1}, "event.bad_type: success must be true or false, got 1"),
        ({"success": None}, "event.bad_type: success must be true or false, got null"),
        ({"success": ABSENT}, "event.missing_field: success is missing"),
        ({"success": "yes", "shop_domain": ABSENT}, 'event.bad_type: success must be true or false, got "yes"'),
        ({"provider": ABSENT}, "event.missing_field: provider is missing"),
        ({"merchant_id": ABSENT}, "event.missing_field: merchant_id is missing"),
        ({"merchant_id": 5}, "event.bad_type: merchant_id must be text, got 5"),
        (
            {"merchant_id": "\u200b"},
            'event.bad_value: merchant_id must be 1 to 200 printable characters, got "\\u200b"',
        ),
        ({"shop_domain": ABSENT}, "event.missing_field: shop_domain is missing"),
        ({"shop_domain": None}, "event.bad_shop_domain: null is not <name>.myshopify.com"),
        ({"shop_domain": ""}, 'event.bad_shop_domain: "" is not <name>.myshopify.com'),
        ({"shop_domain": 5}, "event.bad_shop_domain: 5 is not <name>.myshopify.com"),
        (
            {"shop_domain": "mycom.myshopify.company"},
            'event.bad_shop_domain: "mycom.myshopify.company" is not <name>.myshopify.com',
        ),
        ({"success": False, "shop_domain": "x"}, 'event.bad_shop_domain: "x" is not <name>.myshopify.com'),
        ({"scopes": "read_orders"}, 'event.bad_type: scopes must be a list, got "read_orders"'),
        ({"scopes": ["a", 5]}, "event.bad_type: scopes[1] must be text, got 5"),
        ({"error": "x" * 8001}, "event.bad_value: error must be at most 8000 characters, got 8001"),
        ({"error": 5}, "event.bad_type: error must be text, got number"),
        (
            {"provider": ABSENT, "success": "yes", "merchant_id": "", "shop_domain": "x"},
            'event.missing_field: provider is missing; success must be true or false, got "yes"; '
            'merchant_id must be 1 to 200 printable characters, got ""; "x" is not <name>.myshopify.com',
        ),
        (
            {"merchant_id": ABSENT, "shop_domain": ABSENT},
            "event.missing_field: merchant_id is missing; shop_domain is missing",
        ),
    ],
)
def test_refused_data(data: dict[str, Any], error: str) -> None:
    assert data_refusal(**data) == error


def test_a_failed_connection_needs_no_shop() -> None:
    event = read(envelope(data={"provider": "shopify", "success": False, "merchant_id": "m", "shop_domain": None}))
    assert event.shop_domain is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "must be 1 to 8000 characters, got 0"),
        ("x" * 8001, "must be 1 to 8000 characters, got 8001"),
        ("  \n", "must not be blank"),
    ],
)
def test_what_a_merchant_says_is_never_quoted(text: str, wrong: str) -> None:
    assert data_refusal("message_received", text=text) == f"event.bad_value: text {wrong}"
    assert data_refusal("message_received", text=["Jane"]) == "event.bad_type: text must be text, got list"


def test_secrets_are_not_quoted() -> None:
    error = data_refusal(success="shpat_0123456789abcdef of jane@example.com")
    assert error == 'event.bad_type: success must be true or false, got "shpat_*** of ***@***"'


def test_template_text_stays_text() -> None:
    event = read(envelope(type="message_received", data={**VALID["message_received"], "text": "{{7*7}} {0.__class__}"}))
    assert event.payload["text"] == "{{7*7}} {0.__class__}"


@pytest.mark.parametrize(
    ("value", "identity"),
    [
        (envelope(data=[]), ("/auth", "e1", "oauth_complete")),
        (envelope(type="nope"), ("/auth", "e1", "nope")),
        (envelope(id=5, source="x" * 201, type="a\nb"), (None, None, None)),
        (envelope(time="2030-01-01T00:00:00Z"), ("/auth", "e1", "oauth_complete")),
        ([envelope()], (None, None, None)),
    ],
)
def test_a_refusal_knows_what_it_refused(value: object, identity: tuple[str | None, ...]) -> None:
    with pytest.raises(InvalidEvent) as caught:
        read(value)
    assert (caught.value.source, caught.value.id, caught.value.type) == identity


def test_the_limits_hold_for_parsed_objects_too() -> None:
    with pytest.raises(InvalidEvent) as caught:
        parse_object(envelope(data={**OAUTH, "extra": "x" * 70_000}))
    assert caught.value.code == "event.too_large"
    assert caught.value.id == "e1"


@pytest.mark.parametrize(
    "form",
    [
        lambda raw: raw,
        lambda raw: bytearray(raw),
        lambda raw: memoryview(raw),
        lambda raw: raw.decode(),
        json.loads,
    ],
)
def test_decode_takes_every_form_a_transport_gives(form: Any) -> None:
    raw = json.dumps(envelope()).encode()
    assert decode(form(raw), now=NOW) == parse(raw, now=NOW)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
        ("", "event.not_json: not valid UTF-8 JSON at byte 0: empty"),
        ('{"a":"\ud800"}', "event.not_json: not valid UTF-8 JSON at byte 6"),
        (5, "event.not_object: expected an object, got number"),
        ([1], "event.not_object: expected an object, got list"),
        (datetime(2026, 1, 1, tzinfo=UTC), "event.bad_value: the value is a datetime, which JSON does not have"),
    ],
)
def test_bodies_that_decode_refuses(body: object, error: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode(body)
    assert f"{caught.value.code}: {caught.value}" == error


def test_fields_for_the_workflow_checker() -> None:
    assert fields("oauth_complete") == {
        "provider": "string",
        "success": "boolean",
        "merchant_id": "string",
        "shop_domain": "string",
        "conversation_id": "string",
        "error": "string",
        "scopes": "list",
    }
    assert all(kind is not None for name in CATALOG for kind in fields(name).values())
    with pytest.raises(InvalidEvent, match="did you mean message_received"):
        fields("message_recieved")


def test_kinds_of_nested_and_open_fields() -> None:
    from events import catalog

    class Inner(EventData):
        count: int | None = None
        ratio: float

    class Outer(EventData):
        inner: Inner
        either: int | str
        open: Any
        mapping: dict[str, Any]

    assert catalog._kind(Outer) == {
        "inner": {"count": "number", "ratio": "number"},
        "either": None,
        "open": None,
        "mapping": "object",
    }


def outcome(read_it: Callable[[], Event]) -> bytes | None:
    """The event's hash, or None when it was refused. Any other error is the test's failure."""
    try:
        return read_it().content_hash
    except InvalidEvent as error:
        return None if error.code.startswith("event.") and len(str(error)) < 3000 else b"bad refusal"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(CATALOG)),
    st.dictionaries(
        st.sampled_from(["id", "source", "time", "type", "turn", "traceparent", "data"]), values, max_size=2
    ),
    st.dictionaries(st.sampled_from(sorted({name for data in VALID.values() for name in data})), values, max_size=2),
)
def test_damaged_events_are_read_or_refused(event_type: str, attributes: Any, data: Any) -> None:
    value = {**envelope(type=event_type, data={**VALID[event_type], **data}), **attributes}
    outcomes = [
        outcome(lambda: parse(json.dumps(value).encode(), now=NOW)),
        outcome(lambda: decode(value, now=NOW)),
    ]
    assert outcomes[0] == outcomes[1]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(raw: bytes) -> None:
    assert outcome(lambda: decode(raw)) is None


@pytest.mark.parametrize("type", ["customers_redact", "customers_data_request"])
def test_a_customer_may_have_only_an_email_or_a_phone(type: str) -> None:
    without = {name: value for name, value in CUSTOMER.items() if name != "customer_id"}
    for contact in ({"email": "anna@example.com"}, {"phone": "+49 170 1234567"}, {"customer_id": None, "phone": "1"}):
        event = read(envelope(type=type, data={**without, **contact}))
        assert event.payload == {**without, **{name: value for name, value in contact.items() if value is not None}}
    for nobody in (without, {**without, "email": None}, {**without, "customer_id": None}):
        with pytest.raises(InvalidEvent) as refused:
            read(envelope(type=type, data=nobody))
        assert refused.value.code == "event.missing_field"
        assert "customer_id is missing" in refused.value.message
    for bad in ("", " ", "x" * 321, "anna\n@example.com", 7):
        with pytest.raises(InvalidEvent) as refused:
            read(envelope(type=type, data={**CUSTOMER, "email": bad}))
        assert "anna" not in refused.value.message
        assert "xxx" not in refused.value.message


def test_no_workflow_sees_an_email_or_a_phone() -> None:
    assert not {"email", "phone"} & fields("customers_data_request").keys()
    assert {"email", "phone"} <= fields("customers_data_request", personal=True).keys()


def test_the_data_of_a_custom_event_is_free_but_bounded_and_never_shown() -> None:
    assert data_refusal("custom", data={"a": "x" * 8000}) == (
        "event.bad_value: data must be at most 8000 bytes as JSON, got 8008"
    )
    assert data_refusal("custom", data=["Jane"]) == "event.bad_type: data must be an object, got list"


@pytest.mark.parametrize(("provider", "is_refused"), [("shopify", True), ("zendesk", False)])
def test_only_a_shop_has_a_domain(provider: str, is_refused: bool) -> None:
    data = {"provider": provider, "success": True, "merchant_id": "m"}
    assert (outcome(lambda: read(envelope(type="oauth_complete", data=data))) is None) is is_refused
