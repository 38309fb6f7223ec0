"""JSON on its way into Postgres.

A model or a shop may say things jsonb refuses: NUL, lone surrogates, NaN
(https://www.postgresql.org/docs/current/datatype-json.html). One such character must not make a turn fail for ever,
so they are replaced here, where a value is stored, and nowhere else.
"""

import json
import math
import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def storable_text(text: str, limit: int | None = None) -> str:
    """`text` as a text column takes it, cut to `limit` characters."""
    return UNSTORABLE.sub(REPLACEMENT, text[:limit])


def storable(value: Any) -> Any:
    """A copy of a JSON value as a jsonb column takes it; what is no JSON at all raises TypeError."""
    match value:
        case str():
            return storable_text(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {storable_text(str(key)): storable(item) for key, item in value.items()}
        case list() | tuple():
            return [storable(item) for item in value]
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def dump(value: Any) -> str:
    """`value` as text for a jsonb column."""
    return json.dumps(storable(value), ensure_ascii=False, separators=(",", ":"))
