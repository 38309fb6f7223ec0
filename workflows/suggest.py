""" "did you mean": finds the word that an author probably meant."""

import difflib
import re
from collections.abc import Iterable

# Words from other tools, and their names here. Suggested only where the word on the right is allowed.
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "action": ("actions", "type"),
    "content": ("message",),
    "context": ("data",),
    "customer": ("merchant",),
    "events": ("system_events",),
    "if": ("condition",),
    "merge_context": ("update_context",),
    "on": ("system_events",),
    "prompt": ("prompts", "system"),
    "say": ("process_message",),
    "send_message": ("process_message",),
    "set": ("update_context", "data"),
    "set_context": ("update_context",),
    "target": ("target_workflow",),
    "text": ("message",),
    "trigger": ("system_events",),
    "triggers": ("system_events",),
    "then": ("actions",),
    "to": ("target_workflow",),
    "user": ("merchant",),
    "values": ("data",),
    "when": ("condition",),
    "workflow": ("target_workflow",),
}
_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "y", "ja", "wahr"), "true"),
    **dict.fromkeys(("false", "no", "off", "n", "nein", "falsch"), "false"),
}


def closest(word: object, options: Iterable[str], *, cutoff: float = 0.66) -> str | None:
    """The option that `word` was probably meant to be, or None. `cutoff`: how similar they must be, at most 1."""
    known = sorted(set(options))
    written = _plain(str(word))
    by_plain = {_plain(option): option for option in known}
    if written in by_plain:
        return by_plain[written]
    for synonym in _SYNONYMS.get(written, ()):
        if synonym in known:
            return synonym
    near = difflib.get_close_matches(written, by_plain, n=1, cutoff=cutoff)
    return by_plain[near[0]] if near else None


def did_you_mean(word: object, options: Iterable[str]) -> str:
    """ ", did you mean 'x'?", or an empty string."""
    near = closest(word, options)
    return f", did you mean {near!r}?" if near is not None else ""


def or_one_of(word: object, options: Iterable[str]) -> str:
    """ ", did you mean 'x'?", or else the list of possible words."""
    known = sorted(set(options))
    return did_you_mean(word, known) or (f"; possible here: {', '.join(known)}" if known else "")


def meant_boolean(word: object) -> str | None:
    """The boolean that `yes`, `off` and the like were probably meant to be; YAML 1.2 takes them for text."""
    return _BOOLEANS.get(str(word).strip().lower())


def _plain(word: str) -> str:
    """Normalise what people mix up: capitals, camelCase, hyphens and spaces."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word.strip())
    return re.sub(r"[-\s]+", "_", snake).lower()
