"""No message on any queue stops a worker: the same processes answer the next event."""

import base64
import json
import uuid
from typing import Any

import redis

from tests.acceptance.conftest import Someone
from tests.stack import Stack
from tests.waiting import wait_until

CELERY_QUEUES = ("workflow", "turns", "shopify", "ops")


def frame(
    task: Any = "cj.run_turn",
    args: Any = (1,),
    *,
    headers: dict[str, Any] | None = None,
    body: str | bytes | None = None,
    content_type: str = "application/json",
    encoding: str = "utf-8",
    drop: str | None = None,
) -> str:
    """A malformed task message, as kombu would put it on a Redis list."""
    canvas = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    text = json.dumps([list(args), {}, canvas]) if body is None else body
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    message = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": encoding,
        "content-type": content_type,
        "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), **(headers or {})},
        "properties": {
            "correlation_id": "c",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "turns"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    if drop is not None:
        del message[drop]
    return json.dumps(message)


def hostile() -> list[str | bytes]:
    bad_base64 = json.loads(frame())
    bad_base64["body"] = "%%%"
    return [
        "hello",
        "5",
        "[]",
        "{}",
        '[{}, "", ""]',
        frame(drop="headers"),
        frame(drop="properties"),
        frame(drop="body"),
        json.dumps(bad_base64),
        frame(content_type="application/x-python-serialize", encoding="binary", body=b"\x80\x04."),
        frame(task="cj.nope"),
        frame(task=7),
        frame(args=(1, 2, 3)),
        frame(args=()),
        frame(args=("1",)),
        frame(args=(-1,)),
        frame(args=(2**63,)),
        frame(args=(None,)),
        frame(body='{"a": 1}'),
        frame(body="[" * 20_000 + "]" * 20_000),
        frame(body='[[{"__type__": "zzz", "__value__": 1}], {}, {}]'),
        frame(headers={"retries": "x"}),
        frame(headers={"eta": "yesterday"}),
        frame(headers={"timelimit": "x"}),
        frame(headers={"expires": "foo"}),
        frame(args=("\ud800",)),
        frame(args=("a\x00b",)),
        frame(task="celery.starmap", args=({"task": "cj.run_turn"}, [[99]])),
        frame(task="celery.backend_cleanup", args=()),
        b'\xff\xfe{"a"',
    ]


def test_the_same_processes_answer_after_all_of_it(stack: Stack, someone: Someone) -> None:
    before = stack.supervisor.pids()
    client = redis.Redis.from_url(stack.broker_url)
    for queue in (*CELERY_QUEUES, "events", "acks"):
        for message in hostile():
            client.lpush(queue, message)
    for queue in (*CELERY_QUEUES, "events", "acks"):
        wait_until(lambda name=queue: client.llen(name) == 0, limit=20, what=f"{queue} read")  # type: ignore[misc]
    stack.connect(someone.shop_domain, someone.merchant_id)
    stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
    stack.gateway.wait_for_ends(someone.conversation_id)
    assert stack.supervisor.pids() == before
    unreadable = stack.rows("select count(*) from events where status = 'rejected' and error_code = 'event.not_json'")
    assert unreadable[0][0] > 0
