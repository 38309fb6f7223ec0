"""Turns on a real Postgres: claim, fence, steps, absorb, release, expiry, hints."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from storage import outbox, turns
from storage.database import Database
from storage.errors import LostTurn, StorageRefused, UnknownConversation
from storage.outbox import NewReply
from storage.turns import Claim, NotDue, TurnChange, TurnInput
from tests import rows
from tests.rows import (
    claim,
    execute,
    finish,
    give_up,
    let_lease_run_out,
    new_event,
    open_conversation,
    query,
    queue,
    store_event,
)
from workers.agent import leases


def try_claim(database: Database, turn_id: int, per_merchant: int = 2) -> Claim | NotDue | None:
    with database.transaction() as session:
        return turns.claim(session, turn_id, lease_seconds=60, owner="test", per_merchant=per_merchant)


def status_of(database: Database, turn_id: int) -> str:
    return str(query(database, "SELECT status FROM turns WHERE id = :id", id=turn_id)[0][0])


# Queueing


def test_turns_of_a_conversation_are_numbered_without_gaps(database: Database) -> None:
    ids = [queue(database, text) for text in ("one", "two", "three")]
    rows = query(database, "SELECT id, seq, status, attempt FROM turns ORDER BY seq")
    assert rows == [(ids[0], 1, "queued", 0), (ids[1], 2, "queued", 0), (ids[2], 3, "queued", 0)]


def test_an_action_is_queued_once_however_often_it_is_run(database: Database) -> None:
    open_conversation(database)
    key = store_event(database, new_event())

    def queue_again() -> int | None:
        with database.transaction() as session:
            return turns.queue_turn(
                session,
                conversation_id="c1",
                merchant_id="m1",
                event_key=key,
                action=0,
                input=TurnInput("merchant", "hello"),
            )

    assert queue_again() is not None
    assert queue_again() is None
    assert query(database, "SELECT last_turn FROM conversations") == [(1,)]


def test_a_turn_for_somebody_elses_conversation_is_refused(database: Database) -> None:
    open_conversation(database, "c1", "m1")
    key = store_event(database, new_event())
    for conversation_id, merchant_id in (("c1", "m2"), ("nowhere", "m1")):
        with pytest.raises(UnknownConversation), database.transaction() as session:
            turns.queue_turn(
                session,
                conversation_id=conversation_id,
                merchant_id=merchant_id,
                event_key=key,
                action=0,
                input=TurnInput("merchant", "hello"),
            )


def test_input_comes_back_as_it_was_given(database: Database) -> None:
    said = TurnInput("system", "Grüße ☃ 'quoted' :colon %s", cleanup_trigger=True, metadata={"a": [1, None]})
    assert claim(database, queue(database, said)).input == said


def test_what_jsonb_refuses_is_replaced_instead_of_failing_for_ever(database: Database) -> None:
    claimed = claim(database, queue(database, TurnInput("merchant", "a\x00b", metadata={"x": float("nan")})))
    assert claimed.input == TurnInput("merchant", "a\ufffdb", metadata={"x": None})


# Claiming


def test_a_claim_tells_everything_about_the_turn(database: Database) -> None:
    turn_id = queue(database, "hello", traceparent="00-trace-01")
    claimed = claim(database, turn_id)
    assert claimed.run_id == f"turn_{turn_id}"
    assert (claimed.conversation_id, claimed.merchant_id, claimed.seq) == ("c1", "m1", 1)
    assert (claimed.attempt, claimed.failures) == (1, 0)
    assert (claimed.workflow, claimed.workflow_hash) == (None, None)
    assert (claimed.event_type, claimed.traceparent) == ("message_received", "00-trace-01")
    assert claimed.event_received_at < claimed.started_at <= claimed.now
    assert claimed.now.utcoffset() is not None


def test_a_running_turn_cannot_be_claimed_again(database: Database) -> None:
    turn_id = queue(database)
    claim(database, turn_id)
    assert try_claim(database, turn_id) is None


def test_the_next_turn_waits_until_the_one_before_has_ended(database: Database) -> None:
    first, second = queue(database), queue(database)
    assert try_claim(database, second) is None
    running = claim(database, first)
    assert try_claim(database, second) is None
    finish(database, running)
    assert isinstance(try_claim(database, second), Claim)


def test_a_dead_turn_does_not_stop_the_conversation(database: Database) -> None:
    first, second = queue(database), queue(database)
    give_up(database, claim(database, first))
    assert isinstance(try_claim(database, second), Claim)


@pytest.mark.parametrize("turn_id", [-1, 0, 10**12])
def test_an_unknown_turn_is_left_alone(database: Database, turn_id: int) -> None:
    assert try_claim(database, turn_id) is None


def test_what_was_queued_before_the_clock_went_back_does_not_wait_until_then(database: Database) -> None:
    turn_id = queue(database, "hello")
    set_back = "UPDATE turns SET created_at = created_at + :by, run_after = run_after + :by, wake_at = wake_at + :by"
    execute(database, set_back, by=timedelta(hours=2))
    assert isinstance(try_claim(database, turn_id), Claim)


def test_a_released_turn_is_due_later_and_its_attempt_is_no_failure(database: Database) -> None:
    turn_id = queue(database)
    first = claim(database, turn_id)
    with database.transaction() as session:
        turns.release(session, first, after_seconds=30)
    later = try_claim(database, turn_id)
    assert isinstance(later, NotDue)
    assert 25 < later.seconds <= 30
    execute(database, "UPDATE turns SET run_after = clock_timestamp()")
    second = claim(database, turn_id)
    assert (second.attempt, second.failures, second.started_at) == (2, 0, first.started_at)


def test_a_turn_that_waits_for_another_one_is_not_later(database: Database) -> None:
    first, second = queue(database), queue(database)
    with database.transaction() as session:
        turns.release(session, claim_in(session, first), after_seconds=30)
    assert isinstance(try_claim(database, first), NotDue)
    assert try_claim(database, second) is None


def claim_in(session: object, turn_id: int) -> Claim:
    claimed = turns.claim(session, turn_id, lease_seconds=60, owner="test")  # type: ignore[arg-type]
    assert isinstance(claimed, Claim)
    return claimed


def test_a_merchant_has_two_running_turns_at_most(database: Database) -> None:
    mine = [queue(database, conversation_id=f"c{n}") for n in range(3)]
    other = queue(database, conversation_id="x1", merchant_id="m2")
    running = [claim(database, turn_id) for turn_id in mine[:2]]
    assert try_claim(database, mine[2]) is None
    assert isinstance(try_claim(database, other), Claim)
    finish(database, running[0])
    assert isinstance(try_claim(database, mine[2]), Claim)


# The fence


def writes() -> dict[str, Callable[..., object]]:
    return {
        "hold": lambda session, claimed: turns.hold(session, claimed),
        "release": lambda session, claimed: turns.release(session, claimed),
        "drop_lease": lambda session, claimed: turns.drop_lease(session, claimed),
        "finish": lambda session, claimed: turns.finish(session, claimed),
    }


@pytest.mark.parametrize("write", writes())
def test_a_zombie_writes_nothing(database: Database, write: str) -> None:
    """A worker was paused past its lease while another one took over the turn."""
    turn_id = queue(database)
    queue(database, "a later message")
    zombie = claim(database, turn_id)
    let_lease_run_out(database, turn_id)
    with database.transaction() as session:
        assert [item.dead for item in turns.expire(session)] == [False]
    living = claim(database, turn_id)
    with database.transaction() as session:
        turns.add_step(session, living, 0, {"content": "living"})
    before = query(database, "SELECT * FROM turns ORDER BY id")

    with pytest.raises(LostTurn) as caught, database.transaction() as session:
        writes()[write](session, zombie)

    assert caught.value.attempt == 1
    assert query(database, "SELECT * FROM turns ORDER BY id") == before
    assert query(database, "SELECT assistant, tool_results FROM steps") == [({"content": "living"}, None)]


@pytest.mark.parametrize("write", writes())
def test_nothing_is_written_after_the_end(database: Database, write: str) -> None:
    claimed = claim(database, queue(database))
    finish(database, claimed)
    with pytest.raises(LostTurn), database.transaction() as session:
        writes()[write](session, claimed)


def test_a_zombie_does_not_extend_the_lease_of_the_living(database: Database) -> None:
    turn_id = queue(database)
    claim(database, turn_id, lease_seconds=5)
    with database.transaction() as session:
        assert turns.extend_leases(session, [(turn_id, 0), (turn_id, 2), (10**9, 1)], lease_seconds=60) == set()
    assert query(database, "SELECT lease_until < clock_timestamp() + interval '6 s' FROM turns") == [(True,)]


def test_leases_are_extended_together(database: Database) -> None:
    held = [claim(database, queue(database, conversation_id=name), lease_seconds=5) for name in ("c1", "c2")]
    pairs = [(item.turn_id, item.attempt) for item in held]
    with database.transaction() as session:
        kept = turns.extend_leases(session, [*pairs, (10**9, 1)], lease_seconds=60)
    assert kept == {item.turn_id for item in held}
    remaining = "SELECT count(*) FROM turns WHERE lease_until > clock_timestamp() + interval '50 s'"
    assert query(database, remaining) == [(2,)]


def test_extending_no_lease_is_fine(database: Database) -> None:
    with database.transaction() as session:
        assert turns.extend_leases(session, [], lease_seconds=60) == set()


# Steps


def test_steps_come_back_in_order_with_their_results(database: Database) -> None:
    claimed = claim(database, queue(database))
    calls = {"tool_calls": [{"id": "a"}]}
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, calls, model="demo", input_tokens=3, output_tokens=5)
        turns.add_results(session, claimed, 0, [{"tool_call_id": "a", "content": {"success": True}}])
        turns.add_step(session, claimed, 1, {"content": "done"})
    with database.transaction() as session:
        steps = turns.steps_of(session, claimed.turn_id)
    assert [(step.step, step.assistant, step.tool_results) for step in steps] == [
        (0, calls, [{"tool_call_id": "a", "content": {"success": True}}]),
        (1, {"content": "done"}, None),
    ]
    assert query(database, "SELECT model, input_tokens, output_tokens FROM steps ORDER BY step") == [
        ("demo", 3, 5),
        (None, None, None),
    ]


def test_a_step_that_was_committed_unnoticed_is_not_overwritten(database: Database) -> None:
    claimed = claim(database, queue(database))
    for words in ("first", "again"):
        with database.transaction() as session:
            turns.add_step(session, claimed, 0, {"content": words})
            turns.add_results(session, claimed, 0, [{"said": words}])
    assert query(database, "SELECT assistant, tool_results FROM steps") == [({"content": "first"}, [{"said": "first"}])]


def test_a_commit_extends_the_lease_and_notes_all_that_changes(database: Database) -> None:
    claimed = claim(database, queue(database), lease_seconds=30)
    let_lease_run_out(database, claimed.turn_id)
    for change in (
        TurnChange(workflow="w", workflow_hash="h"),
        TurnChange(begins=True, prompt_limit=9),
        TurnChange(workflow=None),
    ):
        with database.transaction() as session:
            held, said = turns.hold(session, claimed), [NewReply("said", [{"type": "CUSTOM"}])]
            told, begins = outbox.append_held(session, claimed, held, said, maybe_known=True, change=change)
        assert (len(told), begins) == (1, change.begins)
    noted = "SELECT last_sequence, model_calls, prompt_limit, workflow, workflow_hash FROM turns"
    assert query(database, noted) == [(1, 1, 9, "w", "h")]
    assert query(database, "SELECT lease_until > clock_timestamp() + interval '20 s' FROM turns") == [(True,)]
    assert query(database, "SELECT count(*) FROM replies") == [(1,)]


def test_the_workflow_of_the_first_claim_stays(database: Database) -> None:
    turn_id = queue(database)
    first = claim(database, turn_id)
    with database.transaction() as session:
        change = TurnChange(workflow="shopify_onboarding", workflow_hash="abc")
        outbox.append_held(session, first, turns.hold(session, first), [], maybe_known=False, change=change)
        turns.release(session, first)
    second = claim(database, turn_id)
    assert (second.workflow, second.workflow_hash) == ("shopify_onboarding", "abc")


# Absorbing


def test_later_messages_are_taken_in_and_their_turns_are_done(database: Database) -> None:
    first = claim(database, queue(database, "one"))
    second, third = queue(database, "two", traceparent="00-two-01"), queue(database, "three")
    with database.transaction() as session:
        assert turns.newer_waiting(session, first, rows.ROOM)
        taken = turns.absorb(session, first, rows.ROOM, at_step=1)
    assert [(item.turn_id, item.seq, item.input.text, item.at_step) for item in taken] == [
        (second, 2, "two", 1),
        (third, 3, "three", 1),
    ]
    assert taken[0].traceparent == "00-two-01"
    assert taken[0].event_id
    assert (status_of(database, second), status_of(database, third)) == ("done", "done")
    with database.transaction() as session:
        assert not turns.newer_waiting(session, first, rows.ROOM)
        assert turns.absorb(session, first, rows.ROOM, at_step=2) == []
        assert turns.absorbed_by(session, first.turn_id) == taken
    assert try_claim(database, second) is None


def test_a_second_absorption_returns_only_what_is_new(database: Database) -> None:
    first = claim(database, queue(database, "one"))
    queue(database, "two")
    with database.transaction() as session:
        turns.absorb(session, first, rows.ROOM, at_step=0)
    queue(database, "three")
    with database.transaction() as session:
        assert [item.input.text for item in turns.absorb(session, first, rows.ROOM, at_step=1)] == ["three"]
        absorbed = turns.absorbed_by(session, first.turn_id)
    assert [(item.input.text, item.at_step) for item in absorbed] == [("two", 0), ("three", 1)]


def test_absorbing_does_not_jump_over_a_system_event(database: Database) -> None:
    first = claim(database, queue(database, "one"))
    queue(database, "two")
    system = queue(database, TurnInput("system", "show_shopify_insights"))
    last = queue(database, "three")
    with database.transaction() as session:
        assert [item.input.text for item in turns.absorb(session, first, rows.ROOM, at_step=0)] == ["two"]
        assert not turns.newer_waiting(session, first, rows.ROOM)
    assert (status_of(database, system), status_of(database, last)) == ("queued", "queued")


def test_absorbing_takes_nothing_of_other_conversations(database: Database) -> None:
    first = claim(database, queue(database, "one"))
    other = queue(database, "elsewhere", conversation_id="c2")
    with database.transaction() as session:
        assert turns.absorb(session, first, rows.ROOM, at_step=0) == []
    assert status_of(database, other) == "queued"


def test_no_message_comes_in_between_the_check_and_the_commit(database: Database) -> None:
    """The reply fence: the result of `newer_waiting` is still true at the commit."""
    first = claim(database, queue(database, "one"))
    key = store_event(database, new_event())
    with database.transaction() as session:
        turns.hold(session, first)
        assert not turns.newer_waiting(session, first, rows.ROOM)
        blocked = "SELECT 1 FROM conversations WHERE id = 'c1' FOR NO KEY UPDATE NOWAIT"
        with pytest.raises(Exception, match="LockNotAvailable"):
            query(database, blocked)
        turns.finish(session, first)
    with database.transaction() as session:
        said = TurnInput("merchant", "two")
        args = {"conversation_id": "c1", "merchant_id": "m1", "event_key": key, "action": 0, "input": said}
        assert turns.queue_turn(session, **args) is not None  # type: ignore[arg-type]


# Expired leases


def test_a_worker_that_is_started_again_ends_the_leases_of_the_dead_in_its_place(database: Database) -> None:
    """Those of living processes, and of processes elsewhere, whose ids mean something else, stay."""
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    mine, place = leases.owner("agent"), leases.owner("agent").rsplit(":", 2)[0]
    holders = {
        "dead": f"{place}:{killed.pid}:a",
        "of my number, before me": f"{place}:{os.getpid()}:b",
        "alive": f"{place}:{os.getppid()}:c",
        "elsewhere": f"agent@other/1:{killed.pid}:d",
    }
    held = {
        claim(database, queue(database, conversation_id=name, merchant_id=name), owner=owner).turn_id: name
        for name, owner in holders.items()
    }
    leases.LeaseKeeper(database, 60.0).drop_those_of_the_dead(mine)
    with database.transaction() as session:
        assert {held[item.turn_id] for item in turns.expire(session)} == {"dead", "of my number, before me"}


def test_a_lease_that_ran_out_is_a_failure_and_the_third_one_is_the_last(database: Database) -> None:
    turn_id = queue(database)
    found = []
    for _ in range(3):
        claimed = claim(database, turn_id)
        let_lease_run_out(database, turn_id)
        with database.transaction() as session:
            found += turns.expire(session)
    assert [item.dead for item in found] == [False, False, True]
    last = found[-1]
    assert (last.turn_id, last.conversation_id, last.merchant_id) == (turn_id, "c1", "m1")
    assert (claimed.attempt, claimed.failures) == (3, 2)
    assert status_of(database, turn_id) == "dead"
    assert try_claim(database, turn_id) is None


def test_a_lease_that_holds_is_left_alone(database: Database) -> None:
    claim(database, queue(database))
    with database.transaction() as session:
        assert turns.expire(session) == []


def test_an_expiry_leaves_a_turn_alone_that_is_being_written(database: Database) -> None:
    claimed = claim(database, queue(database))
    let_lease_run_out(database, claimed.turn_id)
    with database.transaction() as session:
        turns.hold(session, claimed)
        with database.transaction() as sweeper:
            assert turns.expire(sweeper) == []
        outbox.append_held(session, claimed, turns.hold(session, claimed), [], maybe_known=False, change=TurnChange())
    with database.transaction() as session:
        assert turns.expire(session) == []


def test_a_dropped_lease_is_found_at_once(database: Database) -> None:
    claimed = claim(database, queue(database), lease_seconds=3600)
    with database.transaction() as session:
        turns.drop_lease(session, claimed)
    with database.transaction() as session:
        assert [item.turn_id for item in turns.expire(session)] == [claimed.turn_id]


# Wake-ups


def waiting(
    database: Database, *, older_than_seconds: float = 0.0, limit: int = 100, again_seconds: float | None = None
) -> list[int]:
    times = {"older_than_seconds": older_than_seconds, "again_seconds": again_seconds}
    with database.transaction() as session:
        return turns.waiting(session, limit=limit, **times)  # type: ignore[arg-type]


def test_a_turn_whose_hint_was_lost_is_found_once_in_a_while(database: Database) -> None:
    turn_id = queue(database)
    queue(database, "waits for the first")
    assert waiting(database, older_than_seconds=60) == []
    assert waiting(database) == [turn_id]
    assert waiting(database) == []
    execute(database, "UPDATE turns SET wake_at = wake_at - interval '6 s'")
    assert waiting(database) == [turn_id]


def test_a_turn_whose_wake_up_was_lost_on_an_empty_broker_is_found_a_second_later(database: Database) -> None:
    woken = queue(database)
    execute(database, "UPDATE turns SET run_after = run_after - interval '2 s', wake_at = wake_at - interval '2 s'")
    assert waiting(database, older_than_seconds=1.0) == [woken]
    just_queued = queue(database, conversation_id="c2", merchant_id="m2")
    postponed = claim(database, queue(database, conversation_id="c3", merchant_id="m3"))
    with database.transaction() as session:
        turns.release(session, postponed, after_seconds=3)
    before = query(database, "SELECT wake_at FROM turns WHERE id <> :id ORDER BY id", id=woken)
    assert waiting(database, older_than_seconds=1.0, again_seconds=1.0) == [], f"{just_queued} was woken just now"
    assert query(database, "SELECT wake_at FROM turns WHERE id <> :id ORDER BY id", id=woken) == before
    execute(database, "UPDATE turns SET wake_at = wake_at - interval '1.1 s' WHERE id = :id", id=woken)
    assert waiting(database, older_than_seconds=1.0) == []
    assert waiting(database, older_than_seconds=1.0, again_seconds=1.0) == [woken]


def test_a_running_or_postponed_turn_is_not_waiting(database: Database) -> None:
    claim(database, queue(database))
    postponed = claim(database, queue(database, conversation_id="c2", merchant_id="m2"))
    with database.transaction() as session:
        turns.release(session, postponed, after_seconds=60)
    assert waiting(database) == []


def test_a_merchant_with_many_conversations_does_not_hide_the_others(database: Database) -> None:
    many = [queue(database, conversation_id=f"c{n}") for n in range(6)]
    other = queue(database, conversation_id="x1", merchant_id="m2")
    assert waiting(database, limit=3) == [many[0], many[1], other]


def test_a_merchant_at_its_limit_is_not_hinted(database: Database) -> None:
    ids = [queue(database, conversation_id=f"c{n}") for n in range(3)]
    for turn_id in ids[:2]:
        claim(database, turn_id)
    assert waiting(database) == []


def test_the_end_of_a_turn_hints_the_next_one_and_what_the_limit_held_up(database: Database) -> None:
    first, second = queue(database), queue(database)
    others = [queue(database, conversation_id=f"c{n}") for n in range(2, 6)]
    running = claim(database, first)
    with database.transaction() as session:
        turns.finish(session, running)
        hints = turns.next_to_wake(session, "c1", "m1")
    assert hints == [second, others[0]]


def test_the_end_of_a_turn_hints_nothing_that_is_not_due(database: Database) -> None:
    first, second = queue(database), queue(database)
    running = claim(database, first)
    execute(
        database,
        "UPDATE turns SET run_after = clock_timestamp() + interval '60 s' WHERE id = :id",
        id=second,
    )
    with database.transaction() as session:
        turns.finish(session, running)
        assert turns.next_to_wake(session, "c1", "m1") == []


# The schema as the last safeguard


def test_two_running_turns_in_one_conversation_are_impossible(database: Database) -> None:
    claim(database, queue(database))
    second = queue(database)
    with pytest.raises(StorageRefused, match="turns_one_running"):
        execute(
            database,
            "UPDATE turns SET status = 'running', lease_until = clock_timestamp() WHERE id = :id",
            id=second,
        )


def test_a_running_turn_without_a_lease_is_impossible(database: Database) -> None:
    turn_id = queue(database)
    with pytest.raises(StorageRefused, match="turns_lease_check"):
        execute(database, "UPDATE turns SET status = 'running' WHERE id = :id", id=turn_id)


def test_everything_of_a_merchant_goes_with_the_merchant(database: Database) -> None:
    claimed = claim(database, queue(database))
    with database.transaction() as session:
        turns.add_step(session, claimed, 0, {"content": "x"})
    execute(database, "DELETE FROM merchants WHERE id = 'm1'")
    for table in ("conversations", "turns", "steps", "replies"):
        assert query(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_a_claim_of_another_attempt_is_told_by_its_number_not_by_its_owner(database: Database) -> None:
    claimed = claim(database, queue(database), owner="same name")
    with pytest.raises(LostTurn), database.transaction() as session:
        turns.hold(session, replace(claimed, attempt=claimed.attempt + 1))
