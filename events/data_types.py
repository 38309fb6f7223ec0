"""The names of the store data types, and of the periods, comparisons and figures of `sales`: workflows prefetch them,
the model asks for them, and `shopify.data` reads them."""

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
"""Periods of `sales`, in the shop's time zone. Those named "last …" end before today or this month or year."""
PERIODS: tuple[str, ...] = get_args(Period)
DEFAULT_PERIOD: Period = "last_30_days"

Comparison = Literal["previous_period", "previous_year", "none"]
"""What a period's sales are compared with."""
COMPARISONS: tuple[str, ...] = get_args(Comparison)
DEFAULT_COMPARISON: Comparison = "previous_period"

AMOUNTS = ("total_sales", "net_sales", "gross_sales", "discounts", "returns", "taxes", "shipping_charges")
AVERAGE = "average_order_value"
"""Figures of `sales` that are amounts of money."""
