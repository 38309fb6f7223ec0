"""More and less, up and down: whether the figures say so. Pure."""

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import timedelta
from functools import partial

from workers.truth.figure import NOTHING, STATUSES, Change, Figure, Range, fits
from workers.truth.figures import is_from_to, role_of
from workers.truth.periods import SINCE, near, ranges
from workers.truth.said import AGAINST, OF_SALES, THAN, Said, keys, kinds
from workers.truth.sentence import Mention, Number
from workers.truth.wording import Wording

Scope = tuple[int, int]
"""Where the part of a sentence that compares begins and ends."""

EVERYWHERE: Scope = (0, sys.maxsize)

STEADY = 0.2
"""How much more or less the week's second half may be and is still called steady."""

HALF = re.compile(
    r"(?:more|less|fewer) than half|(?:mehr|weniger) als die hälfte|(?:über|unter) (?:die|der) hälfte|most of|die meisten"
)

_THE_NEWEST = re.compile(
    r"\b(?:the (?:latest|newest|most recent|last)|(?:die|der) (?:letzte|neueste|neuere|jüngste|jüngere))(?: one)?\b(?! (?:\d|\w+ (?:orders|days|weeks|months)|tage|bestellungen))"
)

_DOUBLED = re.compile(
    r"\b(?:doubled|verdoppelt|(?P<more>tripled|quadrupled|verdreifacht|vervierfacht)|(?P<less>halved|halbiert))\b"
)

_DIRECTION = Wording(
    r"(?:(?P<more>more|mehr|higher|höher\w*|greater|larger|bigger|größer\w*|better|besser\w*|stronger|\w*stärker\w*|busier|faster|schneller\w*|richer|pricier|dearer|teurer\w*|ahead|beat(?:s|en|ing)?|tops|topped"
    r"|outsold|overt(?:ook|akes?|aken)|outsells?|outselling|outdid|outdoes|outperform\w*|outnumber\w*|outpac\w*|outstrip\w*|outrank\w*|outweigh\w*|exceed(?:s|ed|ing)?|surpass\w*|eclips\w*|most of|die meisten|mostly|überzahl"
    r"|übertrifft|übertr[aeo]f\w*|übersteig\w*|überstieg\w*|überwieg\w*|überwog\w*|überhol\w*|überrag\w*|schlägt|schlug|toppte?n?|öfter|häufiger|more often|left(?= [\w\ue000 ]{1,24} behind)|lead(?:s|ing)? over)"
    r"|(?P<less>fewer|less|weniger|lower|niedriger\w*|tiefer\w*|geringer\w*|smaller|kleiner\w*|worse|schlechter\w*|weaker|\w*schwächer\w*|slower|langsamer\w*|quieter|ruhiger\w*|cheaper|billiger\w*|günstiger\w*|trail(?:s|ed|ing)?|lags|lagg(?:ed|ing)"
    r"|f[ae]ll(?:s|en|ing)? short|short(?: of|(?= \ue000))|underperform\w*|unterschr[ei]+t\w*|unterbiet\w*|unterzahl|seltener|less often|(?:(?:ca|could|did)n?['’]t|can ?not|(?:could|did) not) (?:match|reach|equal|keep up with)|(?:kam|kamen|kommt|kommen|reicht|reichte) nicht(?= an\b))"
    r"|(?P<beside_more>above|darüber(?<=[%t] darüber)|over(?! (?:and|but|yet)\b)(?= )|vor|über|vorn)|(?P<beside_less>behind|darunter(?<=[%t] darunter)|below|under|beneath|hinter|unter)"
    r"|(?P<steady>steady|stable|flat|unchanged|stabil\w*|konstant\w*|gleichmäßig\w*|unverändert\w*)"
    r"|(?P<rise>rose|risen|rising|rises?|grew|grown|growing|growth|grows?|climb(?:s|ed|ing)?|increas(?:e|es|ed|ing)|jump(?:s|ed|ing)?|leap(?:ed)?|leapt|surg(?:e|ed|ing)|soar(?:ed|ing)?|gain(?:s|ed|ing)?|improv(?:e|ed|ing|ement)|expand(?:ed|ing)?"
    r"|accelerat(?:ed|ing)|doubled|tripled|quadrupled|(?:pick|perk|edg)(?:ed|ing) up|uptick|upswing|upward|uptrend|up(?! (?:to|and running|next)\b)|stieg\w*|steigt|steigend\w*|steigen|gestiegen|anstieg\w*|angestiegen|wuchs\w*|wächst|wachsen|gewachsen|wachstum\w*"
    r"|zugelegt|legten? \w* ?zu|zugenommen|zunahme\w*|kletter(?:n|te|ten)|geklettert|plus|zuwachs\w*|rauf|hinauf|nach oben|verbessert\w*|(?:nachfrage|umsatz|absatz|verkäufe|geschäft|bestellungen) (?:\S+ ){0,4}(?:zieht|ziehen|zog|zogen) (?:\S+ ){0,4}an|bergauf|aufwärts\w*|verdoppelt|verdreifacht|vervierfacht|erhöht\w*|(?:nahm|nimmt|nehmen|legte|legten) (?:\S+ ){0,8}zu|im plus)"
    r"|(?P<fall>fell|falling|falls?|drop(?:s|ped|ping)?|declin(?:e|es|ed|ing)|decreas(?:e|es|ed|ing)|shrank|shrunk|shrinking|slipp(?:ed|ing)(?! (?:in|into|through)\b)|slump(?:ed|ing)?|dip(?:s|ped|ping)?|cool(?:ed|ing) (?:off|down)|eased|slid|slide|sank|sunk|plung(?:e|ed)|plummet\w*|down"
    r"|weaken(?:ed|ing)|halved|slow(?:ed|ing)(?: down)?|downward|downturn|gesunken|sank\w*|sinkt|sinken|(?:fiel(?:en)?|fällt|fallen)(?! [^.,;]{0,60}\baus\b)|gefallen|rückg[aä]ng\w*|zurückgegangen|zurückgefallen|schrumpf\w*|geschrumpft|nachgelassen|hink\w*|abgenommen|abnahme\w*|eingebrochen|einbruch"
    r"|eingebüßt|rückläufig\w*|fallend\w*|sinkend\w*|bergab|abwärts\w*|minus|runter|hinunter|nach unten|verringert\w*|halbiert|(?:ging|gingen|geht|gehen|blieb|blieben|bleibt|bleiben) (?:\S+ ){0,12}zurück|(?:nahm|nimmt|nehmen|nahmen) (?:\S+ ){0,8}ab))(?!\w)"
)

_NO_DIRECTION = re.compile(
    r"(?:\bheads-|\b(?:set|sign|signed|catch|follow|back|look|add|adds|added|end|pick|bring|show|come|came|comes|wr[ao]p|make|makes|made|sum|sums|break|write|let|follow\w*|shut|cool|calm|settle|track|scroll|go)\s)(?:up|down)$|\b(?:day|week|month|year) over$|an (?:\w+ )?kund\w+ zurück$|\b(?:den|the) (?:schnitt|durchschnitt|average|mean) (?:nach oben|nach unten|up|down|hoch)$|\bauf [^,;\d]{0,40}\bzurück$|\bausreißer nach (?:oben|unten)$|\b(?:plan|tarif|paket) [„“\"]?grow$|\b(?:or|oder) (?:more|less|mehr|weniger|above|below|über|unter)$|\b(?:above|below|over|under|über|unter)(?= (?:or|oder)\b)$"
)

_TAKES_OBJECT = Wording(
    r"(?:ahead|beat|top|out|overt|exceed|surpass|eclips|trail|lags|lagg|f[ae]ll|short|underp|über[a-z]|unters|unterb|schl[äu]g|can|could|did|kam|komm|reich|left|lead)"
)

_DENIED_HERE = re.compile(r"\b(?:not|never|nicht|nie|kein\w*)\s(?:\w+\s)?$|n't\s(?:\w+\s)?$")

_TO_REACH = re.compile(r" (?:orders? |sales? |in sales )?to (?:reach|match|beat|hit|get|equal|catch|surpass|top)\b")

_COMPARED = re.compile(
    r"\b(?:compared|versus|vs|against|gegenüber|verglichen|vergleich|last|previous|letzte[rnm]?|vorwoche|davor|zuvor|before)\b"
)

_PAST = re.compile(
    r"[^.,;:]{0,25}\b(?:last|previous|prior|before|earlier|usual|ever|normal|yesterday|ago|week|month|year|letzte[nmrs]?|vorige[nmrs]?|vorwoche|vormonat|vorjahr|vortag|gestern|sonst|zuvor|davor|üblich|früher)\b"
)

_METRIC = re.compile(r"\b(?:business|demand|traffic|figures|numbers|store|shop|things|geschäft\w*|nachfrage|zahlen)\b")

_BECAUSE = re.compile(
    r"\b(?:(?:because|since|as|weil|da|denn)\s(?:an?|some|the|ein|eine|einige|ein paar|mehr|die)|(?:so|means?|meaning|suggests?)\s(?:that )?(?:a (?:few|handful|couple)|some|several))\b"
)
""" "… because a few orders were larger": of none of what is compared."""

_BASE_FORM = re.compile(
    r"rises?|grows?|growth|climbs?|increases?|jumps?|leap|surge|soar|gains?|improve(?:ment)?|expand|falls?|drops?|declines?|decreases?|dips?|slide|slump|plunge|plus|minus|up|down|rauf|runter|hinauf|hinunter"
    r"|wachsen|steigen|sinken|fallen|wachstum\w*|zuwachs\w*|zunahme\w*|abnahme\w*|rückg[aä]ng\w*|anstieg\w*|einbruch|nach oben|nach unten"
)

_NOUN_BEFORE = re.compile(
    r"\b(?:an?|the|some|big|small|slight|sharp|steady|strong|clear|solid|healthy|is|are|was|were|been|went|gone|trending|going|ein|einen|einem|der|den|dem|leichte[rn]?|starke[srn]?|deutliche[srn]?|klare[srn]?|solides|zeigen|zeigt|im|geht|ging|gehen|gingen)\s(?:\w+\s)?$"
)

_ONCE = re.compile(
    r" auf (?:den )?\ue000|[”\"]?[ -](?:(?:plan|tarif|paket)\b|(?:\w*erstattung\w*|retouren|rabatt\w*|steuern|abzug)\b|(?:den|diesen|deinen|ihren) (?:letzten|neuesten|jüngsten)\b|(?:than|als) (?:once|one|ever|doubled?|tripled?|twice|halved|doppelt|dreifach|verdoppelt|verdreifacht|halbiert|einmal|eine[rsmn]?)|exactly|precisely|genau|oder|or (?:more|less)|details?)\b"
)

_ACROSS = re.compile(r" \d+ (?:orders?|purchases?|sales|customers?|buyers?|days|weeks)\b")
""" "$5 worth of goods over 17 orders"."""

_UP_TO = re.compile(r"[ *)]*(?:(?:orders?|customers?|bestellung(?:en)?|kund\w+|units?|stück) )?")

_LASTING = Wording(
    r"(?:(?:every|each|jede[nrs]?|month after|week after|year after|monat für|woche für|jahr für) (?:month|week|year|monat|woche|jahr)|(?:for|seit) (?:weeks|months|years|wochen|monaten|jahren)|(?:for|seit) (?:\d+|two|three|four|five|six|several|zwei|drei|vier|fünf|sechs|mehreren) (?:months|weeks|years|quarters|monaten|wochen|jahren|quartalen)"
    r"|immer (?:mehr|weniger|öfter|seltener|häufiger|besser|schlechter|größer|kleiner)|more and more|fewer and fewer|less and less|kontinuierlich|stetig|beständig|continuously|steadily|constantly)\b"
)
""" "Has grown for three months": no report is of more than two times."""

_USUAL = re.compile(
    r"(?: [\w\ue000]+){0,3} (?:than|als) (?:usual(?:ly)?|normal(?:ly)?|typical(?:ly)?|normalerweise|sonst|üblich|gewöhnlich|gewohnt|(?:on )?an? (?:usual|normal|typical)|(?:an )?eine[mnr]? (?:üblichen?|normalen?|gewöhnlichen?|typischen?))\b"
)
""" "More orders than usual"."""

_STANDS_AT = re.compile(r"\b(?:to|at|auf|mit|with|bei)\W*$")
""" "Is at $5, above …": it is not by how much."""

_BY_BEFORE = re.compile(r"\b(?:um|by)\s$")

_BY = re.compile(r"\s+(?:by |um |of |von )?(?:about |roughly |rund |etwa |gut |knapp )?[$€£]?\s?")


def _within_week(said: Said, scope: Scope) -> float | None:
    """By what share the second half of the week's days with orders is more than the first."""
    spans = [ranges(period, said, said.today) for period in said.periods]
    is_week = bool(spans) and all(any(5 <= (b - a).days <= 7 and b == said.today for a, b in each) for each in spans)
    if not is_week or said.first(THAN) or _COMPARED.search(said.masked):
        return None
    what = "day orders" if "order" in _words_in(said, scope)[1] else "day totals"
    for ranking in said.grounds.rankings:
        if ranking.what == what:
            days = [value for _, value in sorted(ranking.values.items()) if value]
            first, second = sum(days[: len(days) // 2]), sum(days[len(days) // 2 :])
            return second / first - 1 if first else None
    return None


def _changed(said: Said, sign: int, scope: Scope) -> bool:
    within, doubled = _within_week(said, scope), _DOUBLED.search(said.masked)
    since = _since_day(said, scope)
    if doubled and since is not None:
        return _is_so_much(doubled, 100 * since)
    if within is not None and doubled:
        return _is_so_much(doubled, 100 * within)
    if within is not None:  # a fifth up or down; less is steady
        return abs(within) <= STEADY if sign == 0 else within * sign > STEADY
    if said.mentions().get("product"):
        return False  # nothing tells what it sold before
    if _YEAR.search(said.plain):
        return False  # no report is of a year
    is_long = re.search(r"week|month|year|quarter|woche|monat|jahr|quartal", said.plain) is not None
    against = _against_day_before(said, scope) if since is None and not is_long else None
    by_days = since if since is not None else against
    if doubled and by_days is not None:
        return _is_so_much(doubled, 100 * by_days)
    if doubled:
        is_of_days = not is_long and bool(said.periods or said.dates)
        percents = [c.value for c in _changes(said, scope) if c.percent and (is_of_days or not c.days)]
        return any(_is_so_much(doubled, percent) for percent in percents)
    if by_days is not None:
        return by_days * sign > 0
    changes = _changes(said, scope)
    if any((sign == 0 or change.value * sign > 0) and not (is_long and change.days) for change in changes):
        return True
    days = {
        f"date:{start.isoformat()}"
        for period in (*said.periods, *said.dates)
        for start, end in ranges(period, said, said.today)
        if start == end
    }
    today = f"date:{said.today.isoformat()}"
    for ranking in [] if is_long else said.grounds.rankings:
        known = {
            day: ranking.values[day]
            for day in days | {today}
            if ranking.what in _day_measures(said, scope) and day in ranking.values
        }
        if len(known) >= 2 and days & set(known):
            newest = max(known)
            others = [value for day, value in known.items() if day != newest]
            if (sign > 0 and known[newest] > min(others)) or (sign < 0 and known[newest] < max(others)):
                return True
    numbers = [number.readings[0][0] for number in said.numbers]
    earlier = [f for f in said.grounds.figures if f.old == "earlier" and any(abs(f.value - n) < 1e-6 for n in numbers)]
    return bool(earlier) and len(numbers) >= 2


def _is_so_much(doubled: re.Match[str], percent: float) -> bool:
    """Whether it is about twice, three times or half as much, which so many percent more make it."""
    match doubled.lastgroup:
        case "more":
            return percent > 150
        case "less":
            return percent < -40
        case _:
            return percent > 80


_YEAR = re.compile(r"\b(?:years?|jahr(?:e?s)?|vorjahr\w*)\b")

_ON_DAY = re.compile(r"\b(?:on|am|yesterday|gestern)(?:\s\S+)?$")


def _since_day(said: Said, scope: Scope) -> float | None:
    """ "Since Tuesday it has been quieter": by what share an average day since then had more than that day."""
    since = [
        said.spans_of()[p.start]
        for p in said.periods
        if p.value[:1] == ("since",) or SINCE.search(said.plain, 0, p.start)  # type: ignore[index]
    ]
    spans = [span for spans in since[:1] for span in spans]
    found = []
    for ranking in said.grounds.rankings:
        for start, end in spans if ranking.what in _day_measures(said, scope) else ():
            days = [f"date:{(start + timedelta(days=n)).isoformat()}" for n in range((end - start).days + 1)]
            if len(days) > 1 and ranking.values.keys() >= set(days):
                mean = sum(ranking.values[day] for day in days[1:]) / (len(days) - 1)
                found.append(_share_more(mean, ranking.values[days[0]]))
    return _agreed(found)


def _against_day_before(said: Said, scope: Scope) -> float | None:
    """ "Sales dropped on Saturday": by what share that had more than the day before, where all that may be meant agrees."""
    times = [*said.periods, *said.dates]
    if (
        len(times) != 1
        or not _ON_DAY.search(said.plain, 0, times[0].end)
        or said.first(THAN)
        or _COMPARED.search(said.masked)
    ):
        return None
    found = []
    for start, end in said.spans_of()[times[0].start]:
        day, before = (f"date:{each.isoformat()}" for each in (start, start - timedelta(days=1)))
        found += [
            _share_more(ranking.values[day], ranking.values[before])
            for ranking in said.grounds.rankings
            if start == end and ranking.what in _day_measures(said, scope) and {day, before} <= ranking.values.keys()
        ]
    return _agreed(found)


def _share_more(value: float, before: float) -> float:
    return (value - before) / (before or 1)


def _agreed(found: Sequence[float]) -> float | None:
    """The largest, if all are more, or all are less."""
    return max(found, key=abs) if len({(d > 0) - (d < 0) for d in found}) == 1 else None


def _day_measures(said: Said, scope: Scope = EVERYWHERE) -> list[str]:
    """By what days are compared."""
    traits, subjects = _words_in(said, scope)
    if _is_of_money(traits, subjects):
        return ["day totals"]
    return ["day orders"] if subjects & _COUNTED else ["day orders", "day totals"]


def _words_in(said: Said, scope: Scope) -> tuple[set[str], set[str]]:
    """What this part of the sentence speaks of, by traits and nouns; the whole one, if it says nothing of that."""
    for start, end in (scope, EVERYWHERE):
        traits = {t.kind for t in said.traits if start <= t.start < end}
        subjects = {s.kind for s in said.subjects if start <= s.start < end}
        traits |= {"reversal"} if "refunding" in traits else set()
        if _is_of_money(traits, subjects) or subjects & _COUNTED or traits & (OF_SALES | {"average"}):
            break
    return traits, subjects


def _is_of_money(traits: Set[str], subjects: Set[str]) -> bool:
    return "money" in subjects or "revenue" in traits


_COUNTED = frozenset({"order", "customer"})

_TIMES_AS_MUCH = Wording(
    r"(?:(?P<twice>doubled|verdoppelt\w*|(?:twice|two times) as (?:many|much|busy)|(?:doppelt|zweimal) so (?:viel\w*|hoch|groß|stark))"
    r"|(?P<thrice>tripled|verdreifacht\w*|three times as (?:many|much|busy)|(?:dreimal|dreifach) so (?:viel\w*|hoch|groß|stark))"
    r"|(?P<half>halved|halbiert\w*|half as (?:many|much|busy)|halb so (?:viel\w*|hoch|groß|stark)))(?!\w)"
)

_THAN_THAT = re.compile(r"\b(?:more than|over|mehr als|über|(?P<less>less than|not even|weniger als|nicht einmal))\s$")

_FACTORS = {"twice": 2.0, "thrice": 3.0, "half": 0.5}


def multiples(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Orders doubled from Friday to Saturday", "Thursday had twice as many orders as Friday"."""
    for found in said.each(_TIMES_AS_MUCH, plain=True):
        clause = said.masked[said.clause_start(found.start()) : said.clause_end(found.end())]
        sides = _days(said)
        starts = {*(m.start for m in (*said.periods, *said.dates))}
        if said.doubts(clause) or said.supposes(clause) or {side[0] for side in sides} - starts or len(sides) != 2:
            continue
        is_from = _FROM_DAY.search(said.masked, 0, sides[0][0]) is not None
        one, other = (sides[1], sides[0]) if is_from else (sides[0], sides[1])
        if not is_from and not sides[0][1] <= found.start() < found.end() <= sides[1][0]:
            continue
        pairs = [(a, b) for a, b in zip(one[2](), other[2](), strict=True) if a is not None and b]
        if pairs:
            factor = _FACTORS[found.lastgroup or ""]
            than = _THAN_THAT.search(said.plain, 0, found.start())
            off = [(a / b / factor - 1) * (-1 if than and than["less"] else 1) for a, b in pairs]
            yield (
                said.text[found.start() : found.end()],
                any(o >= -STEADY and (than is not None or o <= STEADY) for o in off),
            )


def turned(said: Said) -> Iterable[tuple[str, bool]]:
    """ "From $5 to $4": what it was before comes first, whatever the words say of it."""
    for one, other in itertools.pairwise(said.numbers):
        if one.start in said.meant and other.start in said.meant and is_from_to(said.masked, one, other):
            figures = said.meant[one.start], said.meant[other.start]
            alike = [(f.traits - {"previous"}, f.subjects, f.currency) for f in figures]
            if alike[0] == alike[1] and (later := _later(figures)) is not None:
                yield said.text[one.start : other.end], later == 1


def comparisons(said: Said) -> Iterable[tuple[str, bool]]:
    """ "More customers than orders", "up from $5", "Anna ordered more than Ben", "sales are growing": what rises or
    falls is decided by the figures themselves, whatever the words; what was compared with an earlier time that
    nobody knows has no ground.
    """
    for found in said.each(_DIRECTION):
        masked, group = said.masked, found.lastgroup or ""
        clause = masked[said.clause_start(found.start()) : said.clause_end(found.end())]
        breaks = [0, *said.breaks, len(masked)]
        scope = max(b for b in breaks if b <= found.start()), min(b for b in breaks if b >= found.end())
        is_unsure = said.doubts(clause) and not found[0].startswith(("can", "could"))
        if is_unsure or said.advises(clause) or said.supposes(clause.replace("could", "")):
            continue
        if HALF.match(masked, found.start()):  # "more than half"
            continue
        if _BECAUSE.search(masked, said.clause_start(found.start()), found.start()):
            continue
        if found[0] == "over" and _ACROSS.match(masked, found.end()):
            continue
        if _ONCE.match(masked, found.end()) or _NO_DIRECTION.search(masked[: found.start()][-24:] + found[0]):
            continue
        if said.first(_LASTING, *scope, plain=True) or _USUAL.match(masked, found.end()):  # no report is of that
            yield found[0], False
            continue
        if group == "steady":
            if _within_week(said, scope) is not None and _is_trend(said, found, group, clause):
                yield found[0], _changed(said, 0, scope)
            continue
        sign = 1 if group in ("rise", "more", "beside_more") else -1
        if found[0] == "more" and _TO_REACH.match(masked, found.end()):  # "$5 more to reach $9"
            sign = -sign
        if _DENIED_HERE.search(masked[max(0, found.start() - 24) : found.start()]):
            sign = -sign
        words = said.text[found.start() : found.end()]
        beside = _beside(said, found)
        apart = _apart(said, found, group, scope)
        if apart is not None and apart * sign < 0:
            yield words, False
            continue
        changes = [
            c
            for n in beside
            for c in _changes_of(said, n, scope)
            if n.percent or not any(o is not n and o.start in said.meant for o in said.numbers)
        ]
        if changes:
            yield words, any(change * sign > 0 for change in changes)
            continue
        shares = [n for n in beside if n.percent and n.start in said.meant]
        if (
            shares
            and not group.startswith("beside")
            and not any("change" in said.meant[n.start].traits for n in shares)
        ):
            yield words, False  # a share of something is not by how much it is more
            continue
        if (behind := _difference_behind(said, found)) is not None:
            yield words, behind * sign > 0
            continue
        pair = _pair(said, beside, scope)
        if pair is not None and not _is_of_neither(said, found, pair):
            difference = _difference(said, found, pair, group)
            if difference is not None:
                ok = difference * sign > 0
                yield words, ok and all(_is_by(said, n, pair, difference, scope) for n in beside)
            continue
        difference = _known_difference(said, found)
        if difference is None and (group not in ("more", "less") or _TAKES_OBJECT.pattern.match(masked, found.start())):
            difference = _told_difference(said)
        if difference is not None:
            yield words, difference * sign > 0
        elif _is_trend(said, found, group, clause):
            yield words, _changed(said, sign, scope)
        elif (
            group in ("more", "less", "rise", "fall")
            and not said.first(THAN)
            and (since := _since_day(said, scope)) is not None
        ):
            yield words, since * sign > 0


def _apart(said: Said, found: re.Match[str], group: str, scope: Scope) -> float | None:
    """By how much the first of two days, times or kinds is more than the other, by the figures of both; None if that
    is not known, or depends on what is measured."""
    masked = said.masked
    begins = found.end()
    if group == "fall" and " hinter " in found[0]:  # "blieb hinter dem Montag zurück"
        begins = found.start()
    elif group in ("rise", "fall"):
        return _change_of_days(said, scope)
    elif group.startswith("beside") and not _IS_BESIDE.search(masked, 0, found.start()):
        return None
    than = said.first(THAN, begins)
    pivot = than.start() if than else found.start()
    for sides in (_days(said, scope), _kinds(said), _times(said, scope)):
        before = [side for side in sides if side[0] < pivot]
        after = [side for side in sides if side[0] >= (than.end() if than else begins)]
        if not before or (not after and len(before) != 2):
            continue
        if len(before) > 1 and _TOGETHER.search(masked, before[0][1], found.start()):
            return None
        if after:
            one, other = before[-1], after[0]
        elif _COMPARED_WITH.search(masked, 0, before[0][0]) or _COMPARED_WITH.search(
            masked, before[0][1], before[1][0]
        ):
            is_first = _COMPARED_WITH.search(masked, 0, before[0][0]) is not None
            one, other = (before[1], before[0]) if is_first else (before[0], before[1])
        else:
            continue
        differences = [a - b for a, b in zip(one[2](), other[2](), strict=True) if a is not None and b is not None]
        if len({d > 0 for d in differences if d}) == 1:
            return max(differences, key=abs)
        return None
    return None


_FROM_DAY, _TO_DAY = (
    re.compile(r"\b(?:from|von|vom)\s(?:dem )?$"),
    re.compile(r"\W*(?:to|auf|zu|zum|bis)(?: den| dem)?\W*"),
)


def _change_of_days(said: Said, scope: Scope) -> float | None:
    """ "From Monday to Tuesday orders rose": by how much."""
    sides = _days(said, scope)
    if len(sides) != 2 or len({*(m.start for m in (*said.periods, *said.dates))} & {side[0] for side in sides}) != 2:
        return None
    (start, end, one), (other_start, _, other) = sides
    if _FROM_DAY.search(said.masked, 0, start) and _TO_DAY.fullmatch(said.masked, end, other_start):
        sign = -1
    elif _COMPARED_WITH.search(said.masked, end, other_start):
        sign = 1
    else:
        return None
    found = [(a - b) * sign for a, b in zip(one(), other(), strict=True) if a is not None and b is not None]
    return found[0] if found and (all(d > 0 for d in found) or all(d < 0 for d in found)) else None


_TOGETHER = re.compile(r"\b(?:together|combined|to|till|until|through|zusammen|gemeinsam|bis)\b|[–-]")

_IS_HERE = re.compile(r"\b(?:is|was|are|were|ist|war|liegt|lag)\s(?:[\w\ue000]+\s)?$")

_IS_BESIDE = re.compile(
    r"\b(?:is|was|are|were|came in|stayed|lies|lay|finished|liegst|lagst|liegt|lag|liegen|lagen|blieb|bleibt|ist|war)\b(?:[^.,;]|(?<=\d)[.,](?=\d)){0,40}$"
)

_COMPARED_WITH = re.compile(
    r"\b(?:compared (?:with|to)|unlike|against|versus|vs\.?|verglichen mit|im vergleich (?:zu|zum|mit)|gegenüber|anders als|im gegensatz zu[mr]?)\b[^.,;]{0,12}$"
)

_KINDS_OF = STATUSES | {"open"}

_STATISTICS = frozenset({"average", "median"})

Side = tuple[int, int, Callable[[], tuple[float | None, ...]]]
"""Where it stands, and its values by each measure."""


def _days(said: Said, scope: Scope = EVERYWHERE) -> list[Side]:
    """Days, and the average day, by orders and by money."""
    measures = _day_measures(said, scope)
    rankings = [next((r.values for r in said.grounds.rankings if r.what == what and r.values), {}) for what in measures]

    def values(days: Sequence[str]) -> tuple[float | None, ...]:
        return tuple(next((ranking[day] for day in days if day in ranking), None) for ranking in rankings)

    def mean() -> tuple[float | None, ...]:
        return tuple(sum(r.values()) / len(r) if r else None for r in rankings)

    found: list[Side] = []
    for mention in (*said.periods, *said.dates):
        days = [f"date:{a.isoformat()}" for a, b in ranges(mention, said, said.today) if a == b]
        if days:
            found.append((mention.start, mention.end, partial(values, days)))
    if found:
        found += [(t.start, t.end, mean) for t in said.traits if t.kind in ("average", "daily")][:1]
    return sorted(found, key=lambda side: side[0])


def _kinds(said: Said) -> list[Side]:
    """Regulars and newcomers, shipped and open ones: how many there are of each; average and median: how much."""
    spans = [span for period in said.periods for span in ranges(period, said, said.today)]

    def value(kind: str) -> tuple[float | None, ...]:
        known = {
            round(f.value, 2)
            for f in said.grounds.by_kind.get("money" if kind in _STATISTICS else "count", ())
            if f.traits == {kind} and not f.old and not f.entities
            and (f.period is not None and any(near(span, f.period) for span in spans) if spans else f.partial == ("recent" in recent) and (f.period is None or kind in ("open", "unfulfilled")))
        }  # fmt: skip
        return (known.pop() if len(known) == 1 else None,)

    recent = {t.kind for t in said.traits}
    mentions = {t.start: t for t in said.traits if t.kind in _KINDS_OF | _STATISTICS}
    return [(t.start, t.end, partial(value, t.kind)) for _, t in sorted(mentions.items())]


_TIME_BEFORE = re.compile(
    r"\b(?:the same (?:days|period|stretch|time|part) (?:of|in) (?:the )?(?:last|previous) (?:month|week|year)|the (?:\w+ )?(?:days?|week|month|year|period|stretch|ones?) before(?: (?:that|it))?|(?:the )?(?:previous|prior|preceding) (?:\w+ )?(?:days|week|month|year|period)"
    r"|(?:dem|der|den|die|das) (?:\w+ )?(?:tagen?|woche|monat|jahr|zeitraum|periode) (?:davor|zuvor)|(?:im |dem |den )?(?:gleichen?|selben|denselben) (?:zeitraum|zeit|tagen?) (?:des |im |der )?(?:vormonats?|vorwoche|letzten monats?)|(?:dem |der )?(?:vorwoche|vormonats?|vorjahr|vorzeitraum|vorherigen? \w+|vorigen? \w+))\b"
)


def _times(said: Said, scope: Scope) -> list[Side]:
    """A report's time and the one before it, by orders and by money."""
    befores = [(m.start(), m.end()) for m in _TIME_BEFORE.finditer(said.plain)]
    named = [
        (m.start, m.end, spans)
        for m in (*said.periods, *said.dates)
        if (spans := [s for s in said.spans_of()[m.start] if s[0] != s[1]])
        and not any(a < m.end and m.start < b for a, b in befores)
    ]
    if len(befores) > 1 or len({tuple(spans) for _, _, spans in named}) != 2 - len(befores):
        return []
    orders, money, average = frozenset[str](), frozenset({"revenue"}), frozenset({"average"})
    traits, subjects = _words_in(said, scope)
    is_money = _is_of_money(traits, subjects)
    measures = (
        [average]
        if "average" in traits
        else [money]
        if is_money
        else [orders]
        if subjects & _COUNTED
        else [orders, money]
    )

    def values(spans: Sequence[Range], *, earlier: bool) -> tuple[float | None, ...]:
        found = []
        is_then = _right_before if earlier else near
        for measure in measures:
            alike = [
                (f.period, f.value)
                for f in said.grounds.figures
                if f.period is not None and not f.old and not f.entities and not f.percent
                and (f.traits == measure | {"previous"} if earlier else f.traits - {"previous"} == measure)
                and (f.currency is None) == (measure == orders) and (f.currency is not None or "order" in f.subjects)
            ]  # fmt: skip
            known = ({value for period, value in alike if is_then(period, span)} for span in spans)
            first = next(filter(None, known), set())  # "last month": the calendar's, and not the last 30 days
            found.append(first.pop() if len(first) == 1 else None)
        return tuple(found)

    sides: list[Side] = [(start, end, partial(values, spans, earlier=False)) for start, end, spans in named]
    sides += [(start, end, partial(values, named[0][2], earlier=True)) for start, end in befores]
    return sorted(sides, key=lambda side: side[0])


def _right_before(period: Range, span: Range) -> bool:
    """Whether a report of `span` compares it with `period`: as long, and right before it or in the month before."""
    gap, longer = (span[0] - period[1]).days, (span[1] - span[0]) - (period[1] - period[0])
    return abs(longer.days) <= 3 and (0 <= gap <= 2 or (span[0].day == period[0].day == 1 and 0 < gap < 32))


def _beside(said: Said, found: re.Match[str]) -> list[Number]:
    """The numbers that say by how much: "4 more", "up by 12%", "a decline of 5%"."""
    masked = said.masked
    beside = []
    if not _TAKES_OBJECT.pattern.match(masked, found.start()) or found[0] in ("ahead", "short", "short of"):
        before = [n for n in said.numbers if n.end <= found.start() and _UP_TO.fullmatch(masked, n.end, found.start())]
        beside = [n for n in before if not _STANDS_AT.search(masked[: n.start])]
    several = sum(not n.percent for n in said.numbers) > 2
    for number in said.numbers:
        by = number.start >= found.end() and _BY.fullmatch(masked[found.end() : number.start])
        if number not in beside and (by or ((number.percent or several) and _BY_BEFORE.search(masked[: number.start]))):
            beside.append(number)
    return beside


def _changes_of(said: Said, number: Number, scope: Scope) -> list[float]:
    """The changes that were calculated, or follow from a report, which the number may tell."""
    found = (
        [c.value for c in changes if fits(number, c.value)] for changes in (_changes(said, scope), said.grounds.changes)
    )
    return next(filter(None, found), [])


def _changes(said: Said, scope: Scope) -> Sequence[Change]:
    """Of the changes those of what is spoken of: of the time named first, or before "than", and of what is measured, as
    far as reports are of just that."""
    changes: Sequence[Change] = said.grounds.changes
    than = said.first(THAN)
    spans_of = said.spans_of()
    periods = [spans for place, spans in sorted(spans_of.items()) if than is None or place < than.start()]
    for spans in periods:
        timed = next((t for span in spans if (t := [c for c in changes if c.span and near(c.span, span)])), [])
        if timed:
            changes = timed
            break
    traits, subjects = _words_in(said, scope)
    is_money = _is_of_money(traits, subjects) or any(
        scope[0] <= n.start < scope[1] and n.currencies for n in said.numbers
    )
    measures = [frozenset({kind}) for kind in (*sorted(OF_SALES), "average") if kind in traits]
    measures += [frozenset({"revenue"})] if is_money else []
    if subjects & _COUNTED == {"customer"} and not is_money:
        return [change for change in changes if change.span is None]  # no report counts customers
    measures += [NOTHING] if subjects & _COUNTED else []
    for measure in measures:
        if measured := [c for c in changes if c.span and c.measure == measure]:
            return measured
    return changes


def _is_by(said: Said, number: Number, pair: tuple[Number, Number], difference: float, scope: Scope) -> bool:
    """Whether the number beside says by how much the two differ."""
    if (number.currencies is None) != (pair[0].currencies is None) or number.percent:
        return True
    return fits(number, difference) or bool(_changes_of(said, number, scope))


def _pair(said: Said, beside: Sequence[Number], scope: Scope) -> tuple[Number, Number] | None:
    """The two numbers of one kind, if there are just two that are figures."""
    numbers = [n for n in said.numbers if n not in beside and not n.percent and n.start in said.meant]
    several = sum(not (other.lastgroup or "").startswith("beside") for other in said.each(_DIRECTION)) > 1
    if several and not any(scope[0] <= n.start < scope[1] for n in numbers):
        return None  # they belong to another comparison
    for money in (True, False):
        same = [n for n in numbers if (n.currencies is not None) == money]
        if len(same) == 2:
            return same[0], same[1]
    return None


def _difference_behind(said: Said, found: re.Match[str]) -> float | None:
    """ "You sold more ($5 vs $4) though the average order got smaller ($2 vs $3)": by how much the later is more."""
    numbers = [n for n in said.numbers if n.start >= found.end()][:2]
    if (
        len(numbers) < 2
        or len(said.numbers) == 2
        or not _IN_BRACKET.fullmatch(said.masked, found.end(), numbers[0].start)
    ):
        return None
    one, other = numbers
    figures = [said.meant[n.start] for n in numbers if n.start in said.meant]
    earlier = ["previous" in figure.traits for figure in figures]
    if sorted(earlier) != [False, True] or not AGAINST.fullmatch(said.masked, one.end, other.start):
        return None
    difference = one.readings[0][0] - other.readings[0][0]
    return difference if earlier[1] else -difference


_IN_BRACKET = re.compile(r"[^\d(.;,]{0,30}\(\W*")


def _is_of_neither(said: Said, found: re.Match[str], pair: tuple[Number, Number]) -> bool:
    """ "… than last week", where neither figure is of then."""
    than = said.first(THAN, found.end())
    if than is None or _PAST.match(said.masked, than.end()) is None or pair[1].start > than.end():
        return False
    figures = [said.meant[n.start] for n in pair]
    behind = [fits_ for mention, fits_ in _things(said) if mention.start >= than.end()]
    return not any(fits_(figures[0]) != fits_(figures[1]) for fits_ in behind)


def _difference(said: Said, found: re.Match[str], pair: tuple[Number, Number], group: str) -> float | None:
    """By how much what rose is more than before, or the first of what is compared than the other; None if the words
    do not say which is which."""
    one, other = (n.readings[0][0] for n in pair)
    figures = said.meant[pair[0].start], said.meant[pair[1].start]
    if group in ("rise", "fall"):
        if role_of(said, pair[0]) is not None:
            return one - other if role_of(said, pair[0]) == "later" else other - one
        later = _later(figures)
        return None if later is None else one - other if later == 0 else other - one
    left = _compared_first(said, found, pair, figures, group)
    return None if left is None else one - other if left == 0 else other - one


def _later(figures: Sequence[Figure]) -> int | None:
    """Which of two figures is of a later time."""
    earlier = ["previous" in figure.traits for figure in figures]
    if earlier[0] != earlier[1]:
        return 1 if earlier[0] else 0
    days = [figure.period[1] for figure in figures if figure.period is not None]
    if len(days) < 2 or days[0] == days[1]:
        return None
    return 0 if days[0] > days[1] else 1


_SO = re.compile(
    r"[,;–—-]\s(?:and )?(?:also|so|thus|hence|therefore|damit|somit|mithin)\s(?:(?:is|was|ist|war|it's|it is) )?$"
)


_HAS_DONE = re.compile(r"\b(?:hat|haben|hatte\w*)\s(?:[^\s;]*[^\s,;]\s){1,10}(?:über\w+|geschlagen)$")


def _compared_first(
    said: Said,
    found: re.Match[str],
    pair: tuple[Number, Number],
    figures: tuple[Figure, Figure],
    group: str,
) -> int | None:
    """Which of two figures is said to be more or less: the one that what stands before the comparison belongs to."""
    masked = said.masked
    newest = _THE_NEWEST.search(masked, pair[1].end, found.start())
    orders = [frozenset({f"order:{order.value}"}) for order in said.orders]
    if newest and len(orders) == 2 and said.context.newest in orders and said.orders[1].start > pair[0].end:
        return orders.index(said.context.newest)  # "#8 is $5 and #7 $4, so the newest is worth more"
    things: list[tuple[int, int, int]] = [(n.start, n.end, place) for place, n in enumerate(pair)]
    for mention, fits_ in _things(said):
        whose = [fits_(figure) for figure in figures]
        if whose[0] != whose[1]:
            things.append((mention.start, mention.end, 0 if whose[0] else 1))
    things.sort()
    comma = max(masked.rfind(",", pair[1].end, found.start()), said.clause_start(found.start()))
    is_of_nobody = not any(comma <= start < said.clause_end(found.end()) for start, _, _ in things)
    if comma >= pair[1].end and is_of_nobody and (later := _later(figures)) is not None:
        return later  # "$4 so far, $5 in all of May, which means you are trailing"
    if _SO.search(masked, pair[1].end, found.start()):  # "$5, the month before $4, so more"
        return 0
    than = said.first(THAN, found.end())
    pivot = than.start() if than else found.start()
    against = {
        which
        for start, end, which in things
        if end <= min(pivot, pair[0].start) and _COMPARED_WITH.search(masked, 0, start)
    }
    if len(against) == 1 and than is None:  # "compared with last week's $4, you're ahead"
        return 1 - against.pop()
    if than and pair[0].end <= than.start() < than.end() <= pair[1].start and pair[0].start >= comma:
        return 0  # "with $5 it was more than then, when it was $4"
    before = [which for _, end, which in things if end <= pivot]
    after = [which for start, _, which in things if start >= (than.end() if than else found.end())]
    if than is None and group.startswith("beside"):  # "over", "vor": only between what is compared
        near = [which for start, _, which in things if 0 <= start - found.end() < 30]
        if not near and before and _IS_HERE.search(masked, 0, found.start()):  # "1 yesterday, 2 today, so it is behind"
            return before[-1]
        if not near or (before and near[0] == before[-1]):
            return None
    if len(set(before)) == 2 and _HAS_DONE.search(masked[: found.end()]):
        return before[0]  # "A hat B überholt"
    if before:
        return before[-1]
    if after:
        takes = than is not None or group.startswith("beside") or _TAKES_OBJECT.pattern.match(masked, found.start())
        return 1 - after[0] if takes else after[0]
    return None


def _things(said: Said) -> Iterable[tuple[Mention, Callable[[Figure], bool]]]:
    """What figures may be told apart by: periods, names, what they count, what is said of them."""
    befores = [m.span() for m in _TIME_BEFORE.finditer(said.plain)] if said.grounds.has_previous else []
    for mention in (*said.periods, *said.dates):
        if any(start < mention.end and mention.start < end for start, end in befores):
            yield mention, lambda figure: "previous" in figure.traits
        else:
            yield mention, partial(_is_of_time, said.spans_of()[mention.start])
    newest = [
        Mention(*found.span(), found[0], "name", said.context.newest) for found in _THE_NEWEST.finditer(said.masked)
    ]
    for mentions in (*said.mentions().values(), newest):
        for mention in mentions:
            yield mention, lambda figure, keys=mention.value: bool(keys & figure.entities)  # type: ignore[misc]
    for mention in said.traits:
        yield mention, lambda figure, kind=mention.kind: kind in figure.traits  # type: ignore[misc]
    for mention in said.subjects:
        yield mention, lambda figure, subject=mention: bool(kinds(subject) & figure.subjects)  # type: ignore[misc]


def _is_of_time(spans: Sequence[Range], figure: Figure) -> bool:
    return figure.period is not None and any(near(span, figure.period) for span in spans)


_THAN_LAST = re.compile(r"[^.,;:\d]{0,40}?\b(?:than|als) (?:in )?(?:the )?last (?:week|month|year)\b")


def _is_trend(said: Said, found: re.Match[str], group: str, clause: str) -> bool:
    """Whether it tells how the store's figures changed in time."""
    if group.startswith("beside"):
        return False
    if group in ("rise", "fall") and said.first(THAN, found.end()):
        return False  # what it is compared with decides
    behind = said.masked[found.end() : found.end() + 70]
    if group in ("more", "less"):
        than_then = re.match(r"[^.,;:]{0,40}?\b(?:than|als)\b", behind) is not None and _PAST.search(behind) is not None
        return than_then or _THAN_LAST.match(said.plain, found.end()) is not None
    people = [name for name in said.names if not any(key.startswith("product:") for key in keys(name))]
    if any(name.end <= found.start() and name.text.lower() in clause for name in people):
        return False  # "Anna picked up …"
    subject = any(s.kind in ("sale", "money", "order", "customer") for s in said.subjects)
    subject = subject or any(t.kind == "revenue" for t in said.traits)
    if _BASE_FORM.fullmatch(found[0]) and not _NOUN_BEFORE.search(said.masked[: found.start()][-16:]):
        return False
    return subject or _METRIC.search(clause) is not None


def _told_difference(said: Said) -> float | None:
    """ "Last month: $5, this month: $4. So you're pacing behind": of the two figures of the sentence before, by how much
    the later is more."""
    figures = said.context.told
    if len(figures) != 2 or figures[0].currency != figures[1].currency or said.numbers or said.subjects:
        return None
    if said.names or said.orders or said.periods or said.dates:
        return None
    later = _later(figures)
    return None if later is None else figures[later].value - figures[1 - later].value


def _known_difference(said: Said, found: re.Match[str]) -> float | None:
    """Of two nouns, or of two names."""
    than = re.compile(r"\b(?:than|als)\b(?! (?:once|one|einmal|eine)\b)").search(said.masked, found.end())
    one = [s.kind for s in said.subjects if found.end() <= s.start and than and s.start < than.start()][:1]
    other = [s.kind for s in said.subjects if than and s.start >= than.end()][:1]
    direct = said.grounds.headline
    if one and other and one != other and one[0] in direct and other[0] in direct and not (said.names or said.numbers):
        return direct[one[0]] - direct[other[0]]
    middle = than.start() if than else found.start()
    named = [m for kind in ("order", "product", "customer") for m in said.mentions().get(kind, ())]
    before = sorted((m for m in named if m.end <= middle), key=lambda m: m.start)
    after = sorted((m for m in named if m.start >= middle), key=lambda m: m.start)
    for ranking in said.grounds.rankings:
        mine = [ranking.values[key] for m in before[-1:] for key in keys(m) if key in ranking.values]
        theirs = [ranking.values[key] for m in after[:1] for key in keys(m) if key in ranking.values]
        difference = max(mine) - max(theirs) if mine and theirs and ranking.what != "newest" else 0
        if difference and all(fits(number, difference) for number in said.numbers):
            return difference
    return None
