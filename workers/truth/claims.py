"""What a text says: its sentences, and in each the numbers, names, periods and words that its figures are about. Pure.

English and German are read whole, other languages as far as their nouns are in the lists below. A number may be read in
several ways ("1.512" is 1512 or 1.512); whoever judges it takes the one that fits. What a number is about is a noun
(`subjects`: order, customer, product, unit) and what is said of it (`traits`: open, returning, average, …).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from workers.truth.lexicon import OFFER, PHRASES, lexeme
from workers.truth.numerals import CODE, SHORT, numbers
from workers.truth.periods import (
    AGO,
    DATE,
    MAY_BE_AGO,
    MAY_BE_DATE,
    MAY_BE_TIME,
    PERIOD,
    TIME,
    age,
    clock,
    dates_meant,
    period_meant,
)
from workers.truth.sentence import Mention, Sentence, lowered, with_latin_signs
from workers.truth.wording import Wording, places

_DIGIT = re.compile(r"\d")

_CURRENCY_BEFORE = re.compile(rf"(?:(?<!\w)(?:{CODE.lower()}|{SHORT})\.?|[$€£¥₹])\s?$")

_LIKE_URL = re.compile(r"://|@|\w\.\w")

_RANK_WORD = re.compile(
    r"previous|before|davor|days|tage|month|monat|hours|stunden|minute|week|woche|number|nummer|platz|third|quarter|half|drittel|viertel|times|mal so|fünftel|fifth"
)

_TIMES = re.compile(r"(?<=\d)\s?[×x](?![a-z])|(?<=1 )time\b|(?<=one )time\b")

_RELATIVE = re.compile(r",\s(?:die|der|das|den|who|which|that|whose) [a-zäöü]")

_OF_DATE = re.compile("(?<=mon|tue|wed|thu|fri|sat|sun|day|tag|och), \ue000")
""" "On Saturday, May 3" is one time."""

_NOT_YET = re.compile(
    r"\b(?:not|never|get|getting|none|neither|nor|weder|no longer|yet|still|wait\w*|await\w*|needs?|needing|must|have to|has to|had to|to be|pending|left|remain\w*|queue\w*|backlog|outstanding|cannot|due"
    r"|nicht|nie|noch|muss|musst|müssen|wart\w*|zu|steh\w*|ausstehend\w*|offen\w*|unbezahlt\w*|fehl\w*|keine\w*)\b|n't\b"
)

_RECEIVED = re.compile(r"\b(?:in|through|received|arrived|cleared|da|eingegangen|erhalten|angekommen|gekommen)\b")

_MISSING = re.compile(
    r"[^.;,]{0,40}?\b(?:outstanding|pending|missing|overdue|not (?:yet )?(?:in|arrived|received)|fehlt|aussteht|ausstehend\w*|steht \w*\s?aus|offen)\b"
)

_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")

_BREAK = re.compile(
    r"[;,\s:()….](?:(?<=[;,])(?=\s)|(?<=[()…])|(?<=\s)(?:[·|/•](?=\s)|[–—-]\s)|(?<=[\d€$£%]:)(?=\s)|(?<=\d [a-z]{3}:)(?=\s)|(?<=\.)\.\.)"
)

_BREAK_WORD = Wording(
    rf"{OFFER.pattern}|(?:and|but|while|whereas|although|though|obwohl|plus|und|aber|während|sowie|versus|vs|compared (?:with|to)|verglichen mit|gegenüber|(?<!hälfte )bleib\w*|verbleib\w*"
    r"|against|out of|(?:of which|davon|von denen|darunter|including)(?= \d))\b"
)

_URL = re.compile(
    r"https?://\S+|www\.\S+|\b[\w.+-]+@[\w-]+\.\w[\w.]*|\b[\w-]+(?:\.[\w-]+)*\.(?:com|de|net|org|io|shop|store|co|ch|at)\b\S*",
)

_PHONE = re.compile(
    r"(?<![\w$€£.,])(?:\+\d{1,3}[\s/-]?)(?:\(?\d{1,5}\)?[\s/-]?){2,5}\d{2,}|(?<![\w#])0\d{2,5}[\s/-]\d{3,}[\d\s/-]*\d|\b\d{3}[-.]\d{3}[-.]\d{4}\b"
)

_HASH = re.compile(r"(?<![a-z\d_&])#\s?([a-z]{0,6}-?\d{2,}[a-z\d_-]*|\d)")

_ORDER = Wording(
    r"(?:order|bestellung|auftrag|order number|bestellnummer|commande|pedido)\s(?:(?:no|nr|number|nummer|mit der nummer|n°|º)\.?\s?)?"
    rf"([a-z]{{0,6}}-?\d{{3,}}(?!\d)[\w-]*)(?!\s?(?:orders|[€$£¥₹%]|(?:{CODE.lower()})\b|dollar|euro|franken|pfund|kron|yen|rupi|kr\b|\w+ische?n? (?:dollar|kron|pfund)))(?![.,]\d)",
)

_LONG_NUMBER = re.compile(r"\d[\d\s()/.-]{4,}\d")

_LIST_MARK = re.compile(
    r"^\s*(?:\(?\d{1,2}[.)]|[-*•–])(?=\s)|(?:(?<=[:;,.] )|(?<=and )|(?<=und ))\(?\d\)(?= )", re.MULTILINE
)

_RANK = Wording(
    r"(?P<several>(?<![\d.,])\d{1,3}(?=(?:, \d{1,3})*,? (?:or|and|oder|und|to|bis) (?:\d{1,3} (?:days?|tagen?|months?|monaten?|hours?|stunden|minutes?|minuten|weeks?|wochen)(?! (?:on|over|to) )|\ue000)))|(?<=previous )(?:\d{1,2}|seven|thirty)(?=\s?[:.,;!]|\s(?:by|with|was|were)\b|$)|(?:(?<![\d.,])\d{1,3}|\b(?:seven|thirty|sieben|dreißig))(?=\s(?:before|davor|zuvor)\b)|\b\d{1,3}(?=\s(?:days?|tagen?) (?:before|davor|zuvor|earlier|vorher|prior))|\b(?:step|schritt|tier|option|level|part|teil|punkt|phase|(?<!s )number|nummer|no\.|nr\.|top|point|tip|tipp|version|v|q|question|frage|platz|rank|rang)[\s-]?\d{1,2}\b(?!\s?[.,]\d)"
    r"|\b(?:number|nummer|platz|no\.) (?:one|two|three|eins|zwei|drei)\b|\b(?:a|one|two|three|ein|zwei|drei) (?:thirds?|quarters?|fifths?|halves|half|drittel|viertel|fünftel)\b|\b(?:of|between) the two\b|\d[\d.]* times (?:what|as|more|the|that)\b|(?:two|three|four|five|six|seven|eight|nine|ten|many|several) times (?:what|as|more|the|that|last|yesterday|\w+day['’]s)\b|\bby (?:\w+ )?half\b|\bhalf (?:of )?(?:the )?(?=[$€£¥₹])|\d[\d.,]*[- ]?mal so\b|(?=\w{2,8}mal so)\w*mal so\b|\b24/7\b|\b\d{1,2}(?:st|nd|rd|th)\b|\b\d+(?:-\w)?-?(?:step|minute|hour|year|month|star|person|pack|part|stufig|teilig|tägig|stündig|er[- ]pack)\w*|\b(?:in|since|seit|year|jahr|from|until|till|bis|ab|of|by)\s(?:19|20)\d\ds?\b(?![.,]\d|\s?[%€$£])",
)

_CODE = re.compile(rf"\b(?!(?:{CODE.lower()}|{SHORT})\d)[a-z]++\d[\w-]*")


def parse(text: str, names: Mapping[str, frozenset[str]]) -> Sentence:
    """One sentence. `names`: what is known by name in lower case, and its keys ("product:…", "customer:…")."""
    text = with_latin_signs(text)
    plain = lowered(text)
    sentence = Sentence(text, plain)
    masked = _URL.sub(_mask, plain) if _LIKE_URL.search(plain) else plain
    masked = sentence.masked = named(sentence, masked, names)
    sentence.places = places(masked)
    has_digits = _DIGIT.search(masked) is not None
    for may_be, pattern, kind, value in (
        (None, _HASH, "order", lambda found: found[1].upper()),
        (None, _ORDER, "order", lambda found: found[1].upper()),
        (MAY_BE_DATE, DATE, "date", dates_meant),
        (MAY_BE_TIME, TIME, "time", clock),
        (MAY_BE_AGO, AGO, "age", age),
        (None, PERIOD, "period", period_meant),
    ):
        into: list[Mention] = getattr(sentence, f"{kind}s")
        if not has_digits and kind in ("order", "date", "time"):
            continue
        if (may_be is not None and not sentence.first(may_be)) or (pattern is _HASH and "#" not in masked):
            continue
        for found in sentence.each(pattern) if isinstance(pattern, Wording) else pattern.finditer(masked):
            if kind == "date" and found["d1"] and _CURRENCY_BEFORE.search(masked, 0, found.start()):
                continue  # "CHF 17.08."
            if (meant := value(found)) is not None:
                end = found.start() + len(found[0].rstrip())
                into.append(Mention(found.start(), end, text[found.start() : end].strip(), kind, meant))
        masked = sentence.masked = _without(masked, into)
    sentence.orders.sort(key=lambda order: order.start)
    if has_digits:
        for other in (_PHONE, _LIST_MARK, _CODE) if _LONG_NUMBER.search(masked) else (_LIST_MARK, _CODE):
            masked = sentence.masked = other.sub(_mask, masked)
    if has_digits or _RANK_WORD.search(masked):
        ranks = [
            Mention(*found.span(), found[0], "rank")
            for found in sentence.each(_RANK)
            if not (found["several"] and sentence.orders)  # "$189 and #7", but "30, 60 or 90 days"
        ]
        masked = sentence.masked = _without(masked, ranks)
    sentence.cased = text
    for run in _MASKED.finditer(masked):
        sentence.cased = sentence.cased[: run.start()] + run[0] + sentence.cased[run.end() :]
    sentence.numbers = numbers(sentence.cased)
    _words(sentence)
    breaks = sorted(found.start() for found in (*_BREAK.finditer(masked), *sentence.each(_BREAK_WORD)))
    sentence.breaks = [
        place
        for place in breaks
        if not _OF_DATE.match(masked, place) and (not _RELATIVE.match(sentence.cased, place) or _tells(sentence, place))
    ]
    return sentence


def _tells(sentence: Sentence, place: int) -> bool:
    """Whether the relative clause here has a number of its own."""
    end = sentence.masked.find(",", place + 1)
    return any(place < n.start < (end if end >= 0 else len(sentence.masked)) for n in sentence.numbers)


def _words(sentence: Sentence) -> None:
    """Its subjects and traits."""
    masked = sentence.masked
    for found in _WORD.finditer(masked):
        noun, traits = lexeme(found[0])
        if (
            noun
            and not (noun == "unit" and found[0] == "einmal" and _ADVERB.search(masked, 0, found.start()))
            and not (found[0] == "mal" and masked.endswith("zum ersten ", 0, found.start()))
        ):
            sentence.subjects.append(Mention(found.start(), found.end(), found[0], noun))
        for trait in traits:
            if found[0] == "then" and masked.endswith("since ", 0, found.start()):
                continue
            if trait == "reversal" and _WENT_BACK.search(masked, 0, found.end()):
                continue
            if trait in _LEFT_OUT and _is_left_out(masked, found):
                continue
            if trait == "new" and _JUST_IN.search(masked[: found.end() + 2]) and not sentence.subjects:
                continue
            if (found[0] in ("money", "geld") and not sentence.orders) or (found[0] == "apiece" and sentence.names):
                continue
            if (trait == "previous" and _BEFORE_REFUNDS.match(masked, found.end())) or (
                trait == "price" and (_FROM_YOU.match(masked, found.end()) or _is_of_order(sentence))
            ):
                continue
            if trait in _DECIDED:
                trait = _decided(masked, found, trait)
                if not trait:
                    continue
            elif trait in _NOT_BEFORE and _NOT_BEFORE[trait].match(masked, found.end()):
                continue
            if trait == "open" and _PARCELS.match(masked, found.end()):
                trait = "unfulfilled"
            trait = "first_time" if trait == "new" else trait
            sentence.traits.append(Mention(found.start(), found.end(), found[0], trait))
    if "×" in masked or "x" in masked or " time" in masked:
        sentence.subjects += [Mention(m.start(), m.end(), m[0], "unit") for m in _TIMES.finditer(masked)]
        sentence.subjects.sort(key=lambda mention: mention.start)
    for found in sentence.each(PHRASES):
        if found[0] == "each" and sentence.names:  # "$12 each" is the price of what is named
            continue
        trait = found.lastgroup or ""
        trait = _decided(masked, found, trait) if trait in _DECIDED else trait
        if trait == "gross":  # "before returns" is not of returns
            sentence.traits = [t for t in sentence.traits if not found.start() <= t.start < found.end()]
        sentence.traits.append(Mention(found.start(), found.end(), found[0], trait))


_BEFORE_REFUNDS = re.compile(r" (?:any |the )?(?:refunds?|returns|discounts?|tax\w*)\b")

_WENT_BACK = re.compile(r"\b(?:ging|gingen|geht|gehen)\b[^.;]*\bum\b[^.;]*\bzurück$")
""" "Sales went back by 5%": nothing was returned."""

_PARCELS = re.compile(r" (?:sendung|lieferung|paket|päckchen|shipments?\b|deliver(?:y|ies)\b|parcels?\b)")
""" "The open parcels": those that are to be sent."""

_FROM_YOU = re.compile(r" (?:you|us|dich|dir|sie|ihnen|euch)\b")


def _is_of_order(sentence: Sentence) -> bool:
    """Whether "costs" is said of an order."""
    return bool(sentence.orders) and not any(
        key.startswith("product:")
        for name in sentence.names
        for key in name.value  # type: ignore[attr-defined]
    )


_JUST_IN = re.compile(r"(?:\ue000 \w+|\d \w+ \ue000)(?: ?\W?)?$")
""" "3 new today"."""

_ADVERB = re.compile(r"\b(?:schon|bereits|noch|erst|nur|auch|nicht)\s$")

_LEFT_OUT = frozenset({"test", "cancelled", "refunded", "guest"})

_WITHOUT = re.compile(
    r"\b(?:without|excluding|excl|except|not counting|leaving out|minus|ohne|außer|exklusive|abzüglich)\b[^.;:]*$"
)

_NOT_COUNTED = re.compile(
    r"[^.,;:\d]*\b(?:not (?:counted|included)|(?:is|are)n't (?:counted|included)|excluded|left out|aside|nicht (?:mit)?(?:gezählt|eingerechnet|enthalten)|ausgenommen|ausgeschlossen|außen vor)"
)

_COUNTED_HERE = re.compile(r"(?:\d|\b(?:no|keine?|zwei|drei|vier|fünf|sechs|two|three|four|five|six|one|eine))\s$")


def _is_left_out(masked: str, found: re.Match[str]) -> bool:
    """ "Without test orders", "cancelled ones are not counted"."""
    before = _WITHOUT.search(masked, max(0, found.start() - 40), found.start())
    if _COUNTED_HERE.search(masked, 0, found.start()):  # "1 test order was excluded", "without 1 test order"
        return False
    return before is not None or _NOT_COUNTED.match(masked, found.end()) is not None


_HALF_OF_TIME = re.compile(
    r" (?:\ue000|(?:of|through|des) (?:the |this )?(?:\ue000|month|week|year|monats|jahres))|(?<=half)way\b"
)

_NEW_THING = re.compile(
    r"\s(?:\w+\s)?(?:\w*orders?|\w*bestellung(?:en)?|\w*auftr\w+|sales?|purchases?|products?|\w*produkte?|items?|artikel|reviews?)\b"
)

_NOT_BEFORE = {"new": _NEW_THING, "middle": _HALF_OF_TIME, "recent": re.compile(r" (?:hour|minute|stunde)\b")}
"""What a word is said of, if it says nothing of a figure: "new orders", "half of March", "the last hour"."""

_DECIDED = {"done": ("unfulfilled", "fulfilled"), "closed": ("open", ""), "finished": ("open", "fulfilled"), "to_do": ("unfulfilled", "shipping"),
            "settled": ("unpaid", "paid"), "unsettled": ("unpaid", "loose"), "left": ("unfulfilled", "fulfilled")}  # fmt: skip

_AT = re.compile(r" (?:at|with|on|mit|bei)\b")
_ASIDE = re.compile(r"\([^()\d]*\)")

_NEITHER = re.compile(r"\W*(?:neither|keine[rs]? (?:der|von|deiner|ihrer)|weder)\b[^.;]*\ue000")

_ALREADY = re.compile(r"(?<!not )(?<!n['’]t )(?<!nicht )\b(?:already|schon|bereits)\s$")

_NOT_YET_LEFT = re.compile(r"\b(?:not|nicht|noch)\b|n't\b")

_WITH = re.compile(r"\b(?:hast|habt|haben|hat|hatte\w*) (?:\S+ ){0,4}mit\s")


def _decided(masked: str, found: re.Match[str], trait: str) -> str:
    """Whether it is done, by the words around: "8 are not yet shipped", "still to be paid"."""
    not_yet, done = _DECIDED[trait]
    if trait == "finished" and _AT.match(masked, found.end()):  # "February finished at 33"
        return ""
    if found[0] == "abgeschlossen" and _WITH.search(
        masked, 0, found.start()
    ):  # "gestern hast du mit 5 € abgeschlossen"
        return ""
    if trait == "to_do" and re.search(
        r"\b(?:to|zu|zum|for|den)\s$|^\W*$", masked[max(0, found.start() - 6) : found.start()]
    ):
        is_cost = found[0] in ("shipping", "versand") and not masked.endswith(
            ("zum ", "auf ", "auf den "), 0, found.start()
        )
        return "shipping" if is_cost else not_yet
    if found[0].startswith("un") and found[0] != "unterwegs":
        return not_yet
    if _ALREADY.search(masked, 0, found.start()):
        return done
    begun = _ASIDE.sub(" ", masked[max(0, found.start() - 45) : found.start()])
    before = re.split(r"[,;:.()–—]|\b(?:and|but|und|aber)\b", begun)[-1]
    after = re.split(r"[,;:.()\d]|\b(?:and|but|und|aber)\b", masked[found.end() : found.end() + 40])[0]
    if trait == "unsettled" and _MISSING.match(masked, found.end()):
        return not_yet
    if trait == "unsettled" and (_RECEIVED.search(after) or found[0] in ("money", "geld", "zahlung")):
        behind = re.split(r"[;()–—]|[,:.](?!\d)|\b(?:and|but|und|aber)\b", masked[found.end() : found.end() + 60])[0]
        if _NOT_YET.search(before + behind):
            return not_yet
        return "paid" if _RECEIVED.search(behind) else ""
    if _NEITHER.match(masked) or _NOT_YET_LEFT.search(found[0]):
        return not_yet
    return not_yet if _NOT_YET.search(before) or re.match(r"\s?(?:werden|steht|stehen|fehlt|offen)", after) else done


_MASKED = re.compile("\ue000+")
_QUOTES = tuple("\"'“”„«»‘’‚‹›*`")


def _mask(found: re.Match[str]) -> str:
    return "\ue000" * len(found[0])


def named(sentence: Sentence, masked: str, names: Mapping[str, frozenset[str]]) -> str:
    """Mask what is known by name. A product called "Test" is meant only in quotes: mostly the word is just a word."""
    for name, keys in names.items():
        start = masked.find(name)
        while start >= 0:
            end = start + len(name)
            end += masked[end : end + 1] == "s"  # several of them
            if (
                not _is_one_word(masked[start - 1 : start], name[0])
                and not _is_one_word(name[-1], masked[end : end + 1])
                and (not keys or not _overlaps(sentence.names, start, end))
                and (not _is_a_word(name) or masked[start - 1 : start] in _QUOTES)
            ):
                of_order = next((key.removeprefix("order:") for key in keys if key.startswith("order:")), None)
                if of_order is None:
                    sentence.names.append(Mention(start, end, sentence.text[start:end], "name", keys))
                elif not _overlaps(sentence.orders, start, end):
                    sentence.orders.append(Mention(start, end, sentence.text[start:end], "order", of_order))
            start = masked.find(name, end)
    sentence.names.sort(key=lambda mention: mention.start)
    return _without(masked, sentence.names + sentence.orders)


def _is_one_word(one: str, other: str) -> bool:
    """Whether two characters side by side are of one word: in some scripts nothing parts words."""
    is_joined = one.isalnum() and other.isalnum()
    return is_joined and max(one, other) < "\u2e80" and (one < "\u0590") == (other < "\u0590")


@lru_cache(maxsize=4096)
def _is_a_word(name: str) -> bool:
    """Whether it is one of the words that say what a figure is."""
    found = words_of(name)
    return any(each.start == 0 and each.end == len(name) for each in (*found.subjects, *found.traits))


def _overlaps(found: list[Mention], start: int, end: int) -> bool:
    return any(start < other.end and other.start < end for other in found)


def _without(text: str, mentions: list[Mention]) -> str:
    for mention in mentions:
        text = text[: mention.start] + "\ue000" * (mention.end - mention.start) + text[mention.end :]
    return text


def words_of(masked: str) -> Sentence:
    """The subjects and traits of words in lower case."""
    sentence = Sentence("", masked=masked, places=places(masked))
    _words(sentence)
    return sentence


@lru_cache(maxsize=512)
def concepts(key: str) -> tuple[frozenset[str], frozenset[str]]:
    """Subjects and traits that a key of tool results names: "unfulfilled_orders" is about orders, unfulfilled."""
    sentence = words_of(re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key).lower())
    subjects = {mention.kind for mention in sentence.subjects}
    traits = {mention.kind for mention in sentence.traits}
    if "quantity" in key:
        traits.add("sold")
    if "inventory" in key:
        subjects.add("unit")
    if key == "current_total":
        traits.add("net")
    return frozenset(subjects), frozenset(traits)
