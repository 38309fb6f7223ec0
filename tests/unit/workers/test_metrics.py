"""The table of metrics is complete and true, and the gauges show what was read from the rows."""

import re

import pytest
from prometheus_client import REGISTRY

from storage.backlog import Backlog, Waiting
from workers import metrics
from workers.metrics import Points, RowsCollector

BACKLOG = Backlog(
    events=Waiting(0, 0.0),
    turns=Waiting(3, 71.5),
    replies=Waiting(2, 40.0),
    without_model=1,
    running=1,
    owed=3,
    failed=6,
    dead=5,
    refused=7,
    integrations={"active": 8, "needs_reauth": 9, "uninstalled": 0},
    overdue_seconds=10.0,
)
ROW = re.compile(r"(?m)^\| (cj_\w+) *\| ([a-z_, ]*?) *\|.*\|(?:\n\| {31}\| (\w+) +\|)?")
CAN_BE_ABSENT = ("le", "quantile")


def documented() -> dict[str, set[str]]:
    """The labels of each metric in the module's tables."""
    rows = ROW.findall(metrics.__doc__ or "")
    return {name: set(re.findall(r"\w+", f"{labels} {more}")) for name, labels, more in rows}


def kept() -> dict[str, set[str]]:
    """The labels of each metric of ours there is."""
    found = {}
    for collector, names in REGISTRY._collector_to_names.items():
        if (name := next((one for one in names if one.startswith("cj_")), None)) is not None:
            assert name
            kind, own = getattr(collector, "_type", ""), str(getattr(collector, "_name", ""))
            found[own + ("_total" if kind == "counter" else "")] = set(getattr(collector, "_labelnames", ()))
    collected = RowsCollector(lambda: BACKLOG, lambda: {"turns": 1}).collect()
    return found | {one.name: set(one.samples[0].labels) for one in collected}


def test_the_tables_are_the_metrics() -> None:
    assert documented() == kept()


def test_no_label_names_a_person() -> None:
    labels = set().union(*kept().values())
    assert not labels & {"merchant", "merchant_id", "shop", "shop_domain", "conversation", "conversation_id", "turn"}


def test_gauges_say_what_the_rows_say_and_ask_seldom() -> None:
    now, asked = [0.0], []

    def read() -> Backlog:
        asked.append(now[0])
        return BACKLOG

    collector = RowsCollector(read, lambda: None, clock=lambda: now[0])

    def value(name: str, **labels: str) -> float:
        samples = [one for metric in collector.collect() for one in metric.samples]
        return next(one.value for one in samples if one.name == name and one.labels == labels)

    assert value("cj_oldest_waiting_seconds", what="turns") == 71.5
    assert value("cj_turns", state="owed") == 4
    assert value("cj_integrations", status="needs_reauth") == 9
    now[0] = 9.0
    assert value("cj_refused_events") == 7
    assert asked == [0.0]
    now[0] = 11.0
    assert value("cj_overdue_seconds") == 10.0
    assert asked == [0.0, 11.0]


def test_what_nobody_answers_is_absent() -> None:
    assert RowsCollector(lambda: None, lambda: None).collect() == []
    assert RowsCollector(lambda: BACKLOG, lambda: None).describe() == []


def test_the_emptiest_bucket_is_forgotten_after_a_minute() -> None:
    now = [100.0]
    points = Points(lambda: now[0])
    assert points.least() != points.least()  # NaN: nobody was asked
    for left in (900.0, 40.0, 700.0):
        points.note(left)
    assert points.least() == 40.0
    now[0] = 161.5
    points.note(800.0)
    assert points.least() == 800.0


def test_a_page_has_what_was_noted_just_before_and_nothing_while_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("cj_replies_resent_total") or 0.0

    before = counted()
    metrics.replies_resent(2)
    assert counted() == before + 2
    monkeypatch.setattr(metrics, "_counting", True)  # to be restored
    metrics.off()
    metrics.replies_resent(2)
    assert counted() == before + 2


def test_notes_are_counted_although_nobody_reads_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "NOTED_MOST", 3)
    lengths = []
    for _ in range(7):
        metrics.replies_resent(1)
        lengths.append(len(metrics._noted))
    assert max(lengths) < 3
