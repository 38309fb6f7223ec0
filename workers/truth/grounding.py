"""Whether what CJ says follows from what was read: every figure, name, date and comparison of a text. Pure.

A number must be in the grounds as it is said: with its currency, about the same thing (customers are no orders, open
orders no orders in all), of the same period, and of whoever it is said of. Rounding is fine where the words admit it.
Advice, small talk, and numbers that are about nothing in the store ("3 steps", "within 24 hours") are not judged.

It cannot see tone, whether advice is good, or whether a cause is the cause; nor what a sentence leaves out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.truth import arithmetic, comparisons, existence, extremes, figures, foreign, names, shares, statuses
from workers.truth.claims import parse
from workers.truth.grounds import Grounds
from workers.truth.languages import NOT_SEEN, is_known, language
from workers.truth.periods import ranges
from workers.truth.said import Context, Said
from workers.truth.sentence import Number, Sentence, parts, sentences
from workers.truth.wording import Wording


@dataclass(frozen=True)
class Verdict:
    """One sentence as it stands, how many claims in it have a ground, and those that have none."""

    sentence: str
    grounded: int
    ungrounded: tuple[str, ...]


def check(text: str, grounds: Grounds) -> list[Verdict]:
    """The text's sentences, which make it up again, each with its verdict."""
    pieces = sentences(text)
    read = _read(pieces, grounds)
    is_current, age_is_told = (
        any(one.first(words, plain=True) for each in read for one in each) for words in (_CURRENT, _AGED_WORDS)
    )
    judge: _Judge | None = grounds.judged  # a reply is checked as it comes, and once more whole
    is_foreign = not is_known(_language(read, grounds))
    if judge is None or not judge.goes_on(pieces, is_current, age_is_told, is_foreign):
        judge = grounds.judged = _Judge(grounds, is_current, age_is_told, is_foreign)
    for place in range(len(judge.verdicts), len(pieces)):
        found = [judge.sentence(one) for one in read[place]]
        bad = dict.fromkeys(claim for _, claims in found for claim in claims)
        judge.verdicts.append(Verdict(pieces[place], sum(good for good, _ in found), tuple(bad)))
    return list(judge.verdicts)


def _read(pieces: Iterable[str], grounds: Grounds) -> list[list[Sentence]]:
    return [[_parsed(part, grounds) for part in parts(piece)] for piece in pieces]


def _parsed(text: str, grounds: Grounds) -> Sentence:
    """Read once a turn: a reply is checked sentence by sentence as it comes, and once more as a whole."""
    found = grounds.parsed.get(text)
    if found is None:
        told = _ASSERTED.sub(".", text) if "?" in text and _TELLING.search(text) else text
        found = grounds.parsed[text] = parse(told.replace("**", ""), grounds.names)
    return found


_TELLING = re.compile(
    r"\b(?:did|do|have|were|are|was|is|isn't|aren't|can|could|would)\b[^.?]*?\b(?:know|knew|known|aware|see|seen|notice|noticed|heard|hear|realis\w+|realiz\w+|believe|remember|surpris\w+|clear|true|great|nice|good|impressive|remarkable|amazing)\b"
    r"[^.?]{0,30}?(?:\b(?:that|how|you|your|the|there)\b|\d)"
    r"|\b(?:wusste\w*|weißt|wissen|gewusst|gesehen|bemerkt|aufgefallen|gehört|erinner\w*|klar|bekannt|bewusst|wahr|glaub\w*|überrascht|toll|schön|großartig)\b[^.?]{0,40}?\b(?:dass|wie)\b"
    r"|,\s(?:right|correct|huh|eh|yes|no|yeah|isn't (?:it|that)|aren't (?:they|you)|wasn't it|weren't (?:they|there)|didn't (?:you|they|it)|haven't you|doesn't it|don't you think|oder|nicht wahr|richtig|gell|stimmt's|stimmt das|nicht|ja|was)\s*\?"
    r"|^\W*(?:how come|why|what made|what drove|how did|how have|warum|wieso|weshalb|woran|wie kommt|wie kam)\b(?! not\b| nicht\b| don't\b)",
    re.IGNORECASE,
)
"""A question that tells what it asks about: "Did you know that …?", "…, right?", "Why did …?"."""

_ASSERTED = re.compile(r"\?(?=\W*$)")


def ungrounded(verdicts: Iterable[Verdict]) -> list[str]:
    """The claims without a ground, in order."""
    return list(dict.fromkeys(claim for verdict in verdicts for claim in verdict.ungrounded))


def without(verdicts: Sequence[Verdict], instead: str) -> str:
    """The text without the sentences that have a claim without a ground; `instead` of the first, if nothing else told
    of the store."""
    kept = [verdict.sentence if not verdict.ungrounded else "" for verdict in verdicts]
    if not any(verdict.grounded and not verdict.ungrounded for verdict in verdicts):
        place = next(place for place, verdict in enumerate(verdicts) if verdict.ungrounded)
        kept[place] = instead + (re.search(r"\s*$", verdicts[place].sentence) or [""])[0]
    return "".join(kept).strip()


def plain(text: str, told: str, grounds: Grounds) -> str:
    """What to say in place of an ungrounded `text`, in its language: what the data tells, in English, or that it does
    not."""
    spoken = _language(_read(sentences(text), grounds), grounds)
    return told if told and spoken in ("en", "other") else NOT_SEEN.get(spoken, NOT_SEEN["en"])


def _language(read: Iterable[Sequence[Sentence]], grounds: Grounds) -> str:
    """The text's language: names that are known tell nothing of it."""
    asked = [sentence.text for sentence in grounds.asking or grounds.asked]
    return language([sentence.cased for each in read for sentence in each], asked)


_CURRENT = Wording(
    r"(?:currently|right now|at (?:the|this) moment|as of (?:right |just )?(?:now|today|this)|at present|just now|this very (?:moment|second|minute)|up[- ]to[- ]date|live|today|now|real[- ]time|fresh(?:ly)?"
    r"|just (?:read|fetched|checked|looked)|(?:a|one|\d+) (?:second|moment)s? ago|moments ago|current|newest figures|latest figures"
    r"|aktuell\w*|derzeit|momentan|im moment|in diesem (?:moment|augenblick)|gerade|jetzt|heute|zurzeit|frisch\w*|soeben|(?:von )?dieser (?:sekunde|minute))\b",
)

_AGED_WORDS = Wording(
    r"(?:cached|stale|outdated|(?<!for )older(?! than| orders?)|old (?:data|figures)|as of (?!(?:right |just )?(?:now|today|this))|(?:seen|read|saved|from) earlier|earlier (?:data|figures|today)|last (?:saw|read|known|checked|updated)|last time i|saw (?:on|at)|not (?:current|live|fresh|up[- ]to[- ]date)"
    r"|when i (?:last )?(?:looked|checked|saw)|(?:read|fetched|checked|saved|data is|figures are|from) (?:\w+ )?(?:\d+|an?|two|three|a few) (?:minutes?|hours?|days?) (?:ago|old)|hours? old|days? old|may have changed|from (?:before|yesterday)|could not be (?:read|reached)|(?:does not|doesn't|did not|didn't) (?:answer|respond)"
    r"|(?:mit |dem )?stand (?:von |vom |am |um )(?!dieser|heute|jetzt)|veraltet\w*|älter\w*|zwischengespeichert\w*|stunden alt|tage alt|(?:stammen|daten|zahlen)\b.{0,40}\bvor \d|zuletzt (?:gelesen|gesehen|geladen|aktualisiert)|früher\w* (?:daten|zahlen|stand)|vorhin|nicht (?:mehr )?aktuell|(?:daten|zahlen|werte) (?:sind )?(?:vom|von gestern)|antwortet (?:gerade |derzeit |im moment )?nicht)\b",
)

_CLAIMS = (
    names.orders,
    names.moments,
    names.shops,
    existence.existence,
    shares.shares,
    names.names,
    extremes.superlatives,
    extremes.unread,
    comparisons.turned,
    comparisons.comparisons,
    comparisons.multiples,
    names.relations,
    statuses.statuses,
    statuses.sold_out,
)
"""What a sentence claims beside its numbers: each yields the words, and whether they have a ground."""

_FOREIGN_CLAIMS = (names.orders, names.moments, names.names, names.relations)
"""What it claims in a language that the check does not know by its words."""


class _Judge:
    """Reads the sentences in order: a later one may go on about what an earlier one named."""

    def __init__(self, grounds: Grounds, is_current: bool, age_is_told: bool, is_foreign: bool) -> None:
        latest = grounds.latest_orders()
        self.context = Context(
            grounds,
            is_current=is_current,
            age_is_told=age_is_told,
            is_foreign=is_foreign,
            newest=frozenset(latest[:1]),
            second=frozenset(latest[1:2]),
        )
        for sentence in grounds.asking:
            self._remember_periods(sentence)
        self.verdicts: list[Verdict] = []

    def goes_on(self, pieces: Sequence[str], is_current: bool, age_is_told: bool, is_foreign: bool) -> bool:
        """Whether what it has judged is how the text with these sentences begins."""
        known = [verdict.sentence for verdict in self.verdicts]
        told = self.context.is_current, self.context.age_is_told, self.context.is_foreign
        return told == (is_current, age_is_told, is_foreign) and pieces[: len(known)] == known

    def sentence(self, read: Sentence) -> tuple[int, list[str]]:
        """How many of its claims have a ground, and those that have none; what it tells the next ones is remembered."""
        context, said = self.context, Said(read, self.context)
        good, bad = 0, []
        sure: list[Number] = []
        doubtful = []
        for number in said.numbers:
            if ok := figures.number(said, number):
                sure.append(number)
            elif ok is False:
                doubtful.append(number)
        good += len(sure)
        for number in doubtful:
            if arithmetic.follows(said, number, sure, context.sure) or (
                context.is_foreign and foreign.is_sum(number, sure)
            ):
                good += 1
                sure.append(number)
            else:
                bad.append(number.text)
        for claims in _CLAIMS if not context.is_foreign else _FOREIGN_CLAIMS:
            for found, ok in claims(said):
                good += ok
                bad += [] if ok else [found]
        self._remember_periods(said)
        is_told = (
            good or said.names or said.ages or ((said.periods or said.dates) and not said.plain.rstrip().endswith("?"))
        )
        if (
            is_told
            and not context.is_foreign
            and context.is_current
            and not context.age_is_told
            and said.grounds.is_old
        ):
            bad.append((said.first(_CURRENT, plain=True) or [said.text.strip()])[0])
        if sure:
            is_listed = said.is_item or not context.line
            context.sure = [*context.sure, *sure][-arithmetic.MOST :] if is_listed else sure
        context.told = [said.meant[place] for place in sorted(said.meant)]
        context.topic |= frozenset(trait.kind for trait in said.traits)
        context.mentions = said.mentions() or (context.mentions if said.is_label else {})
        self._read_layout(said)
        context.line = "" if said.text.endswith("\n") else context.line or said.text
        return good, bad

    def _remember_periods(self, said: Sentence) -> None:
        today = self.context.grounds.now.date()
        self.context.spans += [span for period in said.periods for span in ranges(period, said, today)]

    def _read_layout(self, said: Said) -> None:
        """What a heading or the head of a table says holds for the lines below it."""
        context, plain = self.context, said.plain.strip(" \n*_")
        context.question = said if plain.endswith("?") and not said.numbers else None
        if plain.startswith("|"):
            if not context.columns:
                cells = said.text.split("|")
                context.columns = [
                    (place, Said(parse(cell, said.grounds.names), context)) for place, cell in enumerate(cells)
                ]
            return
        context.columns = []
        is_item = said.is_item
        is_title = not said.numbers and not context.line
        is_heading = said.text.endswith("\n") and not is_item and (plain.endswith(":") or is_title)
        if is_heading or plain.startswith("#"):
            context.heading, context.orders_above = said, said.mentions().get("order", [])
        elif not is_item or said.text.endswith("\n\n"):
            context.heading, context.orders_above = None, []
        elif not (context.heading and context.heading.mentions().get("order")):
            context.orders_above = said.mentions().get("order", []) or context.orders_above
