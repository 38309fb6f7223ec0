"""Questions, honest answers and lies: what `questions.yaml` says fits every store, and a lie is none by accident."""

import re
from collections import Counter
from dataclasses import replace

import pytest

from shopify.development_store.server import DevelopmentStore
from tests.truth.facts import NOW
from workers.evaluate.dialogue import lying, questions
from workers.evaluate.grading import is_right, sentences
from workers.evaluate.sentences import LANGUAGES, LIES, Topic, Writer, fits, named_in, topics
from workers.evaluate.world import STORES, World, build


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    return build(DevelopmentStore(now=NOW), NOW)


def test_there_are_enough_questions_of_every_kind_in_both_languages(worlds: list[World]) -> None:
    asked = questions(worlds, 270)
    assert len({question.key for question in asked}) == len(asked) >= 200
    assert len({question.world.number for question in asked}) == STORES >= 50
    assert set(Counter(question.topic.kind for question in asked)) == {topic.kind for topic in topics()}
    assert set(Counter(question.language for question in asked)) == set(LANGUAGES)
    assert len({world.currency for world in worlds}) == 9


def test_every_kind_of_lie_is_told(worlds: list[World]) -> None:
    told = Counter(question.told.lie for question in lying(worlds, 3))
    assert told == {kind: 3 for kind in LIES if kind != "stale"}


def test_no_mark_is_left_and_no_lie_is_true(worlds: list[World]) -> None:
    for world in worlds[:12]:
        for language in LANGUAGES:
            writer = Writer(world, language)
            for topic in topics():
                for phrasing in (one for one in topic.phrasings(language) if fits(world, topic, one)):
                    honest = writer.honest(topic, phrasing)
                    lies = [lie.text for lie in writer.lies(topic, phrasing)]
                    assert not any(re.search(r"[{}|]|<>", text) for text in (honest.text, *lies)), topic.name
                    assert honest.text not in lies


def test_every_topic_and_every_fact_is_there_in_some_store(worlds: list[World]) -> None:
    known = {name for world in worlds for name in world.facts}
    for topic in topics():
        for language in LANGUAGES:
            for phrasing in topic.phrasings(language):
                assert set(named_in(phrasing)) <= known, (topic.name, phrasing)
                assert any(fits(world, topic, phrasing) for world in worlds), (topic.name, phrasing)


def test_an_honest_answer_is_right_and_one_about_another_store_is_not(worlds: list[World]) -> None:
    one, other = worlds[0], worlds[3]
    asked = [question for question in questions([one], 100) if question.topic.kind == "lookup"]
    assert all(is_right(q.truth.text, q.topic, one, q.expected) for q in asked)
    wrong = [q for q in asked if set(q.expected) <= set(other.facts)]
    assert sum(is_right(q.truth.text, q.topic, other, q.expected) for q in wrong) <= len(wrong) / 10


@pytest.mark.parametrize(
    "text",
    ["You have 77 customers.", "Du hast siebenundsiebzig, genauer: 77 Kunden.", "77, not 99.", "**77** customers"],
)
def test_a_figure_is_found_in_free_words(text: str, worlds: list[World]) -> None:
    topic = next(topic for topic in topics() if topic.name == "customers")
    assert is_right(text, topic, _with(worlds[0], customers=77), ("customers",))
    assert not is_right(text, topic, _with(worlds[0], customers=78), ("customers",))


@pytest.mark.parametrize(("text", "is_good"), [("I can't see visits.", True), ("You had 1,200 visitors.", False)])
def test_where_there_is_no_answer_a_number_is_wrong(text: str, is_good: bool, worlds: list[World]) -> None:
    topic: Topic = next(topic for topic in topics() if topic.name == "visitors")
    assert is_right(text, topic, worlds[0], ()) is is_good


def test_sentences_end_at_their_ends() -> None:
    assert sentences("You sold $1,512.30. It is #1120. Well done!") == [
        "You sold $1,512.30.",
        "It is #1120.",
        "Well done!",
    ]


def _with(world: World, **values: int) -> World:
    facts = {**world.facts, **{name: replace(world.facts[name], value=value) for name, value in values.items()}}
    return replace(world, facts=facts)
