"""`cj secrets`: writes the secret files of compose.yaml, and never changes existing ones."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex

import click

from workers.cli.common import CommandFailed, examples

PASSWORD_BYTES = 24


@click.command(short_help="Write the secrets that compose.yaml needs.", epilog=examples("cj secrets", "ls secrets"))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("secrets"), show_default=True)
def secrets(folder: Path) -> None:
    """Write new passwords, URLs and token keys into files for compose.yaml; files that exist stay as they are.

    Prints names, never what is in a file.
    """
    try:
        made = list(write(folder))
    except OSError as error:
        raise CommandFailed(f"cannot write to {folder} ({error.strerror})") from None
    for name in made:
        click.echo(f"{folder / name}")
    click.echo(f"{len(made)} files written, {len(files()) - len(made)} existed already")


def write(folder: Path) -> Iterator[str]:
    """Write the missing files in `folder`; yields the name of each file written. Raises OSError.

    The folder is private to its owner. The files are world-readable, because containers mount them and run as another
    user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, make in files().items():
        path = folder / name
        if not path.exists():
            draft = folder / f".{name}.new"  # on a full disk half a secret would count as there
            draft.write_text(make())
            draft.chmod(0o644)
            draft.replace(path)
            yield name


def files() -> Mapping[str, Callable[[], str]]:
    """The function that generates each file's content, by name."""
    from storage.roles import TABLES
    from storage.vault import new_key_text

    return {
        "postgres_password": _password,
        **{f"database_url_{role.removeprefix('cj_')}": _database_url(role) for role in ("cj_owner", *TABLES)},
        **{f"broker_url_{user}": _redis_url(user, 0) for user in ("auth", "gateway", "workers", "flower")},
        "redis_url": _redis_url("cache", 1),
        "token_keys": new_key_text,
        **dict.fromkeys(
            ("gateway_chat_keys", "gateway_service_tokens", "auth_service_tokens", "console_password"), _password
        ),
        "flower_basic_auth": lambda: f"cj:{_password()}",
        # Empty: filled in by hand.
        **dict.fromkeys(("shopify_client_secret", "openai_api_key", "anthropic_api_key"), str),
    }


def _password() -> str:
    return token_hex(PASSWORD_BYTES)


def _database_url(role: str) -> Callable[[], str]:
    return lambda: f"postgresql://{role}:{_password()}@postgres/cj"


def _redis_url(user: str, database: int) -> Callable[[], str]:
    return lambda: f"redis://{user}:{_password()}@valkey:6379/{database}"
