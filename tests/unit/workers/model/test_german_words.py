"""What CJ says in German without a model."""

from typing import Any

import pytest

from tests.unit.workers.truth.test_grounding import NOW, counts, grounds, result, store
from workers.model.german_words import tell
from workers.truth.grounding import check, ungrounded
from workers.truth.grounds import Grounds

FAILED: dict[str, Any] = {"success": False, "error": "…"}
MONEY = {"amount": "1234.50", "currency": "EUR"}
REPORT = {"from": "2026-10-23", "to": "2026-11-21", "so_far": False, "orders": 3, "total_sales": MONEY}


@pytest.mark.parametrize(
    ("data_type", "found", "told"),
    [
        ("counts", counts(), "Ich sehe in Ihrem Shop 67 Kunden und 83 Bestellungen seit dem 23.9.2026. "
         "Auf den Versand warten 8 Bestellungen."),
        ("counts", counts(customers=1, orders=10_000, unfulfilled_orders=1, at_least=["orders"]),
         "Ich sehe in Ihrem Shop 1 Kunden und mindestens 10.000 Bestellungen seit dem 23.9.2026. "
         "Auf den Versand wartet 1 Bestellung."),
        ("sales", result("sales", current=REPORT, previous={**REPORT, "from": "2026-11-21", "total_sales": None}),
         "Vom 23.10.2026 bis zum 21.11.2026 betrug Ihr Gesamtumsatz 1.234,50 €."),
        ("week_orders", {**result("week_orders", orders_counted=0, totals=[]), "missing": [{"part": "x"}]},
         "In den letzten sieben Tagen gab es keine Bestellungen. Einiges davon konnte ich nicht lesen."),
        ("week_orders", result("week_orders", orders_counted=1, totals=[MONEY], truncated=True) | {"stale": {"a": "b"}},
         "Neuere Daten bekomme ich gerade nicht; das ist der Stand vom 22.11.2026. "
         "In den letzten sieben Tagen gab es mindestens 1 Bestellung im Wert von 1.234,50 €."),
        ("overview", {**FAILED, "error_code": "shopify.unavailable"}, "Ich konnte in Ihrem Shop gerade nicht alles "
         "nachsehen. Ich sehe von selbst noch einmal nach und melde mich dann."),
        ("overview", {**FAILED, "error_code": "shopify.unauthorized"},
         "Shopify lässt mich nicht mehr auf Ihren Shop zugreifen. Bitte verbinden Sie ihn erneut."),
    ],
)  # fmt: skip
def test_figures_and_what_is_missing_are_told(data_type: str, found: dict[str, Any], told: str) -> None:
    assert tell({data_type: found}) == told
    assert tell({data_type: found}, told) == ""


@pytest.mark.parametrize("data_type", ["counts", "recent_orders", "overview", "week_orders", "sales"])
def test_a_result_without_data_tells_nothing(data_type: str) -> None:
    assert tell({data_type: {"success": True, "data": {}}}) == ""


@pytest.mark.parametrize("currency", ["USD", "EUR", "JPY", "CHF"])
def test_what_is_told_has_a_ground(currency: str) -> None:
    read = {each["data_type"]: each for each in store(currency)}
    told = tell(read)
    assert len(told.split(". ")) >= len(read)
    assert ungrounded(check(told, Grounds.of([*read.values()], now=NOW))) == []
    assert ungrounded(check(told.replace("1", "7"), grounds()))
