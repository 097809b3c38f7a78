"""A language server, as an editor runs it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: The seconds that a server has to answer.
_TIMEOUT = 60


class LanguageServer:
    """A running language server, and a project that is open in it.

    Args:
        process: The server, which reads and writes messages.
        project: The folder of the project.
        settings: The settings of the editor by their names, such as ``yaml.schemas``.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], project: Path, settings: Mapping[str, Any]
    ) -> None:
        self._process = process
        self._project = project
        self._settings: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            section, _, key = name.partition(".")
            self._settings.setdefault(section, {})[key] = value
        self._answers: dict[int, queue.Queue[Any]] = {}
        self._found: dict[str, queue.Queue[list[dict[str, Any]]]] = {}
        threading.Thread(target=self._read, daemon=True).start()
        folder = {"uri": project.as_uri(), "name": project.name}
        self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": project.as_uri(),
                "workspaceFolders": [folder],
                "capabilities": {
                    "workspace": {"configuration": True, "workspaceFolders": True},
                    "textDocument": {
                        "publishDiagnostics": {},
                        "completion": {"completionItem": {"snippetSupport": False}},
                        "hover": {"contentFormat": ["markdown"]},
                    },
                },
                # The server for JSON may read files itself.
                "initializationOptions": {"handledSchemaProtocols": ["file"]},
            },
        )
        self._send("initialized", {})
        self._send("workspace/didChangeConfiguration", {"settings": self._settings})

    def diagnostics(self, name: str, text: str) -> list[str]:
        """Open a file with a text, and return what the editor underlines and says of it."""
        uri = (self._project / name).as_uri()
        found = self._found.setdefault(uri, queue.Queue())
        document = {"uri": uri, "languageId": name.rpartition(".")[2], "version": 1, "text": text}
        self._send("textDocument/didOpen", {"textDocument": document})
        lines = text.splitlines()
        return [
            f"{_underlined(lines, each['range'])}: {each['message']}"
            for each in found.get(timeout=_TIMEOUT)
        ]

    def completions(self, name: str, line: int, character: int) -> set[str]:
        """Return what the editor offers at a position of an open file."""
        found = self.request("textDocument/completion", self._place(name, line, character))
        return {item["label"] for item in found["items"]}

    def hover(self, name: str, line: int, character: int) -> str:
        """Return what the editor explains at a position of an open file."""
        found = self.request("textDocument/hover", self._place(name, line, character))
        return json.dumps(found and found["contents"])

    def _place(self, name: str, line: int, character: int) -> dict[str, Any]:
        return {
            "textDocument": {"uri": (self._project / name).as_uri()},
            "position": {"line": line, "character": character},
        }

    def request(self, method: str, parameters: object) -> Any:
        """Call the server, and return its answer."""
        number = len(self._answers)
        self._answers[number] = queue.Queue()
        self._write({"id": number, "method": method, "params": parameters})
        return self._answers[number].get(timeout=_TIMEOUT)

    def _send(self, method: str, parameters: object) -> None:
        self._write({"method": method, "params": parameters})

    def _write(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while header := stream.readline():
            size = int(header.partition(b":")[2])
            while stream.readline().strip():
                pass
            message = json.loads(stream.read(size))
            match message:
                case {"id": number, "method": "workspace/configuration", "params": parameters}:
                    asked = [item.get("section", "") for item in parameters["items"]]
                    answer = [self._settings.get(section) for section in asked]
                    self._write({"id": number, "result": answer})
                case {"id": number, "method": _}:
                    self._write({"id": number, "result": None})
                case {"id": number}:
                    self._answers[number].put(message.get("result"))
                case {"method": "textDocument/publishDiagnostics", "params": parameters}:
                    found = self._found.setdefault(parameters["uri"], queue.Queue())
                    found.put(parameters["diagnostics"])


@contextmanager
def language_server(
    command: list[str], project: Path, settings: Mapping[str, Any]
) -> Iterator[LanguageServer]:
    """Run a language server for a project."""
    with subprocess.Popen(
        command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield LanguageServer(process, project, settings)
        finally:
            process.kill()


def _underlined(lines: list[str], found: dict[str, dict[str, int]]) -> str:
    start, end = found["start"], found["end"]
    if start["line"] != end["line"]:
        return f"lines {start['line'] + 1} to {end['line'] + 1}"
    line: str = lines[start["line"]]
    return line[start["character"] : end["character"]]
