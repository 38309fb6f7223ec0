"""`cj timeline`: what happened in a conversation, and how long each stage took."""

import click

from workers.cli.common import Failure, examples, json_option, plain, print_json, transaction


@click.command(
    short_help="What happened in a conversation, and when.",
    epilog=examples("cj timeline conv_1", "cj timeline conv_1 --json | jq '.events[0].moments'"),
)
@click.argument("conversation_id", metavar="CONVERSATION")
@json_option
def timeline(conversation_id: str, as_json: bool) -> None:
    """Show CONVERSATION from each event to CJ's last word, in milliseconds since the event was received."""
    from workers.operations.timeline import read

    with transaction() as session:
        found = read(session, conversation_id)
    if found is None:
        raise Failure(f"there is no conversation {conversation_id!r}")
    if as_json:
        print_json(found.to_json())
    else:
        for line in found.lines():
            click.echo(plain(line))
