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
CHARACTERS, ROUNDS = 600, 400


def main() -> None:
    with DevelopmentStore().start() as store, http_client() as http:
        client = ShopifyClient(SHOP, SecretStr(token_for(SHOP)), http=http, admin_url=store.admin_url)
        now = datetime.now(UTC)
        read = [
            results.fetched(data_type, fetch(client, data_type, scopes=None, now=now), now)
            for data_type in ("counts", "recent_orders", "overview")
        ]
    text = " ".join(demo_words.sentences({str(result["data_type"]): result for result in read}, now=now))
    text = " ".join([text] * (CHARACTERS // len(text) + 1))[:CHARACTERS].rpartition(".")[0] + "."
    told, judged = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        grounds = Grounds.of(read, now=now)
        ready = time.process_time()
        verdicts = grounding.check(text, grounds)
        judged.append((time.process_time() - ready) * 1000)
        told.append((time.process_time() - began) * 1000)
    assert grounding.ungrounded(verdicts) == [], verdicts
    size = sum(len(json.dumps(result)) for result in read)
    print(f"{len(text)} characters, {size / 1000:.1f} kB of results, {sum(v.grounded for v in verdicts)} claims")
    for what, times in (("grounds and check", told), ("check alone", judged)):
        print(f"{what:18} median {statistics.median(times):.2f} ms, best {min(times):.2f} ms")


if __name__ == "__main__":
    main()
