"""What operators list and fix: `cj usage`, `cj events`, `cj turns`, `cj privacy`, `cj migrate`."""

from typing import Any

import click

from workers.cli.common import (
    CommandFailed,
    Seconds,
    WrongUse,
    examples,
    json_option,
    print_json,
    settings_for,
    show,
    transaction,
)

SINCE = click.option("--since", type=Seconds(), metavar="SPAN", help="Only those that ended in this time, e.g. 2h, 3d.")
ERROR = click.option("--error", metavar="CODE", help="Only those with this error, e.g. model_unavailable.")
LIMIT = click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
#: The error of a dead turn, and of no other.
GIVEN_UP = "turn_lost"


@click.command(
    short_help="Show how many model tokens merchants used.",
    epilog=examples("cj usage", "cj usage m1 --days 1", "cj usage --json | jq 'map(.input_tokens) | add'"),
)
@click.argument("merchant_id", metavar="[MERCHANT]", required=False)
@click.option("--days", type=click.IntRange(1, 400), default=30, show_default=True, help="Today and the days before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@json_option
def usage(merchant_id: str | None, days: int, limit: int, as_json: bool) -> None:
    """Show tokens and answers by day (UTC), merchant and model, for MERCHANT or for all.

    The price is an estimate in US dollars from litellm's price list, for models on it.
    """
    with transaction() as session:
        from storage import usage as stored

        found = list(stored.of_days(session, days=days, limit=limit, merchant_id=merchant_id))
    from workers.model.litellm_call import price

    costs = [price(used.model, used.input_tokens, used.output_tokens) for used in found]
    lines = []
    for used, cost in zip(found, costs, strict=True):
        money = "no price known" if cost is None else f"${cost:,.4f}"
        tokens = f"{used.input_tokens:,} read, {used.output_tokens:,} written"
        lines.append(f"{used.day}  {used.merchant_id}  {used.model}: {used.calls:,} answers, {tokens}, {money}")
    priced = [vars(used) | {"cost_usd": cost} for used, cost in zip(found, costs, strict=True)]
    show(as_json, priced, lines or ["no language model was used"])


@click.group(short_help="List and retry refused events.")
def events() -> None:
    """List and retry refused events."""


@events.command(epilog=examples("cj events rejected", "cj events rejected --json | jq '.[].error'"))
@LIMIT
@json_option
def rejected(limit: int, as_json: bool) -> None:
    """List refused events, latest first, each with its error."""
    with transaction() as session:
        from storage import inbox

        rows = inbox.rejected(session, limit)
    lines = [
        f"{row.received_at:%F %T}  {row.type} from {row.source}, id {row.id}\n    {row.error_code}: {row.error}"
        for row in rows
    ]
    show(as_json, [row.to_json() for row in rows], lines or ["no refused events"])


@events.command("retry", epilog=examples("cj events retry 4f1c…        after fixing the cause"))
@click.argument("event_id", metavar="ID")
@click.option("--source", help="The event's source, if two sources used the same id.")
def retry_event(event_id: str, source: str | None) -> None:
    """Retry the refused event ID, for example after its merchant was created.

    Only well-formed events can be retried; one that could not be parsed has to be published again.
    """
    with transaction() as session:
        from storage import inbox

        sources = [source] if source is not None else inbox.refused_by(session, event_id)
        if len(sources) > 1:
            which = ", ".join(sources)
            raise CommandFailed(f"event {event_id!r} was refused from {which}: choose one with --source")
        again = inbox.retry(session, (sources[0], event_id)) if sources else None
    if again is None:
        raise CommandFailed(f"no refused event {event_id!r} to retry; see `cj events rejected`")
    click.echo(f"retrying event {event_id}")


@click.group(short_help="List and retry failed turns.")
def turns() -> None:
    """List and retry failed turns, which ended without an answer. A dead turn was given up because its workers died."""


@turns.command(epilog=examples("cj turns failed", "cj turns failed --since 2h --error model_unavailable --json"))
@SINCE
@ERROR
@LIMIT
@json_option
def failed(since: float | None, error: str | None, limit: int, as_json: bool) -> None:
    """List failed turns that were not retried, dead ones included, latest first."""
    _list_turns(as_json, "no failed turns", since_seconds=since, error=error, limit=limit)


@turns.command(epilog=examples("cj turns dead", "cj turns dead --json | jq '.[].id'"))
@LIMIT
@json_option
def dead(limit: int, as_json: bool) -> None:
    """List dead turns that were not retried, latest first."""
    _list_turns(as_json, "no dead turns", error=GIVEN_UP, limit=limit)


def _list_turns(as_json: bool, none: str, **which: Any) -> None:
    with transaction() as session:
        from workers.operations import failed_turns

        found = failed_turns.failed(session, **which)
    lines = []
    for turn in found:
        where = f"turn {turn.seq} of {turn.conversation_id} ({turn.event})"
        dead = ", dead" if turn.status == "dead" else ""
        lines.append(f"{turn.id}  {turn.finished_at:%F %T}  {where}: {turn.error}{dead}")
    show(as_json, [vars(turn) for turn in found], lines or [none])


@turns.command(
    "retry",
    epilog=examples("cj turns retry 17", "cj turns retry --all --since 2h --error model_unavailable"),
)
@click.argument("turn_id", metavar="[ID]", type=int, required=False)
@click.option("--all", "every", is_flag=True, help="All that `cj turns failed` lists with the same options.")
@SINCE
@ERROR
@LIMIT
def retry_turn(turn_id: int | None, every: bool, since: float | None, error: str | None, limit: int) -> None:
    """Retry failed turn ID, or --all: queue its input as a new turn of the conversation, once.

    --all leaves out messages of merchants who have written again since.
    """
    if every == (turn_id is not None):
        raise WrongUse("name the ID of a failed turn, or --all")
    with transaction() as session:
        from workers.operations import failed_turns

        if turn_id is not None:
            ids = [turn_id]
        else:
            found = failed_turns.failed(session, only_owed=True, since_seconds=since, error=error, limit=limit)
            ids = [turn.id for turn in reversed(found)]  # in the order in which they failed
        queued = {id: new for id in ids if (new := failed_turns.ask_again(session, id)) is not None}
    if turn_id is not None and not queued:
        raise CommandFailed(f"turn {turn_id} has not failed or was already retried; see `cj turns failed`")
    for id, new in queued.items():
        click.echo(f"turn {id} is queued as turn {new}")
    if every:
        click.echo(f"{len(queued)} {'turn' if len(queued) == 1 else 'turns'} retried")


@click.group(short_help="Show privacy requests and answer those for stored data.")
def privacy() -> None:
    """Show privacy requests, and answer those of a shop's customers for their stored data (customers_data_request).

    Deletions (customers_redact, shop_redact) need no command: the workers carry them out at once.
    """


@privacy.command("requests", epilog=examples("cj privacy requests"))
@LIMIT
@json_option
def list_requests(limit: int, as_json: bool) -> None:
    """List the requests and their progress, latest first. Shopify requires an answer within 30 days.

    If a deletion was put off, the workflow workers' log says why.
    """
    with transaction() as session:
        from storage import privacy as stored

        found = stored.requests(session, limit=limit)
    lines = [
        f"{one.made_at:%F %T}  {one.type}  {one.id}  merchant {one.person.merchant_id}, {one.shop_domain}: {one.state}"
        for one in found
    ]
    show(as_json, [one.to_json() for one in found], lines or ["no requests"])


@privacy.command(epilog=examples("cj privacy export 4f1c… > answer.json"))
@click.argument("request_id", metavar="ID")
def export(request_id: str) -> None:
    """Print as JSON what is stored about the customer of request ID. Pass it to the merchant, who must answer the
    customer.

    Changes nothing. Data fetched from Shopify also stays in the cache for at most a day.
    """
    with transaction() as session:
        from storage import privacy as stored

        request = stored.request(session, request_id)
        found = None if request is None else stored.find(session, request.person)
    if request is None or found is None:
        raise CommandFailed(f"there is no request {request_id!r}; see `cj privacy requests`")
    about = {"request": request.id, "made_at": request.made_at, "shop_domain": request.shop_domain}
    print_json({**about, "customer_id": request.person.customer_id, **vars(found)})


@click.command(
    short_help="Migrate the database to the latest schema.",
    epilog=examples("cj migrate", "cj migrate --check      only check whether it is up to date"),
)
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit code 1 if the schema is out of date.")
def migrate(check_only: bool) -> None:
    """Migrate the database at DATABASE_URL to the latest schema (alembic upgrade head)."""
    database_url = settings_for("DATABASE_URL").database_url
    from workers.operations import migrations

    if not check_only:
        migrations.upgrade(database_url)
    if problem := migrations.problem(database_url):
        raise CommandFailed(problem)
    click.echo("the database schema is up to date")
