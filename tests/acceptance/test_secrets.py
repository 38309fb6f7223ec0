"""A recognizable token passes through the whole system; then everything is searched for it."""

import redis

from tests.acceptance.conftest import Someone
from tests.stack import Stack

END = "the-end-of-the-tap"
CANARY = "shpat_c0ffee00c0ffee00c0ffee00c0ffee00"


def test_the_token_is_nowhere_in_clear(stack: Stack, someone: Someone) -> None:
    stack.connect(someone.shop_domain, someone.merchant_id, token=CANARY)
    taps = redis.Redis.from_url(stack.redis_url)
    with taps.monitor() as monitor:  # type: ignore[no-untyped-call]
        stack.connected(someone.merchant_id, someone.shop_domain, someone.conversation_id)
        stack.gateway.wait_for_ends(someone.conversation_id)
        stack.store.fault(someone.shop_domain, "unauthorized", times=1)
        stack.say(someone.merchant_id, someone.conversation_id, "What did I sell this week?")
        stack.gateway.wait_for_ends(someone.conversation_id, 2)
        taps.set(END, "of the tap")
        seen: list[str] = []
        while not seen or END not in seen[-1]:
            seen.append(str(monitor.next_command()["command"]))
    everything = "\n".join(seen)
    assert "cj.run_turn" in everything  # the tap worked
    assert CANARY not in everything
    assert CANARY not in stack.log_file.read_text()
    assert CANARY not in repr([reply.model_dump() for reply in stack.gateway.shown])
    assert CANARY not in _dump(stack)


def _dump(stack: Stack) -> str:
    """Every row of the database as text, including sealed columns as stored."""
    tables = [name for (name,) in stack.rows("select tablename from pg_tables where schemaname = 'public'")]
    text = ""
    for table in tables:
        rows = stack.rows(f"select t::text from {table} t")
        text += "\n".join(row for (row,) in rows)
    encoded = CANARY.encode().hex()
    return text.replace(encoded, CANARY)
