"""What the commands share: how they fail, where they find the servers, how they print."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workers.local.home import Home, environment_here
from workers.settings import SERVERS, Settings, SettingsError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandFailed(click.ClickException):
    """The command found a problem: exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        click.echo(f"cj: {self.format_message()}", err=True)


class WrongUse(CommandFailed):
    """The command was used wrongly, or the settings do not let it work: exit code 2."""

    exit_code = 2


def json_option(function: Function) -> Function:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(function)


def examples(*lines: str) -> str:
    """The end of a command's help; each line is kept as it is."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=_json_value, ensure_ascii=False))


def settings_for(*needed: str) -> Settings:
    """The settings this command needs: from the environment, else from the `cj up` that runs in this folder."""
    try:
        return Settings.read(environment_here(), needed=needed)
    except SettingsError as error:
        raise WrongUse(explained(error)) from None


@contextmanager
def transaction() -> "Iterator[Session]":
    """One transaction on the database this command works with."""
    from storage.database import Database

    database = Database(settings_for("DATABASE_URL").database_url, pool_size=1, application_name="cj-cli")
    try:
        with database.transaction() as session:
            yield session
    finally:
        database.dispose()


def plain(text: str) -> str:
    """Foreign text, fit for a terminal: nothing in it moves the cursor or changes a colour."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def explained(error: SettingsError) -> str:
    """All problems, and the way out that people look for first."""
    text = "the settings are not usable:\n" + "\n".join(f"  {problem}" for problem in error.problems)
    missing = any(f"{name} is not set" in problem for problem in error.problems for name in SERVERS)
    if missing and not Home().is_owned():
        text += f"\nOr run `cj up` in another terminal: none runs in {Home().folder.parent}."
    return text


def _json_value(value: Any) -> Any:
    if isinstance(value, date):  # or a datetime, which is one
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
