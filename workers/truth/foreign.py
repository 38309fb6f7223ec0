"""Which numbers of a text are of the store, in a language that the check does not know by its words. Pure."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date

from workers.truth.figure import fits
from workers.truth.numerals import is_round
from workers.truth.said import Said
from workers.truth.sentence import Number

_TIME = re.compile(
    r"[\s-]?(?:\w+[\s-])?(?:secondes?|segundos?|secondi|seconden|sekunder|minut\w*|dakika\w*|heures?|horas?|or[ae]|uur|uren|timm\w+|godzin\w*|saat\w*"
    r"|jours?|d[ií]as?|giorn[io]|dag\w{0,4}|dni|dzień|gün\w*|semaines?|semanas?|settiman[ae]|we(?:ek|ken)|veck(?:a|or\w*)|tygodni\w*|hafta\w*"
    r"|mois|mes(?:es)?|m[êe]s(?:es)?|mes[ei]|maand(?:en)?|månad(?:er)?|miesi\w+|ay\w{0,3}|années?|ans?|años?|ann[oi]|anos?|ja(?:ar|ren)|år|lat|rok\w*|yıl\w*"
    r"|ي[وَ]م\w*|أيام|ساع\w+|أسبوع\w*|أشهر|ה?(?:ימים|שעות|שבועות|חודשים))\b"
    r"|\s?(?:日|天|週|周|[かヶカ个]月|小时|小時|時|分|年|개월|일|시간|분|주|년)"
)
"""Of which a number is a length of time."""

_ADVICE = re.compile(
    r"(?:\b(?:pou(?:rr|v)\w+|conseill\w+|sugg\w+|propos\w+|exemple|offr\w+|podr[íi]a\w*|puede[sn]?|recom\w+|sug[ie]\w+|ofre\w+|e[jx]emplo"
    r"|po(?:trest[ie]|trebb\w+)|pu(?:oi|ò)|consigli\w+|esempio|prova\w*|pode(?:ria)?\w*|zou\w*|k[au]nt?|raad|overweeg|bijvoorbeeld|kunde|rekommend\w+|föresl\w+|exempel"
    r"|może\w*|mógł\w*|polecam|warto|przykład|önerir\w*|örneğin|\w+ebilir\w*|\w+abilir\w*)\b"
    r"|\b(?:c[oó]d(?:e|es|ice|igo)|kod\w*|coupon\w*|cup[oó]\w+|remise|réduc\w+|descuento|desconto|sconto|korting\w*|rabat\w*|indirim\w*)\b"
    r"|おすすめ|例えば|ましょう|ください|かもしれ|建议|可以|例如|不妨|추천|예를|보세요|יכול|כדאי|אפשר|למשל|ממליץ|يمكن|أقترح|أنصح|مثل)"
)
"""Words of advice and discounts, which name amounts of their own."""

_MONTH = re.compile(
    r"\.?\s?(?:de\s)?(?:jan\w{0,6}|genn\w+|enero|f[eé][bv]\w{0,7}|mar(?:s|zo|ço|ca)?|maart|mart|a[pbv]r\w{0,3}|ma(?:i|io|yo|ggio|j|ja|yıs)|jun[hi]?[io]?|juin|giugno"
    r"|juil\w*|jul[hi]?[io]?|luglio|a[ou][gûu]\w*|ağustos|sept?\w{0,6}|set\w*mbr[eo]|o[ckt]t\w*|outubro|nov(?:\w*emb\w+)?|d[ei][cz](?:\w*emb\w+)?|déc\w*"
    r"|stycz\w+|lutego|kwiet\w+|czerw\w+|lip(?:ca|iec)|sierp\w+|wrze\w+|paźdz\w+|listop\w+|grud\w+|ocak|şubat|nisan|haziran|temmuz|eylül|ekim|kasım|aralık)\b|\s?[月월]"
)
"""What follows the day of a month."""

_TELLING = re.compile(r"\b(?:sab[íi]as?|sab[íi]ais|sav(?:iez|ais|ez)|sapev\w+|sabia\w*|wist\w*|visste)\b")
"""Of a question that tells what it asks about: "Did you know that …?"."""

_DAY = re.compile(
    r"(?<![\d.,/-])(?P<day>[0-3]?\d)(?P<mark>[/-])(?P<month>[01]?\d)(?:(?P=mark)(?P<year>20\d\d))?(?![\d/%-])"
)
""" "19/11", "19-11-2026"."""


def is_claim(said: Said, number: Number) -> bool:
    """Whether the number may be said of the store: no length of time, day, year, or amount of an offer or an advice."""
    is_asked = said.plain.rstrip(' \n*”»"').endswith(("?", "？", "؟")) and not _TELLING.search(said.plain)
    if number.word or (is_round(number) and is_asked):
        return False  # "would you like to reach 100 orders?"
    value = number.readings[0][0]
    if number.currencies is not None or number.percent:
        is_plain = value == int(value) and len(f"{value:.0f}".rstrip("0")) <= 2  # 15 %, 50 €
        return not (is_plain and _ADVICE.search(said.masked))
    if any(found.start() <= number.start < found.end() for found in _DAY.finditer(said.masked)):
        return False
    if _TIME.match(said.masked, number.end) or (value <= 31 and _MONTH.match(said.masked, number.end)):
        return False
    if any(0 <= subject.start - number.end <= 1 for subject in said.subjects):
        return True  # "2026 pedidos"
    years = {moment.at.year for moment in said.grounds.moments} | {said.today.year, said.today.year + 1}
    return not (number.text.isdecimal() and value in years)


def days(said: Said) -> Iterator[date]:
    """The days that the sentence names in digits."""
    for mention in said.dates:
        for span in said.spans_of()[mention.start]:
            yield from span
    for found in _DAY.finditer(said.masked):
        year, month, day = int(found["year"] or said.today.year), int(found["month"]), int(found["day"])
        with suppress(ValueError):
            named = date(year, month, day)
            yield named if named <= said.today or found["year"] else date(year - 1, month, day)


def is_sum(number: Number, others: Sequence[Number]) -> bool:
    """ "13 (6 + 7)": whether it is the sum of others of its kind that stand side by side."""
    values = [n.readings[0][0] for n in others if (n.currencies, n.percent) == (number.currencies, number.percent)]
    ends = range(2, len(values) + 1)
    return any(fits(number, sum(values[start:end])) for end in ends for start in range(end - 1))
