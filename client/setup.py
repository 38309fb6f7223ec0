"""Builds the package `hirecj`, for services that publish events, consume replies or connect shops.

Its modules are those of `events`, and those of `storage` that `connect_shop` needs. Under their own names they would
collide with others': a service's `events`, ShopifyAPI's `shopify`. So they are copied, and what they import of each
other is renamed on the way.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
STORAGE = ("__init__", "connections", "database", "errors", "inbox", "merchants", "silence", "sql", "vault")
IMPORT = re.compile(r"^(\s*(?:from|import) )(events|storage)\b", re.MULTILINE)
RENAMED = {"events": "hirecj", "storage": "hirecj.storage"}


def copy(source: Path, target: Path) -> None:
    """Copy a file; in a module, rename what it imports of ours."""
    target.parent.mkdir(parents=True, exist_ok=True)
    text = source.read_text("utf-8")
    if source.suffix == ".py":
        text = IMPORT.sub(lambda found: found[1] + RENAMED[found[2]], text)
    target.write_text(text, "utf-8")


def make(target: Path) -> None:
    """Make the package's folder anew."""
    root = HERE.parent
    shutil.rmtree(target, ignore_errors=True)
    for kind in ("*.py", "*.yaml", "py.typed"):
        for source in (root / "events").rglob(kind):
            copy(source, target / source.relative_to(root / "events"))
    for name in STORAGE:
        for source in (root / "storage").glob(f"{name}.*"):
            if source.suffix in (".py", ".sql"):
                copy(source, target / "storage" / source.name)


if __name__ == "__main__":
    make(HERE / "build" / "hirecj")
    setup(
        packages=["hirecj", "hirecj.broker", "hirecj.storage"],
        package_dir={"hirecj": "build/hirecj"},
        package_data={"": ["*.sql", "*.yaml", "py.typed"]},
    )
