"""What follows from tool results without doubt: figures, names, times, rankings. Pure.

Beside the leaves of a result stand what follows from its lists: how many rows there are of each kind, and their totals'
sum, average, median and extremes.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from statistics import median
from typing import Any

from workers.truth.claims import concepts
from workers.truth.figure import BUYERS, KINDS, NOTHING, Change, Dated, Figure, Range, Ranking
from workers.truth.sentence import with_latin_signs

SKIPPED = frozenset(
    "id sku image_url success data_type cached error_code retry_after description remedy code domain website plan orders_not_shown customer_orders".split()
)

SALES = {
    "total_sales": frozenset({"revenue"}), "net_sales": frozenset({"revenue", "net"}),
    "gross_sales": frozenset({"revenue", "gross"}), "discounts": frozenset({"discount"}),
    "returns": frozenset({"reversal"}), "taxes": frozenset({"tax"}), "shipping_charges": frozenset({"postage"}),
    "average_order_value": frozenset({"average"}),
}  # fmt: skip

AN_HOUR = timedelta(hours=1)

UNPAID = frozenset({"PENDING", "AUTHORIZED", "PARTIALLY_PAID", "EXPIRED"})


@dataclass(slots=True)
class _Place:
    """Where in a result a value stands. Never changed: `replace` makes another one."""

    subjects: frozenset[str] = NOTHING
    traits: frozenset[str] = NOTHING
    entities: frozenset[str] = NOTHING
    period: Range | None = None
    old: str = ""
    aged: bool = False
    at_least: frozenset[str] = NOTHING
    headline: bool = False

    def about(self, subjects: frozenset[str], traits: frozenset[str]) -> "_Place":
        """The same place, below a key that names these."""
        if not subjects and not traits:
            return self
        found = subjects or self.subjects, self.traits | traits
        return _Place(*found, self.entities, self.period, self.old, self.aged, self.at_least, self.headline)

    def of(self, entities: frozenset[str], period: Range | None) -> "_Place":
        """The same place, in an object of these entities and this period."""
        found = self.subjects, self.traits, entities, period
        return _Place(*found, self.old, self.aged, self.at_least, self.headline)


_OWN_FORM = re.compile(r"(?=.*\d)(?!#\d+$)(?![\d.,\s]+$).{2,}", re.DOTALL)
"""An order's name with the merchant's own prefix or suffix: EN-1001, #1001-F1, POS #7."""


@dataclass
class Evidence:
    """What tool results say. `now` is on the shop's clock."""

    now: datetime
    figures: list[Figure] = field(default_factory=list)
    moments: list[Dated] = field(default_factory=list)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    """Names in lower case, with the entities that have them."""
    order_names: set[str] = field(default_factory=set)
    plans: set[str] = field(default_factory=set)
    """The shop's plan, in lower case."""
    rankings: list[Ranking] = field(default_factory=list)
    windows: list[Range] = field(default_factory=list)
    opened: date | None = None
    """When the shop was opened, if all of its orders were read: any longer time has the same."""
    headline: dict[str, float] = field(default_factory=dict)
    """How many there are in all, by subject."""
    links: list[frozenset[str]] = field(default_factory=list)
    """Names that belong together: of an order, its customer and its products."""
    changes: list[Change] = field(default_factory=list)
    """Differences and changes in percent."""
    statuses: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = field(default_factory=dict)
    """Of an order or a customer: which kinds it could be by what was read, and which it is."""
    has_previous: bool = False
    """Whether sales of an earlier period were read."""
    words: list[str] = field(default_factory=list)
    """All text that was read."""
    why_missing: list[str] = field(default_factory=list)
    """Why something could not be read, in sentences that may be said."""
    old: dict[Any, str | bool] = field(default_factory=dict)
    """Of each data type, why its newest result is not current."""
    _rows: dict[str, tuple[Mapping[str, Any], str, bool, Range | None]] = field(default_factory=dict)
    """Orders by id, and how they were read."""
    _derived: set[object] = field(default_factory=set)
    """Lists of orders from which all that follows is in the figures."""

    def latest_orders(self) -> list[str]:
        """The orders that were read, the newest first."""
        ages = {name: at for r in self.rankings if r.what == "newest" for name, at in r.values.items()}
        return sorted((name for name in ages if name.startswith("order:")), key=ages.__getitem__, reverse=True)

    @property
    def _zone(self) -> tzinfo:
        return self.now.tzinfo or UTC

    def result(self, result: Mapping[str, Any], *, superseded: bool) -> None:
        """One tool result."""
        read = _moment(result.get("as_of"))
        aged = read is not None and self.now - read > AN_HOUR
        old = "earlier" if superseded else "stale" if result.get("stale") else ""
        over = data.get("over") if isinstance(data := result.get("data"), Mapping) else None
        if isinstance(over, Mapping):
            old = old or str(self.old.get(over.get("data_type")) or "").replace("True", "")
            read = _moment(over.get("as_of"))
            aged = read is not None and self.now - read > AN_HOUR
        elif isinstance(data, Mapping):
            self.old[result.get("data_type")] = old or aged
        place = _Place(old=old, aged=aged)
        if read is not None:
            self.moments.append(Dated(read.astimezone(self._zone), frozenset({"read"}), dated=False))
        window = result.get("data_window") or {}
        start = _moment(window.get("orders_from"))
        if start is not None:
            span = (start.astimezone(self._zone).date(), (read or self.now).astimezone(self._zone).date())
            self.windows.append(span)
            self.moments.append(Dated(start.astimezone(self._zone), frozenset({"window"})))
            if result.get("data_type") == "counts":
                place = replace(place, period=span)
        opened = _moment(window.get("shop_opened"))
        if opened is not None and (today := self.now.date()):
            self.opened = opened.astimezone(self._zone).date()
            if result.get("data_type") == "counts":
                place = replace(place, period=(self.opened, today))
        place = replace(place, headline=result.get("data_type") == "counts" and not old)
        reasons = [entry.get("reason") for entry in _objects(result.get("missing"))]
        reasons += [result.get("error"), (result.get("stale") or {}).get("reason")]
        self.why_missing += [str(reason) for reason in reasons if reason]
        if not isinstance(data, Mapping):
            return
        if "metric" in data and "over" in data:
            self._metric(data, place)
            return
        if result.get("data_type") == "sales":
            self._sales(data, place)
            return
        place = replace(place, at_least=frozenset(data.get("at_least") or ()))
        self._walk(data, place)

    def _sales(self, data: Mapping[str, Any], place: _Place) -> None:
        """A period's sales and those of the one before, and what changed."""
        both: list[dict[str, tuple[float, str | None]]] = []
        spans: list[Range] = []
        for name in ("current", "previous"):
            found: dict[str, tuple[float, str | None]] = {}
            both.append(found)
            node = data.get(name)
            begins, ends = (
                (_moment(node.get(edge)) for edge in ("from", "to")) if isinstance(node, Mapping) else (None, None)
            )
            if not isinstance(node, Mapping) or begins is None or ends is None:
                continue
            span = begins.date(), ends.date()
            spans.append(span)
            earlier = frozenset({"previous"}) if name == "previous" else NOTHING
            self.has_previous |= bool(earlier)
            for key, value in node.items():
                amount = _decimal(value.get("amount") if isinstance(value, Mapping) else value)
                if amount is None:
                    continue
                currency = value.get("currency") if isinstance(value, Mapping) else None
                found[key] = amount, currency
                subject = frozenset({"order"}) if currency is None or key == "average_order_value" else NOTHING
                self._note(Figure(amount, subject, SALES.get(key, NOTHING) | earlier, currency, period=span), place)
                if key in ("total_sales", "orders") and span[0] != span[1]:
                    traits = frozenset({"average", "daily"}) | earlier
                    each = amount / ((span[1] - span[0]).days + 1)
                    self._note(Figure(each, subject, traits, currency, period=span, derived=True), place)
        self.windows += spans
        for key, (now, currency) in both[0].items():
            before = both[1].get(key, (0.0, None))[0] if key in both[1] else None
            if before is None:
                continue
            measure = SALES.get(key, NOTHING)
            self.changes.append(Change(now - before, span=spans[0], measure=measure))
            subject = frozenset({"order"}) if currency is None else NOTHING
            self._note(Figure(now - before, subject, measure | {"change"}, currency, derived=True), place)
            if before:
                share = (now - before) * 100 / before
                self.changes.append(Change(share, span=spans[0], measure=measure, percent=True))
                self._note(Figure(share, subject, measure | {"change"}, None, True, derived=True), place)

    def context(self, context: Mapping[str, Any]) -> None:
        """What the conversation's context says."""
        self._walk(dict(context), _Place())

    def _walk(self, node: Any, place: _Place, key: str = "", holder: Mapping[str, Any] | None = None) -> None:
        """Every leaf below `node`."""
        kind = type(node)  # JSON has no others
        if kind is str:
            self._text(node, place, key)
        elif kind is dict:
            self._object(node, place, key)
        elif kind is list:
            self._list(node, place, key, holder or {})
        elif kind is int or kind is float:
            self._figure(float(node), place, key)

    def _figure(self, value: float, place: _Place, key: str) -> None:
        bounded = key in place.at_least
        period = place.period if key != "customers" else None
        figure = Figure(value, place.subjects, place.traits, None, False, place.entities, period, at_least=bounded)
        if key == "orders_read":
            figure.partial = figure.derived = True
            figure.traits |= {"uncounted"}
        self._note(figure, place)
        if place.headline and len(place.subjects) == 1 and not place.traits:
            self.headline[next(iter(place.subjects))] = value

    def _note(self, figure: Figure, place: _Place) -> None:
        figure.old, figure.aged = place.old, place.aged
        self.figures.append(figure)

    def _text(self, text: str, place: _Place, key: str) -> None:
        self.words.append(text)
        if key == "date" or "T" in text[:11]:
            at = _moment(text)
            if at is not None:
                dated = len(text) <= 10
                shown = at if dated else at.astimezone(self._zone)
                self.moments.append(Dated(shown, place.entities | {f"key:{key}"}, dated))
                return
        if len(text) < 16 and text.replace(".", "", 1).isdigit():
            self._figure(float(text), place.about(*concepts(key)), key)

    def _object(self, node: Mapping[str, Any], place: _Place, key: str) -> None:
        currency = node.get("currency")
        if len(node) == 2 and "amount" in node and isinstance(currency, str):  # most objects are money
            self._money(node, currency, place)
            self.words.append(currency)
            return
        place = self._inside(node, place, key)
        if isinstance(currency, str) and ("amount" in node or "current_amount" in node):
            self._money(node, currency, place)
        for name, value in node.items():
            kind = type(value)
            if value is None or kind is bool:
                continue
            if name in SKIPPED:
                if kind is str and name in ("description", "plan", "domain", "website"):
                    self.words.append(value)
                    if name == "plan":
                        self.plans.add(value.lower())
            elif name in ("amount", "current_amount") and isinstance(currency, str):
                continue
            elif kind is str:
                self._text(value, place, name)
            else:
                self._walk(value, place.about(*concepts(name)), name, node)

    def _money(self, node: Mapping[str, Any], currency: str, place: _Place) -> None:
        for name in ("amount", "current_amount"):
            amount = _decimal(node.get(name))
            if amount is not None:
                traits = place.traits | ({"net"} if name == "current_amount" else NOTHING)
                self._note(Figure(amount, place.subjects, traits, currency, False, place.entities, place.period), place)
                self._per_order(amount, node.get("orders"), currency, traits, place)

    def _per_order(self, amount: float, orders: Any, currency: str, traits: frozenset[str], place: _Place) -> None:
        """What follows from a total and the number of its orders: the average, and how much it is a day."""
        if not isinstance(orders, int) or orders <= 0:
            return
        traits = traits - {"revenue"} | {"average"}
        figures = [Figure(round(amount / orders, 6), frozenset({"order"}), traits, currency)]
        if place.period is not None and place.period[0] != place.period[1]:
            days = (place.period[1] - place.period[0]).days + 1
            figures.append(Figure(round(amount / days, 6), NOTHING, traits | {"daily"}, currency))
            figures.append(Figure(round(orders / days, 6), frozenset({"order"}), traits | {"daily"}))
        for figure in figures:
            figure.entities, figure.period, figure.derived = place.entities, place.period, True
            self._note(figure, place)

    def _inside(self, node: Mapping[str, Any], place: _Place, key: str) -> _Place:
        """The place of an object's values: whose it is, and of which period."""
        if len(node) == 2 and "amount" in node:
            return place
        entities: Set[str] = place.entities
        if key == "customer" or ("orders" in node and "name" in node and "total" not in node):
            entities = self._named("customer", node.get("name"))
            place = replace(place, traits=NOTHING, period=None)
        elif "title" in node:
            entities = {name for name in entities if not name.startswith("product:")}
            entities = entities | self._named("product", node.get("title"))
        elif "name" in node and ("total" in node or "created_at" in node) and key != "shop":
            entities = entities | self._order(node)
        elif isinstance(node.get("name"), str) and key == "shop":
            self.names.setdefault(_lowered(node["name"]), NOTHING)
        period = place.period
        begins, ends = _moment(node.get("from")), _moment(node.get("to"))
        if begins and ends:
            period = (begins.date(), ends.date())
            self.windows.append(period)
        day = _moment(node.get("date")) if isinstance(node.get("date"), str) else None
        if day:
            period = (day.date(), day.date())
            entities = entities | {f"date:{day.date().isoformat()}"}
        if period is place.period and entities is place.entities:
            return place
        return place.of(frozenset(entities), period)

    def _order(self, node: Mapping[str, Any]) -> set[str]:
        name = with_latin_signs(str(node.get("name") or ""))
        key = _order_key(name)
        if name:
            self.order_names.add(key.removeprefix("order:"))
            if _OWN_FORM.fullmatch(name):
                self.names[name.lower()] = frozenset({key})
        entities = {key} if name else set()
        if isinstance(node.get("customer"), dict):
            entities |= self._named("customer", node["customer"].get("name"))
        for item in _objects(node.get("items")):
            entities |= self._named("product", item.get("title"))
        self.links.append(frozenset(entities))
        return entities

    def _named(self, kind: str, name: Any) -> set[str]:
        if not isinstance(name, str) or not name.strip():
            return set()
        lowered = _lowered(name)
        key = f"{kind}:{lowered}"
        if key not in self.names.get(lowered, NOTHING):
            for known in _called(kind, lowered):
                self.names[known] = self.names.get(known, NOTHING) | {key}
        return {key}

    def _list(self, rows: Sequence[Any], place: _Place, key: str, holder: Mapping[str, Any]) -> None:
        objects = _objects(rows)
        complete = _is_whole(key, holder)
        if objects and len(objects) == len(rows) and key in ("orders", "recent_orders") and "created_at" in objects[0]:
            self._orders(objects, replace(place, subjects=frozenset({"order"}), traits=NOTHING), complete)
        elif key not in ("at_least", "totals", "by_day", "top_items", "fetched"):
            subjects = frozenset({"product"}) if key == "items" else place.subjects
            count = Figure(
                len(rows), subjects, place.traits, None, False, place.entities, place.period, not complete, True
            )
            self._note(count, place)
        if key == "top_items":
            self._rank(
                "units",
                ((_product(row.get("title")), row["quantity"]) for row in objects if row.get("quantity") is not None),
            )
        if key == "best_stocked_products":
            stock = [
                (_product(row.get("title")), row["inventory"]) for row in objects if row.get("inventory") is not None
            ]
            self._rank("stock", stock)
            prices = [(_product(row.get("title")), _least_price(row.get("price"))) for row in objects]
            self._rank("price", [(product, price) for product, price in prices if price is not None])
        if key == "by_day":
            self._days(objects, place)
        if key == "customers":
            key = "customer"
        for row in objects if len(objects) == len(rows) else rows:
            if not self._is_known(row, place, key):
                self._walk(row, place, key)

    def _is_known(self, row: Any, place: _Place, key: str) -> bool:
        """Whether it is an order that another result said at least as much of: several kinds list the latest ones."""
        if key not in ("orders", "recent_orders") or not isinstance(row, dict) or "id" not in row:
            return False
        known = self._rows.get(row["id"])
        if known is not None and known[1:] == (place.old, place.aged, place.period) and _says(known[0], row):
            return True
        self._rows[row["id"]] = row, place.old, place.aged, place.period
        return False

    def _days(self, days: Sequence[Mapping[str, Any]], place: _Place) -> None:
        self._rank(
            "day orders",
            ((f"date:{day.get('date')}", day["orders"]) for day in days if isinstance(day.get("orders"), int)),
        )
        if days and all(isinstance(day.get("orders"), int) for day in days):
            self._note(
                Figure(
                    sum(day["orders"] > 0 for day in days),
                    frozenset({"day"}),
                    frozenset({"days"}),
                    derived=True,
                    period=place.period,
                ),
                place,
            )
        currencies = {total.get("currency") for day in days for total in _objects(day.get("totals"))}
        if len(currencies) == 1:
            sums = {
                f"date:{day.get('date')}": sum(
                    _decimal(total.get("amount")) or 0.0 for total in _objects(day.get("totals"))
                )
                for day in days
            }
            self._rank("day totals", sums.items())

    def _rank(self, what: str, values: Iterable[tuple[str, float]]) -> None:
        found: dict[str, float] = {}
        for entity, value in values:
            found[entity] = max(value, found.get(entity, value))
        self.rankings.append(Ranking(what, found))

    def _orders(self, rows: Sequence[Mapping[str, Any]], place: _Place, whole: bool) -> None:
        """What follows from a list of orders; the same may be in two results."""
        which = tuple(str(row.get("id")) for row in rows), place.period, place.old
        if which in self._derived:
            return
        self._derived.add(which)
        orders = [(row, _kinds(row)) for row in rows]
        for row, kinds in orders:
            could = frozenset(_decidable([row]))
            for entity in _entities(row):
                told = (could & BUYERS - {"guest"}, kinds) if entity.startswith("customer:") else (could, kinds)
                self.statuses.setdefault(entity, []).append(told)
        real = [(row, kinds) for row, kinds in orders if not kinds & {"test", "cancelled"}]
        partial = not whole

        def count(value: int, *traits: str, subject: str = "order", entities: frozenset[str] = NOTHING) -> None:
            self._note(
                Figure(
                    value, frozenset({subject}), frozenset(traits), None, False, entities, place.period, partial, True
                ),
                place,
            )

        if len(rows) != len(real):
            count(len(rows), "uncounted")
        count(len(real))
        for kind in _decidable(rows):
            among = orders if kind in ("test", "cancelled") else real
            count(sum(kind in kinds for _, kinds in among), kind)
            if kind in BUYERS:
                count(sum(kind in kinds for _, kinds in among), kind, subject="customer")
        buyers: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        kinds_of: dict[str, frozenset[str]] = {}
        for row, kinds in real:
            customer = row.get("customer")
            if isinstance(customer, dict) and customer.get("name"):
                name = f"customer:{_lowered(customer['name'])}"
                buyers[name].append(row)
                kinds_of[name] = kinds
        if buyers:
            count(len(buyers), subject="customer")
            for kind in ("first_time", "returning"):
                count(sum(kind in kinds for kinds in kinds_of.values()), kind, subject="customer")
            for name, theirs in buyers.items():
                count(len(theirs), entities=frozenset({name}))
                self._sums(list(theirs), frozenset({name}), place, partial, only_sum=True)
            self._rank(
                "customer orders",
                [(name, float(theirs[0]["customer"].get("orders") or 0)) for name, theirs in buyers.items()],
            )
            self._rank("customer orders", [(name, float(len(theirs))) for name, theirs in buyers.items()])
        self._sums([row for row, _ in real], NOTHING, place, partial)
        self._items([row for row, _ in real], place, partial)
        self._by_day([row for row, _ in real], place, whole)
        ages: dict[str, float] = {}
        totals: dict[str, float] = {}
        for row, _ in real:
            at, (amount, _currency) = _moment(row.get("created_at")), _total(row)
            for entity in _entities(row):
                if at is not None:
                    ages[entity] = max(at.timestamp(), ages.get(entity, 0.0))
                if amount is not None:
                    totals[entity] = max(amount, totals.get(entity, amount))
        self._rank("newest", ages.items())
        if len({_total(row)[1] for row, _ in real}) == 1:
            self._rank("order total", totals.items())

    def _sums(
        self,
        rows: Sequence[Mapping[str, Any]],
        entities: frozenset[str],
        place: _Place,
        partial: bool,
        *,
        only_sum: bool = False,
        period: Range | None = None,
    ) -> None:
        is_changed = any(row.get("current_total") is not None or row.get("current_amount") is not None for row in rows)
        for current in (False, True) if is_changed else (False,):
            amounts: defaultdict[str, list[float]] = defaultdict(list)
            for row in rows:
                amount, currency = _total(row, current=current)
                if amount is not None and currency is not None:
                    amounts[currency].append(amount)
            for currency, found in amounts.items():
                figures = {"revenue": sum(found)}
                if not only_sum:
                    figures |= {"average": sum(found) / len(found), "median": median(found)}
                    figures |= {"largest": max(found), "smallest": min(found)}
                for trait, value in figures.items():
                    self._note(
                        Figure(
                            round(value, 6), frozenset({"order"}), frozenset({trait, *(("net",) if current else ())}), currency, False, entities,
                            period or place.period, partial, True,
                        ),
                        place,
                    )  # fmt: skip

    def _items(self, rows: Sequence[Mapping[str, Any]], place: _Place, partial: bool) -> None:
        units: defaultdict[str, float] = defaultdict(float)
        ordered: defaultdict[str, float] = defaultdict(float)
        number: defaultdict[str, int] = defaultdict(int)
        lines = 0
        for row in rows:
            seen = set()
            for item in _objects(row.get("items")):
                if "kind" in item or not isinstance(item.get("title"), str):
                    continue
                lines += 1
                name = _product(item["title"])
                units[name] += item.get("current_quantity", item.get("quantity", 0))
                ordered[name] += item.get("quantity", 0)
                seen.add(name)
            for name in seen:
                number[name] += 1
        if not units:
            return
        unit, product, order = frozenset({"unit"}), frozenset({"product"}), frozenset({"order"})
        sold = frozenset({"sold"})

        def add(value: float, subjects: frozenset[str], traits: frozenset[str], entity: str = "") -> None:
            entities = frozenset({entity}) if entity else NOTHING
            self._note(Figure(value, subjects, traits, None, False, entities, place.period, partial, True), place)

        for found in (units, ordered):
            add(sum(found.values()), unit, sold)
            for name, value in found.items():
                add(value, unit, sold, name)
        for name, times in number.items():
            add(times, order, NOTHING, name)
        add(len(units), product, sold)
        self._rank("units", units.items())

    def _by_day(self, rows: Sequence[Mapping[str, Any]], place: _Place, whole: bool) -> None:
        """Days that the list covers whole."""
        days: defaultdict[date, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            at = _moment(row.get("created_at"))
            if at is not None:
                days[at.astimezone(self._zone).date()].append(row)
        oldest = min(days, default=None)
        today = self.now.date()
        for back in range(8):
            days.setdefault(today - timedelta(days=back), [])
        for day, found in days.items():
            if oldest is not None and (day > oldest or whole):
                span = (day, day)
                self._note(
                    Figure(len(found), frozenset({"order"}), NOTHING, None, False, NOTHING, span, False, True), place
                )
                self._sums(found, NOTHING, place, False, only_sum=True, period=span)

    def _metric(self, data: Mapping[str, Any], place: _Place) -> None:
        """A result of calculate_metrics: what it computed, over what."""
        over, metric = data["over"], str(data["metric"])
        subjects = {"orders": "order", "items": "unit", "products": "unit", "days": "order"}
        subject = frozenset({subjects.get(str(over.get("rows")), "order")})
        if metric in ("count", "share") and over.get("rows") == "products":
            subject = frozenset({"product"})
        trait = {"sum": "revenue", "average": "average", "median": "median", "minimum": "smallest", "maximum": "largest",
                 "per_day": "daily", "top": "revenue"}.get(metric)  # fmt: skip
        traits = frozenset(filter(None, (trait, data.get("where"))))
        if traits & BUYERS:
            subject |= {"customer"}
        if metric in ("difference", "percent_change"):
            traits |= {"change"}
        traits |= {"average"} if trait == "daily" else NOTHING
        traits |= {"net"} if data.get("of") == "current_total" else NOTHING
        if data.get("of") in ("quantity", "current_quantity"):
            traits |= {"sold"}
        if data.get("of") == "inventory":
            traits |= {"stock"}
        weeks = [span for span in self.windows if (span[1] - span[0]).days <= 8]
        period = weeks[-1] if weeks and over.get("data_type") == "week_orders" else None
        partial = over.get("data_type") != "week_orders"
        if isinstance(over.get("number"), int):
            rows = {"orders": "order", "items": "item", "products": "product"}.get(str(over.get("rows")))
            where = frozenset(filter(None, (data.get("where"),)))
            if rows:
                self._note(
                    Figure(over["number"], frozenset({rows}), where, None, False, NOTHING, period, partial, True), place
                )
        group_by = data.get("group_by")
        ranked: list[tuple[str, float]] = []
        for row in _objects(data.get("results")):
            value = _decimal(row.get("value"))
            if value is None:
                continue
            entities, more, span = NOTHING, NOTHING, period
            group = str(row.get(group_by)) if group_by and row.get(group_by) is not None else ""
            if group and group_by == "product":
                entities = frozenset(self._named("product", group))
            elif group and group_by == "day":
                day = _moment(group)
                span, entities = ((day.date(), day.date()), frozenset({f"date:{group}"})) if day else (period, NOTHING)
            elif group:
                more = frozenset({group.lower()}) & frozenset(KINDS)
            ranked += [(entity, value) for entity in entities]
            if metric in ("difference", "percent_change"):
                compared = [str(data[name]) for name in ("group", "other_group") if name in data]
                entities, span = frozenset(f"date:{name}" for name in compared if _moment(name)), None
                self.changes.append(Change(value, entities, percent=metric == "percent_change"))
            percent = row.get("unit") == "%"
            figure = Figure(
                value, subject, traits | more, row.get("currency") if not percent else None, percent, entities, span,
                partial and not percent and metric in ("count", "sum", "average", "median", "per_day"), derived=metric in ("count", "sum"),
            )  # fmt: skip
            self._note(figure, place)
            if row.get("days"):
                self._walk(row["days"], replace(place, subjects=frozenset({"day"})), "days")
        if ranked:
            self._rank({"product": "units", "day": "day totals"}.get(str(group_by), ""), ranked)
        if isinstance(data.get("groups"), int):
            groups = frozenset({{"product": "product", "day": "day"}.get(str(group_by), "group")})
            self._note(Figure(data["groups"], groups, NOTHING, None, False, NOTHING, period, derived=True), place)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects in a list; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@lru_cache(maxsize=2048)
def _parse_moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _moment(text: Any) -> datetime | None:
    return _parse_moment(text) if isinstance(text, str) and text[:4].isdigit() and len(text) >= 10 else None


def _least_price(price: Any) -> float | None:
    least = price.get("min") if isinstance(price, Mapping) else None
    return _decimal(least.get("amount")) if isinstance(least, Mapping) else None


def _decimal(value: Any) -> float | None:
    if type(value) not in (str, int, float):
        return None
    try:
        return float(value)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _called(kind: str, name: str) -> frozenset[str]:
    """What a customer or a product may be called: whole, a customer by first or last name, a product by its last word,
    where that cannot be taken for another word.
    """
    words = name.split()
    if len(words) < 2:
        return frozenset({name})
    if kind == "customer":
        return frozenset(
            {name, *(word for word in (words[0], words[-1]) if len(word) >= 3 and word not in _ALSO_WORDS)}
        )
    last = words[-1]
    is_word = len(last) < 4 or not last.isalpha() or any(concepts(last)) or last in _ALSO_WORDS
    return frozenset({name} if is_word else {name, last})


_ALSO_WORDS = frozenset(
    "may will mark rose grace hope joy art bill rich frank grant chase miles august june april summer winter sun mon der die das von van test "
    "the store shop order customer kunde gast guest king young long best new sommer winter koch lang kurz klein gross groß".split()
)


def _is_whole(key: str, holder: Mapping[str, Any]) -> bool:
    more = holder.get("more")
    if isinstance(more, Mapping):
        return not more.get(key)
    return not (more or holder.get("truncated") or holder.get("orders_not_shown"))


def _product(title: object) -> str:
    """A product's entity, also if its title was cut."""
    return f"product:{_lowered(str(title))}"


def _lowered(name: str) -> str:
    """A name as sentences have it, in which bold type is removed."""
    return with_latin_signs(name).lower().replace("**", "").rstrip("…")


def _total(row: Mapping[str, Any], *, current: bool = False) -> tuple[float | None, str | None]:
    """Amount and currency of an order, in full or compact."""
    total = row.get("total")
    if current:
        total = row.get("current_total") or total
    if isinstance(total, dict):
        return _decimal(total.get("amount")), total.get("currency")
    amount = row.get("current_amount") if current and row.get("current_amount") is not None else row.get("amount")
    return _decimal(amount), row.get("currency")


def _says(known: Any, other: Any) -> bool:
    """Whether an object or a list of them has all that another one has; what is not read does not matter."""
    if known == other:
        return True
    if isinstance(known, dict) and isinstance(other, dict):
        return all(name in SKIPPED or (name in known and _says(known[name], value)) for name, value in other.items())
    return (
        isinstance(known, list)
        and isinstance(other, list)
        and len(known) == len(other)
        and all(map(_says, known, other))
    )


def _decidable(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The kinds of which every one of these orders says whether it is one."""
    told = [_told(tuple(name in row for name in TELLING)) for row in rows]
    return (kind for kind in KINDS if all(kind in each for each in told))


TELLING = ("test", "financial_status", "fulfillment_status", "customer", "customer_orders")
"""What of an order says of which kind it is."""


@lru_cache(maxsize=32)
def _told(has: tuple[bool, ...]) -> frozenset[str]:
    test, financial, fulfillment, customer, number = has
    kinds = {"test", "cancelled"} if test else set()
    kinds |= {"paid", "unpaid", "refunded"} if financial else set()
    kinds |= {"fulfilled", "unfulfilled"} if fulfillment else set()
    kinds |= {"guest"} if customer else set()
    return frozenset(kinds | ({"first_time", "returning"} if customer or number else set()))


def _kinds(row: Mapping[str, Any]) -> frozenset[str]:
    kinds = {kind for kind in ("test", "cancelled") if row.get(kind)}
    paid, sent = row.get("financial_status"), row.get("fulfillment_status")
    kinds |= {"unpaid"} if paid in UNPAID else {"paid"} if paid == "PAID" else set()
    kinds |= {"refunded"} if paid in ("REFUNDED", "PARTIALLY_REFUNDED") else set()
    kinds |= {"fulfilled"} if sent == "FULFILLED" else {"unfulfilled"} if sent else set()
    if "customer" in row:
        customer = row["customer"]
        number = customer.get("orders") if isinstance(customer, dict) else None
        kinds |= {"guest"} if customer is None else set()
    else:
        number = row.get("customer_orders")
    if isinstance(number, int):
        kinds |= {"first_time"} if number <= 1 else {"returning"}
    return frozenset(kinds)


def _order_key(name: str) -> str:
    return f"order:{with_latin_signs(name).lstrip('#').upper()}"


def _entities(row: Mapping[str, Any]) -> Iterator[str]:
    if row.get("name"):
        yield _order_key(str(row["name"]))
    if isinstance(row.get("customer"), dict) and row["customer"].get("name"):
        yield f"customer:{_lowered(row['customer']['name'])}"
