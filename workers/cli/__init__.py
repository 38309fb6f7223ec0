"""The command `cj`, one module per command. Heavy imports happen when a command runs, so that help is quick.

Exit codes: 0 success, 1 problems found, 2 wrong usage or settings. May import every other room.
"""

from typing import Any

import click

from workers.cli.chat import chat, replies
from workers.cli.check import check
from workers.cli.common import CommandFailed, WrongUse, examples, explained
from workers.cli.maintenance import events, migrate, privacy, timeline, turns, usage
from workers.cli.publish import publish
from workers.cli.quality import evaluate
from workers.cli.secrets import secrets
from workers.cli.tokens import store_token, tokens
from workers.cli.up import demo, up
from workers.cli.workflows import workflows
from workers.settings import SettingsError


class CommandGroup(click.Group):
    """Shows our own errors as one message instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CommandFailed("interrupted") from None
        except SettingsError as error:
            raise WrongUse(explained(error)) from None
        except Exception as error:
            raise _translated(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order a newcomer needs them, not alphabetically


def _translated(error: Exception) -> Exception:
    """Our errors as click's. Anything else is a bug and keeps its traceback."""
    from events.errors import EventError
    from storage.errors import StorageError
    from workers.local.embedded_server import EmbeddedServerError
    from workers.local.home import HomeInUse, HomeNotWritable
    from workers.local.procfile import ProcfileError
    from workers.local.servers import DatabaseNotReady
    from workers.operations.migrations import NoMigrations
    from workflows.errors import WorkflowError

    if isinstance(error, HomeInUse | HomeNotWritable | ProcfileError | DatabaseNotReady | NoMigrations):
        return WrongUse(str(error))
    if isinstance(error, EventError | StorageError | WorkflowError | EmbeddedServerError):
        return CommandFailed(str(error))
    return error


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "cj demo                                     see the whole flow; nothing to configure",
        "cj up                                       run everything, until Ctrl-C",
        "cj check                                    is this environment ready to run?",
        "cj timeline conv_1                          what happened in a conversation, and when",
    ),
)
@click.version_option(package_name="hirecj", prog_name="cj")
def cj() -> None:
    """CJ workers: Shopify events in, agent turns, replies out.

    Servers come from the environment (DATABASE_URL, BROKER_URL, REDIS_URL), or else from the `cj up`
    running in this folder. Exit codes: 0 success, 1 problems found, 2 wrong usage or settings.
    """


for command in (
    demo,
    up,
    check,
    chat,
    publish,
    replies,
    store_token,
    timeline,
    usage,
    workflows,
    evaluate,
    events,
    turns,
    tokens,
    privacy,
    migrate,
    secrets,
):
    cj.add_command(command)


def main() -> None:
    """The console script."""
    cj(prog_name="cj")
