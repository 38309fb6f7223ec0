"""Which of the grounds' figures a number of a text is. Pure.

Of the figures with its value it is the one that the words describe, unless they describe one of another value just so,
or much better: words that nobody knows may tell the two apart.
"""

import itertools
import re
from collections.abc import Iterable, Sequence

from workers.truth import foreign
from workers.truth.arithmetic import SELECTED, is_of_latest, is_of_named, is_of_share, latest_totals, sign_of
from workers.truth.description import (
    MEASURES,
    MOST,
    RANGE,
    Description,
    description,
    distance_to,
    names_beside,
    range_of,
    time_distance,
)
from workers.truth.existence import ACQUIRED
from workers.truth.figure import NOTHING, STATUSES, Figure, Range, fits
from workers.truth.lexicon import lexeme
from workers.truth.periods import ranges
from workers.truth.said import (
    AGAINST,
    OF_SALES,
    OWNED,
    STRICT,
    Named,
    Said,
    keys,
)
from workers.truth.sentence import Mention, Number
from workers.truth.wording import Wording

JUST_THAT = 0.25
"""Up to this distance a figure is described without doubt."""

_GENERALLY = Wording(r"(?:usually|typically|often|generally|üblich\w*|meist|oft|in der regel)\b")

_OF_STORE = re.compile(r"\b(?:your?|you've|dein\w*|ihr\w*|du|dir|sie)\b")

_TIPS = Wording(r"(?:tips?|ideas?|suggestions?|steps?|tipps?|ideen|vorschläge|schritte)\b[^.:]*:")

_TOLD = re.compile(
    r"\b(?:did you know|have you seen|noticed|aware|that|dass|really|wirklich|wussten|wusstest|since|because|with|da|weil|bei|warum|why|mehr zu|about|on)\b"
)

_INSTEAD = re.compile(r"\b(?:statt|anstatt|instead of|rather than)\W*(?:(?:für|for|at)\s\W*)?$")

_STATED = re.compile(
    r"\b(?:have|had|has|got|received|are|were|is|was|see|sold|made|there(?:'s|'re)|you've|haben|hatten|habe|hast|hattest|hat|hatte|sind|waren"
    r"|gibt es|gab es|sehe|verkauft|beträgt|betrug|liegt bei|lag bei)\s+(?:[^\W\d]+\s+){0,2}[$€£]?$",
)

_TALK = re.compile(
    r"^[\s-]*(?:(?!(?:der|die|das|the|den)\s)[a-zäöüß]+\s){0,2}?(?!(?:day|week|month|year) (?:on|over|to) )(?:steps?|tips?|ideas?|ways?|things?|options?|questions?|reasons?|points?|hours?|hrs?|minutes?|mins?|seconds?|stars?|examples?"
    r"|suggestions?|parts?|words?|sentences?|clicks?|channels?|areas?|goals?|priorit(?:y|ies)|attempts?|tries|messages?|e?-?mails?|posts?|photos?|views?"
    r"|images?|pictures?|months?|weeks?|years?|days?|workdays|nights?|problems?|issues?|topics?|insights?|observations?|highlights?|takeaways?"
    r"|figures|numbers|metrics|reports?|reminders?|cents?|facts|categories|groups|currencies|facts|schritte?n?|tipps?|ideen?|möglichkeiten?|wege?|dinge?|optionen?|fragen?|gründe?n?|punkte?n?|stunden?|minuten?"
    r"|sekunden?|sterne?n?|beispiele?n?|vorschläge?n?|wörter|sätze?n?|klicks?|kanäle|bereiche|ziele?|versuche|nachrichten|mails?|beiträge|fotos|bilder"
    r"|monate?n?|wochen?|jahre?n?|tage?n?|werktage?n?|probleme?|themen|erkenntnisse?|beobachtungen|zahlen|kennzahlen|fakten|kategorien|gruppen|währungen"
    r"|grams?|g|kg|ml|l|cm|mm|m|inch(?:es)?|oz|lbs?|gramm|liter|meter|°c?|uhr)\b",
)

_QUOTING = re.compile(
    r"\b(?:you (?:said|mentioned|asked|wrote|told|named|gave|think|thought|expected|have in mind|want\w*)|your (?:goal|target|budget|figure|question|message|estimate|plan)\b|sie (?:sagten|erwähnten|schrieben|fragten|nannten|wollen)"
    r"|du (?:sagtest|erwähntest|schriebst|fragtest|willst)|(?:ihr|dein)\w* (?:ziel|budget|frage|zahl)|genannte\w*)\b[^.;]*$"
    r"|\b(?:not|n't|nicht|instead of|rather than|statt|anstatt|kein\w*|than the|als die)\s(?:the |die |der |\w+ )?[$€£]?$",
)

_GOAL = re.compile(
    r"(?<!\bif )(?<!wenn )\b(?:your|ihr|dein) (?:\w+ )?(?:goal|target|budget|\w*ziel) (?:is|was|of|ist|war|von)\s(?:\w+\s)?$"
)

_OF_THEM = re.compile(r"\s*(?:of (?:them|these|those|which)|davon|von (?:ihnen|denen|diesen)|darunter)\b")

_OF_THE = re.compile(r"\b(?:of (?:the|these|those)|von (?:den|diesen)|unter (?:den|diesen)|dieser)\s$")
""" "The smallest of the ten": as many as were told before."""

_MORE_THAN = re.compile(r"\s(?:[^\W\d]+\s)?(?:more|fewer|less|mehr|weniger)\s[^.,;:]*\b(?:than|als)\b")

_EXTREME = re.compile(
    r"\s(?:best|top|largest|biggest|highest|newest|latest|most|besten|größten|höchsten|neuesten|beliebtesten|meist\w+)\b"
)

_VERB = re.compile(r"\s*(?:are|were|is|was|have|sind|waren|ist|war|wurden|haben)\b")

_AMOUNT_OF = re.compile(r"\s?(?:(?:of|von|x|×|stück|units?|pieces?)\s)*[“„«»\"]?")

_BETWEEN = re.compile(
    r"\b(?:cases|fällen?|comes?|came|are|were|is|was|have|had|has|from|by|for|at|placed|sind|waren|war|kamen|kommen|haben|hat|stammen|von|wurden|für|bei)\b"
)

_ACTED = re.compile(
    r"\b(?:bought|ordered|placed|made|spent|purchased|holds|contains|kaufte|gekauft|bestellte|bestellt|enthält|gab)\b"
)

_READ = re.compile(r"\b(?:read|looked|missing|access|fits?|gelesen|angesehen|fehl\w*|zugriff)\b")

_OF_ORDERS = STATUSES - {"first_time", "returning"}

_SELECTION = re.compile(
    r"^\W*\|\s(?:latest|newest|last|most recent|recent|neueste|letzte|jüngste)n?\b|\b(?:latest|last|newest|recent|top|first|neuesten|letzten|jüngsten|ersten)\s\|"
    r"|\b(?:the|your|these|those|die|der|den|ihre[nrm]?|deine[nrm]?|diese[nrm]?)\s\|\s(?:latest|last|newest|most recent|recent|neuesten|letzten|jüngsten)\b",
)


_DISCOUNT = re.compile(r"\s*(?:discounts?|off|rabatt\w*|nachlass|coupon\w*|vouchers?|gutschein\w*)\b")

_REASON = re.compile(r"[,–—-] (?:denn|weil|da|because|since)\b")

_GIVEN = re.compile(r"\b(?:gave|given|granted|gewährt\w*|gab\w*|gegeben|average|schnitt)\b")

_NEXT = re.compile(r"\b(?:your|the|dein\w*|ihr\w*|die|den) (?:next|nächsten?)\s$")

_NOW_OR_THEN = re.compile(r"\s(?:(?P<now>now|jetzt)|then|damals)\b")

_NOW_OR_THEN_BEFORE = re.compile(r"\b(?:(?P<now>now|jetzt)|then|damals)\W*$")

_FIRST_READ = Wording(r"(?:only the first|nur die ersten)\b.*\b(?:read|shown|gelesen|gezeigt)\b")

_RANGES = Wording(r"(?:from|von|vom)\b")

_FROM, TO = re.compile(r"\b(?:from|von|vom)\W*$"), re.compile(r"\b(?:to|at|auf)\W*$")

_LATER = re.compile(
    r"^(?:[^.;]|(?<=\d)\.(?=\d)){0,60}\b(?:(?:up|down|back)(?: (?:by )?[\d.,]+ ?(?:%|percent))? from|statt|instead of|rather than|vs|versus|against|after|nach|gegenüber|compared (?:with|to)|verglichen mit)\W*$"
)

_UP_FROM = re.compile(
    r"\b(?:up|down) from\b|\b(?:vs|versus|gegenüber|nach(?! (?:abzug|rabatt|erstatt|retour|steuer)))\b"
)

_COMPARED_WITH = re.compile(
    r"\b(?:compared (?:with|to)|vs\.?|versus|verglichen mit|im vergleich (?:zu|zum|mit)|gegenüber)\s(?:dem |der )?$"
)

_ARROW = re.compile(r"\W*(?:→|➔|➜|⇒|->|=>)\W*")

_OF_DAYS = re.compile(r"(?:of|out of|von|der)\b", re.IGNORECASE)

_TO_NUMBER = re.compile(r"^\s?[-–]\s?\d+")

_RANKED = re.compile(r"#|rank|pos(?:ition)?\.?|place|no\.?|nr\.?|rang|platz")

_TIMES = re.compile(r"\+?\s?(?:times|orders|purchases|mal|bestellungen|käufe)\b")

_LOYAL = re.compile(r"[^,;]*\b(?:ordered|bought|purchased|placed|shopped|with|have|haben|hat|mit|die)\b[^,;]*")

_TIMES_OR_MORE = re.compile(r"\w+\s?(?:times |mal |orders |bestellungen )?(?:or more|oder (?:mehr|öfter|häufiger))\b")


def _same_number(one: Number, other: Number) -> bool:
    if one.percent != other.percent:
        return False
    if one.currencies is not None and other.currencies is not None and not one.currencies & other.currencies:
        return False
    return any(abs(a - b) < 1e-6 for a, _ in one.readings for b, _ in other.readings)


def number(said: Said, number: Number) -> bool | None:
    """True: grounded; False: not; None: no claim."""
    if any(_RANKED.fullmatch(above.plain.strip(" *")) for above in said.above(number)):
        return None
    left, right = said.around(number)
    before, after = said.masked[left : number.start], said.masked[number.end : right]
    subjects = _about(said, number, left, right)
    if said.context.is_foreign:
        return _is_any(said, number, subjects) if foreign.is_claim(said, number) else None
    if not _is_claim(said, number, before, after, subjects):
        return None
    if said.has(RANGE) and _is_backward(said, number):
        return False
    is_count = number.currencies is None and not number.percent
    if (loyal := _is_loyal(said, number)) is not None:
        return loyal
    if (told := is_of_share(said, number)) is not None:
        return told
    whole = said.of_which(number)[0]
    if is_count and whole is not None and number.readings[0][0] > max(value for value, _ in whole.readings):
        return False  # "8 of the 6"
    if is_count and said.context.subjects and (_OF_THEM.match(after) or (not subjects and _VERB.match(after))):
        subjects = said.context.subjects
    if subjects == {"customer"} and is_count and said.told & _OF_ORDERS:
        subjects |= {"order"}  # "four people cancelled"
    if subjects - {"money", "foreign"}:
        said.context.subjects = subjects - {"money", "foreign"}
    if is_count and said.has(_FIRST_READ):  # how much CJ has looked at
        return None
    if is_count and _selects(said, number):
        if said.plain.rstrip().endswith("?"):
            return None
        return _is_selection(said, number, subjects) or _was_written(said, number, subjects)
    if is_count and _EXTREME.match(after) and any(len(m) == number.readings[0][0] for m in said.mentions().values()):
        return True  # "your two best sellers": as many as are named
    figure = in_data(said, number, left, right, subjects, said.meant_by_it(before + after))
    if figure is not None and is_count and "change" not in figure.traits and _MORE_THAN.match(after):
        figure = None  # "2 orders more than yesterday" are not two orders
    if figure is not None and (rate := _PER_TIME.match(after)) and not _is_rate(figure, rate):
        return False
    if figure is None and (is_of_named(said, number) or _makes_up_share(said, number)):
        return True
    is_of_them = is_count and _OF_THE.search(before) and (_VERB.match(after) or not after.strip(" .,;:!?"))
    if figure is None and is_of_them and any(_candidates(said, number)):
        return True
    if figure is None and (not subjects or number.currencies is not None) and not said.mentions():
        figure = in_data(said, number, left, right, subjects, said.context.named)
    if figure is not None:
        said.meant[number.start] = figure
    return figure is not None or _was_written(said, number, subjects)


_PER_TIME = re.compile(
    r"[^.,;:\d]{0,24}\b(?:an?|per|each|every|pro) (?:(?P<month>month|monat)|(?P<week>week|woche)|(?P<year>year|jahr))(?!\w)"
)


def _is_rate(figure: Figure, rate: re.Match[str]) -> bool:
    """ "71 orders a month": whether the figure is of so long a time."""
    least, most = {"week": (6, 7), "month": (27, 31), "year": (360, 366)}[rate.lastgroup or ""]
    return figure.period is not None and least <= (figure.period[1] - figure.period[0]).days <= most


def _makes_up_share(said: Said, number: Number) -> bool:
    """ "7.6% ($478 of $6,329)": figures that make up the share beside them, of nobody and no day that is named."""
    if said.mentions() or any(a == b for spans in said.spans_of().values() for a, b in spans):
        return False
    for one, other in itertools.pairwise(said.numbers):
        if number not in (one, other) or said.of_which(one)[0] is not other or not other.readings[0][0]:
            continue
        share = one.readings[0][0] * 100 / other.readings[0][0]
        for percent in said.numbers:
            between = said.masked[percent.end : one.start] or said.masked[other.end : percent.start]
            if percent.percent and "(" in between and not _DIGIT.search(between) and fits(percent, share):
                return all(any(_same_kind(n, f, NOTHING) for f in _candidates(said, n)) for n in (one, other))
    return False


_DIGIT = re.compile(r"\d")


def _is_any(said: Said, number: Number, subjects: frozenset[str]) -> bool:
    """In a language whose words nobody knows: whether a figure has the value, of the noun, the names and the days that
    stand beside it. What else is said of it, such as "yesterday" or "on average", is not judged."""
    kinds = said.mentions().keys() - (subjects if number.currencies is None else NOTHING)  # 5 orders are no order's
    named = [name for name in names_beside(said, number) if name[0] in kinds]
    days = set(foreign.days(said))
    return _was_written(said, number, subjects) or any(
        _same_kind(number, figure, subjects - {"foreign"})
        and figure.old != "earlier"
        and (not days or figure.period is None or figure.period[0] != figure.period[1] or figure.period[0] in days)
        and _is_of(figure, named)
        for figure in _candidates(said, number)
    )


def _is_of(figure: Figure, named: Sequence[Named]) -> bool:
    """Whether it may be of whom is named: of nobody else, and of one of them if one stands near."""
    if any(sure and kind in figure.kinds and figure.entities.isdisjoint(theirs) for kind, theirs, sure, _ in named):
        return False
    near = [theirs for _, theirs, sure, _ in named if sure > 1]
    return not near or any(not figure.entities.isdisjoint(theirs) for theirs in near)


def _is_loyal(said: Said, number: Number) -> bool | None:
    """ "2 customers who've ordered 5+ times": of the customers whose orders were read."""
    if len(said.numbers) < 2 or not any(subject.kind == "customer" for subject in said.subjects):
        return None
    numbers = [n for n in said.numbers if n.currencies is None and not n.percent]
    for one, other in itertools.pairwise(numbers):
        if number not in (one, other) or not _LOYAL.fullmatch(said.masked, one.end, other.start):
            continue
        times = other.text.endswith("mal") or _TIMES.match(said.plain, other.end) is not None
        if not (_TIMES_OR_MORE.match(said.plain, other.start) or (other.how == "over" and times)):
            continue
        known = [r.values.values() for r in said.grounds.rankings if r.what == "customer orders"]
        counts = {sum(value >= other.readings[0][0] for value in values) for values in known}
        return one.readings[0][0] in counts
    return None


def _is_claim(said: Said, number: Number, before: str, after: str, subjects: frozenset[str]) -> bool:
    left, right = said.around(number)
    left = said.lead(number, left)
    about_store = bool(subjects) or any(t.kind in STRICT and number.end <= t.start < right for t in said.traits)
    named = any(left <= m.start and m.end <= right for each in said.mentions().values() for m in each)
    talk = _TALK.match(_TO_NUMBER.sub("", after))
    if talk and any(t.kind == "daily" and number.end <= t.start < number.end + talk.end() for t in said.traits):
        talk, about_store = None, True  # "2.7 a day"
    if number.word and not about_store and not named and number.currencies is None and not number.percent:
        return len(said.plain.split()) <= 4 and not talk
    if number.percent and number.readings[0][0] == 100 and not subjects and not said.subjects:
        return False
    if number.percent and _DISCOUNT.match(after):  # nothing that is read says by how many percent
        return _GIVEN.search(before) is not None
    if _NEXT.search(before):  # "your next 50 customers"
        return False
    if number.word and _OR_SO.search(before):  # "one or two big baskets"
        return False
    if number.word and number.how == "over" and number.readings[0][0] == 1:  # "at least one order"
        return False
    if not number.word and any(t.kind == "previous" and number.end <= t.start < right for t in said.traits):
        return True  # "from 21 in the month before"
    is_count = number.currencies is None and not number.percent
    is_whole = number.readings[0][1] >= 1  # "4.8 stars" is a rating
    is_of_store = any(
        talk and number.end <= s.start < number.end + talk.end() and (s.kind != "foreign" or not number.word)
        for s in said.subjects
    )
    if talk and is_count and is_whole and not is_of_store:
        return False
    clause = before + said.masked[number.start : number.end] + after
    if number.currencies is not None and _OF_TIME.search(before):  # "a goal above last month's $5"
        return True
    if _WHICH_IS.match(said.masked, number.end):  # "offer free shipping above $58, which is your average order"
        return True
    is_supposed = said.supposes(before.rpartition(": ")[2] + said.masked[number.start : number.end] + after)
    if number.currencies is not None and any(_WORTH.fullmatch(said.masked, o.end, number.start) for o in said.orders):
        return True  # "if #1120 ($84.00) were cancelled"
    if is_supposed and _GOAL.search(before):
        return True
    if number.currencies and _is_price_now(said, number) and (is_supposed or said.advises(clause)):
        return True
    if is_supposed:
        return OWNED.search(before) is not None and about_store
    if not is_count and not number.percent and any(left <= o.start and o.end <= number.start for o in said.orders):
        return True  # "thank Anna for #1120 ($84.00)"
    if said.first(_GENERALLY, *said.around(number)) and not said.periods and not _OF_STORE.search(said.masked):
        return about_store
    is_tip = said.first(_TIPS, 0, number.start)
    if is_tip or said.advises(clause) or _is_asked(said, number):
        return (is_count and about_store) or _is_owned(before)
    if is_count:
        return about_store or not (after[:1].isalpha() or before[-1:].isalpha())
    if _is_owned(before) or before.rstrip()[-1:] in (":", "=", "("):
        return True
    sentence = said.masked[said.clause_start(number.start) : said.clause_end(number.end)]
    reasons = [found.start() for found in _REASON.finditer(said.masked, 0, number.start)]
    told = said.masked[max(reasons, default=0) : said.clause_end(number.end)]  # "it might help, since …"
    return not said.advises(sentence) and not said.supposes(told)


_OR_SO = re.compile(r"\b(?:one|an?|two|three|eine[rnms]?|zwei|drei) (?:or|oder|to|bis) $")

_WHICH_IS = re.compile(r",? (?:which|that) (?:is|was|are|were) (?:\w+ ){0,2}?(?:your?|the)\b")

_OF_TIME = re.compile(r"\ue000['’]s\W*$")

_WORTH = re.compile(r"\W*(?:(?:for|worth|at|von|über|mit|zu|im wert von)\W+)?")


def _is_price_now(said: Said, number: Number) -> bool:
    """ "If you lowered the price of the mug from $15 to $12", "sold at $12 instead of $15": what it costs now."""
    has_product = "product" in said.mentions()
    return has_product and (
        (_is_end(said, number) and role_of(said, number) == "earlier")
        or _INSTEAD.search(said.masked, 0, number.start) is not None
    )


def _is_owned(before: str) -> bool:
    return OWNED.search(before) is not None or _STATED.search(before) is not None


def _is_asked(said: Said, number: Number) -> bool:
    """Whether it stands in a question that tells nothing: "Shall I look for 5 more?"."""
    if "?" not in said.masked:
        return False
    ends = min((b for b in said.breaks if b >= number.end), default=len(said.masked))
    return said.masked[number.end : ends].rstrip().endswith("?") and not _TOLD.search(said.masked, 0, number.start)


def _selects(said: Said, number: Number) -> bool:
    """Whether it says how many are looked at: "your latest 10 orders"."""
    left, right = said.around(number)
    around = f"{said.masked[left : number.start]}|{said.masked[number.end : right]}"
    return said.has(SELECTED) and _SELECTION.search(around) is not None


def _is_selection(said: Said, number: Number, subjects: frozenset[str]) -> bool:
    """ "The latest 10 orders": as many as are listed; fewer only where nothing is computed of them."""
    wanted = number.readings[0][0]
    subjects = subjects or said.context.subjects or frozenset({"order"})
    subjects |= {"order"} if subjects == {"customer"} else set()  # "the last 10 buyers"
    figures = [f for f in _rivals(said, number, subjects, is_old=True) if not f.traits & STRICT]
    listed = [
        f.value for f in figures if f.derived and not f.entities and (f.period is None or f.period[0] != f.period[1])
    ]
    listed = listed or [f.value for f in figures]
    if wanted in listed:
        return True
    part = said.of_which(number)[1]
    others = [n for n in said.numbers if n is not number and not (n is part and is_of_latest(said, n))]
    if wanted > max(listed, default=0):
        return False
    totals = latest_totals(said, wanted)
    return (
        not others
        or wanted == len(said.orders)
        or all(n.currencies and (fits(n, sum(totals)) or is_of_named(said, n)) for n in others)
    )


def _about(said: Said, number: Number, left: int, right: int) -> frozenset[str]:
    """The noun after the number, else the one before it."""
    whole, _ = said.of_which(number)
    behind = whole.end if whole is not None else number.end
    if said.periods and any(
        period.start >= number.end
        and said.masked[number.end : period.start].strip() in ("", "out")
        and _OF_DAYS.match(period.text)
        for period in said.periods
    ):
        return frozenset({"day"})
    for name in said.names:
        is_product = any(key.startswith("product:") for key in keys(name))
        if is_product and behind <= name.start < right and _AMOUNT_OF.fullmatch(said.masked[behind : name.start]):
            return frozenset({"unit"})
    for subject in said.subjects:
        if behind <= subject.start < right:
            between = said.masked[behind : subject.start]
            if between.count(" ") <= 6 and not _BETWEEN.search(between):
                named = [s for s in said.subjects if s.start == subject.end + 1 and subject.kind == "unit"]
                return said.counted(named[0] if named else subject)  # "8 Stück Bestellungen"
            break
    left = said.lead(number, left)
    before = [s for s in said.subjects if left <= s.start and s.end <= number.start and s.kind != "foreign"]
    if before and _is_named_since(said, before[-1], number.start):
        return frozenset()  # "the best products are the mug (5)", "16 orders, the mug on top (5)"
    if before and not _ACTED.search(said.masked[before[-1].end : number.start]):
        return said.counted(before[-1])
    return frozenset()


def _is_named_since(said: Said, noun: Mention, ends: int) -> bool:
    begins = noun.end
    if noun.kind not in ("product", "item"):
        begins = next((b for b in said.breaks if noun.end <= b and said.masked[b] == ","), ends)
    return any(begins <= name.start and name.end <= ends for name in said.names)


def in_data(
    said: Said,
    number: Number,
    left: int,
    right: int,
    subjects: frozenset[str],
    named: Sequence[Named] = (),
) -> Figure | None:
    """The figure of this value that is what the words describe, if no figure of another value is nearer to them.
    `named`: of whom it is if the sentence says nothing of that.
    """
    mine = [f for f in _candidates(said, number) if _same_kind(number, f, subjects)]
    if not mine:
        return None
    around = description(said, number, left, right, subjects)
    around.names += named
    best, nearest = MOST, None
    _place_in_time(said, number, around)
    if number.currencies is not None and "previous" in around.near and not around.near & MEASURES:
        around.same = _measure_before(said, number)
    is_end, sign = _is_end(said, number), sign_of(said, number)
    several = _across_orders(said, number)
    is_left = number.currencies is None and said.has(_LEFT) and _IS_LEFT.match(said.masked, number.end) is not None
    for figure in mine:
        if figure.at_least and number.how != "over":
            continue
        if is_left and "sold" in figure.traits:
            continue
        if several and figure.kinds & {"order", "customer"} and several > _orders_of(said, figure):
            continue
        if "change" in figure.traits and (is_end or (sign and (sign == "+") != (figure.value > 0))):
            continue
        distance = distance_to(said, figure, around, best)
        if distance <= 0:
            return figure
        if distance < best:
            best, nearest = distance, figure
    if nearest is None:
        return None
    known = said.subjects or said.traits or said.periods or said.dates or said.mentions()
    if not known and not said.above(number):
        return nearest  # no word of the sentence says what it is
    if said.of_which(number)[1] is not None and not said.periods:
        return nearest  # "2 of the 9": of those that were spoken of
    is_timeless = not (around.spans or around.front or around.late or said.context.spans)
    is_timeless = is_timeless and (around.money or _has_counterpart(said, number, nearest))
    is_vague = bool(subjects) and not around.money and _has_unknown(said, number.end, right)
    for rival in _rivals(said, number, subjects):
        # Of another kind than the nearest figure, it must be nearer by far.
        near = best if subjects or not nearest.subjects or rival.subjects & nearest.subjects else best - 1
        if "change" in rival.traits and not number.percent and "change" not in around.expected:
            continue
        if number.currencies is None and number.readings[0][1] < 1 and not rival.traits & {"average", "median"}:
            continue  # "1.9" is no number of orders
        if is_timeless and _differs_in_time(nearest, rival):
            continue
        distance = distance_to(said, rival, around, near)
        if distance < near and not fits(number, rival.value):
            if is_vague and time_distance(said, rival, around) >= max(0.25, time_distance(said, nearest, around)):
                continue  # what nobody knows may be said of it, and its time is not
            distance += 0.0 if subjects else 0.25
            is_named = any(theirs & rival.entities for _, theirs, _, _ in around.names)
            is_sure = number.percent or distance <= (2 * JUST_THAT if is_named else JUST_THAT) or best - distance > 1
            if is_sure and not _is_told(said, number, rival, distance, nearest, best):
                return None
    return nearest


def _differs_in_time(figure: Figure, rival: Figure) -> bool:
    """Whether both are the same of two longer times: without a word on the time, neither is meant more than the other."""
    if figure.kinds or figure.period is None or rival.period is None or figure.period[0] == figure.period[1]:
        return False
    return (figure.traits, figure.subjects, figure.kinds) == (rival.traits, rival.subjects, rival.kinds)


def _has_counterpart(said: Said, number: Number, figure: Figure) -> bool:
    """ "94 vs. 67": whether another number is the same of the time before the figure's."""
    earlier = [
        f.value
        for f in said.grounds.by_kind.get("count", ())
        if f.traits == figure.traits | {"previous"} and f.period and figure.period and f.subjects == figure.subjects
        and 0 < (figure.period[0] - f.period[1]).days < 32
    ]  # fmt: skip
    return any(fits(other, value) for other in said.numbers if other is not number for value in earlier)


_ACROSS, _ORDERS = (
    re.compile(r" (?:across|over|in|from|with|on|aus|in|mit) "),
    re.compile(r" (?:orders|bestellungen)\b"),
)


_LEFT = Wording(r"(?:left|remaining|übrig)(?!\w)")

_IS_LEFT = re.compile(r"[^.,;:\d]{0,60}\b(?:left|remaining|übrig)(?!\w)(?! (?:the|your))")
""" "14 Sporks are left", which is not how many were sold."""


def _across_orders(said: Said, number: Number) -> float:
    """ "$84 across 3 orders": so many make up the amount; 0 if nothing says that."""
    if number.currencies is None:
        return 0
    behind = (n for n in said.numbers if _ACROSS.fullmatch(said.masked, number.end, n.start))
    return next((n.readings[0][0] for n in behind if _ORDERS.match(said.masked, n.end)), 0)


def _orders_of(said: Said, figure: Figure) -> int:
    """How many orders that were read are whose the figure is."""
    if "order" in figure.kinds:
        return 1
    return len(
        {key for link in said.grounds.links if link & figure.entities for key in link if key.startswith("order:")}
    )


def _has_unknown(said: Said, start: int, end: int) -> bool:
    """Whether there is a word that may say of a figure what nobody knows: "8 orders in the fulfillment pile"."""
    start = next((subject.end for subject in said.subjects if start <= subject.start < end), start)
    if said.first(ACQUIRED, start, end):
        return False
    return any(lexeme(word) == ("", ()) for word in _LONG_WORD.findall(said.masked, start, end))


_LONG_WORD = re.compile(r"[^\W\d_\ue000]{5,}")


def _measure_before(said: Said, number: Number) -> frozenset[str]:
    """What the amount before it is of, in the sentence or in the one before."""
    before = [said.meant[n.start] for n in said.numbers if n.end <= number.start and n.start in said.meant]
    amounts = [figure for figure in (*said.context.told, *before) if figure.currency is not None]
    return amounts[-1].traits & MEASURES - {"revenue"} if amounts and not amounts[-1].kinds else NOTHING


def _is_told(said: Said, number: Number, rival: Figure, distance: float, figure: Figure, own: float) -> bool:
    """Whether another number of the sentence tells the rival, and no worse than this one would: nobody tells a figure
    twice. `own`: how far the number's own `figure` is, which must not be nearer to the other's words."""
    for other in said.numbers:
        if other is number or not fits(other, rival.value):
            continue
        left, right = said.around(other)
        subjects = _about(said, other, left, right)
        if not _same_kind(other, rival, subjects):
            continue
        if _selects(said, other):
            return True
        around = description(said, other, left, right, subjects)
        _place_in_time(said, other, around)
        theirs = distance_to(said, rival, around, MOST) + (0.0 if subjects else 0.25)
        if theirs < distance or (theirs == distance and distance_to(said, figure, around, MOST) >= own):
            return True
    return False


def _place_in_time(said: Said, number: Number, around: Description) -> None:
    """Of two compared figures, which is the earlier: "from 5 to 4", "4 after 5"; "5 vs. 4" does not say."""
    masked, role = said.masked, role_of(said, number)
    if spans := _of_headed_month(said, number):
        around.spans, around.front = spans, []
        return
    if role and (days := _from_day_to_day(said)):
        around.spans, around.front = days[role == "later"], []
        around.near -= {"previous"}
        around.expected -= {"previous"}
        return
    if role == "earlier":
        around.near |= {"previous"}
        if said.grounds.has_previous and _is_end(said, number):
            around.expected |= {"previous"}
    elif role == "later":
        around.near -= {"previous"}
        around.expected -= {"previous"}
        if _COMPARED_WITH.search(masked, 0, min((m.start for m in (*said.periods, *said.dates)), default=0)):
            around.spans, around.front = [], []  # "compared with May, orders rose from 4 to 5"
    elif role is None and _is_compared(said, number):
        around.neutral = frozenset({"previous"} if "refunding" not in around.wide else {"previous", "net"})
        around.near |= around.neutral
    elif role is None and said.grounds.has_previous:
        since = masked[said.clause_start(number.start) : number.start]
        if _UP_FROM.search(since):
            around.neutral |= {"previous"}
            around.near |= around.neutral


def _of_headed_month(said: Said, number: Number) -> list[Range]:
    """Below "February vs. January": in "5 vs. 4" the first is February's."""
    heading = said.context.heading
    if heading is None or len(heading.periods) != 2 or said.periods:
        return []
    months = [m for m in heading.periods if m.value[0] == "calendar"]  # type: ignore[index]
    numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None) and not n.percent]
    if not (len(months) == len(numbers) == 2 and number in numbers):
        return []
    if not all(AGAINST.fullmatch(s.masked, a.end, b.start) for s, (a, b) in ((heading, months), (said, numbers))):
        return []
    return heading.spans_of()[months[numbers.index(number)].start]


def _from_day_to_day(said: Said) -> list[list[Range]]:
    """ "From Thursday to Friday, from 5 to 4": the two days, if both are of the week that was read."""
    mentions = sorted((*said.periods, *said.dates), key=lambda mention: mention.start)
    days = [spans for spans in (ranges(m, said, said.today) for m in mentions) if all(a == b for a, b in spans)]
    week = {day for r in said.grounds.rankings if r.what == "day orders" for day in r.values}
    known = [any(f"date:{a.isoformat()}" in week for a, _ in spans[:1]) for spans in days]
    if known != [True, True]:
        return []
    if mentions[1].text.lower().endswith(("before", "davor", "zuvor", "vortag")):  # "yesterday, from 5 the day before"
        return days[::-1]
    return days if len({tuple(spans) for spans in said.spans_of().values()}) == 1 else []


def role_of(said: Said, number: Number) -> str | None:
    """ "earlier" or "later", where "from … to …" says so of two figures of a kind."""
    masked = said.masked
    numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None) and not n.percent]
    if number not in numbers:
        return None
    said_here = _NOW_OR_THEN.match(masked, number.end) or _NOW_OR_THEN_BEFORE.search(masked[: number.start][-16:])
    if said_here:  # "$5 now, $4 then"
        return "later" if said_here["now"] else "earlier"
    if len(numbers) != 2:
        if not said.has(_RANGES) and not _ARROW.search(masked):
            return None
        ends = [(a, b) for a, b in itertools.pairwise(numbers) if number in (a, b) and is_from_to(masked, a, b)]
        return None if not ends else "earlier" if number is ends[0][0] else "later"
    if any(t.kind in OF_SALES and 0 <= t.start - numbers[1].end < 14 for t in said.traits):
        return None  # "$5 after $1 of returns"
    if _ARROW.fullmatch(masked, numbers[0].end, numbers[1].start):
        return "earlier" if number is numbers[0] else "later"
    one, other = (masked[max(0, n.start - 16) : n.start] for n in numbers)
    if _INSTEAD.search(one):  # "instead of 23 it was 31"
        return "earlier" if number is numbers[0] else "later"
    if _FROM.search(one) and TO.search(other):
        return "earlier" if number is numbers[0] else "later"
    if _LATER.search(masked[numbers[0].end : numbers[1].start]) or (TO.search(one) and _FROM.search(other)):
        return "later" if number is numbers[0] else "earlier"
    return None


def _is_end(said: Said, number: Number) -> bool:
    """ "From 5 to 4", "5 → 4": either number, neither of which is by how much something changed."""
    if not said.has(_RANGES) and not _ARROW.search(said.masked):
        return False
    pairs = itertools.pairwise(said.numbers)
    alike = [(a, b) for a, b in pairs if (a.percent, a.currencies is None) == (b.percent, b.currencies is None)]
    return any(number in pair and is_from_to(said.masked, *pair) for pair in alike)


def is_from_to(masked: str, one: Number, other: Number) -> bool:
    """ "From 5 to 4", "5 → 4"."""
    between = masked[one.end : other.start]
    if _ARROW.fullmatch(between):
        return True
    return len(between) < 24 and TO.search(between) is not None and _FROM.search(masked, 0, one.start) is not None


def _is_backward(said: Said, number: Number) -> bool:
    """ "Ranging from $9 to $5": what begins a range is the least."""
    ends = range_of(said, number)
    return ends is not None and ends[0].readings[0][0] > ends[1].readings[0][0]


def _is_compared(said: Said, number: Number) -> bool:
    """Whether it stands directly against another number of its kind: "$5 after $4", "from 4 to 5"."""
    numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None) and not n.percent]
    return any(
        number in (one, other) and AGAINST.fullmatch(said.masked[one.end : other.start])
        for one, other in itertools.pairwise(numbers)
    )


def _candidates(said: Said, number: Number) -> Iterable[Figure]:
    """The figures that a number may stand for by its value."""
    found: list[Figure] = []
    if number.how == "exact":
        for value, _ in number.readings:
            found += said.grounds.by_value.get(round(abs(value), 4), ())
        if found and number.currencies is None and not number.percent:
            return found
    kinds = ["money"] if number.currencies is not None else ["percent"] if number.percent else ["count", "money"]
    among = (figure for kind in kinds for figure in said.grounds.by_kind.get(kind, ()))
    return found + [figure for figure in among if fits(number, figure.value)]


def _rivals(said: Said, number: Number, subjects: frozenset[str], *, is_old: bool = False) -> Iterable[Figure]:
    kind = "money" if number.currencies is not None else "percent" if number.percent else "count"
    if kind == "count" and subjects:
        return (f for subject in subjects for f in said.grounds.counts.get(subject, ()) if is_old or not f.old)
    return (f for f in said.grounds.by_kind.get(kind, ()) if (is_old or not f.old) and _same_kind(number, f, subjects))


def _same_kind(number: Number, figure: Figure, subjects: frozenset[str]) -> bool:
    if number.percent != figure.percent:
        return False
    if number.currencies is not None:
        return figure.currency in number.currencies
    if figure.currency is not None:
        return not subjects or "money" in subjects
    return number.percent or not subjects or bool(subjects & figure.subjects)


def _was_written(said: Said, number: Number, subjects: frozenset[str]) -> bool:
    """By the operator; or by the merchant, unless the data says otherwise or the words are the merchant's own."""
    told = said.grounds.prompted + (said.grounds.reasons if _READ.search(said.plain) else [])
    for sentences_, is_asked in ((told, False), (said.grounds.asked, True)):
        for sentence in sentences_:
            for other in sentence.numbers:
                if not _same_number(number, other):
                    continue
                theirs = {mention.kind for mention in sentence.subjects}
                is_count = number.currencies is None and not number.percent
                if not is_asked and is_count and (other.word or not subjects & theirs):
                    continue
                before = said.plain[said.clause_start(number.start) : number.start]
                if not is_asked or not _is_decided(said, number, subjects) or _QUOTING.search(before):
                    return True
    return False


def _is_decided(said: Said, number: Number, subjects: frozenset[str]) -> bool:
    """Whether the data has figures of this kind."""
    return any(_same_kind(number, figure, subjects) for figure in said.grounds.figures) and (
        bool(subjects) or number.currencies is not None
    )
