"""Whole runs through the official AG-UI client, and the contract's document through AsyncAPI's own parser."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from events import decode_reply
from events.broker.consumer import Delivery
from events.ordering import ReplyOrder
from storage import agui, inbox, merchants, outbox
from storage.database import Database, Session
from storage.outbox import NewReply, OutgoingReply
from tests import asyncapi, npm, rows
from tests.agent_turns import AgentWorker, Killed, counts
from tests.integration.test_turn_ends import Begins, Dies, Event, Nothing, Provider, Says
from workers.agent import state as state_module
from workers.bootstrap import Resources
from workers.intake.accept import Intake
from workers.model import litellm_call
from workers.model.errors import Cause
from workers.settings import Settings
from workers.workflow import handler, runner
from workflows.loader import load_folder

OFFICIAL = Path(__file__).parent.parent / "official"

MOVES = """\
name: moves
description: Moves before and after an answer
behavior:
  initiator: merchant
  transitions:
    enough:
      condition: "rested == true"
      target_workflow: stays
      message: "Let us rest."
system_events:
  message_received:
    - condition: "text == 'go'"
      actions:
        - {type: transition, target_workflow: stays, message: "Off we go."}
        - {type: process_message, sender: system, message: "go"}
        - {type: transition, target_workflow: ends, message: "Back again."}
    - condition: "text == 'rest'"
      actions:
        - {type: update_context, data: {rested: true}}
    - condition: "text == 'hush'"
      actions:
        - {type: update_context, data: {hushed: true}}
prompts:
  cj:
    system: You are CJ.
"""
STAYS = """\
name: stays
description: Stays
behavior:
  initiator: merchant
  opens: []
prompts:
  cj:
    system: You are CJ.
"""


def node(script: str, *arguments: str, typed: str = "") -> Any:
    npm.installed(OFFICIAL)
    done = subprocess.run(["node", script, *arguments], cwd=OFFICIAL, input=typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read(streams: Sequence[Sequence[dict[str, Any]]]) -> list[Any]:
    """What the official client makes of each stream of AG-UI events."""
    found: list[Any] = node("read.mjs", typed=json.dumps(streams))
    return found


@dataclass
class World:
    """One merchant, one conversation, one worker of each kind."""

    worker: AgentWorker
    provider: Provider
    tools: Resources
    number: int = 0

    @property
    def conversation(self) -> str:
        return self.provider.conversation

    def says(self, text: str, *, merchant: str = "m1") -> None:
        """The merchant says something, and every turn that can run does."""
        self.number += 1
        new = inbox.NewEvent(
            source="/gateway",
            id=f"{self.conversation}-{self.number}",
            type="message_received",
            data={"merchant_id": merchant, "conversation_id": self.conversation, "text": text},
            content_hash=str(self.number).encode(),
            correlation_id="shared",
            merchant_id=merchant,
            conversation_id=self.conversation,
        )
        runner.run(self.tools, rows.store_event(self.worker.database, new))
        waiting = "SELECT id FROM turns WHERE conversation_id = :id AND status = 'queued' ORDER BY seq LIMIT 1"
        while found := self.query(waiting):
            self.worker.ends(found[0][0])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return rows.query(self.worker.database, statement, id=self.conversation)

    def replies(self) -> list[dict[str, Any]]:
        """The conversation's replies as a gateway shows them."""
        bodies = """SELECT r.body FROM replies r JOIN turns t ON t.id = r.turn_id
            WHERE t.conversation_id = :id ORDER BY t.seq, r.sequence"""
        return [body for (body,) in self.query(bodies)]


def stream(replies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for reply in replies for event in reply["data"]]


def history(messages: Sequence[dict[str, Any]]) -> list[str]:
    """What a person reads: words, calls and what came of them."""
    found = []
    for message in messages:
        if message.get("content"):
            found.append(str(message["content"]))
        found += [
            f"{call['function']['name']} {call['function']['arguments']}" for call in message.get("toolCalls", ())
        ]
    return found


Build = Callable[..., World]


@pytest.fixture
def build(clocked: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Build:
    (tmp_path / "moves.yaml").write_text(MOVES)
    for name in ("stays", "ends"):
        (tmp_path / f"{name}.yaml").write_text(STAYS.replace("stays", name))
    workflows = load_folder(tmp_path)

    def start(name: str, *script: Event) -> World:
        worker = AgentWorker(clocked, workflows, names=["openai/x"])
        provider = Provider(script, worker, name)
        monkeypatch.setattr(litellm_call, "call", provider.call)
        monkeypatch.setattr(state_module, "time", SimpleNamespace(monotonic=worker.clock))
        nobody = SimpleNamespace(
            handle_events=lambda *_: None,
            oldest_events=lambda *_, **__: None,
            run_turn=lambda *_: True,
            fetch=lambda *_: True,
            publish=len,
            drop=bool,
        )
        tools = SimpleNamespace(
            database=clocked,
            workflows=workflows,
            wake_ups=nobody,
            cache=nobody,
            reply_publisher=nobody,
            settings=Settings(),
        )
        with clocked.transaction() as session:
            merchants.add_merchant(session, "m1")
            merchants.add_merchant(session, "other")
        return World(worker, provider, cast(Resources, tools))

    return start


CALL = 'shopify_data {"data_type": "counts"}'
OK = '{"success": true}'
CANCELLED = '{"success": false, "error_code": "cancelled"}'

#: What the merchant says, what the model does, how the runs end, and what a person reads then.
RUNS: dict[str, tuple[list[str], list[Event], list[str], list[str]]] = {
    "success": (
        ["hi"],
        [Says("Let me look.", 2), Says("Seven.")],
        ["success"],
        ["Let me look.", CALL, CALL, OK, OK, "Seven."],
    ),
    "silent call": (["hi"], [Says(None, 1), Says("Seven.")], ["success"], [CALL, OK, "Seven."]),
    "moved": (["go"], [Says("There.")], ["success"], ["Off we go.", "There.", "Back again."]),
    "moved by the context": (["rest"], [], ["success"], ["Let us rest."]),
    "nothing to say": (["hush"], [], ["success"], []),
    "absorbed": (["hi"], [Says("Both.", interrupted=True), Says("Both.")], ["success", "success"], ["Both."]),
    "resumed after a kill": (["hi"], [Says(None, 1), Dies(), Says("Seven.")], ["success"], [CALL, OK, "Seven."]),
    "killed in mid-message": (
        ["hi"],
        [Begins("Well. You see. Thi", None), Begins("This we. Will se", Cause.DOWN), Says("See.")],
        ["success"],
        ["Well. You see. This we. See."],
    ),
    "killed in mid-message again and again": (["hi"], [Begins("Oh. We", None), Dies()], ["turn_lost"], ["Oh.", "?"]),
    "killed again and again": (["hi"], [Says("Hm.", 1), Dies()], ["turn_lost"], ["Hm.", CALL, OK, "?"]),
    "killed while it looks": (["hi"], [Says("Hm.", 1)], ["turn_lost"], ["Hm.", CALL, CANCELLED, "?"]),
    "no words": (["hi"], [Nothing(Cause.EMPTY)], ["success"], ["?"]),
    "several": (["hi", "go", "hi"], [Says("A.", 1), Says("B.")], ["success"] * 3, ["A.", CALL, OK, "B."] + ["?"] * 4),
}


@pytest.fixture(scope="module")
def official() -> None:
    if shutil.which("npm") is None and "CI" not in os.environ:  # where its absence is a failure
        pytest.skip("npm is not installed: apt-get install npm")


def dies(_calls: object) -> Any:
    raise Killed


def test_the_official_client_reads_every_run(official: None, build: Build) -> None:
    streams = []
    for name, (said, script, _, _) in RUNS.items():
        world = build(f"{name} {time.time()}", *script)
        if "while it looks" in name:
            world.worker.results = dies
        for text in said:
            world.says(text)
        replies = world.replies()
        streams.append(stream(replies))
        for reply in (reply for reply in replies if name != "absorbed"):  # that message has no id of its own
            assert (reply["merchantid"], reply["correlationid"]) == ("m1", "shared"), name
    for (name, (_, _, ends, read_as)), found in zip(RUNS.items(), read(streams), strict=True):
        assert (found["problem"], found["unknown"], found["warnings"]) == (None, [], []), name
        assert found["ends"] == [[end, []] for end in ends], name
        words = history(found["messages"])
        assert [there if here != "?" else "?" for here, there in zip(read_as, words, strict=True)] == read_as, name


def kinds(reply: dict[str, Any]) -> list[str]:
    return [event["type"] for event in reply["data"]]


def test_who_is_refused_is_told(official: None, build: Build) -> None:
    """Each event that names a conversation has one run, with an end."""
    world = build(f"told {time.time()}", Says("Hello."))
    conversation, database = world.conversation, world.worker.database
    intake = Intake(database, world.tools.wake_ups, threading.Event())

    def comes(merchant: str, text: str, id: str, conversation: str = conversation) -> list[dict[str, Any]]:
        data = {"merchant_id": merchant, "conversation_id": conversation, "text": text}
        frame = {"specversion": "1.0", "id": f"{conversation}-{id}", "source": "/g", "type": "message_received"}
        body = json.dumps({**frame, "correlationid": f"of {id}", "data": data}).encode()
        assert intake.events(cast(Sequence[Delivery], [SimpleNamespace(body=body)]))
        for key in rows.query(database, "SELECT key FROM events WHERE status = 'received' ORDER BY key"):
            runner.run(world.tools, *key)
        found = rows.query(
            database,
            "SELECT r.body FROM replies r WHERE body ->> 'causationid' = :id ORDER BY sequence",
            id=f"{conversation}-{id}",
        )
        return [body for (body,) in found]

    world.says("hi")
    whole = ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_ERROR"]
    nowhere = f"{conversation} nowhere"
    for merchant, text, where, turn, code in (
        ("nobody", "hi", nowhere, 0, "event.unknown_merchant"),
        ("other", "hi", conversation, 0, "event.conversation_merchant_mismatch"),
        ("m1", "x" * 8001, nowhere, 0, "event.bad_value"),
        ("m1", "x" * 8001, conversation, 2, "event.bad_value"),
        ("m1", "x" * 70_000, conversation, 3, "event.too_large"),
        ("m1", "\x00", conversation, 4, "event.bad_value"),
    ):
        id = f"{merchant} {len(text)} {where}"
        for _ in range(2):  # sent twice, told once
            [reply] = comes(merchant, text, id, where)
        assert kinds(reply) == whole
        assert (reply["turn"], reply["sequence"], reply["data"][-1]["code"]) == (turn, "000001", code)
        assert (reply["subject"], reply["merchantid"], reply["correlationid"]) == (where, merchant, f"of {id}")
        assert decode_reply(json.dumps(reply).encode()).text == reply["data"][-1]["message"]
    world.says("again")
    [found] = read([stream(world.replies())])
    assert (found["problem"], found["unknown"], found["warnings"]) == (None, [], [])
    assert [end for end, _ in found["ends"]] == [
        "success", "event.bad_value", "event.too_large", "event.bad_value", "success",
    ]  # fmt: skip


def asks(
    world: World, type: str, *, publish: Callable[[list[OutgoingReply]], int] = len, **data: Any
) -> list[dict[str, Any]]:
    """A request about the conversation; returns what was published. `publish` says how many of a batch were."""
    told: list[dict[str, Any]] = []
    world.number += 1
    event = inbox.NewEvent(
        source="/gateway",
        id=f"{world.conversation}-{world.number}",
        type=type,
        data={"merchant_id": "m1", "conversation_id": world.conversation, **data},
        content_hash=str(world.number).encode(),
        merchant_id="m1",
        conversation_id=world.conversation,
    )

    def broker(replies: list[OutgoingReply]) -> int:
        taken = publish(replies)
        told.extend(reply.body for reply in replies[:taken])
        return taken

    tools = SimpleNamespace(**vars(world.tools))
    tools.reply_publisher = SimpleNamespace(publish=broker)
    key = rows.store_event(world.worker.database, event)
    while rows.query(world.worker.database, "SELECT 1 FROM events WHERE key = :key AND status = 'received'", key=key):
        with contextlib.suppress(Killed):  # the sweeper has it handled again
            runner.run(cast(Resources, tools), key)
    return told


@pytest.mark.parametrize("when", ["while it thinks", "while it looks", "while it pauses"])
def test_a_stop_ends_the_run_wherever_it_is(
    official: None, build: Build, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    world = build(f"stopped {when} {time.time()}", Says("Let me look.", 1), Says("Too late."))
    ask, stops = world.provider.call, []

    def stop() -> None:
        stops.append(asks(world, "stop_requested"))

    def thinks(*call: Any) -> Any:
        if when == "while it thinks" and world.provider.began:
            stop()
        return ask(*call)

    def looks(calls: Any) -> Any:
        if when == "while it looks":
            stop()
        return [counts(call) for call in calls]

    run_turn = world.worker.run_turn

    def pauses(turn_id: int, after_seconds: float = 0.0) -> bool:
        if when == "while it pauses" and not stops:
            stop()
        return bool(run_turn(turn_id, after_seconds))

    monkeypatch.setattr(litellm_call, "call", thinks)
    monkeypatch.setattr(world.worker, "run_turn", pauses)
    world.worker.results = looks
    world.says("hi")
    assert [kind for reply in stops[0] for kind in kinds(reply)][-1] == "RUN_FINISHED"
    assert asks(world, "stop_requested", all=True) == [], "it has ended already"
    monkeypatch.setattr(litellm_call, "call", ask)
    world.says("and now?")
    [found] = read([stream(world.replies())])
    assert (found["problem"], found["unknown"], found["warnings"]) == (None, [], [])
    assert found["ends"] == [["cancelled", []], ["success", []]]
    words = history(found["messages"])
    assert words[0] == "Let me look."
    assert words[-1] == "Too late."
    assert words.count(CANCELLED) == (when == "while it looks")


def test_what_waits_can_be_stopped_too(official: None, build: Build) -> None:
    world = build(f"all {time.time()}", Says("Hello."))
    for text in ("one", "two", "three"):
        rows.queue(world.worker.database, text, conversation_id=world.conversation)
    [only] = asks(world, "stop_requested")
    assert kinds(only) == ["RUN_STARTED", "RUN_FINISHED"]
    assert [reply["turn"] for reply in asks(world, "stop_requested", all=True)] == [2, 3]
    [found] = read([stream(world.replies())])
    assert (found["problem"], found["ends"]) == (None, [["cancelled", []]] * 3)


def test_what_was_said_is_sent_again_in_order(build: Build) -> None:
    world = build(f"again {time.time()}", Says("Let me look.", 1), Says("Seven."))
    world.says("hi")
    world.says("go")
    said = world.replies()
    order, shown = ReplyOrder(), []
    for reply in [*said, *asks(world, "replies_requested")]:
        order.offer(decode_reply(json.dumps(reply).encode()), 0.0)
        while (due := order.due(0.0)) is not None:
            order.shown(due)
            shown.append((due.id, due.repeats is not None))
    assert shown == [(reply["id"], again) for again in (False, True) for reply in said]
    some = asks(world, "replies_requested", after={"turn": 1, "sequence": 2})
    assert [reply["id"] for reply in some] == [reply["id"] for reply in said[2:]]
    assert asks(world, "replies_requested", after={"turn": 9, "sequence": 1}) == []


def test_who_wants_history_is_told_it_once(official: None, build: Build) -> None:
    """What was said, without what was looked up; then the run that is under way, as far as it has come."""
    world = build(f"history {time.time()}", Says("Let me look.", 1), Says("Seven."), Says("There."))
    world.says("hi")
    world.says("go")
    running = rows.queue(world.worker.database, "And now?", conversation_id=world.conversation)
    claimed = rows.claim(world.worker.database, running)
    with world.worker.database.transaction() as session:
        part = agui.text("m", "I say ", ends=False)
        outbox.append(session, claimed.turn_id, [NewReply("s", agui.run_started("c", "r")), NewReply("part", part)])
    told = asks(world, "replies_requested", snapshot=True, after={"turn": 9, "sequence": 9})
    assert [(reply["turn"], reply["sequence"]) for reply in told] == [(0, "000001"), (3, "000001"), (3, "000002")]
    assert {reply["repeats"] for reply in told} == {f"{world.conversation}-3"}
    assert told[0]["data"][-1]["result"] == {"after": {"turn": 3, "sequence": 0}}
    expected = ["hi", "Let me look.", "Seven.", "go", "Off we go.", "There.", "Back again.", "And now?"]
    assert [words for _, words in decode_reply(json.dumps(told[0]).encode()).history or ()] == expected
    rest = [*agui.text("m", "more.", begins=False), *agui.run_finished("c", "r")]
    [found] = read([[*stream(told), *rest]])
    assert (found["problem"], found["unknown"], found["warnings"]) == (None, [], [])
    assert history(found["messages"]) == [*expected, "I say more."]
    rows.execute(world.worker.database, "UPDATE conversations SET by_door = true")
    assert asks(world, "replies_requested", snapshot=True) == [], "those who read at the door ask there"


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("what", ["is away", "takes a part", "dies before", "dies behind"])
def test_what_was_asked_for_is_sent_whatever_dies(
    build: Build, monkeypatch: pytest.MonkeyPatch, what: str, snapshot: bool
) -> None:
    """At each batch once: the broker is away or takes only some of it, or the worker dies around publishing it."""
    monkeypatch.setattr(handler, "SENT_TOGETHER", 2)
    world = build(f"durable {what} {snapshot} {time.time()}", Says("Let me look.", 1), Says("Seven."), Says("There."))
    world.says("hi")
    running = rows.queue(world.worker.database, "And now?", conversation_id=world.conversation)
    with world.worker.database.transaction() as session:
        started = NewReply("s", agui.run_started("c", "r"))
        outbox.append(session, running, [started, NewReply("one", agui.text("m", "One.")), NewReply("two", [])])
    batches: list[list[str]] = []

    def publish(replies: list[OutgoingReply]) -> int:
        places = [f"{reply.body['turn']}:{reply.body['sequence']}" for reply in replies]
        batches.append(places)
        if batches.count(places) > 1:
            return len(replies)
        if len(batches) == 1:  # the run ends, another follows
            with world.worker.database.transaction() as session:
                outbox.append(session, running, [NewReply("end", agui.run_finished("c", "r"))])
        if what == "dies before":
            raise Killed
        return {"is away": 0, "takes a part": 1, "dies behind": len(replies)}[what]

    def dying(session: Session, key: int, progress: Any, keep: Any = inbox.keep_progress) -> None:
        if what == "dies behind" and batches and batches.count(batches[-1]) == 1:
            raise Killed
        keep(session, key, progress)

    monkeypatch.setattr(inbox, "keep_progress", dying)
    told = asks(world, "replies_requested", snapshot=snapshot, publish=publish)
    order, shown = ReplyOrder(), []
    for reply in told:
        order.offer(decode_reply(json.dumps(reply).encode()), 0.0)
        while (due := order.due(0.0)) is not None:
            order.shown(due)
            shown.append(due)
    said = world.replies()
    expected = [reply["id"] for reply in said if reply["turn"] > 1 or not snapshot]
    assert [reply.id for reply in shown][snapshot:] == expected
    if snapshot:
        assert [words for _, words in shown[0].history or ()] == ["hi", "Let me look.", "Seven.", "And now?"]
        assert shown[0].data[-1]["result"] == {"after": {"turn": 2, "sequence": 0}}
    assert {batches.count(places) for places in batches if len(places) > 1} == {2}


def test_asyncapis_own_parser_has_nothing_to_say(official: None) -> None:
    found = node("parse.mjs", str(asyncapi.PATH))
    assert found["understood"]
    assert [item for item in found["said"] if item["code"] != "asyncapi-latest-version"] == []
