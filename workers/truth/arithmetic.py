"""Whether a number was worked out: from other numbers of the text, or from figures that the sentence names. Pure."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import timedelta

from workers.truth.description import ALL_BUT
from workers.truth.figure import NOTHING, STATUSES, Figure, fits
from workers.truth.periods import near
from workers.truth.said import OF_SALES, Said, keys, kinds
from workers.truth.sentence import Number
from workers.truth.shares import part_of_kind
from workers.truth.wording import Wording

MOST = 24
"""From how many numbers another one may be worked out."""

SELECTED = Wording(r"(?:latest|newest|last|most recent|recent|top|first|neueste|letzte|jüngste|erste)")

_IN = re.compile(r"\s(?:in|out of|of|von|aus)(?: every| each| je)?\s")

_KINDS = STATUSES | {"open"}

_SUM = re.compile(
    r"\b(?:together|combined|in all|altogether|totals?|totall?ing|sum|add(?:s|ed)? up|(?:comes?|came|amounts?) to|zusammen(?:genommen|gerechnet|gezählt)?|gemeinsam|summe|insgesamt|gesamt\w*|macht|ergibt|ergeben)\b"
)

_SUM_FIRST = re.compile(r"\W*(?:(?:put|taken|added) )?(?:together|combined|zusammen)\b")

_TOTAL = Wording(r"(?:total|sum|summe)(?!\w)")
_TOTAL_OF = re.compile(
    r"\b(?:total|sum|summe) (?:of|der|von|deiner|ihrer) [^.,;:]{1,60} (?:is|was|ist|war|beträgt)\W*$"
)
""" "The total of your last three orders is $5"."""

_GAP = (
    r"(?:between|zwischen|apart|more|fewer|less|ahead|behind|short|past|above|below|over|under|bigger|smaller|higher|lower|larger|gain|drop|increase|decrease|rise|change|plus|minus|difference|gap|leaves?|leaving"
    r"|remain\w*|left|need(?:s|ed)?|brauch\w*|benötig\w*|rest|other|another|refunded|öfter|häufiger|seltener|mehr|weniger|über(?!\s*$)|unter|höher|niedriger|größer|kleiner|teurer|günstiger|billiger|fehl\w+|separat\w*|trenn\w*|vorsprung|rückstand|abstand|differenz|unterschied|zuwachs|rückgang|anstieg|veränderung|bleib\w*"
    r"|übrig\w*|andere\w*|restliche\w*)\b"
)

_GAP_BEFORE = re.compile(
    rf"(?:\b{_GAP}(?:\s(?:[^\W\d]+|\ue000+)){{0,4}}|\b(?:by|um)(?:\s[^\W\d]+)?|[-−–+±δ])[\s:*]*$|\b(?:refunds|\w*erstattungen)(?:\s(?:[^\W\d]+|\ue000+)){{0,4}}\s\($"
)

_GAP_BEHIND = re.compile(rf"[\s*)]*(?:[^\W\d]+\s)?{_GAP}")

_BETWEEN = Wording(r"(?:between|zwischen)(?!\w)")

_GAP_BETWEEN = re.compile(
    r"\b(?:gap|difference|abstand|differenz|unterschied) (?:between|zwischen) [^.,;:]{1,80} (?:is|was|ist|war|beträgt|betrug)(?: (?:just|only|nur))?\W*$"
)

_THEY = re.compile(r"\b(?:they|both|the two|these|those|sie|beide)\b|\ue000 (?:is|was|are|were)\b")

_LESS = re.compile(
    r"\b(?:fewer|less|behind|short|needs?|more (?:\w+ )?to|below|under|smaller|lower|drop|decrease|weniger|unter|niedriger|hinter|fehl\w+|rückstand|rückgang)\b"
)

_ASIDE = re.compile(r"[\s*]*\((?:\w+ )?[*+−-]*")

_EACH = re.compile(r"\b(?:divided|per|each|average|geteilt|pro|je|\w*durchschnitt\w*|schnitt)\b|[÷/ø]")

_VALUE = re.compile(r"\b(?:worth|value|\w*wert|à|(?:list|retail|full|current) prices?)\b|[×x]\s?\d")

_PRICED = re.compile(r"\b(?:(?:unit |piece )?price|\w*preis) (?:of|von)\W*$")

_A_PIECE = re.compile(r"(?:\b(?:je|pro stück|à|each|at|for)|[×x])\s*$")

_PER_PIECE = re.compile(r"\b(?:each|apiece|a piece|per (?:unit|piece)|pro stück|je stück)\b")

_OF_WHOLE = re.compile(
    r"\b(?:of|share|rate|makes? up|made up|account(?:s|ed)? for|contributed|brought in|ausgemacht|entfiel\w*|entfallen|(?:fielen|fiel|fällt|fallen) auf|fell on|von|des|der|aller|\w*anteil\w*|\w*quote|macht|entspricht|das sind|sind das|(?:that['’]s|that is|which is)(?! (?:up|down)\b))\b"
)
"""How the words tell by what a number was worked out."""

_THAT_IS = re.compile(
    r"\b(?:that is|that['’]s|i\.e\.|also|das sind|sprich|nämlich|d\. ?h\.|das heißt)\W*(?:about |around |etwa |rund )?$"
)
""" "90% of the last ten, that is 9": a share, then how many."""

_OF_IT_ASIDE = re.compile(r"(?: [^\W\d]+){0,2} \([^\w.,;:]*")

_ARE = re.compile(r"\s(?:are|were|sind|waren)\b")


def is_of_named(said: Said, number: Number) -> bool:
    """Whether it is worked out from figures of the days, orders and kinds that are named."""
    if number.percent:
        return (
            _is_share_of_days(said, number)
            or _is_share_of_orders(said, number)
            or _is_share_of_kind(said, number)
            or _is_share_of_money(said, number)
        )
    return (
        _is_one_of_latest(said, number)
        or _is_of_both(said, number)
        or _is_of_days(said, number)
        or is_of_latest(said, number)
        or _is_stock_value(said, number)
        or _is_part_or_whole(said, number)
        or _is_left_of_open(said, number)
        or _is_gap_or_sum(said, number)
        or _is_gap_of_periods(said, number)
    )


def _is_of_both(said: Said, number: Number) -> bool:
    """ "7 of 13 customers had bought before": newcomers and regulars."""
    part = said.of_which(number)[1]
    figure = said.meant.get(part.start) if part is not None else None
    if figure is None or not figure.traits & {"first_time", "returning"}:
        return False
    others = {
        other.value
        for other in said.grounds.counts.get("customer", ())
        if other.traits | figure.traits == {"first_time", "returning"} and not other.entities
        and (other.period, other.derived) == (figure.period, figure.derived)
    }  # fmt: skip
    return any(fits(number, figure.value + other) for other in others)


def _is_of_days(said: Said, number: Number) -> bool:
    """ "From Monday to Wednesday you had 28 orders", "since Monday 6, 13, 19": of days in a row."""
    what = "day totals" if number.currencies is not None else "day orders"
    known = {k.removeprefix("date:"): v for r in said.grounds.rankings if r.what == what for k, v in r.values.items()}
    of_days = {f.currency for f in said.grounds.by_kind.get("money", ()) if "date" in f.kinds}
    if number.currencies is not None and not number.currencies & of_days:
        return False
    if what == "day orders" and any(s.kind not in ("order", "sale", "money") for s in said.subjects):
        return False
    spans = [span for spans in said.spans_of().values() for span in spans]
    if said.told & (STATUSES | {"open", "average"}):
        return False
    values = [value for _, value in sorted(known.items())]
    told = [
        n for n in said.numbers if n.percent == number.percent and (n.currencies is None) == (number.currencies is None)
    ]
    if spans and len(told) > 2 and number in told:
        starts = range(len(values) - len(told) + 1)
        return any(all(map(fits, told, values[start:])) for start in starts)
    if any(start == end for start, end in spans):
        return False
    for start, end in spans:
        days = [(start + timedelta(days=n)).isoformat() for n in range(min((end - start).days, 30) + 1)]
        if len(days) < len(known) and known.keys() >= set(days) and fits(number, sum(known[day] for day in days)):
            return True
    return False


def is_of_latest(said: Said, number: Number) -> bool:
    """ "Two of your last three orders are paid": of as many as are said."""
    whole, _ = said.of_which(number)
    if whole is None or not said.has(SELECTED) or said.first(ALL_BUT):
        return False
    latest = said.grounds.latest_orders()[: int(whole.readings[0][0])]
    told = [said.grounds.statuses.get(name, ()) for name in latest]
    left, right = said.around(number)
    traits = {t.kind for t in said.traits if left <= t.start < right} & STATUSES
    return len(traits) == 1 and fits(number, sum(any(traits <= kinds for _, kinds in each) for each in told))


def _is_part_or_whole(said: Said, number: Number) -> bool:
    """ "Open: 10 of 66", "4 of all 12 on Tuesday", "4 in 5 are from regulars": a part and what it is a part of."""
    if said.first(ALL_BUT):
        return False
    for one, other in itertools.pairwise(said.numbers):
        is_ratio = _IN.fullmatch(said.masked, one.end, other.start) is not None
        if number not in (one, other) or one.percent or (one.currencies is None) != (other.currencies is None):
            continue
        if not is_ratio and said.of_which(one)[0] is not other:
            continue
        left, right = said.around(one)[0], said.around(other)[1]
        kinds = {t.kind for t in said.traits if left <= t.start < right} & _KINDS or said.told & _KINDS
        whole_kinds = frozenset({"open"}) if len(kinds) > 1 else NOTHING
        kinds -= whole_kinds
        days = {span for spans in said.spans_of().values() for span in spans if span[0] == span[1]}
        if one.currencies is None:
            figures = [f for f in said.grounds.counts.get("order", ()) if not f.old and f.kinds <= {"date"}]
        else:
            figures = [f for f in said.grounds.by_kind.get("money", ()) if f.traits == {"revenue"} and not f.old]
            figures = [f for f in figures if f.currency in one.currencies and f.kinds <= {"date"} and not kinds]
        wholes = [f for f in figures if f.traits & _KINDS == whole_kinds]
        for figure in figures:
            if len(kinds) > 1 or not (figure.traits == kinds if kinds else figure.period in days):
                continue
            if any(_holds(whole, figure) and _is_of(one, other, figure, whole, is_ratio) for whole in wholes):
                return True
    return False


def _is_of(one: Number, other: Number, part: Figure, whole: Figure, is_ratio: bool) -> bool:
    if is_ratio and one.readings[0][0] * whole.value == other.readings[0][0] * part.value:
        return True
    return fits(one, part.value) and fits(other, whole.value)


def _holds(whole: Figure, part: Figure) -> bool:
    if part.period is None or whole.period is None:
        return part.period is whole.period and (part.partial, part.derived) == (whole.partial, whole.derived)
    return whole.period[0] <= part.period[0] and part.period[1] <= whole.period[1] and whole.partial == part.partial


def _is_share_of_days(said: Said, number: Number) -> bool:
    """ "Thursday made up 35% of the week's revenue", "On Thursday you made $5. That is 35% of the week"."""
    days = {f"date:{a.isoformat()}" for spans in said.spans_of().values() for a, b in spans if a == b}
    told = [] if days else [f for f in said.context.told[-1:] if f.period is not None]
    before = [figure for figure in told if figure.kinds <= {"date"}]
    days |= {f"date:{a}" for a, b in (f.period for f in before if f.period) if a == b}
    if not _OF_WHOLE.search(said.masked) or sum(n.percent for n in said.numbers) > 1:
        return False
    nouns = {subject.kind for subject in said.subjects}
    is_money = any(figure.currency for figure in before) and "order" not in nouns
    is_money |= "money" in nouns or ("revenue" in said.told and "order" not in nouns)  # "made up": of orders, too
    is_money |= "order" not in nouns and any(f.currency and "date" in f.kinds for f in said.meant.values())
    what = "day totals" if is_money else "day orders"
    return any(
        fits(number, sum(value for day, value in ranking.values.items() if day in days) * 100 / whole)
        for ranking in said.grounds.rankings
        if ranking.what == what and (whole := sum(ranking.values.values()))
    )


def _is_share_of_orders(said: Said, number: Number) -> bool:
    """ "#7 makes up 40% of the last ten orders' total"."""
    if not _OF_WHOLE.search(said.masked):
        return False
    return any(sum(every) and fits(number, sum(mine) * 100 / sum(every)) for mine, every in _totals_of(said))


def _is_share_of_kind(said: Said, number: Number) -> bool:
    """ "21% of your orders are open", "a tenth of the buyers were new"."""
    start, end = said.clause_start(number.start), said.clause_end(number.end)
    told = {t.kind for t in said.traits if start <= t.start < end} & _KINDS or said.told & _KINDS
    if not _OF_WHOLE.search(said.masked) or len(told) != 1:
        return False
    [kind] = told
    subjects = {subject.kind for subject in said.subjects} & {"order", "customer"}
    parts = (share for subject in subjects for share in part_of_kind(said, kind, subject))
    return any(fits(number, share * 100) for share in parts)


def _is_share_of_money(said: Said, number: Number) -> bool:
    """ "Returns were 7% of gross sales", "the largest makes up a fifth of their total"."""
    if not _OF_WHOLE.search(said.masked):
        return False
    amounts: dict[object, dict[frozenset[str], float]] = {}
    for figure in said.grounds.by_kind.get("money", ()):
        if not (figure.entities or figure.old):
            key = figure.currency, figure.period, figure.partial, "previous" in figure.traits
            amounts.setdefault(key, {}).setdefault(figure.traits - {"revenue", "previous"}, figure.value)
    parts = said.told & (OF_SALES | {"largest", "smallest"}) | ({"reversal"} if "refunding" in said.told else set())
    wholes = [NOTHING, *(frozenset({kind}) for kind in parts & {"gross", "net"})]
    wholes += [frozenset({"gross"})] if "refunding" in said.told else []
    return any(
        fits(number, known[frozenset({part})] * 100 / known[whole])
        for known in amounts.values()
        for part in parts
        for whole in wholes
        if frozenset({part}) in known and known.get(whole) and whole != {part}
    )


def _is_stock_value(said: Said, number: Number) -> bool:
    """ "You have 232 Sporks, $2,784 at list price": as many as there are, at their price."""
    ahead, behind = _words_beside(said, number)
    is_value = (
        _VALUE.search(f"{ahead}|{behind}") or _PER_PIECE.search(said.masked, number.end) or _PER_PIECE.search(ahead)
    )
    is_piece = _PRICED.search(ahead) or _PER_PIECE.match(said.masked, number.end + 1)
    if not number.currencies or not is_value or is_piece:
        return False
    mentions = said.mentions().get("product") or said.context.mentions.get("product", [])
    stocks = [ranking.values for ranking in said.grounds.rankings if ranking.what == "stock"]
    return any(
        fits(number, figure.value * values[key])
        for mention in mentions
        for key in keys(mention)
        for values in stocks
        if key in values
        for figure in said.grounds.by_kind.get("money", ())
        if "price" in figure.traits and key in figure.entities and figure.currency in number.currencies
    )


def _is_left_of_open(said: Said, number: Number) -> bool:
    """ "2 of the open orders have already been shipped": what is open and not to be shipped."""
    told = said.told | (said.context.topic & {"open"} if said.is_item else NOTHING)
    if number.currencies is not None or not told >= {"open", "fulfilled"}:
        return False
    counted = [f for f in said.grounds.counts.get("order", ()) if not (f.entities or f.old)]
    opened, left = ([f for f in counted if f.traits == {kind}] for kind in ("open", "unfulfilled"))
    return any(
        one.partial == other.partial and fits(number, one.value - other.value) for one in opened for other in left
    )


_MEASURED: Mapping[str, Set[str]] = {
    "order total": frozenset(),
    "day totals": frozenset(),
    "units": frozenset({"unit", "product", "sale", "item"}),
    "stock": frozenset({"unit", "product", "item"}),
    "day orders": frozenset({"order", "sale"}),
    "customer orders": frozenset({"order", "sale", "customer"}),
}
"""Rankings of amounts (by no noun) and of what is counted: by which nouns."""


_OTHERWISE = {
    "units": re.compile(r"\b(?:stock|inventory|\w*lager\w*|\w*bestand\w*|vorrätig)\b"),
    "stock": re.compile(r"\b(?:sold|sell\w*|outsold|bought|went|\w*verkauf\w*|gekauft)\b"),
}
"""What a sentence does not speak of if it means this ranking."""


def _is_gap_or_sum(said: Said, number: Number) -> bool:
    """ "#7 is $11 more than #8", "the mug and the bowl have 46 units together"."""
    ahead, behind = _words_beside(said, number)
    is_sum = bool(
        _SUM.search(ahead + behind)
        or _SUM_FIRST.match(said.masked)
        or (said.has(_TOTAL) and _TOTAL_OF.search(said.masked, 0, number.start))
    )
    is_gap = _is_gap(said, number, ahead, behind)
    if not is_sum and not is_gap:
        return False
    mentions = said.mentions()
    if not mentions and _THEY.search(said.masked):
        mentions = {kind: each for kind, each in said.context.mentions.items() if kind != "customer"}
    named = [keys(mention) for each in mentions.values() for mention in each]
    named += [frozenset({f"date:{a}"}) for spans in said.spans_of().values() for a, b in spans[:1] if a == b]
    if is_gap and len(named) == 1:  # "… sold 13. That's 6 more than the mug"
        named += [theirs for _, theirs, _, _ in said.context.named]
    nouns = {subject.kind for subject in said.subjects}
    for ranking in said.grounds.rankings:
        counted = _MEASURED.get(ranking.what)
        if counted is None or bool(counted) == (number.currencies is not None) or (counted and not nouns <= counted):
            continue
        if (otherwise := _OTHERWISE.get(ranking.what)) and otherwise.search(said.masked):
            continue
        if number.currencies is not None and not _is_in(said, number, ranking.what):
            continue
        mine = [next((ranking.values[key] for key in each if key in ranking.values), None) for each in named]
        values = [value for value in mine if value is not None]
        if is_sum and len(values) > 1 and len(values) == len(named) and fits(number, sum(values)):
            return True
        if is_sum and not values and ranking.what == "order total" and _is_sum_of_latest(said, number):
            return True
        if is_gap and len(values) == 2 and fits(number, values[0] - values[1]):
            return True
    return False


def _is_gap(said: Said, number: Number, ahead: str, behind: str) -> bool:
    """Whether the words `ahead` of it and `behind` it tell that something is by so much more or less."""
    if _GAP_BEFORE.search(ahead) or _GAP_BEHIND.match(behind):
        return True
    return said.has(_BETWEEN) and _GAP_BETWEEN.search(said.masked, 0, number.start) is not None


def _is_in(said: Said, number: Number, what: str) -> bool:
    """Whether the amounts of this ranking are in the number's currency."""
    kind = "order" if what == "order total" else "date"
    return any(
        kind in f.kinds and f.currency in (number.currencies or ()) for f in said.grounds.by_kind.get("money", ())
    )


def latest_totals(said: Said, count: float) -> list[float]:
    """What the latest orders came to, as many as that; none if so many were not read."""
    totals = {key: v for r in said.grounds.rankings if r.what == "order total" for key, v in r.values.items()}
    found = [totals[key] for key in said.grounds.latest_orders()[: int(count)] if key in totals]
    return found if len(found) == count else []


def _is_sum_of_latest(said: Said, number: Number) -> bool:
    """ "The three latest orders come to $11 together"."""
    counts = [n.readings[0][0] for n in said.numbers if n.currencies is None and not n.percent]
    found = [latest_totals(said, count) for count in counts] if said.has(SELECTED) else []
    return any(totals and fits(number, sum(totals)) for totals in found)


def _is_one_of_latest(said: Said, number: Number) -> bool:
    """ "The three latest orders ($5, $4 and $2)": each in its turn, with or without their sum."""
    money = [n for n in said.numbers if n.currencies is not None]
    if said.orders or not (said.has(SELECTED) and number in money and _is_in(said, number, "order total")):
        return False
    counts = [int(n.readings[0][0]) for n in said.numbers if n.currencies is None and not n.percent]
    for count in counts:
        totals = latest_totals(said, count)
        each = [n for n in money if not fits(n, sum(totals))]
        if len(each) >= count > 1 and totals and number in each[:count] and all(map(fits, each, totals)):
            return True
    return False


def _is_gap_of_periods(said: Said, number: Number) -> bool:
    """ "This month is $35 behind last month": of two times of which each was read by itself."""
    ahead, behind = _words_beside(said, number)
    spans = [spans[0] for spans in said.spans_of().values() if spans]
    if not _is_gap(said, number, ahead, behind) or not 0 < len(spans) < 3:
        return False
    is_less: bool | None = None
    if len(spans) == 1:  # "32 orders behind last month": this month is
        is_less = _LESS.search(ahead + behind) is not None
        begins = said.today if spans[0][0] == spans[0][1] else said.today.replace(day=1)
        spans = [(begins, said.today), *spans]
    kind = "count" if number.currencies is None else "money"
    known: list[dict[object, float]] = [{}, {}]
    nouns = frozenset().union(*map(kinds, said.subjects)) if kind == "count" else NOTHING
    for figure in said.grounds.by_kind.get(kind, ()):
        measure = figure.traits - {"previous"}
        if figure.old or not figure.kinds <= {"date"} or not measure - {"revenue"} <= said.told:
            continue
        if number.currencies is not None and figure.currency not in number.currencies:
            continue
        if nouns and not nouns & figure.subjects:
            continue
        for span, values in zip(spans, known, strict=True):
            if figure.period is not None and near(span, figure.period):
                values.setdefault((measure, figure.subjects, figure.currency), figure.value)
    one, other = known
    gaps = [one[key] - other[key] for key in one.keys() & other.keys()] if spans[0] != spans[1] else []
    return any(fits(number, gap) and is_less in (None, gap < 0) for gap in gaps)


def _totals_of(said: Said) -> Iterable[tuple[list[float], Iterable[float]]]:
    """What the orders that are named came to, and what all that were read."""
    names = {key for mention in said.mentions().get("order", ()) for key in keys(mention)}
    names = names or {key for kind, theirs, _, _ in said.context.named if kind == "order" for key in theirs}
    for values in (ranking.values for ranking in said.grounds.rankings if ranking.what == "order total"):
        mine = [value for key, value in values.items() if key in names]
        if names and len(mine) == len(names):
            yield mine, [value for key, value in values.items() if key.startswith("order:")]


def follows(said: Said, number: Number, sure: Sequence[Number], before: Sequence[Number]) -> bool:
    """Whether it is worked out, as the words beside it tell, from grounded numbers of the same sentence (`sure`) and those
    `before` it: their sum, difference, product, quotient, share."""
    ahead, behind = _words_beside(said, number)
    sign = sign_of(said, number)
    is_gap = bool(sign) or _is_gap(said, number, ahead, behind)
    if number.percent:
        is_of_whole = _OF_WHOLE.search(ahead + behind) is not None or _ARE.match(behind) is not None
        return _is_share(number, sure, before, is_gap=is_gap, is_of_whole=is_of_whole)
    is_money = number.currencies is not None
    if is_gap:
        if not sign and _is_told_change(said, number):
            return True
        pairs = itertools.combinations(_alike([*before, *sure], money=is_money), 2)
        return any(
            fits(number, one.readings[0][0] - other.readings[0][0])
            and not (sign and _is_turned(said, sign, one, other))
            for one, other in pairs
        )
    told = [*before, *(other for other in sure if other.end <= number.start)]
    alike = _values(told, money=is_money)
    if _SUM.search(ahead + behind):
        ends = range(2, len(alike) + 1)
        return any(fits(number, sum(alike[start:end])) for end in ends for start in range(end - 1))
    if not is_money:
        return False
    if _VALUE.search(said.masked) and not (_A_PIECE.search(ahead) or _PRICED.search(ahead)):
        prices, units = (_values([*before, *sure], money=money) for money in (True, False))
        if any(count > 1 and fits(number, price * count) for price in prices for count in units):
            return True
    counts = [count for count in _values(told, money=False) if count > 1]
    is_each = _EACH.search(said.masked) is not None
    return is_each and any(fits(number, amount / count) for amount in alike for count in counts)


def is_of_share(said: Said, number: Number) -> bool | None:
    """ "90% of the last ten, that is 9", "3 of 13 orders (23.1%)": None if it is not told so, or is to be decided."""
    before = [n for n in said.numbers if n.end <= number.start][-2:]
    is_next = not before and [n.percent for n in said.context.sure] == [
        True,
        False,
    ]  # "50% of the ten. That's 5 orders"
    before = said.context.sure if is_next else before
    if len(before) < 2 or not (is_next or said.of_which(before[0])[0] is before[1]) or before[1].percent:
        return None
    if number.percent and not before[0].percent and _OF_IT_ASIDE.fullmatch(said.masked, before[1].end, number.start):
        part, whole = (n.readings[0][0] for n in before)
        return None if whole and fits(number, part * 100 / whole) else False
    if number.percent or not before[0].percent:
        return None
    if not _THAT_IS.search(said.masked, 0 if is_next else before[1].end, number.start):
        return None
    share, whole = before[0].readings[0][0] / 100, before[1].readings[0][0]
    return abs(number.readings[0][0] - share * whole) <= max(0.5, whole * before[0].readings[0][1] / 200)


def _is_told_change(said: Said, number: Number) -> bool:
    """Whether it is by how much what is spoken of changed."""
    among = said.grounds.by_kind.get("money" if number.currencies is not None else "count", ())
    return any(
        "change" in figure.traits
        and figure.traits - {"change", "revenue"} <= said.told
        and figure.value != 0
        and (number.currencies is None or figure.currency in number.currencies)
        and fits(number, figure.value)
        for figure in among
    )


def _is_turned(said: Said, sign: str, *pair: Number) -> bool:
    """ "$5, before $4: -$1": whether the sign is the wrong one, as far as one of the two is known to be the earlier."""
    earlier = [n for n in pair if n.start in said.meant and "previous" in said.meant[n.start].traits]
    if len(earlier) != 1:
        return False
    later = pair[1] if earlier[0] is pair[0] else pair[0]
    return (later.readings[0][0] > earlier[0].readings[0][0]) != (sign == "+")


def _is_share(
    number: Number, sure: Sequence[Number], before: Sequence[Number], *, is_gap: bool, is_of_whole: bool
) -> bool:
    """Of another number, or of both together; or by how many percent one is more than another."""
    if is_of_whole and not is_gap:
        sure = [*before, *sure]
    kinds = [_values(sure, money=money) for money in (True, False)]
    return any(
        (one <= other and fits(number, one * 100 / other))
        or (is_of_whole and fits(number, one * 100 / (one + other)))
        or (
            is_gap
            and any(fits(number, change * 100 / other) for change in (one - other, one * other / (other - one or 1)))
        )
        for values in kinds
        for one, other in itertools.permutations(values, 2)
        if other
    )


def _words_beside(said: Said, number: Number) -> tuple[str, str]:
    """What stands between it and the numbers before and after it: "$5 (or 10%) above", too."""
    start = max((n.end for n in said.numbers if n.end <= number.start), default=0)
    behind = [n for n in said.numbers if n.start >= number.end]
    end = number.end
    if behind and behind[0].percent and _ASIDE.fullmatch(said.masked, end, behind[0].start):
        end = behind.pop(0).end
    return said.masked[start : number.start], said.masked[end : behind[0].start if behind else len(said.masked)]


def _alike(numbers: Iterable[Number], *, money: bool) -> list[Number]:
    alike = [number for number in numbers if not number.percent and (number.currencies is not None) == money]
    return alike[-MOST:]


def _values(numbers: Iterable[Number], *, money: bool) -> list[float]:
    return [number.readings[0][0] for number in _alike(numbers, money=money)]


def sign_of(said: Said, number: Number) -> str:
    """That of a number that stands for a change: "+" or "-"."""
    if arrow := _UP_OR_DOWN.search(said.masked, max(0, number.start - 3), number.start):
        return "+" if arrow[0][0] in "↑▲⬆📈" else "-"
    found = number.text[:1] if number.text[:1] in "+-−" else said.masked[number.start - 1 : number.start]
    before = said.masked[max(0, number.start - 2) : number.start].rstrip("+-−")
    return found if found and found in "+-−" and before[-1:] in ("", " ", "(", "*", "|") else ""


_UP_OR_DOWN = re.compile(r"[↑▲⬆📈↓▼⬇📉]\W{0,2}$")
