"""Replies are written `turn.sequence`, and `turn.sequence!` when they end their turn."""

import itertools
import sys
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.ordering import ASSUMED_GAP_SECONDS, GAP_SECONDS, Offer, ReplyOrder
from events.reply import Reply


def reply(place: str, conversation: str = "c", *, id: str | None = None) -> Reply:
    turn, sequence = place.rstrip("!").split(".")
    return Reply(
        specversion="1.0",
        id=id or f"{conversation}:{place}",
        source="/cj",
        type="cj.reply",
        subject=conversation,
        merchantid="m1",
        turn=int(turn),
        sequence=sequence.zfill(6),
        data=[{"type": "RUN_FINISHED" if place.endswith("!") else "TEXT_MESSAGE_START"}],
    )


class Gateway:
    """Shows what is due; the test moves the clock."""

    def __init__(self, *, remember: int = 100) -> None:
        self.order = ReplyOrder(gap_seconds=2.0, remember=remember)
        self.now = 1000.0
        self.seen: list[str] = []

    def take(self, *places: str, conversation: str = "c") -> list[str]:
        """What is shown because these replies arrived, one after the other."""
        for place in places:
            self.order.offer(reply(place, conversation), self.now)
        return self.show()

    def later(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.show()

    def show(self) -> list[str]:
        shown = []
        while (due := self.order.due(self.now)) is not None:
            self.order.shown(due)
            shown.append(due.id.partition(":")[2])
        self.seen += shown
        return shown


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


def test_replies_in_order_are_shown_at_once(gateway: Gateway) -> None:
    for place in ("1.1", "1.2", "1.3!", "2.1", "2.2!"):
        assert gateway.take(place) == [place]


def test_a_swapped_pair_is_put_right(gateway: Gateway) -> None:
    assert gateway.take("1.1", "1.3") == ["1.1"]
    assert gateway.take("1.2") == ["1.2", "1.3"]


def test_the_next_turn_waits_for_the_end_of_this_one(gateway: Gateway) -> None:
    assert gateway.take("1.1", "2.1") == ["1.1"]
    assert gateway.take("1.3!") == []
    assert gateway.take("1.2") == ["1.2", "1.3!", "2.1"]


def test_a_whole_missing_turn_is_waited_for(gateway: Gateway) -> None:
    assert gateway.take("1.1!", "3.1") == ["1.1!"]
    assert gateway.take("2.1!") == ["2.1!", "3.1"]


def test_a_gap_is_waited_for_no_longer_than_its_time(gateway: Gateway) -> None:
    gateway.take("1.1", "1.3")
    assert gateway.later(1.999) == []
    assert gateway.later(0.001) == ["1.3"]
    assert gateway.take("1.4") == ["1.4"]


def test_the_time_counts_from_the_reply_that_waits_longest(gateway: Gateway) -> None:
    gateway.take("1.1", "1.5")
    gateway.later(1.5)
    assert gateway.take("1.3") == []
    # 1.5 has waited two seconds; what comes before it goes first, although it has not.
    assert gateway.later(0.5) == ["1.3", "1.5"]


def test_a_second_gap_has_its_own_time(gateway: Gateway) -> None:
    gateway.take("1.1", "1.3")
    gateway.later(1.0)
    gateway.take("1.5")
    assert gateway.later(1.0) == ["1.3"]
    assert gateway.later(0.9) == []
    assert gateway.later(0.1) == ["1.5"]


def test_what_comes_after_the_gaps_time_is_shown_late_and_does_not_turn_back_the_clock(gateway: Gateway) -> None:
    gateway.take("1.1", "1.4!")
    gateway.later(2.0)
    assert gateway.take("1.3") == ["1.3"]
    assert gateway.take("1.2") == ["1.2"]
    assert gateway.take("2.1") == ["2.1"]
    assert gateway.seen == ["1.1", "1.4!", "1.3", "1.2", "2.1"]


def test_a_repetition_is_known_once_shown(gateway: Gateway) -> None:
    first = reply("1.1")
    assert gateway.order.offer(first, gateway.now) is Offer.NEW
    assert gateway.order.offer(first, gateway.now) is Offer.WAITING
    assert gateway.show() == ["1.1"]
    assert gateway.order.offer(first, gateway.now) is Offer.SHOWN
    assert gateway.show() == []


def test_a_repetition_of_a_waiting_reply_does_not_renew_its_time(gateway: Gateway) -> None:
    gateway.take("1.1", "1.3")
    gateway.later(1.5)
    assert gateway.take("1.3") == []
    assert gateway.later(0.5) == ["1.3"]
    assert gateway.later(5.0) == []


def test_the_same_id_from_another_source_is_another_reply(gateway: Gateway) -> None:
    one = reply("1.1")
    other = reply("1.2").model_copy(update={"source": "/other", "id": one.id})
    gateway.order.offer(one, gateway.now)
    assert gateway.order.offer(other, gateway.now) is Offer.NEW
    assert len(gateway.show()) == 2


def test_two_replies_of_one_place_are_both_shown(gateway: Gateway) -> None:
    gateway.take("1.1")
    gateway.order.offer(reply("1.2", id="c:one"), gateway.now)
    gateway.order.offer(reply("1.2", id="c:two"), gateway.now)
    assert gateway.show() == ["one", "two"]


def test_a_gap_in_one_conversation_does_not_hold_up_another(gateway: Gateway) -> None:
    gateway.take("1.1", "1.3", conversation="a")
    assert gateway.take("4.1", "4.2!", conversation="b") == ["4.1", "4.2!"]
    assert gateway.take("1.2", conversation="a") == ["1.2", "1.3"]


def test_after_a_restart_a_half_seen_turn_goes_on_after_the_gaps_time() -> None:
    restarted = Gateway()
    assert restarted.take("5.3", "5.4") == []
    assert restarted.later(2.0) == ["5.3", "5.4"]
    assert restarted.take("5.5!", "6.1") == ["5.5!", "6.1"]


def test_only_a_gap_that_is_known_to_be_one_is_waited_for_as_long_as_a_lost_reply_takes() -> None:
    restarted = Gateway()
    restarted.order = ReplyOrder()
    assert restarted.take("5.3") == []
    assert restarted.later(ASSUMED_GAP_SECONDS) == ["5.3"]
    assert restarted.take("5.5") == []
    assert restarted.later(GAP_SECONDS - 0.1) == []
    assert restarted.later(0.1) == ["5.5"]


def test_after_a_restart_redelivered_replies_come_in_any_order() -> None:
    restarted = Gateway()
    assert restarted.take("5.4", "5.3", "5.2") == []
    assert restarted.take("5.1") == ["5.1", "5.2", "5.3", "5.4"]


def test_after_a_restart_a_new_turn_is_shown_at_once() -> None:
    assert Gateway().take("7.1") == ["7.1"]


def test_who_has_a_record_of_everything_knows_that_a_conversation_begins_with_its_first_turn() -> None:
    gateway = Gateway()
    gateway.order = ReplyOrder(gap_seconds=2.0, from_first_turn=True)
    assert gateway.take("2.1") == []
    assert gateway.take("1.1!") == ["1.1!", "2.1"]
    assert gateway.take("7.1", conversation="pruned") == []
    assert gateway.later(2.0) == ["7.1"]


def test_a_record_of_what_was_shown_puts_the_order_where_it_was() -> None:
    restarted = Gateway()
    for place in ("1.1", "1.2!", "2.1"):
        restarted.order.shown(reply(place))
    assert restarted.order.offer(reply("2.1"), restarted.now) is Offer.SHOWN
    assert restarted.take("2.3") == []
    assert restarted.take("2.2") == ["2.2", "2.3"]


def test_seconds_to_wait(gateway: Gateway) -> None:
    assert gateway.order.seconds_to_wait(gateway.now) is None
    gateway.take("1.1", "1.3")
    gateway.now += 0.5
    gateway.take("9.5", conversation="b")
    assert gateway.order.seconds_to_wait(gateway.now) == pytest.approx(1.5)
    assert gateway.order.seconds_to_wait(gateway.now + 60) == 0.0


def test_what_waited_can_be_forgotten_and_taken_again(gateway: Gateway) -> None:
    gateway.take("1.1", "1.3")
    gateway.order.forget_waiting()
    assert gateway.later(10.0) == []
    assert gateway.order.offer(reply("1.3"), gateway.now) is Offer.NEW
    assert gateway.take("1.2") == ["1.2", "1.3"]


def test_a_reply_that_is_not_said_to_be_shown_stays_due(gateway: Gateway) -> None:
    gateway.order.offer(reply("1.1"), gateway.now)
    assert gateway.order.due(gateway.now) == gateway.order.due(gateway.now) == reply("1.1")


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    gateway = Gateway(remember=3)
    for number in range(1, 6):
        gateway.take(f"1.{number}")
    assert gateway.order.offer(reply("1.3"), gateway.now) is Offer.SHOWN
    assert gateway.order.offer(reply("1.1"), gateway.now) is Offer.NEW
    assert len(gateway.order._shown) == 3
    for conversation in "defgh":
        gateway.take("1.1", conversation=conversation)
    assert len(gateway.order._positions) == 3


def test_a_repetition_renews_the_memory() -> None:
    gateway = Gateway(remember=3)
    gateway.take("1.1", "1.2", "1.3")
    gateway.take("1.1")
    gateway.take("1.4")
    assert gateway.order.offer(reply("1.1"), gateway.now) is Offer.SHOWN
    assert gateway.order.offer(reply("1.2"), gateway.now) is Offer.NEW


def conversation(turns: Iterable[int]) -> list[str]:
    """Every place in a conversation whose turns have these numbers of replies."""
    return [
        f"{turn}.{sequence}" + ("!" if sequence == length else "")
        for turn, length in enumerate(turns, 1)
        for sequence in range(1, length + 1)
    ]


@settings(deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_any_order_with_any_repetition_is_shown_once_and_in_order(data: st.DataObject, turns: list[int]) -> None:
    places = conversation(turns)
    rest = data.draw(st.permutations(places[1:] + data.draw(st.lists(st.sampled_from(places), max_size=6))))
    gateway = Gateway()
    for place in [places[0], *rest]:  # the first one says where the conversation begins
        gateway.take(place)
    assert gateway.seen == places


@settings(deadline=None)
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_nothing_is_lost_or_doubled_or_waits_too_long_whatever_is_missing(
    data: st.DataObject, turns: list[int]
) -> None:
    places = conversation(turns)
    arriving = data.draw(st.lists(st.sampled_from(places), max_size=12))
    pauses = data.draw(st.lists(st.floats(0, 1.5), min_size=len(arriving), max_size=len(arriving)))
    gateway = Gateway()
    arrived: dict[str, float] = {}
    for place, pause in zip(arriving, pauses, strict=True):
        gateway.later(pause)
        arrived.setdefault(place, gateway.now)
        gateway.take(place)
        overdue = {known for known, at in arrived.items() if gateway.now - at >= 2.0}
        assert overdue <= set(gateway.seen)
    gateway.later(2.0)
    assert sorted(gateway.seen) == sorted(set(arriving))


def test_every_order_of_a_short_conversation() -> None:
    places = conversation([2, 2])
    for order in itertools.permutations(places):
        gateway = Gateway()
        gateway.take(*order)
        gateway.later(2.0)
        assert gateway.seen == places


@pytest.mark.parametrize("where", ["in other conversations", "in the same conversation"])
def test_what_waits_makes_no_reply_slower(where: str) -> None:
    """Function calls are counted, not seconds: they are the same on every machine."""

    def calls_of_a_turn(waiting: int) -> int:
        gateway = Gateway(remember=20_000)
        gateway.take("1.1!")
        for number in range(waiting):
            if where == "in the same conversation":
                gateway.take(f"3.{number + 1}")
            else:
                gateway.take("2.2", conversation=f"other-{number}")
        calls = 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            assert gateway.take(*(f"2.{number}" for number in range(1, 50))) != []
            assert gateway.order.seconds_to_wait(gateway.now) is not None or waiting == 0
        finally:
            sys.setprofile(None)
        return calls

    assert calls_of_a_turn(5000) <= 2 * calls_of_a_turn(0)
