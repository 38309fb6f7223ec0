"""Whether a number was worked out: from other numbers of the text, or from figures that the sentence names. Pure."""

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta

from workers.truth.description import ALL_BUT
from workers.truth.figure import NOTHING, STATUSES, Figure, fits
from workers.truth.said import Said, keys
from workers.truth.sentence import Number
from workers.truth.wording import Wording

MOST = 24
"""From how many numbers another one may be worked out."""

SELECTED = Wording(r"(?:latest|newest|last|most recent|recent|top|first|neueste|letzte|jüngste|erste)")

_SHARE = re.compile(
    r"\b(?:made up|makes? up|account(?:s|ed) for|share|contributed|brought in|of|anteil|ausgemacht|machte?n?|entfiel\w*|entfallen)\b"
)

_IN = re.compile(r"\s(?:in|out of|of|von|aus)(?: every| each| je)?\s")

_KINDS = STATUSES | {"open"}

_SUM = re.compile(
    r"\b(?:together|combined|in all|altogether|totals?|totall?ing|sum|zusammen|summe|insgesamt|gesamt\w*|macht|ergibt)\b"
)

_GAP = (
    r"(?:more|fewer|less|ahead|behind|short|past|above|below|over|under|bigger|smaller|higher|lower|larger|gain|drop|increase|decrease|rise|change|plus|minus|difference|gap|leaves?|leaving"
    r"|remain\w*|left|rest|other|mehr|weniger|über|unter|höher|niedriger|größer|kleiner|fehl\w+|vorsprung|rückstand|abstand|differenz|unterschied|zuwachs|rückgang|anstieg|veränderung|bleib\w*"
    r"|übrig\w*|andere\w*|restliche\w*)\b"
)

_GAP_BEFORE = re.compile(rf"(?:\b{_GAP}(?:\s[^\W\d]+){{0,3}}|\b(?:by|um)(?:\s[^\W\d]+)?|[-−–+±δ])[\s:*]*$")

_GAP_BEHIND = re.compile(rf"[\s*)]*(?:[^\W\d]+\s)?{_GAP}")

_ASIDE = re.compile(r"[\s*]*\((?:\w+ )?[*+−-]*")

_EACH = re.compile(r"\b(?:divided|per|each|average|geteilt|pro|je|\w*durchschnitt\w*|schnitt)\b|[÷/ø]")

_VALUE = re.compile(r"\b(?:worth|value|\w*wert|à)\b|[×x]\s?\d")

_OF_WHOLE = re.compile(
    r"\b(?:of|share|rate|makes? up|made up|accounts? for|von|des|der|\w*anteil\w*|\w*quote|macht|entspricht)\b"
)
"""How the words tell by what a number was worked out."""


def is_of_named(said: Said, number: Number) -> bool:
    """Whether it is worked out from figures of the days, orders and kinds that are named."""
    if number.percent:
        return _is_share_of_days(said, number) or _is_share_of_orders(said, number)
    return (
        _is_of_both(said, number)
        or _is_of_days(said, number)
        or is_of_latest(said, number)
        or _is_part_or_whole(said, number)
        or _is_sum_of_orders(said, number)
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
    if said.told & (STATUSES | {"open", "average"}) or any(start == end for start, end in spans):
        return False
    values = [value for _, value in sorted(known.items())]
    told = [
        n for n in said.numbers if n.percent == number.percent and (n.currencies is None) == (number.currencies is None)
    ]
    if spans and len(told) > 2 and number in told:
        starts = range(len(values) - len(told) + 1)
        return any(all(map(fits, told, values[start:])) for start in starts)
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
    ages = next((r.values for r in said.grounds.rankings if r.what == "newest"), {})
    latest = sorted((name for name in ages if name.startswith("order:")), key=ages.__getitem__, reverse=True)
    told = [said.grounds.statuses.get(name, ()) for name in latest[: int(whole.readings[0][0])]]
    left, right = said.around(number)
    traits = {t.kind for t in said.traits if left <= t.start < right} & STATUSES
    return len(traits) == 1 and fits(number, sum(any(traits <= kinds for _, kinds in each) for each in told))


def _is_part_or_whole(said: Said, number: Number) -> bool:
    """ "Open: 10 of 66", "4 of all 12 on Tuesday", "4 in 5 are from regulars": a part and what it is a part of."""
    if said.first(ALL_BUT):
        return False
    for one, other in itertools.pairwise(said.numbers):
        is_ratio = _IN.fullmatch(said.masked, one.end, other.start) is not None
        if number not in (one, other) or one.currencies or one.percent:
            continue
        if not is_ratio and said.of_which(one)[0] is not other:
            continue
        left, right = said.around(one)[0], said.around(other)[1]
        kinds = {t.kind for t in said.traits if left <= t.start < right} & _KINDS or said.told & _KINDS
        whole_kinds = frozenset({"open"}) if len(kinds) > 1 else NOTHING
        kinds -= whole_kinds
        days = {span for spans in said.spans_of().values() for span in spans if span[0] == span[1]}
        figures = [f for f in said.grounds.counts.get("order", ()) if not f.old and f.kinds <= {"date"}]
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
    """ "Thursday made up 35% of the week's revenue"."""
    days = {f"date:{a.isoformat()}" for spans in said.spans_of().values() for a, b in spans if a == b}
    if not _SHARE.search(said.masked) or len(said.numbers) > 1:
        return False
    is_money = any(t.kind == "revenue" for t in said.traits) or any(s.kind == "money" for s in said.subjects)
    what = "day totals" if is_money else "day orders"
    return any(
        fits(number, sum(value for day, value in ranking.values.items() if day in days) * 100 / whole)
        for ranking in said.grounds.rankings
        if ranking.what == what and (whole := sum(ranking.values.values()))
    )


def _is_share_of_orders(said: Said, number: Number) -> bool:
    """ "#7 makes up 40% of the last ten orders' total"."""
    if not _SHARE.search(said.masked):
        return False
    return any(sum(every) and fits(number, sum(mine) * 100 / sum(every)) for mine, every in _totals_of(said))


def _is_sum_of_orders(said: Said, number: Number) -> bool:
    """ "#7 and #8 are paid, together $11"."""
    if number.currencies is None or not _SUM.search("".join(_words_beside(said, number))):
        return False
    is_its = any("order" in f.kinds and f.currency in number.currencies for f in said.grounds.by_kind.get("money", ()))
    return is_its and any(len(mine) > 1 and fits(number, sum(mine)) for mine, _ in _totals_of(said))


def _totals_of(said: Said) -> Iterable[tuple[list[float], Iterable[float]]]:
    """What the orders that are named came to, and what all that were read."""
    names = {key for mention in said.mentions().get("order", ()) for key in keys(mention)}
    for values in (ranking.values for ranking in said.grounds.rankings if ranking.what == "order total"):
        mine = [value for key, value in values.items() if key in names]
        if names and len(mine) == len(names):
            yield mine, [value for key, value in values.items() if key.startswith("order:")]


def follows(said: Said, number: Number, sure: Sequence[Number], before: Sequence[Number]) -> bool:
    """Whether it is worked out, as the words beside it tell, from grounded numbers of the same sentence (`sure`) and those
    `before` it: their sum, difference, product, quotient, share."""
    ahead, behind = _words_beside(said, number)
    sign = sign_of(said, number)
    is_gap = bool(sign) or _GAP_BEFORE.search(ahead) is not None or _GAP_BEHIND.match(behind) is not None
    if number.percent:
        return _is_share(number, sure, before, is_gap=is_gap, is_of_whole=_OF_WHOLE.search(ahead + behind) is not None)
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
    counts = [count for count in _values(told, money=False) if count > 1]
    is_each, is_value = (wording.search(said.masked) is not None for wording in (_EACH, _VALUE))
    return any(
        (is_each and fits(number, amount / count)) or (is_value and fits(number, amount * count))
        for amount in alike
        for count in counts
    )


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
    """That of a number that stands for a change."""
    found = number.text[:1] if number.text[:1] in "+-−" else said.masked[number.start - 1 : number.start]
    before = said.masked[max(0, number.start - 2) : number.start].rstrip("+-−")
    return found if found and found in "+-−" and before[-1:] in ("", " ", "(", "*", "|") else ""
