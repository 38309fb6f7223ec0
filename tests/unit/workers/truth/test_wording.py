"""Wordings: found where their pattern is, though they are not tried elsewhere."""

from pathlib import Path

import pytest

from workers.truth import (
    claims,
    comparisons,
    description,
    existence,
    extremes,
    figures,
    grounding,
    lexicon,
    periods,
    said,
    statuses,
)
from workers.truth.sentence import Sentence
from workers.truth.wording import Wording, places

BANK = Path(__file__).parents[3] / "truth" / "tuned.txt"
ROOMS = (claims, comparisons, description, existence, extremes, figures, grounding, lexicon, periods, said, statuses)
WORDINGS = {each for room in ROOMS for each in vars(room).values() if isinstance(each, Wording)}


def test_a_wording_is_found_where_its_pattern_is() -> None:
    assert len(WORDINGS) > 25
    for line in BANK.read_text("utf-8").lower().splitlines()[::10]:
        sentence = Sentence(line, masked=line, places=places(line))
        for wording in WORDINGS:
            found = [(match.span(), match[0]) for match in sentence.each(wording)]
            assert found == [(match.span(), match[0]) for match in wording.pattern.finditer(line)], line


@pytest.mark.parametrize(
    ("pattern", "words", "others"),
    [
        ("more|(?:any )?less", "more moreover any less", "Xmore fewer"),
        (r"f[ae]ll|neue?r|(?!x)bis", "fall neuer bis", "all euer"),
        (r"\w*stärkste", "stärkste umsatzstärkste", "stark"),
        (r"[su]p to|\d{2} days", "sp up 14", "to days"),
    ],
)
def test_a_wording_begins_by_the_first_letters_of_its_alternatives(pattern: str, words: str, others: str) -> None:
    wording = Wording(pattern)
    assert [word for word in words.split() if not wording.begins_by(word)] == []
    assert [word for word in others.split() if wording.begins_by(word)] == []


@pytest.mark.parametrize("pattern", [r"\w+ing", "more|.+", r"(?:a|\S)b"])
def test_a_pattern_that_may_begin_by_any_word_is_none(pattern: str) -> None:
    with pytest.raises(ValueError, match="may begin by any word"):
        Wording(pattern)
