import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from events import CATALOG, decode_ack, decode_reply, parse, parse_object
from tests import asyncapi

DOCUMENT = asyncapi.document()
MESSAGES = DOCUMENT["components"]["messages"]
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


def validate(message: str, payload: object) -> None:
    schema = {**MESSAGES[message]["payload"], "components": DOCUMENT["components"]}
    jsonschema.Draft7Validator(schema).validate(payload)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_the_committed_file_is_current() -> None:
    assert asyncapi.PATH.read_text(encoding="utf-8") == asyncapi.text(), "run: python -m tests.asyncapi"
    assert yaml.safe_load(asyncapi.text()) == json.loads(json.dumps(DOCUMENT))


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert "#/components/schemas/Envelope" in found
    for reference in found:
        target: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_every_event_type_is_a_message_of_the_events_channel() -> None:
    assert list(DOCUMENT["channels"]["events"]["messages"]) == list(CATALOG)


@pytest.mark.parametrize("event_type", CATALOG)
def test_the_examples_are_valid_and_readable(event_type: str) -> None:
    example = MESSAGES[event_type]["examples"][0]["payload"]
    validate(event_type, example)
    assert parse_object(example).payload == dict(CATALOG[event_type].example)


def test_the_examples_of_reply_and_ack() -> None:
    reply, ack = (MESSAGES[name]["examples"][0]["payload"] for name in ("reply", "ack"))
    validate("reply", reply)
    validate("ack", ack)
    assert decode_ack(ack).id == decode_reply(reply).id


@pytest.mark.parametrize(
    "damage",
    [
        {"id": ""},
        {"id": None},
        {"specversion": "0.3"},
        {"type": "app_uninstalled"},
        {"data": []},
        {"data": {"provider": "shopify", "success": "true", "merchant_id": "m", "shop_domain": "a.myshopify.com"}},
        {"data": {"provider": "shopify", "success": True, "merchant_id": "m"}},
        {"data": {"provider": "shopify", "success": True, "merchant_id": "m", "shop_domain": None}},
        {"data": {"provider": "shopify", "success": True, "merchant_id": "m", "shop_domain": "a.myshopify.company"}},
        {"data": {"provider": "shopify", "success": True, "shop_domain": "a.myshopify.com"}},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(damage: dict[str, Any]) -> None:
    example = {**MESSAGES["oauth_complete"]["examples"][0]["payload"], **damage}
    with pytest.raises(jsonschema.ValidationError):
        validate("oauth_complete", example)


@pytest.mark.parametrize("path", GOLDEN, ids=[path.stem for path in GOLDEN])
def test_what_was_ever_accepted_stays_accepted(path: Path) -> None:
    """Golden events are only ever added: a change that breaks one needs a new event type."""
    golden = json.loads(path.read_text())
    event = parse(json.dumps(golden["event"]).encode())
    assert event.payload == golden["payload"]
    assert event.content_hash.hex() == golden["content_hash"]
    validate(event.type, golden["event"])


def test_every_type_has_a_golden_event() -> None:
    assert {json.loads(path.read_text())["event"]["type"] for path in GOLDEN} == set(CATALOG)
