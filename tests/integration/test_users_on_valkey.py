"""The users of `workers/users.acl`: what each is refused. What they may is in `tests/acceptance/test_users.py`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from events import Publisher, queues
from events.broker.consumer import PlainConsumer
from events.replies import RepliesConsumer
from storage import redis_server
from tests.guarded_valkey import SCRIPT, SECRETS, GuardedValkey
from tests.waiting import wait_until

USERS = tuple(SECRETS)
CELERY = (queues.WORKFLOW, queues.TURNS, queues.SHOPIFY, queues.OPS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedValkey]:
    with GuardedValkey(tmp_path_factory.mktemp("users") / "valkey") as server:
        yield server


def refused(server: GuardedValkey, user: str, *command: str) -> bool:
    with redis.Redis.from_url(server.urls[user]) as client:
        try:
            client.execute_command(*command)
        except redis.exceptions.NoPermissionError:
            return True
        except redis.ResponseError as error:
            # From inside a script, in the words of Valkey and of Redis 7.
            return any(words in str(error) for words in ("ACL failure", "can't run this command", "can't access"))
    return False


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "dir", "/tmp"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "me", "on", "nopass", "~*", "+@all"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "LIST"),
        ("MONITOR",),
        ("SHUTDOWN", "NOSAVE"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("MIGRATE", "127.0.0.1", "1", "events", "0", "1"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("SAVE",),
        ("SWAPDB", "0", "1"),
        ("DUMP", "events"),
        ("RENAME", "events", "other"),
        ("GET", "foreign"),
        ("LPUSH", "foreign", "x"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_nobody_may(server: GuardedValkey, user: str, command: tuple[str, ...]) -> None:
    assert refused(server, user, *command)


FORGED_TASK = "return redis.call('LPUSH', KEYS[1], 'x')"
HIDDEN_KEY = "return redis.call('LPUSH', 'ops', 'x')"


@pytest.mark.parametrize(
    ("user", "command"),
    [
        *((user, ("LPUSH", queue, "x")) for user in ("auth", "gateway", "cache", "flower") for queue in CELERY),
        *((user, ("LPUSH", f"{queue}\x06\x163", "x")) for user in ("auth", "gateway", "flower") for queue in CELERY),
        *((user, ("PUBLISH", "/0.celery.pidbox", "x")) for user in ("auth", "gateway", "cache")),
        *((user, ("PSUBSCRIBE", "*")) for user in USERS),
        *((user, ("LPUSH", "acks", "x")) for user in ("auth", "cache", "flower")),
        *((user, ("LPUSH", "replies", "x")) for user in ("auth", "cache", "flower")),
        *((user, ("LPUSH", "events", "x")) for user in ("cache", "flower")),
        *((user, ("RPOP", "events")) for user in ("auth", "gateway", "cache", "flower")),
        *((user, ("LRANGE", "events", "0", "-1")) for user in USERS),
        ("auth", ("BRPOP", "replies", "1")),
        ("auth", ("EVAL", FORGED_TASK, "1", "events")),
        ("gateway", ("EVAL", FORGED_TASK, "1", "ops")),
        ("gateway", ("EVAL", HIDDEN_KEY, "1", "replies")),
        ("gateway", ("RPOP", "acks")),
        ("gateway", ("BLMOVE", "replies", "turns", "LEFT", "LEFT", "1")),
        # A worker restores what stands there onto any queue that is named there.
        ("gateway", ("HSET", "plain.unacked", "tag", "x")),
        ("gateway", ("ZADD", "plain.unacked_index", "1", "tag")),
        ("gateway", ("HSET", "unacked", "tag", "x")),
        ("gateway", ("SADD", "_kombu.binding.celery", "x")),
        ("gateway", ("GET", "cj:data:m1:1:counts")),
        ("workers", ("GET", "cj:data:m1:1:counts")),
        ("cache", ("SUBSCRIBE", "/0.celery.pidbox")),
        ("cache", ("EVAL", HIDDEN_KEY, "1", "cj:x")),
        ("flower", ("BRPOP", "turns", "1")),
        ("flower", ("DEL", "turns")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]).replace("\x06\x16", "-"),
)
def test_a_user_is_refused(server: GuardedValkey, user: str, command: tuple[str, ...]) -> None:
    assert refused(server, user, *command)


def test_without_a_user_there_is_nothing(server: GuardedValkey) -> None:
    address = server.url.partition("@")[2]
    with redis.Redis.from_url(f"redis://{address}") as nobody, pytest.raises(redis.exceptions.AuthenticationError):
        nobody.ping()
    with redis.Redis.from_url(f"redis://health:@{address}") as health:
        assert health.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            health.execute_command("LPUSH", "events", "x")
    with (
        redis.Redis.from_url(f"redis://auth:wrong@{address}") as wrong,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        wrong.ping()


def test_the_auth_service_publishes_and_the_gateway_takes_replies(
    server: GuardedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    server.forget_denied()
    with Publisher(server.urls["auth"]) as publisher:
        publisher.publish("conversation_started", {"merchant_id": "m1", "conversation_id": "c1"})
    intake = PlainConsumer(server.urls["workers"], queues.EVENTS, publishes=[queues.REPLIES])
    wait_until(lambda: intake.receive(0.2), what="the event")
    assert intake.publish(queues.REPLIES, b"no reply at all")
    gateway = RepliesConsumer(server.urls["gateway"])
    with redis.Redis.from_url(server.url) as admin:
        assert gateway.run(lambda _reply: None, until=lambda: "dropped a malformed reply" in caplog.text, timeout=10)
        assert admin.llen("replies") == 0, "what was acked does not go back"
    intake.close()
    assert server.denied() == []


def test_no_password_stands_in_a_command_line_or_in_what_is_written(server: GuardedValkey) -> None:
    lines = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert b"passwordof" not in lines
    users = (server.folder / "made.acl").read_text()
    assert [word for word in users.split() if "passwordof" in word] == [">passwordofadmin"], "the test's own"
    assert (server.folder / "made.acl").stat().st_mode & 0o077 == 0


def test_a_missing_or_odd_secret_stops_the_start(tmp_path: Path) -> None:
    def said() -> str:
        done = subprocess.run(
            ["sh", str(SCRIPT), "true"],
            env={"SECRETS": str(tmp_path), "USERS": str(tmp_path / "made"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        return done.stderr

    for name in list(SECRETS.values())[:-1]:
        (tmp_path / name).write_text("redis://x:abc@valkey/0")
    assert "redis_url" in said()
    (tmp_path / "redis_url").write_text("redis://cache:p/w@valkey/1")
    assert "letters and digits" in said()


@pytest.mark.parametrize(("user", "only_sends"), [("workers", False), ("cache", False), ("auth", True)])
def test_our_own_users_lack_nothing(server: GuardedValkey, user: str, only_sends: bool) -> None:
    keeps_queues = user != "cache"
    found = redis_server.problems(server.urls[user], seconds=2, keeps_queues=keeps_queues, only_sends=only_sends)
    assert found == []


@pytest.mark.parametrize(
    ("rules", "lacks"),
    [
        ("~* resetchannels +@all", "channel"),
        ("~* &* +@all -@scripting", "'eval'"),
        ("~* &* +@all -@pubsub", "'psubscribe'"),
        ("~other:* &* +@all", "a key"),
        ("~* &* +@read +@connection", "'eval'"),
    ],
)
def test_what_another_user_lacks_is_named(server: GuardedValkey, rules: str, lacks: str) -> None:
    """A worker would end again and again: Unrecoverable error: auth:NoPermissionError."""
    with redis.Redis.from_url(server.urls["admin"]) as admin:
        admin.execute_command("ACL", "SETUSER", "other", "reset", "on", ">secret", *rules.split())
    url = server.urls["admin"].replace("admin:passwordofadmin", "other:secret")
    [said] = redis_server.problems(url, seconds=2, keeps_queues=True)
    assert said.startswith("refuses its user what workers do (")
    assert lacks in said
