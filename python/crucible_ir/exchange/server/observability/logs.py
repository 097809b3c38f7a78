"""The server's log: a line for each call and each change of state, without what was said."""

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

from crucible_ir.exchange.server.rpc.call_context import CallInfo

#: The logger above those of all modules of the exchange.
_ROOT: Final = "crucible_ir.exchange"

_calls: Final = logging.getLogger(f"{_ROOT}.calls")

#: The attribute of a log record that holds its fields.
LOG_FIELDS: Final = "exchange_fields"

#: Matches what needs no quotes: printable ASCII without spaces, quotes and equals signs.
_PLAIN: Final = re.compile(r"[!#-&(-<>-~]+").fullmatch

#: How long a call that went well may wait to be logged with others, in seconds.
_MOMENT: Final = 0.05

#: The most calls that are logged together.
_MOST_TOGETHER: Final = 256

#: How a call may end through no fault of its caller.
_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DATA_LOSS,
        grpc.StatusCode.UNAVAILABLE,
    }
)


class CallLog:
    """Logs each call when it has ended: those that went well together, after a moment."""

    def __init__(self) -> None:
        self._ended: list[tuple[float, CallInfo]] = []

    def begin(self, call: CallInfo) -> None:
        """Nothing is logged when a call begins."""

    def end(self, call: CallInfo) -> None:
        """Log a call that ended."""
        self._ended.append((time.time(), call))
        if call.code is not grpc.StatusCode.OK or len(self._ended) == _MOST_TOGETHER:
            self.flush()
        elif len(self._ended) == 1:
            asyncio.get_running_loop().call_later(_MOMENT, self.flush)

    def flush(self) -> None:
        """Log the calls that wait for it."""
        ended, self._ended = self._ended, []
        writer = _writer_of_calls()
        for moment, call in ended:
            level = logging.WARNING if call.code in _FAULTS else logging.INFO
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
            if writer is not None:
                writer.take(writer.spell(moment, level, _calls.name, "call", fields))
                continue
            attributes = {"created": moment, "msecs": moment % 1 * 1000, LOG_FIELDS: fields}
            attributes |= {"levelno": level, "levelname": logging.getLevelName(level)}
            _calls.handle(logging.makeLogRecord({"name": _calls.name, "msg": "call", **attributes}))

    def lost(self, call: CallInfo) -> None:
        """Log a call that gRPC ended before it began."""
        self.flush()
        fields = {"method": call.method, "request_id": call.request_id}
        _calls.info("call not begun", extra={LOG_FIELDS: fields})

    def unknown(self, method: str) -> None:
        """Log a call to a method that does not exist."""
        self.flush()
        fields = {"method": method[:200], "code": grpc.StatusCode.UNIMPLEMENTED.name}
        _calls.info("call", extra={LOG_FIELDS: fields})


def log_to(stream: TextIO = sys.stderr, *, log_format: str = "text") -> None:
    """Send the log of the exchange to a stream.

    Args:
        stream: Where to write.
        log_format: ``json`` for an object on each line, ``text`` for people.
    """
    handler = _Gathering(stream, _json_line if log_format == "json" else _text_line)
    logger = logging.getLogger(_ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _writer_of_calls() -> _Gathering | None:
    """Return the handler of `log_to` where the records of calls come to that and to nothing else.

    It can be given their lines then, without the cost of a record for each.
    """
    logger = logging.getLogger(_ROOT)
    if _calls.handlers or _calls.filters or logger.propagate or len(logger.handlers) != 1:
        return None
    handler = logger.handlers[0]
    return handler if isinstance(handler, _Gathering) and not handler.filters else None


#: Spells a line: its moment in seconds since 1970, level, logger, message and fields.
_Spell = Callable[[float, int, str, str, dict[str, Any]], str]


class _Gathering(logging.StreamHandler[TextIO]):
    """Writes lines together, so that a busy server writes once for many calls.

    A line waits for the event loop to have its turn, and one that is logged elsewhere for nothing.
    """

    def __init__(self, stream: TextIO, spell: _Spell) -> None:
        super().__init__(stream)
        self.spell = spell
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; called under the handler's lock."""
        try:
            fields = _fields_of(record)
            if record.exc_info:
                fields = {**fields, _EXCEPTION: _plain.formatException(record.exc_info)}
            message = record.getMessage()
            self.take(self.spell(record.created, record.levelno, record.name, message, fields))
        except Exception:
            self.handleError(record)

    def take(self, line: str) -> None:
        """Write a line now or soon."""
        self._lines.append(line)
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        # A stream that nobody reads any more is no reason to stop.
        with self.lock or nullcontext(), suppress(OSError, ValueError):
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write(self.terminator.join([*lines, ""]))
            super().flush()


#: The field that holds how an exception came about.
_EXCEPTION: Final = "exception"

_plain: Final = logging.Formatter()


def _json_line(moment: float, level: int, logger: str, message: str, fields: dict[str, Any]) -> str:
    """Spell an object; JSON escapes whatever would break the line."""
    line = {
        "time": _time(moment),
        "level": logging.getLevelName(level).lower(),
        "logger": logger,
        "message": message,
        **fields,
    }
    return json.dumps(line)


def _text_line(moment: float, level: int, logger: str, message: str, fields: dict[str, Any]) -> str:
    """Spell a line of ``key=value``; values with anything unusual in them are quoted."""
    line = f"{_time(moment)} {logging.getLevelName(level)} {_one_line(message)}"
    for key, value in fields.items():
        if key == _EXCEPTION:
            return f"{line}\n{value}"
        if value is not None:
            text = str(value)
            line += f" {key}={text if _PLAIN(text) else json.dumps(text)}"
    return line


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, LOG_FIELDS, {})
    return fields


def _time(moment: float) -> str:
    second = int(moment)
    return f"{_second(second)}.{int((moment - second) * 1000):03}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    """Spell a second, which those that log much log many lines in."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)
