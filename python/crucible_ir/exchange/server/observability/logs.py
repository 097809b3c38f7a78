"""The server's log: a line for each call and each change of state, without message contents."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, TextIO

import grpc

from crucible_ir.exchange.server.observability.observing import Observer
from crucible_ir.exchange.server.rpc.call_context import CallInfo
from crucible_ir.exchange.server.standard_services import OPEN_METHODS

#: The parent of the loggers of all modules of the exchange.
_ROOT: Final = "crucible_ir.exchange"

_calls: Final = logging.getLogger(f"{_ROOT}.calls")

#: The attribute of a log record that contains its fields.
LOG_FIELDS: Final = "exchange_fields"

#: Matches values that need no quotes: printable ASCII without spaces, quotes and equals signs.
_UNQUOTED: Final = re.compile(r"[!#-&(-<>-~]+").fullmatch

#: How long a successful call may wait to be logged together with others, in seconds.
_BATCH_SECONDS: Final = 0.05

#: The most calls that are logged together.
_BATCH_CALLS: Final = 256

#: The codes of errors that the caller did not cause.
_SERVER_ERRORS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNAVAILABLE,
    }
)


class CallLog(Observer):
    """Logs each call when it has ended; successful calls together, after a short delay."""

    def __init__(self) -> None:
        self._ended: list[tuple[float, CallInfo]] = []

    def end(self, call: CallInfo) -> None:
        """Log a call that ended."""
        self._ended.append((time.time(), call))
        if call.code is not grpc.StatusCode.OK or len(self._ended) == _BATCH_CALLS:
            self.flush()
        elif len(self._ended) == 1:
            asyncio.get_running_loop().call_later(_BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Log the calls that are waiting."""
        ended, self._ended = self._ended, []
        handler = _batching_handler()
        for timestamp, call in ended:
            level = _level_of(call)
            if not _calls.isEnabledFor(level):
                continue
            fields = {
                "method": call.method,
                "code": call.code.name,
                "duration_ms": round(call.seconds * 1000, 3),
                "request_id": call.request_id,
                "peer": call.peer,
                "caller": call.caller,
            }
            if call.protocol:
                fields["protocol"] = call.protocol
            if handler is not None:
                handler.write(handler.line(timestamp, level, _calls.name, "call", fields))
                continue
            attributes = {"created": timestamp, "msecs": timestamp % 1 * 1000, LOG_FIELDS: fields}
            attributes |= {"levelno": level, "levelname": logging.getLevelName(level)}
            _calls.handle(logging.makeLogRecord({"name": _calls.name, "msg": "call", **attributes}))

    def not_begun(self, call: CallInfo) -> None:
        """Log a call that gRPC ended before it began."""
        self.flush()
        fields = {"method": call.method, "request_id": call.request_id}
        _calls.info("call not begun", extra={LOG_FIELDS: fields})

    def unknown_method(self, method: str, protocol: str) -> None:
        """Log a call to a method that does not exist."""
        self.flush()
        fields = {"method": method[:200], "code": grpc.StatusCode.UNIMPLEMENTED.name}
        if protocol:
            fields["protocol"] = protocol
        _calls.info("call", extra={LOG_FIELDS: fields})


def _level_of(call: CallInfo) -> int:
    """Return the level of a call that ended; orchestrators check the health all the time."""
    if call.code in _SERVER_ERRORS:
        return logging.WARNING
    is_check = call.method in OPEN_METHODS and call.code is grpc.StatusCode.OK
    return logging.DEBUG if is_check else logging.INFO


def log_to(stream: TextIO = sys.stderr, *, log_format: str = "text", level: str = "info") -> None:
    """Send the log of the exchange to a stream.

    Args:
        stream: The stream.
        log_format: ``json`` for an object on each line, ``text`` for people.
        level: The least level of what is logged, ``debug``, ``info``, ``warning`` or ``error``.
    """
    handler = _BatchingHandler(stream, _json_line if log_format == "json" else _text_line)
    logger = logging.getLogger(_ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def _batching_handler() -> _BatchingHandler | None:
    """Return the handler of `log_to` if no other handler or filter receives the records of calls.

    Lines can then be written to it directly, without the cost of a log record for each call.
    """
    logger = logging.getLogger(_ROOT)
    if _calls.handlers or _calls.filters or logger.propagate or len(logger.handlers) != 1:
        return None
    handler = logger.handlers[0]
    return handler if isinstance(handler, _BatchingHandler) and not handler.filters else None


#: Formats a line: its timestamp in seconds since 1970, level, logger, message and fields.
_LineFormat = Callable[[float, int, str, str, dict[str, Any]], str]


class _BatchingHandler(logging.StreamHandler[TextIO]):
    """Writes lines in batches, so that a busy server writes once for many calls.

    A line waits for the next iteration of the event loop; without a loop it is written at once.
    """

    def __init__(self, stream: TextIO, line: _LineFormat) -> None:
        super().__init__(stream)
        self.line = line
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; called under the handler's lock."""
        try:
            fields = _fields_of(record)
            if record.exc_info:
                fields = {**fields, _EXCEPTION: _formatter.formatException(record.exc_info)}
            message = record.getMessage()
            self.write(self.line(record.created, record.levelno, record.name, message, fields))
        except Exception:
            self.handleError(record)

    def write(self, line: str) -> None:
        """Write a line now or soon."""
        self._lines.append(line)
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Write the lines that are waiting."""
        # The server continues when the stream is closed at the other end.
        with self.lock or nullcontext(), suppress(OSError, ValueError):
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write(self.terminator.join([*lines, ""]))
            super().flush()


#: The field that contains a traceback.
_EXCEPTION: Final = "exception"

_formatter: Final = logging.Formatter()


def _json_line(
    timestamp: float, level: int, logger: str, message: str, fields: dict[str, Any]
) -> str:
    """Format an object; JSON escapes line breaks."""
    line = {
        "time": _time(timestamp),
        "level": logging.getLevelName(level).lower(),
        "logger": logger,
        "message": message,
        **fields,
    }
    return json.dumps(line)


def _text_line(
    timestamp: float, level: int, logger: str, message: str, fields: dict[str, Any]
) -> str:
    """Format a line of ``key=value``; values with other than plain characters are quoted."""
    line = f"{_time(timestamp)} {logging.getLevelName(level)} {_one_line(message)}"
    for key, value in fields.items():
        if key == _EXCEPTION:
            return f"{line}\n{value}"
        if value is not None:
            text = str(value)
            line += f" {key}={text if _UNQUOTED(text) else json.dumps(text)}"
    return line


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, LOG_FIELDS, {})
    return fields


def _time(timestamp: float) -> str:
    second = int(timestamp)
    return f"{_second(second)}.{int((timestamp - second) * 1000):03}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    """Format a second; a busy server logs many lines in one."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)
