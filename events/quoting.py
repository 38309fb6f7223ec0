"""How a foreign value is shown in an error or a log line: short, escaped, without secrets."""

import json
import re

#: Characters of a text that are shown.
SHOWN = 80

# Shopify marks its tokens by a prefix: https://shopify.dev/docs/apps/build/authentication-authorization
_TOKEN = re.compile(r"\b(shp[a-z]{2,3})_[0-9A-Za-z]+", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@\"'<>()\[\],;:]{1,64}@[^\s@\"'<>()\[\],;:/]{1,255}")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def quoted(value: object) -> str:
    """`value` for an error message: `"text"`, `true`, `12`, `null`, `a list`, `an object`."""
    if isinstance(value, str):
        return json.dumps(_cut(masked(value[: SHOWN * 10])))
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of many digits"
    name = kind(value)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def masked(text: str) -> str:
    """`text` without Shopify tokens and e-mail addresses."""
    return _EMAIL.sub("***@***", _TOKEN.sub(r"\1_***", text))


def plain_key(key: str) -> str:
    """An object's key for an error message: as it is when it is an ordinary name, else quoted."""
    return key if _PLAIN_KEY.fullmatch(key) and masked(key) == key else quoted(key)


def kind(value: object) -> str:
    """What JSON calls the type of `value`."""
    if value is None:
        return "null"
    for types, name in _KINDS:
        if isinstance(value, types):
            return name
    return type(value).__name__


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    ((int, float), "number"),
    (str, "string"),
    (dict, "object"),
    (list, "list"),
)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def reason(error: BaseException) -> str:
    """A foreign error for a message or a log line: its class and the beginning of what it says."""
    said = masked(" ".join(str(error)[: SHOWN * 10].split()))[: SHOWN * 2]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
