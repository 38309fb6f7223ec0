"""`cj privacy`: answer what a shop's customers ask by Shopify's privacy webhooks."""

import click

from workers.cli.common import Failure, examples, json_option, print_json, transaction


@click.group(short_help="What customers of a shop may ask for.")
def privacy() -> None:
    """Requests of a shop's customers to be told what is stored about them (customers_data_request).

    What must be deleted (customers_redact, shop_redact) is deleted by the workers, at once.
    """


@privacy.command("requests", epilog=examples("cj privacy requests"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_requests(limit: int, as_json: bool) -> None:
    """List the requests, the latest first. Shopify wants each answered within 30 days."""
    from storage import privacy as stored

    with transaction() as session:
        found = stored.requests(session, limit=limit)
    if as_json:
        print_json([{"id": r.id, "made_at": r.made_at, "merchant_id": r.person.merchant_id} for r in found])
        return
    for one in found:
        click.echo(f"{one.made_at:%Y-%m-%d %H:%M:%S}  {one.id}  merchant {one.person.merchant_id}, {one.shop_domain}")
    if not found:
        click.echo("no requests")


@privacy.command(epilog=examples("cj privacy export 4f1c… > answer.json"))
@click.argument("request_id", metavar="ID")
def export(request_id: str) -> None:
    """Print, as JSON, what is stored about the customer of request ID. Give it to the merchant, who owes the answer.

    Nothing is changed. Fetched data also lies in the cache for at most a day; it is Shopify's own.
    """
    from storage import privacy as stored

    with transaction() as session:
        request = stored.request(session, request_id)
        found = None if request is None else stored.find(session, request.person)
    if request is None or found is None:
        raise Failure(f"there is no request {request_id!r}; see `cj privacy requests`")
    about = {"request": request.id, "made_at": request.made_at, "shop_domain": request.shop_domain}
    print_json({**about, "customer_id": request.person.customer_id, **vars(found)})
