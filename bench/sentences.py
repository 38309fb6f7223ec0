"""How soon a sentence is out after the model wrote its last token: `python -m bench.sentences`.

A model over HTTP writes 50 tokens a second; the rest are real workers, Postgres, Valkey and a gateway. Measured from
when the model's server sends a sentence's last token until the gateway shows it. Aim: 50 ms, of which the next token,
that shows where the sentence ends, takes 20.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bench.figures import latency
from bench.ground import ground
from tests.stack import Stack
from workers.model.local_server import ModelServer, pieces

SENTENCES = ("Good morning to you, and welcome back.", "Let us look at it together.", "Where shall we begin today?")
AIM_MS = 50


class Writer(ModelServer):
    """Writes the sentences, and notes when each was written."""

    def __init__(self, tokens_per_second: float) -> None:
        super().__init__()
        self._pause = 1 / tokens_per_second
        self.written: list[float] = []

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces({"role": "assistant", "content": " ".join(SENTENCES)}, body):
            await response.write(piece)
            choices = json.loads(piece[6:])["choices"] if piece.startswith(b"data: {") else []
            if choices and (choices[0]["delta"].get("content") or "").endswith((".", "?")):
                self.written.append(time.time())
            await asyncio.sleep(self._pause)
        return response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=float, default=50.0, help="a second")
    parser.add_argument("--messages", type=int, default=20)
    options = parser.parse_args()
    writer = Writer(options.tokens).start()
    environ = {"CJ_MODEL": "openai/writer", "OPENAI_API_BASE": writer.base_url, "CJ_LOG_LEVEL": "WARNING"}
    found: list[float] = []
    with ground() as here, Stack(here.database_url, here.valkey.url, here.folder, environ=environ) as stack:
        stack.connect("writer.myshopify.com", "writer")
        for number in range(options.messages + 1):
            writer.written.clear()
            conversation = f"writer_{number}"
            stack.say("writer", conversation, "hello")
            replies = stack.gateway.wait_for_ends(conversation)
            shown = [stack.gateway.arrived[reply.id] for reply in replies if reply.text]
            assert len(shown) == len(writer.written) == len(SENTENCES), [reply.text for reply in replies]
            if number:  # the first one loads what is loaded once
                found += [arrived - written for arrived, written in zip(shown, writer.written, strict=True)]
    writer.stop()
    latency("a sentence is out after its last token", found, f"aim p50 <= {AIM_MS} ms")


if __name__ == "__main__":
    main()
