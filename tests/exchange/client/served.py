"""A server in a process of its own, and a connection to it that can be cut."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from exchange.ports import kept_port


class Served:
    """An exchange on a fixed local port, which can be killed and restarted."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.port = kept_port()
        self.process: subprocess.Popen[str] | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server on its port."""
        listen = f"127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "crucible_ir", "serve", "--listen", listen, *self.options]
        with open(self.folder / "server.log", "a") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on "), (self.folder / "server.log").read_text()

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the server with SIGTERM, and wait for it."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)
            self.process.communicate(timeout=60)
            self.process = None


class Wire:
    """A proxy to a server that can break connections, refuse them and drop answers."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", kept_port()))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.connections = 0
        self.swallow_answers = False
        self.silent = False
        self._frozen: set[socket.socket] = set()
        self._closed = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                try:
                    if self._closed:
                        raise OSError
                    far = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    near.close()
                    continue
                self.connections += 1
                self._sockets += [near, far]
                for ends in ((near, far, False), (far, near, True)):
                    pump = threading.Thread(target=self._pump, args=ends, daemon=True)
                    self._threads.append(pump)
                    pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source in self._frozen or (answers and (self.silent or self.swallow_answers)):
                    continue
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """Stop forwarding on the open connections without closing them; new ones work."""
        with self._lock:
            self._frozen |= set(self._sockets)

    def cut(self) -> None:
        """Break every connection; new ones work."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
            pumps, self._threads[1:] = self._threads[1:], []
        for end in sockets:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for pump in pumps:
            pump.join()
        for end in sockets:
            end.close()

    def close(self) -> None:
        """Break every connection and accept no more."""
        with self._lock:
            self._closed = True
        with suppress(OSError):
            # Closing alone does not wake the thread that waits for a connection.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.cut()
