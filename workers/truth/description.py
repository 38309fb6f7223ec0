"""What the words around a number say of it, and how far a figure is from that. Pure."""

import itertools
import re
from dataclasses import dataclass
from datetime import date, timedelta

from workers.truth.figure import BUYERS, NOTHING, STATUSES, Figure, Range
from workers.truth.lexicon import OFFER
from workers.truth.periods import EVER, near
from workers.truth.said import AGAINST, OF_SALES, OWNED, STRICT, THAN, Named, Said, keys, kinds
from workers.truth.sentence import Mention, Number, Sentence
from workers.truth.wording import Wording

UNSAID = STRICT | OF_SALES | {"largest", "smallest", "price", "daily", "stock", "previous", "change", "days"}
"""What should be said of a figure that it is true of."""

MEASURES = OF_SALES | {"revenue", "average", "median", "largest", "smallest", "price", "change"}
"""What an amount may be of."""

STATISTICS = frozenset({"average", "median", "daily", "largest", "smallest", "price", "net"})

VAGUE = {"loose": frozenset({"open", "unfulfilled", "unpaid"}), "middle": frozenset({"average", "median"}),
         "refunding": frozenset({"net", "reversal", "refunded"}), "shipping": frozenset({"unfulfilled", "fulfilled", "postage"})}  # fmt: skip

MOST = 4.0
"""The distance at which a figure is not what was said."""

MISMATCH, MISSING = (1.0, 2.0, 2.0, MOST), (0.0, 0.5, 1.0, 2.0)
"""What a figure is further away for being another one's than was named, or nobody's, by how sure the name is."""


@dataclass(slots=True)
class Description:
    """What the words around a number say of it."""

    required: frozenset[str]
    """Traits that a figure must have."""
    expected: frozenset[str]
    """Those that it had better have."""
    near: frozenset[str]
    wide: frozenset[str]
    before: frozenset[str]
    nouns: frozenset[str]
    sure: bool
    """Whether a noun of its own is there, by which figures were chosen."""
    names: list[Named]
    spans: list[Range]
    front: list[Range]
    late: list[Range]
    sentence: Sentence
    money: bool
    vague: tuple[frozenset[str], ...]
    """Of each word that may stand for several traits, what it had better have one of."""
    same: frozenset[str] = NOTHING
    """What the amount before it is of, if it says nothing of that itself: "net sales were $5, before that $4"."""
    neutral: frozenset[str] = NOTHING
    """Traits of which it does not matter whether a figure has them."""


_BEFORE = Wording(
    r"(?:earlier|before|previous\w*|last time|used to|had|was|were|since then|from|up from|down from|vorher|zuvor|früher|vorhin|damals|hatten|hatte|war|waren|letztes mal)\b",
)

RANGE = Wording(
    r"(?:between|zwischen|values|werte|spann\w+|rang\w+|reich\w+|beweg\w+|from \W*[\w.,]+ \w* ?(?:up )?to|von \W*[\w.,]+ \w* ?bis)\b"
)

_STARTS_AT = Wording(r"(?:(?:starts?|starting|beginnt|beginnen|los) (?:at|from|bei|ab)\b|ab (?=[$€£]?\d))")

_SINGLE = Wording(
    r"(?:best|top|most|customer|buyer|product|item|it|kunde|kundin|produkt|artikel|davon|es|bestseller|meist\w*|beste[nrsm]?\b|beliebteste\w*|ein(?:e|er)? (?:kund\w+|produkt))\b",
)

_SINGLE_ORDER = Wording(
    r"(?:order|purchase|sale|verkauf|einkauf|\w*bestellung|auftrag|one|largest|biggest|highest|smallest|lowest|newest|latest one|größte\w*|kleinste\w*|höchste\w*|niedrigste\w*|neueste\w*)\b",
)

_LABEL = re.compile(r"[:=(]\s*[$€£]?$|\b(?:is|are|was|were|ist|sind|war|waren|beträgt|at|bei|of)\s[$€£]?$")

_FOR_ALL = Wording(r"(?:none|no|not one|all|each|every|keine[rs]?|alle[rn]?|jede[rs]?|sämtliche[rn]?)\b")
_OF_ALL = re.compile(_FOR_ALL.pattern.pattern + "[^,;]*$")

_AMONG = re.compile(
    r"\b(?:of|among|out of|an|von|unter|aus)\s(?:the |your |these |den |deinen |ihren |diesen |der |deiner |ihrer )?(?:latest |last |newest |most recent |letzten |neuesten |jüngsten )?$"
)

_ACTED_ON = re.compile(
    r"\s(?!you\b|du\b|sie\b)\w+ (?:haben|hatten|gaben|have|had|placed|ordered|bought|made|kauften|bestellten)\b"
)

DAY_WORD = Wording(r"(?:day|\w*tag)\b")

_LABELS = re.compile(r"\s?[:=]\W*")

_REFERRED = re.compile(
    r"\b(?:the (?:one|order)|die(?: bestellung)?|der) (?:right |just |direkt )?(?:before|after|preceding|vor|nach)\s$"
)

_LEAVES = re.compile(
    r"\b(?:becomes?|keep|kept|remain\w*|leaves?|left|bleib\w*|verbleib\w*|behält\w*|behalten|danach|down to|(?:drops?|shrinks?) to|(?<!came )(?<!come )(?<!comes )(?<!amount )(?<!amounted )(?<!add up )to\b(?=\W*$)|after\b(?=\W*$)|macht|ergibt|wird|werden)\b[^,;:]{0,24}$"
)

_EARLIER = re.compile(
    r"previous|day before$|tag (?:davor|zuvor)|vor(?:ig|her|angeg|tag|woche|monat|jahr)", re.IGNORECASE
)

_IS_OF = re.compile(r" (?:(?:of|von) )?\W*")

_BESIDE = re.compile(r"(?: stück| units?| pieces?)?\s*\(\W*")

_OTHER_SIDE = re.compile(
    r"\b(?:vs|versus|gegenüber|against|gegen|statt|zu|to|compared|than|als|nach|after|from|von|over)\b"
)

_RIGHT_BEFORE = re.compile(
    r"(?: (?:one|period|month|week|year|zeitraum|monat|woche|jahr|tag|day))?(?: \ue000+)?(?:\s?(?:\(|:|=)|, when (?:you|it|sales|revenue) (?:\w+ ){1,2})\W*"
)

_EARNED = Wording(
    r"(?:revenue|turnover|takings|earned|brought in|took in|\w*umsatz|\w*umsätze|umgesetzt|eingenommen|eingebracht|einnahmen|\w*erlöse?)(?!\w)"
)

_SHIPPING = Wording(r"(?:shipping|deliver(?:y|ies)|freight|porto|\w*versand\w*|fracht\w*)(?!\w)")
_AND = re.compile(r"(?:,|,? (?:and|und|plus|&)) ?")
_STATUS = frozenset({"fulfilled", "unfulfilled", "paid", "unpaid"})


def description(said: Said, number: Number, left: int, right: int, subjects: frozenset[str]) -> Description:
    """What the words say of the number: right beside it, up to its neighbours, in the sentence, and before."""
    lower, upper = _neighbours(said, number, left, right)
    required, own = _traits(said, number, left, right)
    if any(found.end() == number.start for found in said.each(ALL_BUT)):  # "all but two have shipped"
        required, own = (frozenset(_OPPOSITES.get(trait, trait) for trait in traits) for traits in (required, own))
    is_of_named = any(kind == "product" for kind, *_ in said.context.named) and not said.mentions()
    is_each = number.currencies is not None and (subjects == {"unit", "item"} or is_of_named)
    if is_each and "average" in required | own:
        required, own = ((traits - {"average"}) | {"price"} for traits in (required, own))  # "12 units at $5 each"
    if number.currencies is not None and "reversal" in own:  # "$5 returned"
        required, own = required - {"returning"}, own - {"returning"}
    of_whole = _of_whole(said, number)
    foreign = [t for t in said.traits if t in of_whole or _is_another(said, number, t) or _is_past(said, number, t)]
    if number.currencies and _EACH.match(said.masked, number.end):  # "2 orders per day at $5 each"
        foreign += [t for t in said.traits if t.kind == "daily" and t.end <= number.start]
    if any(
        found.end() == number.start for found in said.each(_NOT_AMONG)
    ):  # "1 was cancelled, it is not counted among the 83"
        foreign += [t for t in said.traits if t.end <= number.start]
    if _is_left_of(said, number):
        foreign += [t for t in said.traits if t.kind in ("net", "refunding") and t.end <= number.start]
    required -= {t.kind for t in foreign}
    own -= {t.kind for t in foreign}
    before = [t for t in said.traits if t.kind == "previous"] if "previous" in said.told else ()
    if any(_RIGHT_BEFORE.fullmatch(said.masked, t.end, number.start) for t in before):
        own |= {"previous"}
    begins = _neighbours(said, first, first.start, first.end)[0] if (first := _first_of_sum(said, number)) else lower
    near = {t.kind for t in said.traits if begins <= t.start and t.end <= upper and t not in foreign} - own
    if said.numbers and any(_LABELS.fullmatch(said.masked, t.end, said.numbers[0].start) for t in before):
        near |= {"previous"}  # "Month before: 5 orders, $4"
    wide = set(said.told)
    if len(said.periods) > 1 and any(_EARLIER.search(period.text) for period in said.periods):
        wide.add("previous")
    nouns = {kind for s in said.subjects if lower <= s.start and s.end <= upper for kind in kinds(s)}
    spans, front, late = _period(said, number, left, right)
    for above in said.above(number):
        near |= {t.kind for t in above.traits}
        nouns |= {kind for s in above.subjects for kind in kinds(s)}
        front = front or [span for spans in above.spans_of().values() for span in spans]
    whole_of = said.of_which(number)[1] is not None  # "5 of 10 cases"
    if not said.subjects and said.context.told and all(figure.partial for figure in said.context.told):
        wide.add("recent")  # "Of the last 10, 4 are paid. Not yet paid: 6"
    if said.meant and _IS_NOT.match(said.masked, number.end):  # "5 are shipped, 4 aren't"
        before_it = said.meant[max(said.meant)].traits
        own = frozenset(_OPPOSITES[trait] for trait in before_it if trait in _OPPOSITES) or own
        near = set(own)
    if not (own or near or nouns or subjects or spans or number.currencies):  # "3 against 5"
        near, nouns = wide - {t.kind for t in foreign}, {kind for s in said.subjects for kind in kinds(s)}
        if _IS_NOT.match(said.masked, number.end):  # "2 were cancelled, 12 not"
            near = {_OPPOSITES.get(trait, trait) for trait in near} - {"cancelled", "test"}
    if beside := [
        t for t in said.traits if t.kind in OF_SALES and left <= t.start and t.end <= right and t not in of_whole
    ]:
        near |= {
            min(beside, key=lambda t: number.start - t.end if t.end <= number.start else t.start - number.end).kind
        }
    lead = said.lead(number, left)  # "the previous 30 days ($5)"
    own_periods = [p for p in said.periods if lead <= p.start < right and not _is_beaten(said, number, p)]
    if any(_EARLIER.search(period.text) for period in own_periods):
        near |= {"previous"}
    in_part = (said.masked[left : left + 1] == "(" and _label_of(said, number, left) == left) or _is_of_all(
        said, left, number
    )
    near |= own & {"daily"} | _of_coordinate(said, number)
    if number.currencies is not None and "refunding" in wide and _leaves(said, number):
        near |= {"net"}
    in_part = in_part or whole_of
    lacking = (
        required
        if in_part
        else (near & (STRICT | OF_SALES | {"daily"} | ({"previous"} if said.grounds.has_previous else NOTHING)))
        | required
    )
    is_by = bool(_BY.search(said.masked, 0, number.start) or _MORE_THAN.match(said.masked, number.end))
    if is_by and (number.currencies is not None or {"change", "previous"} & wide):
        near |= {"change"}
        lacking |= {"change"}
    if number.currencies is not None and any(
        t.kind == "refunding" and t.text.endswith(("rate", "quote")) for t in said.traits
    ):
        near |= {"gross" if whole_of else "reversal"}  # "a return rate of 5%, $1 of $20"
        lacking |= set() if whole_of else {"reversal"}
    near = near | own
    if number.currencies is None and not number.percent:
        lacking -= OF_SALES
    wide |= near
    if whole_of and not subjects:
        nouns = set()
    is_end = said.has(RANGE) and range_of(said, number) is not None
    near -= {"revenue"} if is_end else set()  # "worth between $5 and $9"
    is_money = sum(n.currencies is not None for n in said.numbers) > 1
    if is_end or ("revenue" not in own and said.has(RANGE) and is_money):
        near |= {"largest", "smallest"}
    if "middle" in near:
        near |= VAGUE["middle"]
    if number.currencies is not None and said.has(_SHIPPING) and not OF_SALES & wide:
        near |= {"postage"}  # money is not shipped: it is what shipping brought
        lacking, required = lacking - _STATUS, required - _STATUS
    for vague in ("loose", "shipping", "refunding"):
        if vague in near:
            wide |= VAGUE[vague]
    return Description(
        required, frozenset(lacking), frozenset(near), frozenset(wide), said.context.topic, subjects or frozenset(nouns) or (NOTHING if said.of_which(number)[1] else said.context.subjects),
        bool(subjects), _names_of(said, number, (said.lead(number, left), right), (lower, upper)), spans, front, late, said,
        number.currencies is not None, tuple(meant for vague, meant in VAGUE.items() if vague in near and vague != "refunding"),
    )  # fmt: skip


def _is_beaten(said: Said, number: Number, period: Mention) -> bool:
    """ "With 36 orders you beat last month", "against last month's 34 you have 36": 36 is not of last month."""
    if period.start > number.end:
        return _BEATS.search(said.masked, number.end, period.start) is not None
    between = [n for n in said.numbers if period.end <= n.start < number.start]
    kind = number.currencies is None, number.percent
    is_alike = any((n.currencies is None, n.percent) == kind for n in between)
    return is_alike and COMPARED_WITH.search(said.masked, 0, period.start) is not None


COMPARED_WITH = re.compile(
    r"\b(?:compared (?:with|to)|unlike|against|versus|vs\.?|verglichen mit|im vergleich (?:zu|zum|mit)|gegenüber|anders als|im gegensatz zu[mr]?)\s(?:\w+ ){0,3}$"
)

_BEATS = re.compile(
    r"\b(?:beat|beats|topped|surpass\w*|exceed\w*|outdid|match(?:ed|es)?|short of|übertr\w+|schlag\w*|fehlen)\b"
    r"|\b(?:hinter|vor|über|unter|behind|ahead of|above|below)\s(?:dem |der |den )?$"
)


def range_of(said: Said, number: Number) -> tuple[Number, Number] | None:
    """ "Between $5 and $9": both ends, if the number is one."""
    money = [n for n in said.numbers if n.currencies is not None]
    pairs = ((one, other) for one, other in itertools.pairwise(money) if number in (one, other))
    return next(
        (
            (one, other)
            for one, other in pairs
            if _TO_OR_AND.fullmatch(said.masked, one.end, other.start) and _RANGED.search(said.masked, 0, one.start)
        ),
        None,
    )


_TO_OR_AND = re.compile(r"[^\w\ue000]*(?:to|and|bis|und|–|-)[^\w\ue000]*")
_RANGED = re.compile(r"\b(?:between|zwischen|spann\w+|rang\w+|reich\w+|beweg\w+)\b(?: \w+){0,4}\W*$")


def _of_coordinate(said: Said, number: Number) -> frozenset[str]:
    """ "On an average day 5 orders and $80", "before that $5 from 8 orders": what the number before it is of by day or
    by time, it is, too."""
    before = [n for n in said.numbers if n.end <= number.start][-1:] if said.told & {"daily", "previous"} else []
    is_joined = before and _JOINED.fullmatch(said.masked, before[0].end, number.start) is not None
    figure = said.meant.get(before[0].start) if is_joined else None
    if figure is None:
        return NOTHING
    is_and = re.search(r"\b(?:and|und)\b", said.masked[before[0].end : number.start])
    return figure.traits & ({"average", "daily"} if "daily" in figure.traits and is_and else {"previous"})


_TO_SELL = re.compile(
    r"\b(?:to|can|could|may|might|will|would|zu|zum) (?:be )?(?:sell|sold|verkauf\w*)\b|\b(?:if|once|when) (?:you|they) (?:all )?(?:sell|sold)\b|verkauft werden"
)
""" "If you sell all 232", "232 to be sold": it is in stock."""

_EACH = re.compile(r" (?:each|apiece|per order|a pop)\b")

_JOINED = re.compile(r"(?: \w+){0,2} (?:\(|(?:and|from|across|on|with|over|for|at|und|aus|bei|mit)\s(?:\w+\s)?)[$€£]?")


def _first_of_sum(said: Said, number: Number) -> Number | None:
    """The amount that the words before this one are said of, too: "after refunds $80 and €40"."""
    first = None
    for before in reversed([n for n in said.numbers if n.end <= number.start]):
        at = first or number
        if not (before.currencies and at.currencies) or before.currencies & at.currencies:
            break
        if not _AND.fullmatch(said.masked, before.end, at.start):
            break
        first = before
    return first


def _is_of_all(said: Said, left: int, number: Number) -> bool:
    return said.has(_FOR_ALL) and _OF_ALL.search(said.masked, left, number.start) is not None


def _leaves(said: Said, number: Number) -> bool:
    """ "Less refunds, $5 becomes $4", "after refunds you keep $4 of $5": it is what is left."""
    begins = max((n.end for n in said.numbers if n.end <= number.start), default=0)
    if whole := next((n for n in said.numbers if _is_left_of(said, n)), None):
        return number.start > whole.start  # "of $5, $4 remain": the later one is what is left
    if _IS_LEFT.search(said.masked, 0, number.start):
        return True
    return _LEAVES.search(said.masked[begins : number.start]) is not None or (
        re.match(r" (?:after(?:wards)?|danach|übrig)\b(?! \w)", said.masked[number.end :]) is not None
    )


_IS_LEFT = re.compile(r"\b(?:left|remains) of\b[^;]{0,80}\b(?:is|was|are)\s$")

_LEFT_OF = Wording(r"(?:verbleib\w*|bleib\w*|remain\w*)\b[^.;\d]*\b(?:of|von)\s(?:(?:the|your|den|deinen|ihren)\s)?")


def _is_left_of(said: Said, number: Number) -> bool:
    return any(0 <= number.start - found.end() < 3 for found in said.each(_LEFT_OF))


_IS_NOT = re.compile(
    r"\s*(?:(?:are|were|have|is|was|has|sind|waren|wurden|ist|war|wurde)?\s?(?:not|nicht|still standing)|(?:are|were|have|is|was|has)n['’]t)(?: yet)?\s*(?:[.,;!)]|$)"
)

ALL_BUT = Wording(r"(?:all but|all except|bis auf)\s")

_OPPOSITES = {"paid": "unpaid", "unpaid": "paid", "fulfilled": "unfulfilled", "unfulfilled": "fulfilled",
              "first_time": "returning", "returning": "first_time"}  # fmt: skip

_NOT_AMONG = Wording(
    r"(?:(?:zähl|gehör)\w* nicht|nicht (?:mitgezählt|enthalten)|(?:is|are)(?:n['’]t| not) (?:counted|included|part)|(?:does|do)(?:n['’]t| not) (?:count|belong))\b[^.,;\d]{0,24}"
)

_BY = re.compile(r"\b(?:by|um)\s(?:\w+\s)?[$€£]?$")

_MORE_THAN = re.compile(
    r"\s(?:\w+ )?(?:more|fewer|less|mehr|weniger)\b(?:[^.,;]{0,30}\b(?:than|als)\b|(?=\W*$|[.,;)]| to\b))"
)

_ADJECTIVES_ONLY = re.compile(r"(?:\s[^\W\d_]+(?:-[^\W\d_]+)*){0,3}\s?")


def _is_past(said: Said, number: Number, trait: Mention) -> bool:
    """Whether it belongs to what ended before the number: to the noun of the number before ("1 test order of 13"), or
    to what that is compared with ("5 more than in the month before, and so 12")."""
    if any(m.start <= trait.start < m.end for m in said.mentions().get("order", ())):
        return True  # "the previous one" is an order
    if trait.end > number.start:
        return False
    than = said.first(THAN, 0, trait.start)
    if than is not None and any(trait.end <= b <= number.start and said.masked[b] != "(" for b in said.breaks):
        return True
    before = [n for n in said.numbers if n.end <= trait.start]
    if (
        not before
        or before[-1].currencies
        or (before[-1].percent and number.currencies)
        or said.of_which(number)[1] is not None
    ):
        return False
    noun = next((s for s in said.subjects if trait.start <= s.start < number.start), None)
    return noun is not None and _ADJECTIVES_ONLY.fullmatch(said.masked, before[-1].end, noun.start) is not None


def _of_whole(said: Said, number: Number) -> list[Mention]:
    """ "$5 of your $9 gross sales": what stands before the whole's noun."""
    whole = said.of_which(number)[0]
    noun = next((s for s in said.subjects if whole is not None and s.start >= whole.end), None)
    return [t for t in said.traits if whole and noun and whole.end <= t.start < noun.start]


def _is_another(said: Said, number: Number, trait: Mention) -> bool:
    """Whether it stands right before another number: "the month before (5)", "previous: 5", "above the median of 5"."""
    if trait.kind in ("average", "median") and trait.start >= number.end:
        return any(_IS_OF.fullmatch(said.masked, trait.end, n.start) for n in said.numbers)
    return trait.kind == "previous" and any(
        n is not number
        and n.start >= trait.end
        and (number.start < n.start or (n.currencies is None) == (number.currencies is None))
        and _RIGHT_BEFORE.fullmatch(said.masked[trait.end : n.start])
        for n in said.numbers
    )


def _label_of(said: Said, number: Number, left: int) -> int:
    """Where that begins which a number alone in brackets belongs to: "7.6% of gross sales ($5)"."""
    return said.lead(number, left) if said.masked[number.end : number.end + 1] == ")" else left


def _neighbours(said: Said, number: Number, left: int, right: int) -> tuple[int, int]:
    """Where what belongs to the numbers before and after it ends and begins."""
    part = said.of_which(number)[1]
    left = _label_of(said, number, left)
    before = [n for n in said.numbers if n.end <= number.start]
    lower = before[-1].end if before else 0
    if before and part is None:
        lower = max(lower, min((b for b in said.breaks if lower <= b <= number.start), default=lower))
    offer = OFFER.search(said.masked, number.end)
    upper = min((n.start for n in said.numbers if n.start >= said.behind(number)), default=len(said.masked))
    upper = min(upper, offer.start() if offer else upper)
    opened = said.masked.rfind("(", 0, number.start)
    closed = said.masked.find(")", number.end)
    if (
        number.currencies is not None and closed > 0 and opened > said.masked.rfind(")", 0, number.start)
    ):  # what is behind the bracket is not said of it
        upper = min(upper, closed)
    between = [b for b in said.breaks if right <= b <= upper]
    upper = min(
        (b for b in between if said.masked[b] == ";"),
        default=max(between, default=upper) if upper < len(said.masked) else upper,
    )
    return min(lower, left), right if part is not None else max(upper, right)


def _traits(said: Said, number: Number, left: int, right: int) -> tuple[frozenset[str], frozenset[str]]:
    """What must be true of the number, and what may be: said right beside it."""
    here = [t for t in said.traits if left <= t.start and t.end <= right]
    whole, _ = said.of_which(number)
    if whole is not None:  # what stands before the noun is said of the whole
        of_whole = _of_whole(said, number)
        here = [t for t in here if t not in of_whole]
        here = [t for t in here if said.masked[whole.end : t.start].strip() or t.start < whole.end]
    if _is_of_all(said, left, number):  # "none of the last 7 orders is unpaid"
        noun = min((s.end for s in said.subjects if s.start >= number.end), default=number.end)
        here = [t for t in here if t.end <= noun]
    after = frozenset(t.kind for t in here if t.start >= number.end)
    before = frozenset(t.kind for t in here if t.end <= number.start)
    # "the share of guests among the last 10"
    if before and number.currencies is None and _AMONG.search(said.masked, left, number.start):
        before = before & {"recent"}
    label = _LABEL.search(said.masked, left, number.start) if after & STRICT else None
    required = after if after & STRICT and not (label and label[0].strip() in ":=(") else after | before
    if number.currencies is not None or number.readings[0][1] < 1:
        first = min((n.start for n in said.numbers), default=0)
        front = frozenset(t.kind for t in said.traits if t.end <= first)
        lower = max((n.end for n in said.numbers if n.end <= number.start), default=0)
        between = {t.kind for t in said.traits if lower <= t.start < number.start}
        if not (after | before | between) & (STATISTICS | {"middle", "revenue"}):
            required |= front & {"average", "median"}
    if number.currencies is None and number.readings[0][1] == 1 and "daily" not in after | before:
        required -= {"average", "median"}  # "of 10 orders the average is …"
    if "sold" in required and _TO_SELL.search(said.masked):
        required -= {"sold"}
    if buyer := _buyer(said, number):
        required = required - BUYERS | {buyer}
        before = before - BUYERS | {buyer}
    return required & (STRICT | {"stock", "sold", "price"}), after - (BUYERS if buyer else NOTHING) | before


def _buyer(said: Said, number: Number) -> str:
    """ "Regulars outnumber newcomers 5 to 2", "regulars are in the majority, 5 to 2": of whom the number is."""
    numbers = [n for n in said.numbers if n.currencies is None and not n.percent]
    if len(numbers) != 2 or number not in numbers:
        return ""
    if not AGAINST.fullmatch(said.masked[numbers[0].end : numbers[1].start]):
        return ""
    kinds = [t.kind for t in said.traits if t.kind in ("first_time", "returning") and t.end <= numbers[0].start]
    if len(set(kinds)) == 1 and not any(t.kind in BUYERS and t.start > numbers[0].start for t in said.traits):
        kinds = [kinds[0], "returning" if kinds[0] == "first_time" else "first_time"]
    return kinds[numbers.index(number)] if len(kinds) == 2 and kinds[0] != kinds[1] else ""


def names_beside(said: Said, number: Number) -> list[Named]:
    """Of whom it is said."""
    left, right = said.around(number)
    return _names_of(said, number, (said.lead(number, left), right), _neighbours(said, number, left, right))


def _names_of(said: Said, number: Number, own: tuple[int, int], near: tuple[int, int]) -> list[Named]:
    """Of whom it is said, by kind: the keys, how sure (3 right beside it, 2 near, 1 before, 0 after), and whether
    nobody else of the kind is named.
    """
    found: list[Named] = []
    if len(said.context.orders_above) == 1 and not {"order", "product"} & said.mentions().keys():
        found.append(("order", keys(said.context.orders_above[0]), 2, False))
    for kind, mentions in said.mentions().items():
        if len(mentions) > 1:  # "#7, the one before #8": it is of #7
            mentions = [m for m in mentions if not _REFERRED.search(said.masked[: m.start])] or mentions
        if paired := said.paired(number, mentions):
            found.append((kind, keys(paired), 3, False))
            continue
        nearest, sure, best = None, -1, 0.0
        for mention in mentions:
            before = mention.end <= number.start
            if own[0] <= mention.start and mention.end <= own[1]:
                rank = 3
            elif (
                near[0] <= mention.start
                and mention.end <= near[1]
                and (before or not re.search(r"[,;]|\b(?:and|und)\b", said.masked[number.end : mention.start]))
            ):
                rank = 2
            else:
                rank = 1 if before else 0
            gap = (number.start - mention.end) / 2 if before else mention.start - number.end
            beside = not before and _BESIDE.fullmatch(said.masked[number.end : mention.start]) is not None
            gap = 0 if beside else gap
            rank = 3 if beside else rank
            if rank > sure or (rank == sure and gap < best):
                nearest, sure, best = mention, rank, gap
        if nearest is not None:
            found.append((kind, keys(nearest), sure, len(mentions) == 1 or (kind == "order" and len(said.orders) == 1)))
    return found


_BOUGHT = Wording(
    r"(?:bought|sold|ordered|purchased|different|distinct|gekauft\w*|verkauft\w*|bestellt\w*|verschiedene\w*)(?!\w)"
)


_OUT_OF = re.compile(r"\b(?:out of|von)\b")


def distance_to(said: Said, figure: Figure, words: Description, limit: float) -> float:
    """How far the figure is from what was words: 0 if it is just that, MOST if it cannot be meant."""
    traits, entities = figure.traits, figure.entities
    if (figure.old or figure.aged) and not _is_fresh(said, figure):
        return MOST
    is_sold = figure.subjects & {"product", "item"} and (figure.kinds or figure.period is not None)
    whose = words.names or words.spans or words.front or said.context.spans or words.nouns & {"unit", "money"}
    if is_sold and "product" in words.nouns and not (whose or words.money or said.has(_BOUGHT)):
        return MOST  # so many were sold, not "you have 3 products"
    distance = 0.0
    # whose it is
    matched = is_sure = False
    is_its = bool(entities) and any(
        kind == "order" and sure == 3 and entities & theirs for kind, theirs, sure, _ in words.names
    )
    for kind, theirs, sure, only in words.names:
        if is_its and sure < 3:  # who is named farther off is somebody else
            matched = True
            continue
        if entities and entities & theirs:
            matched, is_sure = True, is_sure or sure > 1
            distance += 0.0 if sure or words.money else 1.0
        elif kind in figure.kinds:
            if sure == 3 or (only and sure):
                return MOST
            distance += MISMATCH[sure]
        else:
            distance += MISSING[sure]
    named = {kind for kind, _, _, _ in words.names}
    if figure.kinds:
        unnamed = figure.kinds - named
        unnamed &= {"order"} if "order" in unnamed else unnamed  # its customer and products go without saying
        distance += max((_unsaid_name(said, figure, kind, matched, words) for kind in unnamed), default=0.0)
        if figure.derived and "customer" in figure.kinds and figure.currency is None:
            distance += 0.5  # of a list only
    if distance >= limit:
        return MOST
    # what it is
    lacking = words.required - traits
    if lacking:
        if "sold" in lacking and "stock" in traits and figure.currency is None:
            return MOST
        lacking -= {"average"} if "daily" in traits else {"refunded"} if "reversal" in traits else NOTHING
        if "unfulfilled" in traits and words.near & {"unfulfilled", "shipping"} and not _OUT_OF.search(said.masked):
            lacking -= {"open"}  # "8 open orders wait for shipment": what is to be shipped is open
        if is_sure or (matched and words.money):
            lacking &= STATISTICS - {"largest", "smallest"} | {"price"}
        if lacking & STRICT or ("price" in lacking and words.money):
            return MOST
        if "stock" in lacking and "sold" in traits:
            return MOST
        distance += 0.5 * len(lacking & {"stock", "sold"})
    if figure.percent and not matched and traits & STATUSES - words.wide - words.before:
        return MOST
    unsaid = traits & UNSAID
    if "price" in unsaid and "largest" in unsaid and said.has(_STARTS_AT) and not said.has(RANGE):
        return MOST
    if "price" in unsaid and "revenue" in words.near and "price" not in words.wide and said.has(_EARNED):
        return MOST  # a piece's price is no revenue
    if "price" in unsaid:  # from, up to
        unsaid -= {"largest", "smallest"}
    if words.same:
        if traits & MEASURES - {"revenue"} == words.same:
            unsaid -= words.same
        else:
            distance += 1.0
    if "previous" in unsaid and any(
        near(span, figure.period) for span in (*words.spans, *words.front) if figure.period
    ):
        unsaid -= {"previous"}  # its time is named
    for trait in unsaid - ({"days"} if "day" in words.nouns else NOTHING):
        if trait not in words.near and not (trait == "average" and "daily" in words.near):
            known = trait in words.wide or (trait in ("price", "stock") and matched)
            distance += 0.5 if known else 1.0 if trait in words.before else 2.0
    if not matched:
        lacked = words.expected - traits - words.required - words.neutral
        if figure.period is not None and (said.today - figure.period[1]).days > 2:
            lacked -= {"previous"} if any(near(span, figure.period) for span in words.spans) else NOTHING
        distance += len(lacked - {"previous"} if "change" in traits else lacked)
        distance += sum(traits.isdisjoint(meant) for meant in words.vague)
    if words.nouns and not words.sure and not words.money and not words.nouns & figure.subjects:
        distance += 1.0
    if words.money and "revenue" in words.near and not traits & {"revenue", *STATISTICS} and not matched:
        distance += 1.0
    if figure.partial and "recent" not in words.wide:
        is_told = "these" in words.near or "recent" in words.before or "order" in named
        if traits & {"average", "median", "daily"} and not is_told:
            return MOST  # the average of the ten latest orders is not that of all
        distance += 0.5 if is_told else 1.5
    elif figure.derived and figure.period is None and "recent" not in words.wide and "change" not in traits:
        distance += 0.75
    if distance >= limit:
        return MOST
    return distance + time_distance(said, figure, words)


def _unsaid_name(said: Said, figure: Figure, kind: str, matched: bool, words: Description) -> float:
    """What it costs that a figure is somebody's who is not named."""
    if kind == "date":
        return 0.0
    if matched:
        if kind == "order" and figure.currency is None:
            return 1.0
        only_product = kind == "order" and not any(k in ("customer", "order") for k, _, _, _ in words.names)
        return 1.5 if only_product else 0.0
    if kind in said.context.mentions:
        return 0.5
    single = _SINGLE_ORDER if kind == "order" else _SINGLE
    return 1.0 if said.has(single) else 2.0


def time_distance(said: Said, figure: Figure, words: Description) -> float:
    period, spans = figure.period, words.spans or words.front
    days = [name.removeprefix("date:") for name in figure.entities if name.startswith("date:")]
    if len(days) == 2:  # a change from one day to another
        ok = not words.spans or any(start.isoformat() in days for start, end in words.spans if start == end)
        return 0.0 if ok else MOST
    if period is None:
        return _undated(said, figure, words)
    if figure.traits & {"open", "unfulfilled"} and not figure.derived and (said.today, said.today) in spans:
        return 0.0 if figure.traits & {"open", "unfulfilled"} & words.near else 1.0  # as things stand
    if figure.traits & {"open", "unfulfilled"} & words.near and not figure.derived and not words.spans:
        return 0.0
    if "previous" in figure.traits and "previous" in words.near and not (words.spans and said.dates):
        return 0.0
    if "previous" in words.neutral and not words.spans:
        return 0.0
    if not spans:
        beside = [told.period for told in said.meant.values() if told.period is not None and not told.kinds]
        if any(near(span, period) for span in words.late or beside or said.context.spans):
            return 0.0
        length = (period[1] - period[0]).days
        return (
            0.25
            if length > 8
            else (0.5 if figure.kinds else 0.75)
            if length
            else 0.5
            if days and said.has(DAY_WORD)
            else 2.0
        )
    matching = [span for span in spans if near(span, period) or is_all(said, span, period)]
    if matching:  # of a day and a longer time, the day is meant
        return 1.0 if matching[0][0] != matching[0][1] and any(start == end for start, end in spans) else 0.0
    return MOST


def is_all(said: Said, span: Range, period: Range) -> bool:
    """Whether both have all orders: the figure from the shop's first day on, and what was said at least as long."""
    return period[0] == said.grounds.opened and span[0] <= period[0] and span[1] >= period[1]


def _undated(said: Said, figure: Figure, words: Description) -> float:
    """A figure as things stand, or of a list, where a time is named."""
    own, today = words.spans, (said.today, said.today)
    if not own:
        return 1.0 if figure.derived and words.front and today not in words.front else 0.0
    if "change" in figure.traits or (today in own and not figure.derived):
        return 0.0
    if EVER in own:
        return 0.0 if "customer" in figure.subjects or not figure.derived else 1.0
    if figure.entities:
        return 0.0 if said.dates else 0.5
    if figure.traits & {"open", "unfulfilled"} and any(near(s, w) for s in own for w in said.grounds.windows):
        return 0.0
    return 1.5 if figure.partial and ("recent" in words.wide or not words.money) else MOST


def _is_fresh(said: Said, figure: Figure) -> bool:
    if not figure.old and not figure.aged:
        return True
    if figure.old == "earlier":
        return said.first(_BEFORE, plain=True) is not None
    if said.context.is_current and not said.context.age_is_told:
        return figure.old != "stale" and not figure.aged
    return figure.old != "stale" or said.context.age_is_told


def _period(said: Said, number: Number, left: int, right: int) -> tuple[list[Range], list[Range], list[Range]]:
    """What the number is said of, what was said before it, and what behind."""
    own: list[Range] = []
    front: list[Range] = []
    late: list[Range] = []
    spans_of = said.spans_of()
    apart = {id(spans_of[each.start]): each for each in (*said.periods, *said.dates)}  # "from May 1 to May 31" is one
    for one, other in itertools.permutations(apart.values(), 2):  # as is "the last 7 days (from May 1 to May 7)"
        if _ASIDE.fullmatch(said.masked, one.end, other.start):
            apart.pop(id(spans_of[other.start]), None)
    if paired := said.paired(number, tuple(apart.values())):
        return spans_of[paired.start], [], []
    if said.masked[left : left + 1] == "(" and said.masked[number.end : number.end + 1] == ")":
        beside = [each for each in apart.values() if left - each.end in (0, 1) or left <= each.start < number.end]
        if len(beside) == 1:  # "3 orders more than yesterday (5)"
            return spans_of[beside[0].start], [], []
    first = said.numbers[0].start if said.numbers else 0
    clause = 0  # "on Friday 4 orders came in, and the mug was most popular (8 units)": not of Friday only
    if said.masked[left : left + 1] == "(":  # what is in brackets is of the time of the number before them
        before = [n for n in said.numbers if n.end <= left]
        begins = max((b for b in said.breaks if before and before[-1].end <= b < left), default=0)
        clause = begins if any(begins <= name.start < left for name in said.names) else 0
        left = clause or (said.around(before[-1])[0] if before else said.lead(number, left))
    if said.masked[right : right + 1] == "(":  # what stands in brackets does not part it from what follows
        right = max(said.masked.find(")", right), right)
    than = said.first(THAN, number.end)
    if said.masked[right : right + 1] == ")" and (than is None or than.start() > right + 8):
        ends = (*(b for b in said.breaks), *(n.start for n in said.numbers), len(said.masked))
        right = min(end for end in ends if end > right)
    periods = sorted((*said.periods, *said.dates), key=lambda mention: mention.start)
    last = next((period for period in reversed(periods) if period.end <= number.start), None)
    if last is not None and _OTHER_SIDE.search(said.masked[last.end : number.start]):  # "3 today against 1"
        between = [n for n in said.numbers if last.end <= n.start < number.start]
        is_beside = between and (between[-1].currencies is None) != (number.currencies is None)
        last = last if is_beside else None  # "last month came to $5 from 4"
    is_owned = OWNED.search(said.masked[: number.start]) is not None
    if last is not None and _is_beaten(said, number, last):
        last = None
    for period in periods:
        spans = said.spans_of()[period.start]
        if is_owned and period.start > number.end and _ACTED_ON.match(said.masked, number.end, period.start):
            continue  # "your 5 customers placed … last week"
        if _is_beaten(said, number, period) or (period.end <= clause and all(a == b for a, b in spans)):
            continue
        if left <= period.start and period.end <= right:
            own += spans
        elif (
            period.end <= first
            or period is last
            or (
                period.end <= number.start
                and not any(low <= n.start < high for n in said.numbers for low, high in [_piece(said, period)])
            )
        ):
            front += spans
        elif period.end <= number.start or not late:
            late = spans
    if not own and any(b < said.today for _, b in front) and _NOW.search(said.masked, left, right):
        front = [span for a, b in front if b < said.today for span in _as_long(a, b, said.today)]
    return own, front, late


_ASIDE = re.compile(r" \((?:from |\W)*")

_NOW = re.compile(r"\b(?:now|currently|jetzt|nun|inzwischen)\b")
""" "Last month was $5, now you're at $4"."""


def _as_long(start: date, end: date, today: date) -> list[Range]:
    """What is as long as an earlier time, and not over."""
    days = (end - start).days
    if days > 7:
        return [(today.replace(day=1), today)]
    return [
        (today - timedelta(days=min(days, 6)), today),
        (today - timedelta(days=today.weekday() if days else 0), today),
    ]


def _piece(said: Said, period: Mention) -> tuple[int, int]:
    left = max((b for b in said.breaks if b <= period.start), default=0)
    return left, min((b for b in said.breaks if b >= period.end), default=len(said.masked))
