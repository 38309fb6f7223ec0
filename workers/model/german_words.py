"""What CJ says in German without a model: its fixed sentences, and what results of `shopify_data` show. Pure.

The counterpart of `demo_words`: the main figures, and whether something is missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from workers.model.demo_words import CURRENCIES, LOOKS_AGAIN, Result, in_stock, moment, real_orders, sums

SENTENCES: Mapping[str, str] = {
    "Sorry, that took me too long. Please ask again.": (
        "Das hat leider zu lange gedauert. Bitte fragen Sie noch einmal."
    ),
    "I'm sorry, I could not find an answer to this. Please ask me again.": (
        "Darauf habe ich leider keine Antwort gefunden. Bitte fragen Sie noch einmal."
    ),
    "I can't think straight at the moment. I'll answer as soon as I can; you need not ask again.": (
        "Ich kann gerade nicht klar denken. Ich antworte, sobald ich kann; Sie müssen nicht noch einmal fragen."
    ),
    "I can't think straight at the moment. I'll go on by myself as soon as I can.": (
        "Ich kann gerade nicht klar denken. Ich mache von selbst weiter, sobald ich kann."
    ),
    "I have noted that, too.": ("Auch das habe ich mir gemerkt."),
    "I still can't think straight. I'll come to this, too, as soon as I can.": (
        "Ich kann noch immer nicht klar denken. Auch darauf komme ich zurück, sobald ich kann."
    ),
    "I have to stop here for now. Please ask me again for the rest.": (
        "Hier muss ich vorerst aufhören. Bitte fragen Sie noch einmal nach dem Rest."
    ),
    "Sorry, I can't help with that. Is there something else about your store?": (
        "Dabei kann ich leider nicht helfen. Gibt es etwas anderes zu Ihrem Shop?"
    ),
    "Sorry, that is more than I can read at once. Please ask with fewer words.": (
        "Das ist leider mehr, als ich auf einmal lesen kann. Bitte stellen Sie die Frage kürzer."
    ),
    "Sorry, something went wrong on my side. Please try again.": (
        "Bei mir ist etwas schiefgegangen. Bitte versuchen Sie es noch einmal."
    ),
    "Sorry, I could not put an answer into words. Please ask again.": (
        "Ich konnte leider keine Antwort formulieren. Bitte fragen Sie noch einmal."
    ),
    "Your store is connected again.": ("Ihr Shop ist wieder verbunden."),
    "Your other store is connected now.": ("Ihr anderer Shop ist jetzt verbunden."),
    "I looked again, as promised.": ("Ich habe wie versprochen noch einmal nachgesehen."),
}
_FAILED = {
    "shopify.not_connected": "Es ist kein Shopify-Shop verbunden, deshalb kann ich nichts nachsehen.",
    "shopify.unauthorized": "Shopify lässt mich nicht mehr auf Ihren Shop zugreifen. Bitte verbinden Sie ihn erneut.",
}
_AGAIN = " Ich sehe von selbst noch einmal nach und melde mich dann."


def fixed(sentence: str) -> str:
    """A sentence that no model made, in German if it is known."""
    return SENTENCES.get(sentence, sentence)


def tell(results: Mapping[str, Result], said: str = "") -> str:
    """Everything there is to say about fresh results by data type, without what is in `said`."""
    told = dict.fromkeys(sentence for name, result in results.items() for sentence in _about(name, result))
    return " ".join(sentence for sentence in told if sentence not in said)


def _about(data_type: str, result: Result) -> Iterator[str]:
    if not result["success"]:
        code = str(result.get("error_code"))
        yield _FAILED.get(
            code, f"Ich konnte in Ihrem Shop gerade nicht alles nachsehen.{_AGAIN * (code in LOOKS_AGAIN)}"
        )
        return
    if result.get("stale") and (at := moment(result["as_of"])):
        yield f"Neuere Daten bekomme ich gerade nicht; das ist der Stand vom {_day(at)}."
    if not (data := result.get("data")):
        return
    match data_type:
        case "counts":
            start = moment((result.get("data_window") or {}).get("orders_from"))
            yield from _counts(data, set(data.get("at_least", ())), f" seit dem {_day(start)}" if start else "")
        case "recent_orders" if orders := real_orders(data.get("orders", ())):
            which = (
                f"letzten {len(orders)} Bestellungen ergeben"
                if len(orders) > 1
                else "letzte Bestellung beläuft sich auf"
            )
            if total := _money(order["total"] for order in orders):
                yield f"Ihre {which} {total}."
        case "overview":
            for product in in_stock(data.get("best_stocked_products", ()))[:1]:
                yield f"Den größten Bestand hat „{product['title']}“: {_number(product['inventory'])} Stück."
        case "week_orders":
            many = _many(data["orders_counted"], "Bestellung", bool(data.get("truncated")))
            yield f"In den letzten sieben Tagen gab es {many}{_money(data['totals'], ' im Wert von ')}."
        case "sales":
            for figures in filter(None, (data["current"], data.get("previous"))):
                first, last = (date.fromisoformat(figures[day]) for day in ("from", "to"))
                when = f"Vom {_day(first)} bis zum {_day(last)}" if first < last else f"Am {_day(last)}"
                if total := _money([figures["total_sales"]]):
                    yield f"{when} betrug Ihr Gesamtumsatz {total}."
    if any(entry["part"] != "top_items" for entry in result.get("missing", ())):
        yield "Einiges davon konnte ich nicht lesen."


def _counts(data: Result, at_least: set[str], since: str) -> Iterator[str]:
    nouns = {"customers": "Kunden", "orders": "Bestellung", "unfulfilled_orders": "Bestellung"}
    numbers = {part: number for part in nouns if (number := data.get(part)) is not None}
    many = {part: _many(number, nouns[part], part in at_least) for part, number in numbers.items()}
    if known := [many[part] for part in ("customers", "orders") if part in many]:
        yield f"Ich sehe in Ihrem Shop {' und '.join(known)}{since}."
    if waiting := numbers.get("unfulfilled_orders"):
        yield f"Auf den Versand {'wartet' if waiting == 1 else 'warten'} {many['unfulfilled_orders']}."


def _day(day: date) -> str:
    return f"{day.day}.{day.month}.{day.year}"


def _number(number: int | Decimal) -> str:
    return f"{number:,}".translate(str.maketrans(",.", ".,"))


def _many(number: int, noun: str, at_least: bool) -> str:
    """Like "1 Bestellung", "mindestens 1.500 Bestellungen", "keine Kunden"; a noun in -en is the same for one."""
    how_many = f"{'mindestens ' if at_least else ''}{_number(number) if number else 'keine'}"
    return f"{how_many} {noun}{'' if number == 1 or noun.endswith('en') else 'en'}"


def _money(amounts: Iterable[Result | None], before: str = "") -> str:
    told = " und ".join(f"{_number(sum_)} {CURRENCIES.get(code, code)}" for code, sum_ in sums(amounts).items())
    return before + told if told else ""
