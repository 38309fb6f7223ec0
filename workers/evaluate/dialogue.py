"""Puts an evaluation's questions to real workers, over the queue, as merchants would.

Servers, workers and development store are those of `workers.scenario`. The model is the configured one, or a scripted
one that the workers call over HTTP like any provider.
"""

import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from events.publisher import Publisher
from events.reply import Reply, texts
from shopify.development_store.tokens import token_for
from storage import conversations, merchants
from workers.evaluate.grading import is_right, sentences
from workers.evaluate.sentences import LANGUAGES, LIES, Language, Statement, Topic, Writer, fits, topics
from workers.evaluate.world import SCOPES, StoreFact, World, build
from workers.model.local_server import Message, completion
from workers.scenario import time_travel
from workers.scenario.environment import Environment
from workers.scenario.language import ModelAnswer
from workers.scenario.scripted_model import ScriptedModel, wire_message

WORKFLOW = "ad_hoc_support"
NOW = datetime(2026, 11, 18, 15, tzinfo=UTC)
"""The time at the beginning of every evaluation, so that each asks the same, whatever the date."""
#: How many questions run at a time, and how long one may take.
AT_ONCE = 8
PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.01
_CLAIMS = """
SELECT assistant #>> '{_claims,then}' FROM steps JOIN turns ON turns.id = steps.turn_id
WHERE turns.conversation_id = :conversation AND assistant ? '_claims'
"""
"""What was done about answers with claims that have no ground."""
_MEANWHILE = re.compile(r"^turn_\d+-(?:w|n\d+)$")
"""The message ids of first words said by the sweeper."""
#: Where agents are killed during the repetitions, in rotation.
KILLED_AT = ("model.after", "step.before_commit", "publish.before")


@dataclass(frozen=True)
class Question:
    """One question about one store. `truth`: what an honest model says; `told`: what a scripted model says."""

    world: World
    topic: Topic
    language: Language
    phrasing: str
    ask: str
    truth: Statement
    told: Statement
    insists: bool = False
    """Whether a liar repeats the lie when told to correct itself."""

    @property
    def expected(self) -> tuple[str, ...]:
        """The facts in a right answer."""
        return self.topic.expect or self.topic.common_facts(self.language)

    @property
    def key(self) -> tuple[str, str]:
        """How a scripted model recognises it."""
        return self.world.shop_domain, self.ask


@dataclass(frozen=True)
class ShownAnswer:
    """What the merchant got. `outcome`: right, caught (wrong, but not said), said (wrong and said) or none."""

    question: Question
    text: str
    seconds: float
    outcome: str
    corrections: int = 0
    is_false_alarm: bool = False
    """Whether a true answer was changed, or needed a correction."""


class EvaluatedModel(ScriptedModel):
    """Plays the honest model and the liars: requests the data that a question needs, then says the planned answer."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: dict[tuple[str, str], Question] = {}

    async def respond(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        messages: Sequence[Message] = body.get("messages") or []
        question, since = self._asked(messages)
        rounds = sum(bool(message.get("tool_calls")) for message in since)
        is_correction = any(message["role"] == "user" for message in since)
        stages = _stages(question.told.facts)
        offered = {tool["function"]["name"] for tool in body.get("tools") or ()}
        if not is_correction and rounds < len(stages) and all(offered >= call.keys() for call in stages[rounds]):
            return completion(wire_message(ModelAnswer(call=stages[rounds]), rounds), body)
        words = question.told if question.insists or not is_correction else question.truth
        return completion(wire_message(ModelAnswer(say=words.text), rounds), body)

    def _asked(self, messages: Sequence[Message]) -> tuple[Question, Sequence[Message]]:
        """The question to answer, and the messages after it."""
        shop = re.search(r'"shop_domain": "([^"]+)"', str(messages[0]["content"]))
        for place in range(len(messages) - 1, 0, -1):
            question = self.questions.get((shop[1] if shop else "", str(messages[place].get("content"))))
            if question is not None:
                return question, messages[place + 1 :]
        raise LookupError("asked something that is no question of this evaluation")


def _stages(facts: Sequence[StoreFact]) -> list[list[dict[str, dict[str, Any]]]]:
    """The tool calls for the facts: what to fetch, then what to calculate."""
    fetches = [{"shopify_data": {"data_type": data}} for data in dict.fromkeys(fact.data for fact in facts)]
    calculations = [{"calculate_metrics": dict(fact.calculate)} for fact in facts if fact.calculate is not None]
    return [stage for stage in (fetches, calculations) if stage]


# --- what is asked ----------------------------------------------------------------------------------------------------


def questions(worlds: Sequence[World], number: int) -> list[Question]:
    """`count` honest questions, spread over stores, topics and languages."""
    lists = []
    for world in worlds:
        fitting = [
            _question(world, topic, LANGUAGES[(world.number + place) % 2]) for place, topic in enumerate(topics())
        ]
        known = [question for question in fitting if question is not None]
        start = world.number * 7 % len(known)
        lists.append(deque(known[start:] + known[:start]))
        injected = [question for question in known if question.topic.kind == "injection"]
        lists[-1].extendleft(injected)
    found: list[Question] = []
    while len(found) < number and any(lists):
        found += [waiting.popleft() for waiting in lists if waiting][: number - len(found)]
    return list({question.key: question for question in found}.values())


def lying(worlds: Sequence[World], each: int) -> list[Question]:
    """`count` questions for each kind of lie, which a liar answers with it; every other liar insists."""
    found: dict[tuple[str, str], Question] = {}
    every = questions(worlds, len(worlds) * len(topics()))
    for kind in LIES:
        if kind == "stale":  # needs old data: tested by `tests.truth`
            continue
        told = 0
        for question in every:
            if told == each or question.key in found:
                continue
            writer = Writer(question.world, question.language, seed=told)
            lies = writer.lies(question.topic, question.phrasing)
            lie = next((lie for lie in lies if lie.lie == kind), None)
            if lie is not None:
                truth = writer.honest(
                    question.topic, question.phrasing
                )  # written like the lie, so that only the lie differs
                found[question.key] = replace(question, told=lie, truth=truth, insists=len(found) % 2 == 0)
                told += 1
    return list(found.values())


def _phrasing(world: World, topic: Topic, language: Language) -> str | None:
    """A phrasing that fits; a different one for each store."""
    found = [one for one in topic.phrasings(language) if fits(world, topic, one)]
    return found[world.number % len(found)] if found else None


def _question(world: World, topic: Topic, language: Language) -> Question | None:
    phrasing = _phrasing(world, topic, language)
    if phrasing is None:
        return None
    writer = Writer(world, language)
    honest = writer.honest(topic, phrasing)
    ask = writer.question(topic)
    return Question(world, topic, language, phrasing, ask, honest, honest)


# --- how it is asked --------------------------------------------------------------------------------------------------


@dataclass
class _Asked:
    """A question under way."""

    question: Question
    began: float = field(default_factory=time.monotonic)
    replies: list[Reply] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def is_answered(self) -> bool:
        return any(reply.final for reply in self.replies)

    @property
    def has_ended(self) -> bool:
        return self.is_answered or self.seconds > PATIENCE_SECONDS


class Dialogue:
    """Merchants with their stores, and the workers that answer them."""

    def __init__(self, environment: Environment, model: EvaluatedModel | None) -> None:
        """`environment` must be running. `model`: the scripted model, if one answers."""
        self._environment, self._stack, self._model = environment, environment.stack, model
        self._asked = 0
        #: How many kills of agents were ordered so far.
        self.kills = 0

    def open_stores(self, numbers: Sequence[int]) -> list[World]:
        """Set the workers' clock, open the stores and connect them."""
        worlds = build(self._stack.store, NOW, numbers)
        with self._stack.database.transaction() as session:
            time_travel.set_clock(session, NOW)
            for world in worlds:
                merchants.connect_shop(
                    session,
                    self._stack.vault,
                    merchant_id=_merchant(world),
                    shop_domain=world.shop_domain,
                    access_token=SecretStr(token_for(world.shop_domain)),
                    scopes=SCOPES,
                    emit=False,
                )
        return worlds

    def ask(self, asked: Sequence[Question], *, kill: bool = False) -> Iterator[ShownAnswer]:
        """Ask all questions, several at a time, each in its own conversation; with `kill`, agents are killed
        meanwhile."""
        if self._model is not None:
            self._model.questions = {question.key: question for question in asked}
        waiting, under_way = deque(asked), dict[str, _Asked]()
        seen, answered, ordered = len(self._stack.gateway.shown), 0, 0
        with Publisher(self._stack.broker_url) as publisher:
            while waiting or under_way:
                while waiting and len(under_way) < AT_ONCE:
                    question = waiting.popleft()
                    under_way[self._publish(publisher, question)] = _Asked(question)
                if kill and answered >= AT_ONCE * ordered:
                    ordered += self._ordered_a_kill()
                replies = self._stack.gateway.shown[seen:]
                seen += len(replies)
                for reply in replies:
                    if reply.subject in under_way:
                        under_way[reply.subject].replies.append(reply)
                for conversation in [conversation for conversation, one in under_way.items() if one.has_ended]:
                    ended = under_way.pop(conversation)
                    answered += ended.is_answered
                    yield self._answer(ended)
                time.sleep(POLL_SECONDS)

    def tokens(self) -> int:
        """The number of tokens used so far."""
        return int(self._stack.rows("SELECT coalesce(sum(input_tokens + output_tokens), 0) FROM usage")[0][0])

    def _publish(self, publisher: Publisher, question: Question) -> str:
        self._asked += 1
        conversation, merchant = f"evaluated_{self._asked}", _merchant(question.world)
        context = {"shop_domain": question.world.shop_domain, "shopify_connected": True, "merchant_id": merchant}
        with self._stack.database.transaction() as session:
            conversations.open(session, id=conversation, merchant_id=merchant, workflow=WORKFLOW, context=context)
        data = {"merchant_id": merchant, "conversation_id": conversation, "text": question.ask}
        publisher.publish("message_received", data, source="/gateway")
        return conversation

    def _ordered_a_kill(self) -> bool:
        """Order the agent's death at the next failpoint, unless it is still starting: three deaths would end a turn."""
        if "agent" not in self._stack.supervisor.ready_pids():
            return False
        self._environment.killer.order("agent", KILLED_AT[self.kills % len(KILLED_AT)])
        self.kills += 1
        return True

    def _answer(self, asked: _Asked) -> ShownAnswer:
        question, replies, seconds = asked.question, asked.replies, asked.seconds
        said = " ".join(texts(reply for reply in replies if not _is_meanwhile(reply)))
        if not asked.is_answered:
            return ShownAnswer(question, said, seconds, "none")
        then = [row[0] for row in self._stack.rows(_CLAIMS, conversation=replies[0].subject)]
        is_honest = question.told is question.truth
        held_back = bool(then) or said != question.truth.text
        return ShownAnswer(
            question,
            said,
            seconds,
            _outcome(question, said, is_checked=bool(then)),
            corrections=then.count("withdrawn"),
            is_false_alarm=self._model is not None and is_honest and held_back,
        )


def _outcome(question: Question, said: str, *, is_checked: bool) -> str:
    if question.told is not question.truth:
        true = sentences(question.truth.text)
        lies = [sentence for sentence in sentences(question.told.text) if sentence not in true]
        return "said" if any(lie in said for lie in lies) else "caught"
    if is_right(said, question.topic, question.world, question.expected):
        return "right"
    return "caught" if is_checked else "said"


def _is_meanwhile(reply: Reply) -> bool:
    """Whether it only says that the answer takes a while, which is no claim about the store."""
    return any(_MEANWHILE.search(str(event.get("messageId"))) for event in reply.data)


def _merchant(world: World) -> str:
    return f"merchant_{world.number:02}"
