"""How long the check of one reply takes: 600 characters against 10 kB of tool results, as a turn does it.

python -m bench.truth
"""

import json
import statistics
import time
from datetime import UTC, datetime

from pydantic import SecretStr

from shopify.client import ShopifyClient
from shopify.data.dispatch import fetch
from shopify.development_store import DevelopmentStore, token_for
from shopify.transport import http_client
from workers.model import demo_words
from workers.shop import results
from workers.truth import grounding
from workers.truth.grounds import Grounds

SHOP = "dev-medium.myshopify.com"
CHARACTERS, ROUNDS, AT_A_TIME = 600, 25, 20
"""Several at a time: reading the clock takes as long as a sentence."""


def main() -> None:
    with DevelopmentStore().start() as store, http_client() as http:
        client = ShopifyClient(SHOP, SecretStr(token_for(SHOP)), http=http, admin_url=store.admin_url)
        now = datetime.now(UTC)
        read = [
            results.fetched(data_type, fetch(client, data_type, scopes=None, now=now), now)
            for data_type in ("counts", "overview", "recent_orders")
        ]
    text = " ".join(demo_words.sentences({str(result["data_type"]): result for result in read}, now=now))
    text = " ".join([text] * (CHARACTERS // len(text) + 1))[:CHARACTERS].rpartition(".")[0] + "."
    for results_read in (read[:2], read):
        size = sum(len(json.dumps(result)) for result in results_read)
        reading, checking = [], []
        for _ in range(ROUNDS):
            began = time.process_time()
            grounds = [Grounds.of(results_read, now=now) for _ in range(AT_A_TIME)]
            ready = time.process_time()
            for each in grounds:
                verdicts = grounding.check(text, each)
            checking.append((time.process_time() - ready) * 1000 / AT_A_TIME)
            reading.append((ready - began) * 1000 / AT_A_TIME)
        assert grounding.ungrounded(verdicts) == [], verdicts
        claims = sum(verdict.grounded for verdict in verdicts)
        both = [one + other for one, other in zip(reading, checking, strict=True)]
        print(f"{len(text)} characters, {size / 1000:.1f} kB of results, {claims} claims")
        for what, times in (("grounds", reading), ("check", checking), ("grounds and check", both)):
            print(f"{what:18} median {statistics.median(times):.2f} ms, best {min(times):.2f} ms")


if __name__ == "__main__":
    main()
