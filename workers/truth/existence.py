"""That there is something or nothing, said without a number: "nothing was returned", "a few are open". Pure.

What is spoken of is a noun, what is said of it, and a time. Where figures of just that are known and agree, they decide;
else it is no claim.
"""

import itertools
import re
from collections.abc import Iterable
from datetime import timedelta

from workers.truth.claims import words_of
from workers.truth.description import is_all
from workers.truth.figure import NOTHING, Figure, Range, fits
from workers.truth.periods import near
from workers.truth.said import IF, Said, keys, kinds
from workers.truth.sentence import Mention, Sentence
from workers.truth.wording import Wording

_QUANTITIES = {
    "en": (
        ("none", r"none|nothing(?! (?:unusual|special|alarming|remarkable|out of the ordinary|to worry)\b)|nobody|no[ -]one|not (?:a single|any|one)\b|no(?![,.!]| (?:less|fewer|more|longer|matter|need|doubt|wonder|(?:customer )?(?:account|profile|record)s?)\b)|(?<!day )(?<!days )without (?:a single|any|a(?= (?:cancell?ation|refund|return)))(?! (?:customer )?account)|zilch|nada"
                 r"|(?:(?:ai|are|ca|could|did|do|does|had|has|have|is|must|need|should|was|were|wo|would)n['’]t|not|never) (?:[\w\ue000]+ ){0,3}?(?:a single|any|anything|anyone|anybody)\b"),
        ("some", r"some(?:thing|one|body)?|a (?:few|couple|handful|number|bunch)|(?:first |quite a )few|several|plenty|(?<!how )many|numerous|various|lots|a lot|loads"),
        ("empty", r"(?:queues?|backlog|pipeline|pile|list|inbox|desk)\b[^.,;:]{0,24}?\b(?:empty|clear|cleared|gone|clean)|all caught up|nothing (?:is )?(?:left|waiting)(?! to )"),
    ),
    "de": (
        ("none", r"niemand(?:e[nm])?|niemals jemand|nichts(?! (?:ungewöhnlich|besonder|auffällig|neu)es\b)|kein(?:e[nmrs]?|erlei)?(?: einzige[nmrs]?)?|nicht eine(?: einzige)?(?= \w)|ohne (?:eine? einzige[nrs]?|jede[nrs]?|irgendeine?)|null\b(?! \d)"),
        ("some", r"einige[nrs]?|ein paar|mehrere[nr]?|manche[nrs]?|etliche[nr]?|zahlreiche[nr]?|viele[nr]?|diverse[nr]?|reichlich|jede menge|eine handvoll|ein(?:en)? haufen|etwas|jemand"),
        ("empty", r"(?:warteschlange|liste|stapel|rückstand|postfach)\b[^.,;:]{0,24}?\b(?:leer|abgearbeitet|weg|erledigt)|alles (?:abgearbeitet|erledigt|versandt|verschickt|raus)\b"),
    ),
}  # fmt: skip
"""Words by language that say that there is none of something, some of it, or nothing left to do."""

_QUANTITY = Wording(
    rf"(?:{'|'.join(f'(?P<{kind}_{language}>{words})' for language, table in _QUANTITIES.items() for kind, words in table)})(?!\w)"
)

_THERE_IS = Wording(
    r"(?:there (?:are|were|have been)|(?:gab|gibt) es|you (?:have|had|got|received|took)|(?:hattest|hast|hatten|haben) (?:du|sie)|came in|kamen|(?:are|were) placed|(?:is|are) in(?= ?[.,!;]))(?!\w)"
)
"""What says, of a plural without a number, that there is some of it."""

_EVERY_DAY = Wording(r"(?:(?:on )?(?:every|each)(?: single)? day|(?:every|each)(?:(?: single)? one)? (?=\ue000)|(?P<without>days? (?:without|with (?:no|zero)) (?:a single |any |an? )?(?:orders?|sales?)|tage? ohne (?:eine |eine einzige )?bestellung(?:en)?)|an jedem(?: einzelnen)? (?=\ue000)|jeden(?: einzelnen)? tag|an alle[nr] (?:der )?(?=\ue000)|an allen tagen|tag für tag|day (?:after|in,? day) \w+)(?!\w)")  # fmt: skip

_DENIED = re.compile(r"\b(?:not|never|no|none|neither|nothing|nobody|hardly|without|weder|nicht|nie|kein\w*|niemand|nichts|ohne|bis auf|except|but|außer)\b|n['’]t\b")  # fmt: skip

_EXCEPT = Wording(
    r"(?:apart from|other than|except(?:ing)?|besides|aside from|außer|abgesehen von|bis auf|mit ausnahme)(?!\w)"
)

_WITHOUT = re.compile(r"\b(?:without|ohne)\b")

_ALMOST = re.compile(r"\b(?:almost|nearly|hardly|barely|fast|kaum|beinahe|so gut wie)\s$")

_SEEN = re.compile(
    r"\b(?:see|say|tell|(?<!did you )know|can|find|data|access|sehen?|sagen?|kann|kannst|weiß|wissen|finden?|daten|zugriff|kenne)\b"
)

_OTHERS = re.compile(
    r"\b(?:other|others|else|further|additional|another|new(?= orders)|weiter\w*|ander\w*|sonst\w*|wrong|worry|special|urgent|data|better|about|except|but|außer|besonder\w*|neues|than|als|like|wie|bigger|larger|smaller|higher|cheaper|größere\w*|kleinere\w*|höhere\w*|teurere\w*)\b"
)

_ADJECTIVES = re.compile(
    r"\W*(?:of |von |unter )?(?:(?:the|your|these|those|them|my|our|der|den|die|deine[nrm]?|ihre[nrm]?|diese[nr]?|open|offene[nr]?|unfulfilled|unpaid|paid|pending|new|neue[nr]?|unbezahlte[nr]?|single|einzige[nrs]?|more|mehr|last|latest|newest|recent|letzten|neuesten|jüngsten|\w+e[nrs]|\w+ed|\w+ing|first|test|guest|\d+|two|three|four|five|six|seven|eight|nine|ten|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|\ue000+(?:['’]s)?) ){0,5}\W*"
)

ACQUIRED = Wording(
    r"(?:sold|sell|sells|bought|buys?|ordered|orders?|purchased?|placed|came in|come in|coming in|received|arrived|happened|passiert|verkauft|eingespielt|umgesetzt|eingenommen|verdient|gekauft|kaufte[n]?|bestellt[en]*|eingegangen|reingekommen|hereingekommen|herein|rein|eingetroffen|erhalten|los|ging(?:en)?(?=.* ein\b))(?!\w)"
)

_OF_ORDERS = frozenset({"open", "unfulfilled", "fulfilled", "paid", "unpaid", "refunded", "cancelled", "test", "guest"})

_OF_BUYERS = frozenset({"first_time", "returning"})

_OF_MONEY = frozenset({"reversal", "discount", "tax", "postage"})

_STATUS = _OF_ORDERS | _OF_BUYERS | _OF_MONEY

_OTHERWISE = frozenset({"change", "average", "daily", "uncounted", "median", "largest", "smallest", "price", "days"})
"""Of figures that do not say whether there is something."""

_BEFORE_NOUNS = frozenset(
    {"no", "without", "ohne", "kein", "keine", "keinen", "keiner", "keinem", "keines", "keinerlei"}
)


def existence(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Nothing was returned this month", "your queue is empty", "some of them were cancelled"."""
    return itertools.chain(_quantities(said), _bare(said), _every_day(said))


def _quantities(said: Said) -> Iterable[tuple[str, bool]]:
    masked = said.masked
    for found in said.each(_QUANTITY):
        clause = said.clause_start(found.start()), said.clause_end(found.end())
        is_empty = (found.lastgroup or "").startswith("empty")
        is_some = (found.lastgroup or "").startswith("some")
        if is_empty and _DENIED.search(masked, clause[0], found.end()) and not found[0].startswith("nothing"):
            continue
        if (
            said.first(_EXCEPT)
            or not _is_told(said, clause)
            or (is_some and _DENIED.search(masked, clause[0], clause[1]))
        ):
            continue
        if masked.endswith(("damit ", "so that "), 0, found.start()):  # "damit nichts liegen bleibt"
            continue
        if _WITHOUT.search(masked, found.end(), clause[1]):  # "there wasn't a single day without an order"
            continue
        if is_empty:
            left = [_exists(said, frozenset({"order"}), frozenset({kind}), []) for kind in ("open", "unfulfilled")]
            if left and all(each is not None for each in left):
                yield said.text[found.start() : found.end()], not all(left)
            continue
        is_there = _decided(said, found, clause, is_some=is_some)
        if is_there is not None:
            yield _words(said, found), is_there == is_some


def _words(said: Said, found: re.Match[str]) -> str:
    """The word, with the noun that it stands before: "no open orders"."""
    noun = next((s for s in said.subjects if s.start >= found.end()), None)
    end = noun.end if noun and _ADJECTIVES.fullmatch(said.masked, found.end(), noun.start) else found.end()
    return said.text[found.start() : end]


def _is_told(said: Said, clause: tuple[int, int]) -> bool:
    here = said.masked[clause[0] : clause[1]]
    return not (IF.match(said.masked) or said.doubts(here) or said.supposes(here) or said.advises(here))


def _decided(said: Said, found: re.Match[str], clause: tuple[int, int], *, is_some: bool) -> bool | None:
    """Whether there is some of what the clause with this word speaks of; None if that is not known."""
    masked = said.masked
    start, end = clause
    if _ALMOST.search(masked, max(0, found.start() - 10), found.start()):
        return None
    if not masked[start : found.start()].strip() and not masked[found.end() : end].strip():
        return None  # "No, …"
    if (
        _OTHERS.search(masked, found.end(), end)
        or _SEEN.search(masked, start, end)
        or any(start <= n.start < end for n in said.orders)
    ):
        return None
    begins = found.start() - 5 if masked[found.start() - 5 : found.start()] == "noch " else found.start()
    # "None is shipped" denies that one is, not that it is shipped.
    read = words_of(masked[start:begins] + " " * (found.end() - begins) + masked[found.end() : end])
    behind = [s for s in read.subjects if s.start + start >= found.end()]
    word = "nobody" if found[0] in ("no one", "no-one") else found[0].partition(" ")[0]
    if word in ("without", "ohne") and _DENIED.search(masked, start, found.start()):
        return None
    if word in _BEFORE_NOUNS:  # "no need to ship" is about no order
        after = [each.start + start for each in (*behind, *read.traits) if each.start + start >= found.end()]
        noun = next(iter(sorted(after)), None)
        is_named = any(not masked[found.end() : n.start].strip(' “„«"') for n in said.names if n.start > found.end())
        is_end = not masked[found.end() : end].strip(" \ue000.!") or word.startswith("kein")
        if not is_named and not (_ADJECTIVES.fullmatch(masked, found.end(), noun) if noun is not None else is_end):
            return None
    traits = {trait.kind for trait in read.traits} & _STATUS
    if {"shipping", "loose"} <= {trait.kind for trait in read.traits}:
        traits |= {"unfulfilled"}
    if "reversal" not in traits and any(trait.kind == "refunding" for trait in read.traits):
        traits |= {"reversal"}
    if "reversal" in traits:  # "some were refunded" of orders, "regulars came back", "goods were returned"
        is_status = any(s.kind == "order" for s in (behind or read.subjects)) and "refunded" in traits
        is_buyer = any(t.kind == "returning" and not t.text.startswith("return") for t in read.traits)
        traits -= {"reversal"} if is_status or is_buyer else _OF_BUYERS | {"refunded"}
    is_beside = bool(behind) and _ADJECTIVES.fullmatch(masked, found.end(), behind[0].start + start) is not None
    if is_some and not is_beside and not traits & _OF_MONEY:
        return None
    if word in ("nothing", "nichts") and not traits and not said.first(ACQUIRED, start, end) and not said.names:
        return None
    nouns: set[str] = {kind for s in (behind or read.subjects)[:1] for kind in kinds(s)}
    if "foreign" in nouns and not traits & _OF_MONEY:
        return None
    is_bought = said.first(ACQUIRED, start, end) is not None
    named = said.mentions().get("product", ())
    products = [keys(m) for m in named if start <= m.start < end]
    if not products and "unit" in nouns and len(named) == 1:  # "with no units on hand, the Spork …"
        products = [keys(named[0])]
    if not products and not behind and word in _PRONOUNS:  # "Your best-stocked product is X; none was sold"
        products = [keys(m) for m in named if m.start < start]
    if len(products) > 1 or said.mentions().get("customer") or not (nouns or traits or is_bought or products):
        return None
    nouns = nouns or ({"order"} if traits or is_bought else set())
    if is_bought and nouns == {"customer"} and not traits:
        nouns = {"order"}
    if not said.grounds.figures and nouns & {"order", "customer", "product"}:
        return not is_some  # nothing was read
    whose = products[0] if products else NOTHING
    if whose:
        stock = not is_bought and ("unit" in nouns or any(t.kind == "stock" for t in said.traits))
        traits, nouns = {"stock" if stock else "sold"}, {"unit"}
    recent = any(t.kind == "recent" for t in read.traits) or any(
        n.start >= found.end() and n.end <= end for n in said.numbers
    )
    return _exists(said, frozenset(nouns), frozenset(traits), _spans(said, clause), whose=whose, is_recent=recent)


def _spans(said: Said, clause: tuple[int, int]) -> list[Range]:
    """The days spoken of: those named in the clause, else in the sentence; a day before a longer time. What came since
    a day came after it."""
    mentions: list[Mention] = [*said.periods, *said.dates]
    here = [m for m in mentions if clause[0] <= m.start < clause[1]] or mentions
    spans = [span for m in here for span in said.spans_of()[m.start]]
    if any(m.kind == "period" and m.value[:1] == ("since",) for m in here):  # type: ignore[index]
        return [(start + timedelta(days=1), end) for start, end in spans]
    return [span for span in spans if span[0] == span[1]] or spans


def _exists(
    said: Said,
    nouns: frozenset[str],
    traits: frozenset[str],
    spans: list[Range],
    *,
    whose: frozenset[str] = NOTHING,
    is_recent: bool = False,
) -> bool | None:
    known: set[bool] = set()
    other_times: list[Figure] = []
    for figure in said.grounds.figures:
        if figure.old or figure.percent or figure.traits & _OTHERWISE or not _is_of(figure, nouns, traits, whose):
            continue
        if figure.partial and not figure.value and not is_recent:
            continue  # there may be some that are not listed
        if is_recent and not spans:
            if not figure.partial:
                continue
        elif not _is_in(said, figure, traits, spans):
            other_times.append(figure)
            continue
        known.add(abs(figure.value) > 0)
    if not known and spans:
        return _exists_within(other_times, spans)
    return known.pop() if len(known) == 1 else None


def _exists_within(figures: Iterable[Figure], spans: Iterable[Range]) -> bool | None:
    """By figures of a part of the time: what was there then, was there; that there was nothing says not enough."""
    dated = [(f, f.period) for f in figures if f.period is not None]
    for start, end in spans:
        inside = [(figure, a, b) for figure, (a, b) in dated if start <= a and b <= end]
        if inside:
            days = {a for figure, a, b in inside if a == b}
            return any(figure.value for figure, _, _ in inside) or len(days) <= (end - start).days
    return None


def _is_of(figure: Figure, nouns: frozenset[str], traits: frozenset[str], whose: frozenset[str]) -> bool:
    entities = {name for name in figure.entities if not name.startswith("date:")}
    if whose:
        return bool(entities) and entities <= whose and traits <= figure.traits and figure.currency is None
    if entities:
        return False
    if figure.currency is not None:
        of = figure.traits - {"previous"}
        return of == traits if traits & _OF_MONEY else "money" in nouns and not traits and of == {"revenue"}
    if traits & _OF_MONEY or figure.traits - {"previous", "revenue"} != traits:
        return False
    return bool(nouns & figure.subjects) or bool(traits & _OF_BUYERS)


def _is_in(said: Said, figure: Figure, traits: frozenset[str], spans: list[Range]) -> bool:
    """Whether it is of that time; what is open is so as things stand."""
    if traits & {"open", "unfulfilled", "stock"} and not figure.derived:
        return not spans or (said.today, said.today) in spans or any(span in said.grounds.windows for span in spans)
    if traits == {"stock"}:
        return True
    if not spans:
        is_of_day = figure.period is not None and figure.period[0] == figure.period[1]
        return not (figure.partial or is_of_day or "previous" in figure.traits)
    period = figure.period
    return period is not None and any(near(span, period) or is_all(said, span, period) for span in spans)


def _bare(said: Said) -> Iterable[tuple[str, bool]]:
    """ "There were orders on Monday", "the first orders of today are in": a plural without a number."""
    plurals = [s for s in said.subjects if s.text in ("orders", "bestellungen", "sales", "verkäufe")]
    for found in said.each(_THERE_IS) if plurals and not said.names else ():
        start, end = said.clause_start(found.start()), said.clause_end(found.end())
        nouns = [s for s in plurals if start <= s.start < end]
        if len(nouns) != 1 or not _is_told(said, (start, end)) or _DENIED.search(said.masked, start, end):
            continue
        if any(start <= n.start < end for n in said.numbers) or said.first(_QUANTITY, start, end):
            continue
        if _COMPARING.search(said.masked, start, end) or _OTHERS.search(said.masked, start, end):
            continue
        here: Sentence = words_of(said.masked[start:end])
        traits = {trait.kind for trait in here.traits} & _STATUS
        spans = _spans(said, (start, end))
        is_there = _exists(said, frozenset({"order"}), frozenset(traits), spans) if spans or traits else None
        if is_there is False:
            yield f"{found[0]} … {nouns[0].text}", False


_PRONOUNS = ("none", "nothing", "keine", "keins", "keines", "nichts")
_COMPARING = re.compile(
    r"\b(?:more|less|fewer|mehr|weniger|most|least|fewest|meisten|wenigsten|average|durchschnitt\w*|all|alle|half|hälfte)\b"
)


def _every_day(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Orders came in every day of the last seven", "one day without a sale"."""
    for found in () if said.names else said.each(_EVERY_DAY):
        start, end = said.clause_start(found.start()), said.clause_end(found.end())
        is_quiet = found["without"] is not None
        days_told = [n for n in said.numbers if is_quiet and 0 <= found.start() - n.end < 2]
        if any(n not in days_told and (n.how != "over" or n.readings[0][0] != 1) for n in said.numbers):
            continue  # but "at least one order each day"
        is_order = any(s.kind in ("order", "sale") for s in said.subjects) or said.first(ACQUIRED) is not None
        denied = _DENIED.search(said.masked, 0, found.start() if is_quiet else len(said.masked))
        if not is_order or not _is_told(said, (start, end)) or (denied and not is_quiet):
            continue
        spans = _spans(said, (start, end))
        for ranking in said.grounds.rankings:
            days = sorted(name.removeprefix("date:") for name in ranking.values)
            if ranking.what == "day orders" and days and any(a.isoformat() >= days[0] for a, b in spans if a != b):
                quiet = sum(not value for value in ranking.values.values())
                is_so = any(fits(n, quiet) for n in days_told) if days_told else bool(quiet)
                yield found[0], is_so != bool(denied) if is_quiet else not quiet
