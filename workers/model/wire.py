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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from shopify.transport import within
from workers.model.response import as_completion, repaired
from workers.model.stream import END, LONGEST_END, as_stream

#: How long to wait for the end of the body after a stream's last piece, so that the connection can be reused (seconds).
END_SECONDS = 0.1


@dataclass
class Stream:
    """State of a requested stream."""

    has_ended: bool = False
    """Whether the bytes that end it arrived, or cannot be seen."""
    is_visible: bool = True


_stream: contextvars.ContextVar[Stream | None] = contextvars.ContextVar("stream", default=None)


@contextmanager
def streaming(wanted: bool) -> Iterator[Stream | None]:
    """Context in which an answer is requested, as a stream or whole."""
    before = _stream.set(Stream() if wanted else None)
    try:
        yield _stream.get()
    finally:
        _stream.reset(before)


class _ReadToTheEnd(httpx.SyncByteStream):
    """A response body that is read to its end on close, so that its connection can be reused.

    OpenAI's client closes a response after the last event, before the end of the body has arrived.
    """

    def __init__(self, body: httpx.SyncByteStream, stream: Stream) -> None:
        self._body, self._stream = body, stream
        self._parts = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def _read(self) -> Iterator[bytes]:
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
        self._body.close()


def repair(response: Any) -> None:
    """Repair an answer so that litellm can read it: an error sent with 200 gets an error status, a refusal that quotes
    what the model wrote becomes that answer, and a whole answer becomes a stream if one was asked for.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    stream = _stream.get()
    if stream is not None and response.status_code == 200 and kind not in ("application/json", "text/html"):
        response.stream = _ReadToTheEnd(response.stream, stream)
        stream.is_visible = response.headers.get("content-encoding", "identity") == "identity"
        stream.has_ended = not stream.is_visible
        return
    response.read()
    if response.status_code != 200:
        written = as_completion(response.content) if response.status_code == 400 else None
        if written is not None:
            response.status_code = 200
            _replace(response, repaired(written))
        return
    if stream is not None and response.content.lstrip().startswith((b"data:", b"event:")):
        stream.has_ended = END.search(response.content) is not None
        return
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):  # a page of a proxy, or nothing
        response.status_code = 502
        return
    error = body.get("error")
    if not body.get("choices") and (error or body.get("object") == "error"):
        code = str((error if isinstance(error, dict) else body).get("code"))
        response.status_code = int(code) if re.fullmatch("[45][0-9]{2}", code) else 502
    _replace(response, repaired(body))


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
        if response.status_code != 200:
            raise CallRefused(response)
        return response


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream in OpenAI's protocol, as JSON; OpenAI's client builds objects, which costs ten times as
    much."""
    rest = b""
    try:
        for part in itertools.chain(response.iter_bytes(), [b"\n"]):
            *lines, rest = (rest + part).split(b"\n")  # no other line separators: they may occur in texts
            for data in (line[5:].strip() for line in lines if line.startswith(b"data:")):
                if data == b"[DONE]":
                    return
                event = json.loads(data) if data else None
                if isinstance(event, dict):
                    if error := event.get("error"):
                        raise StreamFailed(error)
                    yield event
    except ValueError:  # half a line
        raise StreamCut from None
    finally:
        response.close()


class Unreachable(Exception):
    """No connection, or no readable answer over it; status 408: none in time."""

    def __init__(self, error: httpx.RequestError) -> None:
        self.status_code = 408 if isinstance(error, httpx.TimeoutException) else 500
        super().__init__(type(error).__name__)


class CallRefused(Exception):
    """An answer with a status other than 200."""

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
        code = self.body.get("code")
        self.status_code = code if isinstance(code, int) else 500
        super().__init__(str(self.body.get("message", error)))


class StreamCut(Exception):
    """A stream that broke off."""

    status_code = 502
