"""Measures conditions, templates and workflow files. Medians, on one thread.

`python -m bench.expressions [--workflows 10000]`

Opens only files in a temporary folder. Each line names its unit. A busy machine is slower, so run it twice.
"""

import argparse
import gc
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workflows import engine
from workflows.definition import event_fields
from workflows.explanation import explain
from workflows.expression.evaluate import Condition, condition
from workflows.expression.kinds import condition_errors
from workflows.expression.template import Template
from workflows.loader import SHIPPED, WorkflowSet, check_paths, load_folder, load_text

SOURCE = "provider == 'shopify' and success == true"
EVENT = {"provider": "shopify", "success": True, "shop_domain": "test.myshopify.com", "merchant_id": "test_123"}
REPEATS = 15


def median(work: Callable[[], object], *, times: int = 1, repeats: int = REPEATS) -> float:
    """Seconds per run of `work`: the median of `repeats` measurements of `times` runs each."""
    measured = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(times):
            work()
        measured.append((time.perf_counter() - started) / times)
    return statistics.median(measured)


def show(what: str, seconds: float, unit: str = "µs") -> None:
    factor = {"µs": 1e6, "ms": 1e3, "s": 1.0}[unit]
    print(f"  {what:<62} {seconds * factor:>9.2f} {unit}")


def one_condition() -> None:
    print(f"One condition: {SOURCE}")
    compiled, fields = condition(SOURCE), event_fields("oauth_complete")
    show("compile", median(lambda: condition(SOURCE), times=500))
    show("check against the event's fields", median(lambda: condition_errors(compiled.tree, fields), times=500))
    show("evaluate, holds", median(lambda: compiled.holds(EVENT), times=20_000))
    show("evaluate, does not hold", median(lambda: compiled.holds({}), times=20_000))
    template = Template.parse("Connected {{shop_domain}} for {{merchant_id or 'somebody'}}")
    show("template with two fields", median(lambda: template.text(EVENT), times=10_000))


def thousand_conditions() -> None:
    print("1,000 different conditions, one event")
    sources = [f"provider == 'p{n}' and success == true and merchant_id != 'm{n}'" for n in range(1000)]
    compiled: list[Condition] = [condition(source) for source in sources]
    show("compile all", median(lambda: [condition(source) for source in sources]), "ms")
    show("evaluate all", median(lambda: [each.holds(EVENT) for each in compiled], times=20), "ms")


def files() -> None:
    print("The shipped workflows")
    paths = sorted(SHIPPED.glob("*.yaml"))
    for path in paths:
        text = path.read_text()
        show(f"load {path.name} ({len(text):,} characters)", median(lambda text=text: load_text(text), times=5), "ms")  # type: ignore[misc]
    show("check one file", median(lambda: check_paths(paths[:1]), times=5), "ms")
    workflow = load_folder().get("shopify_onboarding")
    show("plan oauth_complete", median(lambda: engine.plan(workflow, "oauth_complete", EVENT), times=2000))
    context = {"shopify_connected": True, "fetched": ["counts"]}
    show("next_transition", median(lambda: engine.next_transition(workflow, context), times=5000))
    show("explain oauth_complete", median(lambda: explain(workflow, "oauth_complete", EVENT), times=200))


def many_workflows(number: int) -> None:
    print(f"{number:,} workflows, each like shopify_onboarding")
    text = (SHIPPED / "shopify_onboarding.yaml").read_text()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ad_hoc_support.yaml").write_text((SHIPPED / "ad_hoc_support.yaml").read_text())
        (folder / "shopify_onboarding.yaml").write_text(text)
        for each in range(number - 2):
            copy = text.replace("name: shopify_onboarding", f"name: onboarding_{each}")
            (folder / f"onboarding_{each}.yaml").write_text(copy)
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        loaded = load_folder(folder)
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    show("read, check and compile all of them", seconds, "s")
    show("per workflow", seconds / number, "ms")
    print(f"  {'memory per workflow':<62} {(after - before) / number:>9.2f} KiB")
    show("find one by name and plan its event", median(lambda: _plan(loaded, number), times=2000))


def _plan(loaded: WorkflowSet, number: int) -> None:
    engine.plan(loaded.get(f"onboarding_{number // 2}"), "oauth_complete", EVENT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflows", type=int, default=10_000, metavar="N", help="how many to load at once")
    arguments = parser.parse_args()
    one_condition()
    thousand_conditions()
    files()
    many_workflows(max(arguments.workflows, 10))


if __name__ == "__main__":
    main()
