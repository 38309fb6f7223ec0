"""Who may enter the console, and who has tried too often."""

import base64

import pytest
from pydantic import SecretStr

from workers.operations.console import TRIES, TRIES_SECONDS, Passwords, RequestRefused

PASSWORD = "ein Paßwort, das lang ist: 7"


def basic(password: str, name: str = "cj") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def passwords(now: list[float]) -> Passwords:
    return Passwords(SecretStr(PASSWORD), clock=lambda: now[0])


def code(passwords: Passwords, authorization: str | None, address: str = "10.0.0.1") -> int:
    with pytest.raises(RequestRefused) as refused:
        passwords.check(authorization, address)
    assert PASSWORD not in refused.value.message
    return refused.value.status


@pytest.mark.parametrize("name", ["cj", "", "somebody"])
def test_the_name_says_nothing(passwords: Passwords, name: str) -> None:
    passwords.check(basic(PASSWORD, name), "10.0.0.1")


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic ###",
        "Basic " + base64.b64encode(PASSWORD.encode()).decode().replace("=", ""),
        f"Bearer {PASSWORD}",
        basic(""),
        basic(PASSWORD + " "),
        basic(PASSWORD.upper()),
        basic(PASSWORD[:-1]),
        basic("cj:" + PASSWORD),
        "Basic ÿ",
    ],
)
def test_anything_else_is_not_the_password(passwords: Passwords, shown: str | None) -> None:
    assert code(passwords, shown) == 401


def test_who_tries_too_often_waits_even_with_the_right_one_and_nobody_else_does(
    passwords: Passwords, now: list[float]
) -> None:
    for _ in range(50):
        assert code(passwords, None) == 401, "a browser that asks first has tried nothing"
    assert [code(passwords, basic("wrong")) for _ in range(TRIES + 2)] == [401] * TRIES + [429] * 2
    assert code(passwords, basic(PASSWORD)) == 429
    passwords.check(basic(PASSWORD), "10.0.0.2")
    now[0] = TRIES_SECONDS + 1
    passwords.check(basic(PASSWORD), "10.0.0.1")


def test_many_addresses_do_not_fill_the_memory(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.operations.console.ADDRESSES", 3)
    codes = [code(passwords, basic("wrong"), f"10.0.0.{number}") for number in range(5)]
    assert codes == [401, 401, 401, 429, 429]
