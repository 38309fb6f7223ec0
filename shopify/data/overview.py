"""The shop itself, its latest orders, and what it has most of in stock."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shopify.client import ShopifyClient
from shopify.data.fetched import Fetched, cut_short, fitting
from shopify.data.orders import NO_TITLE, latest, read_orders, shown_orders
from shopify.data.query import BEST_STOCKED, CUSTOMER, ITEM_PRODUCT, LATEST_ORDERS, DataQuery, Scopes
from shopify.data.scalars import Problems, identifier, moment, money, nodes, page, time_zone, utc_text, word
from shopify.errors import BadAnswer
from shopify.text import clean

URL_CHARACTERS = 500
SHORT_WORDS = ("title", "description")
ACTIVE = "ACTIVE"
MOST_PRODUCTS = 5


def fetch_overview(client: ShopifyClient, scopes: Scopes, now: datetime, deadline: float | None) -> Fetched:
    """`{shop, best_stocked_products, recent_orders, more}`. A list that may not be read is empty, and `missing` says
    why; `more` says for each list whether the shop has more. Products: the five best stocked that are active and not
    gift cards. Orders: the latest ten, as in recent_orders, of the newest twenty.

    Shop: `{name, domain, website, currency, time_zone, created_at, plan, development_store}`. Products:
    `{id, title, description, status, inventory, price: {min, max}, image_url}`; `inventory` is null if not tracked.
    """
    query = DataQuery(client, "overview", scopes, (LATEST_ORDERS, BEST_STOCKED, CUSTOMER, ITEM_PRODUCT))
    found = query.run(deadline=deadline).data
    if not isinstance(found.get("shop"), dict):
        raise BadAnswer(f"{client.shop_domain}: no shop in the answer", reason="shape")
    shop, products = _shop(found["shop"]), []
    if query.asks_for(BEST_STOCKED):
        raw = nodes(found.get("products"), query.problems, BEST_STOCKED.name)
        products = [
            _product(product, query.problems)
            for product in raw
            if product.get("status", ACTIVE) == ACTIVE and product.get("isGiftCard") is not True
        ]
    orders = []
    if query.asks_for(LATEST_ORDERS):
        complete = query.complete(CUSTOMER)
        orders = read_orders(found.get("orders"), query.problems, customers_complete=complete, part=LATEST_ORDERS.name)

    listed = latest(orders)
    more = {
        BEST_STOCKED.name: page(found.get(BEST_STOCKED.field))[0] or len(products) > MOST_PRODUCTS,
        LATEST_ORDERS.name: page(found.get(LATEST_ORDERS.field))[0] or len(listed) < len(orders),
    }

    def render(title_limit: int) -> dict[str, Any]:
        return {
            "shop": shop,
            BEST_STOCKED.name: [_shortened(product, title_limit) for product in products[:MOST_PRODUCTS]],
            LATEST_ORDERS.name: shown_orders(listed, title_limit),
            "more": more,
        }

    data, dropped = fitting(render, LATEST_ORDERS.name)
    missing = query.missing
    if dropped:
        data["more"][LATEST_ORDERS.name] = True
        missing.append(cut_short(LATEST_ORDERS.name, f"{dropped} of the latest orders did not fit in."))
    window = query.data_window(now) if query.asks_for(LATEST_ORDERS) else None
    return Fetched(data, missing, window, query.told)


def _shop(raw: Mapping[str, Any]) -> dict[str, Any]:
    plan, domain = raw.get("plan"), raw.get("primaryDomain")
    plan, domain = plan if isinstance(plan, dict) else {}, domain if isinstance(domain, dict) else {}
    zone = time_zone(raw.get("ianaTimezone"))
    return {
        "name": clean(raw.get("name")),
        "domain": clean(raw.get("myshopifyDomain"), 100),
        "website": clean(domain.get("host"), 100),
        "currency": clean(raw.get("currencyCode"), 5),
        "time_zone": zone.key if zone is not None else None,
        "created_at": utc_text(moment(raw.get("createdAt"))),
        "plan": clean(plan.get("publicDisplayName"), 60),
        "development_store": plan.get("partnerDevelopment") is True,
    }


def _product(raw: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    prices = raw.get("priceRangeV2")
    prices = prices if isinstance(prices, dict) else {}
    low = money(prices.get("minVariantPrice"), problems, "best_stocked_products.price")
    high = money(prices.get("maxVariantPrice"), problems, "best_stocked_products.price")
    return {
        "id": identifier(raw.get("id")),
        "title": clean(raw.get("title")) or NO_TITLE,
        "description": clean(raw.get("description")),
        "status": word(raw.get("status")),
        "inventory": _inventory(raw, problems),
        "price": {"min": low.shown(), "max": high.shown()} if low and high else None,
        "image_url": _image(raw.get("featuredMedia")),
    }


def _inventory(raw: Mapping[str, Any], problems: Problems) -> int | None:
    """May be negative: a shop can continue selling below zero."""
    if raw.get("tracksInventory") is not True:
        return None
    stock = raw.get("totalInventory")
    if isinstance(stock, int) and not isinstance(stock, bool):
        return stock
    problems.note("best_stocked_products.inventory")
    return None


def _image(media: object) -> str | None:
    preview = media.get("preview") if isinstance(media, dict) else None
    image = preview.get("image") if isinstance(preview, dict) else None
    url = clean(image.get("url"), URL_CHARACTERS) if isinstance(image, dict) else None
    return url if url and url.startswith("https://") and " " not in url and not url.endswith("…") else None


def _shortened(product: Mapping[str, Any], limit: int) -> dict[str, Any]:
    return {**product, **{name: clean(product[name], limit) for name in SHORT_WORDS}}
