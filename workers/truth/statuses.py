"""What a text says of an order, a customer or a product by name: shipped, new, sold out. Pure."""

import re
from collections.abc import Iterable
from dataclasses import replace

from workers.truth.figure import BUYERS, STATUSES
from workers.truth.said import IF, ITEM, Said, keys
from workers.truth.sentence import Mention
from workers.truth.wording import Wording

_DENIED = re.compile(r"\b(?:not|never|no|nicht|nie|keine?[nmrs]?)\b|n't\b")

_SOLD_OUT = re.compile(
    r"\b(?:(?P<low>(?:nearly|almost) (?:gone|sold out|out of stock)|running (?:low|out)|runs low|low on stock|in short supply|fast (?:weg|alle|ausverkauft|vergriffen)|knapp(?: geworden)?|wird knapp|geh(?:t|en) (?:\w+ ){0,4}(?:zur neige|aus(?=\W*$|[.,;])))|out of stock|sold out|run out|ran out|runs out|nichts mehr (?:da|übrig)|none (?:is |are )?left|ausgegangen|ausverkauft|vergriffen|nicht (?:mehr )?(?:auf lager|vorrätig|verfügbar|lieferbar)|no longer (?:in stock|available))\b"
)


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
        if any(
            n.currencies and trait.end <= n.start and not said.masked[trait.end : n.start].strip(" $€£¥₹")
            for n in said.numbers
        ):
            continue  # "Anna paid $5" tells how much
        clause = said.masked[said.clause_start(trait.start) : said.clause_end(trait.end)]
        is_if = IF.match(said.masked) is not None and "," not in said.masked[: trait.start]
        if is_if or said.doubts(clause) or said.supposes(clause) or said.advises(clause):
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
            if _NOT_IT.search(said.masked, 0, mention.start) or (
                trait.kind != "refunded" and _PARTLY.search(said.masked, 0, trait.start)
            ):
                continue
            theirs = keys(mention)
            is_order = _ORDER_OF.match(said.masked, mention.end) or _ORDER_FROM.search(said.masked, 0, mention.start)
            is_their_order = mention.end <= trait.start and is_order  # "Anna's order has shipped"
            is_person = any(key.startswith("customer:") for key in theirs)
            if is_their_order or (is_person and trait.kind in STATUSES - BUYERS):
                links = [link for link in said.grounds.links if link & theirs]
                linked = frozenset(key for link in links for key in link if key.startswith("order:"))
                theirs = linked if is_their_order or len(linked) == 1 else theirs  # "Anna has paid"
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
    r"\W*(?:(?:and|but|so|und|aber)\s)?(?:it|(?:this|that|the) (?:order|one)|(?:diese|die) (?:bestellung)|sie)\s(?:is|was|has|hasn't|isn't|totals|c[oa]mes? to|still|ist|wurde|hat|muss)\b"
)


def _before(said: Said) -> list[Mention]:
    """ "It has not been paid yet": the order that alone was named in the sentence before, or of whom a list is."""
    if len(said.context.orders_above) == 1 and ITEM.match(said.text):  # "- Shipping: done"
        return [replace(said.context.orders_above[0], start=0, end=1)]
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


_BEFORE_IT = re.compile(r"\b(?:before|bevor|ehe|damit|so that|in case)\b")


def sold_out(said: Said) -> Iterable[tuple[str, bool]]:
    """ "The Spork is out of stock"."""
    products = said.mentions().get("product", ())
    for found in _SOLD_OUT.finditer(said.masked) if products else ():
        clause = said.masked[said.clause_start(found.start()) : said.clause_end(found.end())]
        named = [m for m in products if m.end <= found.start()]
        if not named or said.doubts(clause) or said.supposes(clause):
            continue
        if _BEFORE_IT.search(said.masked, named[-1].end, found.start()):  # "restock it before it runs out"
            continue
        stocks = [r.values for r in said.grounds.rankings if r.what == "stock"]
        known = [(each[k], max(each.values())) for each in stocks for k in keys(named[-1]) if k in each]
        if found["low"]:
            if known:  # what is low nobody knows, but not what there is most of
                yield f"{named[-1].text}: {found[0]}", any(units < most / 2 or units <= 10 for units, most in known)
            continue
        yield f"{named[-1].text}: {found[0]}", any(units <= 0 for units, _ in known)
