"""Patterns that begin with a word, tried only at the words by which they may begin. Pure.

Most sentences have no word of most tables. Each word is looked up once, and no table is tried where none of its words
stands: that takes a tenth of the time of looking for every table in every sentence.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

Places = dict["Wording", list[int]]
"""Where in a text each wording may begin."""

_TOKEN = re.compile(r"\w+")
_NO_WIDTH = re.compile(r"\\b|\(\?<?[=!]")
_GROUP = re.compile(r"\(\?(?::|P<\w+>)")
_LETTERS = re.compile(r"(?:[^\W_](?![?*{]))+")
_wordings: list["Wording"] = []


class Wording:
    """A pattern for texts in lower case. Raises ValueError if it might begin by any word."""

    def __init__(self, pattern: str) -> None:
        self.pattern = re.compile(rf"(?<!\w)(?=\w)(?:{pattern})")
        known = set(_beginnings(pattern))
        self._beginnings = tuple(letters for letters in known if letters[0] != "*")
        self._parts = tuple(letters[1:] for letters in known if letters[0] == "*")
        _wordings.append(self)
        _begun_by.cache_clear()

    def begins_by(self, word: str) -> bool:
        """Whether it may begin by the word, as far as the first letters tell."""
        return word.startswith(self._beginnings) or any(part in word for part in self._parts)


def places(text: str) -> Places:
    """Where in the text each wording may begin."""
    found: Places = {}
    for token in _TOKEN.finditer(text):
        for wording in _begun_by(token[0]):
            found.setdefault(wording, []).append(token.start())
    return found


@lru_cache(maxsize=8192)
def _begun_by(word: str) -> tuple[Wording, ...]:
    return tuple(wording for wording in _wordings if wording.begins_by(word))


def _beginnings(pattern: str) -> Iterator[str]:
    """The letters by which a pattern's alternatives begin; those after "*" are somewhere in the word."""
    for alternative in _alternatives(pattern):
        rest = alternative
        while zero := _NO_WIDTH.match(rest):
            rest = rest[_end(rest) :] if zero[0][0] == "(" else rest[zero.end() :]
        end = _end(rest)
        is_optional = rest[end : end + 1] in ("?", "*")
        if group := _GROUP.match(rest):
            yield from _beginnings(rest[group.end() : end - 1])
        elif rest.startswith(r"\d"):
            yield from "0123456789"
        elif rest.startswith("[") and rest[1 : end - 1].isalpha():
            yield from rest[1 : end - 1]
        elif rest.startswith(r"\w*") and (letters := _LETTERS.match(rest, 3)):
            yield f"*{letters[0]}"
            continue
        elif letters := _LETTERS.match(rest):
            yield letters[0]
            continue
        elif rest[:1].isalpha():
            yield rest[0]
        else:
            raise ValueError(f"{alternative!r} may begin by any word")
        if is_optional:
            yield from _beginnings(rest[end + 1 :])


def _alternatives(pattern: str) -> Iterator[str]:
    begin = place = 0
    while place < len(pattern):
        if pattern[place] == "|":
            yield pattern[begin:place]
            begin = place + 1
        place = max(place + 1, place + _end(pattern[place:]))
    yield pattern[begin:]


def _end(pattern: str) -> int:
    """Where the group, set or character ends by which it begins."""
    if pattern[:1] == "[":
        return pattern.index("]") + 1
    if pattern[:1] != "(":
        return 2 if pattern[:1] == "\\" else 1
    place = 1
    while pattern[place] != ")":
        place += _end(pattern[place:])
    return place + 1
