"""The folder .cj/: one owner, keys created once, settings found by other terminals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.vault import Vault
from workers.local.home import STALE, Home, HomeInUse, environment_here, temporary_home
from workers.local.servers import LocalServers
from workers.settings import environment


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    home = Home(tmp_path / ".cj")
    assert not home.is_owned()
    with home.owned():
        assert home.is_owned()
        with pytest.raises(HomeInUse, match="another `cj up` is running in"), Home(tmp_path / ".cj").owned():
            pass
    assert not home.is_owned()
    assert mode(home.folder) == 0o700


def test_an_owner_that_was_killed_owns_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from workers.local.home import Home\n"
        "with Home(Path(sys.argv[1])).owned() as _: print('owned', flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / ".cj")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    assert owner.stdout.readline() == "owned\n"
    home = Home(tmp_path / ".cj")
    assert home.is_owned()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    owner.stdin.close()
    assert not home.is_owned()
    with home.owned():
        pass


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keys = home.token_keys()
    assert Vault.from_text(keys).key_ids == (1,)
    assert Home(tmp_path).token_keys() == keys
    assert mode(tmp_path / "token_keys") == 0o600


def test_other_terminals_find_what_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home()
    with home.owned():
        assert home.announced() == {}
        home.announce({"BROKER_URL": "redis://a/0", "REDIS_URL": "redis://a/1", "HOME": "/h", "CJ_MODEL": ""})
        assert mode(home.folder / "run.json") == 0o600
        assert home.announced() == {"BROKER_URL": "redis://a/0", "REDIS_URL": "redis://a/1"}
        monkeypatch.setitem(os.environ, "REDIS_URL", "redis://mine/1")
        monkeypatch.setitem(os.environ, "BROKER_URL", "")
        here = environment_here()
        assert (here["BROKER_URL"], here["REDIS_URL"]) == ("redis://a/0", "redis://mine/1")
    assert home.announced() == {}
    assert environment_here()["BROKER_URL"] == ""


@pytest.mark.parametrize(("url", "left"), [("", False), ("postgresql://cj@db.example/cj", True)])
def test_what_libpq_reads_from_the_environment_is_not_for_our_own_postgres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, left: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    for read in (environment_here, lambda: servers_environment(tmp_path)):
        monkeypatch.setenv("PGSERVICE", "production")
        assert ("PGSERVICE" in read()) is left
        assert ("PGSERVICE" in os.environ) is left


def servers_environment(folder: Path) -> dict[str, str]:
    """The environment that `cj up` gives its processes; no server is started for it."""
    servers = LocalServers(Home(folder), environment(), print)
    for name in ("_check_given", "_start_missing"):
        setattr(servers, name, dict)
    with servers:
        return servers.environ


def test_what_a_killed_owner_announced_is_not_believed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with home.owned():
        home.announce({"BROKER_URL": "redis://a/0"})
        state = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(state)
    assert home.announced() == {}


def test_a_passing_home_is_kept_when_the_run_fails_and_removed_by_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="failed"), temporary_home("demo") as failed:
        raise ValueError("failed")
    assert failed.folder.exists()
    assert [mode(folder) for folder in (Home().folder, *failed.folder.parents[:1])] == [0o700, 0o700]
    with temporary_home("demo") as running:
        assert failed.folder.exists(), "somebody may still be reading"
        long_ago = failed.folder.stat().st_mtime - 2 * STALE
        for home in (failed, running):
            os.utime(home.folder, (long_ago, long_ago))
        with pytest.raises(KeyboardInterrupt), temporary_home("demo") as interrupted:
            raise KeyboardInterrupt
        assert (failed.folder.exists(), running.folder.exists()) == (False, True)
    assert not interrupted.folder.exists()
    assert not running.folder.exists()
