"""The example backend takes feedback over HTTP, and an exchange has it afterwards."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pages import ROOT, blocks, check_commands

from crucible_ir import v1
from crucible_ir.exchange import ExchangeClient

FOLDER = ROOT / "examples" / "feedback_backend"
README = (FOLDER / "README.md").read_text(encoding="utf-8")

#: The command of the page, with a port that the system chooses.
UVICORN = [*blocks(README, "sh")[0].splitlines()[-1].split()[:-1], "0"]


@dataclass(frozen=True)
class Backend:
    """The addresses of a backend and of its exchange."""

    url: str
    exchange: str

    def send(self, body: bytes | Mapping[str, object]) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(f"{self.url}/feedback", content=content, timeout=30)

    def stored(self) -> dict[str, v1.FeedbackEvent]:
        with ExchangeClient(self.exchange) as client:
            return {event.id: event for event in client.export()}


@contextmanager
def running(command: list[str], ready: str, **environment: str) -> Iterator[str]:
    """Run a server; yield the word after the words that it prints when it is ready."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith("CRUCIBLE")}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**variables, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines: queue.Queue[str] = queue.Queue()
        log = process.stdout
        assert log is not None
        threading.Thread(target=lambda: deque(map(lines.put, log), 0), daemon=True).start()
        try:
            while ready not in (line := lines.get(timeout=60)):
                pass
            yield line.partition(ready)[2].split()[0]
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Serve the backend as its page says, and an exchange."""
    store = tmp_path_factory.mktemp("exchange") / "exchange.db"
    serve = ["crucible_ir", "serve", "--listen", "127.0.0.1:0", "--store", str(store)]
    with (
        running(serve, "listening on ") as exchange,
        running(UVICORN, "running on ", CRUCIBLE_IR_SERVER=exchange) as url,
    ):
        yield Backend(url, exchange)


def test_the_commands_of_the_page_work(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", backend.exchange)
    page = README.replace("http://127.0.0.1:8000", backend.url)
    assert check_commands(page, tmp_path, {"curl", "crucible-ir"}) == 4
    event = backend.stored()["evt_1"]
    assert (event.deployment_id, event.feedback_value.string_value) == ("chat", "down")
    assert event.HasField("timestamp")
    assert "evt_2" not in backend.stored()


def test_an_event_is_stored_as_it_was_sent(backend: Backend) -> None:
    sent = {
        "id": "evt_whole",
        "feedback_type": "rating",
        "feedback_value": 4,
        "metadata": {"page": "/söarch", "tries": [1, 2.5]},
        "timestamp": "2026-01-02T03:04:05Z",
        "comment": "5 > 4\nfine",
    }
    answer = backend.send(sent)
    assert (answer.status_code, answer.json()) == (200, {"id": "evt_whole", "is_new": True})
    event = backend.stored()["evt_whole"]
    assert event.feedback_type == v1.FeedbackType.FEEDBACK_TYPE_RATING
    assert event.feedback_value.number_value == 4
    assert event.metadata["page"] == "/söarch"
    assert event.timestamp.ToJsonString() == sent["timestamp"]
    assert event.comment == sent["comment"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"{", 422, "1:2"),
        (b"[]", 422, "object"),
        (b'{"id": "a", "id": "b"}', 422, "duplicate"),
        (b'{"id": "a", "feedbak_type": "thumbs"}', 422, "did you mean"),
        (b"\xff\xfe", 422, "UTF-16"),
        (b'{"id": ""}', 422, "required"),
        (b'{"id": "a", "comment": "%s"}' % (b"x" * 70_000), 413, "bytes"),
        (b"[" * 60_000, 422, ""),
    ],
)
def test_a_bad_body_is_an_error_that_names_the_fix(
    backend: Backend, body: bytes, status: int, words: str
) -> None:
    answer = backend.send(body)
    assert answer.status_code == status, answer.text
    assert words in json.dumps(answer.json(), ensure_ascii=False)


def test_of_two_events_with_one_id_the_first_is_kept(backend: Backend) -> None:
    event = {"id": "evt_same", "feedback_value": "up", "timestamp": "2026-01-02T03:04:05Z"}
    assert backend.send(event).json()["is_new"] is True
    assert backend.send(event).json()["is_new"] is False
    backend.send({**event, "feedback_value": "down"})
    assert backend.stored()["evt_same"].feedback_value.string_value == "up"


def test_the_page_of_the_api_shows_an_event(backend: Backend) -> None:
    document = httpx.get(f"{backend.url}/openapi.json", timeout=30).json()
    content = document["paths"]["/feedback"]["post"]["requestBody"]["content"]
    assert backend.send(content["application/json"]["example"]).status_code == 200


def test_without_an_exchange_the_browser_is_asked_to_try_again() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nothing = f"127.0.0.1:{closed.getsockname()[1]}"
        with running(UVICORN, "running on ", CRUCIBLE_IR_SERVER=nothing) as url:
            answer = Backend(url, nothing).send({"id": "a"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json() == {"detail": "not stored: try again"}
