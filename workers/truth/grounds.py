"""What a turn may say: what was read from tool results, the context, and what was written to CJ. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from workers.truth.claims import parse
from workers.truth.evidence import Evidence
from workers.truth.figure import NOTHING, Figure
from workers.truth.sentence import Sentence, parts, sentences, with_latin_signs

Result = Mapping[str, Any]


@dataclass
class Grounds(Evidence):
    """All that what CJ says next may rest on."""

    is_old: bool = False
    """Whether nothing that was read is current."""
    linked: frozenset[str] = NOTHING
    """All names that belong to others."""
    asked: list[Sentence] = field(default_factory=list)
    """What the merchant wrote."""
    asking: list[Sentence] = field(default_factory=list)
    """In this turn, of these: what a figure is of, if nothing else says it."""
    prompted: list[Sentence] = field(default_factory=list)
    """What an event and the workflow's prompt say."""
    reasons: list[Sentence] = field(default_factory=list)
    """Why something could not be read."""
    texts: str = ""
    """All text in lower case."""
    parsed: dict[str, Sentence] = field(default_factory=dict)
    """Sentences of replies that were checked, as they were read."""
    judged: Any = None
    """The judge of the text that was checked last, with its sentences and their verdicts."""
    by_value: defaultdict[float, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    by_kind: defaultdict[str, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    """Figures that are money, percent, or counts."""
    counts: defaultdict[str, list[Figure]] = field(default_factory=lambda: defaultdict(list))
    """Counts by subject."""
    _read: list[Result] = field(default_factory=list)
    _indexed: int = 0

    @classmethod
    def of(
        cls,
        results: Sequence[Result],
        *,
        now: datetime,
        earlier: Sequence[Result] = (),
        context: Mapping[str, Any] | None = None,
        said: Iterable[str] = (),
        said_before: Iterable[str] = (),
        prompt: Iterable[str] = (),
    ) -> "Grounds":
        """`results` of this turn and of `earlier` ones, oldest first; `said` by the merchant in this one, and
        `said_before` it; `prompt` by the operator."""
        grounds = cls(now)
        if context:
            grounds.context(context)
        for texts, read in ((prompt, grounds.prompted), (said_before, grounds.asked), (said, grounds.asking)):
            for text in texts:
                read += _sentences_of(text)
                grounds.words.append(text)
        grounds.asked += grounds.asking
        for sentence in grounds.written:
            grounds.order_names |= {str(order.value) for order in sentence.orders}
        grounds._add([*earlier, *results])
        return grounds

    @property
    def written(self) -> list[Sentence]:
        """What the merchant, an event and the workflow's prompt say."""
        return [*self.asked, *self.prompted]

    def add(self, results: Sequence[Result], now: datetime) -> bool:
        """Read more results; False if all have to be read anew: one is of another day or newer than one that was read."""
        known = {_type_of(result) for result in self._read}
        computed = {_over(result).get("data_type") for result in self._read}
        typed = [result for result in results if result.get("data_type") is not None]
        is_newer = any(_type_of(result) in known or result["data_type"] in computed for result in typed)
        if is_newer or now.date() != self.now.date() or now.tzinfo != self.now.tzinfo:
            return False
        self.now = now
        self._add(results)
        return True

    def _add(self, results: Sequence[Result]) -> None:
        newest = {_type_of(result): place for place, result in enumerate(results) if result.get("success")}
        for place, result in enumerate(results):
            is_typed = result.get("data_type") is not None
            superseded = is_typed and newest.get(_type_of(result), place) != place
            self.result(result, superseded=superseded or _is_outdated(result, results[place + 1 :]))
        self._read += results
        self.is_old = bool(self.old) and all(self.old.values())
        by_length = sorted(self.names.items(), key=lambda item: (-len(item[0]), item[0]))  # whole ones first
        self.names = dict(by_length)
        self.linked = NOTHING.union(*self.links)
        self.reasons = [sentence for text in dict.fromkeys(self.why_missing) for sentence in _sentences_of(text)]
        self.texts = with_latin_signs("\n".join([*self.words, *self.why_missing])).lower()
        for figure in self.figures[self._indexed :]:
            self._index(figure)
        self._indexed = len(self.figures)
        self.parsed, self.judged = {}, None

    def _index(self, figure: Figure) -> None:
        if figure.entities:
            figure.kinds = _kinds_of(figure.entities)
        self.by_value[round(abs(figure.value), 4)].append(figure)
        kind = "money" if figure.currency is not None else "percent" if figure.percent else "count"
        self.by_kind[kind].append(figure)
        if kind == "count":
            for subject in figure.subjects:
                self.counts[subject].append(figure)


def _is_outdated(result: Result, later: Sequence[Result]) -> bool:
    """Whether what it was computed over has been read anew since."""
    over = _over(result)
    if over.get("data_type") == "sales" or not isinstance(over.get("as_of"), str):
        return False
    return any(
        other.get("data_type") == over.get("data_type")
        and other.get("success")
        and str(other.get("as_of")) > over["as_of"]
        for other in later
    )


def _over(result: Result) -> Mapping[str, Any]:
    """What it was computed over; nothing if it was not computed."""
    data = result.get("data")
    over = data.get("over") if isinstance(data, Mapping) else None
    return over if isinstance(over, Mapping) else {}


def _type_of(result: Result) -> tuple[Any, ...]:
    """What was read: sales of two periods are no older and newer ones of each other."""
    data = result.get("data")
    period = data.get("current") if isinstance(data, Mapping) else None
    begins = period.get("from") if isinstance(period, Mapping) else None
    return result.get("data_type"), begins


@lru_cache(maxsize=4096)
def _kinds_of(entities: frozenset[str]) -> frozenset[str]:
    return frozenset(name.partition(":")[0] for name in entities)


@lru_cache(maxsize=256)
def _sentences_of(text: str) -> tuple[Sentence, ...]:
    return tuple(parse(part, {}) for sentence in sentences(text) for part in parts(sentence))
