"""Merchants who write faster than CJ answers: one good answer, in order, without delaying the others."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from events import Reply
from tests.acceptance.conftest import Someone
from tests.openai_server import Answer, OpenAIServer, Received, Say, Slow
from tests.servers import PostgresForTests
from tests.stack import Stack
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

THINKING_SECONDS = 0.4


@dataclass
class Thinker:
    """A slow model that says which messages it answers."""

    seconds: float = THINKING_SECONDS
    server: OpenAIServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = OpenAIServer(self.answer)

    def answer(self, request: Received) -> Answer:
        return Slow(self.seconds, Say("Answering " + ", ".join(asked(request))))

    def times(self, pattern: str) -> list[float]:
        """When it was asked to answer messages matching `pattern`."""
        return [seen.at for seen in list(self.server.requests) if re.search(pattern, ", ".join(asked(seen)))]


def asked(request: Received) -> list[str]:
    """The merchant's messages since CJ last spoke."""
    said: list[str] = []
    for message in request.messages:
        if message["role"] == "assistant":
            said.clear()
        elif message["role"] == "user":
            said += re.findall(r"message \S+", str(message["content"]))
    return said


@pytest.fixture(scope="module")
def thinker() -> Iterator[Thinker]:
    thinker = Thinker()
    with thinker.server:
        yield thinker


@pytest.fixture(scope="module")
def stack(
    postgres: PostgresForTests, valkey: EmbeddedValkey, thinker: Thinker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Two agents, so that order does not come from a single process."""
    environ = {
        "CJ_MODEL": "openai/thinker",
        "OPENAI_API_BASE": thinker.server.base_url,
        "OPENAI_API_KEY": "sk-not-a-key",
        "CJ_LEASE_SECONDS": "10",
    }
    with (
        postgres.migrated_database() as database_url,
        Stack(
            database_url, valkey.url, tmp_path_factory.mktemp("bursts"), counts={"agent": 2}, environ=environ
        ) as stack,
    ):
        yield stack


def begin(stack: Stack, someone: Someone, *conversations: str) -> None:
    """A merchant with a store and these open, idle conversations."""
    stack.connect(someone.shop_domain, someone.merchant_id)
    for conversation in conversations or (someone.conversation_id,):
        started = {"merchant_id": someone.merchant_id, "conversation_id": conversation}
        stack.publish("conversation_started", started, source="/gateway")
    for conversation in conversations or (someone.conversation_id,):
        stack.gateway.wait_for_ends(conversation)


def turns_of(stack: Stack, conversation_id: str) -> list[list[Reply]]:
    """The replies as shown, turn by turn."""
    replies = stack.gateway.of(conversation_id)
    assert [reply.turn for reply in replies] == sorted(reply.turn for reply in replies)
    return [[reply for reply in replies if reply.turn == turn] for turn in sorted({reply.turn for reply in replies})]


def assert_each_ends_once(stack: Stack, conversation_id: str) -> None:
    for turn in turns_of(stack, conversation_id):
        assert [kind for reply in turn for kind in reply.kinds].count("RUN_STARTED") == 1
        assert [reply.final for reply in turn] == [False] * (len(turn) - 1) + [True]


def test_messages_sent_while_the_model_thinks_get_one_answer(stack: Stack, thinker: Thinker, someone: Someone) -> None:
    begin(stack, someone)
    said = len(stack.gateway.texts(someone.conversation_id))
    thinker.seconds = 2.0
    try:
        stack.say(someone.merchant_id, someone.conversation_id, f"message {someone.merchant_id}-1")
        wait_until(lambda: thinker.times(f"message {someone.merchant_id}-1"), what="the model to think")
        stack.say(someone.merchant_id, someone.conversation_id, f"message {someone.merchant_id}-2")
        stack.say(someone.merchant_id, someone.conversation_id, f"message {someone.merchant_id}-3")
        stack.gateway.wait_for_ends(someone.conversation_id, 4)
    finally:
        thinker.seconds = THINKING_SECONDS
    answers = stack.gateway.texts(someone.conversation_id)[said:]
    assert answers == ["Answering " + ", ".join(f"message {someone.merchant_id}-{n}" for n in (1, 2, 3))]
    assert_each_ends_once(stack, someone.conversation_id)
    rows = stack.rows(
        "select status, absorbed_by is not null from turns where conversation_id = :id and seq > 1 order by seq",
        id=someone.conversation_id,
    )
    assert rows == [("done", False), ("done", True), ("done", True)]


def test_a_burst_of_three_is_answered_whole(stack: Stack, someone: Someone) -> None:
    begin(stack, someone)
    said = len(stack.gateway.texts(someone.conversation_id))
    messages = [f"message {someone.merchant_id}-{n}" for n in (1, 2, 3)]
    for message in messages:
        stack.say(someone.merchant_id, someone.conversation_id, message)
    stack.gateway.wait_for_ends(someone.conversation_id, 4)
    answers = stack.gateway.texts(someone.conversation_id)[said:]
    # However the burst reached the model, CJ's last reply knows the last message, and none is answered twice.
    assert re.findall(r"message [^,]+", " ".join(answers).replace("Answering", ",")) == messages
    assert_each_ends_once(stack, someone.conversation_id)


def test_a_merchant_has_two_turns_running_and_a_conversation_one(
    stack: Stack, thinker: Thinker, someone: Someone
) -> None:
    conversations = [f"{someone.conversation_id}-{n}" for n in range(8)]
    begin(stack, someone, *conversations)
    neighbour = Someone(f"{someone.merchant_id}x", f"x{someone.shop_domain}", f"{someone.conversation_id}x")
    begin(stack, neighbour)
    for conversation in conversations:
        stack.say(someone.merchant_id, conversation, f"message {conversation}:1")
    wait_until(lambda: thinker.times(f"message {someone.conversation_id}-"), what="the first of many turns")
    stack.say(neighbour.merchant_id, neighbour.conversation_id, "message neighbour")
    stack.gateway.wait_for_ends(neighbour.conversation_id, 2)
    answered = [stack.gateway.ends(conversation) for conversation in conversations]
    for conversation in conversations:
        stack.say(someone.merchant_id, conversation, f"message {conversation}:2")
    for conversation in conversations:
        stack.gateway.wait_for_ends(conversation, 3, limit=40)
        assert_each_ends_once(stack, conversation)
        assert most_at_once(thinker.times(rf"message {conversation}:")) == 1
    assert answered.count(2) < len(conversations)  # the neighbour was not the last
    assert most_at_once(thinker.times(f"message {someone.conversation_id}-")) == 2


def most_at_once(starts: list[float]) -> int:
    """The most model calls, begun at `starts`, that ran at the same time."""
    return max(sum(0 <= start - other < THINKING_SECONDS for other in starts) for start in starts)
