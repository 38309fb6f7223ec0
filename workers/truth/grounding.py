"""Whether what CJ says follows from what was read: every figure, name, date and comparison of a text. Pure.

A number must be in the grounds as it is said: with its currency, about the same thing (customers are no orders, open
orders no orders in all), of the same period, and of whoever it is said of. Rounding is fine where the words admit it.
Advice, small talk, and numbers that are about nothing in the store ("3 steps", "within 24 hours") are not judged.

It cannot see tone, whether advice is good, or whether a cause is the cause; nor what a sentence leaves out.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from functools import lru_cache, partial
from typing import Any

from workers.truth.claims import (
    CODES,
    OFFER,
    SYMBOLS,
    WORDS,
    Mention,
    Number,
    Sentence,
    at_words,
    concepts,
    lowered,
    parse,
    sentences,
)
from workers.truth.grounds import BUYERS, NOTHING, Figure, Grounds, Range, fits

STRICT = frozenset({"open", "unfulfilled", "fulfilled", "paid", "unpaid", "refunded", "cancelled", "test", "guest",
                    "first_time", "returning", "average", "median", "uncounted"})  # fmt: skip
"""What changes a figure's meaning: said right beside a number, it must be true of its figure."""
OF_SALES = frozenset({"net", "gross", "discount", "reversal", "tax", "postage"})
UNSAID = STRICT | OF_SALES | {"largest", "smallest", "price", "daily", "stock", "previous", "change", "days"}
"""What should be said of a figure that it is true of."""
STATISTICS = frozenset({"average", "median", "daily", "largest", "smallest", "price", "net"})
VAGUE = {"loose": frozenset({"open", "unfulfilled", "unpaid"}), "middle": frozenset({"average", "median"}),
         "refunding": frozenset({"net", "reversal", "refunded"}), "shipping": frozenset({"unfulfilled", "fulfilled", "postage"})}  # fmt: skip
STEADY = 0.2
"""How much more or less the week's second half may be and is still called steady."""
MOST = 4.0
"""The distance at which a figure is not what was said."""
MISMATCH, MISSING = (1.0, 2.0, 2.0, MOST), (0.0, 0.5, 1.0, 2.0)
"""What a figure is further away for being another one's than was named, or nobody's, by how sure the name is."""
EVER = (date.min, date.max)
_UTC = UTC


@dataclass(slots=True)
class _Description:
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
    names: list[tuple[str, frozenset[str], int, bool]]
    spans: list[Range]
    front: list[Range]
    late: list[Range]
    sentence: Sentence
    money: bool
    neutral: frozenset[str] = NOTHING
    """Traits of which it does not matter whether a figure has them."""


@dataclass(frozen=True)
class Verdict:
    """One sentence as it stands, how many claims in it have a ground, and those that have none."""

    sentence: str
    grounded: int
    ungrounded: tuple[str, ...]


def check(text: str, grounds: Grounds) -> list[Verdict]:
    """The text's sentences, which make it up again, each with its verdict."""
    pieces, judge = sentences(text), _Judge(grounds, text)
    before: _Judge | None = grounds.judged
    if before is not None and before.goes_on(judge, pieces):  # a reply is checked as it comes, and once more whole
        judge = before
    for piece in pieces[len(judge.verdicts) :]:
        judge.verdicts.append(replace(judge.sentence(_parsed(piece, grounds)), sentence=piece))
    grounds.judged = judge
    return list(judge.verdicts)


def _parsed(text: str, grounds: Grounds) -> Sentence:
    """Read once a turn: a reply is checked sentence by sentence as it comes, and once more as a whole."""
    found = grounds.parsed.get(text)
    if found is None:
        told = _ASSERTED.sub(".", text) if _TELLING.search(text) else text
        found = grounds.parsed[text] = parse(told.replace("**", ""), grounds.names)
    return found


_TELLING = re.compile(
    r"\b(?:did|do|have|were|are|was|is|isn't|aren't|can|could|would)\b[^.?]*?\b(?:know|knew|known|aware|see|seen|notice|noticed|heard|hear|realis\w+|realiz\w+|believe|remember|surpris\w+|clear|true|great|nice|good|impressive|remarkable|amazing)\b"
    r"[^.?]{0,30}?(?:\b(?:that|how|you|your|the|there)\b|\d)"
    r"|\b(?:wusste\w*|weißt|wissen|gewusst|gesehen|bemerkt|aufgefallen|gehört|erinner\w*|klar|bekannt|bewusst|wahr|glaub\w*|überrascht|toll|schön|großartig)\b[^.?]{0,40}?\b(?:dass|wie)\b"
    r"|,\s(?:right|correct|huh|eh|yes|no|yeah|isn't (?:it|that)|aren't (?:they|you)|wasn't it|weren't (?:they|there)|didn't (?:you|they|it)|haven't you|doesn't it|don't you think|oder|nicht wahr|richtig|gell|stimmt's|stimmt das|nicht|ja|was)\s*\?"
    r"|^\W*(?:how come|why|what made|what drove|how did|how have|warum|wieso|weshalb|woran|wie kommt|wie kam)\b(?! not\b| nicht\b| don't\b)",
    re.IGNORECASE,
)
"""A question that tells what it asks about: "Did you know that …?", "…, right?", "Why did …?"."""
_ASSERTED = re.compile(r"\?(?=\W*$)")


def ungrounded(verdicts: Iterable[Verdict]) -> list[str]:
    """The claims without a ground, in order."""
    return list(dict.fromkeys(claim for verdict in verdicts for claim in verdict.ungrounded))


def without(verdicts: Sequence[Verdict], instead: str) -> str:
    """The text without the sentences that have a claim without a ground; `instead` of the first, if nothing else told
    of the store."""
    kept = [verdict.sentence if not verdict.ungrounded else "" for verdict in verdicts]
    if not any(verdict.grounded and not verdict.ungrounded for verdict in verdicts):
        place = next(place for place, verdict in enumerate(verdicts) if verdict.ungrounded)
        kept[place] = instead + (re.search(r"\s*$", verdicts[place].sentence) or [""])[0]
    return "".join(kept).strip()


def plain(text: str, told: str) -> str:
    """What to say in place of an ungrounded `text`: what the data tells, or that it does not."""
    if _is_german(text):
        return "Dazu sehe ich in den Daten Ihres Shops keine Angabe."
    return told or "I don't see that in your store's data."


_GERMAN = frozenset(
    (
        "auf bei bestellung bestellungen das dein deine deinem deinen dem den der des die du ein eine einen einer es "
        "für gab gibt haben hast hat hatte hatten hattest ihr ihre ihrem ihren im ist kein keine kunden mit nicht "
        "noch sie sind und von war waren wurde wurden zu zum"
    ).split()
)
_ENGLISH = frozenset(
    "a an and are at for had has have is it no not of on one the there to was were with you your".split()
)


def _is_german(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return sum(word in _GERMAN for word in words) > sum(word in _ENGLISH for word in words)


_HYPOTHETICAL = at_words(
    r"(?:if (?!i\b)|could|would|imagine|suppose|aim|goal|target|for example|for instance|e\.g\.|such as|say,|once you|when you|as soon as"
    r"|wenn (?!ich\b)|falls|sobald|könnten?|würden?|angenommen|stell\w* (?:dir|sie)|zum beispiel|z\. ?b\.|etwa wenn|ziel|wie wäre)\b",
)
_ADVICE = re.compile(
    r"\b(?:should|might|consider|try|recommend|suggest|offer(?:ing)?|let's|let us|why not|how about|maybe|perhaps"
    r"|(?:many|most|some|other|viele|andere|manche) (?:shops|stores|merchants|brands|sellers|händler|läden|marken)|studies|research|studien|erfahrungsgemäß|industry|benchmark|codes?|coupons?|vouchers?|gutschein\w*|best practice|tip|idea|you can|we can|i can (?:help|offer|send|show|also|look)|shall|helps? to|to (?:boost|grow|increase|improve|win|raise|lift)"
    r"|to (?:use|add|set|send|run|start|create|give|reply|respond|answer|follow up)"
    r"|sollten?|empfehl\w*|empfiehlt|vorschl\w*|schlage|versuch\w*|bieten?|biete|lass\w*|vielleicht|probier\w*|tipp|idee"
    r"|sie können|du kannst|wir können|ich kann (?:ihnen|dir|gern)|soll ich|möchten sie|möchtest du|um (?:ihren|den|deinen))\b|\?\s*$"
    r"|^\W*(?:\d{1,2}[.)]\s+|[-*•]\s+)?(?:then |please |just )?(?:use|add|set|send|run|start|create|give|reply|respond|answer|follow|write|plan|keep|check|make|ship|look|ask|thank|invite|bundle|reward)\b",
)
_GENERALLY = re.compile(r"\b(?:usually|typically|often|generally|üblich\w*|meist|oft|in der regel)\b")
_OF_STORE = re.compile(r"\b(?:your?|you've|dein\w*|ihr\w*|du|dir|sie)\b")
_TIPS = re.compile(r"\b(?:tips?|ideas?|suggestions?|steps?|tipps?|ideen|vorschläge|schritte)\b[^.:]*:")
_TOLD = re.compile(
    r"\b(?:did you know|have you seen|noticed|aware|that|dass|really|wirklich|wussten|wusstest|since|because|with|da|weil|bei|warum|why|mehr zu|about|on)\b"
)
_OWNED = re.compile(
    r"\b(?:your|the|these|those|all|ihre?[nmrs]?|deine?[nmrs]?|eure?[nmr]?|die|der|den|diese[nr]?)\s+(?:[^\W\d]+\s+){0,2}[$€£]?$",
)
_STATED = re.compile(
    r"\b(?:have|had|has|got|received|are|were|is|was|see|sold|made|there(?:'s|'re)|you've|haben|hatten|habe|hast|hattest|hat|hatte|sind|waren"
    r"|gibt es|gab es|sehe|verkauft|beträgt|betrug|liegt bei|lag bei)\s+(?:[^\W\d]+\s+){0,2}[$€£]?$",
)
_TALK = re.compile(
    r"^[\s-]*(?:(?!(?:der|die|das|the|den)\s)[a-zäöüß]+\s){0,2}?(?:steps?|tips?|ideas?|ways?|things?|options?|questions?|reasons?|points?|hours?|hrs?|minutes?|mins?|seconds?|stars?|examples?"
    r"|suggestions?|parts?|words?|sentences?|clicks?|channels?|areas?|goals?|priorit(?:y|ies)|attempts?|tries|messages?|e?-?mails?|posts?|photos?"
    r"|images?|pictures?|months?|weeks?|years?|days?|workdays|nights?|problems?|issues?|topics?|insights?|observations?|highlights?|takeaways?"
    r"|figures|numbers|metrics|reports?|reminders?|cents?|facts|categories|groups|currencies|facts|schritte?n?|tipps?|ideen?|möglichkeiten?|wege?|dinge?|optionen?|fragen?|gründe?n?|punkte?n?|stunden?|minuten?"
    r"|sekunden?|sterne?n?|beispiele?n?|vorschläge?n?|wörter|sätze?n?|klicks?|kanäle|bereiche|ziele?|versuche|nachrichten|mails?|beiträge|fotos|bilder"
    r"|monate?n?|wochen?|jahre?n?|tage?n?|werktage?n?|probleme?|themen|erkenntnisse?|beobachtungen|zahlen|kennzahlen|fakten|kategorien|gruppen|währungen"
    r"|grams?|g|kg|ml|l|cm|mm|m|inch(?:es)?|oz|lbs?|gramm|liter|meter|°c?|uhr)\b",
)
_ADJECTIVES = re.compile(
    r"\s(?:of (?:your|the|these|those|my) |(?:deiner|ihrer|der|dieser|meiner|eurer) )?(?:(?:last|latest|newest|recent|most|letzten|neuesten|jüngsten|last|past|\d+|\w+en|\w+er|\w+e|new|open|unfulfilled|pending|paid|unpaid|cancell?ed|refunded|returning|repeat|guest|test|first-time|single|further|other|more) ){0,3}"
)
_BOUGHT = re.compile(
    r"\b(?:ordered|bought|purchased|cancel\w*|bestell\w*|gekauft|kaufte|stornier\w*|sold|verkauft|came in|kam|herein)\b"
)
_NO_DATA = re.compile(
    r"^\s?(?:data|names?|details?|information|access|history|numbers?|figures?|daten|id|ids|e-?mails?|yet to|-?\w*daten|support|service|page|list|s?\s(?:data|names))\b",
)
_ALL = re.compile(r"\b(?P<not>not |nicht )?(?:all|every|each|alle[nr]?|sämtliche[nr]?|jede[rns]?)\b")
_CURRENT = at_words(
    r"(?:currently|right now|at (?:the|this) moment|as of (?:right |just )?(?:now|today|this)|at present|just now|this very (?:moment|second|minute)|up[- ]to[- ]date|live|today|now|real[- ]time|fresh(?:ly)?"
    r"|just (?:read|fetched|checked|looked)|(?:a|one|\d+) (?:second|moment)s? ago|moments ago|current|newest figures|latest figures"
    r"|aktuell\w*|derzeit|momentan|im moment|in diesem (?:moment|augenblick)|gerade|jetzt|heute|zurzeit|frisch\w*|soeben|(?:von )?dieser (?:sekunde|minute))\b",
)
_AGED_WORDS = at_words(
    r"(?:cached|stale|outdated|older|old (?:data|figures)|as of (?!(?:right |just )?(?:now|today|this))|(?:seen|read|saved|from) earlier|earlier (?:data|figures|today)|last (?:saw|read|known|checked|updated)|last time i|saw (?:on|at)|not (?:current|live|fresh|up[- ]to[- ]date)"
    r"|when i (?:last )?(?:looked|checked|saw)|(?:read|fetched|checked|saved|data is|figures are|from) (?:\w+ )?(?:\d+|an?|two|three|a few) (?:minutes?|hours?|days?) (?:ago|old)|hours? old|days? old|may have changed|from (?:before|yesterday)|could not be (?:read|reached)|(?:does not|doesn't|did not|didn't) (?:answer|respond)"
    r"|(?:mit |dem )?stand (?:von |vom |am |um )(?!dieser|heute|jetzt)|veraltet\w*|älter\w*|zwischengespeichert\w*|stunden alt|tage alt|(?:stammen|daten|zahlen)\b.{0,40}\bvor \d|zuletzt (?:gelesen|gesehen|geladen|aktualisiert)|früher\w* (?:daten|zahlen|stand)|vorhin|nicht (?:mehr )?aktuell|(?:daten|zahlen|werte) (?:sind )?(?:vom|von gestern)|antwortet (?:gerade |derzeit |im moment )?nicht)\b",
)
_BEFORE = at_words(
    r"(?:earlier|before|previous\w*|last time|used to|had|was|were|since then|from|up from|down from|vorher|zuvor|früher|vorhin|damals|hatten|hatte|war|waren|letztes mal)\b",
)
_QUOTING = re.compile(
    r"\b(?:you (?:said|mentioned|asked|wrote|told|named|gave|think|thought|expected|have in mind|want\w*)|your (?:goal|target|budget|figure|question|message|estimate|plan)\b|sie (?:sagten|erwähnten|schrieben|fragten|nannten|wollen)"
    r"|du (?:sagtest|erwähntest|schriebst|fragtest|willst)|(?:ihr|dein)\w* (?:ziel|budget|frage|zahl)|genannte\w*)\b[^.;]*$"
    r"|\b(?:not|n't|nicht|instead of|rather than|statt|anstatt|kein\w*|than the|als die)\s(?:the |die |der |\w+ )?[$€£]?$",
)
_RANGE = re.compile(
    r"\b(?:between|zwischen|values|werte|ranged?|range|reich\w+|beweg\w+|from \W*[\w.,]+ \w* ?(?:up )?to|von \W*[\w.,]+ \w* ?bis)\b"
)
_OF_THEM = re.compile(r"\s*(?:of (?:them|these|those|which)|davon|von (?:ihnen|denen|diesen)|darunter)\b")
_VERB = re.compile(r"\s*(?:are|were|is|was|have|sind|waren|ist|war|wurden|haben)\b")
_AMOUNT_OF = re.compile(r"\s?(?:(?:of|von|x|×|stück|units?|pieces?)\s)*[“„«»\"]?")
_BETWEEN = re.compile(
    r"\b(?:cases|fällen?|comes?|came|are|were|is|was|have|had|has|from|by|for|at|placed|sind|waren|war|kamen|kommen|haben|hat|stammen|von|wurden|für|bei)\b"
)
_ACTED = re.compile(
    r"\b(?:bought|ordered|placed|made|spent|purchased|holds|contains|kaufte|gekauft|bestellte|bestellt|enthält|gab)\b"
)
_READ = re.compile(r"\b(?:read|looked|missing|access|fits?|gelesen|angesehen|fehl\w*|zugriff)\b")
_PART_OF = re.compile(
    r"\s+(?:(?:of|out of|von|aus|unter)\s+)?(?:(?:your|the|these|those|my|all|deine[rnms]?|ihre[rnms]?|der|den|die|diese[rn]?|allen?)\s+)?"
    r"(?:(?:latest|last|newest|most recent|recent|letzten|neuesten|jüngsten)\s+)?",
)
_SELECTION = re.compile(
    r"^\W*\|\s(?:latest|newest|last|most recent|recent|neueste|letzte|jüngste)n?\b|\b(?:latest|last|newest|recent|top|first|neuesten|letzten|jüngsten|ersten)\s\|"
    r"|\b(?:the|your|these|those|die|der|den|ihre[nrm]?|deine[nrm]?|diese[nrm]?)\s\|\s(?:latest|last|newest|most recent|recent|neuesten|letzten|jüngsten)\b",
)
_SINGLE = at_words(
    r"(?:best|top|most|customer|buyer|product|item|it|kunde|kundin|produkt|artikel|davon|es|bestseller|meist\w*|beste[nrsm]?\b|beliebteste\w*|ein(?:e|er)? (?:kund\w+|produkt))\b",
)
_ORDERS = re.compile(r"\b(?:orders|\w*bestellungen)\b")
_SINGLE_ORDER = at_words(
    r"(?:order|purchase|sale|verkauf|einkauf|\w*bestellung|auftrag|one|largest|biggest|highest|smallest|lowest|newest|latest one|größte\w*|kleinste\w*|höchste\w*|niedrigste\w*|neueste\w*)\b",
)
STATUSES = frozenset(
    {"fulfilled", "unfulfilled", "paid", "unpaid", "refunded", "cancelled", "test", "guest", "first_time", "returning"}
)
_DENIED = re.compile(r"\b(?:not|never|no|nicht|nie|keine?[nmrs]?)\b|n't\b")
_LABEL = re.compile(r"[:=(]\s*[$€£]?$|\b(?:is|are|was|were|ist|sind|war|waren|beträgt|at|bei|of)\s[$€£]?$")
_OF_ALL = re.compile(r"\b(?:none|no|not one|all|each|every|keine[rs]?|alle[rn]?|jede[rs]?|sämtliche[rn]?)\b[^,;]*$")
_NOBODY = re.compile(
    r"(?:(?<=n)'t|\b(?:not|nicht)) (?:\w+ )?(?:a single|any|eine einzige)(?= order| \w*bestellung)|\b(?:nobody|no ?one|niemand|keiner|nothing(?! \w+ (?:better|more))|nichts(?! \w+ (?:besser|mehr))|without (?:a single|any|an?)|ohne (?:eine einzige|eine|jede)|none|no|not one|not a single|keine?[nrsm]?(?: einzige[rns]?)?)\b"
)
_AGAINST = re.compile(
    r"\W*(?:(?:up|down|back) )?(?:vs|versus|gegenüber|against|after|from|to|zu|gegen|over|statt|compared (?:with|to)|rather than|nach|auf|von)\W*"
)
_OFFERED = re.compile(rf"\b{OFFER.pattern}")
_MOSTLY = re.compile(r"\b(?:most|mostly|majority|die meisten|mehrheit|überwiegend|mehrheitlich)\b")
_SOLD_OUT = re.compile(
    r"\b(?:out of stock|sold out|ausverkauft|vergriffen|nicht (?:mehr )?(?:auf lager|vorrätig|verfügbar|lieferbar)|no longer (?:in stock|available))\b"
)
_AMONG = re.compile(
    r"\b(?:of|among|out of|an|von|unter|aus)\s(?:the |your |these |den |deinen |ihren |diesen |der |deiner |ihrer )?(?:latest |last |newest |most recent |letzten |neuesten |jüngsten )?$"
)
_NEWEST = re.compile(
    r"(?:\b(?:your|the) (?:latest|newest|most recent)|\b(?:ihre?|deine?|die|der) (?:letzter?|neuester?|jüngster?)|^\W*(?:latest|newest|most recent|letzte|neueste|jüngste)) "
    r"(?:order|sale|purchase|bestellung|verkauf|auftrag)\b"
)
_THE_NEWEST = re.compile(
    r"\b(?:the (?:latest|newest|most recent|last)|(?:die|der) (?:letzte|neueste|neuere|jüngste|jüngere))(?: one)?\b(?! (?:\d|\w+ (?:orders|days|weeks|months)|tage|bestellungen))"
)
_ACTED_ON = re.compile(r"\s\w+ (?:haben|hatten|gaben|have|had|placed|ordered|bought|made|kauften|bestellten)\b")
_DISCOUNT = re.compile(r"\s*(?:discounts?|off|rabatt\w*|nachlass|coupon\w*|vouchers?|gutschein\w*)\b")
_GIVEN = re.compile(r"\b(?:gave|given|granted|gewährt\w*|gab\w*|gegeben|average|schnitt)\b")
_NEXT = re.compile(r"\b(?:your|the|dein\w*|ihr\w*|die|den) (?:next|nächsten?)\s$")
_DOUBLED = re.compile(r"\b(?:doubled|tripled|halved|verdoppelt|verdreifacht|halbiert)\b")
_DAY_WORD = re.compile(r"\b(?:day|\w*tag)\b")
_NOW_OR_THEN = re.compile(r"\s(?:(?P<now>now|jetzt)|then|damals)\b")
_NOW_OR_THEN_BEFORE = re.compile(r"\b(?:(?P<now>now|jetzt)|then|damals)\W*$")
_SOLD = re.compile(r"\b(?:sold|verkauft|eingenommen|earned|came in)\b")
_LABELS = re.compile(r"\s?[:=]\W*")
_REFERRED = re.compile(
    r"\b(?:the (?:one|order)|die(?: bestellung)?|der) (?:right |just |direkt )?(?:before|after|preceding|vor|nach)\s$"
)
_LEAVES = re.compile(
    r"\b(?:becomes?|keep|kept|remain\w*|leaves?|left|bleib\w*|verbleib\w*|behält\w*|behalten|danach|down to|(?:drops?|shrinks?) to|(?:to|auf|after)\b(?=\W*$)|macht|ergibt|wird|werden)\b[^,;:]{0,24}$"
)
_FIRST_READ = re.compile(r"\b(?:only the first|nur die ersten)\b.*\b(?:read|shown|gelesen|gezeigt)\b")
_EARLIER = re.compile(r"previous|day before$|tag (?:davor|zuvor)|vor(?:ig|her|angeg|tag)", re.IGNORECASE)
_FROM, _TO = re.compile(r"\b(?:from|von|vom)\W*$"), re.compile(r"\b(?:to|at|auf)\W*$")
_LATER = re.compile(
    r"^[^.;]{0,25}\b(?:(?:up|down|back) from|statt|instead of|rather than|vs|versus|against|after|nach|gegenüber|compared (?:with|to)|verglichen mit)\W*$"
)
_UP_FROM = re.compile(r"\b(?:up|down) from\b|\b(?:vs|versus|gegenüber|nach)\b")
_OF_DAYS = re.compile(r"(?:of|out of|von|der)\b", re.IGNORECASE)
_UNTIL = re.compile(
    r"\s?(?:-|–|to|up to|ending|until|till|through|and|bis(?: zum)?|und)\s?(?:the |dem )?(?:(?:mon|tue|wed|thu|fri|sat|sun|\w+tag)\w*,? )?"
)
_BESIDE = re.compile(r"\s*\(\W*")
_UNSURE = re.compile(
    r"\b(?:can(?:'t|not)|don't know|unable|no way to|whether|not (?:able|enough)|could|would|might|may|if|to (?:see|tell|know|compare)|kann (?:ich )?nicht|ob|weiß nicht|lässt sich nicht|wenn|könnte\w*|würde\w*|want|möchten?|shall|soll ich)\b|\?\s*$",
)
_DIRECTION = at_words(
    r"(?:(?P<more>more|mehr|higher|höher\w*|greater|larger|bigger|größer\w*|better|besser\w*|stronger|stärker\w*|busier|faster|schneller\w*|richer|pricier|dearer|teurer\w*|ahead|beat(?:s|en|ing)?|tops|topped"
    r"|outsold|outsells?|outselling|outdid|outdoes|outperform\w*|outnumber\w*|outpac\w*|outstrip\w*|outrank\w*|outweigh\w*|exceed(?:s|ed|ing)?|surpass\w*|eclips\w*|most of|die meisten|mostly|überzahl"
    r"|übertrifft|übertr[aeo]f\w*|übersteig\w*|überstieg\w*|überwieg\w*|überwog\w*|überhol\w*|überrag\w*|schlägt|schlug|lead(?:s|ing)? over)"
    r"|(?P<less>fewer|less|weniger|lower|niedriger\w*|tiefer\w*|geringer\w*|smaller|kleiner\w*|worse|schlechter\w*|weaker|schwächer\w*|slower|langsamer\w*|quieter|ruhiger\w*|cheaper|billiger\w*|günstiger\w*|trail(?:s|ed|ing)?|lags|lagg(?:ed|ing)"
    r"|f[ae]ll(?:s|en|ing)? short|short of|underperform\w*|unterschr[ei]+t\w*|unterbiet\w*|unterzahl|can(?:'t|not) (?:match|keep up with))"
    r"|(?P<beside_more>above|over|vor|über|vorn)|(?P<beside_less>behind|below|under|beneath|hinter|unter)"
    r"|(?P<steady>steady|stable|flat|unchanged|stabil\w*|konstant\w*|gleichmäßig\w*|unverändert\w*)"
    r"|(?P<rise>rose|risen|rising|rises?|grew|grown|growing|growth|grows?|climb(?:s|ed|ing)?|increas(?:e|es|ed|ing)|jump(?:s|ed|ing)?|leap(?:ed)?|leapt|surg(?:e|ed|ing)|soar(?:ed|ing)?|gain(?:s|ed|ing)?|improv(?:e|ed|ing|ement)|expand(?:ed|ing)?"
    r"|accelerat(?:ed|ing)|doubled|tripled|(?:pick|perk|edg)(?:ed|ing) up|uptick|upswing|upward|uptrend|up(?! (?:to|and running|next)\b)|stieg\w*|steigt|steigen|gestiegen|anstieg\w*|angestiegen|wuchs\w*|wächst|wachsen|gewachsen|wachstum\w*"
    r"|zugelegt|legten? \w* ?zu|zugenommen|zunahme\w*|kletter(?:n|te|ten)|geklettert|plus|zuwachs\w*|rauf|hinauf|nach oben|verbessert\w*|aufwärts\w*|verdoppelt|erhöht\w*|(?:nahm|nimmt|nehmen|legte|legten) (?:\S+ ){0,8}zu|im plus)"
    r"|(?P<fall>fell|fallen|falling|falls?|drop(?:s|ped|ping)?|declin(?:e|es|ed|ing)|decreas(?:e|es|ed|ing)|shrank|shrunk|shrinking|slipp(?:ed|ing)(?! (?:in|into|through)\b)|slump(?:ed|ing)?|dip(?:s|ped|ping)?|cool(?:ed|ing) (?:off|down)|eased|slid|slide|sank|sunk|plung(?:e|ed)|plummet\w*|down"
    r"|weaken(?:ed|ing)|halved|slow(?:ed|ing)(?: down)?|downward|downturn|gesunken|sank\w*|sinkt|sinken|fiel(?:en)?|fällt|gefallen|rückg[aä]ng\w*|zurückgegangen|zurückgefallen|schrumpf\w*|geschrumpft|nachgelassen|abgenommen|abnahme\w*|eingebrochen|einbruch"
    r"|eingebüßt|rückläufig\w*|abwärts\w*|minus|runter|hinunter|nach unten|verringert\w*|halbiert|(?:ging|gingen|geht|gehen|blieb|bleibt) (?:\S+ ){0,12}zurück|(?:nahm|nimmt|nehmen|nahmen) (?:\S+ ){0,8}ab))(?!\w)"
)
_NO_DIRECTION = re.compile(
    r"\b(?:set|sign|signed|catch|follow|back|look|add|adds|added|end|pick|bring|show|come|came|comes|wr[ao]p|make|makes|made|sum|sums|break|write|let|follow\w*|shut|cool|calm|settle|track|scroll|go)\s(?:up|down)$|\b(?:day|week|month|year) over$|an (?:\w+ )?kund\w+ zurück$|\b(?:or|oder) (?:more|less|mehr|weniger|above|below|über|unter)$|\b(?:above|below|over|under|über|unter)(?= (?:or|oder)\b)$"
)
_ITEM = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)])\s")
_TO_NUMBER = re.compile(r"^\s?[-–]\s?\d+")
_OTHER_SIDE = re.compile(
    r"\b(?:vs|versus|gegenüber|against|gegen|statt|zu|to|compared|than|als|nach|after|from|von|over)\b"
)
_RIGHT_BEFORE = re.compile(r"(?: (?:one|period|month|week|year|zeitraum|monat|woche|jahr|tag|day))?\s?(?:\(|:|=)\W*")
_RANKED = re.compile(r"#|rank|pos(?:ition)?\.?|place|no\.?|nr\.?|rang|platz")
_THAN = re.compile(r"\b(?:than|als)\b")
_TAKES_OBJECT = at_words(
    r"(?:ahead|beat|top|out|exceed|surpass|eclips|trail|lags|lagg|f[ae]ll|short|underp|über[a-z]|unters|unterb|schl[äu]g|can|lead)"
)
_DENIED_HERE = re.compile(r"\b(?:not|never|nicht|nie|kein\w*)\s(?:\w+\s)?$|n't\s(?:\w+\s)?$")
_TIMES = re.compile(r"\+?\s?(?:times|orders|purchases|mal|bestellungen|käufe)\b")
_LOYAL = re.compile(r"[^,;]*\b(?:ordered|bought|purchased|placed|shopped|with|have|haben|hat|mit|die)\b[^,;]*")
_TIMES_OR_MORE = re.compile(r"\w+\s?(?:times |mal |orders |bestellungen )?(?:or more|oder (?:mehr|öfter|häufiger))\b")
_COMPARED = re.compile(
    r"\b(?:compared|versus|vs|against|gegenüber|verglichen|vergleich|last|previous|letzte[rnm]?|vorwoche)\b"
)
_PAST = re.compile(
    r"[^.,;:]{0,25}\b(?:last|previous|prior|before|earlier|usual|ever|normal|yesterday|ago|week|month|year|letzte[nmrs]?|vorige[nmrs]?|vorwoche|vormonat|vorjahr|vortag|gestern|sonst|zuvor|davor|üblich|früher)\b"
)
_METRIC = re.compile(r"\b(?:business|demand|traffic|figures|numbers|store|shop|things|geschäft\w*|nachfrage|zahlen)\b")
_BASE_FORM = re.compile(
    r"rises?|grows?|growth|climbs?|increases?|jumps?|leap|surge|soar|gains?|improve(?:ment)?|expand|falls?|drops?|declines?|decreases?|dips?|slide|slump|plunge|plus|minus|up|down|rauf|runter|hinauf|hinunter"
    r"|wachsen|steigen|sinken|fallen|wachstum\w*|zuwachs\w*|zunahme\w*|abnahme\w*|rückg[aä]ng\w*|anstieg\w*|einbruch|nach oben|nach unten"
)
_NOUN_BEFORE = re.compile(
    r"\b(?:an?|the|some|big|small|slight|sharp|steady|strong|clear|solid|healthy|is|are|was|were|been|went|gone|trending|going|ein|einen|einem|der|den|dem|leichte[rn]?|starke[srn]?|deutliche[srn]?|klare[srn]?|solides|zeigen|zeigt|im|geht|ging|gehen|gingen)\s(?:\w+\s)?$"
)
_ONCE = re.compile(
    r" (?:(?:\w*erstattung\w*|retouren|rabatt\w*|steuern|abzug)\b|(?:den|diesen|deinen|ihren) (?:letzten|neuesten|jüngsten)\b|(?:than|als) (?:once|one|ever|einmal|eine[rsmn]?|sonst|usual)|exactly|precisely|genau|oder|or (?:more|less)|details?)\b"
)
_BY_BEFORE = re.compile(r"\b(?:um|by)\s$")
_BY = re.compile(r"\s+(?:by |um |of |von )?(?:about |roughly |rund |etwa |gut |knapp )?[$€£]?\s?")
_SUPERLATIVES: tuple[tuple[re.Pattern[str], tuple[str, ...], str, bool], ...] = tuple(
    (re.compile(pattern), rankings, kind, most)
    for pattern, rankings, kind, most in (
        (r"\b(?:leads?|tops?|führt)\b", ("leader",), "product", True),
        (r"\b(?:spitzenreiter\w*|renner|star|topseller)\b|\bbest[- ]?sell\w*|\bsold best|\bsells? (?:the )?best|\btop[- ]sell\w*|\bmost popular|\bbestseller\w*|\bmeistverkauft\w*|\bam (?:besten|häufigsten|meisten) (?:verkauft|bestellt|gekauft)|\bbeliebteste\w*|\bverkaufte sich am besten|\bverkauft sich am besten|\bsold (?:the )?most|\bmost sold", ("units",), "product", True),
        (r"\bleast popular|\bworst[- ]sell\w*|\bsold (?:the )?(?:least|worst)|\bam (?:wenigsten|schlechtesten) verkauft", ("units",), "product", False),
        (r"\bbest[- ]stocked|\bmost (?:\w+ )?(?:in )?(?:stock|inventory)|\b(?:highest|largest|biggest) (?:stock|inventory)|\bam (?:meisten|besten) (?:auf lager|bevorratet)|\b(?:größte|höchste)\w* (?:lager)?bestand|\bmeisten (?:auf lager|bestand)", ("stock",), "product", True),
        (r"\b(?:lowest|least|smallest) (?:\w+ )?(?:in )?(?:stock|inventory)|\b(?:niedrigste|geringste|kleinste)\w* (?:lager)?bestand|\bam wenigsten auf lager", ("stock",), "product", False),
        (r"\bworth (?:the )?most\b|\bam meisten wert\b|\b(?:largest|biggest|highest|most (?:expensive|valuable)|größte\w*|höchste\w*|teuerste\w*|wertvollste\w*)\s(?:one |of (?:[\w\ue000]+ ){1,4}|der (?:[\w\ue000]+ ){1,4}|[\w\ue000]+ ){0,2}(?:orders?|purchase|\w*bestellung(?:en)?|\w*bestellwert|auftrag)|\b(?:largest|biggest|größte|höchste|teuerste) (?:is|was|ist|war|\ue000)", ("order total",), "order", True),
        (r"\b(?:smallest|lowest|cheapest|kleinste\w*|niedrigste\w*|günstigste\w*|billigste\w*)\s(?:one |of (?:[\w\ue000]+ ){1,4}|der (?:[\w\ue000]+ ){1,4}|[\w\ue000]+ ){0,2}(?:orders?|purchase|\w*bestellung(?:en)?|\w*bestellwert|auftrag)|\b(?:smallest|cheapest|kleinste|günstigste) (?:is|was|ist|war|one|\ue000|#)", ("order total",), "order", False),
        (r"\b(?:newest|latest|most recent|last|neueste\w*|letzte|jüngste\w*)\s(?:order|purchase|one|bestellung)\b(?! (?:number )?\d)", ("newest",), "order", True),
        (r"\b(?:oldest|first|earliest|älteste\w*|erste|früheste\w*)\s(?:order|bestellung)\s(?:shown|listed|here|in the list|of these|in der liste)", ("newest",), "order", False),
        (r"\b(?:busiest|best|strongest|top|biggest)\s(?:\w+ )?day|\b(?:stärkste|beste|umsatzstärkste)\w* (?:\w*tag)|\bam meisten los|\bmost orders (?:came|were placed|on)|\bmeisten bestellungen", ("day orders", "day totals"), "date", True),
        (r"\b(?:slowest|weakest|worst|quietest)\s(?:\w+ )?day|\b(?:schwächste|schlechteste|ruhigste)\w* (?:\w*tag)|\bwenigsten bestellungen|\bfewest orders", ("day orders", "day totals"), "date", False),
        (r"\b(?:best|top|most loyal|most active|biggest|most frequent|most valuable)\s(?:\w+ )?(?:customer|buyer|shopper)|\b(?:beste|treueste|aktivste|größte|wichtigste)\w* (?:stamm)?kund\w+|\bordered (?:the )?most(?: often)?\b|\bam (?:häufigsten|meisten) bestellt hat|\bbestellt am (?:häufigsten|meisten)", ("customer orders", "order total"), "customer", True),
    )
)  # fmt: skip
_TOP = re.compile(r"best|most|least|top|worst|popular|est\b|last|first|fewest|meist|ste[nrsm]?\b|letzte|wenigsten")
_CAPITAL = r"[^\W\d_a-zäöüßéèáàñøåœæ][\w'’&-]*"
_RUN = re.compile(
    rf"(?<![\w#\ue000.-]){_CAPITAL}(?:\.(?=\s[A-Z]))?(?:\s(?:(?:von|van|de|der|da|di|del|la|le|el|bin|&)\s)?{_CAPITAL})*(?![$€£\w])"
)
_NAMES_FOLLOW = re.compile(
    r"(?:\b(?:from|by|for|to|named|called|sell|sold|bought|ordered|opened|is|it was|that was|on|namens|heißt|nennt sich|von|vom|für|an|bei|das war|es war|ist|kaufte|bestellte|verkaufst|verkaufen|steht"
    r"|stück|units of|pieces of|of|than|als|dass|that|did|herrn?|frau|mrs?\.|ms\.|und|and|with|mit)|[:(“„\"×]|\d\s?x)\s?$"
)
_LABELLED = re.compile(
    r"\b(?:customers?|buyers?|kund(?:e|in)|käufer(?:in)?|named|called|namens|heißt|nennt sich|tarif|paket|plan|shop|store|laden|boutique|läuft auf|runs on|is on)(?: is| ist| called| named)?\s[(“„\"]?$"
)
_OF_WHOM = re.compile(r"(?:orders?|customers?|buyers?|kund\w+|käufer\w*|\w*bestellung|von|by|\ue000)\s*:$")
_PLAN_FOLLOWS = re.compile(r"[”“\"]?[\s-](?:plan|tarif|paket)\b")
_ACTS = re.compile(
    r"\s(?:(?:has|have|had|just|is|was|hat|hatte|ist|war|wurde) )?(?:\w+ )?(?:ordered|bought|purchased|placed|spent|returned|paid|sold|sells?|leads?|starts?|stands|costs?|belongs|outsold|has|have|had|hat|is|was|ist|war|wurde|bestellte?|bestellt"
    r"|gekauft|kaufte|verkauft\w*|kostet|steht|führt|liegt|lief|läuft|gehört|gab|gibt es|nutzt|runs|uses|opened|besteht|eröffnete|moved|spent|holds|checked|buys?|keeps|kauft|took|takes|holte?|folgte?|follow(?:s|ed)|comes?|came|kam|kommt|ging|brachte|brought)\b|,\s(?:who|whose|which|that|with|on the|im|mit|auf dem|von der|von dem|bei der|der|die|das)\b|'s\b|’s\b|,\s\d+ (?:verkauft|sold|units?|stück|pieces)\b|\s(?:with|mit|at|bei)\s.{0,4}\d|\s?\(|:\s\D{0,3}\d+ (?:units|pieces|stück|auf lager|in stock|sold|verkauft|×|x\b)|\s[—–-]\s.{0,4}\d"
)
_QUOTED = re.compile(r"[“„«»\"]([^“”„«»\"\n]{2,80})[”“»«\"]")
_FACT = at_words(
    r"(?:sold|sells?|best|stock\w*|orders?|ordered|bought|customers?|products?|units?|verkauf\w*|bestell\w*|gekauft|lager\w*|kund\w*|produkte?|stück|artikel|price\w*|preis\w*|kostet|costs?)\b",
)
_KNOWN_NAMES = re.compile(
    r"^(?:Shopify|Google|Facebook|Instagram|Tiktok|TikTok|Black|Cyber|Meta|Pinterest|Amazon|Ebay|Etsy|Klaviyo|Mailchimp|PayPal|Stripe|Klarna|Zendesk|Gorgias|Intercom|New York|United|Germany|Customer|Customers|Order|Orders|Products|Admin|Settings|Christmas|CJ|I|The|Your|You|We|Our|This|That|These|It|If|In|On|At|For|From|And|But|Since|Because|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
    r"|January|February|March|April|May|June|July|August|September|October|November|December|Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag|Januar|Februar|März|Mai|Juni|Juli|Oktober|Dezember|Ihr|Ihre|Ihren|Ihrem|Sie|Der|Die|Das|Kunden|Kundinnen|Bestellungen)\b"
)
_SUM_OF = re.compile(
    r"\b(?:leaves?|leaving|remain\w*|left|together|combined|sum|difference|rest|other"
    r"|zusammen|summe|bleib\w*|übrig\w*|differenz|unterschied|andere\w*|restliche\w*)\b"
)


class _Judge:
    """Reads the sentences in order: a later one may go on about what an earlier one named."""

    def __init__(self, grounds: Grounds, text: str) -> None:
        self._grounds = grounds
        self._today = grounds.now.date()
        self._subjects: frozenset[str] = frozenset()
        self._spans: list[Range] = []
        for sentence in grounds.asking:
            self._spans += [span for period in sentence.periods for span in self._ranges(period, sentence)]
        self.verdicts: list[Verdict] = []
        self._seen: tuple[Sentence, dict[int, bool]] | None = None
        self._age_is_told = _AGED_WORDS.search(lowered(text)) is not None
        self._is_current = _CURRENT.search(lowered(text)) is not None
        ages = [ranking.values for ranking in grounds.rankings if ranking.what == "newest"]
        orders = {name: at for values in ages for name, at in values.items() if name.startswith("order:")}
        self._newest = frozenset({max(orders, key=orders.__getitem__)} if orders else ())
        """The newest order's name."""
        self._place: tuple[Number, tuple[int, int]] | None = None
        self._parts: tuple[Number, tuple[Number | None, Number | None]] | None = None
        self._mentioned: tuple[Sentence, dict[str, list[Mention]]] | None = None
        self._spans_read: tuple[Sentence, dict[int, list[Range]]] | None = None
        self._heading: Sentence | None = None
        self._orders_above: list[Mention] = []
        """Orders that the heading, or a line of the list above, names."""
        self._columns: list[tuple[int, Sentence]] = []
        """The head of the table that is being read: where each column's begins."""
        self._topic: frozenset[str] = NOTHING
        """What was said of figures before."""
        self._sure: list[Number] = []
        """Grounded numbers of the sentence before."""
        self._meant: dict[int, Figure] = {}
        """The figures of the sentence's numbers, by where they begin."""
        self._named: list[tuple[str, frozenset[str], int, bool]] = []
        """Who alone of a kind was named in the sentence before."""
        self._kinds: set[str] = set()
        """Of whom the sentence before spoke."""

    def goes_on(self, other: "_Judge", pieces: Sequence[str]) -> bool:
        """Whether what this one has judged is how the text with these sentences begins, of which `other` is."""
        known = [verdict.sentence for verdict in self.verdicts]
        same = (self._age_is_told, self._is_current) == (other._age_is_told, other._is_current)
        return same and pieces[: len(known)] == known

    def _has(self, said: Sentence, pattern: re.Pattern[str]) -> bool:
        """Whether the sentence has it; looked for once, though it is asked of each figure."""
        if self._seen is None or self._seen[0] is not said:
            self._seen = said, {}
        found = self._seen[1].get(id(pattern))
        if found is None:
            found = self._seen[1][id(pattern)] = pattern.search(said.masked) is not None
        return found

    def sentence(self, said: Sentence) -> Verdict:
        good, bad = 0, []
        self._meant = {}
        sure: list[Number] = []
        doubtful = []
        for number in said.numbers:
            if ok := self._number(said, number):
                sure.append(number)
            elif ok is False:
                doubtful.append(number)
        good += len(sure)
        sure += self._sure
        for number in doubtful:
            if self._follows(said, number, sure):
                good += 1
            else:
                bad.append(number.text)
        for found, ok in (*self._orders(said), *self._moments(said), *self._nones(said), *self._alls(said),
                          *self._names(said), *self._superlatives(said), *self._comparisons(said),
                          *self._relations(said), *self._statuses(said), *self._sold_out(said), *self._most(said)):  # fmt: skip
            good += ok
            bad += [] if ok else [found]
        for period in said.periods:
            self._spans += self._ranges(period, said)
        if (good or said.names or said.ages) and self._is_current and not self._age_is_told and self._grounds.is_old:
            bad.append((_CURRENT.search(said.plain) or [said.text.strip()])[0])
        self._sure = [number for number in sure if number in said.numbers]
        self._topic |= frozenset(trait.kind for trait in said.traits)
        self._kinds = {key.partition(":")[0] for name in said.names for key in name.value or ()}  # type: ignore[attr-defined]
        self._named = [
            (kind, _keys(mentions[0]), 2, False)
            for kind, mentions in self._mentions(said).items()
            if len(mentions) == 1
        ]
        self._read_layout(said)
        return Verdict(said.text, good, tuple(dict.fromkeys(bad)))

    def _read_layout(self, said: Sentence) -> None:
        """What a heading or the head of a table says holds for the lines below it."""
        plain = said.plain.strip(" \n*_")
        if plain.startswith("|"):
            if not self._columns:
                cells = said.text.split("|")
                self._columns = [(place, parse(cell, self._grounds.names)) for place, cell in enumerate(cells)]
            return
        self._columns = []
        is_item = _ITEM.match(said.text) is not None
        if (said.text.endswith("\n") and not is_item and (plain.endswith(":") or not said.numbers)) or plain.startswith(
            "#"
        ):
            self._heading = said
            self._orders_above = self._mentions(said).get("order", [])
        elif not is_item or said.text.endswith("\n\n"):
            self._heading, self._orders_above = None, []
        elif not (self._heading and self._mentions(self._heading).get("order")):
            self._orders_above = self._mentions(said).get("order", []) or self._orders_above

    def _above(self, said: Sentence, number: Number) -> list[Sentence]:
        """The heading, and the head of the number's column."""
        found = [] if self._heading is None else [self._heading]
        if self._columns and said.plain.lstrip().startswith("|"):
            found += [head for place, head in self._columns if place == said.text.count("|", 0, number.start)]
        return found

    # numbers

    def _number(self, said: Sentence, number: Number) -> bool | None:
        """True: grounded; False: not; None: no claim."""
        if any(_RANKED.fullmatch(above.plain.strip(" *")) for above in self._above(said, number)):
            return None
        left, right = self._around(said, number)
        before, after = said.masked[left : number.start], said.masked[number.end : right]
        subjects = self._about(said, number, left, right)
        if not self._is_claim(said, number, before, after, subjects):
            return None
        is_count = number.currencies is None and not number.percent
        if (loyal := self._is_loyal(said, number)) is not None:
            return loyal
        if is_count and self._subjects and (_OF_THEM.match(after) or (not subjects and _VERB.match(after))):
            subjects = self._subjects
        if subjects - {"money", "foreign"}:
            self._subjects = subjects - {"money", "foreign"}
        if is_count and _FIRST_READ.search(said.plain):  # how much CJ has looked at
            return None
        if is_count and said.plain.rstrip().endswith("?") and _SELECTION.search(before + "|" + after):
            return None
        if is_count and _SELECTION.search(before + "|" + after):
            return self._is_selection(said, number, subjects) or self._was_written(said, number, subjects)
        figure = self._in_data(said, number, left, right, subjects)
        if figure is None and not subjects and not self._mentions(said):
            figure = self._in_data(said, number, left, right, subjects, self._named)
        if figure is not None:
            self._meant[number.start] = figure
        return figure is not None or self._was_written(said, number, subjects)

    def _is_loyal(self, said: Sentence, number: Number) -> bool | None:
        """ "2 customers who've ordered 5+ times": of the customers whose orders were read."""
        numbers = [n for n in said.numbers if n.currencies is None and not n.percent]
        if number not in numbers or not any(subject.kind == "customer" for subject in said.subjects):
            return None
        for one, other in itertools.pairwise(numbers):
            least = _TIMES_OR_MORE.match(said.plain, other.start)
            times = other.text.endswith("mal") or _TIMES.match(said.plain, other.end) is not None
            at_least = other.how == "over" and times
            between = said.masked[one.end : other.start]
            if number not in (one, other) or not (least or at_least) or not _LOYAL.fullmatch(between):
                continue
            known = [r.values.values() for r in self._grounds.rankings if r.what == "customer orders"]
            counts = {sum(value >= other.readings[0][0] for value in values) for values in known}
            return one.readings[0][0] in counts
        return None

    def _is_claim(self, said: Sentence, number: Number, before: str, after: str, subjects: frozenset[str]) -> bool:
        left, right = self._around(said, number)
        left = self._lead(said, number, left)
        about_store = bool(subjects) or any(t.kind in STRICT and number.end <= t.start < right for t in said.traits)
        named = any(left <= m.start and m.end <= right for each in self._mentions(said).values() for m in each)
        talk = _TALK.match(_TO_NUMBER.sub("", after))
        if number.word and not about_store and not named and number.currencies is None and not number.percent:
            return len(said.plain.split()) <= 4 and not talk
        if number.percent and number.readings[0][0] == 100 and not subjects and not said.subjects:
            return False
        if number.percent and _DISCOUNT.match(after):  # nothing that is read says by how many percent
            return _GIVEN.search(before) is not None
        if _NEXT.search(before):  # "your next 50 customers"
            return False
        if number.word and number.how == "over" and number.readings[0][0] == 1:  # "at least one order"
            return False
        if not number.word and any(t.kind == "previous" and number.end <= t.start < right for t in said.traits):
            return True  # "from 21 in the month before"
        is_count = number.currencies is None and not number.percent
        if talk and is_count and not any(number.end <= s.start < number.end + talk.end() for s in said.subjects):
            return False
        owned = _OWNED.search(before) is not None or _STATED.search(before) is not None
        clause = before + said.masked[number.start : number.end] + after
        if _HYPOTHETICAL.search(clause):
            return _OWNED.search(before) is not None and about_store
        if not is_count and not number.percent and any(left <= o.start and o.end <= number.start for o in said.orders):
            return True  # "thank Anna for #1120 ($84.00)"
        if _GENERALLY.search(clause) and not said.periods and not _OF_STORE.search(said.masked):
            return about_store
        if _ADVICE.search(clause) or _TIPS.search(said.masked[: number.start]) or self._is_asked(said, number):
            return owned if not is_count or not about_store else True
        is_stated = owned or re.search(r"[:=(]\s*$", before) is not None
        sentence = said.masked[self._clause_start(said, number.start) : self._clause_end(said, number.end)]
        told = _OFFERED.split(said.masked, 1)[0]
        if not is_count and not is_stated and (_ADVICE.search(sentence) or _HYPOTHETICAL.search(told)):
            return False
        return about_store or not is_count or not (after[:1].isalpha() or before[-1:].isalpha())

    @staticmethod
    def _is_asked(said: Sentence, number: Number) -> bool:
        """Whether it stands in a question that tells nothing: "Shall I look for 5 more?"."""
        ends = min((b for b in said.breaks if b >= number.end), default=len(said.masked))
        return said.masked[number.end : ends].rstrip().endswith("?") and not _TOLD.search(said.masked[: number.start])

    def _around(self, said: Sentence, number: Number) -> tuple[int, int]:
        """Where what belongs to the number begins and ends: between its neighbours and the breaks of the sentence."""
        if self._place is not None and self._place[0] is number:
            return self._place[1]
        whole, part = self._of_which(said, number)
        behind = whole.end if whole is not None else number.end
        before = [end for end in (*said.breaks, *(n.end for n in said.numbers)) if end <= number.start]
        left = max(before, default=0)
        if said.plain.lstrip().startswith("|"):  # a row: what its first cells say holds for all
            return 0, min((n.start for n in said.numbers if n.start >= number.end), default=len(said.masked))
        rights = (start for start in (*said.breaks, *(n.start for n in said.numbers)) if start >= behind)
        right = min(rights, default=len(said.masked))
        if part is not None:  # what is said behind it is said of the part
            nouns = [s.end for s in said.subjects if number.end <= s.start < right][:1]
            right = nouns[0] if nouns else right
        self._place = number, (left, right)
        return left, right

    def _is_selection(self, said: Sentence, number: Number, subjects: frozenset[str]) -> bool:
        """ "The latest 10 orders": as many as are listed; fewer only where nothing is computed of them."""
        wanted = number.readings[0][0]
        subjects = subjects or self._subjects or frozenset({"order"})
        figures = [f for f in self._rivals(number, subjects, is_old=True) if not f.traits & STRICT]
        listed = [
            f.value
            for f in figures
            if f.derived and not f.entities and (f.period is None or f.period[0] != f.period[1])
        ]
        listed = listed or [f.value for f in figures]
        if wanted in listed:
            return True
        others = [n for n in said.numbers if n is not number]
        return wanted <= max(listed, default=0) and (not others or wanted == len(said.orders))

    def _of_which(self, said: Sentence, number: Number) -> tuple[Number | None, Number | None]:
        """ "6 of your latest 10 orders": for 6 the 10, for 10 the 6."""
        if self._parts is None or self._parts[0] is not number:
            self._parts = number, self._find_parts(said, number)
        return self._parts[1]

    @staticmethod
    def _find_parts(said: Sentence, number: Number) -> tuple[Number | None, Number | None]:
        whole = part = None
        place = said.numbers.index(number) if number in said.numbers else -1
        if 0 <= place < len(said.numbers) - 1 and _PART_OF.fullmatch(
            said.masked[number.end : said.numbers[place + 1].start]
        ):
            whole = said.numbers[place + 1]
        if place > 0 and _PART_OF.fullmatch(said.masked[said.numbers[place - 1].end : number.start]):
            part = said.numbers[place - 1]
        return whole, part

    def _clause_start(self, said: Sentence, place: int) -> int:
        return max((b for b in said.breaks if b <= place and said.masked[b:].lstrip()[:1] in ",;:–—.(…"), default=0)

    def _clause_end(self, said: Sentence, place: int) -> int:
        ends = (
            b
            for b in said.breaks
            if b >= place and (said.masked[b:].lstrip()[:1] in ",;–—.)…" or OFFER.match(said.masked, b))
        )
        return min(ends, default=len(said.masked))

    def _about(self, said: Sentence, number: Number, left: int, right: int) -> frozenset[str]:
        """The noun after the number, else the one before it."""
        whole, _ = self._of_which(said, number)
        behind = whole.end if whole is not None else number.end
        if any(
            period.start >= number.end
            and not said.masked[number.end : period.start].strip()
            and _OF_DAYS.match(period.text)
            for period in said.periods
        ):
            return frozenset({"day"})
        for name in said.names:
            is_product = any(key.startswith("product:") for key in _keys(name))
            if is_product and behind <= name.start < right and _AMOUNT_OF.fullmatch(said.masked[behind : name.start]):
                return frozenset({"unit"})
        for subject in said.subjects:
            if behind <= subject.start < right:
                between = said.masked[behind : subject.start]
                if between.count(" ") <= 6 and not _BETWEEN.search(between):
                    named = [s for s in said.subjects if s.start == subject.end + 1 and subject.kind == "unit"]
                    return self._counted(said, named[0] if named else subject)  # "8 Stück Bestellungen"
                break
        left = self._lead(said, number, left)
        before = [s for s in said.subjects if left <= s.start and s.end <= number.start and s.kind != "foreign"]
        if before and not _ACTED.search(said.masked[before[-1].end : number.start]):
            return self._counted(said, before[-1])
        return frozenset()

    @staticmethod
    def _counted(said: Sentence, subject: Mention) -> frozenset[str]:
        """What the noun may stand for: "3 times" are orders, or units where a product is named."""
        if subject.kind == "unit" and subject.text.endswith(("mal", "time", "times", "twice")):
            products = any(key.startswith("product:") for name in said.names for key in _keys(name))
            return frozenset({"unit", "order"} if products else {"order"})
        return _kinds(subject)

    def _in_data(
        self,
        said: Sentence,
        number: Number,
        left: int,
        right: int,
        subjects: frozenset[str],
        named: Sequence[tuple[str, frozenset[str], int, bool]] = (),
    ) -> Figure | None:
        """The figure of this value that is what the words describe, if no figure of another value is nearer to them.
        `named`: of whom it is if the sentence says nothing of that.
        """
        mine = [f for f in self._candidates(number) if self._same_kind(number, f, subjects)]
        if not mine:
            return None
        around = self._description(said, number, left, right, subjects)
        around.names += named
        best, nearest = MOST, None
        self._place_in_time(said, number, around)
        for figure in mine:
            if figure.at_least and number.how != "over":
                continue
            distance = self._distance(figure, around, best)
            if distance <= 0:
                return figure
            if distance < best:
                best, nearest = distance, figure
        if nearest is None:
            return None
        known = said.subjects or said.traits or said.periods or said.dates or self._mentions(said)
        if not known and not self._above(said, number):
            return nearest  # no word of the sentence says what it is
        for rival in self._rivals(number, subjects):
            # Of another kind than the nearest figure, it must be nearer by far.
            near = best if subjects or not nearest.subjects or rival.subjects & nearest.subjects else best - 1
            if "change" in rival.traits and not number.percent:
                continue
            distance = self._distance(rival, around, near)
            if distance < near and not fits(number, rival.value):
                distance += 0.0 if subjects else 0.25
                if not self._is_told(said, number, rival, distance):
                    return None
        return nearest

    def _is_told(self, said: Sentence, number: Number, figure: Figure, distance: float) -> bool:
        """Whether another number of the sentence tells the figure, and is nearer to it: nobody tells a figure twice."""
        for other in said.numbers:
            if other is number or not fits(other, figure.value):
                continue
            left, right = self._around(said, other)
            subjects = self._about(said, other, left, right)
            if not self._same_kind(other, figure, subjects):
                continue
            around = self._description(said, other, left, right, subjects)
            self._place_in_time(said, other, around)
            if self._distance(figure, around, MOST) + (0.0 if subjects else 0.25) < distance:
                return True
        return False

    def _place_in_time(self, said: Sentence, number: Number, around: "_Description") -> None:
        """Of two compared figures, which is the earlier: "from 5 to 4", "4 after 5"; "5 vs. 4" does not say."""
        masked, role = said.masked, self._role(said, number)
        if role == "earlier":
            around.near |= {"previous"}
        elif role == "later":
            around.near -= {"previous"}
            around.expected -= {"previous"}
        elif role is None and self._is_compared(said, number):
            around.neutral = frozenset({"previous"} if "refunding" not in around.wide else {"previous", "net"})
            around.near |= around.neutral
        elif role is None and self._grounds.has_previous:
            since = masked[self._clause_start(said, number.start) : number.start]
            if _UP_FROM.search(since):
                around.neutral |= {"previous"}
                around.near |= around.neutral

    @staticmethod
    def _role(said: Sentence, number: Number) -> str | None:
        """ "earlier" or "later", where "from … to …" says so of two figures of a kind."""
        masked = said.masked
        numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None) and not n.percent]
        if number not in numbers:
            return None
        said_here = _NOW_OR_THEN.match(masked, number.end) or _NOW_OR_THEN_BEFORE.search(masked[: number.start][-16:])
        if said_here:  # "$5 now, $4 then"
            return "later" if said_here["now"] else "earlier"
        if len(numbers) != 2:
            return None
        if any(t.kind in OF_SALES and 0 <= t.start - numbers[1].end < 14 for t in said.traits):
            return None  # "$5 after $1 of returns"
        one, other = (masked[max(0, n.start - 16) : n.start] for n in numbers)
        if _FROM.search(one) and _TO.search(other):
            return "earlier" if number is numbers[0] else "later"
        if _LATER.search(masked[numbers[0].end : numbers[1].start]) or (_TO.search(one) and _FROM.search(other)):
            return "later" if number is numbers[0] else "earlier"
        return None

    @staticmethod
    def _is_compared(said: Sentence, number: Number) -> bool:
        """Whether it stands directly against another number of its kind: "$5 after $4", "from 4 to 5"."""
        numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None) and not n.percent]
        return any(
            number in (one, other) and _AGAINST.fullmatch(said.masked[one.end : other.start])
            for one, other in itertools.pairwise(numbers)
        )

    def _candidates(self, number: Number) -> Iterable[Figure]:
        """The figures that a number may stand for by its value."""
        found: list[Figure] = []
        if number.how == "exact":
            for value, _ in number.readings:
                found += self._grounds.by_value.get(round(abs(value), 4), ())
            if found and number.currencies is None and not number.percent:
                return found
        kinds = ["money"] if number.currencies is not None else ["percent"] if number.percent else ["count", "money"]
        among = (figure for kind in kinds for figure in self._grounds.by_kind.get(kind, ()))
        return found + [figure for figure in among if fits(number, figure.value)]

    def _rivals(self, number: Number, subjects: frozenset[str], *, is_old: bool = False) -> Iterable[Figure]:
        kind = "money" if number.currencies is not None else "percent" if number.percent else "count"
        if kind == "count" and subjects:
            return (f for subject in subjects for f in self._grounds.counts.get(subject, ()) if is_old or not f.old)
        return (
            f
            for f in self._grounds.by_kind.get(kind, ())
            if (is_old or not f.old) and self._same_kind(number, f, subjects)
        )

    def _same_kind(self, number: Number, figure: Figure, subjects: frozenset[str]) -> bool:
        if number.percent != figure.percent:
            return False
        if number.currencies is not None:
            return figure.currency in number.currencies
        if figure.currency is not None:
            return not subjects or "money" in subjects
        return number.percent or not subjects or bool(subjects & figure.subjects)

    def _description(
        self, said: Sentence, number: Number, left: int, right: int, subjects: frozenset[str]
    ) -> "_Description":
        """What the words say of the number: right beside it, up to its neighbours, in the sentence, and before."""
        lower, upper = self._neighbours(said, number, left, right)
        required, own = self._traits(said, number, left, right)
        foreign = [t for t in said.traits if t.kind == "previous" and self._is_another(said, number, t)]
        own -= {t.kind for t in foreign}
        own |= {
            t.kind
            for t in said.traits
            if t.kind == "previous" and _RIGHT_BEFORE.fullmatch(said.masked[t.end : number.start])
        }
        near = {t.kind for t in said.traits if lower <= t.start and t.end <= upper and t not in foreign} - own
        if said.numbers and any(
            t.kind == "previous" and _LABELS.fullmatch(said.masked[t.end : said.numbers[0].start]) for t in said.traits
        ):
            near |= {"previous"}  # "Month before: 5 orders, $4"
        wide = {t.kind for t in said.traits}
        if len(said.periods) > 1 and any(_EARLIER.search(period.text) for period in said.periods):
            wide.add("previous")
        nouns = {kind for s in said.subjects if lower <= s.start and s.end <= upper for kind in _kinds(s)}
        spans, front, late = self._period(said, number, left, right)
        for above in self._above(said, number):
            near |= {t.kind for t in above.traits}
            nouns |= {kind for s in above.subjects for kind in _kinds(s)}
            front = front or [span for period in (*above.periods, *above.dates) for span in self._ranges(period, above)]
        whole_of = self._of_which(said, number)[1] is not None  # "5 of 10 cases"
        if not (own or near or nouns or subjects or spans or number.currencies):  # "3 against 5"
            near, nouns = wide, {kind for s in said.subjects for kind in _kinds(s)}
        beside = [t for t in said.traits if t.kind in OF_SALES and left <= t.start and t.end <= right]
        beside.sort(key=lambda t: number.start - t.end if t.end <= number.start else t.start - number.end)
        near |= {t.kind for t in beside[:1]}
        if any(_EARLIER.search(period.text) for period in said.periods if left <= period.start < right):
            near |= {"previous"}
        in_part = said.masked[left : left + 1] == "(" or _OF_ALL.search(said.masked[left : number.start]) is not None
        near |= own & {"daily"}
        if number.currencies is not None and "refunding" in wide and self._leaves(said, number):
            near |= {"net"}
        in_part = in_part or whole_of
        lacking = (
            required
            if in_part
            else (near & (STRICT | OF_SALES | {"daily"} | ({"previous"} if self._grounds.has_previous else NOTHING)))
            | required
        )
        near = near | own
        wide |= near
        if whole_of and not subjects:
            nouns = set()
        if sum(n.currencies is not None for n in said.numbers) > 1 and _RANGE.search(said.masked):
            near |= {"largest", "smallest"}
        if "middle" in near:
            near |= VAGUE["middle"]
        for vague in ("loose", "shipping", "refunding"):
            if vague in near:
                wide |= VAGUE[vague]
        return _Description(
            required, frozenset(lacking), frozenset(near), frozenset(wide), self._topic, subjects or frozenset(nouns) or (NOTHING if self._of_which(said, number)[1] else self._subjects),
            bool(subjects), self._names_of(said, number, (self._lead(said, number, left), right), (lower, upper)), spans, front, late, said,
            number.currencies is not None,
        )  # fmt: skip

    @staticmethod
    def _leaves(said: Sentence, number: Number) -> bool:
        """ "Less refunds, $5 becomes $4", "after refunds you keep $4 of $5": it is what is left."""
        begins = max((n.end for n in said.numbers if n.end <= number.start), default=0)
        return _LEAVES.search(said.masked[begins : number.start]) is not None or (
            re.match(r" (?:after(?:wards)?|danach)\b(?! \w)", said.masked[number.end :]) is not None
        )

    @staticmethod
    def _is_another(said: Sentence, number: Number, trait: Mention) -> bool:
        """Whether it stands right before another number: "the month before (5)", "previous: 5"."""
        return any(
            n is not number
            and n.start >= trait.end
            and (number.start < n.start or (n.currencies is None) == (number.currencies is None))
            and _RIGHT_BEFORE.fullmatch(said.masked[trait.end : n.start])
            for n in said.numbers
        )

    @staticmethod
    def _lead(said: Sentence, number: Number, left: int) -> int:
        """ "Customers (83)": what stands before the bracket belongs to the number."""
        if said.masked[left : left + 1] != "(" or said.masked[left + 1 : number.start].strip(" $€£"):
            return left
        begins = max(
            (n.end for n in said.numbers if n.end <= left), default=max((b for b in said.breaks if b < left), default=0)
        )
        return max(begins, said.masked.rfind(")", 0, left))

    def _neighbours(self, said: Sentence, number: Number, left: int, right: int) -> tuple[int, int]:
        """Where what belongs to the numbers before and after it ends and begins."""
        whole, part = self._of_which(said, number)
        before = [n for n in said.numbers if n.end <= number.start]
        lower = before[-1].end if before else 0
        if before and part is None:
            lower = max(lower, min((b for b in said.breaks if lower <= b <= number.start), default=lower))
        offer = OFFER.search(said.masked, number.end)
        upper = min((n.start for n in said.numbers if n.start >= (whole or number).end), default=len(said.masked))
        upper = min(upper, offer.start() if offer else upper)
        if upper < len(said.masked):
            between = [b for b in said.breaks if right <= b <= upper]
            upper = min((b for b in between if said.masked[b] == ";"), default=max(between, default=upper))
        return min(lower, left), right if part is not None else max(upper, right)

    def _traits(self, said: Sentence, number: Number, left: int, right: int) -> tuple[frozenset[str], frozenset[str]]:
        """What must be true of the number, and what may be: said right beside it."""
        here = [t for t in said.traits if left <= t.start and t.end <= right]
        whole, _ = self._of_which(said, number)
        if whole is not None:  # what stands before the noun is said of the whole
            nouns = [s.start for s in said.subjects if whole.end <= s.start < right][:1]
            here = [t for t in here if not nouns or not whole.end <= t.start < nouns[0]]
            here = [t for t in here if said.masked[whole.end : t.start].strip() or t.start < whole.end]
        if _OF_ALL.search(said.masked[left : number.start]):  # "none of the last 7 orders is unpaid"
            noun = min((s.end for s in said.subjects if s.start >= number.end), default=number.end)
            here = [t for t in here if t.end <= noun]
        after = frozenset(t.kind for t in here if t.start >= number.end)
        before = frozenset(t.kind for t in here if t.end <= number.start)
        if _AMONG.search(said.masked[left : number.start]):  # "the share of returning ones among the last 10"
            before = before & {"recent"}
        label = _LABEL.search(said.masked[left : number.start])
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
        if buyer := self._buyer(said, number):
            required = required - BUYERS | {buyer}
            before = before - BUYERS | {buyer}
        return required & (STRICT | {"stock", "sold", "price"}), after - (BUYERS if buyer else NOTHING) | before

    @staticmethod
    def _buyer(said: Sentence, number: Number) -> str:
        """ "Regulars outnumber newcomers 5 to 2", "regulars are in the majority, 5 to 2": of whom the number is."""
        numbers = [n for n in said.numbers if n.currencies is None and not n.percent]
        if len(numbers) != 2 or number not in numbers:
            return ""
        if not _AGAINST.fullmatch(said.masked[numbers[0].end : numbers[1].start]):
            return ""
        kinds = [t.kind for t in said.traits if t.kind in ("first_time", "returning") and t.end <= numbers[0].start]
        if len(set(kinds)) == 1 and not any(t.kind in BUYERS and t.start > numbers[0].start for t in said.traits):
            kinds = [kinds[0], "returning" if kinds[0] == "first_time" else "first_time"]
        return kinds[numbers.index(number)] if len(kinds) == 2 and kinds[0] != kinds[1] else ""

    def _names_of(
        self, said: Sentence, number: Number, own: tuple[int, int], near: tuple[int, int]
    ) -> list[tuple[str, frozenset[str], int, bool]]:
        """Of whom it is said, by kind: the keys, how sure (3 right beside it, 2 near, 1 before, 0 after), and whether
        nobody else of the kind is named.
        """
        found: list[tuple[str, frozenset[str], int, bool]] = []
        if len(self._orders_above) == 1 and not {"order", "product"} & self._mentions(said).keys():
            found.append(("order", _keys(self._orders_above[0]), 2, False))
        for kind, mentions in self._mentions(said).items():
            if len(mentions) > 1:  # "#7, the one before #8": it is of #7
                mentions = [m for m in mentions if not _REFERRED.search(said.masked[: m.start])] or mentions
            if paired := self._paired(said, number, mentions):
                found.append((kind, _keys(paired), 3, False))
                continue
            nearest, sure, best = None, -1, 0.0
            for mention in mentions:
                before = mention.end <= number.start
                if own[0] <= mention.start and mention.end <= own[1]:
                    rank = 3
                elif (
                    near[0] <= mention.start
                    and mention.end <= near[1]
                    and (before or not re.search(r"[,;]", said.masked[number.end : mention.start]))
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
                found.append(
                    (kind, _keys(nearest), sure, len(mentions) == 1 or (kind == "order" and len(said.orders) == 1))
                )
        return found

    @staticmethod
    def _paired(said: Sentence, number: Number, mentions: Sequence[Mention]) -> Mention | None:
        """ "#7 and #8 came to $5 and $6": as many numbers as names or times, all behind or before them, go in order."""
        mentions = sorted(mentions, key=lambda mention: mention.start)
        numbers = [n for n in said.numbers if (n.currencies is None) == (number.currencies is None)]
        if len(mentions) < 2 or len(numbers) != len(mentions) or number not in numbers:
            return None
        if mentions[-1].end <= numbers[0].start or numbers[-1].end <= mentions[0].start:
            return mentions[numbers.index(number)]
        return None

    def _mentions(self, said: Sentence) -> dict[str, list[Mention]]:
        """Names by kind, in order."""
        if self._mentioned is not None and self._mentioned[0] is said:
            return self._mentioned[1]
        found: dict[str, list[Mention]] = {}
        for mention in said.names:
            for kind in {key.partition(":")[0] for key in _keys(mention)}:
                found.setdefault(kind, []).append(mention)
        for o in said.orders:
            key = frozenset({f"order:{o.value}"})
            found.setdefault("order", []).append(Mention(o.start, o.end, o.text, "name", key))
        newest = None if said.orders or not self._newest else _NEWEST.search(said.masked)
        if newest is not None:
            found["order"] = [Mention(*newest.span(), newest[0], "name", self._newest)]
        self._mentioned = said, found
        return found

    def _distance(self, figure: Figure, said: "_Description", limit: float) -> float:
        """How far the figure is from what was said: 0 if it is just that, MOST if it cannot be meant."""
        traits, entities = figure.traits, figure.entities
        if (figure.old or figure.aged) and not self._is_fresh(said.sentence, figure):
            return MOST
        distance = 0.0
        # whose it is
        matched = False
        is_its = any(kind == "order" and sure == 3 and entities & keys for kind, keys, sure, _ in said.names)
        for kind, keys, sure, only in said.names:
            if is_its and sure < 3:  # who is named farther off is somebody else
                matched = True
                continue
            if entities and entities & keys:
                matched = True
                distance += 0.0 if sure or said.money else 1.0
            elif kind in figure.kinds:
                if sure == 3 or (only and sure):
                    return MOST
                distance += MISMATCH[sure]
            else:
                distance += MISSING[sure]
        named = {kind for kind, _, _, _ in said.names}
        unnamed = figure.kinds - named
        unnamed &= {"order"} if "order" in unnamed else unnamed  # its customer and products go without saying
        distance += max((self._unsaid_name(figure, kind, matched, said) for kind in unnamed), default=0.0)
        if figure.derived and "customer" in figure.kinds and figure.currency is None:
            distance += 0.5  # of a list only
        if distance >= limit:
            return MOST
        # what it is
        lacking = said.required - traits
        if lacking:
            lacking -= {"average"} if "daily" in traits else {"refunded"} if "reversal" in traits else NOTHING
            if matched:
                lacking &= STATISTICS - {"largest", "smallest"} | {"price"}
            if lacking & STRICT or ("price" in lacking and said.money):
                return MOST
            if ("stock" in lacking and "sold" in traits) or ("sold" in lacking and "stock" in traits):
                return MOST
            distance += 0.5 * len(lacking & {"stock", "sold"})
        unsaid = traits & UNSAID
        if "price" in unsaid:  # from, up to
            unsaid -= {"largest", "smallest"}
        if "previous" in unsaid and any(_near(span, figure.period) for span in said.spans if figure.period):
            unsaid -= {"previous"}  # its time is named
        for trait in unsaid - ({"days"} if "day" in said.nouns else NOTHING):
            if trait not in said.near and not (trait == "average" and "daily" in said.near):
                known = trait in said.wide or (trait in ("price", "stock") and matched)
                distance += 0.5 if known else 1.0 if trait in said.before else 2.0
        if not matched:
            lacked = said.expected - traits - said.required - said.neutral
            distance += len(lacked - {"previous"} if "change" in traits else lacked)
            distance += sum(
                vague in said.near and not traits & meant for vague, meant in VAGUE.items() if vague != "refunding"
            )
        if said.nouns and not said.sure and not said.money and not said.nouns & figure.subjects:
            distance += 1.0
        if said.money and "revenue" in said.near and not traits & {"revenue", *STATISTICS} and not matched:
            distance += 1.0
        if figure.partial and "recent" not in said.wide:
            is_told = "these" in said.near or "recent" in said.before or "order" in named
            if traits & {"average", "median", "daily"} and not is_told:
                return MOST  # the average of the ten latest orders is not that of all
            distance += 0.5 if is_told else 1.5
        elif figure.derived and figure.period is None and "recent" not in said.wide and "change" not in traits:
            distance += 0.75
        if distance >= limit:
            return MOST
        return distance + self._time_distance(figure, said)

    def _unsaid_name(self, figure: Figure, kind: str, matched: bool, said: "_Description") -> float:
        """What it costs that a figure is somebody's who is not named."""
        if kind == "date":
            return 0.0
        if matched:
            if kind == "order" and figure.currency is None:
                return 1.0
            only_product = kind == "order" and not any(k in ("customer", "order") for k, _, _, _ in said.names)
            return 1.5 if only_product else 0.0
        if kind in self._kinds:
            return 0.5
        single = _SINGLE_ORDER if kind == "order" else _SINGLE
        return 1.0 if self._has(said.sentence, single) else 2.0

    def _time_distance(self, figure: Figure, said: "_Description") -> float:
        period, spans = figure.period, said.spans or said.front
        days = [name.removeprefix("date:") for name in figure.entities if name.startswith("date:")]
        if len(days) == 2:  # a change from one day to another
            ok = not said.spans or any(start.isoformat() in days for start, end in said.spans if start == end)
            return 0.0 if ok else MOST
        if period is None:
            return self._undated(figure, said)
        if figure.traits & {"open", "unfulfilled"} and not figure.derived and (self._today, self._today) in spans:
            return 0.0 if figure.traits & {"open", "unfulfilled"} & said.near else 1.0  # as things stand
        if "previous" in figure.traits and "previous" in said.near and not (said.spans and said.sentence.dates):
            return 0.0
        if "previous" in said.neutral and not said.spans:
            return 0.0
        if not spans:
            if any(_near(span, period) for span in said.late or self._spans):
                return 0.0
            length = (period[1] - period[0]).days
            return (
                0.25
                if length > 8
                else (0.5 if figure.kinds else 0.75)
                if length
                else 0.5
                if days and self._day_word(said.sentence)
                else 2.0
            )
        matching = [span for span in spans if _near(span, period) or self._is_all(span, period)]
        if matching:  # of a day and a longer time, the day is meant
            return 1.0 if matching[0][0] != matching[0][1] and any(start == end for start, end in spans) else 0.0
        return MOST

    def _is_all(self, span: Range, period: Range) -> bool:
        """Whether both have all orders: the figure from the shop's first day on, and what was said at least as long."""
        return period[0] == self._grounds.opened and span[0] <= period[0] and span[1] >= period[1]

    def _undated(self, figure: Figure, said: "_Description") -> float:
        """A figure as things stand, or of a list, where a time is named."""
        own, today = said.spans, (self._today, self._today)
        if not own:
            return 1.0 if figure.derived and said.front and today not in said.front else 0.0
        if "change" in figure.traits or (today in own and not figure.derived):
            return 0.0
        if EVER in own:
            return 0.0 if "customer" in figure.subjects or not figure.derived else 1.0
        if figure.entities:
            return 0.0 if said.sentence.dates else 0.5
        if figure.traits & {"open", "unfulfilled"} and any(_near(s, w) for s in own for w in self._grounds.windows):
            return 0.0
        return 1.5 if figure.partial else MOST

    def _is_fresh(self, said: Sentence, figure: Figure) -> bool:
        if not figure.old and not figure.aged:
            return True
        if figure.old == "earlier":
            return _BEFORE.search(said.plain) is not None
        if self._is_current and not self._age_is_told:
            return figure.old != "stale" and not figure.aged
        return figure.old != "stale" or self._age_is_told

    # periods

    def _period(
        self, said: Sentence, number: Number, left: int, right: int
    ) -> tuple[list[Range], list[Range], list[Range]]:
        """What the number is said of, what was said before it, and what behind."""
        own: list[Range] = []
        front: list[Range] = []
        late: list[Range] = []
        spans_of = self._spans_of(said)
        apart = {
            id(spans_of[each.start]): each for each in (*said.periods, *said.dates)
        }  # "from May 1 to May 31" is one
        if paired := self._paired(said, number, tuple(apart.values())):
            return spans_of[paired.start], [], []
        first = said.numbers[0].start if said.numbers else 0
        if said.masked[left : left + 1] == "(":  # what is in brackets is of the time of the number before them
            before = [n for n in said.numbers if n.end <= left]
            left = self._around(said, before[-1])[0] if before else self._lead(said, number, left)
            self._place = None
        if said.masked[right : right + 1] == "(":  # what stands in brackets does not part it from what follows
            right = max(said.masked.find(")", right), right)
        than = _THAN.search(said.masked, number.end)
        if said.masked[right : right + 1] == ")" and (than is None or than.start() > right + 8):
            ends = (*(b for b in said.breaks), *(n.start for n in said.numbers), len(said.masked))
            right = min(end for end in ends if end > right)
        periods = sorted((*said.periods, *said.dates), key=lambda mention: mention.start)
        last = next((period for period in reversed(periods) if period.end <= number.start), None)
        if last is not None and _OTHER_SIDE.search(said.masked[last.end : number.start]):  # "3 today against 1"
            last = None
        is_owned = _OWNED.search(said.masked[: number.start]) is not None
        for period in periods:
            spans = self._spans_of(said)[period.start]
            if is_owned and period.start > number.end and _ACTED_ON.match(said.masked, number.end, period.start):
                continue  # "your 5 customers placed … last week"
            if left <= period.start and period.end <= right:
                own += spans
            elif (
                period.end <= first
                or period is last
                or (
                    period.end <= number.start
                    and not any(
                        low <= n.start < high for n in said.numbers for low, high in [self._piece(said, period)]
                    )
                )
            ):
                front += spans
            elif period.end <= number.start or not late:
                late = spans
        return own, front, late

    def _spans_of(self, said: Sentence) -> dict[int, list[Range]]:
        """The days of each period, by where it stands; "from May 1 to May 31" is one."""
        if self._spans_read is not None and self._spans_read[0] is said:
            return self._spans_read[1]
        mentions = sorted((*said.periods, *said.dates), key=lambda mention: mention.start)
        found = {mention.start: self._ranges(mention, said) for mention in mentions}
        for one, other in itertools.pairwise(mentions):
            if one.value == ("since", None):
                found[other.start] = found[one.start]
            if _UNTIL.fullmatch(said.masked[one.end : other.start]) and "since" not in one.value:  # type: ignore[operator]
                span = [(a, d) for a, _ in found[one.start] for _, d in found[other.start] if a <= d]
                found[one.start] = found[other.start] = span
        self._spans_read = said, found
        return found

    def _piece(self, said: Sentence, period: Mention) -> tuple[int, int]:
        left = max((b for b in said.breaks if b <= period.start), default=0)
        return left, min((b for b in said.breaks if b >= period.end), default=len(said.masked))

    def _ranges(self, period: Mention, said: Sentence) -> list[Range]:
        """The days that a period may mean."""
        today, day = self._today, timedelta(days=1)
        value: Any = period.value
        if period.kind == "date":
            return [span for meant in value for span in self._date_ranges(meant)]
        kind, which = value
        monday = today - today.weekday() * day
        match kind:
            case "day":
                return [
                    (today - which * day, today),
                    (today - (which - 1) * day, today),
                    (today - which * day, today - day),
                ]
            case "week":
                return [(today - 7 * which * day, today), (today - (7 * which - 1) * day, today)]
            case "month":
                return [(today - round(30.4 * which) * day, today), (today - 30 * which * day, today)]
            case "year":
                return [(today - 365 * which * day, today)]
            case "hour" | "minute":
                return [(today, today)]
            case "weekday":
                back = (today.weekday() - which) % 7
                return [(today - (back + more) * day, today - (back + more) * day) for more in (0, 7)]
            case "since":
                following = [date_ for date_ in said.dates if date_.start >= period.end - 1][:1]
                return [(start, today) for date_ in following for start, _ in self._ranges(date_, said)]
        word = str(which)
        if re.search(r"ever|all|lifetime|jemals", word):
            return [EVER]
        if re.search(r"vorgestern|day before|vortag|tag (?:davor|zuvor)", word):
            backs = (
                (2,)
                if re.search(r"yesterday|gestern", said.plain)
                else (1,)
                if re.search(r"today|heut", said.plain)
                else (1, 2)
            )
            return [(today - back * day, today - back * day) for back in backs]
        if re.search(r"yesterday|gestern|gestrig|last night", word):
            return [(today - day, today - day)]
        if re.search(r"week(?!end)|woche(?!nende)|wk|wöch", word):
            spans = [(today - 7 * day, today), (today - 6 * day, today), (monday, today)]
            return (
                spans
                if re.search(r"this|current|diese|laufend|the week", word) and "last" not in word
                else [*spans[:2], (monday - 7 * day, monday - day)]
            )
        if re.search(r"weekend|wochenende", word):
            return [(monday - 2 * day, monday - day)]
        first = today.replace(day=1)
        if re.search(
            r"mtd|month to date|month (?:began|started)|(?:first|start|beginning) of|monats(?:anfang|beginn)|monat bisher|bisher in",
            word,
        ):
            return [(first, today)]
        if re.search(r"month|monat", word):
            last = first - day
            return (
                [(first, today)]
                if re.search(r"this|current|diese|laufend", word)
                else [(last.replace(day=1), last), (today - 30 * day, today)]
            )
        if re.search(r"year|jahr", word):
            year = today.replace(month=1, day=1)
            return (
                [(year, today)]
                if re.search(r"this|current|diese|laufend", word)
                else [(year.replace(year=year.year - 1), year - day), (today - 365 * day, today)]
            )
        if re.search(r"quarter|quartal", word):
            return [(today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), today)]
        return [(today, today)]

    def _date_ranges(self, meant: tuple[int | None, int, int | None]) -> list[Range]:
        year, month, day = meant
        found = []
        for each in (year,) if year is not None else (self._today.year, self._today.year - 1):
            try:
                if day is None:
                    start = date(each, month, 1)
                    found.append((start, (start + timedelta(days=32)).replace(day=1) - timedelta(days=1)))
                else:
                    found.append((date(each, month, day), date(each, month, day)))
            except ValueError:
                continue
        return found

    def _day_word(self, said: Sentence) -> bool:
        return self._has(said, _DAY_WORD)

    # what was written, and what follows from other numbers

    def _was_written(self, said: Sentence, number: Number, subjects: frozenset[str]) -> bool:
        """By the operator; or by the merchant, unless the data says otherwise or the words are the merchant's own."""
        told = self._grounds.prompted + (self._grounds.reasons if _READ.search(said.plain) else [])
        for sentences_, is_asked in ((told, False), (self._grounds.asked, True)):
            for sentence in sentences_:
                for other in sentence.numbers:
                    if not _same_number(number, other):
                        continue
                    theirs = {mention.kind for mention in sentence.subjects}
                    is_count = number.currencies is None and not number.percent
                    if not is_asked and is_count and (other.word or not subjects & theirs):
                        continue
                    before = said.plain[self._clause_start(said, number.start) : number.start]
                    if not is_asked or not self._is_decided(number, subjects) or _QUOTING.search(before):
                        return True
        return False

    def _is_decided(self, number: Number, subjects: frozenset[str]) -> bool:
        """Whether the data has figures of this kind."""
        return any(self._same_kind(number, figure, subjects) for figure in self._grounds.figures) and (
            bool(subjects) or number.currencies is not None
        )

    def _follows(self, said: Sentence, number: Number, sure: Sequence[Number]) -> bool:
        """Whether it is the sum, difference or share of grounded numbers of the same sentence."""
        left, right = self._around(said, number)
        if not sure or not (number.percent or _SUM_OF.search(said.masked[left:right])):
            return False
        if number.percent:
            sure = [other for other in sure if other in said.numbers]
        values = [
            other.readings[0][0]
            for other in sure
            if not other.percent and (number.percent or (other.currencies is None) == (number.currencies is None))
        ]
        if number.percent:
            return any(fits(number, one * 100 / other) for one in values for other in values if other and one <= other)
        results = [sum(values)] if len(values) > 1 else []
        results += [abs(one - other) for place, one in enumerate(values) for other in values[place + 1 :]]
        return any(fits(number, value) for value in results)

    # names, dates and words

    def _orders(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        known = self._grounds.order_names
        for order in said.orders:
            name = str(order.value)
            if len(name) <= 2 and name.isdigit() and name not in known:
                continue
            if _HYPOTHETICAL.search(said.plain) and name not in known:
                continue
            ok = name in known or any(each.endswith(name) and not each[: -len(name)][-1:].isdigit() for each in known)
            yield order.text, ok or name.lower() in self._grounds.texts

    def _moments(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        moments = self._grounds.moments
        names = frozenset(key for mentions in self._mentions(said).values() for each in mentions for key in _keys(each))
        if _ADVICE.search(said.plain) and not names:
            return
        everybody = names
        for when in said.dates:
            names = self._whose(said, when.start) or everybody
            spans = self._ranges(when, said)
            if any((start <= self._today <= end) or start > self._today for start, end in spans) and not names:
                continue
            written = when.text.lower() in self._grounds.texts or any(
                other.value == when.value for sentence in self._grounds.written for other in sentence.dates
            )
            dates = {m.at.date() for m in self._of(names)}
            dates |= {day for period in self._grounds.windows for day in period} if not names else set()
            dates |= {figure.period[0] for figure in self._grounds.figures if figure.period} if not names else set()
            yield when.text, written or any(start <= day <= end for start, end in spans for day in dates)
        for age in said.ages:
            names = self._whose(said, age.start) or everybody
            number, unit = age.value if isinstance(age.value, tuple) else (0, "")
            lengths = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
            length = lengths.get(unit, 1)
            ages = [(self._grounds.now - m.at).total_seconds() / length for m in self._of(names) or moments]
            days = [(self._today - m.at.date()).days for m in self._of(names) or moments] if unit == "day" else []
            yield age.text, number in days or any(number - 0.5 <= found < number + 1.05 for found in ages)
        if said.times and (
            names
            or re.search(
                r"\b(?:order|bestell|came in|as of|stand|saw|placed|ordered|einging|eingegangen)\w*",
                said.plain,
            )
        ):
            for time in said.times:
                hour, minute = time.value if isinstance(time.value, tuple) else (0, 0)
                clocks = {
                    (at.hour, at.minute) for m in self._of(names) or moments for at in (m.at, m.at.astimezone(_UTC))
                }
                now = self._grounds.now
                clocks |= {(now.hour, now.minute)}
                yield time.text, any(h == hour and (minute is None or m == minute) for h, m in clocks)

    def _whose(self, said: Sentence, place: int) -> frozenset[str]:
        """The order that a date is said of, where several are named."""
        orders = self._mentions(said).get("order", [])
        if len(orders) < 2:
            return NOTHING
        before = [m for m in orders if m.end <= place]
        return _keys(before[-1] if before else orders[0])

    def _of(self, names: frozenset[str]) -> list[Any]:
        found = [m for m in self._grounds.moments if m.entities & names] if names else list(self._grounds.moments)
        return found or ([] if names else list(self._grounds.moments))

    def _nones(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "No orders", "none of the last 7 is paid", "nobody cancelled": the number 0 of what stands behind."""
        for found in _NOBODY.finditer(said.masked):
            end = min((b for b in said.breaks if b >= found.end()), default=len(said.masked))
            clause = said.masked[self._clause_start(said, found.start()) : end]
            if _UNSURE.search(clause) or _HYPOTHETICAL.search(clause) or clause.rstrip().endswith("?"):
                continue
            behind = [s for s in said.subjects if found.end() <= s.start < end]
            nouns = [s for s in behind if s.kind in ("order", "customer", "product", "unit", "item", "sale")][:1]
            is_person = found[0] in ("nobody", "no one", "noone", "niemand", "keiner", "nothing", "nichts")
            if is_person:
                is_nothing = found[0] in ("nothing", "nichts") and _SOLD.search(clause)
                if not is_nothing and not _BOUGHT.search(said.masked[found.end() : end]):
                    continue
                subjects, at = frozenset({"order", "unit"} if "noth" in found[0] else {"order"}), found.end()
            elif nouns and nouns[0] is behind[0]:
                between = said.masked[found.end() : nouns[0].start]
                if said.orders and nouns[0].text.startswith(("shipment", "sendung", "lieferung", "paket", "deliver")):
                    continue  # "no shipment yet for #7"
                if not _ADJECTIVES.fullmatch(between) or _NO_DATA.match(said.masked[nouns[0].end :]):
                    continue
                subjects, at = _kinds(nouns[0]), nouns[0].end
            elif self._is_none(said, found):
                subjects, at = frozenset({"order"}), found.end()
            else:
                continue
            number = Number(found.start(), found.end(), said.text[found.start() : at].strip(), ((0.0, 1.0),))
            left = max((b for b in said.breaks if b <= found.start()), default=0)
            self._place = number, (left, end)
            yield number.text, self._in_data(said, number, left, end, subjects - {"money"}) is not None

    @staticmethod
    def _is_none(said: Sentence, found: re.Match[str]) -> bool:
        """ "No cancellations", "Cancellations: none", "None so far today": of orders, though they are not named."""
        behind = said.masked[found.end() :].strip(" .!*\n")
        if any(t.kind in ("cancelled", "refunded", "test") and t.start - found.end() == 1 for t in said.traits):
            return not said.subjects
        is_label = re.search(r"[:=]\s*$", said.masked[: found.start()]) is not None
        if not behind and is_label and any(t.kind in STRICT for t in said.traits):
            return not any(s.kind in ("customer", "product") for s in said.subjects)
        return bool(said.periods) and not said.subjects and len(said.plain.split()) <= 5

    def _alls(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "All orders are paid": where the data decides it, and it has both numbers."""
        for found in _ALL.finditer(said.masked):
            if found["not"] or _UNSURE.search(said.plain) or _HYPOTHETICAL.search(said.plain):
                continue
            right = min((b for b in said.breaks if b >= found.end()), default=len(said.masked))
            subjects = {s.kind for s in said.subjects if found.end() <= s.start < right} or set(self._subjects)
            traits = {t.kind for t in said.traits if found.end() <= t.start < right} & STRICT - {"average", "median"}
            if len(traits) != 1 or not subjects & {"order", "customer"}:
                continue
            [trait] = traits
            ok = self._all_are(trait, "order" if "order" in subjects else "customer")
            if ok is not None:
                yield f"{found[0]} … {trait.replace('_', ' ')}", ok

    def _all_are(self, trait: str, subject: str) -> bool | None:
        direct = {frozenset(f.traits & STRICT): f.value for f in self._grounds.figures
                  if subject in f.subjects and not f.derived and not f.entities and f.currency is None and not f.old}  # fmt: skip
        opened = direct.get(frozenset({"open"}))
        unfulfilled = direct.get(frozenset({"unfulfilled"}))
        if trait == "fulfilled" and unfulfilled is not None:
            return unfulfilled == 0
        if trait == "unfulfilled" and unfulfilled is not None and opened is not None:
            return unfulfilled == opened
        derived = [
            f
            for f in self._grounds.figures
            if (f.derived and subject in f.subjects and not f.entities and f.currency is None and f.period is None)
            or (f.derived and subject in f.subjects and not f.entities and f.currency is None)
        ]
        totals = [f.value for f in derived if not f.traits & STRICT]
        those = [f.value for f in derived if f.traits & STRICT == {trait}]
        if not totals or not those:
            return None
        return any(value == total and total > 0 for value in those for total in totals)

    def _names(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        masked = said.masked
        has_figures = bool(said.numbers or said.orders or said.dates)
        is_item = _ITEM.match(said.text) is not None
        for found in _RUN.finditer(said.cased):
            words, start = re.sub(r"['’]s$", "", found[0].rstrip(".'’")).split(), found.start()
            while words and (_is_word(words[-1].rstrip(".")) or _FUNCTION_WORDS.fullmatch(words[-1].lower())):
                del words[-1]
            while words and (
                _FUNCTION_WORDS.fullmatch(words[0].lower()) or len(words[0]) == 1 or _is_word(words[0].rstrip("."))
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
            if any(map(_is_word, words)) or self._is_known(name):
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
            if _LABELLED.search(before[-40:]) or _PLAN_FOLLOWS.match(after):
                is_name = True
            elif len(words) < 2:
                is_name = False
            elif self._columns and stripped.endswith("|"):
                is_name = after.lstrip().startswith("|") and self._is_named_column(said, start)
            elif is_item and begins:
                is_name = re.match(r"(?:, [^:|]{1,20})?\s?[:–—-]\s\D{0,3}\d|\s?\(\D{0,3}\d", after) is not None
            elif (
                not begins
                and (not _is_german(said.text) or len(words) > 2 or _NAMES_FOLLOW.search(before[-24:]))
                and (stripped[-1:] != ":" or has_figures or self._heading is not None)
            ):
                is_name = True
            else:
                is_name = _ACTS.match(after) is not None if begins else has_figures
            if is_name and not self._is_advice(said, found):
                yield name, False
        for found in _QUOTED.finditer(said.text):
            name = found[1].strip(" .,!?…")
            if re.fullmatch(r"[\ue000\s.,!?]*", said.masked[found.start(1) : found.end(1)]):
                continue
            if (
                (_FACT.search(masked) or said.numbers)
                and not self._is_advice(said, found)
                and name[:1].isupper()
                and not self._is_known(name)
            ):
                yield name, False

    def _is_named_column(self, said: Sentence, at: int) -> bool:
        """Whether a table's column holds names."""
        column = said.text.count("|", 0, at)
        return any(
            s.kind in ("customer", "product", "item")
            for place, head in self._columns
            if place == column
            for s in head.subjects
        )

    def _is_advice(self, said: Sentence, found: re.Match[str]) -> bool:
        here = said.masked[self._clause_start(said, found.start()) : self._clause_end(said, found.end())]
        if said.orders:  # "thank Anna for #1120"
            return False
        return _ADVICE.search(here) is not None or _HYPOTHETICAL.search(here) is not None

    def _is_known(self, name: str) -> bool:
        lowered = name.lower().rstrip(".'s’")
        return lowered in self._grounds.texts or name.lower() in self._grounds.names

    def _relations(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "Order #1120 is from Anna Schmidt": names that stand together must belong together."""
        mentions = [
            *said.names,
            *(Mention(o.start, o.end, o.text, "name", frozenset({f"order:{o.value}"})) for o in said.orders),
        ]
        yield from self._of_above(said)
        known = self._grounds.linked
        mentions = [m for m in mentions if isinstance(m.value, frozenset) and m.value & known]
        if len(mentions) < 2 or (_ADVICE.search(said.plain) and not said.orders):
            return
        mentions.sort(key=lambda mention: mention.start)
        for one, other in itertools.pairwise(mentions):
            between = said.masked[one.end : other.start]
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
                ok = any(link & one.value and link & other.value for link in self._grounds.links)  # type: ignore[operator]
                yield f"{one.text} … {other.text}", ok

    def _of_above(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "Latest order:", then "- Number: #7", "- Customer: Anna": they must be its own."""
        if len(self._orders_above) != 1 or _ITEM.match(said.text) is None:
            return
        mine, mentions = _keys(self._orders_above[0]), self._mentions(said)
        for each in mentions.get("order", ()):
            if re.search(r":\s*$", said.masked[: each.start]):
                yield each.text, bool(_keys(each) & mine)
        for each in mentions.get("customer", ()) if "order" not in mentions else ():
            yield each.text, any(link & mine and link & _keys(each) for link in self._grounds.links)

    def _statuses(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "#1120 has been shipped", "Anna is new": what is said of an order or a customer by name."""
        mentions = [each for kind in ("order", "customer") for each in self._mentions(said).get(kind, ())]
        if not mentions or not said.traits:
            return
        for trait in said.traits:
            if trait.kind not in STATUSES or any(trait.start < m.end and m.start < trait.end for m in mentions):
                continue
            clause = said.masked[self._clause_start(said, trait.start) : self._clause_end(said, trait.end)]
            if _UNSURE.search(clause) or _HYPOTHETICAL.search(clause) or _ADVICE.search(clause):
                continue
            if any(n.currencies is None and not n.percent and abs(n.start - trait.start) < 30 for n in said.numbers):
                continue  # it is said of a number
            before = [m for m in mentions if m.end <= trait.start]
            whose = before[-1] if before else mentions[0]
            if before:  # "#1 and #2 are …"
                end = before[-1].end
                each = [
                    m for m in before if self._clause_start(said, m.start) == self._clause_start(said, before[-1].start)
                ]
            else:
                end, each = trait.end, [whose]
            if len(said.masked[min(end, trait.start) : max(trait.start, whose.start)]) > 60:
                continue
            denied = _DENIED.search(said.masked[max(0, trait.start - 25) : trait.start].rpartition("(")[2]) is not None
            for mention in each:
                known = [told for key in _keys(mention) for told in self._grounds.statuses.get(key, ())]
                decided = [trait.kind in has for could, has in known if trait.kind in could]
                if decided and trait.kind not in ("unfulfilled", "unpaid", "fulfilled", "paid"):
                    decided = [ok != denied for ok in decided]
                if decided:
                    yield f"{mention.text}: {trait.text}", any(decided)

    def _sold_out(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "The Spork is out of stock"."""
        for found in _SOLD_OUT.finditer(said.masked):
            clause = said.masked[self._clause_start(said, found.start()) : self._clause_end(said, found.end())]
            named = [m for m in self._mentions(said).get("product", ()) if m.end <= found.start()]
            if not named or _UNSURE.search(clause) or _HYPOTHETICAL.search(clause):
                continue
            stock = [
                r.values[k]
                for r in self._grounds.rankings
                if r.what == "stock"
                for k in _keys(named[-1])
                if k in r.values
            ]
            yield f"{named[-1].text}: {found[0]}", any(value <= 0 for value in stock)

    def _most(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "Most of your customers were new"."""
        found = _MOSTLY.search(said.masked)
        kinds = {trait.kind for trait in said.traits} & {"first_time", "returning"}
        if found is None or len(kinds) != 1 or len(said.numbers) > 1 or _UNSURE.search(said.plain):
            return
        [kind] = kinds
        spans = [span for period in said.periods for span in self._ranges(period, said)]
        known = []
        for figure in self._grounds.by_kind.get("count", ()):
            one = figure.traits & {"first_time", "returning"}
            dated = figure.period is not None and any(_near(span, figure.period) for span in spans)
            if one and "customer" in figure.subjects and not figure.entities and dated == bool(spans):
                known.append((figure.value, one == {kind}, figure.derived))
        for derived in (False, True):
            mine = [value for value, is_it, how in known if is_it and how == derived]
            others = [value for value, is_it, how in known if not is_it and how == derived]
            if mine and others:
                yield f"{found[0]} … {kind.replace('_', ' ')}", max(mine) > max(others)
                return

    def _superlatives(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        if not _TOP.search(said.masked):
            return
        for pattern, what, kind, most in _SUPERLATIVES:
            found = pattern.search(said.masked)
            if (
                found is None
                or said.plain.rstrip().endswith("?")
                or re.search(r"\b(?:one of|among|eine[rs]? (?:der|ihrer|deiner))\b", said.plain)
            ):
                continue
            entities = self._nearest(said, found, kind, any_kind=kind in ("order",))
            if not entities:
                continue
            if what == ("leader",):
                what = ("stock",) if any(trait.kind == "stock" for trait in said.traits) else ("units",)
            decided = [
                self._is_top(ranking.values, entities, most)
                for ranking in self._grounds.rankings
                if ranking.what in what
            ]
            known = [ok for ok in decided if ok is not None]
            if known:
                yield f"{found[0]}: {', '.join(sorted(e.partition(':')[2] for e in entities))}", any(known)

    def _nearest(self, said: Sentence, found: re.Match[str], kind: str, *, any_kind: bool) -> frozenset[str]:
        if kind == "date":
            spans = [span for period in (*said.periods, *said.dates) for span in self._ranges(period, said)]
            return frozenset(f"date:{start.isoformat()}" for start, end in spans if start == end)
        mentions = [(m.start, m.value) for m in said.names if isinstance(m.value, frozenset)]
        mentions += [(o.start, frozenset({f"order:{o.value}"})) for o in said.orders]
        kinds = (kind, "customer") if any_kind else (kind,)
        clause = self._clause_start(said, found.start()), self._clause_end(said, found.end())
        fitting = [
            (not clause[0] <= start < clause[1] and start > found.start(), abs(start - found.start()), keys)
            for start, keys in mentions
            if any(key.startswith(kinds) for key in keys)
        ]
        if not fitting:
            return frozenset()
        *_, keys = min(fitting, key=lambda each: each[:2])
        return frozenset(key for key in keys if key.startswith(kinds))

    @staticmethod
    def _is_top(values: dict[str, float], entities: frozenset[str], most: bool) -> bool | None:
        theirs = [value for entity, value in values.items() if entity in entities]
        if not values or (
            not theirs
            and not any(entity.partition(":")[0] in {e.partition(":")[0] for e in values} for entity in entities)
        ):
            return None
        best = max(values.values()) if most else min(values.values())
        return best in theirs

    def _within_week(self, said: Sentence) -> float | None:
        """By what share the second half of the week's days with orders is more than the first."""
        spans = [self._ranges(period, said) for period in said.periods]
        is_week = bool(spans) and all(
            any(5 <= (b - a).days <= 7 and b == self._today for a, b in each) for each in spans
        )
        if not is_week or _THAN.search(said.masked) or _COMPARED.search(said.masked):
            return None
        orders = any(subject.kind == "order" for subject in said.subjects)
        for ranking in self._grounds.rankings:
            if ranking.what == ("day orders" if orders else "day totals"):
                days = [value for _, value in sorted(ranking.values.items()) if value]
                first, second = sum(days[: len(days) // 2]), sum(days[len(days) // 2 :])
                return second / first - 1 if first else None
        return None

    def _changed(self, said: Sentence, sign: int) -> bool:
        within = self._within_week(said)
        if within is not None and _DOUBLED.search(said.masked):
            return within > 0.8 or within < -0.4
        if within is not None:  # a fifth up or down; less is steady
            return abs(within) <= STEADY if sign == 0 else within * sign > STEADY
        is_long = re.search(r"week|month|year|quarter|woche|monat|jahr|quartal", said.plain) is not None
        if any((sign == 0 or change * sign > 0) and not (is_long and days) for change, days in self._grounds.changes):
            return True
        days = {
            f"date:{start.isoformat()}"
            for period in (*said.periods, *said.dates)
            for start, end in self._ranges(period, said)
            if start == end
        }
        today = f"date:{self._today.isoformat()}"
        for ranking in [] if is_long else self._grounds.rankings:
            known = {
                day: ranking.values[day]
                for day in days | {today}
                if ranking.what in ("day orders", "day totals") and day in ranking.values
            }
            if len(known) >= 2 and days & set(known):
                newest = max(known)
                others = [value for day, value in known.items() if day != newest]
                if (sign > 0 and known[newest] > min(others)) or (sign < 0 and known[newest] < max(others)):
                    return True
        numbers = [number.readings[0][0] for number in said.numbers]
        earlier = [
            f for f in self._grounds.figures if f.old == "earlier" and any(abs(f.value - n) < 1e-6 for n in numbers)
        ]
        return bool(earlier) and len(numbers) >= 2

    def _comparisons(self, said: Sentence) -> Iterable[tuple[str, bool]]:
        """ "More customers than orders", "up from $5", "Anna ordered more than Ben", "sales are growing": what rises or
        falls is decided by the figures themselves, whatever the words; what was compared with an earlier time that
        nobody knows has no ground.
        """
        for found in _DIRECTION.finditer(said.masked):
            masked, group = said.masked, found.lastgroup or ""
            clause = masked[self._clause_start(said, found.start()) : self._clause_end(said, found.end())]
            if _UNSURE.search(clause) or _ADVICE.search(clause) or _HYPOTHETICAL.search(clause):
                continue
            if _ONCE.match(masked, found.end()) or _NO_DIRECTION.search(masked[: found.start()][-12:] + found[0]):
                continue
            if group == "steady":
                if self._within_week(said) is not None and self._is_trend(said, found, group, clause):
                    yield found[0], self._changed(said, 0)
                continue
            sign = 1 if group in ("rise", "more", "beside_more") else -1
            if _DENIED_HERE.search(masked[max(0, found.start() - 24) : found.start()]):
                sign = -sign
            words = said.text[found.start() : found.end()]
            beside = self._beside(said, found)
            changes = [c for n in beside for c in self._changes_of(n) if n.percent or len(said.numbers) == 1]
            if changes:
                yield words, any(change * sign > 0 for change in changes)
                continue
            pair = self._pair(said, beside)
            if pair is not None and not self._is_of_neither(said, found, pair):
                difference = self._difference(said, found, pair, group)
                if difference is not None:
                    ok = difference * sign > 0
                    yield words, ok and all(self._is_by(n, pair, difference) for n in beside)
                continue
            difference = self._known_difference(said, found)
            if difference is not None:
                yield words, difference * sign > 0
            elif self._is_trend(said, found, group, clause):
                yield words, self._changed(said, sign)

    @staticmethod
    def _beside(said: Sentence, found: re.Match[str]) -> list[Number]:
        """The numbers that say by how much: "4 more", "up by 12%", "a decline of 5%"."""
        masked = said.masked
        beside = []
        if not _TAKES_OBJECT.match(masked, found.start()):
            before = [
                n for n in said.numbers if n.end <= found.start() and not masked[n.end : found.start()].strip(" *")
            ]
            beside = [n for n in before if not _TO.search(masked[: n.start])]
        several = sum(not n.percent for n in said.numbers) > 2
        for number in said.numbers:
            by = number.start >= found.end() and _BY.fullmatch(masked[found.end() : number.start])
            if number not in beside and (
                by or ((number.percent or several) and _BY_BEFORE.search(masked[: number.start]))
            ):
                beside.append(number)
        return beside

    def _changes_of(self, number: Number) -> list[float]:
        """The changes that were calculated, or follow from a report, which the number may tell."""
        return [change for change, _ in self._grounds.changes if fits(number, change)]

    def _is_by(self, number: Number, pair: tuple[Number, Number], difference: float) -> bool:
        """Whether the number beside says by how much the two differ."""
        if (number.currencies is None) != (pair[0].currencies is None) or number.percent:
            return True
        return fits(number, difference) or bool(self._changes_of(number))

    def _pair(self, said: Sentence, beside: Sequence[Number]) -> tuple[Number, Number] | None:
        """The two numbers of one kind, if there are just two that are figures."""
        numbers = [n for n in said.numbers if n not in beside and not n.percent and n.start in self._meant]
        for money in (True, False):
            same = [n for n in numbers if (n.currencies is not None) == money]
            if len(same) == 2:
                return same[0], same[1]
        return None

    def _is_of_neither(self, said: Sentence, found: re.Match[str], pair: tuple[Number, Number]) -> bool:
        """ "… than last week", where neither figure is of then."""
        than = _THAN.search(said.masked, found.end())
        if than is None or _PAST.match(said.masked, than.end()) is None or pair[1].start > than.end():
            return False
        figures = [self._meant[n.start] for n in pair]
        behind = [fits_ for mention, fits_ in self._things(said) if mention.start >= than.end()]
        return not any(fits_(figures[0]) != fits_(figures[1]) for fits_ in behind)

    def _difference(
        self, said: Sentence, found: re.Match[str], pair: tuple[Number, Number], group: str
    ) -> float | None:
        """By how much what rose is more than before, or the first of what is compared than the other; None if the words
        do not say which is which."""
        one, other = (n.readings[0][0] for n in pair)
        figures = self._meant[pair[0].start], self._meant[pair[1].start]
        if group in ("rise", "fall"):
            if self._role(said, pair[0]) is not None:
                return one - other if self._role(said, pair[0]) == "later" else other - one
            earlier = ["previous" in figure.traits for figure in figures]
            if earlier[0] != earlier[1]:
                return other - one if earlier[0] else one - other
            days = [figure.period[1] for figure in figures if figure.period is not None]
            if len(days) == 2 and days[0] != days[1]:
                return one - other if days[0] > days[1] else other - one
            return None
        left = self._compared_first(said, found, pair, figures, group)
        return None if left is None else one - other if left == 0 else other - one

    def _compared_first(
        self,
        said: Sentence,
        found: re.Match[str],
        pair: tuple[Number, Number],
        figures: tuple[Figure, Figure],
        group: str,
    ) -> int | None:
        """Which of two figures is said to be more or less: the one that what stands before the comparison belongs to."""
        masked = said.masked
        newest = _THE_NEWEST.search(masked, pair[1].end, found.start())
        orders = [frozenset({f"order:{order.value}"}) for order in said.orders]
        if newest and len(orders) == 2 and self._newest in orders and said.orders[1].start > pair[0].end:
            return orders.index(self._newest)  # "#8 is $5 and #7 $4, so the newest is worth more"
        things: list[tuple[int, int, int]] = [(n.start, n.end, place) for place, n in enumerate(pair)]
        for mention, fits_ in self._things(said):
            whose = [fits_(figure) for figure in figures]
            if whose[0] != whose[1]:
                things.append((mention.start, mention.end, 0 if whose[0] else 1))
        things.sort()
        than = _THAN.search(masked, found.end())
        pivot = than.start() if than else found.start()
        before = [which for _, end, which in things if end <= pivot]
        after = [which for start, _, which in things if start >= (than.end() if than else found.end())]
        if than is None and group.startswith("beside"):  # "over", "vor": only between what is compared
            near = [which for start, _, which in things if 0 <= start - found.end() < 30]
            if not near or (before and near[0] == before[-1]):
                return None
        if before:
            return before[-1]
        if after:
            takes = than is not None or group.startswith("beside") or _TAKES_OBJECT.match(masked, found.start())
            return 1 - after[0] if takes else after[0]
        return None

    def _things(self, said: Sentence) -> Iterable[tuple[Mention, Callable[[Figure], bool]]]:
        """What figures may be told apart by: periods, names, what they count, what is said of them."""
        for mention in (*said.periods, *said.dates):
            yield mention, partial(self._is_of_time, self._spans_of(said)[mention.start])
        newest = [Mention(*found.span(), found[0], "name", self._newest) for found in _THE_NEWEST.finditer(said.masked)]
        for mentions in (*self._mentions(said).values(), newest):
            for mention in mentions:
                yield mention, lambda figure, keys=mention.value: bool(keys & figure.entities)  # type: ignore[misc]
        for mention in said.traits:
            yield mention, lambda figure, kind=mention.kind: kind in figure.traits  # type: ignore[misc]
        for mention in said.subjects:
            yield mention, lambda figure, subject=mention: bool(_kinds(subject) & figure.subjects)  # type: ignore[misc]

    @staticmethod
    def _is_of_time(spans: Sequence[Range], figure: Figure) -> bool:
        return figure.period is not None and any(_near(span, figure.period) for span in spans)

    @staticmethod
    def _is_trend(said: Sentence, found: re.Match[str], group: str, clause: str) -> bool:
        """Whether it tells how the store's figures changed in time."""
        if group.startswith("beside"):
            return False
        behind = said.masked[found.end() : found.end() + 70]
        if group in ("more", "less"):
            return re.match(r"[^.,;:]{0,40}?\b(?:than|als)\b", behind) is not None and _PAST.search(behind) is not None
        if any(name.end <= found.start() and name.text.lower() in clause for name in said.names):
            return False  # "Anna picked up …"
        subject = any(s.kind in ("sale", "money", "order", "customer") for s in said.subjects)
        subject = subject or any(t.kind == "revenue" for t in said.traits)
        if _BASE_FORM.fullmatch(found[0]) and not _NOUN_BEFORE.search(said.masked[: found.start()][-16:]):
            return False
        return subject or _METRIC.search(clause) is not None

    def _known_difference(self, said: Sentence, found: re.Match[str]) -> float | None:
        """Of two nouns, or of two names."""
        if said.numbers:
            return None
        than = re.compile(r"\b(?:than|als)\b(?! (?:once|one|einmal|eine)\b)").search(said.masked, found.end())
        one = [s.kind for s in said.subjects if found.end() <= s.start and than and s.start < than.start()][:1]
        other = [s.kind for s in said.subjects if than and s.start >= than.end()][:1]
        direct = self._grounds.headline
        if one and other and one != other and one[0] in direct and other[0] in direct and not said.names:
            return direct[one[0]] - direct[other[0]]
        middle = than.start() if than else found.start()
        before = [m for m in said.names if m.end <= middle]
        after = [m for m in said.names if m.start >= middle]
        for ranking in self._grounds.rankings:
            mine = [ranking.values[key] for m in before[-1:] for key in _keys(m) if key in ranking.values]
            theirs = [ranking.values[key] for m in after[:1] for key in _keys(m) if key in ranking.values]
            if mine and theirs and ranking.what != "newest" and max(mine) != max(theirs):
                return max(mine) - max(theirs)
        return None


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
    r"|der|die|das|den|dem|des|ein|eine[nmrs]?|im|in|am|an|auf|aus|bei|bis|für|mit|nach|seit|von|vom|vor|zu|zum|zur|über|unter|um|und|oder|aber|wenn|als|wie|da|dann|so|auch|nur"
    r"|ich|du|sie|er|es|wir|ihr|ihre[nmrs]?|dein|deine[nmrs]?|mein|meine[nmrs]?|unser|unsere[nmrs]?|diese[nmrs]?|jede[nmrs]?|alle[nmrs]?|ja|nein|hallo|guten|gute|lieber?|danke|heute|gestern|insgesamt|aktuell|derzeit|neue[nmrs]?|beste[nmrs]?"
)
_OTHER_WORDS = re.compile(
    r"prozent|uhr|shop\w*|store|january|february|march|april|may|june|july|august|september|october|november|december|januar|februar|märz|mai|juni"
    r"|juli|oktober|dezember|\w+tag\w*|\w+day|woche\w*|monat\w*|jahr\w*|week|month|year|zeit\w*|wert\w*|rabatt\w*|angebot\w*|daten\w*|zahl\w*|data|usd|eur|chf|gbp|jpy|sku|faq|utc"
    r"|admin|plan|tarif|name|nummer|platz|anzahl|betrag|rest|hälfte|viertel|drittel|mal|stück|euro|cent|us|eu|ad|ads|email|e-mail|newsletter|versand|lieferung\w*"
)


def _kinds(subject: Mention) -> frozenset[str]:
    """What the noun may stand for."""
    return MEANT.get(subject.kind) or frozenset({subject.kind})


MEANT = {"sale": frozenset({"order", "money", "unit"}), "item": frozenset({"item", "unit", "product"}),
         "money": frozenset({"money", "order", "unit"}), "unit": frozenset({"unit", "item"}),
         "product": frozenset({"product", "item"})}  # fmt: skip


def _keys(mention: Mention) -> frozenset[str]:
    """Whom a name may mean."""
    return mention.value if isinstance(mention.value, frozenset) else frozenset()


def _near(span: Range, period: Range) -> bool:
    """Whether both are the same days; long spans may differ by one at each end."""
    if EVER in (span, period):
        return span == period
    slack = 1 if (period[1] - period[0]).days >= 6 else 0
    slack = 2 if (period[1] - period[0]).days >= 28 else slack
    return abs((span[0] - period[0]).days) <= slack and abs((span[1] - period[1]).days) <= slack


def _same_number(one: Number, other: Number) -> bool:
    if one.percent != other.percent:
        return False
    if one.currencies is not None and other.currencies is not None and not one.currencies & other.currencies:
        return False
    return any(abs(a - b) < 1e-6 for a, _ in one.readings for b, _ in other.readings)
