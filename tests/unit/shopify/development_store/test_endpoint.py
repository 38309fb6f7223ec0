"""Which API version answers when."""

from datetime import UTC, datetime

import pytest

from shopify.development_store.endpoint import accessible, answering

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_four_stable_versions_answer_today() -> None:
    assert accessible(NOW) == ("2026-01", "2026-04", "2026-07", "2026-10")


def test_a_version_ends_on_the_16th_at_15_utc() -> None:
    assert accessible(datetime(2027, 1, 16, 14, 59, tzinfo=UTC))[0] == "2026-01"
    assert accessible(datetime(2027, 1, 16, 15, 0, tzinfo=UTC))[0] == "2026-04"


@pytest.mark.parametrize(
    ("requested", "answers"),
    [
        ("2026-10", "2026-10"),
        ("2026-01", "2026-01"),
        ("2025-10", "2026-01"),
        ("2025-01", "2026-01"),
        ("2027-01", "2026-01"),
        ("unstable", "unstable"),
        ("2026-02", None),
        ("latest", None),
        ("2026-10\n", None),
    ],
)
def test_an_inaccessible_version_falls_forward_to_the_oldest(requested: str, answers: str | None) -> None:
    assert answering(requested, NOW) == answers
