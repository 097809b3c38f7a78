"""A real MLflow server on the loopback address, with a database in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from exchange.ports import kept_port

#: How long the server may take until it answers: it imports much and creates its tables.
PATIENCE = 120.0


class MlflowServer:
    """A running server; `stop` ends it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{kept_port()}"
        self._log = folder / "log"
        self._read = 0
        self._process = _start(folder, self.url, self._log)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def client(self) -> Any:
        """Return an `MlflowClient` of the server."""
        from mlflow import MlflowClient

        return MlflowClient(self.url, self.url)

    def stop(self) -> None:
        """End the server and the processes that it started."""
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        except ProcessLookupError:
            self._process.wait()

    def new_log(self) -> str:
        """Return what the server has logged since the last call."""
        text = self._log.read_text(errors="replace")
        new = text[self._read :]
        self._read = len(text)
        return new

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self._answers():
            ended = self._process.poll()
            assert ended is None, f"mlflow server ended with {ended}:\n{self.new_log()}"
            assert time.monotonic() < until, f"mlflow server does not answer:\n{self.new_log()}"
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _start(folder: Path, url: str, log: Path) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if "MLFLOW" not in name}
    environment = {
        **inherited,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Evaluation jobs need packages that no test uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    arguments = {
        "--host": "127.0.0.1",
        "--port": url.rpartition(":")[2],
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination": str(folder / "artifacts"),
    }
    with open(log, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *sum(arguments.items(), ())],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            # The server starts others; they are ended with it.
            start_new_session=True,
        )
