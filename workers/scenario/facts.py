"""True numbers of the development store in expected texts: `{{store.customers}} customers` → `1,500 customers`."""

import re
from collections.abc import Mapping
from typing import Any

FACTS = ("customers", "orders", "open_orders", "unfulfilled_orders", "products", "orders_last_7_days")
FACT = re.compile(r"\{\{ *store\.(\w+) *\}\}")


def filled(text: str, truth: Mapping[str, Any]) -> str:
    """`text` with the facts of `truth`, as people write numbers."""
    return FACT.sub(lambda found: f"{truth[found[1]]:,}" if found[1] in truth else found[0], text)
