"""How much of a conversation goes into one prompt: what fits, newest first.

Sizes are bytes on the wire. A token is estimated as three bytes: slightly less than in English text and JSON, slightly
more than in other scripts. If a provider refuses a prompt as too long, less is sent.
"""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from workers.shop.results import Result, failed
from workflows.definition import BYTES_PER_TOKEN

Message = dict[str, Any]

RESULT_BYTES = 16 * 1024
"""Most bytes of one tool result that a model sees."""
TOO_LARGE = "The data is too large to show."

FORMS = (
    (RESULT_BYTES, RESULT_BYTES),
    (4096, RESULT_BYTES),
    (1024, RESULT_BYTES),
    (1024, 4096),
    (256, 1024),
)
"""Forms of the current turn, from the longest to the shortest: bytes of each result, and characters of CJ's words, in
earlier steps and in the last."""
FIGURES_BYTES = 600
"""Bytes of a tool result that is shown as figures only, and of one with even less room."""
PAST_FORMS = (RESULT_BYTES, FIGURES_BYTES)
"""Forms of an earlier turn: bytes of each tool result."""
ONLY_FIGURES = "only the figures of an earlier result; fetch again for more"
MOST_LISTED = 3
"""A longer list does not count as a figure."""
LONGEST_VALUE = 2000
"""Most characters of one text in an event's data or the context that a model sees."""


def size(value: Any) -> int:
    """Bytes of a JSON value on the wire."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def tokens(value: Any) -> int:
    """Estimated tokens of a JSON value."""
    return size(value) // BYTES_PER_TOKEN


def first_that_fits(forms: Sequence[Callable[[], list[Message]]], most: int) -> tuple[int, list[Message], int]:
    """Number, messages and size of the first form of at most `most` bytes, or of the last form if none fits."""
    messages: list[Message] = []
    number = bytes_of = 0
    for number, form in enumerate(forms):  # noqa: B007 - the last one stands if none fits
        messages = form()
        bytes_of = size(messages)
        if bytes_of <= most:
            break
    return number, messages, bytes_of


def newest(
    turns: Sequence[Sequence[Callable[[], list[Message]]]], most: int, *, most_messages: int
) -> tuple[int, list[Message]]:
    """Whole turns from the newest backwards, as many as fit, each in its first form that fits.

    Returns how many were left out, and the messages of the others.
    """
    kept: list[list[Message]] = []
    for forms in reversed(turns):
        _, messages, bytes_of = first_that_fits(forms, most)
        most -= bytes_of
        most_messages -= len(messages)
        if most < 0 or most_messages < 0:
            break
        kept.append(messages)
    return len(turns) - len(kept), [message for messages in reversed(kept) for message in messages]


def shrunk(result: Result, most: int = RESULT_BYTES) -> Result:
    """`result`, or, if it has more than `most` bytes, a copy with its longest lists cut."""
    if size(result) <= most:
        return result
    result = copy.deepcopy(result)
    while size(result) > most:
        longest = max(_lists(result.get("data")), key=len, default=[])
        if len(longest) < 2:
            return failed(result.get("data_type"), "tool.too_large", TOO_LARGE)
        del longest[len(longest) // 2 :]
        result["shortened"] = True
    return result


def figures(result: Result, most: int = FIGURES_BYTES) -> Result:
    """A result's single figures by path, as many as fit, and when it was read."""
    told: Result = {name: result[name] for name in ("success", "data_type", "as_of") if name in result}
    told |= {"note": ONLY_FIGURES, "figures": {}}
    for path, value in _leaves(result.get("data")):
        told["figures"][path] = value
        if size(told) > most:
            del told["figures"][path]
            break
    return told


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers, short texts and amounts of money, except in long lists."""
    match value:
        case {"amount": amount, "currency": currency, **more} if not more:
            yield path, f"{amount} {currency}"
        case dict():
            for key, item in value.items():
                yield from _leaves(item, f"{path}.{key}" if path else key)
        case list() if len(value) <= MOST_LISTED:
            for number, item in enumerate(value):
                yield from _leaves(item, f"{path}.{number}")
        case bool() | int() | float():
            yield path, value
        case str() if len(value) <= 80:
            yield path, value


def trimmed(value: Any) -> Any:
    """A JSON value without the ends of very long texts."""
    match value:
        case str() if len(value) > LONGEST_VALUE:
            return value[:LONGEST_VALUE] + "…"
        case Mapping():
            return {key: trimmed(item) for key, item in value.items()}
        case list() | tuple():
            return [trimmed(item) for item in value]
    return value


def _lists(value: Any) -> list[list[Any]]:
    if isinstance(value, dict):
        return [found for item in value.values() for found in _lists(item)]
    if isinstance(value, list):
        return [value, *(found for item in value for found in _lists(item))]
    return []
