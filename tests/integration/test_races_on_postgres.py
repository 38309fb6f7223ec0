"""Many threads on one real Postgres: what must hold whoever wins."""

import random
import threading
import time
from collections import Counter, defaultdict

import pytest
from pydantic import SecretStr

from storage import inbox, merchants, outbox, turns
from storage.database import Database
from storage.errors import LostTurn, StorageUnavailable
from storage.inbox import Accepted, Reused
from storage.outbox import NewReply
from storage.turns import Claim, TurnInput
from storage.vault import Vault, new_key_text
from tests import rows
from tests.rows import at_once, claim, execute, new_event, open_conversation, query, queue, store_event
from tests.waiting import wait_until
from workers.workflow.handler import handle
from workflows.loader import load_folder

WORKERS = 8
LIMIT_SECONDS = 60.0


def try_claim(database: Database, turn_id: int, *, lease_seconds: float = 60.0) -> Claim | None:
    with database.transaction() as session:
        claimed = turns.claim(session, turn_id, lease_seconds=lease_seconds, owner="test")
    return claimed if isinstance(claimed, Claim) else None


def ended(database: Database, turn_id: int) -> bool:
    return query(database, "SELECT status FROM turns WHERE id = :id", id=turn_id)[0][0] in ("done", "dead")


def test_one_of_many_gets_the_turn(database: Database) -> None:
    for number in range(10):
        turn_id = queue(database, conversation_id=f"c{number}", merchant_id=f"m{number}")
        claimed = at_once(lambda same_turn: try_claim(database, same_turn), [turn_id] * WORKERS)
        assert sum(item is not None for item in claimed) == 1
    assert query(database, "SELECT DISTINCT attempt FROM turns") == [(1,)]


def test_a_merchants_limit_holds_when_all_come_at_once(database: Database) -> None:
    for number in range(5):
        merchant = f"m{number}"
        ids = [queue(database, conversation_id=f"{merchant}-c{n}", merchant_id=merchant) for n in range(WORKERS)]
        claimed = at_once(lambda turn_id: try_claim(database, turn_id), ids)
        assert sum(item is not None for item in claimed) == 2


def test_every_turn_runs_once_in_order_and_alone_in_its_conversation(database: Database) -> None:
    """Independent workers try turns at random until all are done."""
    merchant_of = {f"c{number}": f"m{number // 3}" for number in range(12)}
    for _ in range(5):
        for conversation_id, merchant_id in merchant_of.items():
            queue(database, conversation_id=conversation_id, merchant_id=merchant_id)
    everything = [row[0] for row in query(database, "SELECT id FROM turns")]
    guard = threading.Lock()
    running: Counter[str] = Counter()
    order: dict[str, list[int]] = defaultdict(list)
    faults: list[str] = []

    def begin(claimed: Claim) -> None:
        with guard:
            running[claimed.conversation_id] += 1
            order[claimed.conversation_id].append(claimed.seq)
            of_merchant = sum(n for name, n in running.items() if merchant_of[name] == claimed.merchant_id)
            if running[claimed.conversation_id] > 1 or of_merchant > 2:
                faults.append(f"{claimed}: {running}")

    def work(seed: int) -> None:
        shuffled = random.Random(seed)
        left = list(everything)
        deadline = time.monotonic() + LIMIT_SECONDS
        while left and time.monotonic() < deadline:
            turn_id = shuffled.choice(left)
            claimed = try_claim(database, turn_id)
            if claimed is not None:
                begin(claimed)
                with database.transaction() as session:
                    turns.add_step(session, claimed, 0, {"content": "x"})
                with guard:
                    running[claimed.conversation_id] -= 1
                with database.transaction() as session:
                    turns.finish(session, claimed)
            if claimed is not None or ended(database, turn_id):
                left.remove(turn_id)

    at_once(work, range(WORKERS))
    assert faults == []
    assert dict(order) == {conversation_id: [1, 2, 3, 4, 5] for conversation_id in merchant_of}
    assert query(database, "SELECT status, attempt, count(*) FROM turns GROUP BY 1, 2") == [("done", 1, 60)]


def test_workers_that_oversleep_their_lease_say_nothing_twice(database: Database) -> None:
    """Zombies on purpose: leases of 50 ms, workers that pause up to 100 ms between any two commits."""
    ids = [queue(database, conversation_id=f"c{n}", merchant_id=f"m{n}") for n in range(10)]
    wanted = ["started", "0:text", "1:text", "end"]
    lost = Counter[str]()

    def said(turn_id: int) -> set[str]:
        return {row[0] for row in query(database, "SELECT key FROM replies WHERE turn_id = :id", id=turn_id)}

    def say(claimed: Claim, key: str) -> None:
        with database.transaction() as session:
            turns.hold(session, claimed)
            outbox.append(session, claimed.turn_id, [NewReply(key, [{"attempt": claimed.attempt}])])
            if key == "end":
                turns.finish(session, claimed)

    def work(seed: int) -> None:
        dice = random.Random(seed)
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            left = [row[0] for row in query(database, "SELECT id FROM turns WHERE finished_at IS NULL")]
            if not left:
                return
            with database.transaction() as session:
                turns.expire(session, max_failures=10**6)
            claimed = try_claim(database, dice.choice(left), lease_seconds=0.05)
            if claimed is None:
                continue
            try:
                for key in [key for key in wanted if key not in said(claimed.turn_id)]:
                    threading.Event().wait(dice.random() * 0.1)
                    say(claimed, key)
            except LostTurn:
                lost["turn"] += 1

    at_once(work, range(WORKERS))
    replies = query(database, "SELECT turn_id, sequence, key FROM replies ORDER BY turn_id, sequence")
    assert replies == [(turn_id, place, key) for turn_id in ids for place, key in enumerate(wanted, start=1)]
    assert lost["turn"] > 0, "no worker overslept: the test tested nothing"


def test_replies_appended_at_once_get_sequences_without_gaps(database: Database) -> None:
    claimed = claim(database, queue(database))

    def append(number: int) -> None:
        replies = [NewReply(f"{number % 5}:{part}", [{"type": "X"}]) for part in range(3)]
        with database.transaction() as session:
            outbox.append(session, claimed.turn_id, replies)

    at_once(append, range(10))
    rows = query(database, "SELECT sequence FROM replies ORDER BY sequence")
    assert [row[0] for row in rows] == list(range(1, 16))


def test_the_same_events_from_all_sides_are_stored_once(database: Database) -> None:
    """Batches with the same events in different orders: one insert is fresh, and nobody waits forever."""
    batch = [new_event(f"same-{n}") for n in range(100)]

    def take_in(seed: int) -> list[Accepted | Reused]:
        mine = list(batch)
        random.Random(seed).shuffle(mine)
        with database.transaction() as session:
            return inbox.accept(session, mine)

    answers = [answer for result in at_once(take_in, range(WORKERS)) for answer in result]
    assert all(isinstance(answer, Accepted) for answer in answers)
    assert sum(isinstance(answer, Accepted) and answer.fresh for answer in answers) == 100
    assert query(database, "SELECT count(*) FROM events") == [(100,)]


def test_one_id_for_two_contents_belongs_to_who_came_first(database: Database) -> None:
    events = [new_event("reused", content=f"content {n}".encode()) for n in range(WORKERS)]

    def take_in(number: int) -> Accepted | Reused:
        with database.transaction() as session:
            return inbox.accept(session, [events[number]])[0]

    answers = at_once(take_in, range(WORKERS))
    assert sum(isinstance(answer, Accepted) for answer in answers) == 1
    assert sum(isinstance(answer, Reused) for answer in answers) == WORKERS - 1


def test_messages_become_turns_in_the_order_they_came_in(database: Database) -> None:
    """Each worker is woken for one event; one that is early handles the earlier events first."""
    open_conversation(database)
    keys = [store_event(database, new_event(data={"text": f"{number}"})) for number in range(WORKERS)]

    def handle(key: int) -> None:
        while True:
            with database.transaction() as session:
                row = inbox.take(session, key)
                if row is None:
                    return
                said = TurnInput("merchant", row.data["text"])
                names = {"conversation_id": "c1", "merchant_id": "m1", "event_key": row.key, "action": 0}
                turns.queue_turn(session, **names, input=said)  # type: ignore[arg-type]
                inbox.processed(session, row.key)

    at_once(handle, random.Random(7).sample(keys, len(keys)))
    rows = query(database, "SELECT seq, input ->> 'text' FROM turns ORDER BY seq")
    assert rows == [(number + 1, f"{number}") for number in range(WORKERS)]
    assert query(database, "SELECT DISTINCT status FROM events") == [("processed",)]


def test_a_message_is_taken_in_or_waits_but_is_never_lost(database: Database) -> None:
    claimed = claim(database, queue(database))
    keys = [store_event(database, new_event()) for _ in range(30)]
    taken: list[int] = []

    def write(key: int) -> int | None:
        said = TurnInput("merchant", "more")
        names = {"conversation_id": "c1", "merchant_id": "m1", "event_key": key, "action": 0}
        with database.transaction() as session:
            return turns.queue_turn(session, **names, input=said)  # type: ignore[arg-type]

    def answer() -> None:
        step = 0
        while len(taken) < 30 and step < 10_000:
            with database.transaction() as session:
                turns.hold(session, claimed)
                taken.extend(item.seq for item in turns.absorb(session, claimed, rows.ROOM, at_step=step))
            step += 1

    answering = threading.Thread(target=answer)
    answering.start()
    for start in range(0, 30, 6):
        at_once(write, keys[start : start + 6])
    answering.join(LIMIT_SECONDS)
    assert taken == list(range(2, 32))


def test_sweepers_at_the_same_time_count_a_failure_once(database: Database) -> None:
    ids = [queue(database, conversation_id=f"c{n}", merchant_id=f"m{n}") for n in range(20)]
    for turn_id in ids:
        claim(database, turn_id, lease_seconds=0.0)
    wait_until(
        lambda: query(database, "SELECT bool_and(lease_until < clock_timestamp()) FROM turns")[0][0],
        what="all leases to run out",
    )

    def sweep(_: int) -> list[int]:
        with database.transaction() as session:
            return [item.turn_id for item in turns.expire(session)]

    found = [turn_id for result in at_once(sweep, range(WORKERS)) for turn_id in result]
    assert sorted(found) == ids
    assert query(database, "SELECT DISTINCT failures, status FROM turns") == [(1, "queued")]


def test_a_lock_that_is_held_too_long_is_reported_not_waited_for(database: Database) -> None:
    """A worker that hangs inside a transaction must not block the others."""
    turn_id = queue(database)
    claimed = claim(database, turn_id)
    began = time.monotonic()
    with database.transaction() as hanging:
        turns.hold(hanging, claimed)
        with pytest.raises(StorageUnavailable, match="LockNotAvailable"), database.transaction() as session:
            turns.hold(session, claimed)
    assert time.monotonic() - began < 4


def test_whoever_holds_a_turn_sees_the_message_that_was_being_written_meanwhile(database: Database) -> None:
    """Else an answer would leave as if the merchant had not written again."""
    claimed = claim(database, queue(database))
    key = store_event(database, new_event(merchant_id="m1", conversation_id="c1"))
    identity = {"conversation_id": "c1", "merchant_id": "m1", "event_key": key}
    seen: list[int] = []

    def hold() -> None:
        with database.transaction() as session:
            seen.append(turns.hold(session, claimed).last_turn)

    holding = threading.Thread(target=hold)
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.transaction() as session:
        turns.queue_turn(session, **identity, action=0, input=TurnInput("merchant", "and this"))  # type: ignore[arg-type]
        holding.start()
        wait_until(lambda: query(database, waits) == [(1,)])
    holding.join(LIMIT_SECONDS)
    assert seen == [2]


@pytest.fixture(scope="module")
def vault() -> Vault:
    return Vault.from_text(new_key_text())


def connect(database: Database, vault: Vault, token: str) -> int:
    with database.transaction() as session:
        connected = merchants.connect_shop(
            session,
            vault,
            merchant_id="m1",
            shop_domain="twice.myshopify.com",
            access_token=SecretStr(token),
            scopes=["read_orders"],
        )
    assert connected.event_key is not None
    return connected.event_key


def greetings(database: Database) -> list[tuple[str, int]]:
    """How many turns of the workflow's own each conversation has."""
    counted = "SELECT conversation_id, count(*) FROM turns WHERE input ->> 'sender' = 'system' GROUP BY 1 ORDER BY 1"
    return [(str(row[0]), int(row[1])) for row in query(database, counted)]


def handle_event(database: Database, event_key: int) -> None:
    with database.transaction() as session:
        assert handle(session, load_folder(), event_key) is not None


def test_two_callbacks_of_one_connection_are_one_greeting_in_one_conversation(database: Database, vault: Vault) -> None:
    for number in range(5):
        keys = [connect(database, vault, f"shpat_token_{number}_{callback}") for callback in (1, 2)]
        at_once(lambda key: handle_event(database, key), keys)
        assert [number for _, number in greetings(database)] == [1]
        execute(database, "DELETE FROM merchants")


def test_another_connection_is_greeted_again(database: Database, vault: Vault) -> None:
    handle_event(database, connect(database, vault, "shpat_the_first"))
    gone = new_event(
        type="app_uninstalled", conversation_id=None, data={"merchant_id": "m1", "shop_domain": "twice.myshopify.com"}
    )
    handle_event(database, store_event(database, gone))
    handle_event(database, connect(database, vault, "shpat_the_second"))
    assert [number for _, number in greetings(database)] in ([2], [3])  # with the one that says that the store is gone


def test_much_later_a_connection_is_greeted_again(database: Database, vault: Vault) -> None:
    handle_event(database, connect(database, vault, "shpat_the_first"))
    later = connect(database, vault, "shpat_the_second")
    execute(database, "UPDATE events SET received_at = received_at + interval '31 s' WHERE key = :key", key=later)
    handle_event(database, later)
    assert [number for _, number in greetings(database)] == [2]
