"""The server's log: a line for each call and each change of state, without what was said."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import grpc

from crucible_ir.exchange.server.observing import Call

#: The logger above those of all modules of the exchange.
_ROOT: Final = "crucible_ir.exchange"

_calls: Final = logging.getLogger(f"{_ROOT}.calls")

#: The attribute of a log record that holds its fields.
LOG_FIELDS: Final = "exchange_fields"

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
    """Writes a line for each call when it ends."""

    def begin(self, call: Call) -> None:
        """Nothing is logged when a call begins."""

    def end(self, call: Call) -> None:
        """Log a call that ended."""
        level = logging.WARNING if call.code in _FAULTS else logging.INFO
        if not _calls.isEnabledFor(level):
            return
        fields = {
            "method": call.method,
            "code": call.code.name,
            "duration_ms": round(call.seconds * 1000, 3),
            "request_id": call.request_id,
            "peer": call.peer,
            "caller": call.caller,
        }
        _calls.log(level, "call", extra={LOG_FIELDS: fields})

    def lost(self, call: Call) -> None:
        """Log a call that gRPC ended before it began."""
        fields = {"method": call.method, "request_id": call.request_id}
        _calls.info("call not begun", extra={LOG_FIELDS: fields})

    def unknown(self, method: str) -> None:
        """Log a call to a method that does not exist."""
        fields = {"method": method[:200], "code": grpc.StatusCode.UNIMPLEMENTED.name}
        _calls.info("call", extra={LOG_FIELDS: fields})


def log_to(stream: TextIO = sys.stderr, *, log_format: str = "text") -> None:
    """Send the log of the exchange to a stream.

    Args:
        stream: Where to write.
        log_format: ``json`` for an object on each line, ``text`` for people.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logger = logging.getLogger(_ROOT)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Json(logging.Formatter):
    """Writes an object on each line; JSON escapes whatever would break the line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Text(logging.Formatter):
    """Writes a line of ``key=value``; values with anything unusual in them are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        words = [_time_of(record), record.levelname, _one_line(record.getMessage())]
        words += [
            f"{key}={_quoted(value)}"
            for key, value in _fields_of(record).items()
            if value is not None
        ]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, LOG_FIELDS, {})
    return fields


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)


def _quoted(value: Any) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(" \"'=")
    return text if plain and text else json.dumps(text)
