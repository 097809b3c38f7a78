"""The process of an executor, with timeouts for its responses and its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from google.protobuf.message import DecodeError

from crucible_ir.conformance import v1
from crucible_ir.conformance.frames import FrameBuffer, FrameError, frame
from crucible_ir.errors import Error

#: The number of bytes to read or write at once.
_CHUNK: Final = 1 << 16
#: The number of bytes to keep from the end of an executor's standard error.
_KEPT_ERROR_BYTES: Final = 4096
#: The number of unexpected bytes to show.
_SHOWN_BYTES: Final = 40
#: The seconds that an executor has to exit after it has closed its output.
_EXIT_SECONDS: Final = 2.0


class ExecutorError(Error):
    """An executor violated the protocol and has been killed.

    Attributes:
        reason: A description of the violation.
        stderr: The end of its standard error.
    """

    def __init__(self, reason: str, stderr: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.stderr = stderr


class StartError(Error):
    """The command of an executor could not be started."""


class Executor:
    """An executor that runs as a process; a context manager that kills it on exit.

    It has its own process group, so killing it also kills the processes that it started.

    Args:
        command: The program and its arguments.
        timeout: The seconds that it has for each response.

    Raises:
        StartError: The program does not exist or is not executable.
    """

    def __init__(self, command: Sequence[str], *, timeout: float) -> None:
        self.timeout = timeout
        self._received = FrameBuffer()
        self._outgoing = b""
        self._errors = bytearray()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartError(f"cannot start {command[0]!r}: {reason.lower()}") from None
        self._selector = selectors.DefaultSelector()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(_pipe(stream).fileno(), False)
        for stream in (self._process.stdout, self._process.stderr):
            self._selector.register(_pipe(stream), selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def stderr(self) -> str:
        """The end of its standard error."""
        return self._errors.decode("utf-8", errors="replace").strip()

    def ask(self, request: v1.Request, *, timeout: float | None = None) -> v1.Response:
        """Send a request and return the response.

        Args:
            request: The request.
            timeout: The seconds that it has for the response; ``None`` for the default.

        Raises:
            ExecutorError: It exited, timed out, or wrote something else.
        """
        seconds = self.timeout if timeout is None else timeout
        deadline = time.monotonic() + seconds
        self._move(0.0)
        if len(self._received):
            raise self._failure(f"it wrote {self._unexpected()} before the request")
        self._outgoing = frame(request)
        self._want_to_write()
        while (body := self._taken()) is None:
            if not self._is_registered(self._process.stdout):
                raise self._failure(self._describe_exit())
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise self._failure(self._describe_timeout(seconds))
            self._move(remaining)
        try:
            response = v1.Response.FromString(body)
        except DecodeError:
            shown = f"{len(body):,} bytes, {body[:_SHOWN_BYTES]!r}"
            raise self._failure(f"expected a Response, got {shown}") from None
        if len(self._received):
            raise self._failure(f"it wrote {self._unexpected()} after its response")
        if response.WhichOneof("response") is None:
            raise self._failure("its Response is empty")
        return response

    def finish(self) -> str | None:
        """Close its input and wait for its exit; return a description of any failure."""
        self._outgoing = b""
        self._drop(self._process.stdin)
        deadline = time.monotonic() + self.timeout
        while self._is_registered(self._process.stdout):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return f"it was still running {self.timeout:g} s after the end of its input"
            self._move(remaining)
            if len(self._received):
                return f"it wrote {self._unexpected()} after the end of its input"
        status = self._status(max(deadline - time.monotonic(), 0.1))
        if status is None:
            return f"it was still running {self.timeout:g} s after the end of its input"
        return None if status == 0 else f"it {_describe_status(status)} after the end of its input"

    def kill(self) -> None:
        """Kill it and the processes that it started, unless it has exited."""
        if self._process.returncode is None:
            # The process id cannot be reused before the process is waited for.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            # A process of another user cannot be killed: do not wait for it without a limit.
            self._status(_EXIT_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            self._drop(stream)
        self._selector.close()

    def _taken(self) -> bytes | None:
        try:
            return self._received.take()
        except FrameError as error:
            shown = self._received.peek(_SHOWN_BYTES)
            raise self._failure(f"it wrote {shown!r}: {error}") from None

    def _failure(self, reason: str) -> ExecutorError:
        # Its error output may not have been read yet.
        if self._selector.get_map():
            self._move(0.0)
        self.kill()
        return ExecutorError(reason, self.stderr)

    def _describe_timeout(self, seconds: float) -> str:
        got = f"; it wrote only {self._unexpected()}" if len(self._received) else ""
        unread = ", and did not read the whole request" if self._outgoing else ""
        return f"it did not answer within {seconds:g} s{unread}{got}"

    def _unexpected(self) -> str:
        return f"{len(self._received):,} bytes, {self._received.peek(_SHOWN_BYTES)!r}"

    def _describe_exit(self) -> str:
        status = self._status(_EXIT_SECONDS)
        if status is None:
            return "it closed its output instead of answering"
        return f"it {_describe_status(status)} instead of answering"

    def _status(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _move(self, seconds: float) -> None:
        """Wait until a pipe is ready, at most some seconds, and read or write."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._process.stdin:
                self._write()
            else:
                self._read(key.fileobj)

    def _read(self, stream: Any) -> None:
        data = os.read(stream.fileno(), _CHUNK)
        if not data:
            self._drop(stream)
        elif stream is self._process.stdout:
            self._received.feed(data)
        else:
            self._errors += data
            del self._errors[:-_KEPT_ERROR_BYTES]

    def _write(self) -> None:
        try:
            sent = os.write(_pipe(self._process.stdin).fileno(), self._outgoing[:_CHUNK])
        except BrokenPipeError:
            # It no longer reads. Its output shows whether it has exited.
            self._outgoing = b""
            self._drop(self._process.stdin)
            return
        self._outgoing = self._outgoing[sent:]
        if not self._outgoing:
            self._selector.unregister(_pipe(self._process.stdin))

    def _want_to_write(self) -> None:
        stdin = _pipe(self._process.stdin)
        if not stdin.closed and not self._is_registered(stdin):
            self._selector.register(stdin, selectors.EVENT_WRITE)

    def _is_registered(self, stream: Any) -> bool:
        return not stream.closed and stream in self._selector.get_map()

    def _drop(self, stream: Any) -> None:
        if self._is_registered(stream):
            self._selector.unregister(stream)
        # Nothing is flushed: all writes bypass Python's buffer.
        with contextlib.suppress(BrokenPipeError):
            stream.close()


def _pipe(stream: Any) -> Any:
    assert stream is not None
    return stream


def _describe_status(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-status).name}"
    return f"was killed by signal {-status}"
