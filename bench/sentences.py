"""How soon a sentence is out after the model wrote its last token: `python -m bench.sentences`.

A model over HTTP writes 50 tokens a second; the rest are real workers, Postgres, Valkey, a consumer of the queue, and a
door with a client. Measured from when the model's server has sent a sentence's last token until the consumer shows it,
or the door's client has it. Aim: p95 50 ms, of which the next token, that shows where the sentence ends, takes 20. With
`--trickling` what follows the last token (the end, the counts, `[DONE]`) is as slow.
"""

import argparse
import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from aiohttp import web

from bench.figures import latency
from bench.ground import ground
from tests.door import KEYS, as_merchant, read
from tests.stack import Stack
from workers.local.embedded import free_port
from workers.local.procfile import Process
from workers.local.stack import wait_until
from workers.model.local_server import ModelServer, pieces

SENTENCES = ("Good morning to you, and welcome back.", "Let us look at it together.", "Where shall we begin today?")
PLACES = ("first", "second", "last")
MERCHANT = "writer"

Say = Callable[[str], dict[str, float]]
"""Says something in a new conversation; returns when each sentence was there (Unix time)."""


class Writer(ModelServer):
    """Writes the sentences, and notes when each was written."""

    def __init__(self, tokens_per_second: float, *, trickling: bool) -> None:
        super().__init__()
        self._pause, self._is_trickling = 1 / tokens_per_second, trickling
        self.written: list[float] = []

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces({"role": "assistant", "content": " ".join(SENTENCES)}, body):
            choices = json.loads(piece[6:])["choices"] if piece.startswith(b"data: {") else []
            if choices or self._is_trickling:  # the counts come with the end
                await asyncio.sleep(self._pause)
            await response.write(piece)
            if choices and (choices[0]["delta"].get("content") or "").endswith((".", "?")):
                self.written.append(time.time())
        return response


def at_the_queue(stack: Stack, conversation: str) -> dict[str, float]:
    stack.say(MERCHANT, conversation, "hello")
    replies = stack.gateway.wait_for_ends(conversation)
    return {reply.text.strip(): stack.gateway.arrived[reply.id] for reply in replies if reply.text}


def at_the_door(url: str, conversation: str) -> dict[str, float]:
    found: dict[str, float] = {}
    opened = threading.Event()

    def listen() -> None:
        path = f"{url}/conversations/{conversation}/replies"
        with httpx.stream("GET", path, headers=as_merchant(MERCHANT), timeout=30, trust_env=False) as response:
            opened.set()
            for _, reply in read(response):
                now = time.time()
                for event in reply["data"]:
                    if event["type"] == "TEXT_MESSAGE_CONTENT":
                        found[event["delta"].strip()] = now
                    elif event["type"] == "RUN_FINISHED":
                        return

    listening = threading.Thread(target=listen)
    listening.start()
    assert opened.wait(10)
    event = {
        "specversion": "1.0",
        "id": conversation,
        "source": "/bench",
        "type": "message_received",
        "data": {"conversation_id": conversation, "text": "hello"},
    }
    headers = {**as_merchant(MERCHANT), "Content-Type": "application/cloudevents+json"}
    httpx.post(f"{url}/events", headers=headers, content=json.dumps(event), trust_env=False).raise_for_status()
    listening.join(30)
    return found


def measure(name: str, writer: Writer, say: Say, messages: int) -> None:
    found: list[Sequence[float]] = []
    for number in range(messages + 1):
        writer.written.clear()
        shown = say(f"{name}_{number}")
        assert list(shown) == list(SENTENCES), shown
        if number:  # the first one loads what is loaded once
            found.append([shown[sentence] - at for sentence, at in zip(SENTENCES, writer.written, strict=True)])
    for place, times in zip(PLACES, zip(*found, strict=True), strict=True):
        latency(f"{name}: {place} sentence", times)
    every = [seconds for one in found for seconds in one]
    latency(f"{name}: all", every, f"max {max(every) * 1000:.0f} ms, aim p95 <= 50 ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=float, default=50.0, help="a second")
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--trickling", action="store_true")
    options = parser.parse_args()
    writer = Writer(options.tokens, trickling=options.trickling).start()
    environ = {"CJ_MODEL": "openai/writer", "OPENAI_API_BASE": writer.base_url, "CJ_LOG_LEVEL": "WARNING", **KEYS}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    door = Process("gateway", f"CJ_GATEWAY_LISTEN=127.0.0.1:{port} exec python -m workers.gateway")
    with (
        ground() as here,
        Stack(here.database_url, here.valkey.url, here.folder, environ=environ, others=[door]) as stack,
    ):
        stack.connect("writer.myshopify.com", MERCHANT)
        wait_until(lambda: httpx.get(f"{url}/health", trust_env=False).status_code == 200, what="the door")
        before = os.getloadavg()[0]
        measure("queue", writer, lambda name: at_the_queue(stack, name), options.messages)
        measure("door", writer, lambda name: at_the_door(url, name), options.messages)
        print(f"load {before:.1f} before, {os.getloadavg()[0]:.1f} after")
    writer.stop()


if __name__ == "__main__":
    main()
