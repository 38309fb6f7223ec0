"""Invalid tokens, and rate limits for many merchants."""

import time

import jwt
import pytest
from pydantic import SecretStr

from workers.gateway import access
from workers.gateway.access import AUDIENCE, Admission, NotAllowed

KEY = "a-chat-key-of-the-tests-that-is-long-enough"
NOW = int(time.time())
GOOD = {"sub": "m1", "aud": AUDIENCE, "exp": NOW + 1800}


def admitted(token: str) -> str | None:
    return Admission([SecretStr("x" * 40), SecretStr(KEY)], []).caller(f"Bearer {token}").merchant_id


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 10**400},
        {"exp": "never"},
        {"exp": None},
        {"nbf": NOW + 86_400},
        {"iat": NOW + 86_400},
        {"aud": "another"},
        {"sub": 7},
        {"sub": ""},
        {"sub": "m" * 201},
        {"sub": "m\u202e1"},
    ],
)
def test_a_token_with_wrong_claims_is_none(claims: dict[str, object]) -> None:
    assert admitted(jwt.encode(GOOD, KEY)) == "m1"
    with pytest.raises(NotAllowed):
        admitted(jwt.encode({**GOOD, **claims}, KEY))


@pytest.mark.parametrize(("key", "algorithm"), [("", "none"), (KEY * 2, "HS512"), ("y" * 40, "HS256")])
def test_a_token_signed_otherwise_is_none(key: str, algorithm: str) -> None:
    with pytest.raises(NotAllowed):
        admitted(jwt.encode(GOOD, key, algorithm=algorithm))


def test_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    assert admitted(jwt.encode({**GOOD, "nbf": now + 5, "exp": now - 2}, KEY)) == "m1"
    for much in ({"iat": now + 3600}, {"nbf": now + 3600}, {"exp": now + 7500}, {"exp": now - 3600}):
        with pytest.raises(NotAllowed, match="by our clock"):
            admitted(jwt.encode({**GOOD, **much}, KEY))


def test_many_merchants_are_not_looked_through_at_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "REMEMBERED", 100)
    now = 0.0
    admission = Admission([], [], clock=lambda: now)
    looked = 0

    class Counted(dict[str, tuple[float, float]]):
        def items(self):  # type: ignore[no-untyped-def]
            nonlocal looked
            looked += 1
            return super().items()

    admission._allowances = Counted()
    for number in range(1000):
        admission.count(f"m{number}")
    assert looked <= 1
    now = 61.0
    admission.count("m")
    assert len(admission._allowances) <= 2
