"""Tests the judge: an uneventful run is good, and each possible fault is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from events.reply import Reply
from tests.chaos.record import Shown
from tests.chaos.verdict import EventRow, ReplyRow, TurnRow, Verdict, judge

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GIVEN = [("/gateway", "e1"), ("/gateway", "e2")]
EVENTS = [EventRow(source, id, "processed") for source, id in GIVEN]
TURNS = [
    TurnRow(n, "c", n, f"e{n}", "done", 0, NOON + timedelta(minutes=n), NOON + timedelta(minutes=n, seconds=9), False)
    for n in (1, 2)
]
REPLIES = [ReplyRow(f"turn_{turn}:{sequence:06d}", turn, True) for turn in (1, 2) for sequence in (1, 2)]


def shown(turn: int, sequence: int) -> Shown:
    message = {"messageId": f"turn_{turn}-m1"}
    parts = [{"type": f"TEXT_MESSAGE_{part}", **message} for part in ("START", "END")]
    data = [{"type": "RUN_FINISHED"}] if sequence == 2 else parts
    return Shown(
        0.0,
        Reply(
            specversion="1.0",
            id=f"turn_{turn}:{sequence:06d}",
            source="/cj",
            type="cj.reply",
            subject="c",
            merchantid="m1",
            turn=turn,
            sequence=f"{sequence:06d}",
            data=data,
        ),
    )


SHOWN = [shown(turn, sequence) for turn in (1, 2) for sequence in (1, 2)]


def verdict(
    given: list[tuple[str, str]] = GIVEN,
    events: list[EventRow] = EVENTS,
    turns: list[TurnRow] = TURNS,
    replies: list[ReplyRow] = REPLIES,
    seen: list[Shown] = SHOWN,
) -> Verdict:
    return judge(given, events, turns, replies, seen)


def test_a_good_run() -> None:
    assert verdict().faults == []


def test_what_is_lost() -> None:
    assert verdict(given=[*GIVEN, ("/auth", "e3")]).lost == ["event e3 is not stored"]
    assert "event e2 is received" in verdict(events=[EVENTS[0], replace(EVENTS[1], status="received")]).lost
    assert "event e2 led to no turn" in verdict(turns=TURNS[:1]).lost
    assert verdict(seen=[SHOWN[0], *SHOWN[1:3]]).lost == ["reply turn_2:000002 was never shown"]
    assert verdict(replies=[*REPLIES[:3], replace(REPLIES[3], acked=False)]).lost == [
        "reply turn_2:000002 was never acked"
    ]
    assert verdict(replies=REPLIES[:3]).lost == ["reply turn_2:000002 was shown but is not committed"]


def test_what_is_duplicated() -> None:
    assert "reply turn_2:000002 was shown 2 times" in verdict(seen=[*SHOWN, SHOWN[3]]).duplicated
    assert verdict(events=[*EVENTS, EVENTS[1]]).duplicated == ["event e2 is stored 2 times"]
    assert verdict(events=[*EVENTS, replace(EVENTS[1], id="e9")]).duplicated == ["event e9 was never given"]
    again = Shown(0.0, SHOWN[0].reply.model_copy(update={"id": "turn_1:000003", "sequence": "000003"}))
    assert "message turn_1-m1 was said 2 times" in verdict(seen=[SHOWN[0], again, *SHOWN[1:]]).duplicated


def test_what_is_out_of_order() -> None:
    assert len(verdict(seen=[*SHOWN[2:], *SHOWN[:2]]).disordered) == 2
    early = replace(TURNS[1], started_at=TURNS[0].started_at)
    assert verdict(turns=[TURNS[0], early]).disordered == ["turn 2 began before turn 1 had ended"]
    assert verdict(turns=[TURNS[0], replace(early, aside=True)]).disordered == []


def test_what_has_no_end() -> None:
    assert verdict(seen=[SHOWN[0], *SHOWN[2:]]).unended == ["turn 1 has 0 ends"]
    assert verdict(seen=[*SHOWN, SHOWN[3]]).unended == ["turn 2 has 2 ends"]
    assert verdict(turns=[TURNS[0], replace(TURNS[1], status="running")]).unended == ["turn 2 is running"]
