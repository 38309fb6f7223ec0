"""The names of the kinds of store data, of the periods that sales are asked for and of the
figures they have: what workflows prefetch, the model asks for, and `shopify.data` reads."""

from typing import Literal, get_args

DataType = Literal["counts", "recent_orders", "overview", "week_orders", "sales"]
DATA_TYPES: tuple[str, ...] = get_args(DataType)

Period = Literal[
    "today",
    "yesterday",
    "last_7_days",
    "last_30_days",
    "last_60_days",
    "last_90_days",
    "this_month",
    "last_month",
    "this_year",
    "last_year",
    "last_12_months",
]
"""Of `sales`, by the shop's calendar. Those that begin with "last" end before today or this month or year."""
PERIODS: tuple[str, ...] = get_args(Period)
DEFAULT_PERIOD: Period = "last_30_days"

Comparison = Literal["previous_period", "previous_year", "none"]
"""What the sales of a period are held against."""
COMPARISONS: tuple[str, ...] = get_args(Comparison)
DEFAULT_COMPARISON: Comparison = "previous_period"

AMOUNTS = ("total_sales", "net_sales", "gross_sales", "discounts", "returns", "taxes", "shipping_charges")
AVERAGE = "average_order_value"
"""Of `sales`, all of them money."""
