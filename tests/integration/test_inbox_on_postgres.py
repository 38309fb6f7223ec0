"""The inbox on a real Postgres."""

import hashlib
from contextlib import suppress
from datetime import timedelta

import pytest

from storage import inbox
from storage.database import Database
from storage.errors import StorageRefused
from storage.inbox import Accepted, InboxRow, NewEvent, Reused
from tests.rows import execute, new_event, query, store_event


def accept(database: Database, *events: NewEvent) -> list[Accepted | Reused]:
    with database.transaction() as session:
        return inbox.accept(session, events)


def take(database: Database, key: int) -> InboxRow | None:
    with database.transaction() as session:
        return inbox.take(session, key)


def refuse(database: Database, key: int, code: str = "event.unknown_merchant") -> None:
    with database.transaction() as session:
        row = inbox.take(session, key)
        assert row is not None
        inbox.refuse(session, row.key, code, "merchant_id is not known")


def reject(database: Database, content: bytes = b"raw", **fields: str | None) -> int:
    with database.transaction() as session:
        return inbox.reject(
            session,
            source=fields.get("source", "/auth"),
            id=fields.get("id", "e1"),
            type=fields.get("type", "oauth_complete"),
            content_hash=hashlib.sha256(content).digest(),
            code="event.bad_type",
            message=fields.get("message") or "success must be true or false",
        )


def test_an_event_is_accepted_once(database: Database) -> None:
    event = new_event("e1")
    (first,) = accept(database, event)
    (again,) = accept(database, event)
    assert isinstance(first, Accepted)
    assert first.fresh
    assert again == Accepted(first.key, fresh=False)


def test_the_identity_is_source_and_id(database: Database) -> None:
    answers = accept(database, new_event("e1", source="/auth"), new_event("e1", source="/gateway"))
    assert all(isinstance(answer, Accepted) and answer.fresh for answer in answers)


def test_an_id_with_other_content_is_reused(database: Database) -> None:
    accept(database, new_event("e1", content=b"one"))
    (answer,) = accept(database, new_event("e1", content=b"two"))
    assert isinstance(answer, Reused)
    assert query(database, "SELECT received_at FROM events") == [(answer.stored_at,)]


def test_a_batch_answers_in_its_order(database: Database) -> None:
    known = new_event("known")
    (before,) = accept(database, known)
    assert isinstance(before, Accepted)
    answers = accept(
        database,
        new_event("new-1"),
        known,
        new_event("known", content=b"other"),
        new_event("new-2"),
        new_event("new-2"),
        new_event("new-2", content=b"other"),
    )
    kinds = [answer.fresh if isinstance(answer, Accepted) else "reused" for answer in answers]
    assert kinds == [True, False, "reused", True, False, "reused"]
    assert answers[1] == Accepted(before.key, fresh=False)
    assert accept(database) == []


def test_a_batch_keeps_the_order_it_came_in(database: Database) -> None:
    answers = accept(database, new_event("z"), new_event("a"), new_event("m"))
    keys = [answer.key for answer in answers if isinstance(answer, Accepted)]
    assert len(keys) == 3
    assert keys == sorted(keys)


def test_an_accepted_event_is_kept_with_its_fields(database: Database) -> None:
    event = new_event("e1")
    [answer] = accept(database, event)
    assert isinstance(answer, Accepted)
    row = take(database, answer.key)
    assert row is not None
    assert (row.source, row.id, row.type, row.data) == (event.source, event.id, event.type, event.data)
    assert (row.attempts, row.merchant_id, row.conversation_id) == (0, "m1", "c1")
    assert 0 <= row.age_seconds < 60
    assert row.received_at.utcoffset() is not None


def test_an_event_that_is_too_large_for_its_row_is_refused_by_the_schema(database: Database) -> None:
    with pytest.raises(StorageRefused, match="events_data_check"):
        accept(database, new_event(data={"text": "x" * 140_000}))


def test_a_handled_event_is_not_taken_again(database: Database) -> None:
    key = store_event(database, new_event())
    with database.transaction() as session:
        row = inbox.take(session, key)
        assert row is not None
        inbox.processed(session, row.key)
    assert take(database, key) is None
    assert query(database, "SELECT status, processed_at IS NOT NULL FROM events") == [("processed", True)]


def test_an_unknown_event_is_left_alone(database: Database) -> None:
    assert take(database, 10**9) is None


def test_an_event_whose_handling_failed_is_taken_again(database: Database) -> None:
    key = store_event(database, new_event())
    with suppress(ZeroDivisionError), database.transaction() as session:
        inbox.processed(session, key)
        _ = 1 / 0
    assert take(database, key) is not None


def test_the_earlier_event_of_a_conversation_comes_first(database: Database) -> None:
    first, second = store_event(database, new_event("one")), store_event(database, new_event("two"))
    other = store_event(database, new_event("other", conversation_id="c2"))
    nowhere = store_event(database, new_event("nowhere", conversation_id=None))
    taken = {key: take(database, key) for key in (first, second, other, nowhere)}
    ids = [row.id for row in taken.values() if row is not None]
    assert ids == ["one", "one", "other", "nowhere"]


def test_a_postponed_event_is_not_due_and_what_follows_waits(database: Database) -> None:
    first, second = store_event(database, new_event("one")), store_event(database, new_event("two"))
    with database.transaction() as session:
        row = inbox.take(session, first)
        assert row is not None
        inbox.postpone(session, row.key, 60)
    assert take(database, first) is None
    assert take(database, second) is None
    execute(database, "UPDATE events SET run_after = clock_timestamp()")
    again = take(database, second)
    assert again is not None
    assert (again.id, again.attempts) == ("one", 1)


def test_what_was_received_before_the_clock_went_back_does_not_wait_until_then(database: Database) -> None:
    key = store_event(database, new_event())
    execute(
        database,
        "UPDATE events SET received_at = received_at + :by, run_after = run_after + :by",
        by=timedelta(hours=2),
    )
    assert take(database, key) is not None


def test_what_nobody_handled_is_found_once_in_a_while(database: Database) -> None:
    key = store_event(database, new_event())

    def lost(older_than_seconds: float = 0.0, **again: float) -> list[int]:
        with database.transaction() as session:
            return inbox.unprocessed(session, older_than_seconds=older_than_seconds, limit=10, **again)

    assert lost(60) == []
    assert lost() == [key]
    assert lost() == []
    execute(database, "UPDATE events SET hinted_at = clock_timestamp() - interval '2 s'")
    assert lost() == []
    assert lost(again_seconds=1.0) == [key], "no wake-up lies on the broker, so it was lost"
    assert lost(again_seconds=1.0) == []
    execute(database, "UPDATE events SET hinted_at = clock_timestamp() - interval '6 s'")
    assert lost() == [key]
    with database.transaction() as session:
        inbox.processed(session, key)
    execute(database, "UPDATE events SET hinted_at = NULL")
    assert lost() == []


def test_a_postponed_event_is_not_lost_before_its_time(database: Database) -> None:
    key = store_event(database, new_event())
    with database.transaction() as session:
        inbox.postpone(session, key, 60)
        assert inbox.unprocessed(session, older_than_seconds=0, limit=10) == []


def test_refused_messages_are_kept_and_counted(database: Database) -> None:
    first = reject(database, b"bytes")
    assert reject(database, b"bytes", message="the same, later") == first
    assert reject(database, b"other bytes") != first
    with database.transaction() as session:
        rows = inbox.rejected(session, 10)
    assert {row.error_code for row in rows} == {"event.bad_type"}
    assert "the same, later" in {row.error for row in rows}
    assert len(rows) == 2
    assert query(database, "SELECT times FROM events WHERE key = :key", key=first) == [(2,)]


def test_a_refused_message_does_not_take_the_identity(database: Database) -> None:
    event = new_event("e1", source="/auth")
    reject(database, b"bad", id="e1", source="/auth")
    (answer,) = accept(database, event)
    assert isinstance(answer, Accepted)
    assert answer.fresh


def test_a_message_that_names_itself_in_unstorable_characters_is_kept(database: Database) -> None:
    key = reject(database, id="a\x00b" + "x" * 500, source="\ud800", type=None, message="m\x00" * 2000)
    rows = query(database, "SELECT id, source, type, length(error) FROM events WHERE key = :key", key=key)
    assert rows == [("a\ufffdb" + "x" * 197, "\ufffd", "", 1000)]


def test_a_taken_event_can_be_refused(database: Database) -> None:
    key = store_event(database, new_event("e1"))
    refuse(database, key)
    assert take(database, key) is None
    rows = query(database, "SELECT status, error_code, error FROM events")
    assert rows == [("rejected", "event.unknown_merchant", "merchant_id is not known")]


def test_an_event_that_is_refused_twice_is_one_row(database: Database) -> None:
    event = new_event("e1")
    key = store_event(database, event)
    refuse(database, key)
    refuse(database, store_event(database, event), "event.not_connected")
    assert query(database, "SELECT key, status, times, error_code FROM events") == [
        (key, "rejected", 2, "event.not_connected")
    ]


def test_a_refused_event_can_be_retried(database: Database) -> None:
    event = new_event("e1")
    key = store_event(database, event)
    refuse(database, key)
    execute(database, "UPDATE events SET received_at = clock_timestamp() - interval '1 day'")
    with database.transaction() as session:
        assert inbox.retry(session, (event.source, event.id)) == key
        assert inbox.retry(session, (event.source, event.id)) is None
    row = take(database, key)
    assert row is not None
    assert row.data == event.data
    assert row.age_seconds < 60


def test_of_several_refused_under_one_identity_the_latest_is_retried(database: Database) -> None:
    keys = []
    for content in (b"one", b"two"):
        keys.append(store_event(database, new_event("e1", content=content)))
        refuse(database, keys[-1])
    with database.transaction() as session:
        assert inbox.refused_by(session, "e1") == ["/gateway"]
        assert inbox.refused_by(session, "e2") == []
        assert inbox.retry(session, ("/gateway", "e2")) is None
        assert inbox.retry(session, ("/gateway", "e1")) == keys[1]


def test_what_was_never_valid_cannot_be_retried(database: Database) -> None:
    reject(database)
    with database.transaction() as session:
        assert inbox.retry(session, ("/auth", "e1")) is None


def test_a_retry_does_not_take_an_identity_that_is_taken(database: Database) -> None:
    key = store_event(database, new_event("e1", content=b"one"))
    refuse(database, key)
    store_event(database, new_event("e1", content=b"two"))
    with database.transaction() as session:
        assert inbox.retry(session, ("/gateway", "e1")) is None


def test_an_event_refused_for_its_identity_is_kept_whole(database: Database) -> None:
    event = new_event("e1")
    with database.transaction() as session:
        key = inbox.reject(
            session,
            source=event.source,
            id=event.id,
            type=event.type,
            content_hash=event.content_hash,
            code="event.id_reused",
            message="differs",
            data=event.data,
        )
        assert inbox.retry(session, (event.source, event.id)) == key


@pytest.mark.parametrize(("before", "crowded"), [(0, False), (2, False), (3, True), (4, True)])
def test_who_handles_an_event_knows_whether_others_of_its_merchant_may_be_put_off(
    database: Database, before: int, crowded: bool
) -> None:
    """So that nobody else has to ask for them after the commit."""
    store_event(database, new_event("other", merchant_id="m2"))
    keys = [store_event(database, new_event(f"e{n}", conversation_id=f"c{n}")) for n in range(before + 1)]
    row = take(database, keys[0])
    assert row is not None
    assert row.is_crowded is crowded
    execute(
        database, "UPDATE events SET hinted_at = clock_timestamp() + interval '1 hour' WHERE key = :key", key=keys[-1]
    )
    row = take(database, keys[0])
    assert row is not None
    assert row.is_crowded
