"""Writes the secrets that compose.yaml mounts: one file each, made once and left alone afterwards.

The folder is its owner's only. The files themselves can be read by all, because a container's user, who is another,
reads them where they are mounted.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from storage.roles import TABLES
from storage.vault import new_key_text

PASSWORD_BYTES = 24


def _password() -> str:
    return secrets.token_hex(PASSWORD_BYTES)


def _database_url(role: str) -> Callable[[], str]:
    return lambda: f"postgresql://{role}:{_password()}@postgres/cj"


def _redis_url(user: str, database: int) -> Callable[[], str]:
    return lambda: f"redis://{user}:{_password()}@valkey:6379/{database}"


FILES: Mapping[str, Callable[[], str]] = {
    "postgres_password": _password,
    **{f"database_url_{role.removeprefix('cj_')}": _database_url(role) for role in ("cj_owner", *TABLES)},
    **{f"broker_url_{user}": _redis_url(user, 0) for user in ("auth", "gateway", "workers", "flower")},
    "redis_url": _redis_url("cache", 1),
    "token_keys": new_key_text,
    "flower_basic_auth": lambda: f"cj:{_password()}",
    # Whoever has them writes them in.
    **dict.fromkeys(("shopify_client_secret", "openai_api_key", "anthropic_api_key"), str),
}


def write(folder: Path) -> Iterator[str]:
    """Make what is missing in `folder`; yields the name of each file that was made. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, make in FILES.items():
        path = folder / name
        if not path.exists():
            path.write_text(make())
            path.chmod(0o644)
            yield name
