"""What one would write without this project, for comparison. Same stubs, litellm, Postgres and Valkey.

- `python -m bench.plain`: a loop on 8 threads. An event from a Redis list, model and store in turn, texts to another
  list. Nothing is kept: whatever dies takes its conversations along. The floor.
- `celery -A bench.plain worker`: one Celery task for each step, which commits before it queues the next. Nothing fences
  two workers that run the same step, nothing sends again what was lost between a commit and a publish, and tokens are
  not sealed.

From the environment: BROKER_URL, DATABASE_URL (Celery), STUBS.
"""

import json
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it is fetched from the network

import httpx
import litellm
import redis
import yaml
from celery import Celery
from sqlalchemy import Engine, create_engine, text

ROOT = Path(__file__).parent.parent
EVENTS, REPLIES = "plain.events", "plain.replies"
THREADS = 8
QUERIES = {
    data_type: (ROOT / "shopify" / "data" / f"{data_type}.graphql").read_text()
    for data_type in ("counts", "recent_orders", "overview")
}
PROMPT = yaml.safe_load((ROOT / "workflows" / "shopify_onboarding.yaml").read_text())["prompts"]["cj"]["system"]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "shopify_data",
            "description": "Get raw data of the merchant's Shopify store.",
            "parameters": {
                "type": "object",
                "properties": {"data_type": {"type": "string", "enum": list(QUERIES)}},
                "required": ["data_type"],
            },
        },
    }
]
FIRST = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "[system event] show_shopify_insights"}]
SCHEMA = """
CREATE TABLE IF NOT EXISTS plain_shops (shop text PRIMARY KEY, token text NOT NULL);
CREATE TABLE IF NOT EXISTS plain_events (id text PRIMARY KEY, shop text NOT NULL, at timestamptz DEFAULT now());
CREATE TABLE IF NOT EXISTS plain_messages (
    id bigserial PRIMARY KEY, event_id text NOT NULL REFERENCES plain_events, message jsonb NOT NULL);
CREATE INDEX IF NOT EXISTS plain_messages_of ON plain_messages (event_id, id)
"""

app = Celery("plain", broker=os.environ.get("BROKER_URL"))
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)


@cache
def lists() -> redis.Redis:
    return redis.Redis.from_url(os.environ["BROKER_URL"])


@cache
def http() -> httpx.Client:
    return httpx.Client(trust_env=False)


@cache
def engine() -> Engine:
    return create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://"), pool_size=10)


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The model's next message."""
    answer = litellm.completion(
        model="openai/stub", messages=messages, tools=TOOLS, timeout=30.0, api_base=f"{os.environ['STUBS']}/v1",
        api_key="none", max_tokens=4000,
    )  # fmt: skip
    return dict(answer.choices[0].message.model_dump(exclude_none=True))


def fetch(shop: str, token: str, call: dict[str, Any]) -> dict[str, Any]:
    """The message with the result of a tool call."""
    data_type = json.loads(call["function"]["arguments"])["data_type"]
    url = f"{os.environ['STUBS']}/{shop}/admin/api/2026-10/graphql.json"
    answer = http().post(url, json={"query": QUERIES[data_type]}, headers={"X-Shopify-Access-Token": token})
    return {"role": "tool", "tool_call_id": call["id"], "content": json.dumps(answer.json()["data"])}


def say(event_id: str, message: dict[str, Any], *, last: bool) -> None:
    """Text for the gateway."""
    if message.get("content"):
        lists().lpush(REPLIES, json.dumps({"event": event_id, "text": message["content"], "last": last}))


@app.task(name="plain.event")
def event(event_id: str, shop: str) -> None:
    """A store was connected."""
    with engine().begin() as connection:
        values = {"id": event_id, "shop": shop}
        inserted = connection.execute(
            text("INSERT INTO plain_events (id, shop) VALUES (:id, :shop) ON CONFLICT DO NOTHING"), values
        )
        if inserted.rowcount == 0:
            return
        for message in FIRST:
            _keep(connection, event_id, message)
    step.delay(event_id)


@app.task(name="plain.step")
def step(event_id: str) -> None:
    """One answer of the model."""
    with engine().connect() as connection:
        rows = connection.execute(
            text("SELECT message FROM plain_messages WHERE event_id = :id ORDER BY id"), {"id": event_id}
        )
        messages = [row.message for row in rows]
        connection.rollback()
    answer = ask(messages)
    with engine().begin() as connection:
        _keep(connection, event_id, answer)
    calls = answer.get("tool_calls") or []
    say(event_id, answer, last=not calls)
    for call in calls:
        tool.delay(event_id, call)


@app.task(name="plain.tool")
def tool(event_id: str, call: dict[str, Any]) -> None:
    """One tool call, then the next step."""
    with engine().connect() as connection:
        found = connection.execute(
            text("SELECT s.shop, s.token FROM plain_events e JOIN plain_shops s USING (shop) WHERE e.id = :id"),
            {"id": event_id},
        ).one()
        connection.rollback()
    result = fetch(found.shop, found.token, call)
    with engine().begin() as connection:
        _keep(connection, event_id, result)
    step.delay(event_id)


def _keep(connection: Any, event_id: str, message: dict[str, Any]) -> None:
    values = {"id": event_id, "message": json.dumps(message)}
    connection.execute(
        text("INSERT INTO plain_messages (event_id, message) VALUES (:id, CAST(:message AS jsonb))"), values
    )


def loop() -> None:
    """Events from a list, for ever."""
    while True:
        found = lists().brpop(EVENTS, timeout=1)
        if found is None:
            continue
        begun = json.loads(found[1])
        messages = list(FIRST)
        while messages[-1]["role"] != "assistant" or messages[-1].get("tool_calls"):
            messages.append(ask(messages))
            calls = messages[-1].get("tool_calls") or []
            say(begun["event"], messages[-1], last=not calls)
            messages += [fetch(begun["shop"], "shpat_plain", call) for call in calls]


def main() -> None:
    threads = [threading.Thread(target=loop, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
