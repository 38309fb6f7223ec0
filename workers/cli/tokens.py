"""`cj tokens`: the keys that seal Shopify tokens."""

import click

from workers.cli.common import examples


@click.group(short_help="Keys that seal Shopify tokens.")
def tokens() -> None:
    """Keys that seal Shopify tokens (CJ_TOKEN_KEYS)."""


@tokens.command("new-key", epilog=examples("export CJ_TOKEN_KEYS=$(cj tokens new-key)"))
@click.option("--id", "key_id", type=click.IntRange(1, 255), default=1, show_default=True)
def new_key(key_id: int) -> None:
    """Print a fresh key, in the form CJ_TOKEN_KEYS wants.

    To change keys, put the new one with a higher id in front: the first seals, all open.
    """
    from storage.vault import new_key_text

    click.echo(new_key_text(key_id))
