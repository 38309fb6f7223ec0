"""`cj events`: events that were refused."""

import click

from workers.cli.common import Failure, examples, json_option, plain, print_json, transaction

#: Refused events that `retry` looks through.
SEARCHED = 10_000


@click.group(short_help="Events that were refused.")
def events() -> None:
    """Events that were refused."""


@events.command(epilog=examples("cj events rejected", "cj events rejected --json | jq '.[].error'"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def rejected(limit: int, as_json: bool) -> None:
    """List refused events, the latest first: what was wrong with each."""
    from storage import inbox

    with transaction() as session:
        rows = inbox.rejected(session, limit)
    if as_json:
        names = ("id", "source", "type", "error_code", "error", "received_at")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    for row in rows:
        what = f"{row.type} from {row.source}, id {row.id}"
        click.echo(plain(f"{row.received_at:%Y-%m-%d %H:%M:%S}  {what}\n    {row.error_code}: {row.error}"))
    if not rows:
        click.echo("no refused events")


@events.command(epilog=examples("cj events retry 4f1c…        after mending what was wrong"))
@click.argument("event_id", metavar="ID")
@click.option("--source", help="Whose id it is, when two sources used the same.")
def retry(event_id: str, source: str | None) -> None:
    """Handle the refused event ID again, for example after its merchant was made known.

    Only an event that was well formed can be: one that could not be read has to be sent again.
    """
    from storage import inbox

    with transaction() as session:
        keys = {
            row.key for row in inbox.rejected(session, SEARCHED) if row.id == event_id and source in (None, row.source)
        }
        if len(keys) > 1:
            raise Failure(f"{len(keys)} refused events have the id {event_id!r}; name one with --source")
        again = inbox.retry(session, keys.pop()) if keys else None
    if again is None:
        raise Failure(f"no refused event {event_id!r} can be handled again; see `cj events rejected`")
    click.echo(f"event {event_id} is handled again")
