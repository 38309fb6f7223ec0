"""`cj migrate`: bring the database to the head of the migrations."""

import click

from workers.cli.common import Failure, examples, settings_for


@click.command(
    short_help="Bring the database to the head of the migrations.",
    epilog=examples("cj migrate", "cj migrate --check      only say whether it is at the head"),
)
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit code 1 if it is not at the head.")
def migrate(check_only: bool) -> None:
    """Bring the database named by DATABASE_URL to the head of the migrations (alembic upgrade head)."""
    from workers.operations import migrations

    database_url = settings_for("DATABASE_URL").database_url
    if not check_only:
        migrations.upgrade(database_url)
    if problem := migrations.problem(database_url):
        raise Failure(problem)
    click.echo("the database is at the head of the migrations")
