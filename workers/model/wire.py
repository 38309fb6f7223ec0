"""Repairs providers' HTTP answers so that litellm can read them.

Whole answers are repaired, and one that came whole although a stream was asked for becomes a stream. For streams it
notes whether the end arrived, since litellm takes one that broke off for a complete one. All of litellm's HTTP clients
call it.
"""

from __future__ import annotations

import contextvars
import itertools
import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from shopify.transport import within
from workers.model.errors import status_of
from workers.model.response import as_completion, repaired
from workers.model.stream import DONE, END, LONGEST_END, Assembly, as_stream

#: How long to wait for the end of the body after a stream's last piece, so that the connection can be reused (seconds).
END_SECONDS = 0.1
#: How a stream begins: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
_BEGINS = (b"data:", b"event:", b":")
_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = re.compile(rb"\r?\n|\r(?!\Z)")
"""Other line separators may occur in texts; a last `\\r` may be half a line end."""


@dataclass
class Stream:
    """State of a requested stream."""

    has_ended: bool = False
    """Whether the bytes that end it arrived, or cannot be seen."""
    is_visible: bool = True
    body: _ReadToTheEnd | None = None
    """What is read."""


_stream: contextvars.ContextVar[Stream | None] = contextvars.ContextVar("stream", default=None)


@contextmanager
def streaming(wanted: bool) -> Iterator[Stream | None]:
    """Context in which an answer is requested, as a stream or whole.

    A stream that was not read to its end is closed with it. Otherwise the garbage collector would, perhaps while the
    same thread opens a connection and holds the lock of httpcore's pool, which closing needs too: nothing would ever
    be asked again.
    """
    stream = Stream() if wanted else None
    before = _stream.set(stream)
    try:
        yield stream
    finally:
        _stream.reset(before)
        if stream is not None and stream.body is not None:
            stream.body.close()


class _ReadToTheEnd(httpx.SyncByteStream):
    """A response body that is read to its end on close, so that its connection can be reused.

    OpenAI's client closes a response after the last event, before the end of the body has arrived.
    """

    def __init__(self, body: httpx.SyncByteStream, stream: Stream) -> None:
        self._body, self._stream = body, stream
        self._parts = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def _read(self) -> Generator[bytes]:
        last = b""
        for part in self._body:
            if not self._stream.has_ended:
                last = last[-LONGEST_END:] + part
                self._stream.has_ended = END.search(last) is not None
            yield part

    def close(self) -> None:
        with suppress(Exception), within(END_SECONDS):
            for _ in self._parts:
                pass
        self._parts.close()
        self._body.close()


def repair(response: Any) -> None:
    """Repair an answer so that litellm can read it: an error sent with 200 gets an error status, a refusal that quotes
    what the model wrote becomes that answer, and what came whole or as a stream becomes what was asked for.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    stream = _stream.get()
    if stream is not None and response.is_success and kind not in ("application/json", "text/html"):
        response.stream = stream.body = _ReadToTheEnd(response.stream, stream)
        stream.is_visible = response.headers.get("content-encoding", "identity") == "identity"
        stream.has_ended = not stream.is_visible
        return
    response.read()
    if not response.is_success:
        written = as_completion(response.content) if response.status_code == 400 else None
        if written is not None:
            response.status_code = 200
            _replace(response, repaired(written))
        return
    is_stream = response.content.removeprefix(_BOM).lstrip().startswith(_BEGINS)
    if stream is not None and is_stream:
        stream.has_ended = END.search(response.content) is not None
        return
    try:
        body = _whole(response.content) if is_stream else json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):  # a page of a proxy, or nothing
        response.status_code = 502
        return
    if not body.get("choices") and (error := _error_in(body)):
        response.status_code = status_of(error)
    _replace(response, repaired(body))


def _error_in(body: dict[str, Any]) -> Any:
    """The error that came with 200, or None: OpenAI's form, vLLM's older one, Cloudflare's, or MiniMax's."""
    own = body.get("base_resp")
    has_failed = isinstance(own, dict) and own.get("status_code")
    if body.get("object") == "error" or body.get("success") is False:
        return body.get("error") or body
    return body.get("error") or (own if has_failed else None)


def _whole(content: bytes) -> dict[str, Any] | None:
    """A stream that came although none was asked for, as a whole answer; None if it broke off. Raises StreamFailed and
    StreamCut."""
    assembly = Assembly()
    for event in _events([content]):
        assembly.add(event)
    return assembly.completion()


def _replace(response: Any, body: dict[str, Any]) -> None:
    stream = _stream.get()
    if stream is not None and body.get("choices"):
        stream.has_ended = True
        content = as_stream(body)
    else:
        content = json.dumps(body).encode()
    response._content = content  # httpx has no public way to replace the content


@dataclass(frozen=True)
class ChatServer:
    """Where chat completions are asked for."""

    transport: httpx.BaseTransport
    url: httpx.URL
    headers: httpx.Headers

    def ask(self, body: Any, timeout: float) -> httpx.Response:
        """The response, repaired; a stream is still to be read. Raises CallRefused and Unreachable."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        limits = {"timeout": httpx.Timeout(timeout).as_dict()}
        request = httpx.Request("POST", self.url, headers=self.headers, content=content, extensions=limits)
        try:
            response = self.transport.handle_request(request)
            response.request = request
            try:
                repair(response)
            except BaseException:
                response.close()
                raise
        except httpx.RequestError as error:
            raise Unreachable(error) from error
        if not response.is_success:
            raise CallRefused(response)
        return response


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream in OpenAI's protocol, as JSON; OpenAI's client builds objects, which costs ten times as
    much. Raises StreamFailed and StreamCut."""
    try:
        yield from _events(response.iter_bytes())
    finally:
        response.close()


def _events(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    rest = data = b""
    for part in itertools.chain(parts, [b"\n\n"]):
        text = rest + part
        # For every piece of every answer: without the pattern, and without looking for the encoding, it is far faster.
        *lines, rest = _LINE_ENDS.split(text) if b"\r" in text else text.split(b"\n")
        for line in lines:
            if line.removeprefix(_BOM).startswith(b"data:"):
                data += line.partition(b":")[2].strip()
            if data == b"[DONE]":
                yield DONE
                return
            try:
                event = json.loads(data.decode("utf-8", "surrogatepass")) if data else None
            except ValueError:
                if line:  # the event may go on in the next line
                    continue
                raise StreamCut from None
            data = b""
            if isinstance(event, dict):
                if error := event.get("error") or _error_in(event):
                    raise StreamFailed(error)
                yield event


class Unreachable(Exception):
    """No connection, or no readable answer over it; status 408: none in time."""

    def __init__(self, error: httpx.RequestError) -> None:
        self.status_code = 408 if isinstance(error, httpx.TimeoutException) else 500
        super().__init__(type(error).__name__)


class CallRefused(Exception):
    """An answer whose status is an error, or was made one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response, self.status_code = response, response.status_code
        try:
            told = response.json()
        except (ValueError, RecursionError):
            told = response.text
        error = told.get("error") if isinstance(told, dict) else None
        self.body = error if isinstance(error, dict) else told
        super().__init__(str(told))


class StreamFailed(Exception):
    """An error that a provider sends in the middle of a stream."""

    def __init__(self, error: Any) -> None:
        self.body = error if isinstance(error, dict) else {}
        self.status_code = status_of(error)
        super().__init__(str(self.body.get("message", error)))


class StreamCut(Exception):
    """A stream that broke off."""

    status_code = 502
