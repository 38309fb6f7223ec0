"""One call of a language model. The only module that imports litellm, and only on first use.

litellm 1.105 has pitfalls; a test covers each of these workarounds:

- Its retries multiply each other, so it has none; who is asked again is decided in `workers.model.client`.
- Its timeout counts for each read of a socket: an answer that drips in takes for ever. So every call runs on a
  thread of its own that is given up when the time is over, and every socket it opens keeps the call's deadline: giving
  up closes the connection, whichever provider and client it belongs to.
- It keeps one pool of connections for each different timeout, and threads that start together make one each. So
  timeouts are whole seconds, and everything that speaks OpenAI's protocol shares one pool, which follows no redirect:
  what is asked goes to the configured address only.
- Exception classes vary by provider, status codes do not (`workers/model/errors.py`).
- It logs and prints requests including prompts, so its loggers are off.
"""

from __future__ import annotations

import contextvars
import gc
import importlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import SecretStr

from shopify.transport import DeadlineBackend, within
from workers import logs, settings
from workers.model import demo
from workers.model.errors import FailedCall, ModelRefused, classify, empty, out_of_time
from workers.model.response import Answer, read_answer

#: Offline, without a key, answering from tool results alone. It has to be asked for by this name or the short one.
DEMO = "cj-demo/demo"
DEMO_SHORT = "demo"
#: Longest wait for a warm-up call (seconds).
WARM_UP_SECONDS = 30.0

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A request to any model. `options` are litellm's (temperature, max_tokens)."""

    messages: Messages
    tools: Tools | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


_DEMO_PROVIDER = DEMO.partition("/")[0]
_NO_KEY = "none"
_WARM_UP = Request(
    [{"role": "user", "content": "warm-up"}],
    [{"type": "function", "function": {"name": "warm_up", "parameters": {"type": "object"}}}],
    {"max_tokens": 1},
)
_import_lock = threading.Lock()


def call(name: str, request: Request, seconds: float) -> Answer | FailedCall | ModelRefused:
    """One attempt, ended after `seconds` whatever the provider does. Never raises."""
    provider = _provider(name)
    if provider is None:
        return FailedCall(name, 404, "unknown provider in litellm; check the model's name")
    credentials = _credentials(provider)

    def complete() -> Any:
        with within(seconds):
            return _complete(name, request, seconds, credentials)

    waited = _on_a_thread(complete)
    if not futures.wait([waited], seconds).done:
        return out_of_time(name)
    error = waited.exception()
    if isinstance(error, Exception):
        return classify(name, error)
    return read_answer(waited.result(), name, request.messages) or empty(name)


def use_secrets(secrets: Mapping[str, SecretStr]) -> None:
    """Give litellm providers' keys that do not stand in the environment, the only place where it looks for them."""
    for name, secret in secrets.items():
        os.environ[name] = secret.get_secret_value()


def load() -> None:
    """Import litellm and what most of its calls need, and nothing more, so a process may fork afterwards."""
    with _growing_heap():
        _litellm()
        for late in ("openai.resources", "litellm.litellm_core_utils.default_encoding"):
            importlib.import_module(late)


def warm_up(names: Sequence[str]) -> None:
    """Import litellm and run the call paths of the models `names` once; nothing leaves the machine."""
    with _growing_heap():
        call(DEMO, _WARM_UP, WARM_UP_SECONDS)
        for name in names:
            if name != DEMO:
                _refused_call(name)


def problems(name: str) -> Iterator[str]:
    """What is wrong with a model's name, as far as can be known without a call."""
    provider = _provider(name)
    if provider is None:
        yield (
            f"model {name!r}: unknown provider; names look like openai/gpt-5.1 or anthropic/claude-sonnet-4-5, "
            "see https://docs.litellm.ai/docs/providers"
        )
    if provider == "openai" and not any(map(_is_set, ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"))):
        yield f"model {name!r}: set OPENAI_API_KEY, or OPENAI_API_BASE for your own server"


def price(name: str, input_tokens: int, output_tokens: int) -> float | None:
    """What so many tokens of a model cost, in US dollars, by the list that came with litellm; None if it has no price.

    An estimate: the list knows nothing of discounts, cached prompts, or a server of one's own behind a known name.
    """
    try:
        costs = _litellm().cost_per_token(model=name, prompt_tokens=input_tokens, completion_tokens=output_tokens)
        return float(sum(costs))
    except Exception:  # noqa: BLE001 - each provider's arithmetic fails in its own way
        return None


def unusable() -> str | None:
    """Why no model at all can be asked from this process, or None."""
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
    them repeatedly (a third of the import time), and once more later for half a second, in the middle of an answer.
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
    import httpx
    import litellm
    from httpcore._sync import connection_pool
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    # What httpcore opens sockets with unless it is told otherwise; litellm makes clients of its own and tells nothing.
    connection_pool.SyncBackend = DeadlineBackend  # type: ignore[attr-defined, assignment]
    limits = httpx.Limits(max_connections=100, keepalive_expiry=30.0)  # a turn's tool calls lie between two requests
    litellm.client_session = httpx.Client(verify=get_ssl_configuration(), limits=limits, follow_redirects=False)
    litellm.suppress_debug_info = True  # otherwise it prints advice to standard output
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    litellm.utils.executor = _NoLogging()
    litellm.modify_params = True  # adds the dummy tool Bedrock requires with past tool calls, and fills gaps
    litellm.custom_provider_map = [{"provider": _DEMO_PROVIDER, "custom_handler": _demo_handler(litellm)}]
    litellm.utils.custom_llm_setup()
    logging.getLogger("openai").setLevel(logging.WARNING)  # OPENAI_LOG=debug would have it log requests
    return litellm


class _NoLogging:
    """Instead of the threads on which litellm tells its callbacks of each answer: there are none to tell, and what it
    prepares for them costs half as much as the call."""

    def submit(self, *_: object) -> None:
        """Drop it."""


def _demo_handler(litellm: Any) -> Any:
    def completion(_handler: object, **call: Any) -> Any:
        try:
            script = demo.reply_to(call["messages"], bool(call["optional_params"].get("tools")))
        except Exception:
            log.exception("bug in the demo model")  # litellm would report a broken connection
            raise
        return litellm.ModelResponse(model=call["model"], choices=[{"message": demo.wire_message(script)}])

    return type("DemoModel", (litellm.CustomLLM,), {"completion": completion})()


def _complete(name: str, request: Request, seconds: float, extra: Mapping[str, Any]) -> Any:
    return _litellm().completion(
        model=name,
        messages=list(request.messages),
        tools=list(request.tools) if request.tools else None,
        timeout=float(max(int(seconds), 1)),
        num_retries=0,
        max_retries=0,
        drop_params=True,
        **request.options,
        **extra,
    )


def _on_a_thread(call: Callable[[], Any]) -> futures.Future[Any]:
    future: futures.Future[Any] = futures.Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - it is passed to whoever waits
            future.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="model-call", daemon=True).start()
    return future


@cache
def _provider(name: str) -> str | None:
    """The provider of the model `name`; None if litellm does not know."""
    litellm = _litellm()
    try:
        return str(litellm.get_llm_provider(model=name)[1])
    except litellm.exceptions.BadRequestError:
        return None


def _is_set(variable: str) -> bool:
    return bool(_litellm().get_secret_str(variable))


def _credentials(provider: str) -> dict[str, Any]:
    """A private server at OPENAI_API_BASE often needs no key, but litellm refuses to call without one."""
    return {"api_key": _NO_KEY} if provider == "openai" and not _is_set("OPENAI_API_KEY") else {}


def _refused_call(name: str) -> None:
    """A call refused by a local port: all the imports of a real call and none of its traffic."""
    harmless = {"openai", "anthropic", *_litellm().openai_compatible_providers}
    if _provider(name) not in harmless:  # others may look for credentials on the network
        name = "openai/warm-up"
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # never listens
        address = {"api_base": f"http://127.0.0.1:{port.getsockname()[1]}/v1", "api_key": _NO_KEY}
        waited = _on_a_thread(lambda: _complete(name, _WARM_UP, WARM_UP_SECONDS, address))
        futures.wait([waited], WARM_UP_SECONDS)
