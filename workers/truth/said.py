"""A sentence in its context: what was said before it, and where in it belongs what. Pure."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from workers.truth.figure import NOTHING, Figure, Range
from workers.truth.grounds import Grounds
from workers.truth.lexicon import OFFER
from workers.truth.periods import ranges
from workers.truth.sentence import Mention, Number, Sentence
from workers.truth.wording import Wording

STRICT = frozenset({"open", "unfulfilled", "fulfilled", "paid", "unpaid", "refunded", "cancelled", "test", "guest",
                    "first_time", "returning", "average", "median", "uncounted"})  # fmt: skip
"""What changes a figure's meaning: said right beside a number, it must be true of its figure."""

OF_SALES = frozenset({"net", "gross", "discount", "reversal", "tax", "postage"})

_HYPOTHETICAL = Wording(
    r"(?:if (?!i\b)|could|would|imagine|suppose|aim|goal|target|for example|for instance|e\.g\.|such as|say,|once you(?! (?:subtract|deduct|take|account|factor)\b)|when you(?! (?:took|made|had|sold|earned|got|received|brought|were)\b)|as soon as"
    r"|wenn (?!ich\b)|falls|sobald|könnten?|würden?|angenommen|stell\w* (?:dir|sie)|zum beispiel|z\. ?b\.|etwa wenn|ziel|wie wäre)\b",
)

_ADVICE = Wording(
    r"(?:should|might|consider|try|recommend|suggest|offer(?:ing)?|let's|let us|why not|how about|maybe|perhaps"
    r"|(?:many|most|some|other|viele|andere|manche) (?:shops|stores|merchants|brands|sellers|händler|läden|marken)|studies|research|studien|erfahrungsgemäß|industry|benchmark|codes?|coupons?|vouchers?|gutschein\w*|best practice|tip|idea|you can|we can|i can (?:help|offer|send|show|also|look)|shall|helps? to|to (?:boost|grow|increase|improve|win|raise|lift)"
    r"|to (?:use|add|set|send|run|start|create|give|reply|respond|answer|follow up)"
    r"|sollten?|empfehl\w*|empfiehlt|vorschl\w*|schlage|versuch\w*|(?<![\w\ue000] )bieten?|(?<=bitte )bieten|(?<=besten )bieten|(?<=dann )bieten?|lass\w*|vielleicht|probier\w*|tipp|idee"
    r"|sie können|können sie|du kannst|kannst du|wir können|ich kann (?:ihnen|dir|gern)|soll ich|möchten sie|möchtest du|um (?:ihren|den|deinen))\b"
)
_TOLD_TO = re.compile(
    r"^\W*(?:\d{1,2}[.)]\s+|[-*•]\s+)?(?:then |please |just )?(?:use|add(?! up\b)|set|send|run|start|create|give|reply|respond|answer|follow|write|plan|keep|check|make|ship|look|ask|thank|invite|bundle|reward)\b"
)
"""How a line begins that tells what to do."""

OWNED = re.compile(
    r"\b(?:your|the|these|those|all|ihre?[nmrs]?|deine?[nmrs]?|eure?[nmr]?|die|der|den|diese[nr]?)\s+(?:[^\W\d]+\s+){0,5}[$€£]?$",
)

_LATEST = re.compile(r"\b(?:latest|last|newest|recent|letzten|neuesten|jüngsten)\s$")

_PART_OF = re.compile(
    r"/|(?=\W*\w)\s+(?:(?:of|out of|von|aus|unter)\s+)?(?:(?:a total of|insgesamt)\s+)?(?:(?:your|the|these|those|my|all|deine[rnms]?|ihre[rnms]?|der|den|die|diese[rn]?|allen?)\s+)?(?:insgesamt\s+)?"
    r"(?:\ue000+['’]s\s+)?(?:(?:latest|last|newest|most recent|recent|letzten|neuesten|jüngsten)\s+)?",
)

AGAINST = re.compile(
    r"\W*(?:(?:up|down|back) )?(?:vs|versus|gegenüber|against|after|from|to|zu|gegen|over|statt|instead of|compared (?:with|to)|rather than|nach|auf|von)\W*"
)

_NEWEST = re.compile(
    r"(?:\b(?:your|the) (?:latest|newest|most recent)|\b(?:ihre?|deine?|die|der) (?:letzter?|neuester?|jüngster?)|^\W*(?:latest|newest|most recent|letzte|neueste|jüngste)) "
    r"(?:order|sale|purchase|bestellung|verkauf|auftrag)\b"
)

_ONE_BEFORE = re.compile(
    r"\b(?:the (?:previous|prior)(?: one| order)|the one (?:right |just )?before(?: it| that)?|die (?:vorige|vorherige|vorletzte|davor)(?: bestellung)?)(?=\W)(?! (?:month|week|days?|monat|woche|tag))"
)

_UNTIL = re.compile(
    r"\s?(?:-|–|to|up to|ending|until|till|through|and|bis(?: zum)?|und)\s?(?:the |dem )?(?:(?:mon|tue|wed|thu|fri|sat|sun|\w+tag)\w*,? )?"
)

_AND, _BETWEEN = (
    re.compile(r"\s(?:and|und)\b"),
    re.compile(
        r"\b(?:between|zwischen|from|vom?)\s(?:the |dem )?(?:(?:\w+day|\w+tag|mittwoch|mon|tue|wed|thu|fri|sat|sun),? (?:dem )?)?$"
    ),
)

_UNSURE = Wording(
    r"(?<=,\s)(?:bis|sobald)\b|(?:until|can(?:'t|not)|don't know|unable|no way to|whether|not (?:able|enough)|could|would|might|may|if|to (?:see|tell|know|compare)|kann (?:ich )?nicht|ob|weiß nicht|lässt sich nicht|wenn|könnte\w*|würde\w*|want|möchten?|shall|soll ich)\b",
)

_SHARE_ASIDE = re.compile(r"[^\d.,;:(]{0,24}\([^\w.,;:(]*[\d.,]+\s?(?:%|percent|prozent)\W{0,2}\)")

IF = re.compile(
    r"\W*(?:if(?! i\b| [^,]*\b(?:wonder|curious|ask|look|interested|know)\w*[^,]*,)|once(?! (?:again|more)\b)"
    r"|wenn(?! ich\b| [^,]*\b(?:schau|sieh|seh|betracht|frag|wiss)\w*,)|falls|sobald)\b"
)
"""How a sentence begins that tells what would be, and not "if you're wondering, …"."""

ITEM = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)])\s")

THAN = Wording(r"(?:than|als(?! auch\b))\b")


_OF_IT = re.compile(r"\b(?:it|its|they|their|she|her|he|his|apiece|each(?! \w)|that makes|davon|das macht)\b")


_LABEL = re.compile(
    r"\W*(?:(?:order )?(?:total|amount|value)|customer|units?(?: sold)?|in stock|placed|ordered|date|status|gesamt\w*|betrag|bestellwert|kund(?:e|in)|datum)\s?:"
)


def kinds(subject: Mention) -> frozenset[str]:
    """What the noun may stand for."""
    return MEANT.get(subject.kind) or frozenset({subject.kind})


MEANT = {"sale": frozenset({"order", "money", "unit"}), "item": frozenset({"item", "unit", "product"}),
         "money": frozenset({"money", "order", "unit"}), "unit": frozenset({"unit", "item"}),
         "product": frozenset({"product", "item"})}  # fmt: skip


def keys(mention: Mention) -> frozenset[str]:
    """Whom a name may mean."""
    return mention.value if isinstance(mention.value, frozenset) else frozenset()


Named = tuple[str, frozenset[str], int, bool]
"""Of whom a number is: the kind of name, its keys, how sure (3 right beside it, 2 near, 1 before, 0 after), and whether
nobody else of the kind is named."""


@dataclass
class Context:
    """What the sentences before say. `is_current`, `age_is_told`: what the whole text says of its figures' age."""

    grounds: Grounds
    is_current: bool
    age_is_told: bool
    is_foreign: bool = False
    """Whether the text is in a language that the check does not know by its words."""
    newest: frozenset[str] = NOTHING
    """The newest order's name."""
    second: frozenset[str] = NOTHING
    """That of the one before it."""
    line: str = ""
    """How the line begins that the sentence goes on with."""
    subjects: frozenset[str] = NOTHING
    spans: list[Range] = field(default_factory=list)
    heading: "Said | None" = None
    question: "Said | None" = None
    """The sentence before, if it asks: a bare number answers it."""
    orders_above: list[Mention] = field(default_factory=list)
    """Orders that the heading, or a line of the list above, names."""
    columns: list[tuple[int, "Said"]] = field(default_factory=list)
    """The head of the table that is being read: where each column begins."""
    topic: frozenset[str] = NOTHING
    """What was said of figures before."""
    told: list[Figure] = field(default_factory=list)
    """The figures of the sentence before, in order."""
    sure: list[Number] = field(default_factory=list)
    """Grounded numbers of the sentence before, and of the items of a list."""
    mentions: dict[str, list[Mention]] = field(default_factory=dict)
    """Names of the sentence before by kind."""

    @property
    def named(self) -> list[Named]:
        """Who alone of a kind was named in the sentence before."""
        return [(kind, keys(each[0]), 2, False) for kind, each in self.mentions.items() if len(each) == 1]


class Said(Sentence):
    """What the words of a sentence mean here. Read once, though asked for each figure that a number may be."""

    __slots__ = (
        "_edges",
        "_mentions",
        "_parts",
        "_places",
        "_seen",
        "_spans",
        "context",
        "grounds",
        "meant",
        "today",
        "told",
    )

    def __init__(self, sentence: Sentence, context: Context) -> None:
        for name in Sentence.__slots__:
            setattr(self, name, getattr(sentence, name))
        self.context, self.grounds = context, context.grounds
        self.today: date = context.grounds.now.date()
        self.told = frozenset(trait.kind for trait in self.traits)
        """What is said of figures."""
        self.meant: dict[int, Figure] = {}
        """The figures of its numbers, by where they begin."""
        self._places: dict[int, tuple[int, int]] = {}
        self._parts: dict[int, tuple[Number | None, Number | None]] = {}
        self._seen: dict[Wording, bool] = {}
        self._edges: tuple[list[int], list[int]] | None = None
        self._mentions: dict[str, list[Mention]] | None = None
        self._spans: dict[int, list[Range]] | None = None

    def has(self, wording: Wording) -> bool:
        """Whether the sentence has it; looked for once, though it is asked of each figure."""
        if wording not in self.places:
            return False
        found = self._seen.get(wording)
        if found is None:
            found = self._seen[wording] = self.first(wording) is not None
        return found

    @property
    def is_item(self) -> bool:
        """Whether it stands in an item of a list."""
        return ITEM.match(self.context.line or self.text) is not None

    def above(self, number: Number) -> list["Said"]:
        """The heading, and the head of the number's column."""
        found: list[Said] = [] if self.context.heading is None else [self.context.heading]
        if self.context.question is not None and not (self.subjects or self.traits or self.mentions()):
            found.append(self.context.question)
        if self.context.columns and self.plain.lstrip().startswith("|"):
            found += [head for place, head in self.context.columns if place == self.text.count("|", 0, number.start)]
        return found

    def around(self, number: Number) -> tuple[int, int]:
        """Where what belongs to the number begins and ends: between its neighbours and the breaks of the sentence."""
        if (place := self._places.get(number.start)) is not None:
            return place
        part = self.of_which(number)[1]
        behind = self.behind(number)
        neighbours = [n for n in self.numbers if not (number.currencies and self._selects(n))]
        before = [end for end in (*self.breaks, *(n.end for n in neighbours)) if end <= number.start]
        left = max(before, default=0)
        if self.plain.lstrip().startswith("|"):  # a row: what its first cells say holds for all
            return 0, min((n.start for n in self.numbers if n.start >= number.end), default=len(self.masked))
        rights = (start for start in (*self.breaks, *(n.start for n in self.numbers)) if start >= behind)
        right = min(rights, default=len(self.masked))
        if part is not None:  # what is said behind it is said of the part
            nouns = [s.end for s in self.subjects if number.end <= s.start < right][:1]
            right = nouns[0] if nouns else right
        self._places[number.start] = left, right
        return left, right

    def behind(self, number: Number) -> int:
        """Where what is said behind it begins: "12 of the 57", "12 of them (21%) are open"."""
        end = (self.of_which(number)[0] or number).end
        aside = _SHARE_ASIDE.match(self.masked, end) if not number.percent else None
        return aside.end() if aside else end

    def _selects(self, number: Number) -> bool:
        """ "The smallest of the last 10 orders was worth $5": 10 says of which orders."""
        before = self.masked[max(0, number.start - 16) : number.start]
        return number.currencies is None and not number.percent and _LATEST.search(before) is not None

    def of_which(self, number: Number) -> tuple[Number | None, Number | None]:
        """ "6 of your latest 10 orders": for 6 the 10, for 10 the 6."""
        if number.start not in self._parts:
            self._parts[number.start] = self._find_parts(number)
        return self._parts[number.start]

    def _find_parts(self, number: Number) -> tuple[Number | None, Number | None]:
        whole = part = None
        place = self.numbers.index(number) if number in self.numbers else -1
        if 0 <= place < len(self.numbers) - 1 and _PART_OF.fullmatch(
            self.masked[number.end : self.numbers[place + 1].start]
        ):
            whole = self.numbers[place + 1]
        if place > 0 and _PART_OF.fullmatch(self.masked[self.numbers[place - 1].end : number.start]):
            part = self.numbers[place - 1]
        return whole, part

    def clause_start(self, place: int) -> int:
        return max((b for b in self._clauses()[0] if b <= place), default=0)

    def clause_end(self, place: int) -> int:
        return min((b for b in self._clauses()[1] if b >= place), default=len(self.masked))

    def _clauses(self) -> tuple[list[int], list[int]]:
        """The breaks at which clauses begin, and those at which they end."""
        if self._edges is None:
            marks = [(b, self.masked[b : b + 2].lstrip()[:1]) for b in self.breaks]
            starts = [b for b, mark in marks if mark in ",;:–—.(…"]
            ends = [b for b, mark in marks if mark in ",;–—.)…" or OFFER.match(self.masked, b)]
            self._edges = starts, ends
        return self._edges

    def counted(self, subject: Mention) -> frozenset[str]:
        """What the noun may stand for: "3 times" are orders, or units where a product is named."""
        if subject.kind == "unit" and subject.text.endswith(("mal", "time", "times", "twice")):
            products = "sold" in self.told or any(
                key.startswith("product:") for name in self.names for key in keys(name)
            )
            return frozenset({"unit", "order"} if products else {"order"})
        return kinds(subject)

    def lead(self, number: Number, left: int) -> int:
        """ "Customers (83)": what stands before the bracket belongs to the number."""
        if self.masked[left : left + 1] != "(" or self.masked[left + 1 : number.start].strip(" $€£"):
            return left
        ends = (*(n.end for n in self.numbers if n.end <= left), *(b for b in self.breaks if b < left))
        return max(*ends, 0, self.masked.rfind(")", 0, left))

    def paired(self, number: Number, mentions: Sequence[Mention]) -> Mention | None:
        """ "#7 and #8 came to $5 and $6": as many numbers as names or times, all behind or before them, go in order."""
        mentions = sorted(mentions, key=lambda mention: mention.start)
        numbers = [n for n in self.numbers if (n.currencies is None) == (number.currencies is None)]
        apart = None
        if len(numbers) == len(mentions) + 1 > 2:  # how many they are, their sum or their difference
            first, *rest = values = [n.readings[0][0] for n in numbers]
            is_sum = abs(sum(rest) - first) < 0.005 and mentions[-1].end <= numbers[0].start
            if abs(sum(values[:-1]) - values[-1]) < 0.005:
                apart = numbers.pop()
            elif is_sum or first == len(mentions) or (len(rest) == 2 and abs(abs(rest[0] - rest[1]) - first) < 0.005):
                apart = numbers.pop(0)
        if len(mentions) < 2 or len(numbers) != len(mentions) or number not in numbers:
            return None
        if any(mentions[0].end <= n.start and n.end <= mentions[-1].start for n in self.numbers if n is not apart):
            return None  # "83 customers, 57 orders in 60 days, $5 today"
        if mentions[-1].end <= numbers[0].start or numbers[-1].end <= mentions[0].start:
            return mentions[numbers.index(number)]
        return None

    def mentions(self) -> dict[str, list[Mention]]:
        """Names by kind, in order."""
        if self._mentions is not None:
            return self._mentions
        found: dict[str, list[Mention]] = {}
        for mention in self.names:
            for kind in {key.partition(":")[0] for key in keys(mention)}:
                found.setdefault(kind, []).append(mention)
        for o in self.orders:
            key = frozenset({f"order:{o.value}"})
            found.setdefault("order", []).append(Mention(o.start, o.end, o.text, "name", key))
        is_told = "recent" in self.told and self.context.newest and not self.orders
        newest = _NEWEST.search(self.masked) if is_told else None
        if newest is not None:
            found["order"] = [Mention(*newest.span(), newest[0], "name", self.context.newest)]
        if [keys(each) for each in found.get("order", ())] == [self.context.newest] and self.context.second:
            other = _ONE_BEFORE.search(self.masked, found["order"][0].end)
            if other is not None:
                found["order"].append(Mention(*other.span(), other[0], "name", self.context.second))
        self._mentions = found
        return found

    def meant_by_it(self, clause: str) -> list[Named]:
        """Of whom a part of the sentence speaks by a pronoun: who was named in the sentence before."""
        is_it = not self.mentions() and (self.is_label or _OF_IT.search(clause))
        return self.context.named if is_it else []

    @property
    def is_label(self) -> bool:
        """ "Total: $5", behind a sentence on an order: what it says is said of that."""
        return _LABEL.match(self.plain) is not None

    def spans_of(self) -> dict[int, list[Range]]:
        """The days of each period, by where it stands; "from May 1 to May 31" is one."""
        if self._spans is not None:
            return self._spans
        mentions = sorted((*self.periods, *self.dates), key=lambda mention: mention.start)
        found = {mention.start: ranges(mention, self, self.today) for mention in mentions}
        for one, other in itertools.pairwise(mentions):
            if one.value == ("since", None):
                found[other.start] = found[one.start]
            between = self.masked[one.end : other.start]
            is_list = _AND.match(between) and not _BETWEEN.search(self.masked, 0, one.start)  # "on Monday and Friday"
            # "1 yesterday - today it is 2"
            is_aside = between.strip() in ("-", "–") and "word" in other.value  # type: ignore[operator]
            if _UNTIL.fullmatch(between) and not (is_list or is_aside) and "since" not in one.value:  # type: ignore[operator]
                span = [(a, d) for a, _ in found[one.start] for _, d in found[other.start] if a <= d]
                found[one.start] = found[other.start] = span
        self._spans = found
        return found

    def advises(self, clause: str) -> bool:
        """Whether a part of the sentence is advice, or asks."""
        if self.has(_ADVICE) and _ADVICE.pattern.search(clause):
            return True
        return clause.rstrip().endswith("?") or _TOLD_TO.match(clause) is not None

    def supposes(self, clause: str) -> bool:
        """Whether a part of the sentence tells what would be."""
        return self.has(_HYPOTHETICAL) and _HYPOTHETICAL.pattern.search(clause) is not None

    def doubts(self, clause: str) -> bool:
        """Whether a part of the sentence tells what is not known, or asks."""
        return clause.rstrip().endswith("?") or (self.has(_UNSURE) and _UNSURE.pattern.search(clause) is not None)

    def is_advice(self, found: re.Match[str]) -> bool:
        here = self.masked[self.clause_start(found.start()) : self.clause_end(found.end())]
        if self.orders:  # "thank Anna for #1120"
            return False
        return self.advises(here) or self.supposes(here)
