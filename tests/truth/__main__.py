"""Prints how many true sentences the check holds back and how many lies it lets through.

python -m tests.truth [--half tuned|unseen] [--misses FILE]

The check may be tuned on `tuned.txt`, said of the even stores. What counts is `unseen.txt`, said of the odd ones. Exit
code 1: more than 0.5 % of its true sentences were held back, or a lie got through.
"""

import json
import random
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from shopify.development_store.server import DevelopmentStore
from shopify.transport import http_client
from tests.truth.facts import NOW, Read, known, read
from tests.truth.voices import Phrasing, Voice
from workers.agent.calculate_metrics import MetricsArguments, calculate
from workers.evaluate.sentences import LIES, Topic
from workers.evaluate.world import STORES, World, build
from workers.shop import results
from workers.shop.results import Result
from workers.truth.grounding import check, ungrounded
from workers.truth.grounds import Grounds
from workflows.loader import load_folder

HALVES = ("tuned", "unseen")
WAYS = 3
MOST_FALSE_ALARMS = 0.005
ALL_TYPES = ("counts", "recent_orders", "overview", "week_orders")
STALE_HOURS = 3
ASKED = {"en": "How is my store doing?", "de": "Wie läuft mein Shop?"}
TOPIC = Topic("phrasing", "lookup", {})


def phrasings(half: str) -> list[Phrasing]:
    """Those of one half."""
    lines = (Path(__file__).parent / f"{half}.txt").read_text("utf-8").splitlines()
    return [Phrasing.of(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]


@dataclass
class Figures:
    """What came of one half. `told` and `caught`: lies by kind. `unused`: phrasings that fit no store."""

    sentences: int = 0
    false_alarms: int = 0
    told: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    unused: int = 0
    misses: list[dict[str, Any]] = field(default_factory=list)

    def take(self, kind: str | None, text: str, grounds: Grounds, where: str) -> None:
        """Put a sentence to the check; `kind` is that of a lie."""
        began = time.process_time()
        claims = ungrounded(check(text, grounds))
        self.seconds += time.process_time() - began
        if kind is None:
            self.sentences += 1
            self.false_alarms += bool(claims)
        else:
            self.told[kind] += 1
            self.caught[kind] += bool(claims)
        if bool(claims) == (kind is None):
            self.misses.append({"kind": kind or "false alarm", "where": where, "text": text, "claims": list(claims)})

    @property
    def is_good(self) -> bool:
        """Whether it is what was promised."""
        return self.caught == self.told and self.false_alarms <= MOST_FALSE_ALARMS * self.sentences


def worlds(half: str) -> list[tuple[World, Read]]:
    """The stores of one half, and what was read of each."""
    with DevelopmentStore(now=NOW).start() as store, http_client() as http:
        built = build(store, NOW, range(HALVES.index(half), STORES, 2))
        found = [(world, read(world, store, http)) for world in built]
    return [(known(world, each), each) for world, each in found]


def measure(half: str) -> Figures:
    """Every phrasing of every store that it fits, and a lie of every kind that can be made of it."""
    figures = Figures()
    stores = worlds(half)
    for phrasing in phrasings(half):
        figures.unused += not any(phrasing.fits(world) for world, _ in stores)
        for world, found in stores:
            if phrasing.fits(world):
                where = f"line {phrasing.number}, store {world.number}"
                current, stale = (_grounds(world, found, phrasing, is_stale=is_stale) for is_stale in (False, True))
                for kind, text in _statements(world, phrasing):
                    figures.take(kind, text, stale if kind == "stale" else current, where)
    return figures


def _statements(world: World, phrasing: Phrasing) -> Iterator[tuple[str | None, str]]:
    """The truth in several ways, then lies with their kinds."""
    for way in range(1, WAYS):
        other = Voice(world, phrasing, way)
        yield None, other.surrounded(other.filled(phrasing.text))
    voice = Voice(world, phrasing)
    truth = voice.filled(phrasing.text)
    yield None, voice.surrounded(truth)
    made = [(str(lie.lie), lie.text) for lie in voice.lies(TOPIC, phrasing.text)]
    made += [(kind, voice.filled(lie)) for kind, lie in phrasing.lies]
    for kind, text in made:
        if text != truth and phrasing.allows(kind):
            yield kind, voice.surrounded(text)


@cache
def _prompt() -> str:
    return load_folder(None).get("ad_hoc_support").prompt


def _grounds(world: World, found: Read, phrasing: Phrasing, *, is_stale: bool) -> Grounds:
    """What a turn has read: in some, only what is spoken of; in the others everything."""
    facts = [world.facts[name] for name in phrasing.names]
    types = dict.fromkeys(fact.data for fact in facts)
    if random.Random(f"{phrasing.number} {world.number}").random() < 0.4:
        types |= dict.fromkeys(ALL_TYPES)
    turn = {one: _aged(found[one]) if is_stale else found[one] for one in types}
    asked = [(fact, MetricsArguments.model_validate(fact.calculate)) for fact in facts if fact.calculate is not None]
    return Grounds.of(
        [*turn.values(), *(calculate(arguments, [turn[fact.data]]) for fact, arguments in asked)],
        now=world.now.astimezone(world.zone),
        context={"shop_domain": world.shop_domain, "shopify_connected": True},
        said=[ASKED[phrasing.language]],
        prompt=[_prompt()],
    )


def _aged(result: Result) -> Result:
    """As if Shopify had given nothing newer for hours."""
    as_of = datetime.fromisoformat(result["as_of"]) - timedelta(hours=STALE_HOURS)
    kept = {**result, "as_of": as_of.isoformat(timespec="seconds")}
    refused = {"error_code": "shopify.temporary", "error": "Shopify did not answer."}
    return results.stale(result["data_type"], kept, refused)


def main() -> int:
    """Measure, print, and say by the exit code whether it is good."""
    parser = ArgumentParser(prog="python -m tests.truth", description=__doc__)
    parser.add_argument("--half", choices=HALVES, default="unseen")
    parser.add_argument("--misses", type=Path, help="a file for all that went wrong, a JSON object a line")
    chosen = parser.parse_args()
    figures = measure(chosen.half)
    share = figures.false_alarms / figures.sentences
    print(f"true sentences held back     {figures.false_alarms} of {figures.sentences:,} ({share:.2%})")
    for kind in sorted(figures.told, key=lambda kind: (kind not in LIES, kind)):
        print(f"lies caught: {kind.replace('_', ' '):15} {figures.caught[kind]:,} of {figures.told[kind]:,}")
    number = figures.sentences + figures.told.total()
    print(f"lies caught: all             {figures.caught.total():,} of {figures.told.total():,}")
    print(f"mean CPU time                {figures.seconds * 1000 / number:.2f} ms")
    print(f"phrasings that fit no store  {figures.unused}")
    if chosen.misses:
        chosen.misses.write_text("".join(json.dumps(miss, ensure_ascii=False) + "\n" for miss in figures.misses))
    return 0 if figures.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
