"""The language model. The only place that imports litellm, and it does so on first use, not with this module.

litellm 1.105 needs guarding; each point is held by a test:

- Its retries multiply each other, so there are none but ours: the next model, or once more the only one.
- Its timeout counts for each read of a socket: an answer that drips in takes for ever. So every call runs on a
  thread of its own that is given up when the time is over.
- It keeps one pool of connections for each different timeout, and threads that start together make one each. So
  timeouts are whole seconds, and everything that speaks OpenAI's protocol shares one pool, which follows no redirect:
  what is asked goes to the configured address only.
- Exception classes vary by provider, status codes do not (`workers/model_errors.py`).
- It logs and prints requests, prompt and all, so its loggers are off.
"""

from __future__ import annotations

import contextvars
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from workers import demo_model
from workers.answer import Answer, ToolCall, assistant_message, read_answer
from workers.breaker import Breaker
from workers.model_errors import Failure, ModelError, ModelRefused, ModelUnavailable, empty, judge, out_of_time

__all__ = [
    "DEMO",
    "Answer",
    "Model",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "ToolCall",
    "assistant_message",
]

#: The model that answers when none is configured: offline, without a key, from the tool results alone.
DEMO = "cj-demo/demo"
#: Longest single try while another model is left, and when none is (seconds).
TRY_SECONDS = 20.0
LAST_TRY_SECONDS = 30.0
#: Less time than this is not worth another try (seconds).
LEAST_SECONDS = 1.0
#: An only model is asked again after this pause, or after its own Retry-After of up to `LONGEST_PAUSE` (seconds).
PAUSE = 0.5
LONGEST_PAUSE = 5.0

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked, whoever is asked. `options` are litellm's (temperature, max_tokens)."""

    messages: Messages
    tools: Tools | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Model:
    """Asks the models of `names` in order; without names, the demo model. Safe to use from many threads."""

    def __init__(
        self,
        names: Sequence[str] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.names = tuple(names) or (DEMO,)
        self._clock = clock
        self._sleep = sleep
        self._breaker = Breaker(clock)

    @property
    def is_demo(self) -> bool:
        """Whether the demo model answers, unless a workflow names another one."""
        return self.names[0] == DEMO

    def ask(
        self,
        messages: Messages,
        tools: Tools | None,
        *,
        timeout: float,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        names: Sequence[str] | None = None,
    ) -> Answer:
        """The answer of the first model that gives one, within `timeout` seconds for all tries together.

        `names` replaces the configured models for this call. Raises ModelRefused for a request that no repetition
        makes right, ModelUnavailable for everything else.
        """
        options = {"temperature": temperature, "max_tokens": max_output_tokens}
        request = Request(messages, tools or None, {k: v for k, v in options.items() if v is not None})
        wanted = tuple(names or self.names)
        deadline = self._clock() + timeout
        failures: list[Failure] = []
        candidates = self._breaker.usable(wanted)
        for place, name in enumerate(candidates):
            left = deadline - self._clock()
            if left < LEAST_SECONDS and (failures or left <= 0):
                break
            outcome = self._try(name, request, min(left, _longest(place, candidates)))
            if isinstance(outcome, Failure) and len(candidates) == 1:
                outcome = self._try_again(outcome, request, deadline)
            if isinstance(outcome, Answer):
                self._breaker.answered(name)
                return outcome
            failures.append(outcome)
            if outcome.status:  # an empty answer says nothing about the next one
                self._breaker.failed(name, outcome.retry_after)
        raise self._unavailable(wanted, failures, time_is_up=bool(candidates))

    def warm_up(self) -> None:
        """Import litellm and run its call path once, so that the first real answer is not a second late.

        Call it in the process that will ask, before it takes work; nothing leaves the machine. Not before a fork:
        the child would inherit litellm's thread pool without its threads.
        """
        with _growing_heap():
            _call(DEMO, _WARM_UP, LAST_TRY_SECONDS)
            for name in self.names:
                if name != DEMO:
                    _refused_call(name)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the configured names, as far as that can be known without a call."""
        return tuple(problem for name in self.names for problem in _problems(name))

    def _try(self, name: str, request: Request, seconds: float) -> Answer | Failure:
        started = self._clock()
        outcome = _call(name, request, seconds)
        if isinstance(outcome, ModelRefused):
            log.error("the model refused the request", extra={"model": name, "reason": str(outcome)})
            raise outcome
        if isinstance(outcome, Failure):
            facts = {"model": name, "status": outcome.status, "reason": outcome.reason}
            milliseconds = round((self._clock() - started) * 1000)
            log.warning("the model did not answer", extra=facts | {"milliseconds": milliseconds})
        return outcome

    def _try_again(self, failure: Failure, request: Request, deadline: float) -> Answer | Failure:
        """The second and last try of an only model, if time and the provider's own wait allow it."""
        pause = PAUSE if failure.retry_after is None else failure.retry_after
        left = deadline - self._clock() - pause
        if not failure.passing or pause > LONGEST_PAUSE or left < LEAST_SECONDS:
            return failure
        self._sleep(pause)
        return self._try(failure.name, request, min(left, LAST_TRY_SECONDS))

    def _unavailable(self, wanted: Sequence[str], failures: Sequence[Failure], *, time_is_up: bool) -> ModelUnavailable:
        wait = self._breaker.wait(wanted)
        not_asked = "no time was left to ask" if time_is_up else "failed before, not asked this time"
        told = "; ".join(map(str, failures)) or f"{', '.join(wanted)}: {not_asked}"
        hint = "" if wait is None else f". Next try in {wait:.0f} s"
        return ModelUnavailable(f"No language model answered. {told}{hint}", wait)


def _longest(place: int, candidates: Sequence[str]) -> float:
    return LAST_TRY_SECONDS if place == len(candidates) - 1 else TRY_SECONDS


# --- the border of litellm ------------------------------------------------------------------------------------

_DEMO_PROVIDER = DEMO.partition("/")[0]
_NO_KEY = "none"
_WARM_UP = Request(
    [{"role": "user", "content": "warm-up"}],
    [{"type": "function", "function": {"name": "warm_up", "parameters": {"type": "object"}}}],
    {"max_tokens": 1},
)
_import_lock = threading.Lock()


@contextmanager
def _growing_heap() -> Iterator[None]:
    """For imports. litellm makes 330,000 objects that stay: the garbage collector would go through them time and
    again (a third of the import), and once more later, for half a second, in the middle of somebody's answer.
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
    # Read by litellm when it is imported. Without them it fetches its price list from GitHub, from a thread that
    # goes on retrying, and loads any .env file it finds into the environment of this process.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).disabled = True
    import httpx
    import litellm
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    limits = httpx.Limits(max_connections=100, keepalive_expiry=30.0)  # a turn's tool calls lie between two requests
    litellm.client_session = httpx.Client(verify=get_ssl_configuration(), limits=limits, follow_redirects=False)
    litellm.suppress_debug_info = True  # else it prints advice to standard output
    litellm.telemetry = False
    litellm.turn_off_message_logging = True
    litellm.modify_params = True  # Bedrock wants tools with a history of tool calls: it adds a dummy, and mends gaps
    litellm.custom_provider_map = [{"provider": _DEMO_PROVIDER, "custom_handler": _demo_handler(litellm)}]
    litellm.utils.custom_llm_setup()
    logging.getLogger("openai").setLevel(logging.WARNING)  # OPENAI_LOG=debug would have it log requests
    return litellm


def _demo_handler(litellm: Any) -> Any:
    def completion(_handler: object, **call: Any) -> Any:
        try:
            script = demo_model.reply_to(call["messages"], bool(call["optional_params"].get("tools")))
        except Exception:
            log.exception("the demo model has a defect")  # litellm would call it a broken connection
            raise
        return litellm.ModelResponse(model=call["model"], choices=[{"message": demo_model.wire_message(script)}])

    return type("DemoModel", (litellm.CustomLLM,), {"completion": completion})()


def _call(name: str, request: Request, seconds: float) -> Answer | Failure | ModelRefused:
    """One try, over after `seconds` whatever the provider does. Never raises."""
    provider = _provider(name)
    if provider is None:
        return Failure(name, 404, "litellm knows no such provider; check the model's name")
    credentials = _credentials(provider)
    waited = _on_a_thread(lambda: _complete(name, request, seconds, credentials))
    if not futures.wait([waited], seconds).done:
        return out_of_time(name)
    error = waited.exception()
    if isinstance(error, Exception):
        return judge(name, error)
    return read_answer(waited.result(), name, request.messages) or empty(name)


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
        except Exception as error:  # noqa: BLE001 - it goes to whoever waits
            future.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="model-call", daemon=True).start()
    return future


@cache
def _provider(name: str) -> str | None:
    """Who serves the model `name`; None if litellm cannot tell."""
    litellm = _litellm()
    try:
        return str(litellm.get_llm_provider(model=name)[1])
    except litellm.exceptions.BadRequestError:
        return None


def _problems(name: str) -> Iterator[str]:
    provider = _provider(name)
    if provider is None:
        yield (
            f"model {name!r}: no such provider; names look like openai/gpt-5.1 or anthropic/claude-sonnet-4-5, "
            "see https://docs.litellm.ai/docs/providers"
        )
    if provider == "openai" and not any(map(_is_set, ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL"))):
        yield f"model {name!r}: set OPENAI_API_KEY, or OPENAI_API_BASE for a server of your own"


def _is_set(variable: str) -> bool:
    return bool(_litellm().get_secret_str(variable))


def _credentials(provider: str) -> dict[str, Any]:
    """A server of one's own behind OPENAI_API_BASE often has no key, but litellm does not call without one."""
    return {"api_key": _NO_KEY} if provider == "openai" and not _is_set("OPENAI_API_KEY") else {}


def _refused_call(name: str) -> None:
    """A call that a port of this machine refuses: all the imports and none of the traffic of a real one."""
    harmless = {"openai", "anthropic", *_litellm().openai_compatible_providers}
    if _provider(name) not in harmless:  # others may look for credentials on the network
        name = "openai/warm-up"
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))  # never listens
        address = {"api_base": f"http://127.0.0.1:{port.getsockname()[1]}/v1", "api_key": _NO_KEY}
        waited = _on_a_thread(lambda: _complete(name, _WARM_UP, LAST_TRY_SECONDS, address))
        futures.wait([waited], LAST_TRY_SECONDS)
