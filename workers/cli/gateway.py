"""`cj gateway` and `cj chat-token`: the door, and what a merchant's frontend shows there."""

import click

from workers.cli.common import WrongUse, examples, settings_for
from workers.settings import Settings, SettingsError, needed_by


@click.command(
    short_help="Run a door: CJ over HTTP.",
    epilog=examples("cj gateway", "cj gateway --auth      the auth service's door, which keeps shops' tokens"),
)
@click.option("--auth", is_flag=True, help="Be the auth service's door.")
def gateway(auth: bool) -> None:
    """Serve chat frontends and services over HTTP at CJ_GATEWAY_LISTEN, until Ctrl-C.

    Any number of doors may run. workers/gateway/README.md has what they serve.
    """
    try:  # before the door is imported, which takes seconds
        Settings.read(needed=needed_by(["auth" if auth else "gateway"]))
    except SettingsError as error:
        raise WrongUse(f"cannot start: {error}") from None
    from workers.gateway.__main__ import main

    main(auth=auth)


@click.command(
    short_help="Print a token with which a merchant chats at the door.",
    epilog=examples("cj chat-token m1", "cj chat-token m1 --seconds 60"),
)
@click.argument("merchant_id", metavar="MERCHANT")
@click.option("--seconds", type=click.IntRange(1, 3600), default=3600, show_default=True, help="How long it is valid.")
def chat_token(merchant_id: str, seconds: int) -> None:
    """Print a token for MERCHANT, signed with the first of CJ_GATEWAY_CHAT_KEYS. Your server makes its own."""
    from workers.gateway import access

    keys = settings_for("CJ_GATEWAY_CHAT_KEYS").gateway_chat_keys
    if not keys:
        raise WrongUse("CJ_GATEWAY_CHAT_KEYS is not set")
    click.echo(access.chat_token(keys[0], merchant_id, seconds=seconds))
