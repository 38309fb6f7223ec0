"""One call of a language model. The only module that imports litellm, and only on first use.

litellm 1.110 has pitfalls; a test covers each of these workarounds:

- Its retries multiply each other, so they are off, OpenAI's client's, too; `workers.model.client` decides who is asked
  again.
- Its timeout applies to each read of a socket, so a slowly dripping answer never times out. So every call runs on a
  thread of its own that is abandoned when the time is over, and every socket it opens has the call's deadline: giving
  up closes the connection, whichever provider and client it belongs to.
- It keeps one connection pool per timeout value, and threads that start together make one each. So
  timeouts are whole seconds, and everything that speaks OpenAI's protocol shares one pool. That pool follows no
  redirects: requests go to the configured address only.
- Of its streaming only the parsers of each provider's pieces are used; `workers/model/stream.py` says what is wrong
  with its assembly. Pieces that arrive with one read of the socket are handed on together.
- It takes slightly malformed answers (text in parts, null calls, an error with 200) for an outage, so
  every client repairs answers first (`workers/model/wire.py`).
- What it and OpenAI's client do around a request costs three times as much as the request itself. So a server that
  speaks OpenAI's protocol is sent what litellm would send, and its answer is read, without them.
- It counts a prompt's tokens with tokenizers from huggingface.co, which nobody may reach; that is off.
- It takes reasons for an end that it does not know for a "stop", and cannot read Cohere's streams.
- Exception classes vary by provider, status codes do not (`workers/model/errors.py`).
- It logs and prints requests including prompts, so its loggers are off.
"""

from __future__ import annotations

import atexit
import contextvars
import gc
import importlib
import json
import logging
import os
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from queue import Empty, SimpleQueue
from typing import Any

import httpx
from pydantic import SecretStr

from shopify.transport import LOOK_SECONDS, DeadlineBackend, before_reads, is_given_up, within
from workers import logs, settings
from workers.model import wire
from workers.model.demo import DEMO
from workers.model.errors import Cause, FailedCall, GivenUp, classify, told_by
from workers.model.habits import Habits
from workers.model.response import Answer, is_cut_off, read_answer, repaired, spoken_words, tool_names, words_so_far
from workers.model.stream import Assembly
from workers.model.wire import Stream, StreamCut

#: With less time left than this, no further attempt is made (seconds).
LEAST_SECONDS = 1.0
#: Factor for `max_tokens` after an answer that was cut off before its first word.
MORE_ROOM = 4
#: Longest wait for a warm-up call (seconds).
WARM_UP_SECONDS = 30.0
#: A sentence may have ended if one of these is among the last `_LOOK_BACK` characters.
_MAY_END = re.compile("[.!?\u2026\u3002\uff01\uff1f\n]")
_LOOK_BACK = 12
#: How long to wait for calls and token counts after an answer's last words before those are passed on (seconds).
END_FOLLOWS_SECONDS = 0.005

_WHOLE = frozenset({"cohere", "cohere_chat"})
"""Providers whose streams litellm cannot read."""
_AS_A_STREAM = {"stream": True, "stream_options": {"include_usage": True}}

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Request:
    """A request to any model. `options` are litellm's (temperature, max_tokens).

    `hear` is called with the text so far as it arrives, and whether that is all the text, even if calls or counts are
    still to come; without `hear`, and where a provider cannot stream, the answer comes whole.
    """

    messages: Messages
    tools: Tools | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    hear: Callable[[str, bool], object] | None = None

    @property
    def sent_options(self) -> Mapping[str, Any]:
        """The options, including those that ask for a stream."""
        return self.options if self.hear is None else {**self.options, **_AS_A_STREAM}

    def after(self, cause: Cause) -> Request:
        """The request to retry with after an unusable answer: with more tokens, or without tools if results are already
        there; and without streaming, in case the provider cannot stream."""
        if cause in (Cause.EMPTY, Cause.DOWN) and self.hear is not None:
            return replace(self, hear=None).after(cause)
        if cause is Cause.CUT and "max_tokens" in self.options:
            return replace(self, options={**self.options, "max_tokens": self.options["max_tokens"] * MORE_ROOM})
        if cause is Cause.EMPTY and self.messages and self.messages[-1]["role"] == "tool":
            return replace(self, tools=None)
        return self


_NO_KEY = "none"
_WARM_UP = Request(
    [{"role": "user", "content": "warm-up"}],
    [{"type": "function", "function": {"name": "warm_up", "parameters": {"type": "object"}}}],
    {"max_tokens": 1},
)
_import_lock = threading.Lock()
_habits = Habits()
_idle: list[SimpleQueue[Callable[[], None]]] = []
"""Idle threads, waiting for their next call."""
_warm: set[str] = set()
"""Models whose call path has been run, by this process or by the one that forked it."""
_unpriced: set[str] = set()
"""Models without a price; litellm takes longer to find no price than to find one."""


def call(name: str, request: Request, seconds: float) -> Answer | FailedCall:
    """One attempt, ended after `seconds` whatever the provider does. Raises GivenUp, and what `request.hear` raises.

    A provider that refuses a request which can be sent in another form (`Habits`) is asked again at once.
    """
    deadline = time.monotonic() + seconds
    provider = _provider(name)
    if provider is None:
        return FailedCall(name, Cause.GONE, 404, "unknown provider in litellm")
    if provider in _WHOLE:
        request = replace(request, hear=None)
    while True:
        outcome = _attempt(name, request, seconds, _credentials(provider))
        if not isinstance(outcome, Exception):
            return outcome
        failed = classify(name, outcome)
        seconds = deadline - time.monotonic()
        may_differ = failed.cause is Cause.REFUSED and seconds > LEAST_SECONDS
        if not may_differ or not _habits.learn(name, told_by(outcome), request.messages, request.sent_options):
            return failed


def _attempt(
    name: str, request: Request, seconds: float, credentials: Mapping[str, Any]
) -> Answer | FailedCall | Exception:
    words, tools = _Words(), tool_names(request.messages, request.tools or ())

    options = _habits.options(name, request.sent_options)

    def complete() -> Answer | Cause:
        with within(seconds), wire.streaming("stream" in options) as stream:
            answer = _complete(name, request, options, seconds, credentials)
            whole = words.assembled(answer, stream) if isinstance(answer, Iterator) else answer
        return read_answer(whole, name, request.messages, request.tools or ())

    waited = _on_a_thread(complete)
    waited.add_done_callback(lambda _: words.heard.put(None))
    ends = time.monotonic() + seconds
    try:
        while not waited.done():
            heard = words.wait(max(min(ends - time.monotonic(), LOOK_SECONDS), 0.0))
            if heard is not None and request.hear is not None:
                text, is_whole = heard
                said = _spoken(text, tools, waited) if is_whole else words_so_far(text, tools)
                if said:
                    request.hear(said, is_whole)
            if is_given_up():
                raise GivenUp
            if time.monotonic() >= ends and not waited.done():
                return FailedCall(name, Cause.SLOW, 408)
    finally:
        words.nobody_listens = True
    if is_given_up():
        raise GivenUp
    error = waited.exception()
    if isinstance(error, StreamCut):
        return FailedCall(name, Cause.DOWN, error.status_code, "the stream broke off")
    if isinstance(error, Exception):
        return error
    answer = waited.result()
    return answer if isinstance(answer, Answer) else FailedCall(name, answer)


def _spoken(text: str, tools: Collection[str], waited: futures.Future[Any]) -> str | None:
    """The answer's full text, unless the rest of the answer arrives at once; then None: text and end are passed on
    together."""
    futures.wait([waited], END_FOLLOWS_SECONDS)
    return None if waited.done() else spoken_words(text, tools)


class _Words:
    """Passes an answer's text from the thread that reads it to the one that waits for it."""

    Heard = tuple[str, bool]
    """The text so far, and whether it is complete."""

    def __init__(self) -> None:
        self.heard: SimpleQueue[_Words.Heard | None] = SimpleQueue()
        self.nobody_listens = False
        self._assembly = Assembly()
        self._told = 0
        self._is_told_whole = False

    def assembled(self, pieces: Iterator[Any], stream: Stream | None) -> dict[str, Any]:
        """The stream assembled into a whole answer. Raises StreamCut, and whatever reading raises."""
        with before_reads(lambda: self._hand_over(stream)):
            for piece in pieces:
                self._assembly.add(piece)
        found = self._assembly.completion()
        if found is None or (stream is not None and not stream.has_ended):
            raise StreamCut
        return repaired(found)  # type: ignore[no-any-return]

    def wait(self, seconds: float) -> Heard | None:
        """Wait for text and return the newest; None if the answer ended or none came within `seconds`."""
        found = None
        with suppress(Empty):
            found = self.heard.get(timeout=seconds)
            while found is not None:
                found = self.heard.get_nowait()
        return found

    def _hand_over(self, stream: Stream | None) -> None:
        if self.nobody_listens:
            raise GivenUp
        has_ended = stream is not None and stream.has_ended and stream.is_visible and self._assembly.has_finished
        is_new, is_whole = self._assembly.words > self._told, self._assembly.begins_to_call or has_ended
        if not is_new and (self._is_told_whole or not is_whole or not self._told):
            return
        text = self._assembly.text
        if is_whole or _MAY_END.search(text, max(self._told - _LOOK_BACK, 0)):
            self.heard.put((text, is_whole))
        self._told, self._is_told_whole = len(text), is_whole


def use_secrets(secrets: Mapping[str, SecretStr]) -> None:
    """Put providers' keys into the environment, the only place where litellm looks for them."""
    for name, secret in secrets.items():
        os.environ[name] = secret.get_secret_value()


def warm_up(names: Sequence[str]) -> None:
    """Import litellm and run the call paths of the models `names` once; nothing leaves the machine.

    It leaves no thread and no connection, so a process may fork afterwards, and its children share what was built.
    """
    with _growing_heap():
        for name in names:
            if name not in _warm:
                _refused_call(name)
                _warm.add(name)


def problems(name: str) -> Iterator[str]:
    """What is wrong with a model's name, as far as can be known without a call."""
    provider = _provider(name)
    if provider is None:
        yield (
            f"model {name!r}: unknown provider; names look like openai/gpt-5.1 or anthropic/claude-sonnet-4-5, "
            "see https://docs.litellm.ai/docs/providers"
        )
    elif not _takes_tools(name, provider):
        hint = f"; write ollama_chat/{name.partition('/')[2]}" if provider == "ollama" else ""
        yield f"model {name!r}: litellm sends no tools to {provider}, and CJ reads the store by a tool{hint}"


def missing_key(name: str) -> str | None:
    """What to set so that the model `name` can be asked, as far as litellm knows what its provider needs."""
    if is_of_openai(name):
        if any(map(_is_set, ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"))):
            return None
        return f"model {name!r}: set OPENAI_API_KEY, or OPENAI_API_BASE for your own server"
    keys = list(_litellm().validate_environment(model=name)["missing_keys"]) if _provider(name) else []
    if not keys or not all(key.endswith("_API_KEY") for key in keys) or any(map(_is_set, keys)):
        return None  # what is no key may come from elsewhere: a role of the machine, a default address
    return f"model {name!r}: set {' or '.join(keys)}"


def is_of_openai(name: str) -> bool:
    """Whether litellm treats the model as OpenAI's, at OpenAI or on a server of your own."""
    return _provider(name) == "openai"


def price(name: str, input_tokens: int, output_tokens: int) -> float | None:
    """What these tokens cost in US dollars by litellm's bundled price list; None if it has no price for the model.

    An estimate: the list ignores discounts, cached prompts, and your own server behind a known name.
    """
    if name == DEMO or name in _unpriced:  # the demo model answers without litellm
        return None
    try:
        costs = _litellm().cost_per_token(model=name, prompt_tokens=input_tokens, completion_tokens=output_tokens)
        return float(sum(costs))
    except Exception:  # noqa: BLE001 - each provider's arithmetic fails in its own way
        _unpriced.add(name)
        return None


def known_price(name: str, input_tokens: int, output_tokens: int) -> float | None:
    """`price`, but only if litellm is already imported, so that no turn waits for the import."""
    return price(name, input_tokens, output_tokens) if _imported.cache_info().currsize else None


def unusable() -> str | None:
    """Why this process cannot ask any model, or None."""
    try:
        _litellm()
    except Exception as error:  # noqa: BLE001 - the library and its HTTP client refuse in many ways
        given = ", ".join(settings.proxies())
        hint = f"; it follows {given}: name an http:// or https:// proxy there, or none" if given else ""
        return f"models cannot be asked: {type(error).__name__}: {logs.mask(str(error))}{hint}"
    return None


@contextmanager
def _growing_heap() -> Iterator[None]:
    """Disable garbage collection during imports. litellm creates 330,000 permanent objects: the collector would scan
    them again and again (a third of the import time), and once more later, for half a second in the middle of an
    answer.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        if was_on:
            gc.enable()


def _litellm() -> Any:
    with _import_lock:
        return _imported()


@cache
def _imported() -> Any:
    # litellm reads these on import. Without them it fetches its price list from GitHub, on a thread that keeps
    # retrying, and loads any .env file it finds into this process's environment.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).disabled = True
    warnings.filterwarnings("ignore", ".* using the `ReadOnly` qualifier")  # of its own types
    import litellm
    from httpcore._sync import connection_pool
    from litellm._service_logger import ServiceLogging
    from litellm.litellm_core_utils.litellm_logging import Logging
    from litellm.llms.custom_httpx.http_handler import HTTPHandler, get_ssl_configuration
    from litellm.llms.openai import common_utils

    # httpcore's default for opening sockets; litellm creates its own clients and does not let us pass another.
    connection_pool.SyncBackend = DeadlineBackend  # type: ignore[attr-defined, assignment]
    limits = httpx.Limits(max_connections=100, keepalive_expiry=30.0)  # a turn runs tool calls between two requests
    litellm.client_session = httpx.Client(
        verify=get_ssl_configuration(), limits=limits, follow_redirects=False, event_hooks={"response": [wire.repair]}
    )
    atexit.register(litellm.client_session.close)
    create_client = HTTPHandler.create_client

    def create_repairing_client(handler: Any) -> Any:
        handler.follow_redirects = False
        client = create_client(handler)
        client.event_hooks = {"response": [wire.repair]}
        return client

    HTTPHandler.create_client = create_repairing_client
    litellm.suppress_debug_info = True  # otherwise it prints advice to standard output
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    litellm.utils.executor = _NoLogging()
    litellm.utils.json_data = litellm.utils.claude_json_str = None  # a tokenizer of 14 MB, plus its text
    Logging.response_cost_calculator = Logging.pre_call = Logging.post_call = _nothing
    ServiceLogging.service_success_hook = _nothing
    common_utils._contains_cache_control = _nothing
    litellm.disable_hf_tokenizer_download = True  # it would ask huggingface.co for the tokenizers of Llama and others
    litellm.modify_params = True  # adds the dummy tool Bedrock requires with past tool calls, and fills gaps
    importlib.import_module("openai._models").FinalRequestOptions.get_max_retries = _no_retries
    _keep_unknown_reasons(importlib.import_module("litellm.types.utils").StreamingChoices)
    logging.getLogger("openai").setLevel(logging.WARNING)  # OPENAI_LOG=debug would have it log requests
    return litellm


class _NoLogging:
    """Replaces the thread pool on which litellm calls its logging callbacks: we have none, and preparing for them costs
    half as much as the call."""

    def submit(self, *_: object) -> None:
        """Drop it."""


def _nothing(*_: object, **__: object) -> None:
    """Replaces three things litellm does for each call: looking up the answer's price, a quarter of a call's time
    (`price` does it on demand); opening an event loop to report the duration to nobody; and searching each message for
    Anthropic cache marks, which ours never have.
    """


def _no_retries(*_: object) -> int:
    """How often OpenAI's client asks again: for some of its providers litellm does not pass `max_retries` on."""
    return 0


def _keep_unknown_reasons(choice: Any) -> None:
    """litellm takes a reason that it does not know for a "stop", though the text may end anywhere."""
    create = choice.__init__

    def create_and_keep(self: Any, finish_reason: str | None = None, *args: Any, **fields: Any) -> None:
        create(self, finish_reason, *args, **fields)
        if self.finish_reason == "stop" and is_cut_off(finish_reason):
            self.finish_reason = finish_reason

    choice.__init__ = create_and_keep


def _complete(name: str, request: Request, options: Mapping[str, Any], seconds: float, extra: Mapping[str, Any]) -> Any:
    """The answer, or the pieces of a streamed one."""
    messages = _habits.messages(name, request.messages)
    options = {"tools": list(request.tools) if request.tools else None, "drop_params": True, **options}
    timeout = float(max(int(seconds), 1))
    if _is_plain(name):
        return _complete_plain(name, messages, options, timeout, **extra)
    answer = _litellm().completion(
        model=name, messages=messages, timeout=timeout, num_retries=0, max_retries=0, **options, **extra
    )
    if not hasattr(answer, "completion_stream"):
        return answer
    pieces = answer.completion_stream or answer.fetch_sync_stream()
    is_of_openai = isinstance(pieces, importlib.import_module("openai").Stream)
    return wire.events(pieces.response) if is_of_openai else iter(pieces)


def _complete_plain(
    name: str,
    messages: list[dict[str, Any]],
    options: Mapping[str, Any],
    timeout: float,
    api_key: str | None = None,
    api_base: str | None = None,
) -> Any:
    """`litellm.completion` for a server that speaks OpenAI's protocol: the same request, but sent and read here.
    litellm's handlers and OpenAI's client cost three times as much as the request itself."""
    litellm = _litellm()
    model, taken = _taken(name, json.dumps(options))
    form = litellm.ProviderConfigManager.get_provider_chat_config(model, litellm.LlmProviders.OPENAI)
    body = form.transform_request(model, messages, optional_params={**taken}, litellm_params={}, headers={})
    server = _server(
        api_key or litellm.OpenAIGPTConfig.get_api_key(),
        api_base or litellm.OpenAIGPTConfig.get_api_base(),
        litellm.get_secret_str("OPENAI_ORGANIZATION"),
    )
    response = server.ask(body | body.pop("extra_body", {}), timeout)
    return wire.events(response) if body.get("stream") else response.json()


@lru_cache(maxsize=100)
def _taken(name: str, options: str) -> tuple[str, Mapping[str, Any]]:
    """The model's name without its provider, and the `options` (JSON) that it supports, as it spells them."""
    litellm = _litellm()
    model, provider, *_ = litellm.get_llm_provider(model=name)
    taken = litellm.utils.get_optional_params(model=model, custom_llm_provider=provider, **json.loads(options))
    return model, {option: value for option, value in taken.items() if (option, value) != ("stream", False)}


@cache
def _server(api_key: str, api_base: str, organization: str | None) -> wire.ChatServer:
    """A server that speaks OpenAI's protocol, with the URL and headers that OpenAI's client would use."""
    http = _litellm().client_session
    client = importlib.import_module("openai").OpenAI(
        api_key=api_key, base_url=api_base, organization=organization, http_client=http
    )
    headers, told = httpx.Headers({**http.headers}), client.auth_headers | client.default_headers
    headers.update({name: value for name, value in told.items() if isinstance(value, str)})
    url = client.base_url.join("chat/completions")
    return wire.ChatServer(http._transport_for_url(url), url, headers)  # with the environment's proxies, and no cookies


@cache
def _is_plain(name: str) -> bool:
    """Whether the model is asked over OpenAI's chat completions, at OpenAI or on a server of your own. For some of
    OpenAI's models litellm uses the newer Responses API, the only one in which they take tools."""
    if not is_of_openai(name):
        return False
    litellm = _litellm()
    model = litellm.get_llm_provider(model=name)[0]
    base = litellm.OpenAIGPTConfig.get_api_base()
    asked = {"custom_llm_provider": "openai", "tools": _WARM_UP.tools, "api_base": base}
    return bool(litellm.main.responses_api_bridge_check(model=model, **asked)[0].get("mode") != "responses")


def _on_a_thread(call: Callable[[], Any]) -> futures.Future[Any]:
    """Run the call on a daemon thread, so that one that hangs does not keep the process alive. Threads are reused,
    since starting one costs a fifth of a call."""
    future: futures.Future[Any] = futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - it is passed to whoever waits
            future.set_exception(error)

    try:
        calls = _idle.pop()
    except IndexError:
        calls = SimpleQueue()
        threading.Thread(target=_carry_out, args=(calls,), name="model-call", daemon=True).start()
    calls.put(partial(contextvars.copy_context().run, run))
    return future


def _carry_out(calls: SimpleQueue[Callable[[], None]]) -> None:
    while True:
        calls.get()()
        _idle.append(calls)


@cache
def _provider(name: str) -> str | None:
    """The provider of the model `name`; None if litellm does not know."""
    litellm = _litellm()
    try:
        return str(litellm.get_llm_provider(model=name)[1])
    except litellm.exceptions.BadRequestError:
        return None


def _takes_tools(name: str, provider: str) -> bool:
    """Whether tools reach the model; `drop_params` would drop them silently."""
    model = name.partition("/")[2] or name
    taken = _litellm().get_supported_openai_params(model=model, custom_llm_provider=provider)
    return taken is None or "tools" in taken


def _is_set(variable: str) -> bool:
    return bool(_litellm().get_secret_str(variable))


def _credentials(provider: str) -> dict[str, Any]:
    """A private server at OPENAI_API_BASE often needs no key, but litellm refuses to call without one."""
    return {"api_key": _NO_KEY} if provider == "openai" and not _is_set("OPENAI_API_KEY") else {}


def _refused_call(name: str) -> None:
    """A call refused by a local port: it imports what a real call imports, without any traffic."""
    harmless = {"openai", "anthropic", *_litellm().openai_compatible_providers}
    if _provider(name) not in harmless:  # others may look for credentials on the network
        name = "anthropic/warm-up"  # with litellm's own client, as most of them
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # never listens
        address = {"api_base": f"http://127.0.0.1:{port.getsockname()[1]}/v1", "api_key": _NO_KEY}
        with suppress(Exception), within(WARM_UP_SECONDS):
            _complete(name, _WARM_UP, _WARM_UP.options, WARM_UP_SECONDS, address)
