"""What operators ask: `cj status`, `cj merchant`, `cj why`, `cj timeline`; and `cj console`, all of it as a page."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from workers.cli.common import (
    CommandFailed,
    WrongUse,
    examples,
    json_option,
    settings_for,
    show,
    transaction,
)

if TYPE_CHECKING:
    from workers.operations.why import Case

WATCH_SECONDS = 2.0
NAME = click.argument("name", metavar="CONVERSATION|MERCHANT|SHOP")


@click.command(
    short_help="How is the system, and what is wrong?",
    epilog=examples("cj status", "cj status --watch", "cj status --json | jq .problems"),
)
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until Ctrl-C.")
@json_option
def status(watch: bool, as_json: bool) -> None:
    """Show what is wrong, what waits and for how long, which workers answer, and how fast the last 15 minutes were.

    Exit code 1 if merchants are waiting for something that needs an operator.
    """
    settings = settings_for("DATABASE_URL", "BROKER_URL")
    from workers.operations import status as operations

    while True:
        found = operations.read(settings)
        if watch:
            click.clear()
        show(as_json, found.to_json(), operations.lines(found))
        if not watch:
            raise SystemExit(int(any(problem.alarming for problem in operations.problems(found))))
        time.sleep(WATCH_SECONDS)


@click.command(
    short_help="Why does CJ not answer?",
    epilog=examples("cj why conv_1", "cj why m1", "cj why acme.myshopify.com", "cj why m1 --json | jq .reasons"),
)
@NAME
@json_option
def why(name: str, as_json: bool) -> None:
    """Say what happened to the last events and turns: refused, no rule, waiting, owed, no model, not acked, …"""
    case = _case(name)
    show(as_json, case.to_json(), _reasons(case))


@click.command(
    short_help="Show a merchant's shop and conversations, and what is wrong.",
    epilog=examples("cj merchant m1", "cj merchant acme.myshopify.com --json"),
)
@click.argument("name", metavar="MERCHANT|SHOP")
@json_option
def merchant(name: str, as_json: bool) -> None:
    """Show a merchant's shop, latest conversations, what waits, and what is wrong."""
    case = _case(name)
    show(as_json, case.to_json(), (*_shop(case), *_conversations(case), *_reasons(case)))


@click.command(
    short_help="Show what happened in a conversation, and when.",
    epilog=examples("cj timeline conv_1", "cj timeline m1", "cj timeline conv_1 --json | jq '.events[0].moments'"),
)
@NAME
@json_option
def timeline(name: str, as_json: bool) -> None:
    """Show a conversation, or a merchant's latest, from each event to CJ's last reply, in ms since the event
    arrived."""
    with transaction() as session:
        from workers.operations import timeline as operations
        from workers.operations import why

        found = operations.read(session, name, at_a_time=settings_for().turns_at_a_time)
        if found is None and why.resolve(session, name) is None:
            raise CommandFailed(why.unknown(session, name))
    if found is None:
        raise CommandFailed(f"{name} has no conversation yet")
    show(as_json, found.to_json(), found.lines())


@click.command(
    short_help="Serve all of that as a web page with a password.",
    epilog=examples("CJ_CONSOLE_PASSWORD_FILE=secrets/console_password cj console", "cj console --retry"),
)
@click.option("--retry", is_flag=True, help="Also allow retrying refused events and failed turns.")
def console(retry: bool) -> None:
    """Serve one page with what waits, what is promised, each merchant's conversations as waterfalls, refused events,
    failed turns and privacy requests, at CJ_CONSOLE_LISTEN, until Ctrl-C.

    The page shows what merchants and CJ have said. Connect to Postgres as cj_ops.
    """
    settings = settings_for("DATABASE_URL", "BROKER_URL", "CJ_CONSOLE_PASSWORD")
    from workers.operations.console import Console

    address = settings.console_listen
    try:
        with Console(settings, may_retry=retry) as serving:
            serving.run(lambda _: click.echo(f"the console is at http://{address}; press Ctrl-C to stop"))
    except OSError as error:
        raise WrongUse(f"cannot listen on {address} (CJ_CONSOLE_LISTEN): {error.strerror}") from None


def _case(name: str) -> "Case":
    with transaction() as session:
        from workers.operations import why as operations

        target = operations.resolve(session, name)
        if target is None:
            raise CommandFailed(operations.unknown(session, name))
        return operations.read(session, target, at_a_time=settings_for().turns_at_a_time)


def _reasons(case: "Case") -> Iterator[str]:
    from workers.operations.why import reasons

    for reason in reasons(case):
        yield f"- {reason.sentence}"
        if reason.command:
            yield f"    {reason.command}"


def _shop(case: "Case") -> Iterator[str]:
    yield f"merchant {case.target.merchant_id}"
    shop = case.integration
    if shop is not None:
        scopes, since = ", ".join(shop["scopes"]) or "unknown scopes", f"{shop['connected_at']:%Y-%m-%d %H:%M}"
        yield f"shop     {shop['shop_domain']}, {shop['status']}, connected {since}, {scopes}"
        if shop["access_expires_at"] is not None:
            yield f"token    version {shop['token_version']}, expires {shop['access_expires_at']:%Y-%m-%d %H:%M}"


def _conversations(case: "Case") -> Iterator[str]:
    for row in case.conversations:
        last = (
            "no turn yet" if row["seq"] is None else f"turn {row['seq']} {row['status']} {row['error'] or ''}".rstrip()
        )
        yield f"talk     {row['id']}, {row['workflow']}, {row['updated_at']:%Y-%m-%d %H:%M}: {last}"
