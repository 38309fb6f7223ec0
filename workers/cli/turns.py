"""`cj turns`: turns that were given up."""

import click

from workers.cli.common import Failure, examples, json_option, print_json, transaction


@click.group(short_help="Turns that were given up.")
def turns() -> None:
    """Turns that were given up."""


@turns.command(epilog=examples("cj turns dead", "cj turns dead --json | jq '.[].id'"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def dead(limit: int, as_json: bool) -> None:
    """List dead turns that were not asked again, the latest first."""
    from workers.operations import dead_turns

    with transaction() as session:
        found = dead_turns.dead(session, limit=limit)
    if as_json:
        print_json([turn.to_json() for turn in found])
        return
    for turn in found:
        where = f"turn {turn.seq} of {turn.conversation_id}"
        click.echo(f"{turn.id}  {turn.finished_at:%Y-%m-%d %H:%M:%S}  {where}: {turn.error or 'no reason kept'}")
    if not found:
        click.echo("no dead turns")


@turns.command(epilog=examples("cj turns retry 17"))
@click.argument("turn_id", metavar="ID", type=int)
def retry(turn_id: int) -> None:
    """Ask the input of dead turn ID again, as a new turn of its conversation."""
    from workers.operations import dead_turns

    with transaction() as session:
        queued = dead_turns.ask_again(session, turn_id)
    if queued is None:
        raise Failure(f"turn {turn_id} is not dead, or was asked again already; see `cj turns dead`")
    click.echo(f"queued as turn {queued}")
