"""Four processes fetch from one shop at once: none is throttled, and no points are wasted.

The same as `python -m bench.bucket --flush`, with a shop that restores faster so that it takes only seconds.
"""

from pathlib import Path

from bench import bucket

# Each fetch reserves 44 points and is charged 33: about 6 s at 600 a second, with the flush after 4.
SHORT = ["--fetches", "120", "--maximum", "600", "--rate", "600", "--threads", "2", "--flush"]


def test_four_workers_keep_one_shops_limit_and_use_all_of_it(tmp_path: Path) -> None:
    found = bucket.measure(bucket.parsed(SHORT), tmp_path)
    assert found["fetched"] == 120, found
    assert found["throttled_before_flush"] == 0, found
    # Valkey losing everything halfway costs a moment.
    assert (found["throttled_until_after_flush"] or 0.0) < 2.0, found
    assert found["least_seconds"] > 4, found
    assert found["seconds"] < 1.1 * found["least_seconds"] + 2.0, found  # plus the delays of a busy machine
