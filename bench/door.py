"""How many open streams doors carry, and how soon a reply is there: `python -m bench.door [--rate 100]`.

Doors are real processes on a Postgres of their own; so are the rows, which are appended as a turn appends them, in one
transaction for each reply. Printed: from a reply's commit to the client, and what was lost, doubled or out of order.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import psutil
from pydantic import SecretStr

from storage import agui, conversations, inbox, merchants, outbox, turns
from storage.database import Database
from storage.inbox import Accepted, NewEvent
from storage.outbox import NewReply
from storage.turns import TurnInput
from tests.door import CHAT_KEY, KEYS
from tests.servers import PostgresForTests
from workers.gateway.access import chat_token
from workers.local.embedded import EmbeddedValkey, free_port

WRITERS = 4
ROOT = Path(__file__).parents[1]


def prepared(database: Database, count: int) -> list[tuple[str, int]]:
    """A conversation at the door with an open turn for each stream."""
    made = []
    for number in range(count):
        name = f"c{number}"
        with database.transaction() as session:
            merchants.add_merchant(session, f"m{number}")
            conversations.open(
                session, id=name, merchant_id=f"m{number}", workflow="ad_hoc_support", context={}, by_door=True
            )
            event = NewEvent(
                source="/bench", id=name, type="message_received", data={}, content_hash=b"x", conversation_id=name
            )
            [accepted] = inbox.accept(session, [event])
            assert isinstance(accepted, Accepted)
            turn = turns.queue_turn(
                session,
                conversation_id=name,
                merchant_id=f"m{number}",
                event_key=accepted.key,
                action=0,
                input=TurnInput("merchant", "hi"),
            )
            assert turn is not None
            inbox.processed(session, accepted.key)
            made.append((name, turn))
    return made


async def client(session: aiohttp.ClientSession, url: str, number: int, got: list[tuple[int, str, float]]) -> None:
    headers = {"Authorization": f"Bearer {chat_token(SecretStr(CHAT_KEY), f'm{number}')}"}
    async with session.get(f"{url}/conversations/c{number}/replies", headers=headers) as response:
        assert response.status == 200, await response.text()
        got.append((number, "", 0.0))
        place = ""
        async for line in response.content:
            if line.startswith(b"id: "):
                place = line[4:].decode().strip()
            elif line.startswith(b"data: "):
                sent = json.loads(line[6:])["data"][1]["delta"]
                got.append((number, place, time.time() - float(sent)))


async def play(urls: list[str], database: Database, made: list[tuple[str, int]], rate: float, seconds: float) -> None:
    got: list[tuple[int, str, float]] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:
        clients = [
            asyncio.create_task(client(session, urls[number % len(urls)], number, got)) for number in range(len(made))
        ]
        began = time.monotonic()
        while len(got) < len(made):  # noqa: ASYNC110 - a bench may look
            await asyncio.sleep(0.05)
        print(f"{len(made)} streams open after {time.monotonic() - began:.1f} s")
        writers = [
            asyncio.to_thread(append, database, made[first::WRITERS], rate / WRITERS, seconds)
            for first in range(WRITERS)
        ]
        appended = sum(await asyncio.gather(*writers))
        late = time.monotonic() + 10.0
        while len(got) < len(made) + appended and time.monotonic() < late:  # noqa: ASYNC110 - a bench may look
            await asyncio.sleep(0.1)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    ages = sorted(age for _, place, age in got if place)
    places: dict[int, list[int]] = {}
    for number, place, _ in got:
        if place:
            places.setdefault(number, []).append(int(place.split(":")[1]))
    disordered = sum(found != list(range(1, len(found) + 1)) for found in places.values())
    print(f"{appended} replies in {seconds:g} s: {appended / seconds:.0f}/s; lost or doubled: {appended - len(ages)}")
    print(f"streams with gaps, doubles or disorder: {disordered}")
    for share in (0.5, 0.95, 0.99):
        print(f"commit to client, p{share * 100:g}: {ages[int(len(ages) * share)] * 1000:.0f} ms")


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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--doors", type=int, default=4)
    options.add_argument("--streams", type=int, default=2000)
    options.add_argument("--rate", type=float, default=100.0, help="replies a second")
    options.add_argument("--seconds", type=float, default=20.0)
    asked = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cj-")))
        postgres = stack.enter_context(PostgresForTests(folder / "postgres"))
        valkey = stack.enter_context(EmbeddedValkey(folder / "valkey", aof=False))
        url = stack.enter_context(postgres.migrated_database())
        database = Database(url, pool_size=WRITERS)
        stack.callback(database.dispose)
        made = prepared(database, asked.streams)
        ports = [free_port() for _ in range(asked.doors)]
        servers = {"DATABASE_URL": url, "BROKER_URL": valkey.url, "REDIS_URL": valkey.url, **KEYS}
        doors = []
        for port in ports:
            environ = {**os.environ, **servers, "CJ_GATEWAY_LISTEN": f"127.0.0.1:{port}"}
            command = [sys.executable, "-m", "workers.gateway"]
            door = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)
            stack.callback(door.kill)
            doors.append(door)
        for door in doors:
            assert door.stderr is not None
            assert any("the door is open" in line for line in door.stderr)
        asyncio.run(play([f"http://127.0.0.1:{port}" for port in ports], database, made, asked.rate, asked.seconds))
        spent = [psutil.Process(door.pid) for door in doors]
        memory = max(one.memory_info().rss for one in spent) / 2**20
        cpu = sum(sum(one.cpu_times()[:2]) for one in spent)
        print(f"doors: {cpu:.1f} s of CPU together, {memory:.0f} MB the largest")


if __name__ == "__main__":
    main()
