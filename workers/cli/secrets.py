"""`cj secrets`: the secret files of compose.yaml."""

from pathlib import Path

import click

from workers.cli.common import CommandFailed, examples


@click.command(short_help="Write the secrets that compose.yaml needs.", epilog=examples("cj secrets", "ls secrets"))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("secrets"), show_default=True)
def secrets(folder: Path) -> None:
    """Write new passwords, URLs and token keys into files for compose.yaml; files that exist stay as they are.

    Prints names, never what is in a file.
    """
    from workers.operations import secret_files

    try:
        made = list(secret_files.write(folder))
    except OSError as error:
        raise CommandFailed(f"cannot write to {folder} ({error.strerror})") from None
    for name in made:
        click.echo(f"{folder / name}")
    click.echo(f"{len(made)} files made, {len(secret_files.FILES) - len(made)} were there")
