"""A message that is said while the model is still at it: which of its sentences may go out now. Pure.

A sentence goes out once nothing that follows can change it: neither where it ends, nor what becomes of it as plain text
(`outgoing_text`: a link whose text is two sentences is one unit). What was said stays said. If a model has to begin
again, it is given its own beginning and goes on; the sentences that it repeats all the same are left out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workers.agent.outgoing_text import legible
from workers.truth.grounding import Verdict
from workers.truth.sentence import sentences

CONTEXT = 4000
"""Characters of what came before that a sentence is judged with."""
LONGEST_QUESTION = 500
"""Characters of a question that are remembered."""

_NUMBER_ENDS = re.compile("\\d\\.[\"\u201d\u201c\u00bb\u2019')\\]]*\\s*\\Z")
_WORD_FOLLOWS = re.compile(r"[\W_]*[^\W_]+[\W_]")
_LETTER = re.compile("[0-9A-Za-z\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
"""Of what an address may consist."""
_JAVASCRIPT = "j(?:[\t\n]*a(?:[\t\n]*v(?:[\t\n]*a(?:[\t\n]*s(?:[\t\n]*[cript])*)?)?)?)?"
_OPEN = re.compile(
    r"\[[^\[\]]*\Z"  # what may become a link: its text, and its address
    r"|\]\([^()]*(?:\([^()]*\)[^()]*)*(?:\([^()]*)?\Z"
    rf"|(?:{_JAVASCRIPT}|vbscript|livescript)[\s:]*\Z"
    r"|<(?=[A-Za-z/!?])|&(?:\#|[A-Za-z][A-Za-z0-9]{1,31};)",  # markup, whatever comes of it
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")
_SPACE = re.compile(r"\s+")


def whole_sentences(text: str) -> str:
    """The beginning of a text that is still coming: as many sentences as may be said, whatever follows."""
    end = kept = 0
    for piece in sentences(text)[:-1]:
        end += len(piece)
        if _is_certain(text, end):
            kept = end
    return text[:kept]


def last_question(text: str) -> str | None:
    """The last sentence of a text that asks something."""
    asked = [
        piece.strip()
        for piece in sentences(text)
        if piece.rstrip("\n\t \"\u201d\u2019»')]*_").endswith(("?", "\uff1f"))
    ]
    return asked[-1][-LONGEST_QUESTION:] if asked else None


def _is_certain(text: str, end: int) -> bool:
    """Whether a sentence that ends here does so whatever follows, and is plain text by itself."""
    before, after = text[:end], text[end:]
    if _NUMBER_ENDS.search(before) and not _WORD_FOLLOWS.match(after):  # "am 5. J": a month, or a new sentence
        return False
    if not before[-1].isspace() and _LETTER.match(before[-2:-1]) and _LETTER.match(after):
        return False  # a full stop that a browser takes for a dot
    return _OPEN.search(legible(before)) is None


@dataclass
class Utterance:
    """What has come of one message. `begun`: what was said of it before the present answer began."""

    begun: str = ""
    said: str = field(init=False)
    """What the merchant has of it, as the model wrote it."""
    ungrounded: list[str] = field(default_factory=list)
    is_grounded: bool = False
    """Whether a claim in what was said has a ground."""
    is_held: bool = False
    """Whether the answer is to be corrected as a whole, or to be dropped, so that nothing of it goes out."""
    _heard: str = ""
    """As much of the present answer as was judged."""
    _repeats: bool = field(init=False)
    """Whether it begins with what was said before, and nothing else has come yet."""

    def __post_init__(self) -> None:
        self.said, self._repeats = self.begun, bool(self.begun)

    def new(self, words: str, *, whole: bool = False) -> str:
        """What is to be judged now of an answer that begins with these `words`, or consists of them."""
        if not words.startswith(self._heard):  # another model's answer, or one that was cut off before what it has said
            self._heard, self._repeats = "", bool(self.said)
        fresh = words[len(self._heard) :]
        return fresh if whole else whole_sentences(fresh)

    def judge(self, fresh: str, check: Callable[[str], Sequence[Verdict]]) -> list[Verdict]:
        """The verdicts on `fresh` words, in the light of what came before; without what repeats the beginning."""
        context = (self.begun + self._heard)[-CONTEXT:]
        self._heard += fresh
        found: list[Verdict] = []
        place = 0
        for verdict in check(context + fresh):
            place += len(verdict.sentence)
            new = place - len(context)
            if new > 0:
                found.append(Verdict(verdict.sentence[-new:], verdict.grounded, verdict.ungrounded))
        return self._unrepeated(found)

    def take(self, verdicts: Sequence[Verdict], *, with_ungrounded: bool) -> str:
        """The words of these verdicts that are to be said; notes the claims without a ground."""
        words = ""
        for verdict in verdicts:
            self.ungrounded += [claim for claim in verdict.ungrounded if claim not in self.ungrounded]
            if not verdict.ungrounded or with_ungrounded:
                words += verdict.sentence
                self.is_grounded |= verdict.grounded > 0
        return words

    def joined(self, words: str) -> str:
        """All that is said with these words."""
        if self.said and words and not self.said[-1].isspace() and not words[0].isspace():
            return f"{self.said} {words}"
        return self.said + words

    def _unrepeated(self, verdicts: list[Verdict]) -> list[Verdict]:
        if not self._repeats:
            return verdicts
        known = {_same(piece) for piece in sentences(self.said)}
        for place, verdict in enumerate(verdicts):
            if _WORD.search(verdict.sentence) and _same(verdict.sentence) not in known:
                self._repeats = False
                return verdicts[place:]
        return []


def _same(sentence: str) -> str:
    """What a sentence and its repetition have in common; an answer that was cut off ends in an ellipsis."""
    return _SPACE.sub(" ", sentence).rstrip(" \u2026").lstrip().casefold()
