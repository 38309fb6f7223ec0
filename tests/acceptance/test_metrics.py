"""The Prometheus pages of running workers."""

import json
import math
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.servers import PostgresForTests
from tests.stack import Stack
from tests.tool_calls import ToolCalls
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

FIRST_PORT = 19_464
SHOP, MERCHANT, CONVERSATION = "metrics.myshopify.com", "metrics", "conv_metrics"
LINE = re.compile(r"(?m)^(cj_\w+)(?:\{(.*)\})? (\S+)$")


@pytest.fixture(scope="module")
def stack(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Stack(database_url, valkey.url, folder, environ={"CJ_METRICS_PORT": str(FIRST_PORT)}) as stack,
    ):
        yield stack


def ports(stack: Stack) -> list[int]:
    """The ports of the metrics pages, from the processes' logs."""
    lines = (line.partition(": ")[2] for line in stack.lines)
    told = [json.loads(line) for line in lines if line.startswith("{") and '"serving metrics"' in line]
    return sorted(line["port"] for line in told)


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        return str(page.read().decode())


def counted(stack: Stack) -> Counter[str]:
    """The counts of all processes together, by `name{labels}`."""
    found: Counter[str] = Counter()
    for port in ports(stack):
        for name, labels, value in LINE.findall(read(port)):
            if not math.isnan(float(value)):
                found[f"{name}{{{labels}}}" if labels else name] += round(float(value))
    return found


def test_every_process_has_a_page_and_counts_what_it_does(stack: Stack) -> None:
    stack.connect(SHOP, MERCHANT, size="tiny")
    connected = stack.connected(MERCHANT, SHOP, CONVERSATION)
    id, source, time = connected.id, connected.source, connected.time
    stack.publisher.publish(connected.type, connected.data, id=id, source=source, time=time)
    stack.gateway.wait_for_ends(CONVERSATION)
    stack.connect("frozen.myshopify.com", "frozen", state="frozen")
    with ToolCalls(stack) as calls:
        for merchant in (MERCHANT, "frozen"):
            calls.ask(merchant, "week_orders")
    wait_until(lambda: counted(stack)['cj_events_total{result="repeated",type="oauth_complete"}'] == 1)
    found = counted(stack)
    assert found['cj_events_total{result="accepted",type="oauth_complete"}'] == 1
    assert found['cj_events_total{result="handled",type="oauth_complete"}'] == 1
    tool_calls = found['cj_tool_calls_total{result="ok",tool="shopify_data"}']
    assert tool_calls == 3
    reads = {name: count for name, count in found.items() if name.startswith("cj_cache_reads_total")}
    assert sum(reads.values()) == 3 + tool_calls + 2, reads  # by prefetch, by the model, by this test
    assert sum(count for name, count in reads.items() if 'result="miss"' in name) == 5
    assert found['cj_fetches_total{data_type="counts",result="ok"}'] == 1
    assert found['cj_fetches_total{data_type="week_orders",result="error"}'] == 1
    assert found['cj_shopify_reads_total{result="shopify.store_unavailable"}'] == 1
    assert found['cj_shopify_reads_total{result="ok"}'] == 4
    for name in ("first_words", "first_insight"):
        assert found[f'cj_{name}_seconds_count{{workflow="shopify_onboarding"}}'] == 1
    assert found['cj_turn_seconds_count{result="ok",workflow="shopify_onboarding"}'] == 1
    assert found['cj_tool_call_seconds_count{data_type="counts",tool="shopify_data"}'] == 1
    assert found["cj_event_wait_seconds_count"] == found["cj_turn_wait_seconds_count"] - 2 == 1  # a pause is no wait
    assert found['cj_model_calls_total{model="cj-demo/demo",result="ok"}'] >= 3  # the first step was prefetched
    assert ports(stack) == [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2, FIRST_PORT + 3]
    kinds = [re.search(r'cj_build_info\{kind="(\w+)"', read(port)) for port in ports(stack)]
    assert [kind and kind[1] for kind in kinds] == ["intake", "workflow", "agent", "shopify"]
    assert all("process_resident_memory_bytes" in read(port) for port in ports(stack))
    assert not re.search(r"shpat|myshopify|conv_|@", "".join(name for name in found))


def test_the_rows_read_the_same_on_every_page_that_shows_them(stack: Stack) -> None:
    """The gauges that a person on call looks at first."""
    stack.publish("message_received", {"merchant_id": "nobody", "conversation_id": "c", "text": "hello"})

    def pages() -> list[dict[str, float]]:
        found = [
            {name + (labels or ""): float(value) for name, labels, value in LINE.findall(read(p))} for p in ports(stack)
        ]
        return [page for page in found if "cj_refused_events" in page]

    wait_until(lambda: [page["cj_refused_events"] for page in pages()] == [1, 1], limit=30)
    for page in pages():
        assert page['cj_waitingwhat="turns"'] == page['cj_oldest_waiting_secondswhat="turns"'] == 0
        assert page['cj_integrationsstatus="active"'] == 2
        assert page['cj_queue_messagesqueue="replies"'] == 0


def test_only_this_machine_reads_them(stack: Stack) -> None:
    listening = [one.laddr for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening if address and address.port in ports(stack)} == {"127.0.0.1"}
