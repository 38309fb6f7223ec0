"""`cj workflows test`: scenario tests for people who do not use pytest."""

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli.common import Failure, WrongUse, examples, json_option, plain, print_json, settings_for

if TYPE_CHECKING:
    from workers.scenario.run import ScenarioResult


@click.command(
    epilog=examples(
        "cj workflows test scenarios/                     every *.yaml in and under a folder",
        "cj workflows test refund.yaml --workflows my/    on workflows of your own",
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
    """Run scenarios on real workers, with servers, a store and a model of their own, and tell how each went.

    Nothing that runs elsewhere is used or touched. Starting takes some seconds, once.
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
                    _tell(result)
    except Late as error:
        raise Failure(plain(str(error))) from None
    failed = sum(result.problem is not None for result in results)
    if as_json:
        print_json([vars(result) for result in results])
    else:
        click.echo(f"{len(results) - failed} passed, {failed} failed, {time.monotonic() - began:.1f} s")
    raise SystemExit(1 if failed else 0)


def _tell(result: "ScenarioResult") -> None:
    if result.problem is None:
        click.echo(f"passed  {result.name}, {result.seconds:.1f} s")
    else:
        click.echo(f"FAILED  {result.name}, {result.seconds:.1f} s\n\n{plain(result.problem)}\n")
