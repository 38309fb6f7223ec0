"""yaml-language-server, which most editors have behind YAML, and the editor's side of the talk with it.

    with LanguageServer(installed()) as server:
        document = server.open(folder, text)
        assert document.marks == []
        assert "prefetch" in document.completions(line, column)

What it is stands in tests/editor/package-lock.json.
"""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests import npm

FOLDER = Path(__file__).with_name("editor")
LOCK = FOLDER / "package-lock.json"
ANSWER_SECONDS = 20.0
#: Without these the server would ask the internet for a catalogue of schemas.
SETTINGS = {"yaml": {"schemaStore": {"enable": False}, "kubernetesCRDStore": {"enable": False}}}


def installed() -> Path:
    """The server's script."""
    return npm.installed(FOLDER) / "yaml-language-server" / "bin" / "yaml-language-server"


@dataclass(frozen=True)
class Mark:
    """A place that the editor underlines."""

    line: int
    message: str


class LanguageServer:
    """One server process and what an editor says to it, in JSON-RPC over its standard input and output."""

    def __init__(self, script: Path) -> None:
        self._command = ["node", str(script), "--stdio"]
        self._numbers = self._documents = 0
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self._request("initialize", {"capabilities": {"workspace": {"configuration": True}}, "rootUri": None})
        self._notify("initialized", {})
        self._wait("its settings", lambda said: said.get("method") == "workspace/configuration")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._request("shutdown", None)
                self._notify("exit", None)
                assert self._process.wait(ANSWER_SECONDS) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()

    def open(self, folder: Path, text: str) -> "Document":
        """Open a text as if it were a new file in a folder; returns when its marks are there."""
        self._documents += 1
        uri = (folder / f"unsaved_{self._documents}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})
        said = self._wait(
            "the marks of a text",
            lambda said: said.get("method") == "textDocument/publishDiagnostics" and said["params"]["uri"] == uri,
        )
        found = said["params"]["diagnostics"]
        marks = sorted((each["range"]["start"]["line"] + 1, str(each["message"])) for each in found)
        return Document(self, uri, [Mark(*mark) for mark in marks])

    def ask(self, method: str, uri: str, line: int, column: int) -> Any:
        """What the server says about a place in an open text."""
        position = {"line": line - 1, "character": column - 1}
        return self._request(f"textDocument/{method}", {"textDocument": {"uri": uri}, "position": position})

    def _request(self, method: str, params: Any) -> Any:
        self._numbers += 1
        number = self._numbers
        self._send({"id": number, "method": method, "params": params})
        answer = self._wait(method, lambda said: said.get("id") == number and "method" not in said)
        assert "error" not in answer, answer
        return answer["result"]

    def _notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._input.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._input.flush()

    def _wait(self, what: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted; what the server asks meanwhile is answered."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                said = self._said.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                raise AssertionError(f"waited {ANSWER_SECONDS:g} s in vain for {what}") from None
            if said is None:
                raise AssertionError(f"the server ended while it was asked for {what}")
            if "method" in said and "id" in said:
                items = (said.get("params") or {}).get("items", [])
                self._send({"id": said["id"], "result": [SETTINGS.get(item["section"]) for item in items] or None})
            if wanted(said):
                return said

    def _read(self, stream: IO[bytes]) -> None:
        length = 0
        while line := stream.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif not line.strip():
                self._said.put(json.loads(stream.read(length)))
        self._said.put(None)


@dataclass(frozen=True)
class Document:
    """A text that is open in the editor. Lines and columns count from 1, as in an editor."""

    server: LanguageServer
    uri: str
    marks: list[Mark]

    def completions(self, line: int, column: int) -> dict[str, str | None]:
        """What is offered at a place, with the words beside it."""
        items = self.server.ask("completion", self.uri, line, column)["items"]
        return {item["label"]: item.get("documentation") for item in items}

    def hover(self, line: int, column: int) -> str:
        """What is shown while the pointer rests on a place."""
        return str(self.server.ask("hover", self.uri, line, column)["contents"]["value"])
