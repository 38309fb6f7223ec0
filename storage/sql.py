"""SQL kept in `.sql` files beside the modules that use it.

A file is a list of statements, each under a line `-- name: …`. A statement may hold `{fragment}`, the text under
`-- fragment: …` above it in the same file. Parameters are written `:name`. Comments stay in the file.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import TextClause, text

HEADING = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
COMMENT = re.compile(r"^\s*--.*\n?", re.MULTILINE)


def load(name: str) -> Mapping[str, TextClause]:
    """The statements of `storage/<name>.sql` by their names."""
    _, *parts = HEADING.split((Path(__file__).parent / f"{name}.sql").read_text("utf-8"))
    statements: dict[str, TextClause] = {}
    fragments: dict[str, str] = {}
    for kind, title, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
        sql = COMMENT.sub("", body).strip().format(**fragments)
        if kind == "fragment":
            fragments[title] = sql
        else:
            statements[title] = text(sql)
    return statements
