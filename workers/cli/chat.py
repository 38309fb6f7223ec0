"""`cj chat` and `cj replies`: what CJ says, in the terminal, without disturbing a gateway."""

import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from workers.cli.common import CommandFailed, Identifier, WrongUse, examples, json_option, plain, settings_for

if TYPE_CHECKING:
    from events.reply import Reply
    from workers.settings import Settings

PROMPT = "you> "
SOURCE = "/chat"
ACK_TYPE = "application/json"
#: Seconds between two polls for new replies, and how many are read at once.
LOOK_SECONDS = 0.1
AT_ONCE = 1000
#: A reply is committed a moment after the time it carries.
OVERLAP = timedelta(seconds=30)
#: Seconds of silence after which the user is told where to look.
PATIENCE = 15.0
#: Seconds a scripted chat waits for its last turn to end.
LIMIT = 120.0


@click.command(
    short_help="Talk with CJ in the terminal.",
    epilog=examples(
        "cj chat m1                                  start a conversation as merchant m1",
        "cj chat m1 --conversation conv_1            read what was said in one, and continue it",
        "cj chat m1 --workflow weekly_review         start one in a workflow",
        "echo 'How was my week?' | cj chat m1        ask one question from a script",
    ),
)
@click.argument("merchant_id", type=Identifier(), metavar="MERCHANT")
@click.option(
    "--conversation",
    "conversation_id",
    type=Identifier(),
    metavar="ID",
    help="Conversation to continue; default: a new one.",
)
@click.option("--workflow", metavar="NAME", help="Start the new conversation in this workflow, as the gateway can.")
def chat(merchant_id: str, conversation_id: str | None, workflow: str | None) -> None:
    """Talk with CJ as MERCHANT, until Ctrl-D.

    Publishes message_received and shows the replies as CJ commits them, without taking any from the gateway. The
    merchant must exist (`cj store-token` creates one).
    """
    if workflow is not None and conversation_id is not None:
        raise WrongUse("--workflow starts a new conversation, --conversation continues one: give only one of them")
    settings = settings_for("BROKER_URL", "DATABASE_URL")
    is_new, conversation_id = conversation_id is None, conversation_id or f"chat-{uuid.uuid4().hex[:8]}"
    click.echo(f"conversation {conversation_id}; press Ctrl-D to end", err=True)
    terminal = sys.stdin.isatty()
    talk = Talk(settings, merchant_id, conversation_id, PROMPT if terminal else "", new=is_new)
    talk.start()
    try:
        if workflow is not None:
            talk.begin(workflow)
        for text in _typed(terminal):
            talk.say(text)
        if not terminal and not talk.wait(LIMIT):
            raise CommandFailed(f"no answer within {LIMIT:g} s; `cj events rejected` lists refused events")
    except KeyboardInterrupt:
        click.echo(err=True)
    finally:
        talk.stop()


class Talk:
    """Publishes what the merchant says in one conversation, and prints what CJ says there.

    It reads Postgres: the queue `replies` belongs to the gateway, and consuming it would take other merchants' replies.
    """

    def __init__(self, settings: "Settings", merchant_id: str, conversation_id: str, prompt: str, *, new: bool) -> None:
        from events import Publisher
        from storage.database import Database

        self._broker_url, self._prompt = settings.broker_url, prompt
        self._merchant_id, self._conversation_id = merchant_id, conversation_id
        self._publisher = Publisher(settings.broker_url)
        self._database = Database(settings.database_url, application_name="cj-cli")
        self._is_new = new
        self._place = (0, 0)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._open: set[str] = set()  # ids of messages not answered yet
        self._heard_at = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="replies", daemon=True)

    def start(self) -> None:
        from storage import outbox, snapshots

        with self._database.reading() as session:
            self._place = outbox.last_place(session, self._conversation_id)
            before = snapshots.read(session, self._merchant_id, self._conversation_id, by_door=False)
        if before is not None:  # what was said so far; an unfinished run is shown as it continues
            self._place = (before.place.turn, before.place.sequence)
            for message in before.messages:
                click.echo(plain(f"{PROMPT if message['role'] == 'user' else 'CJ: '}{message['content']}"))
        self._reader.start()

    def begin(self, workflow: str) -> None:
        """Start the conversation in this workflow; CJ's first words, if any, arrive like any reply."""
        data = {"merchant_id": self._merchant_id, "conversation_id": self._conversation_id, "workflow": workflow}
        self._publisher.publish("conversation_started", data, source=SOURCE)

    def say(self, text: str) -> None:
        data = {"merchant_id": self._merchant_id, "conversation_id": self._conversation_id, "text": text}
        event_id = str(uuid.uuid4())
        with self._changed:
            self._open.add(event_id)
            self._heard_at = time.monotonic()
        self._publisher.publish("message_received", data, source=SOURCE, id=event_id)

    def wait(self, seconds: float) -> bool:
        """Wait until every message has been answered; False if time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def stop(self) -> None:
        self._stop.set()
        self._reader.join(5.0)
        self._publisher.close()
        self._database.dispose()

    def _read(self) -> None:
        from events.reply import decode_reply
        from storage import outbox
        from storage.errors import StorageError

        while not self._stop.wait(LOOK_SECONDS):
            try:
                with self._database.reading() as session:
                    found = outbox.after(session, self._conversation_id, self._place, limit=AT_ONCE)
                    found += outbox.apart(session, SOURCE, sorted(self._open))
            except StorageError as error:
                self._print(f"({error}; trying again)")
                continue
            for outgoing in found:
                reply = decode_reply(outgoing.body)
                self._place = max(self._place, reply.place)
                self._show(reply)
            if found and self._is_new:  # nobody else shows them
                self._acknowledge([outgoing.id for outgoing in found])
            self._remind()

    def _acknowledge(self, ids: list[str]) -> None:
        from kombu import Producer

        from events import queues
        from events.reply import Ack

        try:
            with queues.connection(self._broker_url) as broker, queues.open_channel(broker) as channel:
                queues.declare(queues.ACKS, broker, channel)
                acks = [Ack(id=id).encode() for id in ids]
                queues.put(Producer(channel, auto_declare=False), queues.ACKS, *acks, content_type=ACK_TYPE)
        except Exception as error:  # noqa: BLE001 - the broker's client fails in many ways; unacked replies are only sent again
            self._print(f"(not acknowledged: {type(error).__name__})")

    def _show(self, reply: "Reply") -> None:
        if reply.text is not None:
            failed = [_note(event) for event in reply.data if event["type"] == "RUN_ERROR"]
            self._print(" ".join([_words(reply), *(f"({note})" for note in failed)]))
        with self._changed:
            self._heard_at = time.monotonic()
            if reply.final and reply.causationid:
                self._open.discard(reply.causationid)
            self._changed.notify_all()

    def _remind(self) -> None:
        """Print a hint after a long silence."""
        if self._open and time.monotonic() - self._heard_at > PATIENCE:
            self._heard_at = time.monotonic()
            self._print("(no answer yet; `cj events rejected` lists refused events)")

    def _print(self, text: str) -> None:
        """Print a line above the prompt, where the merchant may be typing."""
        start = f"\r{' ' * len(self._prompt)}\r" if self._prompt else ""
        click.echo(f"{start}{text}\n{self._prompt}" if self._prompt else text, nl=not self._prompt)


def _typed(terminal: bool) -> Iterator[str]:
    while True:
        try:
            text = input(PROMPT if terminal else "").strip()
        except EOFError:
            return
        if text:
            yield text


@click.command(
    short_help="Watch CJ's replies.",
    epilog=examples("cj replies", "cj replies --json | jq .data", "cj replies --once 1"),
)
@click.option("--once", "count", type=click.IntRange(1, 1_000_000), metavar="N", help="Stop after N replies.")
@json_option
def replies(count: int | None, as_json: bool) -> None:
    """Print CJ's replies in all conversations as CJ commits them, until Ctrl-C.

    This only watches: it reads Postgres, takes no reply from the gateway, and acknowledges none.
    """
    try:
        for reply in islice(_committed(settings_for("DATABASE_URL").database_url), count):
            click.echo(json.dumps(json.loads(reply.encode())) if as_json else line(reply))
    except KeyboardInterrupt:
        click.echo(err=True)


def _committed(database_url: str) -> "Iterator[Reply]":
    """Yields replies of all conversations from now on, without end."""
    from events.reply import decode_reply
    from storage import outbox
    from storage.database import Database

    with Database(database_url, application_name="cj-cli") as database:
        with database.reading() as session:
            began = outbox.now(session)
        seen: set[str] = set()
        while True:
            with database.reading() as session:
                since = max(began, outbox.now(session) - OVERLAP)
                found = [one for one in outbox.recent(session, since, limit=AT_ONCE) if one.id not in seen]
            seen |= {one.id for one in found}
            yield from sorted((decode_reply(one.body) for one in found), key=lambda reply: (reply.time, reply.place))
            time.sleep(0 if found else LOOK_SECONDS)


def line(reply: "Reply") -> str:
    """One reply as text: conversation, turn, content."""
    return f"{reply.subject} turn {reply.turn}: {said(reply)}"


def said(reply: "Reply") -> str:
    """What a reply says, in one line, or one paragraph for each message."""
    parts = [] if reply.text is None else [_words(reply)]
    return " ".join([*parts, *(f"({note})" for note in map(_note, reply.data) if note)])


def _words(reply: "Reply") -> str:
    return plain(f"    {(reply.text or '').strip()}" if reply.continues else f"CJ: {reply.text}")


def _note(event: dict[str, Any]) -> str:
    """What an AG-UI event says other than a message's text."""
    match event["type"]:
        case "TOOL_CALL_START":
            return f"{event.get('toolCallName')} …"
        case "TOOL_CALL_RESULT":
            result = json.loads(event["content"])
            return "found" if result.get("success") else f"failed, {result.get('error_code')}"
        case "RUN_ERROR":
            return f"failed, {event.get('code')}"
        case "CUSTOM":
            return f"{event.get('name')} {json.dumps(event.get('value'))}"
        case "RUN_STARTED" | "RUN_FINISHED" as kind:
            cancelled = (event.get("outcome") or {}).get("type") == "cancelled"
            return "run cancelled" if cancelled else str(kind).lower().replace("_", " ")
    return ""
