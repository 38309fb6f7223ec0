"""What must not be in a log line is masked, whatever surrounds it, in time linear in the line's length."""

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.logs import mask

PREFIXED = [
    "shpat_" + "0123456789abcdef" * 2,
    "sk-proj-0123456789_abcdefghij",
    "sk-ant-api03-0123456789abcdefghij",
    "AIza" + "SyA0123456789abcdefghijklmnopqrs-_x",
    "gsk_" + "0123456789abcdefghijABCDEFGHIJ",
    "xai-" + "0123456789abcdefghijABCDEFGHIJ",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ASIA" + "IOSFODNN7EXAMPLE",
    "hf_" + "0123456789abcdefghijABCDEFGHIJabcd",
    "pplx-" + "0123456789abcdefghijABCDEFGHIJ",
    "ghp_" + "0123456789abcdefghijABCDEFGHIJabcdef",
]
NAMES = [
    *("password", "passwd", "pwd", "PASSWORD", "sslpassword", "ssl_password", "Passphrase", "POSTGRES_PASSWORD"),
    *("client_secret", "client-secret", "clientSecret", "SHOPIFY_CLIENT_SECRET", "secret", "aws_secret_access_key"),
    *("api_key", "apikey", "api-key", "OPENAI_API_KEY", "x-api-key", "X-Goog-Api-Key"),
    *("access_token", "accessToken", "refresh_token", "id_token", "X-Shopify-Access-Token", "CJ_TOKEN_KEYS"),
    *("private_key", "REDISCLI_AUTH", "FLOWER_BASIC_AUTH"),
]
#: How a value stands beside its name.
BESIDE: list[Callable[[str, str], str]] = [
    lambda name, value: f"{name}={value}",
    lambda name, value: f"{name}: {value}",
    lambda name, value: f'{name}="{value}"',
    lambda name, value: f"{name}='{value}', other=1",
    lambda name, value: f"https://h.example/path?x=1&{name}={value}&y=2",
    lambda name, value: f"redis://h:6379/0?{name}={value}",
    lambda name, value: repr({name: value, "other": 1}),
    lambda name, value: repr((name, value)),
    lambda name, value: repr({name.encode(): value.encode()}),
    lambda name, value: json.dumps({name: value, "other": 1}),
    lambda name, value: json.dumps({"body": json.dumps({name: value, "other": 1})}),
    lambda name, value: json.dumps({"a": json.dumps({"b": json.dumps({name: value})})}),
    lambda name, value: f"{name} = {value}",
    lambda name, value: f"{name} => {value}",
]
SCHEMES = ["redis", "rediss", "amqp", "amqps", "postgresql+psycopg2", "https", "REDIS", "Amqps", "PostgreSQL", "h2"]
WHERE: list[Callable[[str], str]] = [
    lambda url: url,
    lambda url: f"cannot connect to {url} now",
    lambda url: f"cannot connect to '{url}', trying again",
    repr,
    lambda url: json.dumps({"broker": url, "attempt": 1}),
    lambda url: json.dumps({"error": repr(url)}),
    lambda url: f"http://localhost:8080/x {url};{url}",
    lambda url: f"{url};redis://other:6379/0",
    lambda url: f"<{url}>",
]


@pytest.mark.parametrize("token", PREFIXED)
@pytest.mark.parametrize(
    "around", ["{}", "key {} end", "'{}'", '{{"k": "{}"}}', "({}),", "https://h/?k={}&x=1", "Bearer {}"]
)
def test_tokens_are_known_by_their_beginning(token: str, around: str) -> None:
    secret = token[8:]
    assert secret in around.format(token)
    assert secret not in mask(around.format(token))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beside", range(len(BESIDE)))
def test_values_are_known_by_their_name(name: str, beside: int) -> None:
    for value in ("hunter2", "hunt'er2", 'hunt"er2', "h,unter2", "2:aGVsbG8=", "hunt\\er2"):
        text = BESIDE[beside](name, value)
        masked = mask(text)
        for part in ("hunt", "unter2", "er2", "aGVs"):
            assert part not in masked.replace("other", ""), f"{text} -> {masked}"


CLOSED = r"[\"')\]}>]([,;:)\]}>\\\"']|$)"
PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20) | st.lists(
    st.sampled_from(["1", "12345", "123456", "a", "B://", "://", *"/?#;,:@\"'\\(){}<>[]"]), min_size=1, max_size=8
).map("".join)


@given(
    scheme=st.sampled_from(SCHEMES),
    user=st.sampled_from(["", "cj", "cj-1.x", "CJ"]),
    password=PASSWORDS,
    where=st.sampled_from(WHERE),
)
@example("redis", "", 'a"b', WHERE[4])
@example("redis", "", "a'b", WHERE[3])
@example("REDIS", "u", "p/w", WHERE[0])
@example("amqp", "u", "p@w:x", WHERE[1])
@example("amqp", "u", "12/ab", WHERE[1])
@example("amqp", "", "1234", WHERE[1])
@example("amqp", "u", "1/x", WHERE[0])
@example("amqp", "u", "12345?x", WHERE[4])
@example("amqp", "u", "12#x", WHERE[2])
@example("amqp", "u", "1,2", WHERE[7])
@example("amqp", "u", "a://b", WHERE[0])
@example("amqp", "u", "a;b://c:d", WHERE[6])
@example("amqp", "", "1;b://c", WHERE[7])
def test_passwords_in_urls(scheme: str, user: str, password: str, where: Callable[[str], str]) -> None:
    looks_like_port = user and re.match(r"[0-9]{1,5}[^0-9]", password) and re.search(rf"://|{CLOSED}", password)
    if looks_like_port or re.search("@.*;[A-Za-z]+://", password):
        return  # cannot be told from a port, or from two URLs: such a password must be percent-encoded anyway
    # Marked, so that what is found is not by chance a part of the text around it.
    url = f"{scheme}://{user}:{password}QzQ@h.example:6379/0"
    masked = mask(where(url))
    assert "QzQ" not in masked, masked
    if len(password) > 6:
        assert password[:6] not in masked, masked


@pytest.mark.parametrize(
    "text",
    [
        "see https://shopify.dev/docs at 10:00",
        '{"url": "http://127.0.0.1:4010/x", "mail": "help@shopify.com"}',
        '{"url":"http://127.0.0.1:4010","mail":"help@shopify.com"}',
        '{"url":"http://127.0.0.1:4010/x?y=1","mail":"help@shopify.com"}',
        "['http://127.0.0.1:4010/x','help@shopify.com']",
        "redis://h:6379/0;redis://h:6380/0?x=1;redis://h",
        "redis://h:6379/0 answers",
        "postgresql://postgres@/cj?host=/tmp/x",
        "tokens: 1234, max_tokens=20, total_tokens=7, token_version=3",
        "risk-taking task-abcdefghijkl desk-0123456789",
        "FATAL: password authentication failed for user x",
        "the client secret is missing; set both, or neither",
        "the secret, the password, and the rest",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


HOSTILE = [
    "a", "://", "a://", "x:", "@", " ", "'", '"', "\\", '\\"', "password=", "password='", 'password="', "password = ",
    'password=\\"', "://a:", "a://b:", ";a", ";a://b:c@", "secret ", "Authorization: ", "Authorization: Bearer ",
    "X-Shopify-Access-Token", "X-Shopify-Access-Token '", "shpat_", "sk-", "AIza", "AKIA", "gsk_", "api_key", "key=",
    "a.b-c_", "1", "://a:1/", "password\\", "password'", "=,", "shpat",
]  # fmt: skip


def seconds(text: str) -> float:
    began = time.process_time()
    mask(text)
    return time.process_time() - began


@pytest.mark.parametrize("first", HOSTILE)
def test_the_time_grows_with_the_length_and_not_with_its_square(first: str) -> None:
    """Sixteen times the text takes about sixteen times as long; it would be 256 times. What else the machine does can
    only add, so one good measurement of several is enough."""
    pieces = {first, *(first + second for second in ("a", " ", "'", "@", "://", 'password="'))}
    for begin, piece in itertools.product(("", 'password="', "password=", "redis://u:", "Authorization: "), pieces):
        short, long = (begin + piece * (length // len(piece)) for length in (1_000, 16_000))
        is_linear = any(seconds(long) < 64 * seconds(short) + 0.005 for _ in range(5))
        assert is_linear, f"{begin!r}, then {piece!r} again and again"


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=4))
def test_a_log_line_stays_json(values: dict[str, Any]) -> None:
    """The finished line is masked value by value, so that no mask can reach from one value into the next."""
    import io
    import logging

    from workers import logs

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        logs.configure("agent", stream=stream)
        logs.get("x").info("a http://h:80", **{f"v{n}": f"{k}={v}" for n, (k, v) in enumerate(values.items())})
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = handlers, level
    assert json.loads(stream.getvalue())["event"] == "a http://h:80"
