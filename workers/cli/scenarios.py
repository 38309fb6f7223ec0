"""`cj workflows test`: run scenarios without pytest."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.common import CommandFailed, WrongUse, examples, json_option, plain, print_json, settings_for

if TYPE_CHECKING:
    from workers.scenario.run import ScenarioResult


@click.command(
    epilog=examples(
        "cj workflows test scenarios/                     every *.yaml in and under a folder",
        "cj workflows test refund.yaml --workflows my/    test your own workflows",
    )
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--workflows",
    "folder",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Workflow YAML to test; default: CJ_WORKFLOWS, else the shipped ones.",
)
@json_option
def test(paths: Sequence[Path], folder: Path | None, as_json: bool) -> None:
    """Run scenarios on real workers with their own servers, store and model, and report each result.

    Nothing already running is used or touched. Startup takes a few seconds, once.
    """
    from workers.local.stack import Late
    from workers.scenario.run import files, run_files

    if not files(paths):
        raise WrongUse(f"no *.yaml in {', '.join(map(str, paths))}")
    began, results = time.monotonic(), []
    try:
        with closing(run_files(paths, workflows=folder or settings_for().workflows_folder)) as running:
            for result in running:
                results.append(result)
                if not as_json:
                    _print(result)
    except Late as error:
        raise CommandFailed(plain(str(error))) from None
    failed = sum(result.problem is not None for result in results)
    if as_json:
        print_json([vars(result) for result in results])
    else:
        click.echo(f"{len(results) - failed} passed, {failed} failed, {time.monotonic() - began:.1f} s")
    raise SystemExit(1 if failed else 0)


def _print(result: "ScenarioResult") -> None:
    if result.problem is None:
        click.echo(f"passed  {result.name}, {result.seconds:.1f} s")
    else:
        click.echo(f"FAILED  {result.name}, {result.seconds:.1f} s\n\n{plain(result.problem)}\n")
