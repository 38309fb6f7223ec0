"""Puts thousands of sentences, true and false, to the check alone (`workers.agent.grounding`), without the workers.

The check was tuned on the even stores with the phrasings `say` and `more`; the figures that count are of the odd stores
with the phrasings `unseen`.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import httpx
from pydantic import SecretStr

from events.data_types import DATA_TYPES
from shopify import data
from shopify.client import ShopifyClient
from shopify.development_store.server import DevelopmentStore
from shopify.development_store.tokens import token_for
from shopify.transport import http_client
from workers.agent.calculate_metrics import MetricsArguments, calculate
from workers.agent.grounding import check, ungrounded
from workers.agent.grounds import Grounds
from workers.evaluate.sentences import LANGUAGES, LIES, Statement, Writer, fits, topics
from workers.evaluate.world import SCOPES, World, build, fixed_now
from workers.shop import results
from workers.shop.results import Result
from workflows.loader import load_folder

#: How often numbers are written in another way in the same phrasing.
WAYS = 4
#: One in so many of the stores to tune on is looked at again.
TUNED_ON = 3
STALE_HOURS = 3
NO_ANSWER = "Shopify did not answer."
WORKFLOW = "ad_hoc_support"
MOST_EXAMPLES = 40


@dataclass
class Half:
    """What was found over one half of the stores."""

    sentences: int = 0
    false_alarms: int = 0
    told: Counter[str] = field(default_factory=Counter)
    caught: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    examples: list[dict[str, str]] = field(default_factory=list)

    def take(self, world: World, sentence: Statement, grounds: Grounds) -> None:
        """Put the sentence to the check."""
        began = time.process_time()
        claims = ungrounded(check(sentence.text, grounds))
        self.seconds += time.process_time() - began
        is_kept = not claims
        if sentence.lie is None:
            self.sentences += 1
            self.false_alarms += not is_kept
        else:
            self.told[sentence.lie] += 1
            self.caught[sentence.lie] += not is_kept
        if is_kept != (sentence.lie is None):
            what = f"{sentence.lie or 'false alarm'}, {sentence.topic}, {world.shop_domain.partition('.')[0]}"
            self.examples.append({"what": what, "text": sentence.text, "claims": "; ".join(claims)})

    def figures(self) -> dict[str, Any]:
        """For the report."""
        lies = {kind: {"told": self.told[kind], "caught": self.caught[kind]} for kind in LIES if self.told[kind]}
        number = self.sentences + self.told.total()
        return {
            "sentences": self.sentences,
            "false_alarms": self.false_alarms,
            "lies": lies,
            "milliseconds": round(self.seconds * 1000 / max(number, 1), 3),
            "examples": self.examples[:: max(1, len(self.examples) // MOST_EXAMPLES)],
        }


def run(numbers: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Figures of the half of the stores that the check was tuned on, and of the other."""
    now = fixed_now()
    with DevelopmentStore(now=now).start() as store, http_client() as http:
        worlds = build(store, now, [number for number in numbers if number % 2 or number % (2 * TUNED_ON) == 0])
        read = {world.number: _read(world, store, http) for world in worlds}
    halves = {True: Half(), False: Half()}
    for world in worlds:
        for sentence, grounds in _sentences(world, read[world.number]):
            halves[world.is_for_tuning].take(world, sentence, grounds)
    return {"tuning": halves[True].figures(), "reported": halves[False].figures()}


def lines(check: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The figures for a terminal."""
    found = [f"{'sentences put to the check alone':34}{'tuned on':>20}{'not seen before':>20}"]
    halves = [check[name] for name in ("tuning", "reported")]
    alarms = [f"{half['false_alarms']} of {half['sentences']:,}" for half in halves]
    found.append(f"{'true, and held back':34}{alarms[0]:>20}{alarms[1]:>20}")
    for kind in LIES:
        cells = [half["lies"].get(kind) for half in halves]
        shown = [f"{cell['caught']:,} of {cell['told']:,}" if cell else "" for cell in cells]
        found.append(f"{f'lies caught: {kind}'.replace('_', ' '):34}{shown[0]:>20}{shown[1]:>20}")
    times = [f"{half['milliseconds']} ms" for half in halves]
    return [*found, f"{'mean CPU time per sentence':34}{times[0]:>20}{times[1]:>20}"]


def _read(world: World, store: DevelopmentStore, http: httpx.Client) -> dict[str, Result]:
    """All data types, as the shop's worker reads them."""
    token = SecretStr(token_for(world.shop_domain))
    client = ShopifyClient(world.shop_domain, token, http=http, admin_url=store.admin_url)
    found = {one: data.fetch(client, one, scopes=SCOPES, now=world.now) for one in DATA_TYPES}
    return {one: results.fetched(one, fetched, world.now) for one, fetched in found.items()}


def _sentences(world: World, read: Mapping[str, Result]) -> Iterator[tuple[Statement, Grounds]]:
    """True ones and lies, each with what its turn has read. A text comes once."""
    known: set[str] = set()
    turns: dict[Any, Grounds] = {}
    for language in LANGUAGES:
        for topic in topics():
            asked = Writer(world, language).question(topic) if fits(world, topic, "") else ""
            for phrasing in topic.phrasings(language, for_tuning=world.is_for_tuning):
                if not fits(world, topic, phrasing):
                    continue
                for way in range(1 if world.is_for_tuning else WAYS):
                    writer = Writer(world, language, way)
                    made = [writer.honest(topic, phrasing), *(writer.lies(topic, phrasing) if way == 0 else ())]
                    for sentence in (one for one in made if one.text not in known):
                        known.add(sentence.text)
                        turn = (
                            sentence.lie == "stale",
                            language,
                            sentence.topic,
                            tuple(fact.name for fact in sentence.facts),
                        )
                        if turn not in turns:
                            turns[turn] = _grounds(world, sentence, read, asked)
                        yield sentence, turns[turn]


def _grounds(world: World, sentence: Statement, read: Mapping[str, Result], asked: str) -> Grounds:
    types = dict.fromkeys(fact.data for fact in sentence.facts)
    found = [_aged(read[one]) if sentence.lie == "stale" else read[one] for one in types]
    for fact in sentence.facts:
        if fact.calculate is not None:
            found.append(calculate(MetricsArguments.model_validate(fact.calculate), found))
    return Grounds.of(
        found,
        now=world.now.astimezone(world.zone),
        context={"shop_domain": world.shop_domain, "shopify_connected": True},
        said=[asked],
        prompt=[_prompt()],
    )


def _aged(result: Result) -> Result:
    """As if Shopify had given nothing newer for hours."""
    as_of = datetime.fromisoformat(result["as_of"]) - timedelta(hours=STALE_HOURS)
    kept = {**results.kept(result), "as_of": as_of.isoformat(timespec="seconds")}
    return results.stale(result["data_type"], kept, {"error_code": "shopify.temporary", "error": NO_ANSWER})


@cache
def _prompt() -> str:
    return load_folder(None).get(WORKFLOW).prompt
