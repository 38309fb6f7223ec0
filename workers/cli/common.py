"""What the commands share: errors, where to find the servers, output."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

from workers.cli import examples
from workers.local.home import Home, environment_here
from workers.settings import SERVERS, Settings, SettingsError

if TYPE_CHECKING:
    from storage.database import Session

__all__ = ["examples"]  # which `cj` itself needs before anything is imported

Function = TypeVar("Function", bound=Callable[..., Any])


class CommandFailed(click.ClickException):
    """The command found a problem: exit code 1."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        click.echo(f"cj: {plain(self.format_message())}", err=True)


class WrongUse(CommandFailed):
    """Wrong usage or invalid settings: exit code 2."""

    exit_code = 2


class Seconds(click.ParamType[float]):
    """A duration: 90s, 15m, 2h, 3d."""

    name = "span"
    UNITS: ClassVar = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number, unit = str(value)[:-1], str(value)[-1:]
        if unit not in self.UNITS or not number.isdecimal():
            self.fail(f"{value!r} is not a duration; write e.g. 90s, 15m, 2h or 3d", param, ctx)
        return float(int(number) * self.UNITS[unit])


class Identifier(click.ParamType[str]):
    """A merchant's or a conversation's id, as the contract allows them."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from events.fields import is_identifier

        if not is_identifier(value):
            self.fail("an id is 1 to 200 printable characters", param, ctx)
        return value


def json_option(function: Function) -> Function:
    """Add the option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, default=_json_value, ensure_ascii=False))


def show(as_json: bool, value: Any, lines: Iterable[str]) -> None:
    """Print the result: as JSON, or as lines of text."""
    if as_json:
        print_json(value)
    else:
        for line in lines:
            click.echo(plain(line))


def settings_for(*needed: str) -> Settings:
    """The settings this command needs: from the environment, else from the `cj up` running in this folder."""
    return Settings.read(environment_here(), needed=needed)


@contextmanager
def transaction() -> "Iterator[Session]":
    """One transaction on this command's database. Import heavy modules inside it: without a database the error comes at
    once."""
    database_url = settings_for("DATABASE_URL").database_url
    from storage.database import Database

    with Database(database_url, application_name="cj-cli") as database, database.transaction() as session:
        yield session


def plain(text: str) -> str:
    """Makes untrusted text safe for a terminal: removes control characters, which could move the cursor."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def explained(error: SettingsError) -> str:
    """All problems, and the most likely remedy."""
    text = "the settings are invalid:\n" + "\n".join(f"  {problem}" for problem in error.problems)
    missing = any(f"{name} is not set" in problem for problem in error.problems for name in SERVERS)
    if missing and not Home().is_owned():
        text += f"\nOr run `cj up` in another terminal: it is not running in {Home().folder.parent}."
    return text


def _json_value(value: Any) -> Any:
    if isinstance(value, date):  # or a datetime, which is one
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")
