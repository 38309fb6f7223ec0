"""Sentences that may be sent before the rest has arrived: neither their ends nor what happens to them can change."""

import itertools
import random

import pytest

from workers.agent.outgoing_text import plain
from workers.agent.utterance import (
    ENDS,
    LONGEST_QUESTION,
    UNCERTAIN,
    Utterance,
    _is_certain,
    is_announcement,
    last_question,
    whole_sentences,
)
from workers.model import response
from workers.truth.grounding import Verdict
from workers.truth.sentence import sentences

TEXTS = [
    "You have 67 customers. 8 orders wait. Shall we go on?",
    "It comes to $1,224.60. That is 3.5 % more than in Nov. 2025, e.g. by Dr. Miller. Fine!",
    "Am 5. Januar kamen 12. Am 6. kamen 3. Das sind z. B. 2 mehr, d. h. gut. Bzw. fast 1.234,50 €. Schön!",
    "Three things:\n1. Socks, 12 units.\n2. Sporks.\n\n- a list\n- and more\nThat is all.",
    'Great! 🎉 You sold “Merino Socks”. (Really!) He said: "Wow." Then… Nothing. Ok?! Yes.',
    "**Bold. And on.** _Then_ this. `a. B` too. See #1120. No. 5 is out. That is it.",
    "我们有67位客户。8个订单在等待。好吗?Yes. 売れました。",
    "Look at [this. And that](https://evil.test/x). Then [1] and [a] (b). Then on.",
    "Is 3 < 4? Yes. And a<b? Yes. Then <b>bold. Text</b> here. Go on. More.",
    "Tom &amp; Jerry. &lt;b&gt;Hi. There&lt;/b&gt; you go. AT&T is fine. R&D too.",
    "See javascript\n: alert(1). Or java\nscript:alert(1) it. On. Visit acme.shop。Next one. evil。com/path is. Ok.",
    "https://evil.test/a.b?c=d. Then www.evil.example/sale. Mail a@b.example. Done.",
    "A link ](http://evil.test/a). And [x]: http://evil.test. And ![img. Alt](http://evil.test/p.png) it. End.",
    "Hidden \u200bcharacters. \u202eHere. \u200b. And\u2028here. End.",
]


def parts(text: str) -> list[str]:
    """What goes out while the text comes character by character, and at its end."""
    said, found = 0, []
    for end in range(1, len(text) + 1):
        if new := whole_sentences(text[said:end]):
            found.append(new)
            said += len(new)
    return [*found, text[said:]]


@pytest.mark.parametrize("text", TEXTS)
def test_sentences_end_where_they_end_in_the_whole_text(text: str) -> None:
    ends = set(itertools.accumulate(map(len, sentences(text))))
    went_out = list(itertools.accumulate(map(len, parts(text))))
    assert "".join(parts(text)) == text
    blank = {end for end in went_out if not text[:end].strip() or text[end:].strip() == ""}
    assert {end for end in went_out if end not in ends} <= blank | {
        end for end in went_out if any(text[end:other].strip() == "" for other in ends if other > end)
    }


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("You have 67 customers. 8 or", "You have 67 customers. "),
        ("You have 67 customers.", ""),
        ("Am 5. J", ""),
        ("Es kamen 5. J", ""),
        ("Es kamen 5. Jetzt ", "Es kamen 5. "),
        ("One.\nTw", "One.\n"),
        ("1. Socks\n2", "1. Socks\n"),
        ("See [this. And that](http://x). Th", "See [this. And that](http://x). "),
        ("See [this. And that", ""),
        ("First. See [this. And th", "First. "),
        ("First. This <b>is. And. T", "First. "),
        ("好吗?Ye", ""),
        ("我们有67位客户。8", "我们有67位客户。"),
    ],
)
def test_what_may_go_out(text: str, out: str) -> None:
    assert whole_sentences(text) == out


@pytest.mark.parametrize(
    ("text", "announces"),
    [
        ("Sure! Let me check.", True),
        ("One moment, please.", True),
        ("Einen Moment bitte, ich schaue nach.", True),
        ("Ich guck kurz.", True),
        ("I'll look into that. You have 7 orders.", False),
        ("Leider kann ich Ihre Frage nicht beantworten.", False),
        ("Lass mich wissen, ob das passt.", False),
        ("I'm afraid I can't look into your ads account.", False),
        ("I'm glad your reviews are so good.", False),
        ("It only takes a minute to set up the app.", False),
        ("Das war ein toller Moment für Ihren Shop.", False),
    ],
)
def test_what_only_announces_a_look(text: str, announces: bool) -> None:
    assert is_announcement(text) is announces


def test_behind_markup_no_sentence_is_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "<p>" + "Your store sold 12 mugs this week. " * 340
    looks: list[int] = []

    def look(before: str, end: int) -> bool:
        looks.append(end)
        return _is_certain(before, end)

    monkeypatch.setattr("workers.agent.utterance._is_certain", look)
    cuts = range(0, len(text), 40)
    assert not any(whole_sentences(text[:end]) for end in cuts)
    assert len(cuts) < len(looks) <= ENDS * len(cuts)


@pytest.mark.parametrize("text", ["[" + "A sale. " * 1500, "j\n" * 6000])
def test_what_is_certain_of_nothing_is_looked_at_ever_more_seldom(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(fresh: str) -> str:
        looks.append(len(fresh))
        return ""

    monkeypatch.setattr("workers.agent.utterance.whole_sentences", look)
    utterance = Utterance()
    for end in range(4, len(text), 4):
        utterance.new(text[:end])
    assert len(looks) < UNCERTAIN / 4 + 100
    assert all(later <= earlier * 1.06 + 4 for earlier, later in itertools.pairwise(looks))


def as_plain_text(pieces: list[str]) -> str:
    """What the merchant's screen holds in the end: each time, what the text so far has more than before."""
    shown = ""
    for so_far in itertools.accumulate(pieces):
        now = plain(so_far).rstrip()
        assert now.startswith(shown), (now, shown)
        shown = now
    return shown


@pytest.mark.parametrize("text", TEXTS)
def test_the_parts_are_the_same_plain_text_as_the_whole(text: str) -> None:
    assert as_plain_text(parts(text)) == plain(text).rstrip()


def test_the_same_of_texts_of_such_pieces() -> None:
    chance = random.Random(17)
    words = [piece for text in TEXTS for piece in text.split(" ")]
    for _ in range(100):
        text = " ".join(chance.choices(words, k=14)).strip()
        assert as_plain_text(parts(text)) == plain(text).rstrip(), text


def grounded(text: str) -> list[Verdict]:
    return [Verdict(piece, 1, ("9",) if "9" in piece else ()) for piece in sentences(text)]


def test_what_was_said_is_not_said_again() -> None:
    utterance = Utterance("You have 7 customers. Two orders wait. ")
    words = "You have  7 customers. Two orders wait. Shall we?"
    assert utterance.new(words) == "You have  7 customers. Two orders wait. "
    assert utterance.take(utterance.judge(utterance.new(words), grounded), with_ungrounded=False) == ""
    rest = utterance.judge(utterance.new(words, whole=True), grounded)
    assert utterance.joined(utterance.take(rest, with_ungrounded=False)) == f"{utterance.said}Shall we?"


def test_another_models_answer_begins_anew() -> None:
    utterance = Utterance()
    utterance.judge(utterance.new("One. Two. Thr"), grounded)
    assert utterance.new("Other. Words he") == "Other. "


def test_an_answer_that_was_cut_off_says_nothing_twice() -> None:
    """Of an answer that ends in mid-sentence the whole one is kept only up to a sentence that does not end in a figure,
    which may have been cut in two: less than was said already."""
    utterance, words = Utterance(), "You have 67 orders. The week before it was 60. Next I"
    utterance.said = utterance.take(utterance.judge(utterance.new(words), grounded), with_ungrounded=True)
    assert utterance.said == "You have 67 orders. The week before it was 60. "
    rest = utterance.judge(utterance.new(response.whole_sentences(words), whole=True), grounded)
    assert utterance.take(rest, with_ungrounded=True) == ""


def test_what_has_no_ground_is_left_out_and_noted() -> None:
    utterance = Utterance()
    said = utterance.take(utterance.judge("You have 9. You have 7. ", grounded), with_ungrounded=False)
    assert (said, utterance.ungrounded, utterance.is_grounded) == ("You have 7. ", ["9"], True)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("You have 7 orders. Shall we go on? I'm ready.", "Shall we go on?"),
        ("Is it 5.5? Or “6”?", "Or “6”?"),
        ("Soll ich nachsehen?", "Soll ich nachsehen?"),
        ("**Shall I?**", "**Shall I?**"),
        ("好吗？", "好吗？"),  # noqa: RUF001
        ("لديك 7 طلبات. هل نتابع؟", "هل نتابع؟"),
        ("「続けますか？」", "「続けますか？」"),  # noqa: RUF001
        ("You have 7 orders.", None),
        ("", None),
    ],
)
def test_what_was_asked_last(text: str, question: str | None) -> None:
    assert last_question(text) == question


def test_a_question_is_remembered_in_part() -> None:
    assert last_question("word " * 500 + "?") == ("word " * 500 + "?")[-LONGEST_QUESTION:]
