"""The tool `calculate_metrics`: exact figures over what this turn has fetched, so that no model adds in its head.

It computes in Decimal, never adds two currencies together, and refuses if the data is incomplete. Its arguments are
choices about the data's shape; there is nothing to evaluate. The result says what was computed from what, so that a
reply can be checked against it. Pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from events.data_types import AMOUNTS, AVERAGE
from shopify.data.scalars import decimal_text
from workers.agent.tool import Arguments, Finish, Tool, ToolTurn
from workers.shop.results import Result, failed

PARTIAL, NOTHING, UNFIT = "tool.partial_data", "tool.nothing_fetched", "tool.bad_arguments"
MOST_GROUPS = 50
PERCENT = Decimal("0.1")

Rows = Literal["orders", "items", "days", "products", "periods"]
Metric = Literal[
    "sum", "average", "median", "count", "minimum", "maximum", "difference", "percent_change", "share", "per_day", "top"
]
Of = Literal[
    "total",
    "current_total",
    "quantity",
    "current_quantity",
    "orders",
    "inventory",
    "total_sales",
    "net_sales",
    "gross_sales",
    "discounts",
    "returns",
    "taxes",
    "shipping_charges",
    "average_order_value",
]
Where = Literal[
    "test", "cancelled", "unfulfilled", "fulfilled", "unpaid", "refunded", "guest", "first_time", "returning"
]
GroupBy = Literal["day", "product", "customer_kind", "financial_status", "fulfillment_status", "period"]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "orders": ("total", "current_total"),
    "items": ("quantity", "current_quantity", "total", "current_total"),
    "days": ("orders", "total", "current_total"),
    "products": ("inventory",),
    "periods": (*AMOUNTS, AVERAGE, "orders"),
}
"""The fields of each kind of row. An item's totals are unit price times units, before discounts."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "orders": ("orders", "recent_orders"),
    "items": ("orders", "recent_orders"),
    "days": ("orders",),
    "products": ("best_stocked_products",),
    "periods": ("current", "previous"),
}
"""The entries of `missing` that make each kind of rows partial."""


class MetricsArguments(Arguments):
    """What to compute, of which rows of which data."""

    data_type: Literal["recent_orders", "week_orders", "overview", "sales"] = Field(
        description="Fetched in this turn; of sales, what was fetched last."
    )
    rows: Rows = Field(
        description="orders, items (lines of orders), days (week_orders), products (overview) or periods (sales: "
        "their difference and percent_change, and per_day of one)."
    )
    metric: Metric = Field(description="difference and percent_change compare `group` with `other_group`.")
    of: Of | None = Field(None, description="What is added up; not needed for count and share of rows.")
    where: Where | None = Field(None, description="Only these orders. Test and cancelled ones never count otherwise.")
    group_by: GroupBy | None = None
    group: str | None = Field(None, max_length=200, description="A group's name, for difference and percent_change.")
    other_group: str | None = Field(None, max_length=200)
    top: int = Field(5, ge=1, le=20, description="How many groups, for top.")


@dataclass(frozen=True)
class Row:
    """One order, item, day or product. An amount of money has a currency, a number has none."""

    values: Mapping[str, tuple[Decimal, str | None]]
    traits: frozenset[str] = frozenset()
    groups: Mapping[str, str] = field(default_factory=dict)


class CannotCompute(Exception):
    """`code` and a sentence for the model."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def calculate(asked: MetricsArguments, results: Sequence[Result]) -> Result:
    """The result of one call over the turn's results so far."""
    try:
        asked = _of_periods(asked) if asked.rows == "periods" else asked
        source = _source(asked, results)
        rows, days = _rows(asked, source)
        whole = [row for row in rows if asked.where in ("test", "cancelled") or not row.traits & {"test", "cancelled"}]
        chosen = [row for row in whole if asked.where is None or asked.where in row.traits]
        figures = _figures(asked, chosen, whole, days)
    except CannotCompute as refused:
        return failed(None, refused.code, refused.sentence)
    over = {
        "data_type": asked.data_type,
        "rows": asked.rows,
        "number": len(chosen),
        "as_of": source.get("as_of"),
        "left_out": len(rows) - len(chosen),
    }
    if asked.rows == "periods":
        over |= {name: {day: source["data"][name][day] for day in ("from", "to")} for name in _names(source["data"])}
    names = ("of", "where", "group_by", "group", "other_group")
    choices = {name: value for name in names if (value := getattr(asked, name)) is not None}
    return {"success": True, "data_type": None, "data": {"metric": asked.metric, **choices, "over": over, **figures}}


def _of_periods(asked: MetricsArguments) -> MetricsArguments:
    """Compare two periods, by default the requested one with the one before; a single period has only its daily
    average."""
    if asked.metric not in ("difference", "percent_change", "per_day"):
        raise CannotCompute(UNFIT, "periods are compared: use difference, percent_change or per_day")
    other = None if asked.metric == "per_day" else asked.other_group or "previous"
    groups = {"group": asked.group or "current", "other_group": other}
    return asked.model_copy(update={"group_by": "period", **groups})


def _source(asked: MetricsArguments, results: Sequence[Result]) -> Result:
    found = [each for each in results if each.get("success") and each.get("data_type") == asked.data_type]
    if not found:
        raise CannotCompute(NOTHING, f"{asked.data_type} was not fetched in this turn; call shopify_data first")
    source, data = found[-1], found[-1]["data"]
    parts = [entry["part"] for entry in source.get("missing", ())]
    lost = [part for part in parts if part.split(".")[0] in PARTS[asked.rows] and part != "orders.older"]
    if asked.rows == "periods":  # each of their figures is there or not
        lost = [part for part in lost if part.endswith(f".{asked.of}")]
    if asked.group_by == "customer_kind" or asked.where in ("guest", "first_time", "returning"):
        lost += [part for part in parts if part == "customers"]
    if asked.rows in ("orders", "items") and data.get("orders_not_shown"):
        lost.append("orders_not_shown")
    if asked.rows == "days" and data.get("truncated"):
        lost.append("truncated")
    if source.get("shortened"):
        lost.append("shortened")
    if lost:
        raise CannotCompute(PARTIAL, f"{asked.data_type} is not whole ({', '.join(sorted(set(lost)))}); say so instead")
    return source


def _rows(asked: MetricsArguments, source: Result) -> tuple[list[Row], int | None]:
    """The rows, and how many days they cover, if that is known."""
    data = source["data"]
    if asked.of is not None and asked.of not in FIELDS[asked.rows]:
        raise CannotCompute(UNFIT, f"{asked.rows} have no {asked.of}; use {' or '.join(FIELDS[asked.rows])}")
    days = len(data["by_day"]) if asked.data_type == "week_orders" else None
    orders = data.get("recent_orders" if asked.data_type == "overview" else "orders")
    match asked.rows:
        case "orders":
            return [_order(order, _zone(data)) for order in orders or ()], days
        case "items" if asked.data_type != "week_orders":
            if any(order.get("more_items") for order in orders or ()):
                raise CannotCompute(PARTIAL, "some orders have more lines than were read; say so instead")
            return [_item(item, order) for order in orders or () for item in order["items"] if "kind" not in item], None
        case "days" if asked.data_type == "week_orders":
            return [row for day in data["by_day"] for row in _day(day)], days
        case "products" if asked.data_type == "overview":
            return [_product(product) for product in data["best_stocked_products"]], None
        case "periods" if asked.data_type == "sales":
            names = _names(data)
            if asked.metric != "per_day":
                return [_period(data[name], name) for name in names], None
            if asked.group not in names:
                raise CannotCompute(UNFIT, f"no group {str(asked.group)[:80]!r}; the groups are: {', '.join(names)}")
            figures = data[asked.group]
            first, last = (date.fromisoformat(figures[day]) for day in ("from", "to"))
            return [_period(figures, asked.group)], (last - first).days + 1
    raise CannotCompute(UNFIT, f"{asked.data_type} has no {asked.rows}")


def _order(order: Result, zone: tzinfo | None) -> Row:
    """An order in full, or in the compact form of week_orders."""
    total = order.get("total") or _bag(order, "amount")
    current = order.get("current_total") or _bag(order, "current_amount") or total
    kind = _customer_kind(order)
    traits = {trait for trait in ("test", "cancelled") if order.get(trait)} | ({kind} if kind else set())
    paid, sent = order.get("financial_status"), order.get("fulfillment_status")
    traits |= {"unpaid"} if paid in ("PENDING", "AUTHORIZED", "PARTIALLY_PAID", "EXPIRED") else set()
    traits |= {"refunded"} if paid in ("REFUNDED", "PARTIALLY_REFUNDED") else set()
    traits |= {"fulfilled"} if sent == "FULFILLED" else {"unfulfilled"} if sent else set()
    groups = {"financial_status": paid or "unknown", "fulfillment_status": sent or "unknown"}
    if order.get("created_at"):
        at = datetime.fromisoformat(order["created_at"])
        groups["day"] = (at.astimezone(zone) if zone is not None else at).date().isoformat()
    if kind:
        groups["customer_kind"] = kind
    return Row(_money(total=total, current_total=current), frozenset(traits), groups)


def _item(item: Result, order: Result) -> Row:
    quantity, price = Decimal(item["quantity"]), item.get("unit_price")
    kept = Decimal(item["current_quantity"]) if "current_quantity" in item else quantity
    values: dict[str, tuple[Decimal, str | None]] = {"quantity": (quantity, None), "current_quantity": (kept, None)}
    if price is not None:
        each = Decimal(price["amount"])
        values |= {"total": (each * quantity, price["currency"]), "current_total": (each * kept, price["currency"])}
    product = f"{item['title']} ({item['product']})" if "product" in item else item["title"]
    whole = _order(order, None)
    return Row(values, whole.traits, {**whole.groups, "product": product})


def _day(day: Result) -> Iterable[Row]:
    """One row for each currency; the number of orders is on the first."""
    number: dict[str, tuple[Decimal, str | None]] = {"orders": (Decimal(day["orders"]), None)}
    groups = {"day": day["date"]}
    if not day["totals"]:
        yield Row(number, groups=groups)
    for place, total in enumerate(day["totals"]):
        money = _money(total=total, current_total=_bag(total, "current_amount") or total)
        yield Row({**money, **({} if place else number)}, groups=groups)


def _product(product: Result) -> Row:
    stock: int | None = product.get("inventory")
    groups = {"product": product["title"]}
    return Row({} if stock is None else {"inventory": (Decimal(stock), None)}, groups=groups)


def _names(sales: Result) -> list[str]:
    return [name for name in ("current", "previous") if name in sales]


def _period(figures: Result, name: str) -> Row:
    values = _money(**{of: figures.get(of) for of in (*AMOUNTS, AVERAGE)})
    number: dict[str, tuple[Decimal, str | None]] = {}
    if figures.get("orders") is not None:
        number["orders"] = (Decimal(figures["orders"]), None)
    return Row(values | number, groups={"period": name})


def _customer_kind(order: Result) -> str | None:
    if "customer" not in order:
        number = order.get("customer_orders")
    elif order["customer"] is None:
        return "guest"
    else:
        number = order["customer"].get("orders")
    return None if number is None else "first_time" if number <= 1 else "returning"


def _bag(holder: Result, name: str) -> Result | None:
    return None if holder.get(name) is None else {"amount": holder[name], "currency": holder["currency"]}


def _money(**bags: Any) -> dict[str, tuple[Decimal, str | None]]:
    return {name: (Decimal(bag["amount"]), bag["currency"]) for name, bag in bags.items() if bag}


def _zone(data: Result) -> tzinfo | None:
    name = data.get("time_zone") or (data.get("shop") or {}).get("time_zone")
    return ZoneInfo(name) if name else None


def _figures(asked: MetricsArguments, rows: Sequence[Row], whole: Sequence[Row], days: int | None) -> dict[str, Any]:
    if asked.metric not in ("count", "share", "top") and asked.of is None:
        raise CannotCompute(UNFIT, f"{asked.metric} needs `of`: {' or '.join(FIELDS[asked.rows])}")
    if asked.metric in ("difference", "percent_change"):
        return {"results": _compared(asked, rows)}
    if asked.metric == "top" and asked.group_by is None:
        raise CannotCompute(UNFIT, "top needs `group_by`")
    if asked.group_by is None:
        return {"results": _of_one(asked, rows, whole, days)}
    groups = [
        {asked.group_by: name, **figure}
        for name, found in _grouped(asked, rows).items()
        for figure in _of_one(asked, found, whole, days)
    ]
    if asked.metric == "top":
        groups.sort(key=lambda figure: (figure.get("currency", ""), -Decimal(figure["value"])))
        best: list[dict[str, Any]] = []
        for figure in groups:
            same = [other for other in best if other.get("currency") == figure.get("currency")]
            best += [figure] if len(same) < asked.top else []
        return {"results": best, "groups": len(groups)}
    return {"results": groups[:MOST_GROUPS], "groups": len(groups)}


def _grouped(asked: MetricsArguments, rows: Sequence[Row]) -> dict[str, list[Row]]:
    by = asked.group_by or ""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if by not in row.groups:
            raise CannotCompute(UNFIT, f"not every one of the {asked.rows} has a {by}")
        groups.setdefault(row.groups[by], []).append(row)
    return groups


def _of_one(
    asked: MetricsArguments, rows: Sequence[Row], whole: Sequence[Row], days: int | None
) -> list[dict[str, Any]]:
    """The figure for these rows, one for each currency."""
    if asked.metric == "count" or asked.of is None:
        number = Decimal(len(rows))
        if asked.metric == "share":
            return [_share(number, Decimal(len(whole)), None)]
        return [{"value": str(len(rows))}]
    values, all_values = _by_currency(rows, asked.of), _by_currency(whole, asked.of)
    if asked.metric == "share":
        return [
            _share(sum(values.get(of, ()), Decimal()), sum(found, Decimal()), of) for of, found in all_values.items()
        ]
    if asked.metric == "per_day":
        if not days:
            raise CannotCompute(UNFIT, "per_day needs week_orders or sales: of other data the days are not known")
        return [_shown(sum(found, Decimal()) / days, of) | {"days": days} for of, found in values.items()]
    computed = COMPUTED["sum" if asked.metric == "top" else asked.metric]
    return [_shown(computed(found), of) for of, found in values.items()]


def _average(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal()) / len(values)


COMPUTED: Mapping[str, Callable[[Sequence[Decimal]], Decimal]] = {
    "sum": lambda values: sum(values, Decimal()),
    "average": _average,
    "median": lambda values: Decimal(median(values)),
    "minimum": min,
    "maximum": max,
}


def _by_currency(rows: Iterable[Row], of: str) -> dict[str | None, list[Decimal]]:
    found: dict[str | None, list[Decimal]] = {}
    for row in rows:
        if of in row.values:
            amount, currency = row.values[of]
            found.setdefault(currency, []).append(amount)
    return found


def _compared(asked: MetricsArguments, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """`group` compared with `other_group`, in each currency; a missing amount counts as 0."""
    groups = _grouped(asked, rows) if asked.group_by else {}
    for name in (asked.group, asked.other_group):
        if name not in groups:
            known = ", ".join(list(groups)[:20]) or "none without group_by"
            raise CannotCompute(UNFIT, f"no group {str(name)[:80]!r}; the groups are: {known}")
    one, other = (_by_currency(groups[name or ""], asked.of or "") for name in (asked.group, asked.other_group))
    if asked.rows == "periods" and (not one or set(one) != set(other)):
        raise CannotCompute(UNFIT, f"one of the periods has no {asked.of}")
    results = []
    for of in (currencies := list(dict.fromkeys((*one, *other)))):
        now, before = sum(one.get(of, ()), Decimal()), sum(other.get(of, ()), Decimal())
        if asked.metric == "difference":
            results.append(_shown(now - before, of))
        elif before > 0:  # a rise from -100 to 50 is not one of -150 %
            named = {"currency": of} if len(currencies) > 1 else {}
            results.append({"value": _percent((now - before) * 100 / before), "unit": "%", **named})
    if not results:
        raise CannotCompute(UNFIT, f"{asked.other_group} has 0 or less: from that there is no change in percent")
    return results


def _share(part: Decimal, whole: Decimal, currency: str | None) -> dict[str, Any]:
    if whole <= 0:
        raise CannotCompute(UNFIT, "there is nothing to have a share of")
    named = {"currency": currency} if currency is not None else {}
    return {"value": _percent(part * 100 / whole), "unit": "%", **named}


def _percent(value: Decimal) -> str:
    return f"{value.quantize(PERCENT, ROUND_HALF_UP):f}"


def _shown(value: Decimal, currency: str | None) -> dict[str, Any]:
    """Exact if four decimals suffice, else rounded to the currency's smallest unit; numbers to two places."""
    if currency is None:
        return {"value": f"{value.quantize(Decimal('0.01'), ROUND_HALF_UP).normalize():f}"}
    if value != value.quantize(Decimal("0.0001")):
        value = value.quantize(Decimal(decimal_text(Decimal(0), currency)), ROUND_HALF_UP)
    return {"value": decimal_text(value, currency), "currency": currency}


def _begin(turn: ToolTurn, arguments: MetricsArguments) -> Finish:
    return lambda _deadline: calculate(arguments, turn.results)


TOOL = Tool(
    name="calculate_metrics",
    description=(
        "Compute an exact figure over data fetched with shopify_data in this turn: sum, average, median, count, "
        "minimum, maximum, difference, percent_change, share, per_day or top, grouped if you like. Use it for every "
        "figure that is not in the data as it stands; do not calculate yourself."
    ),
    arguments=MetricsArguments,
    begin=_begin,
)
