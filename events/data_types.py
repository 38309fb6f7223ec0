"""The names of the kinds of store data: what workflows prefetch, the model asks for, and `shopify.data` reads."""

from typing import Literal, get_args

DataType = Literal["counts", "recent_orders", "overview", "week_orders"]
DATA_TYPES: tuple[str, ...] = get_args(DataType)
