import json
import math
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from workers.model.errors import Cause, FailedCall, classify

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
    return classify("openai/x", error)


@pytest.mark.parametrize("status", [400, 413, 422, "400"])
def test_these_are_the_requests_fault(status: object) -> None:
    verdict = classify("openai/x", ProviderError(status))
    assert verdict.cause in (Cause.REFUSED, Cause.TOO_LONG)
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
    assert verdict.cause is Cause.TOO_LONG


def test_other_refusals_are_not_marked_as_too_long() -> None:
    verdict = classify("openai/x", ProviderError(400, body={"code": "invalid_tool"}))
    assert verdict.cause is not Cause.TOO_LONG
    assert "invalid_tool" in str(verdict)


def test_the_providers_code_is_told_its_message_never() -> None:
    body = {"message": PROMPT, "code": "insufficient_quota"}
    assert "insufficient_quota" in str(failure(ProviderError(429, body=body)))
    for status in (400, 401, 429, 500):
        assert "Agatha" not in str(classify("openai/x", ProviderError(status, body=body)))
    assert "Agatha" not in str(classify("openai/x", ProviderError(500, body={"code": PROMPT, "type": PROMPT})))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("21 Oct 99999", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert failure(ProviderError(429, litellm_response_headers={"retry-after": value})).retry_after == seconds


def test_a_wait_in_milliseconds_or_in_the_body() -> None:
    headers = {"retry-after-ms": "1500", "retry-after": "2"}
    assert failure(ProviderError(429, litellm_response_headers=headers)).retry_after == 1.5
    body = {"error": {"details": [{"retryDelay": "34.07s"}]}}
    assert failure(Told(429, json.dumps(body))).retry_after == 34.07
    assert failure(Told(429, str([body]))).retry_after == 34.07  # as an error quotes what it read


def test_retry_after_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    wait = failure(ProviderError(503, litellm_response_headers={"retry-after": date})).retry_after
    assert wait is not None
    assert math.isclose(wait, 90, abs_tol=5)


def test_a_date_is_meant_by_the_clock_of_the_provider() -> None:
    headers = {"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert failure(ProviderError(503, litellm_response_headers=headers)).retry_after == 30


def test_without_the_header_no_wait_is_known() -> None:
    assert failure(ProviderError(429, litellm_response_headers=None)).retry_after is None


def test_a_broken_connection_is_called_so() -> None:
    error = ProviderError(500)
    error.__cause__ = APIConnectionError()
    assert "no connection" in failure(error).reason
    assert "no connection" not in failure(ProviderError(500)).reason


@pytest.mark.parametrize("name", ["ReadError", "RemoteProtocolError"])
def test_a_connection_that_broke_off_had_been_made(name: str) -> None:
    error = ProviderError(500)
    error.__cause__ = APIConnectionError()
    error.__cause__.__context__ = type(name, (Exception,), {})()
    assert failure(error).reason == "the provider failed (500, the connection broke off)"


def test_what_is_told_twice_is_said_once() -> None:
    assert failure(ProviderError(400, body={"code": "400"})).reason == "the provider refused the request (400)"


def test_a_certificate_that_is_not_trusted_is_no_fault_of_the_network() -> None:
    error = ProviderError(500)
    error.__cause__ = APIConnectionError()
    error.__cause__.__context__ = ssl.SSLCertVerificationError("unable to get local issuer certificate")
    assert "its certificate is not trusted: name its CA in SSL_CERT_FILE" in failure(error).reason


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
    assert verdict.cause is Cause.TOO_LONG
    assert words not in str(verdict)


@pytest.mark.parametrize(
    ("status", "words", "cause"),
    [
        (400, "Your credit balance is too low to access the Anthropic API.", Cause.CREDIT),
        (429, "You exceeded your current quota, please check your plan and billing details.", Cause.CREDIT),
        (402, "Insufficient Balance", Cause.CREDIT),
        (403, "This request requires more credits, or fewer max_tokens.", Cause.CREDIT),
        (400, "filtered due to the prompt triggering Azure OpenAI's content management policy.", Cause.FILTERED),
        (400, "Content Exists Risk", Cause.FILTERED),
        (400, "<400> InternalError.Algo.DataInspectionFailed: Input data may contain it", Cause.FILTERED),
        (403, "Your chosen model requires moderation and your input was flagged", Cause.FILTERED),
        (400, "The model `llama-3.1-70b` has been decommissioned and is no longer supported.", Cause.GONE),
        (400, "not-a-model is not a valid model ID", Cause.GONE),
        (404, "The model `gpt-9` does not exist or you do not have access to it.", Cause.GONE),
        (404, "No endpoints found that support tool use.", Cause.NO_TOOLS),
        (400, "registry.ollama.ai/library/phi3:latest does not support tools", Cause.NO_TOOLS),
        (400, '"auto" tool choice requires --enable-auto-tool-choice', Cause.NO_TOOLS),
        (400, "The provided model identifier is invalid.", Cause.GONE),
        (400, "Invocation of model ID x with on-demand throughput isn't supported.", Cause.GONE),
        (400, "Unable to access non-serverless model x.", Cause.GONE),
        (400, "Budget has been exceeded! Current cost: 10.2, Max budget: 10.0", Cause.CREDIT),
        (400, "ExceededBudget: User=x over budget. Spend: 10.2", Cause.CREDIT),
        (412, "Portkey Error: Usage limit exceeded for this API Key", Cause.CREDIT),
        (403, "Your newly created team doesn't have any credits yet.", Cause.CREDIT),
        (400, "Organization has been restricted. Please reach out to support.", Cause.ACCESS),
        (400, "Violated guardrail policy", Cause.FILTERED),
        (446, "The guardrail checks defined in the config failed.", Cause.FILTERED),
        (500, "tools param requires --jinja flag", Cause.NO_TOOLS),
        (400, "This model doesn't support tool use in streaming mode.", Cause.REFUSED),
        (400, "API key not valid. Please pass a valid API key.", Cause.KEY),
        (400, "User location is not supported for the API use.", Cause.ACCESS),
        (400, "Unsupported value: 'temperature' does not support 0.2 with this model.", Cause.REFUSED),
        (400, "The reasoning_content in the thinking mode must be passed back to the API.", Cause.REFUSED),
        (400, "Invalid value: 'tools'.", Cause.REFUSED),
        (400, "tool_use_failed: Failed to call a function. See 'failed_generation'.", Cause.EMPTY),
        (500, "error parsing tool call: failed to parse tool call arguments", Cause.EMPTY),
        (409, "Conflict", Cause.DOWN),
    ],
)
def test_what_a_refusal_is_about(status: int, words: str, cause: Cause) -> None:
    verdict = classify("openai/x", Told(status, f"{words} {PROMPT}"))
    assert verdict.cause is cause
    assert PROMPT not in str(verdict)


def test_an_answer_that_cannot_be_read_is_the_providers_failure() -> None:
    assert failure(Told(200, "Unable to get json response")).transient


def test_a_limit_that_the_next_minute_lifts_is_not_about_the_length() -> None:
    words = (
        "Rate limit reached for x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Try again in 2s."
    )
    assert failure(Told(429, words)).transient
