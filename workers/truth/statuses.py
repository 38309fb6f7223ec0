"""What a text says of orders and customers without a number: all, most, shipped, new, sold out. Pure."""

import re
from collections.abc import Iterable

from workers.truth.figure import STATUSES
from workers.truth.periods import near, ranges
from workers.truth.said import STRICT, Said, keys
from workers.truth.sentence import Mention
from workers.truth.wording import Wording

_ALL = Wording(
    r"(?P<not>not |nicht )?(?P<almost>(?:almost|nearly|fast|beinahe|nahezu) )?(?:all|every|each|alle[nrs]?|allesamt|ausnahmslos|everything|sämtliche[nr]?|jede[rns]?)\b"
)

_DENIED = re.compile(r"\b(?:not|never|no|nicht|nie|keine?[nmrs]?)\b|n't\b")

_MOSTLY = re.compile(
    r"\b(?:most|mostly|majority|die meisten|mehrheit|überwiegend|mehrheitlich|großteil|mehrzahl|bulk)\b"
)

_SOLD_OUT = re.compile(
    r"\b(?:out of stock|sold out|run out|ran out|runs out|nichts mehr (?:da|übrig)|none (?:is |are )?left|ausgegangen|ausverkauft|vergriffen|nicht (?:mehr )?(?:auf lager|vorrätig|verfügbar|lieferbar)|no longer (?:in stock|available))\b"
)


def alls(said: Said) -> Iterable[tuple[str, bool]]:
    """ "All orders are paid": where the data decides it, and it has both numbers."""
    for found in said.each(_ALL) if any(t.kind in STRICT for t in said.traits) else ():
        if found["not"] or said.doubts(said.plain) or said.supposes(said.plain):
            continue
        right = min((b for b in said.breaks if b >= found.end()), default=len(said.masked))
        left = said.clause_start(found.start())
        behind = {t.kind for t in said.traits if found.end() <= t.start < right} & STRICT
        begins = found.end() if behind else left  # "shipped is everything", "they are unpaid, all of them"
        subjects = {s.kind for s in said.subjects if begins <= s.start < right} or set(said.context.subjects)
        subjects |= {s.kind for s in said.subjects if left <= s.start < right} if not subjects else set()
        subjects |= {"order"} if found[0] in ("everything", "alles") else set()
        traits = {t.kind for t in said.traits if begins <= t.start < right} & STRICT - {"average", "median"}
        if len(traits) == 2 and traits & {"fulfilled", "unfulfilled"}:  # "all open orders still have to go out"
            traits -= {"open"}
        if len(traits) != 1 or not subjects & {"order", "customer"}:
            continue
        [trait] = traits
        shares = _shares(said, trait, "order" if "order" in subjects else "customer")
        if shares:
            least = _ALMOST_ALL if found["almost"] else 1
            yield f"{found[0]} … {trait.replace('_', ' ')}", any(least <= share <= 1 for share in shares)


_ALMOST_ALL = 0.8


def _shares(said: Said, trait: str, subject: str) -> list[float]:
    """What share of the open orders, or of those that are listed, it is true of."""
    direct = {frozenset(f.traits & STRICT): f.value for f in said.grounds.figures
              if subject in f.subjects and not f.derived and not f.entities and f.currency is None and not f.old}  # fmt: skip
    opened = direct.get(frozenset({"open"}))
    unfulfilled = direct.get(frozenset({"unfulfilled"}))
    if trait in ("fulfilled", "unfulfilled") and unfulfilled is not None:
        all_ = opened or direct.get(frozenset(), 0.0)
        share = unfulfilled / all_ if all_ else 0.0
        return [1 - share] if trait == "fulfilled" else [share] if opened is not None else []
    totals: dict[object, float] = {}
    those: dict[object, float] = {}
    for figure in said.grounds.counts.get(subject, ()):
        into = totals if not figure.traits & STRICT else those if figure.traits & STRICT == {trait} else None
        if figure.derived and not figure.entities and into is not None:
            into[figure.period, figure.partial] = figure.value
    return [those[which] / totals[which] if totals[which] else 0.0 for which in those.keys() & totals.keys()]


def statuses(said: Said) -> Iterable[tuple[str, bool]]:
    """ "#1120 has been shipped", "Anna is new": what is said of an order or a customer by name."""
    if not said.traits:
        return
    mentions = [each for kind in ("order", "customer") for each in said.mentions().get(kind, ())]
    mentions = mentions or _of_guest(said) or _before(said)
    if not mentions:
        return
    for trait in said.traits:
        is_loose = trait.kind in ("loose", "open") and not any(t.kind in STATUSES for t in said.traits)
        if is_loose and (trait.text in _NOT_OF_STATUS or said.numbers or said.names):
            continue
        if (trait.kind not in STATUSES and not is_loose) or any(
            trait.start < m.end and m.start < trait.end for m in mentions
        ):
            continue
        clause = said.masked[said.clause_start(trait.start) : said.clause_end(trait.end)]
        if said.doubts(clause) or said.supposes(clause) or said.advises(clause):
            continue
        near = said.clause_start(trait.start), said.clause_end(trait.end)
        if any(n.currencies is None and not n.percent and near[0] <= n.start < near[1] for n in said.numbers):
            continue  # it is said of a number
        before = [m for m in mentions if m.end <= trait.start]
        whose = before[-1] if before else mentions[0]
        if before:  # "#1 and #2 are …"
            end = before[-1].end
            each = [m for m in before if said.clause_start(m.start) == said.clause_start(before[-1].start)]
        else:
            end, each = trait.end, [whose]
        if len(said.masked[min(end, trait.start) : max(trait.start, whose.start)]) > 60:
            continue
        denied = _DENIED.search(said.masked[max(0, trait.start - 25) : trait.start].rpartition("(")[2]) is not None
        for mention in each:
            if _NOT_IT.search(said.masked, 0, mention.start) or _PARTLY.search(said.masked, 0, trait.start):
                continue
            theirs = keys(mention)
            is_order = _ORDER_OF.match(said.masked, mention.end) or _ORDER_FROM.search(said.masked, 0, mention.start)
            if mention.end <= trait.start and is_order:  # "Anna's order has shipped"
                theirs = frozenset(
                    k for link in said.grounds.links if link & theirs for k in link if k.startswith("order:")
                )
            known = [told for key in theirs for told in said.grounds.statuses.get(key, ())]
            if is_loose:  # "still outstanding": something is left to do
                left = frozenset({"unfulfilled"}) if any(t.kind == "stock" for t in said.traits) else _LEFT_TO_DO
                decided = [bool(has & left) for could, has in known if could >= _LEFT_TO_DO]
            else:
                decided = [trait.kind in has for could, has in known if trait.kind in could]
            if decided and trait.kind not in ("unfulfilled", "unpaid", "fulfilled", "paid"):
                decided = [ok != denied for ok in decided]
            if decided:
                yield f"{mention.text}: {trait.text}", any(decided)


_NOT_IT = re.compile(r"\b(?:except|but|besides|(?:apart|aside) from|other than|außer|bis auf|abgesehen von)\s$")

_PARTLY = re.compile(r"\b(?:part(?:ly|ially)|in part|teilweise|zum teil)\s$")

_IT = re.compile(
    r"\W*(?:(?:and|but|so|und|aber)\s)?(?:it|(?:this|that|the) (?:order|one)|(?:diese|die) (?:bestellung)|sie)\s(?:is|was|has|hasn't|isn't|still|ist|wurde|hat|muss)\b"
)


def _before(said: Said) -> list[Mention]:
    """ "It has not been paid yet": the order that alone was named in the sentence before."""
    orders = [theirs for kind, theirs, _, _ in said.context.named if kind == "order"]
    found = _IT.match(said.masked) if orders else None
    return [Mention(found.start(), found.start() + 1, found[0].strip(), "name", orders[0])] if found else []


_ORDER_OF = re.compile(r"['’]s? (?:\w+ )?order\b(?! of\b)")

_ORDER_FROM = re.compile(r"\b(?:order|bestellung) (?:from|by|of|von)\s$")

_OF_GUEST = Wording(r"(?:the guest['’]s (?:\w+ )?order|(?:die )?bestellung (?:des|vom) gast(?:e?s)?)(?!\w)")


def _of_guest(said: Said) -> list[Mention]:
    """ "The guest's order": the only one."""
    found = said.first(_OF_GUEST)
    orders = [
        k for k, told in said.grounds.statuses.items() if k.startswith("order:") and all("guest" in h for _, h in told)
    ]
    return [Mention(*found.span(), found[0], "name", frozenset(orders))] if found and len(orders) == 1 else []


_LEFT_TO_DO = frozenset({"unfulfilled", "unpaid"})
_NOT_OF_STATUS = frozenset({"left", "must", "muss", "müssen", "musst", "due", "übrig"})


def sold_out(said: Said) -> Iterable[tuple[str, bool]]:
    """ "The Spork is out of stock"."""
    products = said.mentions().get("product", ())
    for found in _SOLD_OUT.finditer(said.masked) if products else ():
        clause = said.masked[said.clause_start(found.start()) : said.clause_end(found.end())]
        named = [m for m in products if m.end <= found.start()]
        if not named or said.doubts(clause) or said.supposes(clause):
            continue
        stock = [
            r.values[k] for r in said.grounds.rankings if r.what == "stock" for k in keys(named[-1]) if k in r.values
        ]
        yield f"{named[-1].text}: {found[0]}", any(value <= 0 for value in stock)


def most(said: Said) -> Iterable[tuple[str, bool]]:
    """ "Most of your customers were new"."""
    kinds = {trait.kind for trait in said.traits} & {"first_time", "returning"}
    found = _MOSTLY.search(said.masked) if len(kinds) == 1 else None
    if found is None or len(said.numbers) > 1 or said.doubts(said.plain):
        return
    [kind] = kinds
    spans = [span for period in said.periods for span in ranges(period, said, said.today)]
    known = []
    for figure in said.grounds.by_kind.get("count", ()):
        one = figure.traits & {"first_time", "returning"}
        dated = figure.period is not None and any(near(span, figure.period) for span in spans)
        if one and "customer" in figure.subjects and not figure.entities and dated == bool(spans):
            known.append((figure.value, one == {kind}, figure.derived))
    for derived in (False, True):
        mine = [value for value, is_it, how in known if is_it and how == derived]
        others = [value for value, is_it, how in known if not is_it and how == derived]
        if mine and others:
            yield f"{found[0]} … {kind.replace('_', ' ')}", max(mine) > max(others)
            return
