"""`cj chat` and `cj replies`: gateways in the terminal, built on the public contract alone."""

import json
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from workers.cli.common import CommandFailed, WrongUse, examples, json_option, plain, settings_for

if TYPE_CHECKING:
    from events.replies import Reply

PROMPT = "you> "
#: Seconds of silence after which the user is told where to look.
PATIENCE = 15.0
#: Seconds a scripted chat waits for its last turn to end.
LIMIT = 120.0


@click.command(
    short_help="Talk with CJ in the terminal.",
    epilog=examples(
        "cj chat m1                                  start a conversation as merchant m1",
        "cj chat m1 --conversation conv_1            continue one",
        "cj chat m1 --workflow weekly_review         start one in a workflow",
        "echo 'How was my week?' | cj chat m1        ask one question from a script",
    ),
)
@click.argument("merchant_id", metavar="MERCHANT")
@click.option("--conversation", "conversation_id", metavar="ID", help="Conversation to continue; default: a new one.")
@click.option("--workflow", metavar="NAME", help="Start the new conversation in this workflow, as the gateway can.")
def chat(merchant_id: str, conversation_id: str | None, workflow: str | None) -> None:
    """Talk with CJ as MERCHANT, until Ctrl-D.

    Publishes message_received and shows the replies. The merchant must exist (`cj store-token` creates one).
    """
    if workflow is not None and conversation_id is not None:
        raise WrongUse("--workflow starts a new conversation, --conversation continues one: give one of them")
    settings = settings_for("BROKER_URL")
    conversation_id = conversation_id or f"chat-{uuid.uuid4().hex[:8]}"
    click.echo(f"conversation {conversation_id}; press Ctrl-D to end", err=True)
    terminal = sys.stdin.isatty()
    gateway = Gateway(settings.broker_url, merchant_id, conversation_id, PROMPT if terminal else "")
    gateway.start()
    try:
        if workflow is not None:
            gateway.begin(workflow)
        for text in _typed(terminal):
            gateway.say(text)
        if not terminal and not gateway.wait(LIMIT):
            raise CommandFailed(f"no answer within {LIMIT:g} s; `cj events rejected` lists refused events")
    except KeyboardInterrupt:
        click.echo(err=True)
    finally:
        gateway.stop()


class Gateway:
    """Publishes what the merchant says in one conversation and prints what comes back."""

    def __init__(self, broker_url: str, merchant_id: str, conversation_id: str, prompt: str) -> None:
        from events import Publisher

        self._broker_url, self._prompt = broker_url, prompt
        self._merchant_id, self._conversation_id = merchant_id, conversation_id
        self._publisher = Publisher(broker_url)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._open: set[str] = set()  # ids of messages not answered yet
        self._heard_at = time.monotonic()
        self._consumer = threading.Thread(target=self._consume, name="replies", daemon=True)

    def start(self) -> None:
        self._consumer.start()

    def begin(self, workflow: str) -> None:
        """Start the conversation in this workflow; what CJ begins with, if anything, comes as any reply."""
        data = {"merchant_id": self._merchant_id, "conversation_id": self._conversation_id, "workflow": workflow}
        self._publisher.publish("conversation_started", data, source="/chat")

    def say(self, text: str) -> None:
        data = {"merchant_id": self._merchant_id, "conversation_id": self._conversation_id, "text": text}
        event_id = str(uuid.uuid4())
        with self._changed:
            self._open.add(event_id)
            self._heard_at = time.monotonic()
        self._publisher.publish("message_received", data, source="/chat", id=event_id)

    def wait(self, seconds: float) -> bool:
        """Wait until every message has been answered; False if time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def stop(self) -> None:
        self._stop.set()
        self._consumer.join(5.0)
        self._publisher.close()

    def _consume(self) -> None:
        from events.replies import RepliesConsumer

        RepliesConsumer(self._broker_url).run(self._show, stop=self._stop, until=self._remind)

    def _show(self, reply: "Reply") -> None:
        if (reply.merchantid, reply.subject) != (self._merchant_id, self._conversation_id):
            self._print(f"(another conversation) {line(reply)}")
            return
        if reply.text is not None:
            failed = [_note(event) for event in reply.data if event["type"] == "RUN_ERROR"]
            self._print(" ".join([_words(reply), *(f"({note})" for note in failed)]))
        with self._changed:
            self._heard_at = time.monotonic()
            if reply.final and reply.causationid:
                self._open.discard(reply.causationid)
            self._changed.notify_all()

    def _remind(self) -> bool:
        """Called regularly by the consumer: prints a hint after a long silence."""
        if self._open and time.monotonic() - self._heard_at > PATIENCE:
            self._heard_at = time.monotonic()
            self._print("(no answer yet; `cj events rejected` lists refused events)")
        return False

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
    short_help="Take replies off the broker.",
    epilog=examples("cj replies", "cj replies --json | jq .data", "cj replies --once 1"),
)
@click.option("--once", "count", type=click.IntRange(1), metavar="N", help="Stop after N replies.")
@json_option
def replies(count: int | None, as_json: bool) -> None:
    """Print CJ's replies as they arrive and acknowledge them, until Ctrl-C.

    This acts as a gateway: other gateways on this broker do not see the replies it takes.
    """
    from events.replies import RepliesConsumer

    broker_url = settings_for("BROKER_URL").broker_url
    seen = 0

    def show(reply: "Reply") -> None:
        nonlocal seen
        click.echo(json.dumps(json.loads(reply.encode())) if as_json else line(reply))
        seen += 1

    try:
        RepliesConsumer(broker_url).run(show, until=lambda: count is not None and seen >= count)
    except KeyboardInterrupt:
        click.echo(err=True)


def line(reply: "Reply") -> str:
    """One reply for people: conversation, turn, content."""
    return f"{reply.subject} turn {reply.turn}: {said(reply)}"


def said(reply: "Reply") -> str:
    """What a reply says, in one line, or one paragraph for each message."""
    parts = [] if reply.text is None else [_words(reply)]
    return " ".join([*parts, *(f"({note})" for note in map(_note, reply.data) if note)])


def _words(reply: "Reply") -> str:
    return plain(f"    {(reply.text or '').strip()}" if reply.continues else f"CJ: {reply.text}")


def _note(event: dict[str, Any]) -> str:
    """What an AG-UI event says beside the words."""
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
