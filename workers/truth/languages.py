"""Which language a text is in, by its commonest words or its script. Pure.

English and German the check knows by their words. Of the languages below it knows how to tell them, what it says where
it has nothing to tell, and the few words in `foreign`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

NOT_SEEN: Mapping[str, str] = {
    "en": "I can't say that for certain from your store's data.",
    "de": "Das kann ich anhand der Daten Ihres Shops nicht sicher sagen.",
    "fr": "Je ne peux pas le dire avec certitude d'après les données de votre boutique.",
    "es": "No puedo decirlo con certeza a partir de los datos de tu tienda.",
    "it": "Non posso dirlo con certezza dai dati del tuo negozio.",
    "pt": "Não posso dizer isso com certeza a partir dos dados da sua loja.",
    "nl": "Dat kan ik op basis van de gegevens van je winkel niet met zekerheid zeggen.",
    "sv": "Det kan jag inte säga säkert utifrån butikens data.",
    "pl": "Nie mogę tego powiedzieć z całą pewnością na podstawie danych Twojego sklepu.",
    "tr": "Mağazanızın verilerine bakarak bunu kesin olarak söyleyemem.",
    "ja": "ストアのデータからは、はっきりしたことは言えません。",
    "zh": "根据您店铺的数据，我无法确定这一点。",
    "ko": "스토어 데이터만으로는 확실히 말씀드릴 수 없습니다.",
    "ar": "لا أستطيع قول ذلك على وجه اليقين من بيانات متجرك.",
    "he": "אני לא יכול לומר זאת בוודאות לפי נתוני החנות שלך.",
}
"""What CJ says in place of what has no ground, by language."""


def is_known(language: str) -> bool:
    """Whether the check knows it by its words."""
    return language in ("en", "de")


_WORDS: Mapping[str, str] = {
    "en": "a an and are at for had has have is it no not of on one the there to was were with you your orders sold units "
    "customers sales revenue today yesterday",
    "de": "auf bei bestellung bestellungen das dein deine deinem deinen dem den der des die du ein eine einen einer es "
    "für gab gibt haben hast hat hatte hatten hattest ihr ihre ihrem ihren im ist kein keine kunden mit nicht "
    "noch sie sind und von war waren wurde wurden zu zum umsatz verkauft heute gestern je",
    "fr": "a je ne pas qui vous votre vos avez les du est une et dans pour cette que sont aux été cela nous elle sur par avec commandes",
    "es": "a el es tienes tu tus los las una y en con para que del hay han por pedidos pedido fue este tienda",
    "it": "a ho ha hai il gli di che sono della delle nel nei è e tuoi tuo tua negli con una questa ordini ordine stato",
    "pt": "a os ao você seu sua seus suas em uma não para que dos das nos foi são há pedidos pedido esta",
    "nl": "op te aan bij ik dat je hebt het een van voor met zijn niet nog deze heeft bestelling klanten naar",
    "sv": "har och är att av på din ditt dina inte som varav kunder beställning beställningar",
    "pl": "a masz nie jest są za się było twój twoje oraz zamówienia zamówień zamówienie tym z ze dla",
    "tr": "ve bir bu için var şu siparişiniz sipariş çok olarak müşteri",
    "other": "og ikke til af på ordrer kunder ovat sinulla tilausta ei máte jsou není objednávek zákazníků és nem rendelés "
    "ügyfél și nu sunt aveți comenzi clienți và của bạn có không đơn yang anda tidak pesanan pelanggan amb teniu comandes",
}
"""Common words by language; of the Danish, Norwegians, Finns, Czechs and others only that it is another."""

_LANGUAGES: Mapping[str, tuple[str, ...]] = {
    word: tuple(language for language, words in _WORDS.items() if word in words.split())
    for words in _WORDS.values()
    for word in words.split()
}

_SCRIPT = re.compile(
    "(?P<ja>[\u3040-\u30ff])|(?P<ko>[\uac00-\ud7a3])|(?P<zh>[\u3400-\u9fff])|(?P<ar>[\u0600-\u06ff])"
    "|(?P<he>[\u0590-\u05ff])|(?P<other>[\u0370-\u058f\u0900-\u10ff])"
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
""" "E-mail" has no Italian word."""


def language(pieces: Iterable[str], asked: Iterable[str] = ()) -> str:
    """The code of the language of a text in pieces, "other" if nothing but its script is known; where its words leave
    that open, that of what was `asked`; else one that is known, or English."""
    votes, other = _counted(pieces), _counted(asked)
    found = _likeliest(votes)
    is_sure = len(found) == 1 or not any(map(is_known, found))
    if not found or not is_sure or votes[found[0]] == 1:  # one word may be of a name
        found = _likeliest(other) or found
    return max(found, key=lambda each: (other[each], is_known(each)), default="en")


def _likeliest(votes: Counter[str]) -> list[str]:
    best = max(votes.values(), default=0)
    return [language for language, count in votes.items() if count == best > 0]


def _counted(pieces: Iterable[str]) -> Counter[str]:
    """How many different words are of which language; Latin words in lower case count against other scripts."""
    votes: Counter[str] = Counter()
    known: set[str] = set()  # each counts once: a name may come again and again
    for piece in pieces:
        scripts, words = _words(piece)
        votes.update(scripts)
        known |= words
    if votes["ja"]:
        votes["ja"] += votes.pop("zh", 0)  # it has Chinese letters, too
    votes.update(language for word in known for language in _LANGUAGES[word])
    return votes


def is_german(text: str) -> bool:
    """Whether it is rather German than English."""
    votes = _counted([text])
    return votes["de"] > votes["en"]


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[Counter[str], frozenset[str]]:
    """How many of its words are in which script, and those that tell a language."""
    words = _WORD.findall(text)
    found = [] if text.isascii() else [found.lastgroup or "" for word in words if (found := _SCRIPT.search(word))]
    scripts = Counter(found)
    if scripts:
        latin = sum(word.isascii() and word.islower() for word in words)
        for script in scripts:
            scripts[script] -= latin
    return scripts, frozenset(map(str.lower, words)) & _LANGUAGES.keys()
