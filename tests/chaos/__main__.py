"""`python -m tests.chaos [--seconds S] [--seed N] [--rate R] [--outage NAME] [--quick] [--json FILE] [--keep FOLDER]`.

Exit code 1 if anything was lost, shown twice, out of order or never finished.
"""

import argparse
import json
import secrets
import sys
from pathlib import Path

from tests.chaos.ground import ground
from tests.chaos.outages import CAUGHT_UP_SECONDS, OUTAGES, outage
from tests.chaos.plan import Fault
from tests.chaos.report import as_json, as_text
from tests.chaos.run import Wanted, run
from tests.servers import fast_folder


def main() -> int:
    """Run once; print the schedule, the figures and the verdict."""
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    print(f"seed {seed}", flush=True)
    with fast_folder() as temporary:
        folder = options.keep or temporary
        folder.mkdir(parents=True, exist_ok=True)
        with ground(folder, quick=options.quick, lease_seconds=options.lease, durable=False) as here:
            wanted, faults = _asked(options, seed)
            outcome = run(here, wanted, faults=faults)
    print(as_text(outcome))
    if options.json:
        options.json.write_text(json.dumps(as_json(outcome), indent=1) + "\n")
    return 0 if outcome.good else 1


def _asked(options: argparse.Namespace, seed: int) -> tuple[Wanted, list[Fault] | None]:
    if options.outage is None:
        return Wanted(f"s{seed}", seed, options.seconds, options.rate, doors=True), None
    wanted = Wanted(f"s{seed}", seed, options.seconds + 10.0, options.rate, patience=CAUGHT_UP_SECONDS)
    return wanted, outage(options.outage, at=5.0, seconds=options.seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long events are given and faults happen")
    parser.add_argument("--seed", type=int, help="of the schedule; without it a new one, which is printed")
    parser.add_argument("--rate", type=float, default=4.0, help="events per second")
    parser.add_argument("--lease", type=float, default=3.0, help="CJ_LEASE_SECONDS of the workers")
    parser.add_argument("--outage", choices=list(OUTAGES), help="instead: this alone is away for so many seconds")
    parser.add_argument("--quick", action="store_true", help="shorter pauses, and agents that start without litellm")
    parser.add_argument("--json", type=Path, help="also write the outcome to this file")
    parser.add_argument("--keep", type=Path, help="a new folder in which logs and data stay")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
