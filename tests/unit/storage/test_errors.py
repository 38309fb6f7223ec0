"""Every error has its own code."""

import re

from storage import errors
from storage.errors import StorageError


def all_errors() -> list[type[StorageError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StorageError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in all_errors()]
    assert len(codes) == len(set(codes)) > 10
    assert all(re.fullmatch(r"storage\.[a-z_]+", code) for code in codes)


def test_a_lost_turn_says_whose_it_was() -> None:
    error = errors.LostTurn(7, 2)
    assert str(error) == "turn 7 no longer belongs to attempt 2"
    assert (error.turn_id, error.attempt) == (7, 2)
