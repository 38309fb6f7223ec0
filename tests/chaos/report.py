"""Reports a run's outcome, as text and as JSON."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.run import Outcome

MOST_SENTENCES = 40
SHARES = (0.5, 0.95, 0.99)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of sorted values."""
    if not seconds:
        return {}
    return {f"p{share * 100:.0f}": round(seconds[int(len(seconds) * share)], 3) for share in SHARES}


def as_json(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "seed": outcome.wanted.seed,
        "seconds": outcome.wanted.seconds,
        "good": outcome.good,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "out_of_order": verdict.disordered,
        "without_exactly_one_end": verdict.unended,
        "problems": outcome.problems,
        "counts": outcome.counts,
        "faults": [str(fault) for fault in outcome.faults],
        "first_reply_seconds": percentiles(outcome.first),
        "end_seconds": percentiles(outcome.end),
        "quiet_after_seconds": outcome.quiet_after,
    }


def as_text(outcome: Outcome) -> str:
    verdict = outcome.verdict
    kinds = Counter(fault.kind for fault in outcome.faults)
    lines = [
        f"seed {outcome.wanted.seed}, {outcome.wanted.seconds:g} s, {outcome.wanted.rate:g} events/s",
        "faults, as they began:",
        *(f"  {fault}" for fault in sorted(outcome.faults, key=lambda fault: fault.at)),
        f"  together {', '.join(f'{count} {kind}' for kind, count in kinds.most_common())}",
        "  ".join(f"{name} {count}" for name, count in outcome.counts.items()),
        f"event given → first reply shown  {_line(outcome.first)}",
        f"event given → its turn's end shown  {_line(outcome.end)}",
        "never quiet" if outcome.quiet_after is None else f"quiet {outcome.quiet_after:.1f} s after the last event",
        *outcome.problems,
        *verdict.faults[:MOST_SENTENCES],
        f"lost {len(verdict.lost)}  duplicated {len(verdict.duplicated)}  out of order {len(verdict.disordered)}  "
        f"turns without exactly one end {len(verdict.unended)}: {'good' if outcome.good else 'BAD'}",
    ]
    return "\n".join(lines)


def _line(seconds: Sequence[float]) -> str:
    return "  ".join(f"{name} {value:.2f} s" for name, value in percentiles(seconds).items())
