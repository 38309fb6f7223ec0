"""The parts of `storage.database` that need no server."""

import pytest

from storage.database import sqlalchemy_url


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgresql://u:p@a:1,b:2/d", "postgresql+psycopg2://u:p@/d?host=a:1&host=b:2"),
        (
            "postgres://a,b/d?target_session_attrs=read-write",
            "postgresql+psycopg2:///d?host=a&host=b&target_session_attrs=read-write",
        ),
        ("postgresql://u:p@h/d?host=/tmp/x", "postgresql+psycopg2://u:p@h/d?host=/tmp/x"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
    ],
)
def test_urls_name_the_driver(given: str, wanted: str) -> None:
    assert sqlalchemy_url(given) == wanted
