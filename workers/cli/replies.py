"""`cj replies`: take replies off the broker, as the gateway would."""

import json

import click

from events.replies import Reply
from workers.cli.common import examples, json_option, plain, settings_for


@click.command(
    short_help="Take replies off the broker.",
    epilog=examples("cj replies", "cj replies --json | jq .data", "cj replies --once 1"),
)
@click.option("--once", "count", type=click.IntRange(1), metavar="N", help="Stop after N replies.")
@json_option
def replies(count: int | None, as_json: bool) -> None:
    """Print CJ's replies as they come, and acknowledge them, until Ctrl-C.

    This is a gateway: what it takes no other gateway on this broker will see.
    """
    from events.replies import RepliesConsumer

    broker_url = settings_for("BROKER_URL").broker_url
    seen = 0

    def show(reply: Reply) -> None:
        nonlocal seen
        click.echo(json.dumps(json.loads(reply.encode())) if as_json else line(reply))
        seen += 1

    try:
        RepliesConsumer(broker_url).run(show, until=lambda: count is not None and seen >= count)
    except KeyboardInterrupt:
        click.echo(err=True)


def line(reply: Reply) -> str:
    """One reply for people: conversation, turn, what it is."""
    return f"{reply.subject} turn {reply.turn}: {said(reply)}"


def said(reply: Reply) -> str:
    """What a reply says, in one line."""
    data = reply.data
    if reply.text is not None:
        return plain(f"CJ: {reply.text}")
    if reply.kind == "TOOL_CALL_START":
        return f"({data.get('toolCallName')} …)"
    if reply.kind == "RUN_ERROR":
        return plain(f"(failed, {data.get('code')}: {reply.error})")
    if reply.kind == "CUSTOM":
        return f"({data.get('name')} {json.dumps(data.get('value'))})"
    return f"({reply.kind.lower().replace('_', ' ')})"
