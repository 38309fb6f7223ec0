"""The words that the check knows, English and German, and what they mean. Tables; pure.

What a word counts is a noun (`NOUNS`), what it says of a figure a trait.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from workers.truth.wording import Wording

DOLLARS = frozenset(
    "USD CAD AUD NZD SGD HKD MXN TWD ARS CLP COP BBD BSD JMD TTD FJD NAD BMD BND BZD GYD KYD LRD SBD SRD XCD UYU".split()
)

CROWNS = frozenset({"SEK", "NOK", "DKK", "ISK", "CZK"})

CODES = (
    DOLLARS
    | CROWNS
    | frozenset(
        "AED AFN ANG AOA AWG AZN BAM BDT BGN BHD BIF BOB BRL BTN BWP BYN BYR CDF CHF CLF CNY CRC CVE DJF DOP DZD "
        "EGP ERN ETB EUR FKP GBP GEL GHS GIP GMD GNF GTQ HNL HRK HTG HUF IDR ILS INR IQD IRR JEP JOD JPY KES KGS "
        "KHR KID KMF KRW KWD KZT LAK LBP LKR LSL LTL LVL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MYR MZN "
        "NGN NIO NPR OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SCR SDG SHP SLL SSP STN SYP SZL THB "
        "TJS TMT TND TRY TZS UAH UGX USDC UZS VED VEF VES VND VUV WST XAF XOF XPF YER ZAR ZMW".split()
    )
)
"""All of Shopify's, but ALL, AMD, SOS, STD and TOP, which in capitals are ordinary words more often than currencies."""

SYMBOLS: Mapping[str, frozenset[str]] = {
    "$": DOLLARS, "us$": frozenset({"USD"}), "ca$": frozenset({"CAD"}), "c$": frozenset({"CAD"}),
    "cn¥": frozenset({"CNY"}), "a$": frozenset({"AUD"}), "au$": frozenset({"AUD"}), "nz$": frozenset({"NZD"}), "hk$": frozenset({"HKD"}),
    "s$": frozenset({"SGD"}), "r$": frozenset({"BRL"}), "mx$": frozenset({"MXN"}), "€": frozenset({"EUR"}),
    "£": frozenset({"GBP"}), "¥": frozenset({"JPY", "CNY"}), "￥": frozenset({"JPY", "CNY"}), "jp¥": frozenset({"JPY"}), "₹": frozenset({"INR"}), "₺": frozenset({"TRY"}),
    "₩": frozenset({"KRW"}), "₪": frozenset({"ILS"}), "₴": frozenset({"UAH"}), "₫": frozenset({"VND"}),
    "฿": frozenset({"THB"}), "₱": frozenset({"PHP"}), "zł": frozenset({"PLN"}), "kč": frozenset({"CZK"}),
    "ft": frozenset({"HUF"}), "kr": CROWNS, "fr": frozenset({"CHF"}), "sfr": frozenset({"CHF"}),
    "lei": frozenset({"RON"}), "rs": frozenset({"INR", "PKR", "LKR"}),
    "dollar": DOLLARS, "euro": frozenset({"EUR"}), "pound": frozenset({"GBP", "EGP"}), "pfund": frozenset({"GBP"}),
    "yen": frozenset({"JPY"}), "yuan": frozenset({"CNY"}), "franc": frozenset({"CHF", "XOF", "XAF"}),
    "franken": frozenset({"CHF"}),
    "zloty": frozenset({"PLN"}), "złoty": frozenset({"PLN"}), "rupee": frozenset({"INR", "PKR", "LKR"}),
    "rupie": frozenset({"INR", "PKR", "LKR"}), "rupien": frozenset({"INR", "PKR", "LKR"}), "krone": CROWNS,
    "kronen": CROWNS, "kronor": CROWNS, "kroner": CROWNS, "krona": CROWNS, "buck": DOLLARS,
    "円": frozenset({"JPY"}), "元": frozenset({"CNY", "TWD", "HKD"}), "원": frozenset({"KRW"}), "ドル": DOLLARS,
    "美元": frozenset({"USD"}), "달러": DOLLARS, "欧元": frozenset({"EUR"}), "ユーロ": frozenset({"EUR"}),
    "유로": frozenset({"EUR"}), "دولار": DOLLARS, "يورو": frozenset({"EUR"}), "ر.س": frozenset({"SAR"}), "tl": frozenset({"TRY"}),
    "złotych": frozenset({"PLN"}), "złote": frozenset({"PLN"}), "dólare": DOLLARS, "dólar": DOLLARS, "dollari": DOLLARS,
    "reais": frozenset({"BRL"}), "won": frozenset({"KRW"}), "rand": frozenset({"ZAR"}), "peso": frozenset({"MXN"}),
}  # fmt: skip
"""The currencies that a sign or a word may mean."""

NATIONS: Mapping[str, str] = {
    "us": "USD", "amer": "USD", "canad": "CAD", "kanad": "CAD", "austral": "AUD", "new zeal": "NZD", "neusee": "NZD",
    "brit": "GBP", "swiss": "CHF", "schweiz": "CHF", "swed": "SEK", "schwed": "SEK", "norw": "NOK", "dan": "DKK",
    "dän": "DKK", "czech": "CZK", "tschech": "CZK", "ind": "INR", "jap": "JPY", "pol": "PLN", "mex": "MXN", "pakist": "PKR",
}  # fmt: skip
"""Whose currency it is, by how the word before it begins: "Canadian dollars", "schwedische Kronen"."""

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()

_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

_EINER = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()

_ZEHNER = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()


def _number_words() -> dict[str, int]:
    words = {word: value for value, word in enumerate(_ONES)}
    german = dict(enumerate(_EINER))
    for place, (ten, zehner) in enumerate(zip(_TENS, _ZEHNER, strict=True), 2):
        for one in range(10):
            words[f"{ten}-{_ONES[one]}" if one else ten] = place * 10 + one
            german[place * 10 + one] = f"{_EINER[one]}und{zehner}" if one else zehner
    for value in range(100, 1000):
        hundreds, rest = divmod(value, 100)
        german[value] = f"{_EINER[hundreds]}hundert{german[rest] if rest else ''}"
        if hundreds == 1:
            words[f"hundert{german[rest] if rest else ''}"] = value
    words |= {word: value for value, word in german.items() if value != 1}
    words |= {f"{word}mal": value for value, word in german.items() if 2 <= value <= 12}
    return words | {
        "dreissig": 30,
        "fuenf": 5,
        "zwoelf": 12,
        "eine": 1,
        "twice": 2,
        "thrice": 3,
        "dutzend": 12,
        "dozen": 12,
    }


WORDS = _number_words()

_NOUNS = re.compile(
    r"(?P<sale>sales?|verk[aä]uf(?:en?)?|käufen?)"
    r"|(?P<money>money|geld|revenues?|turnover|income|earnings|takings|proceeds|\w*umsatz\w*|\w*umsätze\w*|\w*erlöse?s?|\w*einnahmen|(?:bestell|auftrags|waren(?:korb)?|gesamt|einkaufs)wert\w*)"
    r"|(?P<order>orders?|checkouts?|purchases?|transactions?|parcels?|packages?|shipments?|deliver(?:y|ies)|pakete?n?|päckchen|sendung(?:en)?|lieferung(?:en)?|baskets?|bons?|commandes?|pedidos?|ordin[ei]|bestelling(?:en)?"
    r"|\w*bestellung(?:en)?|bestell(?:zahl|menge|eing[aä]ng)\w*|vorg[aä]nge?n?|\w*auftr[aä]ge?(?:n|s|es)?|(?:\w*(?<!ver)k[aä]uf|(?<!ver)k[aä]ufen?))"
    r"|(?P<customer>customers?|buyers?|clients?|shoppers?|purchasers?|people|persons?|personen|leuten?|faces|gesichter|newcomers?|patrons?|menschen|haushalte?|(?!sek|be)\w*kund(?:e|en|in|innen|schaft)|(?:neu|stamm|bestands|gast)?kunden\w*|kundschaft"
    r"|\w*käufer\w*|\w*besteller\w*|clientes?|clienti|klanten)"
    r"|(?P<product>products?|\w*produkte?[ns]?|produits?|productos?|prodott[io]|producten)"
    r"|(?P<item>items?|\w*artikeln?|lines?|articles?|goods|ware|position(?:s|en)?)"
    r"|(?P<unit>units?|pieces?|pcs|pairs?|copies|quantit(?:y|ies)|stücke?n?|stückzahl\w*|stk|einheit(?:en)?|exemplare?n?|paare?|menge|unidades|unités|pezzi|stuks"
    r"|times|\w{2,6}mal|mal|twice)"
    r"|(?P<foreign>subscri(?:bers?|ptions?)|visitors?|visits?|sessions?|reviews?|suppliers?|followers?|employees?|members?"
    r"|carts?|leads?|users?|refunds?|returns|complaints?|tickets|views?|clicks|newsletter\w*|chargebacks?|disputes?|wishlists?"
    r"|abonnent\w*|besucher\w*|bewertung\w*|lieferant\w*|mitarbeiter\w*|nutzer\w*|rezension\w*|mitglieder\w*|warenk[oö]rbe?\w*|sitzungen|aufrufen?|klicks"
    r"|beschwerden|retouren|rückerstattungen|erstattungen|collections?|variants?|varianten|kollektionen|cards?|gutscheine?|stores|locations|filialen"
    r"|countries|länder\w*|cities|städte\w*)"
)
"""A word that says what is counted. `sale`: an order, or money. `foreign`: what CJ reads nothing of."""

_TRAITS_OF_WORDS: Mapping[str, re.Pattern[str]] = {
    trait: re.compile(pattern)
    for trait, pattern in {
        "done": r"(?:un)?(?:fulfilled|shipped|delivered|dispatched|posted|mailed|despatched)|sent|(?:un)?(?:versandt|versendet|verschickt|verpackt|ausgeliefert|geliefert|erfüllt|abgeschickt|zugestellt|losgeschickt|rausgeschickt|rausgegangen|hinausgegangen|abgefertigt|abgegangen|ausgegangen)\w*|unterwegs|transit|carrier|courier|spediteur\w*",
        "closed": r"(?:un)?(?:closed|archived|resolved|processed|handled|concluded)|(?:un)?(?:abgewickelt|geschlossen|bearbeitet)\w*",
        "finished": r"(?:un|in)?(?:completed?|finished)|(?:un)?(?:erledigt|abgeschlossen|fertig)\w*",
        "to_do": r"fulfil|fulfill|fulfil\w*ment|fulfill?ing|ship|shipments?|shipping|send|sending|dispatch|dispatching|deliver|pack|packing|packed|packaged|post|mail|despatch|handover"
                 r"|gepackt|eingepackt|versandfertig\w*|verschickung|\w*versand(?!t)\w*|\w*versend(?:en|e)?|\w*verschicken?|(?:ver|ein)?packen|ausliefern|auszuliefern|liefern|erfüllen",
        "open": r"open|offen(?:e[nrsm]?)?|active|ongoing|progress|bearbeitung|schwebend\w*",
        "settled": r"cleared|(?:un)?paid|(?:un|ein)?bezahlt\w*|beglichen\w*|settled",
        "unsettled": r"pay|payments?|money|geld|\w*zahlung\w*|bezahlen",
        "refunded": r"(?:partially)?refunded|(?:rück|zurück)?erstattet\w*|retourniert\w*",
        "cancelled": r"cancel(?:l?ed|lations?)|storniert\w*|storno\w*|abgesagt\w*|abbestellt\w*|widerrufen\w*|stornierung\w*|abgebrochen\w*",
        "test": r"tests?|test(?:bestell|auftr|k[aä]uf)\w*",
        "guest": r"guests?|kontolos\w*|unregistered|anonymous|anonyme[nr]?|gast|gäste\w*|gast\w+",
        "new": r"new|joined|neu(?:e[nrsm]?)?",
        "first_time": r"first-time\w*|first-timers?|newcomers?|neulinge?n?|erstbestell\w*|erstkauf\w*|neu(?:kund|käufer)\w*|erst(?:käufer|besteller|kund)\w*|erstmals|erstmalig\w*",
        "returning": r"return(?:ing|ed)|repeat\w*|regulars?|existing|familiar|recurring|bestehend\w*|bekannte[nr]?|wiederkäufer\w*|wiederk[aä]uf\w*|wiederbesteller\w*|treuen|stamm(?:kund|käufer)\w*|wiederkehrend\w*|wiederkehrer\w*|wiederholt\w*|mehrfach\w*|bestandskund\w*|wiederholungs\w*|loyal|treue[rn]?",
        "stock": r"inventory(?:-wise)?|warehouse|shelf|shelves|regal\w*|vorräte?n?|(?:\w+-)?stock(?:ed)?|\w*lager\w*|(?:lager|waren)?best[aä]nde?[sn]?|vorrätig\w*|bestandsseitig|lagerseitig|vorrat|verfügbar\w*|available|hand",
        "sold": r"(?:out)?sold|shifted|sell(?:s|ing|ers?)?|best-?sell\w*|\w*verkauf\w+|bestseller\w*|topseller\w*|abgesetzt|absatz\w*",
        "average": r"mean|averag\w*|avg|aov|ø|\w*durchschnitt\w*|\w*schnitt(?:swert|lich)?|mittelwert\w*|apiece",
        "median": r"med(?:ian\w*)?|zentralwert\w*",
        "middle": r"typical(?:ly)?|typische[rn]?|üblicherweise|middle|midpoint|mid-point|midway|mitte|mittlere\w*|mittel|hälfte|half",
        "largest": r"höchstens|maximal|maximum|max|largest|biggest|highest|priciest|größte\w*|höchste\w*|teuerste\w*|wertvollste\w*|spitzen\w*|höchst(?:wert|betrag)\w*|maximalwert\w*",
        "smallest": r"mindestens|minimal|minimum|min|smallest|lowest|cheapest|kleinste\w*|niedrigste\w*|günstigste\w*|billigste\w*|geringste\w*|(?:niedrigst|tiefst|kleinst|mindest|minimal)(?:wert|betrag)\w*",
        "price": r"pric(?:es?|ed|ing)|costs?|costing|\w*preise?s?n?|koste[tn]",
        "daily": r"daily|täglich\w*|tages(?:schnitt|durchschnitt|mittel)\w*",
        "revenue": r"revenue|sales|turnover|earn\w*|income|takings|proceeds|total(?:l?ing|l?ed|s)?|worth|combined|together|altogether|made|sum"
                   r"|\w*umsatz\w*|\w*umsätze\w*|erlös\w*|einnahmen|\w*gesamt\w*|insgesamt|zusammen|summe|summieren|belaufen|verdien\w*|eingenommen|umgesetzt|eingebracht",
        "loose": r"wait(?:s|ing|ed)?|await(?:s|ing)?|needs?|needing|must|left|still|pending|outstanding|remaining|queue[ds]?|backlog|unprocessed|due|to-do|todo"
                 r"|wart(?:en|et|end\w*)|müssen|musst|muss|noch|liegen|rückst[aä]nd\w*|ausstehend\w*|unbearbeitet\w*|unerledigt\w*|anstehend\w*|fällig\w*|übrig",
        "net": r"netto\w*|net(?:ted)?|danach|afterwards",
        "refunding": r"refunds?|\w*erstattung(?:en)?|rückgaben?|returns|retouren?",
        "gross": r"brutto\w*|gross(?:ed)?",
        "discount": r"discount(?:s|ed)?|rabatte?[ns]?|reductions?|preisnachl\w+|nachl[aä]ss\w*",
        "reversal": r"refunded|erstattet\w*|zurückerstattet\w*|zurückgegeben\w*|retourniert\w*|returned|returns|reversals?|rückerstattungen|retouren|rückgaben|gutschriften|back|zurück",
        "tax": r"tax(?:es)?|vat|steuern?|mwst|umsatzsteuer|mehrwertsteuer",
        "postage": r"versandkosten|versandgebühren|porto|postage",
        "change": r"exceed\w*|difference|gap|swing|delta|abstand|change[ds]?|growth|increase[ds]?|decrease[ds]?|dropped|drop|grew|grown|rose|risen|fell|fallen|declin\w+|shr[au]nk|more|fewer|less|up|down|higher|lower"
                  r"|mehr|weniger|unterschied|differenz|plus|minus|wuchs\w*|gewachsen|stieg\w*|gestiegen|sank\w*|gesunken|fiel\w*|gefallen|schrumpf\w+|zurück\w*|über|unter|höher|niedriger|nahm|zu|ab|anstieg|rückgang|veränder\w+",
        "previous": r"vorletzte[nrms]?|damals|before|previous|prior|preceding|then|davor|vorher(?:ige[nrsm]?)?|zuvor|vor(?:ige[nrsm]?|woche|monats?|jahr(?:es)?|zeitraums?|periode|tag(?:es)?)|vergleichszeitraum\w*",
        "these": r"these|those|them|diese[rnm]?|davon|darunter|ihnen|denen|derer",
        "recent": r"cases|fällen?|latest|newest|recent(?:ly)?|last|listed|shown|following|newest|neueste\w*|jüngste\w*|letzte\w*|folgende\w*"
                  r"|aktuellste\w*|zuletzt|gelistet\w*|gezeigt\w*|looked|betrachtet\w*|angesehen\w*|ausgewertet\w*",
    }.items()
}  # fmt: skip
"""What a word says of a figure; `done`, `to_do`, `settled` and `unsettled` are decided by the words around."""

PHRASES = Wording(
    r"(?P<first_time>(?:noch )?nie(?:mals)? (?:\w+ )?(?:gekauft|bestellt|kund(?:e|in))|never (?:\w+ )?(?:bought|ordered|purchased|a customer)|first[- ]time|first ever|(?<='s )first (?:\w+ )?(?:order|purchase)|(?:sein|ihr)(?:e|en)? (?:aller)?erste\w* (?:bestellung|einkauf|kauf)|(?:only|just) once|for the first|(?:zum ersten|das erste) mal|ersten? (?:kauf|bestellung)|(?:erst|nur) einmal|(?:his|her|their) first|(?:an?|were) first (?:order|purchase)s?\b|debüt\w*|debut)"
    r"|(?P<guest>without (?:an? |any )?(?:customer )?account|(?:ohne (?:ein )?|kein )(?:kunden)?konto|(?:not|didn't|never|nicht) (?:sign|log|logged|signed|angemeldet)(?: in)?)|(?P<returning>back again|been (?:here|there) before|old friends|alte bekannte|(?:many|several|multiple) times|schon (?:oft|öfter|mehrmals)|more than (?:once|one order(?! (?:a|per|each|every)\b))|(?:ordered|bought|purchased|been here|shopped|customers)(?: (?:from|with|at) (?:you|us))? (?:again|before|already)|repeat|mehr als (?:einmal|eine)|(?:schon|bereits) (?:früher|vorher|einmal|mal|zuvor|öfter)"
    r"|c[oa]mes? back|coming back|kommt (?:immer )?wieder|(?:kamen|kommen|kam|sind|ist) (?:[\w\ue000]+ ){0,3}(?:wieder|zurück)|(?:wieder|erneut) (?:gekauft|bestellt|da)|knew you|known to you|kannten)"
    r"|(?P<change>(?<=[\d%$€£¥] )(?:ahead|behind|voraus)\b|(?:ahead|behind) by\b|(?:dollars|euros?|francs|pounds|percent|orders|bestellungen|prozent|franken) (?:ahead|behind|voraus)\b)"
    r"|(?P<largest>(?:top|record|peak)(?= order| purchase| sale)|a high of|high(?=:))|(?P<smallest>a low of|low(?=:))"
    r"|(?P<left>(?:has|have) left(?= ?[.,!;]|$| the| your| today| yesterday)|(?:on (?:its|their|the)|auf de[mn]) (?:way|weg|road)|zur post|aus dem haus|(?:in den|im) versand|(?:verl[aä]ss\w*|verließ\w*) (?:\w+ )?(?:lager|haus)|(?:lager|haus|depot)(?: \w+){0,3} verlassen|out the door|out of the (?:door|house)|made it to (?:its|the|their) \w+|(?:left|leave|leaving) the (?:building|warehouse|house)|(?:go|gone|went|going) out|(?:geht|gehen|ging|gingen) (?:\w+ )?raus|raus)(?!\w)"
    r"|(?P<open>in (?:the|der) pipeline|in the works|in arbeit)|(?P<postage>shipping (?:charges?|costs?|fees?|income))"
    r"|(?P<unpaid>payment (?:is |are )?(?:still )?pending|pending payment|awaiting payment|zahlung (?:steht|fehlt|offen)|owe(?=s? you)|owed|schulde\w*)"
    r"|(?P<refunding>return rate|retourenquote|rückgabequote|erstattungsquote)|(?P<refunded>(?:money|geld) (?:back|zurück)|sent back|zurückgeschickt|zurückgesandt)|(?P<done>(?:arrived|delivered) (?:at|with|to) (?:the|your) (?:customer|buyer)|beim (?:kund|käuf)\w+ (?:angekommen|eingetroffen))|(?P<paid>(?:got|received|have|erhalten|bekommen|haben) (?:the |das )(?:money|geld))|(?P<finished>(?:wrapp\w+|wound|tied) up|dealt with|taken care of|sorted out)|(?P<cancelled>call(?:ed|ing)? off)|(?P<gross>before (?:any |the )?(?:returns|refunds|discounts|deductions)|vor (?:\w*erstattungen|retouren|rabatten|abzug|abzügen))|(?P<previous>earlier (?:week|month|year|period|days|one)|(?:same|(?:der|dem|den)?selben|gleichen?) (?:number of days|days?|period|stretch|time|point|stage|moment|tagen?|zeit\w*|stand|stichtag))|(?P<average>basket (?:size|value)|a pop|(?:an order|eine bestellung) (?:brought|brings|came to|comes to|brachte|bringt)|each(?=\s*(?:[.,;:!?)]|$))|(?:also|oder) je(?= \W?\w{0,4}\W{0,2}\d)|per order|(?:pro|je) (?:bestellung|kauf|auftrag|einkauf)|im (?:schnitt|mittel)|each order)"
    r"|(?P<daily>(?:typical|average|normal) day\b|(?:per|a|each|every) (?:single )?day|(?:pro|je|am|jeden|auf den|einen) tag)"
    r"|(?P<price>(?:starts?|starting|sells?|beginnt|beginnen|los) (?:at|from|bei|ab)\b|goes for|ab (?=[$€£]?\d))"
    r"|(?P<revenue>(?:come|comes|came|adds?|added|adding|amounts?|amounted) (?:up )?to|brought in|took in|(?:komme|kommen|kommt|kamen|kam) (?:ich |sie |wir |zusammen |insgesamt )?auf|in total|in all|all told|all in all)"
    r"|(?P<net>(?:abzüglich|less|minus|net of|without) (?:\w+ )?(?:refunds|returns|erstattungen|retouren)|after (?:them|(?:\w+ )?(?:refunds?|returns?|changes|edits|money back))|nach (?:\w+ )?(?:\w*erstattungen|retouren|abzug|änderungen|rückgaben))"
    r"|(?P<these>of which)|(?P<recent>in (?:that|this|the) list\b|i (?:see|looked|read)|(?:schaue|sehe) ich)"
)

OFFER = re.compile(
    r"(?:let me know|want me to|anything else|would you like|do you want|shall (?:i|we)|hope that|how about|what about|maybe|sag bescheid|soll ich|sollen wir|möchtest du|möchten sie|wünschen sie"
    r"|willst du|wollen sie|ich hoffe|wie wäre|vielleicht)\b"
)
"""Where an offer begins, or a farewell, with or without a full stop before it."""


@lru_cache(maxsize=8192)
def lexeme(word: str) -> tuple[str, tuple[str, ...]]:
    """What a word counts ("" if nothing), and what it says of a figure."""
    noun = _NOUNS.fullmatch(word)
    return (noun.lastgroup or "") if noun else "", tuple(
        trait for trait, pattern in _TRAITS_OF_WORDS.items() if pattern.fullmatch(word)
    )
