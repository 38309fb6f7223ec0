"""A message that is sent while the model is still writing it: which of its sentences may be sent now. Pure.

A sentence is sent once nothing that follows can change it: neither where it ends, nor its plain text (`outgoing_text`:
a link whose text is two sentences is one unit). What was sent stays. If a model has to start again, it gets its own
beginning and continues; sentences that it repeats nevertheless are left out.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workers.agent.outgoing_text import legible
from workers.truth.grounding import Verdict
from workers.truth.sentence import sentences

CONTEXT = 4000
"""Characters of the preceding text with which a sentence is checked."""
UNCERTAIN = 500
"""Characters without a certain end of a sentence, from which on only a twentieth more is a reason to look again."""
ENDS = 20
MOST_WORDS_BESIDE = 3
"""Words of a sentence that says nothing beside an announcement: "Of course!"."""
LONGEST_QUESTION = 500
"""How many characters of a question are remembered."""

_NUMBER_ENDS = re.compile("\\d\\.[\"\u201d\u201c\u00bb\u2019')\\]]*\\s*\\Z")
_WORD_FOLLOWS = re.compile(r"[\W_]*[^\W_]+[\W_]")
_LETTER = re.compile("[0-9A-Za-z\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
"""The characters of addresses."""
_JAVASCRIPT = "j(?:[\t\n]*a(?:[\t\n]*v(?:[\t\n]*a(?:[\t\n]*s(?:[\t\n]*[cript])*)?)?)?)?"
_OPEN = re.compile(
    r"\[[^\[\]]*\Z"  # what may become a link: its text, and its address
    r"|\]\([^()]*(?:\([^()]*\)[^()]*)*(?:\([^()]*)?\Z"
    rf"|(?:{_JAVASCRIPT}|vbscript|livescript)[\s:]*\Z"
    r"|<(?=[A-Za-z/!?])|&(?:\#|[A-Za-z][A-Za-z0-9]{1,31};)",  # markup, whatever comes of it
    re.IGNORECASE,
)
_LOOK = r"look(?:ing)?(?! forward)|(?:check|pull|fetch|gather|review)(?:ing)?|find out|get back"
_SCHAUEN = r"schaue?|gucke?|sehe(?= (?:mir|nach|gleich|kurz))|prüfe|hole|rufe|melde|werfe|ermittle|checke"
_ANNOUNCES = re.compile(
    rf"\b(?:let me(?! know)|i.ll|i will|i.m|i am)\b[^.!?]{{0,30}}?\b(?:{_LOOK})\b|\blet me see\b"
    rf"|\bich\b[^.!?]{{0,30}}?\b(?:{_SCHAUEN})\b|\b(?:{_SCHAUEN}) ich\b|\b(?:lass|lassen sie) mich(?! wissen)\b"
    r"|\b(?:one|a|ein\w*)(?: \w+)? (?:moment|second|minute|sec|augenblick)(?=\W*$|,| please| bitte| while)"
    r"|\b(?:hold|hang) on\b|\bmoment bitte\b",
    re.IGNORECASE,
)
_BEYOND_LOOKING = re.compile(
    r"\d|\?\W*$|\b(?:not|cannot|afraid|takes|nichts?|kein\w*|ohne|beantworte)\b|n['\u2019]t\b", re.IGNORECASE
)
_WORD = re.compile(r"\w")
_SPACE = re.compile(r"\s+")


def whole_sentences(text: str) -> str:
    """The start of an incomplete text: as many sentences as may be said, whatever follows.

    Looks at its last `ENDS` sentences only: the ones before were the last once, while the text was written.
    """
    ends = list(itertools.accumulate(map(len, sentences(text)[:-1])))
    return text[: next((end for end in reversed(ends[-ENDS:]) if _is_certain(text, end)), 0)]


def last_question(text: str) -> str | None:
    """The last sentence in a text that is a question."""
    asked = [
        piece.strip()
        for piece in sentences(text)
        if piece.rstrip("\n\t \"\u201d\u2019»')]*_\u300d\u300f").endswith(("?", "\uff1f", "\u061f"))
    ]
    return asked[-1][-LONGEST_QUESTION:] if asked else None


def is_announcement(text: str) -> bool:
    """Whether the text says that CJ is about to look, or will come back, and nothing else: "Sure! Let me check."."""
    pieces = [piece for piece in sentences(text) if len(piece.split()) > MOST_WORDS_BESIDE or _ANNOUNCES.search(piece)]
    return bool(pieces) and all(_ANNOUNCES.search(piece) and not _BEYOND_LOOKING.search(piece) for piece in pieces)


def _is_certain(text: str, end: int) -> bool:
    """Whether a sentence surely ends here, whatever follows, and is plain text by itself."""
    before, after = text[:end], text[end:]
    if _NUMBER_ENDS.search(before) and not _WORD_FOLLOWS.match(after):  # "am 5. J": a month, or a new sentence
        return False
    if not before[-1].isspace() and _LETTER.match(before[-2:-1]) and _LETTER.match(after):
        return False  # a full stop that a browser takes for a dot
    return _OPEN.search(legible(before)) is None


@dataclass
class Utterance:
    """The state of one message. `begun`: what was said of it before the current answer started."""

    begun: str = ""
    said: str = field(init=False)
    """What the merchant has got of it, as the model wrote it."""
    ungrounded: list[str] = field(default_factory=list)
    is_grounded: bool = False
    """Whether a claim in what was said has a ground."""
    is_held: bool = False
    """Whether the answer will be corrected as a whole, or dropped, so that nothing of it is sent."""
    _heard: str = ""
    """The part of the current answer that was checked."""
    _look_at: int = 0
    """With how many characters more to look for whole sentences again."""
    _repeats: bool = field(init=False)
    """Whether it repeats what was said before, and nothing else has come yet."""

    def __post_init__(self) -> None:
        self.said, self._repeats = self.begun, bool(self.begun)

    def new(self, words: str, *, whole: bool = False) -> str:
        """The part to check now, of an answer that starts with, or consists of, these `words`."""
        if not words.startswith(self._heard):  # another model's answer, or one that was cut off before that point
            self._heard, self._repeats, self._look_at = "", bool(self.said), 0
        fresh = words[len(self._heard) :]
        if whole or len(fresh) < self._look_at:
            return fresh if whole else ""
        found = whole_sentences(fresh)
        self._look_at = len(fresh) + len(fresh) // 20 if not found and len(fresh) >= UNCERTAIN else 0
        return found

    def judge(self, fresh: str, check: Callable[[str], Sequence[Verdict]]) -> list[Verdict]:
        """The verdicts on `fresh` text, given what came before; without repetitions of the beginning."""
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
        """The text to say according to these verdicts; records the claims without a ground."""
        words = ""
        for verdict in verdicts:
            self.ungrounded += [claim for claim in verdict.ungrounded if claim not in self.ungrounded]
            if not verdict.ungrounded or with_ungrounded:
                words += verdict.sentence
                self.is_grounded |= verdict.grounded > 0
        return words

    def joined(self, words: str) -> str:
        """Everything said so far, plus these words."""
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
    """A normal form in which a sentence equals its repetition; an answer that was cut off ends in an ellipsis."""
    return _SPACE.sub(" ", sentence).rstrip(" \u2026").lstrip().casefold()
