"""The command `cj`; `COMMANDS` says which module has which command. Modules are imported when a command is used, and
heavy dependencies when it runs, so that help texts and usage errors appear at once.

Exit codes: 0 success, 1 problems found, 2 wrong usage or settings. May import every other room.
"""

import importlib
import io
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import click

#: By name, in the order in which a newcomer needs them: the module in this folder, and the text in `cj --help`.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("up", "See the whole flow; nothing to configure."),
    "up": ("up", "Run every process, until Ctrl-C."),
    "check": ("check", "Is this environment ready to run?"),
    "chat": ("chat", "Talk with CJ in the terminal."),
    "publish": ("publish", "Put an event on the broker."),
    "replies": ("chat", "Watch CJ's replies."),
    "gateway": ("up", "Run a door: CJ over HTTP."),
    "chat-token": ("tokens", "Print a merchant's chat token for the door."),
    "store-token": ("tokens", "Store a shop's access token, sealed."),
    "status": ("operators", "How is the system, and what is wrong?"),
    "why": ("operators", "Why does CJ not answer?"),
    "merchant": ("operators", "Show a merchant's shop and conversations, and what is wrong."),
    "timeline": ("operators", "Show what happened in a conversation, and when."),
    "console": ("operators", "Serve all of that as a web page with a password."),
    "usage": ("maintenance", "Show how many model tokens merchants used."),
    "workflows": ("workflows", "Check, explain and test workflow YAML."),
    "evaluate": ("quality", "Ask CJ hundreds of questions and grade its answers."),
    "events": ("maintenance", "List and retry refused events."),
    "turns": ("maintenance", "List and retry failed turns."),
    "tokens": ("tokens", "Manage token keys; import tokens from Redis."),
    "merchants": ("tokens", "Move a shop to another merchant."),
    "privacy": ("maintenance", "Show privacy requests and answer those for stored data."),
    "migrate": ("maintenance", "Migrate the database to the latest schema."),
    "secrets": ("secrets", "Write the secrets that compose.yaml needs."),
}
#: Our own errors by module: first those for wrong usage or settings, then the others.
_OF_USE = {
    "shopify.development_store.faults": ("UnknownFault",),
    "workflows.errors": ("UnknownWorkflow",),
    "workers.settings": ("SettingsError",),
    "workers.local.home": ("HomeInUse", "HomeNotWritable"),
    "workers.local.procfile": ("ProcfileError",),
    "workers.local.servers": ("DatabaseNotReady",),
    "workers.operations.migrations": ("NoMigrations",),
    "workers.operations.redis_tokens": ("UnusableOwners",),
}
_OTHERS = {
    "events.errors": ("EventError",),
    "storage.errors": ("StorageError",),
    "workflows.errors": ("WorkflowError",),
    "workers.local.demo": ("DemoFailed",),
    "workers.local.embedded_server": ("EmbeddedServerError",),
    "workers.local.stack": ("Late",),
}


class CommandGroup(click.Group):
    """Imports a command when it is used, and shows CJ's own errors as one message instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            from workers.cli.common import CommandFailed

            raise CommandFailed("interrupted") from None
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            raise _translated(error) from error

    @property
    def commands(self) -> dict[str, click.Command]:
        """All of them, imported."""
        return {name: _imported(name) for name in COMMANDS}

    @commands.setter
    def commands(self, _: object) -> None:
        """Ignores click, which sets an empty dict."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _imported(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])


def _imported(name: str) -> click.Command:
    command: click.Command = getattr(
        importlib.import_module(f"workers.cli.{COMMANDS[name][0]}"), name.replace("-", "_")
    )
    return command


def _translated(error: Exception) -> Exception:
    """CJ's own errors as click's. Anything else is a bug and keeps its traceback."""
    from workers.cli.common import CommandFailed, WrongUse, explained
    from workers.settings import SettingsError

    if isinstance(error, UnicodeEncodeError) and "\udc80" <= error.object[error.start] <= "\udcff":
        return WrongUse("an argument is not UTF-8")  # Python keeps such bytes as these surrogates
    if _is_one(error, _OF_USE):
        return WrongUse(explained(error) if isinstance(error, SettingsError) else str(error))
    return CommandFailed(str(error)) if _is_one(error, _OTHERS) else error


def _is_one(error: Exception, classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether it is one of these errors; a module that was never imported cannot have raised one."""
    return any(
        isinstance(error, getattr(sys.modules[module], name))
        for module, names in classes.items()
        if module in sys.modules
        for name in names
    )


def examples(*lines: str) -> str:
    """The epilog of a command's help; lines are not rewrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "cj demo                                     see the whole flow; nothing to configure",
        "cj up                                       run everything, until Ctrl-C",
        "cj check                                    is this environment ready to run?",
        "cj status                                   how is the system, and what is wrong?",
        "cj why m1                                   why does CJ not answer this merchant?",
    ),
)
@click.version_option(package_name="cj-workers", prog_name="cj")
def cj() -> None:
    """CJ workers: Shopify events in, agent turns, replies out.

    Servers come from the environment (DATABASE_URL, BROKER_URL, REDIS_URL), or else from the `cj up`
    running in this folder. Exit codes: 0 success, 1 problems found, 2 wrong usage or settings.
    """


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The console script. What a terminal's encoding lacks is shown as a question mark; a closed stream is empty."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - until the process ends
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # Some parents ignore or block signals, and children inherit that: `cj up` would never hear that a process ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGTERM, signal.SIGHUP):  # clean up as after Ctrl-C
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, _interrupt)
    try:
        cj(prog_name="cj")
    except OSError as error:  # a full disk, a file that cannot be read, too many open files
        named = "" if error.filename is None else f"{error.filename}: "
        click.echo(f"cj: {named}{error.strerror or error}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        sys.exit(1)
