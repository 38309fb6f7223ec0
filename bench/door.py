"""What doors with many open streams carry: `python -m bench.door [--rate 200 | --in-flight 16 | --idle]`.

Doors are real processes, on a Postgres of their own; each stream is of another merchant.

    --rate       rows are appended as a turn appends them, in one transaction for each reply: from its commit to the
                 client, what was lost, doubled or out of order, and what a reply costs the doors
    --in-flight  so many messages at a time are posted at the doors and answered by workers (the demo model, no store):
                 how many a second, and how long each took, through its stream
    --idle       nothing comes: what a stream costs in memory
"""

import argparse
import asyncio
import json
import os
import random
import resource
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil
from pydantic import SecretStr

from bench.figures import latency, rate
from bench.ground import ground
from storage import agui, conversations, inbox, merchants, outbox, turns
from storage.database import Database
from storage.inbox import Accepted
from storage.outbox import NewReply
from storage.turns import TurnInput
from tests.door import CHAT_KEY, KEYS
from tests.rows import new_event
from tests.stack import Stack
from workers.gateway.access import chat_token
from workers.local.embedded import free_port
from workers.local.procfile import Process
from workers.local.stack import KINDS

WRITERS = 4
OPENED_AT_A_TIME = 50
PATIENCE_SECONDS = 10.0


@dataclass
class Streams:
    """The clients: one open stream for each conversation, spread over the doors."""

    urls: Sequence[str]
    session: aiohttp.ClientSession
    opened: int = 0
    ages: list[float] = field(default_factory=list)
    places: dict[int, list[int]] = field(default_factory=dict)
    ended: dict[int, asyncio.Event] = field(default_factory=dict)
    """Whether the run of a conversation has ended."""

    async def read(self, number: int, opening: asyncio.Semaphore) -> None:
        """The stream of conversation `number`, until cancelled."""
        path = f"{self.urls[number % len(self.urls)]}/conversations/c{number}/replies"
        await opening.acquire()
        async with self.session.get(path, headers=headers(number)) as response:
            opening.release()
            assert response.status == 200, await response.text()
            self.opened += 1
            place = ""
            async for line in response.content:
                if line.startswith(b"id: "):
                    place = line[4:].decode().strip()
                elif line.startswith(b"data: "):
                    self._take(number, place, json.loads(line[6:])["data"])

    def _take(self, number: int, place: str, events: list[dict[str, Any]]) -> None:
        self.places.setdefault(number, []).append(int(place.split(":")[1]))
        if number in self.ended:
            if events[-1]["type"].startswith("RUN_FINISHED"):
                self.ended[number].set()
        else:
            self.ages.append(time.time() - float(events[1]["delta"]))


def headers(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {chat_token(SecretStr(CHAT_KEY), f'm{number}')}"}


def prepare(database: Database, count: int, *, with_turn: bool) -> list[tuple[str, int]]:
    """A conversation at the door for each stream, perhaps with an open turn."""
    made = []
    for number in range(count):
        name, merchant_id = f"c{number}", f"m{number}"
        with database.transaction() as session:
            merchants.add_merchant(session, merchant_id)
            conversations.open(
                session, id=name, merchant_id=merchant_id, workflow="ad_hoc_support", context={}, by_door=True
            )
            if with_turn:
                [accepted] = inbox.accept(session, [new_event(merchant_id=merchant_id, conversation_id=name)])
                assert isinstance(accepted, Accepted)
                whose: dict[str, Any] = {"conversation_id": name, "merchant_id": merchant_id, "event_key": accepted.key}
                turn = turns.queue_turn(session, **whose, action=0, input=TurnInput("merchant", "hi"))
                assert turn is not None
                inbox.processed(session, accepted.key)
                made.append((name, turn))
    return made


def append(database: Database, made: list[tuple[str, int]], rate: float, seconds: float) -> int:
    began, count = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        if count >= now * rate:
            time.sleep(0.001)
            continue
        name, turn = made[count * 7919 % len(made)]
        with database.transaction() as session:
            outbox.append(session, turn, [NewReply(f"{count}", agui.text(f"{name}-{count}", f"{time.time():.6f}"))])
        count += 1
    return count


async def replies(
    streams: Streams, database: Database, made: list[tuple[str, int]], asked: argparse.Namespace, doors: "Doors"
) -> None:
    before = doors.cpu()
    writers = [
        asyncio.to_thread(append, database, made[first::WRITERS], asked.rate / WRITERS, asked.seconds)
        for first in range(WRITERS)
    ]
    appended = sum(await asyncio.gather(*writers))
    late = time.monotonic() + PATIENCE_SECONDS
    while len(streams.ages) < appended and time.monotonic() < late:  # noqa: ASYNC110 - a bench may look
        await asyncio.sleep(0.1)
    rate("replies", appended, asked.seconds)
    latency("from commit to client", streams.ages)
    cost = (doors.cpu() - before) / appended
    print(f"CPU of the doors: {cost * 1000:.2f} ms a reply, so {1 / cost:.0f} replies/s on one core of their own")
    disordered = sum(found != list(range(1, len(found) + 1)) for found in streams.places.values())
    print(f"lost or doubled: {appended - len(streams.ages)}; streams with gaps, doubles or disorder: {disordered}")


async def flows(streams: Streams, count: int, asked: argparse.Namespace, doors: "Doors") -> None:
    took: list[float] = []
    free = random.Random(1).sample(range(count), count)
    before, began = doors.cpu(), time.monotonic()

    async def keep_talking() -> None:
        while time.monotonic() - began < asked.seconds:
            number = free.pop(0)
            ended = streams.ended[number] = asyncio.Event()
            sent = time.monotonic()
            data = {"conversation_id": f"c{number}", "text": "Good morning"}
            event = {"specversion": "1.0", "id": f"e{sent}", "source": "/b", "type": "message_received", "data": data}
            kind = {"Content-Type": "application/cloudevents+json"}
            url = f"{streams.urls[number % len(streams.urls)]}/events"
            async with streams.session.post(url, json=event, headers=headers(number) | kind) as answer:
                assert answer.status == 202, await answer.text()
            await asyncio.wait_for(ended.wait(), 60)
            took.append(time.monotonic() - sent)
            free.append(number)

    await asyncio.gather(*(keep_talking() for _ in range(asked.in_flight)))
    rate("messages answered", len(took), time.monotonic() - began)
    latency("from the post to the run's end", took)
    print(f"CPU of the doors: {(doors.cpu() - before) / len(took) * 1000:.2f} ms a message")


class Doors:
    """Their processes."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]

    def cpu(self) -> float:
        return sum(sum(one.cpu_times()[:2]) for one in self._processes)

    def memory(self) -> float:
        """kB that are theirs alone."""
        return sum(one.memory_full_info().uss for one in self._processes) / 1024


async def play(
    urls: Sequence[str], doors: Doors, database: Database, made: list[tuple[str, int]], asked: argparse.Namespace
) -> None:
    timeout = aiohttp.ClientTimeout(None)
    before = doors.memory()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        streams, opening = Streams(urls, session), asyncio.Semaphore(OPENED_AT_A_TIME)
        clients = [asyncio.create_task(streams.read(number, opening)) for number in range(asked.streams)]
        began = time.monotonic()
        while streams.opened < asked.streams:  # noqa: ASYNC110 - a bench may look
            await asyncio.sleep(0.05)
        print(f"{asked.streams} streams open after {time.monotonic() - began:.1f} s", flush=True)
        if asked.idle:
            await asyncio.sleep(asked.seconds)
        elif asked.in_flight:
            await flows(streams, asked.streams, asked, doors)
        else:
            await replies(streams, database, made, asked, doors)
        after, count = doors.memory(), len(urls)
        print(f"memory of a door: {after / count / 1024:.0f} MB; {(after - before) / asked.streams:.1f} kB a stream")
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--doors", type=int, default=4)
    options.add_argument("--streams", type=int, default=2000)
    options.add_argument("--rate", type=float, default=100.0, help="replies a second")
    options.add_argument("--in-flight", type=int, default=0)
    options.add_argument("--idle", action="store_true")
    options.add_argument("--agents", type=int, default=2)
    options.add_argument("--seconds", type=float, default=20.0)
    asked = options.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (most := resource.getrlimit(resource.RLIMIT_NOFILE)[1], most))
    ports = [free_port() for _ in range(asked.doors)]
    command = "CJ_GATEWAY_LISTEN=127.0.0.1:{} exec python -m workers.gateway"
    with ExitStack() as stack:
        here = stack.enter_context(ground())
        running = stack.enter_context(
            Stack(
                here.database_url,
                here.valkey.url,
                here.folder,
                kinds=KINDS if asked.in_flight else ("shopify",),
                counts={"agent": asked.agents} if asked.in_flight else None,
                environ={**KEYS, "CJ_LOG_LEVEL": "WARNING"},
                others=[Process(f"gateway.{number}", command.format(port)) for number, port in enumerate(ports)],
            )
        )
        database = Database(here.database_url, pool_size=WRITERS)
        stack.callback(database.dispose)
        made = [] if asked.idle else prepare(database, asked.streams, with_turn=not asked.in_flight)
        pids = running.supervisor.pids()
        doors = Doors([pids[f"gateway.{number}"] for number in range(asked.doors)])
        asyncio.run(play([f"http://127.0.0.1:{port}" for port in ports], doors, database, made, asked))
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
