"""The tables of the development store's README are complete and true."""

import re
from pathlib import Path

from aiohttp import web

import shopify.development_store
from shopify.development_store.control import routes
from shopify.development_store.faults import KINDS, StoreFault
from shopify.development_store.shop import ShopSettings
from shopify.development_store.store import BUILT_IN

ROOM = Path(shopify.development_store.__file__).parent
README = (ROOM / "README.md").read_text()


def table(section: str, number: int = 0) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)[number]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()[2:]]


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in rows]


def test_every_fault_is_listed_with_what_it_does() -> None:
    assert sorted(names(table("Faults"))) == sorted(KINDS)
    assert all(explanation for _, explanation in table("Faults"))


def test_every_field_of_a_fault_and_of_a_shop_is_explained() -> None:
    assert names(table("Faults", 1)) == list(StoreFault.model_fields)
    assert names(table("Shops")) == list(ShopSettings.model_fields)


def test_every_control_endpoint_is_listed() -> None:
    assert names(table("Control API")) == [
        f"{route.method} {route.path}" for route in routes if isinstance(route, web.RouteDef)
    ]


def test_every_module_and_every_built_in_shop_is_mentioned() -> None:
    modules = {path.stem for path in ROOM.glob("*.py")} - {"__init__"}
    mentioned = {name for row in table("Where to look") for name in re.findall(r"`(\w+)`", row[1])}
    assert mentioned == modules
    assert all(domain.removesuffix(".myshopify.com") in README for domain in BUILT_IN)
