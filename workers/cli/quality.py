"""`cj evaluate`: grades how true CJ's answers are."""

import time
from pathlib import Path

import click

from workers.cli.common import WrongUse, examples, json_option, plain, print_json, settings_for


@click.command(
    short_help="Ask CJ hundreds of questions and grade its answers.",
    epilog=examples(
        "CJ_MODEL=openai/gpt-5-mini cj evaluate --page answers.html      a real model",
        "cj evaluate --scripted                                          an honest model, and liars of every kind",
        "cj evaluate --scripted --stores 4 --questions 20 --lies 2       a small run",
    ),
)
@click.option("--scripted", is_flag=True, help="Use scripted models, offline: an honest one, and liars.")
@click.option("--stores", type=click.IntRange(1, 54), default=54, show_default=True, help="Generated stores.")
@click.option("--questions", type=click.IntRange(1, 5000), default=270, show_default=True, help="Number of questions.")
@click.option(
    "--lies", type=click.IntRange(0, 500), default=40, show_default=True, help="Lies of each kind, with --scripted."
)
@click.option(
    "--repeated", type=click.IntRange(0, 500), default=10, show_default=True, help="Questions asked repeatedly."
)
@click.option("--times", type=click.IntRange(1, 50), default=3, show_default=True, help="How often each is asked.")
@click.option(
    "--page", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the report as HTML."
)
@json_option
def evaluate(
    scripted: bool,
    stores: int,
    questions: int,
    lies: int,
    repeated: int,
    times: int,
    page: Path | None,
    as_json: bool,
) -> None:
    """Ask the model in CJ_MODEL, or scripted models, about generated stores whose answers are known.

    Runs its own servers and workers; nothing already running is used or touched. The provider charges for a real
    model's answers. Exit code 1: something untrue reached a merchant, or something true did not.
    """
    settings = settings_for()
    if not scripted and (settings.model or "demo") == "demo":
        raise WrongUse("CJ_MODEL names no model; set it and its provider's key, or pass --scripted")
    from workers.evaluate import evaluation
    from workers.evaluate.page import page as rendered
    from workers.settings import environment

    plan = evaluation.Plan(stores, questions, lies, repeated, times)
    began = time.monotonic()
    report = evaluation.evaluate(
        plan,
        model=None if scripted else environment(),
        workflows=settings.workflows_folder,
        say=lambda line: click.echo(f"  {line}", err=True),
    )
    if as_json:
        print_json(report)
    else:
        click.echo(plain(evaluation.table(report)))
        click.echo(f"\n{time.monotonic() - began:.0f} s")
    if page is not None:  # last: a page that cannot be written takes no result with it
        page.write_text(rendered(report), "utf-8")
        click.echo(f"  the page: {page}", err=True)
    raise SystemExit(0 if report["is_good"] else 1)
