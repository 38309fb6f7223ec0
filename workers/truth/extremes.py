"""Busiest, quietest, best-selling, largest, newest: whether whoever is named has most or least of it. Pure.

A word says in which direction, the words around it say of what (days, orders, products, customers) and by which measure.
"""

import re
from collections.abc import Iterable
from datetime import datetime

from workers.truth.figure import NOTHING, STATUSES, Range
from workers.truth.lexicon import lexeme
from workers.truth.periods import ranges
from workers.truth.said import THAN, Said, keys
from workers.truth.sentence import Mention
from workers.truth.wording import Wording

_EXTREMES = {
    "en": (
        ("newest", r"newest|latest|most recent|freshest|youngest|last(?= (?:order|purchase|one)\b)"),
        ("oldest", r"oldest|earliest|longest ago|first(?= (?:order|purchase) (?:shown|listed|here|in the list|of these))"),
        ("leader", r"(?:outsold|outsells?|outselling|beats?) (?:everything|anything|all|every)(?: (?:else|other))?|leads|led(?! (?:to|by)\b)|(?:tops|topped(?! by\b))(?! (?:the |your )?(?:\ue000|previous|prior|rest))|(?:is|was|sits) (?:in the lead|at the top|in first place)|front-?runner|out in front"),
        ("trailer", r"(?:is|was|comes|came|sits) (?:in )?(?:last place|dead last|at the bottom)|brings? up the rear|(?:ranks?|ranked|came|comes|finished|is|was) (?:dead )?last(?! (?:week|month|night|year|\\w+day|\\ue000))|tail[- ]?ender"),
        ("most", r"most(?! of\b)"),
        ("least", r"fewest|least"),
        ("top", r"busiest|best(?:-sell\w+|seller)?|strongest|top(?:-sell\w+)?|biggest|highest|largest|greatest|hottest|liveliest|(?<!on )record|peak|high point|priciest|dearest|fullest|richest|deepest|peaked(?= (?:on|at)\b)|hit (?:its|their) (?:high|peak)"),
        ("bottom", r"quietest|slowest|weakest|worst(?:-sell\w+)?|smallest|lowest|calmest|poorest|lightest|scarcest|emptiest|deadest|cheapest|softest|tiniest|thinnest|low point|hit (?:its|their) low"),
    ),
    "de": (
        ("newest", r"(?:aller)?(?:neueste|jüngste|aktuellste)[nrsm]?|(?:aller)?letzter?(?= \w*bestellung\b| auftrag\b| kauf\b)|zuletzt(?= bestellt)"),
        ("oldest", r"(?:aller)?(?:älteste|früheste)[nrsm]?|am (?:längsten zurück|weitesten zurück)|erste(?= bestellung in der liste)"),
        ("leader", r"führte?n?|spitzenreiter|liegt vorn|vorneweg|an der spitze|renner|topseller|bestseller|verkaufsschlager"),
        ("trailer", r"schlusslicht|ladenhüter|am ende der liste|letzter platz|auf dem letzten platz"),
        ("most", r"(?:am )?meisten?\b(?! (?:deiner|ihrer|der|davon|von)\b)"),
        ("least", r"(?:am )?wenigsten?"),
        ("top", r"(?:\w*stärkste|beste|größte|höchste|teuerste|wertvollste|lebhafteste|betriebsamste|erfolgreichste|beliebteste|meistverkaufte|bestverkaufte|meistbestellte|\w*reichste|treueste|aktivste|wichtigste)[nrsm]?|rekordtag|spitzentag|höhepunkt|(?:am )?(?:häufigsten|besten) (?:verkauft|bestellt|gekauft)|verkauft\w* sich am besten|meistverkauft\w*"),
        ("bottom", r"(?:\w*schwächste|\w*ärmste|schlechteste|kleinste|niedrigste|geringste|ruhigste|stillste|flauste|maueste|günstigste|billigste|knappste|leiseste)[nrsm]?|tiefpunkt|(?:am )?(?:seltensten|schlechtesten) (?:verkauft|bestellt|gekauft)"),
    ),
}  # fmt: skip
"""Words by language that say that somebody has most or least of something."""

_EXTREME = Wording(
    rf"(?:{'|'.join(f'(?P<{kind}_{language}>{words})' for language, table in _EXTREMES.items() for kind, words in table)})(?!\w)"
)

_NOT_FIRST = re.compile(r"\b(?:second|third|2nd|3rd|next|zweit|dritt|at|not the|nicht (?:der|die|das)|one of (?:the|your)|eine[rs]? (?:der|deiner|ihrer)|among (?:the|your))[\s-]?(?:most )?$|(?:n['’]t|\b(?:not|never|nicht|kein\w*))\s(?:\w+\s){0,2}$")  # fmt: skip

_BESIDE = re.compile(
    r"\b(?:before|after|than|vor|nach|als)\s(?:(?:the|your|der|dem|den|die|das|deine[rmn]?|ihre[rmn]?)\s)?$"
)
""" "Right before the latest order": what is named is not that one."""

_BOTH_ENDS = re.compile(
    r"\b(?:largest|biggest|highest|smallest|lowest|größte\w*|höchste\w*|kleinste\w*) (?:and|und|or) (?:the |die |der )?$"
)

_PART = re.compile(
    r"\b(?:one of|among (?:the|your) (?:(?!latest|newest)\w+est|top|best|most)|eine[rs]? (?:der|ihrer|deiner))\b"
)

_APART = re.compile(
    r"\b(?:after|behind|apart from|except(?: for)?|nach|hinter|neben|außer|bis auf)\s(?:dem |der |den )?\ue000"
)

_KINDS = Wording(
    r"(?:(?P<date>days?|daily|(?!\w*tagen\b)\w*tage?s?|date|weekday)"
    r"|(?P<order>orders?|one|purchases?|sale|basket|\w*bestellung(?:en)?|auftrag|aufträge\w*|einkauf|bestellwert)"
    r"|(?P<product>products?|items?|sellers?|articles?|\w*artikeln?|\w*produkte?[ns]?|things?|stock|inventory)"
    r"|(?P<customer>customers?|buyers?|shoppers?|clients?|\w*kund(?:e|en|in|innen)|käufer\w*))(?!\w)"
)

_MEASURED = {
    "date": ("day orders", "day totals"),
    "order": ("order total",),
    "product": ("units",),
    "customer": ("customer orders", "order total"),
}

_MONEY = Wording(r"(?:money|revenues?|sales|turnover|takings|income|earn\w*|value|worth|geld|\w*ums[aä]tz\w*|einnahmen|eingenommen|erlöse?|wert\w*|terms of money)(?!\w)")  # fmt: skip

_REVENUE = re.compile(r"\b(?:revenue|turnover|income|money|\w*umsatz|einnahmen|erlöse?)\b")

_ORDERS = Wording(r"(?:orders|purchases|checkouts|bestellungen|käufe|aufträge)(?!\w)")

_STOCK = re.compile(r"\b(?:scarcest|knappste\w*|running (?:out|low)|\w*stock\w*|inventory|\w*bestand\w*|\w*bestände\w*|lager\w*|auf lager|vorrat|vorrätig|have (?:the )?(?:most|least|fewest) of|on hand|shelf|regal)\b")  # fmt: skip

_PRICE = re.compile(
    r"\b(?:most expensive|priciest|dearest|cheapest|least expensive|(?:teuerste|günstigste|billigste)[nrsm]?)\b"
)

_PLURAL = re.compile(r"\s(?!(?:of|der|among|unter|von)\b)(?:[\w\ue000]+\s){0,2}?(?:orders|purchases|sales|ones|days|weeks|bestellungen|aufträge|käufe|tage[n]?|\d+|zehn|ten|five|fünf)\b")  # fmt: skip

_MANY = re.compile(
    r"products|items|sellers|articles|artikel|produkten?|orders|bestellungen|customers|buyers|kund(?:en|innen)|käufern?"
)

_EVERY_OTHER = Wording(
    r"(?:(?P<every>every|each|all|any|jede[rs]?|alle)|(?P<no>no|kein(?:e[rsn]?)?))(?: (?:the|der))?(?P<other> (?:other|andere?[rsn]?))?\s(?P<what>\w+)\b(?P<rest>.*)"
)

_SOLD = re.compile(r"\b(?:sold|sells?|\w*seller|ordered|bought|gekauft|bestellt|verkauf\w*)\b")
_NOTHING_MORE = Wording(
    r"(?:nothing|nichts|kein\w* (?:andere\w* )?(?:produkt|artikel)|no (?:other )?(?:product|item))\b[^.,;]*\b(?:(?P<more>better|more|faster|besser|mehr|häufiger|öfter|schneller)|worse|less|slower|schlechter|weniger|seltener|langsamer)\b[^.,;]*\b(?:than|als)\b"
)

_MORE = re.compile(r"\b(?:beats?|topped|outsold|outsells?|exceed\w*|surpass\w*|more|better|busier|stronger|ahead|higher|larger|bigger|übertr[ao]f\w*|übertrifft|mehr|besser|\w*stärker|höher|größer|schlug|schlägt)\b")  # fmt: skip

_LESS = re.compile(r"\b(?:fewer|less|worse|weaker|quieter|behind|lower|smaller|weniger|schlechter|schwächer|ruhiger|niedriger|kleiner|hinter)\b")  # fmt: skip

_CLOSE = re.compile(r"\b(?:close|near|match\w*|equal\w*|heran\w*|mithalten|reicht\w*)\b")

_FIRST_PLACE = Wording(
    r"(?:(?:auf )?(?:platz|nummer|rang) eins|number one|first place|(?:ranks?|ranked|comes|came|is|sits) (?:in )?first(?= (?:in|among|by|on|for)\b|[.,;!]|$)|(?:auf )?(?:platz|rang) 1|(?:an|auf) (?:dem )?erste[rn] (?:stelle|rang|platz)|erster (?:beim|im|in))\b"
)

_ADJECTIVE = re.compile(r"\s(?:loyal|active|frequent|valuable|expensive|important|successful|profitable)\b")

_NO_NOUN = re.compile(
    r"[^\w\s]|$|\s(?:\ue000|[#(]|(?:is|was|were|one|of|by|in|on|at|among|this|so|with|for|loyal|active|frequent|valuable|expensive|important|successful|profitable|ist|war|waren|sind|der|die|das|dieser|deiner|ihrer|von|unter|nach|bei|beim|im|am|mit|zum|verkauft|bestellt|gekauft|hat|haben|sich|es|lief|liefen)\b)"
)

_OF_DAYS = re.compile(r"(?:of|der)\b.*(?:days|tage|seven|sieben)")

_OF_PRODUCTS = re.compile(r"sell|verk[aä]uf|beliebt|renner|meistbestellt|gekauft")

_SECOND = re.compile(
    r"\b(?:second|third)[ -]$|\b(?:place|number|platz|rang|nummer) (?:two|three|zwei|drei|[23]) (?:der|in|of|among)\b[^.,;]{0,20}$"
)

Measure = tuple[str, ...]


_UNREAD = Wording(
    r"(?:(?:top|best|main|biggest|largest|strongest|most important)[ -](?:countr(?:y|ies)|cit(?:y|ies)|regions?|markets?|channels?|(?:traffic )?sources?|devices?|campaigns?|referrers?)"
    r"|(?:wichtigste|stärkste|größte|beste)[rsn]? (?:land|länder|stadt|städte|region(?:en)?|markt|märkte|kanal|kanäle|quellen?|kampagnen?))(?= (?:is|are|was|were|ist|sind|war|waren)\b|:)"
    r"|(?:bestell|kauf)\w* (?:\w+ ){0,2}(?:am|per|vom|übers?) (?:handy|smartphone|tablet|desktop|computer)|den kauf (?:\w+ )*abbrechen|brechen den (?:kauf|einkauf)"
    r"|(?:über|dank) (?:deine[mnrs]? |ihre[mnrs]? )?(?:instagram|facebook|tiktok|google|pinterest|youtube|newsletters?|werbung) (?:kam|kamen|lief|liefen|ging|gingen|bestell\w+|kauf\w+)|rückbuchung\w*|rücklastschrift\w*|abo-?(?:verlängerung|bestellung)\w*|weihnachtsgeschäft\b(?=[^.]*\d)|letzte[nr] (?:frühling|frühjahr|sommer|herbst|winter|saison)"
    r"|älteste[nr]? (?:\w+ )?bestellung(?=[^.;\ue000]*\bseit \w+ (?:tag|woche))|(?:verschickst|versendest|verschicken sie|versenden sie)\b[^.;]{0,30}?\b(?:innerhalb|binnen|in)\b[^.;]{0,14}\b(?:tag|stunde)|voraussichtlich\b(?=[^.;]*\b(?:an|ankommen|zugestellt|ausverkauft)\b)"
    r"|(?:(?:net |gross )?profits?|margins?|(?:rein|roh)?gewinn(?:e?s)?|\w*margen?)\b(?=[^.,;]*\s\W{0,2}\d)"
    r"|(?:(?:shipping|delivery) (?:takes|took|time)|(?:versand|lieferung) dauert\w*|lieferzeit\w*)\b(?=[^.;]*\d)"
    r"|(?:customers?|buyers?|visitors|orders?|kund(?:en?|in|innen)|käufern?|besucher|bestellung(?:en)?) (?:(?:mostly|mainly|meist|\ue000+) )?(?:(?:(?:are|is|come|came|kommt|kommen|kamen|stammen|sind|ist) )?(?:from|aus|in(?= \w+ (?:bought|ordered|spent|placed|love|like|prefer|kauf\w+|bestell\w+|lieben|mögen|bevorzugen)\b))|(?:went|go|ships?|shipped|gehen|gingen?) (?:to|nach)) (?:the )?(?P<place>[^\W\d_]+)"
    r"|(?:come|came|kommen|kamen|arrive) (?:\w+ ){0,3}(?:through|via|über) (?:instagram|facebook|tiktok|google|pinterest|youtube|e-?mail|social media|(?:die )?werbung|ads|(?:den )?newsletter)\b"
    r"|(?:paid|pay|bezahlt|bezahlen|zahl(?:t|en|te|ten)|(?:shipped|sent|went out|versandt|versendet|verschickt)) (?:with|by|via|mit|per|über) (?:paypal|klarna|stripe|visa|mastercard|(?:apple|google|shop) pay|credit card|kreditkarte|rechnung|dhl|ups|fedex|usps|dpd|gls|hermes|(?:royal|der) (?:mail|post))\b"
    r"|(?:mit|per|über) (?:paypal|klarna|kreditkarte|dhl|ups|fedex|dpd|gls|hermes|(?:der )?post) (?:bezahlt|versandt|versendet|verschickt)\b"
    r"|(?:thanks|driven|caused|fue?ll?ed|due|down|came|come|brought) (?:in )?(?:to|by|from) (?:your|the|an?) (?:\w+ )?(?:newsletter|campaigns?|e-?mails?|ads?|posts?|influencers?|promotions?|holidays?)\b"
    r"|(?:instagram|facebook|tiktok|google|pinterest|youtube|newsletter|campaigns?|ads)(?: channel| ads?| campaign)? (?:accounts?|accounted|brought|brings?|drove|drives?|generated?s?|made up|makes? up|contributed?s?|delivered|is responsible|are responsible)\b"
    r"|(?:most|half|majority|percent) (?:of )?(?:your |the )?(?:traffic|visitors?|visits|sessions)\b"
    r"|(?:customers|buyers|shoppers) (?:are|were) (?:mostly|mainly|predominantly) (?:women|men|female|male|young|older|local|mobile|on mobile)\b"
    r"|(?:(?:conversion|bounce|click|open)[ -]?rate|absprungrate|klickrate|öffnungsrate) (?:is|was|ist|war|liegt) (?:\w+ )?(?:high|low|good|great|healthy|solid|strong|weak|hoch|niedrig|gut|stark|schwach|solide)\b"
    r"|(?:peak|busiest|quietest|slowest) (?:ordering |shopping )?(?:hours?|times?(?! to\b)(?: of (?:the )?day)?)(?= (?:is|are|was|were)\b|:)"
    r"|(?:find|found|discover\w*) (?:you|your (?:shop|store)) (?:through|via|on) \w+|(?:you(?:['’]ll| will)|will|going to) (?:\w+ ){0,2}?(?:run|sell) out\b[^.;]*\b(?:in|within|by)\b|(?:will|should) last (?:you )?(?:\w+ ){1,4}?(?:days|weeks|months)|charge[ds]?[ -]?back|high[- ]risk|fraud\w*|subscription (?:renewal|order)|overdue\b(?!\?)|your theme is|awaiting authori[sz]ation"
    r"|takes? (?:you )?(?:(?:about|around|roughly|on average) )*\w+ (?:hours?|days?) to (?:fulfil\w*|ship|pack|process)|is your (?:second-)?(?:biggest|largest|main|top|strongest) (?:market|country|region|city|channel)"
    r"|i(?:['’]ve| have|['’]ll have)? (?:just |already |now |also )*(?:sent|emailed|issued|refunded|archived|cancell?ed|fulfilled|shipped|notified|contacted|restocked|published|scheduled)\b(?! (?:back|that|it back)\b)|ich habe? (?:[^\s,:;.]+ ){1,8}?(?:verschickt|gesendet|gemailt|erstattet|archiviert|storniert|versandt|benachrichtigt|kontaktiert|veröffentlicht)\b"
    r"|(?:wohnt|lebt|lives|resides|is based|is located) in\b"
)


_TIME_OF_DAY = Wording(
    r"(?:abends|morgens|mittags|nachts|vormittags|nachmittags|am (?:(?:frühen|späten) )?(?:abend|morgen|vormittag|nachmittag)|in der nacht|(?:in|during) the (?:early |late )?(?:evenings?|mornings?|afternoons?)|at (?:night|noon|lunch\w*)|overnight)\b"
)

_MOSTLY = re.compile(
    r"\b(?:most(?:ly)?|mainly|usually|typically|tend|often|peaks?|prefers?|meisten?|meistens|hauptsächlich|überwiegend|vor allem|besonders|am liebsten|am häufigsten|typischerweise|üblicherweise)\b"
)

_BUYING = re.compile(r"\b(?:orders?|buy|customers|buyers|sales|\w*bestell\w*|kauf\w*|verkäufe|kund\w+|käufer\w*)\b")
""" "Most orders come in the evening": no report tells the time of day."""

_WARNS = re.compile(r"overdue|fraud|charge|high[- ]risk|i\b|ich\b|.*\b(?:run|sell) out\b")
_DENIES = re.compile(r"\b(?:no|not|none|nothing|never|kein\w*|nichts?|nie)\b|n['’]t\b")
""" "Nothing is overdue", "I have not refunded it": honest, though nothing that is read tells it."""

_OF_ALL_TIMES = Wording(
    r"(?:best|highest|strongest|biggest|busiest|worst|slowest|weakest|beste\w*|höchste\w*|stärkste\w*|größte\w*|schwächste\w*) \w+ (?:ever|yet|so far this year|of the year|in (?:months|years)|aller zeiten|des jahres|seit (?:monaten|jahren|(?:der )?(?:eröffnung|gründung|start))|since (?:you|your|the) \w*\s?(?:open|launch|start)\w*)\b"
    r"|so (?:viele?|hoch|gut|stark) [^.,;]{0,40}\bnoch nie\b|never (?:before )?(?:had|seen|made|sold) (?:so|this|that) (?:many|much)\b"
    r"|wie (?:noch )?nie(?: zuvor)?\b|(?:mehr|stärker|besser) denn je\b|(?:more|better|stronger|busier) than ever(?: before)?\b"
    r"|(?:new|all-time) (?:record|high)\b|neue[nr]? rekord\b|allzeithoch|(?:das|dies) ist (?:ein )?rekord\b"
)
""" "Your best month ever": no report is of so long a time."""


def unread(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Your top country is Germany", "it was paid with PayPal", "I've issued the refund": what nothing that is read tells."""
    told = [f for f in said.each(_TIME_OF_DAY, plain=True) if _is_habit(said, f)]
    told += [f for f in said.each(_UNREAD) if not f["place"] or _is_place(said, f)]
    told += said.each(_OF_ALL_TIMES, plain=True)
    codes = [f for f in _CODE.finditer(said.text) if f[0].lower() not in said.grounds.texts]
    told += codes if codes and _CODE_WORD.search(said.plain) and _USED.search(said.plain) else []
    for found in told:
        start, end = said.clause_start(found.start()), said.clause_end(found.end())
        clause = _CODE_WORD.sub("", said.plain[start : found.start()] + said.plain[found.end() : end])
        if _WARNS.match(found[0]) and _DENIES.search(said.plain, start, end):
            continue
        if not (said.doubts(clause) or said.supposes(clause) or said.advises(clause) or "?" in said.plain):
            yield said.text[found.start() : found.end()], False


def _is_habit(said: Said, found: re.Match[str]) -> bool:
    start, end = said.clause_start(found.start()), said.clause_end(found.end())
    return _MOSTLY.search(said.plain, start, end) is not None and _BUYING.search(said.plain, start, end) is not None


def _is_place(said: Said, found: re.Match[str]) -> bool:
    """ "From Berlin", and not "from guests"."""
    begins = found.start("place")
    is_name = said.cased[begins].isupper() and lexeme(found["place"]) == ("", ())
    return is_name or _LAND.match(said.masked, begins) is not None


_LAND = re.compile(r"(?:der|den) (?:schweiz|türkei|slowakei|ukraine|niederlanden|usa)\b")
_CODE = re.compile(r"(?<!wie )(?<!like )\b[A-ZÄÖÜ]{3,}\d{1,3}\b")
_CODE_WORD = re.compile(r"\b(?:\w*codes?|coupons?|vouchers?|\w*gutschein\w*)\b")
_USED = re.compile(
    r"\b(?:was|were|is|has|have|used|runs|ran|brought|wurden?|ist|hat|haben|läuft|lief|brachte|gilt|spar(?:en|t))\b"
)
""" "Your code SPRING5 was used": nothing that is read knows it."""


def superlatives(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Tuesday was the quietest day", "#7 is your largest order", "no other day came close to Tuesday"."""
    masked = said.masked
    if not (said.names or said.orders or said.periods or said.dates):
        return  # of nobody
    if said.plain.rstrip().endswith("?"):
        return
    for found in said.each(_EXTREME):
        word = (found.lastgroup or "").partition("_")[0]
        clause = said.clause_start(found.start()), said.clause_end(found.end())
        is_second = _SECOND.search(said.plain, 0, found.start()) is not None
        if (not is_second and _NOT_FIRST.search(masked, max(0, found.start() - 24), found.start())) or _PART.search(
            masked
        ):
            continue
        if said.doubts(masked[slice(*clause)]) or _APART.search(masked) or found[0].startswith(("zweit", "dritt")):
            continue
        if _BOTH_ENDS.search(masked, max(0, found.start() - 24), found.start()):
            continue  # "the largest and smallest were $9 (#7) and $5 (#8)"
        if _BESIDE.search(masked, max(0, found.start() - 24), found.start()):
            continue
        yield from _claim(said, found, word, clause, is_second=is_second)
    for found in said.each(_FIRST_PLACE, plain=True):
        clause = said.clause_start(found.start()), said.clause_end(found.end())
        yield from _claim(said, found, "leader", clause)
    nothing = said.first(_NOTHING_MORE)
    if nothing is not None:
        entities, measure = _nearest(said, nothing, "product"), _measure(said, "product", said.masked)
        yield from _decide(
            said, said.text[nothing.start() : nothing.end()][:60], entities, measure, nothing["more"] is not None
        )
    found_other = said.first(_EVERY_OTHER)
    if found_other is not None and not found_other["other"] and (found_other["every"] or not said.first(THAN)):
        found_other = None
    if found_other is not None and (kind := _kind_of(found_other["what"])):
        rest, is_every = found_other["rest"], found_other["every"] is not None
        more, less = _MORE.search(rest), _LESS.search(rest)
        is_top = bool(less) if is_every else bool(more or _CLOSE.search(rest))
        is_bottom = bool(more) if is_every else bool(less)
        if is_every and _MORE.search(masked, max(0, found_other.start() - 24), found_other.start()):
            is_top = True  # "Thursday beat every other day"
        if is_top or is_bottom:
            yield from _decide(
                said,
                said.text[found_other.start() : found_other.end()][:60],
                _nearest(said, found_other, kind),
                _measure(said, kind, said.masked if kind == "product" else ""),
                is_top,
            )


def _claim(
    said: Said, found: re.Match[str], word: str, clause: tuple[int, int], *, is_second: bool = False
) -> Iterable[tuple[str, bool]]:
    masked = said.masked
    ends = found.end() if masked.startswith(":", found.end()) else min(clause[1], found.end() + 48)
    head = next((h for h in said.each(_KINDS, found.end(), ends)), None)
    kind = head.lastgroup if head else None
    days = next((p for p in said.periods if 0 <= p.start - found.end() < 12 and _OF_DAYS.match(p.text.lower())), None)
    if _OF_PRODUCTS.search(found[0]):
        kind, days = "product", None
    if days is not None and (head is None or days.start < head.start()):
        kind = "date"
    if head is not None and head[0] in ("days", "tage", "tagen") and days is None:
        yield from _several_days(said, found, most=word in ("top", "most"))
        return
    if word == "most" and masked.startswith(" recently", found.end()):
        word = "newest"
    if word in ("newest", "oldest"):
        if is_second:
            return
        if _PLURAL.match(masked, found.end()) and not re.match(r" of\b", masked[found.end() :]):
            return
        if kind not in (None, "order") or re.match(r"\w* (?:figures|numbers|data|zahlen|daten)", masked[found.end() :]):
            return
        if _is_of_some(said, found, head):
            return
        if head is None and not any(0 <= m.start - found.end() < 20 for m in (*said.names, *said.orders)):
            return
        yield from _aged(said, found, most=word == "newest")
        return
    if word in ("most", "least") and _ADJECTIVE.match(masked, found.end()):
        word = "top" if word == "most" else "bottom"
    if word in ("most", "least", "leader", "trailer"):  # "the day with the most orders": the noun behind is the measure
        before = [h.lastgroup for h in said.each(_KINDS, clause[0], found.start())]
        there = {k for k in ("date", "customer", "product", "order") if _nearest(said, found, k)}
        if word in ("leader", "trailer"):
            there &= {"product", "date"}
        first = next((k for k in (*reversed(before), "date", "customer", "product", "order") if k in there), None)
        if re.match(
            r"\s(?:popular|sold|ordered|stocked|in stock|inventory)|\w* (?:verkauft|auf lager)", masked[found.end() :]
        ):
            first = "product" if "product" in there else first
        kind = first
    elif kind is None and not _is_plain(said, found):
        return  # "the biggest surprise"
    elif kind is None:
        kind = next((k for k in ("order", "product", "date", "customer") if _nearest(said, found, k)), None)
    if kind is None or (kind == "order" and _is_of_some(said, found, head)):
        return  # of those that are open, say, nothing is known
    if kind == "product" and _REVENUE.search(masked, *clause):  # what is read of products is units
        yield found[0], False
        return
    count = _how_many(said, found)
    is_among = head is not None and re.search(r"\b(?:of|der|von|unter)\b", masked[found.end() : head.start()])
    if count == 1 and head is not None and _MANY.fullmatch(head[0]) and not is_among:
        count = len(said.mentions().get(kind, ()))
    if count > 1 and kind in ("product", "order", "customer"):
        measure = _measure(said, kind, masked[clause[0] : clause[1]] + " " + found[0])
        yield from _several(said, found[0], kind, count, measure, most=word in ("most", "top", "leader"))
        return
    if word == "top" and _PLURAL.match(masked, found.end()) and kind != "date":
        return
    entities = _nearest(said, found, kind)
    begins = max((b for b in said.breaks if b <= found.start()), default=0)
    if kind == "order" and said.numbers and not any(begins <= o.start < clause[1] for o in (*said.orders, *said.names)):
        after = [n for n in said.numbers if found.end() <= n.start < clause[1]]
        if after and after[0].currencies:
            return  # "the largest was $9 (#7), the smallest $5": of an order without a name
    clause_words = masked[clause[0] : clause[1]] + " " + found[0]
    yield from _decide(
        said,
        found[0],
        entities,
        _measure(said, kind, clause_words),
        word in ("most", "top", "leader"),
        is_second=is_second,
    )


def _several_days(said: Said, found: re.Match[str], *, most: bool) -> Iterable[tuple[str, bool]]:
    """ "Your two busiest days were Monday and Friday": each other day had less."""
    spans = [said.spans_of()[m.start] for m in (*said.periods, *said.dates) if m.start > found.end()]
    named = {f"date:{start.isoformat()}" for each in spans for start, end in each if start == end}
    decided = []
    for values in [r.values for r in said.grounds.rankings if r.what in _measure(said, "date", said.masked)]:
        mine = [value if most else -value for day, value in values.items() if day in named]
        others = [value if most else -value for day, value in values.items() if day not in named]
        if len(mine) == len(spans) > 1 and others:
            decided.append(min(mine) >= max(others))
    if decided:
        yield found[0], any(decided)


def _how_many(said: Said, found: re.Match[str]) -> int:
    """ "Your two best sellers", "the top 3 products": how many are said to be meant."""
    near = [n for n in said.numbers if found.start() - n.end in (0, 1) or n.start - found.end() in (0, 1)]
    return int(near[0].readings[0][0]) if near and near[0].currencies is None and not near[0].percent else 1


def _several(
    said: Said, words: str, kind: str, count: int, measure: Measure, *, most: bool
) -> Iterable[tuple[str, bool]]:
    """Whether all that are named are among so many that have most."""
    named = [keys(mention) for mention in said.mentions().get(kind, ())]
    decided = []
    for values in [r.values for r in said.grounds.rankings if r.what in measure]:
        ranked = sorted((v for k, v in values.items() if k.startswith(f"{kind}:")), reverse=most)[:count]
        theirs = [next((values[key] for key in each if key in values), None) for each in named]
        if ranked and named:
            edge = ranked[-1]
            decided.append(all(v is not None and (v >= edge if most else v <= edge) for v in theirs))
    if decided:
        yield words, any(decided)


def _is_of_some(said: Said, found: re.Match[str], head: re.Match[str] | None) -> bool:
    """ "The oldest open order": of those that are open nothing is known."""
    return head is not None and any(
        t.kind in STATUSES | {"open"} and found.end() <= t.start < head.start() for t in said.traits
    )


def _is_plain(said: Said, found: re.Match[str]) -> bool:
    """Whether no noun follows but a measure."""
    behind = found.end(), found.end() + 24
    return bool(said.first(_MONEY, *behind) or _STOCK.search(said.masked, *behind)) or bool(
        _NO_NOUN.match(said.masked, found.end())
    )


def _kind_of(word: str) -> str:
    found = _KINDS.pattern.fullmatch(word)
    return (found.lastgroup or "") if found else ""


def _measure(said: Said, kind: str, clause: str) -> Measure:
    """By which rankings it is decided."""
    if kind == "date":
        if _ORDERS.pattern.search(clause) and not _MONEY.pattern.search(clause):
            return ("day orders",)
        return ("day totals",) if said.first(_MONEY) else _MEASURED[kind]
    if kind == "product" and _PRICE.search(clause):
        return ("price",)
    if kind == "product":
        words = (
            clause if _STOCK.search(clause) or _SOLD.search(clause) else said.masked
        )  # "Inventory-wise, X is on top"
        if not _STOCK.search(words):
            return ("units",)
        return ("units", "stock") if _SOLD.search(words) else ("stock",)
    return _MEASURED[kind]


def _decide(
    said: Said, words: str, entities: frozenset[str], measure: Measure, most: bool, *, is_second: bool = False
) -> Iterable[tuple[str, bool]]:
    if not entities:
        return
    if is_second:  # who alone has most is not second; what is second in lists that show a part is not known
        rankings = [r.values for r in said.grounds.rankings if r.what in measure and len(r.values) > 1]
        if rankings and all(_holders(values, most) <= entities for values in rankings):
            yield words, False
        return
    decided = [_is_top(_within(said, r.values), entities, most) for r in said.grounds.rankings if r.what in measure]
    known = [ok for ok in decided if ok is not None]
    if known:
        yield f"{words}: {', '.join(sorted(e.partition(':')[2] for e in entities))}", any(known)


def _holders(values: dict[str, float], most: bool) -> set[str]:
    """Who has most, or least."""
    edge = max(values.values()) if most else min(values.values())
    return {entity for entity, value in values.items() if value == edge}


def _within(said: Said, values: dict[str, float]) -> dict[str, float]:
    """Orders of the day that is spoken of only."""
    spans: list[Range] = [span for p in (*said.periods, *said.dates) for span in ranges(p, said, said.today)]
    days = {a for a, b in spans if a == b}
    if not days or not any(name.startswith("order:") for name in values):
        return values
    ages = {n: v for r in said.grounds.rankings if r.what == "newest" for n, v in r.values.items()}
    zone = said.grounds.now.tzinfo
    mine = {n: v for n, v in values.items() if n in ages and datetime.fromtimestamp(ages[n], zone).date() in days}
    return mine or values


def _aged(said: Said, found: re.Match[str], *, most: bool) -> Iterable[tuple[str, bool]]:
    """ "Your newest order is #7", "your oldest order dates from May 3"."""
    entities = _nearest(said, found, "order")
    if entities:
        yield from _decide(said, found[0], entities, ("newest",), most)
        return
    days = _nearest(said, found, "date")
    if not days or said.names or len(said.dates) != 1:
        return
    zone = said.grounds.now.tzinfo
    decided = []
    for ranking in said.grounds.rankings:
        ages = [v for n, v in ranking.values.items() if n.startswith("order:")]
        if ranking.what == "newest" and ages:
            at = datetime.fromtimestamp(max(ages) if most else min(ages), zone).date()
            decided.append(f"date:{at.isoformat()}" in days)
    if decided and not most and not any(decided):
        oldest = min(d for d in days).removeprefix("date:")
        ages = [
            v
            for r in said.grounds.rankings
            if r.what == "newest"
            for n, v in r.values.items()
            if n.startswith("order:")
        ]
        if oldest < datetime.fromtimestamp(min(ages), zone).date().isoformat():
            return  # of orders that are in no list
    if decided:
        yield f"{found[0]}: {', '.join(sorted(d.partition(':')[2] for d in days))}", any(decided)


def _nearest(said: Said, found: re.Match[str], kind: str) -> frozenset[str]:
    """Who of the kind is named nearest: in the clause, then before it, then behind."""
    clause = said.clause_start(found.start()), said.clause_end(found.end())
    if kind == "date":
        mentions: list[Mention] = [*said.periods, *said.dates]
        spans = {m.start: [a for a, b in ranges(m, said, said.today) if a == b] for m in mentions}
        mentions = [m for m in mentions if spans[m.start]]
        here = [m for m in mentions if clause[0] <= m.start < clause[1]] or mentions
        if not here:
            return NOTHING
        named = min(here, key=lambda m: abs(m.start - found.start()))
        return frozenset(f"date:{day.isoformat()}" for day in spans[named.start])
    named_: list[tuple[int, frozenset[str]]] = [(m.start, keys(m)) for m in said.names]
    named_ += [(o.start, frozenset({f"order:{o.value}"})) for o in said.orders]
    wanted = (kind, "customer") if kind == "order" else (kind,)
    fitting = [
        (
            not clause[0] <= start < max(clause[1], found.end() + 7) and start > found.start(),
            abs(start - found.start()),
            theirs,
        )
        for start, theirs in named_
        if any(key.startswith(wanted) for key in theirs)
    ]
    if not fitting:
        return NOTHING
    *_, theirs = min(fitting, key=lambda each: each[:2])
    return frozenset(key for key in theirs if key.startswith(wanted))


def _is_top(values: dict[str, float], entities: frozenset[str], most: bool) -> bool | None:
    theirs = [value for entity, value in values.items() if entity in entities]
    known = {entity.partition(":")[0] for entity in values}
    if not values or (not theirs and not any(entity.partition(":")[0] in known for entity in entities)):
        return None
    top, bottom = max(values.values()), min(values.values())
    if theirs and len(values) > 1 and top == bottom:
        return None  # all have as much
    return (top if most else bottom) in theirs
