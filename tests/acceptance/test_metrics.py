"""The Prometheus pages of running workers, and their traces."""

import json
import math
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.otlp import Receiver, Seen
from tests.servers import PostgresForTests
from tests.stack import Stack
from tests.tool_calls import ToolCalls
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey

FIRST_PORT = 19_464
SHOP, MERCHANT, CONVERSATION = "metrics.myshopify.com", "metrics", "conv_metrics"
LINE = re.compile(r"(?m)^(cj_\w+)(?:\{(.*)\})? (\S+)$")


@pytest.fixture(scope="module")
def running(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Receiver]]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    with (
        EmbeddedValkey(folder / "valkey", aof=False) as valkey,
        postgres.migrated_database() as database_url,
        Receiver() as traces,
    ):
        environ = {"CJ_METRICS_PORT": str(FIRST_PORT), "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url}
        with Stack(database_url, valkey.url, folder, environ=environ | {"OTEL_BSP_SCHEDULE_DELAY": "300"}) as stack:
            yield stack, traces


@pytest.fixture(scope="module")
def stack(running: tuple[Stack, Receiver]) -> Stack:
    return running[0]


@pytest.fixture(scope="module")
def traces(running: tuple[Stack, Receiver]) -> Receiver:
    return running[1]


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
    stack.connect("frozen.myshopify.com", "frozen")
    stack.store.fault("frozen.myshopify.com", "frozen")
    with ToolCalls(stack) as calls:
        for merchant in (MERCHANT, "frozen"):
            calls.ask(merchant, "week_orders")
    wait_until(lambda: counted(stack)['cj_events_total{result="repeated",type="oauth_complete"}'] == 1)
    found = counted(stack)
    assert found['cj_events_total{result="accepted",type="oauth_complete"}'] == 1
    assert found['cj_events_total{result="handled",type="oauth_complete"}'] == 1
    tool_calls = found['cj_tool_calls_total{result="ok",tool="shopify_data"}']
    assert tool_calls == 4
    reads = {name: count for name, count in found.items() if name.startswith("cj_cache_reads_total")}
    # by prefetch; by the model, which begins with the counts that it brought; by this test
    assert sum(reads.values()) == 3 + (tool_calls - 1) + 2, reads
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


def test_one_trace_from_the_event_to_the_last_word(stack: Stack, traces: Receiver) -> None:
    """Each process continues what the publisher of the event began."""
    trace, sender = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    stack.connect("traced.myshopify.com", "m_traced", size="tiny")
    stack.connected("m_traced", "traced.myshopify.com", "conv_traced", traceparent=f"00-{trace}-{sender}-01")
    replies = stack.gateway.wait_for_ends("conv_traced")

    def missing() -> str:
        names = [span.name for span in traces.of(trace)]
        wanted = {"receive events": 1, "process events": 1, "invoke_agent CJ": 3, "process shopify": 3}
        wanted |= {"execute_tool shopify_data": 3, "POST graphql.json": 3, "settle acks": 1, "send replies": 3}
        return ", ".join(name for name, count in wanted.items() if names.count(name) < count)

    wait_until(lambda: missing() == "", what="a span of each kind")
    spans = {span.id: span for span in traces.of(trace)}

    def above(span: Seen) -> list[str]:
        return [span.name, *(above(spans[span.parent]) if span.parent in spans else [span.parent])]

    begun = ["process events", "receive events", sender]
    paths = {" < ".join(above(span)) for span in spans.values()}
    for path in (
        ["POST graphql.json", "process shopify", *begun],  # what was prefetched
        ["execute_tool shopify_data", "invoke_agent CJ", *begun],
        ["chat demo", "invoke_agent CJ", *begun],
        ["send replies", "invoke_agent CJ", *begun],
        ["settle acks", *begun],
    ):
        assert " < ".join(path) in paths, paths
    turns = [span for span in traces.of(trace) if span.name == "invoke_agent CJ"]
    assert [turn.links for turn in turns] == [(), (turns[0].id,), (turns[1].id,)]
    assert turns[0].attributes["gen_ai.conversation.id"] == "conv_traced"
    assert turns[-1].attributes["cj.result"] == "ok"
    assert {str(reply.traceparent)[3:35] for reply in replies} == {trace}
    logged = [line for line in stack.lines if '"conversation_id": "conv_traced"' in line]
    assert logged
    assert [line for line in logged if f'"trace_id": "{trace}"' not in line] == []


def test_an_event_without_a_trace_begins_one_and_no_trace_tells_what_was_said(stack: Stack, traces: Receiver) -> None:
    stack.connect("untraced.myshopify.com", "m_untraced", size="tiny")
    stack.publish("conversation_started", {"merchant_id": "m_untraced", "conversation_id": "c_untraced"})
    stack.say("m_untraced", "c_untraced", "How did Jane Doe, jane@example.com, order?")
    replies = stack.gateway.wait_for_ends("c_untraced", 2)
    trace = str(replies[-1].traceparent)[3:35]
    wait_until(lambda: {"receive events", "invoke_agent CJ"} <= {span.name for span in traces.of(trace)})
    sent = b"".join(traces.bytes)
    assert b"conv_traced" in sent
    assert not re.search(rb"shpat_|Jane|jane@|order\?|myshopify|customers in your store", sent)
