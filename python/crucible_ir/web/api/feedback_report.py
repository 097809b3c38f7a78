"""The report on the feedback of a web backend, with the errors of each line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from crucible_ir.errors import DecodeError, Position, ValidationError, near_miss_in, shorten

if TYPE_CHECKING:
    from crucible_ir.exchange.v1 import ItemError
    from crucible_ir.schema.json_schema import Schema

    #: An error of an event, as a JSON value.
    EventError = dict[str, Any]

#: The most errors that a report lists.
MAX_ERRORS: Final = 100

#: The id of an error of an event that cannot be read, as other reports of this package have it.
_DECODE: Final = "decode"

#: The id of an error of an event that the exchange rejects for another reason than a rule.
_REJECTED: Final = "rejected"

#: The advice of errors for Python about what reads a value.
_ADVICE: Final = re.compile(r'read with (from_crucible_json|dialect="crucible")')

_COUNT: Final = {"type": "integer", "minimum": 0}

#: The JSON Schemas of a report.
REPORT_SCHEMAS: Final[dict[str, Schema]] = {
    "FeedbackReport": {
        "type": "object",
        "description": "What became of the events of a request. What is accepted is durable.",
        "properties": {
            "accepted": {"description": "How many events were stored.", **_COUNT},
            "duplicates": {
                "description": "How many events the exchange had already, by their id, or occur"
                " earlier in the request. Nothing was changed for them.",
                **_COUNT,
            },
            "rejected": {"description": "How many events were not stored.", **_COUNT},
            "errors": {
                "description": "Why events were rejected, in the order of the lines; at most"
                f" {MAX_ERRORS} errors.",
                "type": "array",
                "maxItems": MAX_ERRORS,
                "items": {"$ref": "#/components/schemas/FeedbackError"},
            },
            "omitted": {
                "description": "How many rejected events have no error in the list.",
                **_COUNT,
            },
        },
        "required": ["accepted", "duplicates", "rejected", "errors", "omitted"],
        "additionalProperties": False,
    },
    "FeedbackError": {
        "type": "object",
        "description": "One reason why an event was rejected.",
        "properties": {
            "line": {
                "description": "The line of the request, from 1.",
                "type": "integer",
                "minimum": 1,
            },
            "column": {
                "description": "The column of the line in characters, from 1; null if not known.",
                "type": ["integer", "null"],
                "minimum": 1,
            },
            "path": {
                "description": "The path of the field; empty if the error is about the event.",
                "type": "string",
            },
            "rule": {
                "description": "The id of the rule, `decode` for an event that cannot be read, or"
                " `rejected`. `crucible-ir explain` explains rules.",
                "type": "string",
            },
            "message": {"description": "The error, for people.", "type": "string"},
            "value": {
                "description": "The invalid value, shortened; null if there is none to show.",
                "type": ["string", "null"],
            },
            "suggestion": {
                "description": "The known name that was probably meant; null if there is none.",
                "type": ["string", "null"],
            },
        },
        "required": ["line", "column", "path", "rule", "message", "value", "suggestion"],
        "additionalProperties": False,
    },
}


@dataclass(slots=True)
class FeedbackReport:
    """What became of the events of a request.

    Attributes:
        accepted: The number of events that were stored.
        duplicates: The number of events that were stored before.
        rejected: The number of events that were not stored.
        errors: The first errors, as JSON values.
        omitted: The number of rejected events without an error in the list.
    """

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    errors: list[EventError] = field(default_factory=list)
    omitted: int = 0

    def reject(self, errors: Callable[[], list[EventError]]) -> None:
        """Count a rejected event.

        Args:
            errors: Returns its errors. It takes time, so it is called only if they are listed.
        """
        self.rejected += 1
        room = MAX_ERRORS - len(self.errors)
        if room:
            self.errors += errors()[:room]
        else:
            self.omitted += 1

    def json(self) -> dict[str, Any]:
        """Return the report as a JSON value."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "errors": sorted(self.errors, key=lambda error: cast("int", error["line"])),
            "omitted": self.omitted,
        }


def read_errors(error: DecodeError | ValidationError, line: int | None = None) -> list[EventError]:
    """Return the errors of an event that cannot be read or breaks rules.

    Args:
        error: The error.
        line: The line of the event, if there is one on each line.

    >>> error = DecodeError('no field "ide"; did you mean "id"?', position=Position(1, 2))
    >>> [found] = read_errors(error, 7)
    >>> found["line"], found["column"], found["suggestion"]
    (7, 2, 'id')
    """
    if isinstance(error, DecodeError):
        return [
            _error(
                _DECODE, each.path, _for_http(each.reason, each.path), _place(each.position, line)
            )
            | {"suggestion": near_miss_in(each.reason)}
            for each in error.errors
        ]
    return [
        _error(each.rule_id, each.path, each.message, _place(each.position, line))
        | {"value": None if each.value is None else shorten(each.value)}
        for each in error.violations
    ]


def rejection_errors(error: ItemError, line: int) -> list[EventError]:
    """Return the errors of an event that the exchange rejected."""
    place = (line, None)
    broken = [_error(each.rule_id, each.path, each.message, place) for each in error.violations]
    return broken or [_error(_REJECTED, "", error.message, place)]


def _for_http(reason: str, path: str) -> str:
    if reason == "expected an object, got a list" and not path:
        return f"{reason}; send one event a line, with Content-Type: application/jsonl"
    return _ADVICE.sub("read with Content-Type: application/crucible-json, or -jsonl", reason)


def _place(position: Position | None, line: int | None) -> tuple[int, int | None]:
    """Return the line and the column of an error."""
    if position is None:
        return line or 1, None
    return line or position.line, position.column


def _error(rule: str, path: str, message: str, place: tuple[int, int | None]) -> EventError:
    line, column = place
    return {
        "line": line,
        "column": column,
        "path": path,
        "rule": rule,
        "message": message,
        "value": None,
        "suggestion": None,
    }
