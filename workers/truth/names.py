"""Orders, people, products and times that a text names: whether they are in the grounds, and belong together. Pure."""

import itertools
import re
from collections.abc import Iterable
from datetime import UTC, timedelta
from functools import lru_cache
from typing import Any

from workers.truth.claims import concepts
from workers.truth.figure import NOTHING
from workers.truth.languages import is_german
from workers.truth.lexicon import CODES, SYMBOLS, WORDS
from workers.truth.periods import ranges
from workers.truth.said import Said, keys
from workers.truth.sentence import Mention
from workers.truth.wording import Wording

_UPPER = "".join(filter(str.isupper, map(chr, range(0x530))))


def _runs(capital: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![\w#\ue000.-]){capital}(?:\.(?=\s[A-Z]))?(?:\s(?:(?:von|van|de|der|da|di|del|la|le|el|bin|&)\s)?{capital})*(?![$€£\w])"
    )


_RUN = _runs(r"[^\W\d_a-zäöüßéèáàñøåœæ][\w'’&-]*")
"""Words that may be a name: with a capital, or of a script that has none."""

_CASED_RUN = _runs(rf"[{_UPPER}][\w'’&-]*")
"""With a capital: in such a script names and words look alike."""

_NAMES_FOLLOW = re.compile(
    r"(?:\b(?:from|by|for|to|named|called|sell|sold|bought|ordered|opened|is|it was|that was|on|namens|heißt|nennt sich|von|vom|für|an|bei|das war|es war|ist|kaufte|bestellte|verkaufst|verkaufen|steht"
    r"|stück|units of|pieces of|of|than|als|dass|that|did|herrn?|frau|mrs?\.|ms\.|und|and|with|mit|hat)|[:(“„\"×]|\d\s?x)\s?$"
)

_LABELLED = re.compile(
    r"\b(?:customers?|buyers?|kund(?:e|in)|käufer(?:in)?|named|called|namens|heißt|nennt sich|tarif|paket|plan|shop|store|laden|boutique|läuft auf|runs on|is on|your (?:shop|store),|subscribed to)(?: is| ist| called| named)?\s[(“„\"]?$"
)

_OF_WHOM = re.compile(r"(?:orders?|customers?|buyers?|kund\w+|käufer\w*|\w*bestellung|von|by|\ue000)\s*:$")

_HYPHENED = re.compile(r"-(?:Plan|Tarif|Paket)$")

_PLAN_FOLLOWS = re.compile(r"[”“\"]?[\s-](?:plan|tarif|paket)\b")

_ACTS = re.compile(
    r"(?:\s(?:from|aus)\s\S+)?\s(?:(?:has|have|had|just|is|was|hat|hatte|ist|war|wurde) )?(?:\w+ )?(?:order(?:ed)?|bought|purchased|placed|spent|returned|paid|sold|sells?|leads?|starts?|stands|costs?|belongs|outsold|has|have|had|hat|is|was|ist|war|wurde|bestellte?|bestellt"
    r"|gekauft|kaufte|wartet|waits|verkauft\w*|kostet|steht|führt|liegt|lief|läuft|gehört|gab|gibt es|nutzt|runs|uses|opened|did(?= .{0,4}\d)|made|earned|generated|besteht|eröffnete|moved|spent|holds|ranks?|checked|bieten|bietest|hast|haben|buys?|keeps|kauft|took|takes|holte?|folgte?|follow(?:s|ed)|comes?|came|kam|kommt|ging|brachte|brought)\b|,\s(?:who|whose|which|that|with|on the|im|mit|auf dem|von der|von dem|bei der|der|die|das)\b|\s(?:mit|with) (?:\w+ )?(?:bestellung|order|auftrag) \ue000|'s\b|’s\b|,\s\d+ (?:verkauft|sold|units?|stück|pieces)\b|\s(?:with|mit|at|bei)\s.{0,4}\d|\s?\(|:\s\D{0,3}\d+ (?:units|pieces|stück|auf lager|in stock|sold|verkauft|×|x\b)|\s[—–-]\s.{0,4}\d|\s\d+(?=[,.;\n]|$)"
)

_QUOTED = re.compile(r"[“„«»\"]([^“”„«»\"\n]{2,80})[”“»«\"]")

_FACT = Wording(
    r"(?:sold|sells?|best\w*|topseller|stock\w*|orders?|ordered|bought|customers?|products?|units?|verkauf\w*|bestell\w*|gekauft|lager\w*|kund\w*|produkte?|stück|artikel|price\w*|preis\w*|kostet|costs?)\b",
)

_KNOWN_NAMES = re.compile(
    r"^(?:Shopify|Google|Facebook|Instagram|Tiktok|TikTok|Black|Cyber|Meta|Pinterest|Amazon|Ebay|Etsy|Klaviyo|Mailchimp|PayPal|Stripe|Klarna|Zendesk|Gorgias|Intercom|New York|United|Germany|Customer|Customers|Order|Orders|Products|Admin|Settings|Christmas|CJ|I|The|Your|You|We|Our|This|That|These|It|If|In|On|At|For|From|And|But|Since|Because|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
    r"|January|February|March|April|May|June|July|August|September|October|November|December|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag|Januar|Februar|März|Mai|Juni|Juli|Oktober|Dezember|Ihr|Ihre|Ihren|Ihrem|Sie|Der|Die|Das|Kunden|Kundinnen|Bestellungen)\b"
)


@lru_cache(maxsize=1024)
def _is_word(word: str) -> bool:
    """Whether a word is one of the trade's, and so no part of a name: German writes all nouns with a capital."""
    word = word.lower()
    subjects, traits = concepts(word)
    return word not in ("max", "min") and (
        bool(subjects or traits)
        or word in WORDS
        or word.rstrip("s") in SYMBOLS
        or word.upper() in CODES
        or _OTHER_WORDS.fullmatch(word) is not None
    )


_FUNCTION_WORDS = re.compile(
    r"the|a|an|your|our|my|his|her|its|their|this|that|these|those|in|on|at|by|for|from|of|to|with|and|or|but|so|as|if|when|while|after|before|since|because"
    r"|you|we|i|it|they|he|she|there|here|yes|no|hi|hello|hey|dear|then|also|only|just|now|today|yesterday|overall|total|average|most|top|best|new|next|great|good|ok|okay|sure|thanks"
    r"|pro|je|der|die|das|den|dem|des|ein|eine[nmrs]?|im|in|am|an|auf|aus|bei|bis|für|mit|nach|seit|von|vom|vor|zu|zum|zur|über|unter|um|und|oder|aber|wenn|als|wie|da|dann|so|auch|nur"
    r"|ich|du|sie|er|es|wir|ihr|ihre[nmrs]?|dein|deine[nmrs]?|mein|meine[nmrs]?|unser|unsere[nmrs]?|diese[nmrs]?|jede[nmrs]?|alle[nmrs]?|ja|nein|hallo|guten|gute|lieber?|danke|heute|gestern|insgesamt|aktuell|derzeit|neue[nmrs]?|beste[nmrs]?"
)

_CONTRACTED = re.compile(r"['’](?:s|re|ve|ll|d|m)$")

_OTHER_WORDS = re.compile(
    r"prozent|uhr|dinge|stand|update\w*|kurz\w*|shop\w*|store|january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|juni"
    r"|juli|oktober|dezember|\w+tag\w*|\w+day|woche\w*|monat\w*|jahr\w*|week|month|year|zeit\w*|wert\w*|rabatt\w*|angebot\w*|daten\w*|zahl\w*|data|usd|eur|chf|gbp|jpy|sku|faq|utc"
    r"|admin|plan|tarif|name|nummer|platz|anzahl|betrag|rest|hälfte|viertel|drittel|mal|stück|euro|cent|us|eu|ad|ads|email|e-mail|newsletter|versand|lieferung\w*"
)


def orders(said: Said) -> Iterable[tuple[str, bool]]:
    known = said.grounds.order_names
    for order in said.orders:
        name = str(order.value)
        if len(name) <= 2 and name.isdigit() and name not in known:
            continue
        if said.supposes(said.plain) and name not in known:
            continue
        ok = name in known or any(each.endswith(name) and not each[: -len(name)][-1:].isdigit() for each in known)
        yield order.text, ok or name.lower() in said.grounds.texts


def moments(said: Said) -> Iterable[tuple[str, bool]]:
    yield from _day_of_order(said)
    if not (said.dates or said.ages or said.times):
        return
    moments = said.grounds.moments
    names = frozenset(key for mentions in said.mentions().values() for each in mentions for key in keys(each))
    names |= {key for _, theirs, _, _ in said.meant_by_it(said.masked) for key in theirs}
    if said.advises(said.plain) and not names:
        return
    if not names and _IT.match(said.plain):  # "It came in two days ago"
        names = next((theirs for kind, theirs, _, _ in said.context.named if kind == "order"), NOTHING)
    everybody = names
    for when in said.dates:
        names = _whose(said, when.start) or everybody
        spans = ranges(when, said, said.today)
        spans = [span for span in spans if span[0] <= said.today + _SOON] or spans  # else it is last year's
        if any((start <= said.today <= end) or start > said.today for start, end in spans) and not names:
            continue
        written = when.text.lower() in said.grounds.texts or any(
            other.value == when.value for sentence in said.grounds.written for other in sentence.dates
        )
        dates = {m.at.date() for m in _of(said, names)}
        is_covered = not names and any(
            start < end and begin <= start and end <= last
            for start, end in said.spans_of()[when.start]
            for begin, last in (*said.grounds.windows, (said.grounds.opened or said.today, said.today))
        )
        told = {span for place, each in said.spans_of().items() if place != when.start for span in each}
        is_same = any(span in told for span in spans)  # "yesterday (May 3)"
        yield (
            when.text,
            written or is_covered or is_same or any(start <= day <= end for start, end in spans for day in dates),
        )
    for age in said.ages:
        names = _whose(said, age.start) or everybody
        number, unit = age.value if isinstance(age.value, tuple) else (0, "")
        lengths = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
        length = lengths.get(unit, 1)
        ages = [(said.grounds.now - m.at).total_seconds() / length for m in _of(said, names) or moments]
        days = [(said.today - m.at.date()).days for m in _of(said, names) or moments] if unit == "day" else []
        yield age.text, number in days or any(number - 0.5 <= found < number + 1.05 for found in ages)
    if said.times and (names or _TIMED.search(said.plain)):
        for time in said.times:
            hour, minute = time.value if isinstance(time.value, tuple) else (0, 0)
            clocks = {(at.hour, at.minute) for m in _of(said, names) or moments for at in (m.at, m.at.astimezone(UTC))}
            now = said.grounds.now
            clocks |= {(now.hour, now.minute)}
            yield time.text, any(h == hour and (minute is None or m == minute) for h, m in clocks)


_IT = re.compile(r"\W*(?:it|this order|sie|diese|die bestellung) (?:was|came|is|has|ging|kam|wurde|ist|traf)\b")

_TIMED = re.compile(
    r"\b(?:data|figures|daten|zahlen|order|bestell|came in|as of|stand|saw|placed|ordered|einging|eingegangen)\w*"
)

_SOON = timedelta(days=60)

_ARRIVED = re.compile(
    r"\b(?:placed|came (?:in|through)|come in|arrived|received|ordered|kam|kamen|eingegangen|aufgegeben|bestellt|ging\b.*\bein)\b"
)


def _day_of_order(said: Said) -> Iterable[tuple[str, bool]]:
    """ "The latest order was placed yesterday"."""
    orders, days = said.mentions().get("order", []), [*said.periods, *said.dates]
    if len(orders) != 1 or len(days) != 1 or said.dates or said.advises(said.plain) or said.supposes(said.plain):
        return
    start, end = min(orders[0].end, days[0].start), max(orders[0].end, days[0].end)
    ends = said.clause_end(end)
    if said.clause_end(start) < end or not _ARRIVED.search(said.masked, start, ends) or said.doubts(said.plain):
        return
    spans = said.spans_of()[days[0].start]
    known = {m.at.date() for m in said.grounds.moments if m.entities >= keys(orders[0]) | {"key:created_at"}}
    if known and all(begin == last for begin, last in spans):
        yield days[0].text, any(begin in known for begin, _ in spans)


def _whose(said: Said, place: int) -> frozenset[str]:
    """The order that a date is said of, where several are named."""
    orders = said.mentions().get("order", [])
    if len(orders) < 2:
        return NOTHING
    before = [m for m in orders if m.end <= place]
    return keys(before[-1] if before else orders[0])


def _of(said: Said, names: frozenset[str]) -> list[Any]:
    found = [m for m in said.grounds.moments if m.entities & names] if names else list(said.grounds.moments)
    return found or ([] if names else list(said.grounds.moments))


_OPENED = Wording(
    r"(?:open(?:ed)?|founded|launched|started|live|online|offen|eröffnet|gegründet|besteht|existiert|läuft|gibt es)\b[^.;,]{0,30}?\b(?:since|in|seit|im jahr) (?P<year>(?:19|20)\d\d)\b(?!\W\d)|seit (?P<since>20\d\d) (?:online|offen|am markt|im geschäft|aktiv)\b"
)

_YEARS = Wording(
    r"(?:open|online|running|selling|in business|exists|existed|besteht|gibt es|offen)\b[^.;,]{0,30}?\b(?:for|seit) (?:over |about |etwa |gut )?(?P<n>\w+) (?:years?|jahr(?:en)?)\b|seit (?:etwa |gut |rund )?(?P<since>\w+) jahr(?:en|em)? (?:online|offen|am markt|im geschäft|aktiv)\b"
)

_SHOP = re.compile(r"\b(?:store|shop|business|selling|laden|geschäft)\b")

_PLAN = Wording(
    r"(?:(?:plan|tarif|paket)(?::| is| ist| heißt)? (?P<behind>{0})|(?P<before>{0})[ -](?:plan|tarif|paket)|shopify (?P<named>{0})|(?<=on )(?P<alone>{0})(?=[.,;!]|$))\b".format(
        "basic|starter|lite|grow|retail|advanced|plus|premium|pro|enterprise|unlimited|trial"
    )
)

_ON_PLAN = re.compile(
    r"(?P<not>n['’]t |\b(?:not|no longer|nicht(?: mehr)?) )?(?:\b(?:on|uses?|using|have|has|im|in dem|mit dem|auf dem|nutzt?|hat) |(?:^|[.:!,–-] ?)(?=your|ihr|dein))(?:the |your |ihr |dein |den |dem |shopify(?:['’]s)?[ -])*(?:plan |tarif |paket )?$"
)


_PLAN_LABEL = re.compile(r"(?:plan|tarif|paket):")


def shops(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Your store has been open since 2021", "you are on the Advanced plan"."""
    opened = {m.at.year for m in said.grounds.moments if m.entities == {"key:created_at"}}
    for found in said.each(_OPENED, plain=True) if opened else ():
        if _SHOP.search(said.plain) and not said.doubts(said.plain):
            year = found["year"] or found["since"]
            yield year, int(year) in opened
    for found in said.each(_YEARS, plain=True) if opened and _SHOP.search(said.plain) else ():
        n = found["n"] or found["since"]
        is_one = n in ("a", "an", "one", "ein", "einem")
        years = 1 if is_one else int(n) if n.isdecimal() else WORDS.get(n)
        ages = [
            (said.grounds.now - m.at).days / 365.25 for m in said.grounds.moments if m.entities == {"key:created_at"}
        ]
        if years is not None and not said.doubts(said.plain):
            yield f"{n} years", any(years - 0.25 <= age < years + 1 for age in ages)
    for found in said.each(_PLAN, plain=True) if said.grounds.plans else ():
        begins = found.start("before") if found["before"] else found.start()
        told = _ON_PLAN.search(said.plain, 0, begins)
        clause = said.plain[said.clause_start(found.start()) : said.clause_end(found.end())]
        is_label = _PLAN_LABEL.match(found[0]) is not None  # "Plan: Basic"
        if not is_label and (told is None or said.doubts(clause) or said.supposes(clause) or said.advises(clause)):
            continue
        is_it = any(
            (found["before"] or found["behind"] or found["named"] or found["alone"]) in plan
            for plan in said.grounds.plans
        )
        yield said.text[found.start() : found.end()], is_it != bool(told and told["not"])


def names(said: Said) -> Iterable[tuple[str, bool]]:
    masked = said.masked
    has_figures = bool(said.numbers or said.orders or said.dates)
    is_item = said.is_item
    for found in (_CASED_RUN if said.context.is_foreign else _RUN).finditer(said.cased):
        run, is_plan = _HYPHENED.subn("", re.sub(r"['’]s$", "", found[0].rstrip(".'’")))
        words, start = run.split(), found.start()
        while words and (_is_word(words[-1].rstrip(".")) or _FUNCTION_WORDS.fullmatch(words[-1].lower())):
            del words[-1]
        while words and (
            _FUNCTION_WORDS.fullmatch(_CONTRACTED.sub("", words[0].lower()))
            or len(words[0]) == 1
            or (words[0].startswith("Shopify") and len(words[0]) == len("Shopify's"))
            or _is_word(words[0].rstrip("."))
        ):
            start += len(words[0]) + 1
            del words[0]
        name = " ".join(words)
        if (
            not name
            or _KNOWN_NAMES.match(name)
            or {"Sie", "Ihr", "Ihre", "Ihnen", "Ihrem", "Ihren", "Du", "You", "Your"} & set(words)
        ):
            continue
        if any(map(_is_word, words)) or _is_known(said, name):
            continue
        before, after = masked[:start], masked[start + len(name) :]
        stripped = before.rstrip(' "“„(*')
        begins = (
            not stripped.strip(" \n-*•–#>|\ue000")
            or stripped[-1] in ".!?:"
            or any(0 <= start - b < 3 for b in said.breaks)
        )
        if _OF_WHOM.search(stripped[-14:]):
            begins = False
        if is_plan or _LABELLED.search(before[-40:]) or _PLAN_FOLLOWS.match(after):
            is_name = True
        elif len(words) < 2:
            is_name = _is_sold_thing(said, start, start + len(name))
        elif said.context.columns and stripped.endswith("|"):
            is_name = after.lstrip().startswith("|") and _is_named_column(said, start)
        elif (_is_labelled(said, start) and not after[:1].isalnum()) or (
            said.orders and _AFTER_ORDER.search(before) and _BEFORE_AMOUNT.match(after)
        ):
            is_name = True
        elif is_item and begins:
            is_name = re.match(r"(?:, [^:|]{1,20})?\s?[:–—-]\s\D{0,3}\d|\s?\(\D{0,3}\d", after) is not None or (
                bool(said.numbers) and _ACTS.match(after) is not None
            )
        elif (
            not begins
            and (not is_german(said.text) or len(words) > 2 or _NAMES_FOLLOW.search(before[-24:]))
            and (stripped[-1:] != ":" or has_figures or said.context.heading is not None)
        ):
            is_name = True
        else:
            is_name = _ACTS.match(after) is not None if begins else has_figures
        if is_name and (not said.is_advice(found) or (_TOLD_OF.match(after) and _is_of_nobody(said))):
            yield name, False
    for found in _QUOTED.finditer(said.text):
        name = found[1].strip(" .,!?…")
        words = name.split()
        if re.fullmatch(r"[\ue000\s.,!?]*", said.masked[found.start(1) : found.end(1)]) or all(map(_is_word, words)):
            continue
        if (
            (said.first(_FACT) or said.numbers)
            and not said.is_advice(found)
            and name[:1].isupper()
            and not _is_known(said, name)
        ):
            yield name, False


_AFTER_ORDER = re.compile(r"^\W*\ue000+[\s*]*[–—:,(-][\s*]*$")
_BEFORE_AMOUNT = re.compile(r"[\s*]*[–—:,()-][\s*]*\D{0,3}\d")
""" "#7 – Anna Beck, $5"."""

_TOLD_OF = re.compile(r"(?:\s\w+){0,5}(?:\s?[:(–—]|, (?:denn|da|because|since|as)\b)|,? (?:with|which|has|have)\b")


_OWNED = re.compile(r"\b(?:your|the)\s$")

_SELLS = re.compile(
    r"\s(?:also |only |still )?(?:sold|sells?|outsold|brought in|costs?|is priced|appears? in|(?:is|was|are|were) (?:(?:your|the) (?:best|top|most|second|worst)|out of stock|sold out|in stock|(?:nearly|almost) (?:gone|sold out)|running low))\b"
)
""" "Your Lamp sold best": a product by one word."""


def _is_of_nobody(said: Said) -> bool:
    """Whether a figure is somebody's who is not named: so it is told of a name that nobody has."""
    return not said.mentions() and any(figure.kinds - {"date"} for figure in said.meant.values())


def _is_sold_thing(said: Said, start: int, end: int) -> bool:
    """ "The Lamp is your bestseller", "Dein Topseller ist die Lampe", "Von der Lampe wurden 9 verkauft": a product in
    one word, where neither this sentence nor the one before names one."""
    masked = said.masked
    if not (
        _IS_SOLD.match(masked, end)
        or (_SELLS.match(masked, end) and _OWNED.search(masked, 0, start))
        or (_OF_IT_ARE.match(masked, end) and _OF_BEFORE.search(masked, 0, start))
        or (not masked[end:].strip(" .!*") and _BEST_IS.search(masked, 0, start))
    ):
        return False
    if {"product", "order"} & {*said.mentions(), *said.context.mentions} or said.advises(said.plain):
        return False
    name = said.plain[start:end]
    if name in _NO_THING or _NONE_OF.search(masked, 0, start):
        return False
    return len(name) > 3 and not any(part in said.grounds.texts for part in (name[:4], name[-4:]))


_NO_THING = frozenset({"nichts", "nothing", "alles", "everything"})
_NONE_OF = re.compile(r"\b(?:kein\w*|no)\s$")

_BEST = r"(?:\w+er |\w+es )?(?:best-?seller|top-?seller|verkaufsschlager|renner|ladenhüter|beliebtestes produkt|meistverkauftes produkt)"
_IS_SOLD = re.compile(
    rf"\*{{0,2}} (?:is|are|was|ist|sind|war|bleibt) (?:(?:still|currently|now|aktuell|derzeit|weiterhin|der|das|die) )*(?:(?:your|dein|ihr|euer) {_BEST}|sold out|out of stock|ausverkauft|vergriffen)\b"
)
_BEST_IS = re.compile(
    rf"\b(?:your|dein|ihr|euer) {_BEST} (?:is|are|was|ist|sind|war|bleibt) (?:(?:still|currently|aktuell|derzeit|weiterhin) )?(?:the |die |der |das )?\W*$"
)


_OF_BEFORE = re.compile(r"^\W*(?:von|vom)(?: der| dem| den| deine[rmn]| ihre[rmn])?\s\W*$")
_OF_IT_ARE = re.compile(
    r"\*{0,2} (?:wurden?|hast|haben|hat|gingen|sind) [^.;]*\d[^.;]*\b(?:verkauft|bestellt|abgesetzt|gekauft)\b"
)
""" "Von der Lampe wurden 9 Stück verkauft"."""


def _is_labelled(said: Said, at: int) -> bool:
    """Whether it stands behind "Top product:" or "The top item,"."""
    label = said.masked[:at].rstrip(' "“„(*')
    return label.endswith((":", "m,", "t,", "r,")) and any(
        s.kind in ("customer", "product", "item", "sold") and s.end == len(label) - 1
        for s in (*said.subjects, *said.traits)
    )


def _is_named_column(said: Said, at: int) -> bool:
    """Whether a table's column holds names."""
    column = said.text.count("|", 0, at)
    return any(
        s.kind in ("customer", "product", "item")
        for place, head in said.context.columns
        if place == column
        for s in head.subjects
    )


def _is_known(said: Said, name: str) -> bool:
    lowered = name.lower().rstrip(".'s’")
    return lowered in said.grounds.texts or name.lower() in said.grounds.names


_BEFORE_NEWEST = Wording(
    r"(?:(?:order|one|sale) (?:right |just )?before (?:the|your) (?:newest|latest|last|most recent)(?: one| order)?|second[- ](?:newest|latest) (?:order|one)"
    r"|vorletzte bestellung|bestellung (?:direkt )?vor der (?:neuesten|letzten|jüngsten))(?!\w)"
)


_IS_IT = re.compile(r"\W{1,4}|\W*(?:ist|war|is|was|lautet)\W*")


def relations(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Order #1120 is from Anna Schmidt": names that stand together must belong together."""
    mentions = [
        *said.names,
        *(Mention(o.start, o.end, o.text, "name", frozenset({f"order:{o.value}"})) for o in said.orders),
    ]
    mentions += [Mention(*found.span(), found[0], "name", said.context.second) for found in said.each(_BEFORE_NEWEST)]
    yield from _of_above(said)
    known = said.grounds.linked
    mentions = [m for m in mentions if isinstance(m.value, frozenset) and m.value & known]
    for second in said.each(_BEFORE_NEWEST):
        for order in said.orders:
            if said.context.second and _IS_IT.fullmatch(said.masked, second.end(), order.start):
                yield f"{second[0]}: {order.text}", f"order:{order.value}" in said.context.second
    if len(mentions) < 2 or (said.advises(said.plain) and not said.orders):
        return
    mentions.sort(key=lambda mention: mention.start)
    if respective := _respective(mentions):
        for one, other in respective:
            yield f"{one.text} … {other.text}", _belong(said, one, other)
        return
    for (one, other), third in zip(itertools.pairwise(mentions), [*mentions[2:], None], strict=True):
        between = said.masked[one.end : other.start]
        if "," in between and third is not None and _is_pair(said, other, third):
            continue  # "Anna on #1 $5, Ben on #2 $6"
        kinds = {key.partition(":")[0] for m in (one, other) for key in m.value if key in known}  # type: ignore[attr-defined]
        if "," in between and re.match(r"\s*(?:is|was|from|by|ist|war|von|kam|came)\b", said.masked[other.end :]):
            continue
        if "product" not in kinds and re.search(r"\b(?:and|und)\b", between):
            continue
        if (
            len(kinds) == 2
            and len(between) < 60
            and not re.search(r"[;]|\.\s|\b(?:but|aber|while|während|then|dann)\b|\)", between)
        ):
            yield f"{one.text} … {other.text}", _belong(said, one, other)


def _respective(mentions: list[Mention]) -> list[tuple[Mention, Mention]]:
    """ "#7 and #8 came from Anna and Ben": as many of one kind, then of the other, belong together in order."""
    half = len(mentions) // 2
    parts = mentions[:half], mentions[half:]
    kinds = [{key.partition(":")[0] for mention in part for key in keys(mention)} for part in parts]
    is_respective = half > 1 and sorted(map(sorted, kinds)) == [["customer"], ["order"]] and len(parts[1]) == half
    return list(zip(*parts, strict=True)) if is_respective else []


def _belong(said: Said, one: Mention, other: Mention) -> bool:
    return any(link & keys(one) and link & keys(other) for link in said.grounds.links)


def _is_pair(said: Said, one: Mention, other: Mention) -> bool:
    """Whether both belong together, and nothing parts them."""
    return _belong(said, one, other) and "," not in said.masked[one.end : other.start]


def _of_above(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Latest order:", then "- Number: #7", "- Customer: Anna": they must be its own."""
    if len(said.context.orders_above) != 1 or not said.is_item:
        return
    mine, mentions = keys(said.context.orders_above[0]), said.mentions()
    for each in mentions.get("order", ()):
        if re.search(r":\s*$", said.masked[: each.start]):
            yield each.text, bool(keys(each) & mine)
    for each in mentions.get("customer", ()) if "order" not in mentions else ():
        yield each.text, any(link & mine and link & keys(each) for link in said.grounds.links)
