"""The GraphQL documents we send, one file each in `data/`."""

from functools import cache
from pathlib import Path

from graphql import DocumentNode, parse

FOLDER = Path(__file__).parent / "data"

NAMES = ("access", "counts", "overview", "recent_orders", "week_orders")


@cache
def load(name: str) -> DocumentNode:
    """The parsed document of that name. Raises KeyError for a name that is not one of NAMES."""
    if name not in NAMES:
        raise KeyError(f"no document {name!r}; there are {', '.join(NAMES)}")
    return parse((FOLDER / f"{name}.graphql").read_text(encoding="utf-8"))
