"""The embedded servers: as root and as an ordinary user, from a deep path, through crashes, never left behind."""

import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from tests.servers import crash, kill, pause
from tests.waiting import wait_until
from workers.local import embedded
from workers.local.embedded import EmbeddedPostgres, EmbeddedServerError, EmbeddedValkey
from workers.local.embedded_keeper import become
from workers.local.embedded_server import EmbeddedServer

ROOT = Path(__file__).parent.parent.parent

Kind = Callable[[Path], EmbeddedServer]
KINDS: list[Kind] = [lambda folder: EmbeddedPostgres(folder, durable=False), EmbeddedValkey]
both_kinds = pytest.mark.parametrize("kind", KINDS, ids=["postgres", "valkey"])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's folder, whose parents the ordinary user of some tests cannot enter."""
    with tempfile.TemporaryDirectory(prefix="cj-test-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


def run_sql(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def processes_of(folder: Path) -> list[str]:
    """Processes that name the folder (keepers, Postgres) or work in it (Valkey)."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words or (process.info["cwd"] or "").startswith(str(folder)):
            found.append(words)
    return found


def owner(folder: Path, body: str, change: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """A separate process that owns servers; `body` may use `postgres` and `valkey`."""
    script = f"""
        import os, signal, sys, threading
        from pathlib import Path
        from workers.local.embedded import EmbeddedPostgres, EmbeddedValkey
        postgres = EmbeddedPostgres(Path({str(folder / "pg")!r}), durable=False)
        valkey = EmbeddedValkey(Path({str(folder / "vk")!r}))
    """
    code = textwrap.dedent(script) + textwrap.dedent(body)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd="/",
        start_new_session=True,
        preexec_fn=change,
    )


def test_postgres_is_what_the_product_needs(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        (version,) = run_sql(server.url, "SHOW server_version_num")[0]
        assert int(str(version)) >= 150_000
        assert run_sql(server.url, "SELECT current_database()") == [("cj",)]
        assert run_sql(server.url, "SHOW fsync") == [("on",)]
        assert run_sql(server.url, "SHOW listen_addresses") == [("",)]
        assert run_sql(server.url, "SHOW server_encoding") == [("UTF8",)]


def test_postgres_is_made_without_posix_shared_memory(folder: Path) -> None:
    """`initdb` needed more of /dev/shm than some containers have."""
    with EmbeddedPostgres(folder / "postgres", durable=False):
        made = (folder / "postgres" / "data" / "postgresql.conf").read_text()
    assert re.search(r"^dynamic_shared_memory_type = '?mmap\b", made, re.MULTILINE)


def test_valkey_is_reached_from_this_machine_only(folder: Path) -> None:
    with EmbeddedValkey(folder) as server:
        client = redis.Redis.from_url(server.url, decode_responses=True)
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        client.close()


def test_a_given_port_is_used(folder: Path) -> None:
    with EmbeddedValkey(folder / "one") as first:
        port = int(first.url.split(":")[2].split("/")[0])
    with EmbeddedValkey(folder / "two", port=port) as second:
        assert second.url == f"redis://127.0.0.1:{port}/0"


def test_a_port_that_is_taken_is_left_alone_for_the_next_free_one(folder: Path) -> None:
    with EmbeddedValkey(folder / "one") as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with EmbeddedValkey(folder / "two", port=port) as second:
            assert port < int(second.url.split(":")[2].split("/")[0]) <= port + 100


def test_a_port_that_is_taken_in_the_meantime_is_left_alone_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedValkey(folder / "one") as first:
        taken = int(first.url.split(":")[2].split("/")[0])
        found = iter([taken, embedded.free_port()])
        monkeypatch.setattr(embedded, "free_port", lambda _first=0: next(found))
        with EmbeddedValkey(folder / "two") as second:
            assert second.url != first.url


def test_a_server_that_does_not_start_is_an_error_with_its_own_words(folder: Path) -> None:
    (folder / "appendonlydir").write_text("a file where its folder should be")
    server = EmbeddedValkey(folder)
    with pytest.raises(EmbeddedServerError, match="appendonlydir"):
        server.start()
    assert processes_of(folder) == []
    assert server.pid is None


def test_data_is_found_again(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as postgres, EmbeddedValkey(folder / "vk") as valkey:
        run_sql(postgres.url, "CREATE TABLE kept AS SELECT 7 AS n")
        client = redis.Redis.from_url(valkey.url)
        client.set("kept", "7")
        client.close()
    with EmbeddedPostgres(folder / "pg") as postgres, EmbeddedValkey(folder / "vk") as valkey:
        assert run_sql(postgres.url, "SELECT n FROM kept") == [(7,)]
        client = redis.Redis.from_url(valkey.url)
        assert client.get("kept") == b"7"
        client.close()


def test_valkey_without_a_file_forgets(folder: Path) -> None:
    with EmbeddedValkey(folder, aof=False) as server:
        client = redis.Redis.from_url(server.url)
        client.set("kept", "7")
        client.close()
        server.stop()
        server.start()
        client = redis.Redis.from_url(server.url)
        assert client.get("kept") is None
        client.close()


@both_kinds
def test_nothing_is_left_after_a_stop(folder: Path, kind: Kind) -> None:
    server = kind(folder)
    server.start()
    assert len(processes_of(folder)) >= 2
    server.stop()
    assert processes_of(folder) == []
    server.stop()  # a second call is harmless


def test_no_socket_folder_is_left(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        socket_folder = Path(server.url.split("host=")[1])
        assert socket_folder.stat().st_mode & 0o777 == 0o700
    assert not socket_folder.exists()


@both_kinds
def test_a_restart_keeps_the_url(folder: Path, kind: Kind) -> None:
    with kind(folder) as server:
        before = server.url
        server.stop()
        assert server.start() == before
        assert type(server).running(folder) == before


def test_a_crash_loses_nothing_that_was_committed(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        before = server.url
        run_sql(before, "CREATE TABLE kept AS SELECT 7 AS n")
        crash(server)
        assert EmbeddedPostgres.running(folder) is None
        assert server.start() == before
        assert run_sql(before, "SELECT n FROM kept") == [(7,)]


def test_a_killed_valkey_comes_back_with_its_file(folder: Path) -> None:
    with EmbeddedValkey(folder) as server:
        client = redis.Redis.from_url(server.url)
        client.set("kept", "7")
        client.config_set("appendfsync", "always")
        client.set("kept", "8")
        client.close()
        kill(server)
        server.start()
        client = redis.Redis.from_url(server.url)
        assert client.get("kept") == b"8"
        client.close()


def test_a_paused_server_answers_nobody_and_can_still_be_stopped(folder: Path) -> None:
    with EmbeddedValkey(folder) as server:
        client = redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None)
        client.ping()
        pause(server)
        with pytest.raises(redis.TimeoutError):
            client.ping()
        client.close()
    assert processes_of(folder) == []


@both_kinds
def test_a_second_server_on_the_same_folder_is_refused(folder: Path, kind: Kind) -> None:
    with kind(folder) as first:
        with pytest.raises(EmbeddedServerError, match="already running"):
            first.start()
        with pytest.raises(EmbeddedServerError, match="already running at") as caught:
            kind(folder).start()
        assert first.url in str(caught.value)
        assert type(first).running(folder) == first.url


@both_kinds
def test_what_is_not_running_says_so(folder: Path, kind: Kind) -> None:
    server = kind(folder)
    assert type(server).running(folder) is None
    with pytest.raises(EmbeddedServerError, match="no URL"):
        _ = server.url


def test_a_deep_folder_is_no_problem(folder: Path) -> None:
    deep = folder.joinpath(*["a-rather-long-name-of-a-folder"] * 8)
    with EmbeddedPostgres(deep / ".cj" / "postgres", durable=False) as server:
        assert len(server.url.split("host=")[1]) < 90
        assert run_sql(server.url, "SELECT 1") == [(1,)]


def test_an_interrupted_first_start_leaves_nothing_half_made(folder: Path) -> None:
    (folder / "data.new").mkdir()
    (folder / "data.new" / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(folder, durable=False) as server:
        assert run_sql(server.url, "SELECT 1") == [(1,)]


def test_a_folder_that_is_no_database_is_an_error_with_the_servers_words(folder: Path) -> None:
    (folder / "data").mkdir()
    with pytest.raises(EmbeddedServerError, match=r"postgres\.log"):
        EmbeddedPostgres(folder).start()
    assert processes_of(folder) == []


def test_the_log_does_not_hold_values(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as server:
        run_sql(server.url, "CREATE TABLE t (secret text UNIQUE)")
        run_sql(server.url, "INSERT INTO t VALUES ('canary')")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            run_sql(server.url, "INSERT INTO t VALUES ('canary')")
        assert "duplicate key" in server.log.read_text()
        assert "canary" not in server.log.read_text()


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(folder: Path) -> None:
    """The terminal signals the whole process group, but only the owner decides when its servers stop."""
    process = owner(
        folder,
        """
        interrupted = threading.Event()
        signal.signal(signal.SIGINT, lambda *_: interrupted.set())
        print(postgres.start(), valkey.start(), flush=True)
        interrupted.wait()
        print("interrupted", flush=True)
        print(postgres.running(postgres.folder), valkey.running(valkey.folder), flush=True)
        signal.pause()
        """,
    )
    try:
        assert process.stdout is not None
        urls = process.stdout.readline().strip()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline().strip() == "interrupted"
        assert process.stdout.readline().strip() == urls
    finally:
        process.kill()
        process.communicate(timeout=20)
    wait_until(lambda: processes_of(folder) == [], limit=20, what="the servers to follow their owner")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_servers_do_not_outlive_their_owner_however_it_ends(folder: Path, number: signal.Signals) -> None:
    process = owner(folder, "print(postgres.start(), valkey.start(), flush=True); signal.pause()")
    assert process.stdout is not None
    socket_folder = Path(process.stdout.readline().split()[0].split("host=")[1])
    process.send_signal(number)
    process.communicate(timeout=20)
    wait_until(lambda: processes_of(folder) == [], limit=20, what="the servers to follow their owner")
    assert not socket_folder.exists()


def test_a_thread_that_started_a_server_may_end(folder: Path) -> None:
    """The reason why Linux's own parent-death signal is not used."""
    process = owner(
        folder,
        """
        starter = threading.Thread(target=valkey.start)
        starter.start(); starter.join()
        print(valkey.running(valkey.folder), flush=True)
        valkey.stop()
        """,
    )
    said, _ = process.communicate(timeout=30)
    assert said.startswith("redis://")


def test_the_next_owner_takes_over_from_one_that_was_killed(folder: Path) -> None:
    process = owner(folder, "print(postgres.start(), valkey.start(), flush=True); signal.pause()")
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=20)
    with EmbeddedPostgres(folder / "pg", durable=False) as postgres, EmbeddedValkey(folder / "vk"):
        assert run_sql(postgres.url, "SELECT 1") == [(1,)]


IS_ROOT = os.geteuid() == 0


def test_binaries_in_a_closed_folder_may_be_asked_about(folder: Path) -> None:
    """initdb uses access(2) on its own binaries, and access(2) ignores an ordinary user's capabilities."""
    closed = folder / "root"
    closed.mkdir(mode=0o700)
    binary = closed / "initdb"
    binary.write_text("#!/bin/sh\nexit 0\n")
    binary.chmod(0o700)
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0" && "$0"', str(binary)],
        preexec_fn=become(nobody.pw_uid, nobody.pw_gid) if IS_ROOT else None,
        check=False,
    )
    assert done.returncode == 0


def test_an_ordinary_user_can_have_them_too(folder: Path) -> None:
    """A root process first becomes an ordinary user, but may still enter root's Python and venv."""
    nobody = pwd.getpwnam("nobody")
    change = become(nobody.pw_uid, nobody.pw_gid) if IS_ROOT else None
    if IS_ROOT:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    process = owner(
        folder,
        """
        print(os.geteuid(), postgres.start(), valkey.start(), flush=True)
        postgres.stop(); valkey.stop()
        """,
        change=change,
    )
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    uid, postgres_url, valkey_url = said.split()
    assert uid != "0"
    assert postgres_url.startswith("postgresql://")
    assert valkey_url.startswith("redis://")
    assert processes_of(folder) == []


def test_a_folder_that_others_may_not_enter_is_no_problem(folder: Path) -> None:
    """As under /root: Postgres runs as another user there, and no permissions are changed for it."""
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "project" / ".cj" / "postgres", durable=False) as server:
        assert run_sql(server.url, "SELECT 1") == [(1,)]
        assert server.pid is not None
        if IS_ROOT:
            assert psutil.Process(server.pid).uids().effective != 0
    assert closed.stat().st_mode & 0o777 == 0o700
