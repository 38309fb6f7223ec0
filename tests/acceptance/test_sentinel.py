"""Everything on servers that a Redis Sentinel watches, while the primary dies in the middle of a turn."""

from pathlib import Path

import pytest

from tests.cj import Terminal
from tests.sentinel import WatchedValkeys
from tests.servers import PostgresForTests, kill
from tests.stack import Stack
from tests.waiting import wait_until


def test_when_the_primary_dies_all_go_on_with_the_replica(
    postgres: PostgresForTests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        WatchedValkeys(tmp_path) as servers,
        postgres.migrated_database() as database_url,
        Stack(database_url, servers.url, tmp_path) as stack,
    ):
        stack.connect("watched.myshopify.com", "m_watched", size="tiny")
        stack.connected("m_watched", "watched.myshopify.com", "c_watched")
        wait_until(lambda: stack.gateway.texts("c_watched"))
        kill(servers.primary)
        told = stack.gateway.wait_for_ends("c_watched")
        assert len({reply.id for reply in told}) == len(told)
        urls = {"BROKER_URL": servers.url, "REDIS_URL": servers.url.replace("master=cj", "master=jc")}
        terminal = Terminal(tmp_path, monkeypatch, {**urls, "DATABASE_URL": database_url, "CJ_MODEL": "demo"})
        found = {each["name"]: each for each in terminal.json("check", code=1)["checks"]}
        assert found["broker"]["ok"]
        assert "no sentinel answers, or none knows a primary of this name" in found["redis"]["detail"]
        assert "passwordof" not in str(found)
