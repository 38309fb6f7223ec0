import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from workers.model.errors import FailedCall, ModelRefused, classify

PROMPT = "The merchant's name is Aunt Agatha"


class ProviderError(Exception):
    """Looks like litellm's exceptions: attributes, and a message that repeats the prompt."""

    def __init__(self, status: object, **attributes: Any) -> None:
        super().__init__(PROMPT)
        self.status_code = status
        for name, value in attributes.items():
            setattr(self, name, value)


class ContextWindowExceededError(ProviderError):
    pass


class APIConnectionError(Exception):
    pass


def failure(error: Exception) -> FailedCall:
    verdict = classify("openai/x", error)
    assert isinstance(verdict, FailedCall)
    return verdict


@pytest.mark.parametrize("status", [400, 413, 422, "400"])
def test_these_are_the_requests_fault(status: object) -> None:
    verdict = classify("openai/x", ProviderError(status))
    assert isinstance(verdict, ModelRefused)
    assert verdict.code == "model_bad_request"
    assert "openai/x" in str(verdict)


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 502, 503, 529])
def test_these_may_be_better_elsewhere(status: int) -> None:
    assert failure(ProviderError(status)).status == status


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_these_pass_by_themselves(status: int) -> None:
    assert failure(ProviderError(status)).transient


@pytest.mark.parametrize("status", [401, 403, 404])
def test_these_do_not(status: int) -> None:
    assert not failure(ProviderError(status)).transient


@pytest.mark.parametrize("error", [RuntimeError(PROMPT), ProviderError(None), ProviderError("odd")])
def test_an_error_without_a_status_counts_as_the_providers(error: Exception) -> None:
    assert failure(error).status == 500


def test_only_the_status_counts_not_the_class() -> None:
    bad_request_class = type("BadRequestError", (ProviderError,), {})
    assert failure(bad_request_class(401)).status == 401


@pytest.mark.parametrize(
    "error",
    [
        ProviderError(413),
        ProviderError(400, body={"code": "context_length_exceeded"}),
        ContextWindowExceededError(400),
    ],
)
def test_a_request_that_does_not_fit_is_marked(error: Exception) -> None:
    verdict = classify("openai/x", error)
    assert isinstance(verdict, ModelRefused)
    assert verdict.too_long


def test_other_refusals_are_not_marked_as_too_long() -> None:
    verdict = classify("openai/x", ProviderError(400, body={"code": "invalid_tool"}))
    assert isinstance(verdict, ModelRefused)
    assert not verdict.too_long
    assert "invalid_tool" in str(verdict)


def test_the_providers_code_is_told_its_message_never() -> None:
    body = {"message": PROMPT, "code": "insufficient_quota"}
    assert "insufficient_quota" in str(failure(ProviderError(429, body=body)))
    for status in (400, 401, 429, 500):
        assert "Agatha" not in str(classify("openai/x", ProviderError(status, body=body)))
    assert "Agatha" not in str(classify("openai/x", ProviderError(500, body={"code": PROMPT, "type": PROMPT})))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None), ("", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert failure(ProviderError(429, litellm_response_headers={"retry-after": value})).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    wait = failure(ProviderError(503, litellm_response_headers={"retry-after": date})).retry_after
    assert wait is not None
    assert math.isclose(wait, 90, abs_tol=5)


def test_without_the_header_no_wait_is_known() -> None:
    assert failure(ProviderError(429, litellm_response_headers=None)).retry_after is None


def test_a_broken_connection_is_called_so() -> None:
    error = ProviderError(500)
    error.__cause__ = APIConnectionError()
    assert "no connection" in failure(error).reason
    assert "no connection" not in failure(ProviderError(500)).reason


class Told(ProviderError):
    """With words of the provider's."""

    def __init__(self, status: int, words: str) -> None:
        Exception.__init__(self, words)
        self.status_code = status


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
        (400, "This model's maximum prompt length is 131072 but the request contains 150000 tokens."),
        (400, "Input length (9000) exceeds model's maximum context length (8192)."),
        (400, "prompt is too long: 205000 tokens > 200000 maximum"),
        (400, "Input is too long for requested model."),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (400, "`inputs` tokens + `max_new_tokens` must be <= 4096."),
        (400, "Please reduce the length of the messages or completion."),
        (422, "too many tokens: total number of tokens in the prompt cannot exceed 4081"),
        (413, "Payload Too Large"),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 32000."),
    ],
)
def test_providers_say_too_long_in_many_ways(status: int, words: str) -> None:
    verdict = classify("openai/x", Told(status, words))
    assert isinstance(verdict, ModelRefused)
    assert verdict.too_long
    assert words not in str(verdict)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Your credit balance is too low to access the Anthropic API."),
        (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
        (400, "Invalid value: 'tools'."),
    ],
)
def test_other_refusals_are_not_about_the_length(status: int, words: str) -> None:
    verdict = classify("openai/x", Told(status, words))
    assert isinstance(verdict, ModelRefused)
    assert not verdict.too_long


def test_a_limit_that_the_next_minute_lifts_is_not_about_the_length() -> None:
    words = (
        "Rate limit reached for x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Try again in 2s."
    )
    assert failure(Told(429, words)).transient
