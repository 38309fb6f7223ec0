"""No notification is lost, whenever it arrives."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from storage.door import NextReplies, ReplyPlace, StoredReply, Wanted
from storage.errors import StorageUnavailable
from workers.gateway import streams
from workers.gateway.streams import Streams


@pytest.mark.parametrize("seed", range(5))
def test_every_reply_is_handed_out_once_and_at_once(seed: int) -> None:
    committed = 0
    dice = random.Random(seed)

    def read(wanted: Sequence[Wanted]) -> list[NextReplies]:
        now = committed
        found = [range(one.place.sequence + 1, now + 1) for one in wanted]
        replies = [[StoredReply(ReplyPlace(1, number), {}, 0.0) for number in numbers] for numbers in found]
        return [NextReplies(some, has_more=False, has_ended=False) for some in replies]

    async def play() -> None:
        nonlocal committed
        with ThreadPoolExecutor(1) as executor:
            streams = Streams(read, executor)
            reading = asyncio.create_task(streams.run())

            async def client() -> list[int]:
                got: list[int] = []
                with streams.open(Wanted("m", "c", ReplyPlace(1, 0))) as stream:
                    while len(got) < 300:
                        given = await stream.next(5.0)
                        assert given is not None, "it waits though there is something new"
                        got += [reply.place.sequence for reply in given.replies]
                        for _ in range(dice.randrange(3)):
                            await asyncio.sleep(0)
                return got

            clients = [asyncio.create_task(client()) for _ in range(3)]
            while committed < 300:
                committed += 1
                streams.heard({"c"})
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
            for got in await asyncio.gather(*clients):
                assert got == list(range(1, 301))
            reading.cancel()

    asyncio.run(play())


def test_an_outage_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(streams, "log", SimpleNamespace(warning=lambda message, **_: said.append(message)))
    left = 5

    def read(wanted: Sequence[Wanted]) -> list[NextReplies]:
        nonlocal left
        left -= 1
        if left > 0:
            raise StorageUnavailable("Postgres is away")
        return [NextReplies([], has_more=False, has_ended=True) for _ in wanted]

    async def play() -> None:
        with ThreadPoolExecutor(1) as executor:
            opened = Streams(read, executor)
            reading = asyncio.create_task(opened.run())
            with opened.open(Wanted("m", "c", ReplyPlace())) as stream:
                assert (await stream.next(5.0)) is not None
            reading.cancel()

    asyncio.run(play())
    assert (left, said) == (0, ["replies cannot be read"])
