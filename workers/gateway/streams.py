"""Sends replies to open streams as they are committed.

One listener hears which conversations have something new, and one reader queries all of them at once, so a thousand
streams cost one round trip. Nothing is read for a stream whose client is not waiting, so slow clients use no memory.
A missed notice is made up for by the next query; while the listener is down, all streams are queried once a second.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

from storage import door
from storage.door import NextReplies, Wanted
from storage.errors import StorageError
from workers import logs

log = logs.get(__name__)

BATCH = 200
"""How many streams are read for together."""
LOOK_SECONDS = 1.0
"""Seconds between queries while the listener is down, and between its attempts to reconnect."""

Read = Callable[[Sequence[Wanted]], list[NextReplies]]


class ReplyStream:
    """One client's stream, from a place on. For one reader."""

    def __init__(self, streams: "Streams", wanted: Wanted) -> None:
        self.wanted = wanted
        self._streams = streams
        self._is_stale = True
        """Whether there may be something new."""
        self._waiting: asyncio.Future[NextReplies] | None = None

    async def next(self, seconds: float) -> NextReplies | None:
        """The next replies, or that the stream has ended; None if nothing came within `seconds`."""
        waiting: asyncio.Future[NextReplies] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        if self._is_stale:
            self._streams.look_for(self)
        await asyncio.wait([waiting], timeout=seconds)
        self._waiting = None
        if not waiting.done():
            self._is_stale = True  # in case a notice was missed
            return None
        given = waiting.result()
        if given.replies:
            self.wanted = replace(self.wanted, place=given.replies[-1].place)
        return given

    def wake(self) -> None:
        """Report that there may be something new."""
        self._is_stale = True
        if self._waiting is not None:
            self._streams.look_for(self)

    def end(self) -> None:
        """End the stream."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(NextReplies([], has_more=False, has_ended=True))

    def looking(self) -> Wanted | None:
        """What to read for it now; None if its client is not waiting."""
        if self._waiting is None or self._waiting.done():
            return None
        self._is_stale = False
        return self.wanted

    def take(self, wanted: Wanted, given: NextReplies | None) -> None:
        """Take what was found for `wanted`; None if Postgres did not answer."""
        if given is None or given.has_more:
            self._is_stale = True
        if given is None or not (given.replies or given.has_ended):
            if self._is_stale:
                self.wake()
        elif self._waiting is not None and not self._waiting.done() and self.wanted is wanted:
            self._waiting.set_result(given)
        else:
            self.wake()  # the reader has left, or got something meanwhile: read again


class Streams:
    """All open streams of a door."""

    def __init__(self, read: Read, executor: Executor) -> None:
        self._read, self._executor = read, executor
        self._by_conversation: dict[str, set[ReplyStream]] = defaultdict(set)
        self._to_look_for: dict[ReplyStream, None] = {}
        self._go = asyncio.Event()
        self.is_hearing = False
        self._is_failing = False
        """Whether replies could not be read; logged once."""

    def __len__(self) -> int:
        return sum(map(len, self._by_conversation.values()))

    def has(self, conversation_id: str) -> bool:
        """Whether a stream of this conversation is open; thread-safe. A stream reads once when it opens."""
        return conversation_id in self._by_conversation

    @contextmanager
    def open(self, wanted: Wanted) -> Iterator[ReplyStream]:
        """A stream, until the end of the block."""
        stream = ReplyStream(self, wanted)
        self._by_conversation[wanted.conversation_id].add(stream)
        try:
            yield stream
        finally:
            of_conversation = self._by_conversation[wanted.conversation_id]
            of_conversation.discard(stream)
            if not of_conversation:
                del self._by_conversation[wanted.conversation_id]

    def heard(self, conversations: set[str]) -> None:
        """Report conversations with something new; an empty collection means that any may have."""
        for name in conversations or list(self._by_conversation):
            for stream in self._by_conversation.get(name, ()):
                stream.wake()

    def end(self) -> None:
        """End all reply streams."""
        for stream in [stream for some in self._by_conversation.values() for stream in some]:
            if stream.wanted.until is None:
                stream.end()

    def look_for(self, stream: ReplyStream) -> None:
        """Read for this stream soon."""
        self._to_look_for[stream] = None
        self._go.set()

    async def run(self) -> None:
        """Read for the streams that wait, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._go.wait()
            batch = [(stream, wanted) for stream in self._some() if (wanted := stream.looking()) is not None]
            if not batch:
                continue
            try:
                given: Sequence[NextReplies | None] = await loop.run_in_executor(
                    self._executor, self._read, [wanted for _, wanted in batch]
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, the streams must go on
                reason = str(error) if isinstance(error, StorageError) else type(error).__name__
                if not self._is_failing:
                    log.warning("replies cannot be read", reason=reason)
                self._is_failing = True
                await asyncio.sleep(LOOK_SECONDS)
                given = [None] * len(batch)
            else:
                self._is_failing = False
            for (stream, wanted), found in zip(batch, given, strict=True):
                stream.take(wanted, found)

    def _some(self) -> list[ReplyStream]:
        """The streams to read for together; the rest wait for the next round."""
        batch = list(self._to_look_for)[:BATCH]
        for stream in batch:
            del self._to_look_for[stream]
        if not self._to_look_for:
            self._go.clear()
        return batch

    async def look_while_nothing_is_heard(self) -> None:
        """While the listener is down, query once a second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.is_hearing:
                self.heard(set())


class Listener:
    """Listens for Postgres notices on its own thread, and tells the streams. Survives any error."""

    def __init__(self, url: str, streams: Streams, loop: asyncio.AbstractEventLoop) -> None:
        self._url, self._streams, self._loop = url, streams, loop
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                door.listen(self._url, self._heard, self._stop.is_set)
            except StorageError as error:
                if self._streams.is_hearing:
                    log.warning("no notices come; replies are looked for once a second", reason=str(error))
                self._streams.is_hearing = False
            self._stop.wait(LOOK_SECONDS)

    def _heard(self, conversations: set[str]) -> None:
        self._streams.is_hearing = True
        ours = {name for name in conversations if self._streams.has(name)}
        if ours or not conversations:  # conversations without a stream here need not wake anything
            self._loop.call_soon_threadsafe(self._streams.heard, ours)
